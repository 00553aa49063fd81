"""How Avro's types are called in Python: annotations and default values.

null -> None, boolean -> bool, int and long -> int, float and double -> float, bytes and fixed
-> bytes, string -> str, array -> list, map -> dict, record -> a frozen dataclass, enum -> an
enum, union -> the union of its branches
decimal -> Decimal, uuid -> UUID, date -> date, time-* -> time, timestamp-millis and -micros ->
datetime with a time zone, local-timestamp-millis and -micros -> datetime without one,
timestamp-nanos and local-timestamp-nanos -> int, since datetime ends at microseconds and
nothing must be lost, duration -> Duration
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import assert_never
from uuid import UUID

from codegen.avro.defaults import check_default
from codegen.avro.schema import (
    Array,
    Broken,
    Enum,
    Field,
    Fixed,
    LogicalType,
    Map,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
)
from codegen.diagnostics import KontraktError, locate
from codegen.source import Json
from codegen.targets.python.literals import LINE_LENGTH, bytes_literal, long_string, string
from codegen.targets.python.names import name_attributes, name_members

PRIMITIVES: Mapping[str, str] = {
    "null": "None",
    "boolean": "bool",
    "int": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "bytes": "bytes",
    "string": "str",
}

LOGICAL: Mapping[str, str] = {
    "decimal": "Decimal",
    "uuid": "UUID",
    "date": "dt.date",
    "time-millis": "dt.time",
    "time-micros": "dt.time",
    "timestamp-millis": "dt.datetime",
    "timestamp-micros": "dt.datetime",
    "timestamp-nanos": "int",
    "local-timestamp-millis": "dt.datetime",
    "local-timestamp-micros": "dt.datetime",
    "local-timestamp-nanos": "int",
    "duration": "Duration",
}


@dataclass(frozen=True, slots=True)
class Code:
    """An expression: on one line, or opened up into the lines of an indented block."""

    text: str
    opened: tuple[str, ...] = ()
    """With one item on each line, and a comma behind the last; empty where it cannot be opened."""


def annotation(graph: SchemaGraph, schema: Schema, classes: Mapping[str, str]) -> str:
    """The type of a schema's values."""
    target = graph.resolve(schema)
    match target:
        case Primitive(type=name, logical=logical):
            return LOGICAL[logical.name] if logical else PRIMITIVES[name]
        case Fixed(logical=logical):
            return LOGICAL[logical.name] if logical else "bytes"
        case Record(name=name) | Enum(name=name):
            return classes[name]
        case Array(items=items):
            return f"list[{annotation(graph, items, classes)}]"
        case Map(values=values):
            return f"dict[str, {annotation(graph, values, classes)}]"
        case Union():
            return " | ".join(union_types(graph, target, classes))
        case Broken():
            raise KontraktError(f"{target.origin.document.name} has a schema that is no schema")
        case _:
            assert_never(target)


