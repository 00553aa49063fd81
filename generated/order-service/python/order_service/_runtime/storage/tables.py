"""The tables that outbox and inbox keep in the database of the service, and their statements."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, Protocol, TypeAlias

from ..errors import DeliveryError, InboxLost, StubError
from ..kafka.transport import Headers
from ..late_dataclass import dataclass

_log: Final = logging.getLogger(__name__)

Row: TypeAlias = tuple[int, str, bytes | None, bytes | None, str]
"""An event in an outbox: id, topic, key, value and headers."""
Place: TypeAlias = tuple[str, bytes]
"""A topic and a key."""

SQLITE_INBOX: Final = (
    "CREATE TABLE IF NOT EXISTS kontrakt_inbox ("
    "consumer TEXT NOT NULL, event_id TEXT NOT NULL, handled_at INTEGER NOT NULL, "
    "PRIMARY KEY (consumer, event_id)) WITHOUT ROWID"
)
SQLITE_REMEMBER: Final = "INSERT OR IGNORE INTO kontrakt_inbox VALUES (?, ?, ?)"
SQLITE_FORGET: Final = "DELETE FROM kontrakt_inbox WHERE handled_at < ?"

POSTGRES_INBOX: Final = "kontrakt_inbox"
POSTGRES_INBOX_COLUMNS: Final = (
    "consumer TEXT NOT NULL, event_id TEXT NOT NULL, "
    "handled_at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (consumer, event_id)"
)
POSTGRES_REMEMBER: Final = (
    "INSERT INTO kontrakt_inbox (consumer, event_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"
)
POSTGRES_FORGET: Final = (
    "DELETE FROM kontrakt_inbox WHERE handled_at < now() - %s * interval '1 day'"
)

FIND_POSTGRES_TABLE: Final = "SELECT 1 WHERE to_regclass(%s) IS NOT NULL"
LOCK_POSTGRES_TABLE: Final = "SELECT pg_advisory_xact_lock(hashtext(%s))"

OUTBOX: Final = "kontrakt_outbox"
READ_COMMITTED: Final = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
"""At a stricter level a relay would see what its predecessor has removed just before its turn."""
TAKE_TURN: Final = f"SELECT 1 WHERE pg_try_advisory_xact_lock('{OUTBOX}'::regclass::oid::bigint)"
"""A row where nobody else relays this outbox of PostgreSQL until the transaction ends, or none.

SQLite has no such lock that would not keep the service from writing meanwhile.
"""
_COLUMNS: Final = "topic, message_key, message_value, headers"


class Connection(Protocol):
    """A connection as PEP 249 describes it, to SQLite (sqlite3) or PostgreSQL (psycopg)."""

    def cursor(self) -> Any:
        """A cursor."""
        ...

    def commit(self) -> None:
        """End the transaction."""
        ...

    def rollback(self) -> None:
        """Undo the transaction."""
        ...


def make_postgres_table(connection: Connection, name: str, columns: str) -> None:
    """Make a table where it is missing, in a transaction of its own.

    A table that is there is left alone, so that whoever may not make tables can use one that was
    made for them. Processes that start at once wait for each other: PostgreSQL lets two of them
    find the table missing, and fails one of the two that make it.
    """
    cursor = connection.cursor()
    cursor.execute(FIND_POSTGRES_TABLE, (name,))
    if not cursor.rowcount:
        cursor.execute(LOCK_POSTGRES_TABLE, (name,))
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
    connection.commit()


@dataclass(frozen=True, slots=True)
class OutboxStatements:
    """The statements of an outbox in one kind of database."""

    is_postgres: bool
    columns: str
    insert: str
    delete: str

    @property
    def create(self) -> str:
        """Makes the table where it is missing."""
        return f"CREATE TABLE IF NOT EXISTS {OUTBOX} ({self.columns})"

    def behind(self, last: int, limit: int) -> str:
        """Selects id, topic, key, value and headers of those that wait longest behind an id."""
        return (
            f"SELECT id, {_COLUMNS} FROM {OUTBOX} WHERE id > {last:d} ORDER BY id LIMIT {limit:d}"
        )


_KINDS: Final = {
    "qmark": ("?", "INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB"),
    "pyformat": ("%s", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA"),
}
"""The mark of a parameter, a number that counts on, and bytes, by the `paramstyle` of PEP 249."""


@cache
def _statements(style: str) -> OutboxStatements:
    mark, number, data = _KINDS[style]
    columns = (
        f"id {number}, topic TEXT NOT NULL, message_key {data}, message_value {data}, "
        "headers TEXT NOT NULL"
    )
    marks = ", ".join([mark] * 4)
    return OutboxStatements(
        is_postgres=mark == "%s",
        columns=columns,
        insert=f"INSERT INTO {OUTBOX} ({_COLUMNS}) VALUES ({marks})",
        delete=f"DELETE FROM {OUTBOX} WHERE id = {mark}",
    )


def outbox_statements(connection: object, drivers: str) -> OutboxStatements:
    """The statements for the database of a connection.

    Raises ValueError, which names the `drivers`, for a connection to another kind of database.
    """
    module = sys.modules[type(connection).__module__.partition(".")[0]]
    style = getattr(module, "paramstyle", "")
    if style not in _KINDS:
        raise ValueError(f"an outbox needs a connection of {drivers}")
    return _statements(style)


class Outgoing:
    """The events that one relay of an outbox sends, and what became of them.

    `held` has the keys of which an event did not arrive: nothing of them is sent before that one
    is there, so that it holds up no other key, and what comes behind it is not sent in vain each
    time. It is brought up to date for the next relay.
    """

    def __init__(self, held: set[Place]) -> None:
        self.rows: list[Row] = []
        """What is to be sent."""
        self.count = 0
        """How many of it are of keys that are not held: what is tried once more comes on top."""
        self.removable: list[tuple[int]] = []
        """The ids of those that have arrived and have no need to be sent again."""
        self.failures: list[DeliveryError] = []
        self._held = held
        self._tried: set[Place] = set()

    def take(self, page: Iterable[Row]) -> None:
        """Choose from events that come next in the outbox; of a held key only the oldest."""
        for row in page:
            place = _place_of(row)
            if place not in self._held:
                self.count += 1
            elif place in self._tried:
                continue
            else:
                self._tried.add(place)
            self.rows.append(row)

    def note(self, row: Row, error: DeliveryError | None) -> None:
        """Take the fate of one event; they come in the order of the outbox."""
        place = _place_of(row)
        if error is not None:
            self.failures.append(error)
            if place is not None:
                self._held.add(place)
        elif place in self._tried:
            self._held.discard(place)
            self.removable.append((row[0],))
        elif place not in self._held:
            # Where an earlier event of the key comes later, this one comes behind it once more:
            # the last message of a key is always the last event.
            self.removable.append((row[0],))


def check_alone(sent: int, removed: int) -> None:
    """Warn where somebody else has removed events that were sent here, so has sent them as well."""
    if removed < sent:
        _log.warning(
            "another process relays this outbox too (events that both have sent: %d): they arrive "
            "more than once and out of order; run one relay, and end it before the next one starts",
            sent - removed,
        )


def _place_of(row: Row) -> Place | None:
    """The topic and the key of an event, which has an order among those of the same; or none."""
    _, topic, key, _, _ = row
    return None if key is None else (topic, bytes(key))


_PSYCOPG_STATES: Final = {0: False, 1: True, 2: True, 3: True}
"""Whether psycopg's transaction status is one of a transaction; a closed connection has 4."""


