"""What a tired developer writes without a type checker: told at once, and no message is lost."""

# ruff: noqa: F811

from __future__ import annotations

import dataclasses
import gc
import math
import os
import sqlite3
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import aiosqlite
import async_desk
import pytest
from desk import (  # noqa: F401
    answer_service,
    ask_service,
    async_answer,
    async_folders,
    desk_folders,
)


class Quiet:
    """Handles everything and does nothing."""

    def on_asked(self, *received: Any) -> None: ...

    def on_withdrawn(self, *received: Any) -> None: ...

    def on_profile_changed(self, *received: Any) -> None: ...

    def on_deletion_from_profiles(self, *received: Any) -> None: ...


class Awaited(Quiet):
    """One of its methods is for asyncio."""

    async def on_withdrawn(self, *received: Any) -> None: ...


class AwaitedDeletion(Quiet):
    """And this one's too."""

    async def on_deletion_from_profiles(self, *received: Any) -> None: ...


@pytest.fixture(params=["answer_service", "async_answer"])
def package(request: pytest.FixtureRequest) -> ModuleType:
    """The package of the answer service, without asyncio and with it."""
    package: ModuleType = request.getfixturevalue(request.param)
    return package


@pytest.mark.parametrize("handler", [Awaited(), AwaitedDeletion()])
@pytest.mark.parametrize("consumer", ["Consumer", "BatchConsumer"])
def test_a_handler_that_nobody_would_await_is_refused(
    answer_service: ModuleType, handler: Any, consumer: str
) -> None:
    with pytest.raises(answer_service.SettingsError, match=r"on_.* is `async`, and nobody"):
        getattr(answer_service, consumer)(answer_service.fakes.fakes().settings(), handler)


class Narrow(Quiet):
    """One of its methods takes nothing."""

    def on_asked(self) -> None: ...


class NarrowDeletion(Quiet):
    """And so does this one's."""

    def on_deletion_from_profiles(self) -> None: ...


@pytest.mark.parametrize("handler", [Narrow(), NarrowDeletion()])
@pytest.mark.parametrize("consumer", ["Consumer", "BatchConsumer"])
def test_a_handler_that_could_take_no_message_is_refused(
    package: ModuleType, handler: Any, consumer: str
) -> None:
    with pytest.raises(package.SettingsError, match=r"Narrow.*\.on_.* does not take a.*: too many"):
        getattr(package, consumer)(package.fakes.fakes().settings(), handler)


def test_a_class_in_place_of_a_handler_is_refused(package: ModuleType) -> None:
    class Handler(Quiet):
        def on_asked(self, event: Any, message: Any) -> None: ...

    with pytest.raises(package.SettingsError, match="missing a required argument: 'message'"):
        package.Consumer(package.fakes.fakes().settings(), Handler)


