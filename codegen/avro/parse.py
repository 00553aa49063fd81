"""From JSON to schemas: every problem of every file in one run, each with its place.

Files may refer to each other's types in any order, in circles too. A part that cannot be read
becomes Broken, and the rest goes on. Follows the Avro specification 1.12, "Schema Declaration" and
"Names"; a Dialect says where other parsers are known to be more forgiving.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeGuard

from codegen.avro.schema import (
    PRIMITIVES,
    Array,
    Broken,
    Default,
    Enum,
    Field,
    Fixed,
    LogicalType,
    Map,
    Named,
    Primitive,
    Record,
    Ref,
    Schema,
    SchemaGraph,
    Union,
    split_name,
)
from codegen.diagnostics import Findings, Related, locate, rule
from codegen.source import Document, Json, Place

WRONG_SHAPE = rule(
    "schema/wrong-shape",
    "An attribute is missing, or holds the wrong kind of JSON value.",
    "The Avro specification names the attributes of each type and what each may hold. Parsers "
    "differ in what they forgive, so a schema that one service reads may stop another.",
)
UNKNOWN_TYPE = rule(
    "schema/unknown-type",
    "A type is neither primitive nor defined anywhere in the repository.",
    "A name without a dot means a type of the namespace it is written in.",
)
INVALID_NAME = rule(
    "schema/invalid-name",
    "A name does not match [A-Za-z_][A-Za-z0-9_]*.",
    "Names become identifiers in generated code and keys in registries; the specification allows "
    "ASCII letters, digits and underscores only, and a full name is such names joined by dots.",
)
DUPLICATE = rule(
    "schema/duplicate",
    "A type, a field, a symbol or a union branch stands twice.",
    "Each name has one meaning; with two, readers differ in which one they take.",
)
NESTED_UNION = rule(
    "schema/nested-union",
    "A union stands directly inside a union.",
    "The binary form writes one branch number, so a union in a union has no encoding.",
)
INVALID_DEFAULT = rule(
    "schema/invalid-default",
    "A default value does not fit its schema.",
    "Registries accept such a schema, and readers fail on the first message that needs the "
    "default.",
)
INVALID_ENUM_DEFAULT = rule(
    "schema/invalid-enum-default",
    "The default of an enum is not one of its symbols.",
    "A reader that meets an unknown symbol takes the default; it must be a symbol it knows.",
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where parsers of Avro differ from the specification, as switches."""

    name: str
    checks_names: bool = True
    checks_defaults: bool = True


SPECIFICATION = Dialect("specification")
"""What the Avro specification 1.12 allows, no more: for the schemas that people edit."""

JAVA = Dialect("java", checks_names=False, checks_defaults=False)
"""What Avro Java accepts, and so the registries built on it: for schemas that exist already."""


@dataclass(slots=True)
class SchemaSet:
    """What a set of files defines: every named type, and the root of each file by its name."""

    types: dict[str, Named] = field(default_factory=dict)
    roots: dict[str, Schema] = field(default_factory=dict)


def parse_schema(
    document: Document,
    findings: Findings,
    *,
    names: Mapping[str, Named] | None = None,
    dialect: Dialect = SPECIFICATION,
) -> SchemaGraph:
    """Parse one document; `names` are types that it may refer to."""
    parser = _Parser(findings, dialect, dict(names or {}))
    root = parser.parse(document)
    parser.finish()
    return SchemaGraph(root, parser.types)


def parse_schemas(
    documents: Iterable[Document], findings: Findings, *, dialect: Dialect = SPECIFICATION
) -> SchemaSet:
    """Parse documents that may refer to each other's types in any order."""
    parser = _Parser(findings, dialect, {})
    roots = {document.name: parser.parse(document) for document in documents}
    parser.finish()
    return SchemaSet(parser.types, roots)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_ORDERS = ("ascending", "descending", "ignore")
_NAMED_KEYS = frozenset({"type", "name", "namespace", "doc", "aliases"})
_RESERVED = {
    "record": _NAMED_KEYS | {"fields"},
    "error": _NAMED_KEYS | {"fields"},
    "enum": _NAMED_KEYS | {"symbols", "default"},
    "fixed": _NAMED_KEYS | {"size"},
    "array": frozenset({"type", "items"}),
    "map": frozenset({"type", "values"}),
    "field": frozenset({"name", "type", "doc", "default", "order", "aliases"}),
}
_PRIMITIVE_KEYS = frozenset({"type"})
_COMPLEX = ("record", "error", "enum", "fixed", "array", "map")

