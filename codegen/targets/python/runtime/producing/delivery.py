"""The fate of one event that was sent: a future, made to cost little where all goes well."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from ..errors import DeliveryError
from ..kafka.transport import Failure, Record, explain

_log: Final = logging.getLogger(__name__)
_LOCK: Final = threading.Lock()
_SLICE: Final = 0.05

if hasattr(os, "register_at_fork"):
    # A forked process has no thread that would release what another one has locked just then.
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


class Delivery:
    """Whether an event has arrived. It is settled once, from whichever thread polls Kafka."""

    __slots__ = (
        "_callbacks",
        "_done",
        "_error",
        "_flush",
        "_waiting",
        "event",
        "failures",
        "offset",
        "partition",
        "refusal",
        "topic",
    )

    def __init__(
        self,
        event: object,
        topic: str,
        failures: list[DeliveryError],
        flush: Callable[[float], int],
    ) -> None:
        self.event = event
        self.topic = topic
        self.partition: int | None = None
        """The partition that it went to, when it has arrived."""
        self.offset: int | None = None
        """Its offset there."""
        self.failures = failures
        self._flush = flush
        self._error: DeliveryError | None = None
        self.refusal: str | None = None
        """The name of Kafka's error, where it has failed."""
        self._done = False
        self._waiting: threading.Event | None = None
        self._callbacks: Sequence[Callable[[Delivery], object]] = ()

    def settle(self, failure: Failure | None, record: Record) -> None:
        """Take Kafka's report."""
        if failure is None:
            self.partition = record.partition()
            self.offset = record.offset()
        else:
            self.refusal = failure.name()
            reason = explain(self.refusal, failure.str())
            self._error = DeliveryError(self.event, self.topic, reason)
            self.failures.append(self._error)
        self._end()

    def refuse(self, refusal: str) -> None:
        """Kafka's client has not taken it: its sender gets the error, and who counts is told."""
        self.refusal = refusal
        self._end()

    def _end(self) -> None:
        with _LOCK:
            self._done = True
            callbacks, self._callbacks = self._callbacks, ()
            if self._waiting is not None:
                self._waiting.set()
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

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has arrived or failed; False when the time is over before that."""
        end = None if timeout is None else monotonic() + timeout
        while not self._done:
            left = _SLICE if end is None else min(_SLICE, end - monotonic())
            if left <= 0:
                return False
            # Flushing sends at once what would otherwise linger in the hope of company. In slices,
            # since it waits for all events, also those that other threads go on to send.
            if self._flush(left) == 0 and not self._done:
                self._settled(left)
        return True

    def _settled(self, timeout: float) -> None:
        """Wait for a report that another thread is about to pass on."""
        with _LOCK:
            if self._waiting is None:
                self._waiting = threading.Event()
                if self._done:
                    self._waiting.set()
        self._waiting.wait(timeout)

    def result(self, timeout: float | None = None) -> None:
        """Wait until it has arrived.

        Raises DeliveryError when it has failed, which then counts as told: leaving the producer
        does not raise it again. Raises TimeoutError when the time is over.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"{type(self.event).__name__} is still on its way to {self.topic}")
        if self._error is not None:
            if self._error in self.failures:
                self.failures.remove(self._error)
            raise self._error

    def exception(self, timeout: float | None = None) -> DeliveryError | None:
        """As `result`, but the error is returned."""
        try:
            self.result(timeout)
        except DeliveryError as error:
            return error
        return None

    def add_done_callback(self, callback: Callable[[Delivery], object]) -> None:
        """Call it when the event has arrived or failed, at once when it has already.

        What it raises later is logged.
        """
        with _LOCK:
            if not self._done:
                self._callbacks = [*self._callbacks, callback]
                return
        callback(self)
