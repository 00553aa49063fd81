"""The values that fields have where they were not written, from their schema's JSON.

Avro 1.12, "Schema Resolution" and "Complex Types": bytes are texts of the characters 0 to 255, and
what a logical type stands for is made of the value that is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from . import decoding
from . import schema as avro
from .decoding import Damage
from .encoding import Types, attributes
from .schema import SchemaError

Make: TypeAlias = Callable[[], Any]


def make_default(field: avro.Field, types: Types) -> Make:
    """A maker of the value that a field has where it was not written, a new one each time."""
    assert field.default is not None
    try:
        return _make(field.schema, field.default[0], types)
    except (SchemaError, TypeError, ValueError, KeyError, AttributeError, Damage) as error:
        raise SchemaError(f"the default of {field.name} does not fit: {error}") from None


def _make(schema: avro.Node, value: Any, types: Types) -> Make:
    match schema:
        case avro.Union(branches=branches):
            return _make_branch(branches, value, types)
        case avro.Record(fields=fields):
            makes = [
                _make(field.schema, value[field.name], types)
                if field.name in value
                else make_default(field, types)
                for field in fields
            ]
            model = types[schema.name]
            names = attributes(model)
            return lambda: model(**{name: make() for name, make in zip(names, makes, strict=True)})
        case avro.Array(items=items):
            inner = [_make(items, item, types) for item in _only(list, value)]
            return lambda: [make() for make in inner]
        case avro.Map(values=values):
            named = {key: _make(values, item, types) for key, item in _only(dict, value).items()}
            return lambda: {key: make() for key, make in named.items()}
        case avro.Enum():
            constant = types[schema.name](value)
        case avro.Fixed(logical=logical):
            raw = _only(str, value).encode("latin-1")
            if len(raw) != schema.size:
                raise SchemaError(f"it has {len(raw)} bytes")
            constant = raw
            if logical is not None:
                is_decimal = logical.name == "decimal"
                conversions = decoding.LOGICAL_FIXED
                convert = decoding.decimal(logical) if is_decimal else conversions[logical.name]
                constant = convert(raw)
        case avro.Primitive():
            constant = _make_primitive(schema, value)
    return lambda: constant


def _make_primitive(schema: avro.Primitive, value: Any) -> Any:
    match schema.type:
        case "null":
            return _only(type(None), value)
        case "boolean":
            return _only(bool, value)
        case "float" | "double":
            return float(value if type(value) is int else _only(float, value))
        case "int" | "long":
            raw = _only(int, value)
        case "bytes":
            raw = _only(str, value).encode("latin-1")
        case _:
            raw = _only(str, value)
    if schema.logical is None:
        return raw
    if schema.logical.name == "decimal":
        return decoding.decimal(schema.logical)(raw)
    return decoding.LOGICAL[schema.logical.name](raw)


def _make_branch(branches: tuple[avro.Node, ...], value: Any, types: Types) -> Make:
    """Avro 1.12: the default of a union may fit any branch; the first that it fits is it."""
    for branch in branches:
        try:
            return _make(branch, value, types)
        except (SchemaError, TypeError, ValueError, KeyError, AttributeError, Damage):
            continue
    raise SchemaError("it fits no branch of the union")


def _only(cls: type, value: Any) -> Any:
    if type(value) is not cls:
        raise SchemaError(f"{str(value)[:40]!r} is no {cls.__name__}")
    return value
