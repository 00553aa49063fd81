"""What whoever runs a service is told: why a message is given up, and how many wait."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from types import ModuleType, SimpleNamespace

import async_desk
import pytest
from confluent_kafka import KafkaError
from desk import answer_service, async_answer, async_folders, desk_folders  # noqa: F401
from test_python_runtime import Desk

from codegen.targets.python.runtime.kafka import confluent


@pytest.mark.parametrize(
    ("action", "told"), [("SKIP", " skipped: "), ("DEAD_LETTER", "becomes a dead letter")]
)
def test_each_message_that_is_given_up_is_told_with_the_stack(
    answer_service: ModuleType, caplog: pytest.LogCaptureFixture, action: str, told: str
) -> None:
    policy = answer_service.Policy(attempts=1, on_failure=answer_service.Action[action])
    desk = Desk(answer_service, failures=3, policy=policy)
    for number in range(3):
        desk.ask(number)
    desk.consumer.drain()
    lines = [record for record in caplog.records if told in record.getMessage()]
    assert len(lines) == 3 and all("in on_asked" in (each.exc_text or "") for each in lines)


def test_bytes_that_are_no_event_have_no_stack(
    answer_service: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(answer_service)
    desk.fake.deliver_bytes("questions", b"junk")
    desk.consumer.drain()
    assert "becomes a dead letter (no-magic-byte)" in caplog.text
    assert "Traceback" not in caplog.text


def test_what_was_received_and_waits_for_its_handler_is_in_the_backlog(
    answer_service: ModuleType,
) -> None:
    desk = Desk(answer_service)
    waiting: list[int] = []
    desk.handler.hook = lambda event: waiting.append(desk.consumer.health().backlog)
    for _ in range(4):
        desk.ask(1)
    desk.consumer.drain()
    # The first one is in hand, and nothing is known of it yet.
    assert waiting[0] == 3


def test_a_consumer_that_is_closed_has_no_backlog(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.handler.hook = lambda event: desk.consumer.stop()
    for _ in range(4):
        desk.ask(1)
    with desk.consumer:
        desk.consumer.run()
        assert desk.consumer.health().backlog == 3
    assert desk.consumer.health().backlog == 0


def test_an_asyncio_consumer_that_is_closed_has_no_backlog(async_answer: ModuleType) -> None:
    async def test() -> None:
        desk = async_desk.Desk(async_answer)

        async def stop(event: object) -> None:
            desk.consumer.stop()

        desk.handler.hook = stop
        desk.ask(1, 1, 1, 1)
        async with desk:
            await desk.consumer.run()
            assert desk.consumer.health().backlog == 3
        assert desk.consumer.health().backlog == 0

    async_desk.run(test)


LATE = "what handlers sent did not arrive in time; their messages come again"


def test_stopping_waits_once_for_what_does_not_arrive_and_says_so(
    answer_service: ModuleType, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("answer_service._runtime.consuming.consumer")
    monkeypatch.setattr(module, "_SETTLE", 0.05)
    desk = Desk(answer_service)
    with monkeypatch.context() as silent:
        # Kafka has taken it, and says nothing.
        silent.setattr(desk.producer._client, "poll", lambda *_: 0)
        silent.setattr(desk.producer._client, "flush", lambda *_: 1)
        desk.handler.hook = lambda event: desk.consumer.stop()
        desk.ask(1)
        with desk.consumer:
            desk.consumer.run()
        assert [record.getMessage() for record in caplog.records].count(LATE) == 1
        assert not any(desk.fake.kafka.groups["answer-service"].committed.values())


def test_stopping_waits_once_for_what_does_not_arrive_and_says_so_with_asyncio(
    async_answer: ModuleType, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("async_answer_service._runtime.consuming.async_consumer")
    monkeypatch.setattr(module, "_SETTLE", 0.05)

    async def test() -> None:
        desk = async_desk.Desk(async_answer)

        async def stop(event: object) -> None:
            desk.consumer.stop()

        async def keep_silent(*_: object) -> asyncio.Future[object]:
            return asyncio.get_running_loop().create_future()

        desk.handler.hook = stop
        desk.ask(1)
        async with desk.consumer:
            await desk.producer.__aenter__()
            desk.producer._client.produce = keep_silent
            await desk.consumer.run()
        assert not any(desk.fake.kafka.groups["answer-service"].committed.values())
        with pytest.raises(async_answer.DeliveryFailed, match="1 not confirmed in time"):
            await desk.producer.close(0)

    async_desk.run(test)
    assert [record.getMessage() for record in caplog.records].count(LATE) == 1


def test_partitions_that_go_while_a_consumer_stops_take_no_time_from_what_is_sent_later(
    answer_service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("answer_service._runtime.consuming.consumer")
    monkeypatch.setattr(module, "_SETTLE", 0.05)
    desk = Desk(answer_service)
    # What has arrived is told to those alone who wait for it.
    client, poll = desk.producer._client, desk.producer._client.poll
    monkeypatch.setattr(client, "poll", lambda *_: 0)
    monkeypatch.setattr(client, "flush", lambda *_: poll(0) * 0)

    def go_on_for_long(event: object) -> None:
        desk.consumer.stop()
        desk.consumer._client._on_revoked({("questions", 9)})
        time.sleep(0.06)

    desk.handler.hook = go_on_for_long
    desk.ask(1)
    with desk.consumer:
        desk.consumer.run()
    assert any(desk.fake.kafka.groups["answer-service"].committed.values())


def test_partitions_that_go_while_an_asyncio_consumer_stops_take_no_time_from_what_is_sent_later(
    async_answer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("async_answer_service._runtime.consuming.async_consumer")
    monkeypatch.setattr(module, "_SETTLE", 0.05)

    async def test() -> None:
        desk = async_desk.Desk(async_answer)

        async def go_on_for_long(event: object) -> None:
            desk.consumer.stop()
            await desk.consumer._client._on_revoked({("questions", 9)})
            await asyncio.sleep(0.06)

        async def arrive_later(*_: object) -> asyncio.Future[tuple[int, int]]:
            loop = asyncio.get_running_loop()
            report = loop.create_future()
            loop.call_later(0.01, report.set_result, (0, 0))
            return report

        desk.handler.hook = go_on_for_long
        desk.ask(1)
        async with desk:
            desk.producer._client.produce = arrive_later
            await desk.consumer.run()
        assert any(desk.fake.kafka.groups["answer-service"].committed.values())

    async_desk.run(test)


def test_a_consumer_that_kafka_does_not_let_leave_ends_all_the_same(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confluent, "_CLOSE", 0.01)
    end = threading.Event()
    try:
        confluent.KafkaConsumer(SimpleNamespace(close=lambda: end.wait(30))).close()
    finally:
        end.set()
    assert "Kafka did not let this consumer leave within 0 seconds: its partitions" in caplog.text


def test_what_is_wrong_with_the_brokers_is_told_once_in_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(confluent, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    report = confluent.ErrorLog()
    for clock[0] in (5.0, 6.0, 34.0, 36.0):
        report(KafkaError(KafkaError._TRANSPORT, "refused"))
        report(KafkaError(KafkaError._SSL, "no handshake"))
    told = ["Kafka: _TRANSPORT: refused", "Kafka: _SSL: no handshake"]
    assert [record.getMessage() for record in caplog.records] == told * 2


def test_what_leaving_kafka_raises_is_raised() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        confluent.KafkaConsumer(SimpleNamespace(close=fail)).close()


def test_leaving_kafka_needs_no_thread_when_the_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    calls: list[str] = []
    confluent.KafkaConsumer(SimpleNamespace(close=lambda: calls.append("close"))).close()
    assert calls == ["close"]
