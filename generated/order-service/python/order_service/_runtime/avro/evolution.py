"""Read what was written with another version of a schema, as Avro's resolution says.

A writer's schema comes from a registry and is not trusted: it becomes a plan of functions, made
once, and never code. Avro 1.12, "Schema Resolution", with the choices that Avro Java makes: in a
reader's union the branch of the same name or type comes first, then the first that it promotes to.
Two logical types of time are converted to each other's unit; such as have nothing to do with each
other do not match.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from . import decoding
from . import schema as avro
from .decoding import Convert, Damage, Read, Skip, UnknownSymbol
from .defaults import Make, make_default
from .encoding import Types, Unfit, attributes, unscale
from .schema import SchemaError

Store: TypeAlias = Callable[[Any, Any], None]
"""Gives an object the value of one of its fields."""

MAX_STEPS: Final = 100_000
"""A pair of schemas that takes more steps to compare is refused."""


def compile_reader(writer: avro.Node, reader: avro.Node, types: Types) -> Read:
    """A reader of data that was written with one schema, as values of another.

    Raises SchemaError, and RecursionError for schemas that nest very deeply.
    """
    return Compiler(types).read(writer, reader)


class Compiler:
    """Makes readers that take any data, and say of damaged data what is wrong and where."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._records: dict[tuple[int, int], RecordReader] = {}
        self._failures: dict[tuple[int, int], str] = {}
        self._skips: dict[int, list[Skip]] = {}
        self._steps = 0

    def read(self, writer: avro.Node, reader: avro.Node) -> Read:
        """A reader for a pair of types. Raises SchemaError where they do not match."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise SchemaError("the two schemas take too many steps to compare")
        if isinstance(writer, avro.Union):
            return self._read_branches(writer, reader)
        if isinstance(reader, avro.Union):
            return self._choose(writer, reader)
        match writer, reader:
            case avro.Primitive(), avro.Primitive():
                return self.primitive(writer, reader)
            case avro.Fixed(), avro.Fixed():
                return self.fixed(writer, reader)
            case avro.Enum(), avro.Enum():
                return self._read_enum(writer, reader)
            case avro.Record(), avro.Record():
                return self._read_record(writer, reader)
            case avro.Array(items=written), avro.Array(items=items):
                return self.array(self.read(written, items), not decoding.is_empty(written))
            case avro.Map(values=written), avro.Map(values=values):
                return self.mapping(self.read(written, values))
            case _:
                raise _mismatch(writer, reader)

    def _read_branches(self, writer: avro.Union, reader: avro.Node) -> Read:
        """A branch that cannot be read fails when it comes, as the specification says."""
        reads: list[Read] = []
        problems: list[str] = []
        for branch in writer.branches:
            try:
                reads.append(self.read(branch, reader))
            except SchemaError as error:
                problems.append(str(error))
                reads.append(_fail(str(error)))
        if len(problems) == len(reads):
            raise SchemaError(problems[0] if problems else "the union it was written as is empty")
        return self.branches(reads)

    def _choose(self, writer: avro.Node, reader: avro.Union) -> Read:
        problem = None
        for is_candidate in (_is_exact, _is_alike, _is_any):
            for branch in reader.branches:
                if is_candidate(writer, branch):
                    try:
                        return self.read(writer, branch)
                    except SchemaError as error:
                        problem = problem or error
        raise problem or SchemaError(f"{_name(writer)} is no branch of the reader's union")

    def _read_enum(self, writer: avro.Enum, reader: avro.Enum) -> Read:
        _require_names(writer, reader)
        cls: Any = self._types[reader.name]
        members = {member.value: member for member in cls}
        values = [
            members[symbol if symbol in members else reader.default]
            if symbol in members or reader.default is not None
            else None
            for symbol in writer.symbols
        ]
        return self.enum(writer, reader, values)

    def _read_record(self, writer: avro.Record, reader: avro.Record) -> Read:
        _require_names(writer, reader)
        key = id(writer), id(reader)
        if key in self._failures:
            raise SchemaError(self._failures[key])
        if key not in self._records:
            record = self._records[key] = self.record(self._types[reader.name])
            before = len(self._records)
            try:
                self._fill(record, writer, reader)
            except SchemaError as error:
                # What was found on the way may rest on this record, which does not exist.
                for other in list(self._records)[before - 1 :]:
                    del self._records[other]
                self._failures[key] = str(error)
                raise
        return self._records[key].read

    def _fill(self, record: RecordReader, writer: avro.Record, reader: avro.Record) -> None:
        sources = _match_fields(writer, reader)
        names = attributes(record.model)
        for written in writer.fields:
            index = sources.get(written.name)
            if index is None:
                record.add_skip(written.name, self._skip(written.schema))
                continue
            try:
                read = self.read(written.schema, reader.fields[index].schema)
            except SchemaError as error:
                raise SchemaError(f"{reader.name}.{reader.fields[index].name}: {error}") from None
            record.add(names[index], read)
        for index, field in enumerate(reader.fields):
            if index not in sources.values():
                if field.default is None:
                    raise SchemaError(
                        f"{reader.name}.{field.name} was not written and has no default"
                    )
                record.add_default(names[index], make_default(field, self._types))

    def primitive(self, writer: avro.Primitive, reader: avro.Primitive) -> Read:
        """A reader of a primitive or what its logical type stands for."""
        return _read_primitive(writer, reader)

    def fixed(self, writer: avro.Fixed, reader: avro.Fixed) -> Read:
        """A reader of a fixed or what its logical type stands for."""
        return _read_fixed(writer, reader)

    def enum(self, writer: avro.Enum, reader: avro.Enum, values: list[Any]) -> Read:
        """A reader of an enum; `values` are the members, None where the reader has none."""

        def read(data: bytes, position: int) -> tuple[Any, int]:
            index, position = decoding.read_long(data, position)
            if not 0 <= index < len(values):
                raise Damage(f"{reader.name} has no symbol of the index {index}")
            value = values[index]
            if value is None:
                symbol = writer.symbols[index]
                problem = f"{symbol!r} is no symbol of {reader.name}, and it has no default"
                raise UnknownSymbol(problem)
            return value, position

        return read

    def branches(self, reads: list[Read]) -> Read:
        """A reader of a union that was written with these branches."""

        def read(data: bytes, position: int) -> tuple[Any, int]:
            index, position = decoding.read_long(data, position)
            if not 0 <= index < len(reads):
                raise Damage(f"a union has no branch {index}")
            return reads[index](data, position)

        return read

    def array(self, read_item: Read, takes_bytes: bool) -> Read:
        """A reader of an array; `takes_bytes` says whether each item does."""
        return decoding.array(read_item, takes_bytes)

    def mapping(self, read_value: Read) -> Read:
        """A reader of a map."""
        return decoding.mapping(read_value)

    def record(self, model: type[Any]) -> RecordReader:
        """What the readers of a record's fields are put into."""
        return RecordReader(model)

    def _skip(self, schema: avro.Node) -> Skip:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise SchemaError("the schema takes too many steps to compare")
        match schema:
            case avro.Primitive(type="string" | "bytes"):
                return decoding.skip_bytes
            case avro.Primitive(type=kind) if kind in _SIZES:
                return decoding.skip_sized(_SIZES[kind])
            case avro.Primitive() | avro.Enum():
                return decoding.skip_long
            case avro.Fixed(size=size):
                return decoding.skip_sized(size)
            case avro.Array(items=items):
                takes_bytes = not decoding.is_empty(items)
                return decoding.skip_blocks(self._skip(items), takes_bytes)
            case avro.Map(values=values):
                entry = _skip_all([decoding.skip_bytes, self._skip(values)])
                return decoding.skip_blocks(entry, takes_bytes=True)
            case avro.Union(branches=branches):
                return _skip_union([self._skip(branch) for branch in branches])
            case avro.Record(fields=fields):
                if id(schema) not in self._skips:
                    steps = self._skips[id(schema)] = []
                    steps.extend([self._skip(field.schema) for field in fields])
                return _skip_all(self._skips[id(schema)])


