"""What could stand where somebody types: names that exist, and words of Avro and the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum as Enumeration
from pathlib import PurePosixPath

from codegen.avro.logical import LOGICAL_TYPES, bases_of
from codegen.avro.schema import PRIMITIVES, Enum, Field, Named, Primitive, Record, split_name
from codegen.contract.load import MANIFEST
from codegen.contract.manifest import manifest_schema
from codegen.language_server.cursor import Cursor, Frame, ManifestCursor, find_in_json, find_in_yaml
from codegen.language_server.workspace import State
from codegen.rules import all_rules
from codegen.source import Json, Span


class Sort(Enumeration):
    """What an item is, for the sign that editors show beside it."""

    TYPE = "type"
    KEY = "key"
    VALUE = "value"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class Item:
    """Something that could stand here: `text` takes the place of `span`.

    `pause` is where in the text somebody would go on typing, by default behind it.
    """

    label: str
    sort: Sort
    text: str
    span: Span
    detail: str = ""
    doc: str = ""
    pause: int | None = None


_COMPLEX = ("record", "enum", "array", "map", "fixed")
_TYPE_OWNERS = ("type", "items", "values")
_SCHEMA_OWNERS = (*_TYPE_OWNERS, "fields")
_ORDERS = ("ascending", "descending", "ignore")
_FIELD_KEYS = ("name", "type", "doc", "default", "aliases", "order")
_NAMED_KEYS = ("type", "name", "namespace", "doc", "aliases")
_KIND_KEYS: Mapping[str, tuple[str, ...]] = {
    "record": (*_NAMED_KEYS, "fields"),
    "error": (*_NAMED_KEYS, "fields"),
    "enum": (*_NAMED_KEYS, "symbols", "default"),
    "fixed": (*_NAMED_KEYS, "size", "logicalType"),
    "array": ("type", "items"),
    "map": ("type", "values"),
}
_NEW_FIELD = '{"name": "", "type": "", "doc": ""}'
_LITERALS: Mapping[str, str] = {
    "aliases": "[]",
    "fields": "[]",
    "symbols": "[]",
    "size": "16",
    "precision": "12",
    "scale": "2",
    "default": "",
    "type": "",
    "items": "",
    "values": "",
}
"""What is written behind a key; a text in quotes behind any other."""


def complete(name: str, text: str, offset: int, state: State) -> list[Item]:
    """What could stand at an offset of a file's text, the most likely first."""
    if name == MANIFEST:
        return list(_complete_manifest(text, offset, state))
    cursor = find_in_json(text, offset)
    return [] if cursor is None else list(_Completion(name, text, cursor, state).items())


