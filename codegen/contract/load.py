"""From a repository's files to its Contract: everything named is found, or there is a finding.

`load_contract` reads a folder, `load_documents` takes what was read elsewhere (a git revision).
Both report all problems in one run. A Contract is returned only when there were no errors, so what
is built on one never has to ask whether a name exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path as FilePath

from codegen.avro.parse import SchemaSet, parse_schemas
from codegen.avro.schema import (
    Broken,
    Enum,
    Fixed,
    Named,
    Primitive,
    Record,
    Ref,
    Schema,
    SchemaGraph,
    Union,
    split_name,
)
from codegen.contract.lint import LintSettings, read_lint_settings
from codegen.contract.manifest import WRONG_SHAPE, check_editor_schema, check_shape
from codegen.contract.model import (
    Contract,
    Event,
    FieldKey,
    Level,
    RegistrySettings,
    SchemaKey,
    Service,
    SubjectStrategy,
    Topic,
    Waiver,
)
from codegen.contract.reading import find_schema_files, read_file, report_unread_files
from codegen.contract.registry import read_registry_settings, uses_references
from codegen.contract.subjects import derive_subjects
from codegen.diagnostics import CouldNotCheck, Findings, Severity, rule
from codegen.source import Document, Json, Place

MANIFEST = "schemas/contracts.yaml"
"""Where the manifest lies under the root of a contract repository."""

NO_TYPE = rule(
    "contract/file-without-type",
    "A schema file does not define a named type.",
    "Files refer to each other's types by name, so each file defines one record, enum or fixed. A "
    "type without a name can be used by none of them.",
)
NO_RECORD = rule(
    "contract/event-without-record",
    "An event is not a record.",
    "A record can grow: new fields with defaults are what evolution is made of. An event that is "
    "an enum or a fixed can never say more than it does today, and stubs have no class for it.",
)
UNKNOWN_NAME = rule(
    "contract/unknown-name",
    "The manifest names an event, a topic or a type that nothing defines.",
    "A contract that is misspelt is a contract that nobody checks: the event would not be "
    "registered, and no stub would know it.",
)
DUPLICATE_SUBJECT = rule(
    "contract/duplicate-subject",
    "Two different schemas would share one subject.",
    "A subject is the history of one schema. With two events in it each would be checked against "
    "the other, and the registry would refuse the second one.",
)
KEY_FIELD = rule(
    "contract/key-field",
    "The field that makes the message key is missing, nullable, or of a type that makes no key.",
    "Kafka keeps the order of messages with the same key only. An event without its key would "
    "land in any partition.",
)


def choose_root(named: FilePath | None, start: FilePath) -> FilePath:
    """The folder that somebody named, or else the nearest one, as `find_root` finds it.

    Raises CouldNotCheck where it holds no schemas/contracts.yaml.
    """
    if named is None:
        return find_root(start)
    if not (named / MANIFEST).is_file():
        hint = f"name a contract repository, or make one: kontrakt init {named}"
        raise CouldNotCheck(f"no {MANIFEST} in {named}", hint=hint)
    return named


def find_root(start: FilePath) -> FilePath:
    """The nearest folder from `start` upwards that holds schemas/contracts.yaml.

    Raises CouldNotCheck when there is none.
    """
    for folder in (start, *start.parents):
        if (folder / MANIFEST).is_file():
            return folder
    raise CouldNotCheck(
        f"no {MANIFEST} in {start} or above it",
        hint="go to a contract repository, name one with --root, or make one: kontrakt init",
    )


@dataclass(frozen=True, slots=True)
class Repository:
    """What could be read of a contract repository: all that lint speaks about.

    `manifest` is None where it could not be read or has the wrong form, `contract` where anything
    was wrong. `documents` are the schema files that could be read, by name.
    """

    manifest: Document | None
    documents: Mapping[str, Document]
    schemas: SchemaSet
    contract: Contract | None
    lint: LintSettings


def load_contract(root: FilePath, findings: Findings) -> Contract | None:
    """Load the contract repository in a folder; None when there were errors."""
    return _read(root, findings).contract


def load_repository(root: FilePath, findings: Findings) -> Repository:
    """Load what can be read of the contract repository in a folder, for those who mend it."""
    check_editor_schema(root, findings)
    report_unread_files(root / "schemas", root, findings)
    return _read(root, findings)


def _read(root: FilePath, findings: Findings) -> Repository:
    manifest = read_file(root, root / MANIFEST, findings)
    paths = find_schema_files(root / "schemas", root, findings)
    schemas = [read_file(root, path, findings) for path in paths]
    return assemble(manifest, (one for one in schemas if one is not None), findings)


def load_documents(
    manifest: Document,
    schemas: Iterable[Document],
    findings: Findings,
    *,
    with_registry: bool = True,
) -> Contract | None:
    """Make a contract of documents that were read; None when `findings` holds errors.

    Without the registry, its settings in the manifest are not looked at.
    """
    return assemble(manifest, schemas, findings, with_registry=with_registry).contract


def assemble(
    manifest: Document | None,
    schemas: Iterable[Document],
    findings: Findings,
    *,
    with_registry: bool = True,
) -> Repository:
    """Make a repository of documents that were read; no contract when `findings` holds errors."""
    documents = {document.name: document for document in schemas}
    parsed = parse_schemas(documents.values(), findings)
    contract, settings = None, LintSettings()
    if manifest is not None and not check_shape(manifest, findings):
        manifest = None
    if manifest is not None:
        settings = read_lint_settings(manifest)
        loader = _Loader(manifest, list(documents.values()), parsed, findings)
        contract = loader.load(with_registry=with_registry)
    contract = None if findings.has_errors else contract
    return Repository(manifest, documents, parsed, contract, settings)


_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def read_duration(text: str) -> int:
    """Milliseconds of a duration such as `30d`; -1 for `forever` (Kafka's retention.ms)."""
    if text == "forever":
        return -1
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :]
    return int(number) * (365 * _UNITS["d"] if unit == "y" else _UNITS[unit])


