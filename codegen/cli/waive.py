"""Print the waivers that would let what a check finds pass for a while."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._names import complete_rules
from codegen.cli._repository import against_option, root_option

if TYPE_CHECKING:
    from datetime import date, datetime

DAYS = 30
"""For how long waivers are good when nobody says."""


@click.command()
@root_option
@against_option
@click.option("--reason", required=True, help="Why it is right to live with it.")
@click.option(
    "--until",
    metavar="DAY",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The last day, as year-month-day; what is waived counts again after it. By default "
    f"{DAYS} days from today.",
)
@click.argument("rules", nargs=-1, shell_complete=complete_rules)
def command(
    root: Path | None,
    against: str | None,
    reason: str,
    until: datetime | None,
    rules: tuple[str, ...],
) -> None:
    """Print the waivers that would let what a check finds pass for a while.

    Copy them into schemas/contracts.yaml, where they are reviewed like any other change. Each is
    bound to one rule, one subject and the two schemas of one change. RULES are the ids of the
    rules to waive; without any, those of all errors.

    \b
    Example:
      kontrakt waive --reason "No message was ever sent."
      kontrakt waive compat/field-removed --reason "Only the tests read it." --until 2027-01-31
    """
    import json  # noqa: PLC0415

    from codegen.baselines import open_baseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository  # noqa: PLC0415
    from codegen.diagnostics import Severity, override_severities  # noqa: PLC0415
    from codegen.lock import LOCK_FILE, read_lock  # noqa: PLC0415
    from codegen.review import review  # noqa: PLC0415

    if not reason.strip():
        raise click.BadParameter("a waiver needs a reason", param_hint="--reason")
    end = _choose_end(until)
    _refuse_unknown(rules)
    folder, contract, findings = open_repository(root)
    baseline = open_baseline(against, contract.registry, folder)
    review(contract, baseline, findings, read_lock(folder / LOCK_FILE))
    waivers = {
        json.dumps(
            {
                "rule": item.rule.id,
                "subject": subject,
                "from": change.before,
                "to": change.after,
                "reason": reason,
                "until": end.isoformat(),
            }
        ): None
        for item in override_severities(findings, contract.severities)
        if not item.waived
        if (item.rule.id in rules if rules else item.severity is Severity.ERROR)
        for subject, change in item.changes.items()
        if change is not None
    }
    if not waivers:
        click.echo("Nothing was found that a waiver could cover.", err=True)
        return
    click.echo("\n".join(["waivers:", *(f"  - {waiver}" for waiver in waivers)]))


def _choose_end(until: datetime | None) -> date:
    """The last day of the waivers, counted in UTC as `check` counts. Raises BadParameter."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    today = datetime.now(UTC).date()
    if until is None:
        return today + timedelta(DAYS)
    if until.date() < today:
        raise click.BadParameter(
            f"{until.date()} is past: give today, {today}, or a later day", param_hint="--until"
        )
    return until.date()


def _refuse_unknown(rules: tuple[str, ...]) -> None:
    from difflib import get_close_matches  # noqa: PLC0415

    from codegen.rules import all_rules  # noqa: PLC0415

    known = all_rules()
    for name in rules:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]}?" if near else "See: kontrakt rules"
            raise click.UsageError(f"There is no rule {name}. {hint}")
