"""Shapes of messages for the benchmark of codecs: a schema, and random messages of each."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
CITIES = ("Zürich", "Lisbon", "東京", "Tromsø", "Austin", "Nairobi")


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of message; `older` is the schema that it is also read from, where there is one."""

    name: str
    schema: Mapping[str, Any]
    make: Callable[[ModuleType, random.Random], Any]
    count: int = 32
    older: Mapping[str, Any] | None = None


def _record(name: str, *fields: tuple[str, Any]) -> dict[str, Any]:
    listed = [
        {"name": field, "doc": "A field.", **(kind if "default" in kind else {"type": kind})}
        for field, kind in fields
    ]
    return {"type": "record", "name": name, "namespace": "bench", "doc": "A record.",
            "fields": listed}  # fmt: skip


def _logical(base: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


UUID = _logical("string", "uuid")
MILLIS = _logical("long", "timestamp-millis")
MONEY = _logical("bytes", "decimal", precision=12, scale=2)

ADDRESS = _record(
    "Address", ("street", "string"), ("city", "string"), ("zip", "string"), ("country", "string")
)
CUSTOMER = _record(
    "Customer", ("id", "long"), ("name", "string"), ("email", "string"), ("address", ADDRESS)
)
ORDER = _record(
    "Order",
    ("order_id", UUID),
    ("placed_at", MILLIS),
    ("status", {"type": "enum", "name": "Status", "symbols": ["NEW", "PAID", "SENT"]}),
    ("customer", CUSTOMER),
    (
        "lines",
        {
            "type": "array",
            "items": _record("Line", ("sku", "string"), ("quantity", "int"), ("price", MONEY)),
        },
    ),
    ("note", ["null", "string"]),
    (
        "payment",
        [
            _record("Card", ("network", "string"), ("digits", "string")),
            _record("Transfer", ("iban", "string"), ("bank", "string")),
        ],
    ),
    ("labels", {"type": "map", "values": "string"}),
    ("due", _logical("int", "date")),
    ("weight", "double"),
    ("sequence", "long"),
    ("is_gift", "boolean"),
)


def _order(models: ModuleType, chance: random.Random) -> Any:
    customer = models.Customer(
        id=chance.randrange(10**9),
        name="Ada Lovelace",
        email="ada@example.org",
        address=models.Address(
            street=f"Main Street {chance.randrange(200)}",
            city=chance.choice(CITIES),
            zip=f"{chance.randrange(10**5):05}",
            country="CH",
        ),
    )
    line = models.Line
    lines = [
        line(sku=f"SKU-{n:06}", quantity=chance.randint(1, 20), price=_money(chance))
        for n in range(3)
    ]
    payments = (
        models.Card(network="VISA", digits=f"{chance.randrange(10**4):04}"),
        models.Transfer(iban="CH9300762011623852957", bank="Post"),
    )
    return models.Order(
        order_id=uuid.UUID(int=chance.getrandbits(128)),
        placed_at=NOW - timedelta(milliseconds=chance.randrange(86_400_000)),
        status=chance.choice(tuple(models.Status)),
        customer=customer,
        lines=lines,
        note=chance.choice((None, "Please ring twice.")),
        payment=chance.choice(payments),
        labels={"channel": "web", "campaign": f"c{chance.randrange(100)}", "region": "emea"},
        due=date(2026, 12, 1) + timedelta(days=chance.randrange(60)),
        weight=chance.uniform(0.1, 30.0),
        sequence=chance.getrandbits(40),
        is_gift=chance.random() < 0.5,
    )


def _money(chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(1, 2_000_000)) / 100


SMALL = _record("Tick", ("id", "long"), ("name", "string"), ("is_on", "boolean"))


def _small(models: ModuleType, chance: random.Random) -> Any:
    return models.Tick(id=chance.randrange(10**6), name="sensor", is_on=chance.random() < 0.5)


NUMBERS = _record(
    "Numbers",
    *((f"count_{n}", "long" if n % 2 else "int") for n in range(10)),
    *((f"real_{n}", "double") for n in range(10)),
)


def _numbers(models: ModuleType, chance: random.Random) -> Any:
    sizes = (6, 10, 20, 30, 30, 40, 12, 62, 6, 16)
    counts = {f"count_{n}": chance.getrandbits(min(size, 62 if n % 2 else 30)) - 1
              for n, size in enumerate(sizes)}  # fmt: skip
    return models.Numbers(**counts, **{f"real_{n}": chance.gauss(0, 1e3) for n in range(10)})


TEXTS = _record("Texts", *((f"text_{n}", "string") for n in range(10)))


def _texts(models: ModuleType, chance: random.Random) -> Any:
    lengths = (3, 10, 20, 40, 63, 70, 200, 900)
    texts = {
        f"text_{n}": "".join(chance.choices("abcdefgh ", k=length))
        for n, length in enumerate(lengths)
    }
    return models.Texts(**texts, text_8="Grüße aus Zürich, " * 3, text_9="東京 " * 20)


LONGS = _record("Longs", ("id", UUID), ("values", {"type": "array", "items": "long"}))


def _longs(models: ModuleType, chance: random.Random) -> Any:
    values = [chance.getrandbits(chance.choice((6, 8, 12, 20, 30, 40))) for _ in range(1000)]
    return models.Longs(id=uuid.UUID(int=chance.getrandbits(128)), values=values)


POINTS = _record(
    "Series",
    (
        "points",
        {"type": "array", "items": _record("Point", ("at", "long"), ("value", "double"),
                                           ("unit", "string"))},
    ),
)  # fmt: skip


def _points(models: ModuleType, chance: random.Random) -> Any:
    point = models.Point
    return models.Series(
        points=[
            point(at=chance.getrandbits(40), value=chance.gauss(0, 1), unit="kW")
            for _ in range(1000)
        ]
    )


MIXED = _record(
    "Mixed",
    ("values", {"type": "array", "items": ["null", "string", "long", "double", "boolean"]}),
    ("by_name", {"type": "map", "values": {"type": "array", "items": "string"}}),
)


def _mixed(models: ModuleType, chance: random.Random) -> Any:
    kinds = (None, "a text", 7, 1.5, True, 10**6, "b" * 30)
    return models.Mixed(
        values=[chance.choice(kinds) for _ in range(30)],
        by_name={f"name{n}": ["x" * chance.randrange(9) for _ in range(4)] for n in range(8)},
    )


def _older(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as it once was: one field it has not yet, one it has no more, one still int."""
    fields = [
        {**field, "type": "int"} if field["name"] == "sequence" else field
        for field in schema["fields"]
        if field["name"] != "is_gift"
    ]
    return {**schema, "fields": [*fields, {"name": "dropped", "type": "string"}]}


EVOLVED = {
    **ORDER,
    "fields": [
        {**field, "default": False} if field["name"] == "is_gift" else field
        for field in ORDER["fields"]
    ],
}


def _evolved(models: ModuleType, chance: random.Random) -> Any:
    order = _order(models, chance)
    values = {name: getattr(order, name) for name in order.__slots__}
    return models.Order(**{**values, "sequence": chance.getrandbits(30), "is_gift": False})


SHAPES = (
    Shape("an order", ORDER, _order),
    Shape("a small message", SMALL, _small),
    Shape("20 numbers", NUMBERS, _numbers),
    Shape("10 texts, long and not ASCII", TEXTS, _texts),
    Shape("an array of 1,000 longs", LONGS, _longs, count=4),
    Shape("an array of 1,000 records", POINTS, _points, count=2),
    Shape("unions and maps", MIXED, _mixed),
    Shape("an order of an older version", EVOLVED, _evolved, older=_older(EVOLVED)),
)
