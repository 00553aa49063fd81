"""The embedded registry: subjects, versions and ids by Confluent's rules.

One method for each thing that the API can ask, each whole or not at all. A schema has one id in a
context, whoever registers it and however many at once; an id is never given again. Schemas of other
kinds than Avro are kept as they came: whether they are compatible is not judged, and not said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from codegen.avro.schema import SchemaGraph
from codegen.contract.model import Level
from codegen.registry.database import Database
from codegen.registry.entries import (
    MAX_NUMBER,
    SCHEMA_TYPES,
    Content,
    Reference,
    RegistryError,
    StoredSchema,
    Version,
    check_subject,
    qualify,
    split_subject,
)
from codegen.registry.history import History, no_version
from codegen.registry.judgement import (
    InvalidSchema,
    LiveVersion,
    find_objections,
    in_scope,
    normalize_schema,
    read_schema,
    write_resolved,
    write_schema,
)
from codegen.registry.settings import Settings
from codegen.registry.tags import find_tags
from codegen.source import Json

MAX_REFERENCES = 1000
"""The most schemas that one schema may refer to, directly and through others."""


class Store:
    """One registry. Safe to use from several threads, and from several processes on one file.

    Every method raises RegistryError with Confluent's code: for the reasons that it names, and
    50001 when the file cannot be used.
    """

    def __init__(self, file: Path | str) -> None:
        """Open a file, made when it is missing; `:memory:` for one that is gone afterwards."""
        self._database = Database(file)
        self.history = History(self._database)
        self.settings = Settings(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- registration

    def lookup(
        self, subject: str, content: Content, normalize: bool = False, deleted: bool = False
    ) -> Version:
        """The version of a subject that has this schema. Raises RegistryError (40401, 40403).

        Without metadata and rules it is looked for by the rest.
        """
        prepared = self._prepare(subject, content, normalize).content
        found = self.history.match(subject, prepared, deleted)
        if found is None:
            self.history.version(subject, None, deleted)
            raise RegistryError(40403, "Schema not found")
        return found

    def register(
        self,
        subject: str,
        content: Content,
        *,
        id: int | None = None,
        number: int | None = None,
        normalize: bool = False,
    ) -> Version:
        """Add a version to a subject, or find the live one that has this schema already.

        An id is given in the mode IMPORT only. Raises RegistryError: 409 with the reasons when the
        history does not take the schema, 42201 for an invalid one, 42205 when the mode forbids it,
        42207 when the schema has another id, 42208 for a bad subject, 501 for what is not judged.
        """
        check_subject(subject)
        with self._database.change():
            mode = self.settings.mode(subject)
            _require(subject, mode, ("READWRITE",) if id is None else ("IMPORT", "FORWARD"))
            prepared = self._prepare(subject, content, normalize)
            found = self.history.match(subject, prepared.content)
            if found is None or not _is_wanted(found, id, number):
                prepared = self._complete(subject, prepared)
                found = self.history.match(subject, prepared.content)
            if found is not None and _is_wanted(found, id, number):
                return found
            schema = self._keep(subject, prepared, id)
            return self._append(subject, schema, number, is_import=id is not None)

    def _complete(self, subject: str, prepared: _Prepared) -> _Prepared:
        latest = self.history.latest(subject)
        previous = latest.schema.content if latest else None
        content = self.settings.complete(subject, prepared.content, previous)
        return replace(prepared, content=content)

    def _keep(self, subject: str, prepared: _Prepared, id: int | None) -> StoredSchema:
        """The schema with its id in the subject's context, once the history takes it."""
        context = split_subject(subject)[0]
        row = self._database.row(
            "SELECT id FROM schemas WHERE context = ? AND identity = ?",
            context, prepared.content.identity,
        )  # fmt: skip
        known: int | None = row[0] if row else None
        if id is None:
            level = self.settings.level(subject)
            if objections := self._judge(subject, prepared, self.history.live(subject), level):
                raise RegistryError(
                    409,
                    f"Schema being registered is incompatible with an earlier schema for subject "
                    f'"{subject}", details: [{", ".join(objections)}]',
                )
        elif known not in (None, id):
            raise RegistryError(42207, f"The schema has the id {known} already, not {id}.")
        elif known is None and self.history.schema(context, id) is not None:
            raise RegistryError(42205, f"Overwrite new schema with id {id} is not permitted.")
        if known is not None:
            return StoredSchema(context, known, prepared.content)
        schema = StoredSchema(context, id or self._next_id(context), prepared.content)
        self._insert(schema)
        return schema

    def _append(
        self, subject: str, schema: StoredSchema, number: int | None, is_import: bool
    ) -> Version:
        following = self.history.last_number(subject) + 1
        wanted = number or following
        if wanted != following and not is_import:
            message = f"The version must be {following}, one more than the last, not {number}"
            raise RegistryError(42201, message)
        if wanted < following and self.history.has(subject, wanted):
            raise RegistryError(42205, f"Version {wanted} of {subject} has another schema already.")
        statement = "INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, 0)"
        self._database.write(statement, subject, wanted, schema.context, schema.id)
        return Version(subject, wanted, schema)

    def _insert(self, schema: StoredSchema) -> None:
        content = schema.content
        self._database.write(
            "INSERT INTO schemas VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            schema.context, schema.id, content.guid, content.type, content.text,
            json.dumps([asdict(one) for one in content.references]),
            json.dumps(content.metadata), json.dumps(content.rules), content.identity,
        )  # fmt: skip
        self._database.write(
            "INSERT INTO counters VALUES (?, ?) "
            "ON CONFLICT DO UPDATE SET last_id = max(last_id, excluded.last_id)",
            schema.context, schema.id,
        )  # fmt: skip

    def _next_id(self, context: str) -> int:
        following = self.history.max_id(context) + 1
        if following > MAX_NUMBER:
            raise RegistryError(50001, f"there is no id left in the context {context}")
        return following

    # --- deletion

    def delete_subject(self, subject: str, permanent: bool = False) -> list[int]:
        """Delete all versions, softly first. Raises RegistryError (40401, 40404, 40405, 42206)."""
        with self._database.change():
            _require(subject, self.settings.mode(subject), ())
            versions = self.history.versions(subject, deleted=True)
            live = [one.number for one in versions if not one.is_deleted]
            if permanent and live:
                raise RegistryError(
                    40405,
                    f"Subject '{subject}' was not deleted first before being permanently deleted",
                )
            if not permanent and not live:
                raise RegistryError(
                    40404,
                    f"Subject '{subject}' was soft deleted. Set permanent=true to delete "
                    "permanently",
                )
            numbers = [one.number for one in versions] if permanent else live
            self._delete(subject, numbers, permanent)
            return numbers

    def delete_version(self, subject: str, number: int | None, permanent: bool = False) -> int:
        """Delete one version, softly first. Raises RegistryError (40401 to 40407, 42206)."""
        with self._database.change():
            _require(subject, self.settings.mode(subject), ())
            version = self.history.version(subject, number, deleted=number is not None)
            if permanent and not version.is_deleted:
                raise RegistryError(
                    40407,
                    f"Subject '{subject}' Version {version.number} was not deleted first before "
                    "being permanently deleted",
                )
            if not permanent and version.is_deleted:
                raise RegistryError(
                    40406,
                    f"Subject '{subject}' Version {version.number} was soft deleted. Set "
                    "permanent=true to delete permanently",
                )
            self._delete(subject, [version.number], permanent)
            return version.number

    def _delete(self, subject: str, numbers: Sequence[int], permanent: bool) -> None:
        for number in numbers:
            # What a deleted schema refers to can go softly, but not for good.
            if self.history.referenced_by(subject, number, deleted=permanent):
                raise RegistryError(
                    42206,
                    "One or more references exist to the schema "
                    f"{{subject={subject},version={number}}}",
                )
        change = "DELETE FROM versions" if permanent else "UPDATE versions SET is_deleted = 1"
        self._database.write_all(
            f"{change} WHERE subject = ? AND version = ?",
            [(subject, number) for number in numbers],
        )
        if self.history.latest(subject) is None:
            self.settings.forget_all(subject)
        if permanent:
            self._database.write(
                "DELETE FROM schemas WHERE NOT EXISTS (SELECT 1 FROM versions v "
                "WHERE v.context = schemas.context AND v.id = schemas.id)"
            )

    def delete_context(self, context: str) -> None:
        """Forget what was set for a context without versions. Raises RegistryError (42211)."""
        scope = f":{context}:"
        with self._database.change():
            _require(scope, self.settings.mode(scope), ())
            if self.history.holds_versions(context):
                raise RegistryError(42211, f"The specified context '{scope}' is not empty.")
            self.settings.forget_within(scope)

    # --- meaning

    def resolve(self, schema: StoredSchema) -> str:
        """The text of an Avro schema with the types that it refers to written out."""
        graph = self._read_stored(schema)
        return write_resolved(graph) if graph else schema.content.text

    def find_tags(self, schema: StoredSchema, wanted: Sequence[str]) -> list[Json]:
        """What in an Avro schema carries one of the tags, `*` for any."""
        graph = self._read_stored(schema)
        return find_tags(graph, wanted) if graph else []

    def _read_stored(self, schema: StoredSchema) -> SchemaGraph | None:
        if schema.content.type != "AVRO":
            return None
        return self._read(qualify("", schema.context), schema.content, is_new=False)

    # --- compatibility

    def objections(
        self,
        subject: str,
        content: Content,
        number: int | None = None,
        *,
        only_one: bool = False,
        normalize: bool = False,
    ) -> list[str]:
        """What is said against a schema: by the level's versions, or by one, None for the latest.

        Raises RegistryError: 40402, 42201, and 501 for what is not judged.
        """
        prepared = self._prepare(subject, content, normalize)
        live = self.history.live(subject)
        if only_one and number is not None:
            live = [one for one in live if one.number == number]
            if not live:
                raise no_version(number)
        elif only_one:
            live = live[-1:]
        level = self.settings.level(subject)
        if prepared.graph is None and level is not Level.NONE:
            for version in live:
                if version.schema.content.type == content.type != "AVRO":
                    message = f"The compatibility of {content.type} schemas is not judged here"
                    raise RegistryError(501, message)
        return self._judge(subject, prepared, live, level)

    def _judge(
        self, subject: str, prepared: _Prepared, live: Sequence[Version], level: Level
    ) -> list[str]:
        configuration = self.settings.configuration(subject)
        group = configuration.get("compatibilityGroup")
        mine = _property(prepared.content, group)
        peers = [one for one in live if _property(one.schema.content, group) == mine]
        rivals = in_scope(peers, level)
        if any(one.schema.content.type != prepared.content.type for one in rivals):
            return ["Incompatible because of different schema type"]
        if prepared.graph is None:
            return []
        versions = [
            LiveVersion(one.number, one.schema.content.text,
                        self._read(subject, one.schema.content, is_new=False))
            for one in rivals
        ]  # fmt: skip
        validates = configuration.get("validateFields") is True
        objections = find_objections(prepared.graph, versions, level, validates)
        if versions and not objections and self.settings.is_logical(subject):
            # What else this policy forbids is not known here, and must not pass unseen.
            message = "The compatibilityPolicy LOGICAL is not judged here; unset it, or use NONE"
            raise RegistryError(501, message)
        return objections

    # --- reading schemas

    def _prepare(self, subject: str, content: Content, normalize: bool) -> _Prepared:
        """The schema as it is kept, with the versions of its references known."""
        if content.type not in SCHEMA_TYPES:
            message = f"Invalid schema type {content.type}; it is one of {', '.join(SCHEMA_TYPES)}"
            raise RegistryError(42201, message)
        if not content.text.strip():
            raise RegistryError(42201, "Empty schema")
        references = tuple(
            replace(one, version=self._find_reference(subject, one).number)
            for one in content.references
        )
        content = replace(content, references=references)
        if content.type != "AVRO":
            return _Prepared(content, None)
        graph = self._read(subject, content, is_new=True)
        if not normalize and self.settings.configuration(subject).get("normalize") is not True:
            return _Prepared(replace(content, text=write_schema(graph)), graph)
        ordered = tuple(sorted(set(references), key=lambda one: (one.name, one.subject)))
        content = replace(content, text=normalize_schema(graph), references=ordered)
        return _Prepared(content, self._read(subject, content, is_new=True))

    def _read(self, owner: str, content: Content, is_new: bool) -> SchemaGraph:
        try:
            return read_schema(content.text, self._referred(owner, content), is_new=is_new)
        except InvalidSchema as error:
            message = f"Either the input schema or one its references is invalid: {error}"
            raise RegistryError(42201, message) from None

    def _referred(self, owner: str, content: Content) -> list[str]:
        """The texts of all references, each after those that it refers to itself, each once."""
        texts: dict[tuple[str, int], str] = {}
        waiting = [(owner, one) for one in reversed(content.references)]
        opened: set[tuple[str, int]] = set()
        while waiting:
            owner, reference = waiting[-1]
            found = self._find_reference(owner, reference)
            key = (found.subject, found.number)
            if key in texts or key in opened:
                texts.setdefault(key, found.schema.content.text)
                waiting.pop()
                continue
            if len(opened) >= MAX_REFERENCES:
                message = f"A schema may refer to at most {MAX_REFERENCES} others"
                raise RegistryError(42201, message)
            opened.add(key)
            inner = found.schema.content.references
            waiting += [(found.subject, one) for one in reversed(inner)]
        return list(texts.values())

    def _find_reference(self, owner: str, reference: Reference) -> Version:
        subject = qualify(reference.subject, split_subject(owner)[0])
        try:
            if reference.version == -1:
                return self.history.version(subject, None)
            return self.history.version(subject, reference.version, deleted=True)
        except RegistryError as error:
            if error.status != 404:
                raise
            raise RegistryError(
                42201,
                "Either the input schema or one its references is invalid: no schema reference "
                f'found for subject "{subject}" and version {reference.version}',
            ) from None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A schema as it is kept, and what it means, None for kinds that are not read."""

    content: Content
    graph: SchemaGraph | None


def _is_wanted(version: Version, id: int | None, number: int | None) -> bool:
    return id in (None, version.schema.id) and number in (None, version.number)


def _property(content: Content, name: Json) -> Json:
    """A property of the metadata, by which histories can be told apart."""
    properties: Mapping[str, Json] = (content.metadata or {}).get("properties") or {}
    return properties.get(name) if isinstance(name, str) else None


def _require(subject: str, mode: str, allowed: Sequence[str]) -> None:
    """Raise RegistryError (42205) unless a mode is allowed; with none named, any that writes is."""
    if mode.startswith("READONLY"):
        raise RegistryError(42205, f"Subject {subject} is in read-only mode")
    if allowed and mode not in allowed:
        wanted = "import" if "IMPORT" in allowed else "read-write"
        raise RegistryError(42205, f"Subject {subject} is not in {wanted} mode")
