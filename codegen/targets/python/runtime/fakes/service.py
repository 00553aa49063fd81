"""Everything around one service in memory, for its tests: its own producer and consumer on top.

`deliver` puts an event on its topic as another service would, the consumer's `drain` handles it,
and `sent` has what the service answered. Nothing leaves the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, Self, TypeVar

from ..avro.codec import EventType
from ..errors import RegistryUnavailable, SchemaNotRegistered, UnknownSchema
from ..kafka.settings import RegistrySettings, Settings
from ..kafka.transport import ConsumerClient, ProducerClient, WriterSchema
from ..late_dataclass import dataclass
from ..messages.composing import Composer
from ..messages.framing import Unreadable
from ..messages.keys import KeyReader
from ..messages.message import ExtraHeaders, Message, extra_headers, read_message
from ..metrics import MessagingMetrics
from .kafka import (
    FakeConsumer,
    FakeFailure,
    FakeKafka,
    FakeKafkaError,
    FakeProducer,
    FakeRecord,
)

Consumed_contra = TypeVar("Consumed_contra", contravariant=True)
Produced_co = TypeVar("Produced_co", covariant=True)

_URL: Final = "memory://registry"


class FakeRegistry:
    """A registry that knows the schemas of the service, and others that a test registers."""

    url = _URL

    def __init__(self, events: Iterable[EventType[Any]]) -> None:
        self.is_down = False
        """Set it to have the registry give no answer."""
        self._ids: dict[str, int] = {}
        self._schemas: dict[int, WriterSchema] = {}
        for event in events:
            if event.name not in self._ids:
                self._ids[event.name] = self.register(event.schema, event.codec.schema.texts())

    def register(self, schema: str, references: Mapping[str, str] | None = None) -> int:
        """Add a schema, for example an older version of an event, and return its id."""
        schema_id = len(self._schemas) + 1
        self._schemas[schema_id] = WriterSchema(schema, dict(references or {}))
        return schema_id

    def forget(self, name: str) -> None:
        """Behave as if the event of this full name had never been registered."""
        del self._schemas[self._ids.pop(name)]

    def look_up(self, event: EventType[Any]) -> int:
        """As Registry says."""
        self._answer()
        if event.name not in self._ids:
            raise SchemaNotRegistered(event.name, event.subject, self.url)
        return self._ids[event.name]

    def fetch(self, schema_id: int) -> WriterSchema:
        """As Registry says."""
        self._answer()
        if schema_id not in self._schemas:
            raise UnknownSchema(schema_id, "the registry has no schema of this id")
        return self._schemas[schema_id]

    def _answer(self) -> None:
        if self.is_down:
            raise RegistryUnavailable("the registry does not answer")


class _FakeTransport:
    """Makes the fake clients, and remembers what they sent."""

    failure: type[Exception] = FakeKafkaError
    idle = 0.0

    def __init__(
        self,
        kafka: FakeKafka,
        registry: FakeRegistry,
        sent: list[FakeRecord],
        consumers: list[FakeConsumer],
    ) -> None:
        self._kafka = kafka
        self._registry = registry
        self._sent = sent
        self._consumers = consumers

    def producer(self, options: Mapping[str, object]) -> ProducerClient:
        return FakeProducer(self._kafka, options, self._sent)

    def consumer(self, options: Mapping[str, object]) -> ConsumerClient:
        consumer = FakeConsumer(self._kafka, options)
        self._consumers.append(consumer)
        return consumer

    def registry(self) -> FakeRegistry:
        return self._registry

    def monotonic(self) -> float:
        return self._kafka.clock

    def now(self) -> int:
        return self._kafka.now()

    def sleep(self, delay: float) -> None:
        # Other threads run, and the clock is as late as it must be.
        end = self._kafka.clock + delay
        with self._kafka.lock:
            self._kafka.lock.wait(0.001)
            self._kafka.clock = max(self._kafka.clock, end)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled: where it was kept, as what, and why."""

    message: Message
    """As it stands on the dead-letter topic: all headers, also those of the dead letter."""
    value: bytes | None
    reason: str
    problem: str


