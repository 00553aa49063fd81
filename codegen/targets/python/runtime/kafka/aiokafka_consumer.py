"""A member of a consumer group on aiokafka.

What aiokafka leaves open is closed here: commits and leaving take a bounded time, and a rebalance
does not keep the consumer from stopping.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, Final

from ..errors import StubError
from .aiokafka_client import CLOSE_TIMEOUT, errors, make_client, start_client
from .aiokafka_offsets import Member, read_settled_offsets
from .transport import Headers, Partition, Record

aiokafka: Final[Any] = import_module("aiokafka")
_log: Final = logging.getLogger(__name__)
_COMMIT_TIMEOUT: Final = 10.0


class KafkaRecord:
    """A record of aiokafka in the shape that both flavours share."""

    __slots__ = ("_record",)

    def __init__(self, record: Any) -> None:
        self._record = record

    def topic(self) -> str:
        """The topic it stands on."""
        return str(self._record.topic)

    def partition(self) -> int:
        """The partition of the topic."""
        return int(self._record.partition)

    def offset(self) -> int:
        """Its place in the partition."""
        return int(self._record.offset)

    def key(self) -> bytes | None:
        """The key's bytes."""
        key: bytes | None = self._record.key
        return key

    def value(self) -> bytes | None:
        """The value's bytes; None is a tombstone."""
        value: bytes | None = self._record.value
        return value

    def headers(self) -> Headers | None:
        """The headers in order; None where there are none."""
        return list(self._record.headers) or None

    def timestamp(self) -> tuple[int, int]:
        """The type of the timestamp and milliseconds since 1970; 0 is no timestamp."""
        milliseconds: int | None = self._record.timestamp
        return (0, 0) if milliseconds is None or milliseconds < 0 else (1, milliseconds)


class KafkaConsumer:
    """A member of a consumer group."""

    def __init__(self, arguments: Mapping[str, object]) -> None:
        self._arguments = {**arguments, "enable_auto_commit": False}
        self._client: Any = None
        self._stored: dict[Any, int] = {}
        self._positions: dict[Any, int] = {}
        """Where the next record of each partition is, as far as it is known."""
        self._member: Member | None = None
        """Who this is in its group since it has its partitions."""

    async def start(
        self,
        topics: Sequence[str],
        on_revoked: Callable[[set[Partition]], Awaitable[None]],
        *,
        settled: bool = False,
    ) -> None:
        """Connect, also when Kafka comes a little later, and join. Raises StubError."""
        self._client = await start_client(
            partial(make_client, aiokafka.AIOKafkaConsumer, self._arguments), "consumer"
        )
        if settled:
            read_settled_offsets(self._client)
        self._client.subscribe(list(topics), listener=_listener(self, on_revoked))

    async def receive(self, limit: int, timeout: float) -> list[Record]:
        """Wait for records. Raises StubError when Kafka refuses this consumer for good."""
        try:
            # A rebalance in the midst of it would be waited for without an end. Cancelled here,
            # aiokafka has not taken anything yet.
            async with asyncio.timeout(timeout + 0.05):
                await self._locate()
                found = await self._client.getmany(
                    timeout_ms=int(timeout * 1000), max_records=limit
                )
        except TimeoutError:
            return []
        except errors.KafkaError as error:
            if not error.retriable:
                raise StubError(f"Kafka refuses this consumer: {error}") from error
            _log.warning("Kafka: %s", error)
            await asyncio.sleep(min(timeout, 0.2))
            return []
        for place, records in found.items():
            self._positions[place] = records[-1].offset + 1
        return [KafkaRecord(record) for records in found.values() for record in records]

    def store(self, records: Iterable[Record]) -> None:
        """Note offsets."""
        for record in records:
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            self._stored[aiokafka.TopicPartition(topic, partition)] = (offset or 0) + 1

    def positions_after(self, records: Sequence[Record]) -> tuple[Any, Any]:
        """The offsets behind these records, and the group, for a transaction."""
        ends = {
            aiokafka.TopicPartition(record.topic(), record.partition()): (record.offset() or 0) + 1
            for record in records
        }
        return ends, self._member

    async def commit(self) -> None:
        """Commit what was stored; partitions that now belong to another member are left out."""
        ours = self._client.assignment()
        stored = {place: end for place, end in self._stored.items() if place in ours}
        self._stored.clear()
        member = self._member
        if not stored:
            return
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT):
                await self._client.commit(stored)
        except errors.CommitFailedError as error:
            # The group goes on without us: whoever has the partitions handles them again.
            _log.warning("offsets were not committed: %s", error.args[-1])
        except (errors.KafkaError, TimeoutError) as error:
            _log.warning("offsets are committed later, since Kafka: %r", error)
            # Unless the group has gone on since then, and perhaps further in these partitions.
            if self._member is member:
                self._stored = {**stored, **self._stored}

    async def give_back(
        self, on_revoked: Callable[[set[Partition]], Awaitable[None]], places: Iterable[Any]
    ) -> None:
        """Before partitions go to another member: finish, then commit."""
        partitions = {(place.topic, place.partition) for place in places}
        if partitions:
            await on_revoked(partitions)
            await self.commit()
            self._stored.clear()

    def take_over(self) -> None:
        """Note as who it has its partitions: left behind by its group, it is nobody."""
        self._stored.clear()
        self._member = Member.of(self._client)

    def pause(self) -> None:
        """Stop fetching; also called again after a rebalance has brought new partitions."""
        self._client.pause(*self._client.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._client.resume(*self._client.paused())

    def lag(self) -> dict[Partition, int | None]:
        """From what the last answers of the brokers said; asks nobody."""
        return {
            (place.topic, place.partition): self._lag_of(place)
            for place in self._client.assignment()
        }

    def _lag_of(self, place: Any) -> int | None:
        end, position = self._client.highwater(place), self._positions.get(place)
        return None if end is None or position is None else max(0, end - position)

    async def _locate(self) -> None:
        """Note where the next record of each partition is that has been fetched from."""
        located: dict[Any, int] = {}
        with suppress(errors.IllegalStateError):
            for place in self._client.assignment():
                if self._client.highwater(place) is not None:
                    located[place] = await self._client.position(place)
        self._positions = located

    async def close(self) -> None:
        """Commit what was stored and leave the group."""
        if self._client is None:
            return
        await self.commit()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._client.stop()
        except TimeoutError:
            _log.warning("Kafka did not let this consumer leave in time")


def _listener(
    consumer: KafkaConsumer, on_revoked: Callable[[set[Partition]], Awaitable[None]]
) -> object:
    class Listener(aiokafka.ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
            await consumer.give_back(on_revoked, revoked)

        async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
            consumer.take_over()

    return Listener()
