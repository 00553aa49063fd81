"""Compare the topics of the manifest with a Kafka cluster, and create what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import root_option
from codegen.counting import count_words

if TYPE_CHECKING:
    from codegen.topics import Difference, Outcome, Plan, Step


@click.command()
@root_option
@click.option("--apply", "is_applied", is_flag=True, help="Do what the plan says.")
@click.option(
    "--bootstrap", metavar="HOST:PORT", help="The cluster; by default KAFKA_BOOTSTRAP_SERVERS."
)
@click.option(
    "--option",
    "options",
    metavar="NAME=VALUE",
    multiple=True,
    help="An option of librdkafka, for example security.protocol=SSL; may be given several times. "
    "KAFKA_<OPTION> in the environment does the same, and keeps passwords out of sight.",
)
@click.option(
    "--add-partitions",
    is_flag=True,
    help="Add partitions where the manifest states more. Keys move to other partitions: messages "
    "of one key from before and after may be handled at once, and out of order.",
)
@click.option(
    "--replication",
    type=click.IntRange(1, 32767),
    help="As many replicas, whatever the manifest states: for clusters for development.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to print the plan.",
)
def command(
    root: Path | None,
    is_applied: bool,
    bootstrap: str | None,
    options: tuple[str, ...],
    add_partitions: bool,
    replication: int | None,
    format_name: str,
) -> None:
    """Compare the topics of the manifest with a Kafka cluster, and create what is missing.

    A plan first; with --apply, exactly that. The dead-letter topics of the services are planned
    too. Settings are changed to what the manifest states; what it does not state is left alone.
    Nothing is ever deleted or shrunk.

    Exit codes: 0 the cluster has what the manifest states, 1 it differs, 3 it cannot be reached.

    \b
    Example:
      kontrakt topics --bootstrap localhost:9092
      kontrakt topics --apply
    """
    from codegen.cli._repository import open_repository  # noqa: PLC0415
    from codegen.cluster import open_cluster  # noqa: PLC0415
    from codegen.topics import apply_topics, plan_topics  # noqa: PLC0415

    _, contract, _ = open_repository(root)
    cluster = open_cluster(_read_options(bootstrap, options))
    plan = plan_topics(contract, cluster, adds_partitions=add_partitions, replication=replication)
    outcomes = apply_topics(plan, cluster) if is_applied else ()
    if format_name == "json":
        _print_json(plan, outcomes, is_applied)
    else:
        _print_text(plan, outcomes, is_applied)
    is_done = is_applied and not any(one.refusal for one in outcomes)
    is_left = any(step.obstacles for step in plan.steps)
    if not plan.is_in_step and (is_left or not is_done):
        raise click.exceptions.Exit(1)


def _read_options(bootstrap: str | None, options: tuple[str, ...]) -> dict[str, object]:
    import os  # noqa: PLC0415

    from codegen.cluster import CONNECTION_OPTIONS  # noqa: PLC0415
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.targets.python.runtime.kafka.settings import read_kafka_options  # noqa: PLC0415

    found = read_kafka_options(os.environ)
    given = {name: value for name, value in found.items() if name.startswith(CONNECTION_OPTIONS)}
    for option in options:
        name, equals, value = option.partition("=")
        if not name or not equals:
            # What follows may be a password, so it is not repeated.
            raise click.BadParameter("give NAME=VALUE", param_hint="--option")
        given[name] = value
    if bootstrap:
        given["bootstrap.servers"] = bootstrap
    if not given.get("bootstrap.servers"):
        raise KontraktError(
            "no Kafka is named",
            "set KAFKA_BOOTSTRAP_SERVERS, or give --bootstrap localhost:9092",
        )
    return given


def _print_text(plan: Plan, outcomes: Sequence[Outcome], is_applied: bool) -> None:
    from codegen.topics import Action  # noqa: PLC0415

    refusals = {one.step.topic.name: one.refusal for one in outcomes}
    past = {Action.CREATE: "created", Action.ALTER: "altered"}
    click.echo(f"{plan.cluster} ({count_words(plan.brokers, 'broker')})")
    shown = [step for step in plan.steps if step.action is not Action.UNCHANGED]
    width = max((len(step.topic.name) for step in shown), default=0)
    for step in shown:
        refusal = refusals.get(step.topic.name, "")
        word = "refused" if refusal else step.action.value
        if is_applied and not refusal:
            word = past.get(step.action, word)
        lines = [refusal] if refusal else [*_describe(step)]
        click.echo(f"  {word:<9}  {step.topic.name:<{width}}  {lines[0]}")
        for line in lines[1:]:
            click.echo(f"  {'':<9}  {'':<{width}}  {line}")
    if unchanged := len(plan.steps) - len(shown):
        click.echo(f"  unchanged  {count_words(unchanged, 'topic')}")
    if plan.changes and not is_applied:
        click.echo("Nothing was written. Apply it with: kontrakt topics --apply")


def _describe(step: Step) -> list[str]:
    """The lines that say what becomes of a topic: what is changed first, then what stays."""
    from codegen.topics import Action  # noqa: PLC0415

    topic = step.topic
    if step.action is Action.CREATE:
        settings = "".join(f", {name} {value}" for name, value in topic.configs.items())
        word = "partition" if topic.partitions == 1 else "partitions"
        return [f"{topic.partitions} {word}, replication {topic.replication}{settings}"]
    return [_write(one) for one in (*step.changes, *step.obstacles)]


def _write(difference: Difference) -> str:
    change = f"{difference.setting} {difference.actual} -> {difference.wanted}"
    if difference.obstacle:
        return f"{change} is not done: {difference.obstacle}"
    if difference.setting == "partitions":
        return f"{change} (keys move to other partitions)"
    return change


def _print_json(plan: Plan, outcomes: Sequence[Outcome], is_applied: bool) -> None:
    import json  # noqa: PLC0415
    from dataclasses import asdict  # noqa: PLC0415

    results = {one.step.topic.name: one.refusal for one in outcomes}
    topics = [
        {
            **asdict(step.topic),
            "action": step.action.value,
            "differences": [asdict(one) for one in step.differences],
            "applied": results.get(step.topic.name) == "",
            "refusal": results.get(step.topic.name, ""),
        }
        for step in plan.steps
    ]
    value = {"cluster": plan.cluster, "brokers": plan.brokers, "in_step": plan.is_in_step,
             "applied": is_applied, "topics": topics}  # fmt: skip
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
