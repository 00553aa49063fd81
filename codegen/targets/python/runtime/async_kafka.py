"""Kafka itself for asyncio, through aiokafka: the one module of this package that imports it.

What aiokafka leaves open is closed here: transactions that Kafka has ended say so, commits and
leaving take a bounded time, and a rebalance does not keep the consumer from stopping.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, Final

from .aiokafka_options import consumer_arguments, producer_arguments
from .async_transport import AsyncConsumerClient, AsyncProducerClient, Place, Refused
from .errors import SettingsError, StubError
from .registry import HttpRegistry
from .settings import RegistrySettings
from .transport import Headers, Partition, Record, Registry

aiokafka: Any = import_module("aiokafka")
errors: Any = import_module("aiokafka.errors")

_FENCED: Final = (errors.ProducerFenced, errors.InvalidProducerEpoch)
_log: Final = logging.getLogger(__name__)
_START_TIMEOUT: Final = 60.0
_COMMIT_TIMEOUT: Final = 10.0
_CLOSE_TIMEOUT: Final = 15.0


class KafkaTransport:
    """Clients of one Kafka cluster and of one registry."""

    idle = 5.0

    def __init__(self, bootstrap_servers: str, registry: RegistrySettings) -> None:
        self._servers = [part.strip() for part in bootstrap_servers.split(",") if part.strip()]
        self._registry_settings = registry
        self._registry: HttpRegistry | None = None

    def producer(self, options: Mapping[str, object]) -> AsyncProducerClient:
        """A client that sends. Raises SettingsError for options that aiokafka has no word for."""
        return KafkaProducer({**producer_arguments(options), "bootstrap_servers": self._servers})

    def consumer(self, options: Mapping[str, object]) -> AsyncConsumerClient:
        """A client that receives. Raises SettingsError as `producer` does."""
        return KafkaConsumer({**consumer_arguments(options), "bootstrap_servers": self._servers})

    def registry(self) -> Registry:
        """The registry that the settings name."""
        if self._registry is None:
            self._registry = HttpRegistry(self._registry_settings)
        return self._registry

    def monotonic(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return time.monotonic()

    async def sleep(self, delay: float) -> None:
        """Wait."""
        await asyncio.sleep(delay)


class KafkaFailure:
    """Why Kafka, or aiokafka, refused something."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def name(self) -> str:
        """The name of the error code, by librdkafka's names where services ask for it."""
        if isinstance(self._error, errors.MessageSizeTooLargeError):
            return "MSG_SIZE_TOO_LARGE"
        if isinstance(self._error, _FENCED):
            return "_FENCED"
        return str(getattr(self._error, "message", "") or type(self._error).__name__)

    def str(self) -> str:
        """What happened, for people."""
        return str(getattr(self._error, "description", "") or self._error)

    def fatal(self) -> bool:
        """Whether a transactional client is of no use any more."""
        return not isinstance(
            self._error,
            errors.TopicAuthorizationFailedError | errors.GroupAuthorizationFailedError,
        )


