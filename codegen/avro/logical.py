"""Which logical type does a schema carry, if any?

Specification 1.12, "Logical Types": each has its bases and its limits, and one that is unknown, or
invalid where it stands, is ignored.
"""

from __future__ import annotations

import math
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
    elif base not in _LOGICAL_BASES.get(name, ()):
        return None
    if name != "decimal":
        return LogicalType(name)
    precision, scale = attributes.get("precision"), attributes.get("scale", 0)
    if not is_integer(precision) or not is_integer(scale) or not 0 <= scale <= precision:
        return None
    if precision < 1 or (base == "fixed" and precision > decimal_digits(size)):
        return None
    return LogicalType(name, precision, scale)


def decimal_digits(size: int) -> int:
    """The most digits that every two's complement number of `size` bytes can hold."""
    return int(math.log10(2) * (8 * size - 1)) if size > 0 else 0


def is_integer(value: Json) -> TypeGuard[int]:
    """Whether a JSON value is a number without fraction; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)
