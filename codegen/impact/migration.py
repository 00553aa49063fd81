"""How is a change made for which no order is safe? In steps: expand, move over, contract.

Each thing that breaks is made in two halves: what is added beside the old now, and what is taken
away when nobody needs the old any more. The steps name the fields, types and symbols of the change
at hand, and ask for nothing that the level of the topic refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from codegen.avro.incompatibility import Incompatibility, Kind
from codegen.avro.schema import Record, split_name
from codegen.compatibility import SCOPES, Direction
from codegen.contract.model import Level
from codegen.impact.exposure import Impact
from codegen.rules.breaks import Break, describe_type, walk
from codegen.rules.hazard import Beside, Hazard
from codegen.rules.mends import find_renames, value_at
from codegen.source import Json, Place


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that breaks, in halves.

    `expand` is what to write in the schema now; `produce` and `consume` are what the services do
    until the old is gone, empty where nothing changes for them; `contract` is what to take away
    last, empty where nothing is. `stays` is what the level will never let go. `is_reading_first`
    says that consumers must know the new before it is sent.
    """

    expand: str
    produce: str = ""
    consume: str = ""
    contract: str = ""
    stays: str = ""
    is_reading_first: bool = False


@dataclass(frozen=True, slots=True)
class Migration:
    """The steps of a change, of one event or of several that change through one type."""

    impacts: tuple[Impact, ...]
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
    def stays(self) -> tuple[str, ...]:
        """What the level never lets go."""
        return _each(one.stays for one in self.moves)

    @property
    def is_reading_first(self) -> bool:
        """Whether consumers must be deployed with the expanded schema before producers."""
        return any(one.is_reading_first for one in self.moves)


def make_migration(impacts: tuple[Impact, ...]) -> Migration:
    """The steps for a change, from what breaks or is misread in it."""
    facts = [_Facts(one, impact) for impact in impacts for one in impact.breaks]
    renames: dict[str, str] = {}
    for one in facts:
        renames |= one.renames
    moves = {_depart(impact): None for impact in impacts if impact.is_removed}
    moves |= {_arrive(impact): None for impact in impacts if impact.is_new}
    for one in facts:
        one.all_renames = renames
        move = _MOVES[one.break_.kind, one.break_.direction](one)
        if move is not None:
            moves[move] = None
    moved = {(one.impact.event.name, one.path) for one in facts if one.break_.kind in _RETYPED}
    for impact in impacts:
        for hazard in impact.hazards:
            # What gets a field of its own because it breaks is read rightly there too.
            way = hazard.way
            if not isinstance(way, Beside) or (impact.event.name, way.path) not in moved:
                moves[_keep_meaning(hazard, impact)] = None
    return Migration(impacts, tuple(moves))


def _each(words: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in words if one))