class KafkaProducer:
    """A client that sends."""

    def __init__(self, arguments: Mapping[str, object]) -> None:
        self._arguments = dict(arguments)
        self._client: Any = None
        self._end: Refused | None = None

    async def start(self) -> None:
        """Connect, also when Kafka comes a little later. Raises StubError."""
        self._client = await _start(
            partial(_make, aiokafka.AIOKafkaProducer, self._arguments), "producer"
        )

    async def produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[Place]:
        """Queue a message; a full queue is waited for."""
        while True:
            try:
                sent = await self._queue(topic, key, value, headers)
            except errors.KafkaTimeoutError:
                # The queue was full for as long as a request may take: wait on.
                continue
            except errors.UnknownTopicOrPartitionError as error:
                raise Refused(_Missing(topic)) from error
            except errors.KafkaError as error:
                raise Refused(KafkaFailure(error)) from error
            placed: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
            sent.add_done_callback(partial(self._pass_on, placed))
            return placed

    def _pass_on(self, placed: asyncio.Future[Place], sent: asyncio.Future[Any]) -> None:
        """Settle our future as aiokafka has settled its own."""
        error = None if sent.cancelled() else sent.exception()
        refused = None if error is None else Refused(KafkaFailure(error))
        if isinstance(error, _FENCED) and self._end is None:
            # aiokafka says at no later step that another producer has taken over.
            self._end = refused
        if placed.done():
            return
        if sent.cancelled():
            placed.cancel()
        elif refused is not None:
            placed.set_exception(refused)
        else:
            place = sent.result()
            # Whoever wants no acknowledgement (acks 0) learns no place either.
            placed.set_result((-1, -1) if place is None else (place.partition, place.offset))

    async def _queue(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[Any]:
        client = self._client
        if key is None and value is None:
            # aiokafka's `send` takes no such message, its batches do: a dead letter may be one.
            batch = client.create_batch()
            batch.append(key=None, value=None, timestamp=None, headers=headers)
            partitions = sorted(await client.partitions_for(topic))
            return _future(
                await client.send_batch(batch, topic, partition=random.choice(partitions))
            )
        return _future(await client.send(topic, value, key, headers=headers))

    async def begin_transaction(self) -> None:
        """Begin one."""
        await self._step(self._client.begin_transaction)

    async def commit_transaction(self) -> None:
        """Commit it."""
        await self._step(self._client.commit_transaction)

    async def abort_transaction(self) -> None:
        """Roll it back."""
        await self._step(self._client.abort_transaction)

    async def _step(self, step: Callable[[], Awaitable[None]]) -> None:
        if self._end is not None:
            raise self._end.with_traceback(None)
        try:
            await step()
        except (errors.KafkaError, AssertionError) as error:
            # aiokafka asserts that a step may follow the one before: not after a fatal error.
            failure = KafkaFailure(error)
            refused = Refused(failure)
            if failure.fatal():
                self._end = refused
            raise refused from error

    async def close(self, timeout: float) -> None:
        """Disconnect; what is still queued then is given up."""
        try:
            async with asyncio.timeout(timeout):
                await self._client.stop()
        except TimeoutError:
            _log.warning("Kafka did not take what was queued within %.0f seconds", timeout)
            # aiokafka goes on trying for as long as it is connected.
            await self._client.client.close()


class _Missing:
    """The failure of a topic that is not there."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def name(self) -> str:
        """The name of the error code."""
        return "UNKNOWN_TOPIC_OR_PART"

    def str(self) -> str:
        """What to do."""
        return f"there is no topic {self._topic}, or this service may not see it"

    def fatal(self) -> bool:
        """Another topic may be there."""
        return False


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

    async def start(
        self, topics: Sequence[str], on_revoked: Callable[[set[Partition]], Awaitable[None]]
    ) -> None:
        """Connect, also when Kafka comes a little later, and join. Raises StubError."""
        self._client = await _start(
            partial(_make, aiokafka.AIOKafkaConsumer, self._arguments), "consumer"
        )
        self._client.subscribe(list(topics), listener=_listener(self, on_revoked))

    async def receive(self, limit: int, timeout: float) -> list[Record]:
        """Wait for records. Raises StubError when Kafka refuses this consumer for good."""
        try:
            # A rebalance in the midst of it would be waited for without an end. Cancelled here,
            # aiokafka has not taken anything yet.
            async with asyncio.timeout(timeout + 0.05):
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
        return [KafkaRecord(record) for records in found.values() for record in records]

    def store(self, records: Iterable[Record]) -> None:
        """Note offsets."""
        for record in records:
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            self._stored[aiokafka.TopicPartition(topic, partition)] = (offset or 0) + 1

    async def commit(self) -> None:
        """Commit what was stored; partitions that now belong to another member are left out."""
        ours = self._client.assignment()
        stored = {place: end for place, end in self._stored.items() if place in ours}
        self._stored.clear()
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

    def pause(self) -> None:
        """Stop fetching; also called again after a rebalance has brought new partitions."""
        self._client.pause(*self._client.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._client.resume(*self._client.paused())

    async def close(self) -> None:
        """Commit what was stored and leave the group."""
        if self._client is None:
            return
        await self.commit()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
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
            pass

    return Listener()


def _make(kind: Any, arguments: dict[str, object]) -> Any:
    try:
        return kind(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingsError(
            f"aiokafka does not take these options: {error}; "
            "see KAFKA_* in the environment and `options` of settings()"
        ) from error


async def _start(make: Callable[[], Any], what: str) -> Any:
    """A client that has started. Raises StubError when Kafka stays away or refuses it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _START_TIMEOUT
    delay = 0.2
    while True:
        client = make()
        try:
            await client.start()
            return client
        except errors.KafkaError as error:
            await _drop(client)
            if loop.time() + delay > end or not _may_pass(error):
                raise StubError(f"Kafka does not let this {what} in: {error}") from error
            _log.warning("Kafka: %s; next attempt in %.1f s", error, delay)
        except BaseException:
            await _drop(client)
            raise
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))
        delay = min(delay * 2, 5.0)


async def _drop(client: Any) -> None:
    with suppress(Exception):
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await client.stop()


def _may_pass(error: Any) -> bool:
    return bool(error.retriable) or isinstance(error, errors.KafkaConnectionError)


def _future(sent: Any) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = sent
    return future
