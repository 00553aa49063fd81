"""The Avro schemas of bytes that arrive: parsed when the program runs, and never trusted.

A schema that is no Avro, or too large to work with, raises SchemaError. Recursion is by object:
a record's field may hold the record itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard

Json: TypeAlias = Any

MAX_CHARACTERS: Final = 4_000_000
"""A longer schema, its references included, is refused."""

MAX_NODES: Final = 50_000
"""A schema with more types in it is refused."""

MAX_NESTING: Final = 200
"""A schema that nests its types deeper is refused."""

PRIMITIVES: Final = frozenset(
    ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
)


class SchemaError(Exception):
    """A text that is no usable Avro schema."""


# Plain classes, not dataclasses, here: those take longer to make than the rest of the import.


class Logical(NamedTuple):
    """A logical type that is valid where it stands."""

    name: str
    precision: int = 0
    scale: int = 0


class Primitive:
    """A type without parts."""

    __slots__ = __match_args__ = ("type", "logical")

    def __init__(self, type: str, logical: Logical | None = None) -> None:
        self.type = type
        self.logical = logical


class Fixed:
    """A number of bytes under a full name."""

    __slots__ = __match_args__ = ("name", "aliases", "size", "logical")

    def __init__(
        self, name: str, aliases: frozenset[str], size: int, logical: Logical | None = None
    ) -> None:
        self.name = name
        self.aliases = aliases
        self.size = size
        self.logical = logical


class Enum:
    """Symbols under a full name."""

    __slots__ = __match_args__ = ("name", "aliases", "symbols", "default")

    def __init__(
        self,
        name: str,
        aliases: frozenset[str],
        symbols: tuple[str, ...],
        default: str | None = None,
    ) -> None:
        self.name = name
        self.aliases = aliases
        self.symbols = symbols
        self.default = default


class Field:
    """A field of a record; `default` is None where there is none, else a tuple of one value."""

    __slots__ = __match_args__ = ("name", "aliases", "schema", "default")

    def __init__(
        self, name: str, aliases: tuple[str, ...], schema: Node, default: tuple[Json] | None = None
    ) -> None:
        self.name = name
        self.aliases = aliases
        self.schema = schema
        self.default = default


class Record:
    """Fields under a full name; they are filled in when the name is already known."""

    __slots__ = __match_args__ = ("name", "aliases", "fields")

    def __init__(self, name: str, aliases: frozenset[str]) -> None:
        self.name = name
        self.aliases = aliases
        self.fields: list[Field] = []


class Array:
    """Items of one schema."""

    __slots__ = __match_args__ = ("items",)

    def __init__(self, items: Node) -> None:
        self.items = items


class Map:
    """Values of one schema under text keys."""

    __slots__ = __match_args__ = ("values",)

    def __init__(self, values: Node) -> None:
        self.values = values


class Union:
    """One of several branches."""

    __slots__ = __match_args__ = ("branches",)

    def __init__(self, branches: tuple[Node, ...]) -> None:
        self.branches = branches


Named: TypeAlias = Record | Enum | Fixed
Node: TypeAlias = Primitive | Fixed | Enum | Record | Array | Map | Union


def parse(text: str, references: Mapping[str, str] | None = None) -> Node:
    """Parse a schema; `references` has the texts of the types that it refers to, by full name.

    Raises SchemaError.
    """
    texts = dict(references or {})
    if len(text) + sum(map(len, texts.values())) > MAX_CHARACTERS:
        raise SchemaError(f"the schema has more than {MAX_CHARACTERS} characters")
    return _Parser(texts).document(text)


class _Parser:
    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._named: dict[str, Named] = {}
        self._count = 0
        self._depth = 0

    def document(self, text: str) -> Node:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SchemaError(f"the schema is not JSON: {str(error)[:200]}") from None
        return self.node(value, "")

    def node(self, value: Json, namespace: str) -> Node:
        self._count += 1
        self._depth += 1
        if self._count > MAX_NODES or self._depth > MAX_NESTING:
            raise SchemaError("the schema is too large or nested too deeply")
        try:
            if isinstance(value, str):
                return (
                    Primitive(value) if value in PRIMITIVES else self._reference(value, namespace)
                )
            if isinstance(value, list):
                return self._union(value, namespace)
            if isinstance(value, dict):
                return self._object(value, namespace)
            raise SchemaError(f"{_show(value)} is no schema")
        finally:
            self._depth -= 1

    def _reference(self, name: str, namespace: str) -> Node:
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        # Avro Java also looks in the null namespace, and registries hold schemas that need it.
        for known in (full, name):
            if known not in self._named and known in self._texts:
                self.document(self._texts.pop(known))
            if known in self._named:
                return self._named[known]
        if self._texts:
            # It may stand inside the text of another type.
            self.document(self._texts.pop(next(iter(self._texts))))
            return self._reference(name, namespace)
        raise SchemaError(f"the type {full[:200]} is not known")

    def _union(self, value: list[Json], namespace: str) -> Node:
        branches = tuple(self.node(branch, namespace) for branch in value)
        if any(isinstance(branch, Union) for branch in branches):
            raise SchemaError("a union stands directly inside a union")
        return Union(branches)

    def _object(self, value: dict[str, Json], namespace: str) -> Node:
        kind = value.get("type")
        if kind in ("record", "error", "enum", "fixed"):
            return self._define(str(kind), value, namespace)
        if kind == "array":
            return Array(self.node(value.get("items"), namespace))
        if kind == "map":
            return Map(self.node(value.get("values"), namespace))
        if isinstance(kind, str) and kind in PRIMITIVES:
            return Primitive(kind, _logical(kind, value))
        return self.node(kind, namespace)

    def _define(self, kind: str, value: dict[str, Json], outer: str) -> Node:
        name, namespace = _full_name(value, outer)
        aliases = frozenset(
            alias if "." in alias or not namespace else f"{namespace}.{alias}"
            for alias in _texts(value.get("aliases", []))
        )
        if name in self._named:
            raise SchemaError(f"the type {name[:200]} is defined twice")
        if kind == "fixed":
            size = value.get("size")
            if not _is_integer(size) or not 0 <= size < 2**31:
                raise SchemaError(f"the fixed {name[:200]} has no size")
            self._named[name] = Fixed(name, aliases, size, _logical(kind, value, size))
        elif kind == "enum":
            symbols = _texts(value.get("symbols"))
            default = value.get("default")
            known = default if isinstance(default, str) and default in symbols else None
            self._named[name] = Enum(name, aliases, tuple(symbols), known)
        else:
            record = self._named[name] = Record(name, aliases)
            self._fill(record, value.get("fields"), namespace)
        return self._named[name]

    def _fill(self, record: Record, fields: Json, namespace: str) -> None:
        if not isinstance(fields, list):
            raise SchemaError(f"the record {record.name[:200]} has no fields")
        seen = set()
        for item in fields:
            name = item.get("name") if isinstance(item, dict) else None
            if not isinstance(name, str) or name in seen:
                raise SchemaError(f"a field of {record.name[:200]} has no name of its own")
            seen.add(name)
            record.fields.append(
                Field(
                    name,
                    tuple(_texts(item.get("aliases", []))),
                    self.node(item.get("type"), namespace),
                    (item["default"],) if "default" in item else None,
                )
            )


def _full_name(value: dict[str, Json], outer: str) -> tuple[str, str]:
    name, namespace = value.get("name"), value.get("namespace")
    if not isinstance(name, str) or not name:
        raise SchemaError("a named type has no name")
    if "." in name:
        return name, name.rpartition(".")[0]
    space = namespace if isinstance(namespace, str) else outer
    return (f"{space}.{name}" if space else name), space


def _texts(value: Json) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SchemaError(f"{_show(value)} is no list of texts")
    return value


_BASES: Final[Mapping[str, str]] = {
    "uuid": "string",
    "date": "int",
    "time-millis": "int",
    "time-micros": "long",
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "timestamp-nanos": "long",
    "local-timestamp-millis": "long",
    "local-timestamp-micros": "long",
    "local-timestamp-nanos": "long",
}


def _logical(base: str, value: dict[str, Json], size: int = 0) -> Logical | None:
    """The logical type; None where it is unknown or not valid here, as the specification says."""
    name = value.get("logicalType")
    if name == "decimal" and base in ("bytes", "fixed"):
        precision, scale = value.get("precision"), value.get("scale", 0)
        if not _is_integer(precision) or not _is_integer(scale) or not 0 <= scale <= precision:
            return None
        if precision < 1 or (base == "fixed" and precision > decimal_digits(size)):
            return None
        return Logical("decimal", precision, scale)
    if not isinstance(name, str):
        return None
    if base == "fixed":
        is_valid = (name, size) in (("uuid", 16), ("duration", 12))
    else:
        is_valid = _BASES.get(name) == base
    return Logical(name) if is_valid else None


def decimal_digits(size: int) -> int:
    """The most digits that every two's complement number of `size` bytes can hold."""
    return int(math.log10(2) * (8 * size - 1)) if size > 0 else 0


def _is_integer(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _show(value: Json) -> str:
    return repr(value)[:80]
