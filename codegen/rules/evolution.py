"""What is legal and dangerous: changes that every registry takes, and that alter what data says.

A registry asks whether bytes can be read. Whether they still mean the same, nobody asks: an amount
in cents read as one in tenths of a cent is read without any error. These rules compare a schema
with the latest version of its subject, part by part, and one of them with the whole history.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from codegen.avro.incompatibility import Target, TooManyPairs, is_promotable
from codegen.avro.matching import FieldPair, Pair, TypePair, match_schemas
from codegen.avro.schema import (
    Enum,
    Field,
    Fixed,
    Primitive,
    Record,
    SchemaGraph,
    Union,
    split_name,
)
from codegen.compatibility import SCOPES, Direction
from codegen.contract.model import History, Level, PastVersion, Subject
from codegen.diagnostics import Findings, Related, Rule, Severity, locate, rule
from codegen.difference import describe_logical, describe_type, field_label, is_same_json
from codegen.source import Json, Place

LOGICAL_TYPE = rule(
    "change/logical-type",
    "A logical type was replaced, gained or lost: the same number means something else now.",
    "Registries and decoders look at the bytes only, so a timestamp in milliseconds is read as one "
    "in microseconds without any error: each date is wrong by a factor of a thousand. Old messages "
    "keep their old unit for as long as the topic holds them. Add a field with the new type.",
)
DECIMAL_SCALE = rule(
    "change/decimal-scale",
    "The scale of a decimal changed: every amount is read with its point at another place.",
    "A decimal is written as a whole number, and the scale that places the point stands in the "
    "schema only. The specification says that such types do not match; no registry checks it, and "
    "decoders use the reader's scale for the writer's number.",
)
DECIMAL_PRECISION = rule(
    "change/decimal-precision",
    "The precision of a decimal changed, so one side may refuse or cut what the other writes.",
    "The specification says that decimals match only if precision and scale are the same. A reader "
    "with a smaller precision meets numbers that its type cannot hold; databases and stream "
    "processors that derive column types from the schema fail on them.",
)
DEFAULT_CHANGED = rule(
    "change/default-changed",
    "The default of a field changed: old messages without the field mean something else now.",
    "A default is filled in by the reader, not stored by the writer. What was written before the "
    "field existed is read with the new value from the day that a reader is deployed with it, and "
    "two readers of different age disagree about the same message.",
    severity=Severity.WARNING,
)
DEFAULT_REMOVED = rule(
    "change/default-removed",
    "A field lost its default, so messages from before the field cannot be read any more.",
    "Against the latest version this is compatible, for that version wrote the field. Older "
    "messages may lack it, and only a transitive level looks at those. Nobody can remove the field "
    "later either.",
    severity=Severity.WARNING,
)
ENUM_DEFAULT_SWALLOWS = rule(
    "change/enum-default-swallows",
    "An enum default takes the place of symbols that one side does not know: data is lost.",
    "The default keeps a reader going, and it cannot tell what was sent: if it writes the value "
    "on, to a table or to another topic, the symbol is gone for good. Deploy readers that know the "
    "symbol before it is sent, and keep old symbols while messages hold them.",
    severity=Severity.WARNING,
)
ENUM_GROWN = rule(
    "change/enum-grown-without-default",
    "An enum gained symbols, and readers with the older schema have no default for them.",
    "A level that looks backward only does not ask about older readers, and they stop at the first "
    "message with a new symbol. An enum default in the readers' schema would keep them going, and "
    "it must be there before the symbol is.",
    severity=Severity.WARNING,
)
ENUM_REORDERED = rule(
    "change/enum-reordered",
    "Symbols of an enum have other positions.",
    "Avro resolves symbols by name, so decoding is safe. The position is what sorts values in Avro "
    "and in most languages, and what programs that keep ordinals store. Add symbols at the end.",
    severity=Severity.WARNING,
)
ALIAS_RENAME = rule(
    "change/alias-rename",
    "Something was renamed with an alias, which helps new readers only.",
    "An alias in the new schema lets a new reader find the old name. A reader from before the "
    "rename knows nothing of the new one, and not every decoder looks at aliases: Avro's own for "
    "Python ignores them. The old name must not be used for anything else later.",
    severity=Severity.WARNING,
)
LOSSY_PROMOTION = rule(
    "change/lossy-promotion",
    "A type was replaced by one that reads it, and cannot hold every value.",
    "Avro promotes int and long to float, and long to double: a float is exact up to 2^24, a "
    "double up to 2^53, and an identifier beyond that becomes another one. Bytes that are read as "
    "a string need not be UTF-8.",
    severity=Severity.WARNING,
)
NAMESPACE_CHANGED = rule(
    "change/namespace",
    "A type moved to another namespace.",
    "Registries compare simple names, so they let it pass. Generated classes get another package, "
    "subjects that are named after the record become new ones without a past, and decoders compare "
    "full names where a union has to choose.",
    severity=Severity.WARNING,
)
KEY_CHANGED = rule(
    "change/key-schema",
    "The schema of a message key changed: the same key makes other bytes, and another partition.",
    "A serialized key holds the id of its schema, so any new version changes the bytes, even one "
    "that differs in a doc only. The partition follows from the bytes: new messages of a key go "
    "to another partition than old ones, their order is lost, compaction keeps both, and joins "
    "with other topics find nothing.",
    severity=Severity.WARNING,
)
UNION_REORDERED = rule(
    "change/union-reordered",
    "The branches of a union stand in another order.",
    "Readers resolve branches by type, so data stays readable. A value of a type that the union "
    "lacks goes to the first branch that fits, the default of a field belongs to the first branch, "
    "and code that keeps branch numbers is wrong.",
    severity=Severity.WARNING,
)
FIELD_RETURNED = rule(
    "change/field-returned",
    "A field has the name of one that was removed earlier, and another type or meaning.",
    "The latest version does not have the field, so a level that is not transitive sees a new one. "
    "Messages that hold the old one are read as the new type where that can be done, and stop the "
    "reader where not.",
    severity=Severity.WARNING,
)
MADE_REQUIRED = rule(
    "change/made-required",
    "A field that could be null cannot any more.",
    "New readers refuse old messages without a value. A level that looks forward only does not ask "
    "about them, and the topic holds them for as long as its retention says.",
    severity=Severity.WARNING,
)
KEY_SORT_ORDER = rule(
    "change/key-sort-order",
    "The sort order of a field changed in the schema of a key.",
    "Avro compares encoded values field by field as the schema says. Stores and jobs that keep "
    "keys sorted find them in another order than they were written in.",
    severity=Severity.WARNING,
)
UNIT_CHANGED = rule(
    "change/unit",
    "The doc or a property of a field names another unit.",
    "The bytes stay the same, and the number means something else. Consumers that were written "
    "with the old unit go on to use it, and messages of both kinds lie in one topic. Add a field "
    "with the unit in its name.",
    severity=Severity.WARNING,
)


@dataclass(frozen=True, slots=True)
class Hazard:
    """One dangerous change, before it is known which subjects it concerns."""

    rule: Rule
    place: Place
    old_place: Place | None
    message: str
    note: str = ""
    hint: str = ""
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A subject whose schema differs from the latest version that its history holds."""

    subject: Subject
    history: History

    @property
    def latest(self) -> PastVersion:
        """The version before."""
        return self.history.versions[-1]

    @property
    def directions(self) -> tuple[Direction, ...]:
        """What the level asks for already; a rule does not repeat what the verdict says."""
        return SCOPES[self.subject.level].directions


