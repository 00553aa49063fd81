"""An inbox for asyncio: it remembers handled events, so that a repetition has no second effect.

At-least-once delivery repeats messages after a crash. The id of the event is kept in the same
transaction as the effect of handling it: either both are there or neither.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from .async_tables import Connection, make_postgres_table, undo
from .tables import (
    POSTGRES_FORGET,
    POSTGRES_INBOX,
    POSTGRES_INBOX_COLUMNS,
    POSTGRES_REMEMBER,
    SQLITE_FORGET,
    SQLITE_INBOX,
    SQLITE_REMEMBER,
    check_handled,
    lost,
)


class Inbox(Protocol):
    """Where handled events are remembered. Implement it on the database of your service."""

    def once(self, group: str, event_id: str) -> AbstractAsyncContextManager[bool]:
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

    @asynccontextmanager
    async def once(self, group: str, event_id: str) -> AsyncGenerator[bool, None]:
        """As Inbox says; the oldest ids are forgotten beyond the capacity."""
        key = (group, event_id)
        yield key not in self._known
        self._known[key] = None
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)


class SqliteInbox:
    """Remembers events in a table of the service's own SQLite database, through aiosqlite.

    The handler must write through the same connection and must neither commit nor roll back. Make
    the connection with `isolation_level=None` (autocommit), so that only the inbox begins and ends
    transactions. The table `kontrakt_inbox` is made when it is missing.
    """

    def __init__(self, connection: Connection) -> None:
        """Raises ValueError for a connection that begins transactions on its own."""
        if getattr(connection, "isolation_level", None) is not None:
            raise ValueError(
                "open the connection with aiosqlite.connect(..., isolation_level=None)"
            )
        self._connection = connection
        self._is_made = False

    @asynccontextmanager
    async def once(self, group: str, event_id: str) -> AsyncGenerator[bool, None]:
        """As Inbox says, in a transaction that holds the database's write lock."""
        connection = self._connection
        try:
            await self._make()
            await connection.execute("BEGIN IMMEDIATE")
        except ValueError as error:
            # So aiosqlite says that it is closed.
            raise lost(error) from error
        except asyncio.CancelledError as error:
            # aiosqlite's thread begins it all the same, and nobody would end it.
            await undo(connection, error)
            raise
        try:
            cursor = await connection.execute(SQLITE_REMEMBER, (group, event_id, int(time.time())))
            yield cursor.rowcount == 1
            check_handled(connection)
            await connection.commit()
        except BaseException as error:
            await undo(connection, error)
            raise

    async def forget(self, older_than_days: float) -> int:
        """Delete ids that are older than that, and say how many there were.

        Keep them for longer than the topics keep messages.
        """
        await self._make()
        limit = int(time.time() - older_than_days * 86_400)
        count: int = (await self._connection.execute(SQLITE_FORGET, (limit,))).rowcount
        return count

    async def _make(self) -> None:
        if not self._is_made:
            await self._connection.execute(SQLITE_INBOX)
            self._is_made = True


class PostgresInbox:
    """Remembers events in a table of the service's own PostgreSQL database.

    It takes an AsyncConnection of psycopg. The handler must write through the same connection and
    must neither commit nor roll back; leave `autocommit` off, as it is by default. The table
    `kontrakt_inbox` is made when it is missing.
    """

    def __init__(self, connection: Connection) -> None:
        """Raises ValueError for a connection that commits each statement on its own."""
        if getattr(connection, "autocommit", False):
            raise ValueError("open the connection with autocommit=False")
        self._connection = connection
        self._is_made = False

    @asynccontextmanager
    async def once(self, group: str, event_id: str) -> AsyncGenerator[bool, None]:
        """As Inbox says. Another member that handles the same event is waited for."""
        try:
            is_new = await self._remember(group, event_id)
            yield is_new
            check_handled(self._connection)
            await self._connection.commit()
        except BaseException as error:
            await undo(self._connection, error)
            raise

    async def _remember(self, group: str, event_id: str) -> bool:
        try:
            await self._make()
            cursor = await self._connection.execute(POSTGRES_REMEMBER, (group, event_id))
        except Exception as error:
            if getattr(self._connection, "closed", False):
                raise lost(error) from error
            raise
        is_new: bool = cursor.rowcount == 1
        return is_new

    async def forget(self, older_than_days: float) -> int:
        """Delete ids that are older than that, and say how many there were."""
        await self._make()
        cursor = await self._connection.execute(POSTGRES_FORGET, (older_than_days,))
        await self._connection.commit()
        count: int = cursor.rowcount
        return count

    async def _make(self) -> None:
        if not self._is_made:
            await make_postgres_table(self._connection, POSTGRES_INBOX, POSTGRES_INBOX_COLUMNS)
            self._is_made = True
