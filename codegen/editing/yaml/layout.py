"""Where do the parts of a YAML text stand, and in which style are they written?"""

from __future__ import annotations

import re

from codegen.source import Document, Json, Path


class Layout:
    """Where the parts of a document stand, and in which style."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.text = document.text

    def value(self, path: Path) -> Json:
        """The value at a path. Raises ValueError where nothing stands there."""
        value = self._document.value
        for step in path:
            value = step_into(value, step)
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
        """Where a value begins, behind its anchor and tag."""
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
        """The number of characters before an offset in its line."""
        return offset - self.text.rfind("\n", 0, offset) - 1

    def is_block(self, path: Path) -> bool:
        """Whether a mapping or a sequence is written in block style."""
        return self.text[self.start(path) : self.start(path) + 1] not in ("{", "[")

    def quote(self, path: Path) -> str:
        """The quotation mark around a scalar or, for a path to a mapping's key, its value's."""
        first = self.text[self.start(path) : self.start(path) + 1]
        return first if first in ("'", '"') else ""

    def quote_of_keys(self) -> str:
        """The quotation mark around the first key of the document."""
        value = self._document.value
        if not isinstance(value, dict) or not value:
            return ""
        start = self._document.key_span((next(iter(value)),)).start
        first = self.text[start : start + 1]
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
        """The end of the line that an offset is in, before its line break."""
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


def step_into(value: Json, step: str | int) -> Json:
    """A member of a mapping or a sequence. Raises ValueError where it has none of that name."""
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        raise ValueError(f"there is no {step} in it") from None
