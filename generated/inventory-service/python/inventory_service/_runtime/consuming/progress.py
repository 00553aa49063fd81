"""How far each partition is done: a message is, when it was handled and what it caused arrived."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import Any, Protocol

from ..errors import DeliveryError, DeliveryFailed
from ..kafka.transport import Partition, Record


class Store(Protocol):
    """Where it is noted how far a partition is done: a consumer client."""

    def store(self, records: Iterable[Record]) -> None:
        """Note that these, and what is before them in their partitions, need not come again."""
        ...


class Nowhere:
    """Where nothing is noted, since transactions commit the offsets."""

    def store(self, records: Iterable[Record]) -> None:
        """Nothing."""


class Step:
    """A record that is being handled, or was."""

    __slots__ = ("deliveries", "is_lost", "partition", "record")

    def __init__(self, record: Record, deliveries: list[Any] | None = None) -> None:
        self.record = record
        self.partition: Partition = (record.topic() or "", record.partition() or 0)
        self.deliveries = deliveries
        """What it caused, once it was handled. May be set by another thread."""
        self.is_lost = False
        """Whether its partition belongs to another member now, which handles it."""

    def is_done(self) -> bool:
        """Whether it was handled, and what it caused has arrived or failed."""
        return self.deliveries is not None and all(each.done() for each in self.deliveries)


class Progress:
    """Remembers records until they can be stored, in the order of their offsets."""

    def __init__(self, client: Store) -> None:
        self._client = client
        self._last: dict[Partition, Record] = {}
        self._waiting: dict[Partition, deque[Step]] = {}
        # Where something that a record caused did not arrive, nothing after it may be stored.
        self._blocked: set[Partition] = set()

    def begin(self, record: Record) -> Step:
        """A record that somebody begins with: what comes after it is not stored before it."""
        step = Step(record)
        if step.partition not in self._blocked:
            waiting = self._waiting.get(step.partition)
            if waiting is None:
                waiting = self._waiting[step.partition] = deque()
            waiting.append(step)
        return step

    def end(self, step: Step) -> None:
        """A step is done or left: keep no more of it than is needed to store it."""
        waiting = self._waiting.get(step.partition)
        if waiting and waiting[0] is step and step.deliveries == []:
            waiting.popleft()
            self._last[step.partition] = step.record

    def store(self) -> None:
        """Store what is done.

        Raises DeliveryFailed, once, when what a record caused did not arrive; that record and those
        after it in its partition are not stored and so come again.
        """
        failures: list[DeliveryError] = []
        for partition, waiting in self._waiting.items():
            while waiting and waiting[0].is_done():
                step = waiting.popleft()
                caused = [each.exception() for each in step.deliveries or ()]
                failed = [error for error in caused if error is not None]
                if failed:
                    failures += failed
                    self._blocked.add(partition)
                    waiting.clear()
                else:
                    self._last[partition] = step.record
        if self._last:
            self._client.store(self._last.values())
            self._last.clear()
        if failures:
            raise DeliveryFailed(failures)

    def on_the_way(self) -> list[Any]:
        """The deliveries that handled records wait for."""
        return [
            delivery
            for waiting in self._waiting.values()
            for step in waiting
            for delivery in step.deliveries or ()
        ]

    def settle(self, timeout: float) -> None:
        """Wait for deliveries, then store. Raises DeliveryFailed as `store` does."""
        end = monotonic() + timeout
        for delivery in self.on_the_way():
            delivery.wait(max(0.0, end - monotonic()))
        self.store()

    def lose(self, partitions: set[Partition]) -> None:
        """What nobody has begun with of these partitions is left to another member."""
        for partition in partitions:
            for step in self._waiting.get(partition, ()):
                step.is_lost = True

    def forget(self, partitions: set[Partition]) -> None:
        """These partitions belong to another member now; what is not stored comes again there."""
        for partition in partitions:
            self._waiting.pop(partition, None)
            self._last.pop(partition, None)
            self._blocked.discard(partition)

    def backlog(self) -> int:
        """How many records are in hand or wait for what they caused."""
        return sum(map(len, self._waiting.values()))
