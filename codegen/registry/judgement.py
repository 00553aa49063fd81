"""What a registry makes of an Avro schema: its identity, and whether a history takes it.

Identity is the text that Avro Java prints, as Confluent stores it. The check is Avro Java's own, in
the words in which Confluent's registry reports it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from codegen.avro.canonical import render, write_json
from codegen.avro.dialect import CONFLUENT, JAVA, Dialect
from codegen.avro.incompatibility import AmbiguousFieldError, Incompatibility, Kind, TooManyPairs
from codegen.avro.parse import parse_schema
from codegen.avro.resolution import compare_as_reference
from codegen.avro.schema import Named, SchemaGraph
from codegen.compatibility import SCOPES, Direction
from codegen.contract.model import Level
from codegen.diagnostics import Findings, Severity
from codegen.source import Document, Json, SourceError, read_json

Past = TypeVar("Past")

OLD_SCHEMA_LIMIT = 10 * 1024
"""A message quotes at most this many characters of an older schema."""


class InvalidSchema(Exception):
    """A text that is no valid schema; the message says why."""


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A version that a new schema is checked against."""

    number: int
    text: str
    schema: SchemaGraph


def read_schema(text: str, references: Sequence[str] = (), *, is_new: bool = True) -> SchemaGraph:
    """Parse a text whose references, in order, define what it refers to. Raises InvalidSchema.

    A schema that is stored already is held to less than a new one.
    """
    dialect = JAVA if is_new else CONFLUENT
    names: dict[str, Named] = {}
    for referred in references:
        graph = _parse(referred, names, CONFLUENT)
        names = {**names, **graph.names}
    return _parse(text, names, dialect)


def _parse(text: str, names: dict[str, Named], dialect: Dialect) -> SchemaGraph:
    try:
        document = read_json("schema", text)
    except SourceError as error:
        # Confluent's registry takes the bare name of a primitive type for a schema.
        word = text.strip()
        if not word.isalpha():
            raise InvalidSchema(error.problems[0].message) from None
        document = Document("schema", json.dumps(word), word)
    findings = Findings()
    graph = parse_schema(document, findings, names=names, dialect=dialect)
    for finding in findings:
        if finding.severity is Severity.ERROR:
            raise InvalidSchema(finding.message)
    return graph


def write_schema(graph: SchemaGraph) -> str:
    """The text under which Confluent's registry keeps a schema (Avro Java's Schema.toString)."""
    return render(graph)


def write_resolved(graph: SchemaGraph) -> str:
    """The same with the types of other schemas written out, as `format=resolved` asks for."""
    return render(graph, inline=True)


def normalize_schema(graph: SchemaGraph) -> str:
    """The text with the properties sorted at each level, as `normalize=true` asks for."""
    return write_json(_sort(json.loads(render(graph))))


_ORDER = ("type", "name", "namespace", "doc", "fields", "symbols", "items", "values", "size",
          "default", "order")  # fmt: skip


def _sort(value: Json) -> Json:
    """Sort what Avro does not reserve, and the aliases; leave out the empty doc of a record."""
    if isinstance(value, list):
        return [_sort(item) for item in value]
    if not isinstance(value, dict):
        return value
    known = {key: value[key] for key in value if key in _ORDER}
    extra = {key: _sort_deep(value[key]) for key in sorted(value.keys() - known - {"aliases"})}
    result = {
        key: item if key in ("default", "symbols", "doc", "name") else _sort(item)
        for key, item in known.items()
        if not (key == "doc" and item == "" and "fields" in value)
    }
    if "aliases" in value:
        extra = {"aliases": sorted(value["aliases"]), **extra}
    return result | extra


def _sort_deep(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _sort_deep(value[key]) for key in sorted(value)}
    return [_sort_deep(item) for item in value] if isinstance(value, list) else value


def in_scope(versions: Sequence[Past], level: Level) -> Sequence[Past]:
    """Those of the live versions, oldest first, that a level looks at."""
    scope = SCOPES[level]
    if not scope.directions:
        return ()
    return versions if scope.is_transitive else versions[-1:]


def find_objections(
    schema: SchemaGraph, versions: Sequence[LiveVersion], level: Level, validates: bool = False
) -> list[str]:
    """What Confluent's registry says against a schema; empty when the level holds.

    It goes from the newest of the versions to the oldest and stops at the first that fails.
    `validates` is the setting `validateFields`, which its last message repeats.
    """
    for version in reversed(versions):
        objections = list(_object(schema, version, SCOPES[level].directions))
        if objections:
            word = str(validates).lower()
            objections.append(f"{{validateFields: '{word}', compatibility: '{level.value}'}}")
            return objections
    return []


def _object(
    schema: SchemaGraph, version: LiveVersion, directions: Sequence[Direction]
) -> Iterator[str]:
    found: list[str] = []
    last: list[str] = []
    for direction in directions:
        is_backward = direction is Direction.BACKWARD
        reader, writer = (schema, version.schema) if is_backward else (version.schema, schema)
        words = ("new", "old") if is_backward else ("old", "new")
        try:
            last = [_write(one, *words) for one in compare_as_reference(reader, writer)]
        except AmbiguousFieldError as error:
            last = [f"Unexpected exception during compatibility check: {error}"]
        except TooManyPairs as error:
            last = [error.message]
        found += last
    if not found:
        return
    yield from found
    yield f"{{oldSchemaVersion: {version.number}}}"
    if last:
        # Confluent adds the old schema to the messages of the direction that is checked last.
        cut = len(version.text) > OLD_SCHEMA_LIMIT
        text = version.text[:OLD_SCHEMA_LIMIT]
        yield f"{{oldSchema: {'<truncated> ' if cut else ''}'{text}{'...' if cut else ''}'}}"


_DESCRIPTIONS = {
    Kind.READER_FIELD_MISSING_DEFAULT_VALUE: "The field '{message}' at path '{path}' in the "
    "{reader} schema has no default value and is missing in the {writer} schema",
    Kind.TYPE_MISMATCH: "The type (path '{path}') of a field in the {reader} schema does not match "
    "with the {writer} schema",
    Kind.NAME_MISMATCH: "The name of the schema has changed (path '{path}')",
    Kind.FIXED_SIZE_MISMATCH: "The size of FIXED type field at path '{path}' in the {reader} "
    "schema does not match with the {writer} schema",
    Kind.MISSING_ENUM_SYMBOLS: "The {reader} schema is missing enum symbols '{message}' at path "
    "'{path}' in the {writer} schema",
    Kind.MISSING_UNION_BRANCH: "The {reader} schema is missing a type inside a union field at path "
    "'{path}' in the {writer} schema",
}


def _write(one: Incompatibility, reader: str, writer: str) -> str:
    values = {"message": one.message, "path": one.reader_path, "reader": reader, "writer": writer}
    description = _DESCRIPTIONS[one.kind].format(**values)
    return (
        f"{{errorType:'{one.kind.value}', description:'{description}', "
        f"additionalInfo:'{one.message}'}}"
    )
