"""Which changes of a field are legal, and alter what data says?

Each function takes a field and what it was before, and yields the dangers of one sort of change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from codegen.avro.matching import FieldPair
from codegen.avro.schema import Field
from codegen.compatibility import SCOPES, Direction
from codegen.diagnostics import Severity, rule
from codegen.difference import field_label, is_same_json, list_names, show_value
from codegen.rules.hazard import Hazard, Revision
from codegen.rules.mends import restore_default
from codegen.source import Json

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
    "rename knows nothing of the new one. Avro Java and fastavro look at aliases, and Avro's own "
    "library for Python does not. The old name must not be used for anything else later.",
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

KEY_SORT_ORDER = rule(
    "change/key-sort-order",
    "The sort order of a field changed in the schema of a key.",
    "Avro compares encoded values field by field as the schema says. Stores and jobs that keep "
    "keys sorted find them in another order than they were written in.",
    severity=Severity.WARNING,
)


def _find_default_changes(pair: FieldPair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None or old.default is None:
        return
    label = field_label(pair, revision.root)
    if new.default is None:
        scope = SCOPES[revision.subject.level]
        if scope.is_transitive and Direction.BACKWARD in scope.directions:
            return  # the verdict reports the versions without the field
        mend = restore_default(new.origin, old.default.value)
        yield Hazard(
            DEFAULT_REMOVED,
            new.origin.at("name"),
            old.origin.at("default"),
            f'"{label}" lost its default, {show_value(old.default.value)}',
            "messages from before the field existed cannot be read any more",
            mend.advice,
            mends=(mend,),
        )
    elif not is_same_json(new.default.value, old.default.value):
        before, after = show_value(old.default.value), show_value(new.default.value)
        yield Hazard(
            DEFAULT_CHANGED,
            new.origin.at("default"),
            old.origin.at("default"),
            f'the default of "{label}" was {before} and is {after}',
            f"messages without the field meant {before} until now",
            f'keep "default": {before}',
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
        "deploy all readers before any producer; readers on Avro's own Python library ignore "
        "aliases, and take the default or stop",
    )


def _find_unit_changes(pair: FieldPair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None:
        return
    label = field_label(pair, revision.root)
    before, after = _property(old, "unit"), _property(new, "unit")
    if before is not None and after is not None and not is_same_json(before, after):
        yield Hazard(
            UNIT_CHANGED,
            new.origin.at("unit"),
            old.origin.at("unit"),
            f'the unit of "{label}" was {show_value(before)} and is {show_value(after)}',
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
            f'the doc of "{label}" spoke of {list_names(sorted(words))} and speaks of '
            f"{list_names(sorted(others))}",
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


def _property(item: Field, key: str) -> Json:
    return (item.properties or {}).get(key)


def _find_sort_order(pair: FieldPair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if new is None or old is None or not revision.subject.is_key:
        return
    before, after = old.order or "ascending", new.order or "ascending"
    if before != after:
        yield Hazard(
            KEY_SORT_ORDER,
            new.origin.at("order"),
            old.origin.at("order"),
            f'the order of "{field_label(pair, revision.root)}" was {before} and is {after}',
            "keys that lie sorted are in the old order",
            "keep the order",
        )


FIELD_CHECKS: tuple[Callable[[FieldPair, Revision], Iterator[Hazard]], ...] = (
    _find_default_changes,
    _find_field_renames,
    _find_unit_changes,
    _find_sort_order,
)
"""All of them."""
