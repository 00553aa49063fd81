"""The command line: one module a command, found by name, loaded when it runs.

The first line of a command module's docstring is its summary, so that `--help` lists all commands
without importing any. Modules whose names begin with an underscore are no commands. Exit codes: 0
clean, 1 findings, 2 wrong usage, 3 could not check. Findings go to stdout, all else to stderr.
Colours are for terminals; NO_COLOR and TERM=dumb keep them away, FORCE_COLOR brings them.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

GARBAGE_THRESHOLD = 200_000
"""Schemas hold no cycles: looking for some in millions of nodes was a third of a long check."""

BROKEN_PIPE = 141
"""What a shell reports of a program whose reader has gone: nobody takes it for a verdict."""

_FOLDER = os.path.dirname(__file__)


@contextmanager
def _readers_may_go() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(BROKEN_PIPE) from None


class _Commands(click.Group):
    """A group whose commands are the modules beside this one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = (name[:-3] for name in os.listdir(_FOLDER) if name.endswith(".py"))
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        from importlib import import_module  # noqa: PLC0415 - `--help` gets by without

        module = import_module(f"codegen.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # noqa: PLC0415

            near = get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f" Did you mean {near[0]}?" if near else " See: kontrakt --help"
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx) from error

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        with _readers_may_go():  # --help and --version are written here
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with _readers_may_go():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _summary(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _summary(name: str) -> str:
    path = os.path.join(_FOLDER, f"{name.replace('-', '_')}.py")
    with open(path, encoding="utf-8") as file:
        return file.readline().strip().strip('"').strip()


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kontrakt")
def program() -> None:
    """Contracts for event-driven services on Kafka: check them, generate typed stubs.

    \b
    A first look:   kontrakt demo
    A change:       kontrakt check
    The stubs:      kontrakt generate
    """


def main() -> None:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    _prepare_streams()
    colour = _wants_colour()
    try:
        code = program.main(standalone_mode=False, prog_name="kontrakt", color=colour)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        code = 130
    except Exception as error:
        code = _report_failure(error, colour)
    sys.exit(code if isinstance(code, int) else 0)


def _prepare_streams() -> None:
    """Let any text be written: as UTF-8, and escaped where a terminal has no such character.

    What another program reads is UTF-8 whatever the locale, as the files that we write are: JSON
    has no other encoding, and a report of XML names this one.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = None if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _wants_colour() -> bool | None:
    """Whether the environment asks for colours or against them; None leaves it to the terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return True if os.environ.get("FORCE_COLOR", "0") not in ("", "0") else None


def _report_failure(error: Exception, colour: bool | None) -> int:
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.report.escaping import printable  # noqa: PLC0415

    if not isinstance(error, KontraktError):
        raise error
    word = click.style("error", fg="red", bold=True)
    click.echo(f"{word}: {printable(error.message)}", err=True, color=colour)
    if error.hint:
        click.echo(f"  {printable(error.hint)}", err=True)
    return error.exit_code
