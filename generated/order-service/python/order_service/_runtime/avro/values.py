"""Values that Avro has and Python's library does not, and what makes them cheap to write and read.

Plain values, without any input or output.
"""

from __future__ import annotations

import struct
import warnings
from binascii import hexlify
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, NamedTuple
from uuid import UUID

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LOCAL_EPOCH: Final = datetime(1970, 1, 1)
EPOCH_DAY: Final = EPOCH.toordinal()

MAX_PRECISION: Final = 10_000
"""Decimals of more digits are not worked with, whatever precision a schema states."""

CACHED: Final = 10_000
"""As many values of a kind that came lately are remembered."""

_uuid_parts: Final = struct.Struct("8s4s4s4s12s").unpack


class Symbol(Enum):
    """The base of every Avro enum: members are its symbols, values their names in Avro."""

    # Members are singletons, and writing one looks it up in a table: Enum hashes its name in
    # Python code, which takes ten times as long.
    __hash__ = object.__hash__


class Duration(NamedTuple):
    """An amount of time in months, days and milliseconds, which do not convert to each other.

    Avro 1.12, "Duration": each is an unsigned number of 32 bits.
    """

    months: int = 0
    days: int = 0
    milliseconds: int = 0


def uuid_key(value: UUID) -> bytes:
    """A UUID as the key of a message: what `str` makes of it, in half the time."""
    return b"-".join(_uuid_parts(hexlify(value.int.to_bytes(16, "big"))))


def warn_deprecated(value: Any, name: str, reason: str) -> None:
    """Warn whoever made a value and set a deprecated field of it to something of their own.

    To be called where the value was just made: what was read from a message warns nobody.
    """
    (field,) = (one for one in fields(value) if one.name == name)
    default = field.default if field.default_factory is MISSING else field.default_factory()
    if getattr(value, name) != default:
        message = f"{type(value).__name__}.{name} is deprecated: {reason}"
        warnings.warn(message, DeprecationWarning, stacklevel=4)