def report_hazards(changes: Iterable[tuple[Subject, History]], findings: Findings) -> None:
    """A finding for each dangerous change of these subjects, which must differ from their latest.

    A type that several of them use is reported once, for the first. A subject at the level NONE
    promises nothing, so nothing is said of it.
    """
    seen: set[tuple[object, ...]] = set()
    for subject, history in changes:
        change = Change(subject, history)
        if subject.level is Level.NONE:
            continue
        for hazard in find_hazards(change):
            place = hazard.place
            key = (hazard.rule.id, place.document.name, place.path, hazard.message)
            if key in seen:
                continue
            seen.add(key)
            where = locate(hazard.old_place) if hazard.old_place is not None else None
            findings.add(
                hazard.rule,
                place,
                hazard.message,
                note=hazard.note,
                hint=hazard.hint,
                related=(Related("", f"{subject.name}, {change.latest.label}", where),),
                subject=subject.name,
                severity=hazard.severity,
            )


def find_hazards(change: Change) -> Iterator[Hazard]:
    """Every dangerous change of one subject; none where the latest version cannot be read."""
    latest = change.latest.schema
    if latest is None:
        return
    try:
        pairs = tuple(match_schemas(change.subject.schema, latest))
    except TooManyPairs:
        return  # the verdict itself reports it
    yield from _find_key_change(change)
    for pair in pairs:
        if isinstance(pair, FieldPair):
            for check in _FIELD_CHECKS:
                yield from check(pair, change)
        else:
            for compare in _TYPE_CHECKS:
                yield from compare(pair, change)
    yield from _find_returned_fields(pairs, change)


