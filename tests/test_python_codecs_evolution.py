"""Reading what other versions of a schema wrote: Avro's resolution, beside fastavro's."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import importlib
import io
import json
import random
import struct
import subprocess
import sys
import time
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import fastavro
import pytest
from python_packages import (
    EVENT,
    Schemas,
    Values,
    import_package,
    load,
    make_event,
    remember,
    run_generated_tests,
    write_package,
)

from codegen.diagnostics import Findings
from codegen.generation import generate
from codegen.targets import discover_targets


def record(*fields: Any, name: str = "Event", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "test", "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Kind", "symbols": list(symbols), **more}


def datum(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: datum(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, list):
        return [datum(item) for item in value]
    if isinstance(value, dict):
        return {key: datum(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)), value)
    return out.getvalue()


CASES: dict[str, tuple[Any, Any, Any, Any]] = {
    # name: writer's field or schema, what it wrote, reader's, what is read
    "added with default": (record(), {}, record(field("a", "int", default=3)), {"a": 3}),
    "removed": (
        record(field("x", {"type": "array", "items": ["null", "string"]}), field("a", "int")),
        {"x": ["b", None], "a": 1},
        record(field("a", "int")),
        {"a": 1},
    ),
    "reordered": (
        record(field("b", "string"), field("a", "int")),
        {"a": 1, "b": "x"},
        record(field("a", "int"), field("b", "string")),
        {"a": 1, "b": "x"},
    ),
    "field alias": (
        record(field("old", "int")),
        {"old": 4},
        record(field("new", "int", aliases=["old"])),
        {"new": 4},
    ),
    "record alias": (
        record(field("a", "int"), name="Former"),
        {"a": 4},
        record(field("a", "int"), aliases=["Former"]),
        {"a": 4},
    ),
    "int to long": (record(field("a", "int")), {"a": 4}, record(field("a", "long")), {"a": 4}),
    "int to float": (record(field("a", "int")), {"a": 4}, record(field("a", "float")), {"a": 4.0}),
    "int to a float that rounds": (
        record(field("a", "int")),
        {"a": 16_777_217},
        record(field("a", "float")),
        {"a": 16_777_216.0},
    ),
    "long to double": (
        record(field("a", "long")), {"a": 2**53}, record(field("a", "double")), {"a": 2.0**53}
    ),
    "float to double": (
        record(field("a", "float")), {"a": 1.5}, record(field("a", "double")), {"a": 1.5}
    ),
    "string to bytes": (
        record(field("a", "string")), {"a": "ä"}, record(field("a", "bytes")), {"a": b"\xc3\xa4"}
    ),
    "bytes to string": (
        record(field("a", "bytes")), {"a": b"\xc3\xa4"}, record(field("a", "string")), {"a": "ä"}
    ),
    "enum reordered": (
        record(field("a", enum("X", "Y"))), {"a": "Y"}, record(field("a", enum("Y", "X"))),
        {"a": "Y"},
    ),
    "enum default": (
        record(field("a", enum("X", "Y", "Z"))),
        {"a": "Z"},
        record(field("a", enum("X", "Y", default="X"))),
        {"a": "X"},
    ),
    "to a union": (
        record(field("a", "string")), {"a": "x"}, record(field("a", ["null", "string"])),
        {"a": "x"},
    ),
    "from a union": (
        record(field("a", ["null", "int"])), {"a": 5}, record(field("a", "long")), {"a": 5}
    ),
    "union to union by name": (
        record(field("a", ["null", record(field("x", "int"), name="B"), "string"])),
        {"a": ("test.B", {"x": 1})},
        record(field("a", ["string", record(field("x", "long"), name="B"), "null"])),
        {"a": {"x": 1}},
    ),
    "the exact branch before one that it promotes to": (
        record(field("a", "int")), {"a": 1}, record(field("a", ["double", "int"])), {"a": 1}
    ),
    "the first branch that it promotes to": (
        record(field("a", "int")), {"a": 1}, record(field("a", ["float", "long"])), {"a": 1.0}
    ),
    "defaults of nested types": (
        record(),
        {},
        record(
            field("m", {"type": "map", "values": "long"}, default={"k": 1}),
            field("r", record(field("x", "int"), field("y", "int", default=2), name="B"),
                  default={"x": 1}),
            field("u", ["null", "string"], default=None),
            field("v", ["null", "string"], default="later branch"),
            field("k", enum("X", "Y"), default="Y"),
            field("b", "bytes", default="\xff"),
        ),
        {"m": {"k": 1}, "r": {"x": 1, "y": 2}, "u": None, "v": "later branch", "k": "Y",
         "b": b"\xff"},
    ),
    "millis to micros are the same moment": (
        record(field("a", {"type": "long", "logicalType": "time-micros"})),
        {"a": 5_000},
        record(field("a", {"type": "long", "logicalType": "time-micros"}), field("b", "int",
               default=0)),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [name for name, row in CASES.items() if row[3] is not None])
def test_resolution(tmp_path: Path, case: str) -> None:
    writer, value, reader, expected = CASES[case]
    _, event = make_event(tmp_path, reader, [writer])
    data = written(writer, value)
    (past,) = event.codec.past()
    decoders = [past.read, event.resolve(json.dumps(writer), {}), compile_alone(event, writer)]
    for decode in decoders:
        result = datum(decode(data, 0))
        assert result == expected
        assert [type(one) for one in result.values()] == [type(one) for one in expected.values()]


def compile_alone(event: Any, writer: Any) -> Any:
    """The decoder that is made at run time for a version that the package does not know."""
    codec = type(event.codec)(event.codec.schema, event.codec.types)
    return codec.resolve(json.dumps(writer), {})


REFUSED: dict[str, tuple[Any, Any]] = {
    "no default": (record(), record(field("a", "int"))),
    "another type": (record(field("a", "string")), record(field("a", "int"))),
    "long to int": (record(field("a", "long")), record(field("a", "int"))),
    "another name": (record(name="Other"), record()),
    "another fixed": (
        record(field("a", {"type": "fixed", "name": "F", "size": 2})),
        record(field("a", {"type": "fixed", "name": "F", "size": 3})),
    ),
    "a date as a time": (
        record(field("a", {"type": "int", "logicalType": "date"})),
        record(field("a", {"type": "int", "logicalType": "time-millis"})),
    ),
    "inside an array": (
        record(field("a", {"type": "array", "items": "string"})),
        record(field("a", {"type": "array", "items": "boolean"})),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_match_is_refused_when_the_schema_is_met(tmp_path: Path, case: str) -> None:
    writer, reader = REFUSED[case]
    package, event = make_event(tmp_path, reader)
    with pytest.raises(package.DecodeError):
        event.resolve(json.dumps(writer), {})


def test_what_cannot_be_read_fails_when_it_comes(tmp_path: Path) -> None:
    reader = record(field("a", enum("X")), field("b", "int"))
    writer = record(field("a", enum("X", "Y")), field("b", ["string", "int"]))
    package, event = make_event(tmp_path, reader)
    decode = event.resolve(json.dumps(writer), {})
    assert datum(decode(b"\x00\x02\x06", 0)) == {"a": "X", "b": 3}
    with pytest.raises(package.DecodeError, match=r"a: 'Y' is no symbol of test\.Kind"):
        decode(b"\x02\x02\x06", 0)
    with pytest.raises(package.DecodeError, match="b: it was written as string"):
        decode(b"\x00\x00\x02x", 0)


@pytest.mark.parametrize("action", ["FAIL", "SKIP", "DEAD_LETTER"])
def test_the_policy_decides_about_a_symbol_that_is_new(tmp_path: Path, action: str) -> None:
    package, _ = make_event(tmp_path, record(field("a", enum("X"))))
    fakes = importlib.import_module(f"{package.__name__}.fakes")
    handled: list[Any] = []

    class Handler:
        def on_event(self, event: Any, message: Any) -> None:
            handled.append(event.a)

    policy = package.Policy(
        on_unknown_symbol=package.Action[action], on_poison=package.Action.DEAD_LETTER
    )
    with fakes.fakes() as fake:
        number = fake.registry.register(json.dumps(record(field("a", enum("X", "Y")))))
        for value in (b"\x02", b"\x00"):
            fake.deliver_bytes("things", b"\0" + number.to_bytes(4, "big") + value, key=b"k")
        consumer = package.Consumer(fake.settings(), Handler(), policy=policy)
        if action == "FAIL":
            with pytest.raises(package.MessageFailed, match=r"unknown-symbol.*'Y' is no symbol"):
                consumer.drain()
            assert handled == []
            return
        consumer.drain()
        assert handled == [package.Kind.X]
        letters = [letter.reason for letter in fake.dead_letters]
        assert letters == ["unknown-symbol"] * (action == "DEAD_LETTER")
        assert consumer.statistics.skipped == (action == "SKIP")


def test_units_of_time_and_scales_of_decimals_are_converted(tmp_path: Path) -> None:
    def money(precision: int, scale: int) -> dict[str, Any]:
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}

    millis = {"type": "long", "logicalType": "timestamp-millis"}
    micros = {"type": "long", "logicalType": "timestamp-micros"}
    package, event = make_event(tmp_path, record(field("t", micros), field("m", money(6, 2))))
    decode = event.resolve(json.dumps(record(field("t", millis), field("m", money(4, 1)))), {})
    value = decode(b"\xd0\x0f\x02\x19", 0)
    assert (value.t.timestamp(), str(value.m)) == (1.0, "2.50")
    decode = event.resolve(json.dumps(record(field("t", micros), field("m", money(9, 3)))), {})
    with pytest.raises(package.DecodeError, match="m: "):
        decode(b"\x02\x02\x19", 0)


def test_the_same_schema_is_read_by_the_straight_line_code(tmp_path: Path) -> None:
    _, event = make_event(tmp_path, record(field("a", "int", doc="x", default=1)))
    assert event.resolve(event.schema, {}) is event.decode
    assert event.resolve(json.dumps(record(field("a", "int"))), {}) is event.decode


@pytest.mark.parametrize("alias", ["Former", "test.Former"])
def test_a_consumer_knows_a_renamed_event_by_its_alias(tmp_path: Path, alias: str) -> None:
    schema = record(field("a", "int"), aliases=[alias])
    package, event = make_event(tmp_path, schema)
    fakes = importlib.import_module(f"{package.__name__}.fakes").fakes()
    seen: list[Any] = []
    handler = SimpleNamespace(on_event=lambda event, message: seen.append(event.a))
    consumer = package.Consumer(fakes.settings(), handler)
    for former in ("test.Former", "test.Other"):
        text = json.dumps(record(field("a", "int"), name=former))
        header = b"\0" + fakes.registry.register(text).to_bytes(4, "big")
        value = event.encode(event.model(a=7), header)
        fakes.deliver_bytes("things", value, headers=[("ce_type", former.encode())])
    consumer.drain()
    assert seen == [7] and consumer.statistics.skipped == 1


def test_references_in_any_order(tmp_path: Path) -> None:
    inner = record(field("x", enum("X", "Y")), name="Inner")
    outer = {"type": "record", "name": "test.Outer", "fields": [field("i", "test.Inner"),
             field("k", "test.Kind")]}  # fmt: skip
    reader = record(field("o", record(field("i", inner), field("k", "Kind"), name="Outer")))
    package, event = make_event(tmp_path, reader)
    writer = json.dumps(record(field("o", "Outer"), field("more", "int")))
    texts = {"test.Outer": json.dumps(outer), "test.Inner": json.dumps(inner)}
    for references in (texts, dict(reversed(texts.items()))):
        decode = event.resolve(writer, references)
        assert datum(decode(b"\x02\x00\x07", 0)) == {"o": {"i": {"x": "Y"}, "k": "X"}}
    with pytest.raises(package.DecodeError, match=r"test\.Outer is not known"):
        event.resolve(writer, {})


HOSTILE = [
    "",
    "[",
    "null",
    "1e999",
    '"test.Event"',
    "[" * 100_000,
    '{"type": ' * 5000 + '"int"' + "}" * 5000,
    '{"type":"array","items":' * 600 + '"int"' + "}" * 600,
    '{"type": "record"}',
    '{"type": "record", "name": "Event", "fields": 5}',
    '{"type": "record", "name": "Event", "fields": [5]}',
    '{"type": "record", "name": "Event", "fields": [{"name": "a"}]}',
    '{"type": "record", "name": "Event", "fields": [{"name": "a", "type": "Event"}]}',
    '{"type": "record", "name": "Event", "fields": [{"name": "a", "type": {"type": {}}}]}',
    '{"type": "record", "name": "Event", "fields": [{"name": "a", "type": [["int"]]}]}',
    '{"type": "record", "name": "Event", "fields": [{"name": "a", "type": []}]}',
    '{"type": "record", "name": "Event", "aliases": 3, "fields": []}',
    '{"type": "enum", "name": "Event", "symbols": "x"}',
    '{"type": "fixed", "name": "Event", "size": -1}',
    '{"type": "fixed", "name": "Event", "size": true}',
    '{"type": "fixed", "name": "Event", "size": ' + "9" * 5000 + "}",
]


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_a_hostile_schema_is_an_error_of_its_own(tmp_path: Path, index: int) -> None:
    package, event = make_event(tmp_path, record(field("a", "int")))
    with pytest.raises(package.DecodeError):
        event.resolve(HOSTILE[index], {"test.Event": HOSTILE[index]})


def doubling(depth: int) -> Any:
    """Each record holds the next one twice: as a tree, 2**depth records."""
    schema: Any = {"type": "record", "name": f"D{depth}", "fields": [field("x", "int")]}
    for number in range(depth - 1, -1, -1):
        fields = [field("a", schema), field("b", f"D{number + 1}")]
        schema = {"type": "record", "name": f"D{number}", "fields": fields}
    return schema


LARGE: dict[str, Any] = {
    "a million symbols": {
        "type": "enum",
        "name": "K",
        "symbols": [f"S{number}" for number in range(10**6)],
    },
    "a record of 100,000 fields": {
        "type": "record",
        "name": "K",
        "fields": [field(f"f{number}", "int") for number in range(10**5)],
    },
    "a union of 20,000 branches": [
        {"type": "fixed", "name": f"F{number}", "size": 1} for number in range(20_000)
    ],
    "records that double": doubling(200),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_schema_of_a_registry_is_bounded(tmp_path: Path, name: str) -> None:
    package, event = make_event(tmp_path, record(field("a", "int")))
    writer = json.dumps(record(field("a", "int"), field("z", LARGE[name])))
    try:
        decode = event.resolve(writer, {})
    except package.DecodeError:
        return
    for data in (b"", b"\x02" * 40, b"\xff" * 40):
        attempt(decode, data, package)


def test_names_of_a_registry_are_never_code(tmp_path: Path) -> None:
    package, event = make_event(tmp_path, record(field("a", "int")))
    trace = tmp_path / "trace"
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    for name in (code, f"a: int = {code}", f'x"\n{code}\n"'):
        writer = json.dumps(record(field(name, "int"), field("a", "int")))
        try:
            decode = event.resolve(writer, {})
        except package.DecodeError:
            continue
        assert decode(b"\x02\x0e", 0).a == 7
    assert not trace.exists()


def test_references_in_a_circle_end(tmp_path: Path) -> None:
    package, event = make_event(tmp_path, record(field("a", "int")))
    circle = {
        f"test.{name}": json.dumps(
            {"type": "record", "name": name, "namespace": "test", "fields": [field("o", other)]}
        )
        for name, other in (("X", "test.Y"), ("Y", "test.X"))
    }
    writer = json.dumps(record(field("z", "test.X"), field("a", "int")))
    try:
        decode = event.resolve(writer, circle)
    except package.DecodeError:
        return
    with pytest.raises(package.DecodeError):
        decode(b"\x02" * 20, 0)


def test_no_count_and_no_length_takes_memory_or_time(tmp_path: Path) -> None:
    nulls = {"type": "array", "items": "null"}
    fixed = {"type": "array", "items": {"type": "fixed", "name": "F", "size": 4}}
    reader = record(field("a", nulls), field("b", {"type": "array", "items": nulls}),
                    field("c", fixed), field("d", "bytes"))  # fmt: skip
    package, event = make_event(tmp_path, reader)
    huge = b"\x80\x80\x80\x80\x80\x80\x80\x80\x20"  # 2**60
    assert event.decode(b"\x06\x00" + b"\x02\x02\x00\x00" + b"\x00\x00", 0).a == [None] * 3
    attempts = [huge + b"\x00", b"\x00" + b"\xfe\x7f" + (b"\xfe\xff\x7f\x00" * 10_000)]
    attempts += [b"\x00\x00" + huge + bytes(20), b"\x00\x00\x00" + huge, b"\x01" + huge + huge]
    skipping = event.resolve(json.dumps(record(*reader["fields"], field("z", "int"))), {})
    start = time.perf_counter()
    for data in attempts:
        for decode in (event.decode, skipping, event.codec.decode):
            with pytest.raises(package.DecodeError):
                decode(data, 0)
    assert time.perf_counter() - start < 60, "it went through all of them"


def test_unread_fields_are_skipped_without_work_for_each_item(tmp_path: Path) -> None:
    package, event = make_event(tmp_path, record(field("a", "int")))
    writer = record(field("x", {"type": "array", "items": "null"}), field("a", "int"))
    decode = event.resolve(json.dumps(writer), {})
    start = time.perf_counter()
    assert decode(b"\x80\x80\x80\x80\x80\x80\x80\x80\x20\x00\x0e", 0).a == 7
    assert time.perf_counter() - start < 60, "it counted to 2^60"
    writer = record(field("x", {"type": "map", "values": "Event"}), field("a", "int"))
    decode = event.resolve(json.dumps(writer), {})
    assert decode(b"\x00\x0e", 0).a == 7
    assert decode(b"\x01\x08\x02k\x00\x04\x00\x0e", 0).a == 7
    with pytest.raises(package.DecodeError):
        decode(b"\x02" * 50, 0)


def evolve(pick: random.Random, schema: Any) -> Any:
    """The schema with fields added, dropped, moved and widened."""
    changed = copy.deepcopy(schema)
    fields = changed["fields"]
    for _ in range(3):
        choice = pick.random()
        if choice < 0.3:
            fields.append(field(f"n{pick.randrange(10**6)}", "string", default="new"))
        elif choice < 0.5 and fields:
            gone = pick.randrange(len(fields))
            if '"name"' not in json.dumps(fields[gone]["type"]):
                fields.pop(gone)
        elif choice < 0.8 and fields:
            one = pick.choice(fields)
            if isinstance(one["type"], str) and one["type"] != "null" and one["type"].islower():
                one["type"] = pick.choice([["null", one["type"]], [one["type"], "null"]])
        elif fields:
            one = pick.choice(fields)
            wider = {"int": "long", "float": "double", "long": "double"}
            if isinstance(one["type"], str):
                one["type"] = wider.get(one["type"], one["type"])
    return changed


@pytest.mark.parametrize("seed", range(40))
def test_random_evolutions_are_read_as_fastavro_reads_them(tmp_path: Path, seed: int) -> None:
    old = Schemas(seed, for_fastavro=True).event()
    new = evolve(random.Random(seed), old)
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old_package, old_event = make_event(tmp_path / "old", old)
    _, event = make_event(tmp_path / "new", new)
    parsed, wanted = fastavro.parse_schema(old), fastavro.parse_schema(new)
    values = Values(seed, old_package, old_event, parsed)
    decode = event.resolve(old_event.schema, {})
    back = None
    with contextlib.suppress(old_package.DecodeError):
        back = old_event.resolve(event.schema, {})
    for _ in range(30):
        data = written(old, values.pair(parsed)[1])
        result = decode(data, 0)
        expected = fastavro.schemaless_reader(io.BytesIO(data), parsed, wanted)
        again = event.decode(event.encode(result, b""), 0)
        assert again == result
        assert comparable(datum(result)) == comparable(expected)
        if back is not None:
            with contextlib.suppress(old_package.DecodeError):
                back(event.encode(result, b""), 0)


def change(pick: random.Random, node: Any) -> Any:
    """A type that reads what another wrote, by chance: changed at every depth."""
    if isinstance(node, list):
        branches = [change(pick, branch) for branch in node]
        if pick.random() < 0.3:
            pick.shuffle(branches)
        if pick.random() < 0.2 and len(branches) > 1:
            branches = [one for one in branches if isinstance(one, dict)] or branches[:1]
        return branches if len(branches) > 1 or pick.random() < 0.7 else branches[0]
    if isinstance(node, str):
        wider = {"int": ["long", "float", "double"], "float": ["double"], "string": ["bytes"]}
        return pick.choice([node, node, *wider.get(node, [])])
    changed = dict(node)
    if node["type"] == "array":
        changed["items"] = change(pick, node["items"])
    elif node["type"] == "map":
        changed["values"] = change(pick, node["values"])
    elif node["type"] == "enum":
        changed["symbols"] = pick.sample(node["symbols"], pick.randint(1, len(node["symbols"])))
        if pick.random() < 0.7:
            changed["default"] = changed["symbols"][0]
    elif node["type"] == "record":
        fields = [{**one, "type": change(pick, one["type"])} for one in node["fields"]]
        for one in fields:
            if pick.random() < 0.15:
                one["aliases"] = [one["name"]]
                one["name"] = f"renamed_{one['name']}"
        fields = [one for one in fields if defines_types(one) or pick.random() < 0.9]
        if pick.random() < 0.5:
            integers = {"type": "array", "items": "int"}
            added: list[tuple[Any, Any]] = [("string", "new"), ("long", 5), (integers, [1, 2])]
            added += [("double", 1.5), ("bytes", "\xff"), (["null", "int"], None)]
            kind, default = pick.choice(added)
            fields.append(field(f"added_{pick.randrange(10**6)}", kind, default=default))
        if not any(map(defines_types, fields)):
            pick.shuffle(fields)
        changed["fields"] = fields
    elif "logicalType" in node and node["type"] in ("int", "long") and pick.random() < 0.3:
        return node["type"]
    return changed


def defines_types(one: Any) -> bool:
    return '"name": "' in json.dumps(one["type"])


@pytest.mark.parametrize("seed", range(1000, 1040))
def test_straight_line_readers_read_what_the_plan_of_run_time_reads(
    tmp_path: Path, seed: int
) -> None:
    pick = random.Random(seed)
    old = Schemas(seed, for_fastavro=True).event()
    new = change(pick, old)
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old_package, old_event = make_event(tmp_path / "old", old)
    package, event = make_event(tmp_path / "new", new, [old])
    parsed = fastavro.parse_schema(copy.deepcopy(old))
    values = Values(seed, old_package, old_event, parsed)
    try:
        careful = compile_alone(event, old)
    except package.DecodeError:
        assert not event.codec.past()
        return
    decode = event.resolve(old_event.schema, {})
    if careful is None:
        assert decode is event.decode and not event.codec.past()
        return
    read = [past.read for past in event.codec.past()]
    for _ in range(30):
        data = written(old, values.pair(parsed)[1])
        expected = attempt(careful, data, package)
        assert attempt(decode, data, package) == expected
        if read and expected.startswith("Event("):
            assert repr(read[0](data, 0)) == expected
        for end in range(min(len(data), 60)):
            assert attempt(decode, data[:end], package) == attempt(careful, data[:end], package)
        for _ in range(40):
            damaged = damage(pick, data)
            assert attempt(decode, damaged, package) == attempt(careful, damaged, package)
    run_generated_tests(tmp_path / "new")


def test_readers_are_as_ruff_leaves_them_and_clean_under_mypy(tmp_path: Path) -> None:
    for seed in range(3000, 3012):
        old = Schemas(seed).event()
        new = change(random.Random(seed), old)
        contract = remember(load(tmp_path / str(seed), {"Event": new}, [EVENT]), [old])
        write_package(contract, tmp_path / "generated", f"package_{seed}")
    assert len(list(tmp_path.glob("generated/package_*/history.py"))) > 8
    format_ = ["ruff", "format", "--check", "--isolated", "--line-length", "100", "."]
    check = ["ruff", "check", "--isolated", "--select", "I,F", "--line-length", "100", "."]
    modules = [f"package_{seed}" for seed in range(3000, 3012)]
    for command in (format_, check, ["mypy", "--strict", *modules]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path / "generated",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_version_that_others_read_otherwise_is_told_to_be_without_tests(tmp_path: Path) -> None:
    old, new = (
        record(field("t", {"type": "long", "logicalType": f"timestamp-{unit}"}))
        for unit in ("millis", "micros")
    )
    contract = remember(load(tmp_path, {"Event": new}, [EVENT]), [old])
    findings = Findings()
    generate(contract, discover_targets(), findings)
    (finding,) = findings
    assert finding.message == (
        "generated tests lack samples of test.Event: implementations of Avro read what version 1 "
        "wrote as other values"
    )
    package = import_package(contract, tmp_path / "generated")
    (event,) = package.codecs.EVENTS
    assert event.resolve(json.dumps(old), {})(b"\xd0\x0f", 0).t.timestamp() == 1.0
    (past,) = event.codec.past()
    assert past.read(b"\xd0\x0f", 0).t.timestamp() == 1.0


def attempt(decode: Any, data: bytes, package: Any) -> str:
    """What is read, as text, or what is said of it."""
    try:
        return repr(decode(data, 0))  # NaN equals nothing, and 1 equals True and 1.0
    except package.DecodeError as error:
        return str(error)


def damage(pick: random.Random, data: bytes) -> bytes:
    if not data:
        return pick.randbytes(3)
    index = pick.randrange(len(data))
    return data[:index] + bytes([pick.randrange(256)]) + data[index + 1 :]


def comparable(value: Any) -> Any:
    """UUIDs and durations as their bytes, since fastavro leaves those of a fixed so."""
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, tuple):
        return struct.pack("<III", *value)
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value
