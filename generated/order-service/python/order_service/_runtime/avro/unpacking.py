"""What reads Avro's binary encoding as fast as Python makes it, for generated code.

Bytes are looked up in tables. Nothing here explains itself: whatever is rare or damaged raises some
exception, upon which the generated code leaves the message to its Codec, which handles every case
and says what is wrong.
"""

from __future__ import annotations

import datetime as dt
import struct
from binascii import a2b_hex
from collections.abc import Callable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Rounded
from enum import Enum
from typing import Any, Final
from uuid import UUID

from .values import CACHED, EPOCH, EPOCH_DAY, LOCAL_EPOCH, MAX_PRECISION, Duration

__all__ = [
    "BOOLEANS",
    "END",
    "FIFTH",
    "FIRST",
    "FOURTH",
    "HIGH",
    "SIGN",
    "SIXTH",
    "ZIGZAG",
    "blank",
    "decimal_product",
    "decimal_unit",
    "from_bytes",
    "read_bytes",
    "read_date",
    "read_duration",
    "read_int",
    "read_large_int",
    "read_large_long",
    "read_local_timestamp_micros",
    "read_local_timestamp_millis",
    "read_long",
    "read_more",
    "read_text",
    "read_text_bytes",
    "read_time_micros",
    "read_time_millis",
    "read_timestamp_micros",
    "read_timestamp_millis",
    "read_uuid",
    "read_uuid_bytes",
    "round_to_float",
    "symbol_bytes",
    "value_reader",
]

# A length that is negative, and so not one, leads behind the end of any data.
END: Final = tuple(1 + (byte >> 1) if byte % 2 == 0 else 1 << 60 for byte in range(128))
"""From the position of a length of one byte to the end of what it measures."""

ZIGZAG: Final = tuple(byte >> 1 ^ -(byte & 1) for byte in range(128))
"""The number that a single byte is."""

BOOLEANS: Final = (False, True)
"""What the bytes 0 and 1 are."""


def blank(model: type[Any]) -> Any:
    """A class whose objects can become the model's, which lets nobody set its attributes.

    As a subclass without slots of its own it is laid out like the model, which is quickly seen.
    """
    members = {
        "__slots__": (),
        "__init__": object.__init__,
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
    }
    return type(model.__name__, (model,), members)


# A number of two bytes is FIRST of the first byte, and SIGN of it times the second. For more, HIGH
# of the third and so on are added to the second; each takes off the mark of the byte before it.
FIRST: Final = ZIGZAG * 2
SIGN: Final = (64, -64) * 128
HIGH: Final = tuple(range(-1 << 7, 255 << 7, 1 << 7))
FOURTH: Final = tuple(range(-1 << 14, 255 << 14, 1 << 14))
FIFTH: Final = tuple(range(-1 << 21, 255 << 21, 1 << 21))
SIXTH: Final = tuple(range(-1 << 28, 255 << 28, 1 << 28))

# What each byte of a number of several adds to it, its sign left out.
_LOW: Final = tuple(byte >> 1 for byte in range(128)) * 2
_SECOND: Final = tuple(range(0, 128 << 6, 1 << 6)) * 2
_THIRD: Final = tuple(range(0, 128 << 13, 1 << 13)) * 2
_FOURTH: Final = tuple(range(0, 128 << 20, 1 << 20)) * 2
_FIFTH: Final = tuple(range(0, 128 << 27, 1 << 27)) * 2
_SIXTH: Final = tuple(range(0, 128 << 34, 1 << 34)) * 2


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """A long of any size that it may have."""
    first = data[position]
    if first < 128:
        return ZIGZAG[first], position + 1
    second = data[position + 1]
    if second < 128:
        return FIRST[first] + SIGN[first] * second, position + 2
    third = data[position + 2]
    number = _LOW[first] + _SECOND[second] + _THIRD[third]
    if third < 128:
        return (~number if first & 1 else number), position + 3
    fourth = data[position + 3]
    number += _FOURTH[fourth]
    if fourth < 128:
        return (~number if first & 1 else number), position + 4
    fifth = data[position + 4]
    if fifth < 128:
        number += _FIFTH[fifth]
        return (~number if first & 1 else number), position + 5
    sixth = data[position + 5]
    number += _FIFTH[fifth] + _SIXTH[sixth]
    if sixth < 128:
        return (~number if first & 1 else number), position + 6
    for shift in (41, 48, 55):
        byte = data[position + 6]
        position += 1
        number += (byte & 127) << shift
        if byte < 128:
            return (~number if first & 1 else number), position + 6
    last = data[position + 6]
    if last > 1:
        raise OverflowError
    number += last << 62
    return (~number if first & 1 else number), position + 7


