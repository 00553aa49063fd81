"""What breaks, before it is put into words: each incompatibility once, with all that it breaks.

Where no branch of a union fits, what counts is what is wrong inside the branch that comes closest.
So a change of a type that many events share is one break, however deep each of them holds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from codegen.avro.resolution import Incompatibility, Kind
from codegen.avro.schema import Array, Map, Record, Schema, SchemaGraph, Union, split_name
from codegen.compatibility import Direction, Verdict
from codegen.contract.model import PastVersion, Subject
from codegen.rules.mends import value_at
from codegen.source import Json, Place


@dataclass(slots=True)
class Break:
    """One incompatibility, with everything that it breaks: subjects, and versions of each.

    `union` is the failed union that it lies inside of.
    """

    direction: Direction
    reason: Incompatibility
    union: Incompatibility | None = None
    subjects: dict[str, list[PastVersion]] = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)
    """How each subject reaches the place, where it lies in a type of another file."""

    @property
    def new(self) -> Place:
        """The place in the schema that people edit."""
        return self._new_side(self.reason)

    @property
    def old(self) -> Place:
        """The place in the version of the past."""
        return self.reason.writer if self.direction is Direction.BACKWARD else self.reason.reader

    @property
    def new_union(self) -> Place | None:
        """The place of the failed union in the schema that people edit."""
        return self._new_side(self.union) if self.union is not None else None

    @property
    def pointer(self) -> str:
        """The JSON pointer to the new place, named types written out."""
        is_backward = self.direction is Direction.BACKWARD
        return self.reason.reader_path if is_backward else self.reason.writer_path

    @property
    def kind(self) -> Kind:
        """The kind; a type that was or became a branch of a union counts as that branch."""
        if self.reason.kind is Kind.TYPE_MISMATCH and _is_branch(self.reason.writer):
            return Kind.MISSING_UNION_BRANCH
        return self.reason.kind

    def path(self, graph: SchemaGraph) -> str:
        """The field as people say it, `lines[].quantity`; empty for the schema itself.

        `graph` is the new schema.
        """
        words = name_path(graph, self.pointer)
        is_old_field = (
            self.reason.kind is Kind.READER_FIELD_MISSING_DEFAULT_VALUE
            and self.direction is Direction.FORWARD
        )
        if not is_old_field:
            return words
        return f"{words}.{self.reason.message}" if words else self.reason.message

    def _new_side(self, reason: Incompatibility) -> Place:
        return reason.reader if self.direction is Direction.BACKWARD else reason.writer


_MUTUAL = (Kind.TYPE_MISMATCH, Kind.FIXED_SIZE_MISMATCH)
"""Kinds that say the same in both directions."""


def find_breaks(direction: Direction, reasons: Iterable[Incompatibility]) -> Iterator[Break]:
    """A break for each incompatibility, or for each cause of it inside a union."""
    for reason in reasons:
        inner = list(_innermost(reason))
        if inner:
            yield from (Break(direction, cause, reason) for cause in inner)
        else:
            yield Break(direction, reason)


def collect_breaks(judged: Iterable[tuple[Subject, Verdict]]) -> tuple[Break, ...]:
    """The breaks of all verdicts, those at one place for one reason together."""
    found: dict[tuple[object, ...], Break] = {}
    for subject, verdict in judged:
        for failure in verdict.failures:
            for one in find_breaks(failure.direction, failure.incompatibilities):
                place, reason = one.new, one.reason
                # One change of a type is one thing to mend, whoever cannot read whom.
                is_mutual = reason.kind in _MUTUAL
                what = () if is_mutual else (one.direction, reason.message)
                key = (reason.kind, place.document.name, place.path, *what)
                kept = found.setdefault(key, one)
                versions = kept.subjects.setdefault(subject.name, [])
                if not versions and place.document is not subject.document:
                    kept.ways[subject.name] = name_path(subject.schema, one.pointer)
                if failure.version not in versions:
                    versions.append(failure.version)
                # The newest version makes the best "before", and new readers go first.
                if one.direction in (kept.direction, Direction.BACKWARD):
                    kept.direction, kept.reason = one.direction, reason
    return tuple(found.values())


def _innermost(reason: Incompatibility) -> Iterator[Incompatibility]:
    """What is wrong inside the branch that comes closest; nothing where no branch comes close."""
    depth = reason.reader_path.rstrip("/").count("/")
    inner = [cause for cause in reason.causes if cause.reader_path.count("/") > depth + 1]
    if any(one.kind is Kind.NAME_MISMATCH and not _is_rename(reason, one) for one in inner):
        return
    for cause in inner:
        yield from tuple(_innermost(cause)) or (cause,)


def _is_rename(union: Incompatibility, names: Incompatibility) -> bool:
    """Whether a branch seems to have become another one, which is not one of the old ones too."""
    reader, writer = (_definition(place) for place in (names.reader, names.writer))
    writers = value_at(_outside(union.writer)) if _is_branch(union.writer) else None
    taken = {_simple(one) for one in writers} if isinstance(writers, list) else set()
    readers = value_at(union.reader)
    known = {_simple(one) for one in readers} if isinstance(readers, list) else set()
    if _simple(reader) in taken or _simple(writer) in known:
        return False
    sides = [_members(one) for one in (reader, writer)]
    return not all(sides) or not sides[0].isdisjoint(sides[1])


def _definition(place: Place) -> Json:
    """The type whose name stands at a place."""
    value = value_at(place)
    return value if isinstance(value, dict) else value_at(_outside(place))


def _outside(place: Place) -> Place:
    return Place(place.document, place.path[:-1])


def _simple(branch: Json) -> str:
    name = branch.get("name") if isinstance(branch, dict) else branch
    return split_name(name)[1] if isinstance(name, str) else ""


def _members(definition: Json) -> set[str]:
    """The names of a record's fields, or the symbols of an enum."""
    match definition:
        case {"fields": list(fields)}:
            return {str(one.get("name")) for one in fields if isinstance(one, dict)}
        case {"symbols": list(symbols)}:
            return {str(one) for one in symbols}
        case _:
            return set()