class _Completion:
    def __init__(self, name: str, text: str, cursor: Cursor, state: State) -> None:
        self._name = name
        self._cursor = cursor
        self._state = state
        self._word = text[cursor.start : cursor.end]
        self._span = Span(cursor.start, cursor.end)
        self._frame = cursor.frames[-1] if cursor.frames else Frame(is_object=False)

    def items(self) -> Iterator[Item]:
        frames = self._cursor.frames
        if any(frame.is_object and frame.key not in _SCHEMA_OWNERS for frame in frames[:-1]):
            return  # Inside of a default or of a property, where anything may stand.
        if self._cursor.is_key:
            yield from self._keys()
            return
        if self._is_taken():
            return
        key = self._cursor.owner()
        if not frames or key in _TYPE_OWNERS:
            is_kind = self._frame.is_object and key == "type" and not self._is_field()
            yield from self._types(with_complex=is_kind)
        elif key == "fields" and not self._cursor.is_quoted:
            field = _NEW_FIELD + self._comma()
            pause = _NEW_FIELD.index('""') + 1
            yield Item("field", Sort.VALUE, field, self._span, "a new field", pause=pause)
        elif key == "logicalType":
            base = self._frame.members.get("type", "")
            for logical in LOGICAL_TYPES:
                if not base or base in bases_of(logical) or base == "fixed":
                    yield self._value(logical)
        elif key == "order" and self._is_field():
            yield from map(self._value, _ORDERS)
        elif key == "namespace":
            yield from map(self._value, self._namespaces())
        elif key == "name" and len(frames) == 1:
            yield self._value(PurePosixPath(self._name).stem)
        elif key == "default":
            yield from self._defaults()

    def _is_field(self) -> bool:
        """Whether the object in hand is a field: an item of the array `fields`."""
        frames = self._cursor.frames
        return len(frames) > 2 and not frames[-2].is_object and frames[-3].key == "fields"

    def _keys(self) -> Iterator[Item]:
        members = self._frame.members
        if self._is_field():
            keys: tuple[str, ...] = _FIELD_KEYS
        else:
            kind = members.get("type", "")
            keys = _KIND_KEYS.get(kind, ("type", "logicalType"))
            if members.get("logicalType") == "decimal":
                keys += ("precision", "scale")
        for key in keys:
            if key not in members or key == self._word:
                yield self._key(key)

    def _types(self, *, with_complex: bool) -> Iterator[Item]:
        here = self._namespace()
        types = self._state.repository.schemas.types
        for name, named in sorted(types.items(), key=lambda one: split_name(one[0])[0] != here):
            namespace, simple = split_name(name)
            text = simple if namespace == here else name
            yield self._value(text, Sort.TYPE, type(named).__name__.lower(), named.doc or "")
        for name in PRIMITIVES:
            yield self._value(name, Sort.TYPE)
        for name in _COMPLEX if with_complex else ():
            yield self._value(name, Sort.TYPE)

    def _namespace(self) -> str:
        """The namespace of names that stand here (specification 1.12, "Names")."""
        for frame in reversed(self._cursor.frames):
            name = frame.members.get("name", "")
            if "fields" in frame.members or frame.members.get("type") in _KIND_KEYS:
                if "." in name:
                    return split_name(name)[0]
                if frame.members.get("namespace"):
                    return frame.members["namespace"]
        return ""

    def _namespaces(self) -> Iterator[str]:
        folders = PurePosixPath(self._name).parent.parts[1:]
        known = {split_name(name)[0] for name in self._state.repository.schemas.types}
        yield from dict.fromkeys([".".join(folders), *sorted(known)] if folders else sorted(known))

    def _defaults(self) -> Iterator[Item]:
        held = self._frame.members.get("type", "")
        if self._is_field():
            named = self._find(held)
            values: Iterable[str] = named.symbols if isinstance(named, Enum) else ()
            literals = {"boolean": ("false", "true"), "null": ("null",)}.get(held, ())
            for literal in () if self._cursor.is_quoted else literals:
                yield Item(literal, Sort.VALUE, literal + self._comma(), self._span)
            yield from map(self._value, values)

    def _find(self, name: str) -> Named | None:
        types = self._state.repository.schemas.types
        here = self._namespace()
        return types.get(f"{here}.{name}" if here and "." not in name else name)

    def _is_taken(self) -> bool:
        """Whether a value stands here already, which another one would run into."""
        follower = self._cursor.follower
        if not self._cursor.frames:
            return bool(follower)
        return follower == "value" and self._frame.is_object

    def _comma(self) -> str:
        return ", " if self._cursor.follower in ("key", "value") else ""

    def _key(self, key: str) -> Item:
        cursor = self._cursor
        if cursor.follower == ":" or (cursor.is_closed and cursor.follower == "value"):
            return Item(key, Sort.KEY, self._quote(key), self._span)
        comma = self._comma()
        literal = _LITERALS.get(key, '""') or ('""' if comma else "")
        text = f'{self._open_quote(key)}": {literal}'
        pause = len(text) - (literal in ('""', "[]"))
        # The quote that an editor has put behind the word belongs to the key.
        span = Span(self._span.start, self._span.end + cursor.is_closed)
        return Item(key, Sort.KEY, text + comma, span, pause=pause)

    def _value(self, value: str, sort: Sort = Sort.VALUE, detail: str = "", doc: str = "") -> Item:
        text = self._quote(value)
        if not self._cursor.is_closed:
            text += self._comma()
        return Item(value, sort, text, self._span, detail, doc)

    def _open_quote(self, word: str) -> str:
        text = json.dumps(word, ensure_ascii=False)[:-1]
        return text[1:] if self._cursor.is_quoted else text

    def _quote(self, word: str) -> str:
        return self._open_quote(word) + ("" if self._cursor.is_closed else '"')


