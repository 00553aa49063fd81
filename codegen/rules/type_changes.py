"""Which changes of a type are legal, and alter what data says?

Each function takes a type and what it was before, and yields the dangers of one sort of change.
Pairs that no decoder can read anyway are the business of the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from codegen.avro.incompatibility import READABLE_PRIMITIVES, Target, is_promotable
from codegen.avro.matching import TypePair
from codegen.avro.schema import Enum, Fixed, Map, Primitive, Record, Union, split_name
from codegen.avro.wording import describe_logical, describe_type, list_names, simple_name
from codegen.compatibility import Direction
from codegen.diagnostics import Severity, rule
from codegen.rules.enum_changes import ENUM_CHECKS
from codegen.rules.field_changes import ALIAS_RENAME
from codegen.rules.hazard import Beside, Hazard, Revision, has_key, make_beside, quote
from codegen.rules.mends import add_field_alias, find_renames, value_at
from codegen.rules.readers import Ability, name_lacking
from codegen.source import Place

LOGICAL_TYPE = rule(
    "change/logical-type",
    "A logical type was replaced, gained or lost: the same number means something else now.",
    "Registries look at the bytes only, so a timestamp in milliseconds passes for one in "
    "microseconds. Avro Java takes the reader's logical type for the writer's number: each date is "
    "wrong by a factor of a thousand, without any error. "
    f"Others ({name_lacking(Ability.READER_LOGICAL_TYPE)}) take the writer's, so that two "
    "consumers of one message disagree. Old messages keep their unit for as long as the topic "
    "holds them. Add a field with the new type.",
)

DECIMAL_SCALE = rule(
    "change/decimal-scale",
    "The scale of a decimal changed: every amount is read with its point at another place.",
    "A decimal is written as a whole number, and the scale that places the point stands in the "
    "schema only. The specification says that such types do not match, and no registry checks it. "
    "Avro Java uses the reader's scale for the writer's number; "
    f"{name_lacking(Ability.READER_LOGICAL_TYPE)} use the writer's. Add a field with the new type.",
)

DECIMAL_PRECISION = rule(
    "change/decimal-precision",
    "The precision of a decimal changed, so one side may refuse or cut what the other writes.",
    "The specification says that decimals match only if precision and scale are the same. A reader "
    "with a smaller precision meets numbers that its type cannot hold. No decoder refuses them; "
    "databases and stream processors that derive column types from the schema do, after the "
    "message was read and often after its offset was committed.",
)

LOSSY_PROMOTION = rule(
    "change/lossy-promotion",
    "A type was replaced by one that reads it, and cannot hold every value.",
    "Avro promotes int and long to float, and long to double: a float is exact up to 2^24, a "
    "double up to 2^53, and an identifier beyond that becomes another one, without any error. "
    "Bytes that are read as a string need not be UTF-8, and "
    f"{name_lacking(Ability.TEXT_AS_BYTES)} does not read the one as the other at all.",
    severity=Severity.WARNING,
)

NAMESPACE_CHANGED = rule(
    "change/namespace",
    "A type moved to another namespace.",
    "Registries and Avro Java compare simple names, so they let it pass. Other libraries compare "
    f"full names, and stop: {name_lacking(Ability.SIMPLE_NAMES)}. Generated classes get another "
    "package, and Java looks for the class of a message by the full name that it was written with: "
    "an event that moves is an error. Subjects that are named after the record become new ones "
    "without a past, and where a union has to choose Avro Java compares full names too.",
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

JAVA_STRING = rule(
    "change/java-string",
    "Java reads a string as another class now.",
    "The property avro.java.string decides whether Avro Java makes a String or a Utf8 of a string. "
    "The bytes stay the same; programs that were built for the one fail on the other with a "
    "ClassCastException, or find no key of a map equal. Leave fields that are in use as they are.",
    severity=Severity.WARNING,
)
UNION_GROWN = rule(
    "change/union-grown",
    "A union gained a branch, or a type became a union, which older readers do not know.",
    "A level that looks backward only does not ask about older readers. A field that may be null "
    "from now on, or hold another record, stops them at the first message that uses it. The level "
    "is right, as long as every reader is deployed before the first producer.",
    severity=Severity.WARNING,
)
UNION_SHIFTED = rule(
    "change/union-shifted",
    "Values of a type that a union lacks are read as another branch now.",
    "A value goes to the branch of its own type, and else to the first branch that it can be "
    "promoted to, in the order of the reader's schema: an int in a union of double and long "
    "becomes a double. A branch that is put in front takes what the later ones had. Messages of "
    "older versions, which wrote the smaller type, change their type; code that looks at it, and "
    "numbers that a double cannot hold, go wrong.",
    severity=Severity.WARNING,
)
MADE_REQUIRED = rule(
    "change/made-required",
    "A field that could be null cannot any more.",
    "New readers refuse old messages without a value, and stop. A level that looks forward only "
    "does not ask about them, and the topic holds them for as long as its retention says. Keep "
    "null until none is left, and let producers always write a value.",
    severity=Severity.WARNING,
)


UNALIASED_RENAME = rule(
    "change/unaliased-rename",
    "A field looks like one that was renamed, and has no alias: what older messages hold is lost.",
    "Readers match fields by name. To them a renamed field is one field that is gone and another "
    "that is new: they pass over the old value and fill in the default, without any error. With "
    'the old name under "aliases" new readers find it again; with both fields, and both written, '
    "old readers do too. If it is no rename, all is well.",
    severity=Severity.WARNING,
)


def _find_silent_renames(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    """Fields with a default, or at a level that does not look back: the others are breaks."""
    new, old = pair.new, pair.old
    if not isinstance(new, Record) or not isinstance(old, Record):
        return
    fields, others = (value_at(side.origin.at("fields")) for side in (new, old))
    renames = find_renames(fields, others, by_name_only=True)
    is_break = Direction.BACKWARD in revision.directions
    prefix = "" if new.name == revision.root else f"{simple_name(new.name)}."
    for item in new.fields:
        former = renames.get(item.name)
        if former is None or (item.default is None and is_break):
            continue
        was = next(one for one in old.fields if one.name == former)
        mend = add_field_alias(item.origin, former)
        yield Hazard(
            UNALIASED_RENAME,
            item.origin.at("name"),
            was.origin.at("name"),
            f'the new field "{item.name}" looks like "{former}" under a new name, and has no alias',
            f'new readers do not find what older messages hold in "{former}"',
            mend.advice,
            mends=(mend,),
            # Without a default they stop: that is the business of the verdict.
            older=f'"{former}" gets its default, whatever "{item.name}" holds'
            if was.default
            else "",
            newer=f'"{item.name}" gets its default, whatever "{former}" held'
            if item.default
            else "",
            way=Beside(
                f"{prefix}{former}", "", "", f"{prefix}{item.name}", was.default is not None
            ),
        )


def _find_logical_changes(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    match new, old:
        case Primitive(), Primitive() if is_promotable(new, old) or is_promotable(old, new):
            pass
        case Fixed(), Fixed():
            pass
        case _:
            return
    before, after = describe_logical(old), describe_logical(new)
    if before == after:
        return
    is_decimal = new.logical and old.logical and new.logical.name == old.logical.name == "decimal"
    if is_decimal:
        yield from _find_decimal_changes(pair, new, old, revision)
        return
    what = quote(pair)
    place, old_place = _attribute_places(pair, "logicalType")
    # A string that is called a UUID, or is so no more, has no unit to get wrong.
    is_text = {getattr(new, "type", ""), getattr(old, "type", "")} == {"string"}
    if before and after:
        message = f"{what} was {before} and is {after}"
    elif after:
        message = f"{what} is {after} now, and was a plain {describe_type(old)}"
    else:
        message = f"{what} was {before}, and is a plain {describe_type(new)} now"
    was, is_now = before or describe_type(old), after or describe_type(new)
    relief = _CONVERTED if _measure(before) and _measure(before) == _measure(after) else ""
    yield Hazard(
        LOGICAL_TYPE,
        place,
        old_place,
        message,
        f"what was written as {was} is read as {is_now}, unchanged",
        "keep the type, and add a field with the new one beside it",
        Severity.WARNING if is_text else None,
        older="" if is_text else f"{what}: {is_now} is taken for {was}{relief}",
        newer="" if is_text else f"{what}: {was} is taken for {is_now}{relief}",
        way=make_beside(pair.owner, revision, f"as {was}", f"for {is_now}"),
    )


_CONVERTED = " (kontrakt's stubs convert it, Avro Java does not)"


def _measure(logical: str) -> str:
    """What a logical type of time measures, in whichever unit: `timestamp`, `time`."""
    return logical.rpartition("-")[0].removeprefix("local-")


def _find_decimal_changes(
    pair: TypePair, new: Primitive | Fixed, old: Primitive | Fixed, revision: Revision
) -> Iterator[Hazard]:
    if new.logical is None or old.logical is None:
        return
    what = quote(pair)
    before, after = old.logical, new.logical
    was, is_now = describe_logical(old), describe_logical(new)
    way = make_beside(pair.owner, revision, f"as {was}", f"for {is_now}")
    if before.scale != after.scale:
        shift = 10 ** min(abs(after.scale - before.scale), 9)
        directions = (
            ("smaller", "greater") if after.scale > before.scale else ("greater", "smaller")
        )
        newer, older = (f"{shift:,} times {direction}" for direction in directions)
        yield Hazard(
            DECIMAL_SCALE,
            *_attribute_places(pair, "scale"),
            f"the scale of {what} was {before.scale} and is {after.scale}",
            f"old amounts are read as {newer} ones",
            "keep the scale, and add a field with the new one beside it",
            older=f"{what}: new amounts are read as {older} ones{_CONVERTED}",
            newer=f"{what}: old amounts are read as {newer} ones{_CONVERTED}",
            way=way,
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
            older=""
            if is_smaller
            else f"{what}: more than {before.precision} digits may be refused",
            newer=f"{what}: more than {after.precision} digits may be refused"
            if is_smaller
            else "",
            way=way,
        )


def _attribute_places(pair: TypePair, attribute: str) -> tuple[Place, Place]:
    """Where an attribute of two types stands: in their definitions, or else where they are used."""
    new, old = pair.new.origin, pair.old.origin
    return (
        new.at(attribute) if has_key(new, attribute) else new,
        old.at(attribute) if has_key(old, attribute) else old,
    )


def _find_lossy_promotion(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
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
            f"{quote(pair)} was {old.type} and is {new.type}: {loss}",
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


def _find_type_renames(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Record | Enum | Fixed) or not isinstance(old, Record | Enum | Fixed):
        return
    if type(new) is not type(old) or new.name == old.name:
        return
    (new_space, new_name), (old_space, old_name) = split_name(new.name), split_name(old.name)
    # Java finds the generated class of a whole message by the name that it was written with.
    is_event = new.name == revision.root
    if new_name == old_name:
        classes = f"; Java has no generated class for {old.name} any more" if is_event else ""
        yield Hazard(
            NAMESPACE_CHANGED,
            _namespace_place(new.origin),
            _namespace_place(old.origin),
            f"{new_name} moved from {old_space or 'no namespace'} to {new_space or 'none'}",
            f"the registry compares simple names only; readers on "
            f"{name_lacking(Ability.SIMPLE_NAMES)} compare full ones, and stop{classes}",
            f"keep the namespace {old_space}" if old_space else "keep it out of a namespace",
            severity=Severity.ERROR if is_event else None,
        )
    elif old.name in new.aliases and Direction.FORWARD not in revision.directions:
        classes = f", and Java needs a generated class {old.name} for old messages"
        yield Hazard(
            ALIAS_RENAME,
            new.origin.at("name"),
            old.origin.at("name"),
            f"the type {old.name} is named {new.name} now",
            f"readers with the older schema know only {old_name}",
            "deploy all readers before any producer writes the new name; readers on "
            f"{name_lacking(Ability.ALIASES)} ignore aliases{classes if is_event else ''}",
        )


def _namespace_place(definition: Place) -> Place:
    return definition.at("namespace" if has_key(definition, "namespace") else "name")


def _find_union_reorder(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    if not isinstance(pair.new, Union) or not isinstance(pair.old, Union):
        return
    positions = [old for new, old in pair.branches if new is not None and old is not None]
    if positions != sorted(positions):
        yield Hazard(
            UNION_REORDERED,
            pair.new_place,
            pair.old_place,
            f"{quote(pair)} was {describe_type(pair.old)} and is {describe_type(pair.new)}",
            "the same branches in another order",
            "keep the order, and add new branches at the end",
        )


def _find_union_growth(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    new = pair.new
    if Direction.FORWARD in revision.directions or not isinstance(new, Union):
        return  # the verdict reports what older readers cannot read
    added = [
        new.branches[index] for index, old in pair.branches if index is not None and old is None
    ]
    is_readable = any(None not in positions for positions in pair.branches)
    if added and is_readable:
        what = list_names(describe_type(branch) for branch in added)
        yield Hazard(
            UNION_GROWN,
            pair.new_place,
            pair.old_place,
            f"{quote(pair)} may be {what} now, which older readers do not know",
            f"it was {describe_type(pair.old)} until now",
            f"deploy all readers before any producer sends {what}",
        )


def _find_union_shift(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    if not isinstance(pair.new, Union) or not isinstance(pair.old, Union):
        return
    after, before = _primitives(pair.new), _primitives(pair.old)
    for kind in ("int", "long", "float"):
        if kind in before or kind in after:
            continue
        was, is_now = (_first_promotable(kind, types) for types in (before, after))
        if was and is_now and was != is_now and was in after:
            yield Hazard(
                UNION_SHIFTED,
                pair.new_place,
                pair.old_place,
                f"{quote(pair)} takes {kind} for {is_now} now, and took it for {was}",
                f"concerns messages of versions that wrote {kind}",
                f"put {is_now} behind {was}",
            )


def _primitives(union: Union) -> tuple[str, ...]:
    return tuple(branch.type for branch in union.branches if isinstance(branch, Primitive))


def _first_promotable(kind: str, types: tuple[str, ...]) -> str:
    """The first of the reader's types that a type can be promoted to; empty if there is none."""
    return next((one for one in types if kind in READABLE_PRIMITIVES[one]), "")


