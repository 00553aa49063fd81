"""The generated packages for asyncio on a real broker: the same promises as those for threads."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from confluent_kafka import Producer
from desk import (  # noqa: F401
    answer_service,
    ask_service,
    async_answer,
    async_ask,
    async_folders,
    desk_folders,
)

from real.kafka import Kafka
from real.processes import wait_until
from real.test_transactions import desk_kafka, read, settings  # noqa: F401

QUESTIONS = 60

PROCESS = """
import asyncio, dataclasses, os, signal, sys
import aiosqlite
from async_answer_service import Answered, Consumer, Handler, Producer, SqliteInbox, settings
from async_answer_service import codecs
from async_answer_service._runtime.fakes import service as fakes
from async_answer_service._runtime.kafka import aiokafka as async_kafka

class Service(Handler):
    def __init__(self, database, producer, last):
        self.database, self.producer, self.left = database, producer, last

    async def on_asked(self, event, message):
        await self.database.execute("INSERT INTO effects VALUES (?, ?)", [event.question_id, os.getpid()])
        await self.producer.send(Answered(question_id=event.question_id, text="because"), caused_by=message)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(0.01)

    async def on_withdrawn(self, event, message): ...
    async def on_profile_changed(self, event, message): ...
    async def on_deletion_from_profiles(self, message): ...

async def main():
    made = settings(registry_url="http://unused")
    transport = async_kafka.KafkaTransport(made.bootstrap_servers, made.registry)
    transport._registry = fakes.FakeRegistry(codecs.EVENTS)
    made = dataclasses.replace(made, transport=transport)
    async with aiosqlite.connect(sys.argv[2], isolation_level=None, timeout=30) as database:
        async with Producer(made) as producer:
            service = Service(database, producer, int(sys.argv[1]))
            async with Consumer(made, service, inbox=SqliteInbox(database)) as consumer:
                print("ready", flush=True)
                await consumer.run()
                print(consumer.statistics.handled, flush=True)

asyncio.run(main())
"""  # noqa: E501


class Members:
    """Processes of one consumer group whose effects go to one database."""

    def __init__(self, kafka: Kafka, package: Path, database: Path) -> None:
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(package),
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            # The group misses a member that was killed soon.
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
        }
        self._database = database
        self._running: list[subprocess.Popen[str]] = []
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE effects (question TEXT, member INTEGER)")
            connection.commit()

    def start(self, last: int = -1) -> subprocess.Popen[str]:
        """A member that kills itself in the midst of the event of this number."""
        command = [sys.executable, "-c", PROCESS, str(last), str(self._database)]
        member = subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True)
        self._running.append(member)
        return member

    def effects(self) -> list[tuple[str, int]]:
        """Each effect: the question, and the process that answered it."""
        with closing(sqlite3.connect(self._database, timeout=30)) as connection:
            return connection.execute("SELECT question, member FROM effects").fetchall()

    def end(self) -> None:
        for member in self._running:
            member.kill()
            member.wait(10)


def ask(package: ModuleType, kafka: Kafka, numbers: range) -> None:
    with package.Producer(settings(package, kafka)) as producer:
        for number in numbers:
            producer.send(package.Asked(question_id=f"q{number}", text="why?"))


def test_members_that_are_killed_and_joined_leave_one_effect_of_each_question(
    desk_kafka: Kafka, ask_service: ModuleType, async_folders: dict[str, Path], tmp_path: Path
) -> None:
    members = Members(desk_kafka, async_folders["answer-service"], tmp_path / "effects.db")
    try:
        ask(ask_service, desk_kafka, range(QUESTIONS))
        for last in (20, 15):
            assert members.start(last).wait(90) == -signal.SIGKILL
        poison = Producer({"bootstrap.servers": desk_kafka.bootstrap})
        poison.produce("questions", b"poison")
        assert poison.flush(20) == 0
        pair = [members.start(), members.start()]
        wait_until(lambda: len(members.effects()) >= QUESTIONS, 90, "an effect of each question")
        ask(ask_service, desk_kafka, range(QUESTIONS, 3 * QUESTIONS))
        wait_until(lambda: len(members.effects()) >= 3 * QUESTIONS, 90, "the later questions")
        handled = 0
        for member in pair:
            member.send_signal(signal.SIGTERM)
            output, _ = member.communicate(timeout=30)
            assert member.returncode == 0
            handled += int(output.split()[-1])
    finally:
        members.end()
    effects = members.effects()
    assert Counter(question for question, _ in effects) == {
        f"q{number}": 1 for number in range(3 * QUESTIONS)
    }
    assert {member.pid for member in pair} <= {process for _, process in effects}
    assert handled == sum(process in {one.pid for one in pair} for _, process in effects)
    answers = Counter(read(desk_kafka, "answers", "read_committed"))
    assert set(answers) == {f"q{number}".encode() for number in range(3 * QUESTIONS)}
    assert len(read(desk_kafka, "questions.answer-service.dlq", "read_committed")) == 1


def test_a_key_goes_to_the_same_partition_from_both_flavours(
    desk_kafka: Kafka, ask_service: ModuleType, async_ask: ModuleType
) -> None:
    keys = [f"q{number}" for number in range(20)]

    async def send() -> list[int]:
        async with async_ask.Producer(settings(async_ask, desk_kafka)) as producer:
            sent = [
                await producer.send(async_ask.Asked(question_id=key, text="why?")) for key in keys
            ]
            for delivery in sent:
                await delivery
            return [delivery.partition for delivery in sent]

    with ask_service.Producer(settings(ask_service, desk_kafka)) as producer:
        sent = [producer.send(ask_service.Asked(question_id=key, text="why?")) for key in keys]
        for delivery in sent:
            delivery.result(20)
        partitions = [delivery.partition for delivery in sent]
    assert asyncio.run(send()) == partitions
    assert len(set(partitions)) > 1


def test_an_aborted_transaction_is_invisible_and_an_old_producer_is_shut_out(
    desk_kafka: Kafka, async_answer: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    made = settings(async_answer, desk_kafka)

    def answer(number: int) -> Any:
        return async_answer.Answered(question_id=f"q{number}", text="yes")

    async def test() -> None:
        async with async_answer.Producer(made, transactional_id="answers-1") as old:
            with pytest.raises(KeyError):
                async with old.transaction():
                    await (await old.send(answer(1)))
                    raise KeyError
            async with old.transaction():
                await old.send(answer(2))
            async with async_answer.Producer(made, transactional_id="answers-1") as new:
                with pytest.raises(async_answer.ProducerFenced):
                    async with old.transaction():
                        await old.send(answer(3))
                async with new.transaction():
                    await new.send(answer(4))

    asyncio.run(asyncio.wait_for(test(), 60))
    gc.collect()
    assert "never retrieved" not in caplog.text
    assert sorted(read(desk_kafka, "answers", "read_committed")) == [b"q2", b"q4"]
    assert b"q1" in read(desk_kafka, "answers", "read_uncommitted")
