"""What a consumer does with messages that it cannot handle: data, no code."""

from __future__ import annotations

import random
from dataclasses import fields
from enum import Enum
from typing import Final

from .errors import SettingsError
from .late_dataclass import dataclass

_LONGEST: Final = 10_000_000
"""Seconds: longer than anybody waits, and what every clock of the system can wait."""


class Action(Enum):
    """What becomes of a message that cannot be handled."""

    FAIL = "fail"
    """Stop with MessageFailed. The message is not committed and comes again after a restart."""
    SKIP = "skip"
    """Log it, count it, go on."""
    DEAD_LETTER = "dead-letter"
    """Send it unchanged to the topic `<topic>.<service>.dlq`, with the reason, and go on."""


class Reason(Enum):
    """Why a message could not be handled."""

    HANDLER_FAILED = "handler-failed"
    REJECTED = "rejected"
    TOMBSTONE = "tombstone"
    NO_MAGIC_BYTE = "no-magic-byte"
    TRUNCATED = "truncated"
    UNDECODABLE = "undecodable"
    UNKNOWN_SCHEMA = "unknown-schema"
    INCOMPATIBLE_SCHEMA = "incompatible-schema"
    UNKNOWN_EVENT = "unknown-event"
    UNKNOWN_SYMBOL = "unknown-symbol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often a message is tried, and what comes after that.

    A registry that does not answer is no fault of a message, nor is an inbox that cannot begin, as
    when its database is locked: the consumer waits for them, whatever stands here.
    """

    attempts: int = 5
    """How often the handler is called for one message, the first time included."""
    backoff: float = 0.2
    """Seconds before the second attempt; each further wait is twice as long, with jitter."""
    backoff_limit: float = 30.0
    """The longest wait between two attempts, in seconds."""
    stop_within: float = 25.0
    """Seconds that a message in hand has to be done when the consumer is stopped; it then comes
    again. Kubernetes kills what has not ended after 30."""
    on_failure: Action = Action.DEAD_LETTER
    """The handler failed each time, or raised RejectMessage."""
    on_poison: Action = Action.DEAD_LETTER
    """The bytes are no event of this topic: no magic byte, cut off, damaged, incompatible."""
    on_unknown_schema: Action = Action.DEAD_LETTER
    """The registry does not know the schema's id."""
    on_unknown_event: Action = Action.SKIP
    """An event that the topic did not have when this package was generated."""
    on_unknown_symbol: Action = Action.DEAD_LETTER
    """A symbol that an enum without a default did not have when this package was generated."""
    on_tombstone: Action = Action.SKIP
    """A message without a value, on a topic that is not compacted."""

    def __post_init__(self) -> None:
        """Raises SettingsError for numbers that make no sense, and for what is no Action."""
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise SettingsError(f"attempts of a policy is {self.attempts!r}; at least 1 is needed")
        for name in ("backoff", "backoff_limit", "stop_within"):
            wait = getattr(self, name)
            if not isinstance(wait, int | float) or not 0 <= wait <= _LONGEST:
                raise SettingsError(
                    f"{name} of a policy is {wait!r}, not a number of seconds from 0 to {_LONGEST}"
                )
        for name in (field.name for field in fields(self) if field.name.startswith("on_")):
            if not isinstance(getattr(self, name), Action):
                known = ", ".join(f"Action.{action.name}" for action in Action)
                raise SettingsError(
                    f"{name} of a policy is {getattr(self, name)!r}, and not one of {known}"
                )

    def delay(self, attempt: int) -> float:
        """Seconds to wait after this many attempts."""
        longest: float = min(self.backoff * 2.0 ** min(attempt - 1, 60), self.backoff_limit)
        return longest * random.uniform(0.5, 1.0)

    def action(self, reason: Reason) -> Action:
        """What becomes of a message for this reason."""
        match reason:
            case Reason.HANDLER_FAILED | Reason.REJECTED:
                return self.on_failure
            case Reason.UNKNOWN_SCHEMA:
                return self.on_unknown_schema
            case Reason.UNKNOWN_EVENT:
                return self.on_unknown_event
            case Reason.UNKNOWN_SYMBOL:
                return self.on_unknown_symbol
            case Reason.TOMBSTONE:
                return self.on_tombstone
            case _:
                return self.on_poison
