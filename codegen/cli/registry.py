"""Serve the embedded registry over HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from codegen.cli._repository import root_option


@click.command()
@root_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. Whoever can reach it can write: there are no passwords.",
)
@click.option(
    "--port",
    default=8081,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port; 0 takes a free one.",
)
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The SQLite file; by default the repository's own.",
)
def command(root: Path | None, host: str, port: int, database: Path | None) -> None:
    """Serve the embedded registry over HTTP, with the API of Confluent's schema registry.

    Avro schemas are checked against the history of their subject. JSON and Protobuf schemas are
    kept as they are given, and not checked.

    \b
    Example:
      kontrakt registry
      kontrakt registry --port 0 --database /tmp/registry.db
    """
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.registry.entries import RegistryError  # noqa: PLC0415
    from codegen.registry.http import is_loopback, serve  # noqa: PLC0415
    from codegen.registry.store import Store  # noqa: PLC0415

    file = database or _find_database(root)
    try:
        store = Store(file)
    except RegistryError as error:
        raise KontraktError(error.message, "name another file with --database") from None

    def announce(address: str) -> None:
        click.echo(f"Serving {file} on {address} (Ctrl-C stops it)")
        if not is_loopback(host):
            click.echo(
                "Whoever can reach this address can write: there are no passwords.", err=True
            )

    try:
        serve(store, host, port, announce)
    finally:
        store.close()


def _find_database(root: Path | None) -> Path:
    from codegen.baselines import EMBEDDED  # noqa: PLC0415
    from codegen.contract.load import find_root  # noqa: PLC0415
    from codegen.diagnostics import CouldNotCheck  # noqa: PLC0415

    try:
        return (root or find_root(Path.cwd())) / EMBEDDED
    except CouldNotCheck as error:
        hint = f"name the file of the registry with --database, or {error.hint}"
        raise CouldNotCheck(error.message, hint) from None