@dataclass(slots=True)
class _Facts:
    """What one break is about, as the moves speak of it."""

    break_: Break
    impact: Impact
    all_renames: Mapping[str, str] = field(default_factory=dict)
    """The old name of each renamed field, by its new name."""

    @property
    def reason(self) -> Incompatibility:
        return self.break_.reason

    @property
    def level(self) -> Level:
        return self.impact.level

    @property
    def _owner(self) -> tuple[Record | None, str]:
        """The innermost record that holds the place, and the field of it that does."""
        ways = [*walk(self.impact.schema, self.break_.pointer)]
        return next(((one, name) for one, name in reversed(ways) if one is not None), (None, ""))

    @property
    def outer(self) -> str:
        """The record around the field with a dot, where that is not the event itself."""
        if self.is_lost:
            name = str(_record_at(self.break_.new).get("name", ""))
        else:
            record = self._owner[0]
            name = record.name if record is not None else ""
        simple = split_name(name)[1]
        return "" if simple in ("", self.impact.name) else f"{simple}."

    @property
    def is_lost(self) -> bool:
        """Whether it is about a field that the new schema has no more."""
        is_missing = self.reason.kind is Kind.READER_FIELD_MISSING_DEFAULT_VALUE
        return is_missing and self.break_.direction is Direction.FORWARD

    @property
    def field(self) -> str:
        """The field around the place, or the one that is missing there."""
        return self.reason.message if self.is_lost else self._owner[1]

    @property
    def path(self) -> str:
        """The field as schema files have it: `OrderLine.quantity`; empty for the event itself."""
        return f"{self.outer}{self.field}" if self.field else ""

    @property
    def renames(self) -> Mapping[str, str]:
        if self.reason.kind is not Kind.READER_FIELD_MISSING_DEFAULT_VALUE:
            return {}
        old, new = _record_at(self.break_.old), _record_at(self.break_.new)
        found = find_renames(new.get("fields"), old.get("fields"))
        return {f"{self.outer}{name}": f"{self.outer}{former}" for name, former in found.items()}

    @property
    def symbols(self) -> str:
        return self.reason.message.strip("[]")

    @property
    def enum(self) -> str:
        place = self.break_.new
        path = place.path[:-1] if place.path[-1:] == ("symbols",) else place.path
        value = value_at(Place(place.document, path))
        return str(value.get("name", "the enum")) if isinstance(value, dict) else "the enum"

    @property
    def branch(self) -> str:
        """The branch of the writer that the reader lacks."""
        return describe_type(value_at(self.reason.writer))

    @property
    def types(self) -> tuple[str, str]:
        """The old type and the new one."""
        if self.reason.kind is Kind.FIXED_SIZE_MISMATCH:
            sizes = (value_at(self.break_.old), value_at(self.break_.new))
            return f"{sizes[0]} bytes", f"a fixed of {sizes[1]} bytes"
        old, new = self.break_.old, self.break_.new
        old_field, new_field = _field_around(old), _field_around(new)
        # Inside of an array, a map or a union: the field beside it takes the place of all of it.
        if old_field and new_field and (_is_within(old, old_field) or _is_within(new, new_field)):
            old, new = old_field, new_field
        return describe_type(value_at(old)), describe_type(value_at(new))


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


def _field_around(place: Place) -> Place | None:
    """The innermost field around a place; None where its document has none there."""
    for end in range(len(place.path), 1, -1):
        if place.path[end - 2] == "fields" and isinstance(place.path[end - 1], int):
            return Place(place.document, place.path[:end])
    return None


def _is_within(place: Place, field: Place) -> bool:
    """Whether a place is a part of the field's type, and not the type itself."""
    inner = place.path[len(field.path) :]
    return any(step in ("items", "values") or isinstance(step, int) for step in inner)


def _has_default(place: Place) -> bool:
    """Whether the innermost field around a place has a default."""
    around = _field_around(place)
    value = value_at(around) if around is not None else None
    return isinstance(value, dict) and "default" in value


def _asks(level: Level, direction: Direction) -> bool:
    return direction in SCOPES[level].directions


def _never_frees(level: Level) -> bool:
    """Whether every version that ever was must be able to read the new one."""
    return _asks(level, Direction.FORWARD) and SCOPES[level].is_transitive


def _depart(impact: Impact) -> Move:
    """An event went."""
    name = impact.name
    return Move(
        f"keep {name} on topic {impact.topic.name}",
        f"stop sending {name}",
        contract=f"remove {name}, and what handles it",
    )


def _arrive(impact: Impact) -> Move:
    """An event came, on a topic that its consumers read already."""
    name = impact.name
    return Move(
        f"add {name} to topic {impact.topic.name}",
        f"send {name} from now on",
        f"handle {name}, and do not send it yet",
        is_reading_first=True,
    )


def _come(facts: _Facts) -> Move | None:
    """A field came without a default; one that was renamed is the business of the one that went."""
    if facts.path in facts.all_renames:
        return None
    return Move(f'give "{facts.path}" a default')


def _go(facts: _Facts) -> Move:
    """A field went that readers need."""
    old = facts.path
    new = next((new for new, former in facts.all_renames.items() if former == old), "")
    expand = f'keep "{old}", and give it a default'
    produce, consume = "", f'do without "{old}"'
    if new:
        expand = f'keep "{old}" with a default, and add "{new}" beside it with one'
        produce = f'write both "{old}" and "{new}"'
        consume = f'read "{new}", and "{old}" where "{new}" was not written'
    if _never_frees(facts.level):
        return Move(expand, produce, consume, stays=f'"{old}"')
    return Move(expand, produce, consume, f'remove "{old}"')


def _retype(facts: _Facts) -> Move:
    """A type was replaced."""
    old, new = facts.types
    if not facts.path:
        return _add_event(old, new)
    return _add_beside(facts, f"as {old}", f"for {new}")


