"""Straight-line Python code that writes the values of one schema, made for speed.

A message becomes one tuple of short texts, or of bytes, joined once (see `pieces`). The code only
handles what is common: whatever else comes raises something, and the event's Codec takes over. It
must never write a wrong value silently, so each value's type is checked, if only by what is done to
it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import assert_never

from codegen.avro.schema import (
    Array,
    Broken,
    Enum,
    Fixed,
    LogicalType,
    Map,
    Primitive,
    Record,
    Schema,
    Union,
)
from codegen.targets.python.branches import branch_tests
from codegen.targets.python.names import name_attributes
from codegen.targets.python.pieces import (
    RAW,
    TEXT,
    Form,
    Pieces,
    float_code,
    form_of_record,
    form_of_values,
    join,
)
from codegen.targets.python.runtime.avro.arrays import FEWEST
from codegen.targets.python.runtime.avro.encoding import write_long
from codegen.targets.python.service_view import snake
from codegen.targets.python.straight_line import Module, Scope, integer_kind

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

_END = b"\0"

MAX_APPENDED = 8
"""More pieces than these are faster added to a list in one step."""


def write_encoder(module: Module, record: Record, codec: str) -> str:
    """Add the function that encodes an event; its name. What it cannot do the codec does."""
    name = f"_encode_{snake(module.classes[record.name])}"
    scope = module.scope()
    with scope.block("try:"):
        form = form_of_record(module, record)
        pieces = _Encoder(module, scope, form).record(record, "event")
        join(scope, form, pieces, f"return header + {RAW.from_form(form, '{}')}")
    with scope.block("except Exception:"):
        scope.line(f"return {codec}.encode(event, header)")
    module.functions.append([f"def {name}(event: Any, header: bytes) -> bytes:", *scope.lines])
    return name


class _Encoder:
    """Writes the code for values into one function."""

    def __init__(self, module: Module, scope: Scope, form: Form, parts: str = "") -> None:
        """`parts` is a list to which pieces are added at once, where there is one."""
        self._module = module
        self._scope = scope
        self._form = form
        self._parts = parts

    def value(self, schema: Schema, value: str) -> Pieces:
        """Add the code for one value, held by a variable; the pieces that are still to be added."""
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
                return [self._form.from_text(f"{self._function(target)}({value})")]
            case Array() | Map() | Union():
                if self._scope.is_deep:
                    return [self._form.from_text(f"{self._function(target)}({value})")]
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
            code = float_code(self._module.graph.resolve(field.schema))
            if code:
                waiting.append((code, variable))
                continue
            pieces += self._added(self._floats(waiting))
            waiting = []
            pieces += self._added(self.value(field.schema, variable))
        return pieces + self._floats(waiting)

    def _function(self, target: Record | Array | Map | Union) -> str:
        def fill(scope: Scope) -> None:
            inner = _Encoder(self._module, scope, TEXT)
            if isinstance(target, Record):
                pieces = inner.record(target, "value")
            else:
                pieces = inner._container(target, "value")
            join(scope, TEXT, pieces, "return {}")

        return self._module.function("write", target, fill, "(value: Any) -> Any")

    def _container(self, target: Array | Map | Union, value: str) -> Pieces:
        match target:
            case Array(items=items):
                return self._array(items, value)
            case Map(values=values):
                return self._map(values, value)
            case _:
                return self._union(target, value)

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
        variables = [variable for _, variable in waiting]
        packed = self._form.from_raw(f"{pack}({', '.join(variables)})")
        if self._scope.fits(f"{' ' * 20}{packed}") and len(variables) < 4:
            return [packed]
        numbers = self._scope.name("numbers")
        self._scope.items(f"{numbers} = {pack}(", variables, self._form.from_raw(")"))
        return [numbers]

    def _table(self, name: str) -> str:
        cls = self._module.classes[name]
        kind = "raw" if self._form.is_raw else "texts"
        symbols = self._module.use("symbols_raw" if self._form.is_raw else "symbol_texts")
        return self._module.table(cls, kind.upper(), f"{symbols}({cls})")

    def _logical(self, logical: LogicalType, value: str) -> Pieces:
        use = self._module.use
        if logical.name == "decimal":
            digits = f"{logical.precision}, {logical.scale}"
            hint = f"WRITE_DECIMAL_{logical.precision}_{logical.scale}"
            use("decimal_writer")
            write = self._module.constant(hint, f"decimal_writer({digits})")
            return [self._form.from_text(f"{write}({value})")]
        if logical.name in _LOGICAL:
            return [self._form.from_text(f"{use(_LOGICAL[logical.name])}({value})")]
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
                return self._floats([("f", value)])
            case "double":
                return self._floats([("d", value)])
            case "bytes":
                return self._bytes(value)
            case _:
                return self._string(value)

    def _boolean(self, value: str) -> Pieces:
        flag = self._scope.name("flag")
        true, false = map(self._form.literal, (b"\1", b"\0"))
        with self._scope.block(f"if {value} is True:"):
            self._scope.line(f"{flag} = {true}")
        with self._scope.block(f"elif {value} is False:"):
            self._scope.line(f"{flag} = {false}")
        with self._scope.block("else:"):
            self._scope.line("raise TypeError")
        return [flag]

    def _use(self, name: str) -> str:
        """A name of the runtime that there is for texts and for bytes."""
        return self._module.use(self._form.name(name))

    def _integer(self, writer: str, value: str) -> Pieces:
        """The common numbers of up to four bytes are looked up; a function writes all others."""
        short, first, last = map(self._use, ("SHORT", "FIRST_TWO", "LAST_TWO"))
        piece = self._scope.name(f"{value[:14]}_{self._form.hint}")

        def store(*parts: str) -> None:
            if self._parts:
                self._extend(self._parts, [*parts])
            else:
                self._scope.assign(piece, *parts)

        self._scope.refuse_if(f"type({value}) is not int")
        with self._scope.block(f"if -1025 < {value} < 1024:"):
            store(f"{short}[{value}]")
        with self._scope.block(f"elif 8191 < {value} < 0x8000000 and {first}:"):
            store(f"{first}[{value} & 0x1FFF]", f"{last}[{value} >> 13]")
        with self._scope.block("else:"):
            store(f"{self._use(writer)}({value})")
        return [] if self._parts else [piece]

    def _string(self, value: str) -> Pieces:
        if self._form.is_raw:
            raw = self._scope.name(f"{value[:14]}_raw")
            self._scope.line(f"{raw} = str.encode({value})")
            return [self._size(raw), raw]
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
        short, write = self._use("SHORT"), self._use("write_long")
        size = self._scope.name(f"{value[:14]}_size")
        self._scope.line(f"n = len({value})")
        self._scope.line(f"{size} = {short}[n] if n < 1024 else {write}(n)")
        return size

    def _bytes(self, value: str) -> Pieces:
        self._scope.refuse_if(f"type({value}) is not bytes")
        size = self._size(value)
        return [size, self._form.from_raw(value)]

    def _fixed(self, schema: Fixed, value: str) -> Pieces:
        if schema.logical is None:
            self._scope.refuse_if(f"type({value}) is not bytes or len({value}) != {schema.size}")
            return [self._form.from_raw(value)]
        if schema.logical.name == "uuid":
            write = self._module.use("write_uuid_bytes")
        elif schema.logical.name == "duration":
            write = self._module.use("write_duration")
        else:
            logical = schema.logical
            digits = f"{logical.precision}, {logical.scale}, {schema.size}"
            hint = f"WRITE_DECIMAL_{digits.replace(', ', '_')}"
            self._module.use("fixed_decimal_writer")
            write = self._module.constant(hint, f"fixed_decimal_writer({digits})")
        return [self._form.from_text(f"{write}({value})")]

    def _array(self, items: Schema, value: str) -> Pieces:
        array = self._scope.name(f"{value[:14]}_items")
        self._scope.refuse_if(f"type({value}) is not list")
        target = self._module.graph.resolve(items)
        code, kind = float_code(target), integer_kind(target)
        end = self._form.literal(_END)
        with self._scope.block(f"if {value}:"):
            if code:
                size = self._size(value)
                self._module.needs_struct = True
                self._scope.refuse_if(f"set(map(type, {value})) != {{float}}")
                packed = self._form.from_raw(f'struct.pack(f"<{{n}}{code}", *{value})')
                self._scope.line(f"{array} = {packed}")
                self._scope.line(f"{array} = {size} + {array} + {end}")
            elif kind:
                size = self._size(value)
                written = self._form.from_text(f"{self._module.use(f'write_{kind}s')}({value})")
                with self._scope.block(f"if n < {FEWEST}:"):
                    self._loop(array, size, items, value, self._form)
                with self._scope.block("else:"):
                    self._scope.assign(array, size, written, end)
            else:
                inner = self._in_form(form_of_values(self._module, items))
                inner._loop(array, inner._size(value), items, value, self._form)
        with self._scope.block("else:"):
            self._scope.line(f"{array} = {end}")
        return [array]

    def _in_form(self, form: Form) -> _Encoder:
        """What writes the pieces of something within, which may be of another form."""
        return _Encoder(self._module, self._scope, form)

    def _loop(self, goal: str, size: str, items: Schema, value: str, form: Form) -> None:
        """Add the code for items, one after the other, and put them together in some form."""
        parts = self._scope.name(f"{value[:14]}_parts")
        item = self._scope.name("item")
        self._scope.line(f"{parts} = [{size}]")
        with self._scope.block(f"for {item} in {value}:"):
            self._add_value(parts, items, item)
        self._scope.line(f"{parts}.append({self._form.literal(_END)})")
        self._scope.line(f"{goal} = {form.from_form(self._form, self._form.joined(parts))}")

    def _add_value(self, parts: str, schema: Schema, value: str) -> None:
        """Add the code that adds the pieces of a value to a list; few of them one by one."""
        target = self._module.graph.resolve(schema)
        is_long = isinstance(target, Record) and len(target.fields) > MAX_APPENDED
        inner = _Encoder(self._module, self._scope, self._form, "" if is_long else parts)
        self._extend(parts, inner.value(schema, value))

    def _added(self, pieces: Pieces) -> Pieces:
        """Add pieces to the list, if there is one; those that are still to be added."""
        if not self._parts:
            return pieces
        self._extend(self._parts, pieces)
        return []

    def _extend(self, parts: str, pieces: Pieces) -> None:
        if len(pieces) > MAX_APPENDED:
            self._scope.items(f"{parts} += (", pieces, ")")
        else:
            for piece in pieces:
                self._scope.bracketed(f"{parts}.append(", piece, ")")

    def _map(self, values: Schema, value: str) -> Pieces:
        entries = self._scope.name(f"{value[:14]}_entries")
        self._scope.refuse_if(f"type({value}) is not dict")
        inner = self._in_form(form_of_values(self._module, values, texts=1))
        with self._scope.block(f"if {value}:"):
            size = inner._size(value)
            parts = self._scope.name(f"{value[:14]}_parts")
            key, item = self._scope.name("key"), self._scope.name("item")
            self._scope.line(f"{parts} = [{size}]")
            with self._scope.block(f"for {key}, {item} in {value}.items():"):
                self._extend(parts, inner._string(key))
                inner._add_value(parts, values, item)
            self._scope.line(f"{parts}.append({inner._form.literal(_END)})")
            joined = inner._form.joined(parts)
            self._scope.line(f"{entries} = {self._form.from_form(inner._form, joined)}")
        with self._scope.block("else:"):
            self._scope.line(f"{entries} = {self._form.literal(_END)}")
        return [entries]

    def _union(self, union: Union, value: str) -> Pieces:
        chosen = self._scope.name(f"{value[:14]}_branch")
        inner = self._in_form(self._form)
        tests = branch_tests(self._module, union, value)
        word = "if"
        for index, test in tests.items():
            branch = self._module.graph.resolve(union.branches[index])
            with self._scope.block(f"{word} {test}:"):
                if isinstance(branch, Record) and self._module.is_inlined(branch):
                    pieces = inner.record(branch, value, is_checked=True)
                elif isinstance(branch, Primitive) and branch.type == "null":
                    pieces = []
                else:
                    pieces = inner.value(branch, value)
                pieces = [self._form.literal(_index(index)), *pieces]
                join(self._scope, self._form, pieces, f"{chosen} = {{}}")
            word = "elif"
        with self._scope.block("else:" if tests else "if True:"):
            self._scope.line("raise TypeError")
        return [chosen]


def _index(index: int) -> bytes:
    out = bytearray()
    write_long(index, out)
    return bytes(out)


def _short(codes: str) -> str:
    """The format of a struct with repetitions counted: `dddf` is `3df`."""
    return re.sub(r"(.)\1+", lambda match: f"{len(match[0])}{match[1]}", codes)
