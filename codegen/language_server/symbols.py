"""Which name stands where, and what does it mean? Types, fields, topics and services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum as Enumeration

from codegen.avro.schema import Enum, Field, Fixed, Record, Ref, Schema, walk
from codegen.contract.load import MANIFEST
from codegen.language_server.workspace import State
from codegen.source import Document, Json, Place, Span


class Kind(Enumeration):
    """What a name is the name of."""

    TYPE = "type"
    FIELD = "field"
    TOPIC = "topic"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something with a name: the full name of a type, `<full name>.<field>`, a topic, a service."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A place where a symbol is defined or used; `place` leads to the text that names it."""

    symbol: Symbol
    place: Place
    is_definition: bool

    @property
    def file(self) -> str:
        """The name of the file that it stands in."""
        return self.place.document.name

    def span(self) -> Span:
        """The characters of the name, without quotes around it."""
        span = self.place.span()
        text = self.place.document.text[span.start : span.end]
        is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return Span(span.start + 1, span.end - 1) if is_quoted else span


class Index:
    """All occurrences in a repository, but for those in texts that cannot be read as they are."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._occurrences: dict[str, list[Occurrence]] = {}
        self._by_symbol: dict[Symbol, list[Occurrence]] = {}
        for root in state.repository.schemas.roots.values():
            self._add(_find_in_schema(root))
        manifest = state.documents.get(MANIFEST)
        if manifest is not None and isinstance(manifest.value, dict):
            self._add(_find_in_manifest(manifest))

    def at(self, file: str, offset: int) -> Occurrence | None:
        """What stands around, or ends at, a character of a file: the innermost name."""
        best: tuple[int, Occurrence] | None = None
        for one in self._occurrences.get(file, ()):
            span = one.span()
            if span.start <= offset <= span.end:
                length = span.end - span.start
                if best is None or length < best[0]:
                    best = length, one
        return None if best is None else best[1]

    def of(self, symbol: Symbol) -> list[Occurrence]:
        """Every place that names a symbol, its definition first."""
        # What an anchor of YAML stands for is several times in the manifest, and once in its text.
        found = {(one.file, one.span()): one for one in self._by_symbol.get(symbol, ())}
        return sorted(found.values(), key=lambda one: not one.is_definition)

    def definitions(self, file: str | None = None) -> list[Occurrence]:
        """What is defined in a file, or in all of them, in the order of the text."""
        files = [file] if file is not None else sorted(self._occurrences)
        return [
            one for name in files for one in self._occurrences.get(name, ()) if one.is_definition
        ]

    def _add(self, found: Iterator[Occurrence]) -> None:
        for one in found:
            if one.file not in self.state.stale:
                self._occurrences.setdefault(one.file, []).append(one)
                self._by_symbol.setdefault(one.symbol, []).append(one)


def field_symbol(record: Record, field: Field) -> Symbol:
    """The symbol of a field."""
    return Symbol(Kind.FIELD, f"{record.name}.{field.name}")


def _find_in_schema(root: Schema) -> Iterator[Occurrence]:
    for node in walk(root):
        match node:
            case Record() | Enum() | Fixed():
                yield Occurrence(Symbol(Kind.TYPE, node.name), node.origin.at("name"), True)
                if isinstance(node, Record):
                    for field in node.fields:
                        yield Occurrence(field_symbol(node, field), field.origin.at("name"), True)
            case Ref(name=name, origin=origin):
                yield Occurrence(Symbol(Kind.TYPE, name), _name_place(origin), False)


def _name_place(origin: Place) -> Place:
    """Where a reference names its type: an object may stand around it."""
    value: Json = origin.document.value
    for step in origin.path:
        value = value[step]
    return origin.at("type") if isinstance(value, dict) else origin


def _find_in_manifest(manifest: Document) -> Iterator[Occurrence]:
    place = Place(manifest)
    topics, services = (manifest.value.get(key) for key in ("topics", "services"))
    for name, topic in _items(topics):
        at = place.at("topics", name)
        yield Occurrence(Symbol(Kind.TOPIC, name), Place(manifest, at.path, on_key=True), True)
        yield from _find_events(topic, at)
        key, owner = topic.get("key"), topic.get("owner")
        if isinstance(key, dict) and isinstance(key.get("schema"), str):
            yield Occurrence(Symbol(Kind.TYPE, key["schema"]), at.at("key", "schema"), False)
        elif isinstance(key, str):
            for event in _list_events(topic):
                yield Occurrence(Symbol(Kind.FIELD, f"{event}.{key}"), at.at("key"), False)
        if isinstance(services, dict) and isinstance(owner, str) and owner in services:
            yield Occurrence(Symbol(Kind.SERVICE, owner), at.at("owner"), False)
    lint = manifest.value.get("lint")
    ignores = lint.get("ignore") if isinstance(lint, dict) else None
    for number, ignore in enumerate(ignores if isinstance(ignores, list) else ()):
        named = ignore.get("name") if isinstance(ignore, dict) else None
        if isinstance(named, str):
            at = place.at("lint", "ignore", number, "name")
            yield Occurrence(Symbol(Kind.TYPE, named), at, False)
    for name, service in _items(services):
        at = place.at("services", name)
        yield Occurrence(Symbol(Kind.SERVICE, name), Place(manifest, at.path, on_key=True), True)
        for verb in ("produces", "consumes"):
            used = service.get(verb)
            for index, entry in enumerate(used if isinstance(used, list) else ()):
                yield from _find_traffic(entry, at.at(verb, index))


def _find_traffic(entry: Json, place: Place) -> Iterator[Occurrence]:
    if isinstance(entry, str):
        yield Occurrence(Symbol(Kind.TOPIC, entry), place, False)
    elif isinstance(entry, dict):
        if isinstance(entry.get("topic"), str):
            yield Occurrence(Symbol(Kind.TOPIC, entry["topic"]), place.at("topic"), False)
        yield from _find_events(entry, place)


def _find_events(holder: dict[str, Json], place: Place) -> Iterator[Occurrence]:
    for index, event in enumerate(_list_events(holder)):
        if isinstance(event, str):
            yield Occurrence(Symbol(Kind.TYPE, event), place.at("events", index), False)


def _list_events(holder: dict[str, Json]) -> list[Json]:
    events = holder.get("events")
    return events if isinstance(events, list) else []


def _items(value: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    for name, held in value.items() if isinstance(value, dict) else ():
        if isinstance(held, dict):
            yield name, held
