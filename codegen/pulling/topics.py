"""Which topics and events do subject names tell of?

By Confluent's strategies: `<topic>-value`, `<topic>-key`, `<topic>-<full name>`. A subject that is
named after its own record is a shared type where others refer to it; otherwise it is an event whose
topic the name does not say. Nothing tells who produces and consumes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from codegen.baselines.holdings import Holdings
from codegen.contract.model import Contract, Level, SubjectStrategy
from codegen.contract.subjects import strictest
from codegen.editing import Edit, Insert
from codegen.source import Document, Json

_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")


@dataclass(slots=True)
class FoundTopic:
    """What subjects say of a topic."""

    events: dict[str, str] = field(default_factory=dict)
    """The subject of each event."""
    strategy: SubjectStrategy = SubjectStrategy.TOPIC_RECORD
    key: str = ""
    levels: dict[str, Level | None] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class FoundTopics:
    """The topics by name, and what could not be told, in words."""

    topics: dict[str, FoundTopic] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_topics(
    holdings: Holdings, roots: Mapping[str, str], records: Collection[str], known: Collection[str]
) -> FoundTopics:
    """The topics of subjects, whose roots these are; those that are `known` are passed over.

    Of the roots, `records` can be events and keys.
    """
    found = FoundTopics()
    used = {
        reference.subject
        for subject in holdings.subjects.values()
        for version in subject.versions
        for reference in version.references
    }
    for name in sorted(roots.keys() - known):
        root = roots[name]
        if name not in used or _split(name, root)[0]:
            if root in records:
                _sort_in(name, root, holdings, found)
            else:
                found.notes.append(
                    f"{name}: {root} is no record, so no event and no key; only its file was taken"
                )
        elif name != root:
            found.notes.append(
                f"{name}: others refer to it under this name, and kontrakt names the subject of a "
                f"shared type after the type: {root}"
            )
    for name in [name for name, topic in found.topics.items() if not topic.events]:
        found.notes.append(f"{name}-key: no event of topic {name} is there")
        del found.topics[name]
    return found


def _sort_in(name: str, root: str, holdings: Holdings, found: FoundTopics) -> None:
    topic, strategy = _split(name, root)
    if name == root:
        found.notes.append(
            f"{name}: its topic is not in its name; add it to the events of the topic, with "
            "subject_strategy: record"
        )
        return
    if not _TOPIC.fullmatch(topic):
        found.notes.append(f"{name}: it is named after no topic of Kafka")
        return
    entry = found.topics.setdefault(topic, FoundTopic())
    if strategy is None:
        entry.key = root
    elif entry.events and strategy is not entry.strategy:
        found.notes.append(f"{name}: topic {topic} has events under the other naming strategy")
        return
    else:
        entry.strategy = strategy
        entry.events[root] = name
    subject = holdings.subjects[name]
    entry.levels[name] = subject.level or holdings.level
    properties = (subject.versions[-1].metadata or {}).get("properties")
    for key, text in properties.items() if isinstance(properties, dict) else ():
        if key in ("doc", "owner") and isinstance(text, str) and text:
            entry.properties.setdefault(key, text)


def _split(name: str, root: str) -> tuple[str, SubjectStrategy | None]:
    """The topic and the strategy of a subject's name; no strategy for a key."""
    if name.endswith(f"-{root}"):
        return name[: -len(root) - 1], SubjectStrategy.TOPIC_RECORD
    topic, _, kind = name.rpartition("-")
    if kind == "key":
        return topic, None
    return (topic if kind == "value" else ""), SubjectStrategy.TOPIC


def make_edits(found: FoundTopics, known: Contract | Document) -> tuple[Edit, ...]:
    """What to insert into the manifest; what does not fit there is added to the notes.

    `known` is the contract, or a manifest that has no topics yet.
    """
    if isinstance(known, Document) and "topics" not in known.value and found.topics:
        every = {name: _write_topic(entry) for name, entry in sorted(found.topics.items())}
        return (Insert(("topics",), every),)
    edits: list[Edit] = []
    topics = {} if isinstance(known, Document) else {topic.name: topic for topic in known.topics}
    for name, entry in sorted(found.topics.items()):
        held = topics.get(name)
        if held is None:
            edits.append(Insert(("topics", name), _write_topic(entry)))
        elif held.strategy is not entry.strategy:
            found.notes.append(
                f"{name}: its subjects are named by subject_strategy: "
                f"{entry.strategy.value}, and the manifest says {held.strategy.value}"
            )
        else:
            count = len(held.events)
            edits += (
                Insert(("topics", name, "events", count), event) for event in sorted(entry.events)
            )
    return tuple(edits)


def _write_topic(entry: FoundTopic) -> Json:
    levels = [level for level in entry.levels.values() if level is not None]
    value: dict[str, Json] = dict(sorted(entry.properties.items()))
    if entry.key:
        value["key"] = {"schema": entry.key}
    if levels:
        value["compatibility"] = strictest(levels).value
    if entry.strategy is SubjectStrategy.TOPIC_RECORD and len(entry.events) == 1:
        value["subject_strategy"] = entry.strategy.value
    value["events"] = sorted(entry.events)
    return value
