"""An inbox whose database is locked or gone: no message is at fault, no cause is hidden."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import aiosqlite
import async_desk
import pytest
from desk import answer_service, async_answer, async_folders, desk_folders  # noqa: F401
from test_python_runtime import Desk

HURRY = {"attempts": 1, "backoff": 0.01, "backoff_limit": 0.01}


def lock(path: Path) -> sqlite3.Connection:
    """Somebody who writes for long."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_locked_inbox_is_waited_for(
    answer_service: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "service.db"
    database = sqlite3.connect(path, isolation_level=None, timeout=0)
    policy = answer_service.Policy(**HURRY)
    desk = Desk(answer_service, inbox=answer_service.SqliteInbox(database), policy=policy)
    desk.ask(1)
    other = lock(path)
    is_locked = threading.Event()

    class Unlock(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if desk.consumer.statistics.inbox_waits == 3 and not is_locked.is_set():
                is_locked.set()
                other.execute("ROLLBACK")

    logger = logging.getLogger("answer_service")
    logger.addHandler(unlock := Unlock())
    try:
        desk.consumer.drain()
    finally:
        logger.removeHandler(unlock)
    statistics = desk.consumer.statistics
    assert (statistics.handled, statistics.dead_lettered, statistics.inbox_waits) == (1, 0, 3)
    assert "questions[2]@0 waits for the inbox, next in 0.0 s: OperationalError: " in caplog.text


def test_an_inbox_without_a_connection_ends_the_consumer(answer_service: ModuleType) -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    desk = Desk(answer_service, inbox=answer_service.SqliteInbox(database))
    desk.ask(1)
    database.close()
    with pytest.raises(answer_service.StubError, match=r"closed database\.; end this process"):
        desk.consumer.drain()
    assert desk.fake.dead_letters == ()


def test_what_the_handler_raised_is_told_though_the_connection_is_gone(
    answer_service: ModuleType,
) -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    inbox = answer_service.SqliteInbox(database)
    with pytest.raises(ZeroDivisionError) as caught, inbox.once("group", "1"):
        database.close()
        raise ZeroDivisionError
    (note,) = caught.value.__notes__
    assert note.startswith("its transaction could not be rolled back: ProgrammingError(")


def test_what_a_relay_met_is_told_though_the_connection_is_gone(
    answer_service: ModuleType,
) -> None:
    producer = answer_service.Producer(answer_service.fakes.fakes().settings())
    database = sqlite3.connect(":memory:")
    outbox = answer_service.Outbox(producer, database)
    outbox.send(answer_service.Answered(question_id="1", text="x"))
    database.commit()

    def break_off(*_: object) -> None:
        database.close()
        raise ZeroDivisionError

    producer.send_bytes = break_off
    with pytest.raises(ZeroDivisionError) as caught:
        outbox.relay()
    assert len(caught.value.__notes__) == 1


def test_a_locked_inbox_is_waited_for_with_asyncio(
    async_answer: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "service.db"

    async def test() -> None:
        async with aiosqlite.connect(path, isolation_level=None, timeout=0) as database:
            inbox = async_answer.SqliteInbox(database)
            assert await inbox.forget(1) == 0
            policy = async_answer.Policy(**HURRY)
            async with async_desk.Desk(async_answer, inbox=inbox, policy=policy) as desk:
                desk.ask(1)
                other = lock(path)
                draining = asyncio.create_task(desk.consumer.drain())
                while desk.consumer.statistics.inbox_waits < 3:
                    await asyncio.sleep(0)
                other.execute("ROLLBACK")
                await draining
                statistics = desk.consumer.statistics
                assert (statistics.handled, statistics.dead_lettered) == (1, 0)

    async_desk.run(test)
    assert "questions[2]@0 waits for the inbox, next in 0.0 s: OperationalError: " in caplog.text


def test_an_inbox_without_a_connection_ends_the_asyncio_consumer(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        database = await aiosqlite.connect(":memory:", isolation_level=None)
        async with async_desk.Desk(async_answer, inbox=async_answer.SqliteInbox(database)) as desk:
            desk.ask(1)
            await database.close()
            with pytest.raises(async_answer.StubError, match="end this process"):
                await desk.consumer.drain()
            assert desk.fake.dead_letters == ()

    async_desk.run(test)


def test_what_an_asyncio_handler_raised_is_told_though_the_connection_is_gone(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        database: Any = await aiosqlite.connect(":memory:", isolation_level=None)
        inbox = async_answer.SqliteInbox(database)
        with pytest.raises(ZeroDivisionError) as caught:
            async with inbox.once("group", "1"):
                await database.close()
                raise ZeroDivisionError
        (note,) = caught.value.__notes__
        assert note.startswith("its transaction could not be rolled back: ValueError(")

    async_desk.run(test)


def test_whoever_is_interrupted_while_an_asyncio_inbox_begins_leaves_nothing_open(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        async with aiosqlite.connect(":memory:", isolation_level=None) as database:
            inbox = async_answer.SqliteInbox(database)
            assert await inbox.forget(1) == 0

            async def handle() -> None:
                async with inbox.once("group", "1"):
                    raise ZeroDivisionError

            handling = asyncio.create_task(handle())
            await asyncio.sleep(0)
            handling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await handling
            assert not database.in_transaction
            async with inbox.once("group", "1") as is_new:
                assert is_new

    async_desk.run(test)


def test_an_inbox_of_another_thread_ends_the_consumer_and_says_what_to_do(
    answer_service: ModuleType, tmp_path: Path
) -> None:
    made: list[Any] = []

    def connect() -> None:
        database = sqlite3.connect(tmp_path / "service.db", isolation_level=None)
        made.append(answer_service.SqliteInbox(database))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    desk = Desk(answer_service, inbox=made[0])
    desk.ask(1)
    with pytest.raises(answer_service.SettingsError, match="the thread that runs the consumer"):
        desk.consumer.drain()
    assert desk.fake.dead_letters == ()