class _Loader:
    def __init__(
        self,
        manifest: Document,
        documents: list[Document],
        parsed: SchemaSet,
        findings: Findings,
    ) -> None:
        self._manifest = manifest
        self._value: Mapping[str, Json] = manifest.value
        self._defaults: Mapping[str, Json] = self._value.get("defaults") or {}
        self._documents = {document.name: document for document in documents}
        self._parsed = parsed
        self._findings = findings
        self._place = Place(manifest)

    def load(self, *, with_registry: bool) -> Contract:
        for name, root in self._parsed.roots.items():
            if not isinstance(root, Record | Enum | Fixed | Broken):
                message, hint = _tell_nameless(root)
                self._findings.add(NO_TYPE, Place(self._documents[name]), message, hint=hint)
        topics = tuple(
            self._topic(name, value or {})
            for name, value in (self._value.get("topics") or {}).items()
        )
        by_name = {topic.name: topic for topic in topics}
        services = tuple(
            self._service(name, value or {}, by_name)
            for name, value in (self._value.get("services") or {}).items()
        )
        return Contract(
            topics=topics,
            services=services,
            types=dict(sorted(self._parsed.types.items())),
            schemas=self._parsed.roots,
            documents=self._documents,
            subjects=()
            if self._findings.has_errors
            else derive_subjects(
                self._parsed, self._documents, topics, uses_references(self._manifest)
            ),
            registry=read_registry_settings(self._manifest, self._findings)
            if with_registry
            else RegistrySettings(None),
            severities=read_lint_settings(self._manifest).severities,
            manifest=self._manifest,
            waivers=tuple(self._waivers()),
        )

    def _waivers(self) -> Iterator[Waiver]:
        for index, value in enumerate(self._value.get("waivers") or []):
            place = self._place.at("waivers", index)
            try:
                until = date.fromisoformat(value["until"])
            except ValueError:
                message = f"{value['until']} is no day of the calendar"
                hint = "write year-month-day, for example 2027-01-31"
                self._findings.add(WRONG_SHAPE, place.at("until"), message, hint=hint)
                continue
            yield Waiver(
                value["rule"],
                value["subject"],
                value["from"],
                value["to"],
                value["reason"],
                until,
                place,
            )

    def _topic(self, name: str, value: Mapping[str, Json]) -> Topic:
        place = self._place.at("topics", name)
        names: list[str] = value["events"]
        strategy_name = value.get("subject_strategy") or self._defaults.get("subject_strategy")
        strategy = (
            SubjectStrategy(strategy_name)
            if strategy_name
            else SubjectStrategy.TOPIC
            if len(names) == 1
            else SubjectStrategy.TOPIC_RECORD
        )
        if strategy is SubjectStrategy.TOPIC and len(names) > 1:
            self._findings.add(
                DUPLICATE_SUBJECT,
                place.at("events"),
                f"{len(names)} events would share the subject {name}-value",
                hint="use subject_strategy: topic-record",
            )
        events = tuple(
            Event(
                event,
                name,
                _subject_name(name, event, strategy),
                SchemaGraph(root, self._parsed.types),
                place.at("events", index),
            )
            for index, event in enumerate(names)
            if (root := self._type(event, place.at("events", index))) is not None
        )

        for event in events:
            if not isinstance(event.schema.root, Record):
                self._findings.add(
                    NO_RECORD,
                    event.origin,
                    f"{event.name} is no record",
                    hint="let the event be a record that holds this type",
                )

        def setting(key: str, otherwise: Json) -> Json:
            return value.get(key, self._defaults.get(key, otherwise))

        retention = setting("retention", None)
        return Topic(
            name=name,
            doc=value.get("doc", ""),
            owner=value.get("owner", ""),
            key=self._key(value.get("key"), name, events, place.at("key")),
            partitions=setting("partitions", 1),
            replication=setting("replication", 1),
            retention_ms=None if retention is None else read_duration(retention),
            cleanup_policy=setting("cleanup_policy", "delete"),
            level=Level(setting("compatibility", "BACKWARD")),
            strategy=strategy,
            events=events,
            origin=place,
            max_payload_bytes=setting("max_payload_bytes", None),
        )

    def _type(self, name: str, place: Place) -> Named | None:
        found = self._parsed.types.get(name)
        if found is None and not self._has_broken_file(name):
            near = get_close_matches(name, self._parsed.types, 1)
            hint = f'did you mean "{near[0]}"?' if near else "add its .avsc under schemas/"
            self._findings.add(UNKNOWN_NAME, place, f"no schema defines {name}", hint=hint)
        return found

    def _has_broken_file(self, name: str) -> bool:
        """Whether a file that is called like the type has an error, which is what to mend."""
        file = f"/{split_name(name)[1]}.avsc"
        return any(
            one.severity is Severity.ERROR and one.location.file.endswith(file)
            for one in self._findings
        )

    def _key(
        self, value: Json, topic: str, events: tuple[Event, ...], place: Place
    ) -> FieldKey | SchemaKey | None:
        if value is None:
            return None
        if isinstance(value, dict):
            named = self._type(value["schema"], place.at("schema"))
            if named is None:
                return None
            return SchemaKey(SchemaGraph(named, self._parsed.types), f"{topic}-key", place)
        path = tuple(value.split("."))
        for event in events:
            if problem := _key_problem(event.schema, path):
                self._findings.add(
                    KEY_FIELD,
                    place,
                    f"{value} cannot be the key of {event.name}: {problem}",
                    hint="name a string, uuid, int or long field that every event has",
                )
        return FieldKey(path, place)

    def _service(
        self, name: str, value: Mapping[str, Json], topics: Mapping[str, Topic]
    ) -> Service:
        place = self._place.at("services", name)
        return Service(
            name=name,
            doc=value.get("doc", ""),
            owner=value.get("owner", ""),
            produces=self._traffic(value.get("produces") or [], topics, place.at("produces")),
            consumes=self._traffic(value.get("consumes") or [], topics, place.at("consumes")),
            targets={
                target: options or {} for target, options in (value.get("targets") or {}).items()
            },
            origin=place,
        )

    def _traffic(
        self, items: list[Json], topics: Mapping[str, Topic], place: Place
    ) -> tuple[Event, ...]:
        events: list[Event] = []
        for index, item in enumerate(items):
            at = place.at(index)
            name = item["topic"] if isinstance(item, dict) else item
            topic = topics.get(name)
            if topic is None:
                near = get_close_matches(name, topics, 1)
                hint = f'did you mean "{near[0]}"?' if near else "add it under topics"
                where = at.at("topic") if isinstance(item, dict) else at
                self._findings.add(UNKNOWN_NAME, where, f"no topic is named {name}", hint=hint)
                continue
            if not isinstance(item, dict):
                events.extend(topic.events)
                continue
            by_name = {event.name: event for event in topic.events}
            for position, event in enumerate(item["events"]):
                if event in by_name:
                    events.append(by_name[event])
                    continue
                near = get_close_matches(event, by_name, 1)
                hint = f'did you mean "{near[0]}"?' if near else f"add it to the events of {name}"
                message = f"{event} does not travel on {name}"
                self._findings.add(UNKNOWN_NAME, at.at("events", position), message, hint=hint)
        return tuple(dict.fromkeys(events))


