"""Metrics for OpenTelemetry, by its semantic conventions for messaging."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from .metrics import MessageOutcome

_NAME: Final = "kontrakt"


class OpenTelemetryMetrics:
    """Counts and times messages with OpenTelemetry: `settings(metrics=OpenTelemetryMetrics())`.

    Instruments: `messaging.client.sent.messages`, `messaging.client.operation.duration`,
    `messaging.client.consumed.messages`, `messaging.process.duration`. Each has the topic as
    `messaging.destination.name`, and `error.type` where something failed. Consumed messages have
    their outcome as `kontrakt.outcome`.
    """

    def __init__(self, meter: Any = None) -> None:
        """`meter` is made by the global provider unless it is given.

        Raises ImportError without the package `opentelemetry-api`, the extra `opentelemetry` of
        this one.
        """
        if meter is None:
            try:
                meter = import_module("opentelemetry.metrics").get_meter(_NAME)
            except ModuleNotFoundError as error:
                raise ModuleNotFoundError(
                    "OpenTelemetryMetrics needs the package opentelemetry-api, which the extra "
                    "`opentelemetry` of this one installs",
                    name=error.name,
                ) from error
        self._sent = meter.create_counter(
            "messaging.client.sent.messages", "{message}", "Messages that were sent."
        )
        self._sending = meter.create_histogram(
            "messaging.client.operation.duration", "s", "From sending to Kafka's answer."
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", "{message}", "Messages that were received."
        )
        self._processing = meter.create_histogram(
            "messaging.process.duration", "s", "Handling a message, with all its attempts."
        )

    def sent(self, topic: str, error: str | None, seconds: float) -> None:
        """As MessagingMetrics says."""
        attributes = _attributes("send", topic, error)
        self._sent.add(1, attributes)
        self._sending.record(seconds, attributes)

    def processed(self, topic: str, outcome: MessageOutcome, seconds: float) -> None:
        """As MessagingMetrics says."""
        failed = outcome in (MessageOutcome.DEAD_LETTERED, MessageOutcome.FAILED)
        attributes = _attributes("process", topic, outcome.value if failed else None)
        attributes["kontrakt.outcome"] = outcome.value
        self._consumed.add(1, attributes)
        self._processing.record(seconds, attributes)


def _attributes(operation: str, topic: str, error: str | None) -> dict[str, str]:
    attributes = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.destination.name": topic,
    }
    if error is not None:
        attributes["error.type"] = error
    return attributes
