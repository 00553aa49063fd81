"""Who cannot read whose messages when an event changes?

Each producer is judged by what it writes until it is deployed anew, each consumer by what it reads,
and both by what is still retained in the topic. A service's schema is the one that its stubs were
generated from, where a lock tells it, else the latest version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from codegen.avro.canonical import render
from codegen.avro.parse import JAVA, parse_schema
from codegen.avro.resolution import TooManyPairs
from codegen.avro.schema import SchemaGraph, split_name
from codegen.compatibility import Direction, Judge
from codegen.contract.model import Contract, Event, History, Level, PastVersion, Subject, Topic
from codegen.contract.subjects import strictest
from codegen.diagnostics import Findings
from codegen.lock import Lock
from codegen.rules.breaking import summarize
from codegen.rules.breaks import Break, find_breaks
from codegen.source import Document


class Fate(Enum):
    """What becomes of an event."""

    CHANGED = "changed"
    NEW = "new"
    REMOVED = "removed"


class Rollout(Enum):
    """The order in which the services of one changed event can be deployed safely."""

    ANY_ORDER = "any order"
    CONSUMERS_FIRST = "consumers first"
    PRODUCERS_FIRST = "producers first"
    AFTER_RETENTION = "any order after retention"
    NO_SAFE_ORDER = "no safe order"
    UNKNOWN = "unknown"


_LOCK = "kontrakt.lock"
_BEFORE = "the version before"
"""What people call the only version that a past without numbers has."""


@dataclass(frozen=True, slots=True)
class Producer:
    """A producer of a changed event, and which version it writes until it is deployed.

    `is_stale` says that the new schema cannot read that version.
    """

    service: str
    version: str
    is_pinned: bool
    is_stale: bool


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer of a changed event, what its present stubs read, and why not the new schema."""

    service: str
    version: str
    is_pinned: bool
    obstacles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change of one event means for its services.

    It changed, or it is new on a topic that was there, or was taken from it. `before` names the
    latest version, empty for a new event, and `number` is its number, 0 where the past has none.
    `stale` are the versions that the new schema cannot read and that the topic may hold,
    `obstacles` say why not. Each consumer says why it cannot read what will be written; `is_late`
    says that one cannot, or that whoever reads the latest version could not. `shared` are the
    changed subjects of types that the event uses. `problem` says what keeps the impact from being
    known.
    """

    event: Event
    topic: Topic
    schema: SchemaGraph
    fate: Fate
    before: str
    number: int
    producers: tuple[Producer, ...]
    consumers: tuple[Consumer, ...]
    stale: tuple[str, ...]
    obstacles: tuple[str, ...]
    breaks: tuple[Break, ...]
    shared: tuple[str, ...]
    level: Level
    """What is asked of the event, or of a changed type that it uses: the strictest of all."""
    is_late: bool
    problem: str = ""
    refusal: Refusal | None = None

    @property
    def name(self) -> str:
        """The event's simple name."""
        return split_name(self.event.name)[1]

    @property
    def is_new(self) -> bool:
        """Whether nobody could know the event before."""
        return self.fate is Fate.NEW

    @property
    def is_removed(self) -> bool:
        """Whether nobody knows the event any more."""
        return self.fate is Fate.REMOVED

    @property
    def after(self) -> str:
        """The version that comes; empty for an event that is removed."""
        if self.is_removed:
            return ""
        return f"v{self.number + 1}" if self.number or self.is_new else "the new one"

    @property
    def full_after(self) -> str:
        """The version that comes with the event's name."""
        return self.name if self.after == "the new one" else f"{self.name} {self.after}"

    @property
    def services(self) -> tuple[str, ...]:
        """Its producers and its consumers, each once."""
        parts: tuple[Producer | Consumer, ...] = (*self.producers, *self.consumers)
        return tuple(dict.fromkeys(part.service for part in parts))

    @property
    def assumed(self) -> tuple[str, ...]:
        """The services of which no lock says what is deployed."""
        parts: tuple[Producer | Consumer, ...] = (*self.producers, *self.consumers)
        is_known = self.fate is not Fate.CHANGED
        unknown = () if is_known else (part for part in parts if not part.is_pinned)
        return tuple(dict.fromkeys(part.service for part in unknown))

    @property
    def late(self) -> tuple[str, ...]:
        """The consumers that cannot read the new schema until they are deployed with it."""
        return tuple(one.service for one in self.consumers if one.obstacles)

    @property
    def written(self) -> tuple[str, ...]:
        """The versions that are written until all producers are deployed; at least the latest."""
        if self.is_new:
            return ()
        return tuple(dict.fromkeys((*(one.version for one in self.producers), self.before)))

    @property
    def torn(self) -> tuple[str, ...]:
        """The services that would have to stop writing the old before they begin to read the new.

        Each both produces and consumes the event.
        """
        consumers = {one.service for one in self.consumers}
        return tuple(
            one.service for one in self.producers if one.is_stale and one.service in consumers
        )

    @property
    def rollout(self) -> Rollout:
        """The order in which its services can be deployed, seen for itself."""
        if self.problem:
            return Rollout.UNKNOWN
        is_still_written = any(one.is_stale for one in self.producers)
        is_forever = self.stale and self.topic.keeps_forever
        if is_forever or self.torn or (self.is_late and is_still_written):
            return Rollout.NO_SAFE_ORDER
        if self.is_late:
            return Rollout.CONSUMERS_FIRST
        if is_still_written or (self.stale and not self.producers):
            return Rollout.PRODUCERS_FIRST
        return Rollout.AFTER_RETENTION if self.stale else Rollout.ANY_ORDER

    def orders(self) -> Iterator[tuple[str, str]]:
        """Each pair of services of which the first must be deployed before the second."""
        for consumer in self.consumers:
            for producer in self.producers:
                if producer.service == consumer.service:
                    continue
                if consumer.obstacles:
                    yield consumer.service, producer.service
                if producer.is_stale:
                    yield producer.service, consumer.service


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a registry will not take the new schema: the level, of which topic or shared type.

    `accepted` is the strictest level that would take it, NONE where no other does.
    """

    subject: str
    level: Level
    accepted: Level


@dataclass(frozen=True)
class Surroundings:
    """What the impact of every event is judged with: the contract, its past, and who runs what.

    `changed` are the changed subjects by name, `refused` those that their level refuses. `departed`
    are the events that their topics do not carry any more, and `former` is the contract that has
    them.
    """

    contract: Contract
    histories: Mapping[str, History]
    changed: Mapping[str, Subject]
    refused: Mapping[str, Refusal]
    judge: Judge
    lock: Lock
    departed: tuple[Event, ...] = ()
    former: Contract | None = None


def judge_impacts(surroundings: Surroundings) -> tuple[Impact, ...]:
    """The impact of each event that changed, or is new on a topic that was there, or is gone."""
    contract, histories = surroundings.contract, surroundings.histories
    touched = {name for one in surroundings.changed.values() for name in one.events}
    impacts = []
    for event in contract.events:
        if event.subject in histories and histories[event.subject].versions:
            if event.name in touched:
                impacts.append(_judge(event, surroundings))
        elif subscribers := _find_subscribers(event, surroundings):
            impacts.append(_introduce(event, subscribers, surroundings))
    if (former := surroundings.former) is not None:
        left = (one for one in surroundings.departed if _keeps_subscriber(one, former, contract))
        impacts += (_remove(event, former) for event in left)
    return tuple(impacts)


def _find_subscribers(event: Event, surroundings: Surroundings) -> tuple[str, ...]:
    """The consumers of a new event that read its topic before it came."""
    contract = surroundings.contract
    known = {
        one.name
        for one in contract.topic(event.topic).events
        if one.subject in surroundings.histories
    }
    return tuple(
        service.name
        for service in contract.consumers(event)
        if any(one.topic == event.topic and one.name in known for one in service.consumes)
    )


def _introduce(event: Event, subscribers: tuple[str, ...], surroundings: Surroundings) -> Impact:
    contract = surroundings.contract
    words = ("it does not know the event, and skips it unless its policy says otherwise",)
    return Impact(
        event=event,
        topic=contract.topic(event.topic),
        schema=event.schema,
        fate=Fate.NEW,
        before="",
        number=0,
        producers=tuple(Producer(one.name, "", False, False) for one in contract.producers(event)),
        consumers=tuple(
            Consumer(one.name, "", False, words if one.name in subscribers else ())
            for one in contract.consumers(event)
        ),
        stale=(),
        obstacles=(),
        breaks=(),
        shared=(),
        level=contract.topic(event.topic).level,
        is_late=True,
    )


def _keeps_subscriber(event: Event, former: Contract, contract: Contract) -> bool:
    """Whether a service that handled the event goes on reading its topic."""
    handlers = {service.name for service in former.consumers(event)}
    return any(
        service.name in handlers and any(one.topic == event.topic for one in service.consumes)
        for service in contract.services
    )


def _remove(event: Event, former: Contract) -> Impact:
    topic, before = former.topic(event.topic), _BEFORE
    return Impact(
        event=event,
        topic=topic,
        schema=event.schema,
        fate=Fate.REMOVED,
        before=before,
        number=0,
        producers=tuple(Producer(one.name, before, False, True) for one in former.producers(event)),
        consumers=tuple(Consumer(one.name, before, False, ()) for one in former.consumers(event)),
        stale=(before,),
        obstacles=(f"nothing handles {split_name(event.name)[1]} any more",),
        breaks=(),
        shared=(),
        level=topic.level,
        is_late=False,
    )


def _judge(event: Event, surroundings: Surroundings) -> Impact:
    contract, lock, judge = surroundings.contract, surroundings.lock, surroundings.judge
    history = surroundings.histories[event.subject]
    latest = history.versions[-1]
    pins = {
        service.name: _find_pin(lock, service.name, event, history)
        for service in (*contract.producers(event), *contract.consumers(event))
    }
    past = [*history.versions, *(one for one in pins.values() if one and not one.version)]
    breaks: list[Break] = []
    stale: dict[str, None] = {}
    late: dict[str, tuple[str, ...]] = {}
    problem = _find_problem(past)
    try:
        for version in past:
            if version.schema is not None:
                found = judge.compare(event.schema, version.schema)
                breaks += find_breaks(Direction.BACKWARD, found)
                if found:
                    stale[_short_label(version)] = None
        readers = [pins[one.name] or latest for one in contract.consumers(event)] or [latest]
        for version in readers:
            if version.schema is not None:
                found = judge.compare(version.schema, event.schema)
                ahead = list(find_breaks(Direction.FORWARD, found))
                breaks += ahead
                late[_short_label(version)] = _summarize(ahead, event.schema)
    except TooManyPairs as error:
        problem = problem or error.message
    shared = tuple(
        name
        for name, subject in surroundings.changed.items()
        if name != event.subject and event.name in subject.events and not subject.is_key
    )
    refusals = (surroundings.refused.get(name) for name in (event.subject, *shared))
    return Impact(
        event=event,
        topic=contract.topic(event.topic),
        schema=event.schema,
        fate=Fate.CHANGED,
        before=_short_label(latest),
        number=latest.version,
        producers=tuple(
            Producer(one.name, label, pin is not None, label in stale)
            for one in contract.producers(event)
            for pin in (pins[one.name],)
            for label in (_short_label(pin or latest),)
        ),
        consumers=tuple(
            Consumer(one.name, label, pin is not None, late.get(label, ()))
            for one in contract.consumers(event)
            for pin in (pins[one.name],)
            for label in (_short_label(pin or latest),)
        ),
        stale=tuple(stale),
        obstacles=_summarize(
            (one for one in breaks if one.direction is Direction.BACKWARD), event.schema
        ),
        breaks=tuple(breaks),
        shared=shared,
        level=strictest(
            (
                contract.topic(event.topic).level,
                *(surroundings.changed[name].level for name in shared),
            )
        ),
        is_late=any(late.values()),
        problem=problem,
        refusal=next((one for one in refusals if one is not None), None),
    )


def _find_problem(versions: Iterable[PastVersion]) -> str:
    for version in versions:
        if version.schema is None:
            return f"{version.label} cannot be compared: {version.problem or 'it is no Avro'}"
    return ""


def _find_pin(lock: Lock, service: str, event: Event, history: History) -> PastVersion | None:
    """The schema that a service's stubs were made from, where that is not the new one itself."""
    value = lock.pins.get((service, event.subject))
    if value is None:
        return None
    findings = Findings()
    graph = parse_schema(Document(_LOCK, "", value), findings, dialect=JAVA)
    if findings.has_errors:
        return None
    text = render(graph, inline=True)
    for version in reversed(history.versions):
        if version.schema is not None and render(version.schema, inline=True) == text:
            return version
    if text == render(event.schema, inline=True):
        return None
    label = f"the schema in the stubs of {service}"
    return PastVersion(event.subject, label, Document(_LOCK, "", value), graph)


def _short_label(version: PastVersion) -> str:
    if version.document.name == _LOCK:
        return version.label
    return f"v{version.version}" if version.version else _BEFORE


def _summarize(breaks: Iterable[Break], schema: SchemaGraph) -> tuple[str, ...]:
    return tuple(dict.fromkeys(summarize(one, schema) for one in breaks))
