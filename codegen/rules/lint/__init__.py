"""The rules of `kontrakt lint`: what is legal, or ignored in silence, and will hurt later.

A rule is one function under @check: its id, its summary, and the kinds of things it looks at; its
docstring says why it exists. It yields a Problem for each place that it does not like. The modules
of this package are the categories, found by their names; `inspect` walks a repository once and
shows each thing to the rules of its kind.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from inspect import cleandoc
from typing import Any, TypeAlias, TypeVar

from codegen.avro.repetition import find_difference
from codegen.avro.schema import (
    Broken,
    Enum,
    Field,
    Fixed,
    Named,
    Record,
    Ref,
    Schema,
    children,
    walk,
)
from codegen.contract.load import Repository
from codegen.contract.model import Contract, Event, SchemaKey, Service, Topic
from codegen.diagnostics import Findings, Related, Rule, Severity, locate, rule
from codegen.editing import Edit, Mend
from codegen.source import Json, Place

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One place that a rule does not like: what is wrong, what to write, and what it concerns.

    `edits` are the one right answer, where there is one; they are in the file of the place. `about`
    is the full name of a type, or the name of a topic or service; by default the type around it.
    """

    place: Place
    message: str
    hint: str = ""
    note: str = ""
    edits: tuple[Edit, ...] = ()
    see: tuple[tuple[str, Place], ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """A schema file: its name, and the schema that it holds."""

    name: str
    root: Schema


@dataclass(slots=True)
class Here:
    """Where a rule stands: the repository, the file, the named type around, the field around."""

    survey: Survey
    file: str = ""
    owner: Named | None = None
    field: Field | None = None

    @property
    def contract(self) -> Contract:
        """The contract, which is whole where a rule looks at a part of it."""
        contract = self.survey.repository.contract
        assert contract is not None
        return contract

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, or what a reference refers to."""
        return self.survey.resolve(schema)


@dataclass(frozen=True)
class Survey:
    """A repository, and what several rules ask of it."""

    repository: Repository

    @property
    def types(self) -> Mapping[str, Named]:
        """Every named type by its full name."""
        return self.repository.schemas.types

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, or what a reference refers to; Broken where nothing has that name."""
        if isinstance(schema, Ref):
            return self.types.get(schema.name) or Broken(schema.origin)
        return schema

    def is_repetition(self, named: Named) -> bool:
        """Whether a definition only says again what the one that counts says."""
        return self.types[named.name] is not named and not find_difference(named, self.types)

    @cached_property
    def sent(self) -> frozenset[str]:
        """The full names of what travels on topics, as events or as keys."""
        contract = self.repository.contract
        topics = contract.topics if contract is not None else ()
        keys = (topic.key for topic in topics)
        roots = [one.schema.root for one in keys if isinstance(one, SchemaKey)]
        events = (event.name for topic in topics for event in topic.events)
        return frozenset((*events, *(getattr(root, "name", "") for root in roots)))

    @cached_property
    def uses(self) -> Mapping[str, tuple[Ref, ...]]:
        """All references to each full name, in the order of the files."""
        found: dict[str, list[Ref]] = {}
        for root in self.repository.schemas.roots.values():
            for node in walk(root):
                if isinstance(node, Ref):
                    found.setdefault(node.name, []).append(node)
        return {name: tuple(references) for name, references in found.items()}


Check: TypeAlias = Callable[[Any, Here], Iterable[Problem]]
"""Looks at one thing: a node of a schema, a field, a file, or a part of the manifest."""


@dataclass(slots=True)
class _Catalogue:
    checks: dict[type, list[tuple[Rule, Check]]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)


_CATALOGUE = _Catalogue()


def check(
    id: str, summary: str, *kinds: type, severity: Severity = Severity.WARNING
) -> Callable[[Callable[[T, Here], Iterable[Problem]]], Callable[[T, Here], Iterable[Problem]]]:
    """Declare a rule that looks at things of these kinds; the docstring is its rationale."""

    def declare(
        function: Callable[[T, Here], Iterable[Problem]],
    ) -> Callable[[T, Here], Iterable[Problem]]:
        rationale = " ".join(cleandoc(function.__doc__ or "").split())
        declared = rule(id, summary, rationale, severity=severity)
        _CATALOGUE.rules.append(declared)
        for kind in kinds:
            _CATALOGUE.checks.setdefault(kind, []).append((declared, function))
        return function

    return declare


@cache
def _checks() -> Mapping[type, tuple[tuple[Rule, Check], ...]]:
    """The rules of each kind, all modules of this package imported."""
    for module in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        import_module(f"{__name__}.{module}")
    return {kind: tuple(checks) for kind, checks in _CATALOGUE.checks.items()}


def lint_rules() -> tuple[Rule, ...]:
    """The rules of this package, sorted by id."""
    _checks()
    return tuple(sorted(_CATALOGUE.rules, key=lambda one: one.id))


def inspect(repository: Repository, findings: Findings) -> None:
    """Report what the rules find; those about topics and services need a contract.

    What is wrong in a type that files write out again is said once, of the definition that counts.
    """
    survey = Survey(repository)
    checks = _checks()

    def show(thing: object, here: Here, about: str) -> None:
        for found, function in checks.get(type(thing), ()):
            for problem in function(thing, here):
                _record(findings, found, problem, about)

    for name, root in repository.schemas.roots.items():
        show(SchemaFile(name, root), Here(survey, name), getattr(root, "name", ""))
        for thing, here in _walk(root, Here(survey, name)):
            show(thing, here, here.owner.name if here.owner is not None else "")
    everywhere = Here(survey)
    if (contract := repository.contract) is not None:
        for part, about in _walk_contract(contract):
            show(part, everywhere, about)
    show(survey, everywhere, "")


def _walk(root: Schema, here: Here) -> Iterator[tuple[Schema | Field, Here]]:
    """Every node and every field of a schema, in the order of the text."""
    waiting: list[tuple[Schema | Field, Here]] = [(root, here)]
    while waiting:
        node, here = waiting.pop()
        inner: list[tuple[Schema | Field, Here]]
        if isinstance(node, Field):
            around = Here(here.survey, here.file, here.owner, node)
            yield node, around
            inner = [(node.schema, around)]
        else:
            if isinstance(node, Record | Enum | Fixed):
                if here.survey.is_repetition(node):
                    continue
                here = Here(here.survey, here.file, node, here.field)
            yield node, here
            parts = node.fields if isinstance(node, Record) else tuple(children(node))
            inner = [(one, here) for one in parts]
        waiting.extend(reversed(inner))


def _walk_contract(contract: Contract) -> Iterator[tuple[object, str]]:
    yield contract, ""
    for topic in contract.topics:
        yield topic, topic.name
        for event in topic.events:
            yield event, event.name
    for service in contract.services:
        yield service, service.name


def _record(findings: Findings, found: Rule, problem: Problem, about: str) -> None:
    document = problem.place.document
    mends = (Mend(document.name, problem.hint, problem.edits),) if problem.edits else ()
    related = tuple(Related(word, location=locate(place)) for word, place in problem.see)
    findings.add(
        found,
        problem.place,
        problem.message,
        note=problem.note,
        hint=problem.hint,
        related=related,
        subject=problem.about or about,
        mends=mends,
    )


def raw(place: Place) -> Json:
    """The JSON value that stands at a place."""
    value = place.document.value
    for step in place.path:
        value = value[step]
    return value


__all__ = [
    "Check",
    "Contract",
    "Event",
    "Here",
    "Problem",
    "SchemaFile",
    "Service",
    "Survey",
    "Topic",
    "check",
    "inspect",
    "lint_rules",
    "raw",
]
