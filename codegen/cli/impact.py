"""Say which services a change touches, and in which order to deploy them."""

from __future__ import annotations

from pathlib import Path

import click

from codegen.cli._repository import against_option, format_option, root_option


@click.command()
@root_option
@against_option
@format_option
def command(root: Path | None, against: str | None, format_name: str) -> None:
    """Say which services a change touches, and in which order to deploy them.

    Each consumer is judged by the schema that its stubs were generated from, as
    generated/kontrakt.lock has it, or else by the latest version.

    \b
    Example:
      kontrakt impact
      kontrakt impact --against git:main
    """
    from datetime import date  # noqa: PLC0415

    from codegen.baselines import open_baseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository, show  # noqa: PLC0415
    from codegen.diagnostics import CouldNotCheck, Findings, make_report  # noqa: PLC0415
    from codegen.impact import Rollout, describe_services, plan  # noqa: PLC0415
    from codegen.lock import LOCK_NAME, read_lock  # noqa: PLC0415
    from codegen.review import review  # noqa: PLC0415

    folder, contract, _ = open_repository(root, format_name)
    baseline = open_baseline(against, contract.registry, folder)
    lock = read_lock(folder / "generated" / LOCK_NAME)
    outcome = review(contract, baseline, Findings(), lock)
    changes = {one.subject: tuple(map(str, one.differences)) for one in outcome.differences}
    sections = [
        (
            f"{one.name} {one.before} -> {one.after}",
            (*changes.get(one.event.subject, ()), *describe_services(one)),
        )
        for one in outcome.impacts
    ]
    if steps := plan(outcome.impacts, date.today()):
        sections.append(("Deploy", steps))
    changed = len(outcome.impacts)
    summary = f"{changed} of {len(contract.events)} events changed, against {baseline.name}"
    checked = (subject.name for subject in contract.subjects)
    show(make_report((), checked, summary, sections), format_name)
    if any(one.rollout is Rollout.UNKNOWN for one in outcome.impacts):
        raise CouldNotCheck(
            "the impact of a change is unknown: a version of its history cannot be compared",
            "kontrakt check says which version, and why",
        )
