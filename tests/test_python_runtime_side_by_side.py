"""Generated consumers with several threads, with batches, paused, stopped, asked how they are."""

# ruff: noqa: F811

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from desk import answer_service, ask_service, audit_service, desk_folders  # noqa: F401


class Recorder:
    """Notes what it was given; does what the test says."""

    def __init__(self, act: Callable[[Any], None] = lambda event: None) -> None:
        self.act = act
        self.done: defaultdict[str, list[str]] = defaultdict(list)
        self.threads: set[str] = set()

    def on_asked(self, event: Any, message: Any) -> None:
        self.threads.add(threading.current_thread().name)
        self.act(event)
        self.done[event.question_id].append(event.text)

    def on_withdrawn(self, event: Any, message: Any) -> None:
        self.done[event.question_id].append("withdrawn")

    def on_profile_changed(self, event: Any, message: Any) -> None: ...

    def on_deletion_from_profiles(self, message: Any) -> None: ...


class Batches(Recorder):
    """The same for batches: each call is one entry of `calls`."""

    def __init__(self, act: Callable[[Any], None] = lambda event: None) -> None:
        super().__init__(act)
        self.calls: list[list[Any]] = []

    def on_asked(self, batch: Any) -> None:
        for each in batch:
            self.act(each.event)
        self.calls.append([each.event for each in batch])

    def on_withdrawn(self, batch: Any) -> None:
        self.calls.append([each.event for each in batch])

    def on_profile_changed(self, batch: Any) -> None: ...


def ask(package: ModuleType, fake: Any, key: str, text: str = "why?") -> Any:
    return fake.deliver(package.Asked(question_id=key, text=text))


def commits(fake: Any) -> int:
    return sum(fake.kafka.groups["answer-service"].committed.values())


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.005)


