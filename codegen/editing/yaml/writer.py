"""How is a value written in YAML, so that it looks like its siblings?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from codegen.editing.yaml.layout import Layout
from codegen.source import Document, Json, Path

WIDTH = 100
"""The most columns that a line in flow style may take."""

SHORT = 40
"""A mapping or a sequence of at most so many characters needs no example to go on one line."""


class Writer:
    """Writes values as their siblings are written: `models` are paths to these, nearest first."""

    def __init__(self, document: Document, *, is_alone: bool = False) -> None:
        self._layout = Layout(document)
        self.newline = "\r\n" if "\r\n" in document.text and not is_alone else "\n"
        self._is_alone = is_alone
        self._step, self._dash = self._indentation()
        self._quote_of_keys = "" if is_alone else self._layout.quote_of_keys()
        # A text that is JSON as well stays that.
        is_json = self._quote_of_keys == '"' and not self._layout.is_block(())
        self._quote = '"' if is_json else ""

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
            head = f"{self.key(name)}:"
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
                f"{self.key(key, is_flow=True)}: {self.flow(item, self._inner(models, key))}"
                for key, item in value.items()
            )
            return "{" + ", ".join(inner) + "}"
        if isinstance(value, list):
            return f"[{', '.join(self.flow(item, self._inner(models, 0)) for item in value)}]"
        return self._scalar(value, models)

    def key(self, name: str, *, is_flow: bool = False) -> str:
        """A key of a mapping, in quotes where the other keys of the document are."""
        return _write_text(name, self._quote_of_keys, is_flow=is_flow)

    def _scalar(self, value: Json, models: Sequence[Path]) -> str:
        """A text, number, boolean or null; in the quotes of its models, or in none if it can."""
        if not isinstance(value, str):
            return json.dumps(value)
        quote = next((self._layout.quote(model) for model in models), self._quote)
        return _write_text(value, quote, is_flow=True)

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


def _write_text(text: str, quote: str, *, is_flow: bool) -> str:
    forbidden = _NOT_PLAIN_IN_FLOW if is_flow else _NOT_PLAIN
    if not quote and not forbidden.search(text):
        return text
    if quote == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=not text.isprintable())


# What YAML 1.2 or the older 1.1, which some readers still speak, would take for something else.
_OTHER_TYPE = (
    r"^(?:[-+]?(?:[.0-9][.0-9_]*(?:e[-+]?[0-9]*)?|0[box][0-9a-f_]*|[0-9][0-9_]*(?::[0-9_.]*)+)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|~|null|true|false|yes|no|on|off|y|n"
    r"|[-+]?\.(?:inf|nan)|<<|=)$"
)
_INDICATOR = r"^[-?:,\[\]{}#&*!|>'\"%@`]|^$|^\s|\s$|:(?:\s|$)|\s#|[^\x20-\x7e\xa1-\ud7ff]"
_NOT_PLAIN = re.compile(f"{_OTHER_TYPE}|{_INDICATOR}", re.IGNORECASE)
_NOT_PLAIN_IN_FLOW = re.compile(rf"{_OTHER_TYPE}|{_INDICATOR}|[,\[\]{{}}]", re.IGNORECASE)
