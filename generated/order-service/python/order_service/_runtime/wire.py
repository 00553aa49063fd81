"""The pieces of Avro's binary encoding, as fast as Python makes them, for generated code.

Written messages are joined from texts whose characters are bytes (Latin-1): joining texts is what
Python does fastest, and it refuses whatever is no text. Readers look bytes up in tables. Nothing
here explains itself: whatever is rare, damaged or does not fit raises some exception, upon which
the generated code leaves the message to its Codec, which handles every case and says what is wrong.
"""

from __future__ import annotations

import datetime as dt
import struct
from binascii import a2b_hex
from collections.abc import Callable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from enum import Enum
from typing import Any, Final
from uuid import UUID

from .encoding import MAX_PRECISION
from .values import Duration

LAST: Final = tuple(map(chr, range(128)))
"""The last byte of a number."""

MORE: Final = tuple(map(chr, range(128, 256)))
"""A byte of a number that goes on."""

_SHORT = [LAST[2 * number] for number in range(64)]
_SHORT += [MORE[2 * number & 127] + LAST[number >> 6] for number in range(64, 1024)]
_SHORT += [MORE[~(2 * number) & 127] + LAST[~(2 * number) >> 7] for number in range(-1024, -64)]
_SHORT += [LAST[~(2 * number)] for number in range(-64, 0)]

SHORT: Final = tuple(_SHORT)
"""The numbers from -1024 to 1023, each at its index: Python counts negative ones from behind."""

_INT_END: Final = 1 << 32
_LONG_END: Final = 1 << 64


def write_int(value: int) -> str:
    """An int, of any size that it may have."""
    zigzag = value << 1 ^ value >> 63
    if zigzag >= _INT_END or type(value) is not int:
        raise OverflowError
    return _write_zigzag(zigzag)


def write_long(value: int) -> str:
    """A long, of any size that it may have."""
    zigzag = value << 1 ^ value >> 63
    if zigzag >= _LONG_END or type(value) is not int:
        raise OverflowError
    return _write_zigzag(zigzag)


def _write_zigzag(value: int) -> str:
    low = value & 0x1FFFFF
    high = value >> 21
    if high:
        start = f"{MORE[low & 127]}{MORE[low >> 7 & 127]}{MORE[low >> 14]}"
        if high < 128:
            return start + LAST[high]
        if high < 0x4000:
            return f"{start}{MORE[high & 127]}{LAST[high >> 7]}"
        if high < 0x200000:
            return f"{start}{MORE[high & 127]}{MORE[high >> 7 & 127]}{LAST[high >> 14]}"
        return start + _write_zigzag(high)
    if low < 128:
        return LAST[low]
    if low < 0x4000:
        return MORE[low & 127] + LAST[low >> 7]
    return f"{MORE[low & 127]}{MORE[low >> 7 & 127]}{LAST[low >> 14]}"


def write_text(value: str) -> tuple[str, str]:
    """A string that is long or not ASCII: its length, and its UTF-8 bytes."""
    data = value.encode().decode("latin-1")
    size = len(data)
    return (SHORT[size] if size < 1024 else write_long(size)), data


def write_uuid(value: UUID) -> str:
    """A UUID as a string of 36 characters, and its length before it."""
    digits = value.int.to_bytes(16, "big").hex("-", 2)
    return f"H{digits[:4]}{digits[5:29]}{digits[30:34]}{digits[35:]}"


def write_uuid_bytes(value: UUID) -> str:
    """A UUID as a fixed of 16 bytes."""
    return value.bytes.decode("latin-1")


def write_float(value: float) -> str:
    """A float."""
    if type(value) is not float:
        raise TypeError
    return _pack_float(value).decode("latin-1")


def write_double(value: float) -> str:
    """A double."""
    if type(value) is not float:
        raise TypeError
    return _pack_double(value).decode("latin-1")


_pack_float: Final = struct.Struct("<f").pack
_pack_double: Final = struct.Struct("<d").pack

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LOCAL_EPOCH: Final = dt.datetime(1970, 1, 1)
_EPOCH_DAY: Final = _EPOCH.toordinal()


