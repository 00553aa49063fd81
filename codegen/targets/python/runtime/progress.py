"""How far each partition is done: a message is, when it was handled and what it caused arrived."""

from __future__ import annotations

from collections import deque
from time import monotonic

from .delivery import Delivery
from .errors import DeliveryError, DeliveryFailed
from .transport import ConsumerClient, Partition, Record


class Progress:
    """Remembers handled records until they can be stored, in the order of their offsets."""

    def __init__(self, client: ConsumerClient) -> None:
        self._client = client
        self._last: dict[Partition, Record] = {}
        self._waiting: dict[Partition, deque[tuple[Record, list[Delivery]]]] = {}
        # Where something that a record caused did not arrive, nothing after it may be stored.
        self._blocked: set[Partition] = set()

    def add(self, record: Record, deliveries: list[Delivery]) -> None:
        """A record was handled; `deliveries` are the events that it caused."""
        partition = (record.topic() or "", record.partition() or 0)
        waiting = self._waiting.get(partition)
        if partition in self._blocked:
            return
        if waiting:
            waiting.append((record, deliveries))
        elif deliveries:
            self._waiting.setdefault(partition, deque()).append((record, deliveries))
        else:
            self._last[partition] = record

    def store(self) -> None:
        """Store what is done.

        Raises DeliveryFailed, once, when what a record caused did not arrive; that record and those
        after it in its partition are not stored and so come again.
        """
        failures: list[DeliveryError] = []
        for partition, waiting in self._waiting.items():
            while waiting and all(delivery.done() for delivery in waiting[0][1]):
                record, deliveries = waiting.popleft()
                failed = [error for each in deliveries if (error := each.exception()) is not None]
                if failed:
                    failures += failed
                    self._blocked.add(partition)
                    waiting.clear()
                else:
                    self._last[partition] = record
        if self._last:
            self._client.store(self._last.values())
            self._last.clear()
        if failures:
            raise DeliveryFailed(failures)

    def settle(self, timeout: float) -> None:
        """Wait for deliveries, then store. Raises DeliveryFailed as `store` does."""
        end = monotonic() + timeout
        for waiting in self._waiting.values():
            for _, deliveries in waiting:
                for delivery in deliveries:
                    delivery.wait(max(0.0, end - monotonic()))
        self.store()

    def forget(self, partitions: set[Partition]) -> None:
        """These partitions belong to another member now; what is not stored comes again there."""
        for partition in partitions:
            self._waiting.pop(partition, None)
            self._last.pop(partition, None)
            self._blocked.discard(partition)

    def backlog(self) -> int:
        """How many handled records wait for what they caused."""
        return sum(map(len, self._waiting.values()))
