"""A producing client on aiokafka.

What aiokafka leaves open is closed here: transactions that Kafka has ended say so, and leaving
takes a bounded time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from itertools import chain
from typing import Any, Final

from .aiokafka_client import FENCED, KafkaFailure, errors, make_client, start_client
from .aiokafka_offsets import TransactionalOffsets
from .async_transport import Place, Refused
from .transport import Headers

aiokafka: Final[Any] = import_module("aiokafka")
_log: Final = logging.getLogger(__name__)
_END: Final = 1.0
"""Seconds that aiokafka's sender has to end once it is connected no more."""


class KafkaProducer:
    """A client that sends."""

    def __init__(self, arguments: Mapping[str, object], patience: float) -> None:
        """`patience`: for how many seconds at least a full queue is waited for."""
        self._arguments = dict(arguments)
        self._patience = patience
        self._client: Any = None
        self._offsets: TransactionalOffsets | None = None
        self._end: Refused | None = None

    async def start(self) -> None:
        """Connect, also when Kafka comes a little later. Raises StubError."""
        self._client = await start_client(
            partial(make_client, aiokafka.AIOKafkaProducer, self._arguments), "producer"
        )

    async def produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[Place]:
        """Queue a message; a full queue is waited for, within bounds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        while True:
            try:
                sent = await self._queue(topic, key, value, headers)
            except errors.KafkaTimeoutError as error:
                # The queue was full for as long as a request may take.
                if loop.time() < end:
                    continue
                text = (
                    f"no room was in the queue for {self._patience:.0f} seconds "
                    "(delivery.timeout.ms), since Kafka took nothing, so it was not sent"
                )
                raise Refused(_NotQueued("_QUEUE_FULL", text)) from error
            except errors.UnknownTopicOrPartitionError as error:
                text = f"there is no topic {topic}, or this service may not see it"
                raise Refused(_NotQueued("UNKNOWN_TOPIC_OR_PART", text)) from error
            except errors.KafkaError as error:
                raise Refused(KafkaFailure(error)) from error
            placed: asyncio.Future[Place] = loop.create_future()
            sent.add_done_callback(partial(self._pass_on, placed))
            return placed

    def _pass_on(self, placed: asyncio.Future[Place], sent: asyncio.Future[Any]) -> None:
        """Settle our future as aiokafka has settled its own."""
        error = None if sent.cancelled() else sent.exception()
        refused = None if error is None else Refused(KafkaFailure(error))
        if isinstance(error, FENCED) and self._end is None:
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

    async def send_offsets_to_transaction(self, positions: Any, group: Any) -> None:
        """Commit these offsets of a group with the transaction, unless the group went on."""
        if self._offsets is None:
            self._offsets = TransactionalOffsets(self._client)
        await self._step(partial(self._offsets.commit, positions, group))

    async def commit_transaction(self) -> None:
        """Commit it."""
        await self._step(self._client.commit_transaction)

    async def abort_transaction(self) -> None:
        """Roll it back."""
        await self._step(self._client.abort_transaction)

    async def _step(self, step: Callable[[], Awaitable[None]]) -> None:
        self._hear()
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

    def _hear(self) -> None:
        """Look at errors that aiokafka keeps for those who wait for it.

        Nobody does, since the deliveries tell the same; asyncio would report each as never
        retrieved. They are private to aiokafka: where another version has none, nothing is lost.
        """
        waiters = []
        with suppress(AttributeError):
            accumulator = self._client._message_accumulator
            batches = chain(accumulator._pending_batches, *accumulator._batches.values())
            waiters += [batch._drain_waiter for batch in batches]
            if self._client._txn_manager is not None:
                waiters.append(self._client._txn_manager._transaction_waiter)
        for waiter in waiters:
            if waiter is not None and waiter.done() and not waiter.cancelled():
                waiter.exception()

    async def close(self, timeout: float) -> None:
        """Disconnect; what is still queued then is given up."""
        try:
            async with asyncio.timeout(timeout):
                await self._client.stop()
        except TimeoutError:
            _log.warning("Kafka did not take what was queued within %.0f seconds", timeout)
            # aiokafka goes on trying for as long as it is connected.
            await self._client.client.close()
            # How its sender ends then is an error as well, for those who wait for batches.
            await asyncio.wait([self._client._sender.sender_task], timeout=_END)
        finally:
            self._hear()


class _NotQueued:
    """Why a message was not queued."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text

    def name(self) -> str:
        """The name of the error code."""
        return self._name

    def str(self) -> str:
        """What happened, for people."""
        return self._text

    def fatal(self) -> bool:
        """Another message may be queued."""
        return False


def _future(sent: Any) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = sent
    return future
