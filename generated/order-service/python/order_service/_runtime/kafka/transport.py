"""What the producer and the consumer need of Kafka and of a registry, as narrow protocols.

The real ones stand in `confluent` and `registry`, those for tests in `fakes`; the producer and the
consumer cannot tell them apart. A record and a producing client are shaped like those of
confluent-kafka, so that nothing stands between a service and that library for each message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from ..avro.codec import EventType
from ..late_dataclass import dataclass

Headers: TypeAlias = list[tuple[str, str | bytes | None]]
Partition: TypeAlias = tuple[str, int]
"""A topic and a partition of it."""
Positions: TypeAlias = Callable[[], tuple[Any, Any]]
"""Gives offsets and the group that they belong to, as `positions_after` of a consumer client."""


class Failure(Protocol):
    """Why Kafka refused something."""

    def name(self) -> str:
        """The name of the error code."""
        ...

    def str(self) -> str:
        """What happened, for people."""
        ...


_CREATE: Final = "kontrakt topics --apply creates it"
_ADVICE: Final = {
    "MSG_SIZE_TOO_LARGE": "send less, or raise the topic's max.message.bytes; what was sent in one "
    "batch with a message that is too large fails with it",
    "TOPIC_AUTHORIZATION_FAILED": "let this service write to the topic",
    "UNKNOWN_TOPIC_OR_PART": _CREATE,
    "_UNKNOWN_TOPIC": _CREATE,
    "_MSG_TIMED_OUT": "no broker has confirmed it within delivery.timeout.ms; send it again when "
    "Kafka is there",
}


def explain(name: str, text: str) -> str:
    """Why Kafka did not take a message, and what to do about it where that is known."""
    advice = _ADVICE.get(name)
    return f"{name}: {text}" if advice is None else f"{name}: {text}; {advice}"


class Record(Protocol):
    """One message as Kafka keeps it."""

    def topic(self) -> str | None:
        """The topic it stands on."""
        ...

    def partition(self) -> int | None:
        """The partition of the topic."""
        ...

    def offset(self) -> int | None:
        """Its place in the partition."""
        ...

    def key(self) -> bytes | None:
        """The key's bytes."""
        ...

    def value(self) -> bytes | None:
        """The value's bytes; None is a tombstone."""
        ...

    def headers(self) -> Any:
        """A list of pairs of name and value, or None."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """The type of the timestamp (0: none) and milliseconds since 1970."""
        ...


def partition_of(record: Record) -> Partition:
    """The partition that a record stands in."""
    return record.topic() or "", record.partition() or 0


class ProducerClient(Protocol):
    """Sends bytes; reports of their delivery come while it is polled."""

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        *,
        on_delivery: Callable[[Failure | None, Record], None] | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Queue a message. Raises BufferError when the queue is full."""
        ...

    def poll(self, timeout: float = -1) -> int:
        """Wait for reports of delivery and pass them on."""
        ...

    def flush(self, timeout: float = -1) -> int:
        """Wait until all is delivered or has failed; the number of those still on the way."""
        ...

    def init_transactions(self, timeout: float = -1) -> None:
        """End what an earlier client with this `transactional.id` began, and shut it out."""
        ...

    def begin_transaction(self) -> None:
        """Begin: what is produced from now on is seen when the transaction is committed."""
        ...

    def send_offsets_to_transaction(
        self, positions: Any, group_metadata: Any, timeout: float = -1
    ) -> None:
        """Commit these offsets of a group with the transaction."""
        ...

    def commit_transaction(self, timeout: float = -1) -> None:
        """Wait until all is delivered, then show it to readers."""
        ...

    def abort_transaction(self, timeout: float = -1) -> None:
        """Drop what was produced since the transaction began."""
        ...


class ConsumerClient(Protocol):
    """Receives records of the partitions that its group gives to it."""

    def subscribe(
        self, topics: Sequence[str], on_revoked: Callable[[set[Partition]], None]
    ) -> None:
        """Join the group; `on_revoked` is called before partitions go to another member."""
        ...

    def receive(self, limit: int, timeout: float) -> list[Record]:
        """Wait for a record and return it with those that came with it, at most `limit`."""
        ...

    def store(self, records: Iterable[Record]) -> None:
        """Note that these, and what is before them in their partitions, need not come again."""
        ...

    def positions_after(self, records: Sequence[Record]) -> tuple[Any, Any]:
        """The offsets behind these records, and the group, as a transaction takes them."""
        ...

    def pause(self) -> None:
        """Receive nothing more until `resume`, but stay in the group."""
        ...

    def resume(self) -> None:
        """Go on after `pause`."""
        ...

    def lag(self) -> dict[Partition, int | None]:
        """Its partitions, and how many records each has that were not received, if known."""
        ...

    def close(self) -> None:
        """Commit what was stored and leave the group."""
        ...


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema that messages were written with: its text, and the types that it refers to."""

    text: str
    references: Mapping[str, str]
    """The text of each schema that it refers to, also indirectly, by full name."""


class Registry(Protocol):
    """Where schemas have their ids. Every method raises RegistryUnavailable without an answer."""

    url: str
    """Where it is, without secrets."""

    def look_up(self, event: EventType[Any]) -> int:
        """The id of an event's schema. Raises SchemaNotRegistered."""
        ...

    def fetch(self, schema_id: int) -> WriterSchema:
        """The schema of this id. Raises UnknownSchema."""
        ...


class Transport(Protocol):
    """Makes the clients of one service."""

    failure: type[Exception]
    """What its clients raise where Kafka refuses something."""
    idle: float
    """After how many seconds without a record all is read that was there."""

    def producer(self, options: Mapping[str, object]) -> ProducerClient:
        """A client that sends. Raises SettingsError for options that it does not know."""
        ...

    def consumer(self, options: Mapping[str, object]) -> ConsumerClient:
        """A client that receives. Raises SettingsError for options that it does not know."""
        ...

    def registry(self) -> Registry:
        """The registry; the same one each time, so that what it learnt is kept."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def now(self) -> int:
        """The moment by the clock that stamps records, in milliseconds since 1970."""
        ...

    def sleep(self, delay: float) -> None:
        """Let so many seconds pass on that clock."""
        ...
