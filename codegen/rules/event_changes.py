"""Which events came to a topic, or left it, and whom does that hurt?"""

from __future__ import annotations

from collections.abc import Iterator

from codegen.contract.model import Event, Topic
from codegen.diagnostics import Severity, rule
from codegen.rules.shift import Shift
from codegen.topology import Succession, describe_retention, join, list_strangers

EVENT_REMOVED = rule(
    "change/event-removed",
    "An event that services produce or consume does not travel on its topic any more.",
    "Its messages are on the topic until retention takes them, and services that still run send "
    "more. Stubs made from the new manifest do not know it. First let its producers stop, and its "
    "consumers when no message of it is left.",
)
EVENT_ADDED = rule(
    "change/event-added",
    "A new event travels on a topic that services consume already.",
    "Whoever subscribes to a topic is sent everything on it. A service with older stubs does not "
    "know the event: in the Python stubs Policy.on_unknown_event says what it does, by default it "
    "skips the message, commits, and never sees it again. Deploy the consumers that handle it "
    "first, or send it on a topic of its own.",
    severity=Severity.NOTE,
)


def find_event_changes(new: Topic, old: Topic, succession: Succession) -> Iterator[Shift]:
    """What hurts in the events that a topic lost and gained."""
    for event in list_strangers(old.events, new.events):
        if event.subject not in succession.renamed_subjects:
            yield from _find_removed_event(event, new, succession)
    for event in list_strangers(new.events, old.events):
        if event.subject not in succession.renamed_subjects:
            yield from _find_added_event(event, old, succession)


def _find_removed_event(event: Event, new: Topic, succession: Succession) -> Iterator[Shift]:
    producers = join(tuple(one.name for one in succession.old.producers(event)))
    consumers = join(tuple(one.name for one in succession.old.consumers(event)))
    if not producers and not consumers:
        return
    others = [one.topic for one in succession.new.events if one.name == event.name]
    elsewhere = f"; it travels on {join(tuple(others))}" if others else ""
    did = [f"{producers} produced it"] if producers else []
    did += [f"{consumers} consumed it"] if consumers else []
    when = f"when no message of it is left ({describe_kept(new)})"
    if producers and consumers:
        hint = f"deploy {producers} first, and {consumers} {when}; or put it back"
    elif consumers:
        hint = f"deploy {consumers} {when}; or put it back"
    else:
        hint = "put it back, if anybody else consumes it"
    yield Shift(
        EVENT_REMOVED,
        new.name,
        new.origin.at("events"),
        event.origin,
        f"{event.name} does not travel on topic {new.name} any more{elsewhere}",
        " and ".join(did),
        hint,
        before=event.name,
        after=None,
        severity=None if producers and consumers else Severity.WARNING,
    )


def _find_added_event(event: Event, old: Topic, succession: Succession) -> Iterator[Shift]:
    _, consumers = list_users(old, succession, is_old=True)
    if not consumers:
        return
    yield Shift(
        EVENT_ADDED,
        event.topic,
        event.origin,
        old.origin.at("events"),
        f"{event.name} is new on topic {event.topic}, which {consumers} consumed before",
        "stubs from before do not know it",
        "deploy the consumers that shall handle it before the first one is sent",
        before=None,
        after=event.name,
    )


def list_users(topic: Topic, succession: Succession, *, is_old: bool) -> tuple[str, str]:
    """Who produces to a topic and who consumes it, as words; empty where nobody does."""
    contract = succession.old if is_old else succession.new
    producers = dict.fromkeys(
        service.name for event in topic.events for service in contract.producers(event)
    )
    consumers = dict.fromkeys(
        service.name for event in topic.events for service in contract.consumers(event)
    )
    return join(tuple(producers)), join(tuple(consumers))


def describe_kept(topic: Topic) -> str:
    """How long a topic keeps what was written."""
    if "compact" in topic.cleanup_policy:
        return "it is compacted, and keeps the last one of each key for ever"
    if topic.retention_ms is None:
        return "its retention is not stated"
    return (
        "it keeps them forever"
        if topic.retention_ms == -1
        else f"it keeps them {describe_retention(topic.retention_ms)}"
    )
