"""The generated producer and consumer on the fakes: what a service may rely on."""

# ruff: noqa: F811

from __future__ import annotations

import importlib
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from desk import answer_service, ask_service, audit_service, desk_folders  # noqa: F401


class Answers:
    """Answers each question once it has failed as often as it was told to."""

    def __init__(self, package: ModuleType, producer: Any, failures: int = 0) -> None:
        self.package, self.producer, self.failures = package, producer, failures
        self.asked: list[Any] = []
        self.withdrawn: list[Any] = []
        self.deleted: list[bytes | None] = []
        self.messages: list[Any] = []
        self.hook: Callable[[Any], None] = lambda event: None

    def on_asked(self, event: Any, message: Any) -> None:
        self.asked.append(event)
        self.messages.append(message)
        self.hook(event)
        if len(self.asked) <= self.failures:
            raise ConnectionError("the database is away")
        answer = self.package.Answered(question_id=event.question_id, text=event.text.upper())
        self.producer.send(answer, caused_by=message)

    def on_withdrawn(self, event: Any, message: Any) -> None:
        self.withdrawn.append(event)

    def on_profile_changed(self, event: Any, message: Any) -> None:
        raise self.package.RejectMessage("nobody has this name")

    def on_deletion_from_profiles(self, message: Any) -> None:
        self.deleted.append(message.key)


class Desk:
    """The answer service on fakes."""

    def __init__(self, package: ModuleType, failures: int = 0, **options: Any) -> None:
        self.package = package
        self.fake = package.fakes.fakes()
        self.producer = package.Producer(self.fake.settings())
        self.handler = Answers(package, self.producer, failures)
        self.options = options
        self.consumer = self.open()

    def open(self) -> Any:
        return self.package.Consumer(self.fake.settings(), self.handler, **self.options)

    def ask(self, number: int = 1, **options: Any) -> Any:
        event = self.package.Asked(question_id=f"q{number}", text=f"why {number}?")
        return self.fake.deliver(event, **options)


