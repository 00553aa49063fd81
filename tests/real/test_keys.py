"""Keys with a schema of their own on a real broker, written and read by Kafka's Java client."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from test_python_runtime_keys import async_shelves, shelves  # noqa: F401

from real.java import AVRO, KAFKA, compile_java, java, maven_class_path
from real.kafka import Kafka
from real.processes import wait_until

SOURCE = Path(__file__).parent / "java" / "Keys.java"
PARTITIONS = 7
ROWS = range(20)
TOPICS = ("shelves", "notes")

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compile_java(SOURCE, maven_class_path(*KAFKA, AVRO), tmp_path_factory.mktemp("keys"))


@pytest.fixture
def topics(kafka: Kafka) -> Iterator[None]:
    """The topics of the shelves, empty."""
    client = kafka.admin()
    made = client.create_topics([NewTopic(name, PARTITIONS, 1) for name in TOPICS])
    for one in made.values():
        one.result(30)
    wait_until(lambda: set(TOPICS) <= set(client.list_topics(timeout=10).topics), 30, "topics")
    yield
    for deleted in client.delete_topics([*TOPICS]).values():
        deleted.result(30)


def register(package: ModuleType, url: str) -> dict[str, Any]:
    """Register all that the package sends; the row for each schema by its name, for Java."""
    client = SchemaRegistryClient.new_client({"url": url})
    codecs = importlib.import_module(f"{package.__name__}.codecs")
    rows = {}
    for kind in (codecs.SHELVES_KEY, codecs.SHELF_FILLED, codecs.NOTED):
        id = client.register_schema(kind.subject, Schema(kind.schema, "AVRO"))
        rows[kind.name] = {"id": id, "schema": kind.schema}
    return rows


def ask_java(class_path: str, kafka: Kafka, rows: Rows) -> Rows:
    done = subprocess.run(
        [java(17), "-Xmx256m", "-cp", class_path, "Keys", kafka.bootstrap],
        input="".join(f"{json.dumps(row)}\n" for row in rows),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def place_of(row: int) -> UUID:
    return UUID(int=row * 0x1234567890ABCDEF)


class Seen:
    """What the handlers of either flavour were given."""

    def __init__(self) -> None:
        self.shelves: list[Any] = []
        self.notes: list[Any] = []

    def note_shelf(self, event: Any, message: Any) -> None:
        self.shelves.append((event, message.typed_key, message.partition))

    def note_note(self, event: Any, message: Any) -> None:
        self.notes.append((event, message.key, message.partition))

    def make(self, is_async: bool) -> Any:
        shelf, note = self.note_shelf, self.note_note

        def method(act: Callable[[Any, Any], None]) -> Any:
            async def wait(self: object, event: Any, message: Any) -> None:
                act(event, message)

            return wait if is_async else lambda self, event, message: act(event, message)

        async def nothing(self: object, message: Any) -> None: ...

        methods = {
            "on_shelf_filled": method(shelf),
            "on_shelf_emptied": method(shelf),
            "on_noted": method(note),
            "on_deletion_from_shelves": nothing if is_async else lambda self, message: None,
        }
        return type("Handler", (), methods)()


@pytest.mark.parametrize("flavour", ["threads", "asyncio"])
def test_java_and_the_stubs_read_each_other_and_choose_the_same_partitions(
    flavour: str,
    shelves: ModuleType,
    async_shelves: ModuleType,
    kafka: Kafka,
    topics: None,
    schema_registry: str,
    class_path: str,
) -> None:
    package = shelves if flavour == "threads" else async_shelves
    schemas = register(package, schema_registry)
    made = package.settings(
        bootstrap_servers=kafka.bootstrap, registry_url=schema_registry, environment={}
    )
    events = [
        *(package.ShelfFilled(row=row, place=place_of(row), article=f"tea {row}") for row in ROWS),
        *(package.Noted(note_id=f"größe {row}", text="") for row in ROWS),
    ]
    partitions = send(package, made, events)
    key_id, shelf_id = schemas["store.ShelfKey"]["id"], schemas["store.ShelfFilled"]["id"]
    keys = [{"place": str(place_of(row)), "row": row} for row in ROWS]

    def filled(row: int) -> dict[str, Any]:
        value = {"row": row, "place": str(place_of(row)), "article": f"coffee {row}"}
        return {"id": shelf_id, "json": value}

    noted = {"id": schemas["store.Noted"]["id"], "json": {"note_id": "n", "text": "java"}}
    reading = [{"topic": topic, "partitions": PARTITIONS, "count": len(ROWS)} for topic in TOPICS]
    writing = [
        *(
            {"topic": "shelves", "key": {"id": key_id, "json": keys[row]}, "value": filled(row)}
            for row in ROWS
        ),
        *({"topic": "notes", "key": f"größe {row}", "value": noted} for row in ROWS),
    ]
    answers = ask_java(class_path, kafka, [*schemas.values(), *reading, *writing])
    read, written = answers[: 2 * len(ROWS)], answers[2 * len(ROWS) :]
    assert {(one["key"], one["partition"]) for one in read} == {
        *((json.dumps(key), partitions[row]) for row, key in enumerate(keys)),
        *((f"größe {row}", partitions[len(ROWS) + row]) for row in ROWS),
    }
    assert {json.loads(one["value"]).get("article") for one in read} == {
        *(f"tea {row}" for row in ROWS),
        None,
    }
    assert [one["partition"] for one in written] == partitions
    assert len(set(partitions[: len(ROWS)])) > 2 and len(set(partitions[len(ROWS) :])) > 2

    seen = Seen()
    consume(package, made, seen, 2 * len(writing))
    from_java = [one for one in seen.shelves if one[0].article.startswith("coffee")]
    assert sorted(from_java, key=lambda one: int(one[1].row)) == [
        (
            package.ShelfFilled(row=row, place=place_of(row), article=f"coffee {row}"),
            package.ShelfKey(place=place_of(row), row=row),
            partitions[row],
        )
        for row in ROWS
    ]
    assert sum(event.text == "java" for event, _, _ in seen.notes) == len(ROWS)
    assert {(key.decode(), partition) for _, key, partition in seen.notes} == {
        (f"größe {row}", partitions[len(ROWS) + row]) for row in ROWS
    }


def send(package: ModuleType, made: Any, events: list[Any]) -> list[int]:
    """Send events; the partition of each."""
    if package.__name__ == "shelves":
        with package.Producer(made) as producer:
            sent = [producer.send(event) for event in events]
            producer.flush()
            return [delivery.partition for delivery in sent]

    async def send() -> list[int]:
        async with package.Producer(made) as producer:
            sent = [await producer.send(event) for event in events]
            await producer.flush()
            return [delivery.partition for delivery in sent]

    return asyncio.run(asyncio.wait_for(send(), 60))


def consume(package: ModuleType, made: Any, seen: Seen, count: int) -> None:
    """Handle so many messages, none of which may be given up."""
    policy = package.Policy(
        on_failure=package.Action.FAIL,
        on_poison=package.Action.FAIL,
        on_unknown_event=package.Action.FAIL,
    )
    if package.__name__ == "shelves":
        with package.Consumer(made, seen.make(False), policy=policy) as consumer:
            wait_until(lambda: drain(consumer) >= count, 60, "all messages")
        return

    async def consume() -> None:
        async with package.Consumer(made, seen.make(True), policy=policy) as consumer:
            while consumer.statistics.handled < count:
                await consumer.drain(0.5)

    asyncio.run(asyncio.wait_for(consume(), 60))


def drain(consumer: Any) -> int:
    consumer.drain(0.5)
    return int(consumer.statistics.handled)
