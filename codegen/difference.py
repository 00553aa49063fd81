"""What changed between two versions of a schema, in words?

A list of differences, each a few words that a reviewer can take in at a glance; nothing here says
whether a change is good. Whatever the registry would take for another schema has at least one
difference, so an empty list means that nothing changed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum as Enumeration
from typing import assert_never

from codegen.avro.canonical import render
from codegen.avro.incompatibility import Target, TooManyPairs, is_promotable
from codegen.avro.matching import FieldPair, Pair, TypePair, match_schemas
from codegen.avro.schema import (
    Array,
    Default,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Record,
    SchemaGraph,
    Union,
    split_name,
)
from codegen.avro.wording import (
    describe_logical,
    describe_type,
    list_names,
    show_value,
    simple_name,
)
from codegen.contract.model import Contract, History, PastVersion, SchemaKey
from codegen.counting import agree
from codegen.source import Json, Place

MOST = 12
"""The most differences of an event in a report; kontrakt diff lists all."""


class ChangeKind(Enumeration):
    """What sort of change it is; the value begins its line."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    WIDENED = "widened"
    NARROWED = "narrowed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Difference:
    """One change: what sort, of what, and how. `place` is in the new text, `old_place` the old."""

    kind: ChangeKind
    what: str
    detail: str = ""
    place: Place | None = None
    old_place: Place | None = None

    def __str__(self) -> str:
        """One line, for example `added field channel (string, default "unknown")`."""
        return f"{self.kind.value} {self.what}{self.detail}"


@dataclass(frozen=True, slots=True)
class _Words:
    """What a difference says, before the places of its pair are added."""

    kind: ChangeKind
    what: str
    detail: str = ""


class State(Enumeration):
    """What became of an event or a key between two states of a contract."""

    NEW = "new"
    REMOVED = "removed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class EventDifference:
    """What became of one event, or of a key, and everything that changed in it.

    `name` is what people call it. `before` and `after` name the versions and are empty where
    there is none. `problem` says why a version cannot be read.
    """

    name: str
    subject: str
    state: State
    before: str = ""
    after: str = ""
    differences: tuple[Difference, ...] = ()
    problem: str = ""

    @property
    def title(self) -> str:
        """One line, for example `OrderPlaced v3 -> v4`."""
        match self.state:
            case State.CHANGED if self.before and self.after:
                return f"{self.name} {self.before} -> {self.after}"
            case State.CHANGED:
                return self.name
            case State.NEW:
                return f"{self.name} is new"
            case State.REMOVED:
                return f"{self.name} was removed"
            case State.UNCHANGED:
                return f"{self.name} is unchanged"
            case State.UNREADABLE:
                return f"{self.name} cannot be compared"
            case _:
                assert_never(self.state)


