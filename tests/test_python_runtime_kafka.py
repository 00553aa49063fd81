"""The generated packages on librdkafka's mock cluster: confluent-kafka's own client at work."""

# ruff: noqa: F811

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import confluent_kafka
import pytest
from desk import answer_service, ask_service, desk_folders  # noqa: F401


@pytest.fixture
def cluster() -> Iterator[str]:
    """The bootstrap servers of a mock cluster that lives as long as its client."""
    client = confluent_kafka.Producer(
        {"bootstrap.servers": "unused", "test.mock.num.brokers": 3, "log_level": 0}
    )
    brokers = client.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    del client


class World:
    """Both services on the cluster, with a group and so a view of their own."""

    def __init__(self, cluster: str, ask: ModuleType, answer: ModuleType) -> None:
        self.cluster, self.ask, self.answer = cluster, ask, answer
        self.group = f"group-{time.time_ns()}"
        events = importlib.import_module("answer_service.codecs")
        fakes = importlib.import_module("answer_service._runtime.fakes.service")
        wanted = ("ASKED", "WITHDRAWN", "ANSWERED", "REFUSED", "PROFILE_CHANGED")
        self.registry = fakes.FakeRegistry([getattr(events, name) for name in wanted])

    def settings(self, package: ModuleType, **options: object) -> Any:
        """Settings that lead to the mock cluster, and to a registry in memory."""
        kafka = importlib.import_module(f"{package.__name__}._runtime.kafka.confluent")
        made = package.settings(
            bootstrap_servers=self.cluster,
            registry_url="http://unused",
            options={"log_level": 0, "session.timeout.ms": 6000, **options},
            environment={},
        )
        transport = kafka.KafkaTransport(self.cluster, made.registry)
        transport._registry = self.registry
        return dataclasses.replace(made, transport=transport)

    def ask_questions(self, numbers: range, prefix: str) -> None:
        with self.ask.Producer(self.settings(self.ask)) as producer:
            for number in numbers:
                key = f"{prefix}{number}"
                producer.send(self.ask.Asked(question_id=key, text=f"why {number}?"))

    def read(self, topic: str, until: Callable[[list[Any]], bool]) -> list[Any]:
        """Read a topic with a bare client until there is enough, for ten seconds at most."""
        client = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.cluster,
                "group.id": f"reader-{time.time_ns()}",
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        client.subscribe([topic])
        records: list[Any] = []
        end = time.monotonic() + 20
        while not until(records) and time.monotonic() < end:
            record = client.poll(0.2)
            if record is not None and record.error() is None:
                records.append(record)
        client.close()
        return records


@pytest.fixture
def world(cluster: str, ask_service: ModuleType, answer_service: ModuleType) -> World:
    return World(cluster, ask_service, answer_service)


class Answers:
    def __init__(self, world: World, producer: Any, prefix: str) -> None:
        self.world, self.producer, self.prefix = world, producer, prefix
        self.seen: list[str] = []
        self.failing: set[str] = set()

    def on_asked(self, event: Any, message: Any) -> None:
        if not event.question_id.startswith(self.prefix):
            return
        self.seen.append(event.question_id)
        if event.question_id in self.failing:
            raise ConnectionError("away")
        answer = self.world.answer.Answered(question_id=event.question_id, text="because")
        self.producer.send(answer, caused_by=message)

    def on_withdrawn(self, event: Any, message: Any) -> None: ...
    def on_profile_changed(self, event: Any, message: Any) -> None: ...
    def on_deletion_from_profiles(self, message: Any) -> None: ...


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def run(consumer: Any) -> threading.Thread:
    thread = threading.Thread(target=consumer.run)
    thread.start()
    return thread


def test_questions_are_answered_and_committed(world: World) -> None:
    package = world.answer
    world.ask_questions(range(300), "flow-")
    with package.Producer(world.settings(package)) as producer:
        handler = Answers(world, producer, "flow-")
        consumer = package.Consumer(world.settings(package), handler, group=world.group)
        thread = run(consumer)
        wait_for(lambda: len(handler.seen) >= 300)
        consumer.stop()
        thread.join(20)
        consumer.close()
    assert sorted(handler.seen) == sorted(f"flow-{number}" for number in range(300))
    answers = world.read("answers", lambda records: len(records) >= 300)
    own = [record for record in answers if (record.key() or b"").startswith(b"flow-")]
    assert {record.key() for record in own} == {f"flow-{n}".encode() for n in range(300)}
    headers = dict(own[0].headers())
    assert headers["ce_type"] == b"help.desk.Answered" and headers["ce_causationid"]

    world.ask_questions(range(5), "later-")
    with package.Producer(world.settings(package)) as producer:
        again = Answers(world, producer, "flow-")
        later = Answers(world, producer, "later-")
        again.on_asked = lambda event, message, old=again.on_asked: (  # type: ignore[method-assign,misc]
            old(event, message),
            later.on_asked(event, message),
        )
        with package.Consumer(world.settings(package), again, group=world.group) as consumer:
            thread = run(consumer)
            wait_for(lambda: len(later.seen) >= 5)
            consumer.stop()
            thread.join(20)
    assert again.seen == [], "what was committed came again"


