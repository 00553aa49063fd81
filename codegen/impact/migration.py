"""How is a change made for which no order is safe? In steps: expand, move over, contract.

Each thing that breaks is made in two halves: what is added beside the old now, and what is taken
away when nobody needs the old any more. The steps name the fields, types and symbols of the change
at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from codegen.avro.incompatibility import Incompatibility, Kind
from codegen.avro.schema import SchemaGraph, split_name
from codegen.compatibility import SCOPES, Direction
from codegen.impact.exposure import Break, Impact
from codegen.rules.breaking import describe_type, name_path
from codegen.rules.mends import find_renames, value_at
from codegen.source import Json, Place


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that breaks, in halves.

    `expand` is what to write in the schema now; `produce` and `consume` are what the services do
    until the old is gone, empty where nothing changes for them; `contract` is what to take away
    last. `needed` is the field that old readers need and that has no default; `is_reading_first`
    says that consumers must know the new before it is sent.
    """

    expand: str
    produce: str = ""
    consume: str = ""
    contract: str = ""
    needed: str = ""
    is_reading_first: bool = False


@dataclass(frozen=True, slots=True)
class Migration:
    """The steps of one event's change."""

    impact: Impact
    moves: tuple[Move, ...]

    @property
    def expand(self) -> tuple[str, ...]:
        """What to write in the schema now."""
        return _each(one.expand for one in self.moves)

    @property
    def produce(self) -> tuple[str, ...]:
        """What producers do until the old is gone."""
        return _each(one.produce for one in self.moves)

    @property
    def consume(self) -> tuple[str, ...]:
        """What consumers do until the old is gone."""
        return _each(one.consume for one in self.moves)

    @property
    def contract(self) -> tuple[str, ...]:
        """What to take away from the schema last."""
        return _each(one.contract for one in self.moves)

    @property
    def is_reading_first(self) -> bool:
        """Whether consumers must be deployed with the expanded schema before producers."""
        return any(one.is_reading_first for one in self.moves)

    @property
    def kept(self) -> tuple[str, ...]:
        """The fields that the level of the topic never lets go, since old readers need them."""
        scope = SCOPES[self.impact.level]
        if Direction.FORWARD not in scope.directions or not scope.is_transitive:
            return ()
        return _each(one.needed for one in self.moves)


def make_migration(impact: Impact) -> Migration:
    """The steps for an event's change, from what breaks in it."""
    facts = [_Facts(one, impact.schema) for one in impact.breaks]
    renames: dict[str, str] = {}
    for one in facts:
        renames |= one.renames
    moves: dict[Move, None] = {}
    for one in facts:
        one.all_renames = renames
        move = _MOVES[one.kind, one.direction](one)
        if move is not None:
            moves[move] = None
    return Migration(impact, tuple(moves))


def _each(words: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in words if one))


@dataclass(slots=True)
class _Facts:
    """What one break is about, as the moves speak of it."""

    one: Break
    schema: SchemaGraph
    all_renames: Mapping[str, str] = field(default_factory=dict)
    """The old name of each renamed field of the event, by its new name."""

    @property
    def reason(self) -> Incompatibility:
        return self.one.reason

    @property
    def direction(self) -> Direction:
        return self.one.direction

    @property
    def kind(self) -> Kind:
        """The kind; a type that was or became a branch of a union counts as that branch."""
        writer = self.reason.writer.path
        is_branch = bool(writer) and isinstance(writer[-1], int)
        if self.reason.kind is Kind.TYPE_MISMATCH and is_branch:
            container = value_at(Place(self.reason.writer.document, writer[:-1]))
            if isinstance(container, list):
                return Kind.MISSING_UNION_BRANCH
        return self.reason.kind

    @property
    def new(self) -> Place:
        is_backward = self.direction is Direction.BACKWARD
        return self.reason.reader if is_backward else self.reason.writer

    @property
    def old(self) -> Place:
        is_backward = self.direction is Direction.BACKWARD
        return self.reason.writer if is_backward else self.reason.reader

    @property
    def path(self) -> str:
        """The field, as people say it: `lines[].quantity`; empty for the event itself."""
        is_backward = self.direction is Direction.BACKWARD
        pointer = self.reason.reader_path if is_backward else self.reason.writer_path
        return name_path(self.schema, pointer)

    @property
    def missing(self) -> str:
        """A field that one side lacks, as people say it."""
        if self.direction is Direction.BACKWARD:
            return name_path(self.schema, self.reason.reader_path)
        outer = name_path(self.schema, self.reason.writer_path)
        return f"{outer}.{self.reason.message}" if outer else self.reason.message

    @property
    def renames(self) -> Mapping[str, str]:
        if self.reason.kind is not Kind.READER_FIELD_MISSING_DEFAULT_VALUE:
            return {}
        old, new = _record_at(self.old), _record_at(self.new)
        return find_renames(new.get("fields"), old.get("fields"))

    @property
    def symbols(self) -> str:
        return self.reason.message.strip("[]")

    @property
    def enum(self) -> str:
        path = self.new.path[:-1] if self.new.path[-1:] == ("symbols",) else self.new.path
        value = value_at(Place(self.new.document, path))
        return str(value.get("name", "the enum")) if isinstance(value, dict) else "the enum"

    @property
    def branch(self) -> str:
        """The branch of the writer that the reader lacks."""
        if self.reason.kind is Kind.MISSING_UNION_BRANCH:
            return self.reason.message.rpartition(": ")[2].lower()
        return describe_type(value_at(self.reason.writer))


