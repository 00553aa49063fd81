"""Read single values of Avro's binary encoding, with care, from bytes that nobody vouches for.

Each reader takes the data and a position and returns the value and the position behind it. Bytes
that are no such value raise Damage, whatever they are, and no length makes it reserve memory.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from . import schema as avro
from .encoding import MICROSECOND
from .values import EPOCH, EPOCH_DAY, LOCAL_EPOCH, MAX_PRECISION, Duration

Read: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
Skip: TypeAlias = Callable[[bytes, int], int]
Convert: TypeAlias = Callable[[Any], Any]

EMPTY_ITEMS: Final = 1_000_000
"""Items that take no bytes, such as nulls, may be as many as this in one message."""


class Damage(Exception):
    """Bytes that are no value of their schema; `path` grows as the error leaves nested values."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []


class UnknownSymbol(Damage):
    """A symbol of the writer's enum that the reader's lacks, without a default in its place."""


def explain(error: Exception) -> str:
    """What a failure that a reader did not foresee says of the bytes."""
    match error:
        case IndexError() | struct.error():
            return "the data ends too early"
        case UnicodeDecodeError():
            return "a text is not UTF-8"
        case RecursionError():
            return "values are nested too deeply"
        case _:
            return str(error)[:200]


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """An integer of up to 64 bits (Avro 1.12, "Primitive Types")."""
    byte = data[position]
    position += 1
    if byte < 128:
        return byte >> 1 ^ -(byte & 1), position
    number = byte & 127
    shift = 7
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise Damage("a number has more than 10 bytes")
    if number >> 64:
        raise Damage("a number has more than 64 bits")
    return number >> 1 ^ -(number & 1), position


def _read_int(data: bytes, position: int) -> tuple[int, int]:
    number, position = read_long(data, position)
    if not -(1 << 31) <= number < 1 << 31:
        raise Damage(f"{number} is outside the range of 32 bits")
    return number, position


def _read_null(data: bytes, position: int) -> tuple[None, int]:
    return None, position


def _read_boolean(data: bytes, position: int) -> tuple[bool, int]:
    byte = data[position]
    if byte > 1:
        raise Damage(f"{byte} is no boolean")
    return byte == 1, position + 1


_FLOAT: Final = struct.Struct("<f")
_DOUBLE: Final = struct.Struct("<d")


def _read_float(data: bytes, position: int) -> tuple[float, int]:
    return _FLOAT.unpack_from(data, position)[0], position + 4


def _read_double(data: bytes, position: int) -> tuple[float, int]:
    return _DOUBLE.unpack_from(data, position)[0], position + 8


def _find_end(data: bytes, position: int) -> tuple[int, int]:
    """Where the bytes after a length begin and end."""
    size, position = read_long(data, position)
    if not 0 <= size <= len(data) - position:
        problem = "a length is negative" if size < 0 else "a length is more than what is left"
        raise Damage(problem)
    return position, position + size


def _read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    start, end = _find_end(data, position)
    return data[start:end], end


def read_string(data: bytes, position: int) -> tuple[str, int]:
    """A text in UTF-8."""
    start, end = _find_end(data, position)
    return data[start:end].decode(), end


PRIMITIVES: Final[Mapping[str, Read]] = {
    "null": _read_null,
    "boolean": _read_boolean,
    "int": _read_int,
    "long": read_long,
    "float": _read_float,
    "double": _read_double,
    "bytes": _read_bytes,
    "string": read_string,
}


def fixed(size: int) -> Read:
    """A reader of so many bytes."""

    def read(data: bytes, position: int) -> tuple[bytes, int]:
        end = position + size
        if end > len(data):
            raise Damage("the data ends too early")
        return data[position:end], end

    return read


_left = threading.local()


def begin() -> None:
    """Begin to read a message: what it may hold of items without bytes is counted from here."""
    _left.items = EMPTY_ITEMS


def is_empty(schema: avro.Node, inside: frozenset[int] = frozenset()) -> bool:
    """Whether the values of a schema take no bytes, so that no data bounds their number."""
    match schema:
        case avro.Primitive(type="null") | avro.Fixed(size=0):
            return True
        case avro.Record(fields=fields):
            if id(schema) in inside:
                return True
            inner = inside | {id(schema)}
            return all(is_empty(field.schema, inner) for field in fields)
        case _:
            return False


def read_blocks(data: bytes, position: int) -> tuple[int, int]:
    """The number of items in the next block of an array or a map, 0 behind the last."""
    count, position = read_long(data, position)
    if count < 0:
        _, position = read_long(data, position)
    return abs(count), position