def _find_logical_changes(pair: TypePair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Primitive | Fixed) or not isinstance(old, Primitive | Fixed):
        return
    before, after = describe_logical(old), describe_logical(new)
    if before == after:
        return
    is_decimal = new.logical and old.logical and new.logical.name == old.logical.name == "decimal"
    if is_decimal:
        yield from _find_decimal_changes(pair, new, old)
        return
    what = _quoted(pair)
    place, old_place = _attribute_places(pair, "logicalType")
    # A string that is called a UUID, or is so no more, has no unit to get wrong.
    is_text = {getattr(new, "type", ""), getattr(old, "type", "")} == {"string"}
    if before and after:
        message = f"{what} was {before} and is {after}"
    elif after:
        message = f"{what} is {after} now, and was a plain {describe_type(old)}"
    else:
        message = f"{what} was {before}, and is a plain {describe_type(new)} now"
    yield Hazard(
        LOGICAL_TYPE,
        place,
        old_place,
        message,
        f"what was written as {before or describe_type(old)} is read as "
        f"{after or describe_type(new)}, unchanged",
        "keep the type, and add a field with the new one beside it",
        Severity.WARNING if is_text else None,
    )


def _find_decimal_changes(
    pair: TypePair, new: Primitive | Fixed, old: Primitive | Fixed
) -> Iterator[Hazard]:
    if new.logical is None or old.logical is None:
        return
    what = _quoted(pair)
    before, after = old.logical, new.logical
    if before.scale != after.scale:
        shift = 10 ** min(abs(after.scale - before.scale), 9)
        direction = "smaller" if after.scale > before.scale else "greater"
        yield Hazard(
            DECIMAL_SCALE,
            *_attribute_places(pair, "scale"),
            f"the scale of {what} was {before.scale} and is {after.scale}",
            f"old amounts are read as {shift:,} times {direction} ones",
            "keep the scale, and add a field with the new one beside it",
        )
    if before.precision != after.precision:
        is_smaller = after.precision < before.precision
        yield Hazard(
            DECIMAL_PRECISION,
            *_attribute_places(pair, "precision"),
            f"the precision of {what} was {before.precision} and is {after.precision}",
            "older messages may hold more digits"
            if is_smaller
            else "readers with the older schema may refuse more digits",
            "keep the precision, and add a field with the new one beside it"
            if is_smaller
            else "deploy all readers before any producer writes more digits",
            None if is_smaller else Severity.WARNING,
        )


def _find_lossy_promotion(pair: TypePair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Primitive) or not isinstance(old, Primitive):
        return
    loss = ""
    if is_promotable(new, old):
        loss, reads = _LOSSES.get((old.type, new.type), ""), "new readers of old messages"
    if not loss and is_promotable(old, new):
        loss, reads = _LOSSES.get((new.type, old.type), ""), "old readers of new messages"
    if loss:
        yield Hazard(
            LOSSY_PROMOTION,
            pair.new_place,
            pair.old_place,
            f"{_quoted(pair)} was {old.type} and is {new.type}: {loss}",
            f"concerns {reads}",
            "keep the type, and add a field with the new one beside it",
        )


