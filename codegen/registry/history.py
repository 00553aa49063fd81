"""What does the registry hold? Every question about subjects, versions and ids, and no change.

Soft-deleted versions stay out unless they are asked for, but what has an id is found by it for as
long as any version has it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from codegen.registry.database import Database, Row, Value
from codegen.registry.entries import (
    DEFAULT_CONTEXT,
    Content,
    Reference,
    RegistryError,
    StoredSchema,
    Version,
    qualify,
    split_subject,
)

_SCHEMA = "s.context, s.id, s.type, s.text, s.refs, s.metadata, s.rules"
_VERSION = (
    f"SELECT v.subject, v.version, v.is_deleted, {_SCHEMA} FROM versions v "
    "JOIN schemas s ON s.context = v.context AND s.id = v.id"
)
_NEWEST_FIRST = "ORDER BY v.version DESC"


@dataclass(frozen=True, slots=True)
class History:
    """The past of all subjects. Methods raise RegistryError with Confluent's code."""

    database: Database

    def subjects(self, prefix: str = "", deleted: bool = False, only: bool = False) -> list[str]:
        """The names of subjects with versions, with `deleted` also those that were deleted.

        `only` gives those without any live version. The prefix `:*:` means all contexts.
        """
        rows = self.database.rows(
            "SELECT subject, min(is_deleted) FROM versions GROUP BY subject ORDER BY subject"
        )
        wanted = {1} if only else {0, 1} if deleted else {0}
        names = [subject for subject, is_deleted in rows if is_deleted in wanted]
        if prefix.startswith(":*:"):
            return [name for name in names if split_subject(name)[1].startswith(prefix[3:])]
        if prefix.startswith(":"):
            return [name for name in names if name.startswith(prefix)]
        return [name for name in names if not name.startswith(":.") and name.startswith(prefix)]

    def versions(self, subject: str, deleted: bool = False, only: bool = False) -> list[Version]:
        """The versions of a subject, ascending. Raises RegistryError (40401)."""
        wanted = [
            version
            for version in self._find("v.subject = ? ORDER BY v.version", subject)
            if (version.is_deleted if only else deleted or not version.is_deleted)
        ]
        if not wanted:
            raise _no_subject(subject)
        return wanted

    def all_versions(self, prefix: str = "", deleted: bool = False) -> list[Version]:
        """The versions of all subjects whose names begin with a prefix, in their order."""
        names = set(self.subjects(prefix, deleted))
        query = "v.is_deleted <= ? ORDER BY v.subject, v.version"
        return [one for one in self._find(query, int(deleted)) if one.subject in names]

    def version(self, subject: str, number: int | None, deleted: bool = False) -> Version:
        """One version, None for the latest. Raises RegistryError (40401, 40402)."""
        latest = self.latest(subject, deleted)
        if latest is None:
            raise _no_subject(subject)
        if number is None:
            return latest
        where = "v.subject = ? AND v.is_deleted <= ? AND v.version = ?"
        found = self._find(where, subject, int(deleted), number)
        if not found:
            raise no_version(number)
        return found[0]

    def latest(self, subject: str, deleted: bool = False) -> Version | None:
        """The newest version of a subject, None where there is none."""
        where = f"v.subject = ? AND v.is_deleted <= ? {_NEWEST_FIRST} LIMIT 1"
        found = self._find(where, subject, int(deleted))
        return found[0] if found else None

    def has(self, subject: str, number: int) -> bool:
        """Whether a subject has a live version of this number."""
        where = "v.subject = ? AND v.is_deleted = 0 AND v.version = ?"
        return bool(self._find(where, subject, number))

    def referenced_by(self, subject: str, number: int | None, deleted: bool = False) -> list[int]:
        """The ids of the schemas that refer to a version. Raises RegistryError (40401, 40402)."""
        version = self.version(subject, number, deleted=number is not None)
        rows = self.database.rows(
            "SELECT DISTINCT s.context, s.id, s.refs FROM schemas s JOIN versions v "
            "ON v.context = s.context AND v.id = s.id "
            "WHERE s.refs != '[]' AND v.is_deleted <= ? ORDER BY s.context, s.id",
            int(deleted),
        )
        found = (
            id
            for context, id, references in rows
            for one in _read_references(references)
            if (qualify(one.subject, context), one.version) == (subject, version.number)
        )
        return list(dict.fromkeys(found))

    def schema(self, context: str, id: int) -> StoredSchema | None:
        """The schema with an id in a context, None where there is none."""
        query = f"SELECT {_SCHEMA} FROM schemas s WHERE s.context = ? AND s.id = ?"
        row = self.database.row(query, context, id)
        return _read_schema(row) if row else None

    def by_id(self, id: int, context: str = DEFAULT_CONTEXT) -> StoredSchema:
        """The schema with an id in a context. Raises RegistryError (40403)."""
        schema = self.schema(context, id)
        if schema is None:
            raise RegistryError(40403, f"Schema {id} not found")
        return schema

    def by_guid(self, guid: str) -> list[StoredSchema]:
        """The schema with a guid, in each context that has it. Raises RegistryError (40403)."""
        query = f"SELECT {_SCHEMA} FROM schemas s WHERE s.guid = ? ORDER BY s.context"
        schemas = [_read_schema(row) for row in self.database.rows(query, guid)]
        if not schemas:
            raise RegistryError(40403, f"Schema {guid[:40]} not found")
        return schemas

    def users_of_id(
        self, id: int, context: str = DEFAULT_CONTEXT, deleted: bool = False
    ) -> list[Version]:
        """The versions that have an id. Raises RegistryError (40403)."""
        self.by_id(id, context)
        where = "v.context = ? AND v.id = ? AND v.is_deleted <= ? ORDER BY v.subject, v.version"
        return self._find(where, context, id, int(deleted))

    def max_id(self, context: str = DEFAULT_CONTEXT) -> int:
        """The highest id that was ever given in a context, 0 when there is none."""
        row = self.database.row("SELECT last_id FROM counters WHERE context = ?", context)
        return row[0] if row else 0

    def holds_versions(self, context: str) -> bool:
        """Whether a context has any version, also a deleted one."""
        query = "SELECT 1 FROM versions WHERE context = ?"
        return self.database.row(query, context) is not None

    def contexts(self) -> list[str]:
        """The contexts, the default one first."""
        rows = self.database.rows("SELECT DISTINCT context FROM versions ORDER BY context")
        return list(dict.fromkeys([DEFAULT_CONTEXT, *(row[0] for row in rows)]))

    def match(self, subject: str, content: Content, deleted: bool = False) -> Version | None:
        """The newest version with this content; metadata and rules count where they are given."""
        where = "v.subject = ? AND v.is_deleted <= ? AND s.type = ? AND s.text = ?"
        found = self._find(f"{where} {_NEWEST_FIRST}", subject, int(deleted), content.type,
                           content.text)  # fmt: skip
        for version in found:
            kept = version.schema.content
            if content.metadata is None:
                kept = replace(kept, metadata=None)
            if content.rules is None:
                kept = replace(kept, rules=None)
            if kept == content:
                return version
        return None

    def live(self, subject: str) -> list[Version]:
        """The versions of a subject that are not deleted, ascending; empty without any."""
        return self._find("v.subject = ? AND v.is_deleted = 0 ORDER BY v.version", subject)

    def last_number(self, subject: str) -> int:
        """The highest version that a subject has, deleted ones too; 0 without any."""
        row = self.database.row("SELECT max(version) FROM versions WHERE subject = ?", subject)
        return (row[0] if row else None) or 0

    def _find(self, where: str, *values: Value) -> list[Version]:
        rows = self.database.rows(f"{_VERSION} WHERE {where}", *values)
        return [Version(row[0], row[1], _read_schema(row[3:]), bool(row[2])) for row in rows]


def _no_subject(subject: str) -> RegistryError:
    return RegistryError(40401, f"Subject '{subject}' not found.")


def no_version(number: int) -> RegistryError:
    """The answer where a subject has no such version."""
    return RegistryError(40402, f"Version {number} not found.")


def _read_schema(row: Row) -> StoredSchema:
    context, id, type, text, references, metadata, rules = row
    content = Content(text, type, _read_references(references), json.loads(metadata),
                      json.loads(rules))  # fmt: skip
    return StoredSchema(context, id, content)


def _read_references(text: str) -> tuple[Reference, ...]:
    return tuple(Reference(**item) for item in json.loads(text))
