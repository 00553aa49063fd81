"""Transactions of the generated producer and consumer on the fakes: all of it or nothing."""

# ruff: noqa: F811

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from desk import answer_service, ask_service, desk_folders  # noqa: F401


class Answers:
    """Answers each question twice, once through a hook that may fail between the two."""

    def __init__(self, package: ModuleType, producer: Any) -> None:
        self.package, self.producer = package, producer
        self.asked: list[str] = []
        self.hook: Callable[[Any], None] = lambda event: None

    def on_asked(self, event: Any, message: Any) -> None:
        self.asked.append(event.question_id)
        answered = self.package.Answered
        self.producer.send(answered(question_id=event.question_id, text="yes"), caused_by=message)
        self.hook(event)
        self.producer.send(answered(question_id=event.question_id, text="no"), caused_by=message)

    def on_withdrawn(self, event: Any, message: Any) -> None: ...
    def on_profile_changed(self, event: Any, message: Any) -> None: ...
    def on_deletion_from_profiles(self, message: Any) -> None: ...


class Desk:
    """The answer service, exactly once, on fakes."""

    def __init__(self, package: ModuleType, **options: Any) -> None:
        self.package, self.options = package, options
        self.fake = package.fakes.fakes()
        self.start()

    def start(self) -> None:
        self.producer = self.package.Producer(self.fake.settings(), transactional_id="answers-1")
        self.handler = Answers(self.package, self.producer)
        self.consumer = self.package.Consumer(
            self.fake.settings(), self.handler, exactly_once=self.producer, **self.options
        )

    def ask(self, *numbers: int) -> None:
        for number in numbers:
            self.fake.deliver(self.package.Asked(question_id=f"q{number}", text="?"))

    @property
    def answered(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for event in self.fake.sent:
            counts[event.question_id] = counts.get(event.question_id, 0) + 1
        return counts

    @property
    def committed(self) -> int:
        return sum(self.fake.kafka.groups["answer-service"].committed.values())


def failing(question: str, times: int, error: BaseException) -> Callable[[Any], None]:
    left = [times]

    def fail(event: Any) -> None:
        if event.question_id == question and left[0]:
            left[0] -= 1
            raise error

    return fail


def test_events_of_a_transaction_are_seen_together(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    events = [ask_service.Withdrawn(question_id=f"q{number}") for number in range(3)]
    with ask_service.Producer(fake.settings(), transactional_id="ask-1") as producer:
        with producer.transaction():
            for event in events:
                producer.send(event)
            assert fake.sent == ()
        assert fake.sent == tuple(events)


def test_a_transaction_that_raises_is_rolled_back(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    with ask_service.Producer(fake.settings(), transactional_id="ask-1") as producer:
        with pytest.raises(KeyError), producer.transaction():
            producer.send(ask_service.Withdrawn(question_id="q1"))
            raise KeyError
        with producer.transaction():
            producer.send(ask_service.Withdrawn(question_id="q2"))
    assert fake.sent == (ask_service.Withdrawn(question_id="q2"),)


def test_a_transaction_of_which_an_event_did_not_arrive_fails(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    events = [ask_service.Withdrawn(question_id=f"q{number}") for number in range(2)]
    fake.fail_deliveries(1, "Broker: Message size too large")
    with ask_service.Producer(fake.settings(), transactional_id="ask-1") as producer:
        expected = r"rolled back.*\n  Withdrawn was not delivered to questions: .*too large"
        with (
            pytest.raises(ask_service.TransactionFailed, match=expected) as caught,
            producer.transaction(),
        ):
            for event in events:
                producer.send(event)
        assert [failure.event for failure in caught.value.failures] == events[:1]
    assert fake.sent == (), "and leaving the producer tells nothing twice"


def test_a_newer_producer_shuts_the_older_one_out(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    old = ask_service.Producer(fake.settings(), transactional_id="ask-1")
    new = ask_service.Producer(fake.settings(), transactional_id="ask-1")
    other = ask_service.Producer(fake.settings(), transactional_id="ask-2")
    with pytest.raises(ask_service.ProducerFenced, match=r"transactional\.id"), old.transaction():
        old.send(ask_service.Withdrawn(question_id="old"))
        for producer, name in ((new, "new"), (other, "other")):
            with producer.transaction():
                producer.send(ask_service.Withdrawn(question_id=name))
    assert [event.question_id for event in fake.sent] == ["new", "other"]


def test_misuse_of_transactions_is_told(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    plain = ask_service.Producer(fake.settings())
    with pytest.raises(ask_service.SettingsError, match='transactional_id="ask-service-1"'):
        plain.transaction()
    producer = ask_service.Producer(fake.settings(), transactional_id="ask-1")
    with pytest.raises(ask_service.StubError, match=r"with producer\.transaction\(\)"):
        producer.send(ask_service.Withdrawn(question_id="q"))
    with (
        producer.transaction(),
        pytest.raises(ask_service.StubError, match="do not nest"),
        producer.transaction(),
    ):
        raise AssertionError
    assert fake.sent == ()


def test_exactly_once_needs_a_transactional_producer_and_no_inbox(
    answer_service: ModuleType,
) -> None:
    fake = answer_service.fakes.fakes()
    plain = answer_service.Producer(fake.settings())
    handler = Answers(answer_service, plain)
    with pytest.raises(answer_service.SettingsError, match="needs a transactional id"):
        answer_service.Consumer(fake.settings(), handler, exactly_once=plain)
    producer = answer_service.Producer(fake.settings(), transactional_id="a-1")
    with pytest.raises(answer_service.SettingsError, match="not both"):
        answer_service.Consumer(
            fake.settings(), handler, exactly_once=producer, inbox=answer_service.MemoryInbox()
        )


def test_outcome_and_offset_are_committed_together(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.ask(*range(20))
    desk.fake.deliver(answer_service.Withdrawn(question_id="q1"))
    desk.consumer.drain()
    assert desk.answered == {f"q{number}": 2 for number in range(20)}
    assert desk.committed == 21 and desk.consumer.statistics.handled == 21


def test_a_failing_attempt_leaves_nothing_and_the_others_stand(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.ask(*range(10))
    desk.handler.hook = failing("q4", 3, ConnectionError("away"))
    desk.consumer.drain()
    assert desk.answered == {f"q{number}": 2 for number in range(10)}
    statistics = desk.consumer.statistics
    # The first failure is that of the whole batch, which is no attempt of the message alone.
    assert (statistics.handled, statistics.retried, statistics.dead_lettered) == (10, 2, 0)
    assert desk.committed == 10


def test_what_is_given_up_is_committed_without_its_outcome(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.ask(*range(6))
    desk.fake.deliver_bytes("questions", b"poison")
    desk.fake.deliver_bytes("questions", None, key=b"q1")
    desk.handler.hook = failing("q3", 99, ConnectionError("away"))
    desk.consumer.drain()
    assert desk.answered == {f"q{number}": 2 for number in range(6) if number != 3}
    assert sorted(letter.reason for letter in desk.fake.dead_letters) == [
        "handler-failed",
        "no-magic-byte",
    ]
    assert desk.committed == 8 and desk.consumer.statistics.skipped == 1
    desk.start()
    desk.consumer.drain()
    assert desk.handler.asked == []


def test_an_event_that_did_not_arrive_is_sent_again(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.ask(1, 2)
    desk.fake.fail_deliveries(1)
    desk.consumer.drain()
    assert desk.answered == {"q1": 2, "q2": 2} and desk.committed == 2
    assert desk.consumer.statistics.dead_lettered == 0


@pytest.mark.parametrize("crash_at", [0, 3, 9])
def test_a_crash_in_the_middle_leaves_each_outcome_once(
    answer_service: ModuleType, crash_at: int
) -> None:
    desk = Desk(answer_service)
    desk.ask(*range(10))
    desk.handler.hook = failing(f"q{crash_at}", 1, SystemExit())
    with pytest.raises(SystemExit):
        desk.consumer.drain()
    assert desk.answered == {} and desk.committed == 0
    desk.fake.crash()
    desk.start()
    desk.consumer.drain()
    assert desk.answered == {f"q{number}": 2 for number in range(10)} and desk.committed == 10


def test_what_the_group_refuses_is_no_fault_of_a_message(
    answer_service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = importlib.import_module("answer_service._runtime.fakes.kafka")
    desk = Desk(answer_service)
    desk.ask(*range(5))
    client, left, begun = desk.producer._client, [9], []
    commit, begin = client.send_offsets_to_transaction, client.begin_transaction

    def refuse(*arguments: Any) -> None:
        if not left[0]:
            return commit(*arguments)
        left[0] -= 1
        # What is on the way when the transaction ends is reported as librdkafka does it.
        purged = runtime.FakeFailure("_PURGE_QUEUE", "Local: Purged in queue")
        desk.fake.kafka.failures.append(purged)
        desk.producer.send(answer_service.Answered(question_id="q1", text="late"))
        unknown = runtime.FakeFailure("UNKNOWN_MEMBER_ID", "Broker: Unknown member", aborts=True)
        raise runtime.FakeKafkaError(unknown)

    monkeypatch.setattr(client, "send_offsets_to_transaction", refuse)
    monkeypatch.setattr(client, "begin_transaction", lambda: (begun.append(1), begin()))
    desk.consumer.drain()
    assert desk.answered == {f"q{number}": 2 for number in range(5)} and desk.committed == 5
    # All together each time: one by one they would wait for each other.
    assert left == [0] and len(begun) == 10
    statistics = desk.consumer.statistics
    assert (statistics.retried, statistics.dead_lettered) == (0, 0)


def test_a_client_that_does_not_return_is_given_up(
    answer_service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("answer_service._runtime.producing.transactions")
    monkeypatch.setattr(module, "_TIMEOUT", 0.05)
    monkeypatch.setattr(module, "_GRACE", 0.05)
    desk = Desk(answer_service)
    desk.ask(*range(3))
    end = threading.Event()
    monkeypatch.setattr(
        desk.producer._client, "send_offsets_to_transaction", lambda *_: end.wait(30)
    )
    try:
        with pytest.raises(answer_service.ProducerEnded, match="a new producer"):
            desk.consumer.drain()
        desk.consumer.close()
        assert desk.answered == {} and desk.committed == 0
        desk.start()
        desk.consumer.drain()
        assert desk.answered == {f"q{number}": 2 for number in range(3)} and desk.committed == 3
    finally:
        end.set()


def test_a_member_that_was_shut_out_stops_and_makes_no_dead_letters(
    answer_service: ModuleType,
) -> None:
    desk = Desk(answer_service)
    desk.ask(1)
    desk.consumer.drain()
    old, old_producer = desk.consumer, desk.producer
    desk.ask(2)
    desk.fake.crash()
    desk.start()
    desk.consumer.drain()
    with pytest.raises(answer_service.ProducerFenced), old_producer.transaction():
        pass
    assert desk.answered == {"q1": 2, "q2": 2} and desk.fake.dead_letters == ()
    assert old.statistics.handled == 1


def test_a_registry_that_is_down_is_waited_for(answer_service: ModuleType) -> None:
    waits: list[int] = []

    class Patience(answer_service.Policy):  # type: ignore[misc,name-defined]
        def delay(self, attempt: int) -> float:
            waits.append(attempt)
            desk.fake.registry.is_down = len(waits) < 5
            return 0.1

    desk = Desk(answer_service, policy=Patience())
    desk.ask(1, 2)
    desk.fake.registry.is_down = True
    desk.consumer.drain()
    assert desk.answered == {"q1": 2, "q2": 2} and waits == [1, 2, 3, 4, 5]
    assert desk.fake.dead_letters == ()


def test_dead_letters_are_replayed_exactly_once(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.ask(1, 2)
    desk.handler.hook = failing("q1", 99, ConnectionError("away"))
    desk.consumer.drain()
    assert desk.answered == {"q2": 2}
    desk.handler.hook = lambda event: None
    replay = answer_service.Consumer(
        desk.fake.settings(), desk.handler, exactly_once=desk.producer, replay=True
    )
    replay.drain()
    assert desk.answered == {"q1": 2, "q2": 2}
