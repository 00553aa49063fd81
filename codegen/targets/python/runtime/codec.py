"""What a package knows of each event: its model, its topic, its schema, and how it is coded.

Encoding and decoding with the package's own schema is generated, straight-line code. It hands what
it cannot do to a Codec, which is slow, checks everything, and says what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from . import schema as avro
from .decoding import Damage, Read, begin, explain
from .encoding import Types, Unfit, write
from .errors import StubError
from .evolution import compile_reader
from .schema import SchemaError

__all__ = [
    "Codec",
    "DecodeError",
    "Decoder",
    "EncodeError",
    "EventType",
    "PastSchema",
    "SchemaReference",
]

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)


class EncodeError(StubError):
    """A value that its schema cannot hold; `path` says which, from the event inwards."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class DecodeError(StubError):
    """Bytes that are no value of their schema, or a schema that the event cannot be read from."""


@dataclass(frozen=True, slots=True)
class SchemaReference:
    """A schema in the registry: its full name, its subject, its text, and what it refers to."""

    name: str
    subject: str
    schema: str
    references: tuple[SchemaReference, ...] = ()


class Decoder(Protocol[E_co]):
    """Reads an event from the bytes that begin at `start`, which must end with it."""

    def __call__(self, data: bytes, start: int = 5, /) -> E_co:
        """Raises DecodeError, and nothing else, whatever the bytes are."""
        ...


@dataclass(frozen=True, slots=True)
class PastSchema:
    """Another version of an event's schema, known when the package was generated.

    `read` reads from a position to the end of the data, made for speed: it raises something for
    whatever is rare or damaged, which is then left to a Codec. `schema` needs no other schema.
    """

    version: int
    schema: str
    read: Callable[[bytes, int], Any]


def _no_past() -> tuple[PastSchema, ...]:
    return ()


class Codec(Generic[E]):
    """Codes the values of one schema with care. Its schema is parsed when it is first needed."""

    def __init__(
        self,
        schema: SchemaReference,
        types: Types,
        past: Callable[[], tuple[PastSchema, ...]] = _no_past,
    ) -> None:
        """`types` has the classes of the records and enums that the schema uses.

        `past` is asked for other versions when something comes that was written with one.
        """
        self.schema: Final = schema
        self._types = types
        self.past: Final = past
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

        known = self._find_past(writer)

        def decode(data: bytes, start: int = 5, /) -> E:
            event: E = _decode(read, data, start)
            return event

        return decode if known is None else _with_care(known, decode)

    def _find_past(self, writer: avro.Node) -> Callable[[bytes, int], Any] | None:
        """The generated reader of what was written with this schema.

        Ids and version numbers are a registry's own, so the schema itself is looked for.
        """
        for past in self.past():
            if is_same(writer, avro.parse(past.schema, {})):
                return past.read
        return None

    def _own(self) -> avro.Node:
        if self._node is None:
            self._node = avro.parse(self.schema.schema, dict(_texts(self.schema.references)))
        return self._node


def _with_care(read: Callable[[bytes, int], E], careful: Decoder[E]) -> Decoder[E]:
    """A fast reader, and what is asked when that gives up."""

    def decode(data: bytes, start: int = 5, /) -> E:
        try:
            return read(data, start)
        except Exception:
            return careful(data, start)

    return decode


def _texts(references: Iterable[SchemaReference]) -> Iterable[tuple[str, str]]:
    for reference in references:
        yield reference.name, reference.schema
        yield from _texts(reference.references)


def _decode(read: Read, data: bytes, start: int) -> Any:
    begin()
    try:
        event, end = read(data, start)
    except Damage as error:
        where = ".".join(error.path)
        raise DecodeError(f"{where}: {error.problem}" if where else error.problem) from None
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


def _no_key(event: Any) -> None:
    """The key of a topic that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class EventType(Generic[E]):
    """One event on one topic: everything that a producer or a consumer needs to know of it."""

    model: type[E]
    name: str
    """The full name of its schema."""
    topic: str
    codec: Codec[E]
    encode: Callable[[E, bytes], bytes]
    """The header, and then the event in Avro's binary encoding. Raises EncodeError."""
    decode: Decoder[E]
    """Read an event that was written with this very schema."""
    key: Callable[[E], bytes | None] = _no_key
    """The message key of an event; None where its topic has none. Raises EncodeError."""

    @property
    def subject(self) -> str:
        """The registry's name for the history of its schema."""
        return self.codec.schema.subject

    @property
    def schema(self) -> str:
        """The text of its schema, as it is registered."""
        return self.codec.schema.schema

    @property
    def references(self) -> tuple[SchemaReference, ...]:
        """The types that its schema refers to."""
        return self.codec.schema.references

    def resolve(self, writer_schema: str, writer_references: Mapping[str, str]) -> Decoder[E]:
        """A decoder of what was written with another schema, older or newer.

        `writer_references` has the texts of the types it refers to, by full name. Raises
        DecodeError when this event cannot be read from that schema.
        """
        return self.codec.resolve(writer_schema, writer_references) or self.decode
