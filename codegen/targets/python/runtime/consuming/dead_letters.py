"""Keeps the messages that could not be handled in dead-letter topics, and makes sure of it."""

from __future__ import annotations

import threading
from typing import Final

from ..kafka.settings import Settings
from ..kafka.transport import Failure, ProducerClient, Record, Transport
from ..messages.composing import Composed
from ..messages.message import Message
from ..policy import Reason
from .letters import Letters

_TIMEOUT: Final = 120.0


class DeadLetters:
    """Sends messages to the topic `<topic>.<service>.dlq` and waits until they are there."""

    def __init__(self, transport: Transport, settings: Settings, service: str, group: str) -> None:
        self._transport = transport
        self._letters = Letters(settings, service, group)
        self._client: ProducerClient | None = None
        self._lock = threading.Lock()

    def topic_of(self, topic: str) -> str:
        """Where the dead letters of a topic are kept."""
        return self._letters.topic_of(topic)

    def send(
        self,
        message: Message,
        value: bytes | None,
        reason: Reason,
        error: Exception,
        attempts: int,
    ) -> None:
        """Keep a message. Raises StubError when it could not be kept, so that nothing is lost."""
        letter = self._letters.write(message, value, reason, error, attempts)
        with self._lock:
            problem = self._deliver(letter)
        if problem:
            raise self._letters.lost(message, reason, problem) from error

    def _deliver(self, letter: Composed) -> str:
        if self._client is None:
            self._client = self._transport.producer(self._letters.options())
        outcome: list[str] = []

        def report(failure: Failure | None, _: Record) -> None:
            outcome.append("" if failure is None else f"{failure.name()}: {failure.str()}")

        try:
            self._client.produce(
                letter.topic, letter.value, letter.key, on_delivery=report, headers=letter.headers
            )
            self._client.flush(_TIMEOUT)
        except (BufferError, self._transport.failure) as error:
            return str(error)
        return outcome[0] if outcome else f"no answer within {_TIMEOUT:.0f} seconds"
