"""The consumer of a service for asyncio: every message is handled, kept, or comes again.

A message is committed after its handler has returned and what the handler sent has arrived. A
handler that fails is called again by policy. The group is served meanwhile, and what another member
takes over is left to it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from .async_dead_letters import DeadLetters
from .async_handling import Handling
from .async_inbox import Inbox
from .async_lanes import Lanes
from .async_transport import AsyncConsumerClient, connect
from .consumer_options import consumer_options
from .errors import DeliveryFailed, SettingsError, StubError
from .judging import Judge, Statistics
from .message import read_dead_letter, read_message
from .policy import Policy
from .progress import Progress, Step
from .reading import Reader, Route
from .replaying import Span
from .settings import Settings, read_seconds
from .transport import Partition, Record

_log: Final = logging.getLogger(__name__)
_BATCH: Final = 500
_LOAD_LIMIT: Final = 1000
"""How many received records may wait for their handler."""
_BACKLOG_LIMIT: Final = 10_000
"""How many records may be begun and not stored."""
_POLL: Final = 0.25
_SLICE: Final = 0.2
_SETTLE: Final = 10.0
"""How long, in seconds, stopping waits for events that are still on the way."""
_KEEP_ALIVE: Final = 30.0

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
        concurrency: int = 1,
        group: str | None = None,
        replay: bool = False,
    ) -> None:
        """`deletions` has, for each compacted topic, what is called for a key that was deleted.

        As many handlers as `concurrency` run at once, for messages of different keys. With `replay`
        it handles the dead letters of this service instead of its topics: those that were there
        when it was made, as the messages that they were. `drain` ends after them. Raises
        SettingsError when Kafka's client does not take the options.
        """
        if concurrency < 1:
            raise SettingsError(f"concurrency is {concurrency}; at least 1 handler must run")
        if concurrency > 1 and inbox is not None:
            raise SettingsError(
                "an inbox has one connection, so one handler at a time: leave concurrency at 1, "
                "and run more processes"
            )
        routes = tuple(routes)
        self._policy = policy or Policy()
        self._group = group or str(settings.options.get("group.id") or service)
        self._transport = connect(settings)
        self._dead_letters = DeadLetters(self._transport, settings, service, self._group)
        self._topics = sorted({route.type.topic for route in routes})
        read, self._span, member_of = read_message, Span(), self._group
        if replay:
            # What fails again while it is replayed becomes a new dead letter, for another replay.
            read, self._span = read_dead_letter, Span(time.time_ns() // 1_000_000)
            self._topics = [self._dead_letters.topic_of(topic) for topic in self._topics]
            member_of = f"{self._group}.replay"
        reader = Reader(self._transport.registry(), routes, ignored, deletions, read)
        self._judge = Judge(self._policy)
        handling = Handling(reader, self._judge, inbox, self._dead_letters, self._group, self._wait)
        self._lanes = Lanes(concurrency, handling.handle)
        options = consumer_options(settings, service, member_of, defaults=_DEFAULTS, fixed={})
        self._commit_interval = read_seconds(options, "auto.commit.interval.ms")
        self._committed_at = self._polled_at = 0.0
        self._client: AsyncConsumerClient = self._transport.consumer(options)
        self._progress = Progress(self._client)
        self._is_joined = self._is_closed = self._is_paused = False

    @property
    def statistics(self) -> Statistics:
        """The numbers as they are now."""
        return self._judge.statistics()

    async def run(self) -> None:
        """Handle messages until `stop`, SIGTERM or SIGINT; the messages in hand are finished first.

        They have as long as the policy's `stop_within`; what is not finished then comes again.
        Raises what the policy does not cover: MessageFailed where it says FAIL, DeliveryFailed when
        an event that a handler sent did not arrive, RegistryError when the registry refuses this
        service, StubError when Kafka does. Nothing unhandled is committed then.
        """
        _log.info("%s consumes %s", self._group, ", ".join(self._topics))
        with self._signals():
            while not self._lanes.is_stopping:
                await self._step(_POLL)
            await self._finish()

    async def drain(self, idle: float | None = None) -> None:
        """Handle what is there and return when nothing more has come for `idle` seconds.

        Raises as `run` does.
        """
        quiet = self._transport.idle if idle is None else idle
        while await self._step(quiet) and not self._lanes.is_stopping:
            await self._lanes.settle()
        self._raise_failure()
        await self._settle(_SETTLE)
        await self._client.commit()

    def stop(self) -> None:
        """Make `run` return after the messages in hand."""
        self._lanes.is_stopping = True

    def pause(self) -> None:
        """Take no more messages until `resume`, but stay in the group."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on after `pause`."""
        self._is_paused = False
        if self._is_joined:
            self._client.resume()

    async def close(self) -> None:
        """Finish what is in hand, commit what was handled, and leave the group."""
        if self._is_closed:
            return
        self._is_closed = True
        self.stop()
        try:
            if self._is_joined:
                await self._finish()
        finally:
            if self._is_joined:
                await self._client.close()
            await self._dead_letters.close()

    async def __aenter__(self) -> Self:
        await self._client.start(self._topics, self._give_back)
        self._is_joined = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _step(self, timeout: float) -> bool:
        """Take what is there and have it handled; whether there was anything."""
        if not self._is_joined or self._is_closed:
            raise StubError(
                "this consumer is in no group: use it inside `async with Consumer(...)`"
            )
        self._raise_failure()
        limit = await self._room(timeout)
        records: list[Record] = []
        if limit:
            if self._is_paused:
                self._client.pause()
            records = await self._client.receive(limit, timeout if limit > 1 else 0)
            self._polled_at = asyncio.get_running_loop().time()
            for record in records:
                if self._span.takes(record):
                    self._lanes.put(self._progress.begin(record))
        self._progress.store()
        await self._commit_in_time()
        return bool(records) or not limit

    async def _room(self, timeout: float) -> int:
        """How many records may be received; waits for room a little."""
        if await self._lanes.wait_until_below(_LOAD_LIMIT, timeout):
            if self._progress.backlog() < _BACKLOG_LIMIT:
                return _BATCH
            await asyncio.sleep(_SLICE / 10)
        # Whoever receives nothing for long is thrown out of the group (`max.poll.interval.ms`).
        is_late = asyncio.get_running_loop().time() >= self._polled_at + _KEEP_ALIVE
        return 1 if is_late else 0

    async def _commit_in_time(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._committed_at + self._commit_interval:
            self._committed_at = now
            await self._client.commit()

    async def _finish(self) -> None:
        """End what is in hand, within the bound, and commit what is done."""
        if not await self._lanes.settle(self._policy.stop_within):
            _log.warning(
                "handlers did not end within %.0f seconds; their messages come again",
                self._policy.stop_within,
            )
            await self._lanes.cancel()
        failure, self._lanes.failure = self._lanes.failure, None
        try:
            await self._settle(_SETTLE)
        finally:
            await self._client.commit()
        if failure is not None:
            raise failure

    async def _settle(self, timeout: float) -> None:
        """Wait for what handlers have sent, then store. Raises DeliveryFailed."""
        try:
            async with asyncio.timeout(timeout):
                for delivery in self._progress.on_the_way():
                    await delivery.wait()
        except TimeoutError:
            _log.warning("what handlers sent did not arrive in time; their messages come again")
        self._progress.store()

    def _raise_failure(self) -> None:
        failure, self._lanes.failure = self._lanes.failure, None
        if failure is not None:
            # Nothing is begun any more: what this record was part of may not go on without it.
            self.stop()
            raise failure

    async def _wait(self, step: Step, delay: float) -> bool:
        """Wait for the next attempt; False when the record is left to a later owner meanwhile."""
        end = self._transport.monotonic() + delay
        while (left := end - self._transport.monotonic()) > 0:
            if self._lanes.is_stopping or self._lanes.failure is not None or step.is_lost:
                return False
            await self._transport.sleep(min(left, _SLICE))
        return True

    async def _give_back(self, partitions: set[Partition]) -> None:
        """Partitions go to another member: what is done is stored, the rest is handled there."""
        self._progress.lose(partitions)
        await self._lanes.give_back(partitions, _SETTLE / 2)
        try:
            await self._settle(_SETTLE / 2)
        except DeliveryFailed as error:
            # Kafka's client awaits this, and would only log it.
            self._lanes.failure = self._lanes.failure or error
        finally:
            self._progress.forget(partitions)
            self._span.forget(partitions)

    @contextmanager
    def _signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT; a thread that is not the main one cannot hear them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def stop() -> None:
            if self._lanes.is_stopping and task is not None:
                # Asked twice: a handler in hand does not return, so interrupt it.
                task.cancel()
            self.stop()

        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.getsignal(number) for number in numbers}
        try:
            for number in numbers:
                loop.add_signal_handler(number, stop)
        except NotImplementedError:
            # Windows: asyncio.run cancels this task on SIGINT, which leaves in order as well.
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)
