"""How data of one schema is read as values of another: a plan that code can be written from.

Avro 1.12, "Schema Resolution", with the choices of Avro Java where a reader's union offers several:
the branch of the same name or type comes first, then the first that it is promoted to. The readers
that the stubs compile at run time make the same choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from codegen.avro.incompatibility import MAX_PAIRS, READABLE_PRIMITIVES, Target
from codegen.avro.schema import (
    Array,
    Enum,
    Field,
    Fixed,
    LogicalType,
    Map,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
    split_name,
)


class Unreadable(Exception):
    """No value of the writer's type can be read as one of the reader's."""


@dataclass(frozen=True, slots=True, eq=False)
class AsIs:
    """The bytes are those that the reader itself would write."""

    reader: Schema


@dataclass(frozen=True, slots=True, eq=False)
class Promotion:
    """A primitive is read as a wider one, without a logical type."""

    writer: Primitive
    reader: Primitive


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """A value goes from one logical type to another, for example to another unit of time."""

    writer: Primitive | Fixed
    reader: Primitive | Fixed


@dataclass(frozen=True, slots=True, eq=False)
class Symbols:
    """What the reader makes of each symbol of the writer; None where it makes nothing of it."""

    reader: Enum
    symbols: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Each item of an array is read by a plan; `writer` is the type it was written with."""

    writer: Schema
    items: Plan


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Each value of a map is read by a plan."""

    values: Plan


@dataclass(frozen=True, slots=True, eq=False)
class Branches:
    """A plan for each branch of the writer's union; None for one that cannot be read."""

    branches: tuple[Plan | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Skip:
    """A value that the reader has no place for."""

    writer: Schema


@dataclass(slots=True, eq=False)
class Fields:
    """The fields of a record in the order in which they were written, then those that were not.

    A step's number is the place of the field among the reader's, None for a Skip.
    """

    reader: Record
    steps: list[tuple[int | None, Plan]] = field(default_factory=list)
    defaults: list[int] = field(default_factory=list)


Plan: TypeAlias = (
    AsIs | Promotion | Conversion | Symbols | Items | Entries | Branches | Fields | Skip
)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The plan for the roots of two schemas.

    `is_disputed` where implementations of Avro read other values: they differ in which branch of a
    union they take, in how they round, and in units of logical types.
    """

    plan: Plan
    is_disputed: bool


def plan_reading(reader: SchemaGraph, writer: SchemaGraph) -> Reading:
    """How data of the writer is read as values of the reader.

    Raises Unreadable where it cannot be, or where the types meet in more than MAX_PAIRS pairs.
    """
    planner = _Planner(reader, writer)
    try:
        plan = planner.plan(writer.root, reader.root)
    except RecursionError:
        raise Unreadable("the schemas are nested too deeply") from None
    return Reading(plan, planner.is_disputed)


def writes_the_same(one: SchemaGraph, other: SchemaGraph) -> bool:
    """Whether the same values have the same bytes, under the same names."""
    return _is_same(one, one.root, other, other.root)


def _is_same(one: SchemaGraph, left: Schema, other: SchemaGraph, right: Schema) -> bool:
    waiting: list[tuple[Schema, Schema]] = [(left, right)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        a, b = waiting.pop()
        a, b = one.resolve(a), other.resolve(b)
        if (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        inner = _compare_heads(a, b)
        if inner is None:
            return False
        waiting += inner
    return True


def _compare_heads(one: Target, other: Target) -> list[tuple[Schema, Schema]] | None:
    """The pairs inside two types of the same form; None where the form differs."""
    match one, other:
        case Primitive(), Primitive():
            is_same = one.type == other.type
            return [] if is_same and _is_same_logical(one.logical, other.logical) else None
        case Fixed(), Fixed():
            is_same = (one.name, one.size) == (other.name, other.size)
            return [] if is_same and _is_same_logical(one.logical, other.logical) else None
        case Enum(), Enum():
            return [] if (one.name, one.symbols) == (other.name, other.symbols) else None
        case Array(), Array():
            return [(one.items, other.items)]
        case Map(), Map():
            return [(one.values, other.values)]
        case Union(), Union():
            is_same = len(one.branches) == len(other.branches)
            return list(zip(one.branches, other.branches, strict=True)) if is_same else None
        case Record(), Record():
            names = [[item.name for item in side.fields] for side in (one, other)]
            if one.name != other.name or names[0] != names[1]:
                return None
            fields = zip(one.fields, other.fields, strict=True)
            return [(a.schema, b.schema) for a, b in fields]
        case _:
            return None


class _Planner:
    def __init__(self, reader: SchemaGraph, writer: SchemaGraph) -> None:
        self._reader = reader
        self._writer = writer
        self._records: dict[tuple[int, int], Fields] = {}
        self._failed: set[tuple[int, int]] = set()
        self._same: dict[tuple[int, int], bool] = {}
        self._steps = 0
        self.is_disputed = False

    def plan(self, writer: Schema, reader: Schema) -> Plan:
        self._steps += 1
        if self._steps > MAX_PAIRS:
            raise Unreadable("the types meet in too many pairs")
        written, wanted = self._writer.resolve(writer), self._reader.resolve(reader)
        if self._is_as_is(written, wanted):
            return AsIs(wanted)
        if isinstance(written, Union):
            return self._plan_branches(written, wanted)
        if isinstance(wanted, Union):
            return self._choose(written, wanted)
        match written, wanted:
            case Primitive(), Primitive():
                return self._plan_primitive(written, wanted)
            case Fixed(), Fixed():
                return self._plan_fixed(written, wanted)
            case Enum(), Enum():
                return _plan_enum(written, wanted)
            case Record(), Record():
                return self._plan_record(written, wanted)
            case Array(), Array():
                return Items(written.items, self.plan(written.items, wanted.items))
            case Map(), Map():
                return Entries(self.plan(written.values, wanted.values))
            case _:
                raise Unreadable

    def _is_as_is(self, writer: Target, reader: Target) -> bool:
        key = (id(writer), id(reader))
        if key not in self._same:
            self._same[key] = _is_same(self._writer, writer, self._reader, reader)
        return self._same[key]

    def _plan_branches(self, writer: Union, reader: Target) -> Plan:
        plans: list[Plan | None] = []
        for branch in writer.branches:
            try:
                plans.append(self.plan(branch, reader))
            except Unreadable:
                plans.append(None)
        if not any(plans):
            raise Unreadable
        return Branches(tuple(plans))

    def _choose(self, writer: Target, reader: Union) -> Plan:
        branches = [self._reader.resolve(branch) for branch in reader.branches]
        for is_candidate in (_is_exact, _is_alike, _is_any):
            for index, branch in enumerate(branches):
                if is_candidate(writer, branch):
                    try:
                        plan = self.plan(writer, branch)
                    except Unreadable:
                        continue
                    rivals = branches[:index]
                    self.is_disputed |= any(_is_any(writer, one) for one in rivals)
                    self.is_disputed |= any(type(one) is type(writer) for one in rivals)
                    return plan
        raise Unreadable

    def _plan_primitive(self, writer: Primitive, reader: Primitive) -> Plan:
        if writer.type not in READABLE_PRIMITIVES[reader.type]:
            raise Unreadable
        if reader.logical is None:
            if writer.type == reader.type:
                return AsIs(reader)
            self.is_disputed |= reader.type == "float"
            return Promotion(writer, reader)
        if writer.type == reader.type and _has_same_meaning(writer.logical, reader.logical):
            return AsIs(reader)
        if writer.logical is not None and not _is_convertible(writer.logical, reader.logical):
            raise Unreadable
        self.is_disputed = True
        return Conversion(writer, reader)

    def _plan_fixed(self, writer: Fixed, reader: Fixed) -> Plan:
        _require_names(writer, reader)
        if writer.size != reader.size:
            raise Unreadable
        is_decimal = reader.logical is not None and reader.logical.name == "decimal"
        if not is_decimal or _has_same_meaning(writer.logical, reader.logical):
            return AsIs(reader)
        self.is_disputed = True
        return Conversion(writer, reader)

    def _plan_record(self, writer: Record, reader: Record) -> Plan:
        _require_names(writer, reader)
        key = (id(writer), id(reader))
        if key in self._failed:
            raise Unreadable
        if key not in self._records:
            before = len(self._records)
            plan = self._records[key] = Fields(reader)
            try:
                self._fill(plan, writer, reader)
            except Unreadable:
                # What was found on the way may rest on this record, which cannot be read.
                for other in list(self._records)[before:]:
                    del self._records[other]
                self._failed.add(key)
                raise
        return self._records[key]

    def _fill(self, plan: Fields, writer: Record, reader: Record) -> None:
        sources = _match_fields(writer, reader)
        for item in writer.fields:
            index = sources.get(item.name)
            if index is None:
                plan.steps.append((None, Skip(item.schema)))
            else:
                plan.steps.append((index, self.plan(item.schema, reader.fields[index].schema)))
        taken = set(sources.values())
        plan.defaults = [index for index in range(len(reader.fields)) if index not in taken]
        if any(reader.fields[index].default is None for index in plan.defaults):
            raise Unreadable


def _is_same_logical(one: LogicalType | None, other: LogicalType | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.name, one.precision, one.scale) == (other.name, other.precision, other.scale)


def _has_same_meaning(writer: LogicalType | None, reader: LogicalType | None) -> bool:
    """Whether a number or text of the one is the same in the other.

    Without a logical type it is whatever the reader says; a decimal of another logical type too.
    """
    if writer is None or _is_same_logical(writer, reader):
        return True
    return reader is not None and reader.name == "decimal" != writer.name


def _is_convertible(writer: LogicalType, reader: LogicalType) -> bool:
    """Whether both say the same kind of thing, at most in other units."""
    if "decimal" in (writer.name, reader.name) or _is_same_logical(writer, reader):
        return True
    kinds = [one.name.rpartition("-")[0].removeprefix("local-") for one in (writer, reader)]
    return kinds[0] == kinds[1] != ""


def _plan_enum(writer: Enum, reader: Enum) -> Plan:
    _require_names(writer, reader)
    known = set(reader.symbols)
    return Symbols(reader, tuple(one if one in known else reader.default for one in writer.symbols))


def _require_names(writer: Record | Enum | Fixed, reader: Record | Enum | Fixed) -> None:
    """Names match without their namespaces, or through an alias of the reader."""
    is_alike = split_name(writer.name)[1] == split_name(reader.name)[1]
    if not is_alike and writer.name not in reader.aliases:
        raise Unreadable


def _is_exact(writer: Target, reader: Target) -> bool:
    match writer, reader:
        case Primitive(), Primitive():
            return writer.type == reader.type
        case ((Record() | Enum() | Fixed()), (Record() | Enum() | Fixed())):
            is_named_so = reader.name == writer.name or writer.name in reader.aliases
            return type(writer) is type(reader) and is_named_so
        case _:
            return type(writer) is type(reader)


def _is_alike(writer: Target, reader: Target) -> bool:
    return isinstance(writer, Record | Enum | Fixed) and type(writer) is type(reader)


def _is_any(writer: Target, reader: Target) -> bool:
    if not isinstance(writer, Primitive) or not isinstance(reader, Primitive):
        return False
    return writer.type in READABLE_PRIMITIVES[reader.type]


def _match_fields(writer: Record, reader: Record) -> Mapping[str, int]:
    """Which of the reader's fields takes each of the writer's: by name, else by an alias."""
    written = {item.name for item in writer.fields}
    sources = {item.name: at for at, item in enumerate(reader.fields) if item.name in written}

    def find_alias(item: Field) -> str | None:
        return next((one for one in item.aliases if one in written and one not in sources), None)

    for index, item in enumerate(reader.fields):
        alias = find_alias(item) if item.name not in written else None
        if alias is not None:
            sources[alias] = index
    return sources
