"""Kafka and a registry in memory, for the tests of a service: its own producer and consumer on top.

The fakes keep what services rely on: the order within a partition, the partition of a key (as the
Java client chooses it), consumer groups with committed offsets, at-least-once delivery after a
crash, reports of delivery that come later. Waiting costs no time: an idle consumer's clock jumps.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar

from .codec import EventType, SchemaReference
from .errors import RegistryUnavailable, SchemaNotRegistered, SettingsError, UnknownSchema
from .message import (
    ExtraHeaders,
    Message,
    event_headers,
    extra_headers,
    fixed_headers,
    read_message,
)
from .settings import RegistrySettings, Settings
from .transport import (
    ConsumerClient,
    Failure,
    Headers,
    Partition,
    ProducerClient,
    Record,
    WriterSchema,
)

Consumed_contra = TypeVar("Consumed_contra", contravariant=True)
Produced_co = TypeVar("Produced_co", covariant=True)

_URL: Final = "memory://registry"
_Report = Callable[[Failure | None, Record], None]


@dataclass(frozen=True, slots=True)
class FakeFailure:
    """Why the fake refused something."""

    code_name: str
    text: str

    def name(self) -> str:
        """The name of the error code."""
        return self.code_name

    def str(self) -> str:
        """What happened."""
        return self.text


class FakeKafkaError(Exception):
    """What the fake clients raise; the first argument is a FakeFailure."""


class FakeRecord:
    """One message as the fake keeps it."""

    __slots__ = ("_headers", "_key", "_offset", "_partition", "_timestamp", "_topic", "_value")

    def __init__(
        self,
        place: Partition,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        self._topic, self._partition = place
        self._offset = offset
        self._key = key
        self._value = value
        self._headers = headers
        self._timestamp = time.time_ns() // 1_000_000

    def topic(self) -> str:
        """The topic it stands on."""
        return self._topic

    def partition(self) -> int:
        """The partition of the topic."""
        return self._partition

    def offset(self) -> int:
        """Its place in the partition."""
        return self._offset

    def key(self) -> bytes | None:
        """The key's bytes."""
        return self._key

    def value(self) -> bytes | None:
        """The value's bytes; None is a tombstone."""
        return self._value

    def headers(self) -> Headers | None:
        """The headers in order; None where there are none, as with confluent-kafka."""
        return list(self._headers) or None

    def timestamp(self) -> tuple[int, int]:
        """When it was made."""
        return 1, self._timestamp


class _Group:
    """A consumer group: its members in the order of their joining, and what each one owns."""

    def __init__(self) -> None:
        self.members: list[FakeConsumer] = []
        self.owners: dict[Partition, FakeConsumer] = {}
        self.committed: dict[Partition, int] = {}


class FakeKafka:
    """Topics, partitions, groups. Topics are made when they are first used."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self.lock = threading.Condition()
        self.clock = 0.0
        self.groups: dict[str, _Group] = {}
        self.failures: deque[FakeFailure] = deque()
        """What the next messages that are sent fail with."""
        self._counts = dict(partitions)
        self._logs: dict[str, list[list[FakeRecord]]] = {}
        self._keyless = 0

    def partitions(self, topic: str) -> list[list[FakeRecord]]:
        """The partitions of a topic, each a list of records."""
        if topic not in self._logs:
            self._logs[topic] = [[] for _ in range(self._counts.get(topic, 1))]
        return self._logs[topic]

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> FakeRecord:
        """Add a message to the partition that its key belongs to."""
        with self.lock:
            logs = self.partitions(topic)
            if key is None:
                self._keyless += 1
                number = self._keyless % len(logs)
            else:
                number = (murmur2(key) & 0x7FFFFFFF) % len(logs)
            record = FakeRecord((topic, number), len(logs[number]), key, value, list(headers))
            logs[number].append(record)
            self.lock.notify_all()
            return record


class FakeProducer:
    """A producing client: messages are there at once, reports of delivery when it is polled."""

    def __init__(
        self, kafka: FakeKafka, options: Mapping[str, object], sent: list[FakeRecord]
    ) -> None:
        self._kafka = kafka
        self._sent = sent
        self._limit = int(str(options.get("queue.buffering.max.messages", 100_000)))
        self._size = int(str(options.get("message.max.bytes", 1_000_000)))
        self._reports: deque[Callable[[], None]] = deque()

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        *,
        on_delivery: _Report | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Queue a message. Raises BufferError when the queue is full, FakeKafkaError for a size."""
        if len(value or b"") + len(key or b"") > self._size:
            raise FakeKafkaError(FakeFailure("MSG_SIZE_TOO_LARGE", "Message size too large"))
        kafka = self._kafka
        with kafka.lock:
            if len(self._reports) >= self._limit:
                raise BufferError("Local: Queue full")
            failure = kafka.failures.popleft() if kafka.failures else None
            if failure is None:
                record = kafka.append(topic, key, value, headers or [])
                self._sent.append(record)
            else:
                record = FakeRecord((topic, -1), -1, key, value, headers or [])
            if on_delivery is not None:
                report = on_delivery
                self._reports.append(lambda: report(failure, record))
            kafka.lock.notify_all()

    def poll(self, timeout: float = -1) -> int:
        """Pass reports of delivery on; wait for the first when there is none."""
        with self._kafka.lock:
            if not self._reports and timeout:
                self._kafka.lock.wait(None if timeout < 0 else timeout)
        count = 0
        while self._reports:
            try:
                report = self._reports.popleft()
            except IndexError:
                # Another thread, the one that polls in the background, was faster.
                break
            report()
            count += 1
        return count

    def flush(self, timeout: float = -1) -> int:
        """Pass all reports on."""
        self.poll(0)
        return len(self._reports)