def _complete_manifest(text: str, offset: int, state: State) -> Iterator[Item]:
    cursor = find_in_yaml(text, offset)
    if cursor is None:
        return
    for item in _list_in_manifest(cursor, state):
        yield replace(item, text=cursor.gap + item.text)


def _list_in_manifest(cursor: ManifestCursor, state: State) -> Iterator[Item]:
    span = Span(cursor.start, cursor.end)
    schema = find_in_manifest_schema(cursor.path)
    if cursor.is_key or cursor.is_item:
        for key, held in schema.get("properties", {}).items():
            if key not in cursor.members:
                written = key if cursor.has_colon else f"{key}: "
                yield Item(key, Sort.KEY, written, span, doc=held.get("description", ""))
    if cursor.is_key:
        return
    key = cursor.path[-1] if cursor.path else ""
    types = state.repository.schemas.types
    if key == "events":
        for name, named in sorted(types.items()):
            if isinstance(named, Record):
                yield Item(name, Sort.TYPE, name, span, "record", named.doc or "")
    elif key == "schema" and cursor.path[-2:-1] == ("key",):
        for name, named in sorted(types.items()):
            yield Item(name, Sort.TYPE, name, span, type(named).__name__.lower(), named.doc or "")
    elif key in ("produces", "consumes", "topic"):
        for name, topic in _list_topics(state).items():
            doc = topic.get("doc") if isinstance(topic, dict) else ""
            yield Item(name, Sort.TOPIC, name, span, "topic", doc if isinstance(doc, str) else "")
    elif key == "key" and cursor.path[:1] == ("topics",):
        yield from _complete_key_field(cursor.path, span, state)
    elif key == "rule":
        for name, rule in all_rules().items():
            yield Item(name, Sort.VALUE, name, span, rule.severity.value, rule.summary)
    for value in schema.get("enum", ["true", "false"] if schema.get("type") == "boolean" else []):
        yield Item(str(value), Sort.VALUE, str(value), span)


def _complete_key_field(path: tuple[str, ...], span: Span, state: State) -> Iterator[Item]:
    """The fields that every event of the topic has, and that make a key."""
    topic = _list_topics(state).get(path[1], {})
    events = topic.get("events") if isinstance(topic, dict) else None
    types = state.repository.schemas.types
    records = [types.get(name) for name in events] if isinstance(events, list) else []
    names = [
        [field.name for field in one.fields if _makes_key(field)] if isinstance(one, Record) else []
        for one in records
    ]
    for name in names[0] if names else ():
        if all(name in held for held in names):
            yield Item(name, Sort.VALUE, name, span, "field")


def _makes_key(field: Field) -> bool:
    return isinstance(field.schema, Primitive) and field.schema.type in ("string", "int", "long")


def _list_topics(state: State) -> Mapping[str, Json]:
    manifest = state.documents.get(MANIFEST)
    topics = manifest.value.get("topics") if manifest and isinstance(manifest.value, dict) else None
    return topics if isinstance(topics, dict) else {}


def find_in_manifest_schema(path: Iterable[str]) -> Mapping[str, Json]:
    """The JSON Schema of what stands at a path of the manifest; items of a list stand for it."""
    schema: Mapping[str, Json] = manifest_schema()
    for key in path:
        schema = _open(schema)
        inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if not isinstance(inner, dict):
            return {}
        schema = inner
    return _open(schema)


def _open(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    """A list is seen as its items, a choice as the object in it."""
    while True:
        if isinstance(schema.get("items"), dict):
            schema = schema["items"]
        elif isinstance(schema.get("anyOf"), list):
            objects = [one for one in schema["anyOf"] if one.get("type") == "object"]
            if not objects:
                return schema
            schema = objects[0]
        else:
            return schema
