"""One event as a service sees it: its model, its topic, its schema, and how bytes become it.

The functions inside are generated straight-line code. What does not fit a schema raises
EncodeError with the path of the value; bytes that are no such event raise DecodeError, whatever
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .errors import StubError

E = TypeVar("E")


class EncodeError(StubError):
    """A value does not fit its schema. `path` leads to it: `OrderPlaced.lines[2].quantity`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class DecodeError(StubError):
    """Bytes are no event of the schema that they claim to be written with."""


@dataclass(frozen=True, slots=True)
class SchemaReference:
    """A schema that another refers to by `name`, and the subject that holds it."""

    name: str
    subject: str
    schema: str
    references: tuple[SchemaReference, ...] = ()


@dataclass(frozen=True, slots=True)
class EventType(Generic[E]):
    """One event on one topic. `header` is byte 0 and the schema's id, as Confluent frames it."""

    model: type[E]
    name: str
    topic: str
    subject: str
    schema: str
    references: tuple[SchemaReference, ...] = field(repr=False)
    types: Mapping[str, type[Any]] = field(repr=False)
    """The classes of the schema's records and enums, by full name."""
    encode: Callable[[E, bytes], bytes] = field(repr=False)
    """The event after the header. Raises EncodeError."""
    decode: Callable[[bytes, int], E] = field(repr=False)
    """The event that begins at an offset and was written with this schema. Raises DecodeError."""
    key: Callable[[E], bytes | None] = field(repr=False)
    """The key of the event's message; None where the topic has none. Raises EncodeError."""

    def resolve(
        self, writer_schema: str, writer_references: Mapping[str, str]
    ) -> Callable[[bytes, int], E]:
        """Make a decoder for events that were written with another version of the schema.

        `writer_references` has the texts of the types that the writer's schema refers to, by full
        name. Raises DecodeError when nothing that is written with it can be read as this event.
        """
        references = reference_texts(self.references)
        if writer_schema == self.schema and dict(writer_references) == references:
            return self.decode
        from .evolution import resolve  # noqa: PLC0415 - most processes read one version only

        return resolve(self, writer_schema, writer_references, references)


def reference_texts(references: tuple[SchemaReference, ...]) -> dict[str, str]:
    """The texts of all types that are referred to, directly or through others, by full name."""
    texts: dict[str, str] = {}
    waiting = list(references)
    while waiting:
        reference = waiting.pop()
        if reference.name not in texts:
            texts[reference.name] = reference.schema
            waiting.extend(reference.references)
    return texts
