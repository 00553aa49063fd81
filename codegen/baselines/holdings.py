"""What a registry holds, as plain data, and the histories of parsed schemas made of it.

A registry and a snapshot of one answer with the same data, so the same code reads both. Texts that
are no readable Avro stay in the history with the problem named: a version is never left out, since
a version that nobody saw could not break anything. Nothing here does input or output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from codegen.avro.parse import STORED, parse_schema
from codegen.avro.schema import Enum, Fixed, Named, Record, SchemaGraph, split_name
from codegen.contract.model import Contract, History, Level, PastVersion
from codegen.diagnostics import Findings
from codegen.source import MAX_CHARACTERS, Document, Json, SourceError, read_json


@dataclass(frozen=True, slots=True)
class VersionReference:
    """A registry reference: the name a schema uses, and the version that defines it.

    `version` is -1 for the latest one (Confluent's convention).
    """

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a subject, its text as the registry keeps it.

    The text is empty, and the id 0, where a registry lists a deleted version and does not give it.
    `metadata` is Confluent's, None where there is none, or where the registry knows none.
    """

    subject: str
    version: int
    id: int
    text: str
    references: tuple[VersionReference, ...] = ()
    type: str = "AVRO"
    metadata: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class StoredSubject:
    """The versions of a subject, oldest first, and its own level, None where it has none.

    They are the live ones, or, where no version lives any more, those that are soft-deleted.
    """

    name: str
    versions: tuple[StoredVersion, ...]
    level: Level | None = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Holdings:
    """Subjects by name, with all that they refer to, and the level of those without their own.

    `registry` is the name of the registry that held them, without credentials.
    """

    subjects: Mapping[str, StoredSubject]
    level: Level | None = None
    registry: str = ""

    @property
    def version_count(self) -> int:
        """How many versions there are in all."""
        return sum(len(subject.versions) for subject in self.subjects.values())

    def restrict(self, names: Iterable[str]) -> Holdings:
        """Only these subjects, and those that they refer to, directly or not."""
        kept: set[str] = set()
        waiting = [name for name in names if name in self.subjects]
        while waiting:
            name = waiting.pop()
            if name in kept:
                continue
            kept.add(name)
            waiting += (
                reference.subject
                for version in self.subjects[name].versions
                for reference in version.references
                if reference.subject in self.subjects
            )
        held = {name: subject for name, subject in self.subjects.items() if name in kept}
        return Holdings(held, self.level, self.registry)


def make_histories(holdings: Holdings, names: Iterable[str], origin: str) -> dict[str, History]:
    """Parse the versions of the named subjects; a subject without versions is left out.

    `origin` begins the label of each version: `registry`, `snapshot`.
    """
    reader = _Reader(holdings, origin)
    histories: dict[str, History] = {}
    for name in dict.fromkeys(names):
        subject = holdings.subjects.get(name)
        if subject is not None and subject.versions:
            versions = tuple(reader.make_past(version) for version in subject.versions)
            level = subject.level or holdings.level
            histories[name] = History(name, versions, level, subject.is_deleted)
    return histories


def find_obstacle(stored: StoredVersion, past: PastVersion) -> str:
    """Why no schema file can hold a version, in words that follow its name; nothing where one can.

    `past` is the version as it was read.
    """
    if stored.type != "AVRO":
        return f"is a {stored.type} schema; only Avro is taken"
    if past.schema is None:
        return f"cannot be read: {past.problem}"
    if isinstance(past.schema.root, Record | Enum | Fixed):
        return ""
    return "has no name: a file defines a record, enum or fixed"


_FULL_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def select_history(names: Iterable[str], contract: Contract) -> list[str]:
    """The subjects that a check of the contract may ask a registry about, which lists `names`.

    They are the contract's, and those of the registry that it seems to have had.
    """
    return [subject.name for subject in contract.subjects] + select_departed(names, contract)


def select_departed(names: Iterable[str], contract: Contract) -> list[str]:
    """Those of a registry's subjects that the contract seems to have had, and has no more.

    The names of Confluent's three strategies are recognized.
    """
    known = {subject.name for subject in contract.subjects}
    topics = {topic.name for topic in contract.topics}
    namespaces = {split_name(name)[0] for name in contract.types} - {""}

    def is_ours(name: str) -> bool:
        if _FULL_NAME.fullmatch(name):
            return split_name(name)[0] in namespaces
        topic, _, rest = name.rpartition("-")
        return topic in topics and (
            rest in ("key", "value") or _FULL_NAME.fullmatch(rest) is not None
        )

    return [name for name in names if name not in known and is_ours(name)]


def write_json(value: Json) -> str:
    """JSON for people: two spaces, keys in their order, half surrogate pairs escaped.

    Raises ValueError for a number beyond all doubles, which JSON can hold and Python cannot print.
    """
    return _escape_halves(_ENCODER.encode(value))


_ENCODER = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)


