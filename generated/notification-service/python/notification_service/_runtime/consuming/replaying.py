"""Which records a consumer takes: all, or those that were there when a replay began."""

from __future__ import annotations

from ..kafka.transport import Partition, Record, partition_of


class Span:
    """Records up to a moment. What comes later belongs to another replay."""

    def __init__(self, end_ms: int = 0) -> None:
        """`end_ms` is the moment, in milliseconds since 1970; 0: there is no end."""
        self._end_ms = end_ms
        self._ended: set[Partition] = set()

    def take(self, records: list[Record]) -> list[Record]:
        """Those that are taken; none of a partition is after one that was not."""
        if not self._end_ms:
            return records
        return [record for record in records if self._takes(record)]

    def _takes(self, record: Record) -> bool:
        partition = partition_of(record)
        if record.timestamp()[1] >= self._end_ms:
            self._ended.add(partition)
        return partition not in self._ended

    def forget(self, partitions: set[Partition]) -> None:
        """These partitions belong to another member now."""
        self._ended -= partitions
