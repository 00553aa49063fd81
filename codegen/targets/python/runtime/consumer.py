"""The consumer of a service: every message is handled, kept as a dead letter, or comes again.

A message is committed after its handler has returned and what the handler sent has arrived. A
handler that fails is called again by policy. Waiting happens inside the consumer group: partitions
are paused, the group is served, and what another member takes over is left to it.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from .connection import connect
from .dead_letters import DeadLetters
from .errors import (
    MessageFailed,
    ProducerEnded,
    RegistryError,
    RegistryUnavailable,
    RejectMessage,
    SettingsError,
    TransactionFailed,
)
from .inbox import Inbox
from .message import Message, read_dead_letter, read_message
from .policy import Action, Policy, Reason
from .progress import Progress
from .reading import NotConsumed, Reader, Route, Unreadable
from .settings import Settings
from .transport import Headers, Partition, Record

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .producer import EventProducer

_log: Final = logging.getLogger(__name__)
_BATCH: Final = 500
_BACKLOG_LIMIT: Final = 10_000
_SETTLE: Final = 10.0
"""How long, in seconds, stopping waits for events that are still on the way."""

DEFAULTS: Final[dict[str, object]] = {
    # A group that is new has missed nothing yet.
    "auto.offset.reset": "earliest",
    "auto.commit.interval.ms": 1000,
    "partition.assignment.strategy": "cooperative-sticky",
}
_FIXED: Final[dict[str, object]] = {
    # librdkafka commits, but only what was stored, and only handled messages are stored.
    "enable.auto.commit": True,
    "enable.auto.offset.store": False,
}
_PRODUCER_OPTIONS: Final = (
    "acks",
    "enable.idempotence",
    "compression.type",
    "linger.ms",
    "batch.size",
    "partitioner",
    "delivery.timeout.ms",
    "message.timeout.ms",
    "transactional.id",
    "transaction.timeout.ms",
    "request.required.acks",
)


@dataclass(slots=True)
class Statistics:
    """What a consumer has done since it was made."""

    handled: int = 0
    """Messages whose handler returned."""
    retried: int = 0
    """Calls of a handler after the first one for a message."""
    duplicates: int = 0
    """Messages that the inbox knew already."""
    dead_lettered: int = 0
    """Messages that were sent to a dead-letter topic."""
    skipped: int = 0
    """Messages that the policy let pass unhandled."""
    not_consumed: int = 0
    """Events of the topics that the contract says this service does not consume."""
    registry_waits: int = 0
    """Waits for a registry that did not answer."""


class EventConsumer:
    """Consumes the events of one service as a member of its consumer group.

    Use it as a context: leaving it commits what was handled and leaves the group. One thread runs
    it; `stop` may be called from any.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        routes: Iterable[Route[Any]],
        *,
        ignored: Mapping[str, Collection[str]],
        deletions: Mapping[str, Callable[[Message], object]],
        policy: Policy | None = None,
        inbox: Inbox | None = None,
        exactly_once: EventProducer[Any] | None = None,
        group: str | None = None,
        replay: bool = False,
    ) -> None:
        """`deletions` has, for each compacted topic, what is called for a key that was deleted.

        With `replay` it handles the dead letters of this service instead of its topics: those that
        were there when it was made, as the messages that they were. `drain` ends after them.
        With `exactly_once`, the producer that the handler sends with, which has a transactional id,
        what is sent and how far the consumer is are committed in one transaction.
        Raises SettingsError when Kafka's client does not take the options.
        """
        if exactly_once is not None and inbox is not None:
            raise SettingsError(
                "give an inbox, for effects in a database, or a producer for exactly_once, not both"
            )
        if exactly_once is not None and not exactly_once.is_transactional:
            raise SettingsError(
                "the producer for exactly_once needs a transactional id: "
                f'Producer(settings(), transactional_id="{service}-1")'
            )
        routes = tuple(routes)
        self._policy = policy or Policy()
        self._inbox = inbox
        self._exactly_once = exactly_once
        self._alone = 0
        """How many of the next records are handled in a transaction of their own."""
        self._deletions = dict(deletions)
        self._group = group or str(settings.options.get("group.id") or service)
        self._transport = connect(settings)
        self._dead_letters = DeadLetters(self._transport, settings, service, self._group)
        self._read: Callable[[Record, Headers], Message] = read_message
        self._topics = sorted({route.type.topic for route in routes})
        # What fails again while it is replayed becomes a new dead letter, for another replay.
        self._end_ms = 0
        member_of = self._group
        if replay:
            self._read = read_dead_letter
            self._topics = [self._dead_letters.topic_of(topic) for topic in self._topics]
            self._end_ms = time.time_ns() // 1_000_000
            member_of = f"{self._group}.replay"
        self._reader = Reader(self._transport.registry(), routes, ignored, deletions, self._read)
        self._client = self._transport.consumer(_options(settings, service, member_of))
        self._progress = Progress(self._client)
        self._pending: deque[Record] = deque()
        self._ended: set[Partition] = set()
        """Partitions that are replayed to their end."""
        self._revoked: set[Partition] = set()
        self._stop = threading.Event()
        self._is_closed = False
        self._told: set[str] = set()
        self._statistics = Statistics()
        self._client.subscribe(self._topics, self._give_back)

    @property
    def statistics(self) -> Statistics:
        """The numbers as they are now."""
        return replace(self._statistics)

    def run(self) -> None:
        """Handle messages until `stop`, SIGTERM or SIGINT; the message in hand is finished first.

        Raises what the policy does not cover: MessageFailed where it says FAIL, DeliveryFailed when
        an event that a handler sent did not arrive, RegistryError when the registry refuses this
        service, StubError when Kafka does. Nothing unhandled is committed then.
        """
        _log.info("%s consumes %s", self._group, ", ".join(self._topics))
        with self._signals():
            while not self._stop.is_set():
                self._step(0.5)
        self._progress.settle(_SETTLE)

    def drain(self, idle: float | None = None) -> None:
        """Handle what is there and return when nothing more has come for `idle` seconds.

        Raises as `run` does.
        """
        quiet = self._transport.idle if idle is None else idle
        while self._step(quiet) and not self._stop.is_set():
            pass
        self._progress.settle(_SETTLE)

    def stop(self) -> None:
        """Make `run` return after the message in hand."""
        self._stop.set()

    def close(self) -> None:
        """Commit what was handled and leave the group."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stop.set()
        try:
            self._progress.settle(_SETTLE)
        finally:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _step(self, timeout: float) -> bool:
        """Take what is there and handle it; whether there was anything."""
        if self._progress.backlog() > _BACKLOG_LIMIT:
            self._progress.settle(_SETTLE)
        if self._exactly_once is not None:
            # What a predecessor has open is ended before this one asks where to begin.
            self._exactly_once.take_over()
        is_busy = bool(self._pending) or self._receive(timeout)
        try:
            while self._pending and not self._stop.is_set():
                if self._exactly_once is None:
                    self._handle(self._pending.popleft(), self._attempt)
                elif self._alone:
                    self._alone -= 1
                    self._handle(self._pending.popleft(), self._attempt_alone)
                else:
                    self._handle_together(self._exactly_once)
        finally:
            self._progress.store()
        return is_busy

    def _receive(self, timeout: float) -> bool:
        """Wait for records and keep them as pending; whether there were any."""
        # Kafka calls `_give_back` in the midst of this, which drops pending records: what is
        # received comes after it, and must not be lost with them.
        records = self._client.receive(_BATCH, timeout)
        for record in records:
            if self._end_ms and record.timestamp()[1] >= self._end_ms:
                self._ended.add(_partition(record))
            if _partition(record) not in self._ended:
                self._pending.append(record)
        return bool(records)

    def _handle_together(self, producer: EventProducer[Any]) -> None:
        """Handle what is pending in one transaction, which is much faster than one for each.

        When that fails, nothing of it counts, and the same records are handled one by one.
        """
        before, done = replace(self._statistics), list[Record]()
        try:
            with producer.transaction(positions=lambda: self._client.positions_after(done)):
                for record in self._pending:
                    if self._stop.is_set() and done:
                        break
                    try:
                        self._attempt(record, record.headers() or [])
                    except NotConsumed:
                        self._statistics.not_consumed += 1
                    done.append(record)
        except BaseException as error:
            self._statistics = before
            if not isinstance(error, Exception) or _is_hopeless(error):
                raise
            _log.info("handled one by one, since together it failed: %r", error)
            self._alone = min(len(done) + 1, len(self._pending))
        else:
            for _ in done:
                self._pending.popleft()

    def _attempt_alone(self, record: Record, headers: Headers) -> list[Any]:
        """As `_attempt`, in a transaction that commits the record's offset as well."""
        before = self._statistics.handled
        try:
            with self._position_after(record):
                return self._attempt(record, headers)
        except BaseException:
            self._statistics.handled = before
            raise

    def _position_after(self, record: Record) -> AbstractContextManager[None]:
        assert self._exactly_once is not None
        return self._exactly_once.transaction(
            positions=lambda: self._client.positions_after([record])
        )

    def _pass_by(self, record: Record) -> None:
        """Commit, in its time, the offset of a record that was given up or is not for us."""
        if self._exactly_once is None:
            self._progress.add(record, [])
            return
        waits = 0
        while True:
            try:
                with self._position_after(record):
                    return
            except TransactionFailed as error:
                waits += 1
                _log.warning("%s: its offset was not committed: %s", _place(record), error)
            if not self._wait(record, self._policy.delay(waits)):
                return

    def _handle(self, record: Record, attempt_once: Callable[[Record, Headers], list[Any]]) -> None:
        """Handle one record to the end, or leave it to whoever has its partition next."""
        headers: Headers = record.headers() or []
        attempt = waits = 0
        while True:
            try:
                deliveries = attempt_once(record, headers)
            except RegistryUnavailable as error:
                waits += 1
                self._statistics.registry_waits += 1
                _log.warning("waiting for the schema registry: %s", error)
                delay = self._policy.delay(waits)
            except NotConsumed:
                self._statistics.not_consumed += 1
                break
            except Unreadable as error:
                self._give_up(record, headers, error.reason, error, attempt)
                break
            except RejectMessage as error:
                self._give_up(record, headers, Reason.REJECTED, error, attempt + 1)
                break
            except Exception as error:
                if _is_hopeless(error):
                    raise
                if isinstance(error, TransactionFailed) and not error.failures:
                    # The coordinator's or the group's fault: the message has done nothing wrong.
                    waits += 1
                    delay = self._policy.delay(waits)
                    _log.warning("%s: next in %.1f s: %s", _place(record), delay, error)
                    if self._wait(record, delay):
                        continue
                    return
                attempt += 1
                if attempt >= self._policy.attempts:
                    self._give_up(record, headers, Reason.HANDLER_FAILED, error, attempt)
                    break
                delay = self._policy.delay(attempt)
                self._statistics.retried += 1
                _log.warning(
                    "%s: attempt %d of %d failed, next in %.1f s: %r",
                    _place(record), attempt, self._policy.attempts, delay, error,
                )  # fmt: skip
            else:
                if self._exactly_once is None:
                    self._progress.add(record, deliveries)
                return
            if not self._wait(record, delay):
                return
        self._pass_by(record)

    def _attempt(self, record: Record, headers: Headers) -> list[Any]:
        """Read and handle a record once; what it caused that may still be on the way."""
        message = self._read(record, headers)
        value = record.value()
        event, handle = (
            self._reader.read(message.topic, message.type, value)
            if value is not None
            else (None, self._read_deletion(message.topic))
        )
        if self._inbox is None:
            handle(event, message)
            self._statistics.handled += 1
            return message.deliveries
        identity = f"{message.source or ''} {message.id}"
        with self._inbox.once(self._group, identity) as is_new:
            if is_new:
                handle(event, message)
                # The inbox says "done" for good, so all that belongs to it must be done.
                for delivery in message.deliveries:
                    delivery.result()
        if is_new:
            self._statistics.handled += 1
        else:
            self._statistics.duplicates += 1
        return []

    def _read_deletion(self, topic: str) -> Callable[[Any, Message], object]:
        handle = self._deletions.get(topic)
        if handle is None:
            raise Unreadable(Reason.TOMBSTONE, "it has no value, and the topic is not compacted")
        return lambda _, message: handle(message)

    def _give_up(
        self, record: Record, headers: Headers, reason: Reason, error: Exception, attempts: int
    ) -> None:
        action = self._policy.action(reason)
        place = _place(record)
        match action:
            case Action.FAIL:
                raise MessageFailed(place, reason.value, str(error)) from error
            case Action.SKIP:
                self._statistics.skipped += 1
                # Once for each kind: a topic full of them must not fill the log.
                detail = error if reason is Reason.UNKNOWN_EVENT else ""
                kind = f"{record.topic()} {reason.value} {detail}"
                if kind not in self._told and len(self._told) < 1000:
                    self._told.add(kind)
                    _log.warning("%s skipped (%s): %s", place, reason.value, error)
            case Action.DEAD_LETTER:
                _log.error("%s becomes a dead letter (%s): %r", place, reason.value, error)
                message = self._read(record, headers)
                self._dead_letters.send(message, record.value(), reason, error, attempts)
                self._statistics.dead_lettered += 1

    def _wait(self, record: Record, delay: float) -> bool:
        """Wait as a living member of the group; False when the record is not ours any more."""
        partition = _partition(record)
        self._revoked.clear()
        self._progress.store()
        end = self._transport.monotonic() + delay
        try:
            while (left := end - self._transport.monotonic()) > 0:
                self._client.pause()
                # Records of partitions that came just now were not paused yet: handled later.
                self._receive(min(left, 0.2))
                if self._stop.is_set() or partition in self._revoked:
                    return False
        finally:
            self._client.resume()
        return True

    def _give_back(self, partitions: set[Partition]) -> None:
        """Partitions go to another member: what is done is stored, the rest is handled there."""
        self._revoked |= partitions
        try:
            self._progress.settle(_SETTLE / 2)
        finally:
            self._progress.forget(partitions)
            self._ended -= partitions
            self._alone = 0
            self._pending = deque(
                record for record in self._pending if _partition(record) not in partitions
            )

    @contextmanager
    def _signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT; a thread that is not the main one cannot hear them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            if self._stop.is_set():
                # Asked twice: the handler in hand does not return, so interrupt it.
                raise KeyboardInterrupt
            self._stop.set()

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _is_hopeless(error: Exception) -> bool:
    """Whether neither waiting nor another message helps: a wrong address, a producer shut out."""
    return isinstance(error, ProducerEnded) or (
        isinstance(error, RegistryError) and not isinstance(error, RegistryUnavailable)
    )


def _partition(record: Record) -> Partition:
    return record.topic() or "", record.partition() or 0


def _place(record: Record) -> str:
    return f"{record.topic()}[{record.partition()}]@{record.offset()}"


def _options(settings: Settings, service: str, group: str) -> dict[str, object]:
    options = {**DEFAULTS, "client.id": service, **settings.options, **_FIXED, "group.id": group}
    for option in _PRODUCER_OPTIONS:
        options.pop(option, None)
    return options
