"""What is a dangerous change, and of what is it one? What the rules about changes share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from codegen.avro.matching import FieldPair, TypePair
from codegen.compatibility import SCOPES, Direction
from codegen.contract.model import History, PastVersion, Subject
from codegen.diagnostics import Rule, Severity
from codegen.difference import field_label
from codegen.editing import Mend
from codegen.source import Json, Place


@dataclass(frozen=True, slots=True)
class Beside:
    """A new form that should stand in a field of its own: the way to change what data means.

    `path` is the field as schema files have it, `name` what the other one could be called, `old`
    and `new` say what they hold, empty where the names do. `has_default` is of the old field.
    """

    path: str
    old: str
    new: str
    name: str
    has_default: bool


@dataclass(frozen=True, slots=True)
class SymbolChange:
    """Symbols of an enum that came, or that went, while a default stands in for them."""

    enum: str
    symbols: str
    is_gain: bool


@dataclass(frozen=True, slots=True)
class Hazard:
    """One dangerous change, before it is known which subjects it concerns.

    `older` says what readers with the older schema misread of new messages, `newer` what readers
    with the new one misread of older messages; each is empty where they do not. `way` is how to
    make the change without either.
    """

    rule: Rule
    place: Place
    old_place: Place | None
    message: str
    note: str = ""
    hint: str = ""
    severity: Severity | None = None
    mends: tuple[Mend, ...] = ()
    older: str = ""
    newer: str = ""
    way: Beside | SymbolChange | None = None


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


def make_beside(pair: FieldPair | None, revision: Revision, old: str, new: str) -> Beside | None:
    """The way to give a field a new form; None where what changed is no field."""
    if pair is None or pair.old is None:
        return None
    path = field_label(pair, revision.root)
    return Beside(path, old, new, f"{path}_2", pair.old.default is not None)


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


def name_others(subject: Subject, place: Place, others: Iterable[Subject]) -> list[str]:
    """Those of other subjects that do not change through this one, though at the same place.

    The subject of a shared type stands for all that refer to it.
    """
    is_own = place.document is subject.document
    return [one.name for one in others if not is_own or one.document is subject.document]
