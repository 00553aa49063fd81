"""Add an event, a topic or a service to the repository."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from codegen.cli._names import (
    complete_events,
    complete_levels,
    complete_services,
    complete_topics,
    complete_traffic,
)
from codegen.cli._repository import root_option
from codegen.counting import count_words

if TYPE_CHECKING:
    from codegen.contract.model import Contract
    from codegen.diagnostics import Findings
    from codegen.scaffolding import Addition, FieldError

Command = TypeVar("Command", bound=Callable[..., object])

dry_run_option: Callable[[Command], Command] = click.option(
    "--dry-run", is_flag=True, help="Show what would be written, and write nothing."
)
STRATEGIES = ("topic-record", "record", "topic")


@click.group()
def command() -> None:
    """Add an event, a topic or a service to the repository.

    The manifest keeps its comments and its layout. What exists is never overwritten, and what could
    not be used is not written.

    \b
    Example:
      kontrakt new event OrderReturned --topic orders --field order_id:uuid
      kontrakt new topic returns --event OrderReturned --key order_id
      kontrakt new service returns-service --consumes orders:OrderReturned
    """


@command.command()
@root_option
@click.argument("name")
@click.option(
    "--topic", required=True, shell_complete=complete_topics, help="The topic that it travels on."
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME:TYPE",
    help="A field: NAME:TYPE[=DEFAULT] [DOC]. May be given several times.",
)
@click.option("--doc", help="What the event tells.")
@click.option("--namespace", help="By default that of the topic's other events.")
@click.option("--new-topic", is_flag=True, help="Make the topic as well.")
@click.option("--key", help="With --new-topic: the field that is the message key.")
@click.option(
    "--owner",
    shell_complete=complete_services,
    help="With --new-topic: the service or team that answers for it.",
)
@click.option(
    "--subject-strategy",
    "strategy",
    type=click.Choice(STRATEGIES),
    help="How the subjects of the topic are named from now on.",
)
@dry_run_option
def event(
    root: Path | None,
    name: str,
    topic: str,
    fields: tuple[str, ...],
    doc: str | None,
    namespace: str | None,
    new_topic: bool,
    key: str | None,
    owner: str | None,
    strategy: str | None,
    dry_run: bool,
) -> None:
    """Add the event NAME: a schema file, and an entry of its topic in the manifest.

    \b
    Types: boolean int long float double bytes string uuid date time timestamp
    (timestamp-micros, local-timestamp-millis, ...) decimal(12,2) enum(A,B), and
    the names of types that are there. After a type: [] for a list, {} for a
    map, ? for nullable, =VALUE for a default, and a doc after a blank. What
    has no doc gets a TODO, which lint reports until somebody writes it.

    \b
    Example:
      kontrakt new event OrderReturned --topic orders \\
        --doc "A customer sent an order back." \\
        --field "order_id:uuid Identifies the order; the message key." \\
        --field total:decimal(12,2) --field "note:string?"
    """
    from codegen.scaffolding import EventDraft, TopicDraft, add_event  # noqa: PLC0415

    if not new_topic and (key or owner):
        raise click.UsageError("--key and --owner belong to --new-topic.")
    settings = {"subject_strategy": strategy} if strategy and new_topic else {}
    place: str | TopicDraft = topic
    if new_topic:
        place = TopicDraft(topic, key or "", owner or "", settings=settings)
    draft = EventDraft(name, place, fields, namespace or "", doc or "", strategy or "")
    _run(root, dry_run, lambda contract, found: add_event(contract, draft, found))


@command.command()
@root_option
@click.argument("name")
@click.option(
    "--event",
    "events",
    multiple=True,
    shell_complete=complete_events,
    help="An event that is there; may be given several times.",
)
@click.option("--key", help="The field that is the message key.")
@click.option(
    "--owner", shell_complete=complete_services, help="The service or team that answers for it."
)
@click.option("--doc", help="Which story its events tell.")
@click.option("--partitions", type=click.IntRange(1))
@click.option("--retention", metavar="TIME", help="For example 30d, or forever.")
@click.option("--cleanup-policy", type=click.Choice(["delete", "compact", "compact,delete"]))
@click.option(
    "--compatibility",
    metavar="LEVEL",
    shell_complete=complete_levels,
    help="By default that of the manifest.",
)
@dry_run_option
def topic(
    root: Path | None,
    name: str,
    events: tuple[str, ...],
    key: str | None,
    owner: str | None,
    doc: str | None,
    dry_run: bool,
    **settings: str | int | None,
) -> None:
    """Add the topic NAME to the manifest, with events whose schemas are there.

    \b
    Example:
      kontrakt new topic returns --event OrderReturned --key order_id --retention 30d
    """
    from codegen.scaffolding import TopicDraft, add_topic  # noqa: PLC0415

    # In the order of the manifest's schema, not in that of the command line.
    order = ("compatibility", "partitions", "retention", "cleanup_policy")
    stated = {name: settings[name] for name in order if settings[name] is not None}
    draft = TopicDraft(name, key or "", owner or "", doc or "", events, stated)
    _run(root, dry_run, lambda contract, found: add_topic(contract, draft, found))


@command.command()
@root_option
@click.argument("name")
@click.option(
    "--produces",
    multiple=True,
    metavar="TOPIC[:EVENT]",
    shell_complete=complete_traffic,
    help="What it sends: a topic, or an event of one; may be given several times.",
)
@click.option(
    "--consumes",
    multiple=True,
    metavar="TOPIC[:EVENT]",
    shell_complete=complete_traffic,
    help="What it handles, in the same way.",
)
@click.option("--target", "targets", multiple=True, default=("python",), show_default=True)
@click.option("--owner", help="The team that answers for it.")
@click.option("--doc", help="What the service does.")
@dry_run_option
def service(
    root: Path | None,
    name: str,
    produces: tuple[str, ...],
    consumes: tuple[str, ...],
    targets: tuple[str, ...],
    owner: str | None,
    doc: str | None,
    dry_run: bool,
) -> None:
    """Add the service NAME to the manifest.

    \b
    Example:
      kontrakt new service returns-service --produces returns --consumes orders:OrderPlaced
    """
    from codegen.scaffolding import ServiceDraft, add_service  # noqa: PLC0415

    draft = ServiceDraft(name, produces, consumes, targets, owner or "", doc or "")
    _run(root, dry_run, lambda contract, found: add_service(contract, draft, found))


def _run(
    root: Path | None,
    dry_run: bool,
    add: Callable[[Contract, Findings], Addition | None],
) -> None:
    from codegen.cli._repository import open_repository, show  # noqa: PLC0415
    from codegen.diagnostics import Findings, make_report  # noqa: PLC0415
    from codegen.scaffolding import TO_DO, FieldError, write_addition  # noqa: PLC0415

    folder, contract, _ = open_repository(root)
    found = Findings()
    try:
        addition = add(contract, found)
    except FieldError as error:
        raise click.UsageError(_point(error)) from None
    if addition is None:
        show(make_report(found, summary="Nothing was written."))
        raise click.exceptions.Exit(1)
    if not dry_run:
        write_addition(folder, addition)
    _show(contract, addition)
    if left := sum(text.count(f'"doc": "{TO_DO}') for text in addition.texts.values()):
        click.echo(
            f"Write what {count_words(left, 'doc')} shall say: look for {TO_DO.strip(': ')}."
        )
    if dry_run:
        click.echo("Nothing was written.")
    else:
        click.echo("Next: kontrakt lint && kontrakt check && kontrakt generate")


def _point(error: FieldError) -> str:
    from codegen.report.escaping import single_line  # noqa: PLC0415

    hint = f"\n  {single_line(error.hint)}" if error.hint else ""
    shown = single_line(error.text)
    return f"--field: {error}\n  {shown}\n  {' ' * error.at}^{hint}"


def _show(contract: Contract, addition: Addition) -> None:
    from codegen.contract.load import MANIFEST  # noqa: PLC0415

    for name, text in addition.texts.items():
        old = contract.manifest.text if name == MANIFEST else ""
        click.echo(f"{name}{'' if old else ' (new)'}")
        lines = difflib.unified_diff(old.splitlines(), text.splitlines(), n=1, lineterm="")
        for line in lines:
            if line[:3] not in ("---", "+++") and line[:2] != "@@":
                click.echo((f"  {line[:1]} {line[1:]}" if old else f"  {line[1:]}").rstrip())