def _tell_nameless(root: Schema) -> tuple[str, str]:
    """What to say of a file whose schema has no name, and what to do about it."""
    branches = root.branches if isinstance(root, Union) else ()
    if any(isinstance(one, Record | Enum | Fixed | Ref) for one in branches):
        message = "this file is a union of types, and a file defines one"
        return message, "give each type a file of its own, and remove this one"
    message = "this file defines no record, enum or fixed"
    return message, "give the schema a name, or move it into the type that uses it"


def _subject_name(topic: str, event: str, strategy: SubjectStrategy) -> str:
    match strategy:
        case SubjectStrategy.TOPIC:
            return f"{topic}-value"
        case SubjectStrategy.RECORD:
            return event
        case SubjectStrategy.TOPIC_RECORD:
            return f"{topic}-{event}"


def _key_problem(graph: SchemaGraph, path: tuple[str, ...]) -> str:
    schema: Schema = graph.root
    for name in path:
        record = graph.resolve(schema)
        if not isinstance(record, Record):
            return f"{name} is looked for in something that is no record"
        found = next((field for field in record.fields if field.name == name), None)
        if found is None:
            return f"{record.name} has no field {name}"
        schema = found.schema
    target = graph.resolve(schema)
    if isinstance(target, Primitive) and target.type in ("string", "int", "long"):
        if target.logical is None or target.logical.name == "uuid":
            return ""
        return f"it is a {target.logical.name}"
    return "it is neither a string nor a whole number"
