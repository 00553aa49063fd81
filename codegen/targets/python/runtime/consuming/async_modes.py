"""How an asyncio consumer works through what it has received: one by one, batches, transactions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from ..errors import TransactionFailed
from ..kafka.async_transport import AsyncConsumerClient
from ..messages.reading import NotConsumed
from ..metrics import MessageOutcome
from ..policy import Policy
from .async_handling import Handling, Wait, run_handler
from .async_workers import Queue
from .batching import Batch, Batched, Call
from .control import Control
from .judging import is_hopeless, is_passing, place_of
from .progress import Outcome, Step

if TYPE_CHECKING:
    from ..producing.async_delivery import Delivery
    from ..producing.async_producer import EventProducer

_log: Final = logging.getLogger(__name__)
_TOGETHER: Final = 500
"""The most records of one transaction."""
_LONGEST: Final = 10.0
"""After so many seconds no more records join a transaction: Kafka rolls back what lasts long."""


class OneByOne:
    """Handles record after record."""

    def __init__(self, handling: Handling, wait: Wait) -> None:
        self._handling = handling
        self._wait = wait

    async def work(self, queue: Queue) -> None:
        """Handle the next one."""
        await self._handling.handle(queue.take(), self._wait)


class InBatches:
    """Hands over what was received together, and what fails together one by one."""

    def __init__(self, handling: Handling, limit: int, control: Control, wait: Wait) -> None:
        self._handling = handling
        self._limit = limit
        self._control = control
        self._wait = wait

    async def work(self, queue: Queue) -> None:
        """Handle the next ones."""
        batch = await self._collect(queue)
        for call in batch:
            kept = call.without_lost()
            if kept.steps and not self._control.is_stopping:
                await self._call(kept)
        if not batch and queue.waiting:
            # One that cannot be read, or no event at all.
            await self._handling.handle(queue.take(), self._wait)

    async def _collect(self, queue: Queue) -> Batch:
        """Take what can be handed over together, up to the first record that cannot be."""
        batch = Batch()
        while queue.waiting and len(queue.in_hand) < self._limit:
            step = queue.waiting[0]
            try:
                event, message, handle = await self._handling.read(step.record)
            except NotConsumed:
                step.deliveries = []
                self._handling.judge.count("not_consumed")
                self._handling.tell_together([(step.partition[0], MessageOutcome.PASSED)], 0.0)
            except Exception:
                # It is read again when its turn comes, and judged then.
                break
            else:
                if not isinstance(handle, Batched):
                    break
                batch.add(step, event, message, handle)
            if queue.waiting and queue.waiting[0] is step:
                queue.take()
        return batch

    async def _call(self, call: Call) -> None:
        start = perf_counter()
        try:
            await run_handler(call.handle.handle(call.received))
        except Exception as error:
            if is_hopeless(error):
                raise
            if len(call.steps) > 1:
                _log.info("handled one by one, since together it failed: %r", error)
            for step in call.steps:
                if not (step.is_lost or self._control.is_stopping):
                    await self._handling.handle(step, self._wait)
        else:
            self._handling.judge.count_handled(len(call.steps))
            self._handling.tell_together(call.end(), perf_counter() - start)


class ExactlyOnce:
    """Commits what a handler sends and the offsets of what it handled in one transaction."""

    def __init__(
        self,
        handling: Handling,
        client: AsyncConsumerClient,
        producer: EventProducer[Any],
        policy: Policy,
        control: Control,
        wait: Wait,
    ) -> None:
        self._handling = handling
        self._client = client
        self._producer = producer
        self._policy = policy
        self._control = control
        self._wait = wait
        self._alone = 0
        """How many of the next records are handled in a transaction of their own."""
        self._waits = 0
        """How often the group or the coordinator has refused the same records."""

    async def work(self, queue: Queue) -> None:
        """Handle the next ones."""
        if self._alone:
            self._alone -= 1
            await self._handle(queue.take())
        else:
            await self._handle_together(queue)

    async def _handle_together(self, queue: Queue) -> None:
        """Handle all records in one transaction, which is much faster than one for each.

        When that fails, nothing of it counts, and the same records are handled one by one.
        """
        judge, start = self._handling.judge, perf_counter()
        before = judge.statistics()
        done: list[Step] = []
        outcomes: list[Outcome] = []
        try:
            async with self._transaction(done):
                while queue.waiting and len(done) < _TOGETHER:
                    is_late = perf_counter() - start > _LONGEST
                    if done and (is_late or not self._control.goes_on):
                        break
                    step = queue.take()
                    outcome = MessageOutcome.HANDLED
                    try:
                        await self._handling.attempt(step)
                    except NotConsumed:
                        judge.count("not_consumed")
                        outcome = MessageOutcome.PASSED
                    done.append(step)
                    outcomes.append((step.partition[0], outcome))
        except BaseException as error:
            judge.count_back_to(before)
            if not isinstance(error, Exception) or is_hopeless(error):
                raise
            queue.put_back()
            if is_passing(error):
                self._waits += 1
                if queue.waiting:
                    await self._wait(queue.waiting[0], self._policy.delay(self._waits))
            else:
                _log.info("handled one by one, since together it failed: %r", error)
                self._alone = min(len(done) + 1, len(queue.waiting))
        else:
            self._waits = 0
            for step in done:
                step.deliveries = []
            self._handling.tell_together(outcomes, perf_counter() - start)

    async def _handle(self, step: Step) -> None:
        """Handle one record to the end; its offset is committed in a transaction as well."""
        outcome = await self._handling.handle(step, self._wait, self._attempt)
        waits = 0
        while outcome in (MessageOutcome.PASSED, MessageOutcome.DEAD_LETTERED):
            try:
                async with self._transaction([step]):
                    return
            except TransactionFailed as error:
                waits += 1
                _log.warning("%s: its offset was not committed: %s", place_of(step.record), error)
            if not await self._wait(step, self._policy.delay(waits)):
                return

    async def _attempt(self, step: Step) -> list[Delivery]:
        before = self._handling.judge.statistics()
        try:
            async with self._transaction([step]):
                await self._handling.attempt(step)
        except BaseException:
            self._handling.judge.count_back_to(before)
            raise
        return []

    def _transaction(self, done: Sequence[Step]) -> AbstractAsyncContextManager[None]:
        def positions() -> tuple[Any, Any]:
            if any(step.is_lost for step in done):
                raise TransactionFailed("its partitions went to another member meanwhile")
            return self._client.positions_after([step.record for step in done])

        return self._producer.transaction(positions=positions)
