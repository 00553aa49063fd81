"""Changes of a contract, from outside: each case is a repository before and after.

tests/evolution/<case>/before and after are contract repositories. expect.txt lists what is found
when the one is checked against the other: a line `file:line:column rule` for each finding, then the
rollout of each changed event. Where before holds a snapshot of a registry, that is the past.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import codegen
from codegen.baselines import open_baseline
from codegen.cli import program
from codegen.contract.load import load_contract
from codegen.diagnostics import Findings, make_report
from codegen.impact.plan import make_plan
from codegen.impact.wording import describe_plan
from codegen.review import Review, review

CORPUS = Path(__file__).parent / "evolution"
CODEGEN = Path(codegen.__file__).parent
MACHINE_FORMATS = [
    ("impact", "--against", "impact/impact.schema.json"),
    ("diff", "--from", "cli/diff.schema.json"),
]
CASES = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())


def name_past(case: Path) -> str:
    snapshot = case / "before" / "schemas" / "registry.snapshot.json"
    return f"snapshot:{snapshot}" if snapshot.exists() else f"folder:{case / 'before'}"


def judge(case: Path, findings: Findings) -> Review:
    contract = load_contract(case / "after", findings)
    assert contract is not None, list(findings)
    baseline = open_baseline(name_past(case), contract.registry, case / "after")
    return review(contract, baseline, findings)


def check(case: Path) -> list[str]:
    findings = Findings()
    outcome = judge(case, findings)
    lines = [f"{item.location} {item.rule.id}" for item in make_report(findings).findings]
    return lines + [f"{one.event.name} {one.rollout.value}" for one in outcome.impacts]


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_judged(case: str, update_golden: bool) -> None:
    expected = CORPUS / case / "expect.txt"
    found = check(CORPUS / case)
    if update_golden:
        expected.write_text("".join(f"{line}\n" for line in found))
    assert found == expected.read_text().splitlines()


def strict(described: Any) -> Any:
    """A JSON Schema that allows only what it describes."""
    if isinstance(described, list):
        return [strict(item) for item in described]
    if not isinstance(described, dict):
        return described
    closed = {key: strict(value) for key, value in described.items()}
    if isinstance(described.get("properties"), dict):
        closed["additionalProperties"] = False
    return closed


@pytest.mark.parametrize(("command", "option", "place"), MACHINE_FORMATS)
def test_the_json_for_programs_fits_its_schema(command: str, option: str, place: str) -> None:
    schema = json.loads((CODEGEN / place).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(strict(schema))
    seen: set[str] = set()
    for case in CASES:
        past, root = name_past(CORPUS / case), str(CORPUS / case / "after")
        arguments = [command, option, past, "--root", root, "--format", "json"]
        done = CliRunner().invoke(program, arguments)
        value = json.loads(done.stdout)
        validator.validate(value)
        seen |= {key for key, held in value.items() if held}
    assert seen == set(schema["properties"]), "a case is missing"


def test_two_events_without_a_safe_order_are_told_and_migrated_together(tmp_path: Path) -> None:
    def decimal(scale: int) -> dict[str, Any]:
        return {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale}

    for side, kind, scale in (("before", "string", 2), ("after", "long", 4)):
        folder = tmp_path / side / "schemas/shop"
        folder.mkdir(parents=True)
        (folder.parent / "contracts.yaml").write_text(
            "version: 1\ntopics: {t: {compatibility: FULL, events: [shop.Sold, shop.Returned]}}\n"
            "services: {till: {produces: [t]}, ledger: {consumes: [t]}}\n"
        )
        for name, fields in {
            "Line": {"n": kind},
            "Sold": {"n": kind, "line": "shop.Line"},
            "Returned": {"n": decimal(scale), "line": "shop.Line"},
        }.items():
            parts = [{"name": field, "type": schema} for field, schema in fields.items()]
            value = {"type": "record", "name": name, "namespace": "shop", "fields": parts}
            (folder / f"{name}.avsc").write_text(json.dumps(value))
    impacts = judge(tmp_path, Findings()).impacts
    lines = describe_plan(make_plan(impacts), date.min)
    refused = [line for line in lines if line.startswith("The registry refuses the new Sold and ")]
    assert len(refused) == 1 and "t-shop.Sold and t-shop.Returned have the level" in refused[0]
    (first,) = (line for line in lines if line.startswith("1."))
    assert 'keep "n" as string' in first and 'keep "n" as decimal(9, 2)' in first


def test_what_is_the_same_of_several_events_is_said_once() -> None:
    outcome = judge(CORPUS / "shared-type-of-two-events", Findings())
    lines = describe_plan(make_plan(outcome.impacts), date(2026, 1, 1))
    assert lines[0] == (
        "The registry refuses the new Sold and the new Returned: t-shop.Sold and t-shop.Returned "
        "have the level FULL, and a waiver does not change that. Mend them, or make the change "
        "under FORWARD_TRANSITIVE, the strictest level that takes them:"
    )
    assert lines[-1] == (
        "What the version before wrote of Sold and Returned must stay readable: drop no field or "
        "symbol of them before 2026-02-01 at the earliest (30 days, retention of topic t)."
    )
    assert [line[:2] for line in lines[1:-1]] == ["1.", "2.", "3."]


def test_what_has_an_order_is_released_apart_from_what_has_none() -> None:
    outcome = judge(CORPUS / "unsafe-beside-safe", Findings())
    lines = describe_plan(make_plan(outcome.impacts), date(2026, 1, 1))
    start = lines.index("RideEnded, in a release of its own:")
    assert lines[start + 1 : start + 4] == ("1. register RideEnded", "2. billing", "3. dispatch")
    assert lines.index("Expand and contract:") < start


def test_a_new_event_that_services_send_each_other_is_handled_before_it_is_sent() -> None:
    outcome = judge(CORPUS / "event-added-both-ways", Findings())
    lines = describe_plan(make_plan(outcome.impacts), date(2026, 1, 1))
    assert lines[-3:] == (
        "1. add Returned to topic moves; register that",
        "2. east and west: handle Returned, and do not send it yet",
        "3. east and west: send Returned from now on",
    )


def test_an_event_of_two_topics_is_one_change_with_the_services_of_both() -> None:
    outcome = judge(CORPUS / "event-on-topics-both-ways", Findings())
    lines = describe_plan(make_plan(outcome.impacts), date(2026, 1, 1))
    assert lines[0].startswith("Asked: no safe order. ")
    assert lines[3] == "2. till (Asked on asked), pricing (Asked on answers): deploy with that"


@pytest.mark.parametrize(
    ("case", "subjects"),
    [
        ("event-inside-another-both-ways", ["shop.Asked", "asked-value"]),
        ("event-on-topics-both-ways", ["asked-value", "answers-value"]),
    ],
)
def test_a_circle_concerns_all_subjects_in_it(case: str, subjects: list[str]) -> None:
    findings = Findings()
    judge(CORPUS / case, findings)
    (found,) = findings
    assert list(found.changes) == subjects
    assert None not in found.changes.values()


def test_the_steps_are_a_numbered_list_in_markdown() -> None:
    case = CORPUS / "event-added-both-ways"
    arguments = ["--against", name_past(case), "--root", str(case / "after")]
    done = CliRunner().invoke(program, ["impact", *arguments, "--format", "markdown"])
    assert "- Expand and contract:\n\n1. add Returned to topic moves; " in done.stdout
