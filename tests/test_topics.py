"""The topics of a contract beside those of a cluster: what is planned, done, and left alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from codegen import cluster as cluster_module
from codegen.cli import program
from codegen.cluster import Cluster, ClusterRefusal, ClusterState, TopicState
from codegen.contract.load import load_contract
from codegen.contract.model import Contract
from codegen.diagnostics import CouldNotCheck, Findings
from codegen.targets.python.runtime.consuming.dead_letters import DeadLetters
from codegen.targets.python.runtime.kafka.settings import RegistrySettings, Settings
from codegen.topics import apply_topics, dead_letter_topic, list_topics, plan_topics

PROJECT = Path(__file__).parent.parent
MONTH = str(30 * 86_400_000)
DELETED = {"cleanup.policy": "delete", "retention.ms": MONTH}
LETTERS = {**DELETED, "max.message.bytes": "1114124"}


class FakeCluster:
    """A cluster in memory; `refusals` and `losses` are what it says to changes of a topic."""

    name = "kafka:9092"

    def __init__(self, brokers: int = 3) -> None:
        self.brokers = brokers
        self.held: dict[str, TopicState] = {}
        self.refusals: dict[str, str] = {}
        self.losses: set[str] = set()
        self.calls: list[tuple[str, str]] = []

    def describe(self, names: Sequence[str]) -> ClusterState:
        return ClusterState(self.brokers, {n: self.held[n] for n in names if n in self.held})

    def create(
        self, name: str, partitions: int, replication: int, configs: Mapping[str, str]
    ) -> None:
        self._change("create", name)
        self.held[name] = TopicState(partitions, replication, dict(configs))

    def configure(self, name: str, configs: Mapping[str, str]) -> None:
        self._change("configure", name)
        held = self.held[name]
        merged = {**held.configs, **configs}
        self.held[name] = TopicState(held.partitions, held.replication, merged)

    def add_partitions(self, name: str, total: int) -> None:
        self._change("add_partitions", name)
        held = self.held[name]
        assert total > held.partitions
        self.held[name] = TopicState(total, held.replication, held.configs)

    def _change(self, call: str, name: str) -> None:
        if name in self.losses:
            raise CouldNotCheck("Kafka at kafka:9092 cannot be used: gone", "see")
        if name in self.refusals:
            raise ClusterRefusal(self.refusals[name])
        self.calls.append((call, name))


@pytest.fixture
def contract() -> Contract:
    loaded = load_contract(PROJECT, Findings())
    assert loaded is not None
    return loaded


@pytest.fixture
def fake() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def full(contract: Contract, fake: FakeCluster) -> FakeCluster:
    """A cluster that has everything."""
    apply_topics(plan_topics(contract, fake), fake)
    fake.calls.clear()
    return fake


def test_topics_and_the_dead_letters_of_their_consumers_are_wanted(contract: Contract) -> None:
    wanted = {topic.name: topic for topic in list_topics(contract)}
    assert set(wanted) == {
        "orders", "orders.inventory-service.dlq", "orders.notification-service.dlq",
        "inventory-updates", "inventory-updates.order-service.dlq",
        "order-completions", "order-completions.notification-service.dlq",
    }  # fmt: skip
    orders = wanted["orders"]
    assert (orders.partitions, orders.replication, orders.configs) == (6, 3, DELETED)
    letters = wanted["orders.inventory-service.dlq"]
    assert (letters.partitions, letters.configs) == (1, LETTERS)
    assert letters.consumer == "inventory-service"


def test_dead_letters_are_called_as_the_stubs_call_them() -> None:
    registry = RegistrySettings(urls=())
    settings = Settings(bootstrap_servers="", registry=registry)
    letters = DeadLetters(None, settings, "billing", "group")  # type: ignore[arg-type]
    assert letters.topic_of("orders") == dead_letter_topic("orders", "billing")


def test_an_applied_plan_leaves_nothing_to_do(contract: Contract, fake: FakeCluster) -> None:
    plan = plan_topics(contract, fake)
    assert len(plan.changes) == len(plan.steps) == 7
    assert fake.held == {}, "a plan writes nothing"
    assert not any(one.refusal for one in apply_topics(plan, fake))
    again = plan_topics(contract, fake)
    assert again.is_in_step
    assert apply_topics(again, fake) == ()


def test_settings_are_changed_and_no_others(contract: Contract, full: FakeCluster) -> None:
    held = {**DELETED, "retention.ms": "1", "min.insync.replicas": "2"}
    full.held["orders"] = TopicState(6, 3, held)
    plan = plan_topics(contract, full)
    (step,) = plan.changes
    (difference,) = step.differences
    assert (difference.setting, difference.actual, difference.wanted) == (
        "retention.ms",
        "1",
        MONTH,
    )
    apply_topics(plan, full)
    assert full.held["orders"].configs == {**held, "retention.ms": MONTH}


@pytest.mark.parametrize(
    ("topic", "configs"),
    [
        ("orders", {"cleanup.policy": "delete"}),
        ("orders.inventory-service.dlq", {"max.message.bytes": "20000000"}),
    ],
)
def test_settings_that_serve_are_left_alone(
    contract: Contract, full: FakeCluster, topic: str, configs: dict[str, str]
) -> None:
    state = full.held[topic]
    full.held[topic] = TopicState(9 if ".dlq" in topic else 6, 3, {**state.configs, **configs})
    assert plan_topics(contract, full).is_in_step


def test_partitions_are_added_only_on_request(contract: Contract, full: FakeCluster) -> None:
    full.held["orders"] = TopicState(4, 3, DELETED)
    plan = plan_topics(contract, full)
    assert (plan.is_in_step, plan.changes) == (False, ())
    assert "--add-partitions" in next(s for s in plan.steps if s.obstacles).obstacles[0].obstacle
    apply_topics(plan, full)
    assert full.calls == []
    apply_topics(plan_topics(contract, full, adds_partitions=True), full)
    assert full.calls == [("add_partitions", "orders")]
    assert plan_topics(contract, full).is_in_step


@pytest.mark.parametrize(("partitions", "replication"), [(12, 3), (6, 1), (6, 4)])
def test_nothing_is_shrunk_or_moved(
    contract: Contract, full: FakeCluster, partitions: int, replication: int
) -> None:
    full.held["orders"] = TopicState(partitions, replication, DELETED)
    plan = plan_topics(contract, full, adds_partitions=True)
    assert not plan.is_in_step
    assert apply_topics(plan, full) == ()
    assert full.calls == []


def test_too_few_brokers_are_seen_before_anything_is_created(contract: Contract) -> None:
    small = FakeCluster(brokers=1)
    plan = plan_topics(contract, small)
    assert plan.changes == ()
    assert "the cluster has 1 broker" in plan.steps[0].obstacles[0].obstacle
    assert len(plan_topics(contract, small, replication=1).changes) == 7


def test_a_refusal_does_not_keep_the_others_back(contract: Contract, fake: FakeCluster) -> None:
    fake.refusals["orders"] = "Policy violation"
    outcomes = apply_topics(plan_topics(contract, fake), fake)
    assert [one.step.topic.name for one in outcomes if one.refusal] == ["orders"]
    assert len(fake.held) == 6


def test_a_cluster_lost_on_the_way_says_how_far_it_came(
    contract: Contract, fake: FakeCluster
) -> None:
    fake.losses.add("orders.notification-service.dlq")
    with pytest.raises(CouldNotCheck, match=r"2 of 7 topics were done"):
        apply_topics(plan_topics(contract, fake), fake)


# --- the command


def run(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster | None, *arguments: str
) -> tuple[int, str, dict[str, object]]:
    seen: dict[str, object] = {}

    def open_cluster(options: Mapping[str, object]) -> Cluster:
        seen.update(options)
        assert cluster is not None
        return cluster

    if cluster is not None:
        monkeypatch.setattr(cluster_module, "open_cluster", open_cluster)
    done = CliRunner().invoke(program, ["topics", "--root", str(PROJECT), *arguments])
    return done.exit_code, done.output, seen


def test_the_command_shows_a_plan_and_applies_it(
    monkeypatch: pytest.MonkeyPatch, fake: FakeCluster
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("KAFKA_GROUP_ID", "mine")
    code, output, seen = run(monkeypatch, fake, "--option", "security.protocol=SSL")
    assert seen == {"bootstrap.servers": "kafka:9092", "sasl.mechanism": "PLAIN",
                    "security.protocol": "SSL"}  # fmt: skip
    assert code == 1, "drift"
    assert output.startswith("kafka:9092 (3 brokers)\n  create     orders  ")
    assert "Nothing was written. Apply it with: kontrakt topics --apply" in output
    fake.held["orders"] = TopicState(2, 3, {**DELETED, "retention.ms": "5"})
    code, output, _ = run(monkeypatch, fake, "--apply")
    assert code == 1, "the partitions are left"
    assert "  altered    orders " in output
    assert f"retention.ms 5 -> {MONTH}" in output
    assert "partitions 2 -> 6 is not done" in output
    code, output, _ = run(monkeypatch, fake, "--apply", "--add-partitions")
    assert code == 0
    assert "partitions 2 -> 6 (keys move to other partitions)" in output
    assert run(monkeypatch, fake)[:2] == (0, "kafka:9092 (3 brokers)\n  unchanged  7 topics\n")


def test_the_command_speaks_json(monkeypatch: pytest.MonkeyPatch, fake: FakeCluster) -> None:
    arguments = ("--bootstrap", "kafka:9092", "--format", "json")
    fake.refusals["orders"] = "Policy violation"
    code, output, _ = run(monkeypatch, fake, *arguments, "--apply")
    assert code == 1
    value = json.loads(output)
    first, second = value["topics"][:2]
    assert (first["name"], first["action"], first["applied"]) == ("orders", "create", False)
    assert first["refusal"] == "Policy violation"
    assert (second["applied"], second["consumer"]) == (True, "inventory-service")
    fake.refusals.clear()
    run(monkeypatch, fake, *arguments, "--apply")
    code, output, _ = run(monkeypatch, fake, *arguments)
    assert (code, json.loads(output)["in_step"]) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no Kafka is named"),
        (["--bootstrap", "127.0.0.1:1", "--option", "sasl.wrong=secret"], "sasl.wrong"),
        (["--bootstrap", "127.0.0.1:1", "--option", "colour=red"], "colour"),
        (["--bootstrap", "127.0.0.1:1", "--option", "socket.timeout.ms=soon"], "socket.timeout.ms"),
    ],
)
def test_wrong_options_are_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    done = CliRunner().invoke(program, ["topics", "--root", str(PROJECT), *arguments])
    assert said in str(getattr(done.exception, "message", done.output))
    assert getattr(done.exception, "exit_code", done.exit_code) == 2
    assert "secret" not in str(done.exception)