def union_types(graph: SchemaGraph, schema: Union, classes: Mapping[str, str]) -> list[str]:
    """The types of a union's branches, each once, None at the end."""
    types = dict.fromkeys(annotation(graph, branch, classes) for branch in schema.branches)
    return sorted(types, key="None".__eq__) or ["None"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """The default values of fields, as Python expressions."""

    graph: SchemaGraph
    classes: Mapping[str, str]

    def is_constant(self, field: Field) -> bool:
        """Whether every object may share the default value: it cannot be changed."""
        assert field.default is not None
        schema = self._fitting(field.schema, field.default.value)
        return not isinstance(self.graph.resolve(schema), Array | Map | Record)

    def expression(self, field: Field, owner: str) -> Code:
        """The default value of a field of a record.

        Raises KontraktError where Avro has a default that Python has no value for.
        """
        assert field.default is not None
        try:
            return self.value(field.schema, field.default.value)
        except (ValueError, ArithmeticError) as error:
            raise KontraktError(
                f"{locate(field.origin.at('default'))}: {owner}.{field.name} has a default that "
                f"Python has no value for: {error}",
                "change the default, or leave the Python target out for the services of this event",
            ) from None

    def _fitting(self, schema: Schema, value: Json) -> Schema:
        """The branch that a default fits first (Avro 1.12), where the schema is a union."""
        target = self.graph.resolve(schema)
        if not isinstance(target, Union):
            return schema
        for branch in target.branches:
            if check_default(self.graph, branch, value) is None:
                return branch
        raise ValueError("it fits no branch of the union")

    def value(self, schema: Schema, value: Json) -> Code:
        """A value as the default of a schema writes it. Raises ValueError or ArithmeticError."""
        target = self.graph.resolve(self._fitting(schema, value))
        match target:
            case Primitive(type=name, logical=logical):
                text = _primitive(name, logical, value)
                if len(text) > LINE_LENGTH - 4 and name == "string":
                    return Code(text, ("(", *long_string(value, 4), ")"))
                return Code(text)
            case Fixed(logical=logical):
                raw = value.encode("latin-1")
                return Code(_logical_fixed(logical, raw) if logical else bytes_literal(raw))
            case Enum(name=name, symbols=symbols):
                member = name_members(symbols)[symbols.index(value)]
                return Code(f"{self.classes[name]}.{member}")
            case Array(items=items):
                return _bracket("[", "]", [("", self.value(items, item)) for item in value])
            case Map(values=values):
                inner = [(f"{string(key)}: ", self.value(values, value[key])) for key in value]
                return _bracket("{", "}", inner)
            case Record(name=name, fields=fields):
                attributes = name_attributes(field.name for field in fields)
                inner = [
                    (f"{attribute}=", self.value(field.schema, value[field.name]))
                    for attribute, field in zip(attributes, fields, strict=True)
                    if field.name in value
                ]
                return _bracket(f"{self.classes[name]}(", ")", inner)
            case _:
                raise ValueError("its type is no type")


def _bracket(start: str, end: str, inner: list[tuple[str, Code]]) -> Code:
    text = start + ", ".join(head + code.text for head, code in inner) + end
    if not inner:
        return Code(text)
    lines = [start]
    for head, code in inner:
        opened = code.opened or (code.text,)
        lines += [f"    {line}" for line in (head + opened[0], *opened[1:])]
        lines[-1] += ","
    return Code(text, (*lines, end))


def _primitive(name: str, logical: LogicalType | None, value: Json) -> str:
    if name in ("float", "double"):
        return number(float(value))
    if name == "bytes":
        raw = value.encode("latin-1")
        return bytes_literal(raw) if logical is None else _decimal(logical, raw)
    if name == "string":
        return string(value) if logical is None else f'UUID("{UUID(value)}")'
    if logical is not None and logical.name in _TIMES:
        return _TIMES[logical.name](value)
    return repr(value)


def number(value: float) -> str:
    """A float as a literal, as `ruff format` prints it."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return repr(value).replace("e+", "e")


def _decimal(logical: LogicalType, raw: bytes) -> str:
    value = int.from_bytes(raw, "big", signed=True)
    if abs(value) >= 10 ** min(logical.precision, 10_000):
        raise ValueError(f"it has more than {logical.precision} digits")
    return f'Decimal("{Decimal(value).scaleb(-logical.scale, Context(prec=10_000))}")'


def _logical_fixed(logical: LogicalType, raw: bytes) -> str:
    if logical.name == "decimal":
        return _decimal(logical, raw)
    if logical.name == "uuid":
        return f'UUID("{UUID(bytes=raw)}")'
    parts = [int.from_bytes(raw[start : start + 4], "little") for start in (0, 4, 8)]
    names = ("months", "days", "milliseconds")
    return (
        f"Duration({', '.join(f'{name}={part}' for name, part in zip(names, parts, strict=True))})"
    )


_EPOCH = dt.datetime(1970, 1, 1)


def _date(days: int) -> str:
    return f"dt.{_EPOCH.date() + dt.timedelta(days=days)!r}".replace("datetime.", "")


def _time(microseconds: int) -> str:
    if not 0 <= microseconds < 86_400_000_000:
        raise ValueError(f"{microseconds} microseconds are no time of day")
    moment = _EPOCH + dt.timedelta(microseconds=microseconds)
    return f"dt.{moment.time()!r}".replace("datetime.", "")


def _moment(microseconds: int, zone: str = "") -> str:
    moment = _EPOCH + dt.timedelta(microseconds=microseconds)
    return f"dt.{moment!r}".replace("datetime.", "")[:-1] + f"{zone})"


_TIMES: Mapping[str, Callable[[int], str]] = {
    "date": _date,
    "time-millis": lambda value: _time(value * 1000),
    "time-micros": _time,
    "timestamp-millis": lambda value: _moment(value * 1000, ", tzinfo=dt.UTC"),
    "timestamp-micros": lambda value: _moment(value, ", tzinfo=dt.UTC"),
    "local-timestamp-millis": lambda value: _moment(value * 1000),
    "local-timestamp-micros": _moment,
}
