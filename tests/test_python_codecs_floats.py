"""Messages with many floats, put together from bytes, and numbers that are read along with them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import itertools
import math
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import fastavro
import pytest
from python_packages import make_event

Made = tuple[ModuleType, Any]


def record(name: str, /, **types: Any) -> dict[str, Any]:
    fields = [{"name": field, "type": kind} for field, kind in types.items()]
    return {"type": "record", "name": name, "namespace": "test", "fields": fields}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


MIXED = record(
    "Event",
    name="string",
    width="double",
    count="int",
    height="float",
    total="long",
    digest={"type": "fixed", "name": "Digest", "size": 4},
    raw="bytes",
    is_new="boolean",
    depth="double",
    state={"type": "enum", "name": "State", "symbols": ["NEW", "OLD"]},
    key={"type": "string", "logicalType": "uuid"},
    weight="double",
    price={"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2},
    first="float",
    second="double",
    at={"type": "long", "logicalType": "timestamp-millis"},
    extra=["null", "string", "double", "bytes"],
    more="double",
    numbers=array("long"),
    others=array("double"),
    points=array(
        record("Point", at="long", value="double", label=["null", "string"], kind="State")
    ),
    texts=array(record("Text", text="string", other="string", value="double")),
    blobs={"type": "map", "values": record("Blob", one="bytes", two="int", three="double")},
    last="double",
    end="long",
)
"""More of it comes as bytes than as texts, and every type is there."""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_event(tmp_path_factory.mktemp("mixed"), MIXED)


def text(pick: random.Random) -> str:
    return "".join(pick.choices("abc é東\0😀", k=pick.choice((0, 1, 5, 40, 63, 64, 700, 1100))))


def integer(pick: random.Random, bits: int) -> int:
    most = 1 << pick.randint(0, bits - 1)
    return pick.choice((most - 1, -most, pick.randrange(-most, most)))


def number(pick: random.Random) -> float:
    return pick.choice((0.0, -0.0, math.inf, 5e-324, pick.random(), -pick.random() * 1e300))


def fill(types: dict[str, Any], pick: random.Random) -> Any:
    new = {name.removeprefix("test."): cls for name, cls in types.items()}
    states = list(new["State"])
    return new["Event"](
        name=text(pick),
        width=number(pick),
        count=integer(pick, 32),
        height=0.5 * pick.randrange(100),
        total=integer(pick, 64),
        digest=pick.randbytes(4),
        raw=pick.randbytes(pick.choice((0, 1, 63, 64, 2000))),
        is_new=pick.random() < 0.5,
        depth=number(pick),
        state=pick.choice(states),
        key=UUID(int=pick.getrandbits(128)),
        weight=number(pick),
        price=Decimal(pick.randrange(-(10**8) + 1, 10**8)).scaleb(-2),
        first=0.25 * pick.randrange(100),
        second=number(pick),
        at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(pick.randrange(-9000, 9000)),
        extra=pick.choice((None, text(pick), number(pick), pick.randbytes(3))),
        more=number(pick),
        numbers=[integer(pick, 64) for _ in range(pick.choice((0, 3, 30)))],
        others=[number(pick) for _ in range(pick.randrange(4))],
        points=[
            new["Point"](
                at=integer(pick, 64),
                value=number(pick),
                label=pick.choice((None, text(pick))),
                kind=pick.choice(states),
            )
            for _ in range(pick.randrange(4))
        ],
        texts=[
            new["Text"](text=text(pick), other=text(pick), value=number(pick))
            for _ in range(pick.randrange(3))
        ],
        blobs={
            text(pick): new["Blob"](one=pick.randbytes(2), two=integer(pick, 32), three=1.5)
            for _ in range(pick.randrange(3))
        },
        last=number(pick),
        end=integer(pick, 64),
    )


def datum(value: Any) -> Any:
    """A model as fastavro takes it."""
    if dataclasses.is_dataclass(value):
        return {one.name: datum(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, list):
        return [datum(item) for item in value]
    if isinstance(value, dict):
        return {key: datum(item) for key, item in value.items()}
    return value.value if type(value).__name__ == "State" else value


def write(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def refuse(*_: object) -> None:
    raise AssertionError("left to the Codec")


def test_every_type_is_written_as_fastavro_does_without_the_codec(
    mixed: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, event = mixed
    monkeypatch.setattr(event.codec, "encode", refuse)
    monkeypatch.setattr(event.codec, "decode", refuse)
    pick = random.Random(1)
    for _ in range(300):
        value = fill(event.codec.types, pick)
        expected = write(MIXED, datum(value))
        assert event.encode(value, b"head") == b"head" + expected
        assert event.decode(expected, 0) == value


WRONG: list[tuple[str, object]] = [
    ("name", b"bytes"),
    ("name", None),
    ("name", "\ud800"),
    ("width", True),
    ("count", True),
    ("count", 2**31),
    ("count", -(2**31) - 1),
    ("count", 1.0),
    ("total", 2**63),
    ("total", -(2**63) - 1),
    ("total", 2**200),
    ("digest", b"abc"),
    ("digest", "abcd"),
    ("raw", "text"),
    ("raw", bytearray(b"x")),
    ("is_new", 1),
    ("state", "NEW"),
    ("key", "00000000-0000-0000-0000-000000000000"),
    ("price", Decimal("0.001")),
    ("at", dt.datetime(2026, 1, 1)),
    ("extra", ["x"]),
    ("others", [1.0, True]),
    ("last", "1.0"),
    ("end", None),
]


@pytest.mark.parametrize(("field", "wrong"), WRONG, ids=[f"{a} {b!r}"[:30] for a, b in WRONG])
def test_what_does_not_fit_is_refused_with_its_path(mixed: Made, field: str, wrong: object) -> None:
    package, event = mixed
    value = dataclasses.replace(fill(event.codec.types, random.Random(2)), **{field: wrong})
    with pytest.raises(package.EncodeError) as caught:
        event.encode(value, b"")
    assert caught.value.path.startswith(f"Event.{field}")


@pytest.mark.parametrize("changes", [{"width": 1}, {"others": [1.0, 2]}, {"height": 3}])
def test_whole_numbers_become_floats(mixed: Made, changes: dict[str, Any]) -> None:
    _, event = mixed
    value = dataclasses.replace(fill(event.codec.types, random.Random(2)), **changes)
    assert event.encode(value, b"") == write(MIXED, datum(value))


def outcome(package: ModuleType, decode: Callable[[bytes, int], Any], data: bytes) -> object:
    try:
        return repr(decode(data, 0))
    except package.DecodeError as error:
        return str(error)


def damage(pick: random.Random, data: bytes, count: int) -> list[bytes]:
    damaged = [data[:end] for end in range(len(data))] if len(data) < 300 else []
    for _ in range(count):
        at = pick.randrange(len(data))
        damaged.append(data[:at] + pick.randbytes(1) + data[at + 1 :])
        damaged.append(data[:at] + b"\x80" * pick.randint(1, 12) + data[at:])
        damaged.append(data[:at] + b"\xff" * pick.randint(1, 9) + data[at + 1 :])
    return damaged


NUMBERS: dict[str, Any] = {
    "a long behind a double, at the end": record("Event", a="double", b="long"),
    "an int behind a float, before a flag": record("Event", a="float", b="int", c="boolean"),
    "an int behind a double, before enough": record("Event", a="double", b="int", c="double"),
    "a long behind floats, before a string": record(
        "Event", a="float", b="double", c="long", d="string"
    ),
    "several in a row": record(
        "Event", a="double", b="long", c="long", d="double", e="int", f="float"
    ),
    "within an array": record("Event", points=array(record("Point", a="double", b="long"))),
    "within an array, before a double": record(
        "Event", points=array(record("Point", a="long", b="double", c="int")), end="double"
    ),
    "before what may take no bytes": record(
        "Event", a="double", b="long", c="null", d=record("Nothing"), e=array("int")
    ),
    "within a union": record("Event", a=["null", record("Pair", a="double", b="long")], b="string"),
    "before itself": record(
        "Event", a="double", b="long", c=["null", "Event"], d=record("Inner", d="double", e="long")
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_every_size_behind_floats(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package, event = make_event(tmp_path_factory.mktemp("numbers"), NUMBERS[name])
    pick = random.Random(name)
    values = [made(NUMBERS[name], event.codec.types, pick) for _ in range(200)]
    for value in values[:8]:
        data = event.encode(value, b"")
        for one in damage(pick, data, 60):
            decoders = (event.decode, event.codec.decode)
            first, second = (outcome(package, decode, one) for decode in decoders)
            assert first == second
    monkeypatch.setattr(event.codec, "encode", refuse)
    monkeypatch.setattr(event.codec, "decode", refuse)
    for value in values:
        data = write(NUMBERS[name], datum(value))
        assert event.encode(value, b"") == data
        assert event.decode(data, 0) == value


def made(kind: Any, types: dict[str, Any], pick: random.Random, depth: int = 0) -> Any:
    """A random value of a schema of numbers."""
    match kind:
        case {"type": "record", "name": name, "fields": fields}:
            values = {one["name"]: made(one["type"], types, pick, depth + 1) for one in fields}
            return types[f"test.{name}"](**values)
        case {"type": "array", "items": items}:
            return [made(items, types, pick, depth + 1) for _ in range(pick.randrange(4))]
        case ["null", "Event"]:
            schema = NUMBERS["before itself"]
            return made(schema, types, pick, depth + 1) if depth < 4 else None
        case ["null", other]:
            return pick.choice((None, made(other, types, pick, depth + 1)))
        case "int":
            return integer(pick, 32)
        case "long":
            return integer(pick, 64)
        case "float":
            return 0.5 * pick.randrange(100)
        case "double":
            return number(pick)
        case "boolean":
            return pick.random() < 0.5
        case "string":
            return text(pick)
        case _:
            return None


def test_damage_gives_an_error_or_what_reading_with_care_gives(mixed: Made) -> None:
    package, event = mixed
    pick = random.Random(3)
    for _ in range(6):
        data = event.encode(fill(event.codec.types, pick), b"")
        for one in damage(pick, data, 40):
            first, second = (
                outcome(package, decode, one) for decode in (event.decode, event.codec.decode)
            )
            assert first == second


def test_numbers_at_the_limits_of_each_size(mixed: Made) -> None:
    _, event = mixed
    value = fill(event.codec.types, random.Random(4))
    powers = itertools.chain.from_iterable(
        (2**bits - 1, 2**bits, -(2**bits), -(2**bits) - 1) for bits in range(63)
    )
    for total in (*powers, 2**63 - 1, -(2**63)):
        one = dataclasses.replace(value, total=total, numbers=[total], end=total)
        data = write(MIXED, datum(one))
        assert event.encode(one, b"") == data
        assert event.decode(data, 0) == one


def test_a_type_may_have_the_name_of_what_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = record("SHORT_RAW", one="double", two="int")
    _, event = make_event(tmp_path, record("Event", count="int", inner=inner, last="double"))
    types = event.codec.types
    inside = types["test.SHORT_RAW"](one=1.0, two=-2)
    value = types["test.Event"](count=7, inner=inside, last=2.5)
    monkeypatch.setattr(event.codec, "encode", refuse)
    monkeypatch.setattr(event.codec, "decode", refuse)
    assert event.decode(event.encode(value, b""), 0) == value
