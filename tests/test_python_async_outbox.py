"""The outbox for asyncio where something goes wrong: order, size, an open transaction."""

# ruff: noqa: F811

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any

import aiosqlite
import pytest
from async_desk import run
from desk import async_answer, async_folders  # noqa: F401


def test_one_event_that_fails_changes_no_order_and_holds_up_no_other(
    async_answer: ModuleType,
) -> None:
    def answer(key: str, text: str) -> Any:
        return async_answer.Answered(question_id=key, text=text)

    async def test() -> None:
        fake = async_answer.fakes.fakes()
        async with (
            aiosqlite.connect(":memory:") as database,
            async_answer.Producer(fake.settings()) as producer,
        ):
            outbox = async_answer.Outbox(producer, database)
            await outbox.prepare()
            large = answer("large", "x" * 2_000_000)
            for event in (large, answer("a", "1"), answer("b", "1"), answer("a", "2")):
                await outbox.send(event)
            with pytest.raises(async_answer.StubError, match="which a relay would commit"):
                await outbox.relay()
            await database.commit()
            fake.fail_deliveries()
            with pytest.raises(async_answer.DeliveryFailed, match="2 events were not"):
                await outbox.relay()
            for _ in "aa":
                # What is refused for ever does not fill the one place that there is.
                with pytest.raises(async_answer.DeliveryFailed, match="what waited in the outbox"):
                    await outbox.relay(limit=1)
            assert {event.question_id: event.text for event in fake.sent} == {"a": "2", "b": "1"}
            (waiting,) = await (
                await database.execute("SELECT count(*) FROM kontrakt_outbox")
            ).fetchone()
            assert waiting == 1

    run(test)


def test_a_relay_goes_on_when_a_busy_database_is_free_again(
    async_answer: ModuleType, tmp_path: Path
) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        async with (
            aiosqlite.connect(tmp_path / "shop.db") as database,
            aiosqlite.connect(tmp_path / "shop.db", timeout=0) as other,
            async_answer.Producer(fake.settings()) as producer,
        ):
            outbox = async_answer.Outbox(producer, database)
            relay = async_answer.Outbox(producer, other)
            await outbox.prepare()
            await outbox.send(async_answer.Answered(question_id="1", text="x"))
            await database.commit()
            await outbox.send(async_answer.Answered(question_id="2", text="x"))
            for _ in range(2):
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    await relay.relay()
            await database.commit()
            assert await relay.relay() == 2

    run(test)


def test_two_relays_of_one_outbox_are_told(
    async_answer: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        async with (
            aiosqlite.connect(tmp_path / "shop.db") as database,
            aiosqlite.connect(tmp_path / "shop.db") as own,
            async_answer.Producer(fake.settings()) as producer,
        ):
            other = async_answer.Outbox(producer, database)
            relay = async_answer.Outbox(producer, own)
            await other.prepare()
            await other.send(async_answer.Answered(question_id="1", text="x"))
            await database.commit()
            send_bytes = producer.send_bytes

            async def send_while_the_other_relays(*given: Any) -> Any:
                producer.send_bytes = send_bytes
                assert await other.relay() == 1
                return await send_bytes(*given)

            producer.send_bytes = send_while_the_other_relays
            assert caplog.text == ""
            assert await relay.relay() == 1

    run(test)
    assert "another process relays this outbox too (events that both have sent: 1)" in caplog.text
