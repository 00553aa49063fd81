"""Which change of a schema file would mend a break? Data that advice and `check --fix` share.

The first mend is the best one. None takes back what was meant: a new field stays, and gets a
default; a renamed one stays, and gets an alias. What was lost by the way comes back as it was: a
default, a symbol, null. Whether a mend does mend is for others to try.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from codegen.avro.resolution import Kind
from codegen.avro.schema import Default, Enum, Record, SchemaGraph, split_name
from codegen.avro.wording import show_value
from codegen.compatibility import Direction
from codegen.editing import Edit, Enclose, Insert, Mend, Remove
from codegen.rules.units import is_other_unit
from codegen.source import Json, Path, Place

MAX_RENAME_PAIRS = 400
"""Where more pairs of a removed and a new field are possible, no rename is looked for."""

SIMILAR = 0.6
"""From this ratio of difflib on, two names are taken for one that was reworded."""

CATCH_ALL = re.compile(r"(?:.*_)?(?:UNKNOWN|UNSPECIFIED|UNDEFINED|UNRECOGNI[SZ]ED|OTHER)", re.I)
"""Enum symbols that say that the value is none of the others."""

_EXAMPLES: Mapping[str, Json] = {
    "boolean": False,
    "int": 0,
    "long": 0,
    "float": 0.0,
    "double": 0.0,
    "string": "unknown",
    "bytes": "",
    "array": [],
    "map": {},
}


def propose_mends(
    kind: Kind, direction: Direction, new: Place, old: Place, message: str
) -> tuple[Mend, ...]:
    """The mends of one incompatibility, the best first; none where no single change would do.

    `new` lies in the schema that people edit, `old` in the version of the past, and `message` is
    the incompatibility's own.
    """
    propose = _PROPOSALS.get((kind, direction))
    return propose(new, old, message) if propose is not None else ()


def restore_default(item: Place, value: Json, after: str = "type") -> Mend:
    """The default back in a field or an enum; it stands behind the key `after`."""
    advice = f'put its default back: "default": {show_value(value)}'
    return Mend(item.document.name, advice, (Insert((*item.path, "default"), value, (after,)),))


def restore_lost_default(
    new: Place, schema: SchemaGraph, pasts: Iterable[SchemaGraph]
) -> Mend | None:
    """The default back that a field or an enum had in the latest of the pasts, newest first.

    `new` is the field or the enum, or its name or symbols. None where it has a default, or had
    none in any of them.
    """
    path = new.path[:-1] if new.path and new.path[-1] in ("name", "symbols") else new.path
    for named in schema.names.values():
        if named.origin.document is not new.document:
            continue
        if isinstance(named, Enum) and named.origin.path == path and named.default is None:
            symbol = _former_symbol(named.name, pasts)
            return restore_default(named.origin, symbol, "symbols") if symbol else None
        for item in named.fields if isinstance(named, Record) else ():
            if item.origin.path == path and item.default is None:
                default = _former_default(named.name, item.name, pasts)
                return restore_default(item.origin, default.value) if default else None
    return None


def _former_symbol(enum: str, pasts: Iterable[SchemaGraph]) -> str | None:
    types = (past.names.get(enum) for past in pasts)
    symbols = (one.default for one in types if isinstance(one, Enum))
    return next((symbol for symbol in symbols if symbol is not None), None)


def _former_default(record: str, name: str, pasts: Iterable[SchemaGraph]) -> Default | None:
    types = (past.names.get(record) for past in pasts)
    fields = (item for one in types if isinstance(one, Record) for item in one.fields)
    defaults = (item.default for item in fields if item.name == name)
    return next((default for default in defaults if default is not None), None)


def add_field_alias(item: Place, former: str) -> Mend:
    """An alias in a field that seems to have been renamed."""
    advice = (
        f'it looks like "{former}" under a new name; '
        f'if it is, say so: "aliases": {json.dumps([former])}'
    )
    return Mend(item.document.name, advice, (_add_alias(item.path, value_at(item), former),))


def default_unknown_symbols(enum: Place) -> Mend | None:
    """A default for an enum that has none, and a symbol that says "none of the others"."""
    item = value_at(enum)
    symbols = item.get("symbols") or () if isinstance(item, dict) else ()
    catch_all = next((one for one in symbols if CATCH_ALL.fullmatch(str(one))), None)
    if catch_all is None or "default" in item:
        return None
    advice = f'read what it does not know as {catch_all}: "default": {json.dumps(catch_all)}'
    edit = Insert((*enum.path, "default"), catch_all, ("symbols",))
    return Mend(enum.document.name, advice, (edit,))


def find_renames(
    new_fields: Json, old_fields: Json, *, by_name_only: bool = False
) -> dict[str, str]:
    """The old name of each field of a record that seems to have been renamed, by its new name.

    A field that is gone and one that is new belong together when they have the same type and
    similar names, or are the only such two and stand at one position, and their names end in no
    different units. Each is paired once, and where two would fit equally well none is. With
    `by_name_only` positions do not count.
    """
    after, before = _by_name(new_fields), _by_name(old_fields)
    known = {alias for _, item in after.values() for alias in item.get("aliases") or ()}
    gone = {name: one for name, one in before.items() if name not in after and name not in known}
    come = {name: one for name, one in after.items() if name not in before}
    if len(gone) * len(come) > MAX_RENAME_PAIRS:
        return {}
    is_single = len(gone) == len(come) == 1 and not by_name_only
    types = {name: _type(item) for name, (_, item) in gone.items()}
    scores: dict[tuple[str, str], float] = {}
    for name, (position, item) in come.items():
        kind = _type(item)
        for other, (other_position, _) in gone.items():
            if types[other] != kind or is_other_unit(name, other):
                continue
            ratio = SequenceMatcher(None, _letters(name), _letters(other)).ratio()
            if ratio >= SIMILAR or (is_single and position == other_position):
                is_in_place = position == other_position and not by_name_only
                scores[name, other] = ratio + is_in_place
    return dict(_choose_best(scores))


def _choose_best(scores: Mapping[tuple[str, str], float]) -> Iterator[tuple[str, str]]:
    """The pairs whose score is above that of every other pair with one of the two names."""
    by_name: dict[tuple[int, str], list[float]] = {}
    for pair, score in scores.items():
        for side in enumerate(pair):
            by_name.setdefault(side, []).append(score)
    for pair, score in scores.items():
        rivals = [by_name[side] for side in enumerate(pair)]
        if all(score == max(listed) and listed.count(score) == 1 for listed in rivals):
            yield pair


def value_at(place: Place) -> Json:
    """The JSON value at a place, or of its nearest ancestor that exists."""
    value = place.document.value
    for step in place.path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
    return value


def definition_of(place: Place, schema: SchemaGraph) -> Place:
    """Where the type is defined whose name stands at a place; the place itself where none does."""
    name = value_at(place)
    if not isinstance(name, str):
        return place
    found = [
        named.origin
        for full_name, named in schema.names.items()
        if full_name == name or ("." not in name and split_name(full_name)[1] == name)
    ]
    return found[0] if len(found) == 1 else place


def _mend_missing_field(new: Place, old: Place, message: str) -> tuple[Mend, ...]:
    """For a reader's field that the writer lacks: an alias, a default, or null."""
    path = new.path[:-1] if new.path and new.path[-1] == "name" else new.path
    item = value_at(Place(new.document, path))
    if not isinstance(item, dict) or "type" not in item:
        return ()
    file = new.document.name
    mends = []
    fields = value_at(Place(new.document, path[:-1]))
    record = value_at(old)
    past_fields = record.get("fields") if isinstance(record, dict) else None
    if former := find_renames(fields, past_fields).get(message):
        mends.append(add_field_alias(Place(new.document, path), former))
    default = _example_default(item["type"])
    if default is not None:
        advice = f'give it a default, for example "default": {json.dumps(default)}'
        mends.append(Mend(file, advice, (Insert((*path, "default"), default, ("type",)),)))
    mends.append(_make_nullable(file, path, item["type"]))
    return tuple(mends)


