"""What will Avro Java, and so a registry built on it, say about a reader and a writer?

Repeats SchemaCompatibility of Avro Java 1.12 and 1.13 exactly: kinds, pointers, messages, order,
what it reports twice, and the corner where it accepts what cannot be decoded. Confluent's registry
and Apicurio call it. Depth costs no stack, and repeated results share their memory.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from codegen.avro.canonical import render
from codegen.avro.incompatibility import (
    MAX_REPORTED,
    AmbiguousFieldError,
    Incompatibility,
    Problem,
    Steps,
    Target,
    compare_heads,
    escape,
    is_promotable,
    match_fields,
    missing_branch,
    missing_default,
    place_of,
    type_name,
)
from codegen.avro.schema import Array, Enum, Field, Map, Record, Schema, SchemaGraph, Union
from codegen.avro.search import Task, search


def compare_as_reference(reader: SchemaGraph, writer: SchemaGraph) -> tuple[Incompatibility, ...]:
    """What Avro Java's SchemaCompatibility reports: its kinds, pointers, messages and order.

    Repeats what it repeats, and accepts what it wrongly accepts. Raises AmbiguousFieldError where
    Avro Java throws, and TooManyPairs.
    """
    return _Reference(reader, writer).run()


_Result: TypeAlias = "Sequence[Incompatibility | _Result]"
"""Incompatibilities and earlier results in order, which are shared, not copied."""

_Request: TypeAlias = "tuple[Schema, Schema, _Location]"
_Task: TypeAlias = Task[_Request, _Result]


@dataclass(slots=True, eq=False)
class _Location:
    """Where the reference is, as it counts: from the root, or from the last union entered."""

    reader: list[str] = field(default_factory=list)
    writer: list[str] = field(default_factory=list)

    def push(self, reader_steps: Steps, writer_steps: Steps) -> None:
        self.reader += reader_steps
        self.writer += writer_steps

    def pop(self, reader_steps: Steps, writer_steps: Steps) -> None:
        del self.reader[len(self.reader) - len(reader_steps) :]
        del self.writer[len(self.writer) - len(writer_steps) :]


class _Reference:
    """Avro Java's depth-first search, with its memory of pairs.

    A pair in progress counts as compatible, and what was concluded from that is kept. A pair met
    again gives its first result, first pointers included.
    """

    def __init__(self, reader: SchemaGraph, writer: SchemaGraph) -> None:
        self._reader = reader
        self._writer = writer
        self._alive: list[Target] = []
        self._memory: dict[Hashable, _Result] = {}

    def run(self) -> tuple[Incompatibility, ...]:
        root: _Request = (self._reader.root, self._writer.root, _Location())
        return _flatten(search(root, self._key, self._check, (), self._memory))

    def _key(self, request: _Request) -> Hashable:
        reader, writer = self._reader.resolve(request[0]), self._writer.resolve(request[1])
        # What has no name in the graph is made anew each time; kept, no other takes its identity.
        self._alive += (reader, writer)
        return id(reader), id(writer)

    def _check(self, request: _Request) -> _Task:
        reader_use, writer_use, at = request
        reader, writer = self._reader.resolve(reader_use), self._writer.resolve(writer_use)
        match reader, writer:
            case Union(), Union(branches=branches):
                return self._check_unions(reader, branches, writer_use, at)
            case _, Union(branches=branches):
                return self._check_branches(reader, branches, at)
            case Union(branches=branches), _:
                return self._check_choice(branches, writer, reader_use, writer_use, at)
            case Array(), Array():
                return self._check_inside(reader.items, writer.items, "items", at)
            case Map(), Map():
                return self._check_inside(reader.values, writer.values, "values", at)
            case _:
                return self._check_types(reader, writer, reader_use, writer_use, at)

    def _check_unions(
        self, reader: Union, branches: Sequence[Schema], writer_use: Schema, at: _Location
    ) -> _Task:
        found: list[Incompatibility | _Result] = []
        for index, branch in enumerate(branches):
            writer = self._writer.resolve(branch)
            # Asked here first, since large unions meet the same branches very often.
            result = self._memory.get((id(reader), id(writer)))
            if result is None:
                result = yield reader, branch, _Location()
            if result:
                step = (str(index),)
                at.push(step, step)
                found.append(_report(missing_branch(writer), reader, branch, at))
                at.pop(step, step)
        return found

    def _check_branches(self, reader: Target, branches: Sequence[Schema], at: _Location) -> _Task:
        found: list[Incompatibility | _Result] = []
        for index, branch in enumerate(branches):
            step = (str(index),)
            at.push(step, step)
            if result := (yield reader, branch, at):
                found.append(result)
            at.pop(step, step)
        return found

    def _check_choice(
        self,
        branches: Sequence[Schema],
        writer: Target,
        reader_use: Schema,
        writer_use: Schema,
        at: _Location,
    ) -> _Task:
        for branch in branches:
            result = self._memory.get((id(self._reader.resolve(branch)), id(writer)))
            if result is None:
                result = yield branch, writer, _Location()
            if not result:
                return ()
        return [_report(missing_branch(writer), reader_use, writer_use, at)]

    def _check_inside(self, reader: Schema, writer: Schema, step: str, at: _Location) -> _Task:
        at.push((step,), (step,))
        result = yield reader, writer, at
        at.pop((step,), (step,))
        return result

    def _check_types(
        self,
        reader: Target,
        writer: Target,
        reader_use: Schema,
        writer_use: Schema,
        at: _Location,
    ) -> _Task:
        found: list[Incompatibility | _Result] = [
            _report(problem, reader_use, writer_use, at)
            for problem in compare_heads(reader, writer)
        ]
        if not isinstance(reader, Record) or not isinstance(writer, Record):
            return found
        written = {item.name: index for index, item in enumerate(writer.fields)}
        for index, item in enumerate(reader.fields):
            target = self._reader.resolve(item.schema)
            match = match_fields(item, written) if item.aliases else written.get(item.name)
            steps: tuple[Steps, Steps] = (("fields", str(index), "type"), ())
            if isinstance(match, list):
                if len(match) > 1:
                    raise self._ambiguous(item, index, writer)
                match = match[0] if match else None
            if match is not None:
                other = writer.fields[match].schema
                if is_promotable(target, self._writer.resolve(other)):
                    continue
                steps = (steps[0], ("fields", str(match), "type"))
            elif item.default is not None:
                continue
            elif isinstance(target, Enum) and target.default is not None:
                # Avro Java compares the enum with the record that lacks the field.
                other = writer
            else:
                problem = missing_default(item, index, writer)
                found.append(_report(problem, reader_use, writer_use, at))
                continue
            at.push(*steps)
            if result := (yield item.schema, other, at):
                found.append(result)
            at.pop(*steps)
        return found

    def _ambiguous(self, item: Field, index: int, writer: Record) -> AmbiguousFieldError:
        kind = type_name(self._reader.resolve(item.schema))
        description = f"{item.name} type:{kind} pos:{index}"
        text = render(SchemaGraph(writer, self._writer.names), inline=True)
        return AmbiguousFieldError(
            f"Reader record field {description} matches multiple fields in writer record schema "
            + text
        )


def _report(
    problem: Problem, reader_use: Schema, writer_use: Schema, at: _Location
) -> Incompatibility:
    return Incompatibility(
        problem.kind,
        problem.message,
        "/" + "/".join(map(escape, (*at.reader, *problem.reader_steps))),
        "/" + "/".join(map(escape, (*at.writer, *problem.writer_steps))),
        problem.reader or place_of(reader_use, problem.reader_steps),
        problem.writer or place_of(writer_use, problem.writer_steps),
    )


def _flatten(result: _Result) -> tuple[Incompatibility, ...]:
    found: list[Incompatibility] = []
    waiting: list[Incompatibility | _Result] = [result]
    while waiting and len(found) < MAX_REPORTED:
        item = waiting.pop()
        if isinstance(item, Incompatibility):
            found.append(item)
        else:
            waiting.extend(reversed(item))
    return tuple(found)
