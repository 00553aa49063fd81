"""What a consumer does with one record: read it, handle it, try again, or give it up."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeAlias

from ..messages.message import Message
from ..messages.reading import Reader
from ..metrics import MessageOutcome, MessagingMetrics
from ..producing.delivery import Delivery
from ..storage.inbox import Inbox
from .dead_letters import DeadLetters
from .judging import Again, Judge, Trial
from .progress import Step

Wait: TypeAlias = Callable[[Step, float], bool]
"""Waits so many seconds; False when the record is left to a later owner meanwhile."""


class Handling:
    """Handles records of one service. Several threads may, unless there is an inbox."""

    def __init__(
        self,
        reader: Reader,
        judge: Judge,
        inbox: Inbox | None,
        dead_letters: DeadLetters,
        group: str,
        metrics: MessagingMetrics | None = None,
    ) -> None:
        self.judge = judge
        self._metrics = metrics
        self._reader = reader
        self._inbox = inbox
        self._dead_letters = dead_letters
        self._group = group

    def handle(
        self, step: Step, wait: Wait, attempt: Callable[[Trial], list[Delivery]] | None = None
    ) -> MessageOutcome:
        """Handle one record to the end, or leave it to whoever has its partition next.

        `attempt` is what is tried, `attempt` of this class unless given. Raises what the policy
        does not cover.
        """
        if self._metrics is None:
            return self._handle(step, wait, attempt or self.attempt)
        start, outcome = perf_counter(), MessageOutcome.FAILED
        try:
            outcome = self._handle(step, wait, attempt or self.attempt)
        finally:
            self._metrics.processed(step.partition[0], outcome, perf_counter() - start)
        return outcome

    def tell_together(self, topics: list[str], seconds: float) -> None:
        """Tell of messages that were handled together, each with its part of the time."""
        if self._metrics is not None:
            for topic in topics:
                self._metrics.processed(topic, MessageOutcome.HANDLED, seconds / len(topics))

    def _handle(
        self, step: Step, wait: Wait, attempt: Callable[[Trial], list[Delivery]]
    ) -> MessageOutcome:
        trial = Trial(step.record)
        while True:
            try:
                step.deliveries = attempt(trial)
                return MessageOutcome.HANDLED
            except Exception as error:
                verdict = self.judge.judge(trial, error)
            if not isinstance(verdict, Again):
                break
            if not wait(step, verdict.delay):
                return MessageOutcome.LEFT
        if verdict is not None:
            message = self._reader.read_message(step.record, trial.headers)
            self._dead_letters.send(
                message, step.record.value(), verdict.reason, verdict.error, verdict.attempts
            )
            self.judge.count("dead_lettered")
        step.deliveries = []
        return MessageOutcome.PASSED if verdict is None else MessageOutcome.DEAD_LETTERED

    def attempt(self, trial: Trial) -> list[Delivery]:
        """Read and handle a record once; what it caused that may still be on the way.

        Raises what the handler raises, Unreadable, NotConsumed and RegistryError.
        """
        message = self._reader.read_message(trial.record, trial.headers)
        event, handle = self._reader.open(trial.record, message)
        if self._inbox is None:
            handle(event, message)
            self.judge.count_handled()
            return message.deliveries
        identity = f"{message.source or ''} {message.id}"
        with self._inbox.once(self._group, identity) as is_new:
            if is_new:
                handle(event, message)
                # The inbox says "done" for good, so all that belongs to it must be done.
                for delivery in message.deliveries:
                    delivery.result()
        self.judge.count("handled" if is_new else "duplicates")
        return []

    def read(self, trial: Trial) -> tuple[Any, Message, Callable[[Any, Message], Any]]:
        """The event of a record, its message, and what handles it. Raises as `attempt` does."""
        message = self._reader.read_message(trial.record, trial.headers)
        event, handle = self._reader.open(trial.record, message)
        return event, message, handle