@pytest.mark.parametrize("consumer", ["Consumer", "BatchConsumer"])
def test_a_handler_that_cannot_be_awaited_stops_the_consumer(
    async_answer: ModuleType, consumer: str
) -> None:
    async def test() -> None:
        fake = async_answer.fakes.fakes()
        fake.deliver(async_answer.Withdrawn(question_id="q"))
        kind = getattr(async_answer, consumer)
        with pytest.raises(async_answer.SettingsError, match="make it `async def`"):
            async with kind(fake.settings(), Quiet()) as running:
                await running.drain()
        assert not fake.dead_letters
        async with async_desk.Desk(async_answer) as desk:
            desk.fake = fake
            async with async_answer.Consumer(fake.settings(), desk.handler) as again:
                await again.drain()
            assert again.statistics.dead_lettered == 1, "it was committed, and not handled"

    async_desk.run(test)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"concurrency": "8"}, "concurrency is '8', not a whole number"),
        ({"concurrency": 2.5}, "concurrency is 2.5, not a whole number"),
        ({"concurrency": True}, "concurrency is True, not a whole number"),
        ({"concurrency": None}, "concurrency is None, not a whole number"),
        ({"policy": "skip"}, "the policy is of type str, not Policy"),
        ({"inbox": sqlite3.connect(":memory:")}, r"is no inbox; give .* SqliteInbox\(connection\)"),
        ({"inbox": dict}, "is no inbox"),
        ({"exactly_once": True}, "exactly_once takes the producer that the handler sends with"),
    ],
)
def test_a_consumer_says_which_of_its_options_is_no_such_thing(
    package: ModuleType, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(package.SettingsError, match=problem):
        package.Consumer(package.fakes.fakes().settings(), Quiet(), **options)


def test_settings_that_are_none_are_told(package: ModuleType) -> None:
    for given in (package.settings, {"bootstrap.servers": "localhost"}, None):
        for make in (package.Producer, lambda given: package.Consumer(given, Quiet())):
            with pytest.raises(package.SettingsError, match=r"make them with settings\(\)"):
                make(given)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"on_failure": "skip"}, r"on_failure of a policy is 'skip', and not one of Action\.FAIL"),
        ({"on_tombstone": None}, "on_tombstone of a policy is None"),
        ({"attempts": 0}, "attempts of a policy is 0; at least 1"),
        ({"attempts": 1.5}, "attempts of a policy is 1.5"),
        ({"attempts": "5"}, "attempts of a policy is '5'"),
        ({"backoff": -1}, "backoff of a policy is -1, not a number of seconds"),
        ({"backoff": math.nan}, "backoff of a policy is nan"),
        ({"backoff_limit": "1"}, "backoff_limit of a policy is '1'"),
        ({"stop_within": math.inf}, "stop_within of a policy is inf"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    answer_service: ModuleType, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(answer_service.SettingsError, match=problem):
        answer_service.Policy(**options)


def test_a_closed_consumer_does_not_pretend_to_run(answer_service: ModuleType) -> None:
    with answer_service.Consumer(answer_service.fakes.fakes().settings(), Quiet()) as consumer:
        pass
    with pytest.raises(answer_service.StubError, match="this consumer is closed"):
        consumer.drain()


def test_a_consumer_is_run_by_one_at_a_time(answer_service: ModuleType) -> None:
    fake = answer_service.fakes.fakes()
    refused: list[Exception] = []

    class Nested(Quiet):
        def on_withdrawn(self, event: Any, message: Any) -> None:
            with pytest.raises(answer_service.StubError, match="runs already") as caught:
                consumer.drain()
            refused.append(caught.value)

    fake.deliver(answer_service.Withdrawn(question_id="q"))
    with answer_service.Consumer(fake.settings(), Nested()) as consumer:
        consumer.drain()
        consumer.drain()
    assert len(refused) == consumer.statistics.handled == 1


def test_an_asyncio_consumer_is_run_by_one_at_a_time(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with async_desk.Desk(async_answer) as desk:

            async def nested(event: Any) -> None:
                with pytest.raises(async_answer.StubError, match="runs already"):
                    await desk.consumer.drain()

            desk.handler.hook = nested
            desk.ask(1)
            await desk.consumer.drain()
            assert desk.consumer.statistics.handled == 1

    async_desk.run(test)


@pytest.mark.parametrize(
    ("headers", "kind", "problem"),
    [
        ([("tenant", 5)], TypeError, r"a header is a name .* not \('tenant', 5\)"),
        ([(5, "blue")], TypeError, "a header is a name"),
        ([("tenant",)], TypeError, "a header is a name"),
        ("tenant", TypeError, "a header is a name"),
        ({"tenant": None, "x": {}}, TypeError, "a header is a name"),
        ({"tenant": "\ud800"}, ValueError, "the header 'tenant' holds half of a surrogate pair"),
    ],
)
def test_headers_that_are_none_are_refused(
    ask_service: ModuleType, headers: Any, kind: type[Exception], problem: str
) -> None:
    with ask_service.fakes.fakes() as fake, ask_service.Producer(fake.settings()) as producer:
        with pytest.raises(kind, match=problem):
            producer.send(ask_service.Withdrawn(question_id="q"), headers=headers)
        assert not fake.sent


def test_what_caused_an_event_is_a_message(ask_service: ModuleType) -> None:
    event = ask_service.Withdrawn(question_id="q")
    with ask_service.fakes.fakes() as fake, ask_service.Producer(fake.settings()) as producer:
        with pytest.raises(TypeError, match=r"caused_by is the message that .* not Withdrawn"):
            producer.send(event, caused_by=event)
        assert not fake.sent


def test_only_a_key_is_deleted(ask_service: ModuleType) -> None:
    with ask_service.fakes.fakes() as fake, ask_service.Producer(fake.settings()) as producer:
        for wrong in (None, b"u", 1.5, True):
            with pytest.raises(TypeError, match="a key of profiles is a str, an int or a UUID"):
                producer.delete_from_profiles(wrong)
        with pytest.raises(ask_service.EncodeError, match="half of a surrogate pair"):
            producer.delete_from_profiles("\ud800")
        assert not fake.sent_records


@pytest.mark.parametrize("end", [sqlite3.Connection.commit, sqlite3.Connection.rollback])
def test_a_handler_leaves_the_transaction_to_its_inbox(
    answer_service: ModuleType, end: Callable[[sqlite3.Connection], None]
) -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)

    class Ending(Quiet):
        def on_withdrawn(self, event: Any, message: Any) -> None:
            end(database)

    fake = answer_service.fakes.fakes()
    fake.deliver(answer_service.Withdrawn(question_id="q"))
    policy = answer_service.Policy(on_failure=answer_service.Action.FAIL, attempts=1)
    inbox = answer_service.SqliteInbox(database)
    consumer = answer_service.Consumer(fake.settings(), Ending(), inbox=inbox, policy=policy)
    with pytest.raises(answer_service.MessageFailed, match="ended the transaction of its inbox"):
        consumer.drain()


def test_an_asyncio_handler_leaves_the_transaction_to_its_inbox(async_answer: ModuleType) -> None:
    async def test() -> None:
        async with aiosqlite.connect(":memory:", isolation_level=None) as database:

            class Ending(Quiet):
                async def on_withdrawn(self, event: Any, message: Any) -> None:
                    await database.commit()

            fake = async_answer.fakes.fakes()
            fake.deliver(async_answer.Withdrawn(question_id="q"))
            policy = async_answer.Policy(on_failure=async_answer.Action.FAIL, attempts=1)
            inbox = async_answer.SqliteInbox(database)
            with pytest.raises(async_answer.MessageFailed, match="ended the transaction of its in"):
                async with async_answer.Consumer(
                    fake.settings(), Ending(), inbox=inbox, policy=policy
                ) as consumer:
                    await consumer.drain()

    async_desk.run(test)


@pytest.mark.parametrize(("status", "is_told"), [(0, True), (2, False)])
def test_a_postgres_inbox_sees_an_ended_transaction(
    answer_service: ModuleType, status: int, is_told: bool
) -> None:
    cursor = SimpleNamespace(rowcount=1, execute=lambda *_: None)
    database = SimpleNamespace(
        cursor=lambda: cursor,
        commit=lambda: None,
        rollback=lambda: None,
        info=SimpleNamespace(transaction_status=2),
    )
    inbox = answer_service.PostgresInbox(database)
    problems = []
    try:
        with inbox.once("group", "id"):
            database.info.transaction_status = status
    except answer_service.StubError as error:
        problems.append(error)
    assert bool(problems) == is_told


def test_the_fakes_refuse_what_no_other_service_could_send(answer_service: ModuleType) -> None:
    with answer_service.fakes.fakes() as fake:
        for wrong in (None, answer_service.Asked):
            with pytest.raises(TypeError, match="is no event of this service; it has Answered"):
                fake.deliver(wrong)
        with pytest.raises(TypeError, match="a message consists of bytes, not of 'text'"):
            fake.deliver_bytes("questions", "text")
        with pytest.raises(TypeError, match="a message consists of bytes, not of 5"):
            fake.deliver_bytes("questions", b"", key=5)


def test_the_fakes_tell_which_keys_were_deleted(ask_service: ModuleType) -> None:
    with ask_service.fakes.fakes() as fake, ask_service.Producer(fake.settings()) as producer:
        producer.send(ask_service.Withdrawn(question_id="q"))
        producer.delete_from_profiles("u")
        assert [(one.topic, one.key) for one in fake.deletions] == [("profiles", b"u")]
        assert len(fake.sent) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_producer_does_not_wait_for_ever_in_a_forked_process(ask_service: ModuleType) -> None:
    fake = ask_service.fakes.fakes()
    with ask_service.Producer(fake.settings()) as producer:
        event = ask_service.Withdrawn(question_id="q")
        client = producer._client
        client.poll = lambda timeout=-1: 0
        delivery = producer.send(event)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for call in (lambda: producer.send(event), producer.flush, delivery.wait):
                    with pytest.raises(ask_service.StubError, match="before this process was fork"):
                        call()
                producer.close()
                with ask_service.Producer(fake.settings()) as another:
                    another.send(event).result(5)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert status == 0
        del client.poll
        producer.send(event).result(5)
    assert len(fake.sent) == 2


def test_metrics_are_given_to_the_fakes_as_to_the_settings(package: ModuleType) -> None:
    metrics = SimpleNamespace()
    assert package.fakes.fakes().settings(metrics=metrics, linger_ms=5).metrics is metrics


def test_opentelemetry_that_is_not_there_is_told(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(ImportError, match="needs the package opentelemetry-api, which the extra"):
        package.OpenTelemetryMetrics()


def test_a_registry_password_needs_a_user(package: ModuleType) -> None:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
        "SCHEMA_REGISTRY_URL": "http://localhost:8081",
        "SCHEMA_REGISTRY_PASSWORD": "secret",
    }
    with pytest.raises(package.SettingsError, match="no user name: SCHEMA_REGISTRY_USERNAME"):
        package.settings(environment=environment)


def test_a_delivery_tells_its_fate(ask_service: ModuleType) -> None:
    with ask_service.fakes.fakes() as fake, ask_service.Producer(fake.settings()) as producer:
        event = ask_service.Withdrawn(question_id="q")
        arrived = producer.send(event)
        arrived.result(5)
        fake.fail_deliveries()
        failed = producer.send(event)
        assert isinstance(failed.exception(5), ask_service.StubError)
    assert repr(arrived) == f"<Delivery of Withdrawn, arrived at questions[{arrived.partition}]@0>"
    assert repr(failed).startswith("<Delivery: Withdrawn was not delivered to questions: _MSG_TIME")


@pytest.mark.parametrize("confirmed", [0, 2])
def test_what_nobody_waits_for_is_not_lost_in_silence(
    ask_service: ModuleType, caplog: pytest.LogCaptureFixture, confirmed: int
) -> None:
    fake = ask_service.fakes.fakes()
    settings = fake.settings()
    waits: list[float] = []

    class Client:
        def produce(self, *_: Any, **__: Any) -> None: ...

        def poll(self, timeout: float = -1) -> int:
            return 0

        def flush(self, timeout: float = -1) -> int:
            waits.append(timeout)
            return 2 if timeout == 0 else 2 - confirmed

    client = Client()
    transport = SimpleNamespace(
        producer=lambda options: client,
        registry=settings.transport.registry,
        failure=settings.transport.failure,
    )
    producer = ask_service.Producer(dataclasses.replace(settings, transport=transport))
    for _ in range(2):
        producer.send(ask_service.Withdrawn(question_id="q"))
    del producer
    gc.collect()
    assert waits == [0, 10.0]
    assert "a producer was not closed: use it as a context" in caplog.text
    assert (
        "what was sent is not confirmed, and may or may not arrive (messages: 2)" in caplog.text
    ) == (confirmed == 0)
