"""How does Apache Kafka start here: one node, or three in one quorum?

Every node is reached in two ways: directly, and through a proxy that delays, cuts or stalls.
Whoever bootstraps through the proxies stays behind them, since each node tells such clients its
proxy's address; the nodes themselves talk directly.
"""

from __future__ import annotations

import base64
import itertools
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from real.java import KAFKA, java, maven_class_path
from real.processes import (
    HOST,
    DidNotStart,
    Server,
    free_ports,
    start_on_free_ports,
    wait_until,
)
from real.proxy import Proxy, open_proxy

_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


class Kafka:
    """A cluster that runs; its nodes can be killed, paused and started again."""

    def __init__(self, nodes: list[Server], ports: list[int], proxies: list[Proxy]) -> None:
        self.nodes = nodes
        self.proxies = proxies
        self.bootstrap = ",".join(f"{HOST}:{port}" for port in ports)
        self.proxied_bootstrap = ",".join(proxy.address for proxy in proxies)
        self._numbers = itertools.count(1)

    def admin(self) -> AdminClient:
        """An admin client of the cluster."""
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def make_topic(
        self, name: str = "topic", partitions: int = 1, config: dict[str, str] | None = None
    ) -> str:
        """Make a topic with as many replicas as there are nodes; its name, which is new."""
        made = f"{name}-{next(self._numbers)}"
        topic = NewTopic(made, partitions, len(self.nodes), config=config or {})
        client = self.admin()
        client.create_topics([topic])[made].result(30)
        wait_until(lambda: made in self.admin().list_topics(timeout=10).topics, 30, made)
        return made

    def read(
        self, topic: str, *, isolation: str = "read_committed", limit: int | None = None
    ) -> list[Message]:
        """What readers of this isolation level see of a topic, or the first of it."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "reader",
                "isolation.level": isolation,
                "enable.partition.eof": True,
            }
        )
        try:
            partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            found: list[Message] = []
            ended = 0
            while ended < len(partitions) and len(found) != limit:
                message = consumer.poll(20)
                assert message is not None, f"no end of {topic}"
                error = message.error()
                if error is None:
                    found.append(message)
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended += 1
            return found
        finally:
            consumer.close()

    def lag(self, group: str, topic: str) -> int:
        """How many messages of a topic a group has not committed."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        try:
            partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            places = [TopicPartition(topic, number) for number in partitions]
            left = 0
            for place in consumer.committed(places, 30):
                low, high = _find_range(consumer, place)
                left += high - max(low, place.offset)
            return left
        finally:
            consumer.close()

    def count_brokers(self) -> int:
        """How many brokers the cluster says it has; none when it does not answer."""
        try:
            return len(self.admin().list_topics(timeout=3).brokers)
        except KafkaException:
            return 0


def _find_range(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """The offsets of a partition, whose leader may be changing."""
    deadline = time.monotonic() + 60
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, 10)
            return low, high
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def start_kafka(folder: Path, node_count: int = 1) -> Iterator[Kafka]:
    """A cluster with its data in a folder, for as long as this context.

    Raises Missing without Java or Maven, and DidNotStart.
    """
    cluster = start_on_free_ports(
        lambda attempt: _start_cluster(folder / f"attempt-{attempt}", node_count)
    )
    try:
        yield cluster
    finally:
        _close(cluster)


def _start_cluster(folder: Path, node_count: int) -> Kafka:
    cluster = _make_cluster(folder, node_count)
    try:
        for node in cluster.nodes:
            node.launch()
        for node in cluster.nodes:
            node.wait()
        wait_until(lambda: cluster.count_brokers() == node_count, 60, "all brokers in the quorum")
    except BaseException:
        _close(cluster)
        raise
    return cluster


def _close(cluster: Kafka) -> None:
    for node in cluster.nodes:
        # Its data is not needed again, so there is nothing to end in order.
        node.kill()
    for proxy in cluster.proxies:
        proxy.close()


def _make_cluster(folder: Path, node_count: int) -> Kafka:
    libraries = maven_class_path(*KAFKA)
    ports = free_ports(3 * node_count)
    direct, proxied, control = (ports[start::3] for start in range(3))
    voters = ",".join(f"{number}@{HOST}:{port}" for number, port in enumerate(control, 1))
    proxies = [open_proxy(port) for port in proxied]
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    nodes = []
    for number in range(1, node_count + 1):
        home = folder / f"node-{number}"
        home.mkdir(parents=True)
        at = number - 1
        properties = home / "server.properties"
        properties.write_text(
            _properties(
                number,
                home,
                {"PLAINTEXT": direct[at], "PROXIED": proxied[at], "CONTROLLER": control[at]},
                {"PLAINTEXT": direct[at], "PROXIED": proxies[at].port},
                voters,
                node_count,
            )
        )
        _format(home, properties, libraries, cluster_id)
        command = [*_java(libraries), "kafka.Kafka", str(properties)]
        nodes.append(
            Server(
                f"Kafka node {number}",
                command,
                home / "kafka.log",
                partial(_answers, node_count, direct[at]),
            )
        )
    return Kafka(nodes, direct, proxies)


def _properties(
    number: int,
    home: Path,
    listeners: dict[str, int],
    advertised: dict[str, int],
    voters: str,
    node_count: int,
) -> str:
    def addresses(ports: dict[str, int]) -> str:
        return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())

    in_sync = min(2, node_count)
    rows = {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": voters,
        "listeners": addresses(listeners),
        "advertised.listeners": addresses(advertised),
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
        "log.dirs": home / "data",
        "auto.create.topics.enable": "false",
        "default.replication.factor": node_count,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": node_count,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": node_count,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": node_count,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        # A killed broker is missed soon.
        "broker.session.timeout.ms": 6000,
    }
    return "".join(f"{name}={value}\n" for name, value in rows.items())


def _format(home: Path, properties: Path, libraries: str, cluster_id: str) -> None:
    tool = [*_java(libraries), "kafka.tools.StorageTool"]
    done = subprocess.run(
        # One word, because an id may begin with a hyphen.
        [*tool, "format", f"--cluster-id={cluster_id}", "-c", str(properties)],
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise DidNotStart(f"Kafka did not format its storage:\n{done.stdout}{done.stderr}")


def _answers(node_count: int, port: int) -> bool:
    # One of several answers nothing of use before the others are there.
    if node_count > 1:
        return True
    client = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0})
    try:
        return bool(client.list_topics(timeout=1).brokers)
    except KafkaException:
        return False


def _java(libraries: str) -> list[str]:
    return [str(java(17)), *_OPTIONS, "-cp", libraries]
