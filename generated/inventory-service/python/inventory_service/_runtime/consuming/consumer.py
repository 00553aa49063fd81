"""The consumer of a service: every message is handled, kept as a dead letter, or comes again.

A message is committed after its handler has returned and what the handler sent has arrived. A
handler that fails is called again by policy. Waiting happens inside the consumer group: partitions
are paused, the group is served, and what another member takes over is left to it.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from ..errors import FirstError, StubError
from ..kafka.connection import connect
from ..kafka.consumer_options import consumer_options
from ..kafka.settings import Settings
from ..kafka.transport import Partition, Record, partition_of
from ..messages.message import read_dead_letter, read_message
from ..messages.reading import Reader, Route
from ..policy import Policy
from ..storage.inbox import Inbox
from .choices import check_choices, check_handlers, check_process
from .control import Control
from .dead_letters import DeadLetters
from .handling import Handling, MeasuredHandling
from .health import ConsumerHealth
from .judging import Judge, SharedJudge, Statistics
from .modes import ExactlyOnce, InBatches, OneByOne
from .progress import Progress, Step
from .replaying import Span
from .stopping import Interrupted, stop_on_signals
from .workers import Workers

if TYPE_CHECKING:
    from ..producing.producer import EventProducer

_log: Final = logging.getLogger(__name__)
_BATCH: Final = 500
"""How many records are received at once."""
_BACKLOG_LIMIT: Final = 10_000
"""How many records may be begun and not stored."""
_POLL: Final = 0.5
_SLICE: Final = 0.2
_SETTLE: Final = 10.0
"""How long, in seconds, stopping waits for events that are still on the way."""
_KEEP_ALIVE: Final = 3.0
"""After so many seconds the group is served although there is no need for more records."""

_DEFAULTS: Final[dict[str, object]] = {"partition.assignment.strategy": "cooperative-sticky"}
_FIXED: Final[dict[str, object]] = {
    # librdkafka commits, but only what was stored, and only handled messages are stored.
    "enable.auto.commit": True,
    "enable.auto.offset.store": False,
}


class _Mode(Protocol):
    """How what was received is handled: alone, in batches, in transactions, by several threads."""

    def work(self, pending: deque[Record]) -> None:
        """Take records and handle them, while the service wants it."""
        ...

    def has_room(self, timeout: float) -> bool:
        """Wait until more records may be received; False when the time is over before that."""
        ...

    def settle(self, timeout: float | None) -> bool:
        """Wait until nothing is in hand; False when the time is over before that."""
        ...

    def give_back(self, partitions: set[Partition], timeout: float) -> None:
        """Wait for what is in hand of these partitions, which are lost."""
        ...

    def close(self) -> None:
        """Begin nothing any more."""
        ...


class EventConsumer:
    """Consumes the events of one service as a member of its consumer group.

    Use it as a context: leaving it commits what was handled and leaves the group. One thread runs
    it; `stop`, `pause`, `resume` and `health` may be called from any.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        routes: Iterable[Route[Any]],
        *,
        ignored: Mapping[str, Collection[str]],
        deletions: Mapping[str, Callable[[Any], object]],
        policy: Policy | None = None,
        inbox: Inbox | None = None,
        exactly_once: EventProducer[Any] | None = None,
        concurrency: int = 1,
        batch: int | None = None,
        group: str | None = None,
        replay: bool = False,
    ) -> None:
        """`deletions` has, for each compacted topic, what is called for a key that was deleted.

        As many handlers as `concurrency` run at once, each in a thread of its own, for messages of
        different keys. With `batch`, the most messages of one, handlers get many at once. With
        `exactly_once`, the producer that the handler sends with, which has a transactional id, what
        is sent and how far the consumer is are committed in one transaction. With `replay` it
        handles the dead letters of this service instead of its topics: those that were there when
        it was made, as the messages that they were. `drain` ends after them. Raises SettingsError
        when Kafka's client does not take the options, and when two of these do not go together.
        """
        check_choices(service, policy, inbox, exactly_once, concurrency, batch)
        routes = tuple(routes)
        check_handlers([route.handle for route in routes], deletions.values(), awaits=False)
        self._transport = connect(settings)
        self._policy = policy or Policy()
        self._group = group or str(settings.options.get("group.id") or service)
        self._dead_letters = DeadLetters(self._transport, settings, service, self._group)
        self._topics = sorted({route.type.topic for route in routes})
        read, self._span, self._member_of = read_message, Span(), self._group
        if replay:
            # What fails again while it is replayed becomes a new dead letter, for another replay.
            read, self._span = read_dead_letter, Span(self._transport.now())
            self._topics = [self._dead_letters.topic_of(topic) for topic in self._topics]
            self._member_of = f"{self._group}.replay"
        reader = Reader(self._transport.registry(), routes, ignored, deletions, read)
        self._judge = (Judge if concurrency == 1 else SharedJudge)(self._policy)
        parts = (reader, self._judge, inbox, self._dead_letters, self._group)
        metrics = settings.metrics
        handling = Handling(*parts) if metrics is None else MeasuredHandling(*parts, metrics)
        options = consumer_options(
            settings, service, self._member_of, defaults=_DEFAULTS, fixed=_FIXED
        )
        self._client = self._transport.consumer(options)
        self._progress = Progress(self._client)
        self._control = Control()
        self._pending: deque[Record] = deque()
        self._revoked: set[Partition] = set()
        self._limit = batch or _BATCH
        self._is_closed = False
        self._process = os.getpid()
        self._is_held = False
        """Whether the client receives nothing, since the consumer is paused."""
        self._polled_at = self._transport.monotonic()
        self._end_by: float | None = None
        """When what is in hand must be done: some time after the consumer was stopped."""
        self._settle_by: float | None = None
        """When what was sent must have arrived: some time after what was in hand."""
        self._bound = f"within {self._policy.stop_within:g} seconds"
        """Until when it had time, for people."""
        self._is_late = False
        """Whether a handler did not return until then."""
        self._exactly_once = exactly_once
        self._interrupts = concurrency == 1
        """Whether handlers run in the thread that runs the consumer, where a signal ends them."""
        self._mode: _Mode
        control, progress = self._control, self._progress
        if exactly_once is not None:
            self._mode = ExactlyOnce(
                handling, self._client, exactly_once, self._policy, control, self._wait
            )
        elif concurrency > 1:
            self._mode = Workers(concurrency, handling, progress, self._transport, control)
        elif batch is not None:
            self._mode = InBatches(handling, progress, batch, control, self._wait)
        else:
            self._mode = OneByOne(handling, progress, control, self._wait)
        self._client.subscribe(self._topics, self._give_back)

    @property
    def group(self) -> str:
        """The consumer group that it is a member of."""
        return self._member_of

    @property
    def statistics(self) -> Statistics:
        """The numbers as they are now."""
        return self._judge.statistics()

    def health(self) -> ConsumerHealth:
        """How the consumer is, for the probes of the platform. Asks nobody, so it is fast."""
        control = self._control
        is_running = not (control.is_stopping or control.has_failed or self._is_closed)
        return ConsumerHealth(
            is_running=is_running,
            is_paused=control.is_paused,
            silence=max(0.0, self._transport.monotonic() - self._polled_at),
            lag={} if self._is_closed else self._client.lag(),
            backlog=0 if self._is_closed else self._progress.backlog() + len(self._pending),
        )

    def run(self) -> None:
        """Handle messages until `stop`, SIGTERM or SIGINT; the messages in hand are finished first.

        They have as long as the policy's `stop_within`; what is not finished then is interrupted,
        where Python can do that, and comes again. Raises what the policy does not cover:
        MessageFailed where it says FAIL, DeliveryFailed when an event that a handler sent did not
        arrive, RegistryError when the registry refuses this service, StubError when Kafka does or
        the connection of the inbox is gone. Nothing unhandled is committed then.
        """
        self._check_open()
        _log.info("%s consumes %s", self._group, ", ".join(self._topics))
        bound = self._policy.stop_within if self._interrupts else None
        try:
            with self._control.running(), stop_on_signals(self.stop, bound):
                while not self._control.is_stopping:
                    self._step(_POLL)
        except Interrupted:
            self._tell_late()
        except KeyboardInterrupt:
            # Asked twice: leaving does not wait for a thread whose handler does not return.
            self._end_by = self._transport.monotonic()
            self._bound = "before the consumer was interrupted"
            raise
        self._finish()

    def drain(self, idle: float | None = None) -> None:
        """Handle what is there and return when nothing more has come for `idle` seconds.

        Raises as `run` does.
        """
        self._check_open()
        quiet = self._transport.idle if idle is None else idle
        with self._control.running():
            while self._step(quiet) and not self._control.is_stopping:
                self._mode.settle(None)
            self._finish()

    def stop(self) -> None:
        """Make `run` return after the messages in hand."""
        if self._end_by is None:
            self._end_by = self._transport.monotonic() + self._policy.stop_within
        self._control.is_stopping = True

    def pause(self) -> None:
        """Begin no more messages until `resume`, but stay in the group."""
        self._control.is_paused = True

    def resume(self) -> None:
        """Go on after `pause`."""
        self._control.is_paused = False

    def close(self) -> None:
        """Finish what is in hand, commit what was handled, and leave the group."""
        if self._is_closed or self._process != os.getpid():
            return
        self.stop()
        self._mode.close()
        first = FirstError()
        with first:
            self._finish()
        self._is_closed = True
        with first:
            self._client.close()
        first.raise_new()

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

    def _check_open(self) -> None:
        check_process(self._process)
        if self._is_closed:
            raise StubError("this consumer is closed; make a new one")

    def _step(self, timeout: float) -> bool:
        """Take what is there and have it handled; whether there was anything."""
        self._check_open()
        if self._exactly_once is not None:
            # What a predecessor has open is ended before this one asks where to begin.
            self._exactly_once.take_over()
        if self._control.is_paused:
            self._serve(timeout)
            return False
        if self._is_held:
            self._client.resume()
            self._is_held = False
        if self._pending:
            # Whoever handles these has returned so that the group is served.
            self._receive(1, 0)
        is_busy = bool(self._pending) or self._take(timeout)
        self._control.until = time.monotonic() + _KEEP_ALIVE
        first = FirstError()
        with first:
            self._mode.work(self._pending)
        with first:
            self._progress.store()
        first.raise_new()
        return is_busy

    def _take(self, timeout: float) -> bool:
        """Receive records when there is room for them; whether there were any or was none."""
        if self._has_room(timeout):
            return self._receive(self._limit, timeout)
        if self._transport.monotonic() >= self._polled_at + _KEEP_ALIVE:
            # Whoever receives nothing for long cannot give partitions back, and is thrown out of
            # the group in the end. Pausing would throw away what was fetched already.
            self._receive(1, 0)
        return True

    def _has_room(self, timeout: float) -> bool:
        """Wait a little until more records may be received; whether they may."""
        if not self._mode.has_room(timeout):
            return False
        if self._progress.backlog() < _BACKLOG_LIMIT:
            return True
        self._progress.settle(_SETTLE)
        if self._progress.backlog() < _BACKLOG_LIMIT:
            return True
        # One that is in hand for long keeps those after it, which are done, from being stored.
        self._transport.sleep(_SLICE)
        return False

    def _receive(self, limit: int, timeout: float) -> bool:
        """Wait for records and keep them as pending; whether there were any."""
        # Kafka calls `_give_back` in the midst of this, which drops pending records: what is
        # received comes after it, and must not be lost with them.
        records = self._client.receive(limit, timeout)
        self._polled_at = self._transport.monotonic()
        self._pending += self._span.take(records)
        return bool(records)

    def _serve(self, timeout: float) -> None:
        """Serve the group for so long without receiving anything."""
        self._progress.store()
        self._is_held = True
        end = self._transport.monotonic() + timeout
        while (left := end - self._transport.monotonic()) > 0:
            self._client.pause()
            # Records of partitions that came just now were not paused yet: handled later.
            self._receive(self._limit, min(left, _SLICE))
            if self._control.is_stopping or not self._control.is_paused:
                return

    def _wait(self, step: Step, delay: float) -> bool:
        """Wait as a living member of the group; False when the record is not ours any more."""
        partition = partition_of(step.record)
        self._revoked.clear()
        self._progress.store()
        end = self._transport.monotonic() + delay
        try:
            while self._control.is_paused or self._transport.monotonic() < end:
                left = end - self._transport.monotonic()
                self._client.pause()
                self._receive(self._limit, min(max(left, 0.01), _SLICE))
                if self._control.is_stopping or partition in self._revoked:
                    return False
        finally:
            self._client.resume()
        return True

    def _give_back(self, partitions: set[Partition]) -> None:
        """Partitions go to another member: what is done is stored, the rest is handled there."""
        self._revoked |= partitions
        self._progress.lose(partitions)
        # In place: whoever works on what is pending may be waiting just now.
        kept = [record for record in self._pending if partition_of(record) not in partitions]
        self._pending.clear()
        self._pending += kept
        left = self._time_left()
        self._mode.give_back(partitions, _SETTLE / 2 if left is None else min(left, _SETTLE / 2))
        try:
            self._settle(_SETTLE / 2)
        finally:
            self._progress.forget(partitions)
            self._span.forget(partitions)

    def _finish(self) -> None:
        """Wait for what is in hand and for what it has sent, within the bound, then store."""
        first = FirstError()
        with first:
            if not self._mode.settle(self._time_left()) and self._control.is_stopping:
                self._tell_late()
        if self._settle_by is None and self._control.is_stopping:
            self._settle_by = time.monotonic() + _SETTLE
        with first:
            self._settle(_SETTLE)
        first.raise_new()

    def _settle(self, timeout: float) -> None:
        """Wait for events on the way, for so many seconds or what stopping leaves, then store.

        Raises DeliveryFailed.
        """
        if self._settle_by is not None:
            timeout = min(timeout, max(0.0, self._settle_by - time.monotonic()))
        if not self._progress.settle(timeout) and timeout:
            _log.warning("what handlers sent did not arrive in time; their messages come again")

    def _time_left(self) -> float | None:
        """Seconds that what is in hand still has; None as long as nobody stops the consumer."""
        if self._end_by is None:
            return None
        return max(0.0, self._end_by - self._transport.monotonic())

    def _tell_late(self) -> None:
        """Say it once: leaving the consumer waits, and gives up, once more after `run` did."""
        if not self._is_late:
            self._is_late = True
            _log.warning("a handler did not return %s; its message comes again", self._bound)