def _make_nullable(file: str, path: Path, schema: Json) -> Mend:
    place = (*path, "type")
    default = Insert((*path, "default"), None, ("type",))
    if schema == "null" or (isinstance(schema, list) and schema[:1] == ["null"]):
        return Mend(file, 'give it the default null: "default": null', (default,))
    if not isinstance(schema, list):
        advice = 'let it be null: "type": ["null", ...], "default": null'
        return Mend(file, advice, (Enclose(place, before=("null",)), default))
    first = Insert((*place, 0), "null")
    advice = 'let it be null: "null" first in its type, and "default": null'
    if "null" in schema:
        return Mend(file, advice, (Remove((*place, schema.index("null"))), first, default))
    return Mend(file, advice, (first, default))


def _mend_lost_symbols(new: Place, old: Place, message: str) -> tuple[Mend, ...]:
    """For symbols that older messages hold: a default where there is one, else the symbols."""
    path = new.path[:-1] if new.path and new.path[-1] == "symbols" else new.path
    item, past = value_at(Place(new.document, path)), value_at(old)
    past = past.get("symbols") if isinstance(past, dict) else past
    if not isinstance(item, dict) or not isinstance(past, list):
        return ()
    file, symbols = new.document.name, item.get("symbols") or []
    default = default_unknown_symbols(Place(new.document, path))
    lost = [symbol for symbol in past if symbol not in symbols]
    edits = []
    for symbol in lost:
        before = [one for one in past[: past.index(symbol)] if one in symbols]
        index = symbols.index(before[-1]) + 1 if before else 0
        edits.append(Insert((*path, "symbols", index), symbol))
    advice = 'put it back, or give the enum a "default" for symbols it does not know'
    restored = Mend(file, advice, tuple(edits))
    return (default, restored) if default is not None else (restored,)


