"""From JSON to schemas: every problem of every file in one run, each with its place.

Files may refer to each other's types in any order, in circles too. A part that cannot be read
becomes Broken, and the rest goes on. Follows the Avro specification 1.12, "Schema Declaration" and
"Names"; a Dialect says where other parsers are known to be more forgiving.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from codegen.avro.acceptance import note_acceptance
from codegen.avro.advice import suggest_default, suggest_kind, suggest_type
from codegen.avro.attributes import Attributes
from codegen.avro.defaults import check_default, is_java_default, read_java_double, show_value
from codegen.avro.dialect import CONFLUENT, JAVA, SPECIFICATION, STORED, Dialect, is_alike
from codegen.avro.logical import is_integer, read_logical_type
from codegen.avro.repetition import report_repetition, settle_definitions
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
from codegen.avro.schema_rules import (
    AMBIGUOUS_ALIAS,
    AMBIGUOUS_NAME,
    INVALID_DEFAULT,
    INVALID_ENUM_DEFAULT,
    INVALID_NAME,
    NESTED_UNION,
    UNKNOWN_TYPE,
)
from codegen.diagnostics import Findings, Related, locate
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

    return note_acceptance(run, findings, dialect)


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
        parser.settle(roots.values())
        parser.finish()
        return SchemaSet(parser.types, roots)

    return note_acceptance(run, findings, dialect)


MAX_FIXED_SIZE = 2**31 - 9
"""The largest fixed in bytes: Java has no longer arrays, and Avro Java refuses it."""

_ORDERS = ("ascending", "descending", "ignore")
_SCHEMA_KEYS = frozenset(
    {"doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"}
)
"""Attributes that are a schema's own, whatever its type; all others are its properties."""

