"""The neutral model of a contract repository, which rules, checks and targets all read.

Nothing here belongs to a language, a registry or a file format. All sequences are in the order in
which the manifest names things, so the same input gives the same output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from functools import cached_property

from codegen.avro.canonical import render
from codegen.avro.schema import Named, Schema, SchemaGraph
from codegen.diagnostics import Severities
from codegen.source import Document, Json, Place


class Level(Enum):
    """A compatibility level, as Confluent's registry names it."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


class SubjectStrategy(Enum):
    """How the subject of an event is named (Confluent's subject name strategies).

    TOPIC: `<topic>-value`. RECORD: `<full name>`. TOPIC_RECORD: `<topic>-<full name>`.
    """

    TOPIC = "topic"
    RECORD = "record"
    TOPIC_RECORD = "topic-record"


@dataclass(frozen=True, slots=True)
class FieldKey:
    """A message key taken from a field that every event of the topic has.

    The key's bytes are the value's text in UTF-8: a string as it is, a UUID in its 36-character
    form, an int or a long in decimal digits. `path` is the field names from the event inwards.
    """

    path: tuple[str, ...]
    origin: Place


@dataclass(frozen=True, slots=True)
class SchemaKey:
    """A message key with an Avro schema of its own, under the subject `<topic>-key`."""

    schema: SchemaGraph
    subject: str
    origin: Place


@dataclass(frozen=True, slots=True)
class Reference:
    """A registry reference: the full name of a type and the subject that holds it."""

    name: str
    subject: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One entry of the registry: a schema, its references, and the level that guards it.

    Events and keys have one, and so has each named type in a file of its own that another schema
    uses (its subject is its full name). `schema` is whole: its names hold all it uses. `references`
    are the types of other files that it uses directly, sorted by name. `events` are the full names
    of the events that change when it does, itself included.
    """

    name: str
    schema: SchemaGraph
    references: tuple[Reference, ...]
    level: Level
    document: Document
    events: tuple[str, ...]
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class PastVersion:
    """One version of a subject as a baseline holds it.

    `label` says which, for example `registry v7 (id 42)` or `git main@1a2b3c4`. `schema` is None
    where the text could not be read as Avro; `problem` then says why. `version` and `id` are 0
    where the baseline has no such numbers. `type` is the registry's `schemaType`.
    """

    subject: str
    label: str
    document: Document
    schema: SchemaGraph | None
    version: int = 0
    id: int = 0
    problem: str = ""
    type: str = "AVRO"


@dataclass(frozen=True, slots=True)
class History:
    """The versions of one subject, oldest first, and the level that the baseline has set.

    They are the live ones, or, where no version lives any more, those that are soft-deleted.
    """

    subject: str
    versions: tuple[PastVersion, ...]
    level: Level | None = None
    is_deleted: bool = False

    def find_older(self, schema: SchemaGraph) -> PastVersion | None:
        """The newest version before the latest that is this very schema."""
        if len(self.versions) < 2:
            return None
        text = render(schema, inline=True)
        for version in reversed(self.versions[:-1]):
            if version.schema is not None and render(version.schema, inline=True) == text:
                return version
        return None


@dataclass(frozen=True, slots=True)
class Event:
    """A named type that travels on a topic: its full name, and its subject in the registry."""

    name: str
    topic: str
    subject: str
    schema: SchemaGraph
    origin: Place
    """Where the manifest names it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic of the manifest. `retention_ms` is None where it is not stated, -1 for ever."""

    name: str
    doc: str
    owner: str
    key: FieldKey | SchemaKey | None
    partitions: int
    replication: int
    retention_ms: int | None
    cleanup_policy: str
    level: Level
    strategy: SubjectStrategy
    events: tuple[Event, ...]
    origin: Place
    max_payload_bytes: int | None = None
    """What a message's value should not be larger than; None where nothing is stated."""

    @property
    def keeps_forever(self) -> bool:
        """Whether a message may stay for ever: nothing is deleted for its age."""
        return "delete" not in self.cleanup_policy or self.retention_ms == -1