def _mend_lost_null(new: Place, old: Place, message: str) -> tuple[Mend, ...]:
    """For a type that could be null once: null again, and as the default where there is none.

    It goes first, unless the default of the field belongs to the type that stands there.
    """
    if value_at(old) != "null" and not message.endswith(": NULL"):
        return ()
    *outer, last = new.path or ("",)
    schema, holder = value_at(new), value_at(Place(new.document, tuple(outer)))
    if last not in ("type", "items", "values") or not isinstance(holder, dict):
        return ()
    is_field = last == "type" and "name" in holder
    if last == "type" and not is_field:
        return ()
    is_first = not is_field or holder.get("default") is None
    edits: list[Edit] = []
    if isinstance(schema, list):
        edits.append(Insert((*new.path, 0 if is_first else len(schema)), "null"))
    elif is_first:
        edits.append(Enclose(new.path, before=("null",)))
    else:
        edits.append(Enclose(new.path, after=("null",)))
    advice = 'put "null" back into its type'
    if is_field and "default" not in holder:
        edits.append(Insert((*outer, "default"), None, ("type",)))
        advice += ', with "default": null'
    return (Mend(new.document.name, advice, tuple(edits)),)


def _mend_name(new: Place, old: Place, message: str) -> tuple[Mend, ...]:
    """For a type of another name: an alias."""
    path = new.path[:-1] if new.path and new.path[-1] == "name" else new.path
    item = value_at(Place(new.document, path))
    former = message.removeprefix("expected: ")
    if not isinstance(item, dict) or "name" not in item:
        return ()
    advice = f'keep the name, or add "aliases": {json.dumps([former])}'
    return (Mend(new.document.name, advice, (_add_alias(path, item, former),)),)


_NEW = Direction.BACKWARD

_PROPOSALS: Mapping[tuple[Kind, Direction], Callable[[Place, Place, str], tuple[Mend, ...]]] = {
    (Kind.READER_FIELD_MISSING_DEFAULT_VALUE, _NEW): _mend_missing_field,
    (Kind.MISSING_ENUM_SYMBOLS, _NEW): _mend_lost_symbols,
    (Kind.MISSING_UNION_BRANCH, _NEW): _mend_lost_null,
    (Kind.TYPE_MISMATCH, _NEW): _mend_lost_null,
    (Kind.NAME_MISMATCH, _NEW): _mend_name,
}
"""What to try for each kind. Readers of the past take no advice, so the other way is missing."""


def _add_alias(path: Path, item: Mapping[str, Json], former: str) -> Insert:
    aliases = item.get("aliases")
    if isinstance(aliases, list):
        return Insert((*path, "aliases", len(aliases)), former)
    return Insert((*path, "aliases"), [former], ("namespace", "name"))


def _example_default(schema: Json) -> Json:
    """A default that fits a type and says little; None where a made-up value would say too much.

    A date, an amount or an identifier has no such value, so those are better null.
    """
    match schema:
        case [first, *_]:
            return None if "null" in schema else _example_default(first)
        case {"type": "enum", "default": str(symbol)}:
            return symbol
        case {"type": "enum", "symbols": list(symbols)}:
            return next((one for one in symbols if CATCH_ALL.fullmatch(str(one))), None)
        case {"logicalType": _}:
            return None
        case {"type": str(kind)} | str(kind):
            return _EXAMPLES.get(kind)
        case _:
            return None


def _by_name(fields: Json) -> dict[str, tuple[int, Mapping[str, Json]]]:
    listed: Sequence[Json] = fields if isinstance(fields, list) else ()
    return {
        item["name"]: (position, item)
        for position, item in enumerate(listed)
        if isinstance(item, dict) and isinstance(item.get("name"), str)
    }


def _type(item: Mapping[str, Json]) -> str:
    return json.dumps(item.get("type"), sort_keys=True)


def _letters(name: str) -> str:
    return name.replace("_", "").lower()
