"""How a producer or a consumer comes to its Kafka: the real one, unless the settings bring one."""

from __future__ import annotations

from typing import cast

from .settings import Settings, check_settings
from .transport import Transport


def connect(settings: Settings) -> Transport:
    """What makes the clients: Kafka, unless something else was given.

    Raises SettingsError for what are no settings.
    """
    check_settings(settings)
    if settings.transport is not None:
        return cast("Transport", settings.transport)
    # confluent-kafka takes 50 ms to import, which nobody pays before a client is made.
    from .confluent import KafkaTransport  # noqa: PLC0415

    return KafkaTransport(settings.bootstrap_servers, settings.registry)