_LOGICAL_BASES = {
    "decimal": ("bytes",),
    "uuid": ("string",),
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "timestamp-nanos": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-nanos": ("long",),
}
_LOGICAL_FIXED = ("decimal", "uuid", "duration")


def read_logical_type(
    base: str, attributes: Mapping[str, Json], size: int = 0
) -> LogicalType | None:
    """The logical type that the attributes give a schema of this type, None where it is ignored.

    Specification 1.12, "Logical Types": one that is unknown, or invalid on its base, is ignored.
    `size` is that of a fixed, in bytes.
    """
    name = attributes.get("logicalType")
    if not isinstance(name, str):
        return None
    if base == "fixed":
        if name not in _LOGICAL_FIXED:
            return None
        if (name == "uuid" and size != 16) or (name == "duration" and size != 12):
            return None
    elif base not in _LOGICAL_BASES.get(name, ()):
        return None
    if name != "decimal":
        return LogicalType(name)
    precision, scale = attributes.get("precision"), attributes.get("scale", 0)
    if not _is_integer(precision) or not _is_integer(scale) or not 0 <= scale <= precision:
        return None
    if precision < 1 or (base == "fixed" and precision > decimal_digits(size)):
        return None
    return LogicalType(name, precision, scale)


def decimal_digits(size: int) -> int:
    """The most digits that every two's complement number of `size` bytes can hold."""
    return int(math.log10(2) * (8 * size - 1)) if size > 0 else 0


def check_default(graph: SchemaGraph, schema: Schema, value: Json) -> str | None:
    """Say why a JSON value is no default for a schema; None when it is one.

    Specification 1.12, "Complex Types", table of field default values: the default of a union may
    fit any branch; bytes and fixed are strings of the code points 0 to 255.
    """
    match graph.resolve(schema):
        case Primitive(type=name):
            return _check_primitive(name, value)
        case Fixed() as fixed:
            if problem := _check_primitive("bytes", value):
                return problem
            if len(value) != fixed.size:
                return f"{len(value)} bytes, and {fixed.name} has {fixed.size}"
            return None
        case Enum() as enum:
            if value in enum.symbols:
                return None
            return f"{_show(value)} is no symbol of {enum.name}"
        case Array(items=items):
            if not isinstance(value, list):
                return f"{_show(value)} is no array"
            problems = (check_default(graph, items, item) for item in value)
            return next((problem for problem in problems if problem), None)
        case Map(values=values):
            if not isinstance(value, dict):
                return f"{_show(value)} is no map"
            problems = (check_default(graph, values, item) for item in value.values())
            return next((problem for problem in problems if problem), None)
        case Record() as record:
            return _check_record_default(graph, record, value)
        case Union(branches=branches):
            if any(check_default(graph, branch, value) is None for branch in branches):
                return None
            return f"{_show(value)} fits no branch of the union"
        case Broken():
            return None


def _check_record_default(graph: SchemaGraph, record: Record, value: Json) -> str | None:
    if not isinstance(value, dict):
        return f"{_show(value)} is no object, and {record.name} is a record"
    for item in record.fields:
        if item.name in value:
            if problem := check_default(graph, item.schema, value[item.name]):
                return f"{item.name}: {problem}"
        elif item.default is None:
            return f'it has no "{item.name}", which has no default in {record.name}'
    return None


def _check_primitive(name: str, value: Json) -> str | None:
    match name:
        case "null":
            fits = value is None
        case "boolean":
            fits = isinstance(value, bool)
        case "int":
            fits = _is_integer(value) and -(2**31) <= value < 2**31
        case "long":
            fits = _is_integer(value) and -(2**63) <= value < 2**63
        case "float" | "double":
            fits = (isinstance(value, float) and math.isfinite(value)) or _is_integer(value)
        case "bytes":
            fits = isinstance(value, str) and all(ord(character) < 256 for character in value)
        case _:
            fits = isinstance(value, str)
    return None if fits else f"{_show(value)} is no {name}"


