"""The producer of a service for asyncio: sends its events and loses none in silence.

Topic, key, schema id and headers come from the contract. A full queue makes `send` wait; what does
not arrive is told by the delivery itself and again by `flush` and when the producer is left.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from math import inf
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from ..avro.codec import EventType
from ..errors import (
    DeliveryError,
    DeliveryFailed,
    FirstError,
    MessageTooLarge,
    SettingsError,
    StubError,
)
from ..kafka.async_connection import connect
from ..kafka.async_transport import AsyncProducerClient, Place, Refused
from ..kafka.producer_options import producer_options
from ..kafka.settings import Settings, read_seconds
from ..kafka.transport import Headers, Positions, explain
from ..messages.composing import Composed, Composer
from ..messages.message import ExtraHeaders, Message
from ..metrics import tell_delivery
from .async_delivery import Delivery
from .async_transactions import Transactions

Produced_contra = TypeVar("Produced_contra", contravariant=True)

_log: Final = logging.getLogger(__name__)

_FAILURE_LIMIT: Final = 10_000
_CLOSE: Final = 10.0
"""Seconds that leaving Kafka may take once nothing is on the way any more."""
_SWEEP: Final = 0.5
"""Seconds between two looks for events that took too long."""


class EventProducer(Generic[Produced_contra]):
    """Sends the events of one service, from the tasks of one event loop.

    Use it as a context: entering it connects; leaving it waits until all has arrived, and raises
    DeliveryFailed with every event that did not.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        events: Iterable[EventType[Any]],
        *,
        budgets: Mapping[str, int] | None = None,
        transactional_id: str | None = None,
    ) -> None:
        """With a `transactional_id`, events are sent inside of `transaction` only.

        `budgets` has how many bytes the contract allows for a message's value, by topic.

        Raises SettingsError when Kafka's client does not take the options.
        """
        self._service = service
        transport = connect(settings)
        self._metrics = settings.metrics
        self._composer = Composer(transport.registry(), service, events, budgets or {})
        self._preparing = asyncio.Lock()
        self._failures: list[DeliveryError] = []
        options = producer_options(settings, service, transactional_id)
        self._timeout = read_seconds(options, "delivery.timeout.ms")
        self._client: AsyncProducerClient = transport.producer(options)
        self._transactions: Transactions | None = None
        if options.get("transactional.id"):
            self._transactions = Transactions(self._client, self._settle, self._take_failures)
        self._on_the_way: dict[Delivery, float] = {}
        """What is not settled, in the order of sending, and until when it has time."""
        self._sweeper: asyncio.Task[None] | None = None
        self._is_closed = False
        self._let_go = weakref.finalize(self, _let_go, self._on_the_way)

    async def send(
        self,
        event: Produced_contra,
        *,
        caused_by: Message | None = None,
        headers: ExtraHeaders | None = None,
    ) -> Delivery:
        """Queue an event for its topic and return its delivery, which can be awaited.

        It has not arrived when this returns, only when its delivery was awaited, or the producer
        was flushed or left. `caused_by` is the message that is being handled: its correlation id
        and trace go on, and its consumer commits it only when this event has arrived. `headers` are
        added to those of the contract. Raises TypeError for an event that this service does not
        produce, EncodeError for a value that its schema cannot hold, SchemaNotRegistered,
        RegistryUnavailable, and MessageTooLarge; DeliveryError without the topic, or when the queue
        was full for as long as `delivery.timeout.ms`; DeliveryFailed when thousands of events have
        failed and nobody looked.
        """
        return await self._send(event, await self.compose(event, caused_by, headers), caused_by)

    async def compose(
        self, event: Produced_contra, caused_by: Message | None, headers: ExtraHeaders | None
    ) -> Composed:
        """The message that `send` would send. Raises as it does."""
        if self._preparing.locked() or not self._composer.is_prepared(event):
            # In turn, since ids of events that a message caused count how many went before.
            async with self._preparing:
                if not self._composer.is_prepared(event):
                    await asyncio.to_thread(self._composer.prepare, event)
                return self._composer.compose(event, caused_by, headers)
        return self._composer.compose(event, caused_by, headers)

    async def send_bytes(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Delivery:
        """Send what `compose` made earlier."""
        return await self._send(value, Composed(topic, key, value, headers), None)

    async def _delete(
        self,
        topic: str,
        key: object,
        caused_by: Message | None,
        headers: ExtraHeaders | None,
    ) -> Delivery:
        """Send a message without a value, which removes its key when the topic is compacted."""
        if not self._composer.can_delete(topic):
            await asyncio.to_thread(self._composer.prepare_deletion, topic)
        message = self._composer.compose_deletion(topic, key, caused_by, headers)
        return await self._send(key, message, caused_by)

    def transaction(
        self, *, positions: Positions | None = None
    ) -> AbstractAsyncContextManager[None]:
        """A transaction: readers see all events that are sent in the block, or none of them.

        It is committed when the block is left, and rolled back when the block raises. What readers
        see is decided by their `isolation.level`; that of generated consumers is `read_committed`.
        `positions` is for consumers, which commit with it how far they are. Entering and leaving
        raise TransactionFailed, which can be tried again; ProducerFenced when another producer has
        taken over the transactional id, ProducerEnded when Kafka takes nothing more from this one;
        SettingsError without such an id.
        """
        if self._transactions is None:
            raise SettingsError(
                "a transaction needs a transactional id, one for each process that runs at the "
                f'same time: Producer(settings(), transactional_id="{self._service}-1")'
            )
        self._require_connection()
        return self._transactions.begin(positions)

    @property
    def is_transactional(self) -> bool:
        """Whether it has a transactional id."""
        return self._transactions is not None

    @property
    def is_connected(self) -> bool:
        """Whether its context was entered and not left; only then it sends."""
        return self._sweeper is not None

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until every event has arrived. Raises DeliveryFailed with those that did not.

        Without a timeout it waits as long as `delivery.timeout.ms` lets an event take.
        """
        unconfirmed = await self._settle(timeout)
        failures = self._take_failures()
        if failures or unconfirmed:
            raise DeliveryFailed(failures, unconfirmed)

    async def close(self, timeout: float | None = None) -> None:
        """Flush, then disconnect. Raises DeliveryFailed as `flush` does."""
        try:
            await self.flush(timeout)
        finally:
            self._is_closed = True
            self._let_go.detach()
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None
                await self._client.close(_CLOSE)

    async def __aenter__(self) -> Self:
        await self._client.start()
        self._sweeper = asyncio.create_task(self._sweep(), name=f"{self._service} deliveries")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        first = FirstError(error)
        with first:
            await self.close()
        first.raise_new()

    async def _send(self, event: object, message: Composed, caused_by: Message | None) -> Delivery:
        if len(self._failures) >= _FAILURE_LIMIT:
            raise DeliveryFailed(self._take_failures())
        self._require_connection()
        if self._transactions is not None and not self._transactions.is_open:
            raise StubError(
                "this producer has a transactional id: send inside "
                "`async with producer.transaction():`"
            )
        delivery = Delivery(event, message.topic, self._failures)
        if self._metrics is not None:
            tell_delivery(self._metrics, delivery)
        if caused_by is not None:
            # Before anything is awaited: a handler that is cancelled here is not done either.
            caused_by.deliveries.append(delivery)
        # As long as it waits for room, it is not on its way, and cannot be late.
        self._on_the_way[delivery] = inf
        try:
            report = await self._client.produce(
                message.topic, message.key, message.value, message.headers
            )
        except BaseException as error:
            self._on_the_way.pop(delivery, None)
            if caused_by is not None:
                caused_by.deliveries.remove(delivery)
            if not isinstance(error, Refused):
                # It was not queued: whoever flushes meanwhile waits for it no longer.
                delivery.refuse(type(error).__name__)
                raise
            name = error.failure.name()
            delivery.refuse(name)
            if name == "MSG_SIZE_TOO_LARGE":
                raise MessageTooLarge(event, message.topic, len(message.value or b"")) from error
            reason = explain(name, error.failure.str())
            raise DeliveryError(event, message.topic, reason) from error
        self._on_the_way[delivery] = asyncio.get_running_loop().time() + self._timeout
        report.add_done_callback(partial(self._take_report, delivery))
        return delivery

    def _require_connection(self) -> None:
        if not self.is_connected:
            raise StubError(
                "this producer is closed"
                if self._is_closed
                else "this producer is not connected: use it inside `async with Producer(...)`"
            )

    def _take_report(self, delivery: Delivery, report: asyncio.Future[Place]) -> None:
        self._on_the_way.pop(delivery, None)
        delivery.settle(report)

    async def _settle(self, timeout: float | None = None) -> int:
        """Wait for all that is on the way now; the number of those that took too long."""
        waiting = list(self._on_the_way)
        try:
            async with asyncio.timeout(timeout):
                for delivery in waiting:
                    await delivery.wait()
        except TimeoutError:
            pass
        return sum(not delivery.done() for delivery in waiting)

    async def _sweep(self) -> None:
        """Give up what took too long: Kafka's client itself would try for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_SWEEP)
            now = clock()
            late = [each for each, until in self._on_the_way.items() if until <= now]
            for delivery in late:
                del self._on_the_way[delivery]
                delivery.fail(
                    "_MSG_TIMED_OUT",
                    f"not confirmed within {self._timeout:.0f} seconds (delivery.timeout.ms): it "
                    "may still arrive",
                )

    def _take_failures(self) -> list[DeliveryError]:
        failures = self._failures[:]
        self._failures.clear()
        return failures


def _let_go(on_the_way: Mapping[Delivery, float]) -> None:
    """Nobody closed this producer, and it is collected, or its process ends."""
    if on_the_way:
        _log.error(
            "a producer was not closed, and what it has sent is not confirmed, and may or may not "
            "arrive (messages: %d): use it as a context, `async with Producer(...)`",
            len(on_the_way),
        )
