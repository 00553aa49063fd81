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
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Rounded
from enum import Enum
from typing import Any, Final
from uuid import UUID

from . import lanes
from .encoding import MAX_PRECISION
from .values import Duration

LAST: Final = tuple(map(chr, range(128)))
"""The last byte of a number."""

MORE: Final = tuple(map(chr, range(128, 256)))
"""A byte of a number that goes on."""

_BYTES: Final = LAST + MORE

_SHORT = [LAST[2 * number] for number in range(64)]
_SHORT += [MORE[2 * number & 127] + LAST[number >> 6] for number in range(64, 1024)]
_SHORT += [MORE[~(2 * number) & 127] + LAST[~(2 * number) >> 7] for number in range(-1024, -64)]
_SHORT += [LAST[~(2 * number)] for number in range(-64, 0)]

SHORT: Final = tuple(_SHORT)
"""The numbers from -1024 to 1023, each at its index: Python counts negative ones from behind."""


def write_int(value: int) -> str:
    """An int of any size that it may have."""
    if type(value) is not int or not -0x80000000 <= value <= 0x7FFFFFFF:
        raise OverflowError
    return _write_zigzag(value + value if value >= 0 else ~(value + value))


def write_long(value: int) -> str:
    """A long of any size that it may have."""
    if type(value) is not int:
        raise TypeError
    zigzag = value + value if value >= 0 else ~(value + value)
    # The first lines of `_write_zigzag` once more: a call takes as long as what it does.
    try:
        if zigzag < 0x4000:
            return _LAST_TWO[zigzag]
        if zigzag < 0x10000000:
            return _NEXT_TWO[zigzag & 0x3FFF] + _LAST_TWO[zigzag >> 14]
        if zigzag < 0x40000000000:
            low = zigzag & 0xFFFFFFF
            return f"{_NEXT_TWO[low & 0x3FFF]}{_NEXT_TWO[low >> 14]}{_LAST_TWO[zigzag >> 28]}"
    except IndexError:
        pass
    if zigzag >> 64:
        raise OverflowError
    return _write_zigzag(zigzag)


def write_ints(values: list[int]) -> str:
    """The ints of an array, without their count."""
    return lanes.write(values, write_int, is_int=True)


def write_longs(values: list[int]) -> str:
    """The longs of an array, without their count."""
    return lanes.write(values, write_long, is_int=False)


_LAST_TWO: Final[list[str]] = []
"""The last byte of a number, or its last two, by what they stand for; filled when first needed."""

_NEXT_TWO: Final[list[str]] = []
"""Two bytes of a number that goes on, by what they stand for; filled when first needed."""


def _write_zigzag(value: int) -> str:
    try:
        if value < 0x4000:
            return _LAST_TWO[value]
        if value < 0x10000000:
            return _NEXT_TWO[value & 0x3FFF] + _LAST_TWO[value >> 14]
        # Parts of a number are faster than all of it.
        low = value & 0xFFFFFFF
        high = value >> 28
        if high < 0x4000:
            return f"{_NEXT_TWO[low & 0x3FFF]}{_NEXT_TWO[low >> 14]}{_LAST_TWO[high]}"
        return f"{_NEXT_TWO[low & 0x3FFF]}{_NEXT_TWO[low >> 14]}{_write_zigzag(high)}"
    except IndexError:
        _fill_tables()
        return _write_zigzag(value)


def _fill_tables() -> None:
    _NEXT_TWO[:] = [first + second for second in MORE for first in MORE]
    _LAST_TWO[:] = [*LAST, *(first + second for second in LAST[1:] for first in MORE)]


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


class _DateTexts(dict[dt.date, str]):
    """How the dates that came lately are written: there are few of them, and often the same."""

    def __missing__(self, value: dt.date) -> str:
        if type(value) is not dt.date:
            raise TypeError
        if len(self) >= _CACHED:
            self.clear()
        days = value.toordinal() - _EPOCH_DAY
        text = self[value] = _write_zigzag(days << 1 ^ days >> 63)
        return text


_CACHED: Final = 10_000
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
    since = value - _EPOCH
    number = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    if 0x4_0000_0000 <= number < 0x200_0000_0000 and _LAST_TWO:
        # Six bytes, from July 1970 to 2039; parts of a number are faster than all of it.
        low = number & 0x7FFFFFF
        return f"{_NEXT_TWO[low << 1 & 0x3FFF]}{_NEXT_TWO[low >> 13]}{_LAST_TWO[number >> 27]}"
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
        if 0 <= number < 0x800000:
            if number < 0x80:
                return f"\x02{_BYTES[number]}"
            if number < 0x8000:
                return f"\x04{_BYTES[number >> 8]}{_BYTES[number & 255]}"
            return f"\x06{_BYTES[number >> 16]}{_BYTES[number >> 8 & 255]}{_BYTES[number & 255]}"
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


