"""What the module `models` of a package says: its enums and records, in a stable order.

Enums come first, since the defaults of records name their members; within each kind types are in
the order in which the service's events need them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from codegen.avro.schema import Enum, Field, Named, Record, SchemaGraph, Union
from codegen.targets.python.literals import (
    LINE_LENGTH,
    docstring,
    long_string,
    string,
    words_in,
)
from codegen.targets.python.names import name_attributes, name_members, unique
from codegen.targets.python.service_view import snake
from codegen.targets.python.types import Defaults, annotation, union_types

ALIAS_FROM = 60
"""A union whose type is longer than this gets a name of its own."""


@dataclass(slots=True)
class _Page:
    """What is collected while the classes are written."""

    graph: SchemaGraph
    classes: Mapping[str, str]
    taken: set[str]
    functions: list[Mapping[str, object]] = field(default_factory=list)
    aliases: list[Mapping[str, object]] = field(default_factory=list)
    second_names: dict[str, str] = field(default_factory=dict)
    """The other name of each class that an attribute has the name of."""


def models_view(
    types: Iterable[Named], graph: SchemaGraph, classes: Mapping[str, str]
) -> Mapping[str, object]:
    """The values of the template `models.py.j2`; `types` are those that the service needs.

    Raises KontraktError where a field's default has no value in Python.
    """
    named = tuple(types)
    page = _Page(graph, classes, set(classes.values()))
    records = [_record_view(one, page) for one in named if isinstance(one, Record)]
    enums = [_enum_view(one, page) for one in named if isinstance(one, Enum)]
    used = " ".join(field_types(named, graph, classes))
    return {
        "enums": enums,
        "records": [
            {**view, "second_name": page.second_names.get(str(view["class"]))} for view in records
        ],
        "functions": page.functions,
        "aliases": page.aliases,
        "exports": sorted(exported_models(named, graph, classes)),
        "imports": _imports(used, bool(enums), page, records),
    }


def field_types(
    types: Iterable[Named], graph: SchemaGraph, classes: Mapping[str, str]
) -> Iterator[str]:
    """The type of every field of every record."""
    for one in types:
        if isinstance(one, Record):
            for item in one.fields:
                yield annotation(graph, item.schema, classes)


def exported_models(
    types: Iterable[Named], graph: SchemaGraph, classes: Mapping[str, str]
) -> tuple[str, ...]:
    """Every class that the module offers."""
    named = tuple(types)
    names = [classes[one.name] for one in named if isinstance(one, Record | Enum)]
    if "Duration" in words_in(field_types(named, graph, classes)):
        names.append("Duration")
    return tuple(names)


def _imports(
    used: str, has_enums: bool, page: _Page, records: list[Mapping[str, object]]
) -> list[str]:
    words = words_in([used])
    lines = ["import datetime as dt"] if "dt" in words else []
    if records:
        has_fields = any(record["has_factories"] for record in records)
        lines += ["from dataclasses import field"] * has_fields
    if "Decimal" in words:
        lines.append("from decimal import Decimal")
    if page.aliases:
        lines.append("from typing import TypeAlias, Union")
    if "UUID" in words:
        lines.append("from uuid import UUID")
    runtime = ["from ._runtime.late_dataclass import dataclass"] * bool(records)
    values = ["Duration"] * ("Duration" in words) + ["Symbol"] * has_enums
    values += ["warn_deprecated"] * any(record["deprecations"] for record in records)
    if values:
        runtime.insert(0, f"from ._runtime.avro.values import {', '.join(values)}")
    return [*lines, *[""] * bool(lines and runtime), *runtime]


def _enum_view(enum: Enum, page: _Page) -> Mapping[str, object]:
    members = dict(zip(enum.symbols, name_members(enum.symbols), strict=True))
    doc = (enum.doc or "").strip() or f"The Avro enum {enum.name}."
    if enum.default:
        known = members[enum.default]
        doc += f"\n\nA symbol that this version does not know is read as {known}."
    return {
        "class": page.classes[enum.name],
        "second_name": page.second_names.get(page.classes[enum.name]),
        "doc": docstring(doc, 4),
        "members": [f"{member} = {string(symbol)}" for symbol, member in members.items()],
    }


def _record_view(record: Record, page: _Page) -> Mapping[str, object]:
    attributes = name_attributes(item.name for item in record.fields)
    inside = _inside(record, attributes, page)
    fields = [
        _field_view(record, item, attribute, inside)
        for item, attribute in zip(record.fields, attributes, strict=True)
    ]
    return {
        "class": page.classes[record.name],
        "doc": docstring(record.doc or "", 4) or docstring(f"The Avro record {record.name}.", 4),
        "fields": fields,
        "deprecations": [
            _deprecation_lines(attribute, item)
            for item, attribute in zip(record.fields, attributes, strict=True)
            if _deprecation(item) and item.default is not None
        ],
        "has_factories": any("field(" in str(view["lines"]) for view in fields),
    }


def _inside(record: Record, attributes: Iterable[str], page: _Page) -> _Page:
    """The page with the classes as they are called inside of one: an attribute hides its namesake,
    whose members and type the other attributes need."""
    used = words_in(field_types((record,), page.graph, page.classes))
    hidden = used.intersection(attributes, page.classes.values())
    if not hidden:
        return page
    for name in sorted(hidden.difference(page.second_names)):
        page.second_names[name] = unique(f"_{name}", page.taken)
    names = {
        full_name: page.second_names[name] if name in hidden else name
        for full_name, name in page.classes.items()
    }
    return replace(page, classes=names)


def _deprecation(item: Field) -> str:
    """Why a field should not be used any more; empty where it may be.

    Avro has no word for it; the property `deprecated` is true, or says what to use instead.
    """
    stated = (item.properties or {}).get("deprecated")
    if isinstance(stated, str):
        return " ".join(stated.split())
    return "it will go" if stated is True else ""


def _deprecation_lines(attribute: str, item: Field) -> list[str]:
    """The call that warns whoever sets a field, as the arguments of a call that takes lines."""
    *parts, last = long_string(_deprecation(item), 12)
    return [
        "        warn_deprecated(",
        "            self,",
        f"            {string(attribute)},",
        *parts,
        f"{last},",
        "        )",
    ]


def _field_doc(item: Field) -> list[str]:
    reason = _deprecation(item)
    deprecated = f"Deprecated: {reason}" if reason else ""
    return docstring("\n\n".join(part for part in (item.doc, deprecated) if part), 4)


def _field_view(record: Record, item: Field, attribute: str, page: _Page) -> Mapping[str, object]:
    name = page.classes[record.name]
    kind = annotation(page.graph, item.schema, page.classes)
    target = page.graph.resolve(item.schema)
    if len(kind) > ALIAS_FROM and isinstance(target, Union):
        alias = unique(name + "".join(map(str.capitalize, item.name.split("_"))), page.taken)
        types = union_types(page.graph, target, page.classes)
        page.aliases.append({"name": alias, "types": types})
        kind = alias
    declaration = f"    {attribute}: {kind}"
    doc = _field_doc(item)
    if item.default is None:
        return {"lines": [declaration], "doc": doc}
    defaults = Defaults(page.graph, page.classes)
    code = defaults.expression(item, record.name)
    if defaults.is_constant(item):
        line = f"{declaration} = {code.text}"
        if len(line) > LINE_LENGTH and code.opened:
            opened = [f"    {text}" for text in code.opened[1:]]
            return {"lines": [f"{declaration} = {code.opened[0]}", *opened], "doc": doc}
        return {"lines": [line], "doc": doc}
    factory = {"[]": "list", "{}": "dict"}.get(code.text)
    if factory is None:
        factory = unique(f"_default_{snake(name)}_{attribute}", page.taken)
        lines = [f"    {text}" for text in code.opened or (code.text,)]
        lines[0] = f"    return {lines[0].lstrip()}"
        page.functions.append({"name": factory, "type": kind, "lines": lines})
    line = f"{declaration} = field(default_factory={factory})"
    if len(line) > LINE_LENGTH:
        opened = [f"{declaration} = field(", f"        default_factory={factory}", "    )"]
        return {"lines": opened, "doc": doc}
    return {"lines": [line], "doc": doc}
