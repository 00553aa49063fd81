"""Who breaks when an event changes, and in which order services can be deployed.

Both follow from who can read whom. When the new schema reads what the old one wrote, consumers go
first; when the old one reads what the new one writes, producers go first; with both any order does,
and with neither there is no safe order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from codegen.avro.resolution import TooManyPairs
from codegen.compatibility import Judge
from codegen.contract.model import Contract, Event, History, Topic


class Rollout(Enum):
    """The order in which the services of one changed event can be deployed safely."""

    ANY_ORDER = "any order"
    CONSUMERS_FIRST = "consumers first"
    PRODUCERS_FIRST = "producers first"
    NO_SAFE_ORDER = "no safe order"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change of one event means for its services."""

    event: Event
    topic: Topic
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    rollout: Rollout

    def sentences(self) -> tuple[str, ...]:
        """Who breaks and when; empty when nobody does."""
        producers = _join(self.producers) or "any producer"
        consumers = _join(self.consumers) or "any consumer"
        verb = "it cannot" if len(self.consumers) == 1 else "they cannot"
        name = self.event.name.rpartition(".")[2]
        sentences = []
        if self.rollout in (Rollout.PRODUCERS_FIRST, Rollout.NO_SAFE_ORDER):
            sentences.append(
                f"{consumers}, once deployed with the new {name}: {verb} read what {producers} "
                f"{_retained(self.topic)}."
            )
        if self.rollout in (Rollout.CONSUMERS_FIRST, Rollout.NO_SAFE_ORDER):
            sentences.append(
                f"{consumers}, until deployed with the new {name}: {verb} read what {producers} "
                "will write with it."
            )
        return tuple(sentences)

    def steps(self) -> str:
        """The order of deployment in words."""
        name = self.event.name.rpartition(".")[2]
        producers, consumers = _join(self.producers), _join(self.consumers)
        match self.rollout:
            case Rollout.ANY_ORDER:
                return f"{name}: any order."
            case Rollout.CONSUMERS_FIRST:
                return f"{name}: register, then {consumers or 'consumers'}, " + (
                    f"then {producers or 'producers'}."
                )
            case Rollout.PRODUCERS_FIRST:
                kept = "the old messages are gone" + _until(self.topic)
                return f"{name}: register, then {producers or 'producers'}, then, when {kept}, " + (
                    f"{consumers or 'consumers'}."
                )
            case Rollout.NO_SAFE_ORDER:
                return (
                    f"{name}: no safe order. Expand and contract: add the new beside the old, move "
                    "everybody over, then remove the old."
                )
            case Rollout.UNKNOWN:
                return f"{name}: unknown, its latest version cannot be compared."


def judge_impact(contract: Contract, event: Event, history: History, judge: Judge) -> Impact:
    """Find out what replacing the latest version of an event by the contract's one means."""
    past = history.versions[-1].schema
    if past is None:
        rollout = Rollout.UNKNOWN
    else:
        try:
            reads_old = not judge.compare(event.schema, past)
            is_read_by_old = not judge.compare(past, event.schema)
        except TooManyPairs:
            rollout = Rollout.UNKNOWN
        else:
            rollout = _ROLLOUTS[reads_old, is_read_by_old]
    return Impact(
        event,
        contract.topic(event.topic),
        tuple(one.name for one in contract.services if event in one.produces),
        tuple(one.name for one in contract.services if event in one.consumes),
        rollout,
    )


_ROLLOUTS = {
    (True, True): Rollout.ANY_ORDER,
    (True, False): Rollout.CONSUMERS_FIRST,
    (False, True): Rollout.PRODUCERS_FIRST,
    (False, False): Rollout.NO_SAFE_ORDER,
}


def describe(impacts: Iterable[Impact]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The sections of a report: who breaks, and the rollout."""
    listed = list(impacts)
    breaking = tuple(sentence for one in listed for sentence in one.sentences())
    steps = tuple(one.steps() for one in listed)
    sections = (("Who breaks", breaking), ("Rollout", steps))
    return tuple((title, lines) for title, lines in sections if lines)


_UNITS = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000}


def describe_duration(milliseconds: int) -> str:
    """A duration in its largest whole unit, for example `30 days`."""
    for size, unit in (
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1000, "second"),
    ):
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


def _until(topic: Topic) -> str:
    if topic.retention_ms is None or topic.retention_ms < 0:
        return ""
    return f" ({describe_duration(topic.retention_ms)})"


def _join(names: tuple[str, ...]) -> str:
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