def write_date(value: dt.date) -> str:
    """A date: its days since 1970."""
    if type(value) is not dt.date:
        raise TypeError
    days = value.toordinal() - _EPOCH_DAY
    return _write_zigzag(days << 1 ^ days >> 63)


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
    since = value - _EPOCH
    number = (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000
    return _write_zigzag(number << 1 ^ number >> 63)


def write_timestamp_micros(value: dt.datetime) -> str:
    """A moment: its microseconds since 1970. Without a time zone it raises."""
    since = value - _EPOCH
    number = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    return _write_zigzag(number << 1 ^ number >> 63)


def write_local_timestamp_millis(value: dt.datetime) -> str:
    """A local moment in milliseconds. With a time zone it raises."""
    since = value - _LOCAL_EPOCH
    number = (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000
    return _write_zigzag(number << 1 ^ number >> 63)


def write_local_timestamp_micros(value: dt.datetime) -> str:
    """A local moment in microseconds. With a time zone it raises."""
    since = value - _LOCAL_EPOCH
    number = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    return _write_zigzag(number << 1 ^ number >> 63)


def decimal_writer(precision: int, scale: int) -> Callable[[Decimal], str]:
    """A writer of decimals as bytes, with their length before them."""
    unscale = _unscaler(precision, scale)

    def write(value: Decimal) -> str:
        number = unscale(value)
        size = number.bit_length() // 8 + 1
        data = number.to_bytes(size, "big", signed=True)
        return SHORT[size] + data.decode("latin-1")

    return write


def fixed_decimal_writer(precision: int, scale: int, size: int) -> Callable[[Decimal], str]:
    """A writer of decimals as a fixed of so many bytes."""
    unscale = _unscaler(precision, scale)

    def write(value: Decimal) -> str:
        return unscale(value).to_bytes(size, "big", signed=True).decode("latin-1")

    return write


def _unscaler(precision: int, scale: int) -> Callable[[Decimal], int]:
    """From a decimal to its unscaled number; it raises for one that does not fit."""
    precision = min(precision, MAX_PRECISION)
    quantum = Decimal((0, (1,), -scale))
    quantize = Context(prec=precision, traps=[Inexact, InvalidOperation]).quantize
    shift = Context(prec=precision, Emax=MAX_EMAX).scaleb

    def unscale(value: Decimal) -> int:
        if type(value) is not Decimal:
            raise TypeError
        return int(shift(quantize(value, quantum), scale))

    return unscale


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


# A length that is negative, and so not one, leads behind the end of any data.
END: Final = tuple(1 + (byte >> 1) if byte % 2 == 0 else 1 << 60 for byte in range(128))
"""From the position of a length of one byte to the end of what it measures."""

ZIGZAG: Final = tuple(byte >> 1 ^ -(byte & 1) for byte in range(128))
"""The number that a single byte is."""

BOOLEANS: Final = (False, True)
"""What the bytes 0 and 1 are."""

new: Final = object.__new__


def blank(model: type[Any]) -> Any:
    """A class whose objects can become the model's, which lets nobody set its attributes."""
    return type(model.__name__, (), {"__slots__": model.__slots__})


# A number of several bytes is FIRST of the first byte, and SIGN of it times what the others make.
FIRST: Final = tuple((byte & 127) >> 1 ^ -(byte & 1) for byte in range(256))
SIGN: Final = (64, -64) * 128


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """A long of any size that it may have."""
    first = data[position]
    if first < 128:
        return ZIGZAG[first], position + 1
    second = data[position + 1]
    if second < 128:
        return FIRST[first] + SIGN[first] * second, position + 2
    third = data[position + 2]
    if third < 128:
        return FIRST[first] + SIGN[first] * (second + (third << 7) - 0x80), position + 3
    fourth = data[position + 3]
    rest = second + (third << 7) + (fourth << 14)
    if fourth < 128:
        return FIRST[first] + SIGN[first] * (rest - 0x4080), position + 4
    fifth = data[position + 4]
    rest += fifth << 21
    if fifth < 128:
        return FIRST[first] + SIGN[first] * (rest - 0x204080), position + 5
    rest -= 0x10204080
    for shift in (28, 35, 42, 49):
        position += 1
        byte = data[position + 4]
        if byte < 128:
            return FIRST[first] + SIGN[first] * (rest + (byte << shift)), position + 5
        rest += (byte & 127) << shift
    last = data[position + 5]
    if last > 1:
        raise OverflowError
    return FIRST[first] + SIGN[first] * (rest + (last << 56)), position + 6


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
    raw, position = read_bytes(data, position)
    return raw.decode(), position


def read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """Bytes, over 63 of them."""
    size, start = read_long(data, position)
    if size < 0:
        raise ValueError
    end = start + size
    return data[start:end], end


_set_int: Final = UUID.__dict__["int"].__set__
_set_safety: Final = UUID.__dict__["is_safe"].__set__
_SAFETY: Final = UUID(int=0).is_safe
_from_bytes: Final = int.from_bytes


def read_uuid(raw: bytes) -> UUID:
    """A UUID from a string of 36 characters and its length."""
    digits = raw.replace(b"-", b"")
    if len(digits) != 33 or digits[0] != 72 or len(raw) != 37:
        raise ValueError
    value = new(UUID)
    _set_int(value, _from_bytes(a2b_hex(digits[1:]), "big"))
    _set_safety(value, _SAFETY)
    return value


def read_uuid_bytes(raw: bytes) -> UUID:
    """A UUID from a fixed of 16 bytes."""
    return UUID(bytes=raw)


def read_duration(raw: bytes) -> Duration:
    """A duration from a fixed of 12 bytes."""
    return Duration(*_DURATION.unpack(raw))


# Positive numbers of six bytes: milliseconds from July 1970 to 2039. Others raise on purpose.
_A: Final = tuple(
    (byte & 127) >> 1 if byte > 127 and byte % 2 == 0 else None for byte in range(256)
)
_B: Final = tuple((byte & 127) << 6 if byte > 127 else None for byte in range(256))
_C: Final = tuple((byte & 127) << 13 if byte > 127 else None for byte in range(256))
_D: Final = tuple((byte & 127) << 20 if byte > 127 else None for byte in range(256))
_E: Final = tuple((byte & 127) << 27 if byte > 127 else None for byte in range(256))
_F: Final = tuple(byte << 34 for byte in range(128))
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
        return _EPOCH + number * _MILLISECOND, position


def read_timestamp_micros(data: bytes, position: int) -> tuple[dt.datetime, int]:
    """A moment in microseconds since 1970."""
    number, position = read_long(data, position)
    return _EPOCH + dt.timedelta(0, 0, number), position


def read_local_timestamp_millis(data: bytes, position: int) -> tuple[dt.datetime, int]:
    """A local moment in milliseconds."""
    number, position = read_long(data, position)
    return _LOCAL_EPOCH + number * _MILLISECOND, position


def read_local_timestamp_micros(data: bytes, position: int) -> tuple[dt.datetime, int]:
    """A local moment in microseconds."""
    number, position = read_long(data, position)
    return _LOCAL_EPOCH + dt.timedelta(0, 0, number), position


def read_date(data: bytes, position: int) -> tuple[dt.date, int]:
    """A date."""
    number, position = read_long(data, position)
    return dt.date.fromordinal(number + _EPOCH_DAY), position


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


def decimal_reader(precision: int, scale: int) -> Callable[[bytes], Decimal]:
    """A reader of decimals from their bytes."""
    precision = min(precision, MAX_PRECISION)
    quantum = Decimal((0, (1,), -scale))
    limit = 10**precision
    multiply = Context(prec=precision, Emin=MIN_EMIN, Emax=MAX_EMAX).multiply

    def read(raw: bytes) -> Decimal:
        number = _from_bytes(raw, "big", signed=True)
        if -limit < number < limit:
            return multiply(number, quantum)
        raise OverflowError

    return read


def symbol_bytes(enum: type[Enum]) -> Mapping[int, Any]:
    """The members of an enum by the bytes that stand for them."""
    return {2 * index: member for index, member in enumerate(enum)}
