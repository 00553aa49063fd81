"""What is legal and dangerous: changes that every registry takes, and that alter what data says.

A registry asks whether bytes can be read. Whether they still mean the same, nobody asks: an amount
in cents read as one in tenths of a cent is read without any error. These rules compare a schema
with the latest version of its subject, part by part, and one of them with the whole history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from codegen.avro.incompatibility import TooManyPairs
from codegen.avro.matching import FieldPair, Pair, match_schemas
from codegen.avro.schema import Record, SchemaGraph, reachable
from codegen.avro.wording import describe_type
from codegen.contract.model import History, Level, PastVersion, Subject
from codegen.diagnostics import Findings, Related, Severity, locate, rule
from codegen.difference import field_label
from codegen.rules.field_changes import FIELD_CHECKS
from codegen.rules.hazard import Hazard, Revision, has_key, name_others
from codegen.rules.type_changes import TYPE_CHECKS
from codegen.source import Place

KEY_CHANGED = rule(
    "change/key-schema",
    "The schema of a message key changed: the same key makes other bytes, and another partition.",
    "A serialized key holds the id of its schema, so any new version changes the bytes, even one "
    "that differs in a doc only. The partition follows from the bytes: new messages of a key go "
    "to another partition than old ones, their order is lost, compaction keeps both, and joins "
    "with other topics find nothing. A new topic, filled from the old one, is the way out.",
    severity=Severity.WARNING,
)

FIELD_RETURNED = rule(
    "change/field-returned",
    "A field has the name of one that was removed earlier, and another type or meaning.",
    "The latest version does not have the field, so a level that is not transitive sees a new one. "
    "Messages that hold the old one are read as the new type where that can be done, and stop the "
    "reader where not. The same goes for the old name of a field that was renamed: what older "
    "messages hold under it belongs to the renamed one.",
    severity=Severity.WARNING,
)


def report_hazards(
    changes: Iterable[tuple[Subject, History]], findings: Findings
) -> dict[str, tuple[Hazard, ...]]:
    """A finding for each dangerous change of these subjects, which must differ from their latest.

    Gives the changes of each subject by its name.
    A type that several of them use is reported once, for the first. A subject at the level NONE
    promises nothing, so there they fail no command; that data would be misread is said all the
    same.
    """
    found: dict[str, tuple[Hazard, ...]] = {}
    alike: dict[tuple[object, ...], list[tuple[Hazard, Revision]]] = {}
    for subject, history in changes:
        revision = Revision(subject, history)
        found[subject.name] = tuple(find_hazards(revision))
        for hazard in found[subject.name]:
            place = hazard.place
            # Not the message: it names a field of a shared type in the words of one event.
            key = (hazard.rule.id, place.document.name, place.path, hazard.note)
            alike.setdefault(key, []).append((hazard, revision))
    for (hazard, revision), *others in alike.values():
        _report(hazard, revision, [one.subject for _, one in others], findings)
    return found


def _report(
    hazard: Hazard, revision: Revision, others: Sequence[Subject], findings: Findings
) -> None:
    subject = revision.subject
    where = locate(hazard.old_place) if hazard.old_place is not None else None
    is_guarded = any(one.level is not Level.NONE for one in (subject, *others))
    findings.add(
        hazard.rule,
        hazard.place,
        hazard.message,
        note=hazard.note,
        hint=hazard.hint,
        related=(Related("", f"{subject.name}, {revision.latest.label}", where),),
        subject=subject.name,
        others=name_others(subject, hazard.place, others),
        severity=hazard.severity if is_guarded else Severity.WARNING,
        mends=hazard.mends,
    )


def find_hazards(revision: Revision) -> Iterator[Hazard]:
    """Every dangerous change of one subject; none where the latest version cannot be read."""
    latest = revision.latest.schema
    if latest is None:
        return
    try:
        pairs = tuple(match_schemas(revision.subject.schema, latest))
    except TooManyPairs:
        return  # the verdict itself reports it
    yield from _find_key_change(revision)
    for pair in pairs:
        if isinstance(pair, FieldPair):
            for check in FIELD_CHECKS:
                yield from check(pair, revision)
        else:
            for compare in TYPE_CHECKS:
                yield from compare(pair, revision)
    yield from _find_returned_fields(pairs, revision)


def _find_key_change(revision: Revision) -> Iterator[Hazard]:
    """The subjects given are changed ones, so for a key that is enough."""
    if revision.subject.is_key and revision.latest.schema is not None:
        topic = revision.subject.name.removesuffix("-key")
        yield Hazard(
            KEY_CHANGED,
            _name_place(revision.subject.schema),
            revision.latest.schema.root.origin,
            f"the key of topic {topic} has another schema",
            "the same key makes other bytes, and goes to another partition",
            "keep the key's schema as it is, even its docs; else make a new topic",
        )


def _find_returned_fields(pairs: Iterable[Pair], revision: Revision) -> Iterator[Hazard]:
    added = {
        id(pair.new): pair
        for pair in pairs
        if isinstance(pair, FieldPair) and pair.new is not None and pair.old is None
    }
    renamed: set[tuple[str, str]] = set()
    for version, after in reversed(tuple(pairwise(revision.history.versions))):
        renamed |= _find_aliases(after.schema)
        if version.schema is None or not _may_have_any(version.schema, added.values()):
            continue
        try:
            past = tuple(match_schemas(revision.subject.schema, version.schema))
        except TooManyPairs:
            continue
        for pair in past:
            if not isinstance(pair, FieldPair) or pair.old is None:
                continue
            if added.pop(id(pair.new), None) is None or pair.new is None:
                continue
            was, is_now = describe_type(pair.old.schema), describe_type(pair.new.schema)
            if was != is_now:
                yield _returned(pair, version, was, is_now, revision)
            elif (pair.old_record.name, pair.new.name) in renamed:
                yield _reused(pair, version, revision)


def _may_have_any(past: SchemaGraph, added: Iterable[FieldPair]) -> bool:
    """Whether a schema has a field by a name or alias of these new ones; for little."""
    fields = [pair.new for pair in added if pair.new is not None]
    wanted = {name for item in fields for name in (item.name, *item.aliases)}
    records = (named for named in reachable(past).values() if isinstance(named, Record))
    return bool(wanted) and any(
        not wanted.isdisjoint((item.name, *item.aliases))
        for record in records
        for item in record.fields
    )


def _returned(
    pair: FieldPair, version: PastVersion, before: str, after: str, revision: Revision
) -> Hazard:
    assert pair.new is not None and pair.old is not None
    return Hazard(
        FIELD_RETURNED,
        pair.new.origin.at("name"),
        pair.old.origin,
        f'"{field_label(pair, revision.root)}" was {before} until it was removed, and comes back '
        f"as {after}",
        f"{version.label} wrote {before} under this name",
        "give the new field a name that was never used",
    )


def _find_aliases(schema: SchemaGraph | None) -> set[tuple[str, str]]:
    """The old names of fields, each with the record that it belongs to."""
    named = reachable(schema).values() if schema is not None else ()
    return {
        (record.name, alias)
        for record in named
        if isinstance(record, Record)
        for item in record.fields
        for alias in item.aliases
    }


def _reused(pair: FieldPair, version: PastVersion, revision: Revision) -> Hazard:
    assert pair.new is not None and pair.old is not None
    return Hazard(
        FIELD_RETURNED,
        pair.new.origin.at("name"),
        pair.old.origin,
        f'"{field_label(pair, revision.root)}" is a new field under a name that another field had '
        "until it was renamed",
        f"{version.label} wrote the other field under this name",
        "give the new field a name that was never used",
    )


def _name_place(graph: SchemaGraph) -> Place:
    origin = graph.root.origin
    return origin.at("name") if has_key(origin, "name") else origin
