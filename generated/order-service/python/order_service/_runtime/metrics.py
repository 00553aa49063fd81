"""What a service may count and time of its producer and its consumer, by whatever means it has."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from time import perf_counter
from typing import Any, Protocol


class MessageOutcome(Enum):
    """What became of a message that was received."""

    HANDLED = "handled"
    """Its handler returned, or the inbox knew it already."""
    DEAD_LETTERED = "dead-lettered"
    """It was sent to the dead-letter topic."""
    PASSED = "passed"
    """The policy let it pass, or the service does not consume its event."""
    LEFT = "left"
    """It comes again: the consumer was stopped, or another member has its partition now."""
    FAILED = "failed"
    """It ended the consumer, and comes again."""


class MessagingMetrics(Protocol):
    """Give one to `settings(metrics=...)`. Its methods are called from several threads, and often.

    They should raise nothing: what `sent` raises is logged, what `processed` raises ends the
    consumer.
    """

    def sent(self, topic: str, error: str | None, seconds: float) -> None:
        """An event has arrived on its topic, or failed with this error, so long after `send`.

        One that arrived may still be rolled back with its transaction.
        """
        ...

    def processed(self, topic: str, outcome: MessageOutcome, seconds: float) -> None:
        """A message was read, handled and, if need be, tried again and given up, in that time."""
        ...


class Sent(Protocol):
    """An event on its way: a delivery, with or without asyncio."""

    topic: str
    refusal: str | None
    """The name of Kafka's error, once it has failed."""

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call it when the event has arrived or failed."""
        ...


def tell_delivery(metrics: MessagingMetrics, delivery: Sent) -> None:
    """Tell what becomes of an event that is sent now."""
    start = perf_counter()

    def tell(_: object) -> None:
        metrics.sent(delivery.topic, delivery.refusal, perf_counter() - start)

    delivery.add_done_callback(tell)
