"""What commands with `--fix` share: mended files reach the disk, and people see how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from codegen.mending import Mending


class Mended(NamedTuple):
    """What `--fix` did: how many mends are on the disk, what to look at, what failed."""

    fixed: int
    cautions: tuple[str, ...]
    failed: int


def write_mended(folder: Path, mending: Mending, *, is_text: bool) -> Mended:
    """Write the mended files, show how, and say which ones could not be written.

    What was changed goes to stdout, or to stderr where stdout is for a report to be read on.
    """
    from codegen.mending import describe_change, write_change  # noqa: PLC0415
    from codegen.report.escaping import printable  # noqa: PLC0415

    failed = set()
    for change in mending.changes:
        if problem := write_change(folder, change):
            failed.add(change.name)
            message = printable(f"{change.name} was left as it is: {problem}")
            click.echo(f"{click.style('error', fg='red', bold=True)}: {message}", err=True)
            continue
        for line in describe_change(change):
            colour = {"-": "red", "+": "green"}.get(line[2:3]) if line[:2] == "  " else None
            click.echo(click.style(line, fg=colour), err=not is_text)
        click.echo(err=not is_text)
    written = mending.without(failed)
    return Mended(len(written.mends), written.cautions(), len(failed))
