"""What became of what? The parts of a schema and of an older one that stand for each other.

Fields and types are matched as Avro's schema resolution matches them (specification 1.12): fields
by name and alias, named types by full name, simple name and alias, branches of unions by what they
are. Both directions count, so a field that only older readers would match is no new one. Each pair
of named types is looked into once, so the work grows with the text and not with its uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from codegen.avro.incompatibility import (
    MAX_PAIRS,
    Target,
    TooManyPairs,
    has_matching_name,
    is_promotable,
)
from codegen.avro.schema import (
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
    split_name,
)
from codegen.source import Place


@dataclass(frozen=True, slots=True, eq=False)
class FieldPair:
    """A field and what it was before; one of the two is None for a new or a removed field."""

    new: Field | None
    old: Field | None
    new_record: Record
    old_record: Record

    @property
    def name(self) -> str:
        """The name it has now; the one it had when it was removed."""
        either = self.new or self.old
        return either.name if either is not None else ""

    @property
    def is_renamed(self) -> bool:
        """Whether an alias matched the two."""
        return self.new is not None and self.old is not None and self.new.name != self.old.name


@dataclass(frozen=True, slots=True, eq=False)
class TypePair:
    """A type and what it was before, in the innermost field that holds it, if a field does.

    The types are resolved; the places are where the types are used, which for a named type may be
    elsewhere than where it is defined. Where either is a union, `branches` are the positions of
    those that stand for each other, None for a branch without a counterpart; a type that is no
    union counts as one branch.
    """

    new: Target
    old: Target
    new_place: Place
    old_place: Place
    owner: FieldPair | None = None
    branches: tuple[tuple[int | None, int | None], ...] = ()


Pair: TypeAlias = FieldPair | TypePair
"""One part of a schema and the part of the older one that it stands for."""


def match_schemas(new: SchemaGraph, old: SchemaGraph) -> Iterator[Pair]:
    """All pairs of two schemas, in the order of the new text.

    A pair of named types comes once, where it is met first. Raises TooManyPairs.
    """
    walk = _Walk(new, old)
    waiting: list[Pair] = [walk.pair_types(new.root, old.root, None)]
    count = 0
    while waiting:
        pair = waiting.pop()
        count += 1
        if count > MAX_PAIRS:
            raise TooManyPairs
        if walk.is_known(pair):
            continue
        yield pair
        waiting.extend(reversed(list(walk.expand(pair))))


def match_fields(new: Record, old: Record) -> tuple[FieldPair, ...]:
    """The fields of two records: those of the new one in order, then those that were removed.

    A name goes before an alias. An alias of either side matches, as long as the field that it names
    has no namesake.
    """
    old_by_name = {item.name: item for item in old.fields}
    new_names = {item.name for item in new.fields}
    free = {name: item for name, item in old_by_name.items() if name not in new_names}
    by_old_alias = {alias: item for item in free.values() for alias in item.aliases}
    pairs = []
    for item in new.fields:
        found = old_by_name.get(item.name)
        if found is None:
            names = (alias for alias in item.aliases if alias in free)
            found = free.get(next(names, "")) or by_old_alias.get(item.name)
            if found is not None and free.pop(found.name, None) is None:
                found = None
        pairs.append(FieldPair(item, found, new, old))
    kept = {id(pair.old) for pair in pairs}
    pairs += [FieldPair(None, item, new, old) for item in old.fields if id(item) not in kept]
    return tuple(pairs)


def match_branches(
    new: Sequence[Target], old: Sequence[Target]
) -> tuple[tuple[int | None, int | None], ...]:
    """The positions of the branches of two unions that stand for each other.

    What is the same goes before what only matches by simple name, alias or promotion; then come
    the branches that are new and those that were removed.
    """
    pairs: dict[int, int] = {}
    left = dict.fromkeys(range(len(old)))
    by_key = {_key(old[index]): index for index in reversed(range(len(old)))}
    for index, branch in enumerate(new):
        found = by_key.get(_key(branch))
        if found in left and found is not None:
            pairs[index] = found
            del left[found]
    open_branches = [index for index in range(len(new)) if index not in pairs]
    for index, position in _match_loosely(new, old, open_branches, list(left)):
        pairs[index] = position
        del left[position]
    return (
        *((index, pairs.get(index)) for index in range(len(new))),
        *((None, index) for index in left),
    )


def _match_loosely(
    new: Sequence[Target], old: Sequence[Target], new_left: list[int], old_left: list[int]
) -> Iterator[tuple[int, int]]:
    names: dict[str, list[int]] = {}
    for position in old_left:
        for name in _loose_names(old[position]):
            names.setdefault(name, []).append(position)
    taken: set[int] = set()
    for index in new_left:
        branch = new[index]
        fitting = [one for name in _loose_names(branch) for one in names.get(name, ())]
        if isinstance(branch, Primitive):
            # There are eight primitive types, so this is no product of two long lists.
            fitting = [one for one in old_left if isinstance(old[one], Primitive)]
        for position in fitting:
            if position not in taken and _stands_for(branch, old[position]):
                taken.add(position)
                yield index, position
                break


def _loose_names(target: Target) -> tuple[str, ...]:
    if not isinstance(target, Record | Enum | Fixed):
        return ()
    return tuple(split_name(name)[1] for name in (target.name, *target.aliases))


def _stands_for(new: Target, old: Target) -> bool:
    match new, old:
        case Primitive(), Primitive():
            return is_promotable(new, old) or is_promotable(old, new)
        case ((Record() | Enum() | Fixed()), (Record() | Enum() | Fixed())):
            is_match = has_matching_name(new, old) or has_matching_name(old, new)
            return is_match and type(new) is type(old)
        case _:
            return False


def _key(target: Target) -> str:
    """What tells the branches of one union apart (specification 1.12, "Unions")."""
    match target:
        case Primitive():
            return target.type
        case Record() | Enum() | Fixed():
            return f"{type(target).__name__} {target.name}"
        case _:
            return type(target).__name__


@dataclass(slots=True)
class _Walk:
    new: SchemaGraph
    old: SchemaGraph
    known: set[tuple[int, int]] = field(default_factory=set)

    def pair_types(self, new: Schema, old: Schema, owner: FieldPair | None) -> TypePair:
        wanted, given = self.new.resolve(new), self.old.resolve(old)
        branches: tuple[tuple[int | None, int | None], ...] = ()
        if isinstance(wanted, Union) or isinstance(given, Union):
            after = [branch for branch, _ in _branches(self.new, wanted, new.origin)]
            before = [branch for branch, _ in _branches(self.old, given, old.origin)]
            branches = match_branches(after, before)
        return TypePair(wanted, given, new.origin, old.origin, owner, branches)

    def is_known(self, pair: Pair) -> bool:
        """Whether these are two named types that were met before; remembers them."""
        named = (Record, Enum, Fixed)
        if not (isinstance(pair, TypePair) and isinstance(pair.new, named)):
            return False
        key = (id(pair.new), id(pair.old))
        is_known = key in self.known
        self.known.add(key)
        return is_known and isinstance(pair.old, named)

    def expand(self, pair: Pair) -> Iterator[Pair]:
        """The pairs directly inside a pair."""
        if isinstance(pair, FieldPair):
            if pair.new is not None and pair.old is not None:
                yield self.pair_types(pair.new.schema, pair.old.schema, pair)
            return
        match pair.new, pair.old:
            case Record() as new, Record() as old:
                yield from match_fields(new, old)
            case Array() as new, Array() as old:
                yield self.pair_types(new.items, old.items, pair.owner)
            case Map() as new, Map() as old:
                yield self.pair_types(new.values, old.values, pair.owner)
            case (Union(), _) | (_, Union()):
                yield from self._expand_unions(pair)
            case _:
                return

    def _expand_unions(self, pair: TypePair) -> Iterator[TypePair]:
        new = _branches(self.new, pair.new, pair.new_place)
        old = _branches(self.old, pair.old, pair.old_place)
        for new_index, old_index in pair.branches:
            if new_index is not None and old_index is not None:
                new_branch, new_place = new[new_index]
                old_branch, old_place = old[old_index]
                yield TypePair(new_branch, old_branch, new_place, old_place, pair.owner)


def _branches(graph: SchemaGraph, target: Target, place: Place) -> list[tuple[Target, Place]]:
    if not isinstance(target, Union):
        return [(target, place)]
    return [(graph.resolve(branch), branch.origin) for branch in target.branches]
