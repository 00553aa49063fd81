"""Kafka itself, through confluent-kafka: the one module of this package that imports it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ..errors import SettingsError, StubError
from .bounded import call_within
from .registry import HttpRegistry
from .settings import RegistrySettings
from .transport import ConsumerClient, Partition, ProducerClient, Record, Registry, partition_of

_Client = TypeVar("_Client")
_log: Final = logging.getLogger(__name__)
_CLOSE: Final = 15.0
"""Seconds that leaving Kafka may take."""
_PAUSE: Final = 30.0
"""Seconds between two reports of one kind."""
_HOPELESS: Final = frozenset(
    {
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
    }
)


_ADVICE: Final = {
    KafkaError._MAX_POLL_EXCEEDED: (
        "; a handler took that long, so another member has its partitions, and what was not "
        "committed comes again: raise max.poll.interval.ms, or let several threads handle"
    ),
    KafkaError.UNKNOWN_TOPIC_OR_PART: "; kontrakt topics --apply creates it",
}
"""What to do about errors that Kafka reports in place of a record."""


class ErrorLog:
    """Logs what a client reports of its brokers, such as that they are away or let it not in.

    librdkafka writes that to stderr only, and reports it with each attempt to connect: one of a
    kind is told again after some time.
    """

    def __init__(self) -> None:
        self._told: dict[int, float] = {}
        """When the last error of each code was told, on the machine's clock."""

    def __call__(self, error: KafkaError) -> None:
        """Take a report."""
        now, code = time.monotonic(), error.code()
        if now >= self._told.get(code, -_PAUSE) + _PAUSE:
            self._told[code] = now
            _log.warning("Kafka: %s: %s", error.name(), error.str())


