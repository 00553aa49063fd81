"""Events for tests, made from their schemas: plain ones, those at the edges, and random ones."""

from __future__ import annotations

import random
import struct
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from ..avro import schema as avro
from ..avro.codec import EventType
from ..avro.encoding import Types, attributes
from ..avro.values import EPOCH, EPOCH_DAY, LOCAL_EPOCH, MAX_PRECISION, Duration

E = TypeVar("E")

_DEPTH: Final = 4
"""Records do not nest deeper, where their schema lets them end."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz äöüß 東京 0123456789"
_FIRST: Final = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
_LAST: Final = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


class Samples:
    """Samples of the events of one service. What is asked for twice is equal."""

    def __init__(self, events: Iterable[EventType[Any]]) -> None:
        self._types = {event.model: event for event in events}

    def valid(self, event: type[E], /) -> E:
        """A plain event: what its schema gives a default has it, the rest is short and simple.

        Raises TypeError for what is no event of this service, ValueError where none can be made.
        """
        return self._draw(event, _Plain())

    def edges(self, event: type[E], /) -> tuple[E, ...]:
        """The smallest and the largest values, empty and full ones, every branch and every symbol.

        Each is in one of the events, not each in every combination. Raises as `valid` does.
        """
        return tuple(map(deepcopy, self._make(event, lambda node, types: _edges(node, types, 0))))

    def random(self, event: type[E], /, *, seed: int) -> E:
        """An event with random values, the same one for the same seed. Raises as `valid` does."""
        return self._draw(event, _Random(seed))

    def _draw(self, event: type[E], choice: _Choice) -> E:
        def build(node: avro.Node, types: Types) -> list[E]:
            return [_value(node, types, choice, 0)]

        return self._make(event, build)[0]

    def _make(self, event: type[E], build: Callable[[avro.Node, Types], list[E]]) -> list[E]:
        if event not in self._types:
            known = ", ".join(sorted(model.__name__ for model in self._types))
            raise TypeError(f"{event!r} is no event of this service; it has {known}")
        kind = self._types[event]
        node = avro.parse(kind.schema, kind.codec.schema.texts())
        made: list[E] = []
        with warnings.catch_warnings(), suppress(RecursionError, IndexError):
            # A deprecated field belongs to what messages can hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            made = build(node, kind.codec.types)
        if not made:
            raise ValueError(f"{event.__name__} has a type that no value ends")
        return made


class _Kind(NamedTuple):
    """The values of one type: a plain one, its edges, and how a random one is drawn."""

    plain: Any
    edges: Sequence[Any]
    draw: Callable[[random.Random], Any]


class _Plain:
    """Chooses what is plain."""

    takes_defaults: Final = True

    def one(self, kind: _Kind) -> Any:
        """A value."""
        return kind.plain

    def index(self, count: int) -> int:
        """One of so many."""
        return range(count)[0]

    def size(self) -> int:
        """How many items or entries."""
        return 1


class _Random:
    """Draws."""

    takes_defaults: Final = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, kind: _Kind) -> Any:
        """A value: now and then an edge."""
        if self._random.random() < 0.2:
            return self._random.choice(kind.edges)
        return kind.draw(self._random)

    def index(self, count: int) -> int:
        """One of so many."""
        return self._random.choice(range(count))

    def size(self) -> int:
        """How many items or entries."""
        return self._random.randrange(5)


_Choice = _Plain | _Random


def _value(node: avro.Node, types: Types, choice: _Choice, depth: int) -> Any:
    """A value of a type. Raises IndexError where there is none, RecursionError where none ends."""
    match node:
        case avro.Primitive() | avro.Fixed():
            return choice.one(_kind(node))
        case avro.Enum(name=name, symbols=symbols):
            return types[name](symbols[choice.index(len(symbols))])
        case avro.Record():
            return _record(node, types, choice, depth)
        case avro.Array(items=items):
            count = choice.size() if depth < _DEPTH else 0
            return [_value(items, types, choice, depth) for _ in range(count)]
        case avro.Map(values=values):
            count = choice.size() if depth < _DEPTH else 0
            return {f"key {n}": _value(values, types, choice, depth) for n in range(count)}
        case avro.Union(branches=branches):
            if depth >= _DEPTH or choice.takes_defaults:
                # What is no record ends, and a value says more than null.
                ranked = sorted(branches, key=_is_record)
                named = [one for one in ranked if not _is_null(one)] if depth < _DEPTH else ranked
                branches = tuple(named or ranked)[:1]
            return _value(branches[choice.index(len(branches))], types, choice, depth)


def _record(node: avro.Record, types: Types, choice: _Choice, depth: int) -> Any:
    cls = types[node.name]
    values = {
        attribute: _value(field.schema, types, choice, depth + 1)
        for attribute, field in zip(attributes(cls), node.fields, strict=True)
        if not (choice.takes_defaults and field.default is not None)
    }
    return cls(**values)


def _is_record(node: avro.Node) -> bool:
    return isinstance(node, avro.Record)


def _is_null(node: avro.Node) -> bool:
    return isinstance(node, avro.Primitive) and node.type == "null"


def _edges(node: avro.Node, types: Types, depth: int) -> list[Any]:
    """All edges of a type, none where it has no value. Raises RecursionError where none ends."""
    match node:
        case avro.Primitive() | avro.Fixed():
            return list(_kind(node).edges)
        case avro.Enum(name=name, symbols=symbols):
            return [types[name](symbol) for symbol in symbols]
        case avro.Record():
            return _record_edges(node, types, depth)
        case avro.Array(items=inner):
            return _fillings(_edges(inner, types, depth)) if depth < _DEPTH else [[]]
        case avro.Map(values=inner):
            lists = _fillings(_edges(inner, types, depth)) if depth < _DEPTH else [[]]
            return [{f"key {n}": value for n, value in enumerate(values)} for values in lists]
        case avro.Union(branches=branches):
            if depth >= _DEPTH:
                branches = tuple(sorted(branches, key=_is_record)[:1])
            return [value for branch in branches for value in _edges(branch, types, depth)]


def _fillings(items: list[Any]) -> list[list[Any]]:
    """An empty list, a list of one, and one that has them all."""
    return [[], items[:1], items] if items else [[]]


def _record_edges(node: avro.Record, types: Types, depth: int) -> list[Any]:
    """As many as the field with the most edges has; the others start with theirs.

    A field that has shown all of its edges keeps the first: together they grow no further.
    """
    cls = types[node.name]
    columns = [_edges(field.schema, types, depth + 1) for field in node.fields]
    if not all(columns):
        return []
    return [
        cls(
            **{
                attribute: column[number] if number < len(column) else column[0]
                for attribute, column in zip(attributes(cls), columns, strict=True)
            }
        )
        for number in range(max(map(len, columns), default=1))
    ]


def _kind(node: avro.Primitive | avro.Fixed) -> _Kind:
    if node.logical is not None:
        name = node.logical.name
        return _decimal(node.logical) if name == "decimal" else _LOGICAL[name]
    if isinstance(node, avro.Fixed):
        size = node.size
        return _Kind(b"x" * size, (b"\0" * size, b"\xff" * size), lambda draw: draw.randbytes(size))
    return _PRIMITIVES[node.type]


def _decimal(logical: avro.Logical) -> _Kind:
    precision, scale = min(logical.precision, MAX_PRECISION), logical.scale
    most = 10**precision - 1

    def scaled(number: int) -> Decimal:
        digits = tuple(int(digit) for digit in str(abs(number)))
        return Decimal((int(number < 0), digits, -scale))

    return _Kind(
        scaled(min(10**scale, most)),
        [scaled(number) for number in (0, most, -most, 1, -1)],
        lambda draw: scaled(draw.randint(-most, most)),
    )


def _integers(bits: int) -> _Kind:
    least, most = -(1 << bits - 1), (1 << bits - 1) - 1
    edges = (0, least, most, -1, 1, 63, 64, -64, -65)
    return _Kind(1, edges, lambda draw: draw.randint(least, most) >> draw.randrange(bits))


def _single(value: float) -> float:
    """The nearest number that a float holds."""
    near: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return near


_PRIMITIVES: Final[Mapping[str, _Kind]] = {
    "null": _Kind(None, (None,), lambda _: None),
    "boolean": _Kind(True, (False, True), lambda draw: draw.random() < 0.5),
    "int": _integers(32),
    "long": _integers(64),
    "float": _Kind(
        1.5,
        [_single(number) for number in (0.0, -1.5, 3.4028234e38, -3.4028234e38, 1e-45)],
        lambda draw: _single(draw.uniform(-1e6, 1e6)),
    ),
    "double": _Kind(
        1.5,
        (0.0, -1.5, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324),
        lambda draw: draw.uniform(-1e9, 1e9),
    ),
    "bytes": _Kind(
        b"bytes", (b"", bytes(range(256)), b"\0"), lambda draw: draw.randbytes(draw.randrange(40))
    ),
    "string": _Kind(
        "text",
        ("", "größer als ASCII: 東京 🏥", "x" * 1000, " ", 'a "quoted"\n\\ \0 text'),
        lambda draw: "".join(draw.choices(_LETTERS, k=draw.randrange(30))),
    ),
}


def _day(number: int) -> date:
    return date.fromordinal(EPOCH_DAY + number)


def _moments(epoch: datetime, step: int) -> _Kind:
    """Points in time; `step` is how many microseconds their unit has."""

    def moment(milliseconds: int, rest: int = 0) -> datetime:
        return epoch + timedelta(milliseconds=milliseconds, microseconds=rest)

    return _Kind(
        epoch.replace(2026, 1, 2, 3, 4, 5),
        [moment(number) for number in (0, -1, _FIRST, _LAST)] + [moment(0, step)],
        lambda draw: moment(draw.randint(_FIRST, _LAST), draw.randrange(0, 1000, step)),
    )


def _times(step: int) -> _Kind:
    def clock(number: int) -> time:
        return (LOCAL_EPOCH + timedelta(microseconds=number * step)).time()

    count = 86_400_000_000 // step
    return _Kind(
        time(12, 30), [clock(0), clock(count - 1), clock(1)], lambda r: clock(r.randrange(count))
    )


_LOGICAL: Final[Mapping[str, _Kind]] = {
    "uuid": _Kind(
        UUID("12345678-9abc-4def-8123-456789abcdef"),
        (UUID(int=0), UUID(int=2**128 - 1)),
        lambda draw: UUID(int=draw.getrandbits(128)),
    ),
    "date": _Kind(
        date(2026, 1, 2),
        (_day(0), _day(-1), date.min, date.max),
        lambda draw: date.fromordinal(draw.randint(1, date.max.toordinal())),
    ),
    "time-millis": _times(1000),
    "time-micros": _times(1),
    "timestamp-millis": _moments(EPOCH, 1000),
    "timestamp-micros": _moments(EPOCH, 1),
    "timestamp-nanos": _integers(64),
    "local-timestamp-millis": _moments(LOCAL_EPOCH, 1000),
    "local-timestamp-micros": _moments(LOCAL_EPOCH, 1),
    "local-timestamp-nanos": _integers(64),
    "duration": _Kind(
        Duration(1, 2, 3),
        (Duration(), Duration(2**32 - 1, 2**32 - 1, 2**32 - 1)),
        lambda draw: Duration(*(draw.getrandbits(32) for _ in range(3))),
    ),
}
