"""How many bytes does a message take? What a schema cannot know is assumed, and stated here.

Avro's binary encoding (specification 1.12, "Binary Encoding"): numbers in as many bytes as they
need, texts and bytes behind their length, arrays and maps in blocks that end with a zero, unions
behind the number of their branch.
"""

from __future__ import annotations

from collections.abc import Mapping

from codegen.avro.schema import (
    Array,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
)

FRAME = 5
"""Bytes before each message: a zero and the id of its schema (Confluent wire format)."""

TEXT = 20
"""The assumed length of a typical string, in bytes."""

BYTES = 100
"""The assumed length of typical bytes that are no decimal."""

ITEMS = 10
"""The assumed number of items of a typical array, and of entries of a typical map."""

LIMIT = 2**40
"""Sizes are not counted beyond this."""

_LEAST: Mapping[str, int] = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}
_TYPICAL: Mapping[str, int] = {
    **_LEAST,
    "int": 3,
    "long": 4,
    "bytes": BYTES + 1,
    "string": TEXT + 1,
}
_TYPICAL_LOGICAL: Mapping[str, int] = {
    "uuid": 37,
    "date": 3,
    "time-millis": 4,
    "time-micros": 6,
    "timestamp-millis": 6,
    "timestamp-micros": 8,
    "timestamp-nanos": 9,
    "local-timestamp-millis": 6,
    "local-timestamp-micros": 8,
    "local-timestamp-nanos": 9,
}


def least_size(graph: SchemaGraph) -> int:
    """The fewest bytes that a message takes, its frame included."""
    return FRAME + _Measure(graph, is_least=True).schema(graph.root)


def typical_size(graph: SchemaGraph) -> int:
    """The bytes of a message as this module assumes it: of each union its largest branch is there.

    A value that holds another one of its own type is counted once, and the frame is included.
    """
    return FRAME + _Measure(graph, is_least=False).schema(graph.root)


class _Measure:
    """One measurement; each named type is measured once."""

    def __init__(self, graph: SchemaGraph, *, is_least: bool) -> None:
        self._graph = graph
        self._is_least = is_least
        self._known: dict[str, int] = {}

    def schema(self, schema: Schema) -> int:
        match self._graph.resolve(schema):
            case Primitive() as primitive:
                return self._primitive(primitive)
            case Fixed(size=size):
                return size
            case Enum(symbols=symbols):
                return 1 if self._is_least else _number_size(len(symbols) - 1)
            case Record() as record:
                return self._record(record)
            case Union(branches=branches):
                sizes = [self.schema(one) for one in branches] or [0]
                return 1 + (min(sizes) if self._is_least else max(sizes))
            case Array(items=items):
                return self._repeat(self.schema(items))
            case Map(values=values):
                return self._repeat(TEXT + 1 + self.schema(values))
        return 0

    def _record(self, record: Record) -> int:
        if record.name not in self._known:
            # What it holds of its own type counts as nothing.
            self._known[record.name] = 0
            size = sum(self.schema(field.schema) for field in record.fields)
            self._known[record.name] = min(size, LIMIT)
        return self._known[record.name]

    def _primitive(self, primitive: Primitive) -> int:
        if self._is_least:
            return _LEAST[primitive.type]
        logical = primitive.logical
        if logical is None:
            return _TYPICAL[primitive.type]
        if logical.name == "decimal":
            # 1 for the length; a digit is 3.33 bits, and the sign is one.
            return 1 + (logical.precision * 10 // 3 + 1) // 8 + 1
        return _TYPICAL_LOGICAL.get(logical.name, _TYPICAL[primitive.type])

    def _repeat(self, size: int) -> int:
        # The number of the items, and the zero behind the last block.
        return 1 if self._is_least else min(2 + ITEMS * size, LIMIT)


def _number_size(number: int) -> int:
    """The bytes of a positive number: 7 bits in each, after zigzag."""
    return max(1, -(-(2 * max(number, 0)).bit_length() // 7))
