"""Metrics for OpenTelemetry, by its semantic conventions for messaging."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Final, Protocol

from .metrics import MessageOutcome

_NAME: Final = "kontrakt"
_COUNTED: Final = {
    "retried": "handler",
    "registry_waits": "registry",
    "inbox_waits": "inbox",
}
"""What a consumer counts of what it had to do once more, and for whom."""


class Health(Protocol):
    """What is measured of a consumer's health."""

    @property
    def lag(self) -> Mapping[tuple[str, int], int | None]:
        """The messages that it has not received, by topic and partition; None for unknown."""
        ...

    @property
    def backlog(self) -> int:
        """The messages that it has received and is not done with."""
        ...


class Watched(Protocol):
    """A consumer, with or without asyncio."""

    @property
    def group(self) -> str:
        """The consumer group that it is a member of."""
        ...

    @property
    def statistics(self) -> object:
        """What it has done so far."""
        ...

    def health(self) -> Health:
        """How it is now."""
        ...


class OpenTelemetryMetrics:
    """Counts and times messages with OpenTelemetry: `settings(metrics=OpenTelemetryMetrics())`.

    Instruments: `messaging.client.sent.messages`, `messaging.client.operation.duration`,
    `messaging.client.consumed.messages`, `messaging.process.duration`. Each has the topic as
    `messaging.destination.name`, and `error.type` where something failed. Consumed messages have
    their outcome as `kontrakt.outcome`. What `watch` adds is measured when metrics are collected.
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
        self._meter = meter
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_watching = False
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

    def watch(self, consumer: Watched) -> None:
        """Measure a consumer until it is closed, also when it handles nothing.

        `kontrakt.consumer.lag` has the messages that it has not received of each partition,
        `kontrakt.consumer.backlog` those that it is not done with, and `kontrakt.consumer.repeats`
        how often it has called a handler again or waited for a registry or an inbox, which
        `kontrakt.cause` tells apart.
        """
        self._watched.add(consumer)
        if self._is_watching:
            return
        self._is_watching = True
        self._meter.create_observable_gauge(
            "kontrakt.consumer.lag",
            [self._each(_find_lag)],
            "{message}",
            "Messages that a consumer has not received.",
        )
        self._meter.create_observable_gauge(
            "kontrakt.consumer.backlog",
            [self._each(_find_backlog)],
            "{message}",
            "Messages that a consumer has received and is not done with.",
        )
        self._meter.create_observable_counter(
            "kontrakt.consumer.repeats",
            [self._each(_find_repeats)],
            "{attempt}",
            "Attempts and waits that came again.",
        )

    def _each(self, find: Callable[[Watched], Iterable[tuple[int, dict[str, Any]]]]) -> Any:
        """What OpenTelemetry calls for an instrument: the values of all consumers, added up."""
        observation = import_module("opentelemetry.metrics").Observation

        def observe(_: object) -> list[Any]:
            sums: dict[tuple[tuple[str, Any], ...], int] = {}
            for consumer in list(self._watched):
                for value, attributes in find(consumer):
                    key = tuple(attributes.items())
                    sums[key] = sums.get(key, 0) + value
            return [observation(value, dict(key)) for key, value in sums.items()]

        return observe

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


def _find_lag(consumer: Watched) -> Iterable[tuple[int, dict[str, Any]]]:
    for (topic, partition), lag in consumer.health().lag.items():
        if lag is not None:
            attributes = {
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
            }
            yield lag, _of(consumer) | attributes


def _find_backlog(consumer: Watched) -> Iterable[tuple[int, dict[str, Any]]]:
    yield consumer.health().backlog, _of(consumer)


def _find_repeats(consumer: Watched) -> Iterable[tuple[int, dict[str, Any]]]:
    for name, cause in _COUNTED.items():
        yield getattr(consumer.statistics, name), _of(consumer) | {"kontrakt.cause": cause}


def _of(consumer: Watched) -> dict[str, Any]:
    return {"messaging.system": "kafka", "messaging.consumer.group.name": consumer.group}
