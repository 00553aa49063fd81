"""Each rule, from outside: a repository it must complain about, and one it must not.

tests/rules/<category.rule>/bad and good are contract repositories. expect.txt lists what is found
in the bad one, a line `file:line:column rule` each; prose is not compared.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from codegen.contract.load import load_contract, load_repository
from codegen.diagnostics import Findings, make_report
from codegen.generation import generate
from codegen.linting import lint
from codegen.rules import all_rules
from codegen.rules.lint import lint_rules
from codegen.targets import discover_targets

CORPUS = Path(__file__).parent / "rules"
CASES = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())

NEEDS_A_PAST = ("compat/", "change/", "waiver/")
"""Rules about two versions of a schema: tests/evolution holds their cases."""

OUTSIDE_A_REPOSITORY = (
    "check/",
    "drift/",
    "generate/not-fresh",
    "lint/unused-baseline",
    "plan/",
    "pull/",
    "registry/",
    "snapshot/",
)
"""Rules about generated files, registries, plans and snapshots: the tests of those hold cases."""


ABOUT_LINT = {rule.id for rule in lint_rules()} | {"lint/unknown-rule", "lint/unused-ignore"}


def find(root: Path) -> list[str]:
    """What is found in a repository: by lint, or by loading it and rendering its stubs."""
    findings = Findings()
    if root.parent.name.replace(".", "/", 1) in ABOUT_LINT:
        repository = load_repository(root, findings)
        assert repository.manifest is not None
        linting = lint(repository, findings)
        found = make_report((*linting.failures, *linting.findings)).findings
        return [f"{item.location} {item.rule.id}" for item in found]
    contract = load_contract(root, findings)
    if contract is not None:
        generate(contract, discover_targets(), findings)
    return [f"{item.location} {item.rule.id}" for item in make_report(findings).findings]


@pytest.mark.parametrize("case", CASES)
def test_a_rule_finds_what_is_bad(case: str, update_golden: bool) -> None:
    expected = CORPUS / case / "expect.txt"
    found = find(CORPUS / case / "bad")
    if update_golden:
        expected.write_text("".join(f"{line}\n" for line in found))
    assert found == expected.read_text().splitlines()
    assert any(line.endswith(f" {case.replace('.', '/', 1)}") for line in found)


@pytest.mark.parametrize("case", CASES)
def test_a_rule_is_silent_on_what_is_good(case: str) -> None:
    assert find(CORPUS / case / "good") == []


def test_every_rule_has_a_case_and_explains_itself() -> None:
    rules = all_rules()
    expected = {name for name in rules if not name.startswith(NEEDS_A_PAST + OUTSIDE_A_REPOSITORY)}
    assert expected == {case.replace(".", "/", 1) for case in CASES}
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
