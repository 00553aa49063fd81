"""Dead letters: what a message that could not be handled looks like on its way to a person.

Key, value and headers stay as they were; what happened is added in headers that begin with `dlq.`:
reason, exception, message, stack, service, group, attempts, topic, partition, offset, timestamp.
"""

from __future__ import annotations

import traceback
from typing import Final

from .errors import StubError
from .message import Message
from .policy import Reason
from .producer_options import DEFAULTS
from .settings import Settings
from .transport import Failure, Headers, ProducerClient, Record, Transport

_STACK_LIMIT: Final = 8_000
_TEXT_LIMIT: Final = 2_000
_TIMEOUT: Final = 120.0
# Of the service's own options, those that lead to the cluster; the others may not suit this topic.
_CONNECTION: Final = ("security.", "sasl.", "ssl.", "socket.", "broker.", "client.", "log")


class DeadLetters:
    """Sends messages to the topic `<topic>.<service>.dlq` and waits until they are there."""

    def __init__(self, transport: Transport, settings: Settings, service: str, group: str) -> None:
        self._transport = transport
        self._settings = settings
        self._service = service
        self._group = group
        self._client: ProducerClient | None = None

    def topic_of(self, topic: str) -> str:
        """Where the dead letters of a topic are kept."""
        return f"{topic}.{self._service}.dlq"

    def send(
        self,
        message: Message,
        value: bytes | None,
        reason: Reason,
        error: Exception,
        attempts: int,
    ) -> None:
        """Keep a message. Raises StubError when it could not be kept, so that nothing is lost."""
        topic = self.topic_of(message.topic)
        headers = [*message.headers, *self._describe(message, reason, error, attempts)]
        problem = self._deliver(topic, message.key, value, headers)
        if problem:
            raise StubError(
                f"{message.place} cannot be handled ({reason.value}) and cannot be kept in {topic} "
                f"either: {problem}; create that topic, or choose another action in the policy"
            ) from error

    def _deliver(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> str:
        if self._client is None:
            options = {**DEFAULTS, "linger.ms": 0, "message.max.bytes": 16_000_000}
            options["client.id"] = f"{self._service}-dlq"
            connection = {
                name: option
                for name, option in self._settings.options.items()
                if name.startswith(_CONNECTION)
            }
            self._client = self._transport.producer(options | connection)
        outcome: list[str] = []

        def report(failure: Failure | None, _: Record) -> None:
            outcome.append("" if failure is None else f"{failure.name()}: {failure.str()}")

        try:
            self._client.produce(topic, value, key, on_delivery=report, headers=headers)
            self._client.flush(_TIMEOUT)
        except (BufferError, self._transport.failure) as error:
            return str(error)
        return outcome[0] if outcome else f"no answer within {_TIMEOUT:.0f} seconds"

    def _describe(
        self, message: Message, reason: Reason, error: Exception, attempts: int
    ) -> Headers:
        stack = "".join(traceback.format_exception(error))
        facts = {
            "reason": reason.value,
            "exception": f"{type(error).__module__}.{type(error).__qualname__}",
            "message": str(error)[:_TEXT_LIMIT],
            "stack": stack[-_STACK_LIMIT:],
            "service": self._service,
            "group": self._group,
            "attempts": str(attempts),
            "topic": message.topic,
            "partition": str(message.partition),
            "offset": str(message.offset),
            "timestamp": "" if message.timestamp_ms is None else str(message.timestamp_ms),
        }
        return [(f"dlq.{name}", text.encode(errors="replace")) for name, text in facts.items()]
