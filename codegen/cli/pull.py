"""Save what the registry holds as a snapshot in the repository."""

from __future__ import annotations

from pathlib import Path

import click

from codegen.cli._repository import root_option


@click.command()
@root_option
@click.option("--from", "address", metavar="URL", help="The registry; by default the manifest's.")
def command(root: Path | None, address: str | None) -> None:
    """Save what the registry holds as schemas/registry.snapshot.json.

    Commit that file, and `kontrakt check --against snapshot` works without a network.

    \b
    Example:
      kontrakt pull
      kontrakt pull --from http://localhost:8081
    """
    from codegen.baselines import SNAPSHOT, open_baseline  # noqa: PLC0415
    from codegen.baselines.registry import RegistryBaseline  # noqa: PLC0415
    from codegen.baselines.snapshot import save_snapshot  # noqa: PLC0415
    from codegen.cli._repository import open_repository  # noqa: PLC0415
    from codegen.diagnostics import KontraktError  # noqa: PLC0415

    folder, contract, _ = open_repository(root)
    spec = f"registry:{address}" if address else "registry"
    baseline = open_baseline(spec, contract.registry, folder)
    if not isinstance(baseline, RegistryBaseline):
        raise KontraktError(f"{spec} is no registry")
    holdings = baseline.client.fetch(subject.name for subject in contract.subjects)
    has_changed = save_snapshot(folder / SNAPSHOT, holdings)
    click.echo(
        f"{SNAPSHOT}: {len(holdings.subjects)} of {len(contract.subjects)} subjects, "
        f"{holdings.version_count} versions, from {baseline.name}"
        f"{'' if has_changed else ' (nothing changed)'}"
    )
