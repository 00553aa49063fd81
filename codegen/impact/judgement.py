"""How is the impact of each changed event judged?

Each producer is judged by what it writes until it is deployed anew, each consumer by what it reads,
and both by what is still retained in the topic. A service's schema is the one that its stubs were
generated from, where a lock tells it, else the latest version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from codegen.avro.canonical import render, render_alone
from codegen.avro.parse import JAVA, parse_schema
from codegen.avro.resolution import TooManyPairs
from codegen.avro.schema import Named, Record, SchemaGraph, reachable, split_name
from codegen.compatibility import Direction, Judge
from codegen.contract.model import Contract, Event, History, PastVersion, Subject
from codegen.contract.subjects import strictest
from codegen.diagnostics import Findings
from codegen.impact.exposure import Consumer, Fate, Impact, Producer, Refusal
from codegen.impact.misreading import (
    describe_newer,
    describe_older,
    find_misreadings,
    select_misread,
)
from codegen.lock import Lock
from codegen.rules.breaking import summarize
from codegen.rules.breaks import Break, find_breaks
from codegen.rules.hazard import Hazard
from codegen.source import Document

_LOCK = "kontrakt.lock"
_BEFORE = "the version before"
"""What people call the only version that a past without numbers has."""


@dataclass(frozen=True)
class Surroundings:
    """What the impact of every event is judged with: the contract, its past, and who runs what.

    `changed` are the changed subjects by name, `refused` those that their level refuses. `departed`
    are the events that their topics do not carry any more, and `former` is the contract that has
    them. `hazards` are what is dangerous in each changed subject since its latest version.
    """

    contract: Contract
    histories: Mapping[str, History]
    changed: Mapping[str, Subject]
    refused: Mapping[str, Refusal]
    judge: Judge
    hazards: Mapping[str, tuple[Hazard, ...]]
    lock: Lock
    departed: tuple[Event, ...] = ()
    former: Contract | None = None

    def touching(self, event: Event) -> Sequence[str]:
        """The changed subjects through which an event changed, its own among them."""
        return self._touching.get(event.name, ())

    def is_subject_of(self, event: Event, name: str) -> bool:
        """Whether a changed subject is the event's own, be it of another topic."""
        root = self.changed[name].schema.root
        return isinstance(root, Record) and root.name == event.name

    @cached_property
    def _touching(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for name, subject in self.changed.items():
            if not subject.is_key:
                for event in subject.events:
                    found.setdefault(event, []).append(name)
        return found


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
    contract, former = surroundings.contract, surroundings.former
    known = {
        one.name
        for one in contract.topic(event.topic).events
        if one.subject in surroundings.histories
    }
    there_before = {
        service.name
        for service in (former.services if former is not None else ())
        if any(one.topic == event.topic for one in service.consumes)
    }
    return tuple(
        service.name
        for service in contract.consumers(event)
        if service.name in there_before
        or any(one.topic == event.topic and one.name in known for one in service.consumes)
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
        late_obstacles=words,
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
        late_obstacles=(),
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
    level = contract.topic(event.topic).level
    breaks: list[Break] = []
    stale: dict[str, None] = {}
    late: dict[str, tuple[str, ...]] = {}
    read = [pins[one.name] or latest for one in contract.consumers(event)] or [latest]
    written = [pins[one.name] or latest for one in contract.producers(event)] or [latest]
    hazards: dict[str, tuple[Hazard, ...]] = {}
    problem = _find_problem(past)
    try:
        for version in past:
            if version.schema is not None:
                found = judge.compare(event.schema, version.schema)
                breaks += find_breaks(Direction.BACKWARD, found)
                if found:
                    stale[_short_label(version)] = None
        for version in read:
            if version.schema is not None:
                found = judge.compare(version.schema, event.schema)
                ahead = list(find_breaks(Direction.FORWARD, found))
                breaks += ahead
                late[_short_label(version)] = _summarize(ahead, event.schema)
        used = {_short_label(version): version for version in (*written, *read)}
        known = surroundings.hazards.get(event.subject)
        hazards = {
            name: select_misread(known)
            if one is latest and known is not None
            else find_misreadings(event, level, one)
            for name, one in used.items()
        }
    except TooManyPairs as error:
        problem = problem or error.message
    misread = {
        name: said
        for name in map(_short_label, written)
        if (said := describe_newer(hazards.get(name, ())))
    }
    older = {name: describe_older(hazards.get(name, ())) for name in map(_short_label, read)}
    others = [name for name in surroundings.touching(event) if name != event.subject]
    shared = tuple(name for name in others if not surroundings.is_subject_of(event, name))
    again = history.find_older(event.schema)
    refusals = (surroundings.refused.get(name) for name in (event.subject, *others))
    return Impact(
        event=event,
        topic=contract.topic(event.topic),
        schema=event.schema,
        fate=Fate.CHANGED,
        before=_short_label(latest),
        number=latest.version,
        producers=tuple(
            Producer(one.name, label, pin is not None, label in stale, label in misread)
            for one in contract.producers(event)
            for pin in (pins[one.name],)
            for label in (_short_label(pin or latest),)
        ),
        consumers=tuple(
            Consumer(one.name, label, pin is not None, late.get(label, ()), older.get(label, ()))
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
        level=strictest((level, *(surroundings.changed[name].level for name in others))),
        late_obstacles=_each(late.values()),
        changed_types=_find_changed_types(event, latest, shared),
        older=0 if again is None else again.version,
        misread=tuple(misread),
        misreadings=_each(misread.values()),
        late_misreadings=_each(older.values()),
        hazards=tuple(one for found in hazards.values() for one in found),
        problem=problem,
        refusal=next((one for one in refusals if one is not None), None),
    )


def _find_changed_types(
    event: Event, latest: PastVersion, shared: Sequence[str]
) -> tuple[str, ...]:
    if latest.schema is None:
        return ()
    before = reachable(latest.schema)
    return tuple(
        name
        for name, named in sorted(reachable(event.schema).items())
        if (
            _without_docs(named) != _without_docs(before[name])
            if name in before
            else name in shared
        )
    )


def _without_docs(named: Named) -> str:
    """A type without what no order of deployment depends on."""
    if isinstance(named, Record):
        fields = tuple(replace(one, doc=None) for one in named.fields)
        return render_alone(replace(named, doc=None, fields=fields))
    return render_alone(replace(named, doc=None))


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


def _each(sentences: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(sentences)))


def _summarize(breaks: Iterable[Break], schema: SchemaGraph) -> tuple[str, ...]:
    return tuple(dict.fromkeys(summarize(one, schema) for one in breaks))
