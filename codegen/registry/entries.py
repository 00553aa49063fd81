"""What does the registry keep, and what are its words for it?

A schema is its text with all that comes with it; two are the same when all of that is. A version
is a schema's place in the history of a subject. A subject lives in a context with ids of its own.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from codegen.source import Json

SCHEMA_TYPES = ("JSON", "PROTOBUF", "AVRO")
"""The kinds of schemas that are kept, in the order in which Confluent's registry names them."""

DEFAULT_CONTEXT = "."
MAX_NUMBER = 2**31 - 1
"""The highest version and id: the wire format has four bytes for an id."""


class RegistryError(Exception):
    """An answer that is no: the HTTP status, Confluent's error code, and the message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.status = code if code < 1000 else code // 100
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Reference:
    """Another schema that a schema uses under a name; the version -1 is the latest one."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class Content:
    """A schema as it is sent and kept; `metadata` and `rules` as they came, None for none."""

    text: str
    type: str = "AVRO"
    references: tuple[Reference, ...] = ()
    metadata: Mapping[str, Json] | None = None
    rules: Mapping[str, Json] | None = None

    @property
    def identity(self) -> str:
        """64 hex digits that are the same for the same content only."""
        references = [asdict(one) for one in self.references]
        value = [self.type, self.text, references, self.metadata, self.rules]
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    @property
    def guid(self) -> str:
        """The id that is the same in every context."""
        return str(uuid.UUID(hex=self.identity[:32]))


@dataclass(frozen=True, slots=True)
class StoredSchema:
    """A schema with the id that it has in a context."""

    context: str
    id: int
    content: Content


@dataclass(frozen=True, slots=True)
class Version:
    """A schema's place in the history of a subject."""

    subject: str
    number: int
    schema: StoredSchema
    is_deleted: bool = False


def split_subject(subject: str) -> tuple[str, str]:
    """The context and the name of a subject: `:.ctx:name` is in `.ctx`, `name` in the default."""
    if subject.startswith(":.") and ":" in subject[2:]:
        context, _, name = subject[1:].partition(":")
        return context, name
    return DEFAULT_CONTEXT, subject


def qualify(subject: str, context: str) -> str:
    """The subject as seen from a context: its own context, if it names one, goes before."""
    if subject.startswith(":.:"):
        return subject[3:]
    if context == DEFAULT_CONTEXT or subject.startswith(":."):
        return subject
    return f":{context}:{subject}"


def check_subject(subject: str) -> None:
    """Raise RegistryError (42208) for a name that no subject may have."""
    _, name = split_subject(subject)
    is_good = (
        name.strip()
        and name not in ("__GLOBAL", "__EMPTY")
        and not name.startswith((":.", ":*:"))
        and len(subject) <= 1000
        and all(letter.isprintable() for letter in subject)
    )
    if not is_good:
        raise RegistryError(42208, f"The specified subject {subject[:100]!r} is not valid.")
