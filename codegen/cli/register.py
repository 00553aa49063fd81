"""Publish what was reviewed to the registry: a plan first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import root_option

if TYPE_CHECKING:
    from codegen.publication import Done, Plan


@click.command()
@root_option
@click.option("--apply", "is_applied", is_flag=True, help="Do what the plan says.")
@click.option("--to", "address", metavar="URL", help="The registry; by default the manifest's.")
def command(root: Path | None, is_applied: bool, address: str | None) -> None:
    """Publish what was reviewed to the registry: a plan first, then, with --apply, exactly that.

    What `kontrakt check` refuses is never registered, and nothing is ever deleted. It can be run
    again at any time: what is there already stays as it is.

    \b
    Example:
      kontrakt register
      kontrakt register --apply
    """
    from codegen.baselines import open_baseline  # noqa: PLC0415
    from codegen.baselines.registry import RegistryBaseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository, show  # noqa: PLC0415
    from codegen.diagnostics import (  # noqa: PLC0415
        KontraktError,
        make_report,
        override_severities,
    )
    from codegen.publication import apply_plan, make_plan  # noqa: PLC0415
    from codegen.review import review  # noqa: PLC0415

    folder, contract, findings = open_repository(root)
    baseline = open_baseline(
        f"registry:{address}" if address else "registry", contract.registry, folder
    )
    if not isinstance(baseline, RegistryBaseline):
        raise KontraktError(f"{address} is no registry")
    review(contract, baseline, findings)
    plan = None
    if not make_report(override_severities(findings, contract.severities)).has_errors:
        plan = make_plan(contract, baseline.client, findings)
    report = make_report(override_severities(findings, contract.severities))
    if plan is None or report.has_errors:
        show(make_report(report.findings, summary="Nothing was registered."))
        raise click.exceptions.Exit(1)
    if not is_applied:
        _show_plan(plan)
        return
    done = apply_plan(plan, baseline.client, findings)
    _show_done(plan, done)
    if findings.has_errors:
        show(make_report(findings, summary=f"{len(done)} of {len(plan.changes)} steps were done."))
        raise click.exceptions.Exit(1)


def _show_plan(plan: Plan) -> None:
    from codegen.publication import Action  # noqa: PLC0415

    click.echo(plan.registry)
    width = max((len(step.subject.name) for step in plan.changes), default=0)
    for step in plan.changes:
        name = f"{step.subject.name:<{width}}"
        before = f" (was {step.level.value})" if step.level is not None else ""
        level = f"  level {step.subject.level.value}{before}" if step.changes_level else ""
        if step.action is Action.REGISTER:
            click.echo(f"  register   {name}  v{step.version}{level}")
        else:
            click.echo(f"  set level  {name}  {level.strip()}")
    _show_unchanged(plan)
    if plan.changes:
        click.echo("Nothing was written. Apply it with: kontrakt register --apply")


def _show_done(plan: Plan, done: tuple[Done, ...]) -> None:
    click.echo(plan.registry)
    width = max((len(one.step.subject.name) for one in done), default=0)
    for one in done:
        name = f"{one.step.subject.name:<{width}}"
        level = f"  level {one.step.subject.level.value}" if one.step.changes_level else ""
        if one.stored is not None:
            click.echo(f"  registered {name}  v{one.stored.version}  id {one.stored.id}{level}")
        else:
            click.echo(f"  set level  {name}  {level.strip()}")
    _show_unchanged(plan)


def _show_unchanged(plan: Plan) -> None:
    if unchanged := len(plan.steps) - len(plan.changes):
        click.echo(f"  unchanged  {unchanged} subject{'s' if unchanged != 1 else ''}")
