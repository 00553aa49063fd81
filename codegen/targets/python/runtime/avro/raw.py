"""What writes messages that consist of floats and bytes for the most part: as `packing`, in bytes.

There, what is packed would have to become a text, and the text bytes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from .integers import Integers

__all__ = [
    "FIRST_TWO_RAW",
    "LAST_TWO_RAW",
    "SHORT_RAW",
    "symbols_raw",
    "write_int_raw",
    "write_long_raw",
]

_integers: Final = Integers([bytes((byte,)) for byte in range(256)])
SHORT_RAW: Final = _integers.short
FIRST_TWO_RAW: Final = _integers.first_two
LAST_TWO_RAW: Final = _integers.last_two
write_int_raw: Final = _integers.write_int
write_long_raw: Final = _integers.write_long


def symbols_raw(enum: type[Enum]) -> Mapping[Any, bytes]:
    """How each member of an enum is written."""
    return {member: SHORT_RAW[index] for index, member in enumerate(enum)}