def test_poison_and_failing_handlers_end_in_the_dead_letter_topic(world: World) -> None:
    package = world.answer
    bare = confluent_kafka.Producer({"bootstrap.servers": world.cluster, "log_level": 0})
    headers = [("h", b"\xff"), ("h", None)]
    bare.produce("questions", b"poison", key=b"\x00\xff", headers=headers)
    bare.flush(10)
    world.ask_questions(range(3), "dead-")
    with package.Producer(world.settings(package)) as producer:
        handler = Answers(world, producer, "dead-")
        handler.failing = {"dead-1"}
        policy = package.Policy(attempts=3, backoff=0.01)
        made = package.Consumer(world.settings(package), handler, group=world.group, policy=policy)
        with made as consumer:
            thread = run(consumer)
            wait_for(lambda: consumer.statistics.dead_lettered >= 2)
            wait_for(lambda: {"dead-0", "dead-2"} <= set(handler.seen))
            consumer.stop()
            thread.join(20)
    assert handler.seen.count("dead-1") == 3
    letters = world.read("questions.answer-service.dlq", lambda records: len(records) >= 2)
    by_reason = {dict(letter.headers())["dlq.reason"]: letter for letter in letters}
    poison = by_reason[b"no-magic-byte"]
    assert (poison.key(), poison.value()) == (b"\x00\xff", b"poison")
    assert poison.headers()[:2] == headers
    assert by_reason[b"handler-failed"].key() == b"dead-1"


def test_a_registry_outage_is_waited_for_inside_the_group(world: World) -> None:
    package = world.answer
    world.ask_questions(range(3), "wait-")
    world.registry.is_down = True
    with package.Producer(world.settings(package)) as producer:
        handler = Answers(world, producer, "wait-")
        policy = package.Policy(backoff=0.05, backoff_limit=0.2)
        made = package.Consumer(world.settings(package), handler, group=world.group, policy=policy)
        with made as consumer:
            thread = run(consumer)
            wait_for(lambda: consumer.statistics.registry_waits >= 5)
            assert handler.seen == []
            world.registry.is_down = False
            wait_for(lambda: len(handler.seen) >= 3)
            consumer.stop()
            thread.join(20)
        assert consumer.statistics.dead_lettered == 0
    assert sorted(handler.seen) == ["wait-0", "wait-1", "wait-2"]


def test_keys_go_where_the_java_client_sends_them(world: World) -> None:
    """The fake's partitioner and librdkafka's must agree, or a service's tests would lie."""
    murmur2 = importlib.import_module("answer_service._runtime.fakes.kafka").murmur2
    world.ask_questions(range(40), "part-")
    records = world.read(
        "questions",
        lambda found: sum((each.key() or b"").startswith(b"part-") for each in found) >= 40,
    )
    partitions = len(
        confluent_kafka.Producer({"bootstrap.servers": world.cluster, "log_level": 0})
        .list_topics("questions", timeout=10)
        .topics["questions"]
        .partitions
    )
    own = [record for record in records if (record.key() or b"").startswith(b"part-")]
    assert len(own) == 40
    for record in own:
        assert record.partition() == (murmur2(record.key()) & 0x7FFFFFFF) % partitions


def test_a_delivery_tells_where_the_event_stands(world: World) -> None:
    with world.ask.Producer(world.settings(world.ask)) as producer:
        delivery = producer.send(world.ask.Withdrawn(question_id="where"))
        delivery.result(20)
    assert delivery.partition is not None and delivery.offset is not None


def test_what_kafka_never_takes_is_told(world: World) -> None:
    settings = dataclasses.replace(
        world.settings(
            world.ask, **{"delivery.timeout.ms": 300, "message.timeout.ms": 300, "linger.ms": 0}
        ),
        bootstrap_servers="127.0.0.1:1",
    )
    transport = settings.transport
    transport._bootstrap_servers = "127.0.0.1:1"
    with pytest.raises(world.ask.DeliveryFailed, match="1 event was not delivered") as caught:  # noqa: SIM117
        with world.ask.Producer(settings) as producer:
            producer.send(world.ask.Withdrawn(question_id="lost"))
    (failure,) = caught.value.failures
    assert failure.event == world.ask.Withdrawn(question_id="lost")


PROCESS = """
import dataclasses, importlib, sys
import answer_service as package
from answer_service import Answered, Consumer, Handler, Producer, settings
from answer_service._runtime.fakes import service as fakes
from answer_service._runtime.kafka import confluent as kafka
from answer_service import codecs

class Service(Handler):
    def on_asked(self, event, message):
        print(event.question_id, flush=True)
    def on_withdrawn(self, event, message): ...
    def on_profile_changed(self, event, message): ...
    def on_deletion_from_profiles(self, message): ...

made = settings(registry_url="http://unused", options={"log_level": 0})
transport = kafka.KafkaTransport(made.bootstrap_servers, made.registry)
names = ("ASKED", "WITHDRAWN", "ANSWERED", "REFUSED", "PROFILE_CHANGED")
transport._registry = fakes.FakeRegistry([getattr(codecs, name) for name in names])
with Consumer(dataclasses.replace(made, transport=transport), Service(), group=sys.argv[1]) as it:
    it.run()
print("left")
"""


