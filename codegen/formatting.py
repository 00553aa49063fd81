"""What is the one layout of an Avro schema file? The same values in it, and nothing else.

Keys stand in one order, what is short stands on one line, records are written out with one field
after the other. Every value stays as it is: the order of fields, symbols, branches and of the keys
of defaults, the text of each number (1.0, 1e400, 20 digits) and of each string with its escapes. A
pure function of the text; formatting twice changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from codegen.source import Document

MAX_LENGTH = 180
"""The most characters of an object or array on one line; docs and indentation do not count."""

INDENT = "  "

_TYPE_KEYS = (
    "type",
    "name",
    "namespace",
    "aliases",
    "doc",
    "symbols",
    "items",
    "values",
    "size",
    "default",
    "logicalType",
    "precision",
    "scale",
)
"""The order of what describes a type; properties follow, and a record's fields are the last."""

_FIELD_KEYS = ("name", "aliases", "type", "default", "order", "doc")
"""The order of what describes a field; properties follow."""


def format_schema(document: Document) -> str:
    """The text of a JSON document in the layout for schemas, with one line end at its end.

    A byte order mark goes, since JSON must not have one. Where lines end in CRLF they still do.
    """
    text = document.text
    lines = _write(_shorten(_order_type(_read(text)), is_root=True), "", "", "")
    newline = "\r\n" if "\r\n" in text else "\n"
    return newline.join((*lines, ""))


@dataclass(slots=True)
class _Line:
    """A value on one line, as it is written; `length` leaves docs out."""

    text: str
    length: int


@dataclass(slots=True)
class _Object:
    """An object's members by key, each with the text of its key."""

    members: dict[str, tuple[str, _Node]]

    def sort(self, keys: tuple[str, ...]) -> None:
        """Put these keys first."""
        first = {key: self.members[key] for key in keys if key in self.members}
        self.members = first | self.members

    def change(self, key: str, change: Callable[[_Node], _Node]) -> None:
        """Change the value of a key, where it is there."""
        if key in self.members:
            name, value = self.members[key]
            self.members[key] = (name, change(value))


@dataclass(slots=True)
class _Array:
    items: list[_Node]


_Node: TypeAlias = _Line | _Object | _Array

_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]|[^][{}",:\s\ufeff]+').finditer


def _read(text: str) -> _Node:
    """The values of a text that is JSON, each as it is written."""
    tokens = (match[0] for match in _TOKENS(text))

    def read(token: str) -> _Node:
        if token == "{":
            members = {}
            while (key := next(tokens)) != "}":
                members[json.loads(key) if "\\" in key else key[1:-1]] = (key, read(next(tokens)))
            return _Object(members)
        if token == "[":
            items = []
            while (item := next(tokens)) != "]":
                items.append(read(item))
            return _Array(items)
        return _Line(token, len(token))

    return read(next(tokens))


def _order_type(node: _Node) -> _Node:
    """Put the keys of a schema in order, and of all schemas in it."""
    if isinstance(node, _Array):
        node.items = [_order_type(branch) for branch in node.items]
    elif isinstance(node, _Object):
        node.sort(_TYPE_KEYS)
        for key in ("type", "items", "values"):
            node.change(key, _order_type)
        if "fields" in node.members:
            node.members["fields"] = node.members.pop("fields")
            node.change("fields", _order_fields)
    return node


def _order_fields(node: _Node) -> _Node:
    for field in node.items if isinstance(node, _Array) else ():
        if isinstance(field, _Object):
            field.sort(_FIELD_KEYS)
            field.change("type", _order_type)
    return node


def _shorten(node: _Node, *, is_root: bool = False) -> _Node:
    """Put what is short on one line: all but the root, records and what holds one."""
    if isinstance(node, _Array):
        node.items = [_shorten(item) for item in node.items]
        lines = [item for item in node.items if isinstance(item, _Line)]
        length = sum(line.length + 2 for line in lines)
        if len(lines) < len(node.items) or length > MAX_LENGTH:
            return node
        return _Line(f"[{', '.join(line.text for line in lines)}]", length)
    if isinstance(node, _Object):
        for key in node.members:
            node.change(key, _shorten_fields if key == "fields" else _shorten)
        values = [value for _, value in node.members.values() if isinstance(value, _Line)]
        length = sum(
            len(name) + value.length + 4
            for key, (name, value) in node.members.items()
            if isinstance(value, _Line) and key != "doc"
        )
        is_long = len(values) < len(node.members) or length > MAX_LENGTH
        if node.members and (is_root or is_long or "fields" in node.members):
            return node
        parts = (f"{name}: {value.text}" for name, value in _lines_of(node))
        return _Line(f"{{{', '.join(parts)}}}", length)
    return node


def _lines_of(node: _Object) -> Iterator[tuple[str, _Line]]:
    for name, value in node.members.values():
        if isinstance(value, _Line):
            yield name, value


def _shorten_fields(node: _Node) -> _Node:
    """The fields of a record stand below each other, however short they are."""
    if not isinstance(node, _Array) or not node.items:
        return _shorten(node)
    node.items = [_shorten(item) for item in node.items]
    return node


def _write(node: _Node, indent: str, before: str, after: str) -> Iterator[str]:
    """The lines of a value, with what stands before and after it."""
    if isinstance(node, _Line):
        yield f"{indent}{before}{node.text}{after}"
        return
    inner = (
        [(f"{name}: ", value) for name, value in node.members.values()]
        if isinstance(node, _Object)
        else [("", item) for item in node.items]
    )
    opening, closing = "{}" if isinstance(node, _Object) else "[]"
    yield f"{indent}{before}{opening}"
    for index, (name, value) in enumerate(inner, 1):
        yield from _write(value, indent + INDENT, name, "," if index < len(inner) else "")
    yield f"{indent}{closing}{after}"