def _record_at(place: Place) -> Mapping[str, Json]:
    """The innermost record around a place."""
    found: Mapping[str, Json] = {}
    value = place.document.value
    for step in (None, *place.path):
        if step is not None:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                break
        if isinstance(value, dict) and isinstance(value.get("fields"), list):
            found = value
    return found


def _has_default(place: Place) -> bool:
    """Whether the innermost field around a place has a default."""
    value, found, is_field = place.document.value, False, False
    for step in place.path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
        if is_field and isinstance(value, dict):
            found = "default" in value
        is_field = step == "fields"
    return found


def _come(facts: _Facts) -> Move | None:
    """A field came without a default; one that was renamed is the business of the one that went."""
    name = facts.reason.message
    if name in facts.all_renames:
        return None
    return Move(
        f'give "{facts.missing}" a default',
        contract=f'its default may go from "{facts.missing}"',
    )


def _go(facts: _Facts) -> Move:
    """A field went that readers need."""
    old = facts.reason.message
    new = next((new for new, former in facts.all_renames.items() if former == old), "")
    if not new:
        return Move(
            f'keep "{facts.missing}", and give it a default',
            consume=f'do without "{facts.missing}"',
            contract=f'remove "{facts.missing}"',
            needed=facts.missing,
        )
    return Move(
        f'keep "{old}" with a default, and add "{new}" beside it with one',
        f'write both "{old}" and "{new}"',
        f'read "{new}", and "{old}" where "{new}" was not written',
        f'remove "{old}"',
        needed=old,
    )


def _retype(facts: _Facts) -> Move:
    """A type was replaced."""
    new, old = describe_type(value_at(facts.new)), describe_type(value_at(facts.old))
    path = facts.path
    if facts.reason.kind is Kind.FIXED_SIZE_MISMATCH:
        new, old = f"a fixed of {value_at(facts.new)} bytes", f"{value_at(facts.old)} bytes"
    if not path:
        return Move(
            f"keep {old} as it is, and add another event beside it for {new}",
            "send both events",
            "handle the new event, and the old one until no message of it is left",
            "remove the old event",
        )
    outer, _, name = path.removesuffix("[]").removesuffix("{}").rpartition(".")
    beside = f"{outer}.{name}_2" if outer else f"{name}_2"
    return Move(
        f'keep "{path}" as {old} and give it a default; add a field beside it for {new}, for '
        f'example "{beside}", with a default',
        f'write both "{path}" and "{beside}"',
        f'read "{beside}", and "{path}" where "{beside}" was not written',
        f'remove "{path}"',
        needed="" if _has_default(facts.old) else path,
    )


def _rename_type(facts: _Facts) -> Move:
    old = value_at(facts.old)
    name = old.get("name", "") if isinstance(old, dict) else str(old)
    simple = split_name(str(name))[1]
    if not facts.path:
        return Move(
            f"keep {simple}, and add an event of the new name beside it",
            "send both events",
            "handle the new event, and the old one until no message of it is left",
            f"remove {simple}",
        )
    return _retype(facts)


def _lose_symbols(facts: _Facts) -> Move:
    return Move(
        f"keep {facts.symbols} in {facts.enum}",
        f"stop writing {facts.symbols}",
        contract=f"remove {facts.symbols} from {facts.enum}",
    )


def _gain_symbols(facts: _Facts) -> Move:
    return Move(
        f'give {facts.enum} a "default", and add {facts.symbols}',
        f"write {facts.symbols} from now on",
        is_reading_first=True,
    )


def _lose_branch(facts: _Facts) -> Move:
    return Move(
        f'keep {facts.branch} in "{facts.path}"',
        f'stop writing {facts.branch} in "{facts.path}"',
        contract=f'take {facts.branch} out of "{facts.path}"',
    )


def _gain_branch(facts: _Facts) -> Move:
    return Move(
        f'add {facts.branch} to "{facts.path}"',
        f'write {facts.branch} in "{facts.path}" from now on',
        is_reading_first=True,
    )


def _part_names(facts: _Facts) -> Move:
    return Move("give the field that fits several another name, and no alias")


_NEW, _OLD = Direction.BACKWARD, Direction.FORWARD

_MOVES: Mapping[tuple[Kind, Direction], Callable[[_Facts], Move | None]] = {
    (Kind.READER_FIELD_MISSING_DEFAULT_VALUE, _NEW): _come,
    (Kind.READER_FIELD_MISSING_DEFAULT_VALUE, _OLD): _go,
    (Kind.TYPE_MISMATCH, _NEW): _retype,
    (Kind.TYPE_MISMATCH, _OLD): _retype,
    (Kind.NAME_MISMATCH, _NEW): _rename_type,
    (Kind.NAME_MISMATCH, _OLD): _rename_type,
    (Kind.FIXED_SIZE_MISMATCH, _NEW): _retype,
    (Kind.FIXED_SIZE_MISMATCH, _OLD): _retype,
    (Kind.MISSING_ENUM_SYMBOLS, _NEW): _lose_symbols,
    (Kind.MISSING_ENUM_SYMBOLS, _OLD): _gain_symbols,
    (Kind.MISSING_UNION_BRANCH, _NEW): _lose_branch,
    (Kind.MISSING_UNION_BRANCH, _OLD): _gain_branch,
    (Kind.AMBIGUOUS_FIELD, _NEW): _part_names,
    (Kind.AMBIGUOUS_FIELD, _OLD): _part_names,
}
