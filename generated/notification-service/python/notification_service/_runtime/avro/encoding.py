"""Write a value with a schema, with care: every value is checked, and every error has a path.

The straight-line code of a package writes what it can write fast and leaves everything else to
this: rare values, and all that do not fit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final, TypeAlias
from uuid import UUID

from . import schema as avro
from .values import EPOCH, EPOCH_DAY, LOCAL_EPOCH, MAX_PRECISION, Duration

Types: TypeAlias = Mapping[str, type[Any]]
"""The classes of records and enums, by the full names of their schemas."""

MICROSECOND: Final = timedelta(microseconds=1)


class Unfit(Exception):
    """A value that its schema cannot hold; `path` grows as the error leaves the nested values."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []

    def within(self, step: str) -> Unfit:
        """The same error, seen from one value further out."""
        self.path.insert(0, step)
        return self


class WrongType(Unfit):
    """A value of another type than those that its schema stands for."""

    def __init__(self, value: Any, *expected: str) -> None:
        *others, last = expected
        names = f"{', '.join(others)} or {last}" if others else last
        super().__init__(f"{_show(value)} is of type {type(value).__name__}, not {names}")
        self.expected = expected


def write(schema: avro.Node, value: Any, types: Types) -> bytes:
    """The Avro binary encoding of a value. Raises Unfit, and RecursionError for endless values."""
    out = bytearray()
    _write(schema, value, types, out)
    return bytes(out)


def _write(schema: avro.Node, value: Any, types: Types, out: bytearray) -> None:
    match schema:
        case avro.Primitive(logical=avro.Logical() as logical):
            _write_logical(schema, logical, value, out)
        case avro.Primitive(type=kind):
            _PRIMITIVES[kind](value, out)
        case avro.Fixed(logical=avro.Logical() as logical):
            _write_logical_fixed(schema, logical, value, out)
        case avro.Fixed():
            _write_fixed(schema, value, out)
        case avro.Enum():
            _write_enum(schema, value, types, out)
        case avro.Record():
            _write_record(schema, value, types, out)
        case avro.Array(items=items):
            _write_array(items, value, types, out)
        case avro.Map(values=values):
            _write_map(values, value, types, out)
        case avro.Union():
            _write_union(schema, value, types, out)


def _expect(value: Any, *classes: type) -> None:
    """Refuse a value that is not exactly of one of the classes: True is no int here."""
    if type(value) not in classes:
        raise WrongType(value, *(cls.__name__ for cls in classes))


def _write_null(value: Any, out: bytearray) -> None:
    if value is not None:
        raise WrongType(value, "None")


def _write_boolean(value: Any, out: bytearray) -> None:
    _expect(value, bool)
    out.append(value)


def write_long(value: int, out: bytearray) -> None:
    """Append an integer as Avro writes an int or a long: zigzag, then base 128."""
    rest = value << 1 ^ value >> 63
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)


