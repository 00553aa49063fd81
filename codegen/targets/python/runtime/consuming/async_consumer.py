"""The consumer of a service for asyncio: every message is handled, kept, or comes again.

A message is committed after its handler has returned and what the handler sent has arrived. A
handler that fails is called again by policy. The group is served meanwhile, and what another member
takes over is left to it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from ..errors import DeliveryFailed, FirstError, StubError
from ..kafka.async_connection import connect
from ..kafka.async_transport import AsyncConsumerClient
from ..kafka.consumer_options import consumer_options
from ..kafka.settings import Settings, read_seconds
from ..kafka.transport import Partition
from ..messages.message import read_dead_letter, read_message
from ..messages.reading import Reader, Route
from ..policy import Policy
from ..storage.async_inbox import Inbox
from .async_dead_letters import DeadLetters
from .async_handling import Handling, MeasuredHandling
from .async_modes import ExactlyOnce, InBatches, OneByOne
from .async_stopping import stop_on_signals
from .async_workers import Mode, Workers
from .choices import check_choices, check_handlers, check_process
from .control import Control
from .health import ConsumerHealth
from .judging import Judge, Statistics
from .progress import Nowhere, Progress, Step
from .replaying import Span

if TYPE_CHECKING:
    from ..producing.async_producer import EventProducer

_log: Final = logging.getLogger(__name__)
_BATCH: Final = 500
"""How many records are received at once."""
_LOAD_LIMIT: Final = 1000
"""How many received records may wait for their handler."""
_BACKLOG_LIMIT: Final = 10_000
"""How many records may be begun and not stored."""
_POLL: Final = 0.25
_SLICE: Final = 0.2
_SETTLE: Final = 10.0
"""How long, in seconds, stopping waits for events that are still on the way."""
_KEEP_ALIVE: Final = 30.0
"""After so many seconds the group is served although there is no room for more records."""

# aiokafka has no cooperative rebalancing.
_DEFAULTS: Final[Mapping[str, object]] = {"partition.assignment.strategy": "roundrobin"}


class EventConsumer:
    """Consumes the events of one service as a member of its consumer group.

    Use it as a context: entering it joins the group; leaving it commits what was handled and leaves
    the group. It belongs to one event loop.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        routes: Iterable[Route[Any]],
        *,
        ignored: Mapping[str, Collection[str]],
        deletions: Mapping[str, Callable[[Any], Awaitable[object]]],
        policy: Policy | None = None,
        inbox: Inbox | None = None,
        exactly_once: EventProducer[Any] | None = None,
        concurrency: int = 1,
        batch: int | None = None,
        group: str | None = None,
        replay: bool = False,
    ) -> None:
        """`deletions` has, for each compacted topic, what is called for a key that was deleted.

        As many handlers as `concurrency` run at once, for messages of different keys. With `batch`,
        the most messages of one, handlers get many at once. With `exactly_once`, the producer that
        the handler sends with, which has a transactional id, what is sent and how far the consumer
        is are committed in one transaction. With `replay` it handles the dead letters of this
        service instead of its topics: those that were there when it was made, as the messages that
        they were. `drain` ends after them. Raises SettingsError when Kafka's client does not take
        the options, and when two of these do not go together.
        """
        check_choices(service, policy, inbox, exactly_once, concurrency, batch)
        self._transport = connect(settings)
        routes = tuple(routes)
        check_handlers([route.handle for route in routes], deletions.values(), awaits=True)
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
        self._judge = Judge(self._policy)
        parts = (reader, self._judge, inbox, self._dead_letters, self._group)
        metrics = settings.metrics
        handling = Handling(*parts) if metrics is None else MeasuredHandling(*parts, metrics)
        options = consumer_options(settings, service, self._member_of, defaults=_DEFAULTS, fixed={})
        self._commit_interval = read_seconds(options, "auto.commit.interval.ms")
        self._client: AsyncConsumerClient = self._transport.consumer(options)
        self._exactly_once = exactly_once
        # Offsets that belong to a transaction are committed by it, and nowhere else.
        self._progress = Progress(self._client if exactly_once is None else Nowhere())
        self._control = Control()
        mode: Mode
        if exactly_once is not None:
            mode = ExactlyOnce(
                handling, self._client, exactly_once, self._policy, self._control, self._wait
            )
        elif batch is not None:
            mode = InBatches(handling, batch, self._control, self._wait)
        else:
            mode = OneByOne(handling, self._wait)
        self._workers = Workers(concurrency, mode, self._control)
        self._polled_at = self._committed_at = self._transport.monotonic()
        self._is_joined = self._is_closed = False
        self._process = os.getpid()
        self._end_by: float | None = None
        """When what is in hand must be done: some time after the consumer was stopped."""
        self._settle_by: float | None = None
        """When what was sent must have arrived: some time after what was in hand."""
        self._bound = f"within {self._policy.stop_within:g} seconds"
        """Until when it had time, for people."""
        self._is_late = False
        """Whether handlers did not end until then."""

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
        has_failed = control.has_failed or self._workers.has_failed
        has_ended = control.is_stopping or has_failed or self._is_closed
        return ConsumerHealth(
            is_running=self._is_joined and not has_ended,
            is_paused=control.is_paused,
            silence=max(0.0, self._transport.monotonic() - self._polled_at),
            lag=self._client.lag() if self._is_joined and not self._is_closed else {},
            backlog=0 if self._is_closed else self._progress.backlog(),
        )

    async def run(self) -> None:
        """Handle messages until `stop`, SIGTERM or SIGINT; the messages in hand are finished first.

        They have as long as the policy's `stop_within`; what is not finished then is cancelled, and
        comes again. Raises what the policy does not cover: MessageFailed where it says FAIL,
        DeliveryFailed when an event that a handler sent did not arrive, RegistryError when the
        registry refuses this service, StubError when Kafka does or the connection of the inbox is
        gone. Nothing unhandled is committed then.
        """
        self._check_open()
        _log.info("%s consumes %s", self._group, ", ".join(self._topics))
        with self._control.running(), stop_on_signals(self.stop, self._interrupt):
            while not self._control.is_stopping:
                await self._step(_POLL)
            await self._finish()

    async def drain(self, idle: float | None = None) -> None:
        """Handle what is there and return when nothing more has come for `idle` seconds.

        Raises as `run` does.
        """
        self._check_open()
        quiet = self._transport.idle if idle is None else idle
        is_busy = True
        with self._control.running():
            while is_busy and not self._control.is_stopping:
                is_busy = await self._step(quiet)
                await self._workers.settle()
            self._workers.raise_failure()
            await self._settle(_SETTLE)
            await self._client.commit()

    def stop(self) -> None:
        """Make `run` return after the messages in hand."""
        if self._end_by is None:
            self._end_by = self._transport.monotonic() + self._policy.stop_within
        self._control.is_stopping = True
        self._workers.tell()

    def pause(self) -> None:
        """Begin no more messages until `resume`, but stay in the group."""
        self._control.is_paused = True

    def resume(self) -> None:
        """Go on after `pause`."""
        self._control.is_paused = False
        self._workers.tell()
        if self._is_joined and not self._is_closed:
            self._client.resume()

    async def close(self) -> None:
        """Finish what is in hand, commit what was handled, and leave the group."""
        if self._is_closed or self._process != os.getpid():
            return
        self.stop()
        first = FirstError()
        if self._is_joined:
            with first:
                await self._finish()
        self._is_closed = True
        if self._is_joined:
            with first:
                await self._client.close()
        with first:
            await self._dead_letters.close()
        first.raise_new()

    async def __aenter__(self) -> Self:
        producer = self._exactly_once
        if producer is not None and not producer.is_connected:
            raise StubError(
                "the producer for exactly_once is not connected: enter it first, "
                "`async with Producer(...) as producer, Consumer(..., exactly_once=producer)`"
            )
        await self._client.start(self._topics, self._give_back, settled=producer is not None)
        self._is_joined = True
        self._polled_at = self._committed_at = self._transport.monotonic()
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

    def _check_open(self) -> None:
        check_process(self._process)
        if not self._is_joined or self._is_closed:
            raise StubError(
                "this consumer is in no group: use it inside `async with Consumer(...)`"
            )

    async def _step(self, timeout: float) -> bool:
        """Take what is there and have it handled; whether there was anything."""
        self._check_open()
        self._workers.raise_failure()
        limit = await self._room(timeout)
        received = 0
        if limit:
            if self._control.is_paused:
                self._client.pause()
            records = await self._client.receive(limit, timeout if limit > 1 else 0)
            received = len(records)
            self._polled_at = self._transport.monotonic()
            for record in self._span.take(records):
                self._workers.put(self._progress.begin(record))
        self._progress.store()
        await self._commit_in_time()
        return bool(received) or not limit

    async def _room(self, timeout: float) -> int:
        """How many records may be received; waits for room a little."""
        if await self._workers.wait_until_below(_LOAD_LIMIT, timeout):
            if self._progress.backlog() < _BACKLOG_LIMIT:
                return _BATCH
            await asyncio.sleep(_SLICE / 10)
        # Whoever receives nothing for long is thrown out of the group (`max.poll.interval.ms`).
        is_late = self._transport.monotonic() >= self._polled_at + _KEEP_ALIVE
        return 1 if is_late else 0

    async def _commit_in_time(self) -> None:
        now = self._transport.monotonic()
        if now >= self._committed_at + self._commit_interval:
            self._committed_at = now
            await self._client.commit()

    def _interrupt(self) -> None:
        """What is in hand has no more time."""
        self._end_by = self._transport.monotonic()
        self._bound = "before the consumer was interrupted"

    async def _finish(self) -> None:
        """End what is in hand, within the bound, and commit what is done."""
        left: float | None = None
        if self._end_by is not None:
            left = max(0.0, self._end_by - self._transport.monotonic())
        if not await self._workers.settle(left):
            if not self._is_late:
                self._is_late = True
                _log.warning("handlers did not end %s; their messages come again", self._bound)
            await self._workers.cancel()
        first = FirstError()
        with first:
            self._workers.raise_failure()
        if self._settle_by is None and self._control.is_stopping:
            self._settle_by = time.monotonic() + _SETTLE
        with first:
            await self._settle(_SETTLE)
        with first:
            await self._client.commit()
        first.raise_new()

    async def _settle(self, timeout: float) -> None:
        """Wait for events on the way, for so many seconds or what stopping leaves, then store.

        Raises DeliveryFailed.
        """
        if self._settle_by is not None:
            timeout = min(timeout, max(0.0, self._settle_by - time.monotonic()))
        try:
            async with asyncio.timeout(timeout):
                for delivery in self._progress.on_the_way():
                    await delivery.wait()
        except TimeoutError:
            if timeout:
                _log.warning("what handlers sent did not arrive in time; their messages come again")
        self._progress.store()

    async def _wait(self, step: Step, delay: float) -> bool:
        """Wait for the next attempt; False when the record is left to a later owner meanwhile."""
        end = self._transport.monotonic() + delay
        while self._control.is_paused or self._transport.monotonic() < end:
            if self._workers.drops(step):
                return False
            left = end - self._transport.monotonic()
            await self._transport.sleep(min(max(left, 0.01), _SLICE))
        return not self._workers.drops(step)

    async def _give_back(self, partitions: set[Partition]) -> None:
        """Partitions go to another member: what is done is stored, the rest is handled there."""
        self._progress.lose(partitions)
        await self._workers.give_back(_SETTLE / 2)
        try:
            await self._settle(_SETTLE / 2)
        except DeliveryFailed as error:
            # Kafka's client awaits this, and would only log it.
            self._workers.fail(error)
        finally:
            self._progress.forget(partitions)
            self._span.forget(partitions)
