"""Generated consumers for asyncio in batches, exactly once, paused, asked how they are."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
from collections import Counter
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest
from async_desk import Answers, Desk, run
from desk import async_answer, async_folders  # noqa: F401
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

Act = Callable[[Any], Awaitable[object]]


async def nothing(event: Any) -> None: ...


def failing(question: str, times: int, error: BaseException) -> Act:
    left = [times]

    async def fail(event: Any) -> None:
        if event.question_id == question and left[0]:
            left[0] -= 1
            raise error

    return fail


class Batches:
    """Notes each call and the events that it got; does what the test says with each."""

    def __init__(self, act: Act = nothing) -> None:
        self.act = act
        self.calls: list[list[Any]] = []
        self.deleted = 0

    async def on_asked(self, batch: Any) -> None:
        for each in batch:
            await self.act(each.event)
        self.calls.append([each.event for each in batch])

    async def on_withdrawn(self, batch: Any) -> None:
        self.calls.append([each.event for each in batch])

    async def on_profile_changed(self, batch: Any) -> None: ...

    async def on_deletion_from_profiles(self, message: Any) -> None:
        self.deleted += 1

    @property
    def done(self) -> Counter[str]:
        return Counter(event.question_id for call in self.calls for event in call)


def ask(package: ModuleType, fake: Any, key: str, text: str = "why?") -> None:
    fake.deliver(package.Asked(question_id=key, text=text))


def commits(fake: Any) -> int:
    return sum(fake.kafka.groups["answer-service"].committed.values())


def test_a_batch_holds_what_has_come(async_answer: ModuleType) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        for number in range(25):
            ask(async_answer, fake, f"q{number}")
        fake.deliver_bytes("questions", b"{}", key=b"poison")
        fake.deliver_bytes("profiles", None, key=b"u1")
        handler = Batches()
        async with async_answer.BatchConsumer(fake.settings(), handler, batch=10) as consumer:
            await consumer.drain()
            assert consumer.statistics.handled == 26
        assert max(map(len, handler.calls)) == 10
        assert handler.done == {f"q{number}": 1 for number in range(25)} and handler.deleted == 1
        assert [letter.reason for letter in fake.dead_letters] == ["no-magic-byte"]
        assert commits(fake) == 27

    run(test)


def test_two_events_of_a_key_keep_their_order_in_batches(async_answer: ModuleType) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        for key in ("a", "b", "c"):
            ask(async_answer, fake, key)
        fake.deliver(async_answer.Withdrawn(question_id="a"))
        ask(async_answer, fake, "a", "again")
        handler = Batches()
        async with async_answer.BatchConsumer(fake.settings(), handler) as consumer:
            await consumer.drain()
        events = [event for call in handler.calls for event in call]
        of_a = [type(event).__name__ for event in events if event.question_id == "a"]
        assert of_a == ["Asked", "Withdrawn", "Asked"]
        assert len(handler.calls) == 3

    run(test)


def test_only_the_message_at_fault_of_a_batch_is_given_up(async_answer: ModuleType) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        for number in range(9):
            ask(async_answer, fake, f"q{number}")
        handler = Batches(failing("q4", 99, ValueError("cannot be stored")))
        policy = async_answer.Policy(attempts=2)
        async with async_answer.BatchConsumer(fake.settings(), handler, policy=policy) as consumer:
            await consumer.drain()
        assert handler.done == {f"q{number}": 1 for number in range(9) if number != 4}
        assert [letter.message.header("dlq.attempts") for letter in fake.dead_letters] == ["2"]
        assert commits(fake) == 9

    run(test)


def test_what_is_lost_in_the_midst_of_a_batch_is_handled_by_the_other_member(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        for number in range(40):
            ask(async_answer, fake, f"q{number}")
        begun = asyncio.Event()

        async def slowly(event: Any) -> None:
            begun.set()
            await asyncio.sleep(0.002)

        one, two = Batches(slowly), Batches()
        async with async_answer.BatchConsumer(fake.settings(), one, batch=20) as first:
            running = asyncio.create_task(first.run())
            await begun.wait()
            async with async_answer.BatchConsumer(fake.settings(), two, batch=20) as second:
                other = asyncio.create_task(second.run())
                while len(one.done | two.done) < 40:
                    await asyncio.sleep(0.001)
                first.stop()
                second.stop()
                await asyncio.gather(running, other)
        assert one.done + two.done == {f"q{number}": 1 for number in range(40)}
        assert two.calls

    run(test)


def test_what_was_handled_of_a_batch_holds_no_partition_back(async_answer: ModuleType) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        asked, withdrawn = key_of(fake, "questions", 1), key_of(fake, "questions", 2)
        ask(async_answer, fake, asked)
        fake.deliver(async_answer.Withdrawn(question_id=withdrawn))
        slow, let_go = asyncio.Event(), asyncio.Event()

        class Slow(Batches):
            async def on_withdrawn(self, batch: Any) -> None:
                slow.set()
                await let_go.wait()
                await super().on_withdrawn(batch)

        handler = Slow()
        async with async_answer.BatchConsumer(fake.settings(), handler, batch=9) as first:
            running = asyncio.create_task(first.run())
            await slow.wait()
            # The first call is done, and its partition goes to another member meanwhile.
            while commits(fake) < 1:
                await asyncio.sleep(0.001)
            async with async_answer.BatchConsumer(fake.settings(), Batches(), batch=9) as second:
                other = asyncio.create_task(second.run())
                while ("questions", 1) not in fake.consumers[1].owned:
                    await asyncio.sleep(0.001)
                assert not let_go.is_set() and handler.calls
                let_go.set()
                while commits(fake) < 2:
                    await asyncio.sleep(0.001)
                first.stop()
                second.stop()
                await asyncio.gather(running, other)
        assert handler.done == {asked: 1, withdrawn: 1}

    run(test)


def key_of(fake: Any, topic: str, partition: int) -> str:
    """A key whose messages stand in this partition."""
    murmur2 = importlib.import_module("async_answer_service._runtime.fakes.kafka").murmur2
    count = len(fake.kafka.partitions(topic))
    keys = (f"q{number}" for number in range(1000))
    return next(k for k in keys if (murmur2(k.encode()) & 0x7FFFFFFF) % count == partition)


class Exact(Desk):
    """The answer service on fakes, exactly once."""

    def __init__(self, package: ModuleType, **options: Any) -> None:
        self.fake = package.fakes.fakes()
        self.package, self.options = package, options
        self.start()

    def start(self) -> None:
        self.producer = self.package.Producer(self.fake.settings(), transactional_id="a-1")
        self.handler = Answers(self.package, self.producer)
        self.consumer = self.open(exactly_once=self.producer)

    def open(self, **options: Any) -> Any:
        settings = self.fake.settings()
        return self.package.Consumer(settings, self.handler, **self.options, **options)

    @property
    def answered(self) -> Counter[str]:
        return Counter(event.question_id for event in self.fake.sent)


def test_outcome_and_offset_are_committed_together(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Exact(async_answer) as desk:
            desk.ask(*range(20))
            desk.fake.deliver(async_answer.Withdrawn(question_id="q1"))
            desk.fake.deliver_bytes("questions", b"poison")
            desk.fake.deliver_bytes("questions", None, key=b"q1")
            await desk.consumer.drain()
            assert desk.answered == {f"q{number}": 1 for number in range(20)}
            assert sorted(letter.reason for letter in desk.fake.dead_letters) == [
                "no-magic-byte",
                "rejected",
            ]
            assert desk.consumer.statistics.skipped == 1 and commits(desk.fake) == 23
            assert desk.consumer.statistics.handled == 20
        desk.start()
        async with desk:
            await desk.consumer.drain()
            assert desk.handler.asked == []

    run(test)


def test_a_failing_attempt_leaves_nothing_and_the_others_stand(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Exact(async_answer) as desk:
            desk.ask(*range(10))
            desk.handler.hook = failing("q4", 3, ConnectionError("away"))
            await desk.consumer.drain()
            assert desk.answered == {f"q{number}": 1 for number in range(10)}
            statistics = desk.consumer.statistics
            # The first failure is that of all together, which is no attempt of the message alone.
            assert (statistics.handled, statistics.retried, statistics.dead_lettered) == (10, 2, 0)
            assert commits(desk.fake) == 10

    run(test)


def test_an_event_that_did_not_arrive_is_sent_again(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Exact(async_answer) as desk:
            desk.ask(1, 2)
            desk.fake.fail_deliveries(1)
            await desk.consumer.drain()
            assert desk.answered == {"q1": 1, "q2": 1} and commits(desk.fake) == 2
            assert desk.consumer.statistics.dead_lettered == 0

    run(test)


@pytest.mark.parametrize("crash_at", [1, 4, 10])
def test_a_crash_in_the_middle_leaves_each_outcome_once(
    async_answer: ModuleType, crash_at: int
) -> None:
    async def test() -> None:
        desk = Exact(async_answer)
        desk.ask(*range(10))
        reached = asyncio.Event()

        async def hang(event: Any) -> None:
            if len(desk.handler.asked) == crash_at:
                reached.set()
                await asyncio.Event().wait()

        desk.handler.hook = hang
        await desk.producer.__aenter__()
        await desk.consumer.__aenter__()
        running = asyncio.create_task(desk.consumer.run())
        await reached.wait()
        assert desk.answered == {} and commits(desk.fake) == 0
        desk.fake.crash()
        desk.start()
        async with desk:
            await desk.consumer.drain()
            assert desk.answered == {f"q{number}": 1 for number in range(10)}
            assert commits(desk.fake) == 10
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(test)


def test_a_member_that_was_shut_out_ends_and_makes_no_dead_letters(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        desk = Exact(async_answer)
        await desk.producer.__aenter__()
        await desk.consumer.__aenter__()
        old = desk.consumer
        desk.ask(1)
        await old.drain()
        desk.start()
        async with desk.producer:
            desk.ask(2)
            with pytest.raises(async_answer.ProducerFenced):
                await old.drain()
            assert not old.health().is_alive()
            with pytest.raises(async_answer.StubError, match="has failed"):
                await old.drain()
            await old.close()
            async with desk.consumer:
                await desk.consumer.drain()
        assert desk.answered == {"q1": 1, "q2": 1} and desk.fake.dead_letters == ()

    run(test)


def test_partitions_that_go_to_another_member_take_no_outcome_twice(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        async with Exact(async_answer) as desk:

            async def slowly(event: Any) -> None:
                await asyncio.sleep(0.001)

            desk.handler.hook = slowly
            desk.ask(*range(60))
            running = asyncio.create_task(desk.consumer.run())
            while not desk.handler.asked:
                await asyncio.sleep(0)
            settings = desk.fake.settings()
            async with async_answer.Producer(settings, transactional_id="a-2") as producer:
                handler = Answers(async_answer, producer)
                handler.hook = slowly
                other = async_answer.Consumer(settings, handler, exactly_once=producer)
                async with other:
                    second = asyncio.create_task(other.run())
                    while len(desk.answered) < 60:
                        await asyncio.sleep(0.001)
                    desk.consumer.stop()
                    other.stop()
                    await asyncio.gather(running, second)
            assert desk.answered == {f"q{number}": 1 for number in range(60)}
            assert handler.asked

    run(test)


def test_dead_letters_are_replayed_exactly_once(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Exact(async_answer) as desk:
            desk.ask(1, 2)
            desk.handler.hook = failing("q1", 99, ConnectionError("away"))
            await desk.consumer.drain()
            assert desk.answered == {"q2": 1}
            desk.handler.hook = None
            assert len(desk.fake.dead_letters) == 1
            async with desk.open(exactly_once=desk.producer, replay=True) as replay:
                await replay.drain()
            assert desk.answered == {"q1": 1, "q2": 1}

    run(test)


def test_what_does_not_go_together_is_refused(async_answer: ModuleType) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        plain = async_answer.Producer(fake.settings())
        exact = async_answer.Producer(fake.settings(), transactional_id="t")
        memory = async_answer.MemoryInbox()
        options: list[tuple[dict[str, Any], str]] = [
            ({"exactly_once": plain}, "needs a transactional id"),
            ({"exactly_once": exact, "inbox": memory}, "not both"),
            ({"exactly_once": exact, "concurrency": 2}, "run more processes"),
        ]
        for given, told in options:
            with pytest.raises(async_answer.SettingsError, match=told):
                async_answer.Consumer(fake.settings(), Answers(async_answer, plain), **given)
        with pytest.raises(async_answer.SettingsError, match="holds nothing"):
            async_answer.BatchConsumer(fake.settings(), Batches(), batch=0)
        consumer = async_answer.Consumer(
            fake.settings(), Answers(async_answer, exact), exactly_once=exact
        )
        with pytest.raises(async_answer.StubError, match="enter it first"):
            await consumer.__aenter__()
        await consumer.close()

    run(test)


def test_a_handler_that_cancels_itself_has_failed(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer, policy=async_answer.Policy(attempts=2)) as desk:

            async def await_what_was_cancelled(event: Any) -> None:
                if event.question_id == "q1":
                    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    future.cancel()
                    await future

            desk.handler.hook = await_what_was_cancelled
            desk.ask(1, 2)
            await desk.consumer.drain()
            (letter,) = desk.fake.dead_letters
            assert letter.reason == "handler-failed" and "was cancelled" in letter.problem
            assert [event.question_id for event in desk.fake.sent] == ["q2"]
        assert commits(desk.fake) == 2

    run(test)


def test_an_interruption_that_a_handler_has_swallowed_is_over(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer, policy=async_answer.Policy(attempts=1)) as desk:

            async def swallow(event: Any) -> None:
                if len(desk.handler.asked) == 1:
                    task = asyncio.current_task()
                    assert task is not None and task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.sleep(0)
                elif len(desk.handler.asked) == 2:
                    raise asyncio.CancelledError

            desk.handler.hook = swallow
            desk.ask(1, 2, 3)
            await desk.consumer.drain()
            (letter,) = desk.fake.dead_letters
            assert "was cancelled" in letter.problem
        assert commits(desk.fake) == 3

    run(test)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_paused_consumer_begins_nothing_until_it_goes_on(
    async_answer: ModuleType, concurrency: int
) -> None:
    async def test() -> None:
        async with Desk(async_answer, concurrency=concurrency) as desk:

            async def pause(event: Any) -> None:
                if event.question_id == "q0":
                    desk.consumer.pause()

            desk.handler.hook = pause
            desk.ask(0)
            running = asyncio.create_task(desk.consumer.run())
            while not desk.consumer.health().is_paused:
                await asyncio.sleep(0)
            desk.ask(*range(1, 10))
            clock = desk.fake.kafka.clock
            while desk.fake.kafka.clock < clock + 2:
                await asyncio.sleep(0)
            assert desk.handler.asked == ["q0"]
            health = desk.consumer.health()
            assert health.is_paused and health.is_alive() and health.is_ready()
            desk.consumer.resume()
            while len(desk.fake.sent) < 10:
                await asyncio.sleep(0)
            desk.consumer.stop()
            await running

    run(test)


def test_a_consumer_that_an_error_has_ended_does_not_run(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with Desk(async_answer) as desk:
            desk.fake.fail_deliveries()
            desk.ask(1)
            with pytest.raises(async_answer.DeliveryFailed):
                await desk.consumer.run()
            assert not desk.consumer.health().is_running

    run(test)


def test_health_tells_of_partitions_and_lag(async_answer: ModuleType) -> None:
    async def test() -> None:
        desk = Desk(async_answer)
        assert not desk.consumer.health().is_running
        async with desk:
            health = desk.consumer.health()
            assert health.is_alive() and not health.is_ready()
            desk.ask(*range(4))
            await desk.consumer.drain()
            health = desk.consumer.health()
            assert set(health.lag) == {("questions", n) for n in range(3)} | {
                ("profiles", n) for n in range(2)
            }
            assert set(health.lag.values()) == {0} and health.backlog == 0
            desk.ask(5)
            assert sum(lag or 0 for lag in desk.consumer.health().lag.values()) == 1
            desk.fake.kafka.clock += 400
            assert not desk.consumer.health().is_alive()
            assert desk.consumer.health().is_alive(silence=500)
        assert not desk.consumer.health().is_running and not desk.consumer.health().lag

    run(test)


class Counting:
    """Metrics that count."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.deliveries: Counter[tuple[str, str | None]] = Counter()

    def processed(self, topic: str, outcome: Any, seconds: float) -> None:
        assert topic == "questions" and seconds >= 0
        self.outcomes[outcome.value] += 1

    def sent(self, topic: str, error: str | None, seconds: float) -> None:
        assert seconds >= 0
        self.deliveries[topic, error] += 1


