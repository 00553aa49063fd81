"""Arrays of integers, which are coded all at once: beside fastavro, and damaged."""

from __future__ import annotations

import io
import random
from decimal import Decimal
from types import ModuleType
from typing import Any

import fastavro
import pytest
from python_packages import make_event

SCHEMA = {
    "type": "record",
    "name": "Event",
    "namespace": "test",
    "fields": [
        {"name": "ints", "type": {"type": "array", "items": "int"}},
        {"name": "longs", "type": {"type": "array", "items": "long"}},
        {"name": "after", "type": "string"},
    ],
}
SIZES = (0, 1, 23, 24, 25, 31, 32, 33, 100, 1023, 1024, 1025, 2500)
EDGES = [0, 0, 1, -1, 63, -64, 64, -65, 127, 128, 8191, 8192, -8192, -8193]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, Any]:
    return make_event(tmp_path_factory.mktemp("arrays"), SCHEMA)


def numbers(pick: random.Random, count: int, bits: int) -> list[int]:
    """Numbers of few bits, of up to 53, or of all that a type may have."""
    width = pick.choice([5, 12, min(bits, 54), bits])
    most = 2 ** (width - 1)
    edges = [most - 1, -most, *(edge for edge in EDGES if -most <= edge < most)]
    return [
        pick.choice(edges)
        if pick.random() < 0.3
        else pick.getrandbits(pick.randint(1, width - 1)) * pick.choice((1, -1))
        for _ in range(count)
    ]


def write(value: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), value)
    return out.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_they_are_what_fastavro_writes(made: tuple[ModuleType, Any], size: int) -> None:
    _, event = made
    pick = random.Random(size)
    for _ in range(40 if size < 500 else 8):
        value = {
            "ints": numbers(pick, size, 32),
            "longs": numbers(pick, size, 64),
            "after": "the end",
        }
        expected = write(value)
        model = event.model(**value)
        assert event.encode(model, b"") == expected
        assert event.decode(expected, 0) == model


@pytest.mark.parametrize("size", [24, 40, 1030])
def test_damage_gives_an_error_or_what_reading_with_care_gives(
    made: tuple[ModuleType, Any], size: int
) -> None:
    package, event = made
    pick = random.Random(size)
    for _ in range(6):
        value = {"ints": numbers(pick, size, 32), "longs": numbers(pick, size, 64), "after": ""}
        data = write(value)
        damaged = [data[:end] for end in pick.sample(range(len(data)), 20)]
        for _ in range(60):
            index = pick.randrange(len(data))
            damaged.append(data[:index] + pick.randbytes(1) + data[index + 1 :])
            damaged.append(data[:index] + b"\x80" * pick.randint(1, 12) + data[index:])
        for one in damaged:
            results: list[object] = []
            for decode in (event.decode, event.codec.decode):
                try:
                    results.append(decode(one, 0))
                except package.DecodeError as error:
                    results.append(str(error))
            assert results[0] == results[1]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("ints", 2**31),
        ("ints", -(2**31) - 1),
        ("ints", 1.0),
        ("ints", None),
        ("longs", 2**63),
        ("longs", -(2**63) - 1),
        ("longs", 2**200),
        ("longs", True),
        ("longs", Decimal(1)),
        ("longs", "1"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    made: tuple[ModuleType, Any], field: str, wrong: object
) -> None:
    package, event = made
    values: dict[str, list[Any]] = {"ints": [5] * 50, "longs": [7] * 50}
    values[field][37] = wrong
    with pytest.raises(package.EncodeError) as caught:
        event.encode(event.model(**values, after=""), b"")
    assert caught.value.path == f"Event.{field}[37]"


def test_no_count_reserves_memory(made: tuple[ModuleType, Any]) -> None:
    package, event = made
    for count in (b"\x80\x80\x80\x80\x80\x80\x80\x80\x20", b"\xfe\xff\xff\xff\x0f"):
        with pytest.raises(package.DecodeError):
            event.decode(count + b"\0" * 20, 0)
