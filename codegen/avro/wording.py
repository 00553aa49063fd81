"""How parts of a schema are said in a few words: its types, its values, lists of its names."""

from __future__ import annotations

import json
from collections.abc import Iterable

from codegen.avro.schema import (
    Array,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Ref,
    Schema,
    Union,
    split_name,
)
from codegen.source import Json

_MOST = 12
"""The most branches of a union that are named."""


def describe_type(schema: Schema) -> str:
    """A type in a few words: `long`, `decimal(10, 2)`, `array of Line`, `string or null`."""
    match schema:
        case Primitive(type=name, logical=None):
            return name
        case Primitive():
            return describe_logical(schema)
        case Record(name=name) | Enum(name=name) | Ref(name=name):
            return simple_name(name)
        case Fixed(name=name, logical=None):
            return simple_name(name)
        case Fixed():
            return f"{simple_name(schema.name)}, a {describe_logical(schema)}"
        case Array(items=items):
            return f"array of {describe_type(items)}"
        case Map(values=values):
            return f"map of {describe_type(values)}"
        case Union(branches=branches):
            words = list(dict.fromkeys(describe_type(branch) for branch in branches))
            rest = [f"{len(words) - _MOST} more"] if len(words) > _MOST else []
            return f"({' or '.join(words[:_MOST] + rest) or 'empty union'})"
        case _:
            return "something unreadable"


def describe_logical(schema: Primitive | Fixed) -> str:
    """The logical type as people write it, also one that Avro does not know; empty for none."""
    logical = schema.logical
    if logical is None:
        name = (schema.properties or {}).get("logicalType")
        return name if isinstance(name, str) else ""
    if logical.name == "decimal":
        return f"decimal({logical.precision}, {logical.scale})"
    return logical.name


def list_names(names: Iterable[str], most: int = 8) -> str:
    """The names in one line, at most so many of them."""
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest


def show_value(value: Json) -> str:
    """A JSON value in one line that is not too long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def simple_name(name: str) -> str:
    """A full name without its namespace."""
    return split_name(name)[1]
