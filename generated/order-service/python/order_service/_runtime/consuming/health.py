"""How a consumer is, for probes of the platform that it runs on."""

from __future__ import annotations

from collections.abc import Mapping

from ..kafka.transport import Partition
from ..late_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ConsumerHealth:
    """What a consumer knows of itself without asking Kafka."""

    is_running: bool
    """Whether it takes messages or is paused; false once it was stopped, closed or failed."""
    is_paused: bool
    silence: float
    """Seconds since it last served its group. A handler that is busy counts as silence; beyond
    `max.poll.interval.ms` Kafka gives its partitions to another member."""
    lag: Mapping[Partition, int | None]
    """Each partition that it has, and how many messages it has not received of it; None where
    that is not known yet."""
    backlog: int
    """Messages that it has received and is not done with: they wait for their handler, are in hand,
    or wait for what they caused to arrive."""

    def is_alive(self, silence: float = 300.0) -> bool:
        """Whether it runs and has served its group within so many seconds: for a liveness probe."""
        return self.is_running and self.silence <= silence

    def is_ready(self, silence: float = 300.0) -> bool:
        """Whether it is alive and has partitions: for a readiness probe.

        With more members than partitions, some are never ready, and rightly.
        """
        return self.is_alive(silence) and bool(self.lag)
