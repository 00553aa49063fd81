"""The entries of the manifest for what is new, and the schema file of an event."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from errno import EACCES
from pathlib import Path as FilePath

from codegen.avro.schema import Record, split_name
from codegen.contract.load import MANIFEST, load_documents
from codegen.contract.model import Contract, FieldKey, SubjectStrategy
from codegen.contract.paths import choose_path
from codegen.diagnostics import CouldNotCheck, Findings, KontraktError
from codegen.editing import Edit, EditRefused, Insert, apply
from codegen.files import ChangedMeanwhileError, write_together
from codegen.formatting import format_schema
from codegen.scaffolding.fields import parse_field
from codegen.source import Document, Json, read_json, read_yaml
from codegen.targets import discover_targets

TO_DO = "TODO: "
"""What a doc begins with that somebody has to write; `kontrakt lint` reports each."""

_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class TopicDraft:
    """What is said of a new topic; what is empty is left to the defaults of the manifest."""

    name: str
    key: str = ""
    owner: str = ""
    doc: str = ""
    events: tuple[str, ...] = ()
    settings: Mapping[str, Json] = field(default_factory=dict)
    """Partitions, retention and the like, under the names that the manifest has for them."""


@dataclass(frozen=True, slots=True)
class EventDraft:
    """What is said of a new event.

    `name` may be full. Without a namespace there or in `namespace` it gets that of the topic's
    other events. `fields` are as `parse_field` takes them. One without a doc gets a mark to
    write it; the key of the topic has its doc from the other events. The topic is there, unless
    `topic` is a draft of its own.
    """

    name: str
    topic: str | TopicDraft
    fields: tuple[str, ...] = ()
    namespace: str = ""
    doc: str = ""
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class ServiceDraft:
    """What is said of a new service.

    What it produces and consumes are topics, or `topic:Event`; events may go by simple names.
    """

    name: str
    produces: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    owner: str = ""
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Addition:
    """What would be written: the texts of files by their paths under the root."""

    texts: Mapping[str, str]
    before: Mapping[str, str]
    """The texts of the files that are there already."""


def add_event(contract: Contract, draft: EventDraft, findings: Findings) -> Addition | None:
    """A schema file and an entry of its topic; None and findings where they could not be used.

    Raises KontraktError for what is there already, or is not there, and FieldError.
    """
    topic = draft.topic if isinstance(draft.topic, str) else draft.topic.name
    if isinstance(draft.topic, str):
        _find_topic(contract, topic, "add --new-topic to make it")
    name = _name_event(contract, draft, topic)
    if name in contract.types:
        origin = contract.types[name].origin.document.name
        raise KontraktError(f"there is a type {name} already: {origin}", "choose another name")
    edits: list[Edit] = []
    if isinstance(draft.topic, TopicDraft):
        edits.append(_new_topic(contract, draft.topic, (name,)))
    else:
        edits += _join_topic(contract, topic, name, draft.strategy)
    file, text = _write_schema(contract, name, draft, topic)
    return _add(contract, {file: text}, edits, findings)


def add_topic(contract: Contract, draft: TopicDraft, findings: Findings) -> Addition | None:
    """An entry for a topic whose events are there. Raises KontraktError as `add_event` does."""
    if not draft.events:
        hint = (
            f"name one that is there with --event, or make both: "
            f"kontrakt new event NAME --topic {draft.name} --new-topic --field id:uuid"
        )
        raise KontraktError(f"topic {draft.name} needs an event", hint)
    events = tuple(_find_type(contract, name) for name in draft.events)
    edit = _new_topic(contract, draft, events)
    return _add(contract, {}, [edit], findings)


def add_service(contract: Contract, draft: ServiceDraft, findings: Findings) -> Addition | None:
    """An entry for a service. Raises KontraktError as `add_event` does."""
    names = [service.name for service in contract.services]
    _refuse_known("service", draft.name, names)
    value: dict[str, Json] = {}
    if draft.doc:
        value["doc"] = draft.doc
    if draft.owner:
        value["owner"] = draft.owner
    for role, parts in (("produces", draft.produces), ("consumes", draft.consumes)):
        if parts:
            value[role] = _write_traffic(contract, parts)
    if not draft.produces and not draft.consumes:
        hint = "add --produces TOPIC or --consumes TOPIC, or TOPIC:EVENT for a part of it"
        raise KontraktError(f"service {draft.name} neither produces nor consumes anything", hint)
    known = sorted(discover_targets())
    for target in draft.targets:
        if target not in known:
            hint = _near(target, known) + f"targets are {', '.join(known)}"
            raise KontraktError(f"there is no target {target}", hint)
    value["targets"] = {target: {} for target in draft.targets}
    edits: list[Edit] = [_insert(contract, "services", draft.name, value)]
    return _add(contract, {}, edits, findings)


def write_addition(root: FilePath, addition: Addition) -> None:
    """Write all of it or nothing.

    Raises KontraktError where a new file is there already, CouldNotCheck where the manifest is not
    any more what the addition was made from, or something cannot be written.
    """
    # A manifest that is a symbolic link stays one.
    paths = {name: FilePath(os.path.realpath(root / name)) for name in addition.texts}
    texts = {paths[name]: text for name, text in addition.texts.items()}
    before = {paths[name]: addition.before.get(name) for name in addition.texts}

    def shown(error: OSError) -> str:
        found = (name for name, path in paths.items() if str(path) == error.filename)
        return next(found, str(error.filename))

    try:
        manifest = paths[MANIFEST]
        if not manifest.stat().st_mode & 0o222:
            raise PermissionError(EACCES, "it is read-only", str(manifest))
        write_together(texts, before)
    except FileExistsError as error:
        message = f"{shown(error)} exists already; nothing was written"
        raise KontraktError(message, "move it away, or choose another name") from None
    except ChangedMeanwhileError as error:
        message = f"{shown(error)} was changed meanwhile; nothing was written"
        raise CouldNotCheck(message, "run the command again") from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        message = f"{shown(error)} cannot be written: {reason}; nothing was written"
        raise CouldNotCheck(message, "check the folder and who may write there") from None


def _name_event(contract: Contract, draft: EventDraft, topic: str) -> str:
    if not _FULL_NAME.fullmatch(draft.name):
        hint = "letters, digits and _, for example OrderReturned or retail.orders.OrderReturned"
        raise KontraktError(f"{draft.name!r} cannot be the name of an event", hint)
    if draft.namespace and not _FULL_NAME.fullmatch(draft.namespace):
        hint = "names joined by dots, for example retail.orders"
        raise KontraktError(f"{draft.namespace!r} cannot be a namespace", hint)
    stated, simple = split_name(draft.name)
    namespace = draft.namespace or stated
    if stated and stated != namespace:
        hint = "leave one of the two out"
        raise KontraktError(f"{draft.name} is not in the namespace {namespace}", hint)
    if not namespace:
        namespaces = {
            split_name(event.name)[0] for event in contract.events if event.topic == topic
        }
        if len(namespaces) != 1:
            why = "events of several" if namespaces else "no event yet"
            hint = f"add --namespace, for example --namespace {_example(contract)}"
            raise KontraktError(
                f"which namespace is {draft.name} in? Topic {topic} has {why}", hint
            )
        (namespace,) = namespaces
    return f"{namespace}.{simple}" if namespace else simple


def _example(contract: Contract) -> str:
    namespaces = sorted({split_name(event.name)[0] for event in contract.events})
    return next(filter(None, namespaces), "shop.orders")


def _write_schema(contract: Contract, name: str, draft: EventDraft, topic: str) -> tuple[str, str]:
    namespace, simple = split_name(name)
    schema: dict[str, Json] = {"type": "record", "name": simple}
    if namespace:
        schema["namespace"] = namespace
    schema["doc"] = draft.doc or f"{TO_DO}what happened, and when it is sent."
    known = dict.fromkeys([*contract.types, name])
    docs = _docs_of_keys(contract, topic)
    fields: list[Json] = []
    for text in draft.fields:
        otherwise = docs.get(text.partition(":")[0], f"{TO_DO}what it holds, and in which unit.")
        item = parse_field(text, known, namespace, otherwise)
        fields.append(item)
        known.update(dict.fromkeys(_enums(item["type"], namespace)))
    schema["fields"] = fields
    file = choose_path(name, {path.lower() for path in contract.documents})
    return file, format_schema(read_json(file, json.dumps(schema, ensure_ascii=False)))


def _docs_of_keys(contract: Contract, topic: str) -> Mapping[str, str]:
    """What the events of a topic say of the field that is their key, which is one for them all."""
    found: dict[str, str] = {}
    for event in contract.events:
        key, root = contract.topic(event.topic).key, event.schema.root
        if event.topic == topic and isinstance(key, FieldKey) and isinstance(root, Record):
            found |= {
                one.name: one.doc for one in root.fields if one.doc and (one.name,) == key.path
            }
    return found


def _enums(schema: Json, namespace: str) -> Iterable[str]:
    """The full names of the enums that a field defines."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _enums(branch, namespace)
    elif isinstance(schema, dict):
        if schema["type"] == "enum":
            yield f"{namespace}.{schema['name']}" if namespace else str(schema["name"])
        yield from _enums(schema.get("items", schema.get("values")), namespace)


