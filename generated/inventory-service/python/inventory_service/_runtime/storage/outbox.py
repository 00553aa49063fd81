"""An outbox keeps events in the service's own database until they have arrived on their topics.

An event that is written in the transaction of the effect that it announces is sent exactly when
that effect is there: `send` writes it, `relay` sends it later. A relay that is killed between
sending and noting it sends again, with the same ids, which receivers drop.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import DeliveryError, DeliveryFailed
from ..messages.message import ExtraHeaders, Message
from ..producing.delivery import Delivery
from .tables import (
    OUTBOX,
    READ_COMMITTED,
    TAKE_TURN,
    Connection,
    Outgoing,
    Place,
    Row,
    as_bytes,
    check_alone,
    check_relay,
    make_postgres_table,
    outbox_statements,
    read_headers,
    undo,
    write_headers,
)

if TYPE_CHECKING:
    from ..producing.producer import EventProducer

Produced_contra = TypeVar("Produced_contra", contravariant=True)


class EventOutbox(Generic[Produced_contra]):
    """Events of one service that wait in its database, in the table `kontrakt_outbox`.

    `send` is for the connection that the service writes its data with; it neither begins nor ends a
    transaction. `relay` and `run` need a connection of their own. With SQLite one process runs
    them; with PostgreSQL several take turns.
    """

    def __init__(self, producer: EventProducer[Produced_contra], connection: Connection) -> None:
        """Make the table where it is missing.

        Raises ValueError for a connection to another kind of database.
        """
        self._statements = outbox_statements(connection, "sqlite3 or psycopg")
        self._producer = producer
        self._connection = connection
        self._stop = threading.Event()
        self._held: set[Place] = set()
        if self._statements.is_postgres:
            make_postgres_table(connection, OUTBOX, self._statements.columns)
        else:
            connection.cursor().execute(self._statements.create)
            connection.commit()

    def send(
        self,
        event: Produced_contra,
        *,
        caused_by: Message | None = None,
        headers: ExtraHeaders | None = None,
    ) -> None:
        """Write an event into the outbox, in the transaction that the connection is in.

        Raises as the producer's `send` does, except for what only sending can tell.
        """
        topic, key, value, every = self._producer.compose(event, caused_by, headers)
        self._connection.cursor().execute(
            self._statements.insert, (topic, key, value, write_headers(every))
        )

    def relay(self, limit: int = 500) -> int:
        """Send the oldest events that wait, remove them when they have arrived, say how many.

        Raises DeliveryFailed when some did not arrive; these are still in the outbox, and with them
        what has arrived of the same keys behind them, which is sent again in their order, once
        they have arrived. Other keys do not wait. 0 also while another process relays an outbox of
        PostgreSQL, whose turn it is.
        """
        check_relay(self._connection, self._statements)
        try:
            outgoing = self._relay(limit)
        except BaseException as error:
            # The next attempt must not find a transaction that this one has left open.
            undo(self._connection.rollback, error)
            raise
        if outgoing.failures:
            raise DeliveryFailed(outgoing.failures)
        return len(outgoing.removable)

    def run(self, interval: float = 0.2) -> None:
        """Relay until `stop`; an empty outbox is looked at again after `interval` seconds.

        Raises as `relay` does; start it again to try again.
        """
        while not self._stop.is_set():
            if not self.relay():
                self._stop.wait(interval)

    def stop(self) -> None:
        """Make `run` return."""
        self._stop.set()

    def _relay(self, limit: int) -> Outgoing:
        outgoing = self._choose(limit)
        # All are sent before one is waited for.
        for row, sent in [(row, self._send_row(*row[1:])) for row in outgoing.rows]:
            outgoing.note(row, sent if isinstance(sent, DeliveryError) else sent.exception())
        removed = 0
        if outgoing.removable:
            cursor = self._connection.cursor()
            cursor.executemany(self._statements.delete, outgoing.removable)
            removed = cursor.rowcount
        self._connection.commit()
        check_alone(len(outgoing.removable), removed)
        return outgoing

    def _choose(self, limit: int) -> Outgoing:
        """At least so many of the oldest events that may be sent now, where there are as many."""
        outgoing, last, cursor = Outgoing(self._held), 0, self._connection.cursor()
        if self._statements.is_postgres:
            cursor.execute(READ_COMMITTED)
            cursor.execute(TAKE_TURN)
            if not cursor.rowcount:
                return outgoing
        while outgoing.count < limit:
            cursor.execute(self._statements.behind(last, limit))
            page: list[Row] = cursor.fetchall()
            outgoing.take(page)
            if len(page) < limit:
                break
            last = page[-1][0]
        if not self._statements.is_postgres:
            self._connection.commit()
        return outgoing

    def _send_row(
        self, topic: str, key: bytes | None, value: bytes | None, headers: str
    ) -> Delivery | DeliveryError:
        try:
            return self._producer.send_bytes(
                topic, as_bytes(key), as_bytes(value), read_headers(headers)
            )
        except DeliveryError as error:
            # One that Kafka's client does not take, as it is too large, must not hold up the rest.
            return error