async def answer_some(package: ModuleType, metrics: Any, *, exactly_once: bool = False) -> None:
    """Handle two good messages, a bad one, and one that nobody knows."""
    fake = package.fakes.fakes()
    settings = dataclasses.replace(fake.settings(), metrics=metrics)
    async with package.Producer(
        settings, transactional_id="t" if exactly_once else None
    ) as producer:
        handler = Answers(package, producer)
        handler.hook = failing("bad", 99, package.RejectMessage("bad"))
        for key in ("good", "bad", "fine"):
            ask(package, fake, key)
        unknown = fake.registry.register('{"type":"record","name":"New","fields":[]}')
        fake.deliver_bytes("questions", b"\0" + unknown.to_bytes(4, "big"), key=b"q")
        given = {"exactly_once": producer} if exactly_once else {}
        async with package.Consumer(settings, handler, **given) as consumer:
            await consumer.drain()


@pytest.mark.parametrize("exactly_once", [False, True])
def test_every_message_is_told_once(async_answer: ModuleType, exactly_once: bool) -> None:
    async def test() -> None:
        metrics = Counting()
        await answer_some(async_answer, metrics, exactly_once=exactly_once)
        assert metrics.outcomes == {"handled": 2, "dead-lettered": 1, "passed": 1}
        assert metrics.deliveries["answers", None] >= 2

    run(test)