def _is_integer(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _show(value: Json) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    if isinstance(value, str):
        text = f'"{value}"'
    return text if len(text) <= 40 else text[:37] + "..."


class _Parser:
    """One run over a set of documents; findings go to the collector that it was given."""

    def __init__(self, findings: Findings, dialect: Dialect, known: dict[str, Named]) -> None:
        self.types = known
        self._findings = findings
        self._dialect = dialect
        self._references: list[Ref] = []
        self._defaults: list[tuple[Field, Place]] = []

    def parse(self, document: Document) -> Schema:
        return self._schema(document.value, Place(document), "")

    def finish(self) -> None:
        """Check what can be checked only when all types are known."""
        for reference in self._references:
            if reference.name not in self.types:
                self._report_unknown(reference)
        if not self._dialect.checks_defaults:
            return
        for owner, place in self._defaults:
            if owner.default is None:
                continue
            graph = SchemaGraph(owner.schema, self.types)
            if problem := check_default(graph, owner.schema, owner.default.value):
                self._findings.add(
                    INVALID_DEFAULT,
                    place,
                    f'the default of "{owner.name}" does not fit its type: {problem}',
                    hint="change the default, or the type",
                )

    def _report_unknown(self, reference: Ref) -> None:
        simple = split_name(reference.name)[1]
        same = [name for name in self.types if split_name(name)[1] == simple]
        near = same or get_close_matches(reference.name, [*self.types, *PRIMITIVES], 1)
        near = near or get_close_matches(simple, PRIMITIVES, 1)
        hint = f'did you mean "{near[0]}"?' if near else "define it in a file of its own"
        self._findings.add(
            UNKNOWN_TYPE, reference.origin, f"no type is named {reference.name}", hint=hint
        )

    def _broken(self, place: Place, message: str, hint: str = "") -> Broken:
        self._findings.add(WRONG_SHAPE, place, message, hint=hint)
        return Broken(place)

    def _schema(self, value: Json, place: Place, namespace: str) -> Schema:
        if isinstance(value, str):
            return self._named_or_primitive(value, place, namespace)
        if isinstance(value, list):
            return self._union(value, place, namespace)
        if not isinstance(value, dict):
            return self._broken(place, f"{_show(value)} is no schema")
        kind = value.get("type")
        if kind is None:
            return self._broken(place, 'a schema needs a "type"')
        match kind:
            case "record" | "error":
                return self._record(value, place, namespace, kind)
            case "enum":
                return self._enum(value, place, namespace)
            case "fixed":
                return self._fixed(value, place, namespace)
            case "array" | "map":
                return self._container(value, place, namespace, kind)
            case str() if kind in PRIMITIVES:
                extra = _properties(value, _PRIMITIVE_KEYS)
                logical = read_logical_type(kind, value) if extra else None
                return Primitive(kind, place, logical, extra)
            case str():
                return self._named_or_primitive(kind, place.at("type"), namespace)
            case _:
                return self._broken(
                    place.at("type"),
                    '"type" of a schema is a name here, not a schema',
                    hint="write the inner schema in place of the outer one",
                )

    def _named_or_primitive(self, name: str, place: Place, namespace: str) -> Schema:
        if name in PRIMITIVES:
            return Primitive(name, place)
        if name in _COMPLEX:
            return self._broken(
                place,
                f'"{name}" alone is no schema',
                hint=f'write {{"type": "{name}", ...}} with its attributes',
            )
        full_name = name if "." in name or not namespace else f"{namespace}.{name}"
        reference = Ref(full_name.removeprefix("."), place)
        self._references.append(reference)
        return reference

    def _union(self, value: list[Json], place: Place, namespace: str) -> Schema:
        branches: list[Schema] = []
        seen: dict[str, Place] = {}
        for index, item in enumerate(value):
            at = place.at(index)
            if isinstance(item, list):
                self._findings.add(
                    NESTED_UNION, at, "a union stands in a union", hint="list all branches in one"
                )
                branches.append(Broken(at))
                continue
            branch = self._schema(item, at, namespace)
            branches.append(branch)
            key = _branch_key(branch)
            if key in seen:
                message = f"{key} stands twice in this union"
                self._add_duplicate(at, message, seen[key], "remove one, or name the two apart")
            elif key:
                seen[key] = at
        return Union(tuple(branches), place)

    def _container(self, value: dict[str, Json], place: Place, namespace: str, kind: str) -> Schema:
        inner_key = "items" if kind == "array" else "values"
        if inner_key not in value:
            return self._broken(place, f'{_article(kind)} needs "{inner_key}"')
        inner = self._schema(value[inner_key], place.at(inner_key), namespace)
        extra = _properties(value, _RESERVED[kind])
        return Array(inner, place, extra) if kind == "array" else Map(inner, place, extra)

    def _record(self, value: dict[str, Json], place: Place, namespace: str, kind: str) -> Schema:
        name = self._declare(value, place, namespace)
        fields = value.get("fields")
        if not isinstance(fields, list):
            at = place.at("fields") if "fields" in value else place
            return self._broken(at, 'a record needs "fields", an array')
        if name is None:
            return Broken(place)
        inner_namespace = split_name(name)[0]
        parsed: list[Field] = []
        seen: dict[str, Place] = {}
        for index, item in enumerate(fields):
            at = place.at("fields", index)
            if (one := self._field(item, at, inner_namespace)) is None:
                continue
            if one.name in seen:
                message = f'the field "{one.name}" stands twice in {name}'
                self._add_duplicate(at.at("name"), message, seen[one.name], "rename one")
            else:
                seen[one.name] = at.at("name")
                parsed.append(one)
        record = Record(
            name,
            tuple(parsed),
            place,
            self._text(value, "doc", place),
            self._type_aliases(value, place, name),
            kind == "error",
            _properties(value, _RESERVED[kind]),
        )
        return self._define(record)

    def _field(self, value: Json, place: Place, namespace: str) -> Field | None:
        if not isinstance(value, dict):
            self._broken(place, f"a field is an object, not {_show(value)}")
            return None
        name = value.get("name")
        if not isinstance(name, str):
            at = place.at("name") if "name" in value else place
            self._broken(at, 'a field needs a "name", a string')
            return None
        self._check_name(name, place.at("name"), "a field name")
        if "type" not in value:
            schema: Schema = self._broken(place, f'the field "{name}" needs a "type"')
        else:
            schema = self._schema(value["type"], place.at("type"), namespace)
        order = self._text(value, "order", place)
        if order is not None and order not in _ORDERS:
            self._broken(place.at("order"), f'"order" is {", ".join(_ORDERS[:-1])} or ignore')
        parsed = Field(
            name,
            schema,
            place,
            Default(value["default"]) if "default" in value else None,
            self._text(value, "doc", place),
            tuple(self._names(value, "aliases", place)),
            order,
            _properties(value, _RESERVED["field"]),
        )
        if parsed.default is not None:
            self._defaults.append((parsed, place.at("default")))
        return parsed

    def _enum(self, value: dict[str, Json], place: Place, namespace: str) -> Schema:
        name = self._declare(value, place, namespace)
        if not isinstance(value.get("symbols"), list):
            at = place.at("symbols") if "symbols" in value else place
            return self._broken(at, 'an enum needs "symbols", an array of names')
        symbols: dict[str, Place] = {}
        for index, symbol in enumerate(self._names(value, "symbols", place)):
            at = place.at("symbols", index)
            if symbol in symbols:
                message = f'the symbol "{symbol}" stands twice'
                self._add_duplicate(at, message, symbols[symbol], "remove one")
            symbols.setdefault(symbol, at)
        if name is None:
            return Broken(place)
        default = self._text(value, "default", place)
        if default is not None and default not in symbols:
            near = get_close_matches(default, symbols, 1)
            self._findings.add(
                INVALID_ENUM_DEFAULT,
                place.at("default"),
                f'the default "{default}" is no symbol of {name}',
                hint=f'did you mean "{near[0]}"?' if near else "add it to the symbols",
            )
        aliases = self._type_aliases(value, place, name)
        doc = self._text(value, "doc", place)
        extra = _properties(value, _RESERVED["enum"])
        return self._define(Enum(name, tuple(symbols), place, default, aliases, doc, extra))

    def _fixed(self, value: dict[str, Json], place: Place, namespace: str) -> Schema:
        name = self._declare(value, place, namespace)
        size = value.get("size")
        if not _is_integer(size) or not 0 <= size < 2**31:
            at = place.at("size") if "size" in value else place
            return self._broken(at, 'a fixed needs a "size", a number of bytes')
        if name is None:
            return Broken(place)
        aliases = self._type_aliases(value, place, name)
        doc = self._text(value, "doc", place)
        extra = _properties(value, _RESERVED["fixed"])
        logical = read_logical_type("fixed", value, size)
        return self._define(Fixed(name, size, place, aliases, doc, logical, extra))

    def _declare(self, value: dict[str, Json], place: Place, namespace: str) -> str | None:
        """The full name that a definition takes (specification 1.12, "Names")."""
        name = value.get("name")
        if not isinstance(name, str) or not name:
            at = place.at("name") if "name" in value else place
            self._broken(at, f'{_article(str(value["type"]))} needs a "name", a string')
            return None
        if "." in name:
            full_name = name.removeprefix(".")
        else:
            own = self._text(value, "namespace", place)
            space = namespace if own is None else own
            if own:
                self._check_full_name(own, place.at("namespace"), "a namespace")
            full_name = f"{space}.{name}" if space else name
        self._check_full_name(name, place.at("name"), "a type name")
        if split_name(full_name)[1] in PRIMITIVES and self._dialect.checks_names:
            message = f"{name} is the name of a primitive type"
            self._findings.add(INVALID_NAME, place.at("name"), message, hint="choose another")
        return full_name

    def _define(self, named: Named) -> Schema:
        earlier = self.types.get(named.name)
        if earlier is not None:
            message = f"{named.name} is defined twice"
            hint = "define it once and refer to it by name"
            self._add_duplicate(named.origin.at("name"), message, earlier.origin.at("name"), hint)
        else:
            self.types[named.name] = named
        return named

    def _add_duplicate(self, place: Place, message: str, first: Place, hint: str) -> None:
        related = (Related("first here", location=locate(first)),)
        self._findings.add(DUPLICATE, place, message, hint=hint, related=related)

    def _text(self, value: dict[str, Json], key: str, place: Place) -> str | None:
        text = value.get(key)
        if text is None or isinstance(text, str):
            return text
        self._broken(place.at(key), f'"{key}" is a string, not {_show(text)}')
        return None

    def _names(self, value: dict[str, Json], key: str, place: Place) -> Iterator[str]:
        """The names in the array under a key; what is no name is reported and left out."""
        items = value.get(key)
        if items is None:
            return
        if not isinstance(items, list):
            self._broken(place.at(key), f'"{key}" is an array of names')
            return
        for index, item in enumerate(items):
            at = place.at(key, index)
            if not isinstance(item, str):
                self._broken(at, f'"{key}" holds names, not {_show(item)}')
                continue
            self._check_full_name(item, at, "a name") if key == "aliases" else self._check_name(
                item, at, "a symbol"
            )
            yield item

    def _type_aliases(self, value: dict[str, Json], place: Place, name: str) -> tuple[str, ...]:
        namespace = split_name(name)[0]
        return tuple(
            alias if "." in alias or not namespace else f"{namespace}.{alias}"
            for alias in self._names(value, "aliases", place)
        )

    def _check_full_name(self, name: str, place: Place, what: str) -> None:
        parts = name.split(".")
        if not self._dialect.checks_names or all(map(_NAME, parts)):
            return
        bad = next(part for part in parts if not _NAME(part))
        self._report_name(bad, name, place, what)

    def _check_name(self, name: str, place: Place, what: str) -> None:
        if self._dialect.checks_names and not _NAME(name):
            self._report_name(name, name, place, what)

    def _report_name(self, bad: str, name: str, place: Place, what: str) -> None:
        better = re.sub(r"\W", "_", bad, flags=re.ASCII)
        better = f"_{better}" if better[:1].isdigit() else better
        self._findings.add(
            INVALID_NAME,
            place,
            f"{_show(name)} cannot be {what}",
            hint=f'use ASCII letters, digits and "_", for example "{better}"' if bad else "",
        )


def _properties(value: dict[str, Json], reserved: frozenset[str]) -> dict[str, Json] | None:
    if len(value) <= len(reserved) and value.keys() <= reserved:
        return None
    return {key: item for key, item in value.items() if key not in reserved}


def _branch_key(branch: Schema) -> str:
    match branch:
        case Primitive(type=name):
            return name
        case Array():
            return "array"
        case Map():
            return "map"
        case Ref(name=name) | Record(name=name) | Enum(name=name) | Fixed(name=name):
            return name
        case _:
            return ""


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
