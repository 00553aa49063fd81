"""Take schemas, manifest entries and the snapshot from the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import root_option
from codegen.counting import count_words

if TYPE_CHECKING:
    from codegen.pulling import Pull


@click.command()
@root_option
@click.option("--from", "address", metavar="URL", help="The registry; by default the manifest's.")
@click.option("--subject", "names", multiple=True, metavar="NAME", help="Only this subject.")
@click.option(
    "--prefix", "prefixes", multiple=True, metavar="TEXT", help="Only subjects that begin so."
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--force", is_flag=True, help="Overwrite schemas that the registry never saw.")
def command(
    root: Path | None,
    address: str | None,
    names: tuple[str, ...],
    prefixes: tuple[str, ...],
    dry_run: bool,
    force: bool,
) -> None:
    """Take the newest schemas from the registry as .avsc files, with manifest entries and snapshot.

    In a folder without schemas/contracts.yaml, or with one that has no topics yet, it takes all
    subjects and makes a repository; else those of the contract, and those named after its topics
    and namespaces. A file with a schema
    that the registry never saw stops it, unless --force is given. Written is all or nothing, and a
    type that subjects refer to becomes a file of its own. Exit code 1: something is in the way.

    \b
    Example:
      kontrakt pull --dry-run
      kontrakt pull --from http://localhost:8081
      kontrakt pull --prefix orders-
    """
    from codegen.baselines import open_registry_baseline  # noqa: PLC0415
    from codegen.cli._repository import (  # noqa: PLC0415
        open_registry_settings,
        open_repository,
        show,
    )
    from codegen.contract.manifest import has_topics  # noqa: PLC0415
    from codegen.diagnostics import Findings, make_report  # noqa: PLC0415
    from codegen.pulling import plan_pull, select_subjects, write_pull  # noqa: PLC0415
    from codegen.pulling.files import begin_manifest, report_edits  # noqa: PLC0415

    found = Findings()
    folder, manifest, settings = open_registry_settings(root, address)
    contract = None
    if manifest is not None and has_topics(manifest):
        _, contract, _ = open_repository(folder)
    client = open_registry_baseline(address, settings, folder).client
    chosen = select_subjects(client, contract, names, prefixes)
    if manifest is None:
        manifest = begin_manifest(client.transport.name if address else "")
    pull = plan_pull(folder, contract or manifest, client, chosen, found)
    if pull is not None:
        _show(pull, force=force)
        if not force:
            report_edits(pull, found)
    if pull is None or (found.has_errors and not dry_run):
        show(make_report(found, summary="Nothing was written."))
        raise click.exceptions.Exit(1)
    if dry_run:
        click.echo("Nothing was written.")
        return
    write_pull(folder, pull)
    if contract is None:
        click.echo("Next: name the services in schemas/contracts.yaml, then kontrakt check")


def _show(pull: Pull, *, force: bool) -> None:
    from codegen.pulling import State  # noqa: PLC0415
    from codegen.report.escaping import single_line  # noqa: PLC0415

    click.echo(pull.registry)
    for file in pull.files:
        if file.state is State.UNCHANGED:
            continue
        is_lost = force and file.state is State.EDITED
        click.echo(f"  {'overwrite' if is_lost else file.state.value:<9}  {file.name}")
        for words in file.changes:
            click.echo(f"             {single_line(words)}")
    unchanged = sum(file.state is State.UNCHANGED for file in pull.files)
    if unchanged:
        click.echo(f"  unchanged  {count_words(unchanged, 'file')}")
    for name, why in sorted(pull.left_out.items()):
        click.echo(f"  left out   {single_line(f'{name}: {why}')}")
    for note in pull.notes:
        click.echo(f"  note       {single_line(note)}")
