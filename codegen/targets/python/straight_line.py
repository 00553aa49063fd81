"""The frame of generated, straight-line code: the lines of a function, and what a module shares.

Which records are written out where they are used, and which get a function of their own, is decided
here: recursion needs a function, and code must not grow without bounds.
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from codegen.avro.schema import (
    Array,
    Enum,
    Fixed,
    Named,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    children,
)
from codegen.targets.python.literals import LINE_LENGTH
from codegen.targets.python.names import unique
from codegen.targets.python.runtime.avro import arrays, packing, raw, unpacking
from codegen.targets.python.service_view import snake

MAX_INLINED = 50
"""A record that needs more code than this many values has a function of its own."""

MAX_INDENT = 8
"""Code that is nested deeper goes on in a function of its own."""

_LEAST_SIZES: Mapping[str, int] = {"null": 0, "float": 4, "double": 8}

MAX_TABLE_NAME = 30
"""Of the name of an enum no more letters go into names of what is made of it."""

_HOMES: Mapping[str, str] = {
    name: home.__name__.partition(".runtime.")[2]
    for home in (arrays, packing, raw, unpacking)
    for name in home.__all__
}
"""Which module of the runtime has a name."""

_RESERVED = frozenset((*vars(builtins), *_HOMES, *keyword.kwlist, "dt", "schemas", "struct"))
_RESERVED |= {
    "Any",
    "Codec",
    "Decimal",
    "EVENTS",
    "EventType",
    "Duration",
    "Final",
    "Mapping",
    "TYPES",
    "UUID",
}
_RESERVED |= {"b", "c", "d", "data", "e", "event", "f", "g", "header", "n", "p", "start", "value"}


class Scope:
    """The body of one function as it grows."""

    def __init__(self, taken: set[str]) -> None:
        self.lines: list[str] = []
        self._taken = set(taken)
        self._indent = 1

    def line(self, text: str) -> None:
        """Add a line at the current depth."""
        self.lines.append("    " * self._indent + text)

    def assign(self, goal: str, *terms: str) -> None:
        """Add an assignment of a sum, in brackets where only that makes its lines short enough."""
        value = " + ".join(terms)
        is_short = self.fits(f"    {value}")
        if self.fits(f"{goal} = {value}") or not (is_short or len(terms) > 1):
            self.line(f"{goal} = {value}")
            return
        self.line(f"{goal} = (")
        if is_short:
            self.line(f"    {value}")
        else:
            self.line(f"    {terms[0]}")
            for term in terms[1:]:
                self.line(f"    + {term}")
        self.line(")")

    def bracketed(self, head: str, inner: str, tail: str) -> None:
        """Add something with brackets, what is in them on its own line where it is too long."""
        if self.fits(head + inner + tail):
            self.line(head + inner + tail)
        else:
            self.line(head)
            self.line(f"    {inner}")
            self.line(tail)

    def assign_bracketed(self, goal: str, head: str, inner: str, tail: str) -> None:
        """Add an assignment of something with brackets, or in brackets where not even that fits."""
        if self.fits(f"{goal} = {head}"):
            self.bracketed(f"{goal} = {head}", inner, tail)
        else:
            self.bracketed(f"{goal} = (", head + inner + tail, ")")

    def call(self, goal: str, function: str, arguments: str) -> None:
        """Add an assignment of a call."""
        self.assign_bracketed(goal, f"{function}(", arguments, ")")

    def declare(self, goal: str) -> None:
        """Tell type checkers that a variable may hold values of several types."""
        if "." not in goal:
            self.line(f"{goal}: Any")

    def items(self, head: str, items: list[str], tail: str) -> None:
        """Add something in brackets, with an item on each line."""
        self.line(head)
        for item in items:
            self.line(f"    {item},")
        self.line(tail)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line and indent those that follow it; one that is too long is broken at `and`."""
        word, _, condition = head.removesuffix(":").partition(" ")
        if self.fits(head) or " and " not in condition:
            self.line(head)
        else:
            is_short = self.fits(f"    {condition}")
            first, *others = [condition] if is_short else condition.split(" and ")
            self.line(f"{word} (")
            self.line(f"    {first}")
            for other in others:
                self.line(f"    and {other}")
            self.line("):")
        self._indent += 1
        yield
        self._indent -= 1

    def refuse_if(self, condition: str) -> None:
        """Leave everything to the event's Codec when the condition holds."""
        with self.block(f"if {condition}:"):
            self.line("raise TypeError")

    def name(self, hint: str) -> str:
        """A new local variable."""
        return unique(hint[:20].lower().strip("_") or "value", self._taken)

    @property
    def is_deep(self) -> bool:
        """Whether the next nested value should go into a function of its own."""
        return self._indent > MAX_INDENT

    def fits(self, text: str) -> bool:
        """Whether a line is short enough here."""
        return 4 * self._indent + len(text) <= LINE_LENGTH