def _write_integer(value: Any, out: bytearray, bits: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(value, "int")
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise Unfit(f"{_show(value)} is outside the range of {bits} bits")
    write_long(int(value), out)


def _write_int(value: Any, out: bytearray) -> None:
    _write_integer(value, out, 32)


def _write_int64(value: Any, out: bytearray) -> None:
    _write_integer(value, out, 64)


def _write_float(value: Any, out: bytearray) -> None:
    _write_packed("<f", value, out)


def _write_double(value: Any, out: bytearray) -> None:
    _write_packed("<d", value, out)


def _write_packed(code: str, value: Any, out: bytearray) -> None:
    # An int is a float to type checkers, so it is one here where it keeps all of its digits.
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise WrongType(value, "float")
    bits = 8 * struct.calcsize(code)
    try:
        data = struct.pack(code, value)
    except (OverflowError, struct.error):
        raise Unfit(f"{_show(value)} is too large for {bits} bits") from None
    if isinstance(value, int) and struct.unpack(code, data)[0] != value:
        raise Unfit(f"{_show(value)} has more digits than a number of {bits} bits")
    out += data


def _write_bytes(value: Any, out: bytearray) -> None:
    _expect(value, bytes)
    write_long(len(value), out)
    out += value


def _write_string(value: Any, out: bytearray) -> None:
    if not isinstance(value, str):
        raise WrongType(value, "str")
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise Unfit(f"{_show(value)} holds half of a surrogate pair") from None
    write_long(len(data), out)
    out += data


_PRIMITIVES: Final[Mapping[str, Callable[[Any, bytearray], None]]] = {
    "null": _write_null,
    "boolean": _write_boolean,
    "int": _write_int,
    "long": _write_int64,
    "float": _write_float,
    "double": _write_double,
    "bytes": _write_bytes,
    "string": _write_string,
}


def _write_logical(
    schema: avro.Primitive, logical: avro.Logical, value: Any, out: bytearray
) -> None:
    if logical.name == "decimal":
        number = unscale(value, logical)
        # One byte more than needed for -128 and its like, as fastavro and avro-py write them.
        size = number.bit_length() // 8 + 1
        write_long(size, out)
        out += number.to_bytes(size, "big", signed=True)
    elif logical.name == "uuid":
        _expect(value, UUID)
        _write_string(str(value), out)
    else:
        number = _TIMES[logical.name](value)
        _write_integer(number, out, 32 if schema.type == "int" else 64)


def unscale(value: Any, logical: avro.Logical) -> int:
    """The unscaled integer of a decimal that fits the precision and the scale; else Unfit."""
    _expect(value, Decimal)
    precision = min(logical.precision, MAX_PRECISION)
    context = Context(prec=precision, Emin=-999_999, traps=[Inexact, InvalidOperation])
    try:
        if not value.is_finite():
            raise Unfit(f"{value} is not finite")
        scaled = value.quantize(Decimal((0, (1,), -logical.scale)), None, context)
    except (Inexact, InvalidOperation):
        raise Unfit(
            f"{_show(value)} does not fit {logical.precision} digits, {logical.scale} of them "
            "behind the point"
        ) from None
    sign, digits, _ = scaled.as_tuple()
    number = 0
    for digit in digits:
        number = number * 10 + digit
    return -number if sign else number


def _date(value: Any) -> int:
    _expect(value, date)
    return int(value.toordinal()) - EPOCH_DAY


def _time(value: Any) -> int:
    _expect(value, time)
    if value.tzinfo is not None:
        raise Unfit(f"{_show(value)} has a time zone, and a time of day has none")
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return int(seconds * 1_000_000 + value.microsecond)


def _timestamp(value: Any) -> int:
    if not isinstance(value, datetime):
        raise WrongType(value, "datetime")
    if value.utcoffset() is None:
        raise Unfit(f"{_show(value)} has no time zone; give it one: datetime.now(UTC)")
    return (value - EPOCH) // MICROSECOND


def _local_timestamp(value: Any) -> int:
    if not isinstance(value, datetime):
        raise WrongType(value, "datetime")
    if value.tzinfo is not None:
        raise Unfit(f"{_show(value)} has a time zone, and a local timestamp has none")
    return (value - LOCAL_EPOCH) // MICROSECOND


_TIMES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "date": _date,
    "time-millis": lambda value: _time(value) // 1000,
    "time-micros": _time,
    "timestamp-millis": lambda value: _timestamp(value) // 1000,
    "timestamp-micros": _timestamp,
    "timestamp-nanos": lambda value: value,
    "local-timestamp-millis": lambda value: _local_timestamp(value) // 1000,
    "local-timestamp-micros": _local_timestamp,
    "local-timestamp-nanos": lambda value: value,
}
"""What each logical type makes of a Python value: an int, or a value to be refused as one."""


def _write_fixed(schema: avro.Fixed, value: Any, out: bytearray) -> None:
    _expect(value, bytes)
    if len(value) != schema.size:
        raise Unfit(f"{len(value)} bytes, and {schema.name} has {schema.size}")
    out += value


