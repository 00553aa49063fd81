"""How far each partition is done: a message is, when it was handled and what it caused arrived."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import Any, Final, Protocol, Self, TypeAlias

from ..errors import DeliveryError, DeliveryFailed
from ..kafka.transport import Partition, Record, partition_of
from ..metrics import MessageOutcome

Outcome: TypeAlias = tuple[str, MessageOutcome]
"""The topic of a message, and what became of it."""


class Store(Protocol):
    """Where it is noted how far a partition is done: a consumer client."""

    def store(self, records: Iterable[Record]) -> None:
        """Note that these, and what is before them in their partitions, need not come again."""
        ...


class Nowhere:
    """Where nothing is noted, since transactions commit the offsets."""

    def store(self, records: Iterable[Record]) -> None:
        """Nothing."""


class Track:
    """How far one partition is done, in the order of its offsets."""

    __slots__ = ("is_blocked", "last", "number", "partition", "topic", "waiting")

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.topic, self.number = partition
        self.waiting: deque[Step] = deque()
        """What was begun and is not done, or not known to be."""
        self.last: Record | None = None
        """The last record that is done and not stored yet."""
        self.is_blocked = False
        """Something that a record caused did not arrive: nothing after it may be stored."""


class Step:
    """A record that is being handled, or was, and how often that was tried."""

    __slots__ = ("attempts", "deliveries", "is_lost", "record", "track", "waits")

    def __init__(self, record: Record, track: Track) -> None:
        self.record = record
        self.track = track
        self.deliveries: list[Any] | None = None
        """What it caused, once it was handled. May be set by another thread."""
        self.is_lost = False
        """Whether its partition belongs to another member now, which handles it."""
        self.attempts = 0
        """How often its handler failed."""
        self.waits = 0
        """How often something was waited for that is no fault of the message."""

    @classmethod
    def alone(cls, record: Record) -> Self:
        """A record of which no progress is kept, since a transaction says how far it is."""
        return cls(record, Track(partition_of(record)))

    @property
    def partition(self) -> Partition:
        """Where the record stands."""
        return self.track.partition

    def is_done(self) -> bool:
        """Whether it was handled, and what it caused has arrived or failed."""
        return self.deliveries is not None and all(each.done() for each in self.deliveries)


_NO_TRACK: Final = Track(("", -1))


class Progress:
    """Remembers records until they can be stored, in the order of their offsets."""

    def __init__(self, client: Store) -> None:
        self._client = client
        self._tracks: dict[Partition, Track] = {}
        self._latest = _NO_TRACK
        """The track of the record that came last: most come from where the last one did."""

    def begin(self, record: Record) -> Step:
        """A record that somebody begins with: what comes after it is not stored before it."""
        track = self._find(record)
        step = Step(record, track)
        if not track.is_blocked:
            track.waiting.append(step)
        return step

    def note(self, record: Record, deliveries: list[Any]) -> None:
        """A record was handled with none after it in hand: `begin` and `end` at once."""
        track = self._latest
        if record.partition() != track.number or record.topic() != track.topic:
            track = self._find(record)
        if not (deliveries or track.waiting or track.is_blocked):
            track.last = record
            return
        step = self.begin(record)
        step.deliveries = deliveries
        self.end(step)

    def _find(self, record: Record) -> Track:
        partition = partition_of(record)
        track = self._tracks.get(partition)
        if track is None:
            track = self._tracks[partition] = Track(partition)
        self._latest = track
        return track

    def end(self, step: Step) -> None:
        """A step is done or left: keep no more of it than is needed to store it."""
        track = step.track
        waiting = track.waiting
        if step.deliveries is not None and not step.deliveries and waiting and waiting[0] is step:
            waiting.popleft()
            track.last = step.record

    def store(self) -> None:
        """Store what is done.

        Raises DeliveryFailed, once, when what a record caused did not arrive; that record and those
        after it in its partition are not stored and so come again.
        """
        failures: list[DeliveryError] = []
        for track in self._tracks.values():
            failures += _advance(track)
        done = [track for track in self._tracks.values() if track.last is not None]
        if done:
            self._client.store([track.last for track in done if track.last is not None])
            for track in done:
                track.last = None
        if failures:
            raise DeliveryFailed(failures)

    def on_the_way(self) -> list[Any]:
        """The deliveries that handled records wait for."""
        return [
            delivery
            for track in self._tracks.values()
            for step in track.waiting
            for delivery in step.deliveries or ()
        ]

    def settle(self, timeout: float) -> bool:
        """Wait for deliveries, then store; whether there was time for all.

        Raises DeliveryFailed as `store` does.
        """
        end = monotonic() + timeout
        # Each is looked at, also when the time is over.
        left = [each for each in self.on_the_way() if not each.wait(max(0.0, end - monotonic()))]
        self.store()
        return not left

    def lose(self, partitions: set[Partition]) -> None:
        """What is not done of these partitions is left to another member."""
        for track in self._tracks.values():
            if track.partition in partitions:
                for step in track.waiting:
                    step.is_lost = True

    def forget(self, partitions: set[Partition]) -> None:
        """These partitions belong to another member now; what is not stored comes again there."""
        for partition in partitions:
            self._tracks.pop(partition, None)
        self._latest = _NO_TRACK

    def backlog(self) -> int:
        """How many records are in hand or wait for what they caused."""
        # At once, since another thread may ask while this one finds a new partition.
        tracks = list(self._tracks.values())
        return sum(len(track.waiting) for track in tracks)


def _advance(track: Track) -> list[DeliveryError]:
    """Take what is done off a track; the errors of the first record that caused some."""
    waiting = track.waiting
    while waiting and waiting[0].is_done():
        step = waiting.popleft()
        caused = [each.exception() for each in step.deliveries or ()]
        failed = [error for error in caused if error is not None]
        if failed:
            track.is_blocked = True
            waiting.clear()
            return failed
        track.last = step.record
    return []
