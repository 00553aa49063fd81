"""What becomes of a record that could not be handled: decided by policy, counted, told to the log.

The decisions are the same with threads and with asyncio; only who waits, and how, differs.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Final, TypeAlias

from ..errors import (
    InboxLost,
    InboxUnavailable,
    MessageFailed,
    ProducerEnded,
    RegistryError,
    RegistryUnavailable,
    RejectMessage,
    SettingsError,
    TransactionFailed,
)
from ..kafka.transport import Record
from ..late_dataclass import dataclass
from ..messages.framing import Unreadable
from ..messages.reading import NotConsumed
from ..policy import Action, Policy, Reason
from .progress import Step

_log: Final = logging.getLogger(__name__)
_TOLD_LIMIT: Final = 1000


@dataclass(slots=True)
class Statistics:
    """What a consumer has done since it was made."""

    handled: int = 0
    """Messages whose handler returned."""
    retried: int = 0
    """Calls of a handler after the first one for a message."""
    duplicates: int = 0
    """Messages that the inbox knew already."""
    dead_lettered: int = 0
    """Messages that were sent to a dead-letter topic."""
    skipped: int = 0
    """Messages that the policy let pass unhandled."""
    not_consumed: int = 0
    """Events of the topics that the contract says this service does not consume."""
    registry_waits: int = 0
    """Waits for a registry that did not answer."""
    inbox_waits: int = 0
    """Waits for an inbox that could not begin, as when its database is locked."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try the record again after so many seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Letter:
    """Keep the record as a dead letter, then go on with the next one."""

    reason: Reason
    error: Exception
    attempts: int


Verdict: TypeAlias = Again | Letter | None
"""None: go on with the next record."""


class Judge:
    """Decides by policy, and counts. One thread judges; any may ask for the numbers."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._told: set[str] = set()
        self._statistics = Statistics()

    def statistics(self) -> Statistics:
        """The numbers as they are now."""
        return replace(self._statistics)

    def count_back_to(self, statistics: Statistics) -> None:
        """What was counted since then was rolled back."""
        self._statistics = replace(statistics)

    def count(self, name: str) -> None:
        """One more of what Statistics calls so."""
        setattr(self._statistics, name, getattr(self._statistics, name) + 1)

    def count_handled(self, number: int = 1) -> None:
        """So many more that were handled: `count` for what happens most."""
        self._statistics.handled += number

    def judge(self, step: Step, error: Exception) -> Verdict:
        """What becomes of a record whose handling raised this error.

        Raises the error itself when neither waiting nor another message helps, and MessageFailed
        where the policy says to stop.
        """
        match error:
            case RegistryUnavailable():
                self.count("registry_waits")
                return self._wait(step, "waits for the schema registry", error)
            case InboxUnavailable():
                self.count("inbox_waits")
                return self._wait(step, "waits for the inbox", error)
            case NotConsumed():
                self.count("not_consumed")
                return None
            case Unreadable():
                return self._give_up(step, error.reason, error)
            case RejectMessage():
                step.attempts += 1
                return self._give_up(step, Reason.REJECTED, error)
            case _ if is_hopeless(error):
                raise error
            case _ if is_passing(error):
                return self._wait(step, "is tried again", error)
        step.attempts += 1
        if step.attempts >= self._policy.attempts:
            return self._give_up(step, Reason.HANDLER_FAILED, error)
        delay = self._policy.delay(step.attempts)
        self.count("retried")
        _log.warning(
            "%s: attempt %d of %d failed, next in %.1f s: %r",
            place_of(step.record), step.attempts, self._policy.attempts, delay, error,
        )  # fmt: skip
        return Again(delay)

    def _wait(self, step: Step, what: str, error: Exception) -> Again:
        """Wait as often as need be: it is no fault of the message."""
        step.waits += 1
        delay = self._policy.delay(step.waits)
        _log.warning("%s %s, next in %.1f s: %s", place_of(step.record), what, delay, error)
        return Again(delay)

    def _give_up(self, step: Step, reason: Reason, error: Exception) -> Letter | None:
        place = place_of(step.record)
        match self._policy.action(reason):
            case Action.FAIL:
                raise MessageFailed(place, reason.value, str(error)) from error
            case Action.SKIP:
                self.count("skipped")
                # Once for each kind: a topic full of them must not fill the log.
                is_new = reason in (Reason.UNKNOWN_EVENT, Reason.UNKNOWN_SYMBOL)
                detail = error if is_new else ""
                kind = f"{step.record.topic()} {reason.value} {detail}"
                if reason is Reason.HANDLER_FAILED:
                    # What is lost so was to be handled: each is told.
                    _log.warning("%s skipped: %r", place, error, exc_info=error)
                elif kind not in self._told and len(self._told) < _TOLD_LIMIT:
                    self._told.add(kind)
                    _log.warning("%s skipped (%s): %s", place, reason.value, error)
                return None
            case Action.DEAD_LETTER:
                # Only where a handler failed does the stack say what the error does not.
                stack = error if reason is Reason.HANDLER_FAILED else None
                _log.error(
                    "%s becomes a dead letter (%s): %r", place, reason.value, error, exc_info=stack
                )
                return Letter(reason, error, step.attempts)


class SharedJudge(Judge):
    """Judges for several threads."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._lock = threading.Lock()

    def count(self, name: str) -> None:
        """As for one thread."""
        with self._lock:
            super().count(name)

    def count_handled(self, number: int = 1) -> None:
        """As for one thread."""
        with self._lock:
            super().count_handled(number)


def is_hopeless(error: Exception) -> bool:
    """Whether neither waiting nor another message helps: a wrong address, a producer shut out."""
    return isinstance(error, InboxLost | ProducerEnded | SettingsError) or (
        isinstance(error, RegistryError) and not isinstance(error, RegistryUnavailable)
    )


def is_passing(error: Exception) -> bool:
    """Whether a transaction failed by the coordinator or the group, and not by a message of it."""
    return isinstance(error, TransactionFailed) and not error.failures


def place_of(record: Record) -> str:
    """Topic, partition and offset, for people."""
    return f"{record.topic()}[{record.partition()}]@{record.offset()}"
