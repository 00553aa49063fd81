"""Connections for asyncio, and how a table comes into their database."""

from __future__ import annotations

from typing import Any, Protocol

from .tables import FIND_POSTGRES_TABLE, LOCK_POSTGRES_TABLE, note_undone


class Connection(Protocol):
    """A connection for asyncio, to SQLite (aiosqlite) or PostgreSQL (psycopg's AsyncConnection)."""

    @property
    def execute(self) -> Any:
        """Execute a statement with parameters; awaited, a cursor."""
        ...

    async def commit(self) -> None:
        """End the transaction."""
        ...

    async def rollback(self) -> None:
        """Undo the transaction."""
        ...


async def make_postgres_table(connection: Connection, name: str, columns: str) -> None:
    """Make a table where it is missing, in a transaction of its own.

    A table that is there is left alone. Processes that start at once wait for each other:
    PostgreSQL lets two of them find the table missing, and fails one of the two that make it.
    """
    found = await connection.execute(FIND_POSTGRES_TABLE, (name,))
    if not found.rowcount:
        await connection.execute(LOCK_POSTGRES_TABLE, (name,))
        await connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
    await connection.commit()


async def undo(connection: Connection, error: BaseException) -> None:
    """Roll a transaction back that this error has ended, which stays the one that is told."""
    try:
        await connection.rollback()
    except Exception as failed:
        note_undone(error, failed)
