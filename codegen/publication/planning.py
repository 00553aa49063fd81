"""What must change in a registry so that it holds this contract. Nothing is written here.

Subjects stand in dependency order, so that a type is registered before those that refer to it. A
type that gets a new version takes all who refer to it along: their references name that version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from codegen.avro.canonical import parsing_canonical_form, render
from codegen.avro.wording import list_names
from codegen.baselines.answers import RegistryRefusal
from codegen.baselines.holdings import (
    Holdings,
    StoredSubject,
    StoredVersion,
    VersionReference,
    make_histories,
)
from codegen.baselines.registry import Prospect, RegistryClient
from codegen.contract.model import Contract, History, Level, SchemaKey, Subject
from codegen.contract.subjects import strictest
from codegen.diagnostics import Findings, Location, rule
from codegen.difference import MOST, find_differences
from codegen.rules.waivers import PAST_THE_REGISTRY, REGISTRY_REFUSES
from codegen.source import Json, Place

REFUSED = rule(
    "registry/refused",
    "The registry does not take a schema.",
    "A registry may be read-only for a while, or have rules of its own beyond the level. Producers "
    "look their schemas up and never register them, so none could send this event.",
)


class Action(Enum):
    """What becomes of a subject's schema."""

    UNCHANGED = "unchanged"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Step:
    """One subject: what the registry holds, and what it shall hold.

    `version` is the one that holds the schema, with its `id`, or the one expected once the schema
    is registered; then `id` is 0. `latest` is the newest version now, 0 for a new subject. `level`
    is the one that guards the subject now, its own or the global one; None where the registry names
    none. `metadata` is what the new version shall have, None for what the version before has.
    `stale` are the references that the version which holds the schema has instead of `references`;
    None where no version holds it. `changes` says in words what is new: in the schema, the
    references, then the metadata. `is_held` tells whether a version has this schema with these
    references, so that a new one would be about metadata only.
    """

    subject: Subject
    action: Action
    version: int
    id: int
    latest: int
    latest_id: int
    references: tuple[VersionReference, ...]
    level: Level | None
    metadata: Mapping[str, Json] | None = None
    properties: tuple[tuple[str, str, str], ...] = ()
    """The metadata properties that differ: name, value now, value wanted."""
    stale: tuple[VersionReference, ...] | None = None
    changes: tuple[str, ...] = ()
    is_held: bool = False

    @property
    def changes_level(self) -> bool:
        """Whether the level of the manifest must be set."""
        return self.level is not self.subject.level

    @property
    def tightens_level(self) -> bool:
        """Whether the level of the manifest asks at least all that the one now asks."""
        wanted = self.subject.level
        return self.level is None or strictest((self.level, wanted)) is wanted

    @property
    def is_older(self) -> bool:
        """Whether the registry holds the schema as an older version, and so makes no new one."""
        return self.action is Action.UNCHANGED and self.version < self.latest

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


def write_text(subject: Subject) -> str:
    """The schema text to register: what it refers to by name, what has no subject written out."""
    return render(subject.schema, inline=not subject.references)


def make_plan(contract: Contract, client: RegistryClient, findings: Findings) -> Plan:
    """Compare a contract with a registry, and ask the registry what it will say to the changes.

    What the registry says already now that it will refuse is a finding. Raises CouldNotCheck.
    """
    plan = compare(contract, client)
    new = [step for step in plan.steps if step.action is Action.REGISTER]
    prospects = client.find_prospects(step.subject.name for step in new)
    _report_modes(contract, client, prospects, findings)
    if new and contract.registry.context and not client.has_contexts():
        message = f"{client.name} has no contexts: to it they are a part of each subject's name"
        hint = "remove registry.context from the manifest, or name a registry that has them"
        findings.add(REFUSED, Location(contract.manifest.name), message, hint=hint)
    # Under another level than holds when it is registered, the answer would mean nothing.
    asked = [
        step for step in new if step.latest and (step.tightens_level or not step.changes_level)
    ]
    verdicts = client.judge((step.subject, step.level or step.subject.level) for step in asked)
    for step, verdict in zip(asked, verdicts, strict=True):
        if verdict is not None and not verdict.is_compatible:
            reasons = "; ".join(verdict.messages[:5]) or "it gives no reason"
            report_refusal(step.subject, reasons, client.name, findings)
    return _renumber(plan, prospects)