class FakeConsumer:
    """A member of a group of the fake."""

    def __init__(self, kafka: FakeKafka, options: Mapping[str, object]) -> None:
        self._kafka = kafka
        self._group = kafka.groups.setdefault(str(options["group.id"]), _Group())
        self._from_end = str(options.get("auto.offset.reset")) in ("latest", "largest", "end")
        self._topics: list[str] = []
        self._on_revoked: Callable[[set[Partition]], None] = lambda _: None
        self._positions: dict[Partition, int] = {}
        self._stored: dict[Partition, int] = {}
        self._is_paused = False

    def subscribe(
        self, topics: Sequence[str], on_revoked: Callable[[set[Partition]], None]
    ) -> None:
        """Join the group."""
        self._topics = list(topics)
        self._on_revoked = on_revoked
        with self._kafka.lock:
            self._group.members.append(self)

    def receive(self, limit: int, timeout: float) -> list[Record]:
        """Records of the partitions that this member owns, commit what was stored before."""
        self._commit()
        self._rebalance()
        with self._kafka.lock:
            records = self._take(limit)
            if not records and timeout > 0:
                # Nothing to wait for in a test of one thread, so time passes at once.
                self._kafka.lock.wait(0.001)
                self._kafka.clock += timeout
                records = self._take(limit)
        return records

    def store(self, records: Iterable[Record]) -> None:
        """Note offsets of partitions that this member owns."""
        for record in records:
            partition = (record.topic() or "", record.partition() or 0)
            if partition in self._positions:
                self._stored[partition] = (record.offset() or 0) + 1

    def pause(self) -> None:
        """Receive nothing."""
        self._is_paused = True

    def resume(self) -> None:
        """Receive again."""
        self._is_paused = False

    def close(self) -> None:
        """Give the partitions back, commit, leave the group."""
        if self in self._group.members:
            self._give_back(set(self._positions))
            self.crash()

    def crash(self) -> None:
        """Leave as a process that was killed does: without a word, without a commit."""
        with self._kafka.lock:
            if self in self._group.members:
                self._group.members.remove(self)
            for partition in self._positions:
                self._group.owners.pop(partition, None)
            self._positions.clear()
            self._stored.clear()

    def _commit(self) -> None:
        with self._kafka.lock:
            self._group.committed.update(self._stored)
            self._stored.clear()

    def _give_back(self, partitions: set[Partition]) -> None:
        if not partitions:
            return
        self._on_revoked(partitions)
        self._commit()
        with self._kafka.lock:
            for partition in partitions:
                del self._positions[partition]
                self._group.owners.pop(partition, None)

    def _rebalance(self) -> None:
        """Take this member's share; what another one still owns it gets when that gives it back."""
        members = self._group.members
        if self not in members:
            return
        with self._kafka.lock:
            every = [
                (topic, number)
                for topic in self._topics
                for number in range(len(self._kafka.partitions(topic)))
            ]
            share = set(every[members.index(self) :: len(members)])
        self._give_back(set(self._positions) - share)
        with self._kafka.lock:
            for partition in sorted(share - set(self._positions)):
                if partition not in self._group.owners:
                    self._group.owners[partition] = self
                    topic, number = partition
                    end = len(self._kafka.partitions(topic)[number])
                    start = end if self._from_end else 0
                    self._positions[partition] = self._group.committed.get(partition, start)

    def _take(self, limit: int) -> list[Record]:
        records: list[Record] = []
        if self._is_paused:
            return records
        for (topic, number), position in self._positions.items():
            log = self._kafka.partitions(topic)[number]
            part = log[position : position + limit - len(records)]
            records += part
            self._positions[topic, number] = position + len(part)
        return records


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
                self._ids[event.name] = self.register(event.schema, _texts(event.references))

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

    failure: type[Exception] = FakeKafkaError
    idle = 0.0

    def __init__(
        self,
        service: str,
        consumed: Iterable[EventType[Any]],
        produced: Iterable[EventType[Any]],
        partitions: Mapping[str, int],
    ) -> None:
        self._service = service
        self._types = {event.model: event for event in (*produced, *consumed)}
        self._produced = {event.name: event for event in produced}
        self._sent: list[FakeRecord] = []
        self._consumers: list[FakeConsumer] = []
        self.kafka = FakeKafka(partitions)
        self.fake_registry = FakeRegistry(self._types.values())

    def settings(self, **options: object) -> Settings:
        """Settings that lead here instead of to Kafka; options are librdkafka's, `_` for `.`."""
        return Settings(
            bootstrap_servers="memory",
            registry=RegistrySettings(urls=(_URL,)),
            options={name.replace("_", "."): value for name, value in options.items()},
            transport=self,
        )

    def deliver(
        self,
        event: Consumed_contra,
        *,
        headers: ExtraHeaders = (),
        caused_by: Message | None = None,
        id: str | None = None,
    ) -> Message:
        """Put an event on its topic as another service would; `drain` or `run` handles it."""
        kind = self._types[type(event)]
        schema_id = self.fake_registry.look_up(kind)
        value = kind.encode(event, b"\0" + schema_id.to_bytes(4, "big"))
        key = kind.key(event)
        fixed = fixed_headers(kind.name, "test", _URL, schema_id)
        every = event_headers(fixed, kind.name, key, value, caused_by)
        if id is not None:
            every.append(("ce_id", id.encode()))
        return self.deliver_bytes(
            kind.topic, value, key=key, headers=every + extra_headers(headers)
        )

    def deliver_bytes(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Iterable[tuple[str, str | bytes | None]] = (),
    ) -> Message:
        """Put any bytes on a topic: poison, a tombstone, or the same message once more."""
        record = self.kafka.append(topic, key, value, list(headers))
        return read_message(record, record.headers() or [])

    @property
    def sent(self) -> tuple[Produced_co, ...]:
        """The events that the service has sent so far, in order."""
        return tuple(event for event, _ in self.sent_messages)

    @property
    def sent_messages(self) -> tuple[tuple[Produced_co, Message], ...]:
        """As `sent`, each with its message: topic, partition, key, headers."""
        messages = [
            (read_message(record, record.headers() or []), record.value() or b"")
            for record in list(self._sent)
        ]
        return tuple(
            (self._produced[message.type].decode(value, 5), message)
            for message, value in messages
            if message.type in self._produced and message.header("dlq.reason") is None
        )

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The messages that the service could not handle, in order."""
        letters: list[DeadLetter] = []
        for record in list(self._sent):
            message = read_message(record, record.headers() or [])
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
        for consumer in self._consumers:
            consumer.crash()
        self._consumers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.crash()

    def producer(self, options: Mapping[str, object]) -> ProducerClient:
        """As Transport says."""
        return FakeProducer(self.kafka, options, self._sent)

    def consumer(self, options: Mapping[str, object]) -> ConsumerClient:
        """As Transport says."""
        if not options.get("group.id"):
            raise SettingsError("a consumer needs a group")
        consumer = FakeConsumer(self.kafka, options)
        self._consumers.append(consumer)
        return consumer

    def registry(self) -> FakeRegistry:
        """As Transport says."""
        return self.fake_registry

    def monotonic(self) -> float:
        """The fake's clock."""
        return self.kafka.clock


def _texts(references: Iterable[SchemaReference]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for reference in references:
        texts[reference.name] = reference.schema
        texts.update(_texts(reference.references))
    return texts


def murmur2(data: bytes) -> int:
    """MurmurHash2 with the seed of Kafka's Java client, which chooses the partition of a key."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    result = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        block = int.from_bytes(data[start : start + 4], "little") * factor & mask
        block = (block ^ block >> 24) * factor & mask
        result = (result * factor & mask) ^ block
    if whole < len(data):
        result = (result ^ int.from_bytes(data[whole:], "little")) * factor & mask
    result = (result ^ result >> 13) * factor & mask
    return result ^ result >> 15
