"""The outbox of a generated package: an event leaves exactly when its effect is there."""

# ruff: noqa: F811

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psycopg
import pytest
from desk import answer_service, desk_folders  # noqa: F401

from codegen.targets.python.runtime.storage.tables import is_in_transaction


class Shop:
    def __init__(self, package: ModuleType, path: Path) -> None:
        self.package = package
        self.fake = package.fakes.fakes()
        self.producer = package.Producer(self.fake.settings())
        self.database = sqlite3.connect(path)
        self.outbox = package.Outbox(self.producer, self.database)
        # What a relay in another process would have.
        self.relay = package.Outbox(self.producer, sqlite3.connect(path, check_same_thread=False))

    def answer(self, number: int) -> Any:
        return self.package.Answered(question_id=f"q{number}", text="because")

    def waiting(self) -> int:
        (count,) = self.database.execute("SELECT count(*) FROM kontrakt_outbox").fetchone()
        return int(count)


@pytest.fixture
def shop(answer_service: ModuleType, tmp_path: Path) -> Shop:
    return Shop(answer_service, tmp_path / "shop.db")


def test_events_are_relayed_in_order_and_removed(shop: Shop) -> None:
    events = [shop.answer(number) for number in range(5)]
    with shop.database:
        for event in events:
            shop.outbox.send(event)
    assert shop.fake.sent == ()
    assert shop.relay.relay(limit=3) == 3
    assert shop.relay.relay() == 2
    assert shop.relay.relay() == 0
    assert shop.fake.sent == tuple(events)
    assert shop.waiting() == 0


def test_what_is_rolled_back_is_not_sent(shop: Shop) -> None:
    shop.outbox.send(shop.answer(1))
    shop.database.rollback()
    assert shop.relay.relay() == 0


def test_a_relayed_event_is_as_if_it_had_been_sent(shop: Shop) -> None:
    asked = shop.fake.deliver(shop.package.Asked(question_id="q1", text="?"))
    with shop.database:
        shop.outbox.send(shop.answer(1), caused_by=asked, headers={"tenant": "blue"})
    shop.relay.relay()
    asked.sent = 0
    shop.producer.send(shop.answer(1), caused_by=asked, headers={"tenant": "blue"}).result(5)
    (_, relayed), (_, direct) = shop.fake.sent_messages
    without_time = [
        [(name, value) for name, value in message.headers if name != "ce_time"]
        for message in (relayed, direct)
    ]
    assert without_time[0] == without_time[1]
    assert (relayed.key, relayed.id, relayed.partition) == (direct.key, direct.id, direct.partition)


def test_what_did_not_arrive_stays_and_is_sent_again(shop: Shop) -> None:
    with shop.database:
        for number in range(3):
            shop.outbox.send(shop.answer(number))
    shop.fake.fail_deliveries()
    with pytest.raises(shop.package.DeliveryFailed, match="1 event was not delivered"):
        shop.relay.relay()
    assert shop.waiting() == 1
    assert shop.relay.relay() == 1
    assert {event.question_id for event in shop.fake.sent} == {"q0", "q1", "q2"}
    shop.producer.close()


def test_a_relay_runs_until_it_is_stopped(shop: Shop) -> None:
    runner = threading.Thread(target=shop.relay.run, args=(0.01,))
    runner.start()
    try:
        for number in range(3):
            with shop.database:
                shop.outbox.send(shop.answer(number))
        for _ in range(500):
            if len(shop.fake.sent) == 3:
                break
            threading.Event().wait(0.01)
    finally:
        shop.relay.stop()
        runner.join(10)
    assert not runner.is_alive() and len(shop.fake.sent) == 3


def test_another_database_is_refused(shop: Shop) -> None:
    with pytest.raises(ValueError, match="sqlite3 or psycopg"):
        shop.package.Outbox(shop.producer, SimpleNamespace())


