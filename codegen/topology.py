"""What became of topics and services between two contracts: the pairs, and what changed in words.

Topics and services are matched by name, and those that are left over by what they carry: a topic
with the same events and a service with the same traffic is one that was renamed. Nothing here says
whether a change is good.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from codegen.avro.wording import simple_name
from codegen.contract.model import Contract, Event, FieldKey, SchemaKey, Service, Topic
from codegen.counting import count_words
from codegen.difference import ChangeKind, Difference, EventDifference, State
from codegen.source import Place

ALIKE = 0.5
"""From this part of what they carry in common on, of all that either does, two are one renamed."""

Part = TypeVar("Part", bound=Topic | Service)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Pair(Generic[Part]):
    """A topic or a service before and after; one side is None where it came or went."""

    new: Part | None
    old: Part | None

    @property
    def name(self) -> str:
        """The name that it goes by, or went by last."""
        return self.new.name if self.new is not None else self.old.name if self.old else ""

    @property
    def is_renamed(self) -> bool:
        """Whether it goes by another name."""
        return self.new is not None and self.old is not None and self.new.name != self.old.name


@dataclass(frozen=True)
class Succession:
    """Two states of one contract, with their topics and their services matched.

    `label` names the old one, for example `git main@1a2b3c4`.
    """

    new: Contract
    old: Contract
    label: str
    renamed_subjects: frozenset[str] = frozenset()
    """Subjects, old and new, of events that go by another name now; a rule of its own says so."""

    @cached_property
    def topics(self) -> tuple[Pair[Topic], ...]:
        """In the order of the new contract, then what is gone."""
        return _match(
            self.new.topics, self.old.topics, lambda topic: {event.name for event in topic.events}
        )

    @cached_property
    def services(self) -> tuple[Pair[Service], ...]:
        """In the order of the new contract, then what is gone."""
        here = {pair.old.name: pair.new.name for pair in self.topics if pair.new and pair.old}

        def carries(service: Service) -> set[Hashable]:
            sides = (("produces", service.produces), ("consumes", service.consumes))
            return {
                (side, here.get(event.topic, event.topic), event.name)
                for side, events in sides
                for event in events
            }

        return _match(self.new.services, self.old.services, carries)

    def successor(self, event: Event) -> Event | None:
        """What an event of the old contract is in the new one, on the topic that its topic is."""
        return self._successors.get((event.topic, event.name))

    @property
    def departed(self) -> Iterator[Event]:
        """The events of the old contract that their topics do not carry any more.

        One that has another name under the same subject has not departed: it changed.
        """
        for pair in self.topics:
            kept = {event.subject for event in pair.new.events} if pair.new else set()
            for event in pair.old.events if pair.old else ():
                if self.successor(event) is None and event.subject not in kept:
                    yield event

    @cached_property
    def _successors(self) -> Mapping[tuple[str, str], Event]:
        return {
            (pair.old.name, event.name): event
            for pair in self.topics
            if pair.new and pair.old
            for event in pair.new.events
        }


def _match(
    new: Iterable[Part], old: Iterable[Part], carries: Callable[[Part], set[Item]]
) -> tuple[Pair[Part], ...]:
    before = {part.name: part for part in old}
    after = {part.name: part for part in new}
    left = {name: carries(part) for name, part in before.items() if name not in after}
    pairs: list[Pair[Part]] = []
    for name, part in after.items():
        former = before.get(name)
        if former is None and left:
            load = carries(part)
            likeness, nearest = max((_likeness(load, other), key) for key, other in left.items())
            if likeness >= ALIKE:
                former = before[nearest]
                del left[nearest]
        pairs.append(Pair(part, former))
    return (*pairs, *(Pair(None, before[name]) for name in left))


def _likeness(one: set[Item], other: set[Item]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def compare_topologies(succession: Succession) -> tuple[EventDifference, ...]:
    """What changed in each topic and each service; those where nothing did are left out."""
    compared = (
        *(_compare("topic", pair, _compare_topics) for pair in succession.topics),
        *(_compare("service", pair, _compare_services) for pair in succession.services),
    )
    return tuple(one for one in compared if one.state is not State.UNCHANGED)


def _compare(
    kind: str, pair: Pair[Part], compare: Callable[[Part, Part], Iterator[Difference]]
) -> EventDifference:
    name = f"{kind} {pair.name}"
    if pair.old is None or pair.new is None:
        return EventDifference(name, "", State.NEW if pair.old is None else State.REMOVED)
    renamed = []
    if pair.is_renamed:
        what, how = f"{kind} {pair.old.name}", f" to {pair.new.name}"
        places = pair.new.origin, pair.old.origin
        renamed.append(Difference(ChangeKind.RENAMED, what, how, *places))
    differences = (*renamed, *compare(pair.new, pair.old))
    state = State.CHANGED if differences else State.UNCHANGED
    return EventDifference(name, "", state, differences=differences)


_TOPIC_SETTINGS: Mapping[str, Callable[[Topic], str]] = {
    "doc": lambda topic: topic.doc,
    "owner": lambda topic: topic.owner,
    "key": lambda topic: describe_key(topic.key),
    "partitions": lambda topic: str(topic.partitions),
    "replication": lambda topic: str(topic.replication),
    "retention": lambda topic: describe_retention(topic.retention_ms),
    "cleanup_policy": lambda topic: topic.cleanup_policy,
    "compatibility": lambda topic: topic.level.value,
    "subject_strategy": lambda topic: topic.strategy.value,
}
"""What the manifest says of a topic beside its events, by the manifest's word for it."""


