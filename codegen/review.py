"""Does this contract break anyone? Each subject against its past, and the registry's own answer.

The verdict is always computed here, from both schemas. A registry is asked as well, and where its
answer is another one that is a finding: it will have the last word when the schema is registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from codegen.avro.canonical import render
from codegen.avro.resolution import TooManyPairs
from codegen.avro.wording import list_names
from codegen.baselines import Archive, Baseline, Repository
from codegen.baselines.registry import RegistryBaseline, RegistryClient
from codegen.compatibility import SCOPES, Direction, Judge, Verdict
from codegen.contract.model import Contract, History, Level, Subject, Topic
from codegen.contract.subjects import strictest
from codegen.counting import count_words
from codegen.diagnostics import Findings, Location, Severity, rule
from codegen.difference import EventDifference, State, compare_contracts
from codegen.impact.exposure import Impact, Refusal
from codegen.impact.judgement import Surroundings, judge_impacts
from codegen.impact.unsafe import report_unsafe
from codegen.lock import Lock
from codegen.rules.breaking import NOT_JUDGED, advise_unread, report_breaks
from codegen.rules.decoding import report_surprises
from codegen.rules.evolution import report_hazards
from codegen.rules.payload import report_growth
from codegen.rules.renames import report_renames
from codegen.rules.shift import Shift, place_of
from codegen.rules.succession import find_shifts, report_not_compared, report_shifts
from codegen.rules.topic_changes import describe_weakening
from codegen.rules.waivers import apply_waivers, name_changes, report_refusals
from codegen.source import Place
from codegen.topology import Succession, compare_topologies

REGISTRY_DIFFERS = rule(
    "compat/registry-differs",
    "The registry judges a schema otherwise than this check.",
    "The registry has the last word when a schema is registered, and consumers have it when they "
    "read. Where the two differ, publishing stops although all is well, or it passes and consumers "
    "stop.",
)
NO_PAST = rule(
    "compat/no-past",
    "The baseline holds nothing of this contract, so nothing was compared.",
    "That is right before the first registration. Later it means that the past was looked for in "
    "the wrong place, most often because the address of the registry is not set.",
    severity=Severity.WARNING,
)
REGISTRY_SILENT = rule(
    "compat/registry-silent",
    "The registry gives no answer of its own about a schema.",
    "Some registries cannot judge a schema that refers to others. The verdict of this check holds "
    "all the same; that the registry will take the schema is not known before it is registered.",
    severity=Severity.NOTE,
)
SOFT_DELETED = rule(
    "compat/soft-deleted",
    "All versions of a subject are soft-deleted in the registry.",
    "To the registry such a subject has no past: it takes any schema as the next version. The "
    "messages that the deleted versions wrote are on the topic as before, and so this check "
    "compares with them all the same. A subject that shall begin anew is deleted for good.",
    severity=Severity.WARNING,
)
OLDER_VERSION = rule(
    "compat/older-version",
    "A schema is an older version of its subject again.",
    "A registry makes no new version of a schema that it holds: the newest stays the newest, and "
    "whoever asks for that gets another schema than this one. Most often a branch lacks what was "
    "published from another one in the meantime.",
    severity=Severity.WARNING,
)
LEVEL_DIFFERS = rule(
    "compat/level-differs",
    "The registry guards a subject with another level than the manifest states.",
    "The registry judges by its own level. Whoever registers past this tool is held to that, not "
    "to the reviewed one. Registering with kontrakt sets the level of the manifest.",
    severity=Severity.WARNING,
)


@dataclass(frozen=True, slots=True)
class Review:
    """What a check found out about each subject of a contract; see `findings` for what is wrong."""

    new: tuple[Subject, ...]
    changed: tuple[Subject, ...]
    unchanged: tuple[Subject, ...]
    impacts: tuple[Impact, ...]
    version_count: int
    refused: Mapping[str, str]
    """What a registry has against subjects: its own words, or the level that they break."""
    broken: tuple[str, ...]
    """The subjects with a verdict that is not good."""
    differences: tuple[EventDifference, ...]
    """What changed in each event and each key, in words."""
    topology: tuple[EventDifference, ...]
    """What changed in topics and services, in words."""
    shifts: tuple[Shift, ...]
    """Those changes of topics and services that hurt somebody."""


def review(
    contract: Contract,
    baseline: Baseline,
    findings: Findings,
    lock: Lock | None = None,
    today: date | None = None,
) -> Review:
    """Judge every subject of the contract at its level. Raises CouldNotCheck.

    `lock` tells which schemas the services' stubs were made from, unless the baseline has a lock of
    its own, which says what runs until the change comes. `today` tells which waivers hold; by
    default it is the day in UTC, so that it is one day everywhere.
    """
    histories = baseline.histories(contract)
    found = Findings()
    deployed = baseline.lock() if isinstance(baseline, Repository) else None
    outcome = _judge_all(contract, baseline, histories, found, deployed or lock or Lock())
    named = name_changes(found, contract, histories)
    day = today or datetime.now(UTC).date()
    judged = Findings(apply_waivers(contract.waivers, named, day))
    asked = baseline.client.name if isinstance(baseline, RegistryBaseline) else ""
    report_refusals(contract, outcome.refused, judged, asked)
    findings.items += judged.items
    return outcome


def _judge_all(
    contract: Contract,
    baseline: Baseline,
    histories: Mapping[str, History],
    findings: Findings,
    lock: Lock,
) -> Review:
    judge = Judge()
    new: list[Subject] = []
    changed: list[Subject] = []
    unchanged: list[Subject] = []
    judged: list[tuple[Subject, Verdict]] = []
    for subject in contract.subjects:
        history = histories.get(subject.name)
        if history is None or not history.versions:
            new.append(subject)
            continue
        (unchanged if _is_latest(subject, history) else changed).append(subject)
        judged.append((subject, judge.judge(subject.schema, history, subject.level)))
        if history.is_deleted:
            _report_deleted(subject, history, findings)
    if not isinstance(baseline, Repository):
        _compare_levels(contract, [subject for subject, _ in judged], histories, findings)
    if not judged and contract.subjects:
        findings.add(
            NO_PAST,
            Location(contract.manifest.name),
            f"nothing was compared: {baseline.name} holds nothing of this contract "
            f"({count_words(len(new), 'subject')})",
            hint="publish them with kontrakt register --apply, or name another past, for example "
            "--against git:main",
        )
    report_breaks(judged, findings)
    report_growth(contract.topics, histories, findings)
    hazards = report_hazards(((one, histories[one.name]) for one in changed), findings)
    events = {event.subject for event in contract.events}
    new_events = [subject for subject in new if subject.name in events]
    renamed: frozenset[str] = frozenset()
    if new_events and isinstance(baseline, Archive):
        renamed = report_renames(new_events, baseline.departed(contract), findings)
    succession = _find_succession(contract, baseline, renamed, findings)
    shifts = () if succession is None else find_shifts(succession)
    report_shifts(shifts, baseline.name, findings)
    verdicts = {subject.name: verdict for subject, verdict in judged}
    for subject in changed:
        _report_unasked(subject, verdicts[subject.name], histories[subject.name], findings)
        _report_older(subject, histories[subject.name], findings)
        _foresee(subject, histories[subject.name], findings)
    broken = tuple(subject for subject, verdict in judged if not verdict.is_compatible)
    refused: Mapping[str, str] = {
        subject.name: f"it breaks {subject.level.value}" for subject in broken
    }
    if isinstance(baseline, RegistryBaseline):
        alive = [subject for subject in changed if not histories[subject.name].is_deleted]
        refused = _compare_verdicts(alive, histories, baseline.client, judge, findings)
    surroundings = Surroundings(
        contract,
        histories,
        {one.name: one for one in changed},
        _find_refusals(changed, judged, histories, judge),
        judge,
        hazards,
        lock,
        () if succession is None else tuple(succession.departed),
        None if succession is None else succession.old,
    )
    impacts = judge_impacts(surroundings)
    broken_events = {
        event
        for subject, verdict in judged
        if verdict.failures and not subject.is_key
        for event in subject.events
    }
    passed = [one for one in impacts if one.event.name not in broken_events]
    report_unsafe(contract, passed, histories, judge, findings)
    return Review(
        tuple(new),
        tuple(changed),
        tuple(unchanged),
        impacts,
        sum(len(history.versions) for history in histories.values()),
        refused,
        tuple(subject.name for subject in broken),
        _differences(contract, {one.name: histories[one.name] for one in changed}),
        () if succession is None else compare_topologies(succession),
        shifts,
    )


def _find_succession(
    contract: Contract, baseline: Baseline, renamed: frozenset[str], findings: Findings
) -> Succession | None:
    """The contract and the one before it; None where the baseline states none that can be read."""
    if not isinstance(baseline, Repository):
        return None
    trouble = Findings()
    old = baseline.contract(trouble)
    if trouble.has_errors:
        report_not_compared(contract.manifest.name, baseline.name, trouble, findings)
    return None if old is None else Succession(contract, old, baseline.name, renamed)


_STRICTEST_FIRST = (
    Level.FULL_TRANSITIVE,
    Level.FULL,
    Level.BACKWARD_TRANSITIVE,
    Level.FORWARD_TRANSITIVE,
    Level.BACKWARD,
    Level.FORWARD,
)


def _find_refusals(
    changed: Iterable[Subject],
    judged: Iterable[tuple[Subject, Verdict]],
    histories: Mapping[str, History],
    judge: Judge,
) -> dict[str, Refusal]:
    """The changed subjects that their level refuses, and the strictest level that would not.

    A registry refuses nothing where all versions are deleted.
    """
    names = {one.name for one in changed if not histories[one.name].is_deleted}
    return {
        subject.name: Refusal(
            subject.name,
            subject.level,
            next(
                (
                    level
                    for level in _STRICTEST_FIRST
                    if judge.judge(subject.schema, histories[subject.name], level).is_compatible
                ),
                Level.NONE,
            ),
        )
        for subject, verdict in judged
        if verdict.failures and subject.name in names
    }


def _report_unasked(subject: Subject, verdict: Verdict, history: History, found: Findings) -> None:
    """Say which versions cannot be read where the level does not ask about them anyway."""
    checked = {id(version) for version in verdict.checked}
    for version in history.versions:
        if version.schema is None and id(version) not in checked:
            found.add(
                NOT_JUDGED,
                Place(subject.document),
                f"{version.label} of {subject.name} could not be compared: {version.problem}",
                note=f"the level {subject.level.value} does not ask about it, but messages of it "
                "may be on the topic",
                hint=advise_unread(version),
                subject=subject.name,
                severity=Severity.WARNING,
            )


def _differences(contract: Contract, changed: Mapping[str, History]) -> tuple[EventDifference, ...]:
    compared = compare_contracts(contract, changed)
    return tuple(one for one in compared if one.state is State.CHANGED)


def _foresee(subject: Subject, history: History, findings: Findings) -> None:
    """Report where decoding will not do what the registry's verdict on the latest version says."""
    latest = history.versions[-1].schema
    if latest is None:
        return
    for direction in SCOPES[subject.level].directions:
        is_forward = direction is Direction.FORWARD
        reader, writer = (latest, subject.schema) if is_forward else (subject.schema, latest)
        try:
            report_surprises(
                reader, writer, findings, subject=subject.name, is_writer_new=is_forward
            )
        except TooManyPairs:
            return  # the verdict itself reports it


