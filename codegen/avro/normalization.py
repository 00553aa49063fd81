"""What does Confluent's registry make of a schema that is registered with `normalize=true`?

Another schema: properties and aliases sorted, the empty doc of a record gone, errors turned into
records, and each default written again by its type. What its type cannot hold disappears, which
can change the verdict of a later check: so it does in the registry.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import replace

from codegen.avro.logical import is_integer
from codegen.avro.schema import (
    Array,
    Broken,
    Default,
    Enum,
    Field,
    Fixed,
    Map,
    Primitive,
    Record,
    Ref,
    Schema,
    SchemaGraph,
    Union,
    walk,
)
from codegen.source import Json


def normalize(graph: SchemaGraph) -> SchemaGraph:
    """The schema as Confluent's registry normalizes it; types from elsewhere stay as they are."""
    root = _Normalizer(graph).normalize(graph.root)
    own = {node.name: node for node in walk(root) if isinstance(node, Record | Enum | Fixed)}
    return SchemaGraph(root, {**graph.names, **own})


class _Normalizer:
    """One walk over the tree of a schema, which is as deep as its text is nested."""

    def __init__(self, graph: SchemaGraph) -> None:
        self._graph = graph

    def normalize(self, schema: Schema) -> Schema:
        match schema:
            case Primitive():
                return replace(schema, properties=_sort_properties(schema.properties))
            case Array():
                extra = _sort_properties(schema.properties)
                return replace(schema, items=self.normalize(schema.items), properties=extra)
            case Map():
                extra = _sort_properties(schema.properties)
                return replace(schema, values=self.normalize(schema.values), properties=extra)
            case Union():
                return replace(schema, branches=tuple(map(self.normalize, schema.branches)))
            case Enum() | Fixed():
                aliases = tuple(sorted(schema.aliases))
                extra = _sort_properties(schema.properties)
                return replace(schema, aliases=aliases, properties=extra)
            case Record():
                return replace(
                    schema,
                    fields=tuple(map(self._normalize_field, schema.fields)),
                    doc=schema.doc or None,
                    aliases=tuple(sorted(schema.aliases)),
                    is_error=False,
                    properties=_sort_properties(schema.properties),
                )
            case Ref() | Broken():
                return schema

    def _normalize_field(self, item: Field) -> Field:
        default = item.default
        if default is not None:
            default = self._normalize_default(item.schema, default.value)
        return replace(
            item,
            schema=self.normalize(item.schema),
            default=default,
            aliases=tuple(sorted(item.aliases)),
            properties=_sort_properties(item.properties),
        )

    def _normalize_default(self, schema: Schema, value: Json) -> Default | None:
        """The default as Avro Java holds it; None where it takes it for no value of the type.

        Null fits every type, and of a union it looks at the first branch only.
        """
        target = self._graph.resolve(schema)
        match target:
            case _ if value is None:
                return Default(None)
            case Union(branches=(first, *_)):
                return self._normalize_default(first, value)
            case Primitive(type=kind):
                return _normalize_primitive(kind, value)
            case Array() if isinstance(value, list):
                items = [self._normalize_default(target.items, item) for item in value]
                return Default([item and item.value for item in items])
            case Map() if isinstance(value, dict):
                return self._normalize_members(dict.fromkeys(value, target.values), value)
            case Record() if isinstance(value, dict):
                return self._normalize_members(
                    {item.name: item.schema for item in target.fields}, value
                )
            case Enum() | Fixed() if isinstance(value, str):
                return Default(value)
            case _:
                return None

    def _normalize_members(self, schemas: Mapping[str, Schema], value: dict[str, Json]) -> Default:
        members = {
            key: self._normalize_default(schemas[key], item)
            for key, item in value.items()
            if key in schemas
        }
        return Default({key: member and member.value for key, member in members.items()})


def _normalize_primitive(kind: str, value: Json) -> Default | None:
    is_number = is_integer(value) or isinstance(value, float)
    match kind:
        case "null":
            return None
        case "boolean":
            return Default(value) if isinstance(value, bool) else None
        case "int" | "long":
            return Default(value) if is_integer(value) else None
        case "float":
            return Default(_round_to_float(float(value))) if is_number else None
        case "double":
            return Default(float(value)) if is_number else None
        case _:
            return Default(value) if isinstance(value, str) else None


def _round_to_float(value: float) -> float:
    """The shortest decimal number that means the same in 32 bits."""
    if not math.isfinite(value) or abs(value) > 3.4028235e38:
        return value
    (rounded,) = struct.unpack("f", struct.pack("f", value))
    for digits in range(1, 10):
        shortest = float(f"{rounded:.{digits}g}")
        if struct.pack("f", shortest) == struct.pack("f", rounded):
            return shortest
    return float(rounded)


def _sort_properties(properties: Mapping[str, Json] | None) -> Mapping[str, Json] | None:
    return _sort(properties) if properties else None


def _sort(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _sort(value[key]) for key in sorted(value)}
    return [_sort(item) for item in value] if isinstance(value, list) else value
