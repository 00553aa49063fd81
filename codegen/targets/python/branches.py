"""How generated code tells the value of each branch of a union from those of the others."""

from __future__ import annotations

from collections.abc import Mapping

from codegen.avro.schema import (
    Array,
    Enum,
    Fixed,
    LogicalType,
    Primitive,
    Record,
    Schema,
    Union,
)
from codegen.targets.python.straight_line import Module


def branch_tests(module: Module, union: Union, value: str) -> dict[int, str]:
    """How the value of each branch is told from the others; the Codec knows about the rest."""
    tests: dict[int, str] = {}
    has_double = any(
        isinstance(target, Primitive) and target.type == "double"
        for target in map(module.graph.resolve, union.branches)
    )
    for index, branch in enumerate(union.branches):
        target = module.graph.resolve(branch)
        if isinstance(target, Primitive) and target.type == "float" and has_double:
            continue
        test = _branch_test(module, target, value)
        if test not in tests.values():
            tests[index] = test
    return tests


_TESTS: Mapping[str, str] = {
    "null": "{0} is None",
    "boolean": "type({0}) is bool",
    "int": "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    "long": "type({0}) is int",
    "float": "type({0}) is float",
    "double": "type({0}) is float",
    "bytes": "type({0}) is bytes",
    "string": "type({0}) is str",
    "decimal": "type({0}) is Decimal",
    "uuid": "type({0}) is UUID",
    "date": "type({0}) is dt.date",
    "time-millis": "type({0}) is dt.time",
    "time-micros": "type({0}) is dt.time",
    "timestamp-millis": "type({0}) is dt.datetime and {0}.tzinfo is not None",
    "timestamp-micros": "type({0}) is dt.datetime and {0}.tzinfo is not None",
    "timestamp-nanos": "type({0}) is int",
    "local-timestamp-millis": "type({0}) is dt.datetime and {0}.tzinfo is None",
    "local-timestamp-micros": "type({0}) is dt.datetime and {0}.tzinfo is None",
    "local-timestamp-nanos": "type({0}) is int",
    "duration": "type({0}) is Duration",
}
"""What tells a value of each type from those of other branches."""


def _branch_test(module: Module, target: Schema, value: str) -> str:
    match target:
        case Primitive(logical=LogicalType(name=name)) | Fixed(logical=LogicalType(name=name)):
            return _TESTS[name].format(value)
        case Primitive(type=name):
            return _TESTS[name].format(value)
        case Fixed(size=size):
            return f"type({value}) is bytes and len({value}) == {size}"
        case Record(name=name) | Enum(name=name):
            return f"type({value}) is {module.classes[name]}"
        case Array():
            return f"type({value}) is list"
        case _:
            return f"type({value}) is dict"
