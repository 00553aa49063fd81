"""What writes Avro's binary encoding as fast as Python makes it, for generated code.

Written messages are joined from texts whose characters are bytes (Latin-1): joining texts is what
Python does fastest, and it refuses whatever is no text. Nothing here explains itself: what does not
fit raises some exception, upon which the generated code leaves the message to its Codec, which
handles every case and says what is wrong.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from .integers import Integers
from .values import CACHED, EPOCH, EPOCH_DAY, LOCAL_EPOCH, MAX_PRECISION, Duration

__all__ = [
    "FIRST_TWO",
    "LAST_TWO",
    "SHORT",
    "decimal_writer",
    "fixed_decimal_writer",
    "symbol_texts",
    "write_date",
    "write_duration",
    "write_int",
    "write_local_timestamp_micros",
    "write_local_timestamp_millis",
    "write_long",
    "write_text",
    "write_time_micros",
    "write_time_millis",
    "write_timestamp_micros",
    "write_timestamp_millis",
    "write_uuid",
    "write_uuid_bytes",
]

_BYTES: Final = tuple(map(chr, range(256)))

_integers: Final = Integers([*_BYTES])
SHORT: Final = _integers.short
FIRST_TWO: Final = _integers.first_two
LAST_TWO: Final = _integers.last_two
_NEXT_TWO: Final = _integers.next_two
write_int: Final = _integers.write_int
write_long: Final = _integers.write_long
_write_zigzag: Final = _integers.write_zigzag


def write_text(value: str) -> tuple[str, str]:
    """A string that is long or not ASCII: its length, and its UTF-8 bytes."""
    data = value.encode().decode("latin-1")
    size = len(data)
    return (SHORT[size] if size < 1024 else write_long(size)), data


def write_uuid(value: UUID) -> str:
    """A UUID as a string of 36 characters, and its length before it."""
    digits = value.int.to_bytes(16, "big").hex("-", 6)
    return f"H{digits[:13]}-{digits[13:17]}-{digits[17:]}"


def write_uuid_bytes(value: UUID) -> str:
    """A UUID as a fixed of 16 bytes."""
    return value.bytes.decode("latin-1")


class _DateTexts(dict[dt.date, str]):
    """How the dates that came lately are written: there are few of them, and often the same."""

    def __missing__(self, value: dt.date) -> str:
        if type(value) is not dt.date:
            raise TypeError
        if len(self) >= CACHED:
            self.clear()
        days = value.toordinal() - EPOCH_DAY
        text = self[value] = _write_zigzag(days << 1 ^ days >> 63)
        return text


_date_texts: Final = _DateTexts()


def write_date(value: dt.date) -> str:
    """A date: its days since 1970."""
    return _date_texts[value]


def write_time_millis(value: dt.time) -> str:
    """A time of day: its milliseconds."""
    if type(value) is not dt.time or value.tzinfo is not None:
        raise TypeError
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return _write_zigzag((seconds * 1000 + value.microsecond // 1000) << 1)


def write_time_micros(value: dt.time) -> str:
    """A time of day: its microseconds."""
    if type(value) is not dt.time or value.tzinfo is not None:
        raise TypeError
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return _write_zigzag((seconds * 1_000_000 + value.microsecond) << 1)


def write_timestamp_millis(value: dt.datetime) -> str:
    """A moment: its milliseconds since 1970. Without a time zone it raises."""
    since = value - EPOCH
    number = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    if 0x4_0000_0000 <= number < 0x200_0000_0000 and FIRST_TWO:
        # Six bytes, from July 1970 to 2039; parts of a number are faster than all of it.
        low = number & 0x7FFFFFF
        return f"{FIRST_TWO[low & 0x1FFF]}{_NEXT_TWO[low >> 13]}{LAST_TWO[number >> 27]}"
    return _write_zigzag(number << 1 ^ number >> 63)


def write_timestamp_micros(value: dt.datetime) -> str:
    """A moment: its microseconds since 1970. Without a time zone it raises."""
    since = value - EPOCH
    number = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    return _write_zigzag(number << 1 ^ number >> 63)


def write_local_timestamp_millis(value: dt.datetime) -> str:
    """A local moment in milliseconds. With a time zone it raises."""
    since = value - LOCAL_EPOCH
    number = (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000
    return _write_zigzag(number << 1 ^ number >> 63)


def write_local_timestamp_micros(value: dt.datetime) -> str:
    """A local moment in microseconds. With a time zone it raises."""
    since = value - LOCAL_EPOCH
    number = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    return _write_zigzag(number << 1 ^ number >> 63)


def decimal_writer(precision: int, scale: int) -> Callable[[Decimal], str]:
    """A writer of decimals as bytes, with their length before them."""
    unscale, factors = _unscaler(precision, scale)
    lowest, digits = -scale, min(precision, MAX_PRECISION)
    limit = 10**digits
    small = min(limit, 0x800000)

    def write(value: Decimal) -> str:
        # What `unscale` does once more: a call takes as long as all of it.
        if lowest <= value.adjusted() < digits:
            numerator, denominator = value.as_integer_ratio()
            try:
                number = numerator * factors[denominator]
            except KeyError:
                number = unscale(value)
            if 0x80 <= number < small:
                if number < 0x8000:
                    return f"{_TWO_BYTES[number >> 8]}{_BYTES[number & 255]}"
                return (
                    f"{_THREE_BYTES[number >> 16]}{_BYTES[number >> 8 & 255]}{_BYTES[number & 255]}"
                )
            if -limit < number < limit:
                size = number.bit_length() // 8 + 1
                data = number.to_bytes(size, "big", signed=True).decode("latin-1")
                return f"{SHORT[size] if size < 1024 else write_long(size)}{data}"
        raise OverflowError

    return write


_TWO_BYTES: Final = tuple("\x04" + byte for byte in _BYTES[:128])
"""The length of a decimal of two bytes, and its first."""

_THREE_BYTES: Final = tuple("\x06" + byte for byte in _BYTES[:128])
"""The length of a decimal of three bytes, and its first."""


def fixed_decimal_writer(precision: int, scale: int, size: int) -> Callable[[Decimal], str]:
    """A writer of decimals as a fixed of so many bytes."""
    unscale, _ = _unscaler(precision, scale)

    def write(value: Decimal) -> str:
        return unscale(value).to_bytes(size, "big", signed=True).decode("latin-1")

    return write


def _unscaler(precision: int, scale: int) -> tuple[Callable[[Decimal], int], Mapping[int, int]]:
    """From a decimal to its unscaled number; it raises for one that does not fit.

    And how often each denominator that has come goes into the power of ten of the scale.
    """
    precision = min(precision, MAX_PRECISION)
    limit = 10**precision
    unit: int = 10**scale
    factors: dict[int, int] = {}

    def unscale(value: Decimal) -> int:
        # The exponent first: a ratio of 1E+999999999 would take all memory.
        if not -scale <= value.adjusted() < precision:
            raise OverflowError
        numerator, denominator = value.as_integer_ratio()
        factor, rest = divmod(unit, denominator)
        if rest:
            raise ValueError
        if len(factors) < CACHED:
            factors[denominator] = factor
        number = numerator * factor
        if -limit < number < limit:
            return number
        raise OverflowError

    return unscale, factors


def write_duration(value: Duration) -> str:
    """A duration as a fixed of 12 bytes."""
    if type(value) is not Duration:
        raise TypeError
    parts = (value.months, value.days, value.milliseconds)
    if not type(parts[0]) is type(parts[1]) is type(parts[2]) is int:
        raise TypeError
    return _DURATION.pack(*parts).decode("latin-1")


_DURATION: Final = struct.Struct("<III")


def symbol_texts(enum: type[Enum]) -> Mapping[Any, str]:
    """How each member of an enum is written."""
    return {member: SHORT[index] for index, member in enumerate(enum)}
