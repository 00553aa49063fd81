"""Straight-line Python code that reads what an older or newer version of a schema wrote.

It follows the plan of `codegen.avro.reading`, and leaves the parts that are written alike to the
code that reads the current version. As there, whatever is rare or damaged raises something.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import assert_never

from codegen.avro.canonical import render
from codegen.avro.reading import (
    AsIs,
    Branches,
    Conversion,
    Entries,
    Fields,
    Items,
    Plan,
    Promotion,
    Skip,
    Symbols,
)
from codegen.avro.schema import (
    Array,
    Broken,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
)
from codegen.targets.python.decoders import MAX_GOAL, Decoder
from codegen.targets.python.literals import string
from codegen.targets.python.names import name_attributes, name_members
from codegen.targets.python.service_view import snake
from codegen.targets.python.straight_line import Module, Scope
from codegen.targets.python.types import Code, Defaults

_SIZES = {"boolean": 1, "float": 4, "double": 8}

_READ = "(data: bytes, p: int) -> tuple[Any, int]"


def write_resolver(module: Module, writer: SchemaGraph, plan: Fields, hint: str) -> str:
    """Add the function that reads an event by a plan; its name."""

    def fill(scope: Scope) -> None:
        value = _Resolver(module, writer, scope).record(plan)
        scope.refuse_if("p != len(data)")
        scope.line(f"return {value}")

    return module.write(hint, ("resolve", hint), fill, "(data: bytes, p: int) -> Any")


class _Resolver:
    """Writes the code for a plan into one function; `p` is the position in `data`."""

    def __init__(self, module: Module, writer: SchemaGraph, scope: Scope) -> None:
        self._module = module
        self._writer = writer
        self._scope = scope
        self._decoder = Decoder(module, scope)
        self._defaults = Defaults(module.graph, module.classes)

    def record(self, plan: Fields) -> str:
        """Add the code for a record; the variable that holds it."""
        cls = self._module.classes[plan.reader.name]
        self._module.use("blank")
        blank = self._module.constant(cls, f"blank({cls})")
        value = self._scope.name(snake(cls))
        self._scope.line(f"{value} = {blank}()")
        fields = plan.reader.fields
        attributes = name_attributes(item.name for item in fields)
        floats: list[tuple[str, str]] = []
        for index, step in plan.steps:
            kind = self._decoder.float_kind(step.reader) if isinstance(step, AsIs) else ""
            if index is not None and kind:
                floats.append((kind, f"{value}.{attributes[index]}"))
                continue
            self._decoder.floats(floats)
            floats = []
            if index is None:
                self._read(step, "", "skipped")
            else:
                self._store(step, f"{value}.{attributes[index]}", attributes[index])
        self._decoder.floats(floats)
        for index in plan.defaults:
            code = self._defaults.expression(fields[index], plan.reader.name)
            is_constant = self._defaults.is_constant(fields[index])
            self._assign(f"{value}.{attributes[index]}", code, is_constant)
        self._scope.line(f"{value}.__class__ = {cls}")
        return value

    def _store(self, plan: Plan, goal: str, hint: str) -> None:
        if len(goal) > MAX_GOAL:
            self._scope.assign(goal, self._variable(plan, hint))
        else:
            self._read(plan, goal, hint)

    def _variable(self, plan: Plan, hint: str) -> str:
        if isinstance(plan, AsIs):
            return self._decoder.variable(plan.reader, hint)
        if isinstance(plan, Fields) and self._is_inlined(plan):
            return self.record(plan)
        variable = self._scope.name(hint)
        self._read(plan, variable, hint)
        return variable

    def _assign(self, goal: str, code: Code, is_constant: bool) -> None:
        """A default value; one that takes work to make is made once where it can be shared."""
        text = code.text
        if is_constant and "(" in text and len(text) < 70:
            self._scope.line(f"{goal} = {self._module.constant('DEFAULT', text)}")
        elif code.opened and not self._scope.fits(f"{goal} = {text}"):
            self._scope.line(f"{goal} = {code.opened[0]}")
            for line in code.opened[1:]:
                self._scope.line(line)
        else:
            self._scope.assign(goal, text)

    def _read(self, plan: Plan, goal: str, hint: str) -> None:
        """Add the code that reads one value and stores it in a variable or an attribute."""
        match plan:
            case AsIs(reader=reader):
                self._decoder.value(reader, goal, hint)
            case Skip(writer=writer):
                self._skip(writer)
            case Promotion():
                self._promote(plan.writer.type, plan.reader.type, goal)
            case Conversion(writer=writer, reader=reader):
                self._convert(writer, reader, goal)
            case Symbols():
                self._symbols(plan, goal)
            case Fields() if self._is_inlined(plan):
                self._scope.line(f"{goal} = {self.record(plan)}")
            case Fields():
                self._scope.call(f"{goal}, p", self._function(plan), "data, p")
            case Items() | Entries() | Branches() if self._scope.is_deep:
                self._scope.call(f"{goal}, p", self._function(plan), "data, p")
            case Items(items=items):
                self._loop(goal, hint, "list[Any] = []", partial(self._item, items))
            case Entries(values=inner):
                self._loop(goal, hint, "dict[str, Any] = {}", partial(self._entry, inner))
            case Branches(branches=branches):
                self._scope.declare(goal)
                self._choose(
                    [partial(self._read, one, goal, hint) if one else None for one in branches]
                )
            case _:
                assert_never(plan)

    def _is_inlined(self, plan: Fields) -> bool:
        return self._module.is_inlined(plan.reader) and not self._scope.is_deep

    def _function(self, plan: Fields | Items | Entries | Branches) -> str:
        def fill(scope: Scope) -> None:
            inner = _Resolver(self._module, self._writer, scope)
            if isinstance(plan, Fields):
                value = inner.record(plan)
            else:
                value = scope.name("value")
                inner._read(plan, value, "value")
            scope.line(f"return {value}, p")

        hint = "inner"
        if isinstance(plan, Fields):
            hint = snake(self._module.classes[plan.reader.name])
        return self._module.write(f"read_{hint}_as_written", ("plan", str(id(plan))), fill, _READ)

    def _convert(self, writer: Primitive | Fixed, reader: Primitive | Fixed, goal: str) -> None:
        """From one logical type to another: as the reader does it that is compiled at run time."""
        self._module.use("value_reader")
        texts = [string(render(SchemaGraph(one, {}), inline=True)) for one in (writer, reader)]
        expression = "\n".join(["value_reader(", *(f"    {text}," for text in texts), ")"])
        read = self._module.constant("CONVERT", expression)
        self._scope.call(f"{goal}, p", read, "data, p")

    def _promote(self, writer: str, reader: str, goal: str) -> None:
        match writer, reader:
            case ("int", "long"):
                self._decoder.integer("int", goal)
            case (("int" | "long"), "double"):
                self._decoder.integer(writer, "n")
                self._scope.line(f"{goal} = float(n)")
            case (("int" | "long"), _):
                self._decoder.integer(writer, "n")
                self._scope.line(f"{goal} = {self._module.use('round_to_float')}(n)")
            case "float", _:
                self._decoder.floats([("float", goal)])
            case "string", _:
                # The bytes of what is no UTF-8 would not have been a string.
                self._decoder.short(goal, "read_text_bytes", ".decode().encode()")
            case _:
                self._decoder.short(goal, "read_text", ".decode()")

    def _symbols(self, plan: Symbols, goal: str) -> None:
        """Symbols that the reader makes nothing of are not in the table."""
        cls = self._module.classes[plan.reader.name]
        members = dict(zip(plan.reader.symbols, name_members(plan.reader.symbols), strict=True))
        known = [(at, members[one]) for at, one in enumerate(plan.symbols) if one is not None]
        lines = [f"    {2 * at}: {cls}.{member}," for at, member in known]
        table = "\n".join(["{", *lines, "}"]) if lines else f"dict[int, {cls}]()"
        self._decoder.count()
        self._scope.line(f"{goal} = {self._module.table(cls, 'OF', table)}[n]")

    def _loop(self, goal: str, hint: str, empty: str, read: Callable[[str], None]) -> None:
        values = self._scope.name(hint)
        self._decoder.begin_block()
        self._scope.line(f"{values}: {empty}")
        with self._scope.block("if n:"):
            with self._scope.block("for _ in range(n >> 1):"):
                read(values)
            self._decoder.end_blocks()
        self._scope.line(f"{goal} = {values}")

    def _item(self, plan: Plan, values: str) -> None:
        self._scope.line(f"{values}.append({self._variable(plan, 'item')})")

    def _entry(self, plan: Plan, values: str) -> None:
        key = self._scope.name("key")
        self._decoder.short(key, "read_text", ".decode()")
        item = self._variable(plan, "item")
        self._scope.line(f"{values}[{key}] = {item}")

    def _choose(self, branches: list[Callable[[], None] | None]) -> None:
        """Go on by the number of a branch; one that there is no code for raises something."""
        self._scope.line("b = data[p]")
        self._scope.line("p += 1")
        word = "if"
        for index, write in enumerate(branches[:64]):
            if write is not None:
                with self._scope.block(f"{word} b == {2 * index}:"):
                    before = len(self._scope.lines)
                    write()
                    if len(self._scope.lines) == before:
                        self._scope.line("pass")
                word = "elif"
        with self._scope.block("else:" if word == "elif" else "if True:"):
            self._scope.line("raise TypeError")

    def _skip(self, schema: Schema) -> None:
        """Add the code that leaves out a value which the reader has no place for."""
        target = self._writer.resolve(schema)
        match target:
            case Primitive(type="null"):
                pass
            case Primitive(type="string" | "bytes"):
                self._decoder.count()
                self._scope.refuse_if("n & 1")
                self._scope.line("p += n >> 1")
            case Primitive(type=kind) if kind in _SIZES:
                self._scope.line(f"p += {_SIZES[kind]}")
            case Primitive() | Enum():
                self._decoder.count()
            case Fixed(size=size):
                self._scope.line(f"p += {size}")
            case Array(items=items) if not self._scope.is_deep:
                self._skip_block(partial(self._skip, items))
            case Map(values=values) if not self._scope.is_deep:
                self._skip_block(partial(self._skip_entry, values))
            case Union(branches=branches) if not self._scope.is_deep:
                self._choose([partial(self._skip, one) for one in branches])
            case Array() | Map() | Union() | Record():
                self._scope.line(f"p = {self._skip_function(target)}(data, p)")
            case Broken():
                raise ValueError("a schema that is no schema")
            case _:
                assert_never(target)

    def _skip_block(self, skip: Callable[[], None]) -> None:
        self._decoder.begin_block()
        with self._scope.block("if n:"):
            with self._scope.block("for _ in range(n >> 1):"):
                skip()
            self._decoder.end_blocks()

    def _skip_entry(self, values: Schema) -> None:
        self._decoder.count()
        self._scope.refuse_if("n & 1")
        self._scope.line("p += n >> 1")
        self._skip(values)

    def _skip_function(self, target: Array | Map | Union | Record) -> str:
        def fill(scope: Scope) -> None:
            inner = _Resolver(self._module, self._writer, scope)
            if isinstance(target, Record):
                for item in target.fields:
                    inner._skip(item.schema)
            else:
                inner._skip(target)
            scope.line("return p")

        signature = "(data: bytes, p: int) -> int"
        return self._module.write("skip_inner", ("skip", str(id(target))), fill, signature)