@dataclass(frozen=True, slots=True)
class Service:
    """A service and the events it produces and consumes; `targets` holds each target's options."""

    name: str
    doc: str
    owner: str
    produces: tuple[Event, ...]
    consumes: tuple[Event, ...]
    targets: Mapping[str, Mapping[str, Json]]
    origin: Place


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What gets a token from an OAuth 2.0 authorization server (RFC 6749, section 4.4).

    `parameters` are sent along in the form, for example an audience. The client's id and secret go
    into the header Authorization, or with `is_secret_in_body` into the form (section 2.3.1).
    """

    token_url: str = field(repr=False)
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    scope: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_secret_in_body: bool = False


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Where the registry is and how to be let in; `url` is None for the embedded one.

    An empty `url` comes from a variable that is set and empty: nobody knows which one is meant.

    At most one of username with password, bearer_token and oauth is given. Files are relative to
    the repository, time-outs in seconds. `normalize` asks the registry to compare and keep schemas
    in its normalized form.
    """

    url: str | None
    username: str = ""
    password: str = ""
    bearer_token: str = ""
    certificate_authority: str = ""
    timeout: float = 10.0
    connect_timeout: float = 5.0
    oauth: ClientCredentials | None = None
    client_certificate: str = ""
    client_key: str = ""
    client_key_password: str = ""
    proxy: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    context: str = ""
    normalize: bool = False

    def __repr__(self) -> str:
        """The address only, and that without its credentials: secrets are never printed."""
        scheme, separator, rest = (self.url or "").rpartition("://")
        return f"RegistrySettings({scheme + separator + rest.rpartition('@')[2]!r})"


@dataclass(frozen=True, slots=True)
class Waiver:
    """What people decided to live with: one rule, for one change of one subject, until a day.

    `before` and `after` are the fingerprints of the two schemas: the first 16 hex digits of the
    SHA-256 of the text that a registry on Avro Java would print, all types written out. Where a
    change of the manifest is meant, `subject` is the topic or the service, and the fingerprints
    are those of the JSON text of what the contract said of it and says now.
    """

    rule: str
    subject: str
    before: str
    after: str
    reason: str
    until: date
    origin: Place


@dataclass(frozen=True)
class Contract:
    """Everything a repository states. `types` is every named type by full name, sorted."""

    topics: tuple[Topic, ...]
    services: tuple[Service, ...]
    types: Mapping[str, Named]
    schemas: Mapping[str, Schema]
    """What each schema file holds, by the file's name."""
    documents: Mapping[str, Document]
    subjects: tuple[Subject, ...]
    """In dependency order: a subject stands after those that it references."""
    registry: RegistrySettings
    severities: Severities
    manifest: Document
    waivers: tuple[Waiver, ...] = ()
    histories: Mapping[str, History] = field(default_factory=dict)
    """The past of each subject, by its name, as far as the committed snapshot knows it."""

    @property
    def events(self) -> tuple[Event, ...]:
        """All events of all topics."""
        return tuple(event for topic in self.topics for event in topic.events)

    def topic(self, name: str) -> Topic:
        """The topic of this name. Raises KeyError when there is none."""
        return self._topics[name]

    def producers(self, event: Event) -> tuple[Service, ...]:
        """The services that produce an event, in the order of the manifest."""
        return self._producers.get((event.topic, event.name), ())

    def consumers(self, event: Event) -> tuple[Service, ...]:
        """The services that consume an event, in the order of the manifest."""
        return self._consumers.get((event.topic, event.name), ())

    @cached_property
    def _topics(self) -> Mapping[str, Topic]:
        return {topic.name: topic for topic in self.topics}

    @cached_property
    def _producers(self) -> Mapping[tuple[str, str], tuple[Service, ...]]:
        return _by_event((service, service.produces) for service in self.services)

    @cached_property
    def _consumers(self) -> Mapping[tuple[str, str], tuple[Service, ...]]:
        return _by_event((service, service.consumes) for service in self.services)


def _by_event(
    traffic: Iterable[tuple[Service, tuple[Event, ...]]],
) -> Mapping[tuple[str, str], tuple[Service, ...]]:
    found: dict[tuple[str, str], dict[str, Service]] = {}
    for service, events in traffic:
        for event in events:
            found.setdefault((event.topic, event.name), {})[service.name] = service
    return {key: tuple(services.values()) for key, services in found.items()}
