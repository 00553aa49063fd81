"""What a service wants of its consumer, which any thread or a signal may say at any time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from math import inf
from time import monotonic

from ..errors import StubError


class Control:
    """Whether messages are handled: `work` of a consumer goes on unless it is stopped or paused."""

    __slots__ = ("_runs", "has_failed", "is_paused", "is_stopping", "until")

    def __init__(self) -> None:
        self.is_stopping = False
        """Nothing is begun any more."""
        self.is_paused = False
        """Nothing is begun until this is over."""
        self.has_failed = False
        """Whoever ran the consumer was ended by an error."""
        self.until = inf
        """When whoever handles messages returns, on the machine's clock: the group is served."""
        self._runs = False

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """While somebody runs the consumer.

        Raises StubError when somebody does already, and after an error: what it was at would come
        again to a new consumer only, and nothing behind it could be committed.
        """
        if self._runs:
            raise StubError("this consumer runs already, and one call at a time may run it")
        if self.has_failed:
            raise StubError("this consumer has failed: close it, and make a new one")
        self._runs = True
        try:
            yield
        except BaseException:
            self.has_failed = True
            raise
        finally:
            self._runs = False

    @property
    def goes_on(self) -> bool:
        """Whether the next message may be begun now."""
        return not (self.is_stopping or self.is_paused) and monotonic() < self.until
