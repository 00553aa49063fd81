"""Transactions of the generated packages on a real broker: each outcome once, or not at all."""

# ruff: noqa: F811

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic
from desk import answer_service, ask_service, desk_folders  # noqa: F401

from real.kafka import Kafka
from real.processes import wait_until

TOPICS = {"questions": 3, "answers": 2, "profiles": 2, "questions.answer-service.dlq": 1}
QUESTIONS = 60


@pytest.fixture
def desk_kafka(new_kafka: Kafka) -> Kafka:
    """A broker with the topics of the help desk."""
    client = new_kafka.admin()
    topics = [NewTopic(name, partitions, 1) for name, partitions in TOPICS.items()]
    for made in client.create_topics(topics).values():
        made.result(30)
    wait_until(lambda: set(TOPICS) <= set(client.list_topics(timeout=10).topics), 30, "topics")
    return new_kafka


def settings(package: ModuleType, kafka: Kafka) -> Any:
    """Settings that lead to the broker, and to a registry in memory."""
    style = "async_" if package.__name__.startswith("async_") else ""
    client = "aiokafka" if style else "confluent"
    module = importlib.import_module(f"{package.__name__}._runtime.kafka.{client}")
    fakes = importlib.import_module(f"{package.__name__}._runtime.fakes.service")
    # The one package that knows all events, so that both number their schemas alike.
    events = importlib.import_module(f"{style}answer_service.codecs").EVENTS
    made = package.settings(
        bootstrap_servers=kafka.bootstrap, registry_url="http://unused", environment={}
    )
    transport = module.KafkaTransport(kafka.bootstrap, made.registry)
    transport._registry = fakes.FakeRegistry(events)
    return dataclasses.replace(made, transport=transport)


def read(kafka: Kafka, topic: str, isolation: str) -> list[bytes]:
    """The keys of all messages of a topic that a reader of this isolation level sees."""
    return [message.key() or b"" for message in kafka.read(topic, isolation=isolation)]


PROCESS = """
import dataclasses, os, signal, sys
from answer_service import Answered, Consumer, Handler, Producer, settings
from answer_service import codecs
from answer_service._runtime.fakes import service as fakes
from answer_service._runtime.kafka import confluent as kafka

class Service(Handler):
    def __init__(self, producer, last):
        self.producer, self.left = producer, last

    def on_asked(self, event, message):
        answer = Answered(question_id=event.question_id, text="because")
        self.producer.send(answer, caused_by=message).result(20)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_withdrawn(self, event, message): ...
    def on_profile_changed(self, event, message): ...
    def on_deletion_from_profiles(self, message): ...

made = settings(registry_url="http://unused")
transport = kafka.KafkaTransport(made.bootstrap_servers, made.registry)
transport._registry = fakes.FakeRegistry(codecs.EVENTS)
made = dataclasses.replace(made, transport=transport)
with Producer(made, transactional_id="answers-1") as producer:
    service = Service(producer, int(sys.argv[1]))
    with Consumer(made, service, exactly_once=producer) as consumer:
        consumer.run()
        print(consumer.statistics.handled)
"""


def test_a_service_that_is_killed_in_the_middle_answers_each_question_once(
    desk_kafka: Kafka, ask_service: ModuleType, desk_folders: dict[str, Path]
) -> None:
    with ask_service.Producer(settings(ask_service, desk_kafka)) as producer:
        for number in range(QUESTIONS):
            producer.send(ask_service.Asked(question_id=f"q{number}", text="why?"))
    poison = Producer({"bootstrap.servers": desk_kafka.bootstrap})
    poison.produce("questions", b"poison")
    assert poison.flush(20) == 0
    environment = {
        **os.environ,
        "PYTHONPATH": str(desk_folders["answer-service"]),
        "KAFKA_BOOTSTRAP_SERVERS": desk_kafka.bootstrap,
        # The group misses a member that was killed soon.
        "KAFKA_SESSION_TIMEOUT_MS": "6000",
    }

    def start(last: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROCESS, str(last)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    for last in (20, 30):
        killed = start(last)
        assert killed.wait(60) == -signal.SIGKILL
    survivor = start(-1)
    try:
        wait_until(
            lambda: len(read(desk_kafka, "answers", "read_committed")) >= QUESTIONS,
            60,
            "all answers",
        )
        survivor.send_signal(signal.SIGTERM)
        output, _ = survivor.communicate(timeout=30)
        assert survivor.returncode == 0 and int(output) > 0
    finally:
        survivor.kill()
        survivor.wait(10)
    seen = Counter(read(desk_kafka, "answers", "read_committed"))
    assert seen == {f"q{number}".encode(): 1 for number in range(QUESTIONS)}
    # What the killed ones had sent is there, and nobody is shown it.
    assert len(read(desk_kafka, "answers", "read_uncommitted")) > QUESTIONS
    assert len(read(desk_kafka, "questions.answer-service.dlq", "read_committed")) == 1


def test_an_aborted_transaction_is_invisible_and_an_old_producer_is_shut_out(
    desk_kafka: Kafka, answer_service: ModuleType
) -> None:
    made = settings(answer_service, desk_kafka)

    def answer(number: int) -> Any:
        return answer_service.Answered(question_id=f"q{number}", text="yes")

    old = answer_service.Producer(made, transactional_id="answers-1")
    with pytest.raises(KeyError), old.transaction():
        old.send(answer(1)).result(20)
        raise KeyError
    with old.transaction():
        old.send(answer(2))
    new = answer_service.Producer(made, transactional_id="answers-1")
    with pytest.raises(answer_service.ProducerFenced), old.transaction():
        old.send(answer(3)).result(20)
        with new.transaction():
            new.send(answer(4))
    for _ in range(2):
        with pytest.raises(answer_service.ProducerFenced), old.transaction():
            old.send(answer(5))
    new.close()
    assert sorted(read(desk_kafka, "answers", "read_committed")) == [b"q2", b"q4"]
    assert sorted(read(desk_kafka, "answers", "read_uncommitted")) == [b"q1", b"q2", b"q3", b"q4"]
