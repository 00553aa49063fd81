"""Where does a new member go in a YAML text, and what becomes of the text around it?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from codegen.editing.edits import Insert
from codegen.editing.yaml.layout import Layout
from codegen.editing.yaml.writer import Writer
from codegen.source import Document, Json, Path


class Editor:
    """Collects the new stretches, by where they go in the text as it was."""

    def __init__(self, document: Document) -> None:
        self._layout = Layout(document)
        self._writer = Writer(document)
        self._replacements: list[tuple[int, int, str]] = []

    def text(self) -> str:
        """The text with all of them."""
        text, end = self._layout.text, 0
        parts: list[str] = []
        for start, stop, new in sorted(self._replacements, key=lambda one: one[:2]):
            parts += (text[end:start], new)
            end = stop
        return "".join((*parts, text[end:]))

    def insert(self, path: Path, group: list[Insert]) -> None:
        """Put new members into one container."""
        container = self._layout.value(path)
        if not container:
            self._fill(path, group)
        elif self._layout.is_block(path):
            for edit in group:
                self._insert_block(path, container, edit)
        else:
            for edit in group:
                self._insert_flow(path, container, edit)

    def _fill(self, path: Path, group: list[Insert]) -> None:
        """Write an empty container, or what should be one, anew."""
        if not path or not isinstance(path[-1], str):
            raise ValueError("it holds nothing yet")
        start, end = self._layout.span(path)
        key = self._layout.member_start(path)
        colon = start if start == end else self._layout.text.rindex(":", key, start) + 1
        value: Json = (
            [edit.value for edit in group]
            if isinstance(group[0].path[-1], int)
            else {str(edit.path[-1]): edit.value for edit in group}
        )
        siblings = self._siblings(path[:-1], path[-1])
        models = [(*path[:-1], name) for name in siblings if isinstance(name, str)]
        if not all(self._layout.is_block(path[:length]) for length in range(len(path))):
            self._replacements.append((colon, end, f" {self._writer.flow(value)}"))
            return
        column = self._layout.column(key)
        member = self._writer.member(path[-1], value, models, column)
        written = member[len(self._writer.key(str(path[-1]))) + 1 :]
        if written.startswith(" "):
            self._replacements.append((colon, end, written))
            return
        # A comment behind the key stays there; the members go under it.
        below = self._layout.line_end(end)
        self._replacements += [(colon, end, ""), (below, below, written)]

    def _siblings(self, path: Path, name: str | int) -> list[str | int]:
        """The other members of a container, the nearest before `name` first."""
        container = self._layout.value(path)
        names = list(container) if isinstance(container, dict) else list(range(len(container)))
        at = names.index(name) if name in names else len(names)
        return [*reversed(names[:at]), *names[at + 1 :]]

    def _insert_block(self, path: Path, container: Json, edit: Insert) -> None:
        names = list(container) if isinstance(container, dict) else list(range(len(container)))
        index = _position(names, edit)
        starts = [self._layout.member_start((*path, name)) for name in names]
        column = self._layout.column(starts[0])
        models = [(*path, name) for name in self._near(names, index)]
        member = self._writer.member(edit.path[-1], edit.value, models, column)
        newline = self._writer.newline
        if index == 0:
            new = f"{member}{newline}{' ' * column}"
            self._replacements.append((starts[0], starts[0], new))
            return
        end = self._layout.behind((*path, names[index - 1]), column)
        lines = newline * (2 if self._has_blanks(path, names, starts, index) else 1)
        self._replacements.append((end, end, f"{lines}{' ' * column}{member}"))

    @staticmethod
    def _near(names: Sequence[str | int], index: int) -> list[str | int]:
        return [*reversed(names[:index]), *names[index:]]

    def _has_blanks(
        self, path: Path, names: Sequence[str | int], starts: list[int], index: int
    ) -> bool:
        """Whether a blank line stands between the members around a new one."""
        after = index if index < len(names) else index - 1
        if after == 0:
            return False
        gap = self._layout.text[self._layout.end((*path, names[after - 1])) : starts[after]]
        lines = gap.split("\n")[1:-1]
        return any(not line.strip() for line in lines)

    def _insert_flow(self, path: Path, container: Json, edit: Insert) -> None:
        names = list(container) if isinstance(container, dict) else list(range(len(container)))
        index = _position(names, edit)
        starts = [
            self._layout.member_start((*path, name))
            if isinstance(name, str)
            else self._layout.start((*path, name))
            for name in names
        ]
        ends = [self._layout.span((*path, name))[1] for name in names]
        models = [(*path, name) for name in self._near(names, index)]
        new = self._writer.flow(edit.value, models)
        if isinstance(edit.path[-1], str):
            new = f"{self._writer.key(edit.path[-1], is_flow=True)}: {new}"
        text = self._layout.text
        gaps = [text[end:start] for end, start in _gaps(starts, ends)]
        is_long = "\n" in (gaps[0] if gaps else text[self._layout.start(path) : starts[0]])
        space = f"{self._writer.newline}{' ' * self._layout.column(starts[0])}" if is_long else " "
        if index < len(names):
            self._replacements.append((starts[index], starts[index], f"{new},{space}"))
            return
        rest = text[ends[-1] : self._layout.span(path)[1] - 1]
        has_comma = "," in re.sub("#.*", "", rest)
        if not has_comma:
            self._replacements.append((ends[-1], ends[-1], ","))
        place = ends[-1] + (rest.index(",") + 1 if has_comma else 0)
        if is_long and "\n" in rest:
            place = self._layout.line_end(place)
        comma = "," if has_comma else ""
        self._replacements.append((place, place, f"{space}{new}{comma}"))


def _gaps(starts: list[int], ends: list[int]) -> Iterator[tuple[int, int]]:
    """The stretches between neighbours."""
    for (_, end), (start, _) in pairwise(zip(starts, ends, strict=True)):
        yield end, start


def _position(names: Sequence[str | int], edit: Insert) -> int:
    """Before which of the members a new one goes."""
    last = edit.path[-1]
    if isinstance(last, int):
        return last
    found = next((name for name in edit.after if name in names), names[-1])
    return names.index(found) + 1
