"""Is it plain at first sight that one schema reads another?

Nearly all pairs of versions are: the same fields in the same order, and some more with defaults.
This walk goes through both schemas in step, makes little but a list of what is left to do, and
gives up at the first thing that needs thought. It takes for granted that the pairs of records that
it has begun on read: when nothing then stands against them, they are part of the greatest fixpoint
that resolution computes, so its yes is sound.
"""

from __future__ import annotations

from collections.abc import Sequence

from codegen.avro.incompatibility import READABLE_PRIMITIVES, Target, is_fitting, match_fields
from codegen.avro.schema import Array, Map, Primitive, Record, Schema, SchemaGraph, Union


def is_plainly_readable(reader: SchemaGraph, writer: SchemaGraph, most: int) -> bool:
    """True only where all data of the writer can be read; False leaves the question open.

    It is left open too where more than `most` pairs of records meet.
    """
    return _Walk(reader, writer, most).run()


class _Walk:
    """One walk; the pairs that wait are all that is not yet known to be plain.

    Types are told apart by `type(x) is`, which costs half as much as a match does.
    """

    def __init__(self, reader: SchemaGraph, writer: SchemaGraph, most: int) -> None:
        self._most = most
        self._reader = reader
        self._writer = writer
        self._waiting: list[tuple[Schema, Schema]] = [(reader.root, writer.root)]
        self._begun: set[tuple[int, int]] = set()

    def run(self) -> bool:
        waiting = self._waiting
        while waiting:
            wanted, given = waiting.pop()
            if not self._meet(self._reader.resolve(wanted), self._writer.resolve(given)):
                return False
        return True

    def _meet(self, reader: Target, writer: Target) -> bool:
        """Whether nothing stands against the pair itself; what is inside it waits."""
        if type(reader) is Union or type(writer) is Union:
            return self._meet_unions(
                reader.branches if type(reader) is Union else (reader,),
                writer.branches if type(writer) is Union else (writer,),
            )
        if not is_fitting(reader, writer):
            return False
        if type(reader) is Record and type(writer) is Record:
            return self._meet_records(reader, writer)
        if type(reader) is Array and type(writer) is Array:
            self._waiting.append((reader.items, writer.items))
        elif type(reader) is Map and type(writer) is Map:
            self._waiting.append((reader.values, writer.values))
        return True

    def _meet_unions(self, readers: Sequence[Schema], writers: Sequence[Schema]) -> bool:
        """Whether each branch finds one that may read it, most likely the one across from it."""
        for index, written in enumerate(writers):
            given = self._writer.resolve(written)
            wanted = readers[index] if index < len(readers) else None
            if wanted is None or not self._may_read(wanted, given):
                wanted = next((one for one in readers if self._may_read(one, given)), None)
            if wanted is None:
                return False
            if type(wanted) is not Primitive:
                self._waiting.append((wanted, given))
        return True

    def _may_read(self, wanted: Schema, given: Target) -> bool:
        return is_fitting(self._reader.resolve(wanted), given)

    def _meet_records(self, reader: Record, writer: Record) -> bool:
        key = (id(reader), id(writer))
        if key in self._begun:
            return True
        if len(self._begun) >= self._most:
            return False
        self._begun.add(key)
        fields, count = writer.fields, len(writer.fields)
        written: dict[str, int] = {}
        for index, item in enumerate(reader.fields):
            if index < count and fields[index].name == item.name and not item.aliases:
                given = fields[index].schema
            else:
                written = written or {other.name: at for at, other in enumerate(fields)}
                found = match_fields(item, written)
                if not found:
                    if item.default is None:
                        return False
                    continue
                if len(set(found)) > 1:
                    return False
                given = fields[found[0]].schema
            wanted = item.schema
            if type(wanted) is not Primitive or type(given) is not Primitive:
                self._waiting.append((wanted, given))
            elif given.type not in READABLE_PRIMITIVES[wanted.type]:
                return False
        return True