_LOSSES: Mapping[tuple[str, str], str] = {
    ("int", "float"): "a float holds whole numbers up to 16,777,216 exactly, and no greater ones",
    ("long", "float"): "a float holds whole numbers up to 16,777,216 exactly, and no greater ones",
    ("long", "double"): "a double holds whole numbers up to 2^53 exactly, and no greater ones",
    ("bytes", "string"): "bytes that are no UTF-8 make no text",
    ("string", "bytes"): "the text loses its encoding, and readers get bytes",
}
"""What is lost when the first type is read as the second."""


def _find_enum_changes(pair: TypePair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Enum) or not isinstance(old, Enum) or new.symbols == old.symbols:
        return
    name = _simple(new.name)
    places = (new.origin.at("symbols"), old.origin.at("symbols"))
    known, kept = set(old.symbols), set(new.symbols)
    added = [symbol for symbol in new.symbols if symbol not in known]
    removed = [symbol for symbol in old.symbols if symbol not in kept]
    if removed and new.default is not None:
        yield Hazard(
            ENUM_DEFAULT_SWALLOWS,
            *places,
            f"{name} lost {_listed(removed)}: older messages are read as {new.default}",
            f"{new.default} takes their place",
            "put them back, and remove them when no message holds them any more",
        )
    if added and old.default is not None:
        yield Hazard(
            ENUM_DEFAULT_SWALLOWS,
            *places,
            f"{name} gained {_listed(added)}: older readers take them for {old.default}",
            f"{old.default} takes their place until every reader is deployed",
            "deploy all readers before any producer sends them",
        )
    if added and old.default is None and Direction.FORWARD not in change.directions:
        more = "" if new.default else ', and give the enum a "default" for the next time'
        yield Hazard(
            ENUM_GROWN,
            *places,
            f"{name} gained {_listed(added)}, which older readers do not know",
            "they have no enum default to fall back on",
            f"deploy all readers before any producer sends them{more}",
        )


def _find_enum_reorder(pair: TypePair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Enum) or not isinstance(old, Enum):
        return
    positions = {symbol: index for index, symbol in enumerate(new.symbols)}
    moved = [
        (symbol, index)
        for index, symbol in enumerate(old.symbols)
        if positions.get(symbol, index) != index
    ]
    if moved:
        symbol, index = moved[0]
        yield Hazard(
            ENUM_REORDERED,
            new.origin.at("symbols"),
            old.origin.at("symbols"),
            f"symbols of {_simple(new.name)} moved: {symbol} had the position {index} and has "
            f"{positions[symbol]}",
            f"{len(moved)} of {len(old.symbols)} have another position",
            "keep the order, and add new symbols at the end",
        )


def _find_type_renames(pair: TypePair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Record | Enum | Fixed) or not isinstance(old, Record | Enum | Fixed):
        return
    if type(new) is not type(old) or new.name == old.name:
        return
    (new_space, new_name), (old_space, old_name) = split_name(new.name), split_name(old.name)
    if new_name == old_name:
        yield Hazard(
            NAMESPACE_CHANGED,
            new.origin.at("namespace" if _has(new.origin, "namespace") else "name"),
            old.origin,
            f"{new_name} moved from {old_space or 'no namespace'} to {new_space or 'none'}",
            "the registry compares simple names only",
            f"keep the namespace {old_space}" if old_space else "keep it out of a namespace",
        )
    elif old.name in new.aliases and Direction.FORWARD not in change.directions:
        yield Hazard(
            ALIAS_RENAME,
            new.origin.at("name"),
            old.origin.at("name"),
            f"the type {old.name} is named {new.name} now",
            f"readers with the older schema know only {old_name}",
            "deploy all readers before any producer writes the new name; readers on Avro's own "
            "Python library ignore aliases",
        )


