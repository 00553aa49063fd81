"""What a consumer does with one record: read it, handle it, try again, or give it up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from time import perf_counter
from typing import Any, TypeAlias

from ..errors import InboxLost, InboxUnavailable, SettingsError
from ..kafka.transport import Record
from ..messages.message import Message
from ..messages.reading import Reader
from ..metrics import MessageOutcome, MessagingMetrics
from ..producing.delivery import Delivery
from ..storage.inbox import Inbox
from .dead_letters import DeadLetters
from .judging import Again, Judge, Verdict
from .progress import Outcome, Progress, Step

Wait: TypeAlias = Callable[[Step, float], bool]
"""Waits so many seconds; False when the record is left to a later owner meanwhile."""
Attempt: TypeAlias = Callable[[Record], list[Delivery]]


class Handling:
    """Handles records of one service. Several threads may, unless there is an inbox."""

    def __init__(
        self,
        reader: Reader,
        judge: Judge,
        inbox: Inbox | None,
        dead_letters: DeadLetters,
        group: str,
    ) -> None:
        self.judge = judge
        self._reader = reader
        self._inbox = inbox
        self._dead_letters = dead_letters
        self._group = group

    def handle(self, step: Step, wait: Wait, attempt: Attempt | None = None) -> MessageOutcome:
        """Handle one record to the end, or leave it to whoever has its partition next.

        `attempt` is what is tried, `attempt` of this class unless given. Raises what the policy
        does not cover.
        """
        attempt = attempt or self.attempt
        try:
            step.deliveries = attempt(step.record)
            return MessageOutcome.HANDLED
        except Exception as error:
            verdict = self.judge.judge(step, error)
        return self._go_on(step, verdict, wait, attempt)

    def handle_alone(self, record: Record, progress: Progress, wait: Wait) -> MessageOutcome:
        """As `handle`, for a thread that has nothing else in hand: begins and ends it as well.

        What is done at once, as nearly all is, costs less so.
        """
        try:
            deliveries = self.attempt(record)
        except BaseException as error:
            # Whatever comes next, nothing after this record may be stored before it.
            step = progress.begin(record)
            if not isinstance(error, Exception):
                raise
            verdict = self.judge.judge(step, error)
        else:
            progress.note(record, deliveries)
            return MessageOutcome.HANDLED
        outcome = self._go_on(step, verdict, wait, self.attempt)
        progress.end(step)
        return outcome

    def _go_on(self, step: Step, verdict: Verdict, wait: Wait, attempt: Attempt) -> MessageOutcome:
        """Do what was decided after an error, until the record is done or left."""
        while isinstance(verdict, Again):
            if not wait(step, verdict.delay):
                return MessageOutcome.LEFT
            try:
                step.deliveries = attempt(step.record)
                return MessageOutcome.HANDLED
            except Exception as error:
                verdict = self.judge.judge(step, error)
        if verdict is not None:
            message = self._reader.read_message(step.record)
            self._dead_letters.send(
                message, step.record.value(), verdict.reason, verdict.error, verdict.attempts
            )
            self.judge.count("dead_lettered")
        step.deliveries = []
        return MessageOutcome.PASSED if verdict is None else MessageOutcome.DEAD_LETTERED

    def tell_together(self, outcomes: list[Outcome], seconds: float) -> None:
        """What became of messages that took that time together: nobody wants to know."""

    def attempt(self, record: Record) -> list[Delivery]:
        """Read and handle a record once; what it caused that may still be on the way.

        Raises what the handler raises, Unreadable, NotConsumed, RegistryError, and InboxLost or
        InboxUnavailable when the inbox did not begin.
        """
        message = self._reader.read_message(record)
        event, handle = self._reader.open(record, message)
        if self._inbox is None:
            handle(event, message)
            self.judge.count_handled()
            return message.deliveries
        identity = f"{message.source or ''} {message.id}"
        with ExitStack() as stack:
            try:
                is_new = stack.enter_context(self._inbox.once(self._group, identity))
            except (InboxLost, SettingsError):
                raise
            except Exception as error:
                # Nobody has seen the message yet, so it is at no fault.
                raise InboxUnavailable(f"{type(error).__name__}: {error}") from error
            if is_new:
                handle(event, message)
                # The inbox says "done" for good, so all that belongs to it must be done.
                for delivery in message.deliveries:
                    delivery.result()
        self.judge.count("handled" if is_new else "duplicates")
        return []

    def read(self, record: Record) -> tuple[Any, Message, Callable[[Any, Message], Any]]:
        """The event of a record, its message, and what handles it. Raises as `attempt` does."""
        message = self._reader.read_message(record)
        event, handle = self._reader.open(record, message)
        return event, message, handle


class MeasuredHandling(Handling):
    """Tells besides what became of each message, and how long it took."""

    def __init__(
        self,
        reader: Reader,
        judge: Judge,
        inbox: Inbox | None,
        dead_letters: DeadLetters,
        group: str,
        metrics: MessagingMetrics,
    ) -> None:
        super().__init__(reader, judge, inbox, dead_letters, group)
        self._metrics = metrics

    def handle(self, step: Step, wait: Wait, attempt: Attempt | None = None) -> MessageOutcome:
        """As without measuring."""
        start, outcome = perf_counter(), MessageOutcome.FAILED
        try:
            outcome = super().handle(step, wait, attempt)
        finally:
            self._metrics.processed(step.partition[0], outcome, perf_counter() - start)
        return outcome

    def handle_alone(self, record: Record, progress: Progress, wait: Wait) -> MessageOutcome:
        """As without measuring."""
        start, outcome = perf_counter(), MessageOutcome.FAILED
        try:
            outcome = super().handle_alone(record, progress, wait)
        finally:
            self._metrics.processed(record.topic() or "", outcome, perf_counter() - start)
        return outcome

    def tell_together(self, outcomes: list[Outcome], seconds: float) -> None:
        """Each of them took its part of the time."""
        for topic, outcome in outcomes:
            self._metrics.processed(topic, outcome, seconds / len(outcomes))