def test_opentelemetry_sees_how_far_consumers_are(async_answer: ModuleType) -> None:
    reader = InMemoryMetricReader()
    metrics = async_answer.OpenTelemetryMetrics(MeterProvider([reader]).get_meter("test"))

    async def test() -> None:
        fake = async_answer.fakes.fakes()
        ask(async_answer, fake, "q1")
        async with async_answer.BatchConsumer(fake.settings(), Batches()) as consumer:
            await consumer.drain()
            ask(async_answer, fake, "q2")
            metrics.watch(consumer)
            # It is collected in a thread of its own, which has no event loop.
            data = await asyncio.to_thread(reader.get_metrics_data)
        assert data is not None
        [scope] = data.resource_metrics[0].scope_metrics
        values = {
            metric.name: [point.value for point in metric.data.data_points]
            for metric in scope.metrics
        }
        assert sum(values["kontrakt.consumer.lag"]) == 1
        assert values["kontrakt.consumer.backlog"] == [0]
        assert values["kontrakt.consumer.repeats"] == [0, 0, 0]

    run(test)


def test_a_batch_and_what_did_not_arrive_are_told(async_answer: ModuleType) -> None:
    async def test() -> None:
        metrics = Counting()
        fake = async_answer.fakes.fakes()
        settings = dataclasses.replace(fake.settings(), metrics=metrics)
        for number in range(5):
            ask(async_answer, fake, f"q{number}")
        async with async_answer.BatchConsumer(settings, Batches()) as consumer:
            await consumer.drain()
        assert metrics.outcomes == {"handled": 5}
        fake.fail_deliveries()
        with pytest.raises(async_answer.DeliveryFailed):
            async with async_answer.Producer(settings) as producer:
                await producer.send(async_answer.Answered(question_id="q", text="so"))
        assert metrics.deliveries == {("answers", "_MSG_TIMED_OUT"): 1}

    run(test)


def test_opentelemetry_gets_its_conventional_instruments(async_answer: ModuleType) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")

    async def test() -> None:
        await answer_some(async_answer, async_answer.OpenTelemetryMetrics(meter))

    run(test)
    data = reader.get_metrics_data()
    assert data is not None
    [resource] = data.resource_metrics
    points = {
        metric.name: metric.data.data_points
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    consumed = {
        point.attributes["kontrakt.outcome"]: point.value
        for point in points["messaging.client.consumed.messages"]
    }
    assert consumed == {"handled": 2, "dead-lettered": 1, "passed": 1}
    [sent] = points["messaging.client.sent.messages"]
    assert sent.value == 2 and sent.attributes["messaging.destination.name"] == "answers"
    assert set(points) >= {"messaging.client.operation.duration", "messaging.process.duration"}
