"""Does a JSON value fit a schema as its default?

`check_default` is the law of the specification; `is_java_default` is what Avro Java lets pass,
which is all that a registry looks at, if it looks at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from typing import Protocol

from codegen.avro.logical import is_integer, judge_value
from codegen.avro.schema import (
    Array,
    Enum,
    Field,
    Fixed,
    LogicalType,
    Map,
    Primitive,
    Record,
    Ref,
    Schema,
    SchemaGraph,
    Union,
)
from codegen.source import Json

MAX_EXPANSIONS = 100
"""How deep defaults may stand in for the fields that other defaults leave out."""


def check_default(graph: SchemaGraph, schema: Schema, value: Json) -> str | None:
    """Say why a JSON value is no default for a schema; None when it is one.

    Specification 1.12, "Complex Types", table of field default values: the default of a union may
    fit any branch; bytes and fixed are strings of the code points 0 to 255.
    """
    return None if _is_plain(schema, value) else _Check(graph).check(schema, value)


_PLAIN = {"null": type(None), "boolean": bool, "string": str}
"""The primitive types that take all values of one type of Python's, and no others."""


def _is_plain(schema: Schema, value: Json) -> bool:
    """Whether a value fits at first sight, as most defaults do: a null where null comes first."""
    first = schema.branches[0] if type(schema) is Union and schema.branches else schema
    return type(first) is Primitive and _PLAIN.get(first.type) is type(value)


class _Check:
    """One check of a default; it looks at each value against each schema once."""

    def __init__(self, graph: Resolver) -> None:
        self._graph = graph
        self._memory: dict[tuple[int, int], str | None] = {}
        self._expanding: list[Field] = []

    def check(self, schema: Schema, value: Json) -> str | None:
        target = self._graph.resolve(schema)
        if not isinstance(value, dict | list):
            return self._compare(target, value)
        key = (id(target), id(value))
        if key not in self._memory:
            self._memory[key] = self._compare(target, value)
        return self._memory[key]

    def _compare(self, target: Schema, value: Json) -> str | None:
        match target:
            case Primitive(type=name):
                return _check_primitive(name, value)
            case Fixed():
                return _check_fixed(target, value)
            case Enum():
                if isinstance(value, str) and value in target.symbols:
                    return None
                return f"{show_value(value)} is no symbol of {target.name}"
            case Array(items=items):
                if not isinstance(value, list):
                    return f"{show_value(value)} is no array"
                return self._first(self.check(items, item) for item in value)
            case Map(values=values):
                if not isinstance(value, dict):
                    return f"{show_value(value)} is no map"
                return self._first(self.check(values, item) for item in value.values())
            case Record():
                return self._check_record(target, value)
            case Union(branches=branches):
                if any(self.check(branch, value) is None for branch in branches):
                    return None
                return f"{show_value(value)} fits no branch of the union"
            case _:
                return None

    def _check_record(self, record: Record, value: Json) -> str | None:
        if not isinstance(value, dict):
            return f"{show_value(value)} is no object, and {record.name} is a record"
        for item in record.fields:
            if item.name in value:
                if problem := self.check(item.schema, value[item.name]):
                    return f"{item.name}: {problem}"
            elif item.default is None:
                return f'it has no "{item.name}", which has no default in {record.name}'
            elif problem := self._expand(item, item.default.value):
                return problem
        return None

    def _expand(self, item: Field, default: Json) -> str | None:
        """Check what stands in for a field that a default leaves out: it must come to an end."""
        if not isinstance(default, dict | list):
            return None  # Judged where it stands, and nothing is left out in it.
        return self._follow(item, default)

    def _follow(self, item: Field, default: Json) -> str | None:
        if item in self._expanding:
            return f'it leaves out "{item.name}", whose default holds itself without end'
        if len(self._expanding) >= MAX_EXPANSIONS:
            return f"defaults stand in for fields of defaults more than {MAX_EXPANSIONS} deep"
        self._expanding.append(item)
        problem = self.check(item.schema, default)
        self._expanding.pop()
        return problem

    @staticmethod
    def _first(problems: Iterable[str | None]) -> str | None:
        return next((problem for problem in problems if problem), None)


