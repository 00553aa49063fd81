"""Logical types: those that every library ignores in silence, and those that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from codegen.avro.defaults import check_logical_default, show_value
from codegen.avro.logical import decimal_digits, is_integer
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
    Union,
)
from codegen.diagnostics import Severity
from codegen.editing import Edit, Insert, Remove, Replace
from codegen.rules.lint import Here, Problem, check, raw
from codegen.rules.words import split_words
from codegen.source import Json

_BASES: dict[str, str] = {
    "decimal": "bytes or fixed",
    "big-decimal": "bytes",
    "uuid": "string, or a fixed of 16 bytes",
    "date": "int",
    "time-millis": "int",
    "time-micros": "long",
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "timestamp-nanos": "long",
    "local-timestamp-millis": "long",
    "local-timestamp-micros": "long",
    "local-timestamp-nanos": "long",
    "duration": "a fixed of 12 bytes",
}
"""All logical types of specification 1.12, and what each may stand on."""

_FOLDED = {name.replace("-", ""): name for name in _BASES}

Annotated = Primitive | Fixed | Array | Map | Record | Enum


@check(
    "logical/misspelt",
    "A logical type is misspelt, so every library ignores it.",
    Primitive,
    Fixed,
    severity=Severity.ERROR,
)
def check_misspelt(schema: Primitive | Fixed, here: Here) -> Iterator[Problem]:
    """A logical type that is not known is ignored (specification 1.12, "Logical Types"), so the
    value is a bare number, text or bytes everywhere, and nobody says so."""
    stated = (schema.properties or {}).get("logicalType", "")
    if not isinstance(stated, str):
        message = f"{show_value(stated)} is no logical type, and is ignored"
        yield Problem(schema.origin.at("logicalType"), message, "write its name, or remove it")
    name = _stated(schema)
    if name and name not in _BASES and (meant := _meant(name)):
        place = schema.origin.at("logicalType")
        edits = (Replace(place.path, meant),)
        message = f'"{name}" is no logical type, and is ignored'
        yield Problem(place, message, f'write "{meant}"', edits=edits)


@check(
    "logical/unknown",
    "A logical type is not one of the specification.",
    Primitive,
    Fixed,
    Array,
    Map,
    Record,
    Enum,
    severity=Severity.NOTE,
)
def check_unknown(schema: Annotated, here: Here) -> Iterator[Problem]:
    """Only a library that was taught this logical type sees it; all others, and the generated
    stubs, see the type that it stands on. That is right where it is meant so."""
    name = _stated(schema)
    if name and name not in _BASES and not _meant(name):
        message = f'"{name}" is no logical type of the specification'
        hint = "libraries that do not know it ignore it; see that no reader depends on it"
        yield Problem(schema.origin.at("logicalType"), message, hint)


@check(
    "logical/wrong-base",
    "A logical type stands on a type that cannot carry it, so every library ignores it.",
    Primitive,
    Fixed,
    Array,
    Map,
    Record,
    Enum,
    severity=Severity.ERROR,
)
def check_wrong_base(schema: Annotated, here: Here) -> Iterator[Problem]:
    """Each logical type has its base: a timestamp-millis is a long, a date an int. On any other it
    is ignored (specification 1.12, "Logical Types"), and the value is what the base says."""
    name = _stated(schema)
    # Fields and symbols of a record or an enum may be marked for purposes of a tool's own.
    if name not in _BASES or getattr(schema, "logical", None) is not None:
        return
    value = raw(schema.origin)
    base = value["type"]
    if name == "decimal" and base in ("bytes", "fixed"):
        return
    if name == "big-decimal" and base == "bytes":
        return
    if isinstance(schema, Fixed):
        base = f"a fixed of {schema.size} bytes"
    message = f"{name} on {base} is ignored"
    yield Problem(schema.origin.at("logicalType"), message, f"its base is {_BASES[name]}")


@check(
    "logical/decimal-precision",
    "A decimal has no precision, or one that is impossible.",
    Primitive,
    Fixed,
    severity=Severity.ERROR,
)
def check_decimal_precision(schema: Primitive | Fixed, here: Here) -> Iterator[Problem]:
    """A decimal needs its precision, the number of all digits, and a scale from 0 to the precision;
    a fixed must be long enough. Otherwise it is ignored (specification 1.12, "Decimal"), and the
    value is bare bytes."""
    if _stated(schema) != "decimal" or schema.logical is not None:
        return
    value = raw(schema.origin)
    if value["type"] not in ("bytes", "fixed"):
        return
    precision, scale = value.get("precision"), value.get("scale", 0)
    size = schema.size if isinstance(schema, Fixed) else None
    if message := _judge_decimal(precision, scale, size):
        at = "scale" if message.startswith("the scale") else "precision"
        place = schema.origin.at(at if at in value else "logicalType")
        hint = 'write for example "precision": 12'
        if "scale" not in value or message.startswith("the scale"):
            hint += ', "scale": 2'
        if size is not None and is_integer(precision) and precision > 0:
            hint = f"the precision can be 1 to {decimal_digits(size)}"
        yield Problem(place, f"{message}, so the decimal is ignored", hint)


def _judge_decimal(precision: Json, scale: Json, size: int | None) -> str:
    if precision is None:
        return "the precision is missing"
    if not is_integer(precision) or precision < 1:
        return "the precision is no number from 1"
    if not is_integer(scale) or scale < 0:
        return "the scale is no number from 0"
    if scale > precision:
        return f"the scale {scale} is larger than the precision {precision}"
    if size is not None and precision > decimal_digits(size):
        return f"{size} bytes cannot hold {precision} digits"
    return ""


@check(
    "logical/precision-without-decimal",
    "A precision or scale stands on a type that is no decimal.",
    Primitive,
    Fixed,
)
def check_precision_without_decimal(schema: Primitive | Fixed, here: Here) -> Iterator[Problem]:
    """Precision and scale mean something to a decimal only. Without the logical type the value is
    bare bytes, and readers do not know where the point is."""
    properties = schema.properties or {}
    is_bytes = isinstance(schema, Fixed) or schema.type == "bytes"
    if is_bytes and "precision" in properties and "logicalType" not in properties:
        place = schema.origin.at("precision", on_key=True)
        edits = (Insert((*schema.origin.path, "logicalType"), "decimal", ("type",)),)
        message = "a precision without a logical type is ignored"
        yield Problem(place, message, 'add "logicalType": "decimal"', edits=edits)


@check(
    "logical/invalid-default",
    "A default fits its type, and is no value of the logical type.",
    Field,
    severity=Severity.ERROR,
)
def check_invalid_default(field: Field, here: Here) -> Iterator[Problem]:
    """Parsers and registries look at the type that a logical type stands on, so an empty text
    passes as a uuid, and "0.00" as a decimal, which is the bytes of its unscaled number instead.
    Readers fail, or read something else, at the first message without the field."""
    if field.default is None:
        return
    if problem := check_logical_default(here.survey, field.schema, field.default.value):
        place = field.origin.at("default")
        message = f"the default of {field.name} is no value of its logical type: {problem}"
        hint = "write a value of that type, or let the field be null, with the default null"
        yield Problem(place, message, hint)


_PARTS = ("logicalType", "precision", "scale")


@check(
    "logical/on-field",
    "A logical type stands beside the type of a field, where every library ignores it.",
    Field,
    severity=Severity.ERROR,
)
def check_on_field(field: Field, here: Here) -> Iterator[Problem]:
    """It is an attribute of the type, which then has to be an object of its own: beside the type it
    is a property of the field that no library looks at, so the value is a bare number or text."""
    properties = field.properties or {}
    name = properties.get("logicalType")
    if not isinstance(name, str) or not (name in _BASES or _meant(name)):
        return
    schema, value = field.schema, raw(field.origin)
    # Some write it in both places.
    if any(_stated(one) for one in _candidates(schema)):
        return
    place = field.origin.at("logicalType", on_key=True)
    moved = {key: value[key] for key in _PARTS if key in value}
    edits: tuple[Edit, ...] = ()
    if isinstance(value.get("type"), str):
        whole = {"type": value["type"], **moved}
        removed = (Remove((*field.origin.path, key)) for key in moved)
        edits = (Replace((*field.origin.path, "type"), whole), *removed)
    message = f"{name} of {field.name} stands beside its type, and is ignored"
    hint = f'write "type": {{"type": ..., "logicalType": "{name}"}}'
    yield Problem(place, message, hint, edits=edits)


def _candidates(schema: Schema) -> tuple[Schema, ...]:
    return schema.branches if isinstance(schema, Union) else (schema,)


_TIMES = ("timestamp", "datetime")
_UNITS = {"ms": "millis", "millis": "millis", "us": "micros", "micros": "micros"}
_NOT_MILLIS = ("second", "epoch s", "unix s", "nano", "offset", "sequence")


@check(
    "logical/timestamp-by-name",
    "A long is called like a point in time and has no logical type.",
    Field,
)
def check_timestamp_by_name(field: Field, here: Here) -> Iterator[Problem]:
    """Without a logical type it is a bare number in every language, and whether it counts seconds,
    milliseconds or microseconds stands in its doc at best. With timestamp-millis or
    timestamp-micros every language gives a time, and none has to guess."""
    words = split_words(field.name)
    doc = (field.doc or "").lower()
    unit = _UNITS.get(words[-1], "") if words else ""
    words = words[:-1] if unit else words
    if not _is_time(words) or any(word in doc for word in _NOT_MILLIS):
        return
    for schema in _candidates(field.schema):
        if isinstance(schema, Primitive) and schema.type == "long" and not _is_explained(schema):
            if (field.properties or {}).get("logicalType"):
                return
            meant = f"timestamp-{unit or ('micros' if 'micro' in doc else 'millis')}"
            message = f"{field.name} is a bare long: no library knows that it is a time"
            hint = f'write {{"type": "long", "logicalType": "{meant}"}}, if it is one'
            yield Problem(field.origin.at("name"), message, hint)


@check(
    "logical/time-as-string",
    "A string is called like a point in time.",
    Field,
    severity=Severity.NOTE,
)
def check_time_as_string(field: Field, here: Here) -> Iterator[Problem]:
    """Each producer writes it in its own way: with a zone or without, with a T or a blank, to the
    second or the microsecond. A timestamp has one form, is shorter, and sorts."""
    if not _is_time(split_words(field.name)):
        return
    for schema in _candidates(field.schema):
        if isinstance(schema, Primitive) and schema.type == "string" and not _is_explained(schema):
            message = f"{field.name} is a string, and nothing says in which form"
            hint = 'in a new field write {"type": "long", "logicalType": "timestamp-millis"}'
            yield Problem(field.origin.at("name"), message, hint)


def _is_time(words: tuple[str, ...]) -> bool:
    """Whether these are the words of a name for a point in time."""
    return bool(words) and (words[-1] in _TIMES or (words[-1] == "at" and len(words) > 1))


def _is_explained(schema: Schema) -> bool:
    """Whether a logical type is stated, or that of Kafka Connect, which its converters read."""
    properties = getattr(schema, "properties", None) or {}
    return bool(_stated(schema) or properties.get("connect.name"))


@check(
    "logical/uuid-by-name",
    "A string is called uuid and has no logical type.",
    Field,
    severity=Severity.NOTE,
)
def check_uuid_by_name(field: Field, here: Here) -> Iterator[Problem]:
    """With the logical type uuid stubs take and give UUIDs, and a text that is none is refused
    where it is sent, not where it is needed."""
    words = split_words(field.name)
    if not words or words[-1] not in ("uuid", "guid"):
        return
    for schema in _candidates(field.schema):
        if isinstance(schema, Primitive) and schema.type == "string" and not _stated(schema):
            message = f"{field.name} is a string without a logical type"
            hint = 'write {"type": "string", "logicalType": "uuid"}'
            yield Problem(field.origin.at("name"), message, hint)


_MONEY = (
    "price", "cost", "fee", "balance", "salary", "wage", "income", "revenue", "refund",
    "discount", "premium", "deductible", "payout",
)  # fmt: skip
_AMOUNTS = ("amount", "total", "sum", "value")
"""Words that mean money where a currency stands beside them."""
_CURRENCIES = (
    "usd", "eur", "gbp", "chf", "jpy", "cny", "inr", "cad", "aud", "nzd", "sek", "nok", "dkk",
    "pln", "czk", "huf", "brl", "mxn", "zar", "sgd", "hkd", "krw",
)  # fmt: skip
"""Codes of ISO 4217 that names end in."""


@check(
    "logical/money-as-float",
    "An amount of money is a float or a double.",
    Field,
)
def check_money_as_float(field: Field, here: Here) -> Iterator[Problem]:
    """Binary floating point cannot hold a cent: 0.1 + 0.2 is not 0.3, and sums drift. A decimal has
    the digits that were written."""
    words = split_words(field.name)
    is_priced = bool(words) and words[-1] in _CURRENCIES
    words = words[:-1] if is_priced else words
    last = words[-1].removesuffix("s") if words else ""
    is_amount = last in _AMOUNTS and (is_priced or _has_currency(here.owner))
    if last not in _MONEY and not is_amount:
        return
    for schema in _candidates(field.schema):
        if isinstance(schema, Primitive) and schema.type in ("float", "double"):
            message = f"{field.name} is a {schema.type}, which cannot hold a cent"
            hint = 'in a new field write {"type": "bytes", "logicalType": "decimal", ...}'
            yield Problem(field.origin.at("name"), message, hint)


def _has_currency(owner: Named | None) -> bool:
    fields = owner.fields if isinstance(owner, Record) else ()
    return any("currency" in split_words(one.name) for one in fields)


def _stated(schema: Schema) -> str:
    """What stands under logicalType; nothing where that is no text."""
    properties = getattr(schema, "properties", None) or {}
    name = properties.get("logicalType")
    return name if isinstance(name, str) else ""


def _meant(name: str) -> str:
    """The logical type that a misspelt one means; nothing where none is near."""
    folded = "".join(letter for letter in name.lower() if letter.isalnum())
    if folded in _FOLDED:
        return _FOLDED[folded]
    near = get_close_matches(folded, _FOLDED, 1, cutoff=0.88)
    return _FOLDED[near[0]] if near else ""
