"""Check whether a change breaks anyone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import against_option, format_option, root_option
from codegen.counting import agree, count_words

if TYPE_CHECKING:
    from codegen.baselines import Baseline
    from codegen.cli._mending import Mended
    from codegen.contract.model import Contract
    from codegen.diagnostics import Finding, Findings, Report
    from codegen.review import Review


@click.command()
@root_option
@against_option
@click.option("--fix", is_flag=True, help="Mend schema files in place where one edit does it.")
@format_option
def command(root: Path | None, against: str | None, fix: bool, format_name: str) -> None:
    """Check whether a change breaks anyone: where, whom, why, and how to mend it.

    With --fix it adds the default, the null, the alias or the symbol that a schema file lacks,
    shows what it changed, and checks again. Everything else stays as it is, and an edit that does
    not help is not made.

    \b
    Example:
      kontrakt check
      kontrakt check --against git:main
      kontrakt check --fix
    """
    from dataclasses import replace  # noqa: PLC0415
    from time import perf_counter  # noqa: PLC0415

    from codegen.baselines import open_baseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository, show  # noqa: PLC0415

    started = perf_counter()
    folder, contract, findings = open_repository(root, format_name)
    baseline = open_baseline(against, contract.registry, folder)
    mended: Mended | None = None
    if fix:
        mended = _mend(folder, contract, baseline, is_text=format_name == "text")
        folder, contract, findings = open_repository(folder, format_name)
    report = _check(folder, contract, baseline, findings, mended)
    elapsed = (perf_counter() - started) * 1000
    show(replace(report, summary=f"{report.summary}, {elapsed:.0f} ms"), format_name)
    raise click.exceptions.Exit(1 if report.has_errors else 3 if mended and mended.failed else 0)


def _mend(folder: Path, contract: Contract, baseline: Baseline, *, is_text: bool) -> Mended:
    from codegen.cli._mending import write_mended  # noqa: PLC0415
    from codegen.lock import LOCK_FILE, read_lock  # noqa: PLC0415
    from codegen.mending import mend  # noqa: PLC0415

    mending = mend(contract, baseline, read_lock(folder / LOCK_FILE))
    return write_mended(folder, mending, is_text=is_text)


def _check(
    folder: Path,
    contract: Contract,
    baseline: Baseline,
    findings: Findings,
    mended: Mended | None,
) -> Report:
    from datetime import UTC, datetime  # noqa: PLC0415

    from codegen.diagnostics import make_report, override_severities  # noqa: PLC0415
    from codegen.difference import describe_differences  # noqa: PLC0415
    from codegen.impact.plan import make_plan  # noqa: PLC0415
    from codegen.impact.wording import describe  # noqa: PLC0415
    from codegen.lock import LOCK_FILE, read_lock  # noqa: PLC0415
    from codegen.review import review  # noqa: PLC0415

    outcome = review(contract, baseline, findings, read_lock(folder / LOCK_FILE))
    found = make_report(override_severities(findings, contract.severities)).findings
    sections = (
        *describe_differences((*outcome.differences, *outcome.topology)),
        *describe(outcome.impacts, make_plan(outcome.impacts), datetime.now(UTC).date()),
    )
    summary = _summary(contract, outcome, found, baseline.name)
    open_count = sum(not finding.waived for finding in found)
    if mended is not None:
        words = (f"{mended.fixed} fixed, {open_count} left.", *mended.cautions)
        sections = (("Mended", (" ".join(words),)), *sections)
    elif any(finding.mends and not finding.waived for finding in found):
        summary += "; try it with --fix"
    names = (subject.name for subject in contract.subjects)
    return make_report(found, names, summary, sections)


def _summary(contract: Contract, outcome: Review, found: tuple[Finding, ...], baseline: str) -> str:
    subjects = {name for finding in found if not finding.waived for name in finding.changes}
    concerned = {
        event
        for subject in contract.subjects
        if subject.name in subjects
        for event in subject.events
    }
    concerned |= {
        event.name for topic in contract.topics if topic.name in subjects for event in topic.events
    }
    concerned |= {
        event.name
        for service in contract.services
        if service.name in subjects
        for event in (*service.produces, *service.consumes)
    }
    events = contract.events
    if found:
        bad = sum(event.name in concerned for event in events)
        about = f"{bad} of {count_words(len(events), 'event')}"
        parts = [f"{count_words(len(found), 'finding')} about {about}"]
    else:
        parts = [f"{count_words(len(events), 'event')} {agree(len(events), 'is', 'are')} good"]
    if outcome.changed:
        all_subjects = count_words(len(contract.subjects), "subject")
        parts.append(f"{len(outcome.changed)} of {all_subjects} changed")
    if outcome.new:
        parts.append(f"{len(outcome.new)} new, with no past to break with")
    parts.append(f"against {baseline} ({count_words(outcome.version_count, 'version')})")
    return ", ".join(parts)
