"""The codecs of generated packages: their bytes beside fastavro's, and any bytes beside theirs."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import fastavro
import pytest
from python_packages import Schemas, Values, make_event

from codegen.targets.python.runtime.avro.encoding import write_long

HEADER = b"\x00\x00\x00\x00\x2a"


def fastavro_bytes(parsed: Any, datum: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, datum)
    return out.getvalue()


@pytest.mark.parametrize("seed", range(60))
def test_random_messages_are_what_fastavro_writes(tmp_path: Path, seed: int) -> None:
    schema = Schemas(seed, for_fastavro=True).event()
    package, event = make_event(tmp_path, schema)
    parsed = fastavro.parse_schema(schema)
    values = Values(seed, package, event, parsed)
    for _ in range(40):
        model, datum = values.pair(parsed)
        expected = fastavro_bytes(parsed, datum)
        assert event.encode(model, HEADER) == HEADER + expected
        assert event.codec.encode(model, HEADER) == HEADER + expected
        for decode in (event.decode, event.codec.decode):
            decoded = decode(HEADER + expected)
            assert decoded == model and type(decoded) is event.model
            assert event.encode(decoded, b"") == expected


@pytest.mark.parametrize("seed", range(1000, 1050))
def test_two_thousand_random_messages_of_each_of_fifty_schemas(tmp_path: Path, seed: int) -> None:
    schema = Schemas(seed, for_fastavro=True).event(fewest=3)
    package, event = make_event(tmp_path, schema)
    parsed = fastavro.parse_schema(schema)
    values = Values(seed, package, event, parsed)
    for _ in range(2000):
        model, datum = values.pair(parsed)
        data = fastavro_bytes(parsed, datum)
        assert event.encode(model, b"") == data
        assert event.decode(data, 0) == model


@pytest.mark.parametrize("seed", range(60, 90))
def test_damaged_messages_give_one_error_or_a_value(tmp_path: Path, seed: int) -> None:
    schema = Schemas(seed).event()
    package, event = make_event(tmp_path, schema)
    parsed = fastavro.parse_schema(schema)
    values = Values(seed, package, event, parsed)
    pick = random.Random(seed)
    error = package.DecodeError
    for _ in range(5):
        model = values.pair(parsed)[0]
        data = event.encode(model, b"")
        assert data == event.codec.encode(model, b"") and event.decode(data, 0) == model
        damaged = [data[:end] for end in range(min(len(data), 300))]
        damaged += [data + b"\0", data + data, pick.randbytes(40), b"\xff" * 30, b"\x01" * 9]
        for index in range(min(len(data), 300)):
            flipped = bytes([data[index] ^ pick.choice([0x80, 1, 2, 0xFF, pick.randrange(1, 256)])])
            damaged.append(data[:index] + flipped + data[index + 1 :])
        for one in damaged:
            results = []
            for decode in (event.decode, event.codec.decode):
                try:
                    value = decode(one, 0)
                except error as problem:
                    results.append(str(problem))
                else:
                    results.append(repr(value))
                    event.codec.encode(value, b"")
            assert results[0] == results[1]


NULLS = {"type": "array", "items": "null"}
SIZED: list[Any] = ["string", "bytes", {"type": "map", "values": "null"}, NULLS]
SIZED += [{"type": "array", "items": NULLS}, {"type": "map", "values": NULLS}, ["null", "bytes"]]
SIZED += [
    {"type": "array", "items": kind}
    for kind in ("boolean", "int", "long", "float", "double", "string", ["null", "string"])
]


@pytest.mark.parametrize("index", range(len(SIZED)))
def test_no_length_and_no_count_takes_memory(tmp_path: Path, index: int) -> None:
    def schema(*more: Any) -> Any:
        fields = [{"name": "a", "type": SIZED[index]}, *more]
        return {"type": "record", "name": "Event", "namespace": "test", "fields": fields}

    now = schema({"name": "b", "type": "int", "default": 0})
    package, event = make_event(tmp_path, now, [schema()])
    decoders = [event.decode, event.codec.decode, event.resolve(json.dumps(schema()), {})]
    for size in (2**30, 2**60, 2**62, -1, -(2**60), -(2**63)):
        zigzag = bytearray()
        write_long(size, zigzag)
        for data in (b"", b"\x01", b"\x02", b"\x02\x01"):
            for tail in (b"", bytes(10), b"\x02" * 10, bytes(zigzag)):
                for decode in decoders:
                    tracemalloc.start()
                    try:
                        decode(data + bytes(zigzag) + tail, 0)
                    except package.DecodeError:
                        pass
                    finally:
                        peak = tracemalloc.get_traced_memory()[1]
                        tracemalloc.stop()
                    assert peak < 20_000_000


@pytest.mark.parametrize("seed", range(200, 230))
def test_the_generated_test_passes_and_fails_for_another_codec(tmp_path: Path, seed: int) -> None:
    package, _ = make_event(tmp_path, Schemas(seed).event())
    (path,) = (tmp_path / "generated" / "tests").glob("*.py")
    space: dict[str, Any] = {"__name__": "contract"}
    exec(compile(path.read_text("utf-8"), str(path), "exec", dont_inherit=True), space)
    tests = [value for name, value in space.items() if name.startswith("test_")]
    for test in tests:
        test()
    event = package.codecs.EVENT
    parts = {name: getattr(event, name) for name in type(event).__slots__}
    space["EVENT"] = type(event)(**{**parts, "encode": lambda event, header: b"\x7f" * 999})
    for test in tests:
        with pytest.raises(AssertionError):
            test()