class Resolver(Protocol):
    """Whatever knows the types that references refer to."""

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, or what a reference refers to."""


def check_logical_default(resolver: Resolver, schema: Schema, value: Json) -> str | None:
    """Say why a default that fits its schema is no value of its logical type; None where it is.

    Specification 1.12, "Logical Types": a decimal is the bytes of its unscaled number, a uuid has
    the text of RFC 4122, a time of day lies within a day. Libraries whose points in time end with
    the year 9999 cannot hold later ones.
    """
    if _is_plain(schema, value) and isinstance(schema, Primitive) and schema.logical is None:
        return None
    if _Check(resolver).check(schema, value) is not None:
        return None
    return _LogicalCheck(resolver).check(schema, value)


class _LogicalCheck(_Check):
    def _compare(self, target: Schema, value: Json) -> str | None:
        if problem := super()._compare(target, value):
            return problem
        match target:
            case Primitive(logical=LogicalType() as logical, type=base):
                return judge_value(logical, base, value)
            case Fixed(logical=LogicalType() as logical):
                return judge_value(logical, "fixed", value)
            case _:
                return None

    def _expand(self, item: Field, default: Json) -> str | None:
        return None  # Judged where it stands.


def _check_fixed(fixed: Fixed, value: Json) -> str | None:
    if problem := _check_primitive("bytes", value):
        return problem
    return None if len(value) == fixed.size else f"{len(value)} bytes, not {fixed.size}"


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
    if _is_plain(schema, value):
        return True
    try:
        return _JavaCheck(graph, unfinished).check(schema, value) is None
    except _UnfinishedRecord:
        return False


class _UnfinishedRecord(Exception):
    """Avro Java gives up here, even where another branch of a union would fit."""


class _JavaCheck(_Check):
    def __init__(self, graph: SchemaGraph, unfinished: Collection[str]) -> None:
        super().__init__(graph)
        self._names = graph.names
        self._unfinished = unfinished

    def check(self, schema: Schema, value: Json) -> str | None:
        if isinstance(schema, Ref) and schema.name not in self._names:
            if isinstance(value, dict) and schema.name in self._unfinished:
                raise _UnfinishedRecord
            return None if isinstance(value, dict) else "no object"
        return super().check(schema, value)

    def _expand(self, item: Field, default: Json) -> str | None:
        return None

    def _compare(self, target: Schema, value: Json) -> str | None:
        if isinstance(target, Fixed | Enum) or _is_primitive(target, "bytes"):
            return None if isinstance(value, str) else "no text"
        if _is_primitive(target, "float") or _is_primitive(target, "double"):
            return None if isinstance(value, float) or is_integer(value) else "no number"
        return super()._compare(target, value)


def check_java_use(graph: SchemaGraph, schema: Schema, value: Json) -> str | None:
    """Say why Avro Java's decoder cannot put a default in place; None where it can.

    It is no parser: of a union it takes the first branch that may hold such a value, and a value
    of the wrong kind counts as an empty record, array or map.
    """
    return _JavaUse(graph).check(schema, value)


class _JavaUse(_Check):
    def check(self, schema: Schema, value: Json) -> str | None:
        target = self._graph.resolve(schema)
        key = (id(target), id(value))
        if key not in self._memory:
            self._memory[key] = self._compare(target, value)
        return self._memory[key]

    def _expand(self, item: Field, default: Json) -> str | None:
        return self._follow(item, default)

    def _compare(self, target: Schema, value: Json) -> str | None:
        match target:
            case Union(branches=branches):
                for branch in branches:
                    if _may_hold(self._graph.resolve(branch), value):
                        return self.check(branch, value)
                return f"{show_value(value)} fits no branch of the union"
            case Fixed():
                return None if isinstance(value, str) else f"{show_value(value)} is no text"
            case Array() if not isinstance(value, list):
                return None
            case Map() | Record() if not isinstance(value, dict):
                return super()._compare(target, {})
            case Primitive() if _may_hold(target, value):
                return None
            case _:
                return super()._compare(target, value)


def _may_hold(target: Schema, value: Json) -> bool:
    """What Avro Java looks at when it chooses the branch of a default."""
    match target:
        case Primitive(type="null"):
            return value is None
        case Primitive(type="boolean"):
            return isinstance(value, bool)
        case Primitive(type="string" | "bytes") | Fixed():
            return isinstance(value, str)
        case Primitive():
            return isinstance(value, float) or is_integer(value)
        case _:
            return True


def _is_primitive(schema: Schema, name: str) -> bool:
    return isinstance(schema, Primitive) and schema.type == name


_JAVA_DOUBLE = re.compile(
    r"\s*([+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))[fFdD]?\s*", re.ASCII
).fullmatch


def read_java_double(text: str) -> float | None:
    """The number that Avro Java reads from the text of a float's default; None where it fails."""
    match = _JAVA_DOUBLE(text)
    return float(match[1]) if match else None
