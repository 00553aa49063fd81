"""Edits of a YAML text: new members for its mappings and sequences, in block and in flow style.

Where a new value goes follows from the spans that the reader found; how it is written follows from
its siblings: what they write in block style, in quotes or indented is written so again. The text is
read again afterwards, and refused unless it holds exactly what is meant.

    layout     where the parts of a text stand, and in which style
    writer     how a value is written
    editor     where it goes, and what becomes of the text around it
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from codegen.editing.edits import Edit, Insert
from codegen.editing.yaml.editor import Editor
from codegen.editing.yaml.layout import step_into
from codegen.editing.yaml.writer import Writer
from codegen.source import Document, Json, Path, SourceError, read_yaml


class EditRefused(ValueError):
    """An edit that cannot be made; `snippet` is what somebody can paste by hand."""

    def __init__(self, message: str, snippet: str) -> None:
        super().__init__(message)
        self.snippet = snippet


def apply_to_yaml(document: Document, edits: tuple[Edit, ...]) -> str:
    """The text of a document with all inserts made.

    Raises EditRefused when one does not fit, or when the new text would not hold what is meant.
    """
    groups: dict[Path, list[Insert]] = {}
    for edit in edits:
        if not isinstance(edit, Insert):
            raise TypeError("a YAML text takes nothing but new members")
        groups.setdefault(edit.path[:-1], []).append(edit)
    try:
        meant = _insert_values(document.value, groups)
        editor = Editor(document)
        for path, group in groups.items():
            editor.insert(path, group)
        text = editor.text()
        if _canonical(read_yaml(document.name, text).value) != _canonical(meant):
            raise ValueError("no safe place is left by its anchors, tags or layout")
    except (ValueError, SourceError) as error:
        message = f"{document.name} cannot be edited: {error}"
        raise EditRefused(message, _snippet(document, groups)) from None
    return text


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _insert_values(value: Json, groups: Mapping[Path, list[Insert]]) -> Json:
    """The value with all members in. Raises ValueError where a place is missing or taken."""
    # Written out, so that what an anchor shares is told from what is meant here alone.
    value = json.loads(json.dumps(value))
    # All are looked up before any grows, since every path leads into the text as it was.
    containers = [_open_container(value, path, group[0].path[-1]) for path, group in groups.items()]
    for container, group in zip(containers, groups.values(), strict=True):
        for edit in _from_the_end(group):
            last = edit.path[-1]
            if isinstance(container, dict) and isinstance(last, str) and last not in container:
                container[last] = edit.value
            elif isinstance(container, list) and isinstance(last, int) and last <= len(container):
                container.insert(last, edit.value)
            else:
                raise ValueError(f"nothing can be inserted at {'.'.join(map(str, edit.path))}")
    return value


def _from_the_end(group: list[Insert]) -> list[Insert]:
    """The edits of one container in an order in which no index moves before it is used."""
    indices = [(edit.path[-1] if isinstance(edit.path[-1], int) else 0) for edit in group]
    ordered = sorted(zip(indices, range(len(group)), strict=True))
    return [group[position] for _, position in reversed(ordered)]


def _open_container(value: Json, path: Path, member: str | int) -> Json:
    """The mapping or sequence at a path; an empty one takes the place of a null."""
    outer = None
    for step in path:
        outer = value
        value = step_into(outer, step)
    if value is None and outer is not None:
        value = [] if isinstance(member, int) else {}
        outer[path[-1]] = value
    return value


def _snippet(document: Document, groups: Mapping[Path, list[Insert]]) -> str:
    """What was to be inserted, in block style under the keys that lead there."""
    writer = Writer(document, is_alone=True)
    lines = []
    for path, group in groups.items():
        column = 0
        for step in path:
            if isinstance(step, str):
                lines.append(f"{' ' * column}{writer.key(step)}:")
                column += 2
        lines += [
            " " * column + writer.member(edit.path[-1], edit.value, (), column) for edit in group
        ]
    return "\n".join(lines)
