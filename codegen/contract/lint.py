"""What a manifest says of lint: severities, findings to ignore, and the languages to think of."""

from __future__ import annotations

from dataclasses import dataclass, field

from codegen.diagnostics import Severities
from codegen.source import Document, Place

LANGUAGES = ("python", "java", "kotlin", "scala", "typescript")
"""The languages whose reserved words are known."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings that are right as they are, and why.

    `rule`, `path`, `name` and `field` are patterns, of which `*` fits anything. `name` is the full
    name of a type, or the name of a topic or service.
    """

    rule: str
    reason: str
    origin: Place
    path: str = "*"
    name: str = "*"
    field: str = "*"


@dataclass(frozen=True, slots=True)
class LintSettings:
    """How `kontrakt lint` judges a repository."""

    severities: Severities = field(default_factory=Severities)
    ignores: tuple[Ignore, ...] = ()
    languages: tuple[str, ...] = LANGUAGES


def read_lint_settings(manifest: Document) -> LintSettings:
    """What stands under `lint` in a manifest that has the right form."""
    value = manifest.value.get("lint") or {}
    place = Place(manifest, ("lint", "ignore"))
    ignores = enumerate(value.get("ignore") or ())
    return LintSettings(
        Severities(value.get("severity") or {}, value.get("paths") or {}),
        tuple(Ignore(**item, origin=place.at(index)) for index, item in ignores),
        tuple(value.get("languages", LANGUAGES)),
    )
