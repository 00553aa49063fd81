"""Records side by side: those of one key in order, as many keys at once as the service allows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from .progress import Step, partition_of
from .transport import Partition


class Lanes:
    """Tasks that handle records, each with one key's, for as long as there are any."""

    def __init__(self, concurrency: int, handle: Callable[[Step], Awaitable[None]]) -> None:
        self._handle = handle
        self._is_single = concurrency == 1
        self._slots = asyncio.Semaphore(concurrency)
        self._waiting: dict[bytes, deque[Step]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_hand: dict[Step, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self.load = 0
        """How many records wait or are in hand."""
        self.failure: BaseException | None = None
        """What the handling of a record raised; nothing is begun after it."""
        self.is_stopping = False
        """Set it to have nothing begun any more."""

    def put(self, step: Step) -> None:
        """Handle a record after those of its key that are here."""
        lane = self._lane_of(step)
        self.load += 1
        if lane in self._waiting:
            self._waiting[lane].append(step)
            return
        self._waiting[lane] = deque([step])
        task = asyncio.create_task(self._run(lane), name="handler")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait_until_below(self, load: int, timeout: float) -> bool:
        """Wait until fewer are here; False when the time is over before that."""
        return await self._wait(lambda: self.load < load or self.failure is not None, timeout)

    async def settle(self, timeout: float | None = None) -> bool:
        """Wait until none is here; False when the time is over before that."""
        return await self._wait(lambda: not self.load, timeout)

    async def give_back(self, partitions: set[Partition], timeout: float) -> None:
        """Wait for what is in hand of these partitions; interrupt it when the time is over."""

        def held() -> list[Step]:
            return [step for step in self._in_hand if partition_of(step.record) in partitions]

        if not await self._wait(lambda: not held(), timeout):
            for step in held():
                self._in_hand[step].cancel()
            await self._wait(lambda: not held(), timeout)

    async def cancel(self) -> None:
        """Interrupt everything; the records come again."""
        self.is_stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    def _lane_of(self, step: Step) -> bytes:
        if self._is_single:
            return b""
        key = step.record.key()
        if key is None:
            # Without a key its order is that of its partition.
            return f"{step.record.topic()} {step.record.partition()}".encode()
        return b"\0" + key

    async def _run(self, lane: bytes) -> None:
        waiting = self._waiting[lane]
        task = asyncio.current_task()
        assert task is not None
        try:
            while waiting:
                async with self._slots:
                    step = waiting.popleft()
                    try:
                        if not (step.is_lost or self.is_stopping or self.failure is not None):
                            self._in_hand[step] = task
                            await self._handle(step)
                    except asyncio.CancelledError:
                        if not step.is_lost or self.is_stopping:
                            raise
                        # Only this record was taken away: the lane goes on.
                        task.uncancel()
                    except BaseException as error:
                        self.failure = self.failure or error
                    finally:
                        self._in_hand.pop(step, None)
                        self.load -= 1
                        self._changed.set()
        finally:
            self.load -= len(waiting)
            self._waiting.pop(lane, None)
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