def test_after_a_failure_the_last_message_of_a_key_is_its_last_event(shop: Shop) -> None:
    events = [shop.package.Answered(question_id=key, text=text) for key, text in ("a1", "b1", "a2")]
    with shop.database:
        for event in events:
            shop.outbox.send(event)
    shop.fake.fail_deliveries()
    with pytest.raises(shop.package.DeliveryFailed):
        shop.relay.relay()
    # The one that failed goes first, and alone.
    assert [shop.relay.relay(), shop.relay.relay(), shop.relay.relay()] == [1, 1, 0]
    last = {event.question_id: event.text for event in shop.fake.sent}
    assert last == {"a": "2", "b": "1"}
    assert [event.question_id for event in shop.fake.sent].count("b") == 1
    shop.producer.close()


def test_an_event_that_kafka_never_takes_holds_up_no_other(shop: Shop) -> None:
    large = shop.package.Answered(question_id="q1", text="x" * 2_000_000)
    with shop.database:
        for event in (large, shop.answer(2)):
            shop.outbox.send(event)
    for _ in range(2):
        with pytest.raises(shop.package.DeliveryFailed) as caught:
            shop.relay.relay()
        assert "what waited in the outbox was not delivered to answers: its 2000" in str(
            caught.value
        )
    assert shop.fake.sent == (shop.answer(2),)
    assert shop.waiting() == 1


def test_what_waits_behind_a_refused_event_is_neither_in_the_way_nor_sent_again(
    shop: Shop,
) -> None:
    large = shop.package.Answered(question_id="q1", text="x" * 2_000_000)
    behind = [shop.package.Answered(question_id="q1", text=str(number)) for number in range(10)]
    with shop.database:
        for event in (large, *behind, shop.answer(2)):
            shop.outbox.send(event)
    for _ in range(5):
        with pytest.raises(shop.package.DeliveryFailed):
            shop.relay.relay(limit=3)
    # Before it was known that the first one is refused, those of the same page were sent with it.
    assert shop.fake.sent == (*behind[:2], shop.answer(2))
    assert shop.waiting() == 11
    with shop.database:
        shop.database.execute("DELETE FROM kontrakt_outbox WHERE id = 1")
    while shop.relay.relay():
        pass
    assert shop.fake.sent[3:] == tuple(behind)
    shop.producer.close()


def test_two_relays_of_one_outbox_are_told(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    other = shop.package.Outbox(shop.producer, shop.database)
    with shop.database:
        shop.outbox.send(shop.answer(1))
        shop.outbox.send(shop.answer(2))
    send_bytes = shop.producer.send_bytes

    def send_while_the_other_relays(*given: Any) -> Any:
        shop.producer.send_bytes = send_bytes
        assert other.relay(limit=1) == 1
        return send_bytes(*given)

    assert shop.relay.relay() == 2 and caplog.text == ""
    with shop.database:
        shop.outbox.send(shop.answer(3))
    shop.producer.send_bytes = send_while_the_other_relays
    assert shop.relay.relay() == 1
    assert "another process relays this outbox too (events that both have sent: 1)" in caplog.text


def test_a_relay_does_not_commit_what_the_service_has_begun(shop: Shop) -> None:
    shop.outbox.send(shop.answer(1))
    with pytest.raises(shop.package.StubError, match="in a transaction, which a relay would"):
        shop.outbox.relay()
    shop.database.rollback()
    assert shop.outbox.relay() == 0 and shop.fake.sent == ()


def test_a_relay_goes_on_when_a_busy_database_is_free_again(shop: Shop, tmp_path: Path) -> None:
    relay = shop.package.Outbox(shop.producer, sqlite3.connect(tmp_path / "shop.db", timeout=0))
    with shop.database:
        shop.outbox.send(shop.answer(1))
    shop.outbox.send(shop.answer(2))
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            relay.relay()
    shop.database.commit()
    assert relay.relay() == 2
    assert shop.waiting() == 0


def test_a_lost_connection_to_postgresql_is_no_transaction() -> None:
    states = {
        status.name: is_in_transaction(
            SimpleNamespace(info=SimpleNamespace(transaction_status=status))
        )
        for status in psycopg.pq.TransactionStatus
    }
    begun = dict.fromkeys(("ACTIVE", "INTRANS", "INERROR"), True)
    assert states == {"IDLE": False, "UNKNOWN": None, **begun}
