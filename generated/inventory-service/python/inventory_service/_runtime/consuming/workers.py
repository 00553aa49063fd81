"""Several threads that handle records side by side: those of one key by one thread, in order.

The consumer's own thread receives, stores and serves the group; the threads only handle. What is
stored never passes a record that is still in hand, so that nothing is lost when all of it dies.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import Final
from zlib import crc32

from ..errors import StubError
from ..kafka.transport import Partition, Record, Transport, partition_of
from .control import Control
from .handling import Handling
from .progress import Progress, Step

LOAD_LIMIT: Final = 1000
"""How many received records may wait for their handler."""
_SLICE: Final = 0.05
"""Seconds between two looks of a thread that waits."""


class Workers:
    """The lanes of one consumer. Its methods are for the thread that runs the consumer."""

    def __init__(
        self,
        count: int,
        handling: Handling,
        progress: Progress,
        transport: Transport,
        control: Control,
    ) -> None:
        self._progress = progress
        self._shared = _Shared(handling, transport, control)
        self._lanes = [_Lane(self._shared, number) for number in range(count)]

    def work(self, pending: deque[Record]) -> None:
        """Give every record to the lane of its key. Raises what a lane has raised."""
        self._raise_failure()
        shared = self._shared
        if shared.has_failed:
            raise StubError("this consumer has failed: close it, and make a new one")
        while pending:
            record = pending.popleft()
            key = record.key()
            if key is None:
                # Without a key its order is that of its partition.
                key = f"{record.topic()} {record.partition()}".encode()
            step = self._progress.begin(record)
            with shared.changed:
                shared.load += 1
            lane = self._lanes[crc32(key) % len(self._lanes)]
            lane.steps.put(step)
            if lane.ident is None:
                lane.start()

    def has_room(self, timeout: float) -> bool:
        """Wait until more records may come; False when the time is over before that."""
        shared = self._shared
        with shared.changed:
            return shared.changed.wait_for(
                lambda: shared.load < LOAD_LIMIT or shared.failure is not None, timeout
            )

    def settle(self, timeout: float | None) -> bool:
        """Wait until nothing is in hand; False when the time is over before that, or at a pause.

        Raises what a lane has raised.
        """
        shared = self._shared
        with shared.changed:
            shared.changed.wait_for(lambda: not shared.load or shared.is_held(), timeout)
            is_settled = not shared.load
        self._raise_failure()
        return is_settled

    def give_back(self, partitions: set[Partition], timeout: float) -> None:
        """Wait for what is in hand of these partitions, whose steps are lost already."""
        shared = self._shared
        with shared.changed:
            shared.changed.wait_for(lambda: not shared.is_busy_with(partitions), timeout)

    def close(self) -> None:
        """Let the threads end when they are done with what they have in hand."""
        for lane in self._lanes:
            lane.steps.put(None)

    def _raise_failure(self) -> None:
        with self._shared.changed:
            failure, self._shared.failure = self._shared.failure, None
        if failure is not None:
            # Nothing is begun any more: what this record was part of may not go on without it.
            self._shared.has_failed = True
            raise failure


class _Shared:
    """What the lanes of one consumer have in common; `changed` guards it."""

    def __init__(self, handling: Handling, transport: Transport, control: Control) -> None:
        self.handling = handling
        self.transport = transport
        self.control = control
        self.changed = threading.Condition()
        self.load = 0
        """How many records wait or are in hand."""
        self.in_hand: dict[Step, Partition] = {}
        self.failure: BaseException | None = None
        self.has_failed = False

    def is_busy_with(self, partitions: set[Partition]) -> bool:
        return not partitions.isdisjoint(self.in_hand.values())

    def is_held(self) -> bool:
        """Whether what waits goes on waiting, since the consumer is paused."""
        return self.control.is_paused and not self.control.is_stopping and not self.in_hand

    def drops(self, step: Step) -> bool:
        """Whether the record is not handled here any more: it comes again, here or elsewhere."""
        return step.is_lost or self.has_failed or self.control.is_stopping


class _Lane(threading.Thread):
    """One thread and what waits for it."""

    def __init__(self, shared: _Shared, number: int) -> None:
        # The process may end although a handler does not: its record comes again.
        super().__init__(daemon=True, name=f"handler-{number + 1}")
        self.steps: SimpleQueue[Step | None] = SimpleQueue()
        self._shared = shared

    def run(self) -> None:
        shared = self._shared
        while (step := self.steps.get()) is not None:
            with shared.changed:
                while shared.control.is_paused and not shared.drops(step):
                    shared.changed.wait(_SLICE)
                is_taken = not shared.drops(step)
                if is_taken:
                    shared.in_hand[step] = partition_of(step.record)
            if is_taken:
                try:
                    shared.handling.handle(step, self._wait)
                except BaseException as error:
                    with shared.changed:
                        shared.failure = shared.failure or error
                        shared.has_failed = True
            with shared.changed:
                shared.in_hand.pop(step, None)
                shared.load -= 1
                shared.changed.notify_all()

    def _wait(self, step: Step, delay: float) -> bool:
        shared, transport = self._shared, self._shared.transport
        end = transport.monotonic() + delay
        while shared.control.is_paused or transport.monotonic() < end:
            if shared.drops(step):
                return False
            transport.sleep(_SLICE)
        return not shared.drops(step)
