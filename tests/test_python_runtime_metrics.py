"""What generated packages tell to metrics, and the budget of bytes that a contract sets."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import sys
import time
from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from desk import (  # noqa: F401
    MANIFEST,
    answer_service,
    ask_service,
    desk_folders,
    generate_packages,
    write_contract,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader


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


class Handler:
    """Answers; rejects what is called bad."""

    def __init__(self, package: ModuleType, producer: Any) -> None:
        self.package, self.producer = package, producer

    def on_asked(self, event: Any, message: Any) -> None:
        if event.text == "bad":
            raise self.package.RejectMessage("bad")
        self.producer.send(self.package.Answered(question_id="q", text="so"), caused_by=message)

    def on_withdrawn(self, event: Any, message: Any) -> None: ...

    def on_profile_changed(self, event: Any, message: Any) -> None: ...

    def on_deletion_from_profiles(self, message: Any) -> None: ...


def run(package: ModuleType, metrics: Any, **options: Any) -> Any:
    """Two good messages, a bad one, and one that nobody knows."""
    fake = package.fakes.fakes()
    settings = dataclasses.replace(fake.settings(), metrics=metrics)
    ids = {}
    if options.pop("exactly_once", False):
        ids = {"transactional_id": "t"}
    with package.Producer(settings, **ids) as producer:
        if ids:
            options["exactly_once"] = producer
        for text in ("good", "bad", "good"):
            fake.deliver(package.Asked(question_id="q", text=text))
        unknown = fake.registry.register('{"type":"record","name":"New","fields":[]}')
        fake.deliver_bytes("questions", b"\0" + unknown.to_bytes(4, "big"), key=b"q")
        with package.Consumer(settings, Handler(package, producer), **options) as consumer:
            consumer.drain()
    return fake


@pytest.mark.parametrize("options", [{}, {"concurrency": 2}, {"exactly_once": True}])
def test_every_message_is_told_once(answer_service: ModuleType, options: dict[str, Any]) -> None:
    metrics = Counting()
    run(answer_service, metrics, **options)
    assert metrics.outcomes == {"handled": 2, "dead-lettered": 1, "passed": 1}
    # The first transaction is rolled back, and the two answers in it arrive once more.
    assert metrics.deliveries["answers", None] == (4 if "exactly_once" in options else 2)


@pytest.fixture(scope="module", params=["", ", style: async"], ids=["threads", "asyncio"])
def clerk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A service that answers what was withdrawn, and does not consume what was asked."""
    first, rest = MANIFEST.split("  audit-service:")
    name = "async_clerk" if request.param else "clerk"
    target = f"produces: [answers]\n    targets: {{python: {{package: {name}{request.param}}}}}"
    manifest = f"{first}  audit-service:{rest.replace('targets: {python: {}}', target)}"
    root = tmp_path_factory.mktemp(name)
    folders = generate_packages(write_contract(root, manifest), root / "generated")
    sys.path.insert(0, str(folders["audit-service"]))
    importlib.import_module(f"{name}.fakes")
    return importlib.import_module(name)


@pytest.mark.parametrize("mode", ["alone", "batches", "transactions"])
def test_what_a_service_does_not_consume_has_passed(clerk: ModuleType, mode: str) -> None:
    metrics = Counting()
    fake = clerk.fakes.fakes()
    settings = dataclasses.replace(fake.settings(), metrics=metrics)
    fake.deliver(clerk.Withdrawn(question_id="q"))
    asked = [("ce_type", b"help.desk.Asked")]
    fake.deliver_bytes("questions", b"\0\0\0\0\1", key=b"q", headers=asked)
    kind = clerk.BatchConsumer if mode == "batches" else clerk.Consumer
    ids = {"transactional_id": "t"} if mode == "transactions" else {}

    def options(producer: Any) -> dict[str, Any]:
        return {"exactly_once": producer} if ids else {}

    def drain() -> None:
        class Clerk:
            def on_withdrawn(self, *given: Any) -> None: ...

        with (
            clerk.Producer(settings, **ids) as producer,
            kind(settings, Clerk(), **options(producer)) as consumer,
        ):
            consumer.drain()

    async def drain_async() -> None:
        class Clerk:
            async def on_withdrawn(self, *given: Any) -> None: ...

        async with (
            clerk.Producer(settings, **ids) as producer,
            kind(settings, Clerk(), **options(producer)) as consumer,
        ):
            await consumer.drain()

    if clerk.__name__ == "clerk":
        drain()
    else:
        asyncio.run(drain_async())
    assert metrics.outcomes == {"handled": 1, "passed": 1}


def test_what_did_not_arrive_is_told_with_its_error(answer_service: ModuleType) -> None:
    metrics = Counting()
    fake = answer_service.fakes.fakes()
    fake.fail_deliveries()
    settings = dataclasses.replace(fake.settings(), metrics=metrics)
    with (
        pytest.raises(answer_service.DeliveryFailed),
        answer_service.Producer(settings) as producer,
    ):
        producer.send(answer_service.Answered(question_id="q", text="so"))
    assert metrics.deliveries == {("answers", "_MSG_TIMED_OUT"): 1}


