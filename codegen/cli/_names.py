"""Which names can stand on a command line here? Asked by shells at each Tab; reads no schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from codegen.source import Json


def complete_rules(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The ids of rules that begin so."""
    from codegen.rules import all_rules  # noqa: PLC0415

    return [name for name in all_rules() if name.startswith(incomplete)]


def complete_baselines(
    context: click.Context, option: click.Parameter, incomplete: str
) -> list[str]:
    """The kinds of baselines and, behind `git:`, the branches and tags."""
    if not incomplete.startswith("git:"):
        kinds = ("registry", "registry:", "git:", "snapshot", "snapshot:", "folder:")
        return [kind for kind in kinds if kind.startswith(incomplete)]
    import subprocess  # noqa: PLC0415

    root = context.params.get("root") or "."
    command = ["git", "-C", str(root), "for-each-ref", "--format=%(refname:short)"]
    try:
        done = subprocess.run(
            [*command, "refs/heads", "refs/remotes", "refs/tags"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    names = ("HEAD", *done.stdout.split())
    return [f"git:{name}" for name in names if f"git:{name}".startswith(incomplete)]


def complete_topics(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The topics of the manifest."""
    return _begin(_read_manifest(context).get("topics"), incomplete)


def complete_services(
    context: click.Context, option: click.Parameter, incomplete: str
) -> list[str]:
    """The services of the manifest."""
    return _begin(_read_manifest(context).get("services"), incomplete)


def complete_levels(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The compatibility levels."""
    from codegen.contract.model import Level  # noqa: PLC0415

    return [level.value for level in Level if level.value.startswith(incomplete.upper())]


def complete_events(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The events of all topics: their full names, and their simple ones."""
    names = [name for events in _events(context).values() for name in events]
    return _begin([*names, *(name.rpartition(".")[2] for name in names)], incomplete)


def complete_traffic(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The topics, and behind a topic and a colon its events."""
    events = _events(context)
    topic, colon, _ = incomplete.partition(":")
    if not colon:
        return _begin(events, incomplete)
    names = [name.rpartition(".")[2] for name in events.get(topic, ())]
    return _begin([f"{topic}:{name}" for name in names], incomplete)


def _events(context: click.Context) -> dict[str, list[str]]:
    topics = _read_manifest(context).get("topics")
    found: dict[str, list[str]] = {}
    for name, topic in topics.items() if isinstance(topics, dict) else ():
        listed = topic.get("events") if isinstance(topic, dict) else None
        found[name] = [one for one in listed or () if isinstance(one, str)]
    return found


def _read_manifest(context: click.Context) -> dict[str, Json]:
    """The manifest as it is, unchecked; empty where there is none that can be read."""
    from codegen.contract.load import MANIFEST, find_root  # noqa: PLC0415
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.source import SourceError, read_yaml  # noqa: PLC0415

    try:
        root = context.params.get("root") or find_root(Path.cwd())
        value = read_yaml(MANIFEST, (root / MANIFEST).read_text("utf-8")).value
    except (KontraktError, SourceError, OSError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _begin(names: object, incomplete: str) -> list[str]:
    known = names if isinstance(names, list | dict) else ()
    return sorted({str(name) for name in known if str(name).startswith(incomplete)})
