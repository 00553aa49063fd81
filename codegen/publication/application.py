"""Doing what a plan says. Nothing is ever deleted, and it can be interrupted anywhere.

References are registered before those who refer to them. Each step is safe to repeat, so after an
interruption the next plan is what was left over.

A level that asks for less is set before the schema is registered: the registry would refuse what
the new level was reviewed to allow. One that asks for more is set after it: no schema that passed
the review is then refused half-way, and whoever is interrupted leaves a subject that is guarded as
before. One that asks for something else is set before, so that the registry judges by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.baselines.answers import RegistryRefusal
from codegen.baselines.holdings import StoredVersion, VersionReference
from codegen.baselines.registry import RegistryClient
from codegen.counting import count_done
from codegen.diagnostics import CouldNotCheck, Findings, Location, rule
from codegen.progress import work
from codegen.publication.planning import Action, Plan, Step, report_refusal, write_text

OUT_OF_DATE = rule(
    "plan/out-of-date",
    "The registry or the files have moved on since the plan was made.",
    "What was reviewed is not what would be done: somebody registered a version, or edited a file. "
    "Make the plan anew, and look at it again.",
)


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was applied; `stored` is the version that was registered, if one was."""

    step: Step
    stored: StoredVersion | None


class _MovedOn(Exception):
    """Somebody else registered a version between the plan and its application."""


def apply_plan(plan: Plan, client: RegistryClient, findings: Findings) -> tuple[Done, ...]:
    """Do what a plan says, and say what was done.

    Stops with a finding at the first schema that the registry refuses, since those that come after
    it may refer to it, and where somebody else has registered something meanwhile. Raises
    CouldNotCheck when the registry is lost on the way; in each case, planning and applying again
    goes on from there.
    """
    versions: dict[str, int] = {}
    done: list[Done] = []
    with work(f"Publishing to {client.name}") as progress:
        progress.expect(len(plan.steps))
        for step in plan.steps:
            try:
                stored = _apply_step(step, client, versions)
                versions[step.subject.name] = step.version if stored is None else stored.version
                if step.changes_anything:
                    done.append(Done(step, stored))
                if stored is not None and stored.version > step.version:
                    _require_nothing_between(step, stored, client)
            except RegistryRefusal as refusal:
                report_refusal(step.subject, refusal.message, client.name, findings)
                break
            except _MovedOn as moved:
                where = Location(step.subject.document.name)
                hint = "look at the plan again: kontrakt register"
                findings.add(OUT_OF_DATE, where, str(moved), hint=hint, subject=step.subject.name)
                break
            except CouldNotCheck as error:
                so_far = count_done(len(done), len(plan.changes), "step")
                hint = f"{error.hint}; then run the same command again"
                raise CouldNotCheck(f"{error.message} ({so_far})", hint) from error
            progress.advance()
    return tuple(done)


def _apply_step(
    step: Step, client: RegistryClient, versions: Mapping[str, int]
) -> StoredVersion | None:
    name, stored = step.subject.name, None
    references = tuple(
        VersionReference(item.name, item.subject, versions[item.subject])
        for item in step.references
    )
    if step.action is Action.REGISTER:
        stored = _find_done(step, references, client)
    # A new subject has nothing to be judged by, and some registries know no level of it yet.
    is_late = step.tightens_level or not step.latest
    if step.changes_level and not is_late:
        client.set_level(step.subject.level, name)
    if step.action is Action.REGISTER and stored is None:
        stored = _register(step, references, client)
    if step.changes_level and is_late:
        client.set_level(step.subject.level, name)
    return stored


def _register(
    step: Step, references: tuple[VersionReference, ...], client: RegistryClient
) -> StoredVersion:
    try:
        text = write_text(step.subject)
        return client.register(step.subject.name, text, references, step.metadata)
    except RegistryRefusal:
        # Apicurio refuses who comes second at the same moment, be it with the same schema.
        if (stored := _find_done(step, references, client)) is not None:
            return stored
        raise


def _find_done(
    step: Step, references: tuple[VersionReference, ...], client: RegistryClient
) -> StoredVersion | None:
    """The newest version, where somebody has registered this schema meanwhile.

    None where the newest one is that planned on. Raises _MovedOn where it is another one.
    """
    name = step.subject.name
    latest = max(client.versions(name), default=0)
    if latest == step.latest:
        return None
    ours = client.lookup(name, write_text(step.subject), references, step.metadata)
    if ours is None or ours.version != latest:
        now = f"at v{latest}" if latest else "without a version"
        then = f"at v{step.latest}" if step.latest else "without one"
        raise _MovedOn(f"{name} is {now} now; it was {then} when the plan was made")
    return ours


def _require_nothing_between(step: Step, stored: StoredVersion, client: RegistryClient) -> None:
    """Raise _MovedOn where others registered after the look at the newest version.

    A registry takes no condition along with a schema, so that moment cannot be closed. Where it
    does not tell of deleted versions, the number alone may be another one than expected; and who
    registers the same schema at the same moment may get a version of his own (Apicurio).
    """
    numbers = client.versions(step.subject.name)
    between = [number for number in numbers if step.latest < number < stored.version]
    others = [item for number in between if (item := client.find(stored.subject, number))]
    theirs = [item for item in others if _content(item) != _content(stored)]
    if theirs:
        listed = ", ".join(f"v{item.version}" for item in theirs)
        raise _MovedOn(
            f"{step.subject.name} became v{stored.version}: somebody else registered {listed} at "
            "the same moment, and this schema was reviewed without it"
        )


def _content(stored: StoredVersion) -> tuple[str, frozenset[VersionReference]]:
    return stored.text, frozenset(stored.references)
