"""Code events with care: every case of Avro is handled, and every error says what is wrong.

The straight-line code of a package hands to this what it cannot do; see `codec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from ..errors import DecodeError, EncodeError, SymbolError
from . import schema as avro
from .decoding import Damage, Read, UnknownSymbol, begin, explain
from .encoding import Types, Unfit, write
from .evolution import compile_reader
from .quick import compile_quick_reader
from .schema import SchemaError
from .versions import Decoder, PastSchema, SchemaReference

E = TypeVar("E")


class Careful(Generic[E]):
    """What a Codec works with. Its methods promise what those of the Codec do."""

    def __init__(
        self,
        schema: SchemaReference,
        types: Types,
        past: Callable[[], tuple[PastSchema, ...]],
    ) -> None:
        """Raises nothing: the schema is parsed when it is first needed."""
        self._schema = schema
        self._types = types
        self._past = past
        self._node: avro.Node | None = None
        self._read: Read | None = None

    def encode(self, event: E, header: bytes) -> bytes:
        """The header, and then the event in Avro's binary encoding. Raises EncodeError."""
        name = type(event).__name__
        try:
            return header + write(self._own(), event, self._types)
        except Unfit as error:
            raise EncodeError(name + "".join(error.path), error.problem) from None
        except RecursionError:
            raise EncodeError(name, "its values are nested too deeply") from None

    def decode(self, data: bytes, start: int = 5, /) -> E:
        """Read an event that was written with this very schema. Raises DecodeError."""
        if self._read is None:
            self._read = compile_reader(self._own(), self._own(), self._types)
        event: E = _decode(self._read, bytes(data), start)
        return event

    def resolve(self, schema: str, references: Mapping[str, str]) -> Decoder[E] | None:
        """A decoder of what was written with another schema; None where it is this very schema.

        Raises DecodeError when events cannot be read from that schema.
        """
        own = self._own()
        try:
            writer = avro.parse(schema, references)
            if is_same(writer, own):
                return None
            read = compile_reader(writer, own, self._types)
        except SchemaError as error:
            raise DecodeError(str(error)) from None
        except RecursionError:
            raise DecodeError("the schema is nested too deeply") from None

        def decode(data: bytes, start: int = 5, /) -> E:
            event: E = _decode(read, data, start)
            return event

        past = self._find_past(writer)
        if past is not None:
            return _with_care(past, decode)
        quick = self._compile_quick(writer)
        return decode if quick is None else _to_the_end(quick, decode)

    def _compile_quick(self, writer: avro.Node) -> Read | None:
        try:
            return compile_quick_reader(writer, self._own(), self._types)
        except SchemaError:
            return None

    def _find_past(self, writer: avro.Node) -> Callable[[bytes, int], Any] | None:
        """The generated reader of what was written with this schema.

        Ids and version numbers are a registry's own, so the schema itself is looked for.
        """
        for past in self._past():
            if is_same(writer, avro.parse(past.schema, {})):
                return past.read
        return None

    def _own(self) -> avro.Node:
        if self._node is None:
            self._node = avro.parse(self._schema.schema, self._schema.texts())
        return self._node


def _with_care(read: Callable[[bytes, int], E], careful: Decoder[E]) -> Decoder[E]:
    """A fast reader, and what is asked when that gives up."""

    def decode(data: bytes, start: int = 5, /) -> E:
        try:
            return read(data, start)
        except Exception:
            return careful(data, start)

    return decode


def _to_the_end(read: Read, careful: Decoder[E]) -> Decoder[E]:
    """As `_with_care`, for a reader that says where the event ends."""

    def decode(data: bytes, start: int = 5, /) -> E:
        try:
            event: E
            event, end = read(data, start)
            if end == len(data):
                return event
        except Exception:
            pass
        return careful(data, start)

    return decode


def _decode(read: Read, data: bytes, start: int) -> Any:
    begin()
    try:
        event, end = read(data, start)
    except Damage as error:
        where = ".".join(error.path)
        kind = SymbolError if isinstance(error, UnknownSymbol) else DecodeError
        raise kind(f"{where}: {error.problem}" if where else error.problem) from None
    except Exception as error:
        raise DecodeError(explain(error)) from error
    if end != len(data):
        raise DecodeError(f"{len(data) - end} bytes are left over behind the event")
    return event


def is_same(one: avro.Node, other: avro.Node) -> bool:
    """Whether two schemas write the same values as the same bytes, under the same names."""
    waiting = [(one, other)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        left, right = waiting.pop()
        if (id(left), id(right)) in seen:
            continue
        seen.add((id(left), id(right)))
        match left, right:
            case avro.Record(), avro.Record():
                waiting += [
                    (a.schema, b.schema) for a, b in zip(left.fields, right.fields, strict=False)
                ]
                names = [[field.name for field in side.fields] for side in (left, right)]
                equal = left.name == right.name and names[0] == names[1]
            case avro.Enum(), avro.Enum():
                equal = (left.name, left.symbols) == (right.name, right.symbols)
            case avro.Fixed(), avro.Fixed():
                equal = (left.name, left.size, left.logical) == (
                    right.name,
                    right.size,
                    right.logical,
                )
            case avro.Primitive(), avro.Primitive():
                equal = (left.type, left.logical) == (right.type, right.logical)
            case avro.Array(), avro.Array():
                waiting.append((left.items, right.items))
                equal = True
            case avro.Map(), avro.Map():
                waiting.append((left.values, right.values))
                equal = True
            case avro.Union(), avro.Union():
                waiting += zip(left.branches, right.branches, strict=False)
                equal = len(left.branches) == len(right.branches)
            case _:
                equal = False
        if not equal:
            return False
    return True
