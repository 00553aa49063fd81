"""Arrays of ints and longs, written and read all at once.

The numbers stand side by side in one huge int, 64 bits to each, and every step of Avro's encoding
is done to all of them by one operation of that int (SIMD within a register): zigzag, then seven
bits to a byte, then the marks of bytes that go on. One number after the other takes two to three
times as long, which is how parts with a number of over 55 bits are coded. As in `packing`, whatever
does not fit raises some exception.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from functools import cache
from typing import Final

from .packing import write_int, write_long
from .unpacking import read_int, read_long

__all__ = ["FEWEST", "read_ints", "read_longs", "write_ints", "write_longs"]

FEWEST: Final = 24
"""Fewer numbers are written faster one by one."""

_MOST: Final = 1024
"""More numbers than this are coded in parts, which bounds the constants."""

_GOES_ON: Final = bytes(range(128, 256))

# No number of at most 55 bits ends like this: it stands for zero until the empty bytes are gone.
_ZERO: Final = b"\xff" * 7 + b"\x7f"

_SMALL: Final = bytes(range(64)) + bytes(range(192, 256))
"""The signed bytes that are numbers of one byte."""

_ZIGZAG: Final = bytes((byte << 1 ^ -(byte >> 7)) & 255 for byte in range(256))
"""Zigzag of each signed byte."""

_UNZIGZAG: Final = bytes((byte >> 1 ^ -(byte & 1)) & 255 for byte in range(256))
_PREFIXES: Final = b"\t" * 128 + _GOES_ON


class _Masks:
    """The constants for so many lanes."""

    __slots__ = (
        "bytes", "count", "doubles", "first", "first_sevens", "first_tops", "halves", "ints",
        "low_bytes", "low_doubles", "low_halves", "marks_1", "marks_2", "marks_4", "sevens",
        "signs", "tops", "wide",
    )  # fmt: skip

    def __init__(self, count: int) -> None:
        first = int.from_bytes(b"\1\0\0\0\0\0\0\0" * count, "little")
        self.count = count
        self.first = first
        self.first_sevens = first * 0x7F
        self.first_tops = first << 7
        self.signs = first << 63
        self.wide = first * ((1 << 64) - (1 << 55))
        """What numbers of over 55 bits have, zigzag."""
        self.ints = first * ((1 << 64) - (1 << 32))
        """What numbers of over 32 bits have, zigzag."""
        self.low_halves = first * 0x0FFFFFFF
        self.halves = first * (0x0FFFFFFF << 28)
        self.low_doubles = first * 0x00003FFF00003FFF
        self.doubles = first * 0x0FFFC0000FFFC000
        self.low_bytes = first * 0x007F007F007F007F
        self.bytes = first * 0x3F803F803F803F80
        self.sevens = first * 0x7F7F7F7F7F7F7F7F
        self.tops = first * 0x8080808080808080
        # The top bits of a lane's bytes, but of the last 1, 2 or 4: there those of the next arrive.
        self.marks_1 = first * 0x0080808080808080
        self.marks_2 = first * 0x0000808080808080
        self.marks_4 = first * 0x0000000080808080


_masks = cache(_Masks)


def _masks_for(count: int) -> _Masks:
    return _masks(max(32, 1 << (count - 1).bit_length()))


def write_ints(values: list[int]) -> str:
    """The ints of an array, without their count."""
    return _write(values, write_int, is_int=True)


def write_longs(values: list[int]) -> str:
    """The longs of an array, without their count."""
    return _write(values, write_long, is_int=False)


def _write(values: list[int], write_one: Callable[[int], str], is_int: bool) -> str:
    """`write_one` writes a number alone, of any size that it may have."""
    if [*map(type, values)].count(int) != len(values):
        raise TypeError
    starts = range(0, len(values), _MOST)
    return "".join(
        [_write_part(values[start : start + _MOST], write_one, is_int) for start in starts]
    )


def _write_part(values: list[int], write_one: Callable[[int], str], is_int: bool) -> str:
    try:
        small = array("b", values).tobytes()
    except OverflowError:
        pass
    else:
        if not small.strip(_SMALL):
            return small.translate(_ZIGZAG).decode("ascii")
    try:
        return _write_lanes(values, is_int).decode("latin-1")
    except (OverflowError, struct.error):
        return "".join(map(write_one, values))


def _write_lanes(values: list[int], is_int: bool) -> bytes:
    count = len(values)
    masks = _masks_for(count)
    lanes = int.from_bytes(struct.pack(f"<{count}q", *values), "little")
    if signs := lanes & masks.signs:
        sign = signs >> 63
        lanes = (lanes ^ signs) << 1 ^ (sign << 64) - sign
    else:
        lanes <<= 1
    if lanes & (masks.ints if is_int else masks.wide):
        raise OverflowError
    if high := lanes & masks.halves:
        lanes = lanes & masks.low_halves | high << 4
    lanes = lanes & masks.low_doubles | (lanes & masks.doubles) << 2
    lanes = lanes & masks.low_bytes | (lanes & masks.bytes) << 1
    # The top bit of each byte that is not 0, and then of each byte with such a one behind it.
    filled = lanes + masks.sevens & masks.tops
    marks = filled >> 8 & masks.marks_1
    marks |= marks >> 8 & masks.marks_1
    marks |= marks >> 16 & masks.marks_2
    if high:
        marks |= marks >> 32 & masks.marks_4
    lanes |= marks
    some = (filled | marks) & masks.first_tops
    every = masks.first_tops >> 64 * (masks.count - count)
    if some != every:
        zeros = some ^ every
        lanes |= (zeros << 56) - (zeros >> 7)
        return lanes.to_bytes(8 * count, "little").translate(None, b"\0").replace(_ZERO, b"\0")
    return lanes.to_bytes(8 * count, "little").translate(None, b"\0")


def read_ints(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """So many ints of an array, and where they end."""
    return _read(data, position, count, read_int, is_int=True)


def read_longs(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """So many longs of an array, and where they end."""
    return _read(data, position, count, read_long, is_int=False)


def _read(
    data: bytes,
    position: int,
    count: int,
    read_one: Callable[[bytes, int], tuple[int, int]],
    is_int: bool,
) -> tuple[list[int], int]:
    """`read_one` reads a number alone, of any size that it may have."""
    values: list[int] = []
    while count > 0:
        size = min(count, _MOST)
        part = data[position : position + size]
        if part.isascii():
            if len(part) < size:
                raise IndexError
            values += array("b", part.translate(_UNZIGZAG))
        else:
            part = _take(data, position, size, part)
            try:
                values += _read_lanes(part, size, is_int)
            except OverflowError:
                values += _read_one_by_one(part, size, read_one)
        position += len(part)
        count -= size
    return values, position


def _take(data: bytes, position: int, count: int, part: bytes) -> bytes:
    """The bytes of so many numbers, of which `part` has the first."""
    missing = count
    end = position
    while missing:
        # As many bytes hold as many numbers at the most.
        missing -= len(part.translate(None, _GOES_ON))
        end += len(part)
        if not part:
            raise IndexError
        part = data[end : end + missing]
    return data[position:end]


def _read_lanes(part: bytes, count: int, is_int: bool) -> tuple[int, ...]:
    masks = _masks_for(count)
    # A tab in place of each last byte fills its lane up; the last bytes follow separately.
    spread = part.translate(_PREFIXES).expandtabs(8)
    if len(spread) != 8 * count:
        raise OverflowError
    ends = bytearray(8 * count)
    ends[::8] = part.translate(None, _GOES_ON)
    lanes = int.from_bytes(spread, "little")
    prefixes = ((lanes & masks.tops) >> 7) * 0x7F
    last = (prefixes << 8 | masks.first_sevens) ^ prefixes
    lanes = lanes & prefixes | int.from_bytes(ends, "little") * 0x0101010101010101 & last
    lanes = lanes & masks.low_bytes | lanes >> 1 & masks.bytes
    lanes = lanes & masks.low_doubles | lanes >> 2 & masks.doubles
    lanes = lanes & masks.low_halves | lanes >> 4 & masks.halves
    if is_int and lanes & masks.ints:
        raise OverflowError
    if sign := lanes & masks.first:
        lanes = (lanes ^ sign) >> 1 ^ (sign << 64) - sign
    else:
        lanes >>= 1
    return struct.unpack(f"<{count}q", lanes.to_bytes(8 * count, "little"))


def _read_one_by_one(
    part: bytes, count: int, read_one: Callable[[bytes, int], tuple[int, int]]
) -> list[int]:
    values = []
    position = 0
    for _ in range(count):
        value, position = read_one(part, position)
        values.append(value)
    return values
