"""What is a dangerous change, and of what is it one? What the rules about changes share."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.avro.matching import TypePair
from codegen.compatibility import SCOPES, Direction
from codegen.contract.model import History, PastVersion, Subject
from codegen.diagnostics import Rule, Severity
from codegen.editing import Mend
from codegen.source import Json, Place


@dataclass(frozen=True, slots=True)
class Hazard:
    """One dangerous change, before it is known which subjects it concerns."""

    rule: Rule
    place: Place
    old_place: Place | None
    message: str
    note: str = ""
    hint: str = ""
    severity: Severity | None = None
    mends: tuple[Mend, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """A subject whose schema differs from the latest version that its history holds."""

    subject: Subject
    history: History

    @property
    def latest(self) -> PastVersion:
        """The version before."""
        return self.history.versions[-1]

    @property
    def directions(self) -> tuple[Direction, ...]:
        """What the level asks for already; a rule does not repeat what the verdict says."""
        return SCOPES[self.subject.level].directions

    @property
    def root(self) -> str:
        """The full name of the subject's type; empty where it has none."""
        return getattr(self.subject.schema.root, "name", "")


def quote(pair: TypePair) -> str:
    """The field that holds a type, for a message."""
    return f'"{pair.owner.name}"' if pair.owner is not None else "the schema"


def has_key(place: Place, key: str) -> bool:
    """Whether an object with this key stands at a place."""
    value: Json = place.document.value
    for step in place.path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(value, dict) and key in value
