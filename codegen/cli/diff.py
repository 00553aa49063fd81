"""Tell what changed, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from codegen.cli._repository import root_option
from codegen.counting import count_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codegen.baselines import Baseline
    from codegen.contract.model import Contract
    from codegen.difference import Difference, EventDifference
    from codegen.source import Json

Compared: TypeAlias = "tuple[EventDifference, ...]"

BASELINES = "registry, registry:URL, git:REVISION, snapshot, snapshot:FILE or folder:DIR"

VERSION = 1
"""Of the JSON; rises when a program that reads it would have to change."""


@click.command()
@root_option
@click.option(
    "--from",
    "start",
    metavar="BASELINE",
    help=f"What to begin from: {BASELINES}. By default the registry.",
)
@click.option(
    "--to",
    "end",
    metavar="BASELINE",
    help="What it became, named the same way. By default the files as they are now.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def command(root: Path | None, start: str | None, end: str | None, format_name: str) -> None:
    """Tell what changed, in words: event by event, from one state of the contract to another.

    Where both hold a manifest, what changed in topics and services is told as well. Events that the
    manifest does not name any more are listed by their subjects. Whether a change breaks anyone is
    the business of kontrakt check. The exit code is 3 if a version or a manifest cannot be read,
    and else 0.

    \b
    Example:
      kontrakt diff
      kontrakt diff --from git:main --format markdown
      kontrakt diff --from git:v1.0 --to git:v2.0
    """
    from codegen.baselines import open_baseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository  # noqa: PLC0415
    from codegen.contract.model import Contract  # noqa: PLC0415
    from codegen.difference import EventDifference, State, compare_contracts  # noqa: PLC0415
    from codegen.topology import Succession, compare_topologies  # noqa: PLC0415

    folder, contract, _ = open_repository(root, format_name)
    before = open_baseline(start, contract.registry, folder)
    after = open_baseline(end, contract.registry, folder) if end is not None else None
    histories = [
        {**baseline.histories(contract), **baseline.departed(contract)}
        for baseline in (before, after)
        if baseline is not None
    ]
    compared = compare_contracts(contract, *histories)
    names = (before.name, after.name if after is not None else "the files here")
    old, new = _state(before), contract if after is None else _state(after)
    topology = (
        compare_topologies(Succession(new, old, before.name))
        if isinstance(new, Contract) and isinstance(old, Contract)
        else ()
    )
    problems = tuple(one for one in (old, new) if isinstance(one, EventDifference))
    click.echo(_FORMATS[format_name](compared, (*topology, *problems), names), nl=False)
    is_unreadable = any(one.state is State.UNREADABLE for one in (*compared, *problems))
    raise click.exceptions.Exit(3 if is_unreadable else 0)


def _state(baseline: Baseline) -> Contract | EventDifference | None:
    """The contract that a baseline states; None where it holds no manifest.

    What keeps a manifest from being read is told of like an event that cannot be read.
    """
    from codegen.baselines import Repository  # noqa: PLC0415
    from codegen.diagnostics import Findings  # noqa: PLC0415
    from codegen.difference import EventDifference, State  # noqa: PLC0415

    if not isinstance(baseline, Repository):
        return None
    findings = Findings()
    contract = baseline.contract(findings)
    if not findings.has_errors:
        return contract
    first = next(iter(findings))
    name = f"the manifest of {baseline.name}"
    problem = f"{first.location}: {first.message}"
    return EventDifference(name, "", State.UNREADABLE, problem=problem)


def _render_text(compared: Compared, topology: Compared, names: tuple[str, str]) -> str:
    from codegen.difference import State  # noqa: PLC0415
    from codegen.report.escaping import single_line  # noqa: PLC0415

    blocks = []
    for one in (*compared, *topology):
        if one.state is not State.UNCHANGED:
            rows = [
                f"  {item.kind.value:<9} {single_line(item.what + item.detail)}"
                for item in one.differences
            ]
            rows += [f"  {single_line(one.problem)}"] if one.problem else []
            blocks.append("\n".join([single_line(one.title), *rows]))
    blocks.append(single_line(_summarize(compared, topology, names)))
    return "\n\n".join(blocks) + "\n"


def _render_markdown(compared: Compared, topology: Compared, names: tuple[str, str]) -> str:
    from codegen.difference import State  # noqa: PLC0415
    from codegen.report.markdown import escape  # noqa: PLC0415

    blocks = []
    for one in (*compared, *topology):
        if one.state is not State.UNCHANGED:
            rows = [f"- {escape(str(item))}" for item in one.differences]
            rows += [f"- {escape(one.problem)}"] if one.problem else []
            blocks.append("\n".join([f"#### {escape(one.title)}", *([""] if rows else []), *rows]))
    blocks.append(escape(_summarize(compared, topology, names)))
    return "\n\n".join(blocks) + "\n"


def _render_json(compared: Compared, topology: Compared, names: tuple[str, str]) -> str:
    """One JSON object; diff.schema.json says what it holds."""
    from codegen.report.escaping import write_json  # noqa: PLC0415

    value = {
        "version": VERSION,
        "from": names[0],
        "to": names[1],
        "events": [
            {
                "name": one.name,
                "subject": one.subject,
                "state": one.state.value,
                "before": one.before,
                "after": one.after,
                "differences": [_difference_value(item) for item in one.differences],
                "problem": one.problem,
            }
            for one in compared
        ],
        "manifest": [
            {
                "name": one.name,
                "state": one.state.value,
                "differences": [_difference_value(item) for item in one.differences],
                "problem": one.problem,
            }
            for one in topology
        ],
        "summary": _summarize(compared, topology, names),
    }
    return write_json(value) + "\n"


def _difference_value(item: Difference) -> Json:
    from codegen.diagnostics import locate  # noqa: PLC0415

    places: dict[str, Json] = {}
    for side, place in (("old", item.old_place), ("new", item.place)):
        where = locate(place) if place is not None else None
        places[side] = where and {
            "file": where.file,
            "path": list(where.path),
            "line": where.line,
            "column": where.column,
        }
    return {"kind": item.kind.value, "what": item.what, "text": str(item), **places}


_FORMATS: Mapping[str, Callable[[Compared, Compared, tuple[str, str]], str]] = {
    "text": _render_text,
    "markdown": _render_markdown,
    "json": _render_json,
}


def _summarize(compared: Compared, topology: Compared, names: tuple[str, str]) -> str:
    from collections import Counter  # noqa: PLC0415

    counts = Counter(one.state.value for one in compared)
    parts = [f"{count} {state}" for state, count in counts.items()]
    kinds = Counter(one.name.partition(" ")[0] for one in topology)
    parts += [count_words(kinds[kind], kind) for kind in ("topic", "service") if kinds[kind]]
    return f"{', '.join(parts) or 'nothing to compare'}, from {names[0]} to {names[1]}"
