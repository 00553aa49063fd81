"""Which logical type does a schema carry, if any?

Specification 1.12, "Logical Types": each has its bases and its limits, and one that is unknown, or
invalid where it stands, is ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeGuard

from codegen.avro.schema import LogicalType
from codegen.source import Json

_LOGICAL_BASES = {
    "decimal": ("bytes",),
    "uuid": ("string",),
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "timestamp-nanos": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-nanos": ("long",),
}
_LOGICAL_FIXED = ("decimal", "uuid", "duration")

LOGICAL_TYPES = (*_LOGICAL_BASES, "duration")
"""All logical types of the specification."""


def bases_of(name: str) -> tuple[str, ...]:
    """The primitive types that can carry a logical type, fixed aside; none where it is unknown."""
    return _LOGICAL_BASES.get(name, ())


def read_logical_type(
    base: str, attributes: Mapping[str, Json], size: int = 0
) -> LogicalType | None:
    """The logical type that the attributes give a schema of this type, None where it is ignored.

    Specification 1.12, "Logical Types": one that is unknown, or invalid on its base, is ignored.
    `size` is that of a fixed, in bytes.
    """
    name = attributes.get("logicalType")
    if not isinstance(name, str):
        return None
    if base == "fixed":
        if name not in _LOGICAL_FIXED:
            return None
        if (name == "uuid" and size != 16) or (name == "duration" and size != 12):
            return None
    elif base not in bases_of(name):
        return None
    if name != "decimal":
        return LogicalType(name)
    precision, scale = attributes.get("precision"), attributes.get("scale", 0)
    if not is_integer(precision) or not is_integer(scale) or not 0 <= scale <= precision:
        return None
    if precision < 1 or (base == "fixed" and precision > decimal_digits(size)):
        return None
    return LogicalType(name, precision, scale)


_DAY_MILLIS = 24 * 60 * 60 * 1000
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""The first day of the year 1 and the last one of 9999, counted from 1970-01-01."""

_PER_DAY = {
    "date": 1,
    "timestamp-millis": _DAY_MILLIS,
    "timestamp-micros": _DAY_MILLIS * 1000,
    "timestamp-nanos": _DAY_MILLIS * 1_000_000,
    "local-timestamp-millis": _DAY_MILLIS,
    "local-timestamp-micros": _DAY_MILLIS * 1000,
    "local-timestamp-nanos": _DAY_MILLIS * 1_000_000,
}
_TIMES = {"time-millis": _DAY_MILLIS, "time-micros": _DAY_MILLIS * 1000}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?", re.ASCII)


def judge_value(logical: LogicalType, base: str, value: Json) -> str | None:
    """Say why a JSON value that fits the base is no value of a logical type; None where it is.

    The value is in the form of a default: bytes are a string of the code points 0 to 255.
    """
    name = logical.name
    if name == "decimal":
        return _judge_decimal(logical, value)
    if name == "uuid":
        is_uuid = base == "fixed" or _UUID.fullmatch(value)
        return None if is_uuid else f'"{value[:40]}" is no UUID'
    if name in _TIMES:
        return None if 0 <= value < _TIMES[name] else f"{value} is no time of a day"
    if name in _PER_DAY and not _FIRST_DAY <= value // _PER_DAY[name] <= _LAST_DAY:
        return f"{value} lies outside of the years 1 to 9999"
    return None


def _judge_decimal(logical: LogicalType, value: str) -> str | None:
    if not value:
        return "a decimal without a byte is no number"
    number = int.from_bytes(value.encode("latin-1"), "big", signed=True)
    if _NUMBER.fullmatch(value):
        meant = _show_decimal(number, logical.scale)
        return f'the bytes of "{value[:40]}" mean {meant}{_spell(value, logical)}'
    # A byte holds less than three digits; so no power is larger than the text.
    if logical.precision < 3 * len(value) and abs(number) >= 10**logical.precision:
        return f"{_show_decimal(number, logical.scale)} has more than {logical.precision} digits"
    return None


def _spell(text: str, logical: LogicalType) -> str:
    """How a number is written as a default; nothing where the type does not hold it."""
    value = write_decimal(text.replace(",", "."), logical)
    if value is None:
        return ""
    written = "".join(f"\\u{ord(byte):04x}" for byte in value)
    return f'; {text} is "{written}"'


def write_decimal(text: str, logical: LogicalType) -> str | None:
    """A number such as `12.50` as the default of a decimal on bytes: the bytes as a string.

    None where the text is no such number, or the decimal cannot hold it.
    """
    if not _NUMBER.fullmatch(text) or "," in text:
        return None
    whole, _, part = text.partition(".")
    if len(part) > logical.scale or len(whole) > 1000:
        return None
    number = int(whole + part.ljust(logical.scale, "0"))
    if len(str(abs(number))) > logical.precision:
        return None
    size = (number + (number < 0)).bit_length() // 8 + 1
    return number.to_bytes(size, "big", signed=True).decode("latin-1")


def _show_decimal(number: int, scale: int) -> str:
    if number.bit_length() > 128 or scale > 40:
        return "a number of many digits"
    digits = str(abs(number)).rjust(scale + 1, "0")
    point = len(digits) - scale
    return f"{'-' * (number < 0)}{digits[:point]}{'.' * (scale > 0)}{digits[point:]}"


def decimal_digits(size: int) -> int:
    """The most digits that every two's complement number of `size` bytes can hold."""
    return int(math.log10(2) * (8 * size - 1)) if size > 0 else 0


def is_integer(value: Json) -> TypeGuard[int]:
    """Whether a JSON value is a number without fraction; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)
