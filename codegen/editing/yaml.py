"""Edits of a YAML text: new members for its mappings and sequences, in block and in flow style.

Where a new value goes follows from the spans that the reader found; how it is written follows from
its siblings: what they write in block style, in quotes or indented is written so again. The text is
read again afterwards, and refused unless it holds exactly what is meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from codegen.editing.edits import Edit, Insert
from codegen.source import Document, Json, Path, SourceError, read_yaml

WIDTH = 100
"""The most columns that a line in flow style may take."""

SHORT = 40
"""A mapping or a sequence of at most so many characters needs no example to go on one line."""


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
        editor = _Editor(document)
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
        value = _step(outer, step)
    if value is None and outer is not None:
        value = [] if isinstance(member, int) else {}
        outer[path[-1]] = value
    return value


def _step(value: Json, step: str | int) -> Json:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        raise ValueError(f"there is no {step} in it") from None


def _snippet(document: Document, groups: Mapping[Path, list[Insert]]) -> str:
    """What was to be inserted, in block style under the keys that lead there."""
    writer = _Writer(document, is_alone=True)
    lines = []
    for path, group in groups.items():
        column = 0
        for step in path:
            if isinstance(step, str):
                lines.append(f"{' ' * column}{writer.scalar(step)}:")
                column += 2
        lines += [
            " " * column + writer.member(edit.path[-1], edit.value, (), column) for edit in group
        ]
    return "\n".join(lines)


class _Layout:
    """Where the parts of a document stand, and in which style."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.text = document.text

    def value(self, path: Path) -> Json:
        value = self._document.value
        for step in path:
            value = _step(value, step)
        return value

    def span(self, path: Path) -> tuple[int, int]:
        """Where a value begins, behind its anchor and tag, and where it ends."""
        span = self._document.span(path)
        if span.start == span.end and path and isinstance(path[-1], str):
            # The reader counts a value that is not there up to the next token.
            colon = self.text.index(":", self._document.key_span(path).end) + 1
            return colon, colon
        match = _PROPERTIES(self.text, span.start, span.end)
        return (match.end() if match else span.start), span.end

    def start(self, path: Path) -> int:
        return self.span(path)[0]

    def member_start(self, path: Path) -> int:
        """Where a key, or the dash of an item, stands."""
        if isinstance(path[-1], str):
            return self._document.key_span(path).start
        start = self._document.span(path).start
        dash = self.text.rfind("-", 0, start)
        if dash < 0 or self.text[dash + 1 : start].strip():
            raise ValueError("an item stands far from its dash")
        return dash

    def column(self, offset: int) -> int:
        return offset - self.text.rfind("\n", 0, offset) - 1

    def is_block(self, path: Path) -> bool:
        """Whether a mapping or a sequence is written in block style."""
        return self.text[self.start(path) : self.start(path) + 1] not in ("{", "[")

    def quote(self, path: Path) -> str:
        """The quotation mark around a scalar or, for a path to a mapping's key, its value's."""
        first = self.text[self.start(path) : self.start(path) + 1]
        return first if first in ("'", '"') else ""

    def end(self, path: Path) -> int:
        """Where the last visible part of a value ends, whatever the reader counted to it."""
        value, (start, stop) = self.value(path), self.span(path)
        if value and isinstance(value, dict | list) and self.is_block(path):
            last = [*value][-1] if isinstance(value, dict) else len(value) - 1
            inner = (*path, last)
            end = self.end(inner)
            # An alias stands here, and what it means further up.
            return max(end, self._document.key_span(inner).end if isinstance(last, str) else end)
        return start + len(self.text[start:stop].rstrip())

    def line_end(self, offset: int) -> int:
        end = self.text.find("\n", offset)
        end = len(self.text) if end < 0 else end
        return end - 1 if self.text[end - 1 : end] == "\r" and end > offset else end

    def behind(self, path: Path, column: int) -> int:
        """The end of a member's last line; comments deeper than `column` belong to it."""
        end = self.line_end(self.end(path))
        position = end
        for line in self.text[end:].split("\n")[1:]:
            position = self.text.find("\n", position) + 1
            stripped = line.strip()
            if stripped and not (stripped[0] == "#" and line.index("#") > column):
                break
            if stripped:
                end = self.line_end(position)
        return end


_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*").match


