"""From JSON to schemas: every problem of every file in one run, each with its place.

Files may refer to each other's types in any order, in circles too. A part that cannot be read
becomes Broken, and the rest goes on. Follows the Avro specification 1.12, "Schema Declaration" and
"Names"; a Dialect says where other parsers are known to be more forgiving.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TypeVar

from codegen.avro.defaults import check_default, is_java_default, read_java_double, show_value
from codegen.avro.dialect import CONFLUENT, JAVA, SPECIFICATION, STORED, Dialect, is_alike
from codegen.avro.logical import is_integer, read_logical_type
from codegen.avro.schema import (
    PRIMITIVES,
    Array,
    Broken,
    Default,
    Enum,
    Field,
    Fixed,
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
from codegen.diagnostics import Findings, Related, Severity, locate, rule
from codegen.source import Document, Json, Place

__all__ = [
    "CONFLUENT",
    "JAVA",
    "SPECIFICATION",
    "STORED",
    "Dialect",
    "SchemaSet",
    "parse_schema",
    "parse_schemas",
]

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
AMBIGUOUS_NAME = rule(
    "schema/ambiguous-name",
    "A name means one type by the specification, and another one to Avro Java.",
    "Avro Java knows a record only once its fields are read, and until then takes a short name for "
    "a type without a namespace, if there is one. So the registry and a consumer in Java read "
    "another schema than the one that was reviewed.",
    severity=Severity.WARNING,
)
AMBIGUOUS_ALIAS = rule(
    "schema/ambiguous-alias",
    "An alias of a field is the name of a field of the same record.",
    "Avro Java finds two fields for one then, and stops, even where reader and writer have the "
    "same schema; a registry refuses every further version.",
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


Parsed = TypeVar("Parsed")


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
    """Parse one document; `names` are types that it may refer to.

    What is refused becomes a finding, whose note says which registries would accept it.
    """

    def run(collector: Findings, variant: Dialect) -> SchemaGraph:
        parser = _Parser(collector, variant, dict(names or {}), is_one_text=True)
        root = parser.parse(document)
        parser.finish()
        return SchemaGraph(root, parser.types)

    return _note_acceptance(run, findings, dialect)


def parse_schemas(
    documents: Iterable[Document], findings: Findings, *, dialect: Dialect = SPECIFICATION
) -> SchemaSet:
    """Parse documents that may refer to each other's types in any order.

    What is refused becomes a finding, whose note says which registries would accept it.
    """
    documents = tuple(documents)

    def run(collector: Findings, variant: Dialect) -> SchemaSet:
        parser = _Parser(collector, variant, {})
        roots = {document.name: parser.parse(document) for document in documents}
        parser.finish()
        return SchemaSet(parser.types, roots)

    return _note_acceptance(run, findings, dialect)


def _note_acceptance(
    run: Callable[[Findings, Dialect], Parsed], findings: Findings, dialect: Dialect
) -> Parsed:
    """Parse, and parse again as others do where something was refused."""
    start = len(findings)
    parsed = run(findings, dialect)
    if len(findings) == start or dialect is not SPECIFICATION:
        return parsed
    takers: dict[tuple[str, str], list[str]] = {}
    for other in (JAVA, CONFLUENT):
        run(refused := Findings(), other)
        places = {(one.rule.id, str(one.location)) for one in refused}
        for finding in findings.items[start:]:
            key = (finding.rule.id, str(finding.location))
            if key not in places:
                takers.setdefault(key, []).append(other.name)
    for index, finding in enumerate(findings.items[start:], start):
        names = takers.get((finding.rule.id, str(finding.location)))
        if names and not finding.note:
            verb = "accepts" if len(names) == 1 else "accept"
            note = f"{' and '.join(names)} {verb} this"
            findings.items[index] = replace(finding, note=note)
    return parsed


MAX_FIXED_SIZE = 2**31 - 9
"""The largest fixed in bytes: Java has no longer arrays, and Avro Java refuses it."""

_ORDERS = ("ascending", "descending", "ignore")
_SCHEMA_KEYS = frozenset(
    {"doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"}
)
"""Attributes that are a schema's own, whatever its type; all others are its properties."""