class _Factors(dict[int, int]):
    """How often each denominator goes into a power of ten; it raises for one that does not."""

    def __init__(self, unit: int) -> None:
        super().__init__()
        self._unit = unit

    def __missing__(self, denominator: int) -> int:
        factor, rest = divmod(self._unit, denominator)
        if rest:
            raise ValueError
        if len(self) < _CACHED:
            self[denominator] = factor
        return factor


def _unscaler(precision: int, scale: int) -> Callable[[Decimal], int]:
    """From a decimal to its unscaled number; it raises for one that does not fit."""
    precision = min(precision, MAX_PRECISION)
    limit = 10**precision
    factors = _Factors(10**scale)
    adjust, split = Decimal.adjusted, Decimal.as_integer_ratio

    def unscale(value: Decimal) -> int:
        # The exponent first: a ratio of 1E+999999999 would take all memory.
        if not -scale <= adjust(value) < precision:
            raise OverflowError
        numerator, denominator = split(value)
        number = numerator * factors[denominator]
        if -limit < number < limit:
            return number
        raise OverflowError

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

_new: Final = object.__new__


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


# A number of two bytes is FIRST of the first byte, and SIGN of it times the second.
FIRST: Final = tuple((byte & 127) >> 1 ^ -(byte & 1) for byte in range(256))
SIGN: Final = (64, -64) * 128

# What each byte of a number of several adds to it, its sign left out.
_LOW: Final = tuple((byte & 127) >> 1 for byte in range(256))
_SECOND: Final = tuple((byte & 127) << 6 for byte in range(256))
_THIRD: Final = tuple((byte & 127) << 13 for byte in range(256))
_FOURTH: Final = tuple((byte & 127) << 20 for byte in range(256))
_FIFTH: Final = tuple((byte & 127) << 27 for byte in range(256))
_SIXTH: Final = tuple((byte & 127) << 34 for byte in range(256))


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


def read_large(data: bytes, position: int) -> tuple[int, int]:
    """A long of more than three bytes: the caller has seen that the first three go on."""
    first = data[position]
    fourth = data[position + 3]
    number = (
        _LOW[first] + _SECOND[data[position + 1]] + _THIRD[data[position + 2]] + _FOURTH[fourth]
    )
    if fourth < 128:
        return (~number if first & 1 else number), position + 4
    fifth = data[position + 4]
    if fifth < 128:
        number += _FIFTH[fifth]
        return (~number if first & 1 else number), position + 5
    sixth = data[position + 5]
    if sixth < 128:
        number += _FIFTH[fifth] + _SIXTH[sixth]
        return (~number if first & 1 else number), position + 6
    return read_long(data, position)


def read_int(data: bytes, position: int) -> tuple[int, int]:
    """An int of several bytes."""
    number, end = read_long(data, position)
    if -0x80000000 <= number <= 0x7FFFFFFF:
        return number, end
    raise OverflowError


def read_ints(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """So many ints of an array."""
    return lanes.read(data, position, count, read_int, is_int=True)


def read_longs(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """So many longs of an array."""
    return lanes.read(data, position, count, read_long, is_int=False)


def read_more(data: bytes, position: int) -> tuple[int, int]:
    """A count or an index of several bytes, the first of which is behind the position.

    Its zigzag is left as it is: odd means negative.
    """
    number, position = read_long(data, position - 1)
    return number << 1 ^ number >> 63, position


def read_text(data: bytes, position: int) -> tuple[str, int]:
    """A string of over 63 bytes."""
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


_set_int: Final = UUID.__dict__["int"].__set__
_set_safety: Final = UUID.__dict__["is_safe"].__set__
_SAFETY: Final = UUID(int=0).is_safe
from_bytes: Final = int.from_bytes


def read_uuid(raw: bytes) -> UUID:
    """A UUID from a string of 36 characters and its length."""
    digits = raw.replace(b"-", b"")
    if len(digits) != 33 or digits[0] != 72 or len(raw) != 37:
        raise ValueError
    value = _new(UUID)
    _set_int(value, from_bytes(a2b_hex(digits[1:]), "big"))
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


class _Dates(dict[int, dt.date]):
    """The dates that were read lately: there are few of them, and often the same."""

    def __missing__(self, number: int) -> dt.date:
        if len(self) >= _CACHED:
            self.clear()
        value = self[number] = dt.date.fromordinal(number + _EPOCH_DAY)
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
    value: float = _unpack_float(_pack_float(number))[0]
    return value


_unpack_float: Final = struct.Struct("<f").unpack


def read_text_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """The UTF-8 bytes of a string of over 63 bytes."""
    text, end = read_text(data, position)
    return text.encode(), end


def symbol_bytes(enum: type[Enum]) -> Mapping[int, Any]:
    """The members of an enum by the bytes that stand for them."""
    return {2 * index: member for index, member in enumerate(enum)}
