"""exactly_once for asyncio on a real broker: each outcome once, whoever is killed or left."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from async_desk import Answers
from confluent_kafka import Producer
from desk import (  # noqa: F401
    ask_service,
    async_answer,
    async_folders,
    desk_folders,
)

from real.kafka import Kafka
from real.processes import wait_until
from real.test_transactions import desk_kafka, read, settings  # noqa: F401

PROCESS = """
import asyncio, dataclasses, os, signal, sys
from async_answer_service import Answered, Consumer, Handler, Producer, settings
from async_answer_service import codecs
from async_answer_service._runtime.fakes import service as fakes
from async_answer_service._runtime.kafka import aiokafka as async_kafka

name, last, end = sys.argv[1], int(sys.argv[2]), getattr(signal, sys.argv[3])

class Service(Handler):
    def __init__(self, producer):
        self.producer, self.left = producer, last

    async def on_asked(self, event, message):
        answer = Answered(question_id=event.question_id, text=name)
        await (await self.producer.send(answer, caused_by=message))
        await asyncio.sleep(0.01)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), end)

    async def on_withdrawn(self, event, message): ...
    async def on_profile_changed(self, event, message): ...
    async def on_deletion_from_profiles(self, message): ...

async def main():
    made = settings(registry_url="http://unused")
    transport = async_kafka.KafkaTransport(made.bootstrap_servers, made.registry)
    transport._registry = fakes.FakeRegistry(codecs.EVENTS)
    made = dataclasses.replace(made, transport=transport)
    async with Producer(made, transactional_id=name) as producer:
        async with Consumer(made, Service(producer), exactly_once=producer) as consumer:
            await consumer.run()
            print(consumer.statistics.handled, flush=True)

asyncio.run(main())
"""


class Members:
    """Processes of one consumer group, each with a transactional id of its own."""

    def __init__(self, kafka: Kafka, package: Path) -> None:
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(package),
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            # The group misses a member that was killed soon.
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
        }
        self._running: list[subprocess.Popen[str]] = []

    def start(
        self, name: str, last: int = -1, end: signal.Signals = signal.SIGKILL
    ) -> subprocess.Popen[str]:
        """A member that sends itself a signal in the midst of the event of this number."""
        command = [sys.executable, "-c", PROCESS, name, str(last), end.name]
        member = subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True)
        self._running.append(member)
        return member

    def close(self) -> None:
        for member in self._running:
            member.kill()
            member.wait(10)


@pytest.fixture
def members(desk_kafka: Kafka, async_folders: dict[str, Path]) -> Iterator[Members]:
    members = Members(desk_kafka, async_folders["answer-service"])
    yield members
    members.close()


def ask(package: ModuleType, kafka: Kafka, numbers: range) -> set[bytes]:
    with package.Producer(settings(package, kafka)) as producer:
        for number in numbers:
            producer.send(package.Asked(question_id=f"q{number}", text="why?"))
    return {f"q{number}".encode() for number in numbers}


def answered(kafka: Kafka, isolation: str = "read_committed") -> Counter[bytes]:
    return Counter(read(kafka, "answers", isolation))


def test_members_that_are_killed_and_joined_answer_each_question_once(
    desk_kafka: Kafka, ask_service: ModuleType, members: Members
) -> None:
    asked = ask(ask_service, desk_kafka, range(60))
    for last in (20, 15):
        assert members.start("one", last).wait(90) == -signal.SIGKILL
    assert not answered(desk_kafka) and answered(desk_kafka, "read_uncommitted")
    poison = Producer({"bootstrap.servers": desk_kafka.bootstrap})
    poison.produce("questions", b"poison")
    assert poison.flush(20) == 0
    pair = [members.start("one"), members.start("two")]
    wait_until(lambda: len(answered(desk_kafka)) >= len(asked), 90, "an answer of each question")
    asked |= ask(ask_service, desk_kafka, range(60, 180))
    wait_until(lambda: len(answered(desk_kafka)) >= len(asked), 90, "the later answers")
    handled = 0
    for member in pair:
        member.send_signal(signal.SIGTERM)
        output, _ = member.communicate(timeout=30)
        assert member.returncode == 0
        handled += int(output)
    # Two members may each have rolled an answer back, but none was seen twice.
    assert answered(desk_kafka) == dict.fromkeys(asked, 1)
    assert handled == len(asked)
    assert len(read(desk_kafka, "questions.answer-service.dlq", "read_committed")) == 1


def test_a_member_that_the_group_has_left_behind_commits_nothing(
    desk_kafka: Kafka, ask_service: ModuleType, members: Members
) -> None:
    asked = ask(ask_service, desk_kafka, range(30))
    sleeper = members.start("sleeper", 10, signal.SIGSTOP)
    wait_until(
        lambda: len(answered(desk_kafka, "read_uncommitted")) >= 10,
        60,
        "a transaction that is open",
    )
    members.start("other")
    wait_until(
        lambda: answered(desk_kafka, "read_uncommitted").total() >= len(asked) + 10,
        60,
        "the other member's answers",
    )
    # It goes on in the midst of its transaction, and knows of nothing.
    sleeper.send_signal(signal.SIGCONT)
    wait_until(lambda: len(answered(desk_kafka)) >= len(asked), 60, "all answers")
    asked |= ask(ask_service, desk_kafka, range(30, 60))
    wait_until(lambda: len(answered(desk_kafka)) >= len(asked), 60, "the later answers")
    assert answered(desk_kafka) == dict.fromkeys(asked, 1)
    assert sleeper.poll() is None, "it has joined its group again"


def test_offsets_whose_transaction_is_open_are_waited_for(
    desk_kafka: Kafka, ask_service: ModuleType, async_answer: ModuleType
) -> None:
    """A successor with another id may not begin before what its predecessor has in the balance."""
    asked = ask(ask_service, desk_kafka, range(12))
    made = settings(async_answer, desk_kafka)
    group = "answer-service"

    async def test() -> None:
        async with async_answer.Producer(made, transactional_id="first") as first:
            handler = Answers(async_answer, first)
            async with async_answer.Consumer(made, handler, exactly_once=first) as one:
                client = one._client
                records = []
                while len(records) < len(asked):
                    records += await client.receive(500, 0.5)
                transaction = first.transaction()
                await transaction.__aenter__()
                for record in records:
                    answer = async_answer.Answered(question_id=record.key().decode(), text="x")
                    await first.send(answer)
                # As a commit whose markers are not written yet: offsets are there, but not settled.
                positions, member = client.positions_after(records)
                await first._client.send_offsets_to_transaction(positions, member)
            # The first one has left its group, with its transaction open.
            async with async_answer.Producer(made, transactional_id="second") as second:
                successor = Answers(async_answer, second)
                async with async_answer.Consumer(made, successor, exactly_once=second) as two:
                    assert two._group == group
                    await two.drain(3.0)
                    assert successor.asked == []
                    await transaction.__aexit__(None, None, None)
                    await two.drain(3.0)
                    assert successor.asked == []

    asyncio.run(asyncio.wait_for(test(), 90))
    assert answered(desk_kafka) == dict.fromkeys(asked, 1)
