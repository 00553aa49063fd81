"""The same Kafka in memory, for the asyncio producer and consumer of a service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ..kafka.async_transport import AsyncConsumerClient, AsyncProducerClient, Place, Refused
from ..kafka.transport import Failure, Headers, Partition, Record
from .kafka import FakeConsumer, FakeKafka, FakeKafkaError, FakeProducer, FakeRecord
from .service import Consumed_contra, FakeRegistry, Produced_co
from .service import ServiceFakes as _ServiceFakes


class AsyncFakeProducer:
    """A producing client: messages are there at once, their places a moment later."""

    def __init__(self, client: FakeProducer) -> None:
        self._client = client

    async def start(self) -> None:
        """Take over the transactional id, where there is one."""
        self._client.init_transactions()

    async def produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[Place]:
        """Add a message; a full queue empties while others run."""
        loop = asyncio.get_running_loop()
        placed: asyncio.Future[Place] = loop.create_future()

        def report(failure: Failure | None, record: Record) -> None:
            if placed.done():
                return
            if failure is not None:
                placed.set_exception(Refused(failure))
            else:
                placed.set_result((record.partition() or 0, record.offset() or 0))

        while True:
            try:
                self._client.produce(topic, value, key, on_delivery=report, headers=headers)
            except BufferError:
                await asyncio.sleep(0)
            except FakeKafkaError as error:
                raise Refused(error.args[0]) from error
            else:
                loop.call_soon(self._client.poll, 0)
                return placed

    async def begin_transaction(self) -> None:
        """Begin one."""
        self._step(self._client.begin_transaction)

    async def send_offsets_to_transaction(self, positions: Any, group: Any) -> None:
        """Note offsets for the commit."""
        self._step(partial(self._client.send_offsets_to_transaction, positions, group))

    async def commit_transaction(self) -> None:
        """Show what was sent."""
        self._step(self._client.commit_transaction)

    async def abort_transaction(self) -> None:
        """Drop what was sent."""
        self._step(self._client.abort_transaction)

    async def close(self, timeout: float) -> None:
        """Pass reports on."""
        self._client.flush()

    def _step(self, step: Callable[[], None]) -> None:
        try:
            step()
        except FakeKafkaError as error:
            raise Refused(error.args[0]) from error


class AsyncFakeConsumer:
    """A member of a group of the fake."""

    def __init__(self, kafka: FakeKafka, client: FakeConsumer) -> None:
        self._kafka = kafka
        self._client = client
        self._on_revoked: Callable[[set[Partition]], Awaitable[None]] | None = None

    async def start(
        self,
        topics: Sequence[str],
        on_revoked: Callable[[set[Partition]], Awaitable[None]],
        *,
        settled: bool = False,
    ) -> None:
        """Join the group; its offsets are always settled."""
        self._on_revoked = on_revoked
        self._client.subscribe(topics, lambda _: None)

    async def receive(self, limit: int, timeout: float) -> list[Record]:
        """Records of the partitions that this member owns."""
        await self._give_back(self._client.surplus())
        self._client.claim()
        records = self._client.take(limit)
        if not records:
            # Nothing to wait for but other tasks, so time passes at once.
            await asyncio.sleep(0.001 if timeout else 0)
            self._kafka.clock += timeout
            records = self._client.take(limit)
        return records

    def store(self, records: Iterable[Record]) -> None:
        """Note offsets of partitions that this member owns."""
        self._client.store(records)

    def positions_after(self, records: Sequence[Record]) -> tuple[Any, Any]:
        """The offsets behind these records, and the group."""
        return self._client.positions_after(records)

    def lag(self) -> dict[Partition, int | None]:
        """Its partitions, and how many records it has not received of each."""
        return self._client.lag()

    async def commit(self) -> None:
        """Commit what was stored."""
        self._client.commit()

    def pause(self) -> None:
        """Receive nothing."""
        self._client.pause()

    def resume(self) -> None:
        """Receive again."""
        self._client.resume()

    async def close(self) -> None:
        """Give the partitions back, commit, leave the group."""
        self._client.commit()
        self._client.close()

    async def _give_back(self, partitions: set[Partition]) -> None:
        if partitions and self._on_revoked is not None:
            await self._on_revoked(partitions)
            # A test may have killed this consumer meanwhile.
            self._client.release(partitions & self._client.owned)


class _FakeTransport:
    """Makes the fake clients."""

    idle = 0.0

    def __init__(
        self,
        kafka: FakeKafka,
        registry: FakeRegistry,
        sent: list[FakeRecord],
        consumers: list[FakeConsumer],
    ) -> None:
        self._kafka = kafka
        self._registry = registry
        self._sent = sent
        self._consumers = consumers

    def producer(self, options: Mapping[str, object]) -> AsyncProducerClient:
        return AsyncFakeProducer(FakeProducer(self._kafka, options, self._sent))

    def consumer(self, options: Mapping[str, object]) -> AsyncConsumerClient:
        consumer = FakeConsumer(self._kafka, options)
        self._consumers.append(consumer)
        return AsyncFakeConsumer(self._kafka, consumer)

    def registry(self) -> FakeRegistry:
        return self._registry

    def monotonic(self) -> float:
        return self._kafka.clock

    def now(self) -> int:
        return self._kafka.now()

    async def sleep(self, delay: float) -> None:
        """Let time pass: other tasks run, and the clock is as late as it must be."""
        end = self._kafka.clock + delay
        await asyncio.sleep(0)
        self._kafka.clock = max(self._kafka.clock, end)


class ServiceFakes(_ServiceFakes[Consumed_contra, Produced_co]):
    """The surroundings of one service in memory. Use it as a context in a test."""

    def _make_transport(self) -> object:
        return _FakeTransport(self.kafka, self.registry, self.sent_records, self.consumers)
