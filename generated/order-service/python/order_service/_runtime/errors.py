"""What can go wrong in this package, as types: whoever catches StubError catches all of it.

Each error says what is wrong, where, and what to do. None of them holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType


class StubError(Exception):
    """Something that this package does for the service went wrong."""


class SettingsError(StubError):
    """A setting is missing or cannot be used."""


class EncodeError(StubError):
    """A value that its schema cannot hold; `path` says which, from the event inwards."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class DecodeError(StubError):
    """Bytes that are no value of their schema, or a schema that the event cannot be read from."""


class SymbolError(DecodeError):
    """A symbol that an enum has got since this package was generated, and no default for it."""


class RegistryError(StubError):
    """The schema registry gave an answer that this service cannot work with."""


class RegistryUnavailable(RegistryError):
    """The schema registry gave no answer; a later attempt may succeed."""


class SchemaNotRegistered(RegistryError):
    """The schema that this service writes is not in the registry: publish the contract first."""

    def __init__(self, name: str, subject: str, registry: str) -> None:
        super().__init__(
            f"the schema of {name} is not registered under the subject {subject} at {registry}; "
            "publish the contract first: kontrakt register --apply"
        )
        self.name = name
        self.subject = subject
        self.registry = registry


class UnknownSchema(RegistryError):
    """The registry has no Avro schema of this id, so nothing written with it can be read."""

    def __init__(self, schema_id: int, problem: str) -> None:
        super().__init__(f"schema id {schema_id}: {problem}")
        self.schema_id = schema_id


class DeliveryError(StubError):
    """One event did not reach its topic. `event` is what was to be sent, `reason` says why."""

    def __init__(self, event: object, topic: str, reason: str) -> None:
        super().__init__(f"{_name(event)} was not delivered to {topic}: {reason}")
        self.event = event
        self.topic = topic
        self.reason = reason


class MessageTooLarge(DeliveryError):
    """An event is larger than the contract allows, or than the producer's `message.max.bytes`."""

    def __init__(self, event: object, topic: str, size: int, budget: int | None = None) -> None:
        super().__init__(
            event,
            topic,
            f"its {size} bytes are more than the producer's message.max.bytes; send less, or raise "
            "that option and the topic's max.message.bytes"
            if budget is None
            else f"its {size} bytes are more than the {budget} that the contract allows on this "
            "topic; send less, or raise max_payload_bytes in the manifest and generate again",
        )
        self.size = size
        """The bytes of its value."""
        self.budget = budget
        """The bytes that the contract allows; None where Kafka's client has refused it."""


class DeliveryFailed(StubError):
    """Events that were sent did not reach their topics; `failures` has each of them, in order."""

    def __init__(self, failures: Sequence[DeliveryError], unconfirmed: int = 0) -> None:
        lines = [f"  {failure}" for failure in failures[:20]]
        if len(failures) > len(lines):
            lines.append(f"  and {len(failures) - len(lines)} more")
        if unconfirmed:
            lines.append(f"  {unconfirmed} not confirmed in time: they may or may not arrive")
        count = len(failures) + unconfirmed
        what = "1 event was" if count == 1 else f"{count} events were"
        super().__init__("\n".join([f"{what} not delivered", *lines]))
        self.failures = tuple(failures)
        self.unconfirmed = unconfirmed


class TransactionFailed(StubError):
    """A transaction was rolled back: nobody sees anything of it, and it can be tried again.

    `failures` has the events that Kafka did not take, where that was the cause.
    """

    def __init__(self, reason: str, failures: Sequence[DeliveryError] = ()) -> None:
        lines = [f"  {failure}" for failure in failures[:20]]
        super().__init__("\n".join([f"the transaction was rolled back: {reason}", *lines]))
        self.reason = reason
        self.failures = tuple(failures)


class ProducerEnded(StubError):
    """Kafka lets this producer send nothing more: make a new one, or end this process."""


class ProducerFenced(ProducerEnded):
    """Another producer has taken over this one's `transactional.id`: end this process."""


class MessageFailed(StubError):
    """A message could not be handled and the policy says to stop. Its offset is not committed."""

    def __init__(self, place: str, reason: str, problem: str) -> None:
        super().__init__(f"{place} could not be handled ({reason}): {problem}")
        self.place = place
        self.reason = reason


class InboxUnavailable(StubError):
    """An inbox could not begin, through no fault of the message; a later attempt may succeed."""


class InboxLost(StubError):
    """The connection of an inbox is closed: nothing more is handled with it; end this process."""


class RejectMessage(Exception):
    """Raise it in a handler to give a message up at once, without further attempts."""


def _name(event: object) -> str:
    """What was to be sent, for people: an event has a class, a key was deleted, bytes waited."""
    if event is None or isinstance(event, bytes):
        return "what waited in the outbox"
    if isinstance(event, str | int) or type(event).__name__ == "UUID":
        return f"the deletion of {event}"
    return type(event).__name__


class FirstError:
    """The error of several steps, each of which is taken although an earlier one has failed.

    Use it as the context of each step. What failed first says most: later errors become notes on
    it. What ends the program, such as SystemExit, gives way to an error, which would be lost.
    """

    def __init__(self, error: BaseException | None = None) -> None:
        """With an error that is on its way already."""
        self._error = self._known = error

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(self._error, Exception):
            if error is not None:
                self._error.add_note(": ".join(filter(None, [type(error).__name__, str(error)])))
        elif error is not None:
            error.__context__ = error.__context__ or self._error
            self._error = error
        return True

    def raise_new(self) -> None:
        """Raise it, unless it was on its way before."""
        if self._error is not None and self._error is not self._known:
            raise self._error