_SIZES: Final = {"null": 0, "boolean": 1, "float": 4, "double": 8}


def _skip_all(steps: list[Skip]) -> Skip:
    def skip(data: bytes, position: int) -> int:
        for step in steps:
            position = step(data, position)
        return position

    return skip


def _skip_union(branches: list[Skip]) -> Skip:
    def skip(data: bytes, position: int) -> int:
        index, position = decoding.read_long(data, position)
        if not 0 <= index < len(branches):
            raise Damage(f"a union has no branch {index}")
        return branches[index](data, position)

    return skip


class RecordReader:
    """How the fields of a record are read, in the order in which they were written."""

    def __init__(self, model: type[Any]) -> None:
        self.model = model
        self._steps: list[tuple[str, Read, Store]] = []
        self._defaults: list[tuple[Store, Make]] = []

    def add(self, attribute: str, read: Read) -> None:
        """A field that the reader has a place for."""
        self.add_step(attribute, read, self._store(attribute))

    def add_skip(self, name: str, skip: Skip) -> None:
        """A field that the reader has no place for."""

        def read(data: bytes, position: int) -> tuple[None, int]:
            return None, skip(data, position)

        self.add_step(name, read, _forget)

    def add_step(self, name: str, read: Read, store: Store) -> None:
        """What is read next, and where it goes."""
        self._steps.append((name, read, store))

    def add_default(self, attribute: str, make: Make) -> None:
        """A field that was not written."""
        self._defaults.append((self._store(attribute), make))

    def _store(self, attribute: str) -> Store:
        # The slot itself: a frozen class lets nobody set its attributes.
        store: Store = self.model.__dict__[attribute].__set__
        return store

    def read(self, data: bytes, position: int) -> tuple[Any, int]:
        """A value of the model, and the position behind it."""
        value = object.__new__(self.model)
        name = ""
        try:
            for name, read, store in self._steps:  # noqa: B007 - for the error below
                item, position = read(data, position)
                store(value, item)
        except Damage as error:
            error.path.insert(0, name)
            raise
        except RecursionError:
            raise
        except (IndexError, ValueError, ArithmeticError, struct.error) as error:
            damage = Damage(decoding.explain(error))
            damage.path.insert(0, name)
            raise damage from None
        for store, make in self._defaults:
            store(value, make())
        return value, position