def name_path(graph: SchemaGraph, pointer: str) -> str:
    """A JSON pointer into a schema as people say it: `lines[].quantity`, `tags{}`.

    A part that the schema does not have ends it.
    """
    words = ""
    for record, step in walk(graph, pointer):
        dot = "." if record is not None and words else ""
        words += f"{dot}{step}"
    return words


def walk(graph: SchemaGraph, pointer: str) -> Iterator[tuple[Record | None, str]]:
    """The fields on the way of a JSON pointer, each with its record, and `[]` and `{}` with none.

    A part that the schema does not have ends it.
    """
    schema: Schema = graph.root
    steps = iter(pointer.split("/")[1:])
    for step in steps:
        match graph.resolve(schema), step:
            case Record(fields=fields) as record, "fields":
                index = next(steps, "")
                if not index.isdigit() or int(index) >= len(fields):
                    return
                yield record, fields[int(index)].name
                schema = fields[int(index)].schema
            case Array(items=inner), "items":
                yield None, "[]"
                schema = inner
            case Map(values=inner), "values":
                yield None, "{}"
                schema = inner
            case Union(branches=branches), _ if step.isdigit() and int(step) < len(branches):
                schema = branches[int(step)]
            case _, "type":
                continue
            case _:
                return


def describe_type(value: Json) -> str:
    """An Avro type in a few words, from its JSON."""
    match value:
        case str():
            return value
        case list():
            return f"a union of {', '.join(describe_type(item) for item in value)}"
        case {"name": _, "type": inner} if not is_definition(value):
            return describe_type(inner)
        case {"logicalType": str(logical), "type": inner}:
            return f"{logical} ({describe_type(inner)})"
        case {"type": "array", "items": items}:
            return f"an array of {describe_type(items)}"
        case {"type": "map", "values": values}:
            return f"a map of {describe_type(values)}"
        case {"name": str(name), "type": str(kind)}:
            return f"the {kind} {name}"
        case {"type": inner}:
            return describe_type(inner)
        case _:
            return json.dumps(value)


def is_definition(value: Mapping[str, Json]) -> bool:
    """Whether it defines a named type."""
    return value.get("type") in ("record", "error", "enum", "fixed")


def _is_branch(place: Place) -> bool:
    *outer, last = place.path or ("",)
    return isinstance(last, int) and isinstance(value_at(Place(place.document, tuple(outer))), list)
