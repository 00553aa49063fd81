"""What commands share: the repository at hand, and how a report reaches people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from codegen.report import FORMATS

if TYPE_CHECKING:
    from codegen.contract.model import Contract
    from codegen.diagnostics import Findings, Report

Command = TypeVar("Command", bound=Callable[..., object])

root_option: Callable[[Command], Command] = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The contract repository; by default the folder you are in, or the nearest above it.",
)
"""`--root DIR`, for commands that work on a repository."""

format_option: Callable[[Command], Command] = click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to print the report.",
)
"""`--format NAME`, for commands that print a report."""


def open_repository(
    root: Path | None, format_name: str = "text"
) -> tuple[Path, Contract, Findings]:
    """The repository's folder, its contract, and the findings so far (none of them an error).

    Prints the findings and leaves with exit code 1 when the contract cannot be loaded.
    """
    from codegen.contract.load import find_root, load_contract  # noqa: PLC0415
    from codegen.diagnostics import Findings, make_report  # noqa: PLC0415

    folder = root if root is not None else find_root(Path.cwd())
    findings = Findings()
    contract = load_contract(folder, findings)
    if contract is None:
        count = len(make_report(findings).findings)
        what = f"{count} problem{'s' if count != 1 else ''}"
        summary = f"{what}: the contract cannot be used as it is."
        show(make_report(findings, summary=summary), format_name)
        raise click.exceptions.Exit(1)
    return folder, contract, findings


def show(report: Report, format_name: str = "text") -> None:
    """Print a report to stdout, in colour on a terminal."""
    from codegen.report import render  # noqa: PLC0415

    styles: dict[str, dict[str, str | bool]] = {
        "error": {"fg": "red", "bold": True},
        "warning": {"fg": "yellow", "bold": True},
        "note": {"fg": "cyan", "bold": True},
        "place": {"bold": True},
        "faint": {"fg": "blue"},
    }

    def paint(text: str, style: str) -> str:
        return click.style(text, **styles[style])  # type: ignore[arg-type]

    click.echo(render(report, format_name, paint), nl=False)
