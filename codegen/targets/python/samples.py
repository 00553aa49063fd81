"""Sample events and the bytes that fastavro makes of them, which generated tests compare with.

The bytes come from another implementation, so that no mistake of our codecs proves itself right.
The samples are the same for the same schema: small and large values, every branch and symbol that a
handful of samples can hold, empty and filled containers.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import assert_never

from codegen.avro.canonical import render
from codegen.avro.defaults import check_default
from codegen.avro.schema import (
    Array,
    Broken,
    Enum,
    Fixed,
    LogicalType,
    Map,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
)
from codegen.source import Json

COUNT = 4
"""How many samples there are of each event."""

MAX_DEPTH = 6
"""Samples of recursive types do not nest deeper, where their schema allows it."""

_WORDS = ("", "sample", "größer als ASCII: 東京", "x" * 64)
_INTEGERS = (0, -1, 1_000, 2_000_000_000)
_LONGS = (0, -65, 1_700_000_000_000, 2**62)
_FLOATS = (0.0, -1.5, 1024.25, 2.0**40)
_UUIDS = (
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "12345678-9abc-4def-8123-456789abcdef",
    "0f0e0d0c-0b0a-4908-8706-050403020100",
)
_LOGICAL = {
    "date": (0, -1, 20_000, 47_482),
    "time-millis": (0, 1, 43_200_123, 86_399_999),
    "time-micros": (0, 1, 43_200_123_456, 86_399_999_999),
    "timestamp-millis": (0, -1, 1_700_000_000_123, 4_102_444_800_000),
    "timestamp-micros": (0, -1, 1_700_000_000_123_456, 4_102_444_800_000_000),
    "local-timestamp-millis": (0, -1, 1_700_000_000_123, 4_102_444_800_000),
    "local-timestamp-micros": (0, -1, 1_700_000_000_123_456, 4_102_444_800_000_000),
    "uuid": _UUIDS,
}


class Endless(Exception):
    """A type that holds itself in every value of it, so that it has none."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of a schema: each as JSON, as a default would be written, and as Avro.

    `problem` is empty, or says why there are fewer than there could be.
    """

    events: tuple[tuple[Json, bytes], ...]
    problem: str = ""


def sample_events(graph: SchemaGraph) -> Samples:
    """Samples of a schema, no two the same."""
    from fastavro import parse_schema, schemaless_writer  # noqa: PLC0415 - 30 ms

    schema = json.loads(render(graph, inline=True))
    found: dict[bytes, Json] = {}
    problem = ""
    for number in range(COUNT):
        out = io.BytesIO()
        try:
            value = _Sampler(graph, number).value(graph.root, 0)
            parsed = parse_schema(_without(schema, "logicalType", "default"))
            schemaless_writer(out, parsed, _datum(graph, graph.root, value))
        except Endless:
            problem = "every value of it holds another one, without end"
            break
        except Exception as error:
            # Valid Avro that fastavro does not take; what it raises then is no part of its promise.
            lines = str(error).splitlines() or [""]
            problem = f"fastavro does not take it ({type(error).__name__}: {lines[0][:200]})"
            break
        found.setdefault(out.getvalue(), value)
    return Samples(tuple((value, data) for data, value in found.items()), problem)


def read_sample(reader: SchemaGraph, writer: SchemaGraph, data: bytes) -> Json:
    """What fastavro reads, with one schema, of what was written with another, as sample_events.

    Raises ValueError where it does not, or where one of a union's branches looks like another.
    """
    from fastavro import parse_schema, schemaless_reader, schemaless_writer  # noqa: PLC0415

    def read(raw: bytes, written: Json, wanted: Json = None) -> object:
        return schemaless_reader(
            io.BytesIO(raw), written, wanted, return_record_name=True, return_named_type=True
        )

    def show(found: object) -> str:
        # Text, since 1 equals 1.0 and True; fields that were not written come last.
        return json.dumps(found, sort_keys=True, default=repr)

    try:
        plain = [
            parse_schema(_without(json.loads(render(graph, inline=True)), "logicalType"))
            for graph in (writer, reader)
        ]
        found = read(data, *plain)
        value = _without_names(found)
        out = io.BytesIO()
        schemaless_writer(out, plain[1], _datum(reader, reader.root, value))
        if show(read(out.getvalue(), plain[1])) == show(found):
            return value
    except Exception as error:
        raise ValueError("fastavro reads no such data") from error
    raise ValueError("the branches of a union look alike")


def _without(schema: Json, *attributes: str) -> Json:
    """The same schema for the same bytes: fastavro takes plain numbers, texts and bytes for it."""
    if isinstance(schema, list):
        return [_without(branch, *attributes) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: value for key, value in schema.items() if key not in attributes}
    for key in ("type", "items", "values"):
        if key in plain:
            plain[key] = _without(plain[key], *attributes)
    if "fields" in plain:
        plain["fields"] = [_without(field, *attributes) for field in plain["fields"]]
    return plain


def _without_names(value: object) -> Json:
    """What fastavro read, as JSON: without the names of branches, bytes as text."""
    match value:
        case tuple():
            return _without_names(value[1])
        case list():
            return [_without_names(item) for item in value]
        case dict():
            return {key: _without_names(item) for key, item in value.items()}
        case bytes():
            return value.decode("latin-1")
        case _:
            return value


class _Sampler:
    """Makes one sample; its number chooses among the values of each type."""

    def __init__(self, graph: SchemaGraph, number: int) -> None:
        self._graph = graph
        self._number = number

    def value(self, schema: Schema, depth: int) -> Json:
        target = self._graph.resolve(schema)
        is_deep = depth >= MAX_DEPTH
        match target:
            case Primitive(logical=LogicalType() as logical):
                return self._logical(target.type, logical)
            case Primitive(type=name):
                return self._primitive(name)
            case Fixed(size=size, logical=logical):
                return self._fixed(size, logical)
            case Enum(symbols=symbols):
                return symbols[self._number % len(symbols)]
            case Array(items=items):
                count = 0 if is_deep else (0, 1, 2, 3)[self._number % 4]
                return [self.value(items, depth + 1) for _ in range(count)]
            case Map(values=values):
                count = 0 if is_deep else (0, 2, 1, 3)[self._number % 4]
                return {f"key {index}": self.value(values, depth + 1) for index in range(count)}
            case Union(branches=branches):
                return self._branch(target, branches, depth)
            case Record(fields=fields):
                if depth > 10 * MAX_DEPTH:
                    raise Endless
                return {field.name: self.value(field.schema, depth + 1) for field in fields}
            case Broken():
                raise Endless
            case _:
                assert_never(target)

    def _branch(self, union: Union, branches: tuple[Schema, ...], depth: int) -> Json:
        order = [(self._number + offset) % len(branches) for offset in range(len(branches))]
        if depth >= MAX_DEPTH:
            # What is no record ends a recursion.
            order.sort(key=lambda one: isinstance(self._graph.resolve(branches[one]), Record))
        for index in order:
            # fastavro finds no branch for a container that holds values of named branches.
            is_container = isinstance(self._graph.resolve(branches[index]), Array | Map)
            try:
                value = self.value(branches[index], MAX_DEPTH if is_container else depth + 1)
            except Endless:
                continue
            if _branch_of(self._graph, union, value) == index:
                return value
        raise Endless

    def _primitive(self, name: str) -> Json:
        number = self._number % 4
        match name:
            case "null":
                return None
            case "boolean":
                return number % 2 == 1
            case "int":
                return _INTEGERS[number]
            case "long":
                return _LONGS[number]
            case "float" | "double":
                return _FLOATS[number]
            case "bytes":
                return ("", "\x00\xff", "sample", "\x80" * 20)[number]
            case _:
                return _WORDS[number]

    def _logical(self, base: str, logical: LogicalType) -> Json:
        if logical.name == "decimal":
            number = self._unscaled(logical)
            return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True).decode(
                "latin-1"
            )
        if logical.name in _LOGICAL:
            return _LOGICAL[logical.name][self._number % 4]
        return self._primitive(base)

    def _unscaled(self, logical: LogicalType) -> int:
        largest = 10 ** min(logical.precision, 30) - 1
        return (0, -largest, largest // 7, largest)[self._number % 4]

    def _fixed(self, size: int, logical: LogicalType | None) -> Json:
        if logical is not None and logical.name == "decimal":
            raw = self._unscaled(logical).to_bytes(size, "big", signed=True)
            return raw.decode("latin-1")
        return "".join(chr((self._number * 50 + index) % 256) for index in range(min(size, 4096)))


def _branch_of(graph: SchemaGraph, union: Union, value: Json) -> int:
    fits = (check_default(graph, branch, value) is None for branch in union.branches)
    return next((index for index, fit in enumerate(fits) if fit), -1)


def _datum(graph: SchemaGraph, schema: Schema, value: Json) -> object:
    """A sample as fastavro takes it: bytes as bytes, branches with names by their names."""
    target = graph.resolve(schema)
    match target:
        case Primitive(type="bytes") | Fixed():
            return value.encode("latin-1")
        case Primitive() | Enum() | Broken():
            return value
        case Array(items=items):
            return [_datum(graph, items, item) for item in value]
        case Map(values=values):
            return {key: _datum(graph, values, item) for key, item in value.items()}
        case Record(fields=fields):
            return {item.name: _datum(graph, item.schema, value[item.name]) for item in fields}
        case Union(branches=branches):
            branch = graph.resolve(branches[_branch_of(graph, target, value)])
            inner = _datum(graph, branch, value)
            match branch:
                case Primitive(type=name) | Record(name=name) | Enum(name=name) | Fixed(name=name):
                    return name, inner
                case _:
                    return inner
        case _:
            assert_never(target)
