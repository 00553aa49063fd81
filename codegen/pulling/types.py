"""Which named type becomes which file, and what stands in it.

A subject's root is a file, and so is each type that several of them write out the same: a
repository defines a type once. A type that they write out differently is a finding. The names come
from outside: no path is made of one that is no Avro name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from codegen.avro.canonical import render, render_alone
from codegen.avro.parse import parse_schema
from codegen.avro.schema import (
    Array,
    Enum,
    Fixed,
    Map,
    Named,
    Record,
    Ref,
    Schema,
    SchemaGraph,
    Union,
    walk,
)
from codegen.avro.wording import list_names
from codegen.baselines.holdings import Holdings, StoredVersion, find_obstacle
from codegen.contract.model import History, PastVersion
from codegen.diagnostics import Findings, Related, locate, rule
from codegen.difference import find_differences
from codegen.formatting import format_schema
from codegen.source import read_json

CONFLICT = rule(
    "pull/conflicting-types",
    "Two subjects write out a type of one name differently.",
    "A repository defines a type once. Which of the two is meant, only people can say.",
)

_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class PulledType:
    """A type with a file of its own.

    `text` is the file's, `schema` the type in which other files' types are names. `subjects` hold
    it as their root, or write it out.
    """

    name: str
    text: str
    schema: SchemaGraph
    subjects: tuple[str, ...]


@dataclass(slots=True)
class Pulled:
    """The types by name, and the subjects that stay out, each with the reason."""

    types: dict[str, PulledType] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    """The full name of each subject's root."""
    left_out: dict[str, str] = field(default_factory=dict)
    extracted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The types that several subjects write out, and these subjects."""


def collect_types(
    holdings: Holdings,
    histories: Mapping[str, History],
    local: Collection[str],
    findings: Findings,
) -> Pulled:
    """The types of the newest versions; `local` are those that have a file in the repository."""
    pulled = Pulled()
    roots: dict[str, tuple[StoredVersion, PastVersion, Named]] = {}
    for name, held in holdings.subjects.items():
        newest, latest = held.versions[-1], histories[name].versions[-1]
        named = _root(newest, latest, pulled.left_out)
        if named is not None:
            roots[name] = (newest, latest, named)
    _leave_out_referrers(roots, pulled.left_out)
    pulled.roots = {name: root.name for name, (_, _, root) in roots.items()}

    places: dict[str, list[tuple[str, PastVersion, Named]]] = {}
    for name, (_, past, root) in roots.items():
        for node in _own_types(root):
            places.setdefault(node.name, []).append((name, past, node))
    for found in places.values():
        _report_conflict(found, findings)
    own_files = {*pulled.roots.values(), *local} | {
        name for name, found in places.items() if len({pulled.roots[item[0]] for item in found}) > 1
    }
    for name in sorted(own_files & places.keys()):
        found = places[name]
        subject, past, node = next(
            (item for item in found if pulled.roots[item[0]] == name), found[0]
        )
        cut = _cut(node, own_files - {name})
        is_whole = pulled.roots[subject] == name and cut == node
        schema = SchemaGraph(cut, {**_close(node, past).names, name: cut})
        text = roots[subject][0].text if is_whole else render(schema)
        pulled.types[name] = PulledType(
            name,
            format_schema(read_json("", text)),
            schema,
            tuple(item[0] for item in found),
        )
        inliners = tuple(item[0] for item in found if pulled.roots[item[0]] != name)
        if inliners:
            pulled.extracted[name] = inliners
    return pulled


def _root(stored: StoredVersion, past: PastVersion, left_out: dict[str, str]) -> Named | None:
    version = f"v{stored.version}"
    if obstacle := find_obstacle(stored, past):
        left_out[stored.subject] = f"{version} {obstacle}"
    elif past.schema is not None and isinstance(past.schema.root, Record | Enum | Fixed):
        strict = Findings()
        parse_schema(past.document, strict, names=_foreign(past.schema))
        odd = [item.name for item in _own_types(past.schema.root) if not is_safe(item.name)]
        if not strict.has_errors and not odd:
            return past.schema.root
        reason = f'"{odd[0]}" is no Avro name' if odd else strict.items[0].message
        left_out[stored.subject] = f"{version} is no valid Avro: {reason}"
    return None


def _foreign(graph: SchemaGraph) -> dict[str, Named]:
    own = {node.name for node in walk(graph.root) if isinstance(node, Record | Enum | Fixed)}
    return {name: named for name, named in graph.names.items() if name not in own}


def _leave_out_referrers(
    roots: dict[str, tuple[StoredVersion, PastVersion, Named]], left_out: dict[str, str]
) -> None:
    """Whoever refers to what is left out is left out too."""
    while True:
        lost = {
            name: reference.subject
            for name, (stored, _, _) in roots.items()
            for reference in stored.references
            if reference.subject in left_out
        }
        if not lost:
            return
        for name, used in lost.items():
            left_out[name] = f"it refers to {used}, which is left out"
            del roots[name]


def _own_types(root: Schema) -> Iterator[Named]:
    return (node for node in walk(root) if isinstance(node, Record | Enum | Fixed))


def _report_conflict(found: list[tuple[str, PastVersion, Named]], findings: Findings) -> None:
    first, past, node = found[0]
    text = render_alone(node)
    for subject, other_past, other in found[1:]:
        if render_alone(other) != text:
            differences = find_differences(_close(other, other_past), _close(node, past))
            words = list_names((str(item) for item in differences), 3)
            findings.add(
                CONFLICT,
                locate(other.origin.at("name")),
                f"{subject} and {first} define {node.name} differently: {words}",
                related=(Related("the other one", past.label, locate(node.origin.at("name"))),),
                hint="make them one in the registry, or pull one of them: --subject",
                subject=subject,
            )
            return


def _close(named: Named, past: PastVersion) -> SchemaGraph:
    return SchemaGraph(named, past.schema.names if past.schema is not None else {})


def _cut(named: Named, names: Collection[str]) -> Named:
    """The type with the types of these names inside it as references."""
    if not isinstance(named, Record):
        return named
    fields = (replace(item, schema=_cut_inside(item.schema, names)) for item in named.fields)
    return replace(named, fields=tuple(fields))


def _cut_inside(schema: Schema, names: Collection[str]) -> Schema:
    match schema:
        case Record() | Enum() | Fixed():
            return Ref(schema.name, schema.origin) if schema.name in names else _cut(schema, names)
        case Array():
            return replace(schema, items=_cut_inside(schema.items, names))
        case Map():
            return replace(schema, values=_cut_inside(schema.values, names))
        case Union():
            branches = tuple(_cut_inside(branch, names) for branch in schema.branches)
            return replace(schema, branches=branches)
        case _:
            return schema


def is_safe(name: str) -> bool:
    """Whether a full name is one by the specification, and so may become a path."""
    return _FULL_NAME.fullmatch(name) is not None


def is_known_version(
    pulled: PulledType, local: SchemaGraph, histories: Mapping[str, History]
) -> bool:
    """Whether some version in the registry defines the type as the repository does."""
    text = render(local)
    inner = {item.name for item in _own_types(local.root)}
    for subject in pulled.subjects:
        for past in histories[subject].versions:
            if past.schema is None:
                continue
            for node in _own_types(past.schema.root):
                if node.name != pulled.name:
                    continue
                foreign = {item.name for item in _own_types(node)} - inner
                if render(SchemaGraph(_cut(node, foreign), past.schema.names)) == text:
                    return True
    return False
