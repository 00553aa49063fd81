"""Which event was renamed, so that nobody asked whether it fits its past?

Subjects are named after records where a topic carries several events. A record with a new name has
a new subject, a new subject has no history, and what has no history is compatible with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from codegen.avro.schema import Record, SchemaGraph, split_name
from codegen.avro.wording import describe_type
from codegen.contract.model import History, PastVersion, Subject
from codegen.diagnostics import Findings, Related, Severity, locate, rule

UNCHECKED_RENAME = rule(
    "change/unchecked-rename",
    "An event looks like one that was renamed, and its new subject has no past to check it with.",
    "Where subjects are named after records, a record with a new name starts a new history. The "
    "registry takes whatever comes first, while the topic still holds messages of the old name, "
    "which no consumer of the new one has a handler for. Add the new event beside the old one, and "
    "remove the old one when no message of it is left.",
    severity=Severity.WARNING,
)

ALIKE = 0.5
"""From this part of fields in common on, of all that either has, two records look alike."""


def report_renames(
    new: Iterable[Subject], departed: Mapping[str, History], findings: Findings
) -> frozenset[str]:
    """A finding for each new subject that looks like one that is gone; each of those counts once.

    The subjects of both, old and new, are returned.
    Both must belong together by their names: to one topic, or, where subjects are named after
    records only, to one namespace or under one simple name.
    """
    left = {
        name: history.versions[-1]
        for name, history in departed.items()
        if history.versions and history.versions[-1].schema is not None
    }
    renamed: set[str] = set()
    for subject in new:
        best = max(
            ((_likeness(subject, name, version), name) for name, version in left.items()),
            default=(0.0, ""),
        )
        if best[0] >= ALIKE:
            _report(subject, left.pop(best[1]), findings)
            renamed |= {subject.name, best[1]}
    return frozenset(renamed)


def _report(subject: Subject, version: PastVersion, findings: Findings) -> None:
    assert version.schema is not None
    root = version.schema.root
    old_name = getattr(root, "name", version.subject)
    findings.add(
        UNCHECKED_RENAME,
        subject.schema.root.origin.at("name"),
        f"{getattr(subject.schema.root, 'name', subject.name)} looks like {old_name} renamed, and "
        f"was not checked against its past",
        note=f"{subject.name} is a new subject",
        hint=f"keep the name {split_name(old_name)[1]}, or keep both events until no message of "
        "the old one is left",
        related=(Related("", f"{version.subject}, {version.label}", locate(root.origin)),),
        subject=subject.name,
    )


def _likeness(subject: Subject, name: str, version: PastVersion) -> float:
    new, old = subject.schema.root, version.schema and version.schema.root
    if not _belong_together(subject.name, name) or version.schema is None:
        return 0.0
    if not isinstance(new, Record) or not isinstance(old, Record):
        return 0.0
    if old.name in new.aliases:
        return 1.0
    if not new.fields or not old.fields:
        return 0.0
    fields, others = _fields(subject.schema), _fields(version.schema)
    return len(fields & others) / len(fields | others)


def _belong_together(subject: str, other: str) -> bool:
    """Whether two subjects are of one topic, or of records in one namespace or of one name."""
    (topic, record), (other_topic, other_record) = _parts(subject), _parts(other)
    if topic or other_topic:
        return topic == other_topic
    (namespace, name), (other_namespace, other_name) = split_name(record), split_name(other_record)
    return namespace == other_namespace or name == other_name


def _parts(subject: str) -> tuple[str, str]:
    """The topic and the record that a subject is named after; one of them may be empty."""
    topic, dash, record = subject.rpartition("-")
    return (topic, record) if dash else ("", subject)


def _fields(graph: SchemaGraph) -> set[tuple[str, str]]:
    root = graph.root
    fields = root.fields if isinstance(root, Record) else ()
    return {(item.name, describe_type(item.schema)) for item in fields}
