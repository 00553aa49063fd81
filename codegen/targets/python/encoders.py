"""Straight-line Python code that writes the values of one schema, made for speed.

A message becomes one tuple of short texts, joined once (see `packing` in the runtime). The code
only handles what is common: whatever else comes raises something, and the event's Codec takes over.
It must never write a wrong value silently, so each value's type is checked, if only by what is done
to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import assert_never

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
    Union,
)
from codegen.targets.python.literals import string
from codegen.targets.python.names import name_attributes
from codegen.targets.python.runtime.avro.arrays import FEWEST
from codegen.targets.python.runtime.avro.encoding import write_long
from codegen.targets.python.service_view import snake
from codegen.targets.python.straight_line import Module, Scope, integer_kind

Pieces = list[str]
"""Expressions of texts that are written one after the other."""

_LOGICAL: Mapping[str, str] = {
    "uuid": "write_uuid",
    "date": "write_date",
    "time-millis": "write_time_millis",
    "time-micros": "write_time_micros",
    "timestamp-millis": "write_timestamp_millis",
    "timestamp-micros": "write_timestamp_micros",
    "local-timestamp-millis": "write_local_timestamp_millis",
    "local-timestamp-micros": "write_local_timestamp_micros",
}

_END = '"\\x00"'
_STRUCT = {"float": "f", "double": "d"}

MAX_APPENDED = 8
"""More pieces than these are faster added to a list in one step."""


def write_encoder(module: Module, record: Record, codec: str) -> str:
    """Add the function that encodes an event; its name. What it cannot do the codec does."""
    name = f"_encode_{snake(module.classes[record.name])}"
    scope = module.scope()
    with scope.block("try:"):
        pieces = _Encoder(module, scope).record(record, "event")
        _join(scope, pieces, 'return header + {}.encode("latin-1")')
    with scope.block("except Exception:"):
        scope.line(f"return {codec}.encode(event, header)")
    module.functions.append([f"def {name}(event: Any, header: bytes) -> bytes:", *scope.lines])
    return name


def _join(scope: Scope, pieces: Pieces, statement: str) -> None:
    """Add a statement with the pieces put together where it has braces."""
    if len(pieces) < 2:
        scope.line(statement.format(pieces[0] if pieces else '""'))
        return
    added = " + ".join(pieces)
    if len(pieces) < 5 and "{}." not in statement and scope.fits(statement.format(added)):
        scope.line(statement.format(added))
        return
    joined = scope.name("pieces")
    scope.items(f"{joined} = (", pieces, ")")
    scope.line(statement.format(f'"".join({joined})'))


class _Encoder:
    """Writes the code for values into one function."""

    def __init__(self, module: Module, scope: Scope) -> None:
        self._module = module
        self._scope = scope

    def value(self, schema: Schema, value: str) -> Pieces:
        """Add the code for one value, held by a variable; the pieces that it becomes."""
        target = self._module.graph.resolve(schema)
        match target:
            case Primitive(logical=LogicalType() as logical):
                return self._logical(logical, value)
            case Primitive():
                return self._primitive(target, value)
            case Fixed():
                return self._fixed(target, value)
            case Enum(name=name):
                table = self._table(name)
                return [f"{table}[{value}]"]
            case Record():
                if self._module.is_inlined(target) and not self._scope.is_deep:
                    return self.record(target, value)
                return [f"{self._function(target)}({value})"]
            case Array() | Map() | Union():
                if self._scope.is_deep:
                    return [f"{self._function(target)}({value})"]
                return self._container(target, value)
            case Broken():
                raise ValueError("a schema that is no schema")
            case _:
                assert_never(target)

    def record(self, record: Record, value: str, *, is_checked: bool = False) -> Pieces:
        """Add the code for the fields of a record."""
        if not is_checked:
            self._scope.refuse_if(f"type({value}) is not {self._module.classes[record.name]}")
        attributes = name_attributes(field.name for field in record.fields)
        pieces: Pieces = []
        waiting: list[tuple[str, str]] = []
        for field, attribute in zip(record.fields, attributes, strict=True):
            variable = self._scope.name(attribute)
            self._scope.assign(variable, f"{value}.{attribute}")
            kind = self._struct_code(field)
            if kind:
                waiting.append((kind, variable))
                continue
            pieces += self._floats(waiting)
            waiting = []
            pieces += self.value(field.schema, variable)
        return pieces + self._floats(waiting)

    def _function(self, target: Record | Array | Map | Union) -> str:
        def fill(scope: Scope) -> None:
            inner = _Encoder(self._module, scope)
            if isinstance(target, Record):
                pieces = inner.record(target, "value")
            else:
                pieces = inner._container(target, "value")
            _join(scope, pieces, "return {}")

        return self._module.function("write", target, fill, "(value: Any) -> Any")

    def _container(self, target: Array | Map | Union, value: str) -> Pieces:
        match target:
            case Array(items=items):
                return self._array(items, value)
            case Map(values=values):
                return self._map(values, value)
            case _:
                return self._union(target, value)

    def _struct_code(self, field: Field) -> str:
        target = self._module.graph.resolve(field.schema)
        is_plain = isinstance(target, Primitive) and target.logical is None
        return _STRUCT.get(target.type, "") if isinstance(target, Primitive) and is_plain else ""

    def _floats(self, waiting: list[tuple[str, str]]) -> Pieces:
        """Neighbouring floats and doubles, packed in one step."""
        if not waiting:
            return []
        for _, variable in waiting:
            self._scope.refuse_if(f"type({variable}) is not float")
        codes = "".join(code for code, _ in waiting)
        self._module.needs_struct = True
        hint = codes if len(codes) < 9 else f"{len(codes)}_NUMBERS"
        pack = self._module.constant(
            f"PACK_{hint.upper()}", f'struct.Struct("<{_short(codes)}").pack'
        )
        text = self._scope.name("numbers")
        variables = [variable for _, variable in waiting]
        line = f'{text} = {pack}({", ".join(variables)}).decode("latin-1")'
        if self._scope.fits(line) and len(variables) < 4:
            self._scope.line(line)
        else:
            self._scope.items(f"{text} = {pack}(", variables, ').decode("latin-1")')
        return [text]

    def _table(self, name: str) -> str:
        cls = self._module.classes[name]
        self._module.use("symbol_texts")
        return self._module.table(cls, "TEXTS", f"symbol_texts({cls})")

    def _logical(self, logical: LogicalType, value: str) -> Pieces:
        use = self._module.use
        if logical.name == "decimal":
            digits = f"{logical.precision}, {logical.scale}"
            hint = f"WRITE_DECIMAL_{logical.precision}_{logical.scale}"
            use("decimal_writer")
            return [f"{self._module.constant(hint, f'decimal_writer({digits})')}({value})"]
        if logical.name in _LOGICAL:
            return [f"{use(_LOGICAL[logical.name])}({value})"]
        return self._integer("write_long", value)

    def _primitive(self, schema: Primitive, value: str) -> Pieces:
        match schema.type:
            case "null":
                self._scope.refuse_if(f"{value} is not None")
                return []
            case "boolean":
                return self._boolean(value)
            case "int":
                return self._integer("write_int", value)
            case "long":
                return self._integer("write_long", value)
            case "float":
                return [f"{self._module.use('write_float')}({value})"]
            case "double":
                return [f"{self._module.use('write_double')}({value})"]
            case "bytes":
                return self._bytes(value)
            case _:
                return self._string(value)

    def _boolean(self, value: str) -> Pieces:
        text = self._scope.name("flag")
        with self._scope.block(f"if {value} is True:"):
            self._scope.line(f'{text} = "\\x01"')
        with self._scope.block(f"elif {value} is False:"):
            self._scope.line(f"{text} = {_END}")
        with self._scope.block("else:"):
            self._scope.line("raise TypeError")
        return [text]

    def _integer(self, writer: str, value: str) -> Pieces:
        """The common numbers of up to four bytes are looked up; a function writes all others."""
        short, last, more = map(self._module.use, ("SHORT", "LAST_TWO", "NEXT_TWO"))
        text = self._scope.name(f"{value[:14]}_text")
        self._scope.refuse_if(f"type({value}) is not int")
        with self._scope.block(f"if -1025 < {value} < 1024:"):
            self._scope.line(f"{text} = {short}[{value}]")
        with self._scope.block(f"elif 8191 < {value} < 0x8000000 and {last}:"):
            low, high = f"{more}[{value} << 1 & 0x3FFF]", f"{last}[{value} >> 13]"
            self._scope.assign(text, low, high)
        with self._scope.block("else:"):
            self._scope.line(f"{text} = {self._module.use(writer)}({value})")
        return [text]

    def _string(self, value: str) -> Pieces:
        short, write = self._module.use("SHORT"), self._module.use("write_text")
        size = self._scope.name(f"{value[:14]}_size")
        self._scope.line(f"n = len({value})")
        with self._scope.block(f"if n < 1024 and {value}.isascii():"):
            self._scope.line(f"{size} = {short}[n]")
        with self._scope.block("else:"):
            self._scope.call(f"{size}, {value}", write, value)
        return [size, value]

    def _size(self, value: str) -> str:
        """Add the code for the length of something that has one."""
        short, write = self._module.use("SHORT"), self._module.use("write_long")
        size = self._scope.name(f"{value[:14]}_size")
        self._scope.line(f"n = len({value})")
        self._scope.line(f"{size} = {short}[n] if n < 1024 else {write}(n)")
        return size

    def _bytes(self, value: str) -> Pieces:
        self._scope.refuse_if(f"type({value}) is not bytes")
        size = self._size(value)
        return [size, f'{value}.decode("latin-1")']

    def _fixed(self, schema: Fixed, value: str) -> Pieces:
        if schema.logical is None:
            self._scope.refuse_if(f"type({value}) is not bytes or len({value}) != {schema.size}")
            return [f'{value}.decode("latin-1")']
        if schema.logical.name == "uuid":
            return [f"{self._module.use('write_uuid_bytes')}({value})"]
        if schema.logical.name == "duration":
            return [f"{self._module.use('write_duration')}({value})"]
        logical = schema.logical
        digits = f"{logical.precision}, {logical.scale}, {schema.size}"
        hint = f"WRITE_DECIMAL_{digits.replace(', ', '_')}"
        self._module.use("fixed_decimal_writer")
        return [f"{self._module.constant(hint, f'fixed_decimal_writer({digits})')}({value})"]

    def _array(self, items: Schema, value: str) -> Pieces:
        text = self._scope.name(f"{value[:14]}_items")
        self._scope.refuse_if(f"type({value}) is not list")
        target = self._module.graph.resolve(items)
        is_plain = isinstance(target, Primitive) and target.logical is None
        code = _STRUCT.get(target.type, "") if isinstance(target, Primitive) and is_plain else ""
        kind = integer_kind(target)
        with self._scope.block(f"if {value}:"):
            size = self._size(value)
            if code:
                self._module.needs_struct = True
                self._scope.refuse_if(f"set(map(type, {value})) != {{float}}")
                packed = f'struct.pack(f"<{{n}}{code}", *{value}).decode("latin-1")'
                self._scope.line(f"{text} = {packed}")
                self._scope.line(f"{text} = {size} + {text} + {_END}")
            elif kind:
                write = self._module.use(f"write_{kind}s")
                with self._scope.block(f"if n < {FEWEST}:"):
                    self._loop(text, f"[{size}]", items, value)
                with self._scope.block("else:"):
                    self._scope.assign(text, size, f"{write}({value})", _END)
            else:
                self._loop(text, f"[{size}]", items, value)
        with self._scope.block("else:"):
            self._scope.line(f"{text} = {_END}")
        return [text]

    def _loop(self, text: str, start: str, items: Schema, value: str) -> None:
        parts = self._scope.name(f"{value[:14]}_parts")
        item = self._scope.name("item")
        self._scope.line(f"{parts} = {start}")
        with self._scope.block(f"for {item} in {value}:"):
            self._extend(parts, self.value(items, item))
        self._scope.line(f"{parts}.append({_END})")
        self._scope.line(f'{text} = "".join({parts})')

    def _extend(self, parts: str, pieces: Pieces) -> None:
        if len(pieces) > MAX_APPENDED:
            self._scope.items(f"{parts} += (", pieces, ")")
        else:
            for piece in pieces:
                self._scope.bracketed(f"{parts}.append(", piece, ")")

    def _map(self, values: Schema, value: str) -> Pieces:
        text = self._scope.name(f"{value[:14]}_entries")
        self._scope.refuse_if(f"type({value}) is not dict")
        with self._scope.block(f"if {value}:"):
            size = self._size(value)
            parts = self._scope.name(f"{value[:14]}_parts")
            key, item = self._scope.name("key"), self._scope.name("item")
            self._scope.line(f"{parts} = [{size}]")
            with self._scope.block(f"for {key}, {item} in {value}.items():"):
                pieces = self._string(key)
                self._extend(parts, pieces + self.value(values, item))
            self._scope.line(f"{parts}.append({_END})")
            self._scope.line(f'{text} = "".join({parts})')
        with self._scope.block("else:"):
            self._scope.line(f"{text} = {_END}")
        return [text]

    def _union(self, union: Union, value: str) -> Pieces:
        text = self._scope.name(f"{value[:14]}_branch")
        tests = _branch_tests(self._module, union, value)
        word = "if"
        for index, test in tests.items():
            branch = self._module.graph.resolve(union.branches[index])
            with self._scope.block(f"{word} {test}:"):
                if isinstance(branch, Record) and self._module.is_inlined(branch):
                    pieces = self.record(branch, value, is_checked=True)
                elif isinstance(branch, Primitive) and branch.type == "null":
                    pieces = []
                else:
                    pieces = self.value(branch, value)
                _join(self._scope, [_index_text(index), *pieces], f"{text} = {{}}")
            word = "elif"
        with self._scope.block("else:" if tests else "if True:"):
            self._scope.line("raise TypeError")
        return [text]


def _branch_tests(module: Module, union: Union, value: str) -> dict[int, str]:
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


def _index_text(index: int) -> str:
    out = bytearray()
    write_long(index, out)
    return string(out.decode("latin-1"))


def _short(codes: str) -> str:
    """The format of a struct with repetitions counted: `dddf` is `3df`."""
    return re.sub(r"(.)\1+", lambda match: f"{len(match[0])}{match[1]}", codes)