def array(read_item: Read, takes_bytes: bool) -> Read:
    """A reader of an array."""

    def read(data: bytes, position: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        append = items.append
        while True:
            count, position = read_blocks(data, position)
            if not count:
                return items, position
            if takes_bytes:
                if count > len(data) - position:
                    raise Damage("an array has more items than bytes are left")
            else:
                _spend(count)
            for _ in range(count):
                item, position = read_item(data, position)
                append(item)

    return read


def _spend(count: int) -> None:
    _left.items -= count
    if _left.items < 0:
        raise Damage(f"it has more than {EMPTY_ITEMS} items that take no bytes")


def mapping(read_value: Read) -> Read:
    """A reader of a map."""

    def read(data: bytes, position: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        while True:
            count, position = read_blocks(data, position)
            if not count:
                return values, position
            if count > len(data) - position:
                raise Damage("a map has more entries than bytes are left")
            for _ in range(count):
                key, position = read_string(data, position)
                values[key], position = read_value(data, position)

    return read


def convert(read_raw: Read, conversion: Convert) -> Read:
    """A reader of something that is made of something simpler."""

    def read(data: bytes, position: int) -> tuple[Any, int]:
        raw, position = read_raw(data, position)
        return conversion(raw), position

    return read


_DECIMALS: Final = Context(prec=MAX_PRECISION, Emin=MIN_EMIN, Emax=MAX_EMAX)


def decimal(logical: avro.Logical) -> Convert:
    """From the bytes of an unscaled number to a decimal with the scale of its schema."""
    limit = 10 ** min(logical.precision, MAX_PRECISION)
    scale = -logical.scale

    def convert_decimal(raw: bytes) -> Decimal:
        if len(raw) > MAX_PRECISION:
            raise Damage(f"a decimal has {len(raw)} bytes")
        number = int.from_bytes(raw, "big", signed=True)
        if not -limit < number < limit:
            raise Damage(f"a decimal has more than {logical.precision} digits")
        return _DECIMALS.scaleb(Decimal(number), scale)

    return convert_decimal


def _uuid(raw: str) -> UUID:
    try:
        return UUID(raw)
    except ValueError:
        raise Damage(f"{raw[:60]!r} is no UUID") from None


def _in_years(convert_number: Callable[[int], Any]) -> Convert:
    """Say what is wrong with a moment before the year 1 or after 9999."""

    def conversion(number: int) -> Any:
        try:
            return convert_number(number)
        except (OverflowError, ValueError):
            raise Damage(f"{number} is outside of what Python's dates and times hold") from None

    return conversion


def _time(microseconds: int) -> time:
    seconds, microsecond = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    return time(*divmod(minutes, 60), second, microsecond)


def _moment(epoch: datetime, unit: timedelta) -> Convert:
    return _in_years(lambda number: epoch + number * unit)


def _same(number: int) -> int:
    return number


LOGICAL: Final[Mapping[str, Convert]] = {
    "uuid": _uuid,
    "date": _in_years(lambda number: date.fromordinal(number + EPOCH_DAY)),
    "time-millis": _in_years(lambda number: _time(number * 1000)),
    "time-micros": _in_years(_time),
    "timestamp-millis": _moment(EPOCH, 1000 * MICROSECOND),
    "timestamp-micros": _moment(EPOCH, MICROSECOND),
    "timestamp-nanos": _same,
    "local-timestamp-millis": _moment(LOCAL_EPOCH, 1000 * MICROSECOND),
    "local-timestamp-micros": _moment(LOCAL_EPOCH, MICROSECOND),
    "local-timestamp-nanos": _same,
}
"""From an int or a text to what each logical type stands for."""

LOGICAL_FIXED: Final[Mapping[str, Convert]] = {
    "uuid": lambda raw: UUID(bytes=raw),
    "duration": lambda raw: Duration(*struct.unpack("<III", raw)),
}
"""From the bytes of a fixed to what its logical type stands for."""


def skip_sized(size: int) -> Skip:
    """A skipper of so many bytes."""

    def skip(data: bytes, position: int) -> int:
        if size > len(data) - position:
            raise Damage("the data ends too early")
        return position + size

    return skip


def skip_long(data: bytes, position: int) -> int:
    """Skip an integer or a boolean."""
    return read_long(data, position)[1]


def skip_bytes(data: bytes, position: int) -> int:
    """Skip a length and what it measures."""
    return _find_end(data, position)[1]


def skip_blocks(skip_item: Skip, takes_bytes: bool) -> Skip:
    """A skipper of an array or a map; blocks that state their size are skipped in one step."""

    def skip(data: bytes, position: int) -> int:
        while True:
            count, position = read_long(data, position)
            if not count:
                return position
            if count < 0:
                position = skip_bytes(data, position)
            elif takes_bytes:
                if count > len(data) - position:
                    raise Damage("there are more items than bytes are left")
                for _ in range(count):
                    position = skip_item(data, position)

    return skip
