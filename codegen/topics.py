"""What must change in a Kafka cluster so that it has the topics of this contract?

A plan compares the manifest's topics, and the dead-letter topics of the services that consume them,
with the cluster. Applying it creates topics and sets their settings. It never deletes and never
shrinks; partitions are added only when that is asked for, since it moves keys to other partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from codegen.cluster import Cluster, ClusterRefusal, ClusterState, TopicState
from codegen.contract.model import Contract
from codegen.counting import count_done, count_words
from codegen.diagnostics import CouldNotCheck

DEAD_LETTER_BYTES = 1_048_588 + 65_536
"""`max.message.bytes` of a dead-letter topic: Kafka's default, and room for what headers add."""


class Action(Enum):
    """What a plan does about a topic."""

    CREATE = "create"
    ALTER = "alter"
    DIFFERS = "differs"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """A topic as the contract states it. `consumer` is the service whose dead letters it keeps."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]
    consumer: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that the cluster has otherwise; `obstacle` says why it is not changed."""

    setting: str
    actual: str
    wanted: str
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One topic: what is wanted, and how the cluster differs. `exists` when it is there."""

    topic: WantedTopic
    exists: bool
    differences: tuple[Difference, ...]

    @property
    def changes(self) -> tuple[Difference, ...]:
        """The differences that applying the plan does away with."""
        return tuple(one for one in self.differences if not one.obstacle)

    @property
    def obstacles(self) -> tuple[Difference, ...]:
        """The differences that stay."""
        return tuple(one for one in self.differences if one.obstacle)

    @property
    def action(self) -> Action:
        """What applying the plan does."""
        if self.obstacles and not self.changes:
            return Action.DIFFERS
        if not self.exists:
            return Action.CREATE
        return Action.ALTER if self.changes else Action.UNCHANGED


@dataclass(frozen=True, slots=True)
class Plan:
    """All topics of a contract, each followed by its dead-letter topics, for one cluster."""

    cluster: str
    brokers: int
    steps: tuple[Step, ...]

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that do something."""
        return tuple(one for one in self.steps if one.action in (Action.CREATE, Action.ALTER))

    @property
    def is_in_step(self) -> bool:
        """Whether the cluster has every topic as the contract states it."""
        return all(one.action is Action.UNCHANGED for one in self.steps)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A step that was tried; `refusal` is what the cluster said against it, if anything."""

    step: Step
    refusal: str = ""


def list_topics(contract: Contract, replication: int | None = None) -> tuple[WantedTopic, ...]:
    """The topics that a contract needs; `replication` stands in for what the manifest states.

    Services that get no stubs keep no dead letters. A dead-letter topic has one partition, so that
    it holds the order in which things went wrong, and keeps messages as long as the topic they came
    from; it is never compacted, which would lose all but the last letter of a key.
    """
    wanted: list[WantedTopic] = []
    for topic in contract.topics:
        copies = replication or topic.replication
        kept = {} if topic.retention_ms is None else {"retention.ms": str(topic.retention_ms)}
        configs = {"cleanup.policy": topic.cleanup_policy, **kept}
        wanted.append(WantedTopic(topic.name, topic.partitions, copies, configs))
        for service in contract.services:
            if service.targets and any(event.topic == topic.name for event in service.consumes):
                letters = {"cleanup.policy": "delete", **kept}
                letters["max.message.bytes"] = str(DEAD_LETTER_BYTES)
                name = dead_letter_topic(topic.name, service.name)
                wanted.append(WantedTopic(name, 1, copies, letters, service.name))
    return tuple(wanted)


def dead_letter_topic(topic: str, service: str) -> str:
    """Where the stubs of a service keep what they could not handle of a topic."""
    return f"{topic}.{service}.dlq"


def plan_topics(
    contract: Contract,
    cluster: Cluster,
    *,
    adds_partitions: bool = False,
    replication: int | None = None,
) -> Plan:
    """Compare a contract with a cluster. Nothing is written. Raises CouldNotCheck."""
    wanted = list_topics(contract, replication)
    state = cluster.describe([topic.name for topic in wanted])
    steps = [_plan(topic, state, adds_partitions) for topic in wanted]
    return Plan(cluster.name, state.brokers, tuple(steps))


def apply_topics(plan: Plan, cluster: Cluster) -> tuple[Outcome, ...]:
    """Do what a plan says, topic by topic, and say what came of it.

    A topic that the cluster refuses does not keep the others back. Raises CouldNotCheck when the
    cluster is lost on the way; planning and applying again goes on from there.
    """
    outcomes: list[Outcome] = []
    for step in plan.changes:
        try:
            _apply(step, cluster)
        except ClusterRefusal as refusal:
            outcomes.append(Outcome(step, str(refusal)))
        except CouldNotCheck as error:
            done = sum(not one.refusal for one in outcomes)
            so_far = count_done(done, len(plan.changes), "topic")
            hint = f"{error.hint}; then run the same command again"
            raise CouldNotCheck(f"{error.message} ({so_far})", hint) from error
        else:
            outcomes.append(Outcome(step))
    return tuple(outcomes)


def _apply(step: Step, cluster: Cluster) -> None:
    topic = step.topic
    if step.action is Action.CREATE:
        cluster.create(topic.name, topic.partitions, topic.replication, topic.configs)
        return
    changed = [one.setting for one in step.changes]
    configs = {name: value for name, value in topic.configs.items() if name in changed}
    if configs:
        cluster.configure(topic.name, configs)
    if "partitions" in changed:
        cluster.add_partitions(topic.name, topic.partitions)


def _plan(topic: WantedTopic, state: ClusterState, adds_partitions: bool) -> Step:
    actual = state.topics.get(topic.name)
    if actual is not None:
        return Step(topic, True, _compare(topic, actual, adds_partitions))
    if topic.replication <= state.brokers:
        return Step(topic, False, ())
    brokers = count_words(state.brokers, "broker")
    obstacle = f"the cluster has {brokers}; on one for development give --replication"
    missing = Difference("replication", "none", str(topic.replication), obstacle)
    return Step(topic, False, (missing,))


def _compare(
    topic: WantedTopic, actual: TopicState, adds_partitions: bool
) -> tuple[Difference, ...]:
    found: list[Difference] = []
    # Dead letters lie well on as many partitions as there are.
    if topic.partitions > actual.partitions or (
        topic.partitions != actual.partitions and not topic.consumer
    ):
        obstacle = ""
        if topic.partitions < actual.partitions:
            obstacle = "Kafka cannot take partitions away; state the higher number in the manifest"
        elif not adds_partitions:
            obstacle = "keys would move to other partitions; if that is meant: --add-partitions"
        found.append(
            Difference("partitions", str(actual.partitions), str(topic.partitions), obstacle)
        )
    if topic.replication != actual.replication:
        obstacle = "replicas are moved with kafka-reassign-partitions, never by kontrakt"
        found.append(
            Difference("replication", str(actual.replication), str(topic.replication), obstacle)
        )
    for setting, wanted in topic.configs.items():
        held = actual.configs.get(setting, "not set")
        if not _IS_MET.get(setting, str.__eq__)(held, wanted):
            found.append(Difference(setting, held, wanted))
    return tuple(found)


def _is_same_set(held: str, wanted: str) -> bool:
    return {part.strip() for part in held.split(",")} == {
        part.strip() for part in wanted.split(",")
    }


def _is_enough(held: str, wanted: str) -> bool:
    return held.isdecimal() and int(held) >= int(wanted)


_IS_MET: Mapping[str, Callable[[str, str], bool]] = {
    "cleanup.policy": _is_same_set,
    "max.message.bytes": _is_enough,
}
"""When a setting that the cluster has serves for the one that is wanted; others must be equal."""
