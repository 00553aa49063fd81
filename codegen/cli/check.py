"""Check whether a change breaks anyone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import format_option, root_option

if TYPE_CHECKING:
    from codegen.contract.model import Contract
    from codegen.review import Review


@click.command()
@root_option
@click.option(
    "--against",
    metavar="BASELINE",
    help="registry, registry:URL, git:REVISION, snapshot, snapshot:FILE or folder:DIR. "
    "By default the registry.",
)
@format_option
def command(root: Path | None, against: str | None, format_name: str) -> None:
    """Check whether a change breaks anyone: where, whom, why, and how to mend it.

    \b
    Example:
      kontrakt check
      kontrakt check --against git:main
    """
    from datetime import date  # noqa: PLC0415
    from time import perf_counter  # noqa: PLC0415

    from codegen.baselines import open_baseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository, show  # noqa: PLC0415
    from codegen.diagnostics import make_report, override_severities  # noqa: PLC0415
    from codegen.impact import describe  # noqa: PLC0415
    from codegen.lock import LOCK_NAME, read_lock  # noqa: PLC0415
    from codegen.review import review  # noqa: PLC0415

    started = perf_counter()
    folder, contract, findings = open_repository(root, format_name)
    baseline = open_baseline(against, contract.registry, folder)
    outcome = review(contract, baseline, findings, read_lock(folder / "generated" / LOCK_NAME))
    found = make_report(override_severities(findings, contract.severities))
    summary = _summary(contract, outcome, len(found.findings), baseline.name)
    report = make_report(
        found.findings,
        (subject.name for subject in contract.subjects),
        f"{summary}, {(perf_counter() - started) * 1000:.0f} ms",
        describe(outcome.impacts, date.today()),
    )
    show(report, format_name)
    raise click.exceptions.Exit(1 if report.has_errors else 0)


def _summary(contract: Contract, outcome: Review, count: int, baseline: str) -> str:
    broken = set(outcome.broken)
    events = contract.events
    bad = sum(event.subject in broken for event in events)
    parts = [f"{count} finding{'s' if count != 1 else ''} in {bad} of {len(events)} events"]
    if not count:
        parts = [f"{len(events)} event{'s are' if len(events) != 1 else ' is'} good"]
    if outcome.changed:
        parts.append(f"{len(outcome.changed)} of {len(contract.subjects)} subjects changed")
    if outcome.new:
        parts.append(f"{len(outcome.new)} new, with no past to break with")
    parts.append(f"against {baseline} ({outcome.version_count} versions)")
    return ", ".join(parts)