class ServiceFakes(Generic[Consumed_contra, Produced_co]):
    """The surroundings of one service in memory. Use it as a context in a test."""

    def __init__(
        self,
        consumed: Sequence[EventType[Any]],
        produced: Sequence[EventType[Any]],
        partitions: Mapping[str, int],
    ) -> None:
        """`partitions` has how many each topic has; a topic that is not there has one."""
        self._types = {event.model: event for event in (*produced, *consumed)}
        self._produced = {event.name: event for event in produced}
        keys = [event.key_type for event in (*produced, *consumed) if event.key_type is not None]
        self.kafka = FakeKafka(partitions)
        self.registry = FakeRegistry((*self._types.values(), *keys))
        self._keys = KeyReader(self.registry, keys)
        self.sent_records: list[FakeRecord] = []
        self.consumers: list[FakeConsumer] = []
        self._transport = self._make_transport()

    def _make_transport(self) -> object:
        return _FakeTransport(self.kafka, self.registry, self.sent_records, self.consumers)

    def settings(self, *, metrics: MessagingMetrics | None = None, **options: object) -> Settings:
        """Settings that lead here instead of to Kafka; options are librdkafka's, `_` for `.`."""
        return Settings(
            bootstrap_servers="memory",
            registry=RegistrySettings(urls=(_URL,)),
            options={name.replace("_", "."): value for name, value in options.items()},
            transport=self._transport,
            metrics=metrics,
        )

    def deliver(
        self,
        event: Consumed_contra,
        *,
        headers: ExtraHeaders = (),
        caused_by: Message | None = None,
        id: str | None = None,
    ) -> Message:
        """Put an event on its topic as another service would; `drain` or `run` handles it.

        Raises TypeError for what is no event of this service, and EncodeError as a producer does.
        """
        if type(event) not in self._types:
            known = ", ".join(sorted(model.__name__ for model in self._types))
            raise TypeError(f"{type(event).__name__} is no event of this service; it has {known}")
        composer = Composer(self.registry, "test", [self._types[type(event)]], {})
        topic, key, value, every = composer.compose(event, caused_by, None)
        if id is not None:
            every.append(("ce_id", id.encode()))
        return self.deliver_bytes(topic, value, key=key, headers=every + extra_headers(headers))

    def deliver_deletion(self, topic: str, key: object) -> Message:
        """Delete a key of a compacted topic as another service would."""
        composer = Composer(self.registry, "test", self._types.values(), {})
        _, data, _, headers = composer.compose_deletion(topic, key, None, None)
        return self.deliver_bytes(topic, None, key=data, headers=headers)

    def deliver_bytes(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Iterable[tuple[str, str | bytes | None]] = (),
    ) -> Message:
        """Put any bytes on a topic: poison, a tombstone, or the same message once more."""
        for part in (key, value):
            if part is not None and not isinstance(part, bytes):
                raise TypeError(f"a message consists of bytes, not of {part!r}")
        record = self.kafka.append(topic, key, value, list(headers))
        return self._read_message(record)

    def _read_message(self, record: FakeRecord) -> Message:
        """The message of a record, with its key as a value where it has a schema and fits it."""
        message = self._keys.prepare(read_message(record))
        with suppress(Unreadable, RegistryUnavailable):
            self._keys.read(message)
        return message

    @property
    def sent(self) -> tuple[Produced_co, ...]:
        """The events that the service has sent so far, in order."""
        return tuple(event for event, _ in self.sent_messages)

    @property
    def sent_messages(self) -> tuple[tuple[Produced_co, Message], ...]:
        """As `sent`, each with its message: topic, partition, key, headers."""
        messages = [
            (self._read_message(record), record.value() or b"")
            for record in list(self.sent_records)
            if record.is_committed
        ]
        return tuple(
            (self._produced[message.type].decode(value, 5), message)
            for message, value in messages
            if message.type in self._produced and message.header("dlq.reason") is None
        )

    @property
    def deletions(self) -> tuple[Message, ...]:
        """The messages with which the service deleted keys of compacted topics, in order."""
        return tuple(
            self._read_message(record)
            for record in list(self.sent_records)
            if record.is_committed and record.value() is None and not _is_dead_letter(record)
        )

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The messages that the service could not handle, in order."""
        letters: list[DeadLetter] = []
        for record in list(self.sent_records):
            message = read_message(record)
            reason = message.header("dlq.reason")
            if reason is not None:
                problem = message.header("dlq.message") or ""
                letters.append(DeadLetter(message, record.value(), reason, problem))
        return tuple(letters)

    def fail_deliveries(self, count: int = 1, reason: str = "Local: Message timed out") -> None:
        """Have the next messages that the service sends not arrive."""
        self.kafka.failures.extend([FakeFailure("_MSG_TIMED_OUT", reason)] * count)

    def crash(self) -> None:
        """Kill the consumers as `kill -9` would: what is not committed comes again."""
        for consumer in self.consumers:
            consumer.crash()
        self.consumers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.crash()


def _is_dead_letter(record: FakeRecord) -> bool:
    return any(name == "dlq.reason" for name, _ in record.headers() or [])
