"""The generated codecs, held to fastavro: the same bytes, the same values, and nothing else."""

from __future__ import annotations

import io
import random
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro
import pytest
from packages import HEADER, ValueMaker, encode_with_fastavro, import_package


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "doc": "A field.", **more}


def record(name: str, *members: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "cases", "doc": "A record.",
            "fields": list(members), **more}  # fmt: skip


def logical(base: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


LINE = record(
    "Line",
    field("sku", "string"),
    field("quantity", "int"),
    field("price", logical("bytes", "decimal", precision=12, scale=2)),
)

PRIMITIVES = record(
    "Primitives",
    field("nothing", "null"),
    field("yes", "boolean"),
    field("small", "int"),
    field("large", "long"),
    field("single", "float"),
    field("real", "double"),
    field("raw", "bytes"),
    field("text", "string"),
)

LOGICAL = record(
    "Logical",
    field("money", logical("bytes", "decimal", precision=12, scale=2)),
    field("huge", logical("bytes", "decimal", precision=60, scale=30)),
    field("whole", logical("bytes", "decimal", precision=5)),
    field("packed", {"type": "fixed", "name": "Packed", "size": 9, "logicalType": "decimal",
                     "precision": 20, "scale": 4}),
    field("id", logical("string", "uuid")),
    field("raw_id", {"type": "fixed", "name": "RawId", "size": 16, "logicalType": "uuid"}),
    field("day", logical("int", "date")),
    field("millis", logical("int", "time-millis")),
    field("micros", logical("long", "time-micros")),
    field("at_millis", logical("long", "timestamp-millis")),
    field("at_micros", logical("long", "timestamp-micros")),
    field("at_nanos", logical("long", "timestamp-nanos")),
    field("local_millis", logical("long", "local-timestamp-millis")),
    field("local_micros", logical("long", "local-timestamp-micros")),
    field("span", {"type": "fixed", "name": "Span", "size": 12, "logicalType": "duration"}),
    field("unknown", logical("long", "no-such-type")),
)  # fmt: skip

NESTED = record(
    "Nested",
    field("lines", {"type": "array", "items": LINE}),
    field("first", ["null", "Line"]),
    field("names", {"type": "map", "values": "string"}),
    field("grid", {"type": "array", "items": {"type": "array", "items": "int"}}),
    field("deep", {"type": "map", "values": {"type": "array", "items": ["null", "Line", "string"]}}),
    field("kind", {"type": "enum", "name": "Kind", "symbols": ["NONE", "SOME", "ALL"],
                   "default": "NONE"}),
    field("hash", {"type": "fixed", "name": "Hash", "size": 3}),
    field("hashes", {"type": "array", "items": "Hash"}),
    field("kinds", {"type": "array", "items": "Kind"}),
    field("reals", {"type": "array", "items": "double"}),
    field("flags", {"type": "array", "items": "boolean"}),
    field("times", {"type": "array", "items": logical("long", "timestamp-millis")}),
    field("nothing", record("Empty")),
)  # fmt: skip

UNIONS = record(
    "Unions",
    field("any", ["null", "boolean", "long", "double", "bytes", "string",
                  record("One", field("a", "int")), record("Two", field("a", "int")),
                  {"type": "array", "items": "string"}, {"type": "map", "values": "long"}]),
    # No enum beside a string: to fastavro its symbols are strings.
    field("colored", ["null", "int", {"type": "enum", "name": "Color",
                                      "symbols": ["RED", "GREEN"]}]),
    field("last", ["string", "null"]),
    field("alone", ["int"]),
    # No date beside a timestamp: to fastavro a datetime is a date.
    field("timed", ["null", logical("int", "time-millis"), logical("long", "timestamp-micros"),
                    logical("bytes", "decimal", precision=8, scale=3), "string"]),
    field("dated", [logical("int", "date"), "null"]),
    field("rows", {"type": "array", "items": ["null", "One", "Two"]}),
)  # fmt: skip

TREE = record(
    "Tree",
    field("value", "long"),
    field("left", ["null", "Tree"]),
    field("right", ["null", "Tree"]),
    field("more", {"type": "map", "values": {"type": "array", "items": "Tree"}}),
)

NAMES = record(
    "class",
    field("from", "string"),
    field("_hidden", "int"),
    field("__init__", "int"),
    field("self", "string"),
    field("data", "string"),
    field("position", "int"),
    field("event", "int"),
    field("date", logical("int", "date")),
    field("str", "string"),
    field("dataclass", "int"),
    field("field", {"type": "array", "items": "string"}, default=[]),
    field("UUID", ["null", logical("string", "uuid")], default=None),
    field("other", {"type": "record", "name": "EventType", "namespace": "elsewhere",
                    "fields": [field("int", "int"), field("wire", "string")]}),
    field("state", {"type": "enum", "name": "Symbol",
                    "symbols": ["None", "mro", "name", "_x", "class"]}),
)  # fmt: skip

CASES = (PRIMITIVES, LOGICAL, NESTED, UNIONS, TREE, NAMES)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return import_package(tmp_path_factory.mktemp("cases"), "codec_cases", CASES)


def event_of(codecs: ModuleType, schema: dict[str, Any]) -> Any:
    return next(one for one in codecs.EVENTS if one.name == f"cases.{schema['name']}")


def samples(codecs: ModuleType, schema: dict[str, Any], count: int) -> list[tuple[Any, Any]]:
    maker = ValueMaker(schema, codecs.TYPES, schema["name"])
    return [maker.make() for _ in range(count)]


@pytest.mark.parametrize("schema", CASES, ids=lambda schema: schema["name"])
def test_bytes_are_those_of_fastavro(codecs: ModuleType, schema: dict[str, Any]) -> None:
    kind = event_of(codecs, schema)
    parsed = fastavro.parse_schema(schema)
    for ours, theirs in samples(codecs, schema, 400):
        expected = HEADER + encode_with_fastavro(parsed, theirs)
        assert kind.encode(ours, HEADER) == expected
        decoded = kind.decode(expected, 5)
        assert decoded == ours and type(decoded) is type(ours)
        assert kind.encode(decoded, HEADER) == expected