def _forget(value: Any, item: Any) -> None:
    """Where fields go that the reader does not have."""


def _fail(problem: str) -> Read:
    def read(data: bytes, position: int) -> tuple[Any, int]:
        raise Damage(problem)

    return read


def _name(schema: avro.Node) -> str:
    match schema:
        case avro.Primitive(type=name) | avro.Record(name=name):
            return name[:200]
        case avro.Enum(name=name) | avro.Fixed(name=name):
            return name[:200]
        case _:
            return type(schema).__name__.lower()


def _mismatch(writer: avro.Node, reader: avro.Node) -> SchemaError:
    return SchemaError(f"it was written as {_name(writer)}, which is not read as {_name(reader)}")


def _simple(name: str) -> str:
    return name.rpartition(".")[2]


def _require_names(writer: avro.Named, reader: avro.Named) -> None:
    """Names match without their namespaces, or through an alias of the reader."""
    if _simple(writer.name) != _simple(reader.name) and writer.name not in reader.aliases:
        raise _mismatch(writer, reader)


def _is_exact(writer: avro.Node, reader: avro.Node) -> bool:
    if isinstance(writer, avro.Primitive) and isinstance(reader, avro.Primitive):
        return reader.type == writer.type
    is_same_kind = type(writer) is type(reader)
    if isinstance(writer, avro.Record | avro.Enum | avro.Fixed) and isinstance(
        reader, avro.Record | avro.Enum | avro.Fixed
    ):
        return is_same_kind and (reader.name == writer.name or writer.name in reader.aliases)
    return is_same_kind


