"""Speak the Language Server Protocol to an editor, over stdin and stdout."""

from __future__ import annotations

import click

from codegen.cli._names import complete_baselines


@click.command()
@click.option(
    "--against",
    metavar="BASELINE",
    shell_complete=complete_baselines,
    help="What each save is compared with, for example git:main. By default the committed "
    "snapshot, where there is one.",
)
@click.option(
    "--stdio", is_flag=True, help="Taken for editors that give it; there is no other way."
)
def command(against: str | None, stdio: bool) -> None:
    """Speak the Language Server Protocol to an editor, over stdin and stdout.

    While people type in schemas/contracts.yaml and in .avsc files, the editor shows what lint
    finds, with what mends it, and at each save what the change would break. It completes types,
    keys, topics and events, goes to definitions and lists uses, shows what a name means and whom it
    concerns, renames types with an alias for the old name, and formats. Needs kontrakt[lsp].

    \b
    Example:
      kontrakt lsp
      kontrakt lsp --against git:main
    """
    import sys  # noqa: PLC0415

    from codegen.diagnostics import KontraktError  # noqa: PLC0415

    try:
        from codegen.language_server.server import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        message = f"the language server needs {error.name}, which is not installed"
        raise KontraktError(message, "pip install 'kontrakt[lsp]'") from None
    if sys.stdin.isatty():
        click.echo("Waiting for an editor on stdin (Ctrl-C ends it)", err=True)
    serve(against)
