"""Generate the typed stubs of each service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import format_option, root_option
from codegen.counting import count_words

if TYPE_CHECKING:
    from codegen.generation import Comparison


@click.command()
@root_option
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file is not fresh.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@click.option("--force", is_flag=True, help="Overwrite files that were edited by hand.")
@format_option
def command(root: Path | None, check: bool, diff: bool, force: bool, format_name: str) -> None:
    """Generate the typed stubs of each service into generated/.

    Events that schemas/registry.snapshot.json holds older versions of get a reader for each. With
    --check there is a report, which is empty where all is fresh.

    \b
    Example:
      kontrakt generate
      kontrakt generate --check
      kontrakt generate --check --format github
    """
    from time import perf_counter  # noqa: PLC0415

    from codegen.cli._repository import open_repository, show  # noqa: PLC0415
    from codegen.diagnostics import make_report  # noqa: PLC0415
    from codegen.generation import compare, generate, recall, report_states, write  # noqa: PLC0415
    from codegen.targets import discover_targets  # noqa: PLC0415

    if format_name != "text" and (diff or not check):
        raise click.UsageError("--format is about the report of --check, without --diff.")
    started = perf_counter()
    folder, contract, findings = open_repository(root, format_name)
    outputs = generate(recall(contract, folder), discover_targets(), findings)
    if findings.has_errors:
        show(make_report(findings, summary="Nothing was written."), format_name)
        raise click.exceptions.Exit(1)
    comparison = compare(contract, outputs, folder / "generated")
    if diff:
        _show_diff(comparison)
    if check or diff:
        report_states(comparison, findings, "generated")
        files = count_words(len(comparison.states) + 1, "file")
        count = comparison.count_not_fresh()
        summary = f"{count} of {files} in generated/, the lock included, not fresh."
        folders = [f"generated/{output.folder}" for output in outputs]
        is_silent = format_name == "text" and (comparison.is_fresh or not check)
        show(make_report(findings, folders, summary), None if is_silent else format_name)
        raise click.exceptions.Exit(0 if comparison.is_fresh else 1)
    write(comparison, force=force)
    show(make_report(findings), "text" if len(findings) else None)
    _show_outputs(comparison, perf_counter() - started)


def _show_outputs(comparison: Comparison, seconds: float) -> None:
    from collections import Counter  # noqa: PLC0415

    for folder, states in comparison.by_folder().items():
        service, _, target = folder.partition("/")
        counts = Counter(one.state.value for one in states)
        words = "   ".join(f"{counts[state]} {word}" for state, word in _WORDS if counts[state])
        click.echo(f"{service:<24}{target:<10}{words:<36}  generated/{folder}")
    services = len({output.service for output in comparison.outputs})
    files = sum(len(output.files) for output in comparison.outputs)
    click.echo(
        f"{count_words(services, 'service')}, {count_words(files, 'file')}, {seconds * 1000:.0f} ms"
    )
    if not services:
        click.echo("No service asks for stubs: give it targets: {python: {}} in the manifest.")


_WORDS = (
    ("missing", "new"),
    ("changed", "changed"),
    ("edited", "overwritten"),
    ("stale", "deleted"),
    ("orphan", "not ours"),
    ("unchanged", "unchanged"),
)
"""What generating does to a file in each state."""


def _show_diff(comparison: Comparison) -> None:
    from difflib import unified_diff  # noqa: PLC0415

    from codegen.generation import State  # noqa: PLC0415
    from codegen.report.escaping import printable  # noqa: PLC0415

    for one in comparison.states:
        if one.state in (State.UNCHANGED, State.ORPHAN):
            continue
        name = f"generated/{one.path}"
        before = (one.actual or "").splitlines()
        after = (one.text or "").splitlines()
        for line in unified_diff(before, after, name, name, lineterm=""):
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            click.echo(click.style(printable(line), fg=style))