def test_what_metrics_raise_of_a_delivery_is_logged_and_hinders_no_other(
    answer_service: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Counting):
        def sent(self, topic: str, error: str | None, seconds: float) -> None:
            super().sent(topic, error, seconds)
            raise ValueError("out of order")

    metrics = Broken()
    fake = answer_service.fakes.fakes()
    with answer_service.Producer(fake.settings(metrics=metrics)) as producer:
        for _ in range(2):
            event = answer_service.Answered(question_id="q", text="so")
            delivery = producer.send(event)
            # Not flushed: the thread that passes reports on must still be there.
            for _ in range(5000):
                if not delivery.done():
                    time.sleep(0.001)
            assert delivery.done()
    assert metrics.deliveries == {("answers", None): 2}
    assert caplog.text.count("a callback of a delivery to answers failed") == 2
    assert "out of order" in caplog.text


def test_opentelemetry_gets_its_conventional_instruments(answer_service: ModuleType) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    run(answer_service, answer_service.OpenTelemetryMetrics(meter))
    data = reader.get_metrics_data()
    assert data is not None
    [resource] = data.resource_metrics
    points = {
        metric.name: metric.data.data_points
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert set(points) == {
        "messaging.client.sent.messages",
        "messaging.client.operation.duration",
        "messaging.client.consumed.messages",
        "messaging.process.duration",
    }
    consumed = {
        point.attributes["kontrakt.outcome"]: point.value
        for point in points["messaging.client.consumed.messages"]
    }
    assert consumed == {"handled": 2, "dead-lettered": 1, "passed": 1}
    [sent] = points["messaging.client.sent.messages"]
    assert sent.value == 2 and dict(sent.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.destination.name": "answers",
    }


def read_points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_opentelemetry_sees_how_far_consumers_are(answer_service: ModuleType) -> None:
    reader = InMemoryMetricReader()
    metrics = answer_service.OpenTelemetryMetrics(MeterProvider([reader]).get_meter("test"))
    fake = answer_service.fakes.fakes()
    failures = iter([True, False, False, False])

    class Failing(Handler):
        def on_asked(self, event: Any, message: Any) -> None:
            if next(failures):
                raise ConnectionError("once")

    with answer_service.Consumer(
        fake.settings(), Failing(answer_service, None), policy=answer_service.Policy(backoff=0)
    ) as consumer:
        for number in range(3):
            fake.deliver(answer_service.Asked(question_id=f"q{number}", text="why?"))
        consumer.drain()
        metrics.watch(consumer)
        metrics.watch(consumer)
        fake.deliver(answer_service.Asked(question_id="q9", text="why?"))
        points = read_points(reader)
        lags = [point for point in points["kontrakt.consumer.lag"] if point.value]
        assert [point.value for point in lags] == [1]
        assert lags[0].attributes["messaging.destination.name"] == "questions"
        assert lags[0].attributes["messaging.consumer.group.name"] == "answer-service"
        assert lags[0].attributes["messaging.destination.partition.id"].isdecimal()
        assert [point.value for point in points["kontrakt.consumer.backlog"]] == [0]
        repeats = {
            point.attributes["kontrakt.cause"]: point.value
            for point in points["kontrakt.consumer.repeats"]
        }
        assert repeats == {"handler": 1, "registry": 0, "inbox": 0}
        consumer.drain()
        assert not any(point.value for point in read_points(reader)["kontrakt.consumer.lag"])
    assert "kontrakt.consumer.lag" not in read_points(reader)


def test_the_environment_brings_no_metrics(answer_service: ModuleType) -> None:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "k:1", "SCHEMA_REGISTRY_URL": "http://r"}
    metrics = Counting()
    assert answer_service.settings(environment=environment).metrics is None
    assert answer_service.settings(environment=environment, metrics=metrics).metrics is metrics


@pytest.fixture(scope="module")
def thrifty(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The asking service where a question may take 60 bytes."""
    doc = "    doc: What people ask.\n"
    manifest = MANIFEST.replace(doc, f"{doc}    max_payload_bytes: 60\n")
    first, rest = manifest.split("  ask-service:")
    manifest = (
        first
        + "  ask-service:"
        + rest.replace("targets: {python: {}}", "targets: {python: {package: thrifty}}", 1)
    )
    root = tmp_path_factory.mktemp("thrifty")
    folders = generate_packages(write_contract(root, manifest), root / "generated")
    sys.path.insert(0, str(folders["ask-service"]))
    importlib.import_module("thrifty.fakes")
    return importlib.import_module("thrifty")


def test_what_is_larger_than_the_contract_allows_is_not_sent(thrifty: ModuleType) -> None:
    fake = thrifty.fakes.fakes()
    with thrifty.Producer(fake.settings()) as producer:
        producer.send(thrifty.Asked(question_id="q", text="x" * 45))
        with pytest.raises(thrifty.MessageTooLarge) as caught:
            producer.send(thrifty.Asked(question_id="q", text="x" * 90))
        producer.send(thrifty.ProfileChanged(user_id="u" * 90, name="n"))
    assert (caught.value.budget, caught.value.topic) == (60, "questions")
    assert caught.value.size > 60
    assert "more than the 60 that the contract allows" in str(caught.value)
    assert "max_payload_bytes" in str(caught.value)
    assert len(fake.sent) == 2
