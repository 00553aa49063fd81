"""The tables that outbox and inbox keep in the database of the service."""

from __future__ import annotations

from typing import Any, Protocol


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
    cursor.execute("SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (name,))
    if not cursor.rowcount:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
    connection.commit()
