"""Changes of a contract, from outside: each case is a repository before and after.

tests/evolution/<case>/before and after are contract repositories. expect.txt lists what is found
when the one is checked against the other: a line `file:line:column rule` for each finding, then the
rollout of each changed event. Where before holds a snapshot of a registry, that is the past.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from codegen.baselines import open_baseline
from codegen.contract.load import load_contract
from codegen.diagnostics import Findings, make_report
from codegen.impact.plan import make_plan
from codegen.impact.wording import describe_plan
from codegen.review import Review, review

CORPUS = Path(__file__).parent / "evolution"
CASES = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())


def judge(case: Path, findings: Findings) -> Review:
    contract = load_contract(case / "after", findings)
    assert contract is not None, list(findings)
    snapshot = case / "before" / "schemas" / "registry.snapshot.json"
    past = f"snapshot:{snapshot}" if snapshot.exists() else f"folder:{case / 'before'}"
    baseline = open_baseline(past, contract.registry, case / "after")
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