def _find_union_reorder(pair: TypePair, change: Change) -> Iterator[Hazard]:
    if not isinstance(pair.new, Union) or not isinstance(pair.old, Union):
        return
    positions = [old for new, old in pair.branches if new is not None and old is not None]
    if positions != sorted(positions):
        yield Hazard(
            UNION_REORDERED,
            pair.new_place,
            pair.old_place,
            f"{_quoted(pair)} was {describe_type(pair.old)} and is {describe_type(pair.new)}",
            "the same branches in another order",
            "keep the order, and add new branches at the end",
        )


def _find_made_required(pair: TypePair, change: Change) -> Iterator[Hazard]:
    was, is_now = _is_nullable(pair.old), _is_nullable(pair.new)
    if was and not is_now and Direction.BACKWARD not in change.directions:
        yield Hazard(
            MADE_REQUIRED,
            pair.new_place,
            pair.old_place,
            f"{_quoted(pair)} could be null and cannot any more",
            "older messages may hold null, and new readers stop at it",
            "keep null until no message of the topic holds it",
        )


def _is_nullable(target: Target) -> bool:
    branches = target.branches if isinstance(target, Union) else (target,)
    return any(isinstance(branch, Primitive) and branch.type == "null" for branch in branches)


TypeCheck = Callable[[TypePair, Change], Iterator[Hazard]]
FieldCheck = Callable[[FieldPair, Change], Iterator[Hazard]]

_TYPE_CHECKS: tuple[TypeCheck, ...] = (
    _find_logical_changes,
    _find_lossy_promotion,
    _find_enum_changes,
    _find_enum_reorder,
    _find_type_renames,
    _find_union_reorder,
    _find_made_required,
)


