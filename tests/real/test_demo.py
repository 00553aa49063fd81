"""The demo on a real broker and a real registry, and what it leaves there, read by others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from real.kafka import Kafka
from real.registries import Registry

PROJECT = Path(__file__).parent.parent.parent
TOPICS = ("orders", "inventory-updates", "order-completions")
ORDERS = 60


def read_all(bootstrap: str, topic: str) -> list[Message]:
    """Every message of a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})
    found: list[Message] = []
    try:
        parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        places = [TopicPartition(topic, part) for part in parts]
        ranges = [consumer.get_watermark_offsets(place, 10) for place in places]
        consumer.assign(
            [TopicPartition(topic, part, low) for part, (low, _) in zip(parts, ranges, strict=True)]
        )
        expected = sum(high - low for low, high in ranges)
        while len(found) < expected:
            message = consumer.poll(10)
            assert message is not None, f"{len(found)} of {expected} messages of {topic}"
            if message.error() is None:
                found.append(message)
    finally:
        consumer.close()
    return found


def rows_of(output: str) -> dict[str, str]:
    """The table at the end of the demo."""
    lines = [line[2:].split("  ", 1) for line in output.splitlines() if line.startswith("  ")]
    return {row[0].strip(): row[1].strip() for row in lines if len(row) == 2}


def test_the_demo_runs_on_real_parts(new_kafka: Kafka, registry: Registry, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "codegen", "demo", "--orders", str(ORDERS)),
        *("--bootstrap", new_kafka.bootstrap, "--registry", registry.url),
        *("--keep", str(tmp_path / "shop")),
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    events: Counter[str] = Counter()
    placed: set[str] = set()
    finished: set[str] = set()
    client = SchemaRegistryClient({"url": registry.url})
    decode = AvroDeserializer(client, return_record_name=True)
    for topic in TOPICS:
        for message in read_all(new_kafka.bootstrap, topic):
            value = message.value() or b""
            if not value.startswith(b"\0\0\0") or message.key() == b"stranger":
                events["of a stranger"] += 1
                continue
            event = decode(value, SerializationContext(topic, MessageField.VALUE))
            name = dict(message.headers() or [])["ce_type"]
            assert isinstance(name, bytes)
            events[name.decode()] += 1
            order = str(event["order_id"])
            assert (message.key() or b"").decode() == order
            if topic == "orders" and name == b"retail.orders.OrderPlaced":
                placed.add(order)
            elif topic == "order-completions" or name == b"retail.orders.OrderCancelled":
                finished.add(order)
    assert len(placed) == ORDERS
    assert finished == placed, "every order is completed or cancelled"
    assert events["of a stranger"] == 2
    updates = events["retail.inventory.StockReserved"] + events["retail.inventory.StockRejected"]
    assert updates == ORDERS

    table = rows_of(done.stdout)
    assert table["orders in"] == table["notifications"] == str(ORDERS)
    assert int(table["completed"]) + int(table["cancelled"]) == ORDERS
    assert table["event OrderCompleted"] == str(events["retail.orders.OrderCompleted"])
    assert table["breaking change"] == "caught before it was registered"
    assert int(table["dead letters"].split()[0]) == sum(
        len(read_all(new_kafka.bootstrap, f"orders.{service}.dlq"))
        for service in ("inventory-service", "notification-service")
    )
    subjects = client.get_subjects()
    assert "orders-retail.orders.OrderPlaced" in subjects
    assert [len(client.get_versions(subject)) for subject in subjects] == [1] * len(subjects)
