"""Message keys that have a schema of their own: how they are written and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

from ..avro.codec import EventType
from ..errors import DecodeError, EncodeError, UnknownSchema
from ..kafka.transport import Registry
from ..policy import Reason
from .framing import Unreadable, read_schema_id
from .message import KeyedMessage, Message, with_key

Decoder = Callable[[bytes, int], Any]
_KNOWN_LIMIT: Final = 10_000


def write_text_key(topic: str, key: object) -> bytes:
    """The bytes of a key that has no schema: its text. Raises TypeError for what is no key."""
    if isinstance(key, bool) or not isinstance(key, str | int | UUID):
        raise TypeError(f"a key of {topic} is a str, an int or a UUID, not {key!r}")
    try:
        return str(key).encode()
    except UnicodeEncodeError:
        raise EncodeError(topic, f"its key {key!r} holds half of a surrogate pair") from None


def write_key(type: EventType[Any], key: object, prefix: bytes) -> bytes:
    """The bytes of a key behind the id of its schema.

    Raises EncodeError, and TypeError for what is no key of the topic.
    """
    if not isinstance(key, type.model):
        raise TypeError(f"a key of {type.topic} is a {type.model.__name__}, not {key!r}")
    return type.encode(key, prefix)


def name_key(key: Any) -> bytes:
    """A key as text, which CloudEvents calls the subject: its fields, with slashes between."""
    values = (getattr(key, field.name) for field in fields(key))
    return "/".join(str(getattr(value, "value", value)) for value in values).encode()


class KeyReader:
    """Reads the keys of the topics whose keys have a schema, whichever version wrote them."""

    def __init__(self, registry: Registry, types: Iterable[EventType[Any] | None]) -> None:
        self._registry = registry
        self._types = {type.topic: type for type in types if type is not None}
        self._decoders: dict[tuple[str, bytes], Decoder | Unreadable] = {}

    def __bool__(self) -> bool:
        """Whether there is any such topic."""
        return bool(self._types)

    def prepare(self, message: Message) -> Message:
        """The message with room for its key, where that has a schema."""
        return with_key(message, None) if message.topic in self._types else message

    def asks(self, message: Message) -> bool:
        """Whether `read` will ask the registry."""
        if message.topic not in self._types or message.key is None:
            return False
        return (message.topic, message.key[:5]) not in self._decoders

    def read(self, message: Message) -> None:
        """Read the key of a message that was prepared. Raises Unreadable, RegistryUnavailable."""
        if not isinstance(message, KeyedMessage):
            return
        key = message.key
        if key is None:
            raise Unreadable(Reason.UNDECODABLE, "it has no key, and those of its topic have")
        decode = self._decoders.get((message.topic, key[:5]))
        if decode is None:
            decode = self._find(message.topic, key)
        if isinstance(decode, Unreadable):
            raise decode.with_traceback(None)
        try:
            message.typed_key = decode(key, 5)
        except DecodeError as error:
            raise Unreadable(Reason.UNDECODABLE, f"its key: {error}") from error

    def _find(self, topic: str, key: bytes) -> Decoder | Unreadable:
        try:
            schema_id = read_schema_id(key)
            writer = self._registry.fetch(schema_id)
        except Unreadable as error:
            raise Unreadable(error.reason, f"its key: {error}") from None
        except UnknownSchema as error:
            # Not kept: the schema may be registered later.
            raise Unreadable(Reason.UNKNOWN_SCHEMA, f"its key: {error}") from error
        type = self._types[topic]
        found: Decoder | Unreadable
        try:
            found = type.resolve(writer.text, writer.references)
        except DecodeError as error:
            problem = f"its key: schema id {schema_id} cannot be read as {type.name}: {error}"
            found = Unreadable(Reason.INCOMPATIBLE_SCHEMA, problem)
        if len(self._decoders) >= _KNOWN_LIMIT:
            self._decoders.clear()
        self._decoders[topic, key[:5]] = found
        return found
