"""Topology: who sends what to whom, and what nobody sends or hears."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.avro.schema import Enum, Fixed, Map, Primitive, Record, Schema, reachable
from codegen.avro.schema import walk as walk_schema
from codegen.contract.model import SchemaKey
from codegen.diagnostics import Severity
from codegen.rules.lint import Contract, Here, Problem, SchemaFile, Service, Topic, check
from codegen.source import Place


@check("topology/no-producer", "Nobody produces to a topic.", Topic)
def check_no_producer(topic: Topic, here: Here) -> Iterator[Problem]:
    """Its events have no source, so no stub can send them and `impact` cannot tell who is
    concerned. A service that is missing in the manifest is missing in every report."""
    contract = here.contract
    if topic.events and not any(map(contract.producers, topic.events)):
        message = f"no service produces to {topic.name}"
        hint = "add the topic to produces of the service that sends its events"
        yield Problem(_name(topic), message, hint)


@check("topology/no-consumer", "Nobody consumes a topic.", Topic, severity=Severity.NOTE)
def check_no_consumer(topic: Topic, here: Here) -> Iterator[Problem]:
    """Who would be hurt by a change of its events is not known to the check. Consumers of other
    repositories are invisible as well, so add them: a service needs no targets."""
    contract = here.contract
    if topic.events and not any(map(contract.consumers, topic.events)):
        message = f"no service consumes {topic.name}"
        hint = "add the services that read it, those of other teams too"
        yield Problem(_name(topic), message, hint)


@check("topology/event-without-producer", "Nobody produces an event of a topic.", Topic)
def check_event_without_producer(topic: Topic, here: Here) -> Iterator[Problem]:
    """Others produce to the topic, but not this event: it was replaced and left behind, or a
    service was forgotten that sends it."""
    produced = [bool(here.contract.producers(event)) for event in topic.events]
    for event, is_produced in zip(topic.events, produced, strict=True):
        if any(produced) and not is_produced:
            message = f"no service produces {event.name} to {topic.name}"
            hint = "name it at the service that sends it, or take it out of the topic"
            yield Problem(event.origin, message, hint, about=event.name)


@check(
    "topology/event-without-consumer",
    "Nobody consumes an event of a topic.",
    Topic,
    severity=Severity.NOTE,
)
def check_event_without_consumer(topic: Topic, here: Here) -> Iterator[Problem]:
    """Others of the topic are consumed, this one is read by nobody: it costs its producer work, or
    the service that reads it is missing in the manifest."""
    consumed = [bool(here.contract.consumers(event)) for event in topic.events]
    for event, is_consumed in zip(topic.events, consumed, strict=True):
        if any(consumed) and not is_consumed:
            message = f"no service consumes {event.name} from {topic.name}"
            hint = "name it at the service that reads it, or ask whether it is needed"
            yield Problem(event.origin, message, hint, about=event.name)


@check("topology/several-producers", "Several services produce to one topic.", Topic)
def check_several_producers(topic: Topic, here: Here) -> Iterator[Problem]:
    """Kafka orders the messages of one producer only, and a topic with several has no one who
    answers for its content. Where both send one event, each can break the readers of the other."""
    names: dict[str, None] = {}
    for event in topic.events:
        names |= dict.fromkeys(service.name for service in here.contract.producers(event))
    if len(names) > 1:
        message = f"{' and '.join(names)} produce to {topic.name}"
        hint = "give each a topic of its own, or let one own it and ask that one"
        yield Problem(_name(topic), message, hint)


@check("topology/idle-service", "A service neither produces nor consumes anything.", Service)
def check_idle_service(service: Service, here: Here) -> Iterator[Problem]:
    """Nothing is generated for it, and no report ever names it."""
    if not service.produces and not service.consumes:
        message = f"{service.name} neither produces nor consumes anything"
        yield Problem(_name(service), message, "add what it does, or remove it")


@check("topology/own-events", "A service consumes what only it produces.", Service)
def check_own_events(service: Service, here: Here) -> Iterator[Problem]:
    """Each of its instances reads what another one sent. That is right for a queue of its own work,
    and more often a topic in the wrong list."""
    for event in service.consumes:
        producers = [one.name for one in here.contract.producers(event)]
        readers = [one.name for one in here.contract.consumers(event)]
        if producers == readers == [service.name]:
            message = f"only {service.name} produces and consumes {event.name}"
            hint = "if it is a queue of its own, ignore this with that reason"
            yield Problem(_name(service), message, hint)


@check("topology/no-key", "A topic has no key.", Topic, severity=Severity.NOTE)
def check_no_key(topic: Topic, here: Here) -> Iterator[Problem]:
    """Kafka keeps the order of messages with the same key only. Without one, two events about one
    thing land in different partitions and are handled in any order."""
    if topic.key is None and "compact" not in topic.cleanup_policy:
        message = f"the messages of {topic.name} have no key"
        hint = "add key: a field that every event has and that names what it is about"
        yield Problem(_name(topic), message, hint)


@check(
    "topology/compacted-without-key",
    "A compacted topic has no key.",
    Topic,
    severity=Severity.ERROR,
)
def check_compacted_without_key(topic: Topic, here: Here) -> Iterator[Problem]:
    """Compaction keeps the last message of each key, so a broker refuses messages without a key in
    such a topic (INVALID_RECORD)."""
    if topic.key is None and "compact" in topic.cleanup_policy:
        message = f"{topic.name} is compacted, and its messages have no key"
        yield Problem(_name(topic), message, "add key: the field that names what is kept")


@check("topology/unstable-key", "Equal keys can have different bytes.", Topic)
def check_unstable_key(topic: Topic, here: Here) -> Iterator[Problem]:
    """Kafka compares the bytes of keys. A map is written in any order, and a float of one value in
    several forms, so equal keys land in different partitions, and compaction keeps both."""
    key = topic.key
    if not isinstance(key, SchemaKey):
        return
    inside = (node for one in reachable(key.schema).values() for node in walk_schema(one))
    for node in (key.schema.root, *inside):
        if word := _unstable(node):
            message = f"the key of {topic.name} holds a {word}: equal keys can have other bytes"
            hint = "make the key of texts and whole numbers"
            yield Problem(key.origin, message, hint, see=(("it stands here", node.origin),))
            return


def _unstable(node: Schema) -> str:
    if isinstance(node, Map):
        return "map"
    if isinstance(node, Primitive) and node.type in ("float", "double"):
        return node.type
    return ""


@check(
    "topology/topic-collision",
    "Two topics differ only in dots and underscores.",
    Contract,
    severity=Severity.ERROR,
)
def check_topic_collision(contract: Contract, here: Here) -> Iterator[Problem]:
    """Names of metrics have underscores where topics have dots, so a broker refuses to create a
    topic whose name differs from that of another one in those only (INVALID_TOPIC_EXCEPTION)."""
    seen: dict[str, Topic] = {}
    for topic in contract.topics:
        first = seen.setdefault(topic.name.replace(".", "_"), topic)
        if first is not topic:
            message = f"{topic.name} and {first.name} are one name to Kafka"
            see = (("the other", _name(first)),)
            yield Problem(_name(topic), message, "name one otherwise", see=see, about=topic.name)


@check(
    "topology/unused-schema",
    "Nothing uses the type of a schema file.",
    SchemaFile,
    severity=Severity.NOTE,
)
def check_unused_schema(file: SchemaFile, here: Here) -> Iterator[Problem]:
    """It travels on no topic and is part of no other type, so it is not checked, not registered and
    not generated. Often a line in the manifest is missing."""
    root = file.root
    contract = here.survey.repository.contract
    if contract is None or not isinstance(root, Record | Enum | Fixed):
        return
    if root.name not in here.survey.sent and not any(
        use.origin.document is not root.origin.document
        for defined in _defined_in(root)
        for use in here.survey.uses.get(defined, ())
    ):
        message = f"no topic and no other type uses {root.name}"
        hint = "add it to the events of a topic, or remove the file"
        yield Problem(root.origin.at("name"), message, hint)


def _defined_in(root: Schema) -> Iterator[str]:
    for node in walk_schema(root):
        if isinstance(node, Record | Enum | Fixed):
            yield node.name


def _name(thing: Topic | Service) -> Place:
    return Place(thing.origin.document, thing.origin.path, on_key=True)
