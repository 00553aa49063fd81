"""An outbox keeps events in the service's own database until they have arrived on their topics.

An event that is written in the transaction of the effect that it announces is sent exactly when
that effect is there: `send` writes it, `relay` sends it later. A relay that is killed between
sending and noting it sends again, with the same ids, which receivers drop.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from .delivery import Delivery
from .errors import DeliveryError, DeliveryFailed
from .message import ExtraHeaders, Message
from .tables import Connection, make_postgres_table
from .transport import Headers

if TYPE_CHECKING:
    from .producer import EventProducer

Produced_contra = TypeVar("Produced_contra", contravariant=True)

_COLUMNS: Final = "topic, message_key, message_value, headers"
_TABLE: Final = "kontrakt_outbox"
_SQLITE_COLUMNS: Final = (
    "id INTEGER PRIMARY KEY AUTOINCREMENT, "
    "topic TEXT NOT NULL, message_key BLOB, message_value BLOB, headers TEXT NOT NULL"
)
_POSTGRES_COLUMNS: Final = (
    "id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "topic TEXT NOT NULL, message_key BYTEA, message_value BYTEA, headers TEXT NOT NULL"
)
_MARKS: Final = {"qmark": "?", "pyformat": "%s"}


class EventOutbox(Generic[Produced_contra]):
    """Events of one service that wait in its database, in the table `kontrakt_outbox`.

    `send` is for the connection that the service writes its data with; it neither begins nor ends a
    transaction. `relay` and `run` need a connection of their own, and one process that runs them.
    """

    def __init__(self, producer: EventProducer[Produced_contra], connection: Connection) -> None:
        """Make the table where it is missing.

        Raises ValueError for a connection to another kind of database.
        """
        module = sys.modules[type(connection).__module__.partition(".")[0]]
        style = getattr(module, "paramstyle", "")
        if style not in _MARKS:
            raise ValueError("an outbox needs a connection of sqlite3 or psycopg")
        self._producer = producer
        self._connection = connection
        self._mark = _MARKS[style]
        self._stop = threading.Event()
        if style == "pyformat":
            make_postgres_table(connection, _TABLE, _POSTGRES_COLUMNS)
        else:
            connection.cursor().execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} ({_SQLITE_COLUMNS})")
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
        text = json.dumps([[name, _as_hex(content)] for name, content in every])
        marks = ", ".join([self._mark] * 4)
        self._connection.cursor().execute(
            f"INSERT INTO {_TABLE} ({_COLUMNS}) VALUES ({marks})", (topic, key, value, text)
        )

    def relay(self, limit: int = 500) -> int:
        """Send the oldest events that wait, remove them when they have arrived, say how many.

        Raises DeliveryFailed when some did not arrive; these are still in the outbox.
        """
        cursor = self._connection.cursor()
        cursor.execute(f"SELECT id, {_COLUMNS} FROM {_TABLE} ORDER BY id LIMIT {limit:d}")
        rows: list[tuple[int, str, bytes | None, bytes | None, str]] = cursor.fetchall()
        self._connection.commit()
        sent = [(row[0], self._send_row(*row[1:])) for row in rows]
        failures: list[DeliveryError] = []
        arrived: list[tuple[int]] = []
        for number, delivery in sent:
            error = delivery.exception()
            if error is None:
                arrived.append((number,))
            else:
                failures.append(error)
        if arrived:
            statement = f"DELETE FROM {_TABLE} WHERE id = {self._mark}"
            cursor.executemany(statement, arrived)
            self._connection.commit()
        if failures:
            raise DeliveryFailed(failures)
        return len(arrived)

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

    def _send_row(
        self, topic: str, key: bytes | None, value: bytes | None, headers: str
    ) -> Delivery:
        pairs: Headers = [(name, _from_hex(text)) for name, text in json.loads(headers)]
        # psycopg gives BYTEA as bytes, others as memoryview.
        return self._producer.send_bytes(topic, _as_bytes(key), _as_bytes(value), pairs)


def _as_hex(value: str | bytes | None) -> str | None:
    data = value.encode() if isinstance(value, str) else value
    return None if data is None else data.hex()


def _from_hex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _as_bytes(value: bytes | None) -> bytes | None:
    return None if value is None else bytes(value)
