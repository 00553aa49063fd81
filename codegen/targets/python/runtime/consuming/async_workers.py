"""Tasks that handle records side by side: those of one key in order, several keys at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .control import Control
from .progress import Step


class Queue:
    """The records of one worker, in order: those that wait, and those in hand."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.waiting: deque[Step] = deque()
        self.in_hand: list[Step] = []

    def take(self) -> Step:
        """The next one, which is in hand from now on."""
        step = self.waiting.popleft()
        self.in_hand.append(step)
        return step

    def put_back(self) -> None:
        """What is in hand waits again, unless it was handled or is another member's now."""
        ended = [step for step in self.in_hand if step.is_lost or step.deliveries is not None]
        again = [step for step in self.in_hand if not step.is_lost and step.deliveries is None]
        self.waiting.extendleft(reversed(again))
        self.in_hand = ended


class Mode(Protocol):
    """How what was received is handled: alone, in batches, in transactions."""

    async def work(self, queue: Queue) -> None:
        """Take one record or more and handle them; there is at least one that waits."""
        ...


class Workers:
    """The workers of one consumer, each there for as long as its key has records."""

    def __init__(self, concurrency: int, mode: Mode, control: Control) -> None:
        self._mode = mode
        self._control = control
        self._is_single = concurrency == 1
        self._slots = asyncio.Semaphore(concurrency)
        self._queues: dict[bytes, Queue] = {}
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None
        self.load = 0
        """How many records wait or are in hand."""
        self.has_failed = False
        """Nothing is begun any more: what failed may not be passed over."""

    def put(self, step: Step) -> None:
        """Handle a record after those of its key that are here."""
        key = self._key_of(step)
        self.load += 1
        queue = self._queues.get(key)
        if queue is None:
            task = asyncio.create_task(self._run(key), name="handler")
            queue = self._queues[key] = Queue(task)
        queue.waiting.append(step)

    async def wait_until_below(self, load: int, timeout: float) -> bool:
        """Wait until fewer are here; False when the time is over before that."""
        return await self._wait(lambda: self.load < load or self.has_failed, timeout)

    async def settle(self, timeout: float | None = None) -> bool:
        """Wait until none is here; False when the time is over before that, or at a pause."""
        await self._wait(lambda: not self.load or self._is_held(), timeout)
        return not self.load

    async def give_back(self, timeout: float) -> None:
        """Wait for what is in hand and lost; what waits and is lost is dropped.

        It is interrupted when the time is over, and once more given so much.
        """
        for queue in self._queues.values():
            kept = [step for step in queue.waiting if not step.is_lost]
            self.load -= len(queue.waiting) - len(kept)
            queue.waiting = deque(kept)

        def busy() -> list[Queue]:
            return [
                queue
                for queue in self._queues.values()
                # A step that was handled waits here only for others of its batch.
                if any(step.is_lost and step.deliveries is None for step in queue.in_hand)
            ]

        if not await self._wait(lambda: not busy(), timeout):
            for queue in busy():
                queue.task.cancel()
            await self._wait(lambda: not busy(), timeout)

    async def cancel(self) -> None:
        """Interrupt everything; the records come again."""
        tasks = [queue.task for queue in self._queues.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    def tell(self) -> None:
        """The service wants something else of its consumer: see anew."""
        self._changed.set()

    def fail(self, error: BaseException) -> None:
        """End all; the first error is what `raise_failure` raises."""
        if not self.has_failed:
            self._failure = error
        self.has_failed = True
        self._changed.set()

    def raise_failure(self) -> None:
        """Raises what a worker has raised, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def drops(self, step: Step) -> bool:
        """Whether the record is not handled here any more: it comes again, here or elsewhere."""
        return step.is_lost or self._ends()

    def _ends(self) -> bool:
        return self.has_failed or self._control.is_stopping

    def _is_held(self) -> bool:
        """Whether what waits goes on waiting, since the consumer is paused."""
        held = self._control.is_paused and not self._ends()
        return held and not any(queue.in_hand for queue in self._queues.values())

    def _key_of(self, step: Step) -> bytes:
        if self._is_single:
            return b""
        key = step.record.key()
        if key is None:
            # Without a key its order is that of its partition.
            return f"{step.record.topic()} {step.record.partition()}".encode()
        return b"\0" + key

    async def _run(self, key: bytes) -> None:
        queue = self._queues[key]
        try:
            while queue.waiting and not self._ends():
                async with self._slots:
                    if self._control.is_paused:
                        await self._wait(lambda: not self._control.is_paused or self._ends(), None)
                    if queue.waiting and not self._ends():
                        await self._work(queue)
        finally:
            self.load -= len(queue.waiting)
            del self._queues[key]
            self._changed.set()

    async def _work(self, queue: Queue) -> None:
        try:
            await self._mode.work(queue)
        except asyncio.CancelledError:
            if self._ends() or not any(step.is_lost for step in queue.in_hand):
                raise
            # Only what was lost is taken away: the worker goes on with the rest.
            queue.put_back()
        except BaseException as error:
            self.fail(error)
        finally:
            # Also of a handler that has swallowed it: else the next one counted as interrupted.
            while queue.task.cancelling():
                queue.task.uncancel()
            self.load -= len(queue.in_hand)
            queue.in_hand.clear()
            self._changed.set()

    async def _wait(self, is_true: Callable[[], bool], timeout: float | None) -> bool:
        try:
            async with asyncio.timeout(timeout):
                while not is_true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return is_true()
        return True
