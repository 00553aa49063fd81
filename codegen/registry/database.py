"""Where does the registry keep things, so that nothing that was answered is ever lost?

One SQLite file with a write-ahead log: a change is one transaction, on the disk before it is
answered, and no two threads or processes change the file at once. Whatever goes wrong with the file
is a RegistryError, never one of SQLite.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codegen.registry.entries import RegistryError

PATIENCE = 30.0
"""How many seconds a change waits for the changes of others."""

_APPLICATION = 0x6B6F6E74
"""Marks a SQLite file as one of these registries (https://sqlite.org/pragma.html)."""

_LAYOUT = 1

_TABLES = (
    "CREATE TABLE schemas (context TEXT NOT NULL, id INTEGER NOT NULL, guid TEXT NOT NULL, "
    "type TEXT NOT NULL, text TEXT NOT NULL, refs TEXT NOT NULL, metadata TEXT NOT NULL, "
    "rules TEXT NOT NULL, identity TEXT NOT NULL, "
    "PRIMARY KEY (context, id), UNIQUE (context, identity))",
    "CREATE INDEX schemas_by_guid ON schemas (guid)",
    "CREATE TABLE versions (subject TEXT NOT NULL, version INTEGER NOT NULL, "
    "context TEXT NOT NULL, id INTEGER NOT NULL, is_deleted INTEGER NOT NULL, "
    "PRIMARY KEY (subject, version), FOREIGN KEY (context, id) REFERENCES schemas) WITHOUT ROWID",
    "CREATE INDEX versions_by_id ON versions (context, id)",
    "CREATE TABLE counters (context TEXT PRIMARY KEY, last_id INTEGER NOT NULL)",
    "CREATE TABLE settings (scope TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, "
    "PRIMARY KEY (scope, kind)) WITHOUT ROWID",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_LAYOUT}",
)

# What SQLite says where it cannot write the files that it keeps beside the log's.
_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)

Value = str | int
Row = tuple[Any, ...]


class Database:
    """The tables of one registry. Safe to use from several threads."""

    def __init__(self, file: Path | str) -> None:
        """Open a file, made when it is missing; `:memory:` for one that is gone afterwards.

        A file where nothing may be written can be read. Raises RegistryError (50001) for a file
        that is no registry or cannot be opened.
        """
        self._lock = threading.RLock()
        try:
            if str(file) == ":memory:":
                self._open(":memory:")
                return
            path = Path(file).absolute()
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._open(path.as_uri())
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _UNWRITABLE or not path.exists():
                    raise
                self._open(f"{path.as_uri()}?{_reading(path)}")
        except (sqlite3.Error, OSError, _NoRegistry) as error:
            message = f"{file} is no registry that can be opened: {error}"
            raise RegistryError(50001, message) from None

    def _open(self, address: str) -> None:
        self._connection = sqlite3.connect(
            address, timeout=PATIENCE, isolation_level=None, check_same_thread=False, uri=True
        )
        try:
            self._prepare_patiently()
        except BaseException:
            self._connection.close()
            raise

    def _prepare_patiently(self) -> None:
        # SQLite does not wait by itself for another process that sets up the log just now.
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._prepare()
            except sqlite3.OperationalError as error:
                is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _prepare(self) -> None:
        # Each commit reaches the disk before it is answered, even when the power goes.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        if self._pragma("application_id") != _APPLICATION:
            with self._transaction("EXCLUSIVE"):
                self._make_tables()
        if (layout := self._pragma("user_version")) != _LAYOUT:
            raise _NoRegistry(f"its layout is {layout}, of another version of kontrakt")
        if self._pragma("journal_mode") != "wal":
            self._connection.execute("PRAGMA journal_mode = WAL")

    def _make_tables(self) -> None:
        application = self._pragma("application_id")
        if application == _APPLICATION:
            return  # another process was first
        if application or self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise _NoRegistry("it is the database of something else")
        for statement in _TABLES:
            self._connection.execute(statement)

    def _pragma(self, setting: str) -> Value:
        value: Value = self._connection.execute(f"PRAGMA {setting}").fetchone()[0]
        return value

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        self._connection.execute(f"BEGIN {kind}")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """A transaction that no other thread or process writes in between, whole or not at all.

        Raises RegistryError (50001) when the file cannot be written.
        """
        with self._lock, _failing_clearly():
            if self._connection.in_transaction:
                yield
                return
            with self._transaction("IMMEDIATE"):
                yield

    def rows(self, query: str, *values: Value) -> list[Row]:
        """All rows of a query. Raises RegistryError (50001)."""
        with self._lock, _failing_clearly():
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: Value) -> Row | None:
        """The first row of a query. Raises RegistryError (50001)."""
        with self._lock, _failing_clearly():
            row: Row | None = self._connection.execute(query, values).fetchone()
            return row

    def write(self, statement: str, *values: Value) -> None:
        """Run a statement inside a change."""
        assert self._connection.in_transaction
        self._connection.execute(statement, values)

    def write_all(self, statement: str, values: Sequence[Sequence[Value]]) -> None:
        """Run a statement for each of many rows inside a change."""
        assert self._connection.in_transaction
        self._connection.executemany(statement, values)


def _reading(file: Path) -> str:
    """How SQLite is told to read only (https://sqlite.org/wal.html#read_only_databases).

    A registry that was closed has no log. One with a log is read with it, or not at all.
    """
    log = file.with_name(f"{file.name}-wal")
    return "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"


class _NoRegistry(Exception):
    """A database that this program did not make."""


@contextmanager
def _failing_clearly() -> Iterator[None]:
    """A file that is damaged, locked or on a full disk is the registry's error 50001."""
    try:
        yield
    except sqlite3.Error as error:
        raise RegistryError(50001, f"the registry's file cannot be used: {error}") from None
