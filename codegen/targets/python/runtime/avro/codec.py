"""What a package knows of each event: its model, its topic, its schema, and how it is coded.

Encoding and decoding with the package's own schema is generated, straight-line code. It hands what
it cannot do to a Codec, which is slow, checks everything, and says what is wrong and where.

Every package loads this, so its classes are plain ones, which take the least time to make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from .versions import Decoder, PastSchema, SchemaReference

if TYPE_CHECKING:
    from .careful import Careful

E = TypeVar("E")


def _no_past() -> tuple[PastSchema, ...]:
    return ()


class Codec(Generic[E]):
    """Codes the values of one schema with care.

    What it works with is loaded, and its schema parsed, when it is first needed.
    """

    def __init__(
        self,
        schema: SchemaReference,
        types: Mapping[str, type[Any]],
        past: Callable[[], tuple[PastSchema, ...]] = _no_past,
    ) -> None:
        """`types` has the classes of the records and enums that the schema uses, by full name.

        `past` is asked for other versions when something comes that was written with one.
        """
        self.schema: Final = schema
        self.types: Final = types
        self.past: Final = past
        self._careful: Careful[E] | None = None

    def encode(self, event: E, header: bytes) -> bytes:
        """The header, and then the event in Avro's binary encoding. Raises EncodeError."""
        return self._load().encode(event, header)

    def decode(self, data: bytes, start: int = 5, /) -> E:
        """Read an event that was written with this very schema. Raises DecodeError."""
        return self._load().decode(data, start)

    def resolve(self, schema: str, references: Mapping[str, str]) -> Decoder[E] | None:
        """A decoder of what was written with another schema; None where it is this very schema.

        Raises DecodeError when events cannot be read from that schema.
        """
        return self._load().resolve(schema, references)

    def _load(self) -> Careful[E]:
        if self._careful is None:
            from .careful import Careful  # noqa: PLC0415 - rarely needed, and slow to import

            self._careful = Careful(self.schema, self.types, self.past)
        return self._careful


def _no_key(event: Any) -> None:
    """The key of a topic that has none."""


class EventType(Generic[E]):
    """One event on one topic: everything that a producer or a consumer needs to know of it.

    The keys of a topic whose keys have a schema are described in the same way.
    """

    __slots__ = ("codec", "decode", "encode", "key", "key_type", "model", "name", "topic")

    def __init__(
        self,
        *,
        model: type[E],
        name: str,
        topic: str,
        codec: Codec[E],
        encode: Callable[[E, bytes], bytes],
        decode: Decoder[E],
        key: Callable[[E], Any] = _no_key,
        key_type: EventType[Any] | None = None,
    ) -> None:
        self.model: Final = model
        self.name: Final = name
        """The full name of its schema."""
        self.topic: Final = topic
        self.codec: Final = codec
        self.encode: Final = encode
        """The header, and then the event in Avro's binary encoding. Raises EncodeError."""
        self.decode: Final = decode
        """Read an event that was written with this very schema."""
        self.key: Final = key
        """The message key of an event: bytes, or a value of `key_type` where there is one.

        None where its topic has none. Raises EncodeError.
        """
        self.key_type: Final = key_type
        """How the keys of the topic are coded, where they have a schema of their own."""

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
