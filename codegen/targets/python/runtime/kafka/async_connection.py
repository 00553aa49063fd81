"""How an asyncio producer or consumer comes to its Kafka: the real one, or what settings bring."""

from __future__ import annotations

from typing import cast

from .async_transport import AsyncTransport
from .settings import Settings, check_settings


def connect(settings: Settings) -> AsyncTransport:
    """What makes the clients: Kafka, unless something else was given.

    Raises SettingsError for what are no settings.
    """
    check_settings(settings)
    if settings.transport is not None:
        return cast("AsyncTransport", settings.transport)
    # aiokafka takes long to import, which nobody pays before a client is made.
    from .aiokafka import KafkaTransport  # noqa: PLC0415

    return KafkaTransport(settings.bootstrap_servers, settings.registry)
