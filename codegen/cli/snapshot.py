"""Save the history that the registry holds, so that checks need no network."""

from __future__ import annotations

from pathlib import Path

import click

from codegen.cli._repository import root_option
from codegen.counting import count_words


@click.command()
@root_option
@click.option("--from", "address", metavar="URL", help="The registry; by default the manifest's.")
def command(root: Path | None, address: str | None) -> None:
    """Save what the registry holds of this contract as schemas/registry.snapshot.json.

    Commit that file, and `kontrakt check --against snapshot` works without a network. Schema files
    and the manifest stay as they are; `kontrakt pull` takes those from the registry too.

    \b
    Example:
      kontrakt snapshot
      kontrakt snapshot --from http://localhost:8081
    """
    from codegen.baselines import SNAPSHOT, open_registry_baseline  # noqa: PLC0415
    from codegen.baselines.holdings import select_history  # noqa: PLC0415
    from codegen.baselines.snapshot import save_snapshot  # noqa: PLC0415
    from codegen.cli._repository import open_repository  # noqa: PLC0415

    folder, contract, _ = open_repository(root)
    client = open_registry_baseline(address, contract.registry, folder).client
    holdings = client.fetch_past(select_history(client.subjects(), contract))
    count = sum(subject.name in holdings.subjects for subject in contract.subjects)
    has_changed = save_snapshot(folder / SNAPSHOT, holdings)
    click.echo(
        f"{SNAPSHOT}: {count} of {count_words(len(contract.subjects), 'subject')}, "
        f"{count_words(holdings.version_count, 'version')}, from {client.name}"
        f"{'' if has_changed else ' (nothing changed)'}"
    )
