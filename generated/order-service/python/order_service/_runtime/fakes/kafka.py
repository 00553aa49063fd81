"""Kafka in memory: topics, partitions, keys, consumer groups, and clients that cannot tell.

It keeps what services rely on: the order within a partition, the partition of a key (as the Java
client chooses it), committed offsets, at-least-once delivery after a crash, transactions that
readers see whole or not at all, and reports of delivery that come later. Waiting costs no time: the
clock of a consumer that has nothing to read jumps.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from enum import Enum

from ..kafka.transport import Failure, Headers, Partition, Record
from ..late_dataclass import dataclass

_Report = Callable[[Failure | None, Record], None]


@dataclass(frozen=True, slots=True)
class FakeFailure:
    """Why the fake refused something."""

    code_name: str
    text: str
    aborts: bool = False

    def name(self) -> str:
        """The name of the error code."""
        return self.code_name

    def str(self) -> str:
        """What happened."""
        return self.text

    def fatal(self) -> bool:
        """Whether the client is of no use any more."""
        return False

    def retriable(self) -> bool:
        """Whether the same call may work later."""
        return False

    def txn_requires_abort(self) -> bool:
        """Whether the transaction must be rolled back."""
        return self.aborts


class FakeKafkaError(Exception):
    """What the fake clients raise; the first argument is a FakeFailure."""


class _State(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True)
class FakeTransaction:
    """A transaction: whether readers see what was sent in it, and what it commits besides."""

    state: _State = _State.OPEN
    offsets: list[tuple[_Group, Mapping[Partition, int]]] = field(
        default_factory=list["tuple[_Group, Mapping[Partition, int]]"]
    )
    failure: FakeFailure | None = None


_NO_TRANSACTION = FakeTransaction(_State.COMMITTED)


class FakeRecord:
    """One message as the fake keeps it."""

    __slots__ = (
        "_headers",
        "_key",
        "_offset",
        "_partition",
        "_timestamp",
        "_topic",
        "_transaction",
        "_value",
    )

    def __init__(
        self,
        place: Partition,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timestamp: int = 0,
        transaction: FakeTransaction = _NO_TRANSACTION,
    ) -> None:
        self._topic, self._partition = place
        self._transaction = transaction
        self._offset = offset
        self._key = key
        self._value = value
        self._headers = headers
        self._timestamp = timestamp

    @property
    def is_open(self) -> bool:
        """Whether its transaction has not ended: readers wait before it."""
        return self._transaction.state is _State.OPEN

    @property
    def is_committed(self) -> bool:
        """Whether readers see it."""
        return self._transaction.state is _State.COMMITTED

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
        self.transactional: dict[str, FakeProducer] = {}
        """The latest producer of each transactional id."""
        self._counts = dict(partitions)
        self._logs: dict[str, list[list[FakeRecord]]] = {}
        self._keyless = 0
        self._stamp = 0

    def now(self) -> int:
        """A moment behind every record that is there, and not behind any that comes later."""
        with self.lock:
            self._stamp = max(self._stamp + 1, time.time_ns() // 1_000_000)
            return self._stamp

    def partitions(self, topic: str) -> list[list[FakeRecord]]:
        """The partitions of a topic, each a list of records."""
        if topic not in self._logs:
            self._logs[topic] = [[] for _ in range(self._counts.get(topic, 1))]
        return self._logs[topic]

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        transaction: FakeTransaction = _NO_TRANSACTION,
    ) -> FakeRecord:
        """Add a message to the partition that its key belongs to."""
        with self.lock:
            logs = self.partitions(topic)
            if key is None:
                self._keyless += 1
                number = self._keyless % len(logs)
            else:
                number = (murmur2(key) & 0x7FFFFFFF) % len(logs)
            place = (topic, number)
            self._stamp = stamp = max(self._stamp, time.time_ns() // 1_000_000)
            offset = len(logs[number])
            record = FakeRecord(place, offset, key, value, list(headers), stamp, transaction)
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
        self._transactional_id = str(options.get("transactional.id") or "")
        self._transaction = _NO_TRANSACTION

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
                record = kafka.append(topic, key, value, headers or [], self._transaction)
                self._sent.append(record)
            else:
                if self._transaction is not _NO_TRANSACTION:
                    self._transaction.failure = failure
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

    def init_transactions(self, timeout: float = -1) -> None:
        """Roll back what an earlier producer with this id has open, and shut it out."""
        with self._kafka.lock:
            earlier = self._kafka.transactional.get(self._transactional_id)
            if earlier is not None and earlier._transaction is not _NO_TRANSACTION:
                earlier._end(_State.ABORTED)
            self._kafka.transactional[self._transactional_id] = self

    def begin_transaction(self) -> None:
        """Begin one."""
        self._check_fence()
        self._transaction = FakeTransaction()

    def send_offsets_to_transaction(
        self,
        positions: Mapping[Partition, int],
        group_metadata: _Group,
        timeout: float = -1,
    ) -> None:
        """Note offsets for the commit."""
        self._check_fence()
        self._transaction.offsets.append((group_metadata, positions))

    def commit_transaction(self, timeout: float = -1) -> None:
        """Show what was sent. Raises FakeKafkaError when something of it did not arrive."""
        self.poll(0)
        self._check_fence()
        with self._kafka.lock:
            if self._transaction.failure is not None:
                text = f"a message was not delivered: {self._transaction.failure.text}"
                raise FakeKafkaError(FakeFailure("_INCONSISTENT", text, aborts=True))
            for group, positions in self._transaction.offsets:
                group.committed.update(positions)
            self._end(_State.COMMITTED)

    def abort_transaction(self, timeout: float = -1) -> None:
        """Drop what was sent."""
        self.poll(0)
        self._check_fence()
        self._end(_State.ABORTED)

    def _end(self, state: _State) -> None:
        with self._kafka.lock:
            if self._transaction is not _NO_TRANSACTION:
                self._transaction.state = state
            self._transaction = _NO_TRANSACTION
            self._kafka.lock.notify_all()

    def _check_fence(self) -> None:
        if self._kafka.transactional.get(self._transactional_id) is not self:
            raise FakeKafkaError(FakeFailure("_FENCED", "a newer producer has this id"))


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
        self.commit()
        self._give_back(self.surplus())
        self.claim()
        with self._kafka.lock:
            records = self.take(limit)
            if not records and timeout > 0:
                # Nothing to wait for in a test of one thread, so time passes at once.
                self._kafka.lock.wait(0.001)
                self._kafka.clock += timeout
                records = self.take(limit)
        return records

    def store(self, records: Iterable[Record]) -> None:
        """Note offsets of partitions that this member owns."""
        for record in records:
            partition = (record.topic() or "", record.partition() or 0)
            if partition in self._positions:
                self._stored[partition] = (record.offset() or 0) + 1

    def positions_after(self, records: Sequence[Record]) -> tuple[dict[Partition, int], _Group]:
        """The offsets behind these records, and the group."""
        ends = {
            (record.topic() or "", record.partition() or 0): (record.offset() or 0) + 1
            for record in records
        }
        return ends, self._group

    def pause(self) -> None:
        """Receive nothing."""
        self._is_paused = True

    def resume(self) -> None:
        """Receive again."""
        self._is_paused = False

    def lag(self) -> dict[Partition, int | None]:
        """Its partitions, and how many records it has not received of each."""
        with self._kafka.lock:
            return {
                (topic, number): len(self._kafka.partitions(topic)[number]) - position
                for (topic, number), position in self._positions.items()
            }

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

    @property
    def owned(self) -> set[Partition]:
        """The partitions of this member."""
        return set(self._positions)

    def commit(self) -> None:
        """Commit what was stored."""
        with self._kafka.lock:
            self._group.committed.update(self._stored)
            self._stored.clear()

    def _give_back(self, partitions: set[Partition]) -> None:
        if partitions:
            self._on_revoked(partitions)
            self.release(partitions)

    def release(self, partitions: set[Partition]) -> None:
        """Commit what was stored, and leave these partitions to other members."""
        self.commit()
        with self._kafka.lock:
            for partition in partitions:
                del self._positions[partition]
                self._group.owners.pop(partition, None)

    def _share(self) -> set[Partition]:
        """What belongs to this member when everybody has given back what does not."""
        members = self._group.members
        with self._kafka.lock:
            every = [
                (topic, number)
                for topic in self._topics
                for number in range(len(self._kafka.partitions(topic)))
            ]
            return set(every[members.index(self) :: len(members)]) if self in members else set()

    def surplus(self) -> set[Partition]:
        """The partitions that this member must give back, since others have joined."""
        return self.owned - self._share()

    def claim(self) -> None:
        """Take this member's share; what another one still owns it gets when that gives it back."""
        with self._kafka.lock:
            share = self._share()
            for partition in sorted(share - set(self._positions)):
                if partition not in self._group.owners:
                    self._group.owners[partition] = self
                    topic, number = partition
                    end = len(self._kafka.partitions(topic)[number])
                    start = end if self._from_end else 0
                    self._positions[partition] = self._group.committed.get(partition, start)

    def take(self, limit: int) -> list[Record]:
        """The next records of the partitions that this member owns."""
        records: list[Record] = []
        if self._is_paused:
            return records
        for topic, number in self._positions:
            log = self._kafka.partitions(topic)[number]
            for record in log[self._positions[topic, number] :]:
                if record.is_open or len(records) == limit:
                    break
                self._positions[topic, number] += 1
                if record.is_committed:
                    records.append(record)
        return records


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