def test_keys_keep_their_order_in_several_threads(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    slow = Recorder(lambda event: time.sleep(0.001 * (len(event.question_id) % 3)))
    for number in range(300):
        ask(answer_service, fake, "q" * (number % 7 + 1), str(number))
    with answer_service.Consumer(fake.settings(), slow, concurrency=4) as consumer:
        consumer.drain()
        assert consumer.statistics.handled == 300
    assert len(slow.threads) > 1
    for key, texts in slow.done.items():
        assert texts == [str(number) for number in range(300) if number % 7 + 1 == len(key)]
    assert commits(fake) == 300


def test_several_handlers_run_at_once(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    meeting = threading.Barrier(3, timeout=20)
    for key in "abcdefgh":
        ask(answer_service, fake, key)
    lanes: set[str] = set()

    def meet(event: Any) -> None:
        name = threading.current_thread().name
        if name not in lanes:
            lanes.add(name)
            meeting.wait()

    with answer_service.Consumer(fake.settings(), Recorder(meet), concurrency=3) as consumer:
        consumer.drain()
    assert len(lanes) == 3


def test_nothing_is_committed_past_what_is_in_hand(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    held, let_go = threading.Event(), threading.Event()

    def act(event: Any) -> None:
        if event.text == "slow":
            held.set()
            assert let_go.wait(20)

    first = ask(answer_service, fake, "slow", "slow")
    others = [f"k{number}" for number in range(200)]
    fast = [key for key in others if ask(answer_service, fake, key).partition == first.partition]
    handler = Recorder(act)
    consumer = answer_service.Consumer(fake.settings(), handler, concurrency=8)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        assert held.wait(20)
        wait_until(lambda: len(handler.done) >= len(others) * 0.6)
        committed = fake.kafka.groups["answer-service"].committed
        assert not committed.get((first.topic, first.partition)), fast
        assert consumer.health().backlog > 0
    finally:
        let_go.set()
        wait_until(lambda: commits(fake) == len(others) + 1)
        consumer.stop()
        thread.join(20)
        consumer.close()


def test_a_killed_consumer_with_threads_loses_nothing(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    block = threading.Event()
    begun = []

    def act(event: Any) -> None:
        if event.text == "stuck":
            begun.append(event.question_id)
            block.wait(20)

    stuck = Recorder(act)
    for number in range(50):
        ask(answer_service, fake, f"q{number}", "stuck" if number % 10 == 0 else "why?")
    consumer = answer_service.Consumer(fake.settings(), stuck, concurrency=3)
    thread = threading.Thread(target=consumer.run, daemon=True)
    thread.start()
    wait_until(lambda: len(begun) > 1)
    fake.crash()
    again = Recorder()
    with answer_service.Consumer(fake.settings(), again) as successor:
        successor.drain()
    block.set()
    consumer.stop()
    thread.join(20)
    assert {f"q{number}" for number in range(50)} <= set(again.done) | set(stuck.done)
    assert {f"q{number}" for number in range(0, 50, 10)} <= set(again.done)


def test_a_failing_message_is_tried_again_and_kept_in_a_lane(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()

    def act(event: Any) -> None:
        if event.text == "bad":
            raise ConnectionError("away")

    for number in range(20):
        ask(answer_service, fake, f"q{number}", "bad" if number == 7 else "good")
    policy = answer_service.Policy(attempts=3)
    handler = Recorder(act)
    with answer_service.Consumer(fake.settings(), handler, concurrency=4, policy=policy) as it:
        it.drain()
        assert (it.statistics.retried, it.statistics.dead_lettered) == (2, 1)
    assert [letter.reason for letter in fake.dead_letters] == ["handler-failed"]
    assert len(handler.done) == 19 and commits(fake) == 20


def test_a_lane_that_fails_ends_the_consumer(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    ask(answer_service, fake, "q1")
    policy = answer_service.Policy(attempts=1, on_failure=answer_service.Action.FAIL)

    def act(event: Any) -> None:
        raise ConnectionError("away")

    handler = Recorder(act)
    consumer = answer_service.Consumer(fake.settings(), handler, concurrency=2, policy=policy)
    with consumer:
        with pytest.raises(answer_service.MessageFailed):
            consumer.drain()
        assert not consumer.health().is_running
        with pytest.raises(answer_service.StubError, match="has failed: close it, and make a new"):
            consumer.drain()
    assert commits(fake) == 0


def test_what_is_done_behind_a_message_that_is_long_in_hand_is_bounded(
    answer_service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("answer_service._runtime.consuming.consumer")
    monkeypatch.setattr(module, "_BATCH", 10)
    monkeypatch.setattr(module, "_BACKLOG_LIMIT", 20)
    monkeypatch.setattr(module, "_KEEP_ALIVE", 1_000_000.0)
    fake = answer_service.fakes.fakes()
    let_go = threading.Event()
    ask(answer_service, fake, "slow", "slow")
    for number in range(300):
        ask(answer_service, fake, f"k{number}")
    handler = Recorder(lambda event: event.text == "slow" and let_go.wait(20))
    consumer = answer_service.Consumer(fake.settings(), handler, concurrency=8)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        wait_until(lambda: consumer.health().backlog >= 20)
        clock = fake.kafka.clock
        wait_until(lambda: fake.kafka.clock > clock + 2)
        assert consumer.health().backlog <= 30
        assert "slow" not in handler.done
        let_go.set()
        wait_until(lambda: commits(fake) == 301)
    finally:
        let_go.set()
        consumer.stop()
        thread.join(20)
        consumer.close()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"concurrency": 0}, "at least 1 handler"),
        ({"concurrency": 2, "inbox": "memory"}, "run more processes"),
        ({"concurrency": 2, "exactly_once": "producer"}, "run more processes"),
    ],
)
def test_what_does_not_go_together_is_refused(
    answer_service: ModuleType, options: dict[str, Any], problem: str
) -> None:
    fake = answer_service.fakes.fakes()
    if "inbox" in options:
        options = {**options, "inbox": answer_service.MemoryInbox()}
    if "exactly_once" in options:
        producer = answer_service.Producer(fake.settings(), transactional_id="t")
        options = {**options, "exactly_once": producer}
    with pytest.raises(answer_service.SettingsError, match=problem):
        answer_service.Consumer(fake.settings(), Recorder(), **options)
    with pytest.raises(answer_service.SettingsError, match="holds nothing"):
        answer_service.BatchConsumer(fake.settings(), Batches(), batch=0)


def test_a_batch_holds_what_has_come(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    for number in range(25):
        ask(answer_service, fake, f"q{number}")
    fake.deliver_bytes("questions", b"{}", key=b"poison")
    handler = Batches()
    with answer_service.BatchConsumer(fake.settings(), handler, batch=10) as consumer:
        consumer.drain()
        assert consumer.statistics.handled == 25
    assert max(map(len, handler.calls)) == 10
    assert Counter(event.question_id for call in handler.calls for event in call).total() == 25
    assert [letter.reason for letter in fake.dead_letters] == ["no-magic-byte"]
    assert commits(fake) == 26


def test_a_batch_is_no_larger_after_a_pause(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    for number in range(25):
        ask(answer_service, fake, f"q{number}")
    handler = Batches()
    with answer_service.BatchConsumer(fake.settings(), handler, batch=10) as consumer:
        receive = fake.consumers[0].receive

        def receive_and_pause(limit: int, timeout: float) -> Any:
            records = receive(limit, timeout)
            consumer.pause()
            return records

        fake.consumers[0].receive = receive_and_pause
        consumer.drain()
        assert handler.calls == []
        fake.consumers[0].receive = receive
        consumer.resume()
        consumer.drain()
    assert max(map(len, handler.calls)) == 10
    assert commits(fake) == 25


def test_two_events_of_a_key_keep_their_order_in_batches(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    for key in ("a", "b", "c"):
        ask(answer_service, fake, key)
    fake.deliver(answer_service.Withdrawn(question_id="a"))
    ask(answer_service, fake, "a", "again")
    handler = Batches()
    with answer_service.BatchConsumer(fake.settings(), handler) as consumer:
        consumer.drain()
    events = [event for call in handler.calls for event in call]
    of_a = [type(event).__name__ for event in events if event.question_id == "a"]
    assert of_a == ["Asked", "Withdrawn", "Asked"]
    assert len(handler.calls) == 3


def test_only_the_message_at_fault_of_a_batch_is_given_up(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()

    def act(event: Any) -> None:
        if event.text == "bad":
            raise ValueError("cannot be stored")

    for number in range(9):
        ask(answer_service, fake, f"q{number}", "bad" if number == 4 else "good")
    handler = Batches(act)
    policy = answer_service.Policy(attempts=2)
    with answer_service.BatchConsumer(fake.settings(), handler, policy=policy) as consumer:
        consumer.drain()
    done = Counter(event.question_id for call in handler.calls for event in call)
    assert done == {f"q{number}": 1 for number in range(9) if number != 4}
    assert [letter.message.header("dlq.attempts") for letter in fake.dead_letters] == ["2"]
    assert commits(fake) == 9


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_paused_consumer_begins_nothing_until_it_goes_on(
    answer_service: ModuleType, concurrency: int
) -> None:
    fake = answer_service.fakes.fakes()
    handler = Recorder()
    consumer = answer_service.Consumer(fake.settings(), handler, concurrency=concurrency)
    handler.act = lambda event: consumer.pause() if event.text == "last" else None
    ask(answer_service, fake, "q0", "last")
    thread = threading.Thread(target=consumer.run)
    thread.start()
    wait_until(lambda: "q0" in handler.done)
    for number in range(1, 10):
        ask(answer_service, fake, f"q{number}")
    clock = fake.kafka.clock
    wait_until(lambda: fake.kafka.clock > clock + 2)
    assert set(handler.done) == {"q0"}
    health = consumer.health()
    assert health.is_paused and health.is_alive() and health.is_ready()
    consumer.resume()
    wait_until(lambda: len(handler.done) == 10)
    consumer.stop()
    thread.join(20)
    consumer.close()


def test_a_consumer_that_was_drained_while_it_was_paused_goes_on(
    answer_service: ModuleType,
) -> None:
    fake = answer_service.fakes.fakes()
    handler = Recorder()
    with answer_service.Consumer(fake.settings(), handler) as consumer:
        consumer.pause()
        ask(answer_service, fake, "q1")
        consumer.drain(0.5)
        assert not handler.done
        consumer.resume()
        consumer.drain()
        assert handler.done == {"q1": ["why?"]}


def test_a_consumer_that_an_error_has_ended_does_not_run(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    with answer_service.Producer(fake.settings()) as producer:
        handler = Recorder()
        handler.on_asked = lambda event, message: producer.send(  # type: ignore[method-assign]
            answer_service.Answered(question_id="q1", text="so"), caused_by=message
        )
        ask(answer_service, fake, "q1")
        fake.fail_deliveries()
        consumer = answer_service.Consumer(fake.settings(), handler)
        with pytest.raises(answer_service.DeliveryFailed):
            consumer.run()
        assert not consumer.health().is_running
        consumer.close()


@pytest.mark.parametrize("concurrency", [1, 2])
def test_why_a_message_failed_is_not_hidden_by_what_did_not_arrive(
    answer_service: ModuleType, concurrency: int
) -> None:
    fake = answer_service.fakes.fakes()
    fake.fail_deliveries()

    is_first = threading.Lock()
    is_sent = threading.Event()

    def answer_the_first(event: Any, message: Any) -> None:
        if is_first.acquire(blocking=False):
            answer = answer_service.Answered(question_id=event.question_id, text="so")
            producer.send(answer, caused_by=message)
            is_sent.set()
        else:
            assert is_sent.wait(20)
            raise answer_service.RejectMessage("no such question")

    handler = Recorder()
    handler.on_asked = answer_the_first  # type: ignore[method-assign]
    policy = answer_service.Policy(on_failure=answer_service.Action.FAIL)
    with answer_service.Producer(fake.settings()) as producer:
        ask(answer_service, fake, "q1")
        ask(answer_service, fake, "q2")
        with (
            pytest.raises(answer_service.MessageFailed, match="no such question") as caught,
            answer_service.Consumer(
                fake.settings(), handler, policy=policy, concurrency=concurrency
            ) as consumer,
        ):
            consumer.drain()
    (note,) = caught.value.__notes__
    assert note.startswith("DeliveryFailed: 1 event was not delivered\n  Answered")


def test_health_tells_of_partitions_and_lag(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    consumer = answer_service.Consumer(fake.settings(), Recorder())
    assert consumer.health().is_alive() and not consumer.health().is_ready()
    for number in range(4):
        ask(answer_service, fake, f"q{number}")
    consumer.drain()
    health = consumer.health()
    assert set(health.lag) == {("questions", n) for n in range(3)} | {
        ("profiles", n) for n in range(2)
    }
    assert set(health.lag.values()) == {0} and health.backlog == 0
    fake.kafka.clock += 400
    assert not consumer.health().is_alive() and consumer.health().is_alive(silence=500)
    consumer.close()
    assert not consumer.health().is_running and not consumer.health().lag


STUCK = """
    import sys, time
    from answer_service import Asked, Consumer, Policy
    from answer_service.fakes import fakes

    class Stuck:
        def on_asked(self, event, message):
            print("in hand", flush=True)
            time.sleep(600)
        on_withdrawn = on_profile_changed = on_asked
        def on_deletion_from_profiles(self, message): ...

    fake = fakes()
    fake.deliver(Asked(question_id="q", text="why?"))
    policy = Policy(stop_within=float(sys.argv[2]))
    # The fake's clock stands still while a handler is busy; this one goes on.
    fake._transport.monotonic = time.monotonic
    concurrency = int(sys.argv[1])
    try:
        with Consumer(fake.settings(), Stuck(), policy=policy, concurrency=concurrency) as consumer:
            consumer.run()
    except KeyboardInterrupt:
        print("interrupted")
    print("left", sum(fake.kafka.groups["answer-service"].committed.values()), flush=True)
"""


@pytest.mark.parametrize("concurrency", ["1", "2"])
@pytest.mark.parametrize(
    ("signals", "stop_within", "said"),
    [
        ([signal.SIGTERM], "0.3", "left 0\n"),
        ([signal.SIGTERM, signal.SIGINT], "600", "interrupted\nleft 0\n"),
    ],
    ids=["late", "asked twice"],
)
def test_a_handler_that_does_not_return_holds_nobody_up(
    desk_folders: dict[str, Path],
    concurrency: str,
    signals: list[signal.Signals],
    stop_within: str,
    said: str,
) -> None:
    script = textwrap.dedent(STUCK)
    process = subprocess.Popen(
        [sys.executable, "-c", script, concurrency, stop_within],
        env={"PYTHONPATH": str(desk_folders["answer-service"])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in hand\n"
    for number in signals:
        process.send_signal(number)
    try:
        out, problems = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (out, process.returncode) == (said, 0), problems
    late = {"left 0\n": "within 0.3 seconds"}.get(said, "before the consumer was interrupted")
    told = [f"a handler did not return {late}; its message comes again"]
    # In one thread the second signal has ended the handler itself.
    assert problems.splitlines() == ([] if concurrency == "1" and len(signals) == 2 else told)
