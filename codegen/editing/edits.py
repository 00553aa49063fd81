"""What can be changed in a text: edits name a place by its path and say what shall stand there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from codegen.source import Json, Path


@dataclass(frozen=True, slots=True)
class Insert:
    """A new value at `path`: a key that its object lacks, or an item before the one with its index.

    A new key stands behind the first key of `after` that the object has, else behind its last one.
    An index that is the length of the array makes the last item.
    """

    path: Path
    value: Json
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remove:
    """What stands at `path` is taken out of its array or object, which holds others."""

    path: Path


@dataclass(frozen=True, slots=True)
class Replace:
    """Another value stands at `path`."""

    path: Path
    value: Json


@dataclass(frozen=True, slots=True)
class Rename:
    """The key that ends `path` becomes another one, which its object lacks."""

    path: Path
    key: str


@dataclass(frozen=True, slots=True)
class Enclose:
    """The value at `path` becomes an item of an array, between the items `before` and `after`."""

    path: Path
    before: tuple[Json, ...] = ()
    after: tuple[Json, ...] = ()


Edit: TypeAlias = Insert | Remove | Replace | Rename | Enclose
"""One change of a text."""


@dataclass(frozen=True, slots=True)
class Mend:
    """What one change of a file would mend: the edits, and the advice that they follow.

    All paths of the edits lead into the text as it is before any of them.
    """

    file: str
    advice: str
    edits: tuple[Edit, ...]
