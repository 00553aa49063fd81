"""Where do parsers of Avro differ from the specification?

A dialect is data that the parser asks. Ours is the specification; the others say what a registry
accepts, so that old schemas can be read, and findings can tell who would have taken a schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from codegen.avro.schema import (
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Primitive,
    Record,
    Schema,
    Union,
)
from codegen.source import Json

_ASCII_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch


def _is_letter(character: str) -> bool:
    # Java looks at UTF-16 units, so no letter beyond the first plane is one.
    return character == "_" or (character.isalpha() and character < "\U00010000")


def is_java_name(name: str) -> bool:
    """Whether Avro Java takes a name: Unicode letters, digits and underscores, no digit first."""
    if _ASCII_NAME(name):
        return True
    return bool(name) and all(
        _is_letter(one) or (index > 0 and one.isdecimal() and one < "\U00010000")
        for index, one in enumerate(name)
    )


def is_name(name: str) -> bool:
    """Whether the specification takes a name (1.12, "Names")."""
    return _ASCII_NAME(name) is not None


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where a parser of Avro differs from the specification.

    `is_java` stands for the habits of Avro Java: it looks for an unqualified name without its
    namespace too, knows a record's name only after its fields, takes a type that is defined twice
    alike, a name of a primitive type inside a namespace, any alias of a field, a number as text
    for the default of a float, and leaves a `doc` or `namespace` that is no text aside.
    """

    name: str
    is_name: Callable[[str], bool] = is_name
    checks_namespaces: bool = True
    checks_defaults: bool = True
    is_java: bool = True
    takes_wrapped_names: bool = False


SPECIFICATION = Dialect("the specification", is_java=False)
"""What the Avro specification 1.12 allows, no more: for the schemas that people edit."""

JAVA = Dialect("Avro Java", is_java_name)
"""What Avro Java 1.12.2 and later parses, with names in any script."""

CONFLUENT = Dialect(
    "Confluent's registry", is_java_name, checks_namespaces=False, checks_defaults=False
)
"""What Confluent's registry reads back once it is stored."""

STORED = Dialect(
    "older registries",
    bool,
    checks_namespaces=False,
    checks_defaults=False,
    takes_wrapped_names=True,
)
"""What any version of any registry may hold: for the past, which nobody can edit."""


Resolve: TypeAlias = Callable[[Schema], Schema]
"""Gives what a reference means, or the reference itself where it means nothing."""


def is_alike(one: Schema, other: Schema, resolve_one: Resolve, resolve_other: Resolve) -> bool:
    """Whether Avro Java takes two schemas for equal: in all but docs, aliases and enum defaults."""
    waiting = [(one, other)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        left, right = waiting.pop()
        left, right = resolve_one(left), resolve_other(right)
        key = (id(left), id(right))
        if left is right or key in seen:
            continue
        seen.add(key)
        inner = _compare(left, right)
        if inner is None:
            return False
        waiting += inner
    return True


def _compare(left: Schema, right: Schema) -> list[tuple[Schema, Schema]] | None:
    """The inner schemas that must be alike too; None where these two are not."""
    match left, right:
        case Primitive(), Primitive():
            return [] if left.type == right.type and _has_same_extra(left, right) else None
        case Array(), Array():
            return [(left.items, right.items)] if _has_same_extra(left, right) else None
        case Map(), Map():
            return [(left.values, right.values)] if _has_same_extra(left, right) else None
        case Union(branches=mine), Union(branches=yours):
            return list(zip(mine, yours, strict=True)) if len(mine) == len(yours) else None
        case Enum(), Enum():
            is_same = left.name == right.name and left.symbols == right.symbols
            return [] if is_same and _has_same_extra(left, right) else None
        case Fixed(), Fixed():
            is_same = left.name == right.name and left.size == right.size
            return [] if is_same and _has_same_extra(left, right) else None
        case Record(), Record():
            is_same = left.name == right.name and len(left.fields) == len(right.fields)
            if not is_same or not _has_same_extra(left, right):
                return None
            pairs = list(zip(left.fields, right.fields, strict=True))
            if not all(_is_same_field(mine, yours) for mine, yours in pairs):
                return None
            return [(mine.schema, yours.schema) for mine, yours in pairs]
        case _:
            return None


def _is_same_field(left: Field, right: Field) -> bool:
    defaults = [item.default and _write(item.default.value) for item in (left, right)]
    return (
        left.name == right.name
        and defaults[0] == defaults[1]
        and (left.order or "ascending") == (right.order or "ascending")
        and _has_same_extra(left, right)
    )


class _Extensible(Protocol):
    @property
    def properties(self) -> Mapping[str, Json] | None: ...


def _has_same_extra(left: _Extensible, right: _Extensible) -> bool:
    return _write(left.properties or {}) == _write(right.properties or {})


def _write(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
