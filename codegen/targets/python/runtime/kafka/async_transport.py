"""What the asyncio producer and consumer need of Kafka, as narrow protocols.

The real ones stand in `aiokafka`, those for tests in `fakes`; the producer and the consumer cannot
tell them apart. The registry is the same as without asyncio; it is asked in a thread, so that the
event loop goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from .transport import Failure, Headers, Partition, Record, Registry

Place: TypeAlias = tuple[int, int]
"""The partition and the offset that a message went to."""


class Refused(Exception):
    """What the clients raise where Kafka refuses something; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.name()}: {failure.str()}")
        self.failure = failure


class AsyncProducerClient(Protocol):
    """Sends bytes."""

    async def start(self) -> None:
        """Connect. Raises StubError when Kafka cannot be reached or refuses this client."""
        ...

    async def produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[Place]:
        """Queue a message, when there is room; the future ends with its place, or with Refused.

        Raises Refused for what is refused at once.
        """
        ...

    async def begin_transaction(self) -> None:
        """Begin: what is produced from now on is seen when the transaction is committed."""
        ...

    async def send_offsets_to_transaction(self, positions: Any, group: Any) -> None:
        """Commit these offsets of a group with the transaction."""
        ...

    async def commit_transaction(self) -> None:
        """Wait until all is delivered, then show it to readers."""
        ...

    async def abort_transaction(self) -> None:
        """Drop what was produced since the transaction began."""
        ...

    async def close(self, timeout: float) -> None:
        """Send what is queued, for so many seconds at most, and leave."""
        ...


class AsyncConsumerClient(Protocol):
    """Receives records of the partitions that its group gives to it."""

    async def start(
        self,
        topics: Sequence[str],
        on_revoked: Callable[[set[Partition]], Awaitable[None]],
        *,
        settled: bool = False,
    ) -> None:
        """Join the group; `on_revoked` is awaited before partitions go to another member.

        With `settled` it begins behind the offsets of transactions that are ended, and waits for
        those that are not (KIP-447). Raises StubError when Kafka cannot be reached or refuses this
        client.
        """
        ...

    async def receive(self, limit: int, timeout: float) -> list[Record]:
        """Wait for records, at most `limit`. Nothing is awaited between taking and returning them.

        Raises StubError when Kafka refuses this consumer for good.
        """
        ...

    def store(self, records: Iterable[Record]) -> None:
        """Note that these, and what is before them in their partitions, need not come again."""
        ...

    def positions_after(self, records: Sequence[Record]) -> tuple[Any, Any]:
        """The offsets behind these records, and the group, as a transaction takes them."""
        ...

    async def commit(self) -> None:
        """Commit what was stored; what cannot be committed now stays stored, or is not ours."""
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

    async def close(self) -> None:
        """Commit what was stored and leave the group."""
        ...


class AsyncTransport(Protocol):
    """Makes the clients of one service."""

    idle: float
    """After how many seconds without a record all is read that was there."""

    def producer(self, options: Mapping[str, object]) -> AsyncProducerClient:
        """A client that sends, not started. Raises SettingsError for options it does not know."""
        ...

    def consumer(self, options: Mapping[str, object]) -> AsyncConsumerClient:
        """A client that receives, not started. Raises SettingsError as `producer` does."""
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

    async def sleep(self, delay: float) -> None:
        """Wait so many seconds of that clock."""
        ...