def read_large_long(
    data: bytes, position: int, first: int, second: int, third: int
) -> tuple[int, int]:
    """A long of more than three bytes, of which the first three are given."""
    fourth = data[position + 3]
    number = _LOW[first] + _SECOND[second] + _THIRD[third] + _FOURTH[fourth]
    if fourth < 128:
        return (~number if first & 1 else number), position + 4
    fifth = data[position + 4]
    number += _FIFTH[fifth]
    if fifth < 128:
        return (~number if first & 1 else number), position + 5
    sixth = data[position + 5]
    if sixth < 128:
        number += _SIXTH[sixth]
        return (~number if first & 1 else number), position + 6
    return read_long(data, position)


def read_large_int(
    data: bytes, position: int, first: int, second: int, third: int
) -> tuple[int, int]:
    """An int of more than three bytes, of which the first three are given."""
    number, end = read_large_long(data, position, first, second, third)
    if -0x80000000 <= number <= 0x7FFFFFFF:
        return number, end
    raise OverflowError


def read_int(data: bytes, position: int) -> tuple[int, int]:
    """An int of several bytes."""
    number, end = read_long(data, position)
    if -0x80000000 <= number <= 0x7FFFFFFF:
        return number, end
    raise OverflowError


def read_more(data: bytes, position: int) -> tuple[int, int]:
    """A count or an index of several bytes, the first of which is behind the position.

    Its zigzag is left as it is: odd means negative.
    """
    number, position = read_long(data, position - 1)
    return number << 1 ^ number >> 63, position


def read_text(data: bytes, position: int) -> tuple[str, int]:
    """A string of over 63 bytes."""
    first = data[position]
    second = data[position + 1]
    if second < 128 and first % 2 == 0:
        # What `_find_end` does once more: most strings are found without a call.
        start = position + 2
        end = start + _LOW[first] + _SECOND[second]
    else:
        start, end = _find_end(data, position)
    return data[start:end].decode(), end


def read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """Bytes, over 63 of them."""
    start, end = _find_end(data, position)
    return data[start:end], end


def _find_end(data: bytes, position: int) -> tuple[int, int]:
    """Where the bytes after a length of several bytes begin and end."""
    first = data[position]
    second = data[position + 1]
    if second < 128 and first % 2 == 0:
        start = position + 2
        return start, start + _LOW[first] + _SECOND[second]
    size, start = read_long(data, position)
    if size < 0:
        raise ValueError
    return start, start + size


_UUID: Final = blank(UUID)
_SAFETY: Final = UUID(int=0).is_safe
from_bytes: Final = int.from_bytes


def read_uuid(raw: bytes) -> UUID:
    """A UUID from a string of 36 characters and its length."""
    digits = raw.replace(b"-", b"")
    if len(digits) != 33 or digits[0] != 72 or len(raw) != 37:
        raise ValueError
    value = _UUID()
    value.int = from_bytes(a2b_hex(digits[1:]), "big")
    value.is_safe = _SAFETY
    value.__class__ = UUID
    return value  # type: ignore[no-any-return]


def read_uuid_bytes(raw: bytes) -> UUID:
    """A UUID from a fixed of 16 bytes."""
    return UUID(bytes=raw)


_unpack_duration: Final = struct.Struct("<III").unpack


def read_duration(raw: bytes) -> Duration:
    """A duration from a fixed of 12 bytes."""
    return Duration(*_unpack_duration(raw))