class KafkaTransport:
    """Clients of one Kafka cluster and of one registry."""

    failure: type[Exception] = KafkaException
    idle = 5.0

    def __init__(self, bootstrap_servers: str, registry: RegistrySettings) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._registry_settings = registry
        self._registry: HttpRegistry | None = None

    def producer(self, options: Mapping[str, object]) -> ProducerClient:
        """A client that sends. Raises SettingsError for options that librdkafka does not know."""
        return _make(confluent_kafka.Producer, self._complete(options))

    def consumer(self, options: Mapping[str, object]) -> ConsumerClient:
        """A client that receives. Raises SettingsError as `producer` does."""
        return KafkaConsumer(_make(confluent_kafka.Consumer, self._complete(options)))

    def registry(self) -> Registry:
        """The registry that the settings name."""
        if self._registry is None:
            self._registry = HttpRegistry(self._registry_settings)
        return self._registry

    def monotonic(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return time.monotonic()

    def now(self) -> int:
        """The moment by this machine's clock, with which a producer stamps its records."""
        return time.time_ns() // 1_000_000

    def sleep(self, delay: float) -> None:
        """Let so many seconds pass."""
        time.sleep(delay)

    def _complete(self, options: Mapping[str, object]) -> dict[str, object]:
        ours = {"error_cb": ErrorLog()}
        return {**ours, **options, "bootstrap.servers": self._bootstrap_servers}


def _make(kind: Callable[[dict[str, object]], _Client], options: dict[str, object]) -> _Client:
    try:
        return kind(options)
    except (KafkaException, ValueError, TypeError) as error:
        problem = error.args[0].str() if isinstance(error, KafkaException) else error
        raise SettingsError(
            f"librdkafka does not take these options: {problem}; "
            "see KAFKA_* in the environment and `options` of settings()"
        ) from error


class KafkaConsumer:
    """A member of a consumer group."""

    def __init__(self, client: confluent_kafka.Consumer) -> None:
        self._client = client
        self._paused = False
        self._revoked: set[Partition] = set()
        """What was revoked and not assigned again while records were being received."""

    def subscribe(
        self, topics: Sequence[str], on_revoked: Callable[[set[Partition]], None]
    ) -> None:
        """Join the group; partitions that are lost count as revoked."""

        def revoke(_: object, partitions: list[TopicPartition]) -> None:
            revoked = {(each.topic, each.partition) for each in partitions}
            self._revoked |= revoked
            # Else they would still be paused when they come back, and nobody would resume them.
            self._client.resume(partitions)
            on_revoked(revoked)

        def assign(_: object, partitions: list[TopicPartition]) -> None:
            self._paused = False
            self._revoked -= {(each.topic, each.partition) for each in partitions}

        self._client.subscribe(list(topics), on_assign=assign, on_revoke=revoke, on_lost=revoke)

    def receive(self, limit: int, timeout: float) -> list[Record]:
        """Wait for one record, then take what is there already. Raises StubError when hopeless."""
        first = self._client.poll(timeout)
        if first is None:
            return []
        # What was revoked before the first record came has none here; what is revoked from now on
        # has, and its next owner gets those as well.
        self._revoked.clear()
        # `consume` waits for all that it may return, so it gets no time of its own.
        records = [first, *self._client.consume(limit - 1, 0)]
        if self._revoked:
            records = [record for record in records if partition_of(record) not in self._revoked]
        return [record for record in records if record.error() is None or not _tell(record)]

    def store(self, records: Iterable[Record]) -> None:
        """Note offsets; those of partitions that now belong to another member are left out."""
        for record in records:
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            assert topic is not None and partition is not None and offset is not None
            try:
                self._client.store_offsets(offsets=[TopicPartition(topic, partition, offset + 1)])
            except KafkaException as error:
                _log.info("%s[%s]: offset not stored: %s", topic, partition, error)

    def positions_after(self, records: Sequence[Record]) -> tuple[object, object]:
        """The offsets behind these records, and the group, for a transaction."""
        ends: dict[Partition, int] = {}
        for record in records:
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            assert topic is not None and partition is not None and offset is not None
            ends[topic, partition] = offset + 1
        positions = [TopicPartition(*place, offset) for place, offset in ends.items()]
        return positions, self._client.consumer_group_metadata()

    def pause(self) -> None:
        """Stop fetching; also called again after a rebalance has brought new partitions."""
        if not self._paused:
            self._client.pause(self._client.assignment())
            self._paused = True

    def resume(self) -> None:
        """Fetch again."""
        self._client.resume(self._client.assignment())
        self._paused = False

    def lag(self) -> dict[Partition, int | None]:
        """From what the last answers of the brokers said; asks nobody."""
        try:
            assigned = self._client.assignment()
            return {
                (each.topic, each.partition): self._lag_of(each)
                for each in self._client.position(assigned)
            }
        except (KafkaException, RuntimeError):
            # Closed by another thread meanwhile.
            return {}

    def _lag_of(self, place: TopicPartition) -> int | None:
        marks = self._client.get_watermark_offsets(place, cached=True)
        if marks is None or marks[1] < 0 or place.offset < 0:
            return None
        return max(0, marks[1] - place.offset)

    def close(self) -> None:
        """Commit what was stored and leave the group; the client waits for brokers without end."""
        try:
            call_within(_CLOSE, self._client.close, "leaving Kafka")
        except TimeoutError:
            _log.warning(
                "Kafka did not let this consumer leave within %.0f seconds: its partitions are "
                "free after session.timeout.ms, and what was not committed comes again",
                _CLOSE,
            )


def _tell(record: confluent_kafka.Message) -> bool:
    """Log what Kafka reports in place of a record; always true. Raises StubError when hopeless."""
    error = record.error()
    assert error is not None
    if error.fatal() or error.code() in _HOPELESS:
        raise StubError(f"Kafka refuses this consumer: {error.name()}: {error.str()}")
    advice = _ADVICE.get(error.code(), "")
    _log.warning("Kafka: %s: %s%s", error.name(), error.str(), advice)
    return True
