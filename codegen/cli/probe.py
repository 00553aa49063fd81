"""See whether a registry lets you in, and what it can do; writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import root_option
from codegen.counting import count_words

if TYPE_CHECKING:
    from codegen.baselines.capabilities import Capabilities


@click.command()
@root_option
@click.option(
    "--registry", "address", metavar="URL", help="The registry; by default the manifest's."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print what was found.",
)
def command(root: Path | None, address: str | None, format_name: str) -> None:
    """See whether a registry lets you in, and what it can do of Confluent's API.

    What it cannot do is listed with what that means. Nothing is written to it. Exit code 3 says
    that it could not be asked, and the message why; 1 that the manifest wants what it has not got.

    \b
    Example:
      kontrakt probe
      kontrakt probe --registry http://localhost:8080/apis/ccompat/v7
    """
    from codegen.baselines import open_registry_baseline  # noqa: PLC0415
    from codegen.baselines.capabilities import probe  # noqa: PLC0415
    from codegen.cli._repository import open_registry_settings  # noqa: PLC0415

    folder, _, settings = open_registry_settings(root, address)
    found = probe(open_registry_baseline(address, settings, folder).client)
    if format_name == "json":
        click.echo(_as_json(found))
    else:
        _show(found)
    missing = {item.name for item in found.items if item.is_there is False}
    if settings.context and "contexts" in missing:
        problem = "the manifest names a context, and this registry has none"
        click.echo(f"{click.style('error', fg='red', bold=True)}: {problem}", err=True)
        click.echo("  remove registry.context", err=True)
        raise click.exceptions.Exit(1)


def _show(found: Capabilities) -> None:
    name = f", {found.product}" if found.product else ""
    click.echo(f"{found.registry}{name}")
    holds = count_words(found.subjects, "subject")
    level = f"level {found.level}" if found.level else "no level"
    click.echo(f"  {holds}, {level}, mode {found.mode}, answers in {found.milliseconds:.0f} ms\n")
    words = {True: "yes", False: "no", None: "?"}
    colours = {True: "green", False: "yellow", None: None}
    for item in found.items:
        answer = click.style(f"{words[item.is_there]:<4}", fg=colours[item.is_there])
        click.echo(f"  {answer} {item.summary}")
        if item.is_there is not True:
            click.echo(f"       {item.note}")


def _as_json(found: Capabilities) -> str:
    import json  # noqa: PLC0415
    from dataclasses import asdict  # noqa: PLC0415

    return json.dumps({"version": 1, **asdict(found)}, indent=2)
