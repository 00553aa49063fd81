"""How a consumer works through what it has received: one by one, in batches, in transactions.

All of them in its own thread; with several threads it is `workers`.
"""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Final

from ..errors import TransactionFailed
from ..kafka.transport import ConsumerClient, Partition, Record
from ..messages.reading import NotConsumed
from ..metrics import MessageOutcome
from ..policy import Policy
from ..producing.delivery import Delivery
from .batching import Batch, Batched, Call
from .control import Control
from .handling import Handling, Wait
from .judging import is_hopeless, is_passing, place_of
from .progress import Outcome, Progress, Step

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..producing.producer import EventProducer

_log: Final = logging.getLogger(__name__)


class OwnThread:
    """Nothing is in hand while the group is served."""

    def has_room(self, timeout: float) -> bool:
        """There always is."""
        return True

    def settle(self, timeout: float | None) -> bool:
        """There is nothing to wait for."""
        return True

    def give_back(self, partitions: set[Partition], timeout: float) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """There is nothing to end."""


class OneByOne(OwnThread):
    """Handles record after record; each is stored when it is done."""

    def __init__(
        self, handling: Handling, progress: Progress, control: Control, wait: Wait
    ) -> None:
        self._handling = handling
        self._progress = progress
        self._control = control
        self._wait = wait

    def work(self, pending: deque[Record]) -> None:
        """Handle the records."""
        handle, progress, wait = self._handling.handle_alone, self._progress, self._wait
        control, until = self._control, self._control.until
        # What `goes_on` says, without a call for each record.
        while pending and not (control.is_stopping or control.is_paused) and monotonic() < until:
            handle(pending.popleft(), progress, wait)


class InBatches(OwnThread):
    """Hands over what was received together, and what fails together one by one."""

    def __init__(
        self, handling: Handling, progress: Progress, limit: int, control: Control, wait: Wait
    ) -> None:
        self._handling = handling
        self._progress = progress
        self._limit = limit
        self._control = control
        self._wait = wait

    def work(self, pending: deque[Record]) -> None:
        """Handle the records."""
        while pending and self._control.goes_on:
            batch = self._collect(pending)
            for call in batch:
                kept = call.without_lost()
                if kept.steps and not self._control.is_stopping:
                    self._call(kept)
            if not batch and pending:
                # One that cannot be read, or no event at all.
                self._handling.handle(self._progress.begin(pending.popleft()), self._wait)

    def _collect(self, pending: deque[Record]) -> Batch:
        """Take what can be handed over together, up to the first record that cannot be."""
        batch = Batch()
        # There may be more than were received at once: some waited, and others have come.
        for _ in range(min(self._limit, len(pending))):
            try:
                event, message, handle = self._handling.read(pending[0])
            except NotConsumed:
                step = self._progress.begin(pending.popleft())
                step.deliveries = []
                self._handling.judge.count("not_consumed")
                self._handling.tell_together([(step.partition[0], MessageOutcome.PASSED)], 0.0)
                continue
            except Exception:
                # It is read again when its turn comes, and judged then.
                break
            if not isinstance(handle, Batched):
                break
            batch.add(self._progress.begin(pending.popleft()), event, message, handle)
        return batch

    def _call(self, call: Call) -> None:
        start = perf_counter()
        try:
            call.handle.handle(call.received)
        except Exception as error:
            if is_hopeless(error):
                raise
            if len(call.steps) > 1:
                _log.info("handled one by one, since together it failed: %r", error)
            for step in call.steps:
                if not (step.is_lost or self._control.is_stopping):
                    self._handling.handle(step, self._wait)
        else:
            self._handling.judge.count_handled(len(call.steps))
            self._handling.tell_together(call.end(), perf_counter() - start)


class ExactlyOnce(OwnThread):
    """Commits what a handler sends and the offsets of what it handled in one transaction."""

    def __init__(
        self,
        handling: Handling,
        client: ConsumerClient,
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

    def work(self, pending: deque[Record]) -> None:
        """Handle the records."""
        while pending and self._control.goes_on:
            if self._alone:
                self._alone -= 1
                self._handle(Step.alone(pending.popleft()))
            else:
                self._handle_together(pending)

    def give_back(self, partitions: set[Partition], timeout: float) -> None:
        """What was to be handled alone may be gone: see anew."""
        self._alone = 0

    def _handle_together(self, pending: deque[Record]) -> None:
        """Handle all records in one transaction, which is much faster than one for each.

        When that fails, nothing of it counts, and the same records are handled one by one.
        """
        judge, done, start = self._handling.judge, list[Record](), perf_counter()
        outcomes: list[Outcome] = []
        before = judge.statistics()
        try:
            with self._transaction(done):
                for record in pending:
                    if done and not self._control.goes_on:
                        break
                    outcome = MessageOutcome.HANDLED
                    try:
                        self._handling.attempt(record)
                    except NotConsumed:
                        judge.count("not_consumed")
                        outcome = MessageOutcome.PASSED
                    done.append(record)
                    outcomes.append((record.topic() or "", outcome))
        except BaseException as error:
            judge.count_back_to(before)
            if not isinstance(error, Exception) or is_hopeless(error):
                raise
            if is_passing(error):
                self._waits += 1
                self._wait(Step.alone(pending[0]), self._policy.delay(self._waits))
            else:
                _log.info("handled one by one, since together it failed: %r", error)
                self._alone = min(len(done) + 1, len(pending))
        else:
            self._waits = 0
            for _ in done:
                pending.popleft()
            self._handling.tell_together(outcomes, perf_counter() - start)

    def _handle(self, step: Step) -> None:
        """Handle one record to the end; its offset is committed in a transaction as well."""
        outcome = self._handling.handle(step, self._wait, self._attempt)
        waits = 0
        while outcome in (MessageOutcome.PASSED, MessageOutcome.DEAD_LETTERED):
            try:
                with self._transaction([step.record]):
                    return
            except TransactionFailed as error:
                waits += 1
                _log.warning("%s: its offset was not committed: %s", place_of(step.record), error)
            if not self._wait(step, self._policy.delay(waits)):
                return

    def _attempt(self, record: Record) -> list[Delivery]:
        before = self._handling.judge.statistics()
        try:
            with self._transaction([record]):
                self._handling.attempt(record)
        except BaseException:
            self._handling.judge.count_back_to(before)
            raise
        return []

    def _transaction(self, done: list[Record]) -> AbstractContextManager[None]:
        return self._producer.transaction(positions=lambda: self._client.positions_after(done))