def is_in_transaction(connection: object) -> bool | None:
    """Whether the connection is in a transaction; None where it does not tell."""
    state: bool | None = getattr(connection, "in_transaction", None)
    if state is None:
        status: int | None = getattr(getattr(connection, "info", None), "transaction_status", None)
        return None if status is None else _PSYCOPG_STATES.get(status)
    return state


def check_relay(connection: object, statements: OutboxStatements) -> None:
    """Raises StubError where a relay would commit what it did not begin, or has no transaction."""
    if is_in_transaction(connection):
        raise StubError(
            "the connection of this outbox is in a transaction, which a relay would commit: end "
            "it, or give the relay a connection of its own"
        )
    if statements.is_postgres and getattr(connection, "autocommit", False):
        raise StubError(
            "the connection of this outbox commits each statement on its own, so no other relay "
            "would wait for its turn: open the relay's connection with autocommit=False"
        )


def check_handled(connection: object) -> None:
    """Raises StubError where a handler has ended the transaction that its inbox began."""
    if is_in_transaction(connection) is False:
        raise StubError(
            "the handler has ended the transaction of its inbox, by a commit, a rollback or `with` "
            "the connection; leave that to the inbox, which keeps the id of the event in it"
        )


def undo(roll_back: Callable[[], object], error: BaseException) -> None:
    """Roll a transaction back that this error has ended, which stays the one that is told."""
    try:
        roll_back()
    except Exception as failed:
        note_undone(error, failed)


def note_undone(error: BaseException, failed: Exception) -> None:
    """Say beside an error that its transaction could not be rolled back either."""
    error.add_note(f"its transaction could not be rolled back: {failed!r}")


def lost(error: Exception) -> InboxLost:
    """What an inbox raises whose connection does nothing more."""
    return InboxLost(
        f"the connection of the inbox is of no use any more: {error}; end this process, and let "
        "whatever starts it again make a new one"
    )


def write_headers(headers: Headers) -> str:
    """Headers as an outbox keeps them."""
    return json.dumps([[name, _as_hex(content)] for name, content in headers])


def read_headers(text: str) -> Headers:
    """What `write_headers` wrote."""
    return [(name, _from_hex(content)) for name, content in json.loads(text)]


def as_bytes(value: bytes | None) -> bytes | None:
    """What a database gave: psycopg gives BYTEA as bytes, others as memoryview."""
    return None if value is None else bytes(value)


def _as_hex(value: str | bytes | None) -> str | None:
    data = value.encode() if isinstance(value, str) else value
    return None if data is None else data.hex()


def _from_hex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