def _write_logical_fixed(
    schema: avro.Fixed, logical: avro.Logical, value: Any, out: bytearray
) -> None:
    if logical.name == "decimal":
        out += unscale(value, logical).to_bytes(schema.size, "big", signed=True)
    elif logical.name == "uuid":
        _expect(value, UUID)
        out += value.bytes
    else:
        _expect(value, Duration)
        for number in (value.months, value.days, value.milliseconds):
            if type(number) is not int or not 0 <= number < 1 << 32:
                raise Unfit(f"{_show(number)} in a duration is not an unsigned number of 32 bits")
            out += number.to_bytes(4, "little")


def _write_enum(schema: avro.Enum, value: Any, types: Types, out: bytearray) -> None:
    _expect(value, types[schema.name])
    write_long(schema.symbols.index(value.value), out)


def _write_record(schema: avro.Record, value: Any, types: Types, out: bytearray) -> None:
    cls = types[schema.name]
    if not isinstance(value, cls):
        raise WrongType(value, cls.__name__)
    for field, attribute in zip(schema.fields, attributes(cls), strict=True):
        try:
            _write(field.schema, getattr(value, attribute, _MISSING), types, out)
        except Unfit as error:
            raise error.within(f".{attribute}") from None


class _Missing:
    """What stands for an attribute that was deleted."""

    def __repr__(self) -> str:
        return "nothing"


_MISSING: Final = _Missing()


def attributes(cls: type[Any]) -> tuple[str, ...]:
    """The attributes of a model, in the order of its schema's fields."""
    names: tuple[str, ...] = tuple(cls.__dataclass_fields__)
    return names


def _write_array(items: avro.Node, value: Any, types: Types, out: bytearray) -> None:
    _expect(value, list)
    if value:
        write_long(len(value), out)
    for index, item in enumerate(value):
        try:
            _write(items, item, types, out)
        except Unfit as error:
            raise error.within(f"[{index}]") from None
    out.append(0)


def _write_map(values: avro.Node, value: Any, types: Types, out: bytearray) -> None:
    _expect(value, dict)
    if value:
        write_long(len(value), out)
    for key, item in value.items():
        try:
            _write_string(key, out)
            _write(values, item, types, out)
        except Unfit as error:
            raise error.within(f"[{_show(key)}]") from None
    out.append(0)


def _write_union(schema: avro.Union, value: Any, types: Types, out: bytearray) -> None:
    """Write the first branch of the value's own class; the first that holds it, if none is."""
    if not schema.branches:
        raise Unfit("a union without branches holds no value")
    ranked = sorted(
        range(len(schema.branches)),
        key=lambda index: not _is_own(schema.branches[index], value, types),
    )
    errors: list[Unfit] = []
    for index in ranked:
        attempt = bytearray()
        write_long(index, attempt)
        try:
            _write(schema.branches[index], value, types, attempt)
        except Unfit as error:
            errors.append(error)
            continue
        out += attempt
        return
    # The branch that came furthest knows best what is wrong; at the same place, one that stands for
    # values of this type does.
    deepest = max(
        errors, key=lambda error: (len(error.path), not isinstance(error, WrongType)), default=None
    )
    if deepest is not None and (deepest.path or not isinstance(deepest, WrongType)):
        raise deepest
    names = [name for error in errors if isinstance(error, WrongType) for name in error.expected]
    # What may be missing is said last.
    raise WrongType(value, *sorted(dict.fromkeys(names), key="None".__eq__))


def _is_own(schema: avro.Node, value: Any, types: Types) -> bool:
    """Whether a branch is what the class of a value stands for, where several may take it.

    An int goes to an int or a long before a double, and a float to a double before a float, which
    would lose digits.
    """
    match schema:
        case avro.Primitive(type="float"):
            return False
        case avro.Primitive(type="double"):
            return isinstance(value, float)
        case avro.Record() | avro.Enum():
            return type(value) is types[schema.name]
        case _:
            return True


def _show(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # a repr of the user's own may fail, and the error is about the value
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."
