"""What an asyncio consumer does with one record: read it, handle it, try again, or give it up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any, TypeAlias

from ..errors import InboxLost, InboxUnavailable, SettingsError
from ..kafka.transport import Record
from ..messages.message import Message
from ..messages.reading import Reader
from ..metrics import MessageOutcome, MessagingMetrics
from ..producing.async_delivery import Delivery
from ..storage.async_inbox import Inbox
from .async_dead_letters import DeadLetters
from .judging import Again, Judge
from .progress import Outcome, Step

Wait: TypeAlias = Callable[[Step, float], Awaitable[bool]]
"""Waits so many seconds; False when the record is left to a later owner meanwhile."""
Attempt: TypeAlias = Callable[[Step], Awaitable[list[Delivery]]]


class Handling:
    """Handles records of one service."""

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

    async def handle(
        self, step: Step, wait: Wait, attempt: Attempt | None = None
    ) -> MessageOutcome:
        """Handle one record to the end, or leave it to whoever has its partition next.

        `attempt` is what is tried, `attempt` of this class unless given. Raises what the policy
        does not cover.
        """
        attempt = attempt or self.attempt
        while True:
            try:
                step.deliveries = await attempt(step)
                return MessageOutcome.HANDLED
            except Exception as error:
                verdict = self.judge.judge(step, error)
            if not isinstance(verdict, Again):
                break
            if not await wait(step, verdict.delay):
                return MessageOutcome.LEFT
        if verdict is not None:
            message = self._reader.read_message(step.record)
            await self._dead_letters.send(
                message, step.record.value(), verdict.reason, verdict.error, verdict.attempts
            )
            self.judge.count("dead_lettered")
        step.deliveries = []
        return MessageOutcome.PASSED if verdict is None else MessageOutcome.DEAD_LETTERED

    def tell_together(self, outcomes: list[Outcome], seconds: float) -> None:
        """What became of messages that took that time together: nobody wants to know."""

    async def attempt(self, step: Step) -> list[Delivery]:
        """Read and handle a record once; what it caused that may still be on the way.

        Raises what the handler raises, Unreadable, NotConsumed, RegistryError, and InboxLost or
        InboxUnavailable when the inbox did not begin.
        """
        event, message, handle = await self.read(step.record)
        if self._inbox is None:
            await run_handler(handle(event, message))
            self.judge.count_handled()
            return message.deliveries
        identity = f"{message.source or ''} {message.id}"
        async with AsyncExitStack() as stack:
            try:
                is_new = await stack.enter_async_context(self._inbox.once(self._group, identity))
            except (InboxLost, SettingsError):
                raise
            except Exception as error:
                # Nobody has seen the message yet, so it is at no fault.
                raise InboxUnavailable(f"{type(error).__name__}: {error}") from error
            if is_new:
                await run_handler(handle(event, message))
                # The inbox says "done" for good, so all that belongs to it must be done.
                for delivery in message.deliveries:
                    await delivery
        self.judge.count("handled" if is_new else "duplicates")
        return []

    async def read(self, record: Record) -> tuple[Any, Message, Callable[[Any, Message], Any]]:
        """The event of a record, its message, and what handles it. Raises as `attempt` does."""
        message = self._reader.read_message(record)
        if self._reader.asks(record, message):
            event, handle = await asyncio.to_thread(self._reader.open, record, message)
        else:
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

    async def handle(
        self, step: Step, wait: Wait, attempt: Attempt | None = None
    ) -> MessageOutcome:
        """As without measuring."""
        start, outcome = perf_counter(), MessageOutcome.FAILED
        try:
            outcome = await super().handle(step, wait, attempt)
        except asyncio.CancelledError:
            outcome = MessageOutcome.LEFT
            raise
        finally:
            self._metrics.processed(step.partition[0], outcome, perf_counter() - start)
        return outcome

    def tell_together(self, outcomes: list[Outcome], seconds: float) -> None:
        """Each of them took its part of the time."""
        for topic, outcome in outcomes:
            self._metrics.processed(topic, outcome, seconds / len(outcomes))


async def run_handler(handling: Awaitable[object]) -> None:
    """Await what a handler does.

    Raises what it raises; RuntimeError when it was cancelled although nobody has interrupted it,
    since something that it awaited was; SettingsError when there is nothing to await.
    """
    if not hasattr(handling, "__await__"):
        raise SettingsError(
            f"a method of the handler returned {handling!r}, which cannot be awaited: make it "
            "`async def`"
        )
    task = asyncio.current_task()
    try:
        await handling
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        raise RuntimeError("something that the handler awaited was cancelled") from error
