"""Which records a consumer takes: all, or those that were there when a replay began."""

from __future__ import annotations

from ..kafka.transport import Partition, Record, partition_of


class Span:
    """Records up to a moment. What comes later belongs to another replay."""

    def __init__(self, end_ms: int = 0) -> None:
        """`end_ms` is the moment, in milliseconds since 1970; 0: there is no end."""
        self._end_ms = end_ms
        self._ended: set[Partition] = set()

    def takes(self, record: Record) -> bool:
        """Whether the record is taken; none of its partition is after one that was not."""
        if not self._end_ms:
            return True
        partition = partition_of(record)
        if record.timestamp()[1] >= self._end_ms:
            self._ended.add(partition)
        return partition not in self._ended

    def forget(self, partitions: set[Partition]) -> None:
        """These partitions belong to another member now."""
        self._ended -= partitions
