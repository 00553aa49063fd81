"""An outbox for asyncio: events stay in the service's own database until they have arrived.

An event that is written in the transaction of the effect that it announces is sent exactly when
that effect is there: `send` writes it, `relay` sends it later. A relay that is killed between
sending and noting it sends again, with the same ids, which receivers drop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import DeliveryError, DeliveryFailed
from ..messages.message import ExtraHeaders, Message
from ..producing.async_delivery import Delivery
from .async_tables import Connection, make_postgres_table, undo
from .tables import (
    OUTBOX,
    READ_COMMITTED,
    TAKE_TURN,
    Outgoing,
    Place,
    Row,
    as_bytes,
    check_alone,
    check_relay,
    outbox_statements,
    read_headers,
    write_headers,
)

if TYPE_CHECKING:
    from ..producing.async_producer import EventProducer

Produced_contra = TypeVar("Produced_contra", contravariant=True)


class EventOutbox(Generic[Produced_contra]):
    """Events of one service that wait in its database, in the table `kontrakt_outbox`.

    `send` is for the connection that the service writes its data with; it neither begins nor ends a
    transaction, so call `prepare` on it once, before the first one. `relay` and `run` need a
    connection of their own. With SQLite one process runs them; with PostgreSQL several take turns.
    """

    def __init__(self, producer: EventProducer[Produced_contra], connection: Connection) -> None:
        """Raises ValueError for a connection to another kind of database."""
        self._statements = outbox_statements(connection, "aiosqlite or psycopg")
        self._producer = producer
        self._connection = connection
        self._stop = asyncio.Event()
        self._held: set[Place] = set()

    async def prepare(self) -> None:
        """Make the table where it is missing, in a transaction of its own."""
        if self._statements.is_postgres:
            await make_postgres_table(self._connection, OUTBOX, self._statements.columns)
        else:
            await self._connection.execute(self._statements.create)
            await self._connection.commit()

    async def send(
        self,
        event: Produced_contra,
        *,
        caused_by: Message | None = None,
        headers: ExtraHeaders | None = None,
    ) -> None:
        """Write an event into the outbox, in the transaction that the connection is in.

        Raises as the producer's `send` does, except for what only sending can tell.
        """
        topic, key, value, every = await self._producer.compose(event, caused_by, headers)
        await self._connection.execute(
            self._statements.insert, (topic, key, value, write_headers(every))
        )

    async def relay(self, limit: int = 500) -> int:
        """Send the oldest events that wait, remove them when they have arrived, say how many.

        Raises DeliveryFailed when some did not arrive; these are still in the outbox, and with them
        what has arrived of the same keys behind them, which is sent again in their order, once
        they have arrived. Other keys do not wait. 0 also while another process relays an outbox of
        PostgreSQL, whose turn it is.
        """
        check_relay(self._connection, self._statements)
        try:
            outgoing = await self._relay(limit)
        except BaseException as error:
            # The next attempt must not find a transaction that this one has left open.
            await undo(self._connection, error)
            raise
        if outgoing.failures:
            raise DeliveryFailed(outgoing.failures)
        return len(outgoing.removable)

    async def run(self, interval: float = 0.2) -> None:
        """Relay until `stop`; an empty outbox is looked at again after `interval` seconds.

        Raises as `relay` does; start it again to try again.
        """
        await self.prepare()
        while not self._stop.is_set():
            if not await self.relay():
                try:
                    async with asyncio.timeout(interval):
                        await self._stop.wait()
                except TimeoutError:
                    continue

    def stop(self) -> None:
        """Make `run` return."""
        self._stop.set()

    async def _relay(self, limit: int) -> Outgoing:
        outgoing = await self._choose(limit)
        # All are sent before one is waited for.
        for row, sent in [(row, await self._send_row(*row[1:])) for row in outgoing.rows]:
            if not isinstance(sent, DeliveryError):
                await sent.wait()
            outgoing.note(row, sent if isinstance(sent, DeliveryError) else sent.exception())
        removed = 0
        for number in outgoing.removable:
            cursor: Any = await self._connection.execute(self._statements.delete, number)
            removed += cursor.rowcount
        await self._connection.commit()
        check_alone(len(outgoing.removable), removed)
        return outgoing

    async def _choose(self, limit: int) -> Outgoing:
        """At least so many of the oldest events that may be sent now, where there are as many."""
        outgoing, last = Outgoing(self._held), 0
        if self._statements.is_postgres:
            await self._connection.execute(READ_COMMITTED)
            cursor: Any = await self._connection.execute(TAKE_TURN)
            if not cursor.rowcount:
                return outgoing
        while outgoing.count < limit:
            cursor = await self._connection.execute(self._statements.behind(last, limit))
            page: list[Row] = await cursor.fetchall()
            outgoing.take(page)
            if len(page) < limit:
                break
            last = page[-1][0]
        if not self._statements.is_postgres:
            await self._connection.commit()
        return outgoing

    async def _send_row(
        self, topic: str, key: bytes | None, value: bytes | None, headers: str
    ) -> Delivery | DeliveryError:
        try:
            return await self._producer.send_bytes(
                topic, as_bytes(key), as_bytes(value), read_headers(headers)
            )
        except DeliveryError as error:
            # One that Kafka's client does not take, as it is too large, must not hold up the rest.
            return error