def test_sigterm_ends_a_consumer_and_kill_9_loses_nothing(
    world: World, desk_folders: dict[str, Path]
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(desk_folders["answer-service"]),
        "KAFKA_BOOTSTRAP_SERVERS": world.cluster,
        "KAFKA_SESSION_TIMEOUT_MS": "6000",
    }
    seen: list[list[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, world.group],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        lines: list[str] = []
        seen.append(lines)
        stdout = process.stdout
        assert stdout is not None
        threading.Thread(
            target=lambda: lines.extend(line.strip() for line in stdout), daemon=True
        ).start()
        return process

    world.ask_questions(range(50), "kill-")
    first = start()
    try:
        wait_for(lambda: sum(line.startswith("kill-") for line in seen[0]) >= 10)
    finally:
        first.kill()
        first.wait(10)
    world.ask_questions(range(50, 60), "kill-")
    second = start()
    try:
        expected = {f"kill-{number}" for number in range(60)}
        wait_for(lambda: expected <= set(seen[0]) | set(seen[1]), 60)
        second.send_signal(signal.SIGTERM)
        assert second.wait(15) == 0
        wait_for(lambda: seen[1][-1] == "left")
    finally:
        second.kill()
        second.wait(10)


class Assigned:
    """A client of confluent-kafka that is told by the test which partitions are its own."""

    def __init__(self, cluster: str) -> None:
        options = {"bootstrap.servers": cluster, "group.id": "paused", "log_level": 0}
        self.client = confluent_kafka.Consumer({**options, "auto.offset.reset": "earliest"})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def subscribe(self, topics: Any, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        self.on_assign, self.on_revoke = on_assign, on_revoke

    def assign(self, place: Any) -> None:
        self.on_assign(self, [place])
        self.client.incremental_assign([place])

    def revoke(self, place: Any) -> None:
        self.on_revoke(self, [place])
        self.client.incremental_unassign([place])


def test_a_partition_that_was_paused_when_it_was_revoked_is_read_when_it_comes_back(
    world: World,
) -> None:
    world.ask_questions(range(1), "early-")
    kafka = importlib.import_module("answer_service._runtime.kafka.confluent")
    client = Assigned(world.cluster)
    consumer = kafka.KafkaConsumer(client)
    consumer.subscribe(["questions"], lambda _: None)
    (record,) = world.read("questions", bool)
    place = confluent_kafka.TopicPartition("questions", record.partition(), 0)
    try:
        client.assign(place)
        wait_for(lambda: bool(consumer.receive(1, 0.1)))
        consumer.pause()
        client.revoke(place)
        consumer.resume()
        client.assign(place)
        wait_for(lambda: bool(consumer.receive(1, 0.1)))
    finally:
        consumer.close()


class ScriptedClient:
    """A client of confluent-kafka in whose `consume` partition 0 goes to another member."""

    def __init__(self, *, comes_back: bool) -> None:
        self.comes_back = comes_back

    def subscribe(self, topics: Any, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        self.on_assign, self.on_revoke = on_assign, on_revoke

    def resume(self, partitions: Any) -> None: ...

    def poll(self, timeout: float) -> Any:
        self.on_revoke(self, [confluent_kafka.TopicPartition("questions", 1)])
        return self.record(0, 7)

    def consume(self, limit: int, timeout: float) -> list[Any]:
        records = [self.record(0, 8), self.record(1, 3)]
        self.on_revoke(self, [confluent_kafka.TopicPartition("questions", 0)])
        if self.comes_back:
            self.on_assign(self, [confluent_kafka.TopicPartition("questions", 0)])
        return records

    def record(self, partition: int, offset: int) -> Any:
        class Record:
            error = staticmethod(lambda: None)
            topic = staticmethod(lambda: "questions")

        Record.partition = staticmethod(lambda: partition)  # type: ignore[attr-defined]
        Record.offset = staticmethod(lambda: offset)  # type: ignore[attr-defined]
        return Record


@pytest.mark.parametrize("comes_back", [False, True])
def test_what_is_revoked_while_it_is_received_is_left_to_its_next_owner(
    answer_service: ModuleType, comes_back: bool
) -> None:
    kafka = importlib.import_module("answer_service._runtime.kafka.confluent")
    consumer = kafka.KafkaConsumer(ScriptedClient(comes_back=comes_back))
    revoked: list[Any] = []
    consumer.subscribe(["questions"], revoked.append)
    received = [(each.partition(), each.offset()) for each in consumer.receive(500, 1)]
    assert received == [(0, 7), (0, 8), (1, 3)][0 if comes_back else 2 :]
    assert revoked == [{("questions", 1)}, {("questions", 0)}]
