"""One line on the terminal that says how far a registry has been read, gone when it has been."""

from __future__ import annotations

import os
import sys
from time import monotonic

import click

PATIENCE = 0.5
"""Seconds of work that need no explanation."""

INTERVAL = 0.1
"""Seconds between two updates of the line."""


def show_progress() -> None:
    """Show the progress of long work, where a person is watching: on a terminal outside of CI."""
    from codegen.progress import listen  # noqa: PLC0415

    is_automatic = os.environ.get("CI", "").lower() not in ("", "0", "false")
    if sys.stderr.isatty() and not is_automatic and os.environ.get("TERM") != "dumb":
        listen(_Line())


class _Line:
    def __init__(self) -> None:
        self._next = 0.0
        self._is_shown = False

    def __call__(self, name: str, done: int, known: int) -> None:
        if known == 0:
            if self._is_shown:
                click.echo("\r\x1b[K", nl=False, err=True)
            self._next, self._is_shown = 0.0, False
            return
        now = monotonic()
        self._next = self._next or now + PATIENCE
        if now < self._next:
            return
        self._next, self._is_shown = now + INTERVAL, True
        bar = "#" * (20 * done // known)
        click.echo(f"\r\x1b[K{name} [{bar:<20}] {done:,} of {known:,}", nl=False, err=True)
