"""An inbox remembers the events that were handled, so that a repetition has no second effect.

At-least-once delivery repeats messages after a crash. The id of the event is kept in the same
transaction as the effect of handling it: either both are there or neither.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from ..errors import SettingsError
from .tables import (
    POSTGRES_FORGET,
    POSTGRES_INBOX,
    POSTGRES_INBOX_COLUMNS,
    POSTGRES_REMEMBER,
    SQLITE_FORGET,
    SQLITE_INBOX,
    SQLITE_REMEMBER,
    Connection,
    check_handled,
    lost,
    make_postgres_table,
    undo,
)

if TYPE_CHECKING:
    import sqlite3


class Inbox(Protocol):
    """Where handled events are remembered. Implement it on the database of your service."""

    def once(self, group: str, event_id: str) -> AbstractContextManager[bool]:
        """A transaction around the handler; its value tells whether the event is new.

        Leaving it normally keeps the id together with what was written; leaving it with an
        exception keeps neither. `group` is the consumer group: each handles an event for itself.
        What entering it raises is no fault of the message: the consumer waits, and tries again,
        but for InboxLost, which ends it.
        """
        ...


class MemoryInbox:
    """Remembers the last events in memory: enough for repetitions within one process."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def once(self, group: str, event_id: str) -> Generator[bool, None, None]:
        """As Inbox says; the oldest ids are forgotten beyond the capacity."""
        key = (group, event_id)
        with self._lock:
            is_new = key not in self._known
        yield is_new
        with self._lock:
            self._known[key] = None
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)


class SqliteInbox:
    """Remembers events in a table of the service's own SQLite database.

    The handler must write through the same connection and must neither commit nor roll back. Make
    the connection with `isolation_level=None` (autocommit), so that only the inbox begins and ends
    transactions. The table `kontrakt_inbox` is made when it is missing.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Raises ValueError for a connection that begins transactions on its own."""
        if connection.isolation_level is not None:
            raise ValueError("open the connection with sqlite3.connect(..., isolation_level=None)")
        self._connection = connection
        connection.execute(SQLITE_INBOX)

    @contextmanager
    def once(self, group: str, event_id: str) -> Generator[bool, None, None]:
        """As Inbox says, in a transaction that holds the database's write lock."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
        except connection.ProgrammingError as error:
            if "thread" in str(error):
                raise SettingsError(
                    f"{error} Open it in the thread that runs the consumer"
                ) from error
            raise lost(error) from error
        try:
            cursor = connection.execute(SQLITE_REMEMBER, (group, event_id, int(time.time())))
            yield cursor.rowcount == 1
            check_handled(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            undo(self._roll_back, error)
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def forget(self, older_than_days: float) -> int:
        """Delete ids that are older than that, and say how many there were.

        Keep them for longer than the topics keep messages.
        """
        limit = int(time.time() - older_than_days * 86_400)
        return self._connection.execute(SQLITE_FORGET, (limit,)).rowcount


class PostgresInbox:
    """Remembers events in a table of the service's own PostgreSQL database, through psycopg.

    The handler must write through the same connection and must neither commit nor roll back; leave
    `autocommit` off, as it is by default. The table `kontrakt_inbox` is made when it is missing.
    """

    def __init__(self, connection: Connection) -> None:
        """Raises ValueError for a connection that commits each statement on its own."""
        if getattr(connection, "autocommit", False):
            raise ValueError("open the connection with autocommit=False")
        self._connection = connection
        make_postgres_table(connection, POSTGRES_INBOX, POSTGRES_INBOX_COLUMNS)

    @contextmanager
    def once(self, group: str, event_id: str) -> Generator[bool, None, None]:
        """As Inbox says. Another member that handles the same event is waited for."""
        try:
            is_new = self._remember(group, event_id)
            yield is_new
            check_handled(self._connection)
            self._connection.commit()
        except BaseException as error:
            undo(self._connection.rollback, error)
            raise

    def _remember(self, group: str, event_id: str) -> bool:
        try:
            cursor = self._connection.cursor()
            cursor.execute(POSTGRES_REMEMBER, (group, event_id))
        except Exception as error:
            if getattr(self._connection, "closed", False):
                raise lost(error) from error
            raise
        is_new: bool = cursor.rowcount == 1
        return is_new

    def forget(self, older_than_days: float) -> int:
        """Delete ids that are older than that, and say how many there were."""
        cursor = self._connection.cursor()
        cursor.execute(POSTGRES_FORGET, (older_than_days,))
        self._connection.commit()
        count: int = cursor.rowcount
        return count
