"""What a service wants of its consumer, which any thread or a signal may say at any time."""

from __future__ import annotations

from math import inf
from time import monotonic


class Control:
    """Whether messages are handled: `work` of a consumer goes on unless it is stopped or paused."""

    __slots__ = ("is_paused", "is_stopping", "until")

    def __init__(self) -> None:
        self.is_stopping = False
        """Nothing is begun any more."""
        self.is_paused = False
        """Nothing is begun until this is over."""
        self.until = inf
        """When whoever handles messages returns, on the machine's clock: the group is served."""

    @property
    def goes_on(self) -> bool:
        """Whether the next message may be begun now."""
        return not (self.is_stopping or self.is_paused) and monotonic() < self.until