class _Writer:
    """Writes values as their siblings are written: `models` are paths to these, nearest first."""

    def __init__(self, document: Document, *, is_alone: bool = False) -> None:
        self._layout = _Layout(document)
        self.newline = "\r\n" if "\r\n" in document.text and not is_alone else "\n"
        self._is_alone = is_alone
        self._step, self._dash = self._indentation()

    def _indentation(self) -> tuple[int, int]:
        """By how many columns mappings and the dashes of sequences stand inside their key."""
        step, dash = 0, -1
        waiting: list[Path] = [()]
        while waiting and not self._is_alone and (not step or dash < 0):
            path = waiting.pop(0)
            value = self._layout.value(path)
            if not value or not isinstance(value, dict) or not self._layout.is_block(path):
                continue
            for key, inner in value.items():
                at = (*path, key)
                if not inner or not isinstance(inner, dict | list) or not self._layout.is_block(at):
                    continue
                first = (*at, next(iter(inner)) if isinstance(inner, dict) else 0)
                outer = self._layout.column(self._layout.member_start(at))
                deeper = self._layout.column(self._layout.member_start(first)) - outer
                if isinstance(inner, list):
                    dash = deeper if dash < 0 else dash
                elif deeper > 0:
                    step = step or deeper
                    waiting.append(at)
        return step or 2, (step or 2) if dash < 0 else dash

    def member(self, name: str | int, value: Json, models: Sequence[Path], column: int) -> str:
        """A mapping's entry or a sequence's item, in block style, its first line at `column`."""
        if isinstance(name, str):
            head = f"{self.scalar(name)}:"
            inner = column + (self._dash if isinstance(value, list) else self._step)
            return head + self._value(value, models, inner, column + len(head) + 1)
        if isinstance(value, dict) and value and self._goes_in_block(value, models, column + 2):
            # The first entry stands behind the dash.
            lines = self._members(value, models, column + 2)
            return f"- {next(lines)}" + "".join(self._line(column + 2) + line for line in lines)
        return "-" + self._value(value, models, column + 2, column + 2)

    def _value(self, value: Json, models: Sequence[Path], column: int, used: int) -> str:
        """What follows a colon or a dash, with the blank before it; a block begins at `column`."""
        if not (isinstance(value, dict | list) and value):
            return f" {self.flow(value, models)}"
        if not self._goes_in_block(value, models, used):
            return f" {self.flow(value, models)}"
        return "".join(self._line(column) + line for line in self._members(value, models, column))

    def _members(self, value: Json, models: Sequence[Path], column: int) -> Iterator[str]:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield self.member(name, inner, self._inner(models, name), column)

    def _goes_in_block(self, value: Json, models: Sequence[Path], used: int) -> bool:
        length = len(self.flow(value, models))
        for model in models:
            known = self._layout.value(model)
            if known and isinstance(known, type(value)):
                return self._layout.is_block(model) or used + length > WIDTH
        return length > SHORT or used + length > WIDTH

    def flow(self, value: Json, models: Sequence[Path] = ()) -> str:
        """A value on one line."""
        if isinstance(value, dict):
            inner = (
                f"{self.scalar(key, (), True)}: {self.flow(item, self._inner(models, key))}"
                for key, item in value.items()
            )
            return "{" + ", ".join(inner) + "}"
        if isinstance(value, list):
            return f"[{', '.join(self.flow(item, self._inner(models, 0)) for item in value)}]"
        return self.scalar(value, models, True)

    def scalar(self, value: Json, models: Sequence[Path] = (), is_flow: bool = False) -> str:
        """A text, number, boolean or null; in the quotes of its models, or in none if it can."""
        if not isinstance(value, str):
            return json.dumps(value)
        quote = next((self._layout.quote(model) for model in models), "")
        forbidden = _NOT_PLAIN_IN_FLOW if is_flow else _NOT_PLAIN
        if not quote and not forbidden.search(value):
            return value
        if quote == "'" and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=not value.isprintable())

    def _inner(self, models: Sequence[Path], name: str | int) -> tuple[Path, ...]:
        """Where the models have a member of this name; for a sequence, all their items."""
        found: list[Path] = []
        for model in models:
            value = self._layout.value(model)
            if isinstance(value, dict) and name in value:
                found.append((*model, name))
            elif isinstance(value, list) and isinstance(name, int):
                found += ((*model, index) for index in range(len(value)))
        return tuple(found)

    def _line(self, column: int) -> str:
        return self.newline + " " * column


# What YAML 1.2 or the older 1.1, which some readers still speak, would take for something else.
_OTHER_TYPE = (
    r"^(?:[-+]?(?:[.0-9][.0-9_]*(?:e[-+]?[0-9]*)?|0[box][0-9a-f_]*|[0-9][0-9_]*(?::[0-9_.]*)+)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|~|null|true|false|yes|no|on|off|y|n"
    r"|[-+]?\.(?:inf|nan)|<<|=)$"
)
_INDICATOR = r"^[-?:,\[\]{}#&*!|>'\"%@`]|^$|^\s|\s$|:(?:\s|$)|\s#|[^\x20-\x7e\xa1-\ud7ff]"
_NOT_PLAIN = re.compile(f"{_OTHER_TYPE}|{_INDICATOR}", re.IGNORECASE)
_NOT_PLAIN_IN_FLOW = re.compile(rf"{_OTHER_TYPE}|{_INDICATOR}|[,\[\]{{}}]", re.IGNORECASE)


class _Editor:
    """Collects the new stretches, by where they go in the text as it was."""

    def __init__(self, document: Document) -> None:
        self._layout = _Layout(document)
        self._writer = _Writer(document)
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
        written = member[len(self._writer.scalar(path[-1])) + 1 :]
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
            new = f"{self._writer.scalar(edit.path[-1], (), True)}: {new}"
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
