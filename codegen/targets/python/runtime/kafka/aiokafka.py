"""Kafka itself for asyncio: what makes the clients that stand on aiokafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from .aiokafka_consumer import KafkaConsumer
from .aiokafka_options import consumer_arguments, producer_arguments
from .aiokafka_producer import KafkaProducer
from .async_transport import AsyncConsumerClient, AsyncProducerClient
from .registry import HttpRegistry
from .settings import RegistrySettings, read_seconds
from .transport import Registry


class KafkaTransport:
    """Clients of one Kafka cluster and of one registry."""

    idle = 5.0

    def __init__(self, bootstrap_servers: str, registry: RegistrySettings) -> None:
        self._servers = [part.strip() for part in bootstrap_servers.split(",") if part.strip()]
        self._registry_settings = registry
        self._registry: HttpRegistry | None = None

    def producer(self, options: Mapping[str, object]) -> AsyncProducerClient:
        """A client that sends. Raises SettingsError for options that aiokafka has no word for."""
        arguments = {**producer_arguments(options), "bootstrap_servers": self._servers}
        return KafkaProducer(arguments, read_seconds(options, "delivery.timeout.ms"))

    def consumer(self, options: Mapping[str, object]) -> AsyncConsumerClient:
        """A client that receives. Raises SettingsError as `producer` does."""
        return KafkaConsumer({**consumer_arguments(options), "bootstrap_servers": self._servers})

    def registry(self) -> Registry:
        """The registry that the settings name."""
        if self._registry is None:
            self._registry = HttpRegistry(self._registry_settings)
        return self._registry

    def monotonic(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return time.monotonic()

    def now(self) -> int:
        """The moment by this machine's clock, with which a producer stamps its records."""
        return time.time_ns() // 1_000_000

    async def sleep(self, delay: float) -> None:
        """Wait."""
        await asyncio.sleep(delay)