@dataclass(slots=True)
class Module:
    """What the functions of one module of codecs share."""

    graph: SchemaGraph
    classes: Mapping[str, str]
    runtime: dict[str, set[str]] = field(default_factory=dict)
    """What it imports from modules of the runtime."""
    constants: dict[str, str] = field(default_factory=dict)
    """Module-level constants by the expressions that they stand for."""
    functions: list[list[str]] = field(default_factory=list)
    """The lines of each function, in the order in which they are needed."""
    coders: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """The functions that encode and decode each event."""
    needs_struct: bool = False
    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _weights: dict[str, int] = field(default_factory=dict)
    _least_sizes: dict[str, int] = field(default_factory=dict)
    _cyclic: frozenset[str] | None = None

    def use(self, name: str) -> str:
        """A name of the modules of the runtime for generated code, imported from now on."""
        self.runtime.setdefault(_HOMES[name], set()).add(name)
        return name

    def constant(self, hint: str, expression: str) -> str:
        """A constant for an expression; the same expression has the same constant."""
        if expression not in self.constants:
            self.constants[expression] = unique("_" + hint, self._taken)
        return self.constants[expression]

    def table(self, cls: str, kind: str, expression: str) -> str:
        """A constant about an enum, its name short enough for code deep inside."""
        return self.constant(f"{snake(cls).upper()[:MAX_TABLE_NAME]}_{kind}", expression)

    def scope(self) -> Scope:
        """The body of a new function."""
        return Scope({*_RESERVED, *self.classes.values()})

    def function(
        self, prefix: str, schema: Schema, fill: Callable[[Scope], None], signature: str
    ) -> str:
        """The name of the function that handles a schema; it is written when first asked for."""
        target = self.graph.resolve(schema)
        if isinstance(target, Record):
            hint = snake(self.classes[target.name])
            return self.write(f"{prefix}_{hint}", (prefix, target.name), fill, signature)
        return self.write(f"{prefix}_inner", (prefix, str(id(target))), fill, signature)

    def write(
        self, hint: str, key: tuple[str, str], fill: Callable[[Scope], None], signature: str
    ) -> str:
        """The name of the function with this key; it is written when first asked for."""
        if key not in self._names:
            name = self._names[key] = unique(f"_{hint}", self._taken)
            scope = self.scope()
            fill(scope)
            self.functions.append([f"def {name}{signature}:", *scope.lines])
        return self._names[key]

    def least_size(self, schema: Schema) -> int:
        """How many bytes a value takes for sure."""
        target = self.graph.resolve(schema)
        match target:
            case Primitive(type=kind):
                return _LEAST_SIZES.get(kind, 1)
            case Fixed(size=size):
                return size
            case Record(name=name, fields=fields):
                if name not in self._least_sizes:
                    self._least_sizes[name] = 0  # for the time being: a record may hold itself
                    total = sum(self.least_size(item.schema) for item in fields)
                    self._least_sizes[name] = total
                return self._least_sizes[name]
            case _:
                return 1

    def is_inlined(self, record: Record) -> bool:
        """Whether a record's code stands where the record is used."""
        if self._cyclic is None:
            self._cyclic = _find_cyclic(self.graph.names)
        return record.name not in self._cyclic and self._weight(record) <= MAX_INLINED

    def _weight(self, schema: Schema) -> int:
        """How many values the code for a schema handles, records inside it written out."""
        target = self.graph.resolve(schema)
        if not isinstance(target, Record):
            return 1 + sum(map(self._weight, children(target)))
        if target.name not in self._weights:
            self._weights[target.name] = 1  # for the time being: a record may hold itself
            total = 1 + sum(self._weight(item.schema) for item in target.fields)
            self._weights[target.name] = total if total <= MAX_INLINED else MAX_INLINED + 1
        weight = self._weights[target.name]
        return weight if weight <= MAX_INLINED else 1


def _find_cyclic(names: Mapping[str, Named]) -> frozenset[str]:
    """The records that reach themselves, or others that do: what is left of all of them when those
    that use only what was taken away are taken away again and again."""
    uses = {name: _records_in(names, one) for name, one in names.items() if isinstance(one, Record)}
    users: dict[str, list[str]] = {name: [] for name in uses}
    for name, used in uses.items():
        for other in used:
            users[other].append(name)
    missing = {name: len(used) for name, used in uses.items()}
    ready = [name for name, count in missing.items() if not count]
    for name in ready:
        for user in users[name]:
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    return frozenset(uses.keys() - set(ready))


def _records_in(names: Mapping[str, Named], record: Record) -> set[str]:
    """The records that a record's fields use directly."""
    graph = SchemaGraph(record, names)
    found: set[str] = set()
    waiting = list(children(record))
    while waiting:
        target = graph.resolve(waiting.pop())
        if isinstance(target, Record):
            found.add(target.name)
        else:
            waiting += children(target)
    return found


def integer_kind(target: Schema) -> str:
    """`int` or `long` for what is a plain number in Python, so that many are coded at once."""
    match target:
        case Primitive(type="int" | "long" as kind, logical=logical):
            is_plain = logical is None or logical.name.endswith("-nanos")
            return kind if is_plain else ""
        case _:
            return ""


def can_be_empty(graph: SchemaGraph, schema: Schema, inside: frozenset[str] = frozenset()) -> bool:
    """Whether a value may take no bytes, so that data of no length could hold any number of it."""
    target = graph.resolve(schema)
    match target:
        case Primitive(type="null") | Fixed(size=0):
            return True
        case Record(name=name, fields=fields):
            if name in inside:
                return True
            return all(can_be_empty(graph, item.schema, inside | {name}) for item in fields)
        case _:
            return False


def has_weightless_items(graph: SchemaGraph, schema: Schema) -> bool:
    """Whether some array in a schema has items that may take no bytes."""
    seen: set[str] = set()
    waiting = [schema]
    while waiting:
        target = graph.resolve(waiting.pop())
        if isinstance(target, Record | Enum | Fixed):
            if target.name in seen:
                continue
            seen.add(target.name)
        if isinstance(target, Array) and can_be_empty(graph, target.items):
            return True
        waiting += children(target)
    return False