_ENUM_KEYS = _SCHEMA_KEYS | {"default"}
_FIELD_KEYS = frozenset({"name", "type", "doc", "default", "order", "aliases"})
_COMPLEX = ("record", "error", "enum", "fixed", "array", "map")


class _Parser:
    """One run over a set of documents; findings go to the collector that it was given."""

    def __init__(
        self,
        findings: Findings,
        dialect: Dialect,
        known: dict[str, Named],
        *,
        is_one_text: bool = False,
    ) -> None:
        self.types = known
        # Files have no order, so what Avro Java would know by then is known of one text only.
        self._follows_java = dialect.is_java and is_one_text
        self._findings = findings
        self._dialect = dialect
        self._references: list[Ref] = []
        self._unbound: set[int] = set()
        self._unfinished: list[str] = []
        self._defaults: list[tuple[Field, Place]] = []

    def parse(self, document: Document) -> Schema:
        return self._schema(document.value, Place(document), "")

    def finish(self) -> None:
        """Check what can be checked only when all types are known."""
        for reference in self._references:
            if reference.name not in self.types:
                self._report_unknown(reference)
            elif id(reference) in self._unbound and not self._dialect.is_java:
                self._check_meaning(reference)
        for owner, place in self._defaults:
            self._check_default(owner, place)

    def _check_meaning(self, reference: Ref) -> None:
        """Say so where Avro Java, which goes by what it knows so far, means another type."""
        simple = split_name(reference.name)[1]
        other = self.types.get(simple)
        meant = self.types[reference.name]
        if other is None or other is meant or meant.origin.document != reference.origin.document:
            return
        if _value_at(reference.origin) == simple:
            self._findings.add(
                AMBIGUOUS_NAME,
                reference.origin,
                f"{simple} means {reference.name} here, and Avro Java takes it for {other.name}",
                hint=f'write "{reference.name}"',
                related=(Related(f"the other {simple}", location=locate(other.origin)),),
            )

    def _check_default(self, owner: Field, place: Place) -> bool:
        if owner.default is None or not self._dialect.checks_defaults:
            return True
        graph, value = SchemaGraph(owner.schema, self.types), owner.default.value
        if self._dialect.is_java:
            fits = is_java_default(graph, owner.schema, value, self._unfinished)
            problem = None if fits else f"{show_value(value)} is of another type"
        else:
            problem = check_default(graph, owner.schema, value)
        if problem:
            self._findings.add(
                INVALID_DEFAULT,
                place,
                f'the default of "{owner.name}" does not fit its type: {problem}',
                hint="change the default, or the type",
            )
        return not problem

    def _report_unknown(self, reference: Ref) -> None:
        simple = split_name(reference.name)[1]
        same = [name for name in self.types if split_name(name)[1] == simple]
        near = same or get_close_matches(reference.name, [*self.types, *PRIMITIVES], 1)
        near = near or get_close_matches(simple, PRIMITIVES, 1)
        hint = f'did you mean "{near[0]}"?' if near else "define it in a file of its own"
        if reference.name in _COMPLEX:
            hint = f'write {{"type": "{reference.name}", ...}} with its attributes'
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
            return self._broken(place, f"{show_value(value)} is no schema")
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
                extra = _properties(value, _SCHEMA_KEYS)
                logical = read_logical_type(kind, value) if extra else None
                return Primitive(kind, place, logical, extra)
            case str() if self._dialect.takes_wrapped_names:
                return self._named_or_primitive(kind, place.at("type"), namespace)
            case str():
                return self._broken(
                    place.at("type"),
                    f"{show_value(kind)} is no kind of type",
                    hint=f'to refer to a type by its name write "{kind}" alone, without the object',
                )
            case _:
                return self._broken(
                    place.at("type"),
                    '"type" of a schema is a name here, not a schema',
                    hint="write the inner schema in place of the outer one",
                )

    def _named_or_primitive(self, name: str, place: Place, namespace: str) -> Schema:
        if name in PRIMITIVES:
            return Primitive(name, place)
        reference = Ref(self._bind(name, namespace), place)
        self._references.append(reference)
        if reference.name not in self.types:
            self._unbound.add(id(reference))
        return reference

    def _bound(self, schema: Schema) -> Schema:
        """What a reference meant when it was read; itself where it meant nothing yet."""
        if isinstance(schema, Ref) and id(schema) not in self._unbound:
            return self.types.get(schema.name, schema)
        return schema

    def _bind(self, name: str, namespace: str) -> str:
        """The full name that a name means where it stands (specification 1.12, "Names")."""
        full_name = name if "." in name or not namespace else f"{namespace}.{name}"
        is_fallback = full_name not in self.types and name in self.types
        return name if self._follows_java and is_fallback else full_name

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
        extra = _properties(value, _SCHEMA_KEYS)
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
        self._unfinished.append(name)
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
        self._unfinished.pop()
        self._check_field_aliases(name, parsed, seen)
        record = Record(
            name,
            tuple(parsed),
            place,
            self._text(value, "doc", place),
            self._type_aliases(value, place, name),
            kind == "error",
            _properties(value, _SCHEMA_KEYS),
        )
        return self._define(record)

    def _check_field_aliases(
        self, name: str, fields: Iterable[Field], places: Mapping[str, Place]
    ) -> None:
        if self._dialect.is_java:
            return
        for item in fields:
            for index, alias in enumerate(item.aliases):
                if alias in places:
                    self._findings.add(
                        AMBIGUOUS_ALIAS,
                        item.origin.at("aliases", index),
                        f'"{alias}" is an alias, and the name of a field of {name}',
                        hint="remove the alias",
                        related=(Related("the field", location=locate(places[alias])),),
                    )

    def _field(self, value: Json, place: Place, namespace: str) -> Field | None:
        if not isinstance(value, dict):
            self._broken(place, f"a field is an object, not {show_value(value)}")
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
        parsed = Field(
            name,
            schema,
            place,
            self._default(value, schema),
            self._text(value, "doc", place),
            tuple(dict.fromkeys(self._names(value, "aliases", place))),
            self._order(value, place),
            _properties(value, _FIELD_KEYS),
        )
        if parsed.default is not None:
            at = place.at("default")
            # Avro Java checks twice: here it knows less, and takes unknown names for records.
            if not self._follows_java or self._check_default(parsed, at):
                self._defaults.append((parsed, at))
        return parsed

    def _default(self, value: dict[str, Json], schema: Schema) -> Default | None:
        if "default" not in value:
            return None
        default = value["default"]
        is_float = isinstance(schema, Primitive) and schema.type in ("float", "double")
        if self._dialect.is_java and is_float and isinstance(default, str):
            number = read_java_double(default)
            return Default(default if number is None else number)
        return Default(default)

    def _order(self, value: dict[str, Json], place: Place) -> str | None:
        if "order" not in value:
            return None
        order = value["order"]
        if self._dialect.is_java and isinstance(order, str):
            order = order.lower()
        if order in _ORDERS:
            return str(order)
        self._broken(place.at("order"), '"order" is ascending, descending or ignore')
        return None

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
        extra = _properties(value, _ENUM_KEYS)
        return self._define(Enum(name, tuple(symbols), place, default, aliases, doc, extra))

    def _fixed(self, value: dict[str, Json], place: Place, namespace: str) -> Schema:
        name = self._declare(value, place, namespace)
        size = value.get("size")
        if not is_integer(size) or not 0 <= size <= MAX_FIXED_SIZE:
            at = place.at("size") if "size" in value else place
            return self._broken(at, 'a fixed needs a "size", a number of bytes')
        if name is None:
            return Broken(place)
        aliases = self._type_aliases(value, place, name)
        doc = self._text(value, "doc", place)
        extra = _properties(value, _SCHEMA_KEYS)
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
            self._check_namespace(split_name(name)[0], place.at("name"))
        else:
            own = self._text(value, "namespace", place)
            space = namespace if own is None else own
            full_name = f"{space}.{name}" if space else name
            if own:
                self._check_namespace(own, place.at("namespace"))
        self._check_name(split_name(name)[1], place.at("name"), "a type name")
        simple = full_name if self._dialect.is_java else split_name(full_name)[1]
        if simple in PRIMITIVES:
            message = f"{name} is the name of a primitive type"
            self._findings.add(INVALID_NAME, place.at("name"), message, hint="choose another")
        return full_name

    def _define(self, named: Named) -> Schema:
        earlier = self.types.get(named.name)
        if earlier is None:
            self.types[named.name] = named
        elif not (self._dialect.is_java and is_alike(named, earlier, self._bound, self._bound)):
            message = f"{named.name} is defined twice"
            hint = "define it once and refer to it by name"
            self._add_duplicate(named.origin.at("name"), message, earlier.origin.at("name"), hint)
        return named

    def _add_duplicate(self, place: Place, message: str, first: Place, hint: str) -> None:
        related = (Related("first here", location=locate(first)),)
        self._findings.add(DUPLICATE, place, message, hint=hint, related=related)

    def _text(self, value: dict[str, Json], key: str, place: Place) -> str | None:
        text = value.get(key)
        if text is None or isinstance(text, str):
            return text
        if self._dialect.is_java:
            return None
        self._broken(place.at(key), f'"{key}" is a string, not {show_value(text)}')
        return None

    def _names(self, value: dict[str, Json], key: str, place: Place) -> Iterator[str]:
        """The names in the array under a key; what is no name is reported and left out."""
        if key not in value:
            return
        items = value[key]
        if not isinstance(items, list):
            self._broken(place.at(key), f'"{key}" is an array of names')
            return
        for index, item in enumerate(items):
            at = place.at(key, index)
            if not isinstance(item, str):
                self._broken(at, f'"{key}" holds names, not {show_value(item)}')
                continue
            if key == "symbols":
                self._check_name(item, at, "a symbol")
            elif not self._dialect.is_java:
                for part in item.split("."):
                    self._check_name(part, at, "an alias")
            yield item

    def _type_aliases(self, value: dict[str, Json], place: Place, name: str) -> tuple[str, ...]:
        namespace = split_name(name)[0]
        aliases: dict[str, None] = {}
        for index, alias in enumerate(self._names(value, "aliases", place)):
            if self._dialect.is_java:
                at = place.at("aliases", index)
                self._check_name(split_name(alias)[1], at, "the alias of a type")
            if namespace:
                aliases[alias if "." in alias else f"{namespace}.{alias}"] = None
            else:
                aliases[alias.removeprefix(".")] = None
        return tuple(aliases)

    def _check_namespace(self, namespace: str, place: Place) -> None:
        if not self._dialect.checks_namespaces or (self._dialect.is_java and not namespace):
            return
        parts = namespace.split(".")
        bad = next((part for part in parts if not self._dialect.is_name(part)), None)
        if bad is not None:
            self._report_name(bad, namespace, place, "a namespace")

    def _check_name(self, name: str, place: Place, what: str) -> None:
        if not self._dialect.is_name(name):
            self._report_name(name, name, place, what)

    def _report_name(self, bad: str, name: str, place: Place, what: str) -> None:
        better = re.sub(r"\W", "_", bad, flags=re.ASCII)
        better = f"_{better}" if better[:1].isdigit() else better
        self._findings.add(
            INVALID_NAME,
            place,
            f"{show_value(name)} cannot be {what}",
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


def _value_at(place: Place) -> Json:
    value = place.document.value
    for step in place.path:
        value = value[step]
    return value