def _join_topic(contract: Contract, topic: str, event: str, strategy: str) -> Iterable[Edit]:
    held = contract.topic(topic)
    stated = contract.manifest.value["topics"][topic]
    is_stated = isinstance(stated, dict) and "subject_strategy" in stated
    if held.strategy is SubjectStrategy.TOPIC and not strategy:
        (first, *_) = held.events
        hint = (
            "add --subject-strategy topic-record to accept that (or record, which leaves the topic "
            "out of the name); or put the event on a topic of its own: --topic NAME --new-topic"
        )
        raise KontraktError(
            f"topic {topic} has one event, {first.name}, under the subject {first.subject}; with "
            "a second one subjects are named after their events, and its history in the registry "
            "begins anew under another name",
            hint,
        )
    edits: list[Edit] = []
    if strategy:
        if is_stated:
            hint = f"change subject_strategy of topic {topic} by hand, or leave the option out"
            raise KontraktError(f"topic {topic} states {held.strategy.value} already", hint)
        edits.append(Insert(("topics", topic, "subject_strategy"), strategy))
    return [*edits, Insert(("topics", topic, "events", len(held.events)), event)]


def _new_topic(contract: Contract, draft: TopicDraft, events: Sequence[str]) -> Edit:
    _refuse_known("topic", draft.name, [topic.name for topic in contract.topics])
    value: dict[str, Json] = {}
    for key, text in (("doc", draft.doc), ("owner", draft.owner), ("key", draft.key)):
        if text:
            value[key] = text
    value.update(draft.settings)
    value["events"] = list(events)
    return _insert(contract, "topics", draft.name, value)


