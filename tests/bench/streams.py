"""The generated producer and consumer beside bare confluent-kafka loops with fastavro, on Kafka.

The broker is the one of tests/real, with one node. The bare loops do as little as anybody may: no
headers, no errors looked at, dicts in place of objects, and messages taken 500 at a time. They run
with the same options of librdkafka. All candidates take turns, in an order that is shuffled anew in
each round; a ratio is the median of the ratios within the rounds.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import io
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro
from confluent_kafka import Consumer, Producer
from confluent_kafka.cimpl import NewTopic

sys.path.insert(0, str(Path(__file__).parent.parent))

from python_packages import EVENT, import_package, load
from real.kafka import Kafka, start_kafka
from real.processes import Missing

from tests.bench.codecs import ORDER, Maker, datum

COUNT = 30_000
"""Messages in each measurement."""
ROUNDS = 9


class Surroundings:
    """One topic, the package of its event, and messages for it."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.kafka = kafka
        contract = load(folder, {"Event": ORDER}, [EVENT], key="order_id")
        self.package: ModuleType = import_package(contract, folder / "generated")
        (self.event,) = self.package.codecs.EVENTS
        maker = Maker(self.event.codec.types)
        self.objects = [maker.order() for _ in range(500)]
        self.dicts = [datum(each) for each in self.objects]
        self.schema = fastavro.parse_schema(ORDER)
        self.groups = 0

    def settings(self) -> Any:
        """Settings that lead to the broker, and to a registry in memory."""
        name = self.package.__name__
        kafka = importlib.import_module(f"{name}._runtime.kafka.confluent")
        fakes = importlib.import_module(f"{name}._runtime.fakes.service")
        made = self.package.settings(
            bootstrap_servers=self.kafka.bootstrap, registry_url="http://unused", environment={}
        )
        transport = kafka.KafkaTransport(self.kafka.bootstrap, made.registry)
        transport._registry = fakes.FakeRegistry([self.event])
        return dataclasses.replace(made, transport=transport)

    def options(self, kind: str) -> dict[str, Any]:
        """What the generated clients give to librdkafka."""
        module = importlib.import_module(f"{self.package.__name__}._runtime.kafka.{kind}_options")
        made = self.package.settings(
            bootstrap_servers="x:1", registry_url="http://unused", environment={}
        )
        if kind == "producer":
            options = module.producer_options(made, "bare", None)
        else:
            self.groups += 1
            group = f"bare-{self.groups}"
            options = module.consumer_options(made, "bare", group, defaults={}, fixed={})
        return {**options, "bootstrap.servers": self.kafka.bootstrap}

    def produce(self) -> float:
        """Seconds of the generated producer."""
        with self.package.Producer(self.settings()) as producer:
            producer.send(self.objects[0])
            producer.flush()
            objects, send = self.objects, producer.send
            start = time.perf_counter()
            for number in range(COUNT):
                send(objects[number % 500])
            producer.flush()
            return time.perf_counter() - start

    def produce_bare(self) -> float:
        """Seconds of confluent-kafka with fastavro."""
        producer = Producer(self.options("producer"))
        producer.list_topics("things")
        dicts, schema, write = self.dicts, self.schema, fastavro.schemaless_writer
        start = time.perf_counter()
        for number in range(COUNT):
            value = dicts[number % 500]
            out = io.BytesIO()
            out.write(b"\0\0\0\0\1")
            write(out, schema, value)
            producer.produce("things", out.getvalue(), str(value["order_id"]))
            producer.poll(0)
        producer.flush()
        return time.perf_counter() - start

    def consume(self) -> float:
        """Seconds of the generated consumer."""
        self.groups += 1
        clock = _Clock()
        handler = _Handler(clock)
        with self.package.Consumer(
            self.settings(), handler, group=f"generated-{self.groups}"
        ) as consumer:
            clock.stop = consumer.stop
            consumer.run()
        return clock.seconds

    def consume_bare(self) -> float:
        """Seconds of confluent-kafka with fastavro."""
        consumer = Consumer(self.options("consumer"))
        consumer.subscribe(["things"])
        schema, read, clock = self.schema, fastavro.schemaless_reader, _Clock()
        running = True

        def stop() -> None:
            nonlocal running
            running = False

        clock.stop = stop
        while running:
            for message in consumer.consume(500, 0.1):
                value = message.value()
                data = io.BytesIO(value)
                data.seek(5)
                read(data, schema)
                clock.tick()
        consumer.close()
        return clock.seconds


class _Clock:
    """Measures from the first message to the last one, without joining and leaving the group."""

    def __init__(self) -> None:
        self.stop: Callable[[], None] = lambda: None
        self.seconds = 0.0
        self._left = COUNT
        self._start = 0.0

    def tick(self) -> None:
        if self._left == COUNT:
            self._start = time.perf_counter()
        self._left -= 1
        if self._left == 0:
            self.seconds = time.perf_counter() - self._start
            self.stop()


class _Handler:
    def __init__(self, clock: _Clock) -> None:
        self._clock = clock

    def on_event(self, event: Any, message: Any) -> None:
        self._clock.tick()


def measure() -> Iterator[dict[str, object]]:
    """A row each for producing and consuming; none where there is no Java for the broker."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with start_kafka(Path(folder)) as kafka:
                client = kafka.admin()
                client.create_topics([NewTopic("things", 3, 1)])["things"].result(30)
                around = Surroundings(kafka, Path(folder) / "package")
                yield _row("produce to Kafka", around.produce, around.produce_bare)
                yield _row("consume from Kafka", around.consume, around.consume_bare)
        except Missing as missing:
            print(f"streams: not measured: {missing}", file=sys.stderr)


def _row(name: str, ours: Callable[[], float], bare: Callable[[], float]) -> dict[str, object]:
    times: dict[Callable[[], float], list[float]] = {ours: [], bare: []}
    shuffle = random.Random(1).shuffle
    for candidate in times:
        candidate()
    for _ in range(ROUNDS):
        order = list(times)
        shuffle(order)
        for candidate in order:
            gc.collect()
            times[candidate].append(candidate())
    ratios = [other / own for own, other in zip(times[ours], times[bare], strict=True)]
    return {
        "name": f"{name}, orders, beside confluent-kafka with fastavro",
        "ours": COUNT / statistics.median(times[ours]),
        "other": COUNT / statistics.median(times[bare]),
        "ratio": statistics.median(ratios),
        "unit": "messages/s",
    }