# Positive numbers of six bytes: milliseconds from July 1970 to 2039. Others raise on purpose.
_NONE: Final = (None,) * 128
_A: Final = (*_NONE, *(None if byte % 2 else byte >> 1 for byte in range(128)))
_B: Final = (*_NONE, *_SECOND[:128])
_C: Final = (*_NONE, *_THIRD[:128])
_D: Final = (*_NONE, *_FOURTH[:128])
_E: Final = (*_NONE, *_FIFTH[:128])
_F: Final = _SIXTH[:128]
_from_timestamp: Final = dt.datetime.fromtimestamp
_UTC: Final = dt.UTC
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def read_timestamp_millis(data: bytes, position: int) -> tuple[dt.datetime, int]:
    """A moment in milliseconds since 1970."""
    try:
        number = (
            _A[data[position]]  # type: ignore[operator]
            + _B[data[position + 1]]
            + _C[data[position + 2]]
            + _D[data[position + 3]]
            + _E[data[position + 4]]
            + _F[data[position + 5]]
        )
        # A double is exact to the millisecond for numbers of this size.
        return _from_timestamp(number / 1000, _UTC), position + 6
    except (TypeError, IndexError):
        number, position = read_long(data, position)
        return EPOCH + number * _MILLISECOND, position


def read_timestamp_micros(data: bytes, position: int) -> tuple[dt.datetime, int]:
    """A moment in microseconds since 1970."""
    number, position = read_long(data, position)
    return EPOCH + dt.timedelta(0, 0, number), position


def read_local_timestamp_millis(data: bytes, position: int) -> tuple[dt.datetime, int]:
    """A local moment in milliseconds."""
    number, position = read_long(data, position)
    return LOCAL_EPOCH + number * _MILLISECOND, position


def read_local_timestamp_micros(data: bytes, position: int) -> tuple[dt.datetime, int]:
    """A local moment in microseconds."""
    number, position = read_long(data, position)
    return LOCAL_EPOCH + dt.timedelta(0, 0, number), position


class _Dates(dict[int, dt.date]):
    """The dates that were read lately: there are few of them, and often the same."""

    def __missing__(self, number: int) -> dt.date:
        if len(self) >= CACHED:
            self.clear()
        value = self[number] = dt.date.fromordinal(number + EPOCH_DAY)
        return value


_dates: Final = _Dates()


def read_date(data: bytes, position: int) -> tuple[dt.date, int]:
    """A date."""
    number, position = read_long(data, position)
    return _dates[number], position


def read_time_millis(data: bytes, position: int) -> tuple[dt.time, int]:
    """A time of day in milliseconds."""
    number, position = read_long(data, position)
    seconds, millisecond = divmod(number, 1000)
    minutes, second = divmod(seconds, 60)
    return dt.time(minutes // 60, minutes % 60, second, millisecond * 1000), position


def read_time_micros(data: bytes, position: int) -> tuple[dt.time, int]:
    """A time of day in microseconds."""
    number, position = read_long(data, position)
    seconds, microsecond = divmod(number, 1_000_000)
    minutes, second = divmod(seconds, 60)
    return dt.time(minutes // 60, minutes % 60, second, microsecond), position


def decimal_product(precision: int) -> Callable[[int, Decimal], Decimal]:
    """The product of an unscaled number and its unit; it raises for more digits than these."""
    precision = min(precision, MAX_PRECISION)
    return Context(prec=precision, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Rounded]).multiply


def decimal_unit(scale: int) -> Decimal:
    """What a decimal with so many digits behind the point is a multiple of."""
    return Decimal((0, (1,), -scale))


def value_reader(writer: str, reader: str) -> Callable[[bytes, int], tuple[Any, int]]:
    """A reader of values of one schema, written as JSON, that were written with another."""
    from .evolution import compile_reader  # noqa: PLC0415 - rarely needed
    from .schema import parse  # noqa: PLC0415

    return compile_reader(parse(writer, {}), parse(reader, {}), {})


def round_to_float(number: int) -> float:
    """The double that is nearest to a number among those that a float can hold."""
    value: float = _FLOAT.unpack(_FLOAT.pack(number))[0]
    return value


_FLOAT: Final = struct.Struct("<f")


def read_text_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """The UTF-8 bytes of a string of over 63 bytes."""
    text, end = read_text(data, position)
    return text.encode(), end


def symbol_bytes(enum: type[Enum]) -> Mapping[int, Any]:
    """The members of an enum by the bytes that stand for them."""
    return {2 * index: member for index, member in enumerate(enum)}
