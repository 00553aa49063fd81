"""Edits of a JSON text: replacements of stretches, made from the spans of its values."""

from __future__ import annotations

import json

from codegen.editing.edits import Edit, Enclose, Insert, Remove, Rename, Replace
from codegen.source import Document, Json, Path


def apply_to_json(document: Document, edits: tuple[Edit, ...]) -> str:
    """The text of a document with all edits made.

    Raises ValueError when an edit does not fit the document: its place is missing or taken.
    """
    editor = _Editor(document)
    for edit in edits:
        match edit:
            case Insert():
                editor.insert(edit)
            case Remove():
                editor.remove(edit.path)
            case Replace():
                editor.replace(edit)
            case Rename():
                editor.rename(edit)
            case Enclose():
                editor.enclose(edit)
    return editor.text()


class _Editor:
    """Collects the replacements of stretches, all counted in the text as it was."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._replacements: list[tuple[int, int, str]] = []

    def text(self) -> str:
        parts: list[str] = []
        end = 0
        for start, stop, new in sorted(self._replacements, key=lambda one: one[:2]):
            if start < end:
                raise ValueError("two edits of one stretch")
            parts += (self._document.text[end:start], new)
            end = stop
        return "".join((*parts, self._document.text[end:]))

    def insert(self, edit: Insert) -> None:
        *outer, last = edit.path
        container, path = self._value(tuple(outer)), tuple(outer)
        if isinstance(container, dict) and isinstance(last, str) and last not in container:
            self._insert_key(path, container, last, edit)
        elif isinstance(container, list) and isinstance(last, int) and last <= len(container):
            self._insert_item(path, container, last, edit.value)
        else:
            raise ValueError(f"nothing can be inserted at {edit.path}")

    def remove(self, path: Path) -> None:
        *outer, last = path
        container = self._value(tuple(outer))
        if not isinstance(container, dict | list) or len(container) < 2:
            raise ValueError(f"nothing can be removed at {path}")
        is_list = isinstance(container, list)
        steps: list[str | int] = list(range(len(container)) if is_list else container)
        if last not in steps:
            raise ValueError(f"nothing stands at {path}")
        places = [(*outer, step) for step in steps]
        starts = [self._document.key_span(place).start for place in places]
        ends = [self._document.span(place).end for place in places]
        if index := steps.index(last):
            self._replace(ends[index - 1], ends[index], "")
        else:
            self._replace(starts[0], starts[1], "")

    def replace(self, edit: Replace) -> None:
        self._value(edit.path)
        span = self._document.span(edit.path)
        self._replace(span.start, span.end, self._write(edit.value))

    def rename(self, edit: Rename) -> None:
        *outer, last = edit.path
        container = self._value(tuple(outer))
        if not isinstance(container, dict) or last not in container or edit.key in container:
            raise ValueError(f"nothing can be renamed at {edit.path}")
        span = self._document.key_span(edit.path)
        self._replace(span.start, span.end, self._write(edit.key))

    def enclose(self, edit: Enclose) -> None:
        self._value(edit.path)
        span = self._document.span(edit.path)
        comma = "," + self._space()
        before = "".join(self._write(item) + comma for item in edit.before)
        after = "".join(comma + self._write(item) for item in edit.after)
        self._replace(span.start, span.start, f"[{before}")
        self._replace(span.end, span.end, f"{after}]")

    def _insert_key(self, path: Path, container: dict[str, Json], key: str, edit: Insert) -> None:
        keys = list(container)
        if not keys:
            text = f"{self._write(key)}:{self._space()}{self._write(edit.value)}"
            start = self._document.span(path).start + 1
            self._replace(start, start, text)
            return
        found = next((name for name in edit.after if name in container), keys[-1])
        index = keys.index(found)
        place = (*path, found)
        colon = self._between(self._document.key_span(place).end, self._document.span(place).start)
        starts = [self._document.key_span((*path, name)).start for name in keys]
        ends = [self._document.span((*path, name)).end for name in keys]
        gap = self._gap(path, starts, ends, index)
        end = ends[index]
        self._replace(end, end, f"{gap}{self._write(key)}{colon}{self._write(edit.value)}")

    def _insert_item(self, path: Path, container: list[Json], index: int, value: Json) -> None:
        text = self._write(value)
        if not container:
            start = self._document.span(path).start + 1
            self._replace(start, start, text)
            return
        spans = [self._document.span((*path, number)) for number in range(len(container))]
        starts, ends = [span.start for span in spans], [span.end for span in spans]
        if index:
            gap = self._gap(path, starts, ends, index - 1)
            self._replace(ends[index - 1], ends[index - 1], gap + text)
        else:
            gap = self._gap(path, starts, ends, 0)
            self._replace(starts[0], starts[0], text + gap)

    def _gap(self, path: Path, starts: list[int], ends: list[int], index: int) -> str:
        """What shall stand between the member with this index and a new one behind it."""
        if index + 1 < len(starts):
            return self._between(ends[index], starts[index + 1])
        if index:
            return self._between(ends[index - 1], starts[index])
        inside = self._between(self._document.span(path).start + 1, starts[0])
        return f",{inside}" if "\n" in inside else f",{self._space()}"

    def _between(self, start: int, end: int) -> str:
        return self._document.text[start:end]

    def _value(self, path: Path) -> Json:
        value = self._document.value
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                raise ValueError(f"nothing stands at {path}") from None
        return value

    def _space(self) -> str:
        """A blank, or nothing where the text is written without any."""
        head = self._document.text[:10_000]
        return "" if '":' in head and '": ' not in head and '" :' not in head else " "

    def _write(self, value: Json) -> str:
        space = self._space()
        return json.dumps(value, separators=(f",{space}", f":{space}"))

    def _replace(self, start: int, end: int, text: str) -> None:
        self._replacements.append((start, end, text))
