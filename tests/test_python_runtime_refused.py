"""What Kafka does not take: told once, counted, with what to do, and never waited for for ever."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import dataclasses
import importlib
from types import ModuleType
from typing import Any

import pytest
from async_desk import run
from confluent_kafka import KafkaError, KafkaException
from desk import answer_service, async_answer, async_folders, desk_folders  # noqa: F401
from test_python_runtime_metrics import Counting

from codegen.targets.python.runtime.kafka.aiokafka_producer import KafkaProducer
from codegen.targets.python.runtime.kafka.async_transport import Refused


def measured(package: ModuleType, **options: Any) -> tuple[Any, Counting, Any]:
    """A fake, what it counts, and settings for it."""
    fake, metrics = package.fakes.fakes(), Counting()
    return fake, metrics, dataclasses.replace(fake.settings(), metrics=metrics, options=options)


def large(package: ModuleType) -> Any:
    return package.Answered(question_id="q", text="x" * 2_000_000)


TOO_LARGE = {("answers", "MSG_SIZE_TOO_LARGE"): 1}


def test_what_the_client_refuses_is_raised_once_and_counted(answer_service: ModuleType) -> None:
    _, metrics, made = measured(answer_service)
    with answer_service.Producer(made) as producer:
        with pytest.raises(answer_service.MessageTooLarge):
            producer.send(large(answer_service))
        assert metrics.deliveries == TOO_LARGE


def test_what_the_asyncio_client_refuses_is_raised_once_and_counted(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        _, metrics, made = measured(async_answer)
        async with async_answer.Producer(made) as producer:
            with pytest.raises(async_answer.MessageTooLarge):
                await producer.send(large(async_answer))
            assert metrics.deliveries == TOO_LARGE

    run(test)


def test_what_to_do_is_told(answer_service: ModuleType) -> None:
    fake, _, made = measured(answer_service)
    fake.fail_deliveries()
    with answer_service.Producer(made) as producer:
        delivery = producer.send(answer_service.Answered(question_id="q", text="x"))
        with pytest.raises(answer_service.DeliveryError, match="; no broker has confirmed it"):
            delivery.result(20)


def test_what_to_do_is_told_of_what_the_client_refuses(answer_service: ModuleType) -> None:
    _, _, made = measured(answer_service)
    with answer_service.Producer(made) as producer:

        def refuse(*_: object, **options: object) -> None:
            # What librdkafka says of a topic that it has looked for before.
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))

        producer._transport.failure = KafkaException
        producer._client.produce = refuse
        reason = "_UNKNOWN_TOPIC: .*; kontrakt topics --apply creates it"
        with pytest.raises(answer_service.DeliveryError, match=reason):
            producer.send(answer_service.Answered(question_id="q", text="x"))


def test_what_to_do_is_told_with_asyncio(async_answer: ModuleType) -> None:
    async def test() -> None:
        fake, _, made = measured(async_answer)
        fake.fail_deliveries()
        async with async_answer.Producer(made) as producer:
            delivery = await producer.send(async_answer.Answered(question_id="q", text="x"))
            with pytest.raises(async_answer.DeliveryError, match="; no broker has confirmed it"):
                await delivery

    run(test)


def test_an_event_that_waits_for_room_is_not_late_and_holds_up_no_flush_when_given_up(
    async_answer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("async_answer_service._runtime.producing.async_producer")
    monkeypatch.setattr(module, "_SWEEP", 0.001)
    event = async_answer.Answered(question_id="q", text="x")

    async def test() -> None:
        fake, metrics, made = measured(async_answer, **{"delivery.timeout.ms": 1})
        async with async_answer.Producer(made) as producer:
            room, produce = asyncio.Event(), producer._client.produce

            async def wait_for_room(*given: Any) -> Any:
                await room.wait()
                return await produce(*given)

            producer._client.produce = wait_for_room
            sending = [asyncio.create_task(producer.send(event)) for _ in "ab"]
            await asyncio.sleep(0.05)
            flushing = asyncio.create_task(producer.flush())
            await asyncio.sleep(0)
            sending[1].cancel()
            room.set()
            await (await sending[0])
            await flushing
        assert fake.sent == (event,)
        assert metrics.deliveries == {("answers", None): 1, ("answers", "CancelledError"): 1}

    run(test)


def test_a_queue_that_stays_full_is_waited_for_within_bounds() -> None:
    errors = importlib.import_module("aiokafka.errors")

    class Full:
        tried = 0

        async def send(self, *given: Any, **options: Any) -> Any:
            self.tried += 1
            raise errors.KafkaTimeoutError

    async def test() -> None:
        client = KafkaProducer({}, patience=0.01)
        client._client = full = Full()
        with pytest.raises(Refused, match="_QUEUE_FULL: no room was in the queue for 0 seconds"):
            await client.produce("topic", None, b"", [])
        assert full.tried > 1

    run(test)