def describe_differences(
    compared: Iterable[EventDifference],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The section of a report: a line for each event that changed; none where none did."""
    lines = tuple(
        f"{one.title}: {'; '.join(map(str, one.differences[:MOST]))}"
        + (f"; and {len(one.differences) - MOST} more" if len(one.differences) > MOST else "")
        for one in compared
        if one.state is State.CHANGED
    )
    return (("What changed", lines),) if lines else ()


def compare_contracts(
    contract: Contract, before: Mapping[str, History], after: Mapping[str, History] | None = None
) -> tuple[EventDifference, ...]:
    """What became of each event and each key, between the latest versions of two histories.

    Without `after` the contract itself is what came of it. Types that events share are told of
    with each event that uses them. Subjects that the contract does not have, and the histories do,
    are told of under their own names.
    """
    subjects = {subject.name: subject for subject in contract.subjects}
    strangers = sorted({*before, *(after or {})} - subjects.keys())
    outcome = []
    for name, subject in (*_name_subjects(contract), *((name, name) for name in strangers)):
        old, new = _latest(before.get(subject)), _latest((after or {}).get(subject))
        if after is None and subject in subjects:
            now = subjects[subject]
            history = before.get(subject)
            again = None if history is None else history.find_older(now.schema)
            number = 0 if again is None else again.version
            new = PastVersion(subject, "", now.document, now.schema, version=number)
        if old is not None or new is not None:
            outcome.append(_compare_versions(name, subject, new, old))
    return tuple(outcome)


def _name_subjects(contract: Contract) -> Iterator[tuple[str, str]]:
    simple = [simple_name(event.name) for event in contract.events]
    counts = Counter(simple)
    for event, name in zip(contract.events, simple, strict=True):
        yield name if counts[name] == 1 else f"{event.name} on {event.topic}", event.subject
    for topic in contract.topics:
        if isinstance(topic.key, SchemaKey):
            yield f"key of {topic.name}", topic.key.subject


def _latest(history: History | None) -> PastVersion | None:
    return history.versions[-1] if history is not None and history.versions else None


def _compare_versions(
    name: str, subject: str, new: PastVersion | None, old: PastVersion | None
) -> EventDifference:
    before = f"v{old.version}" if old is not None and old.version else ""
    after = f"v{new.version}" if new is not None and new.version else ""
    for version in (old, new):
        if version is not None and version.schema is None:
            problem = f"{version.label}: {version.problem or 'it cannot be read as Avro'}"
            state = State.UNREADABLE
            return EventDifference(name, subject, state, before, after, problem=problem)
    if old is None or old.schema is None:
        return EventDifference(name, subject, State.NEW, "", after)
    if new is None or new.schema is None:
        return EventDifference(name, subject, State.REMOVED, before, "")
    differences = find_differences(new.schema, old.schema)
    if not new.label and not new.version:
        after = f"v{old.version + bool(differences)}" if old.version else ""
    state = State.CHANGED if differences else State.UNCHANGED
    return EventDifference(name, subject, state, before, after, differences)


def find_differences(new: SchemaGraph, old: SchemaGraph) -> tuple[Difference, ...]:
    """Every difference of two schemas, in the order of the new text; each once."""
    if render(new, inline=True) == render(old, inline=True):
        return ()
    root = getattr(new.resolve(new.root), "name", "")
    found: dict[_Words, Difference] = {}
    try:
        for pair in match_schemas(new, old):
            for words in _compare(pair, root):
                place, old_place = _places(pair)
                difference = Difference(words.kind, words.what, words.detail, place, old_place)
                found.setdefault(words, difference)
    except TooManyPairs:
        words = _Words(ChangeKind.CHANGED, "more than can be listed")
        found[words] = Difference(words.kind, words.what)
    if not found:
        found[_OTHERWISE] = Difference(
            _OTHERWISE.kind, _OTHERWISE.what, _OTHERWISE.detail, new.root.origin, old.root.origin
        )
    return tuple(found.values())


_OTHERWISE = _Words(ChangeKind.CHANGED, "the text", " in a way that no reader sees")


def _places(pair: Pair) -> tuple[Place, Place]:
    if isinstance(pair, TypePair):
        return pair.new_place, pair.old_place
    new = pair.new.origin if pair.new is not None else pair.new_record.origin
    old = pair.old.origin if pair.old is not None else pair.old_record.origin
    return new, old


def _compare(pair: Pair, root: str) -> Iterator[_Words]:
    if isinstance(pair, FieldPair):
        yield from _compare_fields(pair, root)
        return
    what = _type_label(pair, root)
    match pair.new, pair.old:
        case Record() as new, Record() as old:
            yield from _compare_named(new, old, root)
            yield from _compare_order(new, old, root)
        case Enum() as new, Enum() as old:
            yield from _compare_named(new, old, root)
            yield from _compare_enums(new, old)
        case Fixed() as new, Fixed() as old:
            yield from _compare_named(new, old, root)
            if new.size != old.size:
                detail = f": {old.size} -> {new.size} bytes"
                yield _Words(ChangeKind.CHANGED, f"size of {simple_name(new.name)}", detail)
            yield from _compare_logical(what, new, old)
        case Primitive() as new, Primitive() as old:
            yield from _compare_primitives(what, new, old)
        case (Union(), _) | (_, Union()):
            yield from _compare_unions(what, pair)
        case (Array(), Array()) | (Map(), Map()):
            yield from _compare_properties(what, pair.new, pair.old)
        case new, old:
            yield _change_type(ChangeKind.CHANGED, what, new, old)


def _compare_fields(pair: FieldPair, root: str) -> Iterator[_Words]:
    what = field_label(pair, root)
    new, old = pair.new, pair.old
    if new is None or old is None:
        kind = ChangeKind.REMOVED if new is None else ChangeKind.ADDED
        if item := new or old:
            yield _Words(kind, f"field {what}", f" ({_describe_field(item)})")
        return
    if pair.is_renamed:
        yield _Words(ChangeKind.RENAMED, f"field {old.name}", f" to {what}")
    yield from _compare_defaults(what, new.default, old.default)
    yield from _compare_docs(what, new.doc, old.doc)
    yield from _compare_aliases(what, new.aliases, old.aliases)
    if (new.order or "ascending") != (old.order or "ascending"):
        detail = f": {old.order or 'ascending'} -> {new.order or 'ascending'}"
        yield _Words(ChangeKind.CHANGED, f"sort order of {what}", detail)
    yield from _compare_properties(what, new, old)


def _compare_defaults(what: str, new: Default | None, old: Default | None) -> Iterator[_Words]:
    if new is not None and old is None:
        yield _Words(ChangeKind.ADDED, f"default of {what}", f": {show_value(new.value)}")
    elif new is None and old is not None:
        yield _Words(ChangeKind.REMOVED, f"default of {what}", f": {show_value(old.value)}")
    elif new is not None and old is not None and not is_same_json(new.value, old.value):
        detail = f": {show_value(old.value)} -> {show_value(new.value)}"
        yield _Words(ChangeKind.CHANGED, f"default of {what}", detail)


_ADDED_OR_REMOVED = {True: ChangeKind.ADDED, False: ChangeKind.REMOVED}


def _compare_docs(what: str, new: str | None, old: str | None) -> Iterator[_Words]:
    if new != old:
        kind = ChangeKind.CHANGED if new and old else _ADDED_OR_REMOVED[bool(new)]
        yield _Words(kind, f"doc of {what}")


def _compare_aliases(what: str, new: tuple[str, ...], old: tuple[str, ...]) -> Iterator[_Words]:
    for alias in new:
        if alias not in old:
            yield _Words(ChangeKind.ADDED, f"alias {alias}", f" of {what}")
    for alias in old:
        if alias not in new:
            yield _Words(ChangeKind.REMOVED, f"alias {alias}", f" of {what}")


def _compare_named(new: Named, old: Named, root: str) -> Iterator[_Words]:
    what = "the event" if new.name == root else simple_name(new.name)
    if new.name != old.name:
        (new_space, new_name), (old_space, old_name) = split_name(new.name), split_name(old.name)
        if new_name == old_name:
            detail = f": {old_space or 'none'} -> {new_space or 'none'}"
            yield _Words(ChangeKind.CHANGED, f"namespace of {new_name}", detail)
        else:
            yield _Words(ChangeKind.RENAMED, f"type {old.name}", f" to {new.name}")
    yield from _compare_docs(what, new.doc, old.doc)
    yield from _compare_aliases(what, new.aliases, old.aliases)
    yield from _compare_properties(what, new, old)
    if isinstance(new, Record) and isinstance(old, Record) and new.is_error != old.is_error:
        detail = ": record -> error" if new.is_error else ": error -> record"
        yield _Words(ChangeKind.CHANGED, what, detail)


def _compare_order(new: Record, old: Record, root: str) -> Iterator[_Words]:
    kept = {item.name for item in old.fields} & {item.name for item in new.fields}
    new_order = [item.name for item in new.fields if item.name in kept]
    old_order = [item.name for item in old.fields if item.name in kept]
    if new_order != old_order:
        where = "" if new.name == root else f" of {simple_name(new.name)}"
        yield _Words(ChangeKind.MOVED, f"fields{where}", f", now {list_names(new_order)}")


def _compare_enums(new: Enum, old: Enum) -> Iterator[_Words]:
    name = simple_name(new.name)
    known, kept = set(old.symbols), set(new.symbols)
    added = [symbol for symbol in new.symbols if symbol not in known]
    removed = [symbol for symbol in old.symbols if symbol not in kept]
    if added:
        yield _Words(ChangeKind.ADDED, _symbols(added), f" to {name}")
    if removed:
        yield _Words(ChangeKind.REMOVED, _symbols(removed), f" from {name}")
    new_order = [symbol for symbol in new.symbols if symbol in known]
    if new_order != [symbol for symbol in old.symbols if symbol in kept]:
        yield _Words(ChangeKind.MOVED, f"symbols of {name}", f", now {list_names(new.symbols)}")
    yield from _compare_defaults(
        name,
        None if new.default is None else Default(new.default),
        None if old.default is None else Default(old.default),
    )


def _compare_primitives(what: str, new: Primitive, old: Primitive) -> Iterator[_Words]:
    if new.type == old.type:
        yield from _compare_logical(what, new, old)
        yield from _compare_properties(what, new, old)
    elif is_promotable(new, old) and {new.type, old.type} != {"string", "bytes"}:
        yield _change_type(ChangeKind.WIDENED, what, new, old)
    elif is_promotable(old, new) and {new.type, old.type} != {"string", "bytes"}:
        yield _change_type(ChangeKind.NARROWED, what, new, old)
    else:
        yield _change_type(ChangeKind.CHANGED, what, new, old)


def _compare_logical(what: str, new: Primitive | Fixed, old: Primitive | Fixed) -> Iterator[_Words]:
    before, after = describe_logical(old), describe_logical(new)
    if before != after:
        detail = f": {before or 'none'} -> {after or 'none'}"
        yield _Words(ChangeKind.CHANGED, f"logical type of {what}", detail)


def _compare_unions(what: str, pair: TypePair) -> Iterator[_Words]:
    positions = [old for _, old in pair.branches if old is not None]
    is_same = all(None not in one for one in pair.branches) and positions == sorted(positions)
    if not is_same or isinstance(pair.new, Union) is not isinstance(pair.old, Union):
        before, after = describe_type(pair.old), describe_type(pair.new)
        yield _Words(ChangeKind.CHANGED, what, f": {before} -> {after}")


def _compare_properties(what: str, new: object, old: object) -> Iterator[_Words]:
    ignored = {"logicalType", "precision", "scale"} if isinstance(new, Primitive | Fixed) else set()
    after = {**(getattr(new, "properties", None) or {})}
    before = {**(getattr(old, "properties", None) or {})}
    for key in [*after, *(key for key in before if key not in after)]:
        if key in ignored:
            continue
        if key not in before:
            yield _Words(
                ChangeKind.ADDED, f"property {key}", f" of {what}: {show_value(after[key])}"
            )
        elif key not in after:
            yield _Words(ChangeKind.REMOVED, f"property {key}", f" of {what}")
        elif not is_same_json(before[key], after[key]):
            detail = f" of {what}: {show_value(before[key])} -> {show_value(after[key])}"
            yield _Words(ChangeKind.CHANGED, f"property {key}", detail)


def _change_type(kind: ChangeKind, what: str, new: Target, old: Target) -> _Words:
    return _Words(kind, what, f": {describe_type(old)} -> {describe_type(new)}")


def field_label(pair: FieldPair, root: str = "") -> str:
    """A field in words: its name, after its record's where that is not the one named `root`."""
    record = pair.new_record.name
    return pair.name if record == root else f"{simple_name(record)}.{pair.name}"


def _type_label(pair: TypePair, root: str) -> str:
    return "the schema" if pair.owner is None else field_label(pair.owner, root)


def _describe_field(item: Field) -> str:
    parts = [describe_type(item.schema)]
    if item.default is not None:
        parts.append(f"default {show_value(item.default.value)}")
    return ", ".join(parts)


def is_same_json(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same text in standard form; `1`, `1.0` and `true` differ."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _symbols(symbols: list[str]) -> str:
    return f"{agree(len(symbols), 'symbol')} {list_names(symbols)}"