def _is_alike(writer: avro.Node, reader: avro.Node) -> bool:
    is_named = isinstance(writer, avro.Record | avro.Enum | avro.Fixed)
    return is_named and type(writer) is type(reader)


def _is_any(writer: avro.Node, reader: avro.Node) -> bool:
    return isinstance(writer, avro.Primitive) and isinstance(reader, avro.Primitive)


def _match_fields(writer: avro.Record, reader: avro.Record) -> Mapping[str, int]:
    """Which of the reader's fields takes each of the writer's: by name, else by an alias."""
    written = {field.name for field in writer.fields}
    sources: dict[str, int] = {}
    for index, field in enumerate(reader.fields):
        if field.name in written:
            sources[field.name] = index
    for index, field in enumerate(reader.fields):
        if field.name not in written:
            for alias in field.aliases:
                if alias in written and alias not in sources:
                    sources[alias] = index
                    break
    return sources


def _to_float(number: float) -> float:
    value: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return value


def _to_bytes(text: str) -> bytes:
    return text.encode()


def _to_text(data: bytes) -> str:
    return data.decode()


_PROMOTIONS: Final[Mapping[tuple[str, str], Convert | None]] = {
    ("int", "long"): None,
    ("int", "float"): _to_float,
    ("int", "double"): float,
    ("long", "float"): _to_float,
    ("long", "double"): float,
    ("float", "double"): None,
    ("string", "bytes"): _to_bytes,
    ("bytes", "string"): _to_text,
}


def _read_primitive(writer: avro.Primitive, reader: avro.Primitive) -> Read:
    read = decoding.PRIMITIVES[writer.type]
    if writer.type != reader.type:
        if (writer.type, reader.type) not in _PROMOTIONS:
            raise _mismatch(writer, reader)
        promotion = _PROMOTIONS[writer.type, reader.type]
        if promotion is not None:
            read = decoding.convert(read, promotion)
    if reader.logical is None:
        return read
    if reader.logical.name == "decimal":
        return _read_decimal(read, writer.logical, reader.logical)
    if writer.logical is not None and writer.logical != reader.logical:
        read = decoding.convert(read, _between(writer.logical.name, reader.logical.name))
    return decoding.convert(read, decoding.LOGICAL[reader.logical.name])


def _read_fixed(writer: avro.Fixed, reader: avro.Fixed) -> Read:
    _require_names(writer, reader)
    if writer.size != reader.size:
        raise SchemaError(f"{writer.name} has {writer.size} bytes, {reader.name} {reader.size}")
    read = decoding.fixed(writer.size)
    if reader.logical is None:
        return read
    if reader.logical.name == "decimal":
        return _read_decimal(read, writer.logical, reader.logical)
    return decoding.convert(read, decoding.LOGICAL_FIXED[reader.logical.name])


def _read_decimal(read: Read, written: avro.Logical | None, logical: avro.Logical) -> Read:
    """Read with the writer's scale: with the reader's the amount would be another one."""
    if written is None or written.name != "decimal" or written == logical:
        return decoding.convert(read, decoding.decimal(logical))
    read_written = decoding.convert(read, decoding.decimal(written))

    def fit(value: Decimal) -> Decimal:
        try:
            number = unscale(value, logical)
        except Unfit as error:
            raise Damage(error.problem) from None
        return Decimal((number < 0, tuple(map(int, str(abs(number)))), -logical.scale))

    return decoding.convert(read_written, fit)


_UNITS: Final = {"millis": 1_000_000, "micros": 1_000, "nanos": 1}


def _between(writer: str, reader: str) -> Convert:
    """From the unit of one logical type to that of another of its kind."""
    written, _, unit = writer.rpartition("-")
    kind, _, other = reader.rpartition("-")
    if written.removeprefix("local-") != kind.removeprefix("local-") or not kind:
        raise SchemaError(f"it was written as {writer}, which is not read as {reader}")
    factor, divisor = _UNITS[unit], _UNITS[other]
    return lambda number: number * factor // divisor
