"""The pieces of Avro's binary encoding that generated codecs put together.

Encoding builds text in which each character is a byte (Latin-1), because joining texts is the
fastest way of putting bytes together. Functions that write raise anything for a value that does not
fit: the caller then encodes it again with care. Functions that read raise anything for bytes that
do not fit, read no more than there is, and return where they stopped.
"""

from __future__ import annotations

from binascii import a2b_hex
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from struct import Struct
from typing import Any, Final
from uuid import UUID, SafeUUID

from .values import Duration


class Misfit(Exception):
    """A value or bytes that a codec has no fast way for."""


BYTES: Final = tuple(map(chr, range(256)))
"""Each byte as a character."""

ZIGZAG: Final = tuple((byte >> 1) ^ -(byte & 1) for byte in range(256))
"""What an integer of one byte means."""

SPANS: Final = tuple(1 << 60 if byte & 1 else 1 + (byte >> 1) for byte in range(256))
"""How many bytes a text takes, by the byte of its length; a negative length takes all there is."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local timestamps have no time zone
_EPOCH_DAY: Final = _EPOCH.toordinal()
_CACHE_LIMIT: Final = 16_384


# Writing


def varint(zigzag: int) -> str:
    """An integer, zigzag already, in base 128."""
    if zigzag < 128:
        return BYTES[zigzag]
    if zigzag < 16384:
        return BYTES[zigzag & 127 | 128] + BYTES[zigzag >> 7]
    if zigzag >> 64:
        raise Misfit
    parts = []
    while zigzag > 127:
        parts.append(BYTES[zigzag & 127 | 128])
        zigzag >>= 7
    parts.append(BYTES[zigzag])
    return "".join(parts)


def length(count: int) -> str:
    """The length of something, or the number of its items."""
    return varint(count + count)


def int32(value: int) -> str:
    """An int that is too long for one byte."""
    zigzag = value << 1 ^ value >> 63
    if zigzag >> 32:
        raise Misfit
    return varint(zigzag)


def utf8(text: str) -> str:
    """A text, each byte of its UTF-8 as a character."""
    return text.encode().decode("latin-1")


def write_uuid(value: UUID) -> str:
    """A UUID as a text of 36 characters, with its length."""
    if type(value) is not UUID:
        raise Misfit
    digits = value.int.to_bytes(16, "big").hex("-", 2)
    return f"H{digits[:4]}{digits[5:24]}-{digits[25:29]}{digits[30:34]}{digits[35:]}"


def write_uuid_bytes(value: UUID) -> str:
    """A UUID as a fixed of 16 bytes."""
    if type(value) is not UUID:
        raise Misfit
    return value.bytes.decode("latin-1")


class _Dates(dict[date, str]):
    """Dates as they are written; those that were seen lately."""

    def __missing__(self, value: date) -> str:
        if type(value) is not date:
            raise Misfit
        if len(self) > _CACHE_LIMIT:
            self.clear()
        days = value.toordinal() - _EPOCH_DAY
        text = self[value] = varint(days << 1 ^ days >> 63)
        return text


DATES: Final = _Dates()
"""Dates as they are written."""


def write_timestamp_millis(value: datetime) -> str:
    """A time on the clock of the world in milliseconds; what is finer is cut off."""
    since = value - _EPOCH
    number = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    if 0 <= number < 1 << 41 and number >= 1 << 34:
        number += number
        return (
            f"{BYTES[number & 127 | 128]}{BYTES[number >> 7 & 127 | 128]}"
            f"{BYTES[number >> 14 & 127 | 128]}{BYTES[number >> 21 & 127 | 128]}"
            f"{BYTES[number >> 28 & 127 | 128]}{BYTES[number >> 35]}"
        )
    return varint(number << 1 ^ number >> 63)


def write_timestamp_micros(value: datetime) -> str:
    """A time on the clock of the world in microseconds."""
    since = value - _EPOCH
    number = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return varint(number << 1 ^ number >> 63)


def write_local_timestamp_millis(value: datetime) -> str:
    """A time on a local clock in milliseconds; what is finer is cut off."""
    since = value - _LOCAL_EPOCH
    number = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    return varint(number << 1 ^ number >> 63)


def write_local_timestamp_micros(value: datetime) -> str:
    """A time on a local clock in microseconds."""
    since = value - _LOCAL_EPOCH
    number = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return varint(number << 1 ^ number >> 63)


def write_time_millis(value: time) -> str:
    """A time of day in milliseconds; what is finer is cut off."""
    if type(value) is not time or value.tzinfo is not None:
        raise Misfit
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return varint(2 * (seconds * 1000 + value.microsecond // 1000))


def write_time_micros(value: time) -> str:
    """A time of day in microseconds."""
    if type(value) is not time or value.tzinfo is not None:
        raise Misfit
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return varint(2 * (seconds * 1_000_000 + value.microsecond))


_duration = Struct("<III")


def write_duration(value: Duration) -> str:
    """A duration as a fixed of 12 bytes."""
    if type(value) is not Duration:
        raise Misfit
    return _duration.pack(value.months, value.days, value.milliseconds).decode("latin-1")


def make_unscaler(precision: int, scale: int) -> Callable[[Decimal], int]:
    """A function that turns a decimal of such digits into its unscaled integer."""
    ratio = Decimal.as_integer_ratio
    limit = 10**precision
    whole = 10**scale
    # A decimal with at most `scale` digits behind the point is a fraction of one of these.
    factors = {
        2**twos * 5**fives: whole // (2**twos * 5**fives)
        for twos in range(min(scale, 12) + 1)
        for fives in range(min(scale, 12) + 1)
    }

    def unscale(value: Decimal) -> int:
        numerator, denominator = ratio(value)
        number = numerator * factors[denominator]
        if -limit < number < limit:
            return number
        raise Misfit

    return unscale


def make_decimal_writer(precision: int, scale: int) -> Callable[[Decimal], str]:
    """A function that writes a decimal as bytes, with their length."""
    unscale = make_unscaler(precision, scale)

    def write_decimal(value: Decimal) -> str:
        number = unscale(value)
        if 0 <= number < 0x800000:
            if number < 0x80:
                return f"\x02{BYTES[number]}"
            if number < 0x8000:
                return f"\x04{BYTES[number >> 8]}{BYTES[number & 255]}"
            return f"\x06{BYTES[number >> 16]}{BYTES[number >> 8 & 255]}{BYTES[number & 255]}"
        size = (number.bit_length() >> 3) + 1
        return length(size) + number.to_bytes(size, "big", signed=True).decode("latin-1")

    return write_decimal


def make_fixed_decimal_writer(precision: int, scale: int, size: int) -> Callable[[Decimal], str]:
    """A function that writes a decimal as a fixed of some size."""
    unscale = make_unscaler(precision, scale)
    return lambda value: unscale(value).to_bytes(size, "big", signed=True).decode("latin-1")


_float = Struct("<f")
_double = Struct("<d")


def write_float(value: float) -> str:
    """A float of 32 bits."""
    if type(value) is not float:
        raise Misfit
    return _float.pack(value).decode("latin-1")


def write_double(value: float) -> str:
    """A float of 64 bits."""
    if type(value) is not float:
        raise Misfit
    return _double.pack(value).decode("latin-1")


# Reading


def read_long(data: bytes, start: int) -> tuple[int, int]:
    """A long and where it ends."""
    byte = data[start]
    number = byte & 127
    shift = 7
    while byte > 127:
        start += 1
        byte = data[start]
        number |= (byte & 127) << shift
        shift += 7
    if shift > 63 and (shift > 70 or byte > 1):
        raise Misfit("an integer of more than 64 bits")
    return (number >> 1) ^ -(number & 1), start + 1


def read_int(data: bytes, start: int) -> tuple[int, int]:
    """An int and where it ends."""
    number, end = read_long(data, start)
    if not -0x80000000 <= number <= 0x7FFFFFFF:
        raise Misfit(f"the int {number} has more than 32 bits")
    return number, end


def read_length(data: bytes, start: int) -> tuple[int, int]:
    """How many bytes something has, and where they begin; no more than there are."""
    count, start = read_long(data, start)
    if not 0 <= count <= len(data) - start:
        raise Misfit(f"a length of {count} bytes where {len(data) - start} are left")
    return count, start


def read_string(data: bytes, start: int) -> tuple[str, int]:
    """A text and where it ends."""
    count, start = read_length(data, start)
    end = start + count
    return data[start:end].decode(), end


def read_bytes(data: bytes, start: int) -> tuple[bytes, int]:
    """Bytes and where they end."""
    count, start = read_length(data, start)
    end = start + count
    return data[start:end], end


def read_fixed(data: bytes, start: int, size: int) -> bytes:
    """A number of bytes."""
    value = data[start : start + size]
    if len(value) != size:
        raise Misfit("the bytes end too early")
    return value


def read_count(data: bytes, start: int) -> tuple[int, int]:
    """How many items a block has, and where they begin."""
    count, start = read_long(data, start)
    if count < 0:
        count = -count
        _, start = read_long(data, start)
    return count, start


class Sparing(bytes):
    """The bytes of a message with items that take no byte, which it may have only so many of."""

    left: int

    def spend(self, count: int) -> None:
        """Count items that take no byte. Raises Misfit when there are too many."""
        self.left -= count
        if self.left < 0:
            raise Misfit("too many items that take no byte")


def sparing(data: bytes) -> Sparing:
    """The bytes of a message, with an allowance for items that take no byte."""
    wrapped = Sparing(data)
    wrapped.left = 1000 + 16 * len(data)
    return wrapped


class _Uuid:
    """A UUID while it is made: the real class lets nobody set anything."""

    __slots__ = ("__weakref__", "int", "is_safe")


_from_bytes = int.from_bytes
_SAFETY: Final = SafeUUID.unknown


def make_uuid(text: bytes) -> UUID:
    """A UUID from its text."""
    digits = a2b_hex(text.replace(b"-", b""))
    if len(digits) != 16:
        raise Misfit("no UUID")
    value: Any = _Uuid()
    value.int = _from_bytes(digits, "big")
    value.is_safe = _SAFETY
    value.__class__ = UUID
    return value  # type: ignore[no-any-return]


def make_uuid_of_bytes(data: bytes) -> UUID:
    """A UUID from 16 bytes."""
    return UUID(bytes=data)


def read_uuid(data: bytes, start: int) -> tuple[UUID, int]:
    """A UUID in any of its forms as a text, and where it ends."""
    text, end = read_string(data, start)
    return UUID(text), end


def make_date(days: int) -> date:
    """The date of a number of days since 1970."""
    return date.fromordinal(days + _EPOCH_DAY)


class _DatesRead(dict[int, date]):
    """Dates by their number; those that were seen lately."""

    def __missing__(self, days: int) -> date:
        if len(self) > _CACHE_LIMIT:
            self.clear()
        value = self[days] = date.fromordinal(days + _EPOCH_DAY)
        return value


_dates_read = _DatesRead()


def read_date(data: bytes, start: int) -> tuple[date, int]:
    """A date and where it ends."""
    days, end = read_int(data, start)
    return _dates_read[days], end


class _Moments(dict[int, datetime]):
    """The moments at which spans of 2**13 milliseconds begin; those that were seen lately."""

    def __missing__(self, span: int) -> datetime:
        if len(self) > _CACHE_LIMIT:
            self.clear()
        value = self[span] = _EPOCH + timedelta(milliseconds=span << 13)
        return value


class _Delays(dict[int, timedelta]):
    """The milliseconds within such a span."""

    def __missing__(self, number: int) -> timedelta:
        value = self[number] = timedelta(milliseconds=number)
        return value


_moments = _Moments()
_delays = _Delays()


def read_timestamp_millis(data: bytes, start: int) -> tuple[datetime, int]:
    """A time on the clock of the world and where it ends."""
    number, end = read_long(data, start)
    return _moments[number >> 13] + _delays[number & 8191], end


def read_timestamp_micros(data: bytes, start: int) -> tuple[datetime, int]:
    """A time on the clock of the world and where it ends."""
    number, end = read_long(data, start)
    return _EPOCH + timedelta(0, 0, number), end


def read_local_timestamp_millis(data: bytes, start: int) -> tuple[datetime, int]:
    """A time on a local clock and where it ends."""
    number, end = read_long(data, start)
    return _LOCAL_EPOCH + timedelta(milliseconds=number), end


def read_local_timestamp_micros(data: bytes, start: int) -> tuple[datetime, int]:
    """A time on a local clock and where it ends."""
    number, end = read_long(data, start)
    return _LOCAL_EPOCH + timedelta(0, 0, number), end


def make_time(microseconds: int) -> time:
    """The time of day so many microseconds after midnight."""
    seconds, microsecond = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return time(hour, minute, second, microsecond)


def read_time_millis(data: bytes, start: int) -> tuple[time, int]:
    """A time of day and where it ends."""
    number, end = read_int(data, start)
    return make_time(number * 1000), end


def read_time_micros(data: bytes, start: int) -> tuple[time, int]:
    """A time of day and where it ends."""
    number, end = read_long(data, start)
    return make_time(number), end


def make_duration(data: bytes) -> Duration:
    """A duration from 12 bytes."""
    return Duration(*_duration.unpack(data))


MAX_DIGITS: Final = 10_000
"""Decimals of more digits are not worked with."""


def make_decimal_maker(precision: int, scale: int) -> Callable[[bytes], Decimal]:
    """A function that makes a decimal of such digits from the bytes of its unscaled integer."""
    digits = min(precision, MAX_DIGITS)
    size = ((10**digits).bit_length() >> 3) + 1
    unit = Decimal((0, (1,), -scale))
    multiply = Context(prec=digits + 3, rounding=ROUND_HALF_EVEN, Emin=-999_999).multiply
    limit = 10**digits

    def make_decimal(data: bytes) -> Decimal:
        if len(data) > size:
            data = _strip_sign(data, size)
        number = _from_bytes(data, "big", signed=True)
        if -limit < number < limit:
            return multiply(number, unit)
        raise Misfit(f"a decimal of more than {digits} digits")

    return make_decimal


def _strip_sign(data: bytes, size: int) -> bytes:
    """The same number in fewer bytes, where the first only repeat its sign."""
    rest = data[-size:]
    filler = b"\xff" if rest[0] > 127 else b"\0"
    if data[:-size].strip(filler):
        raise Misfit("a decimal with too many digits")
    return rest


_unpack_float = _float.unpack_from
_unpack_double = _double.unpack_from


def read_float(data: bytes, start: int) -> float:
    """The float of 32 bits that begins here."""
    value: float = _unpack_float(data, start)[0]
    return value


def read_double(data: bytes, start: int) -> float:
    """The float of 64 bits that begins here."""
    value: float = _unpack_double(data, start)[0]
    return value
