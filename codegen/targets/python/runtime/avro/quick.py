"""Readers of what another version of a schema wrote, for data as it mostly is.

They are put together as those of `evolution` are, of the pieces that generated code is made of.
Whatever is rare or damaged raises something, or leaves the position elsewhere than at the end of
the data, and is read once more with care.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from . import schema as avro
from . import unpacking
from .decoding import Read
from .encoding import Types
from .evolution import Compiler, RecordReader, Store
from .schema import SchemaError
from .unpacking import BOOLEANS, END, ZIGZAG, from_bytes, read_bytes, read_int, read_long, read_text


def compile_quick_reader(writer: avro.Node, reader: avro.Node, types: Types) -> Read:
    """A reader of events, which raises what it happens to.

    Raises SchemaError, and RecursionError for schemas that nest very deeply.
    """
    return _QuickCompiler(types).read(writer, reader)


class _QuickCompiler(Compiler):
    def primitive(self, writer: avro.Primitive, reader: avro.Primitive) -> Read:
        is_same = writer.type == reader.type and writer.logical in (None, reader.logical)
        if is_same and reader.logical is None:
            return _PRIMITIVES[writer.type]
        if is_same and reader.logical is not None:
            if reader.logical.name == "decimal":
                return _decimal(reader.logical)
            return _LOGICAL[reader.logical.name]
        return super().primitive(writer, reader)

    def enum(self, writer: avro.Enum, reader: avro.Enum, values: list[Any]) -> Read:
        known = {2 * index: value for index, value in enumerate(values[:64]) if value is not None}

        def read(data: bytes, position: int) -> tuple[Any, int]:
            return known[data[position]], position + 1

        return read

    def branches(self, reads: list[Read]) -> Read:
        known = {2 * index: read for index, read in enumerate(reads[:64])}

        def read(data: bytes, position: int) -> tuple[Any, int]:
            return known[data[position]](data, position + 1)

        return read

    def array(self, read_item: Read, takes_bytes: bool) -> Read:
        if not takes_bytes:
            raise SchemaError("items that take no bytes are counted with care")

        def read(data: bytes, position: int) -> tuple[list[Any], int]:
            size = data[position]
            counted, position = (
                (_COUNTED[size], position + 1) if size < 128 else _read_count(data, position)
            )
            items: list[Any] = []
            for _ in counted:
                item, position = read_item(data, position)
                items.append(item)
            if items:
                if data[position]:
                    raise ValueError  # There is another block.
                position += 1
            return items, position

        return read

    def mapping(self, read_value: Read) -> Read:
        def read(data: bytes, position: int) -> tuple[dict[str, Any], int]:
            size = data[position]
            counted, position = (
                (_COUNTED[size], position + 1) if size < 128 else _read_count(data, position)
            )
            values: dict[str, Any] = {}
            for _ in counted:
                size = data[position]
                if size < 128:
                    end = position + END[size]
                    key = data[position + 1 : end].decode()
                    position = end
                else:
                    key, position = read_text(data, position)
                values[key], position = read_value(data, position)
            if values:
                if data[position]:
                    raise ValueError  # There is another block.
                position += 1
            return values, position

        return read

    def record(self, model: type[Any]) -> RecordReader:
        return _QuickRecord(model)


class _QuickRecord(RecordReader):
    def __init__(self, model: type[Any]) -> None:
        super().__init__(model)
        self._fields: list[tuple[Read | None, Store]] = []
        """None reads a text: most fields are texts, and need no call."""

    def add_step(self, name: str, read: Read, store: Store) -> None:
        self._fields.append((None if read is _read_string else read, store))

    def read(self, data: bytes, position: int) -> tuple[Any, int]:
        value = _new(self.model)
        for read, store in self._fields:
            if read is None:
                size = data[position]
                if size < 128:
                    end = position + END[size]
                    store(value, data[position + 1 : end].decode())
                    position = end
                    continue
                item, position = read_text(data, position)
            else:
                item, position = read(data, position)
            store(value, item)
        for store, make in self._defaults:
            store(value, make())
        return value, position


_new: Final = object.__new__


_COUNTED: Final[tuple[Any, ...]] = tuple(
    range(byte >> 1) if byte % 2 == 0 else None for byte in range(128)
)
"""What a count of one byte lets one go through; None, which raises, where it is negative.

A block of a negative count, and all that follows the first block, is read with care.
"""


def _read_count(data: bytes, position: int) -> tuple[range, int]:
    """A count of several bytes; there cannot be more items than bytes."""
    count, position = read_long(data, position)
    if not 0 <= count <= len(data) - position:
        raise ValueError
    return range(count), position


def _read_null(data: bytes, position: int) -> tuple[None, int]:
    return None, position


def _read_boolean(data: bytes, position: int) -> tuple[bool, int]:
    return BOOLEANS[data[position]], position + 1


def _read_int(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    return (ZIGZAG[byte], position + 1) if byte < 128 else read_int(data, position)


_unpack_float: Final = struct.Struct("<f").unpack_from
_unpack_double: Final = struct.Struct("<d").unpack_from


def _read_float(data: bytes, position: int) -> tuple[float, int]:
    return _unpack_float(data, position)[0], position + 4


def _read_double(data: bytes, position: int) -> tuple[float, int]:
    return _unpack_double(data, position)[0], position + 8


def _read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    size = data[position]
    if size > 127:
        return read_bytes(data, position)
    end = position + END[size]
    return data[position + 1 : end], end


def _read_string(data: bytes, position: int) -> tuple[str, int]:
    size = data[position]
    if size > 127:
        return read_text(data, position)
    end = position + END[size]
    return data[position + 1 : end].decode(), end


_PRIMITIVES: Final[Mapping[str, Read]] = {
    "null": _read_null,
    "boolean": _read_boolean,
    "int": _read_int,
    "long": read_long,
    "float": _read_float,
    "double": _read_double,
    "bytes": _read_bytes,
    "string": _read_string,
}


def _read_uuid(data: bytes, position: int) -> tuple[Any, int]:
    end = position + 37
    return unpacking.read_uuid(data[position:end]), end


_LOGICAL: Final[Mapping[str, Read]] = {
    "uuid": _read_uuid,
    "date": unpacking.read_date,
    "time-millis": unpacking.read_time_millis,
    "time-micros": unpacking.read_time_micros,
    "timestamp-millis": unpacking.read_timestamp_millis,
    "timestamp-micros": unpacking.read_timestamp_micros,
    "timestamp-nanos": read_long,
    "local-timestamp-millis": unpacking.read_local_timestamp_millis,
    "local-timestamp-micros": unpacking.read_local_timestamp_micros,
    "local-timestamp-nanos": read_long,
}


def _decimal(logical: avro.Logical) -> Read:
    product = unpacking.decimal_product(logical.precision)
    unit = unpacking.decimal_unit(logical.scale)

    def read(data: bytes, position: int) -> tuple[Any, int]:
        end = position + END[data[position]]
        number = from_bytes(data[position + 1 : end], "big", signed=True)
        return product(number, unit), end

    return read
