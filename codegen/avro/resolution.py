"""Can data written with one schema be read with another, and if not, where and why?

`is_readable` is the verdict: the greatest fixpoint over all pairs of types that meet, so recursion
cannot hide an error. `compare` tells people each true place once, with its place on both sides.
`compare_as_reference` repeats Avro Java's SchemaCompatibility, oddities included, for that is what
a registry will answer. Time and memory grow with the number of pairs that meet, never with the
number of ways to reach them, and nothing recurses.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from codegen.avro.branches import Branches
from codegen.avro.incompatibility import (
    MAX_PAIRS,
    MAX_REPORTED,
    AmbiguousFieldError,
    Incompatibility,
    Kind,
    Pointer,
    Problem,
    Steps,
    Target,
    TooManyPairs,
    ambiguous_field,
    compare_heads,
    extend,
    is_promotable,
    match_fields,
    missing_branch,
    missing_default,
    place_of,
    write_pointer,
)
from codegen.avro.plain import is_plainly_readable
from codegen.avro.reference import compare_as_reference
from codegen.avro.schema import (
    Array,
    Map,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
    reachable,
    split_name,
)

__all__ = [
    "AmbiguousFieldError",
    "Incompatibility",
    "Kind",
    "TooManyPairs",
    "compare",
    "compare_as_reference",
    "is_readable",
    "judge_both",
]

MAX_REPEATS = 200
"""How often `compare` follows a pair again that it has already reported at another path."""


def is_readable(reader: SchemaGraph, writer: SchemaGraph) -> bool:
    """Whether all data of the writer can be read: the sound verdict. Raises TooManyPairs."""
    if is_plainly_readable(reader, writer, MAX_PAIRS):
        return True
    return not _Meetings(reader, writer).root.failed


def compare(reader: SchemaGraph, writer: SchemaGraph) -> tuple[Incompatibility, ...]:
    """Every reason why data of the writer cannot be read, each true place once.

    Empty exactly when `is_readable`. Where one pair of types meets at several paths, each path is
    listed, up to a limit. Raises TooManyPairs.
    """
    if is_plainly_readable(reader, writer, MAX_PAIRS):
        return ()
    meetings = _Meetings(reader, writer)
    return _Explanation(meetings).run() if meetings.root.failed else ()


def judge_both(
    reader: SchemaGraph, writer: SchemaGraph
) -> tuple[tuple[Incompatibility, ...], bool]:
    """`compare_as_reference` and `is_readable` at once, for little more than the price of one."""
    readable = is_readable(reader, writer)
    if readable and not _has_field_aliases(reader):
        # A verdict of "incompatible" by the reference is a finite proof, so the fixpoint finds it.
        return (), True
    return compare_as_reference(reader, writer), readable


def _has_field_aliases(graph: SchemaGraph) -> bool:
    records = (named for named in reachable(graph).values() if isinstance(named, Record))
    return any(item.aliases for record in records for item in record.fields)


@dataclass(slots=True, eq=False)
class _Pair:
    """A reader's and a writer's type that meet.

    It fails for its own problems, or when one of `needs` fails. A choice (a reader's union and a
    writer's branch) needs one branch at a time, and fails when none is left to be tried.
    """

    reader: Target
    writer: Target
    is_choice: bool
    problems: tuple[Problem, ...] = ()
    needs: list[_Edge] = field(default_factory=list)
    dependents: list[_Pair] = field(default_factory=list)
    untried: list[int] = field(default_factory=list)
    failed: bool = False


@dataclass(slots=True, eq=False)
class _Edge:
    """The way from a pair to one inside it; the uses are what stands there, references too."""

    pair: _Pair
    reader_steps: Steps
    writer_steps: Steps
    reader_use: Schema
    writer_use: Schema


class _Meetings:
    """Every pair of types that meets when the roots do, and which of them fail."""

    def __init__(self, reader: SchemaGraph, writer: SchemaGraph) -> None:
        self.reader = reader
        self.writer = writer
        self._known: dict[tuple[int, int], _Pair] = {}
        self._branches: dict[int, Branches] = {}
        self._waiting: list[_Pair] = []
        self._failed: list[_Pair] = []
        self.root = self._meet(reader.resolve(reader.root), writer.resolve(writer.root))
        while self._waiting or self._failed:
            if self._waiting:
                self._expand(self._waiting.pop())
            else:
                self._spread(self._failed.pop())

    def _meet(self, reader: Target, writer: Target) -> _Pair:
        key = (id(reader), id(writer))
        pair = self._known.get(key)
        if pair is not None:
            return pair
        if len(self._known) >= MAX_PAIRS:
            raise TooManyPairs
        is_choice = isinstance(reader, Union) and not isinstance(writer, Union)
        self._known[key] = pair = _Pair(reader, writer, is_choice)
        if not isinstance(reader, Union) and not isinstance(writer, Union):
            pair.problems = compare_heads(reader, writer)
            if pair.problems:
                self._fail(pair)
        self._waiting.append(pair)
        return pair

    def _fail(self, pair: _Pair) -> None:
        if not pair.failed:
            pair.failed = True
            self._failed.append(pair)

    def _need(
        self, owner: _Pair, reader: Schema, writer: Schema, reader_steps: Steps, writer_steps: Steps
    ) -> None:
        wanted, given = self.reader.resolve(reader), self.writer.resolve(writer)
        if is_promotable(wanted, given):
            return
        pair = self._meet(wanted, given)
        pair.dependents.append(owner)
        owner.needs.append(_Edge(pair, reader_steps, writer_steps, reader, writer))
        if pair.failed and not owner.is_choice:
            self._fail(owner)

    def _expand(self, pair: _Pair) -> None:
        match pair.reader, pair.writer:
            case reader, Union(branches=branches):
                for index, branch in enumerate(branches):
                    self._need(pair, reader, branch, (), (str(index),))
            case Union() as reader, writer:
                self._expand_choice(pair, reader, writer)
            case Record() as reader, Record() as writer:
                self._expand_record(pair, reader, writer)
            case Array() as reader, Array() as writer:
                self._need(pair, reader.items, writer.items, ("items",), ("items",))
            case Map() as reader, Map() as writer:
                self._need(pair, reader.values, writer.values, ("values",), ("values",))
            case _:
                pass

    def _expand_choice(self, pair: _Pair, reader: Union, writer: Target) -> None:
        branches = self._branches.get(id(reader))
        if branches is None:
            branches = self._branches[id(reader)] = Branches(reader, self.reader)
        options = branches.find_fitting(writer)
        if isinstance(writer, Primitive) and options:
            return
        pair.untried = options[::-1]
        self._try_next(pair, reader)

    def _try_next(self, pair: _Pair, reader: Union) -> None:
        """Let a choice need the next of its options that has not failed already."""
        while pair.untried:
            index = pair.untried.pop()
            self._need(pair, reader.branches[index], pair.writer, (str(index),), ())
            if not pair.needs[-1].pair.failed:
                return
        self._fail(pair)

    def _expand_record(self, pair: _Pair, reader: Record, writer: Record) -> None:
        written = {item.name: index for index, item in enumerate(writer.fields)}
        problems: list[Problem] = []
        for index, item in enumerate(reader.fields):
            match = written.get(item.name)
            if item.aliases:
                found = sorted(set(match_fields(item, written)))
                if len(found) > 1:
                    problems.append(ambiguous_field(item, index, writer, found))
                    continue
                match = found[0] if found else None
            if match is not None:
                other = writer.fields[match].schema
                steps = (("fields", str(index), "type"), ("fields", str(match), "type"))
                self._need(pair, item.schema, other, *steps)
            elif item.default is None:
                problems.append(missing_default(item, index, writer))
        if problems:
            pair.problems += tuple(problems)
            self._fail(pair)

    def _spread(self, failed: _Pair) -> None:
        for dependent in failed.dependents:
            if not dependent.is_choice:
                self._fail(dependent)
            elif dependent.needs[-1].pair is failed and isinstance(dependent.reader, Union):
                self._try_next(dependent, dependent.reader)


@dataclass(slots=True, eq=False)
class _Draft:
    """An incompatibility whose causes are still being found."""

    problem: Problem
    visit: _Visit
    causes: list[_Draft] = field(default_factory=list)

    def finish(self) -> Incompatibility:
        problem, visit = self.problem, self.visit
        return Incompatibility(
            problem.kind,
            problem.message,
            write_pointer(extend(visit.reader, problem.reader_steps)),
            write_pointer(extend(visit.writer, problem.writer_steps)),
            problem.reader or place_of(visit.edge.reader_use, problem.reader_steps),
            problem.writer or place_of(visit.edge.writer_use, problem.writer_steps),
            tuple(cause.finish() for cause in self.causes),
        )


@dataclass(slots=True, eq=False)
class _Visit:
    """A failed pair on one way to it. What is found there goes to `drafts`."""

    edge: _Edge
    reader: Pointer
    writer: Pointer
    drafts: list[_Draft]
    is_cause: bool = False
    parent: _Visit | None = None

    def is_inside_itself(self) -> bool:
        """Whether the same pair lies on the way here."""
        visit = self.parent
        while visit is not None:
            if visit.edge.pair is self.edge.pair:
                return True
            visit = visit.parent
        return False


class _Explanation:
    """A walk over the failed pairs, the nearest to the root first, so that paths are short."""

    def __init__(self, meetings: _Meetings) -> None:
        self._meetings = meetings
        self._seen: set[tuple[int, bool]] = set()
        self._repeats = MAX_REPEATS
        self._reported = 0

    def run(self) -> tuple[Incompatibility, ...]:
        meetings = self._meetings
        root = _Edge(meetings.root, (), (), meetings.reader.root, meetings.writer.root)
        drafts: list[_Draft] = []
        waiting = deque([_Visit(root, None, None, drafts)])
        while waiting and self._reported < MAX_REPORTED:
            visit = waiting.popleft()
            if self._may_enter(visit):
                waiting.extend(self._enter(visit))
        return tuple(draft.finish() for draft in drafts)

    def _may_enter(self, visit: _Visit) -> bool:
        pair = visit.edge.pair
        if not pair.failed:
            return False
        key = (id(pair), visit.is_cause)
        if key in self._seen:
            if self._repeats <= 0 or visit.is_inside_itself():
                return False
            self._repeats -= 1
        self._seen.add(key)
        return True

    def _enter(self, visit: _Visit) -> list[_Visit]:
        pair = visit.edge.pair
        for problem in pair.problems:
            self._report(problem, visit)
        if not pair.is_choice:
            return [self._follow(edge, visit, visit.drafts) for edge in pair.needs]
        best = min(pair.needs, key=lambda edge: _distance(edge.pair), default=None)
        if visit.is_cause and best is not None:
            return [self._follow(best, visit, visit.drafts)]
        draft = self._report(missing_branch(pair.writer), visit)
        if best is not None:
            return [self._follow(best, visit, draft.causes)]
        self._explain_heads(pair, visit, draft)
        return []

    def _report(self, problem: Problem, visit: _Visit) -> _Draft:
        draft = _Draft(problem, visit)
        visit.drafts.append(draft)
        self._reported += 1
        return draft

    def _follow(self, edge: _Edge, visit: _Visit, drafts: list[_Draft]) -> _Visit:
        return _Visit(
            edge,
            extend(visit.reader, edge.reader_steps),
            extend(visit.writer, edge.writer_steps),
            drafts,
            drafts is not visit.drafts or visit.is_cause,
            visit,
        )

    def _explain_heads(self, pair: _Pair, visit: _Visit, draft: _Draft) -> None:
        """Say why the branch of the writer's own kind does not fit, where there is one."""
        assert isinstance(pair.reader, Union)
        for index, branch in enumerate(pair.reader.branches):
            target = self._meetings.reader.resolve(branch)
            if type(target) is type(pair.writer) and not isinstance(target, Primitive):
                edge = _Edge(pair, (str(index),), (), branch, visit.edge.writer_use)
                inner = self._follow(edge, visit, draft.causes)
                for problem in compare_heads(target, pair.writer):
                    self._report(problem, inner)
                return


def _distance(pair: _Pair) -> tuple[bool, bool, int]:
    """How far a union's branch is from what was written: other names, then more errors."""
    names = [split_name(getattr(side, "name", "")) for side in (pair.reader, pair.writer)]
    errors = len(pair.problems) + sum(edge.pair.failed for edge in pair.needs)
    return names[0] != names[1], names[0][1] != names[1][1], errors