def _escape_halves(text: str) -> str:
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


@dataclass(frozen=True, slots=True)
class _Reading:
    document: Document
    schema: SchemaGraph | None
    problem: str = ""


@dataclass(slots=True)
class _Reader:
    """Parses each version once, those that it refers to first."""

    holdings: Holdings
    origin: str
    readings: dict[tuple[str, int], _Reading | None] = field(default_factory=dict)
    """None while a version is being read: who meets it then has found a cycle."""

    def make_past(self, stored: StoredVersion) -> PastVersion:
        reading = self._read(stored)
        if reading is None:  # nothing is being read between two calls
            raise AssertionError(stored)
        subject = self.holdings.subjects.get(stored.subject)
        is_deleted = subject is not None and subject.is_deleted
        about = [f"id {stored.id}"] * bool(stored.id) + ["deleted"] * is_deleted
        return PastVersion(
            stored.subject,
            f"{self.origin} v{stored.version} ({', '.join(about)})",
            reading.document,
            reading.schema,
            stored.version,
            stored.id,
            reading.problem,
            stored.type,
        )

    def _read(self, stored: StoredVersion) -> _Reading | None:
        key = (stored.subject, stored.version)
        if key not in self.readings:
            self.readings[key] = None
            self.readings[key] = self._parse(stored)
        return self.readings[key]

    def _parse(self, stored: StoredVersion) -> _Reading:
        name = f"{stored.subject} v{stored.version}"
        document, problem = _make_document(name, stored.text)
        if not stored.text:
            return _Reading(document, None, "it is deleted, and the registry does not give it")
        if stored.type != "AVRO":
            return _Reading(document, None, f"it is a {stored.type} schema; only Avro is compared")
        names: dict[str, Named] = {}
        for reference in stored.references:
            problem = problem or self._add_names(reference, names)
        if problem:
            return _Reading(document, None, problem)
        findings = Findings()
        graph = parse_schema(document, findings, names=names, dialect=STORED)
        if findings.has_errors:
            first = findings.items[0]
            return _Reading(document, None, f"{first.location.line}: {first.message}")
        return _Reading(document, graph)

    def _add_names(self, reference: VersionReference, names: dict[str, Named]) -> str:
        """Add what a reference defines, its own references included; say why it cannot be.

        The first meaning of a name stays, as in Confluent's AvroSchemaProvider, which reads the
        references depth first into one parser.
        """
        what = f"it refers to {reference.name} in {reference.subject}"
        stored = self._find(reference)
        if stored is None:
            version = "" if reference.version < 0 else f" v{reference.version}"
            return f"{what}{version}, which the {self.origin} does not hold"
        reading = self._read(stored)
        if reading is None:
            return f"{what} v{stored.version}, which refers back to it"
        if reading.schema is None:
            return f"{what} v{stored.version}, which cannot be read: {reading.problem}"
        for name, named in reading.schema.names.items():
            names.setdefault(name, named)
        return ""

    def _find(self, reference: VersionReference) -> StoredVersion | None:
        subject = self.holdings.subjects.get(reference.subject)
        if subject is None or not subject.versions:
            return None
        if reference.version < 0:
            return subject.versions[-1]
        numbered = (item for item in subject.versions if item.version == reference.version)
        return next(numbered, None)


def _make_document(name: str, text: str) -> tuple[Document, str]:
    """The text, laid out so that its places have lines of their own; and why it is no JSON."""
    try:
        return read_json(name, text, layout=_lay_out), ""
    except SourceError as error:
        return error.document, str(error.problems[0].message)


def _lay_out(value: Json) -> str | None:
    """JSON for people; None where the value cannot be written, or not within a document's limit."""
    parts: list[str] = []
    length = 0
    try:
        for part in _ENCODER.iterencode(value):
            parts.append(part)
            length += len(part)
            if length > MAX_CHARACTERS:
                return None
    except ValueError:
        return None
    return _escape_halves("".join(parts))
