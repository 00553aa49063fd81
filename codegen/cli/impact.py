"""Say which services a change touches, and in which order to deploy them."""

from __future__ import annotations

from pathlib import Path

import click

from codegen.cli._repository import against_option, root_option


@click.command()
@root_option
@against_option
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def command(root: Path | None, against: str | None, format_name: str) -> None:
    """Say which services a change touches, and in which order to deploy them.

    Each service is judged by the schema that its stubs were generated from, as kontrakt.lock has
    it, or else by the latest version, and by what its topics still hold. Where no order is safe,
    the steps are written out that make one.

    \b
    Example:
      kontrakt impact
      kontrakt impact --against git:main
      kontrakt impact --against git:main --format markdown
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from codegen.baselines import open_baseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository  # noqa: PLC0415
    from codegen.diagnostics import CouldNotCheck, Findings  # noqa: PLC0415
    from codegen.impact.account import FORMATS, Account  # noqa: PLC0415
    from codegen.impact.plan import make_plan  # noqa: PLC0415
    from codegen.lock import LOCK_FILE, read_lock  # noqa: PLC0415
    from codegen.review import review  # noqa: PLC0415

    folder, contract, _ = open_repository(root, format_name)
    baseline = open_baseline(against, contract.registry, folder)
    lock = read_lock(folder / LOCK_FILE)
    outcome = review(contract, baseline, Findings(), lock)
    plan = make_plan(outcome.impacts)
    account = Account(
        baseline.name,
        len(contract.events),
        outcome.impacts,
        {one.subject: one for one in outcome.differences},
        outcome.topology,
        outcome.shifts,
        plan,
        datetime.now(UTC).date(),
    )
    click.echo(FORMATS[format_name](account), nl=False)
    if plan.unknown:
        raise CouldNotCheck(
            "the impact of a change is unknown: a version of its history cannot be compared",
            "kontrakt check says which version, and why",
        )
