"""Who cannot read whose messages when an event changes, or takes them for something else?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from codegen.avro.schema import SchemaGraph, split_name
from codegen.compatibility import Direction
from codegen.contract.model import Event, Level, Topic
from codegen.rules.breaks import Break
from codegen.rules.hazard import Hazard


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


@dataclass(frozen=True, slots=True)
class Producer:
    """A producer of a changed event, and which version it writes until it is deployed.

    `is_stale` says that the new schema cannot read that version, `is_misread` that it takes it for
    something else.
    """

    service: str
    version: str
    is_pinned: bool
    is_stale: bool
    is_misread: bool = False

    @property
    def is_unfit(self) -> bool:
        """Whether it must be deployed before anybody reads with the new schema."""
        return self.is_stale or self.is_misread


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer of a changed event, and what its present stubs read.

    `obstacles` say why they cannot read the new schema, `misreadings` what they take for something
    else.
    """

    service: str
    version: str
    is_pinned: bool
    obstacles: tuple[str, ...]
    misreadings: tuple[str, ...] = ()

    @property
    def is_late(self) -> bool:
        """Whether it must be deployed before anybody writes with the new schema."""
        return bool(self.obstacles or self.misreadings)


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change of one event means for its services.

    It changed, or it is new on a topic that was there, or was taken from it. `before` names the
    latest version, empty for a new event, and `number` is its number, 0 where the past has none.
    `stale` are the versions that the new schema cannot read and that the topic may hold,
    `obstacles` say why not. `misread` are those that are written today and that the new schema
    takes for something else, `misreadings` say how. Each consumer says the like of what will be
    written; `late_obstacles` and `late_misreadings` are those of all, or, where nobody consumes
    the event, of whoever reads the latest version. `shared` are the changed subjects of types that
    the event uses, `changed_types` all types that it uses, itself among them, of which more than a
    doc changed: they bind it to other events that use them. `problem` says what keeps the impact
    from being known.
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
    """The strictest that is asked of the event, on any topic, and of changed types that it uses."""
    late_obstacles: tuple[str, ...]
    changed_types: tuple[str, ...] = ()
    older: int = 0
    """The number of the older version that the schema is again; 0 for a new one."""
    misread: tuple[str, ...] = ()
    misreadings: tuple[str, ...] = ()
    late_misreadings: tuple[str, ...] = ()
    hazards: tuple[Hazard, ...] = ()
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
        if self.older:
            return f"v{self.older}"
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
    def is_late(self) -> bool:
        """Whether a consumer must be deployed before anybody writes with the new schema."""
        return bool(self.late_obstacles or self.late_misreadings)

    @property
    def late(self) -> tuple[str, ...]:
        """Those consumers."""
        return tuple(one.service for one in self.consumers if one.is_late)

    @property
    def unfit(self) -> tuple[str, ...]:
        """The versions that must be gone before anybody reads with the new schema."""
        return tuple(dict.fromkeys((*self.stale, *self.misread)))

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
            one.service for one in self.producers if one.is_unfit and one.service in consumers
        )

    @property
    def rollout(self) -> Rollout:
        """The order in which its services can be deployed, seen for itself."""
        if self.problem:
            return Rollout.UNKNOWN
        is_still_written = any(one.is_unfit for one in self.producers)
        is_forever = self.unfit and self.topic.keeps_forever
        if is_forever or self.torn or (self.is_late and is_still_written):
            return Rollout.NO_SAFE_ORDER
        if self.is_late:
            return Rollout.CONSUMERS_FIRST
        if is_still_written or (self.unfit and not self.producers):
            return Rollout.PRODUCERS_FIRST
        return Rollout.AFTER_RETENTION if self.unfit else Rollout.ANY_ORDER

    @property
    def unreadable(self) -> tuple[Direction, ...]:
        """The directions in which somebody cannot read, in whatever order services are deployed."""
        stale = {one.service for one in self.producers if one.is_stale}
        if stale and self.late_obstacles:
            return (Direction.BACKWARD, Direction.FORWARD)
        is_torn = not stale.isdisjoint(one.service for one in self.consumers)
        is_forever = self.stale and self.topic.keeps_forever
        return (Direction.BACKWARD,) if is_torn or is_forever else ()

    def orders(self) -> Iterator[tuple[str, str]]:
        """Each pair of services of which the first must be deployed before the second."""
        for consumer in self.consumers:
            for producer in self.producers:
                if producer.service == consumer.service:
                    continue
                if consumer.is_late:
                    yield consumer.service, producer.service
                if producer.is_unfit:
                    yield producer.service, consumer.service


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a registry will not take the new schema: the level, of which topic or shared type.

    `accepted` is the strictest level that would take it, NONE where no other does.
    """

    subject: str
    level: Level
    accepted: Level
