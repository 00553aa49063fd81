"""`kontrakt topics` on a real broker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)

from real.kafka import Kafka
from real.processes import free_ports, wait_until

PROJECT = Path(__file__).parent.parent.parent
MONTH = str(30 * 86_400_000)


def topics(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "topics", "--root", str(root), *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


@pytest.fixture
def shop(tmp_path: Path, kafka: Kafka) -> Path:
    """The retail contracts with topics of names of their own, for one broker."""
    for file in (PROJECT / "schemas").rglob("*.avsc"):
        copy = tmp_path / file.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    text = (PROJECT / "schemas/contracts.yaml").read_text("utf-8")
    text = text.replace("replication: 3", "replication: 1")
    for name in ("orders", "inventory-updates", "order-completions"):
        text = re.sub(rf"(?<![\w.-]){name}(?=[:\],}}\n])", f"t-{name}", text)
    (tmp_path / "schemas/contracts.yaml").write_text(text, "utf-8")
    return tmp_path


def configs(admin: AdminClient, name: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, name)
    entries = admin.describe_configs([resource])[resource].result(30)
    return {key: str(entry.value) for key, entry in entries.items()}


def partitions(admin: AdminClient, name: str) -> int:
    return len(admin.list_topics(timeout=10).topics[name].partitions)


def test_topics_are_created_compared_and_brought_in_step(kafka: Kafka, shop: Path) -> None:
    admin, where = kafka.admin(), {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap}
    before = set(admin.list_topics(timeout=10).topics)
    plan = topics(shop, **where)
    assert plan.returncode == 1
    assert plan.stdout.count("  create  ") == 7, plan.stdout
    assert set(admin.list_topics(timeout=10).topics) == before, "a plan writes nothing"

    made = topics(shop, "--apply", **where)
    assert made.returncode == 0, made.stdout + made.stderr
    wait_until(lambda: "t-orders" in admin.list_topics(timeout=10).topics, 30, "the topics")
    assert partitions(admin, "t-orders") == 6
    assert partitions(admin, "t-orders.inventory-service.dlq") == 1
    held = configs(admin, "t-orders")
    assert (held["retention.ms"], held["cleanup.policy"]) == (MONTH, "delete")
    assert configs(admin, "t-orders.inventory-service.dlq")["max.message.bytes"] == "1114124"
    again = topics(shop, **where)
    assert (again.returncode, "unchanged  7 topics" in again.stdout) == (0, True), again.stdout

    manifest = shop / "schemas/contracts.yaml"
    text = manifest.read_text("utf-8")
    text = text.replace("partitions: 6", "partitions: 8").replace("retention: 90d", "retention: 1d")
    manifest.write_text(text, "utf-8")
    drift = topics(shop, "--apply", **where)
    assert drift.returncode == 1
    assert "partitions 6 -> 8 is not done" in drift.stdout
    assert "keys would move to other partitions" in drift.stdout
    assert partitions(admin, "t-order-completions") == 6
    assert configs(admin, "t-order-completions")["retention.ms"] == "86400000"
    grown = topics(shop, "--apply", "--add-partitions", **where)
    assert grown.returncode == 0, grown.stdout + grown.stderr
    wait_until(lambda: partitions(admin, "t-orders") == 8, 30, "more partitions")
    done = topics(shop, "--format", "json", **where)
    assert (done.returncode, json.loads(done.stdout)["in_step"]) == (0, True)


def test_what_the_broker_refuses_is_said(kafka: Kafka, shop: Path) -> None:
    topics(shop, "--apply", "--bootstrap", kafka.bootstrap)
    manifest = shop / "schemas/contracts.yaml"
    # A retention that no broker takes: it has 64 bits.
    text = manifest.read_text("utf-8").replace("retention: 90d", "retention: 999999999999y")
    manifest.write_text(text, "utf-8")
    done = topics(shop, "--apply", "--bootstrap", kafka.bootstrap)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"refused +t-order-completions +\S", done.stdout), done.stdout


def test_too_many_replicas_are_seen_in_the_plan(kafka: Kafka) -> None:
    done = topics(PROJECT, "--apply", "--bootstrap", kafka.bootstrap)
    assert done.returncode == 1
    assert "the cluster has 1 broker; on one for development give --replication" in done.stdout


def test_a_cluster_that_does_not_answer_could_not_be_checked() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    done = topics(PROJECT, "--bootstrap", address, "--option", "socket.timeout.ms=2000")
    assert done.returncode == 3
    assert f"Kafka at {address} cannot be used: " in done.stderr
    assert "refused" in done.stderr
    assert done.stdout == ""
