"""Who breaks when events change, and in which order their services can be deployed.

Both follow from who reads whom. A consumer whose present schema cannot read the new one goes before
the producers; where the new schema cannot read what is written already, the producers go first, and
the consumers wait until the old messages are gone. Where both hold there is no safe order, and the
change is made in steps: expand, move over, contract. A service is judged by the schema that its
stubs were generated from, where a lock tells it, else by the latest version.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from graphlib import CycleError, TopologicalSorter

from codegen.avro.canonical import render
from codegen.avro.parse import JAVA, parse_schema
from codegen.avro.resolution import Incompatibility, TooManyPairs
from codegen.compatibility import Direction, Judge
from codegen.contract.model import Contract, Event, History, PastVersion, Topic
from codegen.diagnostics import Findings
from codegen.lock import Lock
from codegen.rules.breaking import summarize
from codegen.source import Document


class Rollout(Enum):
    """The order in which the services of one changed event can be deployed safely."""

    ANY_ORDER = "any order"
    CONSUMERS_FIRST = "consumers first"
    PRODUCERS_FIRST = "producers first"
    NO_SAFE_ORDER = "no safe order"
    UNKNOWN = "unknown"


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

    `before` and `after` name the versions, `obstacles` say why the new schema cannot read what was
    written before; each consumer says why it cannot read what will be written.
    """

    event: Event
    topic: Topic
    before: str
    after: str
    producers: tuple[str, ...]
    consumers: tuple[Consumer, ...]
    obstacles: tuple[str, ...]
    rollout: Rollout

    @property
    def name(self) -> str:
        """The event's simple name."""
        return self.event.name.rpartition(".")[2]

    @property
    def late(self) -> tuple[str, ...]:
        """The consumers that cannot read the new schema until they are deployed with it."""
        return tuple(one.service for one in self.consumers if one.obstacles)

    def sentences(self) -> tuple[str, ...]:
        """Who breaks and when; empty when nobody does."""
        producers = join(self.producers) or "any producer"
        sentences = []
        if self.obstacles:
            consumers = tuple(one.service for one in self.consumers)
            sentences.append(
                f"{join(consumers) or 'any consumer'}, once deployed with the new {self.name}: "
                f"{_cannot(consumers)} read what {producers} {_retained(self.topic)}."
            )
        if self.late or (not self.consumers and self.rollout is Rollout.CONSUMERS_FIRST):
            sentences.append(
                f"{join(self.late) or 'any consumer'}, until deployed with the new {self.name}: "
                f"{_cannot(self.late)} read what {producers} will write with it."
            )
        return tuple(sentences)


def judge_impact(
    contract: Contract, event: Event, history: History, judge: Judge, lock: Lock
) -> Impact:
    """Find out what replacing the latest version of an event by the contract's one means."""
    latest = history.versions[-1]
    readers: list[Consumer] = []
    obstacles: dict[str, None] = {}
    is_known = True
    try:
        for version in history.versions:
            if version.schema is None:
                is_known = False
            else:
                found = judge.compare(event.schema, version.schema)
                obstacles |= dict.fromkeys(_summarize(found, Direction.BACKWARD))
        for service in contract.consumers(event):
            pinned = _find_pin(lock, service.name, event, history)
            reader = pinned.schema if pinned else latest.schema
            found = () if reader is None else judge.compare(reader, event.schema)
            is_known = is_known and reader is not None
            words = _summarize(found, Direction.FORWARD)
            label = _short_label(pinned or latest)
            readers.append(Consumer(service.name, label, pinned is not None, words))
        if not readers and latest.schema is not None:
            words = _summarize(judge.compare(latest.schema, event.schema), Direction.FORWARD)
            is_late = bool(words)
        else:
            is_late = any(one.obstacles for one in readers)
    except TooManyPairs:
        is_known = is_late = False
    rollout = _ROLLOUTS[not obstacles, not is_late] if is_known else Rollout.UNKNOWN
    number = latest.version
    return Impact(
        event,
        contract.topic(event.topic),
        f"v{number}" if number else "the old one",
        f"v{number + 1}" if number else "the new one",
        tuple(one.name for one in contract.producers(event)),
        tuple(readers),
        tuple(obstacles),
        rollout,
    )