def _is_latest(subject: Subject, history: History) -> bool:
    latest = history.versions[-1].schema
    if latest is None:
        return False
    return render(subject.schema, inline=True) == render(latest, inline=True)


def _report_older(subject: Subject, history: History, findings: Findings) -> None:
    older = history.find_older(subject.schema)
    if older is not None:
        newest = history.versions[-1].version
        findings.add(
            OLDER_VERSION,
            Place(subject.document),
            f"{subject.name} is v{older.version} again, and v{newest} is the newest",
            note=f"a registry takes it for v{older.version}, and makes no new version of it",
            hint="take the newest with kontrakt pull, or change that one",
            subject=subject.name,
        )


def _report_deleted(subject: Subject, history: History, findings: Findings) -> None:
    versions = list_names([f"v{version.version}" for version in history.versions])
    findings.add(
        SOFT_DELETED,
        Place(subject.document),
        f"the registry holds {subject.name} soft-deleted only ({versions}), and takes any schema",
        note="this check compares with the deleted versions: their messages may be on the topic"
        if all(version.schema for version in history.versions)
        else "",
        hint="kontrakt register --apply publishes it again; if no such message is left, delete "
        "the subject for good (permanent=true), and it begins anew",
        subject=subject.name,
    )


def _compare_levels(
    contract: Contract,
    subjects: Iterable[Subject],
    histories: Mapping[str, History],
    findings: Findings,
) -> None:
    """A finding for each statement of a level that a registry differs from, whomever it is about.

    What is deleted has no level.
    """
    topics: dict[str, list[Topic]] = {}
    for event in contract.events:
        topics.setdefault(event.name, []).append(contract.topic(event.topic))
    differing: dict[tuple[Place, Level], list[Subject]] = {}
    for subject in subjects:
        history = histories[subject.name]
        level = history.level
        if level is not None and level is not subject.level and not history.is_deleted:
            used = [topic for name in subject.events for topic in topics.get(name, ())]
            guard = next((topic for topic in used if topic.level is subject.level), None)
            place = Place(contract.manifest, ("topics",), on_key=True)
            if guard is not None:
                place = place_of(guard, "compatibility", contract)
            differing.setdefault((place, level), []).append(subject)
    for (place, level), alike in differing.items():
        first, others = alike[0], len(alike) - 1
        passing = describe_weakening(first.level, level)
        who = f"{first.name} and {count_words(others, 'other subject')}" if others else first.name
        findings.add(
            LEVEL_DIFFERS,
            place,
            f"{who} {'have' if others else 'has'} the level {level.value} in the registry, and "
            f"{first.level.value} in the manifest"
            + (f"; with that would pass: {passing}" if passing else ""),
            hint="kontrakt register --apply sets the level of the manifest",
            subject=first.name,
        )


