"""What must change in a registry so that it holds this contract, and changing it.

A plan says for each subject whether the registry holds its schema and its level already. Applying
it goes in dependency order, so a reference is registered before those who refer to it, and is safe
to repeat: after an interruption the next plan is what was left over. Nothing is ever deleted.

A subject's level is set before its schema is registered, so that the registry judges the schema by
the level that was reviewed, whether that is looser or stricter than the one before. Only a subject
that is new gets it afterwards: no level matters for a first version, and some registries know no
level of a subject without versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from codegen.avro.canonical import render
from codegen.baselines.answers import RegistryRefusal
from codegen.baselines.holdings import (
    Holdings,
    StoredSubject,
    StoredVersion,
    VersionReference,
    make_histories,
)
from codegen.baselines.registry import RegistryClient
from codegen.contract.model import Contract, History, Level, Subject
from codegen.diagnostics import CouldNotCheck, Findings, rule
from codegen.source import Place

REFUSED = rule(
    "registry/refused",
    "The registry does not take a schema.",
    "Producers look their schemas up and never register them, so none could send this event.",
)


class Action(Enum):
    """What becomes of a subject's schema."""

    UNCHANGED = "unchanged"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Step:
    """One subject: what the registry holds, and what it shall hold.

    `version` is the one that holds the schema, or the one expected once it is registered. `latest`
    is the newest version now, 0 for a new subject. `level` is the subject's own level now.
    """

    subject: Subject
    action: Action
    version: int
    latest: int
    references: tuple[VersionReference, ...]
    level: Level | None

    @property
    def changes_level(self) -> bool:
        """Whether the level of the manifest must be set."""
        return self.level is not self.subject.level

    @property
    def changes_anything(self) -> bool:
        """Whether there is anything to do."""
        return self.changes_level or self.action is Action.REGISTER


@dataclass(frozen=True, slots=True)
class Plan:
    """All subjects of a contract in dependency order, for the registry of this name."""

    registry: str
    steps: tuple[Step, ...]

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that do something."""
        return tuple(step for step in self.steps if step.changes_anything)


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was applied; `stored` is the version that was registered, if one was."""

    step: Step
    stored: StoredVersion | None


def write_text(subject: Subject) -> str:
    """The schema text to register: what it refers to by name, what has no subject written out."""
    return render(subject.schema, inline=not subject.references)


def make_plan(contract: Contract, client: RegistryClient, findings: Findings) -> Plan:
    """Compare a contract with a registry. Nothing is written.

    What the registry says already now that it will refuse is a finding. Raises CouldNotCheck.
    """
    names = [subject.name for subject in contract.subjects]
    holdings = client.fetch(names)
    histories = make_histories(holdings, names, "registry")
    steps: dict[str, Step] = {}
    for subject in contract.subjects:
        step = _plan_subject(subject, holdings, histories.get(subject.name), steps)
        steps[subject.name] = step
        # Under another level than the plan will set, the registry's answer would mean nothing.
        if step.action is Action.REGISTER and step.latest:
            guard = step.level or holdings.level
            if guard is subject.level:
                _ask(subject, client, findings)
    return Plan(client.name, tuple(steps.values()))


def apply_plan(plan: Plan, client: RegistryClient, findings: Findings) -> tuple[Done, ...]:
    """Do what a plan says, and say what was done.

    Stops at the first schema that the registry refuses, with a finding: those that come after it
    may refer to it. Raises CouldNotCheck when the registry is lost on the way; both ways, planning
    and applying again goes on from there.
    """
    versions: dict[str, int] = {}
    done: list[Done] = []
    for step in plan.steps:
        try:
            stored = _apply_step(step, client, versions)
        except RegistryRefusal as refusal:
            _report(step.subject, refusal.message, client, findings)
            break
        except CouldNotCheck as error:
            so_far = f"{len(done)} of {len(plan.changes)} steps were done"
            hint = f"{error.hint}; then run the same command again"
            raise CouldNotCheck(f"{error.message} ({so_far})", hint) from error
        versions[step.subject.name] = step.version if stored is None else stored.version
        if step.changes_anything:
            done.append(Done(step, stored))
    return tuple(done)


def _apply_step(
    step: Step, client: RegistryClient, versions: Mapping[str, int]
) -> StoredVersion | None:
    stored = None
    if step.changes_level and step.latest:
        client.set_level(step.subject.level, step.subject.name)
    if step.action is Action.REGISTER:
        references = tuple(
            VersionReference(item.name, item.subject, versions[item.subject])
            for item in step.references
        )
        stored = client.register(step.subject.name, write_text(step.subject), references)
    if step.changes_level and not step.latest:
        client.set_level(step.subject.level, step.subject.name)
    return stored


def _plan_subject(
    subject: Subject, holdings: Holdings, history: History | None, steps: Mapping[str, Step]
) -> Step:
    references = tuple(
        VersionReference(item.name, item.subject, steps[item.subject].version)
        for item in subject.references
    )
    held = holdings.subjects.get(subject.name)
    if held is None or history is None:
        return Step(subject, Action.REGISTER, 1, 0, references, None)
    latest = held.versions[-1].version
    # A reference that is yet to be registered is a new version for all who refer to it.
    is_settled = all(steps[item.subject].action is Action.UNCHANGED for item in references)
    found = _find(subject, references, held, history) if is_settled else 0
    action = Action.UNCHANGED if found else Action.REGISTER
    return Step(subject, action, found or latest + 1, latest, references, held.level)


def _find(
    subject: Subject,
    references: tuple[VersionReference, ...],
    held: StoredSubject,
    history: History,
) -> int:
    """The newest version that holds this schema with these references; 0 when none does.

    Schemas are compared as Confluent does, by the text that Avro Java prints them as, so it does
    not matter how a registry keeps them.
    """
    text = write_text(subject)
    for stored, past in zip(reversed(held.versions), reversed(history.versions), strict=True):
        if past.schema is None or frozenset(stored.references) != frozenset(references):
            continue
        if render(past.schema, inline=not stored.references) == text:
            return stored.version
    return 0


def _ask(subject: Subject, client: RegistryClient, findings: Findings) -> None:
    verdict = client.judge(subject, subject.level)
    if verdict is not None and not verdict.is_compatible:
        reasons = "; ".join(verdict.messages[:5]) or "it gives no reason"
        _report(subject, reasons, client, findings)


def _report(subject: Subject, said: str, client: RegistryClient, findings: Findings) -> None:
    findings.add(
        REFUSED,
        Place(subject.document),
        f"{client.name} does not take this schema for {subject.name}: {said}",
        hint="see what would break, and how to mend it: kontrakt check --against registry",
        subject=subject.name,
    )
