"""Is a schema compatible with the history of its subject, at a level?

A level is data: which side reads which, and how much of the history counts. Every pair that the
level asks for is judged, precisely and soundly; the verdict also names the version that a
Confluent registry would name. A past version that cannot be read is never compatible: the verdict
says that it could not be judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from codegen.avro.resolution import Incompatibility, TooManyPairs, compare
from codegen.avro.schema import SchemaGraph
from codegen.contract.model import History, Level, PastVersion


class Direction(Enum):
    """Who reads whose data."""

    BACKWARD = "new reads old"
    FORWARD = "old reads new"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a level asks for: directions, and all live versions or the latest only.

    The directions stand in the order in which a Confluent registry checks them.
    """

    directions: tuple[Direction, ...]
    is_transitive: bool


_BACKWARD = (Direction.BACKWARD,)
_FORWARD = (Direction.FORWARD,)
_FULL = (Direction.FORWARD, Direction.BACKWARD)

SCOPES: dict[Level, Scope] = {
    Level.NONE: Scope((), False),
    Level.BACKWARD: Scope(_BACKWARD, False),
    Level.BACKWARD_TRANSITIVE: Scope(_BACKWARD, True),
    Level.FORWARD: Scope(_FORWARD, False),
    Level.FORWARD_TRANSITIVE: Scope(_FORWARD, True),
    Level.FULL: Scope(_FULL, False),
    Level.FULL_TRANSITIVE: Scope(_FULL, True),
}
"""What each level of Confluent's registry means."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A past version that the schema breaks with, in one direction, and every reason why.

    Reader and writer of the incompatibilities are the schema and the version, or the other way
    about, as the direction says.
    """

    version: PastVersion
    direction: Direction
    incompatibilities: tuple[Incompatibility, ...]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A past version that could not be compared, and why. Whatever else holds, this is no yes."""

    version: PastVersion
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the level says of one schema and its history.

    `checked` are the versions that the level asks for, oldest first, the unjudged among them.
    """

    level: Level
    checked: tuple[PastVersion, ...]
    failures: tuple[Failure, ...] = ()
    unjudged: tuple[Unjudged, ...] = ()

    @property
    def is_compatible(self) -> bool:
        """Whether everything that the level asks for was judged, and held."""
        return not self.failures and not self.unjudged

    @property
    def named_by_registry(self) -> PastVersion | None:
        """The version that a Confluent registry would name: it goes from new to old and stops."""
        broken = {id(failure.version) for failure in self.failures}
        broken |= {id(one.version) for one in self.unjudged}
        return next((one for one in reversed(self.checked) if id(one) in broken), None)


@dataclass(slots=True)
class Judge:
    """Judges many schemas and levels; each pair of schemas is compared once in each direction.

    It remembers schemas by identity and keeps them alive; make one for each run.
    """

    _memory: dict[tuple[int, int], tuple[Incompatibility, ...]] = field(default_factory=dict)
    _alive: list[SchemaGraph] = field(default_factory=list)

    def judge(self, schema: SchemaGraph, history: History, level: Level) -> Verdict:
        """Judge a schema against the live versions of its subject that the level asks for."""
        scope = SCOPES[level]
        versions = history.versions if scope.is_transitive else history.versions[-1:]
        if not scope.directions:
            return Verdict(level, ())
        failures: list[Failure] = []
        unjudged: list[Unjudged] = []
        for version in versions:
            if version.schema is None:
                unjudged.append(Unjudged(version, version.problem or "it cannot be read as Avro"))
                continue
            try:
                failures += self._compare(schema, version, version.schema, scope)
            except TooManyPairs as error:
                unjudged.append(Unjudged(version, error.message))
        return Verdict(level, versions, tuple(failures), tuple(unjudged))

    def _compare(
        self, schema: SchemaGraph, version: PastVersion, past: SchemaGraph, scope: Scope
    ) -> Iterator[Failure]:
        for direction in scope.directions:
            is_backward = direction is Direction.BACKWARD
            reader, writer = (schema, past) if is_backward else (past, schema)
            if found := self.compare(reader, writer):
                yield Failure(version, direction, found)

    def compare(self, reader: SchemaGraph, writer: SchemaGraph) -> tuple[Incompatibility, ...]:
        """`resolution.compare`, remembered. Raises TooManyPairs."""
        key = (id(reader), id(writer))
        found = self._memory.get(key)
        if found is None:
            self._memory[key] = found = compare(reader, writer)
            self._alive += (reader, writer)
        return found


def judge(schema: SchemaGraph, history: History, level: Level) -> Verdict:
    """Judge one schema against the history of its subject; see Judge for many."""
    return Judge().judge(schema, history, level)
