"""What libraries do that read otherwise than Avro Java: the facts of rules/readers.py, measured."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import avro.errors
import avro.io
import avro.schema
import fastavro
import pytest

from codegen.rules.readers import LACKING, Ability

Read = Callable[[Any, Any, bytes], Any]


def read_with_fastavro(writer: Any, reader: Any, data: bytes) -> Any:
    sides = [fastavro.parse_schema(json.loads(json.dumps(side))) for side in (writer, reader)]
    return fastavro.schemaless_reader(io.BytesIO(data), *sides)


def read_with_avro(writer: Any, reader: Any, data: bytes) -> Any:
    sides = [avro.schema.parse(json.dumps(side)) for side in (writer, reader)]
    return avro.io.DatumReader(*sides).read(avro.io.BinaryDecoder(io.BytesIO(data)))


LIBRARIES: dict[str, Read] = {"avro for Python": read_with_avro, "fastavro": read_with_fastavro}


def record(name: str, field: str, **more: Any) -> dict[str, Any]:
    item = {"name": field, "type": "int", **more}
    return {"type": "record", "name": name, "fields": [item]}


def enum(name: str, *symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


CASES: dict[Ability, tuple[Any, Any, bytes, Any]] = {
    Ability.ALIASES: (
        record("a.R", "x"),
        record("a.R", "y", aliases=["x"], default=5),
        b"\x02",
        {"y": 1},
    ),
    Ability.ENUM_DEFAULT: (enum("a.E", "A", "B"), enum("a.E", "A", default="A"), b"\x02", "A"),
    Ability.SIMPLE_NAMES: (record("a.R", "x"), record("b.R", "x"), b"\x02", {"x": 1}),
    Ability.TEXT_AS_BYTES: ("string", "bytes", b"\x02x", b"x"),
    Ability.READER_LOGICAL_TYPE: (
        {"type": "long", "logicalType": "timestamp-millis"},
        "long",
        b"\x06",
        3,
    ),
}
"""The writer's schema, the reader's, the bytes, and what a reader with the ability makes of it."""


@pytest.mark.parametrize("ability", Ability)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_lacks_what_is_said_of_it(library: str, ability: Ability) -> None:
    writer, reader, data, expected = CASES[ability]
    try:
        is_able = LIBRARIES[library](writer, reader, data) == expected
    except avro.errors.AvroException:
        is_able = False
    assert is_able == (library not in LACKING[ability])