_PRIMITIVES = frozenset(PRIMITIVES)
_ENUM_KEYS = _SCHEMA_KEYS | {"default"}
_FIELD_KEYS = frozenset({"name", "type", "doc", "default", "order", "aliases"})


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
        self._read = Attributes(findings, dialect)
        self._references: list[Ref] = []
        self._unbound: set[int] = set()
        self._unfinished: list[str] = []
        self._defaults: list[Field] = []
        self._repeated: list[Named] = []

    def parse(self, document: Document) -> Schema:
        return self._schema(document.value, Place(document), "")

    def settle(self, roots: Collection[Schema]) -> None:
        """Let a file of its own, whichever comes first, define a type that is defined twice."""
        if self._repeated:
            self._repeated = settle_definitions(roots, self.types, self._repeated)

    def finish(self) -> None:
        """Check what can be checked only when all types are known."""
        for repeated in self._repeated:
            report_repetition(repeated, self.types, self._read)
        for reference in self._references:
            if reference.name not in self.types:
                self._report_unknown(reference)
            elif id(reference) in self._unbound and not self._dialect.is_java:
                self._check_meaning(reference)
        for owner in self._defaults:
            self._check_default(owner)

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

    def _check_default(self, owner: Field) -> bool:
        if owner.default is None or not self._dialect.checks_defaults:
            return True
        graph, value = SchemaGraph(owner.schema, self.types), owner.default.value
        if self._dialect.is_java:
            fits = is_java_default(graph, owner.schema, value, self._unfinished)
            problem = None if fits else f"{show_value(value)} is of another type"
        else:
            problem = check_default(graph, owner.schema, value)
        if problem:
            meant = suggest_default(
                value, lambda other: check_default(graph, owner.schema, other) is None
            )
            self._findings.add(
                INVALID_DEFAULT,
                owner.origin.at("default"),
                f'the default of "{owner.name}" does not fit its type: {problem}',
                hint=meant or "change the default, or the type",
            )
        return not problem

    def _check_unfinished(self, owner: Field) -> bool:
        """Refuse a default that fills in a record around it: no law, and Avro Java refuses it."""
        value = owner.default.value if owner.default is not None else None
        if self._dialect.is_java or not isinstance(value, dict | list):
            return True
        graph = SchemaGraph(owner.schema, self.types)
        is_known = is_java_default(graph, owner.schema, value, self._unfinished)
        if is_known or not is_java_default(graph, owner.schema, value):
            return True
        self._findings.add(
            INVALID_DEFAULT,
            owner.origin.at("default"),
            f'the default of "{owner.name}" holds a record whose definition it stands in',
            note="the specification allows it, Avro Java and its registries refuse it",
            hint="make the field nullable, with the default null",
        )
        return False

    def _report_unknown(self, reference: Ref) -> None:
        message = f"no type is named {reference.name}"
        hint = suggest_type(reference.name, self.types)
        self._findings.add(UNKNOWN_TYPE, reference.origin, message, hint=hint)

    def _schema(self, value: Json, place: Place, namespace: str) -> Schema:
        if isinstance(value, str):
            return self._named_or_primitive(value, place, namespace)
        if isinstance(value, list):
            return self._union(value, place, namespace)
        if not isinstance(value, dict):
            return self._read.broken(place, f"{show_value(value)} is no schema")
        kind = value.get("type")
        if kind is None and "protocol" in value:
            hint = "keep the types of its messages, each in a file of its own"
            return self._read.broken(place, "this is a protocol, not a schema", hint)
        if kind is None:
            return self._read.broken(place, 'a schema needs a "type"')
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
                return self._read.broken(
                    place.at("type"),
                    f"{show_value(kind)} is no kind of type",
                    hint=suggest_kind(kind),
                )
            case _:
                return self._read.broken(
                    place.at("type"),
                    '"type" of a schema is a name here, not a schema',
                    hint="write the inner schema in place of the outer one",
                )

    def _named_or_primitive(self, name: str, place: Place, namespace: str) -> Schema:
        if name in _PRIMITIVES:
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
                self._read.add_duplicate(
                    at, message, seen[key], "remove one, or name the two apart"
                )
            elif key:
                seen[key] = at
        return Union(tuple(branches), place)

    def _container(self, value: dict[str, Json], place: Place, namespace: str, kind: str) -> Schema:
        inner_key = "items" if kind == "array" else "values"
        if inner_key not in value:
            return self._read.broken(place, f'{_article(kind)} needs "{inner_key}"')
        inner = self._schema(value[inner_key], place.at(inner_key), namespace)
        extra = _properties(value, _SCHEMA_KEYS)
        return Array(inner, place, extra) if kind == "array" else Map(inner, place, extra)

    def _record(self, value: dict[str, Json], place: Place, namespace: str, kind: str) -> Schema:
        name = self._declare(value, place, namespace)
        fields = value.get("fields")
        if not isinstance(fields, list):
            at = place.at("fields") if "fields" in value else place
            return self._read.broken(at, 'a record needs "fields", an array')
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
                first = seen[one.name].at("name")
                self._read.add_duplicate(at.at("name"), message, first, "rename one")
            else:
                seen[one.name] = at
                parsed.append(one)
        self._unfinished.pop()
        self._check_field_aliases(name, parsed, seen)
        record = Record(
            name,
            tuple(parsed),
            place,
            self._read.text(value, "doc", place),
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
                        related=(Related("the field", location=locate(places[alias].at("name"))),),
                    )

    def _field(self, value: Json, place: Place, namespace: str) -> Field | None:
        if not isinstance(value, dict):
            self._read.broken(place, f"a field is an object, not {show_value(value)}")
            return None
        name = value.get("name")
        if not isinstance(name, str):
            at = place.at("name") if "name" in value else place
            self._read.broken(at, 'a field needs a "name", a string')
            return None
        self._read.check_name(name, "a field name", place, "name")
        if "type" not in value:
            schema: Schema = self._read.broken(place, f'the field "{name}" needs a "type"')
        else:
            schema = self._schema(value["type"], place.at("type"), namespace)
        parsed = Field(
            name,
            schema,
            place,
            self._default(value, schema),
            self._read.text(value, "doc", place),
            self._aliases(value, place),
            self._order(value, place),
            _properties(value, _FIELD_KEYS),
        )
        # Avro Java checks twice: here it knows less, and takes unknown names for records.
        check = self._check_default if self._follows_java else self._check_unfinished
        if parsed.default is not None and check(parsed):
            self._defaults.append(parsed)
        return parsed

    def _aliases(self, value: dict[str, Json], place: Place) -> tuple[str, ...]:
        if "aliases" not in value:
            return ()
        return tuple(dict.fromkeys(self._read.names(value, "aliases", place)))

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
        self._read.broken(place.at("order"), '"order" is ascending, descending or ignore')
        return None

    def _enum(self, value: dict[str, Json], place: Place, namespace: str) -> Schema:
        name = self._declare(value, place, namespace)
        if not isinstance(value.get("symbols"), list):
            at = place.at("symbols") if "symbols" in value else place
            return self._read.broken(at, 'an enum needs "symbols", an array of names')
        symbols: dict[str, int] = {}
        for index, symbol in enumerate(self._read.names(value, "symbols", place)):
            if symbols.setdefault(symbol, index) != index:
                message = f'the symbol "{symbol}" stands twice'
                first = place.at("symbols", symbols[symbol])
                self._read.add_duplicate(place.at("symbols", index), message, first, "remove one")
        if name is None:
            return Broken(place)
        default = self._read.text(value, "default", place)
        if default is not None and default not in symbols:
            near = get_close_matches(default, symbols, 1)
            self._findings.add(
                INVALID_ENUM_DEFAULT,
                place.at("default"),
                f'the default "{default}" is no symbol of {name}',
                hint=f'did you mean "{near[0]}"?' if near else "add it to the symbols",
            )
        aliases = self._type_aliases(value, place, name)
        doc = self._read.text(value, "doc", place)
        extra = _properties(value, _ENUM_KEYS)
        return self._define(Enum(name, tuple(symbols), place, default, aliases, doc, extra))

    def _fixed(self, value: dict[str, Json], place: Place, namespace: str) -> Schema:
        name = self._declare(value, place, namespace)
        size = value.get("size")
        if not is_integer(size) or not 0 <= size <= MAX_FIXED_SIZE:
            at = place.at("size") if "size" in value else place
            return self._read.broken(at, 'a fixed needs a "size", a number of bytes')
        if name is None:
            return Broken(place)
        aliases = self._type_aliases(value, place, name)
        doc = self._read.text(value, "doc", place)
        extra = _properties(value, _SCHEMA_KEYS)
        logical = read_logical_type("fixed", value, size)
        return self._define(Fixed(name, size, place, aliases, doc, logical, extra))

    def _declare(self, value: dict[str, Json], place: Place, namespace: str) -> str | None:
        """The full name that a definition takes (specification 1.12, "Names")."""
        name = value.get("name")
        if not isinstance(name, str) or not name:
            at = place.at("name") if "name" in value else place
            self._read.broken(at, f'{_article(str(value["type"]))} needs a "name", a string')
            return None
        if "." in name:
            full_name = name.removeprefix(".")
            self._read.check_namespace(split_name(name)[0], place, "name")
        else:
            own = self._read.text(value, "namespace", place)
            space = namespace if own is None else own
            full_name = f"{space}.{name}" if space else name
            if own:
                self._read.check_namespace(own, place, "namespace")
        self._read.check_name(split_name(name)[1], "a type name", place, "name")
        simple = full_name if self._dialect.is_java else split_name(full_name)[1]
        if simple in PRIMITIVES:
            message = f"{name} is the name of a primitive type"
            self._findings.add(INVALID_NAME, place.at("name"), message, hint="choose another")
        return full_name

    def _define(self, named: Named) -> Schema:
        earlier = self.types.setdefault(named.name, named)
        is_first = earlier is named
        if not is_first and not (
            self._dialect.is_java and is_alike(named, earlier, self._bound, self._bound)
        ):
            self._repeated.append(named)
        return named

    def _type_aliases(self, value: dict[str, Json], place: Place, name: str) -> tuple[str, ...]:
        namespace = split_name(name)[0]
        aliases: dict[str, None] = {}
        for index, alias in enumerate(self._read.names(value, "aliases", place)):
            if self._dialect.is_java:
                simple = split_name(alias)[1]
                self._read.check_name(simple, "the alias of a type", place, "aliases", index)
            if namespace:
                aliases[alias if "." in alias else f"{namespace}.{alias}"] = None
            else:
                aliases[alias.removeprefix(".")] = None
        return tuple(aliases)


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