_ROLLOUTS = {
    (True, True): Rollout.ANY_ORDER,
    (True, False): Rollout.CONSUMERS_FIRST,
    (False, True): Rollout.PRODUCERS_FIRST,
    (False, False): Rollout.NO_SAFE_ORDER,
}


def describe(impacts: Iterable[Impact], today: date) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The sections of a check's report: who breaks, and the order of deployment."""
    listed = list(impacts)
    breaking = tuple(sentence for one in listed for sentence in one.sentences())
    sections = (("Who breaks", breaking), ("Deploy", plan(listed, today)))
    return tuple((title, lines) for title, lines in sections if lines)


def describe_services(one: Impact) -> tuple[str, ...]:
    """A line for each service of a changed event: what it writes or reads, and what it cannot."""
    width = max((len(name) for name in (*one.producers, *(c.service for c in one.consumers))),
                default=0)  # fmt: skip
    lines = [f"{name:<{width}}   writes {one.after}" for name in one.producers]
    for consumer in one.consumers:
        origin = "generated from" if consumer.is_pinned else "assumed to read"
        word = "cannot read" if consumer.obstacles else "reads"
        if one.rollout is Rollout.UNKNOWN and not consumer.obstacles:
            word = "nobody knows whether it reads"
        reason = f" ({consumer.obstacles[0]})" if consumer.obstacles else ""
        text = f"{origin} {consumer.version}: {word} {one.after}{reason}"
        lines.append(f"{consumer.service:<{width}}   {text}")
    if one.obstacles:
        lines.append(f"{one.after} cannot read what was written before: {one.obstacles[0]}")
    return tuple(lines)


def plan(impacts: Iterable[Impact], today: date) -> tuple[str, ...]:
    """The steps of deploying all changed events, or why there is no order that is safe."""
    listed = list(impacts)
    steps: list[str] = []
    for one in listed:
        if one.rollout is Rollout.NO_SAFE_ORDER:
            steps += _expand_and_contract(one)
        elif one.rollout is Rollout.UNKNOWN:
            steps.append(f"{one.name}: unknown, a version of it cannot be compared.")
    safe = [one for one in listed if one.rollout in _ORDERED]
    if safe:
        steps += _order(safe)
        steps += [line for one in safe if (line := _keep(one, today))]
    return tuple(steps)


_ORDERED = (Rollout.ANY_ORDER, Rollout.CONSUMERS_FIRST, Rollout.PRODUCERS_FIRST)


