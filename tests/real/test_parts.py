"""Each real part works, with the clients that people use."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from real.java import AVRO, compile_java, java, maven_class_path
from real.kafka import Kafka
from real.node import npm_install, run_node
from real.postgres import Postgres
from real.processes import HOST, DidNotStart, Missing, Server, free_ports, wait_until
from real.proxy import Proxy
from real.registries import Registry

HERE = Path(__file__).parent


def produce(bootstrap: str, topic: str, values: list[bytes], **options: object) -> None:
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, **options})
    for value in values:
        producer.produce(
            topic, value, on_delivery=lambda error, _: failures.append(error) if error else None
        )
    assert producer.flush(30) == 0
    assert failures == []


def consume(bootstrap: str, topic: str, count: int, **options: object) -> list[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"group-of-{topic}",
            "auto.offset.reset": "earliest",
            **options,
        }
    )
    consumer.subscribe([topic])
    found: list[Message] = []
    try:
        deadline = time.monotonic() + 40
        while len(found) < count and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                found.append(message)
    finally:
        consumer.close()
    return found


def test_what_is_produced_to_kafka_is_consumed_in_order(kafka: Kafka) -> None:
    topic = kafka.make_topic("plain")
    values = [b"%d" % number for number in range(500)]
    produce(kafka.bootstrap, topic, values)
    assert [message.value() for message in consume(kafka.bootstrap, topic, 500)] == values


def test_kafka_commits_transactions_and_hides_aborted_ones(kafka: Kafka) -> None:
    topic = kafka.make_topic("transactional")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for value, ends in ((b"dropped", producer.abort_transaction), (b"kept", None)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(10)
        (ends or producer.commit_transaction)(30)
    found = consume(kafka.bootstrap, topic, 1, **{"isolation.level": "read_committed"})
    assert [message.value() for message in found] == [b"kept"]


def test_kafka_behind_its_proxy_can_be_cut_off_and_comes_back(kafka: Kafka) -> None:
    topic = kafka.make_topic("proxied")
    (proxy,) = kafka.proxies
    produce(kafka.proxied_bootstrap, topic, [b"before"])
    assert proxy.accepted > 0
    outcomes: list[object] = []
    producer = Producer({"bootstrap.servers": kafka.proxied_bootstrap, "log_level": 0})
    assert producer.list_topics(timeout=10).brokers[1].port == proxy.port
    try:
        proxy.cut()
        producer.produce(topic, b"meanwhile", on_delivery=lambda error, _: outcomes.append(error))
        assert producer.flush(2) == 1, "it was delivered through a cut connection"
    finally:
        proxy.restore()
    assert producer.flush(30) == 0
    assert outcomes == [None]
    found = {message.value() for message in consume(kafka.bootstrap, topic, 2)}
    assert found == {b"before", b"meanwhile"}


def test_kafka_keeps_what_it_acknowledged_through_kill_9(new_kafka: Kafka) -> None:
    topic = new_kafka.make_topic("durable")
    (node,) = new_kafka.nodes
    produce(new_kafka.bootstrap, topic, [b"kept"])
    node.kill()
    assert not node.is_running
    assert new_kafka.count_brokers() == 0
    node.start()
    produce(new_kafka.bootstrap, topic, [b"after"])
    found = [message.value() for message in consume(new_kafka.bootstrap, topic, 2)]
    assert found == [b"kept", b"after"]


def test_three_brokers_go_on_after_the_loss_of_one(kafka_cluster: Kafka) -> None:
    topic = kafka_cluster.make_topic("replicated", partitions=3)
    described = kafka_cluster.admin().list_topics(topic, timeout=10).topics[topic].partitions
    assert [len(one.replicas) for one in described.values()] == [3, 3, 3]
    produce(kafka_cluster.bootstrap, topic, [b"%d" % number for number in range(30)])
    lost = kafka_cluster.nodes[0]
    lost.kill()
    try:
        produce(kafka_cluster.bootstrap, topic, [b"%d" % number for number in range(30, 60)])
        assert len(consume(kafka_cluster.bootstrap, topic, 60)) == 60
    finally:
        lost.start()
    wait_until(lambda: kafka_cluster.count_brokers() == 3, 60, "three brokers again")


ORDER = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}'
WIDER = (
    '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"},'
    ' {"name": "note", "type": "string"}]}'
)


def test_a_registry_registers_judges_and_refuses(registry: Registry) -> None:
    client = SchemaRegistryClient({"url": registry.url})
    id = client.register_schema("orders-value", Schema(ORDER, "AVRO"))
    client.set_compatibility("orders-value", "BACKWARD")
    assert client.get_latest_version("orders-value").schema_id == id
    assert json.loads(client.get_schema(id).schema_str or "") == json.loads(ORDER)
    assert not client.test_compatibility("orders-value", Schema(WIDER, "AVRO"))
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema("orders-value", Schema(WIDER, "AVRO"))
    assert refused.value.http_status_code == 409
    registry.clear()
    assert client.get_subjects() == []


def ask(url: str, timeout: float = 10.0) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", url, timeout=timeout, retries=False)


def test_a_registry_behind_its_proxy_can_be_slow_stalled_and_cut_off(registry: Registry) -> None:
    url = f"{registry.proxied_url}/subjects"
    assert ask(url).json() == []
    registry.proxy.delay = 0.3
    started = time.monotonic()
    assert ask(url).status == 200
    assert time.monotonic() - started > 0.5
    registry.proxy.restore()
    registry.proxy.stall()
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        ask(url, timeout=0.5)
    registry.proxy.restore()
    registry.proxy.cut()
    with pytest.raises((urllib3.exceptions.ProtocolError, urllib3.exceptions.NewConnectionError)):
        ask(url)
    registry.proxy.restore()
    assert ask(url).status == 200


def test_postgres_answers(postgres: Postgres) -> None:
    assert postgres.query("SELECT 6 * 7") == "42"
    with pytest.raises(AssertionError, match=r"does not exist"):
        postgres.query("SELECT * FROM nothing")


def test_avro_java_answers(tmp_path: Path) -> None:
    class_path = compile_java(HERE / "java" / "Reference.java", maven_class_path(AVRO), tmp_path)
    question = {"id": 1, "reader": WIDER, "writer": ORDER}
    done = subprocess.run(
        [java(17), "-cp", class_path, "Reference"],
        input=json.dumps(question) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["id"] == 1


def test_node_runs_on_npm_packages() -> None:
    packages = npm_install("avsc@5.7.9")
    program = """
      const type = require('avsc').Type.forSchema('string');
      const text = JSON.parse(process.env.ARGUMENT);
      console.log(JSON.stringify(type.toBuffer(text).toString('hex')));
    """
    assert run_node(packages, program, "ab") == "046162"


def test_the_oldest_java_that_is_new_enough_is_chosen() -> None:
    with pytest.raises(Missing, match=r"Java 999 or newer is needed, here is .*; install a JDK"):
        java(999)
    printed = subprocess.run([java(17), "-version"], capture_output=True, text=True, check=True)
    assert "version" in printed.stderr


class TestProxy:
    """A proxy in front of a server that sends back what it gets."""

    @pytest.fixture
    def proxy(self, proxy_to: Callable[[int], Proxy]) -> Iterator[Proxy]:
        program = (
            "import socketserver\n"
            "class Echo(socketserver.BaseRequestHandler):\n"
            "    def handle(self):\n"
            "        while piece := self.request.recv(9999): self.request.sendall(piece)\n"
            "with socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo) as server:\n"
            "    server.daemon_threads = True\n"
            "    print(server.server_address[1], flush=True)\n"
            "    server.serve_forever()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as server:
            assert server.stdout is not None
            yield proxy_to(int(server.stdout.readline()))
            server.kill()

    def open(self, proxy: Proxy) -> socket.socket:
        return socket.create_connection((HOST, proxy.port), 10)

    def test_it_passes_much_data_both_ways_and_the_end_of_it(self, proxy: Proxy) -> None:
        data = os.urandom(3_000_000)
        with self.open(proxy) as client:
            received = bytearray()
            for start in range(0, len(data), 50_000):
                client.sendall(data[start : start + 50_000])
                while len(received) < min(start + 50_000, len(data)):
                    received += client.recv(65_536)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        assert bytes(received) == data

    def test_it_stalls_and_goes_on(self, proxy: Proxy) -> None:
        with self.open(proxy) as client:
            proxy.stall()
            client.sendall(b"patience")
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(100)
            proxy.restore()
            client.settimeout(10)
            assert client.recv(100) == b"patience"

    def test_it_cuts_in_the_middle_of_an_answer(self, proxy: Proxy) -> None:
        proxy.cut_after(5)
        with self.open(proxy) as client:
            client.sendall(b"0123456789")
            received = b""
            with pytest.raises(ConnectionResetError):
                while piece := client.recv(100):
                    received += piece
                raise ConnectionResetError
            assert received == b"01234"
        with pytest.raises(ConnectionResetError), self.open(proxy) as client:
            client.sendall(b"x")
            if client.recv(100) == b"":
                raise ConnectionResetError
        proxy.restore()
        with self.open(proxy) as client:
            client.sendall(b"again")
            assert client.recv(100) == b"again"

    def test_it_drops_connections_and_serves_new_ones(self, proxy: Proxy) -> None:
        with self.open(proxy) as client:
            client.sendall(b"a")
            assert client.recv(1) == b"a"
            proxy.drop_connections()
            with pytest.raises(ConnectionResetError):
                if client.recv(1) == b"":
                    raise ConnectionResetError
        with self.open(proxy) as client:
            client.sendall(b"b")
            assert client.recv(1) == b"b"
        assert proxy.accepted == 2


class TestServers:
    """Servers are stopped whatever happens, and say why they did not start."""

    def test_one_that_ends_at_once_shows_its_log(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", "raise SystemExit('the disk is full')"]
        server = Server("Disk", command, tmp_path / "log", lambda: False)
        with pytest.raises(DidNotStart, match=r"(?s)Disk ended with 1.*the disk is full"):
            server.start()
        assert server not in Server.running

    def test_one_that_never_answers_is_stopped(self, tmp_path: Path) -> None:
        command = [sys.executable, "-uc", "print('thinking'); import time; time.sleep(600)"]
        server = Server("Thinker", command, tmp_path / "log", lambda: False, patience=1.0)
        with pytest.raises(DidNotStart, match=r"(?s)not within 1 s.*thinking"):
            server.start()
        assert not server.is_running

    def test_one_that_does_not_want_to_stop_is_killed(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        program = "import signal, time; signal.signal(15, signal.SIG_IGN)\nprint(1); time.sleep(99)"
        server = Server(
            "Mule", [sys.executable, "-uc", program], log, lambda: log.stat().st_size > 0
        )
        server.start()
        started = time.monotonic()
        server.stop(0.5)
        assert not server.is_running
        assert time.monotonic() - started < 10

    def test_nothing_outlives_a_worker_that_is_killed(self, tmp_path: Path) -> None:
        (port,) = free_ports(1)
        log = tmp_path / "log"
        program = (
            "import sys, time; from pathlib import Path\n"
            f"sys.path.insert(0, {str(HERE.parent)!r})\n"
            "from real.processes import Server\n"
            f"command = [sys.executable, '-m', 'http.server', '--bind', '{HOST}', '{port}']\n"
            f"Server('web', command, Path({str(log)!r}), lambda: True).start()\n"
            "print('up', flush=True); time.sleep(600)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
        ) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "up\n"
            wait_until(lambda: is_open(port), 20, "the server")
            os.kill(worker.pid, signal.SIGKILL)
        wait_until(lambda: not is_open(port), 20, "the end of the server")


def is_open(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((HOST, port)) == 0


def test_what_is_missing_is_skipped_with_a_reason_and_fails_in_ci(
    pytester_folder: Path,
) -> None:
    for ci, outcome, code in (("", "1 skipped", 0), ("true", "1 error", 1)):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "-q", "."],
            cwd=pytester_folder,
            env={**os.environ, "CI": ci, "PYTHONPATH": str(HERE.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (outcome in done.stdout, done.returncode) == (True, code), done.stdout
        assert "Java 999 or newer is needed" in done.stdout


@pytest.fixture
def pytester_folder(tmp_path: Path) -> Path:
    """A small test suite under the same rule, with a test that needs what nobody has."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    rule = "pytest_runtest_setup, pytest_runtest_call"
    (tmp_path / "conftest.py").write_text(f"from real.conftest import {rule}\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "from real.java import java\n"
        "@pytest.fixture(scope='session')\n"
        "def part():\n"
        "    return java(999)\n"
        "def test_it(part):\n"
        "    pass\n"
    )
    return tmp_path
