"""A Kafka cluster as an administrator sees it: its topics, and changes to them.

confluent-kafka's AdminClient and nothing else. What the cluster does not answer is CouldNotCheck,
what it answers with no is a ClusterRefusal; nothing here decides what a topic should be like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from codegen.diagnostics import CouldNotCheck, KontraktError

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

TIMEOUT = 15.0
"""How many seconds a cluster has for one answer."""

CONNECTION_OPTIONS = ("bootstrap.", "security.", "sasl.", "ssl.", "socket.", "broker.", "client.",
                      "enable.ssl", "reconnect.", "metadata.", "debug", "log")  # fmt: skip
"""How those of librdkafka's options begin that lead to a cluster; a service's environment also has
others, which are about producing and consuming."""


class ClusterRefusal(Exception):
    """The cluster does not do what it was asked to; the message is its own."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the cluster has it; `configs` holds all its settings, the defaults too."""

    partitions: int
    replication: int
    """The smallest number of replicas that any of its partitions has."""
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What a cluster holds: how many brokers, and of the topics asked about those that exist."""

    brokers: int
    topics: Mapping[str, TopicState]


class Cluster(Protocol):
    """A cluster's topics. All methods raise CouldNotCheck, those that write ClusterRefusal too."""

    @property
    def name(self) -> str:
        """Its address; no credentials."""

    def describe(self, names: Sequence[str]) -> ClusterState:
        """The state of topics; one that does not exist is absent."""

    def create(
        self, name: str, partitions: int, replication: int, configs: Mapping[str, str]
    ) -> None:
        """Create a topic."""

    def configure(self, name: str, configs: Mapping[str, str]) -> None:
        """Set settings of a topic, and leave its others as they are."""

    def add_partitions(self, name: str, total: int) -> None:
        """Give a topic more partitions, so that it has this many."""


def open_cluster(options: Mapping[str, object]) -> Cluster:
    """The cluster that librdkafka's options lead to; nothing is sent yet.

    Raises KontraktError for options that librdkafka does not take, and without the extra `kafka`.
    """
    try:
        from confluent_kafka import KafkaException  # noqa: PLC0415
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415
    except ImportError:
        raise KontraktError(
            "the way to Kafka needs confluent-kafka", "pip install 'kontrakt[kafka]'"
        ) from None
    reasons: list[str] = []
    servers = str(options["bootstrap.servers"])
    chosen: dict[str, Any] = {
        **options, "error_cb": lambda error: reasons.append(error.str())
    }  # fmt: skip
    try:
        # Errors are told by us; librdkafka would print each on stderr as well.
        client = AdminClient({"log_level": 0, **chosen})
    except (KafkaException, TypeError, ValueError) as error:
        problem = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        hint = "options are KAFKA_<OPTION> in the environment, or --option NAME=VALUE"
        raise KontraktError(f"the options for Kafka cannot be used: {problem}", hint) from None
    return _KafkaCluster(servers, client, reasons)


@dataclass(frozen=True, slots=True)
class _KafkaCluster:
    name: str
    _client: AdminClient
    _reasons: list[str]
    """What went wrong with connections so far: the errors of requests only say that time is up."""

    def describe(self, names: Sequence[str]) -> ClusterState:
        admin = _load_admin()
        with self._answering():
            # Asked about one by one, a cluster may create what is not there.
            metadata = self._client.list_topics(timeout=TIMEOUT)
            found = {name: metadata.topics[name] for name in names if name in metadata.topics}
            wanted = [admin.ConfigResource(admin.ResourceType.TOPIC, name) for name in found]
            configs: dict[str, dict[str, str]] = {}
            if wanted:
                asked = self._client.describe_configs(wanted, request_timeout=TIMEOUT)
                for resource, future in asked.items():
                    entries = future.result()
                    configs[resource.name] = {
                        key: str(entry.value)
                        for key, entry in entries.items()
                        if entry.value is not None
                    }
        topics: dict[str, TopicState] = {}
        for name, topic in found.items():
            replicas = [len(one.replicas) for one in topic.partitions.values()]
            if topic.error is not None or not replicas:
                reason = topic.error.str() if topic.error is not None else "it has no partitions"
                raise self._lost(f"topic {name}: {reason}")
            topics[name] = TopicState(len(replicas), min(replicas), configs[name])
        return ClusterState(len(metadata.brokers), topics)

    def create(
        self, name: str, partitions: int, replication: int, configs: Mapping[str, str]
    ) -> None:
        from confluent_kafka.cimpl import NewTopic  # noqa: PLC0415

        topic = NewTopic(name, partitions, replication, config=dict(configs))
        with self._answering(is_change=True):
            self._client.create_topics([topic], operation_timeout=TIMEOUT)[name].result()

    def configure(self, name: str, configs: Mapping[str, str]) -> None:
        admin = _load_admin()
        entries = [
            admin.ConfigEntry(key, value, incremental_operation=admin.AlterConfigOpType.SET)
            for key, value in configs.items()
        ]
        kind = admin.ResourceType.TOPIC
        resource = admin.ConfigResource(kind, name, incremental_configs=entries)
        with self._answering(is_change=True):
            asked = self._client.incremental_alter_configs([resource], request_timeout=TIMEOUT)
            for future in asked.values():
                future.result()

    def add_partitions(self, name: str, total: int) -> None:
        from confluent_kafka.cimpl import NewPartitions  # noqa: PLC0415

        with self._answering(is_change=True):
            asked = self._client.create_partitions(
                [NewPartitions(name, total)], operation_timeout=TIMEOUT
            )
            asked[name].result()

    @contextmanager
    def _answering(self, is_change: bool = False) -> Iterator[None]:
        from confluent_kafka import KafkaException  # noqa: PLC0415

        try:
            yield
        except KafkaException as exception:
            error: Any = exception.args[0]
            # Errors of librdkafka itself have numbers below zero: nobody answered.
            if is_change and error.code() > 0:
                raise ClusterRefusal(error.str()) from None
            raise self._lost(self._explain(error)) from None

    def _explain(self, error: Any) -> str:
        """Why nobody answered: the errors of requests only say that there is no connection."""
        if error.code() < 0:
            self._client.poll(0)  # hands over what went wrong with connections
            return self._reasons[0] if self._reasons else str(error.str())
        return str(error.str())

    def _lost(self, reason: str) -> CouldNotCheck:
        return CouldNotCheck(
            f"Kafka at {self.name} cannot be used: {reason}",
            "see that it runs there, and that KAFKA_BOOTSTRAP_SERVERS and KAFKA_<OPTION> are right",
        )


def _load_admin() -> Any:
    # Its type stubs leave out half of what the module documents as its interface.
    return import_module("confluent_kafka.admin")