def _order(impacts: list[Impact]) -> list[str]:
    """All services of these events in groups, each of which may go when the one before is out."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    waits: dict[str, str] = {}
    for one in impacts:
        for name in (*one.producers, *(consumer.service for consumer in one.consumers)):
            sorter.add(name)
        if one.rollout is Rollout.CONSUMERS_FIRST:
            for producer in one.producers:
                sorter.add(producer, *(name for name in one.late if name != producer))
        elif one.rollout is Rollout.PRODUCERS_FIRST:
            for consumer in one.consumers:
                sorter.add(
                    consumer.service,
                    *(name for name in one.producers if name != consumer.service),
                )
                waits[consumer.service] = _wait_words(one.topic)
    registered = ", ".join(
        f"{one.name} {one.after}" if one.after.startswith("v") else one.name for one in impacts
    )
    steps = [f"1. register {registered}"]
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " before ".join(dict.fromkeys(error.args[1]))
        return [
            f"No safe order of whole services: {circle} and back. Release one event's change, "
            "deploy, then the next."
        ]
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        wait = next((waits[name] for name in ready if name in waits), "")
        order = " (any order)" if len(ready) > 1 else ""
        steps.append(f"{len(steps) + 1}. {', '.join(ready)}{order}{wait}")
        sorter.done(*ready)
    return steps


def _expand_and_contract(one: Impact) -> list[str]:
    reason = (*one.obstacles, *(words for c in one.consumers for words in c.obstacles))
    producers, consumers = join(one.producers), join(tuple(c.service for c in one.consumers))
    kept = (
        _wait_words(one.topic).removeprefix(", ") or "when nothing that was written before is left"
    )
    return [
        f"{one.name}: no safe order ({reason[0] if reason else 'it breaks both ways'}). "
        "Expand and contract:",
        "1. keep what there is, and add the new beside it under another name, with a default; "
        "register that",
        f"2. {producers or 'the producers'}: write both",
        f"3. {consumers or 'the consumers'}: read the new, and the old where the new is not there",
        f"4. {kept}: {consumers or 'the consumers'} stop reading the old",
        f"5. remove the old, register that; {producers or 'the producers'} stop writing it",
    ]


def _keep(one: Impact, today: date) -> str:
    """How long what was written before must stay readable."""
    if one.before == one.after:
        return ""
    topic = one.topic
    what = f"{one.before} of {one.name}" if one.before != "the old one" else f"the old {one.name}"
    if "compact" in topic.cleanup_policy or topic.retention_ms == -1:
        return f"{what} stays readable for ever: topic {topic.name} keeps what was written."
    if topic.retention_ms is None:
        return f"{what} must stay readable as long as topic {topic.name} holds messages of it."
    try:
        end = today + timedelta(milliseconds=topic.retention_ms, days=1)
    except OverflowError:
        return f"{what} stays readable for ever: topic {topic.name} keeps what was written."
    return (
        f"{what} must stay readable: drop no field or symbol of it before {end.isoformat()} at "
        f"the earliest ({describe_duration(topic.retention_ms)}, retention of topic {topic.name})."
    )


def _find_pin(lock: Lock, service: str, event: Event, history: History) -> PastVersion | None:
    """The schema that a service's stubs were made from, where that is not the new one itself."""
    value = lock.pins.get((service, event.subject))
    if value is None:
        return None
    findings = Findings()
    graph = parse_schema(Document("the lock", "", value), findings, dialect=JAVA)
    if findings.has_errors:
        return None
    text = render(graph, inline=True)
    if text == render(event.schema, inline=True):
        return None
    for version in history.versions:
        if version.schema is not None and render(version.schema, inline=True) == text:
            return version
    return PastVersion(event.subject, "a schema of its own", Document("the lock", "", value), graph)


def _short_label(version: PastVersion) -> str:
    return f"v{version.version}" if version.version else version.label


def _summarize(found: tuple[Incompatibility, ...], direction: Direction) -> tuple[str, ...]:
    return tuple(dict.fromkeys(summarize(one, direction) for one in found))


_UNITS = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000}


def describe_duration(milliseconds: int) -> str:
    """A duration in its largest whole unit, for example `30 days`."""
    for unit, size in _UNITS.items():
        if milliseconds >= size and milliseconds % size == 0:
            count = milliseconds // size
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{milliseconds} ms"


def _retained(topic: Topic) -> str:
    if "compact" in topic.cleanup_policy or topic.retention_ms == -1:
        return f"ever wrote (topic {topic.name} keeps it)"
    if topic.retention_ms is None:
        return f"wrote and topic {topic.name} still holds"
    length = describe_duration(topic.retention_ms)
    return f"wrote in the last {length} (retention of topic {topic.name})"


def _wait_words(topic: Topic) -> str:
    if "compact" in topic.cleanup_policy or topic.retention_ms in (None, -1):
        return f", when topic {topic.name} holds no old messages any more"
    length = describe_duration(topic.retention_ms or 0)
    return f", {length} later, when the old messages of topic {topic.name} are gone"


def _cannot(services: tuple[str, ...]) -> str:
    return "it cannot" if len(services) == 1 else "they cannot"


def join(names: tuple[str, ...]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`."""
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
