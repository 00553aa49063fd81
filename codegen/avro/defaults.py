"""Does a JSON value fit a schema as its default?

`check_default` is the law of the specification; `is_java_default` is what Avro Java lets pass,
which is all that a registry looks at, if it looks at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection

from codegen.avro.logical import is_integer
from codegen.avro.schema import (
    Array,
    Broken,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Ref,
    Schema,
    SchemaGraph,
    Union,
)
from codegen.source import Json


def check_default(graph: SchemaGraph, schema: Schema, value: Json) -> str | None:
    """Say why a JSON value is no default for a schema; None when it is one.

    Specification 1.12, "Complex Types", table of field default values: the default of a union may
    fit any branch; bytes and fixed are strings of the code points 0 to 255.
    """
    match graph.resolve(schema):
        case Primitive(type=name):
            return _check_primitive(name, value)
        case Fixed() as fixed:
            if problem := _check_primitive("bytes", value):
                return problem
            if len(value) != fixed.size:
                return f"{len(value)} bytes, and {fixed.name} has {fixed.size}"
            return None
        case Enum() as enum:
            if value in enum.symbols:
                return None
            return f"{show_value(value)} is no symbol of {enum.name}"
        case Array(items=items):
            if not isinstance(value, list):
                return f"{show_value(value)} is no array"
            problems = (check_default(graph, items, item) for item in value)
            return next((problem for problem in problems if problem), None)
        case Map(values=values):
            if not isinstance(value, dict):
                return f"{show_value(value)} is no map"
            problems = (check_default(graph, values, item) for item in value.values())
            return next((problem for problem in problems if problem), None)
        case Record() as record:
            return _check_record_default(graph, record, value)
        case Union(branches=branches):
            if any(check_default(graph, branch, value) is None for branch in branches):
                return None
            return f"{show_value(value)} fits no branch of the union"
        case Broken():
            return None


def _check_record_default(graph: SchemaGraph, record: Record, value: Json) -> str | None:
    if not isinstance(value, dict):
        return f"{show_value(value)} is no object, and {record.name} is a record"
    for item in record.fields:
        if item.name in value:
            if problem := check_default(graph, item.schema, value[item.name]):
                return f"{item.name}: {problem}"
        elif item.default is None:
            return f'it has no "{item.name}", which has no default in {record.name}'
    return None


def _check_primitive(name: str, value: Json) -> str | None:
    match name:
        case "null":
            fits = value is None
        case "boolean":
            fits = isinstance(value, bool)
        case "int":
            fits = is_integer(value) and -(2**31) <= value < 2**31
        case "long":
            fits = is_integer(value) and -(2**63) <= value < 2**63
        case "float" | "double":
            fits = (isinstance(value, float) and math.isfinite(value)) or is_integer(value)
        case "bytes":
            fits = isinstance(value, str) and all(ord(character) < 256 for character in value)
        case _:
            fits = isinstance(value, str)
    return None if fits else f"{show_value(value)} is no {name}"


def show_value(value: Json) -> str:
    """A JSON value in a message, shortened."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    if isinstance(value, str):
        text = f'"{value}"'
    return text if len(text) <= 40 else text[:37] + "..."


def is_java_default(
    graph: SchemaGraph, schema: Schema, value: Json, unfinished: Collection[str] = ()
) -> bool:
    """Whether Avro Java's parser takes a default; readers may still fail on it.

    It takes any text for bytes, a fixed and an enum. A name that is not known to the graph counts
    as a record without fields, which is what Avro Java takes it for at that time, and the default
    of a field cannot be an object of a record around it, which is `unfinished`. The defaults of
    inner fields are judged where they stand.
    """

    try:
        return _fits_java(graph, schema, value, unfinished)
    except _UnfinishedRecord:
        return False


class _UnfinishedRecord(Exception):
    """Avro Java gives up here, even where another branch of a union would fit."""


def _fits_java(
    graph: SchemaGraph, schema: Schema, value: Json, unfinished: Collection[str]
) -> bool:
    def fits(inner: Schema, item: Json) -> bool:
        return _fits_java(graph, inner, item, unfinished)

    match graph.resolve(schema):
        case Primitive(type="bytes") | Fixed() | Enum():
            return isinstance(value, str)
        case Primitive(type="float" | "double"):
            return isinstance(value, float) or is_integer(value)
        case Primitive(type=name):
            return _check_primitive(name, value) is None
        case Array(items=items):
            return isinstance(value, list) and all(fits(items, item) for item in value)
        case Map(values=values):
            return isinstance(value, dict) and all(fits(values, item) for item in value.values())
        case Record(fields=fields):
            return isinstance(value, dict) and all(
                fits(item.schema, value[item.name])
                if item.name in value
                else item.default is not None
                for item in fields
            )
        case Union(branches=branches):
            return any(fits(branch, value) for branch in branches)
        case Broken():
            if not isinstance(value, dict):
                return False
            if isinstance(schema, Ref) and schema.name in unfinished:
                raise _UnfinishedRecord
            return True


_JAVA_DOUBLE = re.compile(
    r"\s*([+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))[fFdD]?\s*", re.ASCII
).fullmatch


def read_java_double(text: str) -> float | None:
    """The number that Avro Java reads from the text of a float's default; None where it fails."""
    match = _JAVA_DOUBLE(text)
    return float(match[1]) if match else None
