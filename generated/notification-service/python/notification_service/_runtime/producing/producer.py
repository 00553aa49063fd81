"""The producer of a service: sends its events in the background and loses none in silence.

Topic, key, schema id and headers come from the contract. A full queue makes `send` wait; what does
not arrive is told by the delivery itself and again by `flush` and when the producer is left.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
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
from ..kafka.connection import connect
from ..kafka.producer_options import producer_options
from ..kafka.settings import Settings
from ..kafka.transport import Failure, Headers, Positions, ProducerClient, Transport, explain
from ..messages.composing import Composed, Composer
from ..messages.message import ExtraHeaders, Message
from ..metrics import tell_delivery
from .delivery import Delivery
from .transactions import Transactions

Produced_contra = TypeVar("Produced_contra", contravariant=True)
_log: Final = logging.getLogger(__name__)

_FAILURE_LIMIT: Final = 10_000
_SWEEP: Final = 0.02
"""Seconds between two looks for reports that nobody waits for."""
_LAST_WAIT: Final = 10.0
"""Seconds that what was sent has to arrive when nobody has closed its producer."""
_FORKED: Final = (
    "this producer was made before this process was forked, and works only in the process that "
    "made it: make another one here"
)


class EventProducer(Generic[Produced_contra]):
    """Sends the events of one service. Safe to use from several threads.

    Use it as a context: leaving it waits until all has arrived, and raises DeliveryFailed with
    every event that did not.
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
        self._transport: Transport = connect(settings)
        self._metrics = settings.metrics
        self._composer = Composer(self._transport.registry(), service, events, budgets or {})
        self._failures: list[DeliveryError] = []
        options = producer_options(settings, service, transactional_id)
        self._client = self._transport.producer(options)
        self._transactions: Transactions | None = None
        if options.get("transactional.id"):
            self._transactions = Transactions(
                self._client, self._transport.failure, self._take_failures
            )
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_forked = False
        self._let_go = weakref.finalize(self, _let_go, self._client, self._stop)
        _alive.add(self)

    def send(
        self,
        event: Produced_contra,
        *,
        caused_by: Message | None = None,
        headers: ExtraHeaders | None = None,
    ) -> Delivery:
        """Queue an event for its topic and return its delivery, a future.

        `caused_by` is the message that is being handled: its correlation id and trace go on, and
        its consumer commits it only when this event has arrived. `headers` are added to those of
        the contract. Raises TypeError for an event that this service does not produce, EncodeError
        for a value that its schema cannot hold, SchemaNotRegistered, RegistryUnavailable, and
        MessageTooLarge; DeliveryError without the topic; DeliveryFailed when thousands of events
        have failed and nobody looked.
        """
        return self._send(event, self.compose(event, caused_by, headers), caused_by)

    def compose(
        self, event: Produced_contra, caused_by: Message | None, headers: ExtraHeaders | None
    ) -> Composed:
        """The message that `send` would send. Raises as it does."""
        return self._composer.compose(event, caused_by, headers)

    def send_bytes(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Delivery:
        """Send what `compose` made earlier."""
        return self._send(value, Composed(topic, key, value, headers), None)

    def _delete(
        self,
        topic: str,
        key: object,
        caused_by: Message | None,
        headers: ExtraHeaders | None,
    ) -> Delivery:
        """Send a message without a value, which removes its key when the topic is compacted."""
        message = self._composer.compose_deletion(topic, key, caused_by, headers)
        return self._send(key, message, caused_by)

    def transaction(self, *, positions: Positions | None = None) -> AbstractContextManager[None]:
        """A transaction: readers see all events that are sent in the block, or none of them.

        It is committed when the block is left, and rolled back when the block raises. What readers
        see is decided by their `isolation.level`; that of generated consumers is `read_committed`.
        `positions` is for consumers, which commit with it how far they are. Entering and leaving
        raise TransactionFailed, which can be tried again; ProducerFenced when another producer has
        taken over the transactional id, ProducerEnded when Kafka takes nothing more from this one;
        SettingsError without such an id.
        """
        return self._transactional().begin(positions)

    @property
    def is_transactional(self) -> bool:
        """Whether it has a transactional id."""
        return self._transactions is not None

    def take_over(self) -> None:
        """Shut out earlier producers with this transactional id and end what they have open.

        The first transaction does it as well. Raises as `transaction` does.
        """
        self._transactional().take_over()

    def _transactional(self) -> Transactions:
        if self._transactions is None:
            raise SettingsError(
                "a transaction needs a transactional id, one for each process that runs at the "
                f'same time: Producer(settings(), transactional_id="{self._service}-1")'
            )
        if self._is_forked:
            raise StubError(_FORKED)
        self._start()
        return self._transactions

    def flush(self, timeout: float | None = None) -> None:
        """Wait until every event has arrived. Raises DeliveryFailed with those that did not.

        Without a timeout it waits as long as `delivery.timeout.ms` lets an event take.
        """
        unconfirmed = self._flush(-1 if timeout is None else timeout)
        failures = self._take_failures()
        if failures or unconfirmed:
            raise DeliveryFailed(failures, unconfirmed)

    def close(self, timeout: float | None = None) -> None:
        """Flush, then stop. Raises DeliveryFailed as `flush` does."""
        if self._is_forked:
            return
        try:
            self.flush(timeout)
        finally:
            self._stop.set()
            if self._thread is not None:
                self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        first = FirstError(error)
        with first:
            self.close()
        first.raise_new()

    def _send(self, event: object, message: Composed, caused_by: Message | None) -> Delivery:
        if self._thread is None:
            self._start()
        delivery = Delivery(event, message.topic, self._failures, self._flush)
        if self._metrics is not None:
            tell_delivery(self._metrics, delivery)
        self._produce(delivery, message.value, message.key, message.headers)
        if caused_by is not None:
            caused_by.deliveries.append(delivery)
        return delivery

    def _start(self) -> None:
        """Have reports of delivery passed on from now on, also while the service sends nothing."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_poll,
                    args=(self._client, self._transport.failure, self._stop),
                    daemon=True,
                    name=f"{self._service} deliveries",
                )
                self._thread.start()

    def _produce(
        self, delivery: Delivery, value: bytes | None, key: bytes | None, headers: Headers
    ) -> None:
        if len(self._failures) >= _FAILURE_LIMIT:
            raise DeliveryFailed(self._take_failures())
        if self._stop.is_set():
            raise StubError(_FORKED if self._is_forked else "this producer is closed")
        if self._transactions is not None and not self._transactions.is_open:
            raise StubError(
                "this producer has a transactional id: send inside `with producer.transaction():`"
            )
        while True:
            try:
                self._client.produce(
                    delivery.topic, value, key, on_delivery=delivery.settle, headers=headers
                )
                return
            except BufferError:
                # The queue is full: wait for room rather than drop anything.
                self._client.poll(0.1)
            except self._transport.failure as error:
                failure: Failure = error.args[0]
                name = failure.name()
                delivery.refuse(name)
                if name == "MSG_SIZE_TOO_LARGE":
                    raise MessageTooLarge(
                        delivery.event, delivery.topic, len(value or b"")
                    ) from error
                reason = explain(name, failure.str())
                raise DeliveryError(delivery.event, delivery.topic, reason) from error

    def _abandon(self) -> None:
        """In a forked process Kafka's client has no thread, and would wait for it for ever."""
        self._is_forked = True
        self._let_go.detach()
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._stop.set()

    def _flush(self, timeout: float) -> int:
        if self._is_forked:
            raise StubError(_FORKED)
        try:
            return self._client.flush(timeout)
        except self._transport.failure as error:
            # The end of the producer is told once; what is left of the reports still comes.
            _log.error("Kafka ended this producer: %s", error)
            return self._client.flush(timeout)

    def _take_failures(self) -> list[DeliveryError]:
        # Reports come in from another thread: take only what is there now.
        count = len(self._failures)
        failures = self._failures[:count]
        del self._failures[:count]
        return failures


def _let_go(client: ProducerClient, stop: threading.Event) -> None:
    """Nobody closed this producer, and it is collected, or its process ends."""
    if stop.is_set():
        return
    stop.set()
    if client.flush(0) == 0:
        return
    _log.warning(
        "a producer was not closed: use it as a context, `with Producer(...)`, so that failures of "
        "what it has sent are raised"
    )
    left = client.flush(_LAST_WAIT)
    if left:
        _log.error("what was sent is not confirmed, and may or may not arrive (messages: %d)", left)


_alive: Final[weakref.WeakSet[EventProducer[Any]]] = weakref.WeakSet()


def _abandon_all() -> None:
    for producer in list(_alive):
        producer._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)


def _poll(client: ProducerClient, failure: type[Exception], stop: threading.Event) -> None:
    # Never blocks in the client: whoever waits for a delivery is to get its report first.
    while not stop.wait(_SWEEP):
        try:
            client.poll(0)
        except failure as error:
            _log.error("Kafka ended this producer: %s", error)
