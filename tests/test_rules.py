"""Each rule, from outside: a repository, a change or a session that it must complain about, and one
that it must not.

tests/rules/<category.rule> holds the case; see tests/rule_examples.py. Its expect.txt lists what is
found in the bad one, a line `file:line:column rule` each; prose is not compared. What people are
shown of it, under codegen/rules/examples, is: --update-golden writes both.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from rule_examples import CORPUS, Case

from codegen.rules import EXAMPLES, all_rules

CASES = [Case(path) for path in sorted(CORPUS.iterdir()) if path.is_dir()]
FURTHER = [Case(path) for path in sorted(CORPUS.glob("*/more"))]


def each(cases: Iterable[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(cases), ids=lambda case: case.name)


those_found = each(case for case in CASES + FURTHER if not case.is_session)


@those_found
def test_a_rule_finds_what_is_bad(case: Case, update_golden: bool) -> None:
    expected = case.folder / "expect.txt"
    found = [f"{item.location} {item.rule.id}" for item in case.find("bad")]
    if update_golden:
        expected.write_text("".join(f"{line}\n" for line in found))
    assert found == expected.read_text().splitlines()
    assert any(line.endswith(f" {case.rule}") for line in found)


@those_found
def test_a_rule_is_silent_on_what_is_good(case: Case) -> None:
    assert [item for item in case.find("good") if not item.waived] == []


@each(case for case in CASES if case.is_session)
def test_a_session_ends_with_what_is_wrong_and_mends_it(case: Case, tmp_path: Path) -> None:
    printed = case.run(tmp_path)
    assert any(case.rule in line for line in printed["bad"])
    assert not any(case.rule in line for line in printed["good"])


@each(CASES)
def test_people_are_shown_the_case(case: Case, tmp_path: Path, update_golden: bool) -> None:
    text = case.explain(tmp_path)
    assert str(tmp_path) not in text
    assert str(CORPUS) not in text
    shown = EXAMPLES / f"{case.folder.name}.txt"
    if update_golden:
        shown.write_text(text, "utf-8")
    assert shown.read_text("utf-8") == text, (
        "write it anew: pytest tests/test_rules.py --update-golden"
    )


def test_every_rule_has_a_case_and_explains_itself() -> None:
    rules = all_rules()
    assert set(rules) == {case.rule for case in CASES}, "see tests/rule_examples.py for a case"
    assert {path.stem for path in EXAMPLES.iterdir()} == {case.folder.name for case in CASES}
    for rule in rules.values():
        assert rule.summary.endswith("."), rule.id
        assert len(rule.rationale) > 40, rule.id


def test_the_list_of_rules_does_not_depend_on_what_was_imported_before() -> None:
    package = Path(__file__).parent.parent / "codegen"
    sources = (path.read_text("utf-8") for path in package.rglob("*.py"))
    declared = {
        name for text in sources for name in re.findall(r'(?:= rule|@check)\(\s*"([^"]+)"', text)
    }
    program = "from codegen.rules import all_rules; print(*all_rules())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == declared