def _compare_verdicts(
    changed: Sequence[Subject],
    histories: Mapping[str, History],
    client: RegistryClient,
    judge: Judge,
    findings: Findings,
) -> Mapping[str, str]:
    """Why the registry will refuse schemas when they are registered, by subject.

    That it judges otherwise than this check, or not at all, is a finding.
    """
    refused = {}
    levels = [histories[subject.name].level or Level.BACKWARD for subject in changed]
    theirs = client.judge(zip(changed, levels, strict=True))
    for subject, level, verdict in zip(changed, levels, theirs, strict=True):
        ours = judge.judge(subject.schema, histories[subject.name], level)
        if verdict is None:
            message = f"{client.name} does not judge {subject.name}: its schema has references"
            hint = "nothing to mend; kontrakt probe shows what else the registry leaves out"
            place = Place(subject.document)
            findings.add(REGISTRY_SILENT, place, message, hint=hint, subject=subject.name)
            continue
        said = "; ".join(verdict.messages[:3]) or "it gives no reason"
        is_loosened = strictest((level, subject.level)) is not subject.level
        if is_loosened:
            # Registering sets the level of the manifest first, and the registry judges by that.
            if not judge.judge(
                subject.schema, histories[subject.name], subject.level
            ).is_compatible:
                refused[subject.name] = f"it breaks {subject.level.value}"
        elif not verdict.is_compatible:
            refused[subject.name] = said
        if ours.is_compatible != verdict.is_compatible:
            _report_disagreement(subject, level, ours, said, findings)
    return refused


def _report_disagreement(
    subject: Subject, level: Level, ours: Verdict, said: str, findings: Findings
) -> None:
    if ours.is_compatible:
        message = f"the registry refuses this schema at the level {level.value}, and data can be "
        message += f"read: {said}"
        hint = "it has the last word: ask those who run it what it wants beyond the level"
    else:
        message = f"the registry accepts this schema at the level {level.value}, and data cannot "
        message += "be read"
        hint = "mend what this check reports: consumers stop, whatever the registry says"
    findings.add(
        REGISTRY_DIFFERS, Place(subject.document), message, hint=hint, subject=subject.name
    )
