"""Straight-line Python code that reads the values of one schema, made for speed.

It reads what is common: numbers in their shortest form, arrays and maps in one block. Whatever else
comes raises something, or leaves the position elsewhere than at the end of the data, and the
event's Codec takes over. No length and no count makes it reserve memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from codegen.targets.python.names import name_attributes
from codegen.targets.python.runtime.avro.arrays import FEWEST
from codegen.targets.python.service_view import snake
from codegen.targets.python.straight_line import Module, Scope, integer_kind

_LOGICAL: Mapping[str, str] = {
    "date": "read_date",
    "time-millis": "read_time_millis",
    "time-micros": "read_time_micros",
    "timestamp-millis": "read_timestamp_millis",
    "timestamp-micros": "read_timestamp_micros",
    "local-timestamp-millis": "read_local_timestamp_millis",
    "local-timestamp-micros": "read_local_timestamp_micros",
}

_STRUCT: Mapping[str, tuple[str, int]] = {"float": ("f", 4), "double": ("d", 8)}

_BYTES = "bcdefg"
"""The variables for the bytes of a number, from its first."""

_HIGHER = ("HIGH", "FOURTH", "FIFTH", "SIXTH")
"""What the third byte of a number and those behind it add to the second, by tables."""

_READ_AT_ONCE: Mapping[str, int] = {"int": 4, "long": 6}
"""As many bytes of a number are unpacked with floats before it. Five may be too large an int."""

MAX_GOAL = 40
"""A longer attribute is read to a variable first, so that lines stay short."""


def write_decoder(module: Module, record: Record, codec: str) -> str:
    """Add the function that decodes an event; its name. What it cannot do the codec does."""
    name = f"_decode_{snake(module.classes[record.name])}"
    scope = module.scope()
    with scope.block("try:"):
        scope.line("p = start")
        value = Decoder(module, scope).record(record)
        with scope.block("if p == len(data):"):
            scope.line(f"return {value}")
    with scope.block("except Exception:"):
        scope.line("pass")
    scope.line(f"return {codec}.decode(data, start)")
    head = f"def {name}(data: bytes, start: int = 5, /) -> Any:"
    module.functions.append([head, *scope.lines])
    return name


class Decoder:
    """Writes the code for values into one function; `p` is the position in `data`."""

    def __init__(self, module: Module, scope: Scope) -> None:
        self._module = module
        self._scope = scope
        self._behind = 0
        """As many bytes there are behind the value that is read, unless the data is damaged."""

    @contextmanager
    def _before(self, size: int) -> Iterator[None]:
        """What is read within stands before so many bytes more."""
        self._behind += size
        yield
        self._behind -= size

    def record(self, record: Record) -> str:
        """Add the code for a record; the variable that holds it."""
        cls = self._module.classes[record.name]
        self._module.use("blank")
        blank = self._module.constant(f"{cls}", f"blank({cls})")
        value = self._scope.name(snake(cls))
        self._scope.line(f"{value} = {blank}()")
        attributes = name_attributes(field.name for field in record.fields)
        rest = self._module.least_size(record)
        waiting: list[tuple[str, str]] = []
        for field, attribute in zip(record.fields, attributes, strict=True):
            rest -= self._module.least_size(field.schema)
            kind = self.float_kind(field.schema)
            goal = f"{value}.{attribute}"
            if kind:
                waiting.append((kind, goal))
                continue
            floats, waiting = waiting, []
            integers = integer_kind(self._module.graph.resolve(field.schema))
            with self._before(rest):
                if floats and integers and len(goal) <= MAX_GOAL:
                    self._floats_and_integer(floats, integers, goal)
                    continue
                self.floats(floats)
                if len(goal) > MAX_GOAL:
                    self._scope.assign(goal, self.variable(field.schema, attribute))
                else:
                    self.value(field.schema, goal, attribute)
        self.floats(waiting)
        self._scope.line(f"{value}.__class__ = {cls}")
        return value

    def value(self, schema: Schema, goal: str, hint: str) -> None:
        """Add the code that reads one value and stores it in a variable or an attribute."""
        target = self._module.graph.resolve(schema)
        match target:
            case Primitive(logical=LogicalType() as logical):
                self._logical(logical, goal)
            case Primitive():
                self._primitive(target, goal)
            case Fixed():
                self._fixed(target, goal)
            case Enum():
                self._enum(target, goal)
            case Record():
                if self._module.is_inlined(target) and not self._scope.is_deep:
                    self._scope.line(f"{goal} = {self.record(target)}")
                else:
                    self._scope.call(f"{goal}, p", self._function(target), "data, p")
            case Array() | Map() | Union():
                if self._scope.is_deep:
                    self._scope.call(f"{goal}, p", self._function(target), "data, p")
                else:
                    self._container(target, goal, hint)
            case Broken():
                raise ValueError("a schema that is no schema")
            case _:
                assert_never(target)

    def variable(self, schema: Schema, hint: str) -> str:
        """Add the code that reads one value; the variable that holds it."""
        target = self._module.graph.resolve(schema)
        is_inlined = isinstance(target, Record) and self._module.is_inlined(target)
        if isinstance(target, Record) and is_inlined and not self._scope.is_deep:
            return self.record(target)
        variable = self._scope.name(hint)
        self.value(target, variable, hint)
        return variable

    def _function(self, target: Record | Array | Map | Union) -> str:
        def fill(scope: Scope) -> None:
            inner = Decoder(self._module, scope)
            if isinstance(target, Record):
                value = inner.record(target)
            else:
                value = scope.name("value")
                inner._container(target, value, "value")
            scope.line(f"return {value}, p")

        signature = "(data: bytes, p: int) -> tuple[Any, int]"
        return self._module.function("read", target, fill, signature)

    def _container(self, target: Array | Map | Union, goal: str, hint: str) -> None:
        match target:
            case Array(items=items):
                self._array(items, goal, hint)
            case Map(values=values):
                self._map(values, goal, hint)
            case _:
                self._union(target, goal, hint)

    def float_kind(self, schema: Schema) -> str:
        """`float` or `double` for what is one, and nothing else."""
        target = self._module.graph.resolve(schema)
        is_float = isinstance(target, Primitive) and target.logical is None
        return (
            target.type
            if isinstance(target, Primitive) and is_float and target.type in _STRUCT
            else ""
        )

    def floats(self, waiting: list[tuple[str, str]]) -> None:
        """Neighbouring floats and doubles, unpacked in one step."""
        if waiting:
            size = self._unpack(waiting, "")
            self._scope.line(f"p += {size}")

    def _floats_and_integer(self, waiting: list[tuple[str, str]], kind: str, goal: str) -> None:
        """Neighbouring floats and an integer behind them, unpacked in one step: so are as many of
        its bytes as there are in any case, of which the last may belong to what follows."""
        given = min(_READ_AT_ONCE[kind], 1 + self._behind)
        while given > 3 and not self._scope.fits(" " * 8 + " + ".join(_number(given))):
            given -= 1
        size = self._unpack(waiting, _BYTES[:given])
        self._integer(kind, goal, size, given)

    def _unpack(self, waiting: list[tuple[str, str]], following: str) -> int:
        """Unpack floats, and single bytes to variables; the size of the floats."""
        codes = "".join(_STRUCT[kind][0] for kind, _ in waiting)
        hint = codes if len(codes) < 9 else f"{len(codes)}_NUMBERS"
        if following:
            byte = f"{len(following)}B" if len(following) > 1 else "B"
            codes += byte
            hint += byte
        self._module.needs_struct = True
        unpack = self._module.constant(
            f"UNPACK_{hint.upper()}", f'struct.Struct("<{codes}").unpack_from'
        )
        goals = [*(goal for _, goal in waiting), *following]
        line = f"{', '.join(goals)} = {unpack}(data, p)"
        if len(goals) == 1:
            self._scope.line(f"({goals[0]},) = {unpack}(data, p)")
        elif len(waiting) == 1 and self._scope.fits(line):
            self._scope.line(line)
        else:
            self._scope.items("(", goals, f") = {unpack}(data, p)")
        return sum(_STRUCT[kind][1] for kind, _ in waiting)

    def short(self, goal: str, long: str, convert: str = "") -> None:
        """A value behind its length: read at once if that is one byte, else by a function.

        `convert` is what the bytes of a short one are called with.
        """
        end = self._module.use("END")
        self._scope.line("b = data[p]")
        with self._scope.block("if b < 128:"):
            self._scope.line(f"e = p + {end}[b]")
            self._scope.assign_bracketed(goal, "data[", "p + 1 : e", f"]{convert}")
            self._scope.line("p = e")
        with self._scope.block("else:"):
            self._scope.call(f"{goal}, p", self._module.use(long), "data, p")

    def _logical(self, logical: LogicalType, goal: str) -> None:
        if logical.name == "decimal":
            self._scope.line(f"e = p + {self._module.use('END')}[data[p]]")
            self._decimal(logical, goal, "data[p + 1 : e]")
            self._scope.line("p = e")
        elif logical.name == "uuid":
            self._scope.line(f"{goal} = {self._module.use('read_uuid')}(data[p : p + 37])")
            self._scope.line("p += 37")
        elif logical.name in _LOGICAL:
            read = self._module.use(_LOGICAL[logical.name])
            self._scope.call(f"{goal}, p", read, "data, p")
        else:
            self.integer("long", goal)

    def _primitive(self, schema: Primitive, goal: str) -> None:
        match schema.type:
            case "null":
                self._scope.line(f"{goal} = None")
            case "boolean":
                self._scope.line(f"{goal} = {self._module.use('BOOLEANS')}[data[p]]")
                self._scope.line("p += 1")
            case "int" | "long":
                self.integer(schema.type, goal)
            case "float" | "double":
                self.floats([(schema.type, goal)])
            case "bytes":
                self.short(goal, "read_bytes")
            case _:
                self.short(goal, "read_text", ".decode()")

    def integer(self, kind: str, goal: str) -> None:
        """An int or a long: up to three bytes are read at once, more of them by a function."""
        self._scope.line("b = data[p]")
        self._integer(kind, goal, 0, 1)

    def _integer(self, kind: str, goal: str, start: int, given: int) -> None:
        """An int or a long that begins so many bytes behind `p`; some of its bytes are given."""
        use = self._module.use
        with self._scope.block("if b < 128:"):
            self._scope.line(f"{goal} = {use('ZIGZAG')}[b]")
            self._scope.line(f"p += {start + 1}")
        most = max(3, given)
        for table in ("FIRST", "SIGN", *_HIGHER[: most - 2]):
            use(table)
        for count in range(2, most + 1):
            byte = _BYTES[count - 1]
            test = byte if count <= given else f"({byte} := data[p + {start + count - 1}])"
            with self._scope.block(f"elif {test} < 128:"):
                self._scope.assign(goal, *_number(count))
                self._scope.line(f"p += {start + count}")
        with self._scope.block("else:"):
            position = f"p + {start}" if start else "p"
            read = use(f"read_large_{kind}")
            self._scope.line(f"{goal}, p = {read}(data, {position}, b, c, d)")

    def _fixed(self, schema: Fixed, goal: str) -> None:
        raw = f"data[p : p + {schema.size}]"
        if schema.logical is None:
            self._scope.line(f"{goal} = {raw}")
        elif schema.logical.name == "uuid":
            self._scope.line(f"{goal} = {self._module.use('read_uuid_bytes')}({raw})")
        elif schema.logical.name == "duration":
            self._scope.line(f"{goal} = {self._module.use('read_duration')}({raw})")
        else:
            self._decimal(schema.logical, goal, raw)
        self._scope.line(f"p += {schema.size}")

    def _decimal(self, logical: LogicalType, goal: str, raw: str) -> None:
        module = self._module
        module.use("decimal_product")
        module.use("decimal_unit")
        product = f"decimal_product({logical.precision})"
        product = module.constant(f"PRODUCT_{logical.precision}", product)
        unit = module.constant(f"UNIT_{logical.scale}", f"decimal_unit({logical.scale})")
        self._scope.line(f'n = {module.use("from_bytes")}({raw}, "big", signed=True)')
        self._scope.line(f"{goal} = {product}(n, {unit})")

    def _enum(self, schema: Enum, goal: str) -> None:
        cls = self._module.classes[schema.name]
        self._module.use("symbol_bytes")
        table = self._module.table(cls, "BYTES", f"symbol_bytes({cls})")
        if len(schema.symbols) <= 64:
            self._scope.assign_bracketed(goal, f"{table}[", "data[p]", "]")
            self._scope.line("p += 1")
        else:
            self.count()
            self._scope.line(f"{goal} = {table}[n]")

    def count(self) -> None:
        """Read a count or an index to `n`, twice its value."""
        more = self._module.use("read_more")
        self._scope.line("n = data[p]")
        self._scope.line("p += 1")
        with self._scope.block("if n > 127:"):
            self._scope.line(f"n, p = {more}(data, p)")

    def begin_block(self) -> None:
        """Read the item count of a block to `n`; there cannot be more items than bytes."""
        self.count()
        self._scope.refuse_if("n & 1 or n >> 1 > len(data) - p")

    def end_blocks(self) -> None:
        """Nothing may follow the first block."""
        self._scope.refuse_if("data[p]")
        self._scope.line("p += 1")

    def _array(self, items: Schema, goal: str, hint: str) -> None:
        values = self._scope.name(hint)
        self.begin_block()
        kind = self.float_kind(items)
        if kind:
            code, size = _STRUCT[kind]
            self._module.needs_struct = True
            self._scope.line(f'{values} = list(struct.unpack_from(f"<{{n >> 1}}{code}", data, p))')
            self._scope.line(f"p += (n >> 1) * {size}")
            with self._scope.block("if n:"):
                self.end_blocks()
        else:
            self._scope.line(f"{values}: list[Any] = []")
            word = "if"
            if integers := integer_kind(self._module.graph.resolve(items)):
                read = self._module.use(f"read_{integers}s")
                with self._scope.block(f"if n >= {2 * FEWEST}:"):
                    self._scope.line(f"{values}, p = {read}(data, p, n >> 1)")
                    self.end_blocks()
                word = "elif"
            with self._scope.block(f"{word} n:"):
                with self._scope.block("for _ in range(n >> 1):"), self._before(1):
                    item = self.variable(items, "item")
                    self._scope.line(f"{values}.append({item})")
                self.end_blocks()
        self._scope.line(f"{goal} = {values}")

    def _map(self, values: Schema, goal: str, hint: str) -> None:
        entries = self._scope.name(hint)
        key = self._scope.name("key")
        self.begin_block()
        self._scope.line(f"{entries}: dict[str, Any] = {{}}")
        with self._scope.block("if n:"):
            with self._scope.block("for _ in range(n >> 1):"), self._before(1):
                self.short(key, "read_text", ".decode()")
                item = self.variable(values, "item")
                self._scope.line(f"{entries}[{key}] = {item}")
            self.end_blocks()
        self._scope.line(f"{goal} = {entries}")

    def _union(self, union: Union, goal: str, hint: str) -> None:
        self._scope.declare(goal)
        self._scope.line("b = data[p]")
        self._scope.line("p += 1")
        word = "if"
        for index, branch in enumerate(union.branches[:64]):
            with self._scope.block(f"{word} b == {2 * index}:"):
                self.value(branch, goal, hint)
            word = "elif"
        with self._scope.block("else:" if union.branches else "if True:"):
            self._scope.line("raise TypeError")


def _number(size: int) -> tuple[str, str]:
    """The terms of a number of so many bytes, which are more than one."""
    higher = zip(_HIGHER, _BYTES[2:size], strict=False)
    terms = ["c", *(f"{table}[{byte}]" for table, byte in higher)]
    factor = f"({' + '.join(terms)})" if len(terms) > 1 else "c"
    return "FIRST[b]", f"SIGN[b] * {factor}"
