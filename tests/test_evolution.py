"""Changes of a contract, from outside: each case is a repository before and after.

tests/evolution/<case>/before and after are contract repositories. expect.txt lists what is found
when the one is checked against the other: a line `file:line:column rule` for each finding, then the
rollout of each changed event. Where before holds a snapshot of a registry, that is the past.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.baselines import open_baseline
from codegen.contract.load import load_contract
from codegen.diagnostics import Findings, make_report
from codegen.review import review

CORPUS = Path(__file__).parent / "evolution"
CASES = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())


def check(case: Path) -> list[str]:
    findings = Findings()
    contract = load_contract(case / "after", findings)
    assert contract is not None, list(findings)
    snapshot = case / "before" / "schemas" / "registry.snapshot.json"
    past = f"snapshot:{snapshot}" if snapshot.exists() else f"folder:{case / 'before'}"
    baseline = open_baseline(past, contract.registry, case / "after")
    outcome = review(contract, baseline, findings)
    lines = [f"{item.location} {item.rule.id}" for item in make_report(findings).findings]
    return lines + [f"{one.event.name} {one.rollout.value}" for one in outcome.impacts]


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_judged(case: str, update_golden: bool) -> None:
    expected = CORPUS / case / "expect.txt"
    found = check(CORPUS / case)
    if update_golden:
        expected.write_text("".join(f"{line}\n" for line in found))
    assert found == expected.read_text().splitlines()
