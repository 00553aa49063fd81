"""Run the retail example, end to end, on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--orders",
    default=200,
    show_default=True,
    type=click.IntRange(20, 100_000),
    help="How many orders to place.",
)
@click.option(
    "--bootstrap", metavar="HOST:PORT", help="A real Kafka, in place of the embedded one."
)
@click.option("--registry", metavar="URL", help="A real schema registry, in place of the embedded.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Run in this new folder, and keep it to look around.",
)
def command(orders: int, bootstrap: str | None, registry: str | None, keep: Path | None) -> None:
    """Run the retail example, end to end: registry, stubs, three services, a change caught.

    \b
    Example:
      kontrakt demo
      kontrakt demo --keep shop
      kontrakt demo --bootstrap localhost:9092 --registry http://localhost:8081
    """
    import shutil  # noqa: PLC0415
    import signal  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    from contextlib import ExitStack  # noqa: PLC0415

    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.retail import example_files, write_files  # noqa: PLC0415
    from codegen.retail.demo import (  # noqa: PLC0415
        Demo,
        embedded_registry,
        mock_cluster,
        require_parts,
    )

    require_parts()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C does, so that nothing that was started here outlives a closed terminal.
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as stack:
        if keep is None:
            folder = Path(tempfile.mkdtemp(prefix="kontrakt-demo-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        else:
            folder = keep.resolve()
            if folder.exists() and any(folder.iterdir()):
                raise KontraktError(f"{folder} is not empty", "name a new folder with --keep")
            folder.mkdir(parents=True, exist_ok=True)
        files = write_files(folder, example_files())
        click.echo(f"{'Contracts':<12}{len(files)} files of the retail example in {folder}")
        url = registry or stack.enter_context(embedded_registry(folder))
        click.echo(f"{'Registry':<12}{url}{'' if registry else ' (embedded)'}")
        address = bootstrap or stack.enter_context(mock_cluster())
        click.echo(f"{'Kafka':<12}{address}{'' if bootstrap else ' (embedded mock cluster)'}")
        demo = Demo(folder, orders, address, url, click.echo, _show_progress, bootstrap is None)
        result = demo.run()
    click.echo()
    for name, value in result.rows:
        click.echo(f"  {name:<24}{value}")
    click.echo()
    for fault in result.faults:
        click.echo(f"It does not add up: {fault}.", err=True)
    if result.faults:
        raise click.exceptions.Exit(1)
    click.echo("Every order had exactly one effect. Next: kontrakt init, or read the services in")
    click.echo(
        f"{folder / 'services' if keep else Path(__file__).parent.parent / 'retail/services'}"
    )


def _show_progress(line: str, is_last: bool) -> None:
    import sys  # noqa: PLC0415

    if sys.stdout.isatty():
        click.echo(f"\r{line}   ", nl=is_last)
    elif is_last:
        click.echo(line)
