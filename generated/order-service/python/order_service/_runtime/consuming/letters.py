"""What a message that could not be handled looks like on its way to a person.

Key, value and headers stay as they were; what happened is added in headers that begin with `dlq.`:
reason, exception, message, stack, service, group, attempts, topic, partition, offset, timestamp.
"""

from __future__ import annotations

import traceback
from typing import Final

from ..errors import StubError
from ..kafka.producer_options import DEFAULTS
from ..kafka.settings import Settings
from ..kafka.transport import Headers
from ..messages.composing import Composed
from ..messages.message import Message
from ..policy import Reason

_STACK_LIMIT: Final = 8_000
_TEXT_LIMIT: Final = 2_000
# Of the service's own options, those that lead to the cluster; the others may not suit this topic.
_CONNECTION: Final = ("security.", "sasl.", "ssl.", "socket.", "broker.", "client.", "log")


class Letters:
    """Writes the dead letters of one service and one group."""

    def __init__(self, settings: Settings, service: str, group: str) -> None:
        self._settings = settings
        self._service = service
        self._group = group

    def topic_of(self, topic: str) -> str:
        """Where the dead letters of a topic are kept."""
        return f"{topic}.{self._service}.dlq"

    def options(self) -> dict[str, object]:
        """Kafka's options of the producer that sends them, by librdkafka's names."""
        options = {**DEFAULTS, "linger.ms": 0, "message.max.bytes": 16_000_000}
        options["client.id"] = f"{self._service}-dlq"
        connection = {
            name: option
            for name, option in self._settings.options.items()
            if name.startswith(_CONNECTION)
        }
        return options | connection

    def write(
        self,
        message: Message,
        value: bytes | None,
        reason: Reason,
        error: Exception,
        attempts: int,
    ) -> Composed:
        """The dead letter of a message."""
        headers = [*message.headers, *self._describe(message, reason, error, attempts)]
        return Composed(self.topic_of(message.topic), message.key, value, headers)

    def lost(self, message: Message, reason: Reason, problem: str) -> StubError:
        """The error for a letter that could not be kept, so that nothing is lost."""
        return StubError(
            f"{message.place} cannot be handled ({reason.value}) and cannot be kept in "
            f"{self.topic_of(message.topic)} either: {problem}; create that topic, or choose "
            "another action in the policy"
        )

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
