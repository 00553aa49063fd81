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

    def add(self, record: Record, deliveries: list[Delivery]) -> None:
        """A record was handled; `deliveries` are the events that it caused."""
        partition = (record.topic() or "", record.partition() or 0)
        waiting = self._waiting.get(partition)
        if waiting:
            waiting.append((record, deliveries))
        elif deliveries:
            self._waiting.setdefault(partition, deque()).append((record, deliveries))
        else:
            self._last[partition] = record

    def store(self) -> None:
        """Store what is done. Raises DeliveryFailed when what a record caused did not arrive."""
        try:
            for partition, waiting in self._waiting.items():
                while waiting and all(delivery.done() for delivery in waiting[0][1]):
                    record, deliveries = waiting[0]
                    _require(deliveries)
                    waiting.popleft()
                    self._last[partition] = record
        finally:
            if self._last:
                self._client.store(self._last.values())
                self._last.clear()

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

    def backlog(self) -> int:
        """How many handled records wait for what they caused."""
        return sum(map(len, self._waiting.values()))


def _require(deliveries: list[Delivery]) -> None:
    failures: list[DeliveryError] = []
    for delivery in deliveries:
        if delivery.failed():
            error = delivery.exception()
            assert error is not None
            failures.append(error)
    if failures:
        raise DeliveryFailed(failures)
