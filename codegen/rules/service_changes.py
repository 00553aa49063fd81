"""Which changes of a service hurt those on the other side of its topics?"""

from __future__ import annotations

from collections.abc import Iterator

from codegen.contract.model import Service
from codegen.counting import agree
from codegen.diagnostics import Severity, rule
from codegen.rules.shift import Shift, name_place, section_place
from codegen.topology import Pair, Succession, join, simple_names

PRODUCER_REMOVED = rule(
    "change/producer-removed",
    "A service does not produce any more what others consume.",
    "A consumer whose producer is gone fails nothing and says nothing: it waits. Where nobody else "
    "produces the event the contract promises what will not come. Have another service take over, "
    "or end the event for its consumers as well, when they have handled what is left of it.",
)
SERVICE_RENAMED = rule(
    "change/service-renamed",
    "A service with the same traffic has another name.",
    "The generated stubs take the name of the service for their consumer group, their dead-letter "
    "topics and their package. A new group has no offsets: it begins at the start of each topic "
    "and handles everything again, or with auto.offset.reset: latest at the end and misses what "
    "lies between. Dead letters of the old name are replayed by nobody. Reset the offsets of the "
    "new group to those of the old one before it starts, or keep group.id.",
    severity=Severity.WARNING,
)


def find_service_changes(pair: Pair[Service], succession: Succession) -> Iterator[Shift]:
    """Everything that hurts in what became of one service."""
    if pair.old is None:
        return
    if pair.new is not None and pair.is_renamed:
        yield _rename(pair.new, pair.old, succession)
    yield from _find_lost_events(pair.new, pair.old, succession)


def _rename(new: Service, old: Service, succession: Succession) -> Shift:
    topics = tuple(dict.fromkeys(event.topic for event in old.consumes))
    note = (
        f"its consumer group has another name, and no offsets for {join(topics)}"
        if topics
        else "its package has another name"
    )
    return Shift(
        SERVICE_RENAMED,
        new.name,
        name_place(new.origin),
        name_place(old.origin),
        f"the service {old.name} is named {new.name} now",
        note,
        f"keep the name, or copy the offsets of the group {old.name} before {new.name} starts"
        if topics
        else "see that its deployment uses the new package",
        before=old.name,
        after=new.name,
        severity=None if topics else Severity.NOTE,
    )


def _find_lost_events(new: Service | None, old: Service, succession: Succession) -> Iterator[Shift]:
    produced = {(event.topic, event.name) for event in new.produces} if new else set()
    lost: dict[str, tuple[str, ...]] = {}
    is_orphaned = False
    for event in old.produces:
        now = succession.successor(event)
        if now is None or (now.topic, now.name) in produced:
            continue
        consumers = tuple(one.name for one in succession.new.consumers(now) if one is not new)
        if consumers:
            lost[event.name] = consumers
            is_orphaned |= not succession.new.producers(now)
    if not lost:
        return
    consumers = tuple(dict.fromkeys(name for names in lost.values() for name in names))
    names = simple_names(lost)
    is_plural = len(lost) > 1
    yield Shift(
        PRODUCER_REMOVED,
        (new or old).name,
        section_place(succession.new, "services")
        if new is None
        else new.origin.at("produces")
        if new.produces
        else name_place(new.origin),
        old.origin.at("produces"),
        f"{old.name} does not produce {names} any more, which {join(consumers)} "
        f"{agree(len(consumers), 'consumes', 'consume')}",
        f"nobody produces {'all of them' if is_plural else 'it'} now"
        if is_orphaned
        else f"other services still produce {'them' if is_plural else 'it'}",
        f"name the service that takes over, or let {join(consumers)} no longer consume "
        f"{'them' if is_plural else 'it'}, when what is left is handled",
        before=sorted(lost),
        after=None,
        severity=None if is_orphaned else Severity.WARNING,
    )
