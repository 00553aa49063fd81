"""Publish what was reviewed to the registry: a plan first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import root_option
from codegen.counting import count_done, count_words

if TYPE_CHECKING:
    from codegen.contract.model import Contract
    from codegen.diagnostics import Findings
    from codegen.publication import Done, Plan
    from codegen.publication.planning import Step

_AT_ONCE = "\0"
"""What `--apply` without a file gives: no name of a file."""


@click.command()
@root_option
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the plan to a file, to be reviewed and applied later.",
)
@click.option(
    "--apply",
    "applied",
    is_flag=False,
    flag_value=_AT_ONCE,
    metavar="[FILE]",
    help="Do what the plan in the file says, if nothing has moved on; without one, plan and do it.",
)
@click.option("--to", "address", metavar="URL", help="The registry; by default the manifest's.")
def command(
    root: Path | None, plan_file: Path | None, applied: str | None, address: str | None
) -> None:
    """Publish what was reviewed to the registry: a plan first, then, with --apply, exactly that.

    What `kontrakt check` refuses is never registered, and nothing is ever deleted. It can be run
    again at any time: what is there already stays as it is. A plan in a file is applied only as
    long as the files and the registry are as they were when it was made.

    \b
    Example:
      kontrakt register                     look
      kontrakt register --apply             plan and apply in one go
      kontrakt register --plan plan.json    for a review; then
      kontrakt register --apply plan.json
    """
    from codegen.baselines import open_registry_baseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository  # noqa: PLC0415
    from codegen.lock import LOCK_FILE, read_lock  # noqa: PLC0415
    from codegen.publication import apply_plan, make_plan  # noqa: PLC0415
    from codegen.publication.document import compare_plan, read_plan, save_plan  # noqa: PLC0415
    from codegen.review import review  # noqa: PLC0415

    if plan_file is not None and applied is not None:
        raise click.UsageError("--plan writes a plan and --apply does one: give one of them.")
    folder, contract, findings = open_repository(root)
    reviewed = None
    if applied not in (None, _AT_ONCE):
        reviewed = read_plan(Path(str(applied)), findings)
    _stop_on_errors(contract, findings)
    baseline = open_registry_baseline(address, contract.registry, folder)
    review(contract, baseline, findings, read_lock(folder / LOCK_FILE))
    _stop_on_errors(contract, findings)
    plan = make_plan(contract, baseline.client, findings)
    if reviewed is not None:
        compare_plan(reviewed, plan, findings)
    _stop_on_errors(contract, findings)
    if applied is None:
        _show_plan(plan)
        written, file = "Nothing was written.", ""
        if plan_file is not None:
            save_plan(plan_file, plan)
            written, file = f"Nothing was registered. The plan is in {plan_file}.", f" {plan_file}"
        if plan.changes:
            click.echo(f"{written} Apply it with: kontrakt register --apply{file}")
        return
    done = apply_plan(plan, baseline.client, findings)
    _show_done(plan, done)
    _stop_on_errors(contract, findings, f"{count_done(len(done), len(plan.changes), 'step')}.")


def _stop_on_errors(
    contract: Contract, findings: Findings, summary: str = "Nothing was registered."
) -> None:
    from codegen.cli._repository import show  # noqa: PLC0415
    from codegen.diagnostics import make_report, override_severities  # noqa: PLC0415

    report = make_report(override_severities(findings, contract.severities), summary=summary)
    if report.has_errors:
        show(report)
        raise click.exceptions.Exit(1)


def _show_plan(plan: Plan) -> None:
    from codegen.publication import Action  # noqa: PLC0415

    click.echo(plan.registry)
    width = max((len(step.subject.name) for step in plan.changes), default=0)
    for step in plan.changes:
        name = f"{step.subject.name:<{width}}"
        before = f" (was {step.level.value})" if step.level is not None and step.latest else ""
        level = f"  level {step.subject.level.value}{before}" if step.changes_level else ""
        if step.action is Action.REGISTER:
            click.echo(f"  register   {name}  v{step.version}{level}")
        else:
            click.echo(f"  set level  {name}  {level.strip()}")
        _show_changes(step)
    _show_unchanged(plan)


def _show_done(plan: Plan, done: tuple[Done, ...]) -> None:
    click.echo(plan.registry)
    width = max((len(one.step.subject.name) for one in done), default=0)
    for one in done:
        name = f"{one.step.subject.name:<{width}}"
        level = f"  level {one.step.subject.level.value}" if one.step.changes_level else ""
        if one.stored is not None:
            expected = one.step.version
            other = f" (v{expected} was expected)" if one.stored.version != expected else ""
            click.echo(
                f"  registered {name}  v{one.stored.version}{other}  id {one.stored.id}{level}"
            )
        else:
            click.echo(f"  set level  {name}  {level.strip()}")
        _show_changes(one.step)
    _show_unchanged(plan)


def _show_changes(step: Step) -> None:
    from codegen.report.escaping import single_line  # noqa: PLC0415

    for words in step.changes if step.latest else ():
        click.echo(f"             {single_line(words)}")


def _show_unchanged(plan: Plan) -> None:
    older = [step for step in plan.steps if step.is_older and not step.changes_level]
    width = max((len(step.subject.name) for step in older), default=0)
    for step in older:
        name = f"{step.subject.name:<{width}}"
        click.echo(f"  older      {name}  v{step.version}, and v{step.latest} is the newest there")
    if unchanged := len(plan.steps) - len(plan.changes) - len(older):
        click.echo(f"  unchanged  {count_words(unchanged, 'subject')}")