def compare(contract: Contract, client: RegistryClient) -> Plan:
    """Compare a contract with a registry. Raises CouldNotCheck.

    The versions expected are those that follow the newest live ones; deleted ones are not asked
    for.
    """
    names = [subject.name for subject in contract.subjects]
    comparison = _Comparison(client, client.fetch(names), _find_properties(contract))
    comparison.histories = make_histories(comparison.holdings, names, "registry")
    for subject in contract.subjects:
        comparison.steps[subject.name] = comparison.plan(subject)
    return Plan(client.name, tuple(comparison.steps.values()))


class _Comparison:
    def __init__(
        self,
        client: RegistryClient,
        holdings: Holdings,
        properties: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.client = client
        self.holdings = holdings
        self.histories: Mapping[str, History] = {}
        self.steps: dict[str, Step] = {}
        # Asked once, and only where the contract has something to keep there.
        with_some = next((name for name, wanted in properties.items() if wanted), None)
        keeps = with_some is not None and client.keeps_metadata(with_some)
        self.properties = properties if keeps else {}

    def plan(self, subject: Subject) -> Step:
        references = tuple(
            VersionReference(item.name, item.subject, self.steps[item.subject].version)
            for item in subject.references
        )
        wanted = self.properties.get(subject.name) or {}
        held = self.holdings.subjects.get(subject.name)
        history = self.histories.get(subject.name)
        level = self.holdings.level
        if held is None or history is None:
            added = {"properties": dict(wanted)} if wanted else None
            return Step(subject, Action.REGISTER, 1, 0, 0, 0, references, level, added)
        latest = held.versions[-1]
        same = self._find_same(subject, held, history)
        found = self._choose(references, same)
        metadata, differing = _merge_properties(latest.metadata, wanted)
        if found is not latest and found is not None:
            metadata, differing = None, ()  # what an older version says of itself stays
        step = Step(
            subject,
            Action.REGISTER if found is None or differing else Action.UNCHANGED,
            latest.version + 1 if found is None or differing else found.version,
            0 if found is None or differing else found.id,
            latest.version,
            latest.id,
            references,
            held.level or level,
            metadata,
            differing,
            same[0].references if same and found is None else None,
            is_held=found is not None,
        )
        return replace(step, changes=_describe(step, history)) if step.changes_anything else step

    def _choose(
        self, references: tuple[VersionReference, ...], same: list[StoredVersion]
    ) -> StoredVersion | None:
        """The newest of some versions with these references; None when none has them."""
        # A reference that is yet to be registered is a new version for all who refer to it.
        if any(self.steps[item.subject].action is Action.REGISTER for item in references):
            return None
        fitting = (item for item in same if frozenset(item.references) == frozenset(references))
        return next(fitting, None)

    def _find_same(
        self, subject: Subject, held: StoredSubject, history: History
    ) -> list[StoredVersion]:
        """The versions that hold this schema, whatever they refer to, the newest first.

        Schemas are compared as Confluent does, by the text that Avro Java prints them as, so it
        does not matter how a registry keeps them. Whether two that only read the same count as one
        is the registry's business, and it is asked: some normalize, and Apicurio 3 takes schemas
        that differ in docs and aliases for one.
        """
        text = write_text(subject)
        form = ""
        asked: dict[tuple[VersionReference, ...], StoredVersion | None] = {}
        found = []
        for stored, past in zip(reversed(held.versions), reversed(history.versions), strict=True):
            if past.schema is None or bool(stored.references) != bool(subject.references):
                continue
            if render(past.schema, inline=not stored.references) != text:
                form = form or parsing_canonical_form(subject.schema)
                if parsing_canonical_form(past.schema) != form:
                    continue
                if stored.references not in asked:
                    asked[stored.references] = self._look_up(subject.name, text, stored.references)
                same = asked[stored.references]
                if same is None or same.version != stored.version:
                    continue
            found.append(stored)
        return found

    def _look_up(
        self, subject: str, text: str, references: tuple[VersionReference, ...]
    ) -> StoredVersion | None:
        """The version with a text; none where the text cannot be read with these references, as
        when a type that it names has moved to a subject that they do not know."""
        try:
            return self.client.lookup(subject, text, references)
        except RegistryRefusal:
            return None


def _describe(step: Step, history: History) -> tuple[str, ...]:
    """What is new, in words: the schema, the references, the metadata."""
    latest = history.versions[-1].schema
    words = []
    if latest is None:
        words.append(f"v{step.latest} cannot be read: {history.versions[-1].problem}")
    elif step.action is Action.REGISTER:
        differences = find_differences(step.subject.schema, latest)
        words += [str(item) for item in differences[:MOST]]
        if len(differences) > MOST:
            words.append(f"and {len(differences) - MOST} more changes")
    is_new = step.action is Action.REGISTER and not step.is_held
    if step.stale is not None or (not words and is_new):
        words += _describe_references(step.references, step.stale or ())
    words += [
        f"{name} {show_text(new)}" + (f" (was {show_text(old)})" if old else "")
        for name, old, new in step.properties
    ]
    return tuple(words)


def _describe_references(
    now: Iterable[VersionReference], before: Iterable[VersionReference]
) -> Iterator[str]:
    held = {item.name: item for item in before}
    for item in now:
        old = held.get(item.name)
        if old is None:
            yield f"refers to {item.name} v{item.version}"
        elif old != item:
            subject = "" if old.subject == item.subject else f"{old.subject} "
            yield f"refers to {item.name} v{item.version} (was {subject}v{old.version})"


def show_text(text: str) -> str:
    """A value of the metadata on one line."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _find_properties(contract: Contract) -> Mapping[str, Mapping[str, str]]:
    """What the metadata of each subject shall say: the owner and the doc of its topic.

    A type that several topics share has no owner of its own.
    """
    found: dict[str, dict[str, set[str]]] = {}
    for topic in contract.topics:
        names = {event.subject for event in topic.events}
        if isinstance(topic.key, SchemaKey):
            names.add(topic.key.subject)
        for name in names:
            properties = found.setdefault(name, {"doc": set(), "owner": set()})
            properties["doc"].add(topic.doc)
            properties["owner"].add(topic.owner)
    return {
        name: {
            key: next(iter(values))
            for key, values in properties.items()
            if len(values) == 1 and values != {""}
        }
        for name, properties in sorted(found.items())
    }


def _merge_properties(
    metadata: Mapping[str, Json] | None, wanted: Mapping[str, str]
) -> tuple[Mapping[str, Json] | None, tuple[tuple[str, str, str], ...]]:
    """The metadata with the properties wanted, and what differs; None where nothing does.

    What others keep there stays: a registry may tell compatibility groups apart by it.
    """
    held = (metadata or {}).get("properties")
    before = held if isinstance(held, dict) else {}
    differing = tuple(
        (name, str(before.get(name, "")), value)
        for name, value in wanted.items()
        if before.get(name) != value
    )
    if not differing:
        return None, ()
    return {**(metadata or {}), "properties": {**before, **wanted}}, differing


def _renumber(plan: Plan, prospects: Mapping[str, Prospect]) -> Plan:
    """The plan with the versions that deleted ones leave free, and the level of who comes back."""
    versions: dict[str, int] = {}
    steps = []
    for step in plan.steps:
        references = tuple(
            replace(item, version=versions.get(item.subject, item.version))
            for item in step.references
        )
        prospect = prospects.get(step.subject.name)
        new = replace(step, references=references)
        if prospect is not None:
            level = step.level if step.latest else prospect.level or step.level
            new = replace(new, version=prospect.version, level=level)
        versions[step.subject.name] = new.version
        steps.append(new)
    return Plan(plan.registry, tuple(steps))


def _report_modes(
    contract: Contract,
    client: RegistryClient,
    prospects: Mapping[str, Prospect],
    findings: Findings,
) -> None:
    by_mode: dict[str, list[str]] = {}
    for name, prospect in prospects.items():
        if prospect.mode not in ("READWRITE", "FORWARD"):
            by_mode.setdefault(prospect.mode, []).append(name)
    for mode, names in sorted(by_mode.items()):
        hint = "publish when its mode is READWRITE again (PUT /mode)"
        if mode == "IMPORT":
            hint = "end the import first: it must be in the mode READWRITE (PUT /mode)"
        message = f"{client.name} is in the mode {mode} for {list_names(names)}"
        findings.add(REFUSED, Location(contract.manifest.name), message, hint=hint)


def report_refusal(subject: Subject, said: str, registry: str, findings: Findings) -> None:
    """Report that the registry does not take a schema, in its own words.

    The warning that it will not, where the break is waived, has become true and says no more.
    """
    findings.items = [
        item
        for item in findings
        if item.rule is not REGISTRY_REFUSES or item.subject != subject.name
    ]
    hint = "see what would break, and how to mend it: kontrakt check --against registry"
    if any(item.waived and subject.name in item.changes for item in findings):
        hint = PAST_THE_REGISTRY
    findings.add(
        REFUSED,
        Place(subject.document),
        f"{registry} does not take this schema for {subject.name}: {said}",
        hint=hint,
        subject=subject.name,
    )