def _find_default_changes(pair: FieldPair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None or old.default is None:
        return
    label = field_label(pair, _root(change))
    if new.default is None:
        yield Hazard(
            DEFAULT_REMOVED,
            new.origin.at("name"),
            old.origin.at("default"),
            f'"{label}" lost its default, {_show(old.default.value)}',
            "messages from before the field existed cannot be read any more",
            f'keep "default": {_show(old.default.value)}',
        )
    elif not is_same_json(new.default.value, old.default.value):
        before, after = _show(old.default.value), _show(new.default.value)
        yield Hazard(
            DEFAULT_CHANGED,
            new.origin.at("default"),
            old.origin.at("default"),
            f'the default of "{label}" was {before} and is {after}',
            f"messages without the field meant {before} until now",
            f'keep "default": {before}',
        )


def _find_field_renames(pair: FieldPair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None or not pair.is_renamed or old.name not in new.aliases:
        return
    yield Hazard(
        ALIAS_RENAME,
        new.origin.at("name"),
        old.origin.at("name"),
        f'the field "{old.name}" is named "{new.name}" now',
        f'readers with the older schema look for "{old.name}"',
        "deploy all readers before any producer; readers on Avro's own Python library ignore "
        "aliases, and take the default or stop",
    )


def _find_unit_changes(pair: FieldPair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None:
        return
    label = field_label(pair, _root(change))
    before, after = _property(old, "unit"), _property(new, "unit")
    if before is not None and after is not None and not is_same_json(before, after):
        yield Hazard(
            UNIT_CHANGED,
            new.origin.at("unit"),
            old.origin.at("unit"),
            f'the unit of "{label}" was {_show(before)} and is {_show(after)}',
            "old messages keep their unit",
            "keep the unit, and add a field with the new one beside it",
        )
        return
    words, others = _units(old.doc), _units(new.doc)
    if words and others and not words & others:
        yield Hazard(
            UNIT_CHANGED,
            new.origin.at("doc"),
            old.origin.at("doc"),
            f'the doc of "{label}" spoke of {_listed(sorted(words))} and speaks of '
            f"{_listed(sorted(others))}",
            "old messages keep their unit",
            "if only the wording changed, all is well; else add a field with the new unit",
        )


_UNIT_WORDS = re.compile(
    r"\b(?:(nano|micro|milli)?(seconds?)|(minutes?)|(hours?)|(days?)|(weeks?)|(months?)|(years?)"
    r"|(cents?)|(euros?)|(dollars?)|(percent)|(per mille)|(basis points?)|((?:kilo|milli)?grams?)"
    r"|(pounds?)|((?:kilo|centi|milli)?met(?:er|re)s?)|(miles?)|(feet|foot)|(inch(?:es)?)"
    r"|(celsius)|(fahrenheit)|(kelvin)|((?:kilo|mega|giga)?bytes?)|((?:kilo|mega)?bits?))\b",
    re.IGNORECASE,
)


def _units(doc: str | None) -> set[str]:
    words = (match[0].lower().removesuffix("s") for match in _UNIT_WORDS.finditer(doc or ""))
    return set(words)


def _find_sort_order(pair: FieldPair, change: Change) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None or not change.subject.is_key:
        return
    before, after = old.order or "ascending", new.order or "ascending"
    if before != after:
        yield Hazard(
            KEY_SORT_ORDER,
            new.origin.at("order"),
            old.origin.at("order"),
            f'the order of "{field_label(pair, _root(change))}" was {before} and is {after}',
            "keys that lie sorted are in the old order",
            "keep the order",
        )


_FIELD_CHECKS: tuple[FieldCheck, ...] = (
    _find_default_changes,
    _find_field_renames,
    _find_unit_changes,
    _find_sort_order,
)


def _find_key_change(change: Change) -> Iterator[Hazard]:
    """The subjects given are changed ones, so for a key that is enough."""
    if change.subject.is_key and change.latest.schema is not None:
        topic = change.subject.name.removesuffix("-key")
        yield Hazard(
            KEY_CHANGED,
            _name_place(change.subject.schema),
            change.latest.schema.root.origin,
            f"the key of topic {topic} has another schema",
            "the same key makes other bytes, and goes to another partition",
            "keep the key's schema as it is, even its docs; else make a new topic",
        )


def _find_returned_fields(pairs: Iterable[Pair], change: Change) -> Iterator[Hazard]:
    added = {
        id(pair.new): pair
        for pair in pairs
        if isinstance(pair, FieldPair) and pair.new is not None and pair.old is None
    }
    for version in reversed(change.history.versions[:-1]):
        if not added or version.schema is None:
            continue
        try:
            past = tuple(match_schemas(change.subject.schema, version.schema))
        except TooManyPairs:
            continue
        for pair in past:
            if not isinstance(pair, FieldPair) or pair.old is None:
                continue
            if added.pop(id(pair.new), None) is None or pair.new is None:
                continue
            before, after = describe_type(pair.old.schema), describe_type(pair.new.schema)
            if before != after:
                yield _returned(pair, version, before, after, change)


def _returned(
    pair: FieldPair, version: PastVersion, before: str, after: str, change: Change
) -> Hazard:
    assert pair.new is not None and pair.old is not None
    return Hazard(
        FIELD_RETURNED,
        pair.new.origin.at("name"),
        pair.old.origin,
        f'"{field_label(pair, _root(change))}" was {before} until it was removed, and comes back '
        f"as {after}",
        f"{version.label} wrote {before} under this name",
        "give the new field a name that was never used",
    )


def _attribute_places(pair: TypePair, attribute: str) -> tuple[Place, Place]:
    """Where an attribute of two types stands: in their definitions, or else where they are used."""
    new, old = pair.new.origin, pair.old.origin
    return (
        new.at(attribute) if _has(new, attribute) else new,
        old.at(attribute) if _has(old, attribute) else old,
    )


def _has(place: Place, key: str) -> bool:
    value: Json = place.document.value
    for step in place.path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(value, dict) and key in value


def _name_place(graph: SchemaGraph) -> Place:
    origin = graph.root.origin
    return origin.at("name") if _has(origin, "name") else origin


def _property(item: Field, key: str) -> Json:
    return (item.properties or {}).get(key)


def _root(change: Change) -> str:
    return getattr(change.subject.schema.root, "name", "")


def _quoted(pair: TypePair) -> str:
    if pair.owner is None:
        return "the schema"
    return f'"{pair.owner.name}"'


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _show(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _simple(name: str) -> str:
    return split_name(name)[1]
