"""The embedded registry: subjects, versions and ids in one SQLite file, by Confluent's rules.

Whatever was answered is on the disk: each change is one transaction in SQLite's write-ahead log,
which also keeps two processes from giving one schema two ids. Schemas of other kinds than Avro are
kept as they came, and their compatibility is not judged.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from codegen.contract.model import Level
from codegen.registry.judgement import (
    InvalidSchema,
    LiveVersion,
    find_objections,
    normalize_schema,
    read_schema,
    write_schema,
)
from codegen.source import Json

MODES = ("READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD")
SCHEMA_TYPES = ("JSON", "PROTOBUF", "AVRO")
DEFAULT_CONTEXT = "."
MAX_VERSION = 2**31 - 1
MAX_REFERENCES = 1000

_TABLES = """
CREATE TABLE IF NOT EXISTS schemas (
  context TEXT NOT NULL, id INTEGER NOT NULL, guid TEXT NOT NULL, type TEXT NOT NULL,
  text TEXT NOT NULL, refs TEXT NOT NULL, metadata TEXT NOT NULL, rules TEXT NOT NULL,
  identity TEXT NOT NULL, PRIMARY KEY (context, id), UNIQUE (context, identity));
CREATE TABLE IF NOT EXISTS versions (
  subject TEXT NOT NULL, version INTEGER NOT NULL, context TEXT NOT NULL, id INTEGER NOT NULL,
  is_deleted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (subject, version)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS versions_by_id ON versions (context, id);
CREATE TABLE IF NOT EXISTS settings (
  scope TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (scope, kind));
"""


class RegistryError(Exception):
    """An answer that is no: the HTTP status, Confluent's error code, and the message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.status = code if code < 1000 else code // 100
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a subject; `metadata` and `rules` are kept as they came, None for none."""

    subject: str
    version: int
    id: int
    guid: str
    type: str
    text: str
    references: tuple[Mapping[str, Json], ...] = ()
    metadata: Json = None
    rules: Json = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schema as a client sends it; id and version are given in the mode IMPORT only."""

    text: str
    type: str = "AVRO"
    references: tuple[Mapping[str, Json], ...] = ()
    metadata: Json = None
    rules: Json = None
    id: int | None = None
    version: int | None = None


def split_subject(subject: str) -> tuple[str, str]:
    """The context and the name of a subject: `:.ctx:name` is in `.ctx`, `name` in the default."""
    if subject.startswith(":.") and ":" in subject[2:]:
        context, _, name = subject[1:].partition(":")
        return context, name
    return DEFAULT_CONTEXT, subject


class Store:
    """One registry. Safe to use from several threads, and from several processes on one file."""

    def __init__(self, file: Path | str) -> None:
        """Open a file, made when it is missing; `:memory:` for one that is gone afterwards.

        Raises RegistryError (50001) for a file that is no registry or cannot be opened.
        """
        self._lock = threading.RLock()
        try:
            if str(file) != ":memory:":
                Path(file).parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(
                file, timeout=30, isolation_level=None, check_same_thread=False
            )
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            with self._change():
                for statement in _TABLES.split(";\n"):
                    self._base.execute(statement)
        except (sqlite3.Error, OSError) as error:
            raise RegistryError(
                50001, f"{file} is no registry that can be opened: {error}"
            ) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    # --- subjects and versions

    def subjects(self, prefix: str = "", deleted: bool = False, only: bool = False) -> list[str]:
        """The names of subjects with versions; with `deleted` also, or `only`, deleted ones.

        The prefix `:*:` means all contexts, none the default context.
        """
        states = {0} if not (deleted or only) else {1} if only else {0, 1}
        rows = self._rows("SELECT DISTINCT subject, is_deleted FROM versions ORDER BY subject")
        live = {subject for subject, is_deleted in rows if not is_deleted}
        names = dict.fromkeys(
            subject
            for subject, is_deleted in rows
            if is_deleted in states and not (only and subject in live)
        )
        if prefix.startswith(":*:"):
            return [name for name in names if split_subject(name)[1].startswith(prefix[3:])]
        if not prefix.startswith(":"):
            return [name for name in names if not name.startswith(":.") and name.startswith(prefix)]
        return [name for name in names if name.startswith(prefix)]

    def versions(self, subject: str, deleted: bool = False, only: bool = False) -> list[int]:
        """The version numbers of a subject, ascending. Raises RegistryError (40401)."""
        entries = self._entries(subject)
        wanted = [
            entry.version
            for entry in entries
            if (entry.is_deleted if only else deleted or not entry.is_deleted)
        ]
        if not wanted:
            raise self._no_subject(subject)
        return wanted

    def version(self, subject: str, number: int | None, deleted: bool = False) -> Entry:
        """One version, None for the latest. Raises RegistryError (40401, 40402)."""
        entries = [one for one in self._entries(subject) if deleted or not one.is_deleted]
        if not entries:
            raise self._no_subject(subject)
        if number is None:
            return entries[-1]
        for entry in entries:
            if entry.version == number:
                return entry
        raise RegistryError(40402, f"Version {number} not found.")

    def latest_with_metadata(
        self, subject: str, wanted: Mapping[str, str], deleted: bool = False
    ) -> Entry:
        """The latest version with these metadata properties. Raises RegistryError."""
        for number in reversed(self.versions(subject, deleted)):
            entry = self.version(subject, number, deleted)
            properties = (entry.metadata or {}).get("properties") or {}
            if wanted.items() <= properties.items():
                return entry
        raise RegistryError(40403, "Schema not found")

    def lookup(
        self, subject: str, candidate: Candidate, normalize: bool = False, deleted: bool = False
    ) -> Entry:
        """The version of a subject that has this schema. Raises RegistryError (40401, 40403)."""
        entries = [one for one in self._entries(subject) if deleted or not one.is_deleted]
        if not entries:
            raise self._no_subject(subject)
        prepared = self._prepare(subject, candidate, normalize)
        for entry in reversed(entries):
            is_same = (entry.text, entry.type) == (prepared.text, prepared.type)
            if is_same and self._same_references(subject, entry, prepared):
                return entry
        raise RegistryError(40403, "Schema not found")

    def register(self, subject: str, candidate: Candidate, normalize: bool = False) -> Entry:
        """Add a version to a subject, or find the live one that has this schema already.

        Raises RegistryError: 409 with the reasons when the history does not take the schema,
        42201 for an invalid one, 42205 when the mode forbids it.
        """
        if not subject or len(subject) > 2000 or any(ord(letter) < 32 for letter in subject):
            raise RegistryError(42208, f"The specified subject '{subject[:100]}' is not valid.")
        with self._change():
            return self._register(subject, candidate, normalize)

    def _register(self, subject: str, candidate: Candidate, normalize: bool) -> Entry:
        context = split_subject(subject)[0]
        is_import = candidate.id is not None
        self._require_mode(subject, ("IMPORT",) if is_import else ("READWRITE",))
        entries = self._entries(subject)
        live = [entry for entry in entries if not entry.is_deleted]
        prepared = self._with_defaults(subject, candidate, live)
        prepared = self._prepare(subject, prepared, normalize)
        identity = _identity(prepared)
        row = self._row(
            "SELECT id FROM schemas WHERE context = ? AND identity = ?", (context, identity)
        )
        known = row[0] if row else None
        for entry in live:
            if known == entry.id and candidate.version in (None, entry.version):
                return entry
        if is_import:
            id = self._check_import(context, candidate, known)
        else:
            if objections := self._objections(subject, prepared, live, self.level(subject)):
                raise RegistryError(
                    409,
                    f"Schema being registered is incompatible with an earlier schema for subject "
                    f'"{subject}", details: [{", ".join(objections)}]',
                )
            id = known if known is not None else self._next_id(context)
        number = candidate.version or max((entry.version for entry in entries), default=0) + 1
        guid = _guid(identity)
        if known is None:
            self._base.execute(
                "INSERT INTO schemas VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (context, id, guid, prepared.type, prepared.text, _dump(prepared.references),
                 _dump(prepared.metadata), _dump(prepared.rules), identity),
            )  # fmt: skip
        self._base.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, 0) "
            "ON CONFLICT DO UPDATE SET id = excluded.id, is_deleted = 0",
            (subject, number, context, id),
        )
        return Entry(subject, number, id, guid, prepared.type, prepared.text,
                     prepared.references, prepared.metadata, prepared.rules)  # fmt: skip

    def _check_import(self, context: str, candidate: Candidate, known: int | None) -> int:
        id = candidate.id or 0
        if known is not None and known != id:
            raise RegistryError(42207, f"The schema has the id {known} already, not {id}.")
        taken = self._row("SELECT 1 FROM schemas WHERE context = ? AND id = ?", (context, id))
        if taken and known is None:
            message = f"Overwrite new schema with id {id} is not permitted."
            raise RegistryError(42205, message)
        return id

    def delete_subject(self, subject: str, permanent: bool = False) -> list[int]:
        """Delete all versions, softly first. Raises RegistryError (40401, 40404, 40405, 42206)."""
        with self._change():
            self._require_writable(subject)
            entries = self._entries(subject)
            if not entries:
                raise self._no_subject(subject)
            live = [entry.version for entry in entries if not entry.is_deleted]
            if permanent and live:
                message = (
                    f"Subject '{subject}' was not deleted first before being permanently deleted"
                )
                raise RegistryError(40405, message)
            if not permanent and not live:
                raise RegistryError(
                    40404,
                    f"Subject '{subject}' was soft deleted. Set permanent=true to delete "
                    "permanently",
                )
            numbers = [entry.version for entry in entries] if permanent else live
            for number in numbers:
                self._refuse_referenced(subject, number)
            self._delete(subject, numbers, permanent)
            self._base.execute("DELETE FROM settings WHERE scope = ?", (subject,))
            return numbers

    def delete_version(self, subject: str, number: int | None, permanent: bool = False) -> int:
        """Delete one version, softly first. Raises RegistryError (40401 to 40407, 42206)."""
        with self._change():
            self._require_writable(subject)
            if number is None:
                number = self.version(subject, None).version
            entry = self.version(subject, number, deleted=True)
            if permanent and not entry.is_deleted:
                raise RegistryError(
                    40407,
                    f"Subject '{subject}' Version {number} was not deleted first before being "
                    "permanently deleted",
                )
            if not permanent and entry.is_deleted:
                raise RegistryError(
                    40406,
                    f"Subject '{subject}' Version {number} was soft deleted. Set permanent=true to "
                    "delete permanently",
                )
            self._refuse_referenced(subject, number)
            self._delete(subject, [number], permanent)
            return number

    def _delete(self, subject: str, numbers: Sequence[int], permanent: bool) -> None:
        statement = (
            "DELETE FROM versions WHERE subject = ? AND version = ?"
            if permanent
            else "UPDATE versions SET is_deleted = 1 WHERE subject = ? AND version = ?"
        )
        for number in numbers:
            self._base.execute(statement, (subject, number))

    def referenced_by(self, subject: str, number: int | None, deleted: bool = False) -> list[int]:
        """The ids of the schemas that refer to a version. Raises RegistryError (40401, 40402)."""
        version = self.version(subject, number, deleted=True).version
        context = split_subject(subject)[0]
        rows = self._rows(
            "SELECT DISTINCT v.subject, s.id, s.refs FROM schemas s JOIN versions v "
            "ON v.context = s.context AND v.id = s.id "
            "WHERE s.context = ? AND s.refs != 'null' AND s.refs != '[]' "
            f"{'' if deleted else 'AND v.is_deleted = 0'} ORDER BY s.id",
            (context,),
        )
        return list(
            dict.fromkeys(
                id
                for owner, id, refs in rows
                for reference in json.loads(refs) or ()
                if (_in_context(owner, reference["subject"]), reference["version"])
                == (subject, version)
            )
        )

    # --- ids

    def by_id(self, id: int, subject: str = "") -> Entry:
        """The schema with an id, in the context of the subject. Raises RegistryError (40403)."""
        context = split_subject(subject)[0]
        row = self._row(
            "SELECT guid, type, text, refs, metadata, rules FROM schemas "
            "WHERE context = ? AND id = ?",
            (context, id),
        )
        if row is None:
            raise RegistryError(40403, f"Schema {id} not found")
        return _entry("", 0, id, row)

    def by_guid(self, guid: str) -> list[tuple[str, int, Entry]]:
        """The schemas with a guid: context, id and schema. Raises RegistryError (40403)."""
        rows = self._rows(
            "SELECT context, id, guid, type, text, refs, metadata, rules FROM schemas "
            "WHERE guid = ? ORDER BY context, id",
            (guid,),
        )
        if not rows:
            raise RegistryError(40403, f"Schema {guid} not found")
        return [(row[0], row[1], _entry("", 0, row[1], row[2:])) for row in rows]

    def users_of_id(self, id: int, subject: str = "", deleted: bool = False) -> list[Entry]:
        """The versions that have an id. Raises RegistryError (40403)."""
        entry = self.by_id(id, subject)
        context = split_subject(subject)[0]
        rows = self._rows(
            "SELECT subject, version FROM versions WHERE context = ? AND id = ? "
            f"{'' if deleted else 'AND is_deleted = 0'} ORDER BY subject, version",
            (context, id),
        )
        return [replace(entry, subject=name, version=number) for name, number in rows]

    def max_id(self, context: str = DEFAULT_CONTEXT) -> int:
        """The highest id in a context, 0 when there is none."""
        row = self._row("SELECT max(id) FROM schemas WHERE context = ?", (context,))
        return (row[0] if row else 0) or 0

    def contexts(self) -> list[str]:
        """The contexts, the default one first."""
        rows = self._rows("SELECT DISTINCT context FROM versions ORDER BY context")
        return list(dict.fromkeys([DEFAULT_CONTEXT, *(row[0] for row in rows)]))

    # --- settings

    def setting(self, kind: str, scope: str) -> Json:
        """What was set for exactly this scope (a subject, a context `:.ctx:`, or "" for all)."""
        row = self._row("SELECT value FROM settings WHERE scope = ? AND kind = ?", (scope, kind))
        return json.loads(row[0]) if row else None

    def set_setting(self, kind: str, scope: str, value: Json) -> None:
        """Set it, in place of what was set before."""
        with self._change():
            self._base.execute(
                "INSERT INTO settings VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET value = excluded.value",
                (scope, kind, _dump(value)),
            )

    def delete_setting(self, kind: str, scope: str) -> Json:
        """Forget it, and return what it was, None for nothing."""
        with self._change():
            before = self.setting(kind, scope)
            self._base.execute("DELETE FROM settings WHERE scope = ? AND kind = ?", (scope, kind))
            return before

    def configuration(self, subject: str) -> dict[str, Json]:
        """What holds for a subject: its own settings over its context's over the global ones."""
        merged: dict[str, Json] = {"compatibilityLevel": Level.BACKWARD.value}
        for scope in reversed(_scopes(subject)):
            merged |= self.setting("config", scope) or {}
        return merged

    def level(self, subject: str) -> Level:
        """The compatibility level that holds for a subject."""
        return Level(self.configuration(subject)["compatibilityLevel"])

    def mode(self, subject: str) -> str:
        """The mode that holds for a subject."""
        for scope in _scopes(subject):
            if (mode := self.setting("mode", scope)) is not None:
                return str(mode)
        return "READWRITE"

    def set_mode(self, scope: str, mode: str, force: bool = False) -> None:
        """Set a mode. Raises RegistryError (42204, 42205)."""
        if mode not in MODES:
            raise RegistryError(42204, f"Invalid mode. Valid values are {', '.join(MODES)}")
        if mode == "IMPORT" and not force and self._holds_anything(scope):
            raise RegistryError(
                42205, f"Cannot import since found existing subjects {scope}".strip()
            )
        self.set_setting("mode", scope, mode)

    def _holds_anything(self, scope: str) -> bool:
        if scope and not (scope.startswith(":.") and scope.endswith(":")):
            return bool(self._entries(scope))
        return any(name.startswith(scope) for name in self.subjects(":*:", deleted=True))

    # --- compatibility

    def objections(
        self,
        subject: str,
        candidate: Candidate,
        number: int | None = None,
        *,
        only_one: bool = False,
        normalize: bool = False,
    ) -> list[str]:
        """What is said against a schema: by the level's versions, or by one, None for the latest.

        Raises RegistryError (40402, 42201).
        """
        live = [entry for entry in self._entries(subject) if not entry.is_deleted]
        if only_one and number is not None:
            live = [self.version(subject, number)]
        elif only_one:
            live = live[-1:]
        prepared = self._prepare(subject, candidate, normalize)
        return self._objections(subject, prepared, live, self.level(subject))

    def _objections(
        self, subject: str, candidate: Candidate, live: Sequence[Entry], level: Level
    ) -> list[str]:
        if level is Level.NONE or not live:
            return []
        if any(entry.type != candidate.type for entry in live):
            return ["Incompatible because of different schema type"]
        if candidate.type != "AVRO":
            return []
        schema = read_schema(candidate.text, self._referred(subject, candidate.references))
        versions = [
            LiveVersion(
                entry.version,
                entry.text,
                read_schema(entry.text, self._referred(subject, entry.references), is_new=False),
            )
            for entry in live
        ]
        return find_objections(schema, versions, level)

    def _prepare(self, subject: str, candidate: Candidate, normalize: bool) -> Candidate:
        """The candidate with its text as it is kept, and the versions of its references known."""
        if candidate.type not in SCHEMA_TYPES:
            raise RegistryError(422, f"Invalid schema type {candidate.type}")
        references = tuple(
            {**one, "version": self._find_reference(subject, one).version}
            for one in candidate.references
        )
        if candidate.type != "AVRO":
            if not candidate.text.strip():
                raise RegistryError(42201, "Empty schema")
            return replace(candidate, references=references)
        try:
            graph = read_schema(candidate.text, self._referred(subject, references))
        except InvalidSchema as error:
            raise RegistryError(
                42201, f"Either the input schema or one its references is invalid: {error}"
            ) from None
        if normalize or self.configuration(subject).get("normalize") is True:
            references = tuple(sorted(references, key=lambda one: str(one["name"])))
            return replace(candidate, text=normalize_schema(graph), references=references)
        return replace(candidate, text=write_schema(graph), references=references)

    def _referred(
        self, subject: str, references: Sequence[Mapping[str, Json]], depth: int = 0
    ) -> list[str]:
        """The texts of all references, each after those that it refers to itself, each once."""
        texts: dict[tuple[str, int], str] = {}

        def collect(owner: str, items: Sequence[Mapping[str, Json]], path: tuple[str, ...]) -> None:
            for item in items:
                entry = self._find_reference(owner, item)
                key = (entry.subject, entry.version)
                if key in texts:
                    continue
                if f"{key}" in path or len(path) > 100 or len(texts) >= MAX_REFERENCES:
                    raise RegistryError(42201, f"Too many or circular references at {key[0]}")
                collect(entry.subject, entry.references, (*path, f"{key}"))
                texts[key] = entry.text

        collect(subject, references, ())
        return list(texts.values())

    def _find_reference(self, owner: str, reference: Mapping[str, Json]) -> Entry:
        name = _in_context(owner, str(reference["subject"]))
        number = reference["version"]
        try:
            return self.version(name, None if number == -1 else number, deleted=True)
        except RegistryError:
            raise RegistryError(
                42201,
                f"Either the input schema or one its references is invalid: no schema reference "
                f'found for subject "{name}" and version {number}',
            ) from None

    def _same_references(self, subject: str, entry: Entry, candidate: Candidate) -> bool:
        return {_dump(one) for one in entry.references} == {
            _dump(one) for one in candidate.references
        }

    def _with_defaults(self, subject: str, candidate: Candidate, live: list[Entry]) -> Candidate:
        """The metadata and rules of the version before hold on where none are given."""
        if not live:
            return candidate
        before = live[-1]
        return replace(
            candidate,
            metadata=before.metadata if candidate.metadata is None else candidate.metadata,
            rules=before.rules if candidate.rules is None else candidate.rules,
        )

    # --- what the rest stands on

    def _require_mode(self, subject: str, allowed: Sequence[str]) -> None:
        mode = self.mode(subject)
        if mode not in (*allowed, "FORWARD") or mode.startswith("READONLY"):
            name = split_subject(subject)[1]
            raise RegistryError(42205, f"Subject {name} is not in {'/'.join(allowed).lower()} mode")

    def _require_writable(self, subject: str) -> None:
        if self.mode(subject).startswith("READONLY"):
            raise RegistryError(42205, f"Subject {subject} is in read-only mode")

    def _refuse_referenced(self, subject: str, number: int) -> None:
        if self.referenced_by(subject, number):
            message = (
                f"One or more references exist to the schema {{subject={subject},version={number}}}"
            )
            raise RegistryError(42206, message)

    def _no_subject(self, subject: str) -> RegistryError:
        return RegistryError(40401, f"Subject '{subject}' not found.")

    def _next_id(self, context: str) -> int:
        # Ids of schemas that were deleted for good are never given again.
        last = max(int(self.setting("last-id", context) or 0), self.max_id(context))
        self._base.execute(
            "INSERT INTO settings VALUES (?, 'last-id', ?) "
            "ON CONFLICT DO UPDATE SET value = excluded.value",
            (context, _dump(last + 1)),
        )
        return last + 1

    def _entries(self, subject: str) -> list[Entry]:
        rows = self._rows(
            "SELECT v.version, v.is_deleted, s.id, s.guid, s.type, s.text, s.refs, s.metadata, "
            "s.rules FROM versions v JOIN schemas s ON s.context = v.context AND s.id = v.id "
            "WHERE v.subject = ? ORDER BY v.version",
            (subject,),
        )
        return [
            replace(_entry(subject, row[0], row[2], row[3:]), is_deleted=bool(row[1]))
            for row in rows
        ]

    def _rows(self, query: str, values: Sequence[Json] = ()) -> list[tuple[Json, ...]]:
        with self._lock, _failing_clearly():
            return self._base.execute(query, values).fetchall()

    def _row(self, query: str, values: Sequence[Json]) -> tuple[Json, ...] | None:
        with self._lock, _failing_clearly():
            row: tuple[Json, ...] | None = self._base.execute(query, values).fetchone()
            return row

    @contextmanager
    def _change(self) -> Iterator[None]:
        """A transaction that no other thread or process writes in between."""
        with self._lock, _failing_clearly():
            if self._base.in_transaction:
                yield
                return
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise


