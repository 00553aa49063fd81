"""Will a consumer really read what a producer wrote, whatever the registry says?

Registries compare schemas by one set of rules, and Avro Java's decoder follows another: it compares
full names in unions and none of records, looks at the reader's aliases first, and takes a branch
for good before it knows what is inside. `simulate` goes the decoder's way (Resolver of Avro Java
1.12) and tells where the two part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum as Enumeration
from typing import TypeAlias

from codegen.avro.defaults import check_java_use
from codegen.avro.dialect import is_alike
from codegen.avro.incompatibility import (
    MAX_PAIRS,
    AmbiguousFieldError,
    Incompatibility,
    Pointer,
    Steps,
    Target,
    TooManyPairs,
    extend,
    is_promotable,
    place_of,
    type_name,
    write_pointer,
)
from codegen.avro.resolution import compare, judge_both
from codegen.avro.schema import (
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Record,
    Schema,
    SchemaGraph,
    Union,
    reachable,
    split_name,
    walk,
)
from codegen.avro.search import Task, search
from codegen.source import Place


class Outcome(Enumeration):
    """How the registry and the decoder can part."""

    ACCEPTED_BUT_FAILS = "the registry accepts it, and the consumer fails"
    REJECTED_BUT_WORKS = "the registry rejects it, and the consumer works"


@dataclass(frozen=True, slots=True)
class Surprise:
    """A place where the registry's verdict and what Avro Java's decoder does differ.

    `message` is what the one that refuses says; `reason` is the registry's, where it is that.
    """

    outcome: Outcome
    message: str
    reader_path: str
    writer_path: str
    reader: Place
    writer: Place
    reason: Incompatibility | None = None


@dataclass(frozen=True, slots=True)
class DecodingError:
    """A place where Avro Java's decoder stops once data reaches it."""

    message: str
    reader_path: str
    writer_path: str
    reader: Place
    writer: Place


def simulate(reader: SchemaGraph, writer: SchemaGraph) -> tuple[Surprise, ...]:
    """Where the registry's verdict and the decoder differ. Raises TooManyPairs.

    Where the registry accepts everything, each place where the decoder stops; where the decoder
    stops nowhere, each reason that the registry gives. Where both refuse there is no surprise.
    """
    errors = find_decoding_errors(reader, writer)
    try:
        is_accepted = not judge_both(reader, writer)[0]
    except AmbiguousFieldError:
        is_accepted = False
    if is_accepted:
        return tuple(
            Surprise(
                Outcome.ACCEPTED_BUT_FAILS,
                error.message,
                error.reader_path,
                error.writer_path,
                error.reader,
                error.writer,
            )
            for error in errors
        )
    if errors:
        return ()
    return tuple(
        Surprise(
            Outcome.REJECTED_BUT_WORKS,
            f"{reason.kind.value}: {reason.message}",
            reason.reader_path,
            reason.writer_path,
            reason.reader,
            reason.writer,
            reason,
        )
        for reason in compare(reader, writer)
    )


def find_decoding_errors(reader: SchemaGraph, writer: SchemaGraph) -> tuple[DecodingError, ...]:
    """Every place where Avro Java's decoder stops, each pair of types once. Raises TooManyPairs."""
    return tuple(_Decoder(reader, writer).run())


@dataclass(slots=True, eq=False)
class _Visit:
    reader: Schema
    writer: Schema
    reader_path: Pointer
    writer_path: Pointer


@dataclass(slots=True)
class _Aliases:
    """What the reader's aliases make of the writer's names, before anything is compared."""

    types: dict[str, str] = field(default_factory=dict)
    fields: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, reader: SchemaGraph) -> _Aliases:
        aliases = cls()
        for named in reachable(reader).values():
            for alias in named.aliases:
                aliases.types[alias.removeprefix(".")] = named.name
            if isinstance(named, Record):
                renamed = {alias: item.name for item in named.fields for alias in item.aliases}
                if renamed:
                    aliases.fields.setdefault(named.name, {}).update(renamed)
        return aliases

    def rename(self, named: Named) -> str:
        return self.types.get(named.name, named.name)

    def rename_fields(self, record: Record) -> list[str]:
        renamed = self.fields.get(self.rename(record), {})
        return [renamed.get(item.name, item.name) for item in record.fields]


_Request: TypeAlias = tuple[Target, Target]


