"""Versions of a schema, as a package and a registry hold them, and what reads them.

Every package loads this, so its classes are plain ones, which take the least time to make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

E_co = TypeVar("E_co", covariant=True)


class SchemaReference:
    """A schema in the registry: its full name, its subject, its text, and what it refers to."""

    __slots__ = ("name", "references", "schema", "subject")

    def __init__(
        self, name: str, subject: str, schema: str, references: tuple[SchemaReference, ...] = ()
    ) -> None:
        self.name: Final = name
        self.subject: Final = subject
        self.schema: Final = schema
        self.references: Final = references

    def texts(self) -> dict[str, str]:
        """The text of each schema that it refers to, also indirectly, by full name."""
        texts: dict[str, str] = {}
        for reference in self.references:
            texts |= {reference.name: reference.schema, **reference.texts()}
        return texts


class Decoder(Protocol[E_co]):
    """Reads an event from the bytes that begin at `start`, which must end with it."""

    def __call__(self, data: bytes, start: int = 5, /) -> E_co:
        """Raises DecodeError, and nothing else, whatever the bytes are."""
        ...


class PastSchema:
    """Another version of an event's schema, known when the package was generated.

    `read` reads from a position to the end of the data, made for speed: it raises something for
    whatever is rare or damaged, which is then left to a Codec. `schema` needs no other schema.
    """

    __slots__ = ("read", "schema", "version")

    def __init__(self, version: int, schema: str, read: Callable[[bytes, int], Any]) -> None:
        self.version: Final = version
        self.schema: Final = schema
        self.read: Final = read