def test_an_event_is_handled_and_its_answer_sent(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.ask(1)
    desk.consumer.drain()
    assert desk.handler.asked == [answer_service.Asked(question_id="q1", text="why 1?")]
    assert desk.fake.sent == (answer_service.Answered(question_id="q1", text="WHY 1?"),)
    assert desk.consumer.statistics.handled == 1


def test_headers_are_cloudevents_in_binary_mode(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    asked = desk.ask(1, headers={"traceparent": trace, "tracestate": "a=b"})
    desk.consumer.drain()
    ((_, message),) = desk.fake.sent_messages
    headers = dict(message.headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["content-type"] == b"application/avro"
    assert message.type == "help.desk.Answered"
    assert message.source == "answer-service"
    assert message.subject == "q1" and message.key == b"q1"
    assert message.causation_id == asked.id
    assert message.correlation_id == asked.correlation_id == asked.id
    assert (message.traceparent, message.tracestate) == (trace, "a=b")
    assert abs(datetime.now(UTC) - message.time) < timedelta(minutes=1)
    assert message.dataschema.startswith("memory://registry/schemas/ids/")
    assert len({name for name, _ in message.headers}) == len(message.headers)


def test_ids_differ_but_repeat_when_a_message_is_handled_again(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    for text in ("a", "a"):
        desk.producer.send(answer_service.Answered(question_id="q", text=text))
    asked = desk.ask(1)
    desk.consumer.drain()
    record = desk.fake.kafka.partitions("questions")[asked.partition][asked.offset]
    desk.fake.deliver_bytes("questions", record.value(), key=b"q1", headers=record.headers())
    desk.consumer.drain()
    ids = [message.id for _, message in desk.fake.sent_messages]
    assert len(ids) == 4 and len(set(ids)) == 3 and ids[2] == ids[3]


def test_own_headers_are_added_and_those_of_the_contract_refused(ask_service: ModuleType) -> None:
    with ask_service.fakes.fakes() as fake, ask_service.Producer(fake.settings()) as producer:
        event = ask_service.Withdrawn(question_id="q1")
        producer.send(event, headers={"tenant": "blue"}).result(5)
        for name in ("ce_id", "content-type", "dlq.reason"):
            with pytest.raises(ValueError, match=name):
                producer.send(event, headers={name: "x"})
        ((_, message),) = fake.sent_messages
        assert message.header("tenant") == "blue"


def test_messages_of_one_key_stay_in_order(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    for text in range(30):
        desk.fake.deliver(answer_service.Asked(question_id=f"q{text % 7}", text=str(text)))
    desk.consumer.drain()
    by_key: dict[str, list[int]] = {}
    for event in desk.handler.asked:
        by_key.setdefault(event.question_id, []).append(int(event.text))
    assert all(texts == sorted(texts) for texts in by_key.values())
    assert sum(map(len, by_key.values())) == 30


@pytest.mark.parametrize("failures", [1, 4])
def test_a_handler_that_fails_is_called_again(answer_service: ModuleType, failures: int) -> None:
    desk = Desk(answer_service, failures=failures)
    desk.ask(1)
    desk.consumer.drain()
    assert len(desk.handler.asked) == failures + 1
    assert desk.consumer.statistics.retried == failures
    assert len(desk.fake.sent) == 1 and desk.fake.dead_letters == ()


def test_what_keeps_failing_becomes_a_dead_letter_unchanged(answer_service: ModuleType) -> None:
    desk = Desk(answer_service, failures=5)
    asked = desk.ask(1, headers=[("x", "1"), ("x", "2")])
    desk.consumer.drain()
    desk.ask(2)
    desk.consumer.drain()
    (letter,) = desk.fake.dead_letters
    assert letter.message.topic == "questions.answer-service.dlq"
    assert letter.reason == "handler-failed" and letter.problem == "the database is away"
    assert letter.message.key == b"q1"
    assert letter.message.headers[: len(asked.headers)] == asked.headers
    facts = {name: letter.message.header(f"dlq.{name}") for name in ("topic", "partition", "offset",
             "exception", "attempts", "service", "group", "timestamp")}  # fmt: skip
    assert facts == {
        "topic": "questions",
        "partition": str(asked.partition),
        "offset": str(asked.offset),
        "exception": "builtins.ConnectionError",
        "attempts": "5",
        "service": "answer-service",
        "group": "answer-service",
        "timestamp": str(asked.timestamp_ms),
    }
    assert "the database is away" in (letter.message.header("dlq.stack") or "")
    assert [event.question_id for event in desk.fake.sent] == ["q2"]


def test_dead_letters_are_replayed_as_the_messages_that_they_were(
    answer_service: ModuleType,
) -> None:
    desk = Desk(answer_service, failures=15)
    asked = [desk.ask(number, headers={"tenant": "blue"}) for number in range(3)]
    desk.fake.deliver_bytes("questions", b"junk")
    desk.consumer.drain()
    assert len(desk.fake.dead_letters) == 4
    desk.handler.messages.clear()
    with answer_service.Consumer(desk.fake.settings(), desk.handler, replay=True) as consumer:
        consumer.drain()
        consumer.drain()
    assert consumer.statistics.handled == 3 and consumer.statistics.dead_lettered == 1
    replayed = {message.place: message for message in desk.handler.messages}
    for message in asked:
        again = replayed[message.place]
        assert (again.key, again.headers, again.timestamp_ms) == (
            message.key,
            message.headers,
            message.timestamp_ms,
        )
    assert {event.question_id for event in desk.fake.sent} == {"q0", "q1", "q2"}
    letter = desk.fake.dead_letters[-1]
    assert (letter.value, letter.reason) == (b"junk", "no-magic-byte")
    assert letter.message.header("dlq.topic") == "questions"
    names = [name for name, _ in letter.message.headers]
    assert len(set(names)) == len(names), "what the first dead letter said stands there twice"
    with answer_service.Consumer(desk.fake.settings(), desk.handler, replay=True) as consumer:
        consumer.drain()
    assert consumer.statistics.handled == 0 and consumer.statistics.dead_lettered == 1


def test_a_rejected_message_is_not_tried_again(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.fake.deliver(answer_service.ProfileChanged(user_id="u", name="x"))
    desk.consumer.drain()
    (letter,) = desk.fake.dead_letters
    assert (letter.reason, letter.problem) == ("rejected", "nobody has this name")
    assert desk.consumer.statistics.retried == 0


POISON = {
    b"": "no-magic-byte",
    b'{"question_id": "q1"}': "no-magic-byte",
    b"\x00\x00\x00": "truncated",
    b"\x00\x7f\xff\xff\xff\x02a": "unknown-schema",
    b"\x00\x00\x00\x00\x03": "undecodable",
}


@pytest.mark.parametrize("value", POISON, ids=POISON.values())
def test_poison_becomes_a_dead_letter_and_the_rest_goes_on(
    answer_service: ModuleType, value: bytes
) -> None:
    desk = Desk(answer_service)
    desk.ask(1)
    if POISON[value] == "undecodable":
        schema_id = desk.fake.registry.look_up(
            sys.modules["answer_service.codecs"].ASKED  # type: ignore[attr-defined]
        )
        value = b"\0" + schema_id.to_bytes(4, "big") + b"\x7f"
        expected = "undecodable"
    else:
        expected = POISON[value]
    desk.fake.deliver_bytes(
        "questions", value, key=b"\xff\xfe", headers=[("h", b"\xff"), ("n", None)]
    )
    desk.ask(2)
    desk.consumer.drain()
    (letter,) = desk.fake.dead_letters
    assert (letter.value, letter.reason, letter.message.key) == (value, expected, b"\xff\xfe")
    assert letter.message.headers[:2] == [("h", b"\xff"), ("n", None)]
    assert {event.question_id for event in desk.fake.sent} == {"q1", "q2"}


@pytest.mark.parametrize("action", ["FAIL", "SKIP"])
def test_the_policy_decides_about_poison(answer_service: ModuleType, action: str) -> None:
    policy = answer_service.Policy(on_poison=answer_service.Action[action])
    desk = Desk(answer_service, policy=policy)
    desk.fake.deliver_bytes("questions", b"junk")
    if action == "SKIP":
        desk.consumer.drain()
        assert desk.consumer.statistics.skipped == 1
    else:
        with pytest.raises(answer_service.MessageFailed, match=r"questions\[\d\]@0.*no-magic-byte"):
            desk.consumer.drain()
        desk.consumer.close()
        assert desk.fake.kafka.groups["answer-service"].committed == {}
    assert desk.fake.dead_letters == ()


def test_an_event_that_is_new_on_the_topic_is_skipped_and_counted(
    answer_service: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(answer_service)
    schema = {"type": "record", "name": "Escalated", "namespace": "help.desk", "fields": []}
    schema_id = desk.fake.registry.register(json.dumps(schema))
    for _ in range(3):
        desk.fake.deliver_bytes("questions", b"\0" + schema_id.to_bytes(4, "big"))
    desk.consumer.drain()
    assert desk.consumer.statistics.skipped == 3
    told = [entry for entry in caplog.messages if "help.desk.Escalated" in entry]
    assert len(told) == 1


def test_the_only_event_of_a_topic_is_known_in_any_namespace(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    seen: list[Any] = []
    desk.consumer.close()
    setattr(desk.handler, "on_profile_changed", lambda event, message: seen.append(event.name))  # noqa: B010
    desk.consumer = desk.open()
    profile = answer_service.ProfileChanged(user_id="u1", name="Ada")
    value = answer_service.codecs.PROFILE_CHANGED.encode(profile, b"")
    other = answer_service.codecs.PROFILE_CHANGED.schema.replace("help.desk", "people")
    register = desk.fake.registry.register
    for text in (other, other.replace("ProfileChanged", "ProfileDeleted")):
        name = f"people.{json.loads(text)['name']}"
        data = b"\0" + register(text).to_bytes(4, "big") + value
        desk.fake.deliver_bytes("profiles", data, headers=[("ce_type", name.encode())])
        desk.fake.deliver_bytes("profiles", data)
    # Where a topic has several events, a namespace tells them apart.
    asked = answer_service.codecs.ASKED
    elsewhere = register(asked.schema.replace("help.desk", "people"))
    question = answer_service.Asked(question_id="q", text="?")
    data = asked.encode(question, b"\0" + elsewhere.to_bytes(4, "big"))
    desk.fake.deliver_bytes("questions", data)
    desk.consumer.drain()
    assert seen == ["Ada", "Ada"]
    assert desk.consumer.statistics.skipped == 3 and desk.handler.asked == []


def test_an_event_is_known_by_its_schema_without_headers(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    message = desk.ask(1)
    value = desk.fake.kafka.partitions("questions")[message.partition][message.offset].value()
    for headers in ([], [("ce_type", b"no.such.Event")], [("ce_type", b"\xff")]):
        desk.fake.deliver_bytes("questions", value, key=b"q1", headers=headers)
    desk.consumer.drain()
    assert len(desk.handler.asked) == 4


def test_a_header_that_lies_about_the_event_is_poison(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    message = desk.ask(1)
    value = desk.fake.kafka.partitions("questions")[message.partition][message.offset].value()
    desk.fake.deliver_bytes("questions", value, headers=[("ce_type", b"help.desk.Withdrawn")])
    desk.consumer.drain()
    assert [letter.reason for letter in desk.fake.dead_letters] == ["incompatible-schema"]
    assert desk.handler.withdrawn == []


def test_events_of_the_topic_that_the_contract_leaves_out_are_passed_over(
    audit_service: ModuleType, ask_service: ModuleType
) -> None:
    seen = []

    class Audit:
        def on_withdrawn(self, event: Any, message: Any) -> None:
            seen.append(event.question_id)

    fake = audit_service.fakes.fakes()
    consumer = audit_service.Consumer(fake.settings(), Audit())
    other = ask_service.fakes.fakes()
    with ask_service.Producer(other.settings()) as producer:
        producer.send(ask_service.Asked(question_id="q1", text="?"))
    record = other.kafka.partitions("questions")
    (asked,) = [each for log in record for each in log]
    fake.deliver_bytes("questions", asked.value(), headers=asked.headers())
    fake.deliver(audit_service.Withdrawn(question_id="q1"))
    consumer.drain()
    assert seen == ["q1"] and fake.dead_letters == ()
    assert consumer.statistics.not_consumed == 1 and consumer.statistics.skipped == 0


def test_a_tombstone_is_a_deletion_on_a_compacted_topic_only(
    answer_service: ModuleType, ask_service: ModuleType
) -> None:
    desk = Desk(answer_service)
    desk.fake.deliver_bytes("profiles", None, key=b"u1")
    desk.fake.deliver_bytes("questions", None, key=b"q1")
    desk.consumer.drain()
    assert desk.handler.deleted == [b"u1"]
    assert desk.consumer.statistics.handled == 1 and desk.consumer.statistics.skipped == 1
    fake = ask_service.fakes.fakes()
    with ask_service.Producer(fake.settings()) as producer:
        assert not hasattr(producer, "delete_from_questions")
        producer.delete_from_profiles("u1").result(5)
    (record,) = [each for log in fake.kafka.partitions("profiles") for each in log]
    assert (record.key(), record.value()) == (b"u1", None)


def test_a_writer_of_an_older_version_is_understood(answer_service: ModuleType) -> None:
    import io

    import fastavro

    desk = Desk(answer_service)
    older = {
        "type": "record",
        "name": "Asked",
        "namespace": "help.desk",
        "fields": [
            {"name": "urgent", "type": "boolean"},
            {"name": "text", "type": "string"},
            {"name": "question_id", "type": "string"},
        ],
    }
    schema_id = desk.fake.registry.register(json.dumps(older))
    out = io.BytesIO(b"")
    fastavro.schemaless_writer(out, older, {"urgent": True, "text": "t", "question_id": "q9"})
    desk.fake.deliver_bytes("questions", b"\0" + schema_id.to_bytes(4, "big") + out.getvalue())
    desk.consumer.drain()
    assert desk.handler.asked == [answer_service.Asked(question_id="q9", text="t")]


def test_a_registry_that_is_down_is_waited_for(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.ask(1)
    desk.fake.registry.is_down = True
    runner = threading.Thread(target=desk.consumer.run)
    runner.start()
    try:
        while desk.consumer.statistics.registry_waits < 20:
            assert runner.is_alive()
        assert desk.fake.dead_letters == () and desk.handler.asked == []
        desk.fake.registry.is_down = False
        while not desk.fake.sent:
            assert runner.is_alive()
    finally:
        desk.consumer.stop()
        runner.join(10)
    assert not runner.is_alive()
    assert desk.fake.dead_letters == ()


def test_a_schema_that_is_not_registered_stops_instead_of_making_dead_letters(
    answer_service: ModuleType,
) -> None:
    desk = Desk(answer_service)
    desk.ask(1)
    desk.fake.registry.forget("help.desk.Answered")
    expected = r"help\.desk\.Answered.*answers-help.*memory://registry.*kontrakt register --apply"
    with pytest.raises(answer_service.SchemaNotRegistered, match=expected):
        desk.consumer.drain()
    assert desk.fake.dead_letters == ()


def test_what_was_not_committed_comes_again_after_a_crash(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    for number in range(4):
        desk.ask(number)
    desk.consumer.drain()

    def die(event: Any) -> None:
        if event.question_id == "q6":
            raise SystemExit

    for number in range(4, 8):
        desk.ask(number)
    desk.handler.hook = die
    with pytest.raises(SystemExit):
        desk.consumer.drain()
    desk.fake.crash()
    desk.handler.hook = lambda event: None
    before = len(desk.handler.asked)
    desk.open().drain()
    again = {event.question_id for event in desk.handler.asked[before:]}
    assert again == {"q4", "q5", "q6", "q7"}
    assert {event.question_id for event in desk.fake.sent} == {f"q{number}" for number in range(8)}


def test_a_message_is_not_committed_before_what_it_caused_has_arrived(
    answer_service: ModuleType,
) -> None:
    desk = Desk(answer_service)
    desk.ask(1)
    desk.fake.fail_deliveries()
    with pytest.raises(
        answer_service.DeliveryFailed, match="Answered was not delivered to answers"
    ):
        desk.consumer.drain()
    desk.consumer.close()
    assert desk.fake.kafka.groups["answer-service"].committed == {}
    with desk.open() as consumer:
        consumer.drain()
    assert len(desk.fake.sent) == 1
    assert sum(desk.fake.kafka.groups["answer-service"].committed.values()) == 1


def test_members_of_a_group_share_the_partitions(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    other = desk.open()
    for number in range(40):
        desk.ask(number)
    for _ in range(3):
        desk.consumer.drain()
        other.drain()
    assert desk.consumer.statistics.handled > 0 and other.statistics.handled > 0
    assert len(desk.handler.asked) == 40
    other.close()
    for number in range(40, 60):
        desk.ask(number)
    desk.consumer.drain()
    assert len(desk.handler.asked) == 60


def test_what_is_received_while_another_member_joins_is_handled(
    answer_service: ModuleType,
) -> None:
    desk = Desk(answer_service)
    desk.consumer.drain()
    for number in range(40):
        desk.ask(number)
    other = desk.open()
    # The same call takes partitions away and hands out records of the others.
    desk.consumer.drain()
    other.drain()
    assert other.statistics.handled > 0
    assert len(desk.handler.asked) == 40


def test_a_member_that_is_busy_for_long_gives_partitions_back_in_between(
    answer_service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("answer_service._runtime.consuming.consumer")
    monkeypatch.setattr(module, "_KEEP_ALIVE", 0.01)
    desk = Desk(answer_service)
    others: list[Any] = []

    def join(event: Any) -> None:
        if not others:
            others.append(desk.open())
            time.sleep(0.02)

    desk.handler.hook = join
    for number in range(60):
        desk.ask(number)
    desk.consumer.drain()
    assert 0 < desk.consumer.statistics.handled < 60
    others[0].drain()
    # All of it was received at once, and what was lost of that is handled by the other one only.
    assert Counter(event.question_id for event in desk.fake.sent) == {
        f"q{number}": 1 for number in range(60)
    }


def test_another_group_sees_every_message(answer_service: ModuleType) -> None:
    desk = Desk(answer_service)
    desk.ask(1)
    desk.consumer.drain()
    desk.options = {"group": "audit"}
    desk.open().drain()
    assert len(desk.handler.asked) == 2


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_an_inbox_lets_a_repetition_have_no_second_effect(
    answer_service: ModuleType, kind: str, tmp_path: Path
) -> None:
    connection = sqlite3.connect(tmp_path / "service.db", isolation_level=None)
    connection.execute("CREATE TABLE effects (question TEXT)")
    inbox = (
        answer_service.MemoryInbox() if kind == "memory" else answer_service.SqliteInbox(connection)
    )
    desk = Desk(answer_service, failures=2, inbox=inbox)
    desk.handler.hook = lambda event: connection.execute(
        "INSERT INTO effects VALUES (?)", (event.question_id,)
    )
    desk.ask(1, id="one")
    desk.ask(1, id="one")
    desk.ask(1, id="two")
    desk.consumer.drain()
    statistics = desk.consumer.statistics
    assert (statistics.handled, statistics.duplicates, statistics.retried) == (2, 1, 2)
    assert len(desk.fake.sent) == 2
    if kind == "sqlite":
        # Both failed attempts wrote as well, and were rolled back with the id of the event.
        assert connection.execute("SELECT count(*) FROM effects").fetchone() == (2,)
        again = sqlite3.connect(tmp_path / "service.db", isolation_level=None)
        desk.options = {"inbox": answer_service.SqliteInbox(again)}
        desk.consumer.close()
        desk.ask(1, id="two")
        consumer = desk.open()
        consumer.drain()
        assert consumer.statistics.duplicates == 1


def test_an_inbox_keeps_nothing_when_an_event_did_not_arrive(answer_service: ModuleType) -> None:
    desk = Desk(answer_service, inbox=answer_service.MemoryInbox())
    desk.ask(1)
    desk.fake.fail_deliveries()
    desk.consumer.drain()
    assert len(desk.fake.sent) == 1 and desk.consumer.statistics.retried == 1


def test_a_sqlite_inbox_refuses_a_connection_with_transactions_of_its_own(
    answer_service: ModuleType,
) -> None:
    with pytest.raises(ValueError, match="isolation_level=None"):
        answer_service.SqliteInbox(sqlite3.connect(":memory:"))


def test_leaving_the_producer_raises_with_every_event_that_failed(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    events = [ask_service.Withdrawn(question_id=f"q{number}") for number in range(4)]
    fake.fail_deliveries(2, "Local: Broker transport failure")
    with pytest.raises(ask_service.DeliveryFailed, match="2 events were not delivered") as caught:  # noqa: SIM117
        with ask_service.Producer(fake.settings()) as producer:
            for event in events:
                producer.send(event)
    assert [failure.event for failure in caught.value.failures] == events[:2]
    assert "Broker transport failure" in str(caught.value)
    assert fake.sent == tuple(events[2:])


def test_a_failure_that_somebody_looked_at_is_not_raised_again(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    fake.fail_deliveries()
    with ask_service.Producer(fake.settings()) as producer:
        delivery = producer.send(ask_service.Withdrawn(question_id="q1"))
        with pytest.raises(ask_service.DeliveryError, match="Withdrawn was not delivered"):
            delivery.result(5)
        assert delivery.done()


def test_an_exception_in_the_block_is_not_hidden_by_failed_deliveries(
    ask_service: ModuleType,
) -> None:
    fake = ask_service.fakes.fakes()
    fake.fail_deliveries()
    with pytest.raises(KeyError) as caught, ask_service.Producer(fake.settings()) as producer:
        producer.send(ask_service.Withdrawn(question_id="q1"))
        raise KeyError("x")
    assert "1 event was not delivered" in "".join(caught.value.__notes__)


def test_a_full_queue_makes_send_wait(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    settings = fake.settings(queue_buffering_max_messages=3)
    with ask_service.Producer(settings) as producer:
        for number in range(50):
            producer.send(ask_service.Withdrawn(question_id=f"q{number}"))
    assert len(fake.sent) == 50


def test_an_event_that_is_too_large_says_so(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    producer = ask_service.Producer(fake.settings(message_max_bytes=1000))
    with pytest.raises(ask_service.MessageTooLarge, match=r"Asked.*questions.*message\.max"):
        producer.send(ask_service.Asked(question_id="q", text="x" * 1000))
    producer.close()
    assert fake.sent == ()


def test_another_event_is_refused_at_run_time_too(
    ask_service: ModuleType, answer_service: ModuleType
) -> None:
    fake = answer_service.fakes.fakes()
    with answer_service.Producer(fake.settings()) as producer:
        expected = "answer-service does not produce Asked; it produces Answered, Refused"
        with pytest.raises(TypeError, match=expected):
            producer.send(answer_service.Asked(question_id="q", text="?"))


def test_a_closed_producer_sends_nothing(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    producer = ask_service.Producer(fake.settings())
    producer.close()
    with pytest.raises(ask_service.StubError, match="closed"):
        producer.send(ask_service.Withdrawn(question_id="q1"))


def test_callbacks_of_a_delivery_are_called_once(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    called: list[Any] = []
    with ask_service.Producer(fake.settings()) as producer:
        for number in range(100):
            delivery = producer.send(ask_service.Withdrawn(question_id=f"q{number}"))
            delivery.add_done_callback(called.append)
    assert len(called) == 100 and len(set(map(id, called))) == 100


def test_a_handler_without_one_of_the_methods_cannot_be_made(answer_service: ModuleType) -> None:
    class Forgetful(answer_service.Handler):  # type: ignore[misc,name-defined]
        def on_asked(self, event: Any, message: Any) -> None: ...
        def on_profile_changed(self, event: Any, message: Any) -> None: ...
        def on_deletion_from_profiles(self, message: Any) -> None: ...

    with pytest.raises(TypeError, match="on_withdrawn"):
        Forgetful()


STOPPING = """
import os, signal, sys
from answer_service import Asked, Consumer, Handler
from answer_service.fakes import fakes
import time

class Slow(Handler):
    def on_asked(self, event, message):
        os.kill(os.getpid(), signal.{signal})
        time.sleep(0.2)
        print("finished", flush=True)
    def on_withdrawn(self, event, message): ...
    def on_profile_changed(self, event, message): ...
    def on_deletion_from_profiles(self, message): ...

fake = fakes()
for number in range(3):
    fake.deliver(Asked(question_id="q", text="?"))
with Consumer(fake.settings(), Slow()) as consumer:
    consumer.run()
print(sum(fake.kafka.groups["answer-service"].committed.values()))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_lets_the_message_in_hand_finish(desk_folders: dict[str, Path], name: str) -> None:
    assert hasattr(signal, name)
    done = subprocess.run(
        [sys.executable, "-c", STOPPING.format(signal=name)],
        env={"PYTHONPATH": str(desk_folders["answer-service"])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["finished", "1"]), done.stderr
