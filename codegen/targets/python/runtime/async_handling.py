"""What an asyncio consumer does with one record: read it, handle it, try again, or give it up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .async_dead_letters import DeadLetters
from .async_delivery import Delivery
from .async_inbox import Inbox
from .judging import Again, Judge, Trial
from .message import Message
from .progress import Step
from .reading import Reader


class Handling:
    """Handles records of one service."""

    def __init__(
        self,
        reader: Reader,
        judge: Judge,
        inbox: Inbox | None,
        dead_letters: DeadLetters,
        group: str,
        wait: Callable[[Step, float], Awaitable[bool]],
    ) -> None:
        """`wait` waits so many seconds; false when the record is a later owner's meanwhile."""
        self._reader = reader
        self._judge = judge
        self._inbox = inbox
        self._dead_letters = dead_letters
        self._group = group
        self._wait = wait

    async def handle(self, step: Step) -> None:
        """Handle one record to the end, or leave it to whoever has its partition next.

        Raises what the policy does not cover.
        """
        trial = Trial(step.record)
        while True:
            message = self._reader.read_message(step.record, trial.headers)
            try:
                step.deliveries = await self._attempt(step, message)
                return
            except Exception as error:
                verdict = self._judge.judge(trial, error)
            if not isinstance(verdict, Again):
                break
            if not await self._wait(step, verdict.delay):
                return
        if verdict is not None:
            await self._dead_letters.send(
                message, step.record.value(), verdict.reason, verdict.error, verdict.attempts
            )
            self._judge.count("dead_lettered")
        step.deliveries = []

    async def _attempt(self, step: Step, message: Message) -> list[Delivery]:
        """Read and handle a record once; what it caused that may still be on the way."""
        record = step.record
        event, handle = (
            await asyncio.to_thread(self._reader.open, record, message)
            if self._reader.asks(record, message)
            else self._reader.open(record, message)
        )
        if self._inbox is None:
            await handle(event, message)
            self._judge.count("handled")
            return message.deliveries
        identity = f"{message.source or ''} {message.id}"
        async with self._inbox.once(self._group, identity) as is_new:
            if is_new:
                await handle(event, message)
                # The inbox says "done" for good, so all that belongs to it must be done.
                for delivery in message.deliveries:
                    await delivery
        self._judge.count("handled" if is_new else "duplicates")
        return []
