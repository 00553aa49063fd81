"""Inbox and outbox of a generated package in PostgreSQL, through psycopg."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from async_desk import run
from desk import answer_service, async_answer, async_folders, desk_folders  # noqa: F401

from real.postgres import Postgres

AT_ONCE = 8
GROUP = "answer-service"


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    """A schema of this test alone."""
    name = f"test_{uuid4().hex}"
    postgres.query(f"CREATE SCHEMA {name}")
    yield f"{postgres.url}?options=-csearch_path%3D{name}"
    postgres.query(f"DROP SCHEMA {name} CASCADE")


def make_inbox(package: ModuleType, database: Any) -> Any:
    return package.PostgresInbox(database)


def make_outbox(package: ModuleType, database: Any) -> Any:
    return package.Outbox(package.Producer(package.fakes.fakes().settings()), database)


MAKERS = pytest.mark.parametrize("make", [make_inbox, make_outbox])


@MAKERS
def test_processes_that_start_at_once_make_one_table(
    answer_service: ModuleType, url: str, make: Callable[[ModuleType, Any], Any]
) -> None:
    failures: list[Exception] = []
    start = threading.Barrier(AT_ONCE)

    def run() -> None:
        with psycopg.connect(url) as database:
            start.wait(30)
            try:
                make(answer_service, database)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@MAKERS
def test_who_may_not_make_tables_uses_the_one_that_is_there(
    answer_service: ModuleType, url: str, make: Callable[[ModuleType, Any], Any]
) -> None:
    role = f"clerk_{uuid4().hex}"
    with psycopg.connect(url) as database:
        make(answer_service, database)
        (schema,) = database.execute("SELECT current_schema()").fetchone() or ("",)
        database.execute(f"CREATE ROLE {role}")  # type: ignore[arg-type]
        database.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")  # type: ignore[arg-type]
        database.commit()
        database.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
        database.commit()
        make(answer_service, database)
        database.execute("RESET ROLE")
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")  # type: ignore[arg-type]


def test_an_event_has_one_effect_among_members_that_handle_it_at_once(
    answer_service: ModuleType, url: str
) -> None:
    with psycopg.connect(url) as database:
        database.execute("CREATE TABLE effects (member INTEGER)")
        database.commit()
        answer_service.PostgresInbox(database)
    verdicts: list[bool] = []
    start = threading.Barrier(AT_ONCE)

    def handle(member: int) -> None:
        with psycopg.connect(url) as mine:
            inbox = answer_service.PostgresInbox(mine)
            start.wait(30)
            with inbox.once(GROUP, "event-1") as is_new:
                verdicts.append(is_new)
                if is_new:
                    mine.execute("INSERT INTO effects VALUES (%s)", (member,))

    threads = [threading.Thread(target=handle, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdicts) == [False] * (AT_ONCE - 1) + [True]
    with psycopg.connect(url) as database:
        assert database.execute("SELECT count(*) FROM effects").fetchone() == (1,)


def test_a_handler_that_fails_leaves_neither_id_nor_effect(
    answer_service: ModuleType, url: str
) -> None:
    with psycopg.connect(url) as database:
        inbox = answer_service.PostgresInbox(database)
        database.execute("CREATE TABLE effects (member INTEGER)")
        database.commit()
        with pytest.raises(ZeroDivisionError), inbox.once(GROUP, "event-1"):
            database.execute("INSERT INTO effects VALUES (1)")
            raise ZeroDivisionError
        with inbox.once(GROUP, "event-1") as is_new:
            assert is_new
        assert database.execute("SELECT count(*) FROM effects").fetchone() == (0,)
        database.commit()
        assert inbox.forget(older_than_days=1) == 0
        assert inbox.forget(older_than_days=-1) == 1


def test_an_outbox_relays_in_order_what_was_committed(
    answer_service: ModuleType, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    fake = answer_service.fakes.fakes()
    events = [answer_service.Answered(question_id=f"q{number}", text="because") for number in "123"]
    with psycopg.connect(url) as database, psycopg.connect(url) as other:
        outbox = answer_service.Outbox(answer_service.Producer(fake.settings()), database)
        relay = answer_service.Outbox(answer_service.Producer(fake.settings()), other)
        outbox.send(events[0])
        database.rollback()
        for event in events:
            outbox.send(event)
        assert relay.relay() == 0
        database.commit()
        assert relay.relay(limit=2) == 2
        assert relay.relay() == 1
        assert relay.relay() == 0
    assert fake.sent == tuple(events)
    assert "another process relays" not in caplog.text


def test_an_inbox_whose_connection_was_cut_says_so_and_hides_no_cause(
    answer_service: ModuleType, url: str
) -> None:
    with psycopg.connect(url) as database, psycopg.connect(url, autocommit=True) as other:
        inbox = answer_service.PostgresInbox(database)
        with pytest.raises(psycopg.errors.AdminShutdown), inbox.once(GROUP, "event-1"):
            other.execute("SELECT pg_terminate_backend(%s)", (database.info.backend_pid,))
            database.execute("SELECT 1")
        with pytest.raises(answer_service.StubError, match="end this process"):
            inbox.once(GROUP, "event-1").__enter__()


def test_a_relay_needs_a_transaction_for_its_turn(answer_service: ModuleType, url: str) -> None:
    fake = answer_service.fakes.fakes()
    with psycopg.connect(url, autocommit=True) as database:
        outbox = answer_service.Outbox(answer_service.Producer(fake.settings()), database)
        outbox.send(answer_service.Answered(question_id="q1", text="because"))
        with pytest.raises(answer_service.StubError, match="with autocommit=False"):
            outbox.relay()
    assert fake.sent == ()


def test_several_relays_take_turns(answer_service: ModuleType, url: str) -> None:
    fake = answer_service.fakes.fakes()
    events = [
        answer_service.Answered(question_id=f"q{number % 7}", text=str(number))
        for number in range(300)
    ]
    failures: list[BaseException] = []

    def relay() -> None:
        with psycopg.connect(url) as connection:
            outbox = answer_service.Outbox(answer_service.Producer(fake.settings()), connection)
            try:
                while len(fake.sent) < len(events):
                    outbox.relay(limit=5)
                assert outbox.relay() == 0
            except BaseException as error:
                failures.append(error)

    with psycopg.connect(url) as database:
        outbox = answer_service.Outbox(answer_service.Producer(fake.settings()), database)
        for event in events:
            outbox.send(event)
        database.commit()
    threads = [threading.Thread(target=relay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert fake.sent == tuple(events)


def test_several_relays_of_the_asyncio_flavour_take_turns(
    async_answer: ModuleType, url: str
) -> None:
    fake = async_answer.fakes.fakes()
    events = [
        async_answer.Answered(question_id=f"q{number % 7}", text=str(number))
        for number in range(300)
    ]

    async def relay() -> None:
        async with (
            await psycopg.AsyncConnection.connect(url) as connection,
            async_answer.Producer(fake.settings()) as producer,
        ):
            outbox = async_answer.Outbox(producer, connection)
            while len(fake.sent) < len(events):
                await outbox.relay(limit=5)

    async def test() -> None:
        async with (
            await psycopg.AsyncConnection.connect(url) as database,
            async_answer.Producer(fake.settings()) as producer,
        ):
            outbox = async_answer.Outbox(producer, database)
            await outbox.prepare()
            for event in events:
                await outbox.send(event)
            await database.commit()
        await asyncio.gather(*(relay() for _ in range(4)))

    run(test)
    assert fake.sent == tuple(events)