def _insert(contract: Contract, section: str, name: str, value: Json) -> Edit:
    held = contract.manifest.value
    if isinstance(held, dict) and isinstance(held.get(section), dict):
        return Insert((section, name), value)
    return Insert((section,), {name: value})


def _refuse_known(kind: str, name: str, known: Collection[str]) -> None:
    if name in known:
        hint = f"choose another name, or edit it in {MANIFEST}"
        raise KontraktError(f"there is a {kind} {name} already", hint)


def _find_topic(contract: Contract, name: str, otherwise: str = "") -> None:
    names = [topic.name for topic in contract.topics]
    if name not in names:
        hint = _near(name, names) + (otherwise or f"topics are {', '.join(sorted(names)[:10])}")
        raise KontraktError(f"there is no topic {name} in {MANIFEST}", hint)


def _find_type(contract: Contract, name: str, known: Collection[str] | None = None) -> str:
    """The full name of an event that is there; its simple name will do where it is the only one."""
    names = contract.types if known is None else known
    found = [name] if name in names else [one for one in names if split_name(one)[1] == name]
    if len(found) == 1:
        return found[0]
    if found:
        hint = f"write it with its namespace: {', '.join(sorted(found))}"
        raise KontraktError(f"{name} may be one of several events", hint)
    near = _near(name, list(names))
    hint = f"{near}make it: kontrakt new event {name} --topic TOPIC; --new-topic makes that too"
    raise KontraktError(f"there is no event {name}", hint)


def _write_traffic(contract: Contract, parts: Sequence[str]) -> Json:
    chosen: dict[str, list[str]] = {}
    for part in parts:
        topic, colon, event = part.partition(":")
        _find_topic(contract, topic)
        events = chosen.setdefault(topic, [])
        if colon:
            known = [one.name for one in contract.topic(topic).events]
            events.append(_find_type(contract, event, known))
    return [
        {"topic": topic, "events": list(dict.fromkeys(events))} if events else topic
        for topic, events in chosen.items()
    ]


def _near(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, 1) or [
        one for one in known if split_name(one)[1].lower() == split_name(name)[1].lower()
    ]
    return f"did you mean {close[0]}? If not: " if close else ""


def _add(
    contract: Contract,
    schemas: Mapping[str, str],
    edits: Iterable[Edit],
    findings: Findings,
) -> Addition | None:
    """The texts, when the repository can be used with them; else None, and findings say why."""
    manifest = contract.manifest
    try:
        # One after the other: two may have their places at the end of one line.
        for edit in edits:
            manifest = read_yaml(MANIFEST, apply(manifest, (edit,)))
    except EditRefused as refusal:
        hint = f"add this to {MANIFEST} by hand:\n{refusal.snippet}"
        raise KontraktError(f"{refusal}; nothing was written", hint) from None
    documents: dict[str, Document] = dict(contract.documents)
    documents |= {name: read_json(name, text) for name, text in schemas.items()}
    found = Findings()
    after = load_documents(manifest, documents.values(), found)
    if after is None or found.has_errors:
        findings.items += found
        return None
    before = {MANIFEST: contract.manifest.text}
    return Addition({**schemas, MANIFEST: manifest.text}, before)