class _Decoder:
    def __init__(self, reader: SchemaGraph, writer: SchemaGraph) -> None:
        self._reader = reader
        self._writer = writer
        # Avro Java leaves the aliases aside where the two schemas are equal.
        is_same = is_alike(reader.root, writer.root, reader.resolve, writer.resolve)
        self._aliases = _Aliases() if is_same else _Aliases.of(reader)
        self._mismatches: dict[Hashable, bool] = {}
        self._equivalent: dict[Hashable, bool] = {}
        self._alive: list[Target] = []

    def run(self) -> Iterator[DecodingError]:
        yield from self._check_renaming()
        waiting = deque([_Visit(self._reader.root, self._writer.root, None, None)])
        seen: set[tuple[int, int]] = set()
        while waiting:
            visit = waiting.popleft()
            reader, writer = self._targets(visit.reader, visit.writer)
            key = (id(reader), id(writer))
            if key in seen:
                continue
            if len(seen) >= MAX_PAIRS:
                raise TooManyPairs
            seen.add(key)
            for step in self._step(visit, reader, writer):
                if isinstance(step, _Visit):
                    waiting.append(step)
                else:
                    yield step

    def _check_renaming(self) -> Iterator[DecodingError]:
        """The aliases rename all that the writer has, whether data gets there or not."""
        roots = [self._writer.root, *reachable(self._writer).values()]
        nodes = {id(node): node for root in roots for node in walk(root)}
        for node in nodes.values():
            if isinstance(node, Record):
                names = self._aliases.rename_fields(node)
            elif isinstance(node, Union):
                targets = map(self._writer.resolve, node.branches)
                names = [self._rename_branch(target) for target in targets]
            else:
                continue
            if len(set(names)) < len(names):
                message = "the reader's aliases give two things of the writer one name"
                yield DecodingError(message, "/", "/", self._reader.root.origin, node.origin)

    def _rename_branch(self, target: Target) -> str:
        if isinstance(target, Record | Enum | Fixed):
            return self._aliases.rename(target)
        return type_name(target)

    def _targets(self, reader: Schema, writer: Schema) -> tuple[Target, Target]:
        targets = (self._reader.resolve(reader), self._writer.resolve(writer))
        self._alive += targets
        return targets

    def _step(
        self, visit: _Visit, reader: Target, writer: Target
    ) -> Iterator[_Visit | DecodingError]:
        match reader, writer:
            case _, Union(branches=branches):
                if not self._is_equivalent(reader, writer):
                    for index, branch in enumerate(branches):
                        yield _inside(visit, visit.reader, branch, (), (str(index),))
            case Union(), _:
                choice = self._choose(reader, writer)
                if choice is None:
                    message = f"no branch of the reader's union takes {self._describe(writer)}"
                    yield _error(visit, message)
                else:
                    yield _inside(visit, reader.branches[choice], visit.writer, (str(choice),), ())
            case Array(), Array():
                yield _inside(visit, reader.items, writer.items, ("items",), ("items",))
            case Map(), Map():
                yield _inside(visit, reader.values, writer.values, ("values",), ("values",))
            case Record(), Record():
                yield from self._step_record(visit, reader, writer)
            case _:
                if problem := self._compare_simple(reader, writer):
                    yield _error(visit, problem)

    def _step_record(
        self, visit: _Visit, reader: Record, writer: Record
    ) -> Iterator[_Visit | DecodingError]:
        names = self._aliases.rename_fields(writer)
        positions = {name: index for index, name in enumerate(names)}
        for index, item in enumerate(reader.fields):
            steps = ("fields", str(index))
            if (match := positions.get(item.name)) is not None:
                other = writer.fields[match].schema
                inner = ("fields", str(match), "type")
                yield _inside(visit, item.schema, other, (*steps, "type"), inner)
            elif problem := self._check_missing(item):
                yield _error(visit, problem, steps, place=item.origin.at("name"))

    def _check_missing(self, item: Field) -> str:
        if item.default is None:
            return f'the writer has no field "{item.name}", and it has no default'
        problem = check_java_use(self._reader, item.schema, item.default.value)
        return f'the default of "{item.name}" cannot be used: {problem}' if problem else ""

    def _compare_simple(self, reader: Target, writer: Target) -> str:
        """Why one type that is no record, array, map or union is not decoded as another."""
        match reader, writer:
            case Enum(), Enum():
                if not self._has_short_name(reader, writer):
                    return f"{self._describe(writer)} is not {reader.name}"
                missing = [one for one in writer.symbols if one not in reader.symbols]
                if missing and reader.default not in reader.symbols:
                    return f"the reader does not know the symbols [{', '.join(missing)}]"
            case Fixed(), Fixed():
                if not self._has_short_name(reader, writer):
                    return f"{self._describe(writer)} is not {reader.name}"
                if reader.size != writer.size:
                    return f"{writer.size} bytes were written, and {reader.size} are read"
            case _:
                if not is_promotable(reader, writer):
                    return f"{type_name(writer)} cannot be read as {type_name(reader)}"
        return ""

    def _describe(self, schema: Target) -> str:
        if not isinstance(schema, Record | Enum | Fixed):
            return type_name(schema)
        renamed = self._aliases.rename(schema)
        return renamed if renamed == schema.name else f"{schema.name} (read as {renamed})"

    def _has_short_name(self, reader: Named, writer: Named) -> bool:
        return split_name(self._aliases.rename(writer))[1] == split_name(reader.name)[1]

    def _choose(self, reader: Union, writer: Target) -> int | None:
        """The branch that the decoder takes for a type; None where it takes none."""
        choice = self._choosing(reader, writer)
        try:
            request = next(choice)
            while True:
                seen = search(request, _identify, self._glance, False, self._mismatches)
                request = choice.send(seen)
        except StopIteration as done:
            index: int | None = done.value
            return index

    def _choosing(self, reader: Union, writer: Target) -> Generator[_Request, bool, int | None]:
        """Choose by full name, else by shape, else by promotion; yields pairs to glance at."""
        shape: int | None = None
        targets = [self._reader.resolve(branch) for branch in reader.branches]
        for index, target in enumerate(targets):
            if type_name(target) != type_name(writer):
                continue
            if not isinstance(target, Record | Enum | Fixed) or not isinstance(
                writer, Record | Enum | Fixed
            ):
                return index
            if self._aliases.rename(writer) == target.name:
                return index
            is_candidate = isinstance(target, Record) and not (yield target, writer)
            if is_candidate and (shape is None or self._has_short_name(target, writer)):
                shape = index
        if shape is not None:
            return shape
        return next((i for i, one in enumerate(targets) if is_promotable(one, writer)), None)

    def _glance(self, request: _Request) -> Task[_Request, bool]:
        """Whether two records do not fit, as far as the decoder looks before it chooses."""
        reader, writer = request
        assert isinstance(reader, Record) and isinstance(writer, Record)
        if self._lacks_field(reader, writer):
            return True
        names = self._aliases.rename_fields(writer)
        wanted = {item.name: item for item in reader.fields}
        for name, given in zip(names, writer.fields, strict=True):
            if name not in wanted:
                continue
            inner, other = self._targets(wanted[name].schema, given.schema)
            match inner, other:
                case (_, Union()) | (Array(), Array()) | (Map(), Map()):
                    is_wrong = False
                case Record(), Record():
                    is_wrong = self._lacks_field(inner, other)
                case Union(), _:
                    is_wrong = (yield from self._choosing(inner, other)) is None
                case Enum(), Enum():
                    is_wrong = not self._has_short_name(inner, other)
                case _:
                    is_wrong = bool(self._compare_simple(inner, other))
            if is_wrong:
                return True
        return False

    def _lacks_field(self, reader: Record, writer: Record) -> bool:
        names = set(self._aliases.rename_fields(writer))
        return any(item.default is None and item.name not in names for item in reader.fields)

    def _is_equivalent(self, reader: Target, writer: Target) -> bool:
        """Whether all types under two unions are alike, so that the decoder just reads on."""
        root = _identify((reader, writer))
        if root not in self._equivalent:
            self._settle_equivalence((reader, writer))
        return self._equivalent[root]

    def _settle_equivalence(self, root: _Request) -> None:
        """Settle all pairs under one at once: each holds unless one under it fails."""
        waiting = [root]
        dependents: dict[Hashable, list[Hashable]] = {}
        failed: list[Hashable] = []
        while waiting:
            pair = waiting.pop()
            key = _identify(pair)
            if key in self._equivalent:
                continue
            inner = self._compare_shapes(*pair)
            self._equivalent[key] = inner is not None
            if inner is None:
                failed.append(key)
            for one in inner or ():
                below = self._targets(*one)
                dependents.setdefault(_identify(below), []).append(key)
                if self._equivalent.get(_identify(below)) is False:
                    failed.append(_identify(below))
                waiting.append(below)
        while failed:
            for key in dependents.pop(failed.pop(), ()):
                self._equivalent[key] = False
                failed.append(key)

    def _compare_shapes(
        self, reader: Target, writer: Target
    ) -> Iterable[tuple[Schema, Schema]] | None:
        """The inner types that must be alike too; None where these two are not."""
        match reader, writer:
            case Record(), Record():
                names = self._aliases.rename_fields(writer)
                if names != [item.name for item in reader.fields]:
                    return None
                if not self._has_short_name(reader, writer):
                    return None
                fields = zip(reader.fields, writer.fields, strict=True)
                return [(mine.schema, yours.schema) for mine, yours in fields]
            case Union(), Union():
                if len(reader.branches) != len(writer.branches):
                    return None
                return zip(reader.branches, writer.branches, strict=True)
            case Array(), Array():
                return ((reader.items, writer.items),)
            case Map(), Map():
                return ((reader.values, writer.values),)
            case Enum(), Enum():
                is_same = self._has_short_name(reader, writer) and reader.symbols == writer.symbols
            case Fixed(), Fixed():
                is_same = self._has_short_name(reader, writer) and reader.size == writer.size
            case _:
                is_same = type_name(reader) == type_name(writer)
        return () if is_same else None


def _identify(request: _Request) -> Hashable:
    return id(request[0]), id(request[1])


def _inside(
    visit: _Visit, reader: Schema, writer: Schema, reader_steps: Steps, writer_steps: Steps
) -> _Visit:
    return _Visit(
        reader,
        writer,
        extend(visit.reader_path, reader_steps),
        extend(visit.writer_path, writer_steps),
    )


def _error(
    visit: _Visit, message: str, steps: Steps = (), place: Place | None = None
) -> DecodingError:
    return DecodingError(
        message,
        write_pointer(extend(visit.reader_path, steps)),
        write_pointer(visit.writer_path),
        place or place_of(visit.reader, steps),
        place_of(visit.writer, ()),
    )