def _find_java_strings(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Primitive | Map) or not isinstance(old, Primitive | Map):
        return
    before, after = (_java_string(side) for side in (old, new))
    if type(new) is type(old) and before != after:
        yield Hazard(
            JAVA_STRING,
            *_attribute_places(pair, "avro.java.string"),
            f"avro.java.string of {quote(pair)} was {before} and is {after}",
            hint="keep it as it was",
        )


def _java_string(schema: Primitive | Map) -> str:
    return str((schema.properties or {}).get("avro.java.string", "not set"))


def _find_made_required(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    was, is_now = _is_nullable(pair.old), _is_nullable(pair.new)
    if was and not is_now and Direction.BACKWARD not in revision.directions:
        yield Hazard(
            MADE_REQUIRED,
            pair.new_place,
            pair.old_place,
            f"{quote(pair)} could be null and cannot any more",
            "older messages may hold null, and new readers stop at it",
            "keep null until no message of the topic holds it",
        )


def _is_nullable(target: Target) -> bool:
    branches = target.branches if isinstance(target, Union) else (target,)
    return any(isinstance(branch, Primitive) and branch.type == "null" for branch in branches)


TYPE_CHECKS: tuple[Callable[[TypePair, Revision], Iterator[Hazard]], ...] = (
    _find_logical_changes,
    _find_lossy_promotion,
    *ENUM_CHECKS,
    _find_silent_renames,
    _find_type_renames,
    _find_union_reorder,
    _find_union_growth,
    _find_union_shift,
    _find_java_strings,
    _find_made_required,
)
"""All of them."""