def _compare_topics(new: Topic, old: Topic) -> Iterator[Difference]:
    for key, read in _TOPIC_SETTINGS.items():
        yield from _compare_setting(key, read(new), read(old), new.origin, old.origin)
    yield from _compare_lists("event", new.events, old.events, new.origin, old.origin)


def _compare_services(new: Service, old: Service) -> Iterator[Difference]:
    for key, after, before in (("doc", new.doc, old.doc), ("owner", new.owner, old.owner)):
        yield from _compare_setting(key, after, before, new.origin, old.origin)
    for what, after_events, before_events in (
        ("produced event", new.produces, old.produces),
        ("consumed event", new.consumes, old.consumes),
    ):
        yield from _compare_lists(what, after_events, before_events, new.origin, old.origin)
    yield from _compare_targets(new, old)


def _compare_setting(
    key: str, after: str, before: str, new: Place, old: Place
) -> Iterator[Difference]:
    if after == before:
        return
    words = "" if key == "doc" else f": {before or 'none'} -> {after or 'none'}"
    yield Difference(ChangeKind.CHANGED, key, words, new.at(key), old.at(key))


def _compare_lists(
    what: str, after: tuple[Event, ...], before: tuple[Event, ...], new: Place, old: Place
) -> Iterator[Difference]:
    """Events by their names; those of a service on a topic that was renamed are the same."""
    for event in list_strangers(after, before):
        yield Difference(ChangeKind.ADDED, f"{what} {event.name}", "", event.origin, old)
    for event in list_strangers(before, after):
        yield Difference(ChangeKind.REMOVED, f"{what} {event.name}", "", new, event.origin)


def list_strangers(events: Iterable[Event], others: Iterable[Event]) -> Iterator[Event]:
    """The events that are not among the others.

    One that has another name under the same subject is among them: it changed, as its schema tells.
    """
    known = {word for other in others for word in (other.name, other.subject)}
    return (event for event in events if known.isdisjoint((event.name, event.subject)))


def _compare_targets(new: Service, old: Service) -> Iterator[Difference]:
    for name in dict.fromkeys((*new.targets, *old.targets)):
        after, before = new.targets.get(name), old.targets.get(name)
        if after != before:
            kind = (
                ChangeKind.ADDED
                if before is None
                else ChangeKind.REMOVED
                if after is None
                else ChangeKind.CHANGED
            )
            places = new.origin.at("targets", name), old.origin.at("targets", name)
            yield Difference(kind, f"target {name}", "", *places)


def describe_key(key: FieldKey | SchemaKey | None) -> str:
    """A message key as the manifest names it; empty where there is none."""
    match key:
        case FieldKey(path=path):
            return ".".join(path)
        case SchemaKey(schema=schema):
            return f"schema {getattr(schema.root, 'name', '')}"
        case None:
            return ""


_UNITS = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000}


def describe_duration(milliseconds: int) -> str:
    """A duration in its largest whole unit, for example `30 days`."""
    for unit, size in _UNITS.items():
        if milliseconds >= size and milliseconds % size == 0:
            return count_words(milliseconds // size, unit)
    return f"{milliseconds} ms"


def describe_retention(milliseconds: int | None) -> str:
    """How long a topic keeps messages; empty where the manifest does not say."""
    if milliseconds is None:
        return ""
    return "forever" if milliseconds == -1 else describe_duration(milliseconds)


def join(names: Sequence[str], word: str = "and") -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`."""
    if len(names) < 3:
        return f" {word} ".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def simple_names(names: Iterable[str], word: str = "and") -> str:
    """Full names in a sentence, without their namespaces."""
    return join(tuple(map(simple_name, names)), word)