def _add_beside(facts: _Facts, old: str, new: str) -> Move:
    path = facts.path
    has_default = _has_default(facts.break_.old)
    return _move_over(Beside(path, old, new, f"{path}_2", has_default), facts.level)


def _move_over(way: Beside, level: Level) -> Move:
    """What has a new form goes into a field of its own."""
    path, beside = way.path, way.name
    is_needed = not way.has_default
    old, new = (f" {words}" if words else "" for words in (way.old, way.new))
    keep = f'keep "{path}"{old}{" and give it a default" if is_needed else ""}'
    add = f'add a field beside it{new}, for example "{beside}"' if new else f'add "{beside}"'
    stays = is_needed and _never_frees(level)
    return Move(
        f"{keep}; {add}, with a default",
        f'write both "{path}" and "{beside}"',
        f'read "{beside}", and "{path}" where "{beside}" was not written',
        "" if stays else f'remove "{path}"',
        f'"{path}"' if stays else "",
    )


def _keep_meaning(hazard: Hazard, impact: Impact) -> Move:
    """A change that is misread."""
    way = hazard.way
    if isinstance(way, Beside):
        return _move_over(way, impact.level)
    if way is None:
        return _add_event(impact.name)
    if way.is_gain:
        return Move(
            f"add {way.symbols} to {way.enum}",
            f"write {way.symbols} from now on",
            is_reading_first=True,
        )
    return Move(
        f"keep {way.symbols} in {way.enum}",
        f"stop writing {way.symbols}",
        contract=f"remove {way.symbols} from {way.enum}",
    )


def _add_event(old: str, new: str = "the new form") -> Move:
    return Move(
        f"keep {old} as it is, and add another event beside it for {new}",
        "send both events",
        "handle the new event, and the old one until no message of it is left",
        "remove the old event",
    )


def _rename_type(facts: _Facts) -> Move:
    if facts.path:
        return _retype(facts)
    old = value_at(facts.break_.old)
    simple = split_name(str(old.get("name", "") if isinstance(old, dict) else old))[1]
    return Move(
        f"keep {simple}, and add an event of the new name beside it",
        "send both events",
        "handle the new event, and the old one until no message of it is left",
        f"remove {simple}",
    )


def _lose_symbols(facts: _Facts) -> Move:
    """Symbols went. With a default in the enum every level lets them go in the end."""
    return Move(
        f'keep {facts.symbols} in {facts.enum}, and give {facts.enum} a "default"',
        f"stop writing {facts.symbols}",
        contract=f"remove {facts.symbols} from {facts.enum}",
    )


def _gain_symbols(facts: _Facts) -> Move:
    """Symbols came. Old readers do not take them, so a level that asks them needs another field."""
    if _asks(facts.level, Direction.FORWARD):
        return _add_beside(facts, f"without {facts.symbols}", f"that has {facts.symbols} too")
    return Move(
        f'give {facts.enum} a "default", and add {facts.symbols}',
        f"write {facts.symbols} from now on",
        is_reading_first=True,
    )


def _lose_branch(facts: _Facts) -> Move:
    """A branch went. A level that asks new readers never lets it go."""
    keep, stop = f'keep {facts.branch} in "{facts.path}"', f"stop writing {facts.branch}"
    if _asks(facts.level, Direction.BACKWARD):
        return Move(keep, f'{stop} in "{facts.path}"', stays=f'{facts.branch} in "{facts.path}"')
    return Move(
        keep,
        f'{stop} in "{facts.path}"',
        contract=f'take {facts.branch} out of "{facts.path}"',
    )


def _gain_branch(facts: _Facts) -> Move:
    """A branch came. Old readers lack it, so a level that asks them needs another field."""
    if _asks(facts.level, Direction.FORWARD):
        return _add_beside(facts, f"without {facts.branch}", f"that takes {facts.branch} too")
    return Move(
        f'add {facts.branch} to "{facts.path}"',
        f'write {facts.branch} in "{facts.path}" from now on',
        is_reading_first=True,
    )


def _part_names(facts: _Facts) -> Move:
    return Move("give the field that fits several another name, and no alias")


_RETYPED = (Kind.TYPE_MISMATCH, Kind.NAME_MISMATCH, Kind.FIXED_SIZE_MISMATCH)
"""Kinds of breaks for which the new form gets a field of its own."""

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
