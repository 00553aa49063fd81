"""How Avro writes ints and longs, made for speed: the bytes of a number are looked up in tables.

They are put together either from texts whose characters are bytes (Latin-1), or from bytes.
"""

from __future__ import annotations

from typing import AnyStr, Generic

__all__ = ["Integers"]


class Integers(Generic[AnyStr]):
    """Writes numbers as texts or as bytes."""

    __slots__ = ("_last", "_more", "_negative", "first_two", "last_two", "next_two", "short")

    short: list[AnyStr]
    """The numbers from -1024 to 1023 by themselves: Python counts negative indices from behind."""

    first_two: list[AnyStr]
    """The first two bytes of a number that is not negative, by its lowest 13 bits.

    As the tables below, it takes time to make, and is filled when first needed.
    """

    next_two: list[AnyStr]
    """Two bytes of a number that goes on, by what they stand for."""

    last_two: list[AnyStr]
    """The last byte of a number, or its last two, by what they stand for."""

    _last: list[AnyStr]
    _more: list[AnyStr]
    _negative: list[AnyStr]

    def __init__(self, units: list[AnyStr]) -> None:
        """`units` are all 256 bytes."""
        self._last = units[:128]
        self._more = units[128:]
        self.short = (
            self._last[::2]
            + _pairs(self._more[::2], self._last[1:16])
            + _pairs(self._more[::-2], self._last[15:0:-1])
            + self._last[::-2]
        )
        self.first_two = []
        self.next_two = []
        self.last_two = []
        self._negative = []

    def write_int(self, value: int) -> AnyStr:
        """An int of any size that it may have."""
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            raise OverflowError
        return self.write_long(value)

    def write_long(self, value: int) -> AnyStr:
        """A long of any size that it may have."""
        if type(value) is not int:
            raise TypeError
        if not self.first_two:
            self._fill()
        if value >= 0:
            number, sign, first_two = value, 0, self.first_two
        else:
            number, sign, first_two = ~value, 1, self._negative
        high = number >> 13
        if not high:
            return self.last_two[number << 1 | sign]
        start = first_two[number & 0x1FFF]
        if high < 0x4000:
            return start + self.last_two[high]
        if high < 0x10000000:
            return start + self.next_two[high & 0x3FFF] + self.last_two[high >> 14]
        if high >> 50:
            raise OverflowError
        return start + self.write_zigzag(high)

    def write_zigzag(self, value: int) -> AnyStr:
        """The number that becomes this one by zigzag, which is not negative."""
        if not self.first_two:
            self._fill()
        if value < 0x4000:
            return self.last_two[value]
        if value < 0x10000000:
            return self.next_two[value & 0x3FFF] + self.last_two[value >> 14]
        low = value & 0xFFFFFFF  # parts of a number are faster than all of it
        start = self.next_two[low & 0x3FFF] + self.next_two[low >> 14]
        return start + self.write_zigzag(value >> 28)

    def _fill(self) -> None:
        self.next_two[:] = _pairs(self._more, self._more)
        self.last_two[:] = self._last + _pairs(self._more, self._last[1:])
        self._negative[:] = self.next_two[1::2]
        # At last what others look at, in other threads too.
        self.first_two[:] = self.next_two[::2]


def _pairs(firsts: list[AnyStr], seconds: list[AnyStr]) -> list[AnyStr]:
    return [first + second for second in seconds for first in firsts]
