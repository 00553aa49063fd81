"""The fate of one event that was sent, to be awaited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from typing import Final

from ..errors import DeliveryError
from ..kafka.async_transport import Place, Refused
from ..kafka.transport import explain

_log: Final = logging.getLogger(__name__)


class Delivery:
    """Whether an event has arrived. Await it, or gather several: it raises DeliveryError if not."""

    __slots__ = (
        "_callbacks",
        "_done",
        "_error",
        "_waiter",
        "event",
        "failures",
        "offset",
        "partition",
        "refusal",
        "topic",
    )

    def __init__(self, event: object, topic: str, failures: list[DeliveryError]) -> None:
        self.event = event
        self.topic = topic
        self.partition: int | None = None
        """The partition that it went to, when it has arrived."""
        self.offset: int | None = None
        """Its offset there."""
        self.failures = failures
        self.refusal: str | None = None
        """The name of Kafka's error, where it has failed."""
        self._done = False
        self._error: DeliveryError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._callbacks: Sequence[Callable[[Delivery], object]] = ()

    def settle(self, report: asyncio.Future[Place]) -> None:
        """Take Kafka's report, the first one."""
        if report.cancelled():
            self.fail(
                "_DESTROY",
                "the client was closed before it was confirmed: it may or may not arrive",
            )
            return
        error = report.exception()
        if error is None:
            if not self._done:
                self.partition, self.offset = report.result()
                self._end()
        elif isinstance(error, Refused):
            self.fail(name := error.failure.name(), explain(name, error.failure.str()))
        else:
            self.fail(type(error).__name__, repr(error))

    def fail(self, refusal: str, reason: str) -> None:
        """It has not arrived, and nobody waits any longer."""
        if not self._done:
            self.refusal = refusal
            self._error = DeliveryError(self.event, self.topic, reason)
            self.failures.append(self._error)
            self._end()

    def refuse(self, refusal: str) -> None:
        """Kafka's client has not taken it: its sender gets the error, and who counts is told."""
        self.refusal = refusal
        self._end()

    def _end(self) -> None:
        self._done = True
        callbacks, self._callbacks = self._callbacks, ()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        for callback in callbacks:
            try:
                callback(self)
            except Exception:
                # Whoever passes reports on has others to pass on, which are nobody's fault.
                _log.exception("a callback of a delivery to %s failed", self.topic)

    def __repr__(self) -> str:
        if self._error is not None:
            return f"<Delivery: {self._error}>"
        place = f"arrived at {self.topic}[{self.partition}]@{self.offset}"
        state = place if self._done else f"on its way to {self.topic}"
        return f"<Delivery of {type(self.event).__name__}, {state}>"

    def done(self) -> bool:
        """Whether it has arrived or failed."""
        return self._done

    def failed(self) -> bool:
        """Whether it has failed."""
        return self._error is not None

    async def wait(self) -> None:
        """Wait until it has arrived or failed, without raising."""
        if not self._done:
            if self._waiter is None:
                self._waiter = asyncio.get_running_loop().create_future()
            # One who waits may be cancelled; the others go on.
            await asyncio.shield(self._waiter)

    def __await__(self) -> Generator[object, None, None]:
        """Wait until it has arrived.

        Raises DeliveryError when it has failed, which then counts as told: leaving the producer
        does not raise it again.
        """
        yield from self.wait().__await__()
        error = self.exception()
        if error is not None:
            raise error

    def exception(self) -> DeliveryError | None:
        """Why it has failed, which then counts as told; None when it arrived or is on its way."""
        if self._error is not None and self._error in self.failures:
            self.failures.remove(self._error)
        return self._error

    def add_done_callback(self, callback: Callable[[Delivery], object]) -> None:
        """Call it when the event has arrived or failed, at once when it has already.

        What it raises later is logged.
        """
        if self._done:
            callback(self)
        else:
            self._callbacks = [*self._callbacks, callback]
