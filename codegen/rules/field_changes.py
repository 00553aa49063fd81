"""Which changes of a field are legal, and alter what data says?

Each function takes a field and what it was before, and yields the dangers of one sort of change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from codegen.avro.defaults import check_default
from codegen.avro.matching import FieldPair
from codegen.avro.schema import Field
from codegen.avro.wording import list_names, show_value
from codegen.compatibility import SCOPES, Direction
from codegen.diagnostics import Severity, rule
from codegen.difference import field_label, is_same_json
from codegen.rules.hazard import Beside, Hazard, Revision, make_beside
from codegen.rules.mends import restore_default
from codegen.rules.readers import Ability, name_lacking
from codegen.rules.units import find_units, is_other_unit, name_unit
from codegen.source import Json

DEFAULT_CHANGED = rule(
    "change/default-changed",
    "The default of a field changed: old messages without the field mean something else now.",
    "A default is filled in by the reader, not stored by the writer. What was written before the "
    "field existed is read with the new value from the day that a reader is deployed with it, and "
    "two readers of different age disagree about the same message. The default says what old "
    "messages mean: keep it, and let producers write what holds from now on.",
    severity=Severity.WARNING,
)

DEFAULT_REMOVED = rule(
    "change/default-removed",
    "A field or an enum lost its default, and readers what they fell back on.",
    "Against the latest version this is compatible, for that version wrote the field. Older "
    "messages may lack it, and only a transitive level looks at those. Nobody can remove the field "
    "later either. An enum without a default stops its readers at the first symbol that they do "
    "not know, and no check of a registry foresees that symbol.",
    severity=Severity.WARNING,
)

ALIAS_RENAME = rule(
    "change/alias-rename",
    "Something was renamed with an alias, which helps new readers only.",
    "An alias in the new schema lets a new reader find the old name. A reader from before the "
    "rename knows nothing of the new one: it takes its default, or stops. Not every library looks "
    f"at aliases: {name_lacking(Ability.ALIASES)} does not. The old name must not be used for "
    "anything else later, for older messages still hold it.",
    severity=Severity.WARNING,
)

UNIT_CHANGED = rule(
    "change/unit",
    "The name, the doc or a property of a field names another unit or currency.",
    "The bytes stay the same, and the number means something else. No registry and no decoder can "
    "tell. Consumers that were written with the old unit go on to use it, and messages of both "
    "kinds lie in one topic with nothing to tell them apart. Add a field with the unit in its name "
    "beside the old one, write both, and drop the old one when nobody reads it any more.",
    severity=Severity.WARNING,
)

SORT_ORDER = rule(
    "change/sort-order",
    "The sort order of a field changed.",
    "Avro compares values of a record field by field, each ascending, descending or not at all, as "
    '"order" says. Decoding does not change. Jobs that sort or merge files of such records, and '
    "code that compares generated classes, find another order than the one that older data lies "
    "in.",
    severity=Severity.WARNING,
)

KEY_SORT_ORDER = rule(
    "change/key-sort-order",
    "The sort order of a field changed in the schema of a key.",
    "Avro compares encoded values field by field as the schema says. Stores and jobs that keep "
    "keys sorted find them in another order than they were written in, and a merge of old and new "
    "segments pairs the wrong ones.",
    severity=Severity.WARNING,
)


def _find_default_changes(pair: FieldPair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None or old.default is None:
        return
    label = field_label(pair, revision.root)
    if new.default is None:
        scope = SCOPES[revision.subject.level]
        # Only a registry numbers its versions, and knows those from before the latest.
        knows_all = bool(revision.latest.version)
        if knows_all and scope.is_transitive and Direction.BACKWARD in scope.directions:
            return  # the verdict reports the versions without the field
        mend = restore_default(new.origin, old.default.value)
        problem = check_default(revision.subject.schema, new.schema, old.default.value)
        yield Hazard(
            DEFAULT_REMOVED,
            new.origin.at("name"),
            old.origin.at("default"),
            f'"{label}" lost its default, {show_value(old.default.value)}',
            "messages from before the field existed cannot be read any more",
            "give it a default that fits its new type" if problem else mend.advice,
            mends=() if problem else (mend,),
        )
    elif not is_same_json(new.default.value, old.default.value):
        before, after = show_value(old.default.value), show_value(new.default.value)
        problem = check_default(revision.subject.schema, new.schema, old.default.value)
        yield Hazard(
            DEFAULT_CHANGED,
            new.origin.at("default"),
            old.origin.at("default"),
            f'the default of "{label}" was {before} and is {after}',
            f"messages without the field meant {before} until now",
            f'keep "default": {before}{", and a type that takes it" if problem else ""}',
        )


def _find_field_renames(pair: FieldPair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None or not pair.is_renamed or old.name not in new.aliases:
        return
    yield Hazard(
        ALIAS_RENAME,
        new.origin.at("name"),
        old.origin.at("name"),
        f'the field "{old.name}" is named "{new.name}" now',
        f'readers with the older schema look for "{old.name}"',
        "deploy all readers before any producer; readers on "
        f"{name_lacking(Ability.ALIASES)} ignore aliases, and take the default or stop",
        # Without a default they stop: that is the business of the verdict.
        older=f'"{old.name}" gets its default, whatever "{new.name}" holds' if old.default else "",
        way=_part_names(pair, revision),
    )


def _part_names(pair: FieldPair, revision: Revision) -> Beside:
    """Both names as fields of their own."""
    assert pair.new is not None and pair.old is not None
    prefix = field_label(pair, revision.root).removesuffix(pair.name)
    has_default = pair.old.default is not None
    return Beside(f"{prefix}{pair.old.name}", "", "", f"{prefix}{pair.new.name}", has_default)


def _find_unit_changes(pair: FieldPair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None:
        return
    label = field_label(pair, revision.root)
    if pair.is_renamed and is_other_unit(new.name, old.name):
        was, now = name_unit(old.name), name_unit(new.name)
        yield Hazard(
            UNIT_CHANGED,
            new.origin.at("name"),
            old.origin.at("name"),
            f'"{old.name}" is named "{new.name}" now: by its name it was in {was} and is in {now}',
            "old messages keep their unit",
            f'keep "{old.name}", and add "{new.name}" beside it without the alias',
            newer=f'"{new.name}": {was} are taken for {now}',
            way=_part_names(pair, revision),
        )
        return
    for key in _UNIT_KEYS:
        before, after = _property(old, key), _property(new, key)
        if before is not None and after is not None and not is_same_json(before, after):
            yield Hazard(
                UNIT_CHANGED,
                new.origin.at(key),
                old.origin.at(key),
                f'the {key} of "{label}" was {show_value(before)} and is {show_value(after)}',
                f"old messages keep their {key}",
                f"keep the {key}, and add a field with the new one beside it",
                older=f'"{label}": {show_value(after)} is taken for {show_value(before)}',
                newer=f'"{label}": {show_value(before)} is taken for {show_value(after)}',
                way=make_beside(pair, revision, f"in {show_value(before)}", show_value(after)),
            )
            return
    words, others = find_units(old.doc), find_units(new.doc)
    lost, gained = words - others, others - words
    if lost and gained:
        yield Hazard(
            UNIT_CHANGED,
            new.origin.at("doc"),
            old.origin.at("doc"),
            f'the doc of "{label}" spoke of {list_names(sorted(lost))} and speaks of '
            f"{list_names(sorted(gained))}",
            "old messages keep their unit",
            "if only the wording changed, all is well; else add a field with the new unit",
        )


_UNIT_KEYS = ("unit", "units", "currency")
"""Properties that name a unit, in any case of the team's own."""


def _property(item: Field, key: str) -> Json:
    return (item.properties or {}).get(key)


def _find_sort_order(pair: FieldPair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None:
        return
    before, after = old.order or "ascending", new.order or "ascending"
    is_key = revision.subject.is_key
    if before != after:
        yield Hazard(
            KEY_SORT_ORDER if is_key else SORT_ORDER,
            new.origin.at("order"),
            old.origin.at("order"),
            f'the order of "{field_label(pair, revision.root)}" was {before} and is {after}',
            f"{'keys' if is_key else 'records'} that lie sorted are in the old order",
            "keep the order",
        )


FIELD_CHECKS: tuple[Callable[[FieldPair, Revision], Iterator[Hazard]], ...] = (
    _find_default_changes,
    _find_field_renames,
    _find_unit_changes,
    _find_sort_order,
)
"""All of them."""
