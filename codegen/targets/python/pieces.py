"""What generated code puts messages together from: texts, or bytes.

Joining texts whose characters are bytes (Latin-1) is fastest where there are strings, and refuses
whatever is no text. But floats come packed as bytes, and where there are more of those than of
strings, it takes less time to join bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegen.avro.schema import Fixed, LogicalType, Primitive, Record, Schema, Union
from codegen.targets.python.literals import bytes_literal, string
from codegen.targets.python.straight_line import Module, Scope, integer_kind

Pieces = list[str]
"""Expressions of what is written one after the other."""


@dataclass(frozen=True, slots=True)
class Form:
    """Whether the pieces of some code are texts or bytes."""

    is_raw: bool

    @property
    def hint(self) -> str:
        """A word for the name of a variable that holds a piece."""
        return "raw" if self.is_raw else "text"

    def name(self, name: str) -> str:
        """The name in the runtime of what there is for both."""
        if not self.is_raw:
            return name
        return f"{name}_RAW" if name.isupper() else f"{name}_raw"

    def literal(self, data: bytes) -> str:
        """A constant piece."""
        return bytes_literal(data) if self.is_raw else string(data.decode("latin-1"))

    def from_text(self, text: str) -> str:
        """The piece for the expression of a text."""
        return f'{text}.encode("latin-1")' if self.is_raw else text

    def from_raw(self, data: str) -> str:
        """The piece for the expression of bytes."""
        return data if self.is_raw else f'{data}.decode("latin-1")'

    def from_form(self, form: Form, piece: str) -> str:
        """The piece for one of the same or the other form."""
        return self.from_raw(piece) if form.is_raw else self.from_text(piece)

    def joined(self, pieces: str) -> str:
        """The expression for all pieces in a tuple or a list, put together."""
        return f"{self.literal(b'')}.join({pieces})"


TEXT = Form(is_raw=False)
RAW = Form(is_raw=True)


def join(scope: Scope, form: Form, pieces: Pieces, statement: str) -> None:
    """Add a statement with the pieces put together where it has braces."""
    if len(pieces) < 2:
        scope.line(statement.format(pieces[0] if pieces else form.literal(b"")))
        return
    added = " + ".join(pieces)
    if len(pieces) < 5 and "{}." not in statement and scope.fits(statement.format(added)):
        scope.line(statement.format(added))
        return
    joined = scope.name("pieces")
    scope.items(f"{joined} = (", pieces, ")")
    scope.line(statement.format(form.joined(joined)))


def form_of_record(module: Module, record: Record) -> Form:
    """The form of code that writes the fields of a record."""
    return RAW if _surplus_of_fields(module, record) > 0 else TEXT


def form_of_values(module: Module, schema: Schema, texts: int = 0) -> Form:
    """The form of code that writes values of a schema, and beside each so many texts."""
    return RAW if _surplus(module, schema) > texts else TEXT


def _surplus(module: Module, schema: Schema) -> int:
    """How many more pieces of a value come as bytes than as texts."""
    target = module.graph.resolve(schema)
    match target:
        case Record():
            return _surplus_of_fields(module, target) if module.is_inlined(target) else -1
        case Union(branches=branches):
            return sum(_surplus(module, branch) for branch in branches)
        case Fixed(logical=None) | Primitive(logical=None, type="bytes" | "double" | "float"):
            return 1
        case Fixed() | Primitive(logical=None, type="string"):
            return -1
        case Primitive(logical=LogicalType()):
            return 0 if integer_kind(target) else -1
        case _:
            return 0


def _surplus_of_fields(module: Module, record: Record) -> int:
    total = 0
    is_packed = False
    for item in record.fields:
        was_packed, is_packed = is_packed, bool(float_code(module.graph.resolve(item.schema)))
        if not (was_packed and is_packed):  # neighbours are packed together
            total += _surplus(module, item.schema)
    return total


def float_code(target: Schema) -> str:
    """The format by which `struct` packs a float or a double; nothing for all others."""
    if isinstance(target, Primitive) and target.logical is None:
        return {"float": "f", "double": "d"}.get(target.type, "")
    return ""
