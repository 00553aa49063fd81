"""Keeps the messages that could not be handled in dead-letter topics, and makes sure of it."""

from __future__ import annotations

import asyncio
from typing import Final

from ..errors import StubError
from ..kafka.async_transport import AsyncProducerClient, AsyncTransport, Refused
from ..kafka.settings import Settings
from ..messages.composing import Composed
from ..messages.message import Message
from ..policy import Reason
from .letters import Letters

_TIMEOUT: Final = 120.0
_CLOSE: Final = 5.0


class DeadLetters:
    """Sends messages to the topic `<topic>.<service>.dlq` and waits until they are there."""

    def __init__(
        self, transport: AsyncTransport, settings: Settings, service: str, group: str
    ) -> None:
        self._transport = transport
        self._letters = Letters(settings, service, group)
        self._client: AsyncProducerClient | None = None
        self._starting = asyncio.Lock()

    def topic_of(self, topic: str) -> str:
        """Where the dead letters of a topic are kept."""
        return self._letters.topic_of(topic)

    async def send(
        self,
        message: Message,
        value: bytes | None,
        reason: Reason,
        error: Exception,
        attempts: int,
    ) -> None:
        """Keep a message. Raises StubError when it could not be kept, so that nothing is lost."""
        letter = self._letters.write(message, value, reason, error, attempts)
        problem = await self._deliver(letter)
        if problem:
            raise self._letters.lost(message, reason, problem) from error

    async def _deliver(self, letter: Composed) -> str:
        try:
            async with asyncio.timeout(_TIMEOUT):
                client = await self._start()
                await (await client.produce(*letter))
        except TimeoutError:
            return f"no answer within {_TIMEOUT:.0f} seconds"
        except (Refused, StubError) as error:
            return str(error)
        return ""

    async def _start(self) -> AsyncProducerClient:
        async with self._starting:
            if self._client is None:
                client = self._transport.producer(self._letters.options())
                await client.start()
                self._client = client
            return self._client

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.close(_CLOSE)