@contextmanager
def _failing_clearly() -> Iterator[None]:
    """A file that is damaged, locked or on a full disk is the registry's error 50001."""
    try:
        yield
    except sqlite3.Error as error:
        raise RegistryError(50001, f"the registry's file cannot be used: {error}") from None


def _scopes(subject: str) -> tuple[str, ...]:
    """Where a setting is looked for: the subject, its context, everything."""
    context = split_subject(subject)[0]
    inner = () if context == DEFAULT_CONTEXT else (f":{context}:",)
    return tuple(dict.fromkeys((subject, *inner, "")))


def _in_context(owner: str, subject: str) -> str:
    """A reference without a context means the context of who refers."""
    context = split_subject(owner)[0]
    if subject.startswith(":.") or context == DEFAULT_CONTEXT:
        return subject
    return f":{context}:{subject}"


def _entry(subject: str, version: int, id: int, row: Sequence[Json]) -> Entry:
    guid, type, text, refs, metadata, rules = row
    return Entry(subject, version, id, guid, type, text, tuple(json.loads(refs) or ()),
                 json.loads(metadata), json.loads(rules))  # fmt: skip


def _identity(candidate: Candidate) -> str:
    parts = [candidate.type, candidate.text, candidate.references, candidate.metadata]
    return hashlib.sha256(
        _dump([*parts, candidate.rules]).encode("utf-8", "surrogatepass")
    ).hexdigest()


def _guid(identity: str) -> str:
    return str(uuid.UUID(bytes=bytes.fromhex(identity)[:16]))


def _dump(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
