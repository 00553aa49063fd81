"""The options that a producer runs with: what its promises rest on, and what the service gives."""

from __future__ import annotations

from typing import Final

from .option_names import OF_CONSUMERS
from .settings import Settings

DEFAULTS: Final[dict[str, object]] = {
    "acks": "all",
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 5,
    "delivery.timeout.ms": 120_000,
    # The Java client's way, so that all clients send one key to one partition.
    "partitioner": "murmur2_random",
}
TRANSACTIONAL_DEFAULTS: Final[dict[str, object]] = {
    **DEFAULTS,
    # librdkafka wants it below `transaction.timeout.ms`, after which the broker rolls back.
    "delivery.timeout.ms": 50_000,
    "transaction.timeout.ms": 60_000,
}


def producer_options(
    settings: Settings, service: str, transactional_id: str | None
) -> dict[str, object]:
    """Kafka's options of a service's producer, by librdkafka's names."""
    given = dict(settings.options)
    if transactional_id is not None:
        given["transactional.id"] = transactional_id
    defaults = TRANSACTIONAL_DEFAULTS if given.get("transactional.id") else DEFAULTS
    options = {**defaults, "client.id": service, **given}
    return {name: value for name, value in options.items() if name not in OF_CONSUMERS}
