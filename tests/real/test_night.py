"""A night in the shop: many orders on three brokers, while all that can break does.

The services run on their generated packages, in processes of their own, with their effects in
PostgreSQL. One of them is killed, and a broker, the registry is away, connections are cut,
strangers write into the topic, and orders come twice. In the morning every order has exactly one
effect at each service and is announced once, and what nobody could read lies in the dead-letter
topic. So it is with threads and with asyncio.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Message, Producer

from real.kafka import Kafka
from real.postgres import Postgres
from real.processes import HOST, Server, free_ports, wait_until

PROJECT = Path(__file__).parent.parent.parent
SHOP = Path(__file__).parent / "shop"
PROGRAMS = {"threads": SHOP / "night.py", "asyncio": SHOP / "async_night.py"}
ORDERS = {
    "threads": int(os.environ.get("KONTRAKT_NIGHT_ORDERS", "100000")),
    "asyncio": int(os.environ.get("KONTRAKT_ASYNC_NIGHT_ORDERS", "15000")),
}
TWICE = 500
POISON = {
    b"no magic byte": b"\x01\x02\x03",
    b"json": b'{"order_id": 1}',
    b"an unknown schema": b"\0\0\x98\x96\x7f\x02\x02",
    b"cut off": b"",
    b"a flood": b"{" * 900_000,
}
"""What strangers send to topic orders, by their keys; `cut off` is filled in from a real one."""
EACH = 5
"""How often each of them does."""


class Night:
    """The shop, the programs that run in it, and what can be seen from outside."""

    def __init__(self, folder: Path, kafka: Kafka, postgres: Postgres, flavour: str) -> None:
        self.folder = folder
        self.orders = ORDERS[flavour]
        self._program = PROGRAMS[flavour]
        self.kafka = kafka
        self.postgres = postgres
        (port,) = free_ports(1)
        database = folder / "registry.db"
        command = [sys.executable, "-m", "codegen", "registry", "--port", str(port)]
        self.registry = Server(
            "registry",
            [*command, "--database", database],
            folder / "registry.log",
            lambda: _listens(port),
            environment={"PYTHONPATH": str(PROJECT)},
        )
        packages = [
            str(folder / "generated" / name / "python")
            for name in ("order-service", "inventory-service")
        ]
        self.environment = {
            "PYTHONPATH": os.pathsep.join(packages),
            # Through the proxies, so that connections can be cut.
            "KAFKA_BOOTSTRAP_SERVERS": kafka.proxied_bootstrap,
            "SCHEMA_REGISTRY_URL": f"http://{HOST}:{port}",
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "DATABASE_URL": postgres.url,
        }

    def kontrakt(self, *arguments: str) -> None:
        """A command of the tool, in the shop."""
        direct = {
            **os.environ,
            **self.environment,
            "PYTHONPATH": str(PROJECT),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
        }
        done = subprocess.run(
            [sys.executable, "-m", "codegen", *arguments],
            cwd=self.folder,
            env=direct,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def launch(self, name: str, *arguments: str) -> Server:
        """Start a program of the night."""
        server = Server(
            name,
            [sys.executable, self._program, *arguments],
            self.folder / f"{name}.log",
            lambda: True,
            environment=self.environment,
        )
        server.launch()
        return server

    def count(self, table: str) -> int:
        """How many rows there are."""
        return int(self.postgres.query(f"SELECT count(*) FROM {table}"))

    def wait_for(self, table: str, share: float) -> None:
        """Wait until a share of the orders has its effect; it may take long, but must go on."""
        wanted = int(self.orders * share)
        before, since = -1, time.monotonic()
        while (found := self.count(table)) < wanted:
            if found != before:
                before, since = found, time.monotonic()
            assert time.monotonic() - since < 120, f"{table} stands still at {found} of {wanted}"
            time.sleep(0.5)

    def send(self, messages: list[tuple[bytes | None, bytes | None, object]]) -> None:
        """What others write into topic orders: keys, values and headers."""
        failures: list[object] = []
        producer = Producer(
            {"bootstrap.servers": self.kafka.bootstrap, "enable.idempotence": True, "log_level": 0}
        )
        for key, value, headers in messages:
            producer.produce(
                "orders",
                value,
                key,
                headers=headers,  # type: ignore[arg-type]
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
        assert producer.flush(60) == 0
        assert failures == []

    def delete_topics(self) -> None:
        """Delete all topics, for the next night; what groups have committed goes with them."""
        client = self.kafka.admin()

        def find() -> list[str]:
            return [name for name in client.list_topics(timeout=10).topics if name[0] != "_"]

        for deleted in client.delete_topics(find()).values():
            deleted.result(30)
        wait_until(lambda: not find(), 30, "no topics")

    def lag(self) -> int:
        """How many messages of their topics the groups have not committed."""
        groups = {
            "inventory-service": "orders",
            "order-service": "inventory-updates",
            "announcements": "inventory-updates",
        }
        return sum(self.kafka.lag(group, topic) for group, topic in groups.items())


@pytest.fixture(params=list(PROGRAMS))
def night(
    request: pytest.FixtureRequest, tmp_path: Path, kafka_cluster: Kafka, postgres: Postgres
) -> Iterator[Night]:
    folder = tmp_path / "shop"
    folder.mkdir()
    here = Night(folder, kafka_cluster, postgres, request.param)
    here.kontrakt("init", "--example", "retail")
    if request.param == "asyncio":
        manifest = folder / "schemas" / "contracts.yaml"
        text = manifest.read_text()
        assert text.count("{python: {}}") == 3
        manifest.write_text(text.replace("{python: {}}", "{python: {style: async}}"))
    here.kontrakt("topics", "--apply")
    here.registry.start()
    here.kontrakt("register", "--apply")
    here.kontrakt("generate")
    postgres.query(
        "CREATE TABLE reserved (order_id TEXT NOT NULL, pieces INTEGER NOT NULL);"
        "CREATE TABLE completed (order_id TEXT NOT NULL)"
    )
    try:
        yield here
    finally:
        for server in [one for one in Server.running if one.log.parent == folder]:
            server.stop()
        for proxy in kafka_cluster.proxies:
            proxy.restore()
        here.delete_topics()
        postgres.query("DROP TABLE reserved, completed")
        postgres.query("DROP TABLE IF EXISTS kontrakt_inbox, kontrakt_outbox")


def test_every_order_has_exactly_one_effect_whatever_breaks(night: Night) -> None:
    workers = [night.launch(f"inventory-{number}", "reserve") for number in (1, 2, 3)]
    followers = [night.launch(f"orders-{number}", "complete") for number in (1, 2)]
    criers = [night.launch(f"crier-{number}", "announce", f"crier-{number}") for number in (1, 2)]
    relay = night.launch("relay", "relay")
    placing = night.launch("placing", "place", str(night.orders))

    night.wait_for("reserved", 0.05)
    strange = poison(night.kafka.read("orders", limit=1)[0])
    night.send(strange)
    workers.pop(0).kill()
    followers.pop(0).kill()
    criers.pop(0).kill()
    relay.kill()

    night.wait_for("reserved", 0.25)
    night.registry.kill()
    followers.append(night.launch("orders-3", "complete"))
    relay = night.launch("relay-again", "relay")
    # The id of the killed one, whose transaction may be open still.
    criers.append(night.launch("crier-3", "announce", "crier-1"))
    # It knows no schema yet, so it has to wait.
    newcomer = night.launch("inventory-4", "reserve")
    workers.append(newcomer)
    wait_until(lambda: WAITING in newcomer.log_tail(), 60, "a wait for the registry")
    night.registry.start()
    lost = night.kafka.nodes[0]
    lost.kill()
    night.wait_for("reserved", 0.35)
    for proxy in night.kafka.proxies:
        proxy.drop_connections()

    night.wait_for("reserved", 0.5)
    lost.start()
    wait_until(lambda: night.kafka.count_brokers() == 3, 60, "three brokers again")
    night.send([repeat(message) for message in night.kafka.read("orders", limit=TWICE)])
    proxy = night.kafka.proxies[1]
    proxy.cut()
    refused = proxy.accepted + 10
    wait_until(lambda: proxy.accepted > refused, 60, "clients that try again")
    proxy.restore()
    workers.pop(0).kill()

    wait_until(lambda: not placing.is_running, 300, "all orders sent")
    assert "Traceback" not in placing.log_tail(), placing.log_tail()
    night.send(strange)
    night.wait_for("reserved", 1)
    night.wait_for("completed", 1)
    # A client that does not return is given up after half a minute, see `transactions`.
    wait_until(lambda: night.lag() == 0, 120, "everything committed")
    for server in (*workers, *followers, *criers, relay):
        assert server.is_running, server.log_tail()
        server.stop(20)

    for table in ("reserved", "completed"):
        counted = night.postgres.query(f"SELECT count(*), count(DISTINCT order_id) FROM {table}")
        assert counted == f"{night.orders}|{night.orders}", table
    assert night.count("kontrakt_outbox") == 0
    # What the killed relay has sent twice was asked twice.
    asked = Counter(message.key() for message in night.kafka.read("inventory-updates"))
    assert Counter(message.key() for message in night.kafka.read("order-completions")) == asked
    assert len(asked) == night.orders
    found = Counter(bytes(message.key() or b"") for message in night.kafka.read(DEAD_LETTERS))
    # At least once: who is killed between a dead letter and its commit writes it again.
    assert found.keys() == POISON.keys()
    assert all(times >= 2 * EACH for times in found.values()), found
    assert night.kafka.read("inventory-updates.order-service.dlq") == []


WAITING = "waits for the schema registry"
DEAD_LETTERS = "orders.inventory-service.dlq"


def poison(real: Message) -> list[tuple[bytes | None, bytes | None, object]]:
    """What strangers write, and an event that is cut off."""
    whole = real.value() or b""
    values = POISON | {b"cut off": whole[: len(whole) // 2]}
    every: dict[bytes, bytes | None] = {**values, b"no value": None}
    return [(key, value, real.headers()) for key, value in every.items() for _ in range(EACH)]


def repeat(message: Message) -> tuple[bytes | None, bytes | None, object]:
    """The same event again, as a producer sends it that did not hear of its arrival."""
    return message.key(), message.value(), message.headers()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((HOST, port)) == 0
