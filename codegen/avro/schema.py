"""The model of an Avro schema (specification 1.12), frozen, with recursion by name.

A named type stands in the tree once, where it is defined; everywhere else a Ref holds its full
name. So values stay finite and printable. A SchemaGraph is a schema together with what its names
mean. Nodes compare by identity: two equal schemas from two files are two things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, dataclass_transform

from codegen.source import Json, Place

T = TypeVar("T")

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
"""The primitive types, in the order of the specification."""

TYPE_WORDS = frozenset({*PRIMITIVES, "record", "enum", "array", "map", "union", "fixed"})
"""What stands for a kind of type, so that a simple name like it means something else."""


@dataclass_transform(frozen_default=True, eq_default=False)
def _node(cls: type[T]) -> type[T]:
    """Make a node class: frozen to the type checker.

    At run time it is a plain slotted dataclass, because a frozen one takes four times as long to
    make and a history of 10,000 subjects makes millions.
    """
    return dataclass(slots=True, eq=False)(cls)


@_node
class LogicalType:
    """A logical type that is valid on the type that carries it.

    `precision` and `scale` are set for `decimal` only. An unknown logical type, or one on a type
    that cannot carry it, is no LogicalType: Avro ignores it. The `properties` of a schema are all
    attributes that the specification does not reserve for its type, `logicalType` among them.
    """

    name: str
    precision: int = 0
    scale: int = 0


@_node
class Default:
    """The default value of a field, as written. Null is a value; no Default means none."""

    value: Json


@_node
class Primitive:
    """`null`, `boolean`, `int`, `long`, `float`, `double`, `bytes` or `string`."""

    type: str
    origin: Place
    logical: LogicalType | None = None
    properties: Mapping[str, Json] | None = None


@_node
class Fixed:
    """A fixed number of bytes under a full name. `aliases` are full names."""

    name: str
    size: int
    origin: Place
    aliases: tuple[str, ...] = ()
    doc: str | None = None
    logical: LogicalType | None = None
    properties: Mapping[str, Json] | None = None


@_node
class Enum:
    """A set of symbols under a full name; `default` stands in for symbols a reader lacks."""

    name: str
    symbols: tuple[str, ...]
    origin: Place
    default: str | None = None
    aliases: tuple[str, ...] = ()
    doc: str | None = None
    properties: Mapping[str, Json] | None = None


@_node
class Field:
    """A field of a record. `aliases` are simple names; `order` is None where none is written."""

    name: str
    schema: Schema
    origin: Place
    default: Default | None = None
    doc: str | None = None
    aliases: tuple[str, ...] = ()
    order: str | None = None
    properties: Mapping[str, Json] | None = None


@_node
class Record:
    """Fields under a full name; `is_error` for the type `error` of Avro protocols."""

    name: str
    fields: tuple[Field, ...]
    origin: Place
    doc: str | None = None
    aliases: tuple[str, ...] = ()
    is_error: bool = False
    properties: Mapping[str, Json] | None = None


@_node
class Array:
    """A sequence of items of one schema."""

    items: Schema
    origin: Place
    properties: Mapping[str, Json] | None = None


@_node
class Map:
    """String keys, and values of one schema."""

    values: Schema
    origin: Place
    properties: Mapping[str, Json] | None = None


@_node
class Union:
    """One of several branches."""

    branches: tuple[Schema, ...]
    origin: Place


@_node
class Ref:
    """A named type that is defined elsewhere, by its full name."""

    name: str
    origin: Place


@_node
class Broken:
    """What stands where no schema could be read; a finding says why."""

    origin: Place


Named: TypeAlias = Record | Enum | Fixed
"""The types that have a name, and so can be referred to."""

Schema: TypeAlias = Primitive | Fixed | Enum | Record | Array | Map | Union | Ref | Broken
"""Any node of a schema."""


@_node
class SchemaGraph:
    """A schema and the meaning of each name in it; `names` may hold more than it uses."""

    root: Schema
    names: Mapping[str, Named]

    def resolve(self, schema: Schema) -> Primitive | Named | Array | Map | Union | Broken:
        """The schema itself, or what a Ref refers to; Broken where nothing has that name."""
        if isinstance(schema, Ref):
            return self.names.get(schema.name) or Broken(schema.origin)
        return schema


def split_name(full_name: str) -> tuple[str, str]:
    """The namespace and the simple name of a full name; the namespace may be empty."""
    namespace, _, name = full_name.rpartition(".")
    return namespace, name


def children(schema: Schema) -> Iterator[Schema]:
    """The schemas directly inside a schema; a Ref has none."""
    match schema:
        case Record():
            for field in schema.fields:
                yield field.schema
        case Array():
            yield schema.items
        case Map():
            yield schema.values
        case Union():
            yield from schema.branches
        case _:
            return


def walk(schema: Schema) -> Iterator[Schema]:
    """The schema and all schemas inside it, in the order of the text; Refs are not followed."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(tuple(children(node))))


def reachable(graph: SchemaGraph) -> dict[str, Named]:
    """Every named type that the root uses, directly or through others, in order of first use."""
    found: dict[str, Named] = {}
    waiting = [graph.root]
    while waiting:
        inner: list[Schema] = []
        for node in walk(waiting.pop()):
            target = graph.resolve(node)
            if isinstance(target, Record | Enum | Fixed) and target.name not in found:
                found[target.name] = target
                if target is not node:
                    inner.append(target)
        waiting.extend(reversed(inner))
    return found
