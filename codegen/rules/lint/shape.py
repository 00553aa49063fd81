"""Shape: defaults that nobody reads, unions that leave a choice, types that hold nothing."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache

from codegen.avro.advice import suggest_default
from codegen.avro.defaults import check_default, show_value
from codegen.avro.schema import (
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
    split_name,
)
from codegen.diagnostics import Severity
from codegen.editing import Edit, Insert, Remove, Rename
from codegen.rules.lint import Here, Problem, Survey, check, raw
from codegen.source import Json


@check("shape/nullable-default", "A field can be null and has no default.", Field)
def check_nullable_default(field: Field, here: Here) -> Iterator[Problem]:
    """A default makes it possible to read older messages without the field, and to remove the
    field one day; producers may then leave it out. Null is the default that every nullable field
    can have: it costs nothing to add now, and cannot be added for messages that were read without
    it."""
    schema = field.schema
    if not isinstance(schema, Union) or field.default is not None or len(schema.branches) < 2:
        return
    nulls = [index for index, one in enumerate(schema.branches) if _is_null(one)]
    if not nulls:
        return
    message = f"{field.name} can be null and has no default"
    if nulls[0]:
        hint = 'put "null" first in the union, and add "default": null'
        yield Problem(field.origin.at("name"), message, hint)
        return
    edits = (Insert((*field.origin.path, "default"), None, ("type",)),)
    yield Problem(field.origin.at("name"), message, 'add "default": null', edits=edits)


@check(
    "shape/union-default",
    "The default of a union does not fit its first branch.",
    Field,
)
def check_union_default(field: Field, here: Here) -> Iterator[Problem]:
    """Until version 1.11 of the specification the default had to fit the first branch, and
    libraries that follow it refuse the schema, or the first message that needs the default."""
    schema, default = field.schema, field.default
    if not isinstance(schema, Union) or default is None or len(schema.branches) < 2:
        return

    def fits_in(branch: Schema, value: Json) -> bool:
        return check_default(SchemaGraph(branch, here.survey.types), branch, value) is None

    fits = [fits_in(one, default.value) for one in schema.branches]
    # A default that fits no branch is the parser's business.
    if not fits[0] and any(fits):
        index = fits.index(True)
        message = (
            f"the default {show_value(default.value)} of {field.name} fits "
            f"{_describe(schema.branches[index])}, not the first branch"
        )
        first = schema.branches[0]
        meant = suggest_default(default.value, lambda value: fits_in(first, value))
        hint = f"put {_describe(schema.branches[index])} first in the union"
        hint = f"{meant}, or {hint}" if meant else hint
        yield Problem(field.origin.at("default"), message, hint)


@check(
    "shape/default-in-type",
    "A default stands in the type of a field, where it is ignored.",
    Field,
    severity=Severity.ERROR,
)
def check_default_in_type(field: Field, here: Here) -> Iterator[Problem]:
    """The default of a field stands beside its type. One that stands inside is a property that no
    library looks at, so the field has no default: readers of older messages stop there."""
    value = raw(field.origin).get("type")
    # The default of an enum is its own: what stands in for symbols that a reader lacks.
    if not isinstance(value, dict) or "default" not in value or value.get("type") == "enum":
        return
    place = field.origin.at("type", "default", on_key=True)
    message = f"the default of {field.name} stands in its type, where it is ignored"
    edits: tuple[Edit, ...] = (Remove(place.path),)
    hint = "remove it; the field has one"
    if field.default is None:
        edits = (Insert((*field.origin.path, "default"), value["default"], ("type",)), *edits)
        hint = "move it out of the type"
    yield Problem(place, message, hint, edits=edits)


_SCHEMA_ATTRIBUTES = ("type", "logicalType", "precision", "scale")
_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    Field: ("name", "type", "doc", "default", "order", "aliases"),
    Record: ("type", "name", "namespace", "doc", "aliases", "fields"),
    Enum: ("type", "name", "namespace", "doc", "aliases", "symbols", "default"),
    Fixed: (*_SCHEMA_ATTRIBUTES, "name", "namespace", "doc", "aliases", "size"),
    Primitive: _SCHEMA_ATTRIBUTES,
    Array: (*_SCHEMA_ATTRIBUTES, "items"),
    Map: (*_SCHEMA_ATTRIBUTES, "values"),
}
_ALIKE = 0.8


@check(
    "shape/misspelt-attribute",
    "An attribute is written almost like one that Avro knows.",
    *_ATTRIBUTES,
)
def check_misspelt_attribute(
    thing: Field | Named | Primitive | Array | Map, here: Here
) -> Iterator[Problem]:
    """Avro keeps attributes that it does not know and does nothing with them, so a misspelt default
    is no default, and nobody says so."""
    known = _ATTRIBUTES[type(thing)]
    for key in thing.properties or ():
        if key in known or not (meant := _closest(key, known)):
            continue
        value = raw(thing.origin)
        # Beside the attribute itself it is one of its own, as symbolDocs is beside symbols.
        if meant in value:
            continue
        edits: tuple[Edit, ...] = ()
        if _may_hold(meant, value[key]):
            edits = (Rename((*thing.origin.path, key), meant),)
        message = f'Avro knows no attribute "{key}" here, and ignores it'
        place = thing.origin.at(key, on_key=True)
        yield Problem(place, message, f'write "{meant}"', edits=edits)


@lru_cache(maxsize=4096)  # the same few properties stand everywhere, and comparing takes long
def _closest(key: str, known: tuple[str, ...]) -> str:
    folded = key.lower().replace("_", "").replace("-", "")

    def ratio(name: str) -> float:
        return SequenceMatcher(None, folded, name.lower()).ratio()

    best = max(known, key=ratio)
    return best if ratio(best) >= _ALIKE else ""


def _may_hold(attribute: str, value: Json) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {
        "aliases": list,
        "precision": int,
        "scale": int,
        "default": object,
    }
    return isinstance(value, kinds.get(attribute, str))


@check(
    "shape/ambiguous-union",
    "One value fits two branches of a union.",
    Union,
)
def check_ambiguous_union(union: Union, here: Here) -> Iterator[Problem]:
    """A message says which branch it holds, but libraries of Python and JavaScript are given the
    bare value and take the first branch that it fits, or the one that it fits best; so what is
    written as one branch is read as the other. Int beside long, float beside double, string beside
    enum, bytes beside fixed, enums with common symbols and records with the same fields are such
    pairs."""
    targets = [here.resolve(one) for one in union.branches]
    for index, other in enumerate(targets):
        # One finding a branch: of many that are alike, each pair would be one.
        common = [_find_common(one, other, here) for one in targets[:index]]
        alike = [place for place, why in enumerate(common) if why]
        if alike:
            first, second = _describe(union.branches[alike[0]]), _describe(union.branches[index])
            more = f", and {len(alike) - 1} more" if alike[1:] else ""
            message = f"{common[alike[0]]} fits both {first} and {second}{more}"
            hint = "keep one of them, or put each into a record of its own"
            yield Problem(union.branches[index].origin, message, hint)


_NUMBERS = (frozenset(("int", "long")), frozenset(("float", "double")))


def _find_common(one: Schema, other: Schema, here: Here) -> str:
    """A value that fits both, in words; nothing where there is none."""
    if getattr(one, "name", 1) == getattr(other, "name", 2):
        return ""  # The same type twice is the parser's business.
    match one, other:
        case (Primitive(logical=None), Primitive(logical=None)):
            return "one number" if {one.type, other.type} in _NUMBERS else ""
        case (Primitive(type="string", logical=None), Enum()) | (
            Enum(),
            Primitive(type="string", logical=None),
        ):
            enum = one if isinstance(one, Enum) else other
            symbols = enum.symbols if isinstance(enum, Enum) else ()
            return f'"{symbols[0]}"' if symbols else ""
        case (Primitive(type="bytes", logical=None), Fixed(logical=None)) | (
            Fixed(logical=None),
            Primitive(type="bytes", logical=None),
        ):
            size = one.size if isinstance(one, Fixed) else other.size  # type: ignore[union-attr]
            return f"a value of {size} bytes"
        case (Enum(), Enum()):
            common = [symbol for symbol in one.symbols if symbol in other.symbols]
            return f'"{common[0]}"' if common else ""
        case (Fixed(logical=None), Fixed(logical=None)):
            return f"a value of {one.size} bytes" if one.size == other.size else ""
        case (Record(), Record()):
            return "the same object" if _are_alike(one, other, here) else ""
    return ""


def _are_alike(one: Record, other: Record, here: Here) -> bool:
    """Whether both have fields of the same names and the same types."""
    if len(one.fields) != len(other.fields):
        return False
    theirs = {field.name: field for field in other.fields}
    return all(
        field.name in theirs and _is_same(field.schema, theirs[field.name].schema, here)
        for field in one.fields
    )


def _is_same(one: Schema, other: Schema, here: Here) -> bool:
    left, right = here.resolve(one), here.resolve(other)
    match left, right:
        case (Primitive(), Primitive()):
            same_logic = (left.logical and left.logical.name) == (
                right.logical and right.logical.name
            )
            return left.type == right.type and same_logic
        case (Array(), Array()):
            return _is_same(left.items, right.items, here)
        case (Map(), Map()):
            return _is_same(left.values, right.values, here)
        case (Union(), Union()):
            pairs = zip(left.branches, right.branches, strict=False)
            return len(left.branches) == len(right.branches) and all(
                _is_same(*pair, here) for pair in pairs
            )
    return left is right


@check("shape/empty-union", "A union has no branch.", Union, severity=Severity.ERROR)
def check_empty_union(union: Union, here: Here) -> Iterator[Problem]:
    """No value fits it, so no message with such a field can be written."""
    if not union.branches:
        yield Problem(union.origin, "no value fits a union without branches", "list its types")


@check(
    "shape/single-branch",
    "A union has one branch only.",
    Union,
    severity=Severity.NOTE,
)
def check_single_branch(union: Union, here: Here) -> Iterator[Problem]:
    """Each value is written with the number of its branch, which says nothing here, and code has to
    ask for a choice that there is not. Often a "null" was forgotten."""
    if len(union.branches) == 1:
        what = _describe(union.branches[0])
        message = f"{what} is the only branch of this union"
        hint = f'write {what} alone, or add "null"; both change what messages hold'
        yield Problem(union.origin, message, hint)


@check("shape/empty-enum", "An enum has no symbols.", Enum, severity=Severity.ERROR)
def check_empty_enum(enum: Enum, here: Here) -> Iterator[Problem]:
    """No value fits it, so no message with such a field can be written."""
    if not raw(enum.origin)["symbols"]:
        message = f"no value fits {split_name(enum.name)[1]}: it has no symbols"
        yield Problem(enum.origin.at("symbols"), message, "list its symbols")


@check("shape/empty-record", "A record has no fields.", Record, severity=Severity.NOTE)
def check_empty_record(record: Record, here: Here) -> Iterator[Problem]:
    """It says that something happened and nothing more: not what to, not when. Fields that are
    added later need defaults."""
    if not raw(record.origin)["fields"]:
        message = f"{split_name(record.name)[1]} has no fields"
        yield Problem(
            record.origin.at("fields"), message, "add at least what it is about, and when"
        )


@check("shape/always-null", "A field can only be null.", Field, severity=Severity.NOTE)
def check_always_null(field: Field, here: Here) -> Iterator[Problem]:
    """It holds no information. Where it keeps a place for a later type: a nullable field with a
    default can be added at any time."""
    schema = field.schema
    branches = schema.branches if isinstance(schema, Union) else (schema,)
    if branches and all(_is_null(one) for one in branches):
        yield Problem(field.origin.at("name"), f"{field.name} can only be null", "remove it")


@check(
    "shape/endless-record",
    "A record needs a value of itself, so none ever ends.",
    Survey,
    severity=Severity.ERROR,
)
def check_endless_record(survey: Survey, here: Here) -> Iterator[Problem]:
    """A record may hold itself where it can stop: in an array, a map, or a union with another
    branch. Without one no value can be built, let alone written."""
    finite: set[str] = set()

    def ends(schema: Schema) -> bool:
        target = survey.resolve(schema)
        if isinstance(target, Record):
            return target.name in finite
        if isinstance(target, Union):
            return not target.branches or any(map(ends, target.branches))
        return True

    waiting = [one for one in survey.types.values() if isinstance(one, Record)]
    while waiting:
        left = []
        # From the end, as a type mostly stands behind those that it uses or in a file of its own.
        for record in waiting:
            if all(ends(field.schema) for field in record.fields):
                finite.add(record.name)
            else:
                left.append(record)
        if len(left) == len(waiting):
            break
        waiting = left[::-1]
    for record in sorted(waiting, key=lambda one: one.name):
        endless = next(field for field in record.fields if not ends(field.schema))
        message = f"no value of {split_name(record.name)[1]} ends: {endless.name} needs another"
        place, hint = endless.origin.at("type"), f'make {endless.name} nullable: ["null", ...]'
        yield Problem(place, message, hint, about=record.name)


@check(
    "shape/shared-inline-type",
    "A type that other files use is defined inside of another type.",
    Record,
    Enum,
    Fixed,
    severity=Severity.NOTE,
)
def check_shared_inline_type(named: Named, here: Here) -> Iterator[Problem]:
    """Whoever uses it depends on the whole type around it, in the registry too: each change of that
    one is a new version for all of them. In a file of its own it has a history of its own."""
    home = named.origin.document
    if not named.origin.path or here.survey.types.get(named.name) is not named:
        return  # What is defined twice is the parser's business.
    others = [
        one for one in here.survey.uses.get(named.name, ()) if one.origin.document is not home
    ]
    if others:
        simple = split_name(named.name)[1]
        message = f"{simple} is defined in here, and used by {others[0].origin.document.name}"
        hint = f"give it a file of its own, {simple}.avsc"
        see = (("used here", others[0].origin),)
        yield Problem(named.origin.at("name"), message, hint, see=see)


def _is_null(schema: Schema) -> bool:
    return isinstance(schema, Primitive) and schema.type == "null"


def _describe(schema: Schema) -> str:
    match schema:
        case Primitive():
            return schema.type
        case Array():
            return "array"
        case Map():
            return "map"
        case Union():
            return "union"
    name = getattr(schema, "name", "")
    return split_name(name)[1] if name else "this type"
