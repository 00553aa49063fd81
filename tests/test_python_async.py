"""The generated producer and consumer for asyncio on the fakes: what a service may rely on."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import os
import signal
from types import ModuleType
from typing import Any

import aiosqlite
import pytest
from async_desk import Answers, Desk, run
from desk import answer_service, async_answer, async_ask, async_folders, desk_folders  # noqa: F401


def test_an_event_is_handled_and_its_answer_sent(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer) as desk:
            desk.ask(1)
            await desk.consumer.drain()
            assert desk.fake.sent == (async_answer.Answered(question_id="q1", text="WHY 1?"),)
            ((_, message),) = desk.fake.sent_messages
            assert message.source == "answer-service" and message.key == b"q1"
            assert message.causation_id == message.correlation_id
            assert desk.consumer.statistics.handled == 1

    run(test)


def test_both_flavours_send_the_same_message(
    async_answer: ModuleType, answer_service: ModuleType
) -> None:
    def describe(fake: Any) -> tuple[Any, ...]:
        ((_, message),) = fake.sent_messages
        headers = [pair for pair in message.headers if pair[0] != "ce_time"]
        (record,) = fake.sent_records
        return message.topic, message.partition, message.key, record.value(), headers

    async def test() -> None:
        async with Desk(async_answer) as desk:
            desk.ask(1, id="first")
            await desk.consumer.drain()
            theirs.append(describe(desk.fake))

    theirs: list[Any] = []
    run(test)

    class Sync(answer_service.Handler):  # type: ignore[misc, name-defined]
        def on_asked(self, event: Any, message: Any) -> None:
            answer = answer_service.Answered(question_id=event.question_id, text=event.text.upper())
            producer.send(answer, caused_by=message)

        def on_withdrawn(self, event: Any, message: Any) -> None: ...
        def on_profile_changed(self, event: Any, message: Any) -> None: ...
        def on_deletion_from_profiles(self, message: Any) -> None: ...

    with (
        answer_service.fakes.fakes() as fake,
        answer_service.Producer(fake.settings()) as producer,
        answer_service.Consumer(fake.settings(), Sync()) as consumer,
    ):
        fake.deliver(answer_service.Asked(question_id="q1", text="why 1?"), id="first")
        consumer.drain()
        assert [describe(fake)] == theirs


def test_a_failing_handler_is_called_again_and_then_its_message_kept(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        async with Desk(async_answer, failures=2) as desk:
            desk.ask(1)
            await desk.consumer.drain()
            assert desk.handler.asked == ["q1"] * 3
            assert desk.consumer.statistics.retried == 2 and len(desk.fake.sent) == 1
            desk.handler.failures = 99
            desk.ask(2)
            await desk.consumer.drain()
            (letter,) = desk.fake.dead_letters
            assert letter.reason == "handler-failed"
            assert letter.problem == "the database is away"
            assert letter.message.topic == "questions.answer-service.dlq"
            assert letter.message.header("dlq.attempts") == "5"

    run(test)


def test_dead_letters_are_replayed(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer, failures=5) as desk:
            desk.ask(1)
            await desk.consumer.drain()
            assert len(desk.fake.dead_letters) == 1 and not desk.fake.sent
            replay = async_answer.Consumer(desk.fake.settings(), desk.handler, replay=True)
            async with replay:
                await replay.drain()
            assert len(desk.fake.sent) == 1

    run(test)


def test_a_rejected_message_a_poison_and_a_tombstone_follow_the_policy(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        async with Desk(async_answer) as desk:
            desk.fake.deliver(async_answer.Withdrawn(question_id="q1"))
            desk.fake.deliver_bytes("questions", b"{}")
            desk.fake.deliver_bytes("questions", b"\0\0\0\xff\xff")
            desk.fake.deliver_bytes("questions", None)
            desk.fake.deliver_bytes("profiles", None, key=b"u1")
            desk.ask(1)
            await desk.consumer.drain()
            reasons = sorted(letter.reason for letter in desk.fake.dead_letters)
            assert reasons == ["no-magic-byte", "rejected", "unknown-schema"]
            assert desk.consumer.statistics.skipped == 1
            assert desk.handler.deleted == [b"u1"] and desk.handler.asked == ["q1"]

    run(test)


def test_a_policy_that_says_fail_stops_the_consumer(async_answer: ModuleType) -> None:
    async def test() -> None:
        policy = async_answer.Policy(on_poison=async_answer.Action.FAIL)
        desk = Desk(async_answer, policy=policy)
        desk.fake.deliver_bytes("questions", b"poison", key=b"q")
        with pytest.raises(async_answer.MessageFailed, match="no-magic-byte"):
            async with desk:
                await desk.consumer.run()
        group = desk.fake.kafka.groups["answer-service"]
        assert not any(group.committed.values())

    run(test)


def test_a_registry_that_does_not_answer_is_waited_for(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer) as desk:
            desk.ask(1)
            desk.fake.registry.is_down = True
            handling = asyncio.create_task(desk.consumer.drain())
            while desk.consumer.statistics.registry_waits < 3:
                await asyncio.sleep(0.001)
            desk.fake.registry.is_down = False
            await handling
            assert len(desk.fake.sent) == 1 and not desk.fake.dead_letters

    run(test)


def test_what_is_not_committed_comes_again_after_a_crash(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer) as desk:
            desk.ask(*range(20))
            await desk.consumer.drain()
            desk.ask(*range(20, 40))

            async def crash(event: Any) -> None:
                if len(desk.handler.asked) == 30:
                    desk.fake.crash()

            desk.handler.hook = crash
            await desk.consumer.drain()
            again = desk.open()
            async with again:
                await again.drain()
            seen = desk.handler.asked
            assert set(seen) == {f"q{number}" for number in range(40)}
            assert all(seen.count(f"q{number}") == 1 for number in range(20))
            assert any(seen.count(f"q{number}") == 2 for number in range(20, 40))

    run(test)


def test_a_message_whose_answer_did_not_arrive_is_not_committed(async_answer: ModuleType) -> None:
    async def test() -> None:
        desk = Desk(async_answer)
        desk.ask(1)
        desk.fake.fail_deliveries()
        with pytest.raises(async_answer.DeliveryFailed, match="Answered was not delivered"):
            async with desk:
                await desk.consumer.drain()
        again = Desk.open(desk)
        async with async_answer.Producer(desk.fake.settings()) as desk.handler.producer, again:
            await again.drain()
        assert desk.handler.asked == ["q1", "q1"] and len(desk.fake.sent) == 1

    run(test)


def test_why_a_message_failed_is_not_hidden_by_what_did_not_arrive(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        policy = async_answer.Policy(on_failure=async_answer.Action.FAIL)
        desk = Desk(async_answer, policy=policy, concurrency=1)

        async def hook(event: Any) -> None:
            if len(desk.handler.asked) == 2:
                raise async_answer.RejectMessage("no such question")

        desk.handler.hook = hook
        desk.ask(1, 2)
        desk.fake.fail_deliveries()
        with pytest.raises(async_answer.MessageFailed, match="no such question") as caught:
            async with desk:
                await desk.consumer.drain()
        (note,) = caught.value.__notes__
        assert note.startswith("DeliveryFailed: 1 event was not delivered\n  Answered")

    run(test)


def test_many_keys_are_handled_at_once_and_each_key_in_order(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer, concurrency=8) as desk:
            running, most, order = 0, 0, list[tuple[str, str]]()

            async def hook(event: Any) -> None:
                nonlocal running, most
                running += 1
                most = max(most, running)
                await asyncio.sleep(0.002)
                running -= 1
                order.append((event.question_id, event.text))

            desk.handler.hook = hook
            for number in range(120):
                event = async_answer.Asked(question_id=f"q{number % 30}", text=f"{number:03}")
                desk.fake.deliver(event)
            await desk.consumer.drain()
            assert most == 8
            for key in {key for key, _ in order}:
                texts = [text for each, text in order if each == key]
                assert texts == sorted(texts) and len(texts) == 4

    run(test)


def test_nothing_is_committed_past_a_message_in_hand(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer, concurrency=50) as desk:
            gate = asyncio.Event()

            async def hook(event: Any) -> None:
                if event.question_id == "q0":
                    await gate.wait()

            desk.handler.hook = hook
            desk.ask(*range(40))
            running = asyncio.create_task(desk.consumer.run())
            while len(desk.fake.sent) < 39:
                await asyncio.sleep(0.001)
            slow = desk.fake.kafka.partitions("questions")
            place = next(
                (number, record.offset())
                for number, log in enumerate(slow)
                for record in log
                if record.key() == b"q0"
            )
            await asyncio.sleep(1.1)
            committed = desk.fake.kafka.groups["answer-service"].committed
            assert sum(end for (topic, _), end in committed.items() if topic == "questions") > 10
            assert committed.get(("questions", place[0]), 0) == place[1]
            gate.set()
            desk.consumer.stop()
            await running
            assert sum(committed.values()) == 40

    run(test)


def test_another_member_takes_partitions_over_and_nothing_is_lost(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        async with Desk(async_answer, concurrency=4) as desk:

            async def hook(event: Any) -> None:
                await asyncio.sleep(0.001)

            desk.handler.hook = hook
            desk.ask(*range(100))
            first = asyncio.create_task(desk.consumer.run())
            second = desk.open()
            async with second:
                other = asyncio.create_task(second.run())
                while len(set(desk.handler.asked)) < 100:
                    await asyncio.sleep(0.001)
                desk.consumer.stop()
                second.stop()
                await asyncio.gather(first, other)
            assert sorted(desk.handler.asked) == sorted(f"q{number}" for number in range(100))
            assert second.statistics.handled > 0

    run(test)


def test_sigterm_lets_the_message_in_hand_finish(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer) as desk:

            async def hook(event: Any) -> None:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(0.01)

            desk.handler.hook = hook
            desk.ask(1, 2, 3)
            before = signal.getsignal(signal.SIGTERM)
            await desk.consumer.run()
            assert signal.getsignal(signal.SIGTERM) == before
            assert len(desk.handler.asked) == 1 and len(desk.fake.sent) == 1
        group = desk.fake.kafka.groups["answer-service"]
        assert sum(group.committed.values()) == 1

    run(test)


def test_sigterm_ends_every_consumer_of_an_event_loop(async_answer: ModuleType) -> None:
    async def test() -> None:
        before = signal.getsignal(signal.SIGTERM)
        async with Desk(async_answer) as desk, desk.open() as short, desk.open() as other:
            running = [
                asyncio.create_task(consumer.run()) for consumer in (short, desk.consumer, other)
            ]
            await asyncio.sleep(0.01)
            # The first one leaves before the others, and takes nothing away from them.
            short.stop()
            await running[0]
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.gather(*running)
        assert signal.getsignal(signal.SIGTERM) == before

    run(test)


def test_a_handler_that_does_not_end_is_interrupted_and_its_message_comes_again(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        interrupted: list[str] = []
        policy = async_answer.Policy(stop_within=0.05)
        async with Desk(async_answer, policy=policy) as desk:

            async def hook(event: Any) -> None:
                desk.consumer.stop()
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    interrupted.append(event.question_id)
                    raise

            desk.handler.hook = hook
            desk.ask(1)
            await desk.consumer.run()
        assert interrupted == ["q1"]
        assert not any(desk.fake.kafka.groups["answer-service"].committed.values())

    run(test)


def test_a_second_signal_interrupts_the_message_in_hand(
    async_answer: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        interrupted: list[str] = []
        policy = async_answer.Policy(stop_within=600)
        async with Desk(async_answer, policy=policy) as desk:

            async def hook(event: Any) -> None:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(0.01)
                os.kill(os.getpid(), signal.SIGTERM)
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    interrupted.append(event.question_id)
                    raise

            desk.handler.hook = hook
            desk.ask(1)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(desk.consumer.run())
            assert interrupted == []
        assert interrupted == ["q1"]
        assert "handlers did not end before the consumer was interrupted; their" in caplog.text
        assert not any(desk.fake.kafka.groups["answer-service"].committed.values())

    run(test)


def test_a_paused_consumer_takes_nothing_until_it_goes_on(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer) as desk:
            desk.consumer.pause()
            desk.ask(1)
            await desk.consumer.drain()
            assert desk.handler.asked == []
            desk.consumer.resume()
            await desk.consumer.drain()
            assert desk.handler.asked == ["q1"]

    run(test)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_repetition_has_no_second_effect(async_answer: ModuleType, kind: str) -> None:
    async def test() -> None:
        async with aiosqlite.connect(":memory:", isolation_level=None) as database:
            await database.execute("CREATE TABLE effects (id TEXT)")
            inbox = (
                async_answer.MemoryInbox()
                if kind == "memory"
                else async_answer.SqliteInbox(database)
            )
            async with Desk(async_answer, failures=1, inbox=inbox) as desk:

                async def hook(event: Any) -> None:
                    await database.execute("INSERT INTO effects VALUES (?)", [event.question_id])

                desk.handler.hook = hook
                desk.ask(1, id="one")
                desk.ask(1, id="one")
                await desk.consumer.drain()
                assert desk.consumer.statistics.duplicates == 1
                assert desk.consumer.statistics.handled == 1
                rows = await (await database.execute("SELECT id FROM effects")).fetchall()
                # In memory nothing rolls the effect of the first attempt back.
                assert len(list(rows)) == (2 if kind == "memory" else 1)

    run(test)


def test_what_cannot_be_is_refused(async_answer: ModuleType) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        handler = Answers(async_answer, None)
        for options, told in (
            ({"concurrency": 0}, "at least 1"),
            ({"concurrency": 2, "inbox": async_answer.MemoryInbox()}, "one handler at a time"),
        ):
            with pytest.raises(async_answer.SettingsError, match=told):
                async_answer.Consumer(fake.settings(), handler, **options)
        with pytest.raises(async_answer.StubError, match="async with Consumer"):
            await async_answer.Consumer(fake.settings(), handler).run()
        producer = async_answer.Producer(fake.settings())
        event = async_answer.Answered(question_id="q", text="x")
        with pytest.raises(async_answer.StubError, match="async with Producer"):
            await producer.send(event)
        async with producer:
            with pytest.raises(TypeError, match="does not produce Asked; it produces Answered"):
                await producer.send(async_answer.Asked(question_id="q", text="x"))
            with pytest.raises(async_answer.SettingsError, match="transactional_id"):
                producer.transaction()
            with pytest.raises(ValueError, match="ce_id"):
                await producer.send(event, headers={"ce_id": "x"})
            with pytest.raises(async_answer.MessageTooLarge, match=r"message\.max\.bytes"):
                await producer.send(async_answer.Answered(question_id="q", text="x" * 2_000_000))
        with pytest.raises(async_answer.StubError, match="closed"):
            await producer.send(event)

    run(test)


def test_leaving_the_producer_tells_every_event_that_did_not_arrive(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        events = [async_answer.Answered(question_id=f"q{n}", text="x") for n in range(5)]
        fake.fail_deliveries(3)
        with pytest.raises(async_answer.DeliveryFailed) as caught:
            async with async_answer.Producer(fake.settings()) as producer:
                deliveries = [await producer.send(event) for event in events]
                with pytest.raises(async_answer.DeliveryError, match="timed out"):
                    await deliveries[0]
                await asyncio.gather(*deliveries[3:])
                assert deliveries[4].offset is not None
        # The first was told already, to the one who awaited it.
        assert [failure.event for failure in caught.value.failures] == events[1:3]

    run(test)


def test_a_full_queue_makes_the_sender_wait(async_answer: ModuleType) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        settings = fake.settings(queue_buffering_max_messages=10)
        async with async_answer.Producer(settings) as producer:
            for number in range(200):
                await producer.send(async_answer.Answered(question_id=f"q{number}", text="x"))
        assert len(fake.sent) == 200

    run(test)


def test_what_is_never_confirmed_fails_after_its_time(
    async_answer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        settings = fake.settings(delivery_timeout_ms=100)
        producer = async_answer.Producer(settings)
        monkeypatch.setattr(producer._client._client, "poll", lambda timeout=0: 0)
        with pytest.raises(async_answer.DeliveryFailed, match=r"delivery\.timeout\.ms"):
            async with producer:
                await producer.send(async_answer.Answered(question_id="q", text="x"))

    run(test)


def test_what_metrics_raise_keeps_no_other_delivery_waiting(
    async_answer: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def sent(self, *_: Any) -> None:
            raise ValueError("out of order")

        processed = sent

    async def test() -> None:
        settings = async_answer.fakes.fakes().settings(metrics=Broken(), delivery_timeout_ms=100)
        producer = async_answer.Producer(settings)
        monkeypatch.setattr(producer._client._client, "poll", lambda timeout=0: 0)
        with pytest.raises(async_answer.DeliveryFailed) as caught:
            async with producer:
                for number in range(2):
                    await producer.send(async_answer.Answered(question_id=f"q{number}", text="x"))
        assert len(caught.value.failures) == 2

    run(test)
    assert caplog.text.count("a callback of a delivery to answers failed") == 2


def test_transactions_are_seen_whole_or_not_at_all(async_answer: ModuleType) -> None:
    def answer(number: int) -> Any:
        return async_answer.Answered(question_id=f"q{number}", text="x")

    async def test() -> None:
        fake = async_answer.fakes.fakes()
        async with async_answer.Producer(fake.settings(), transactional_id="a") as producer:
            with pytest.raises(async_answer.StubError, match=r"async with producer\.transaction"):
                await producer.send(answer(0))
            async with producer.transaction():
                await producer.send(answer(1))
                assert fake.sent == ()
                with pytest.raises(async_answer.StubError, match="do not nest"):
                    async with producer.transaction():
                        pass
            with pytest.raises(KeyError):
                async with producer.transaction():
                    await producer.send(answer(2))
                    raise KeyError
            fake.fail_deliveries()
            with pytest.raises(async_answer.TransactionFailed) as caught:
                async with producer.transaction():
                    await producer.send(answer(3))
            assert [failure.event for failure in caught.value.failures] == [answer(3)]
            async with producer.transaction():
                await producer.send(answer(4))
            async with async_answer.Producer(fake.settings(), transactional_id="a") as newer:
                with pytest.raises(async_answer.ProducerFenced):
                    async with producer.transaction():
                        await producer.send(answer(5))
                async with newer.transaction():
                    await newer.send(answer(6))
        assert [event.question_id for event in fake.sent] == ["q1", "q4", "q6"]

    run(test)


def test_an_outbox_sends_what_was_committed_and_nothing_else(async_answer: ModuleType) -> None:
    def answer(number: int) -> Any:
        return async_answer.Answered(question_id=f"q{number}", text="x")

    async def test() -> None:
        fake = async_answer.fakes.fakes()
        async with (
            aiosqlite.connect(":memory:") as database,
            async_answer.Producer(fake.settings()) as producer,
        ):
            outbox = async_answer.Outbox(producer, database)
            await outbox.prepare()
            await outbox.send(answer(1))
            await database.commit()
            await outbox.send(answer(2))
            await database.rollback()
            await outbox.send(answer(3))
            await database.commit()
            assert fake.sent == ()
            fake.fail_deliveries()
            with pytest.raises(async_answer.DeliveryFailed):
                await outbox.relay()
            assert await outbox.relay() == 1
            assert await outbox.relay() == 0
            assert [event.question_id for event in fake.sent] == ["q3", "q1"]
            with pytest.raises(ValueError, match="aiosqlite or psycopg"):
                async_answer.Outbox(producer, asyncio)

    run(test)


def test_a_compacted_topic_loses_a_key(async_ask: ModuleType) -> None:
    async def test() -> None:
        fake = async_ask.fakes.fakes()
        async with async_ask.Producer(fake.settings()) as producer:
            await (await producer.delete_from_profiles("u1"))
        (record,) = fake.sent_records
        assert record.key() == b"u1" and record.value() is None

    run(test)
