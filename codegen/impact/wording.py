"""The impact of changes in words: who breaks, what each service does, and the order of deployment.

Everything said here is data in the other modules of this package; `kontrakt impact --format json`
prints both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from codegen.avro.schema import split_name
from codegen.contract.model import Level, Topic
from codegen.impact.exposure import Impact, Refusal, Rollout
from codegen.impact.migration import Migration, make_migration
from codegen.impact.plan import Plan, Release, Step, Wait
from codegen.topology import describe_duration, join

Section = tuple[str, tuple[str, ...]]


def describe(impacts: Iterable[Impact], plan: Plan, today: date) -> tuple[Section, ...]:
    """The sections of a check's report: who breaks, and the order of deployment."""
    breaking = tuple(sentence for one in impacts for sentence in describe_victims(one))
    sections = (("Who breaks", breaking), ("Deploy", describe_plan(plan, today)))
    return tuple((title, lines) for title, lines in sections if lines)


def describe_victims(one: Impact) -> tuple[str, ...]:
    """Who breaks and when; nothing where nobody does."""
    if one.is_new:
        return ()
    producers = join([part.service for part in one.producers]) or "any producer"
    consumers = [part.service for part in one.consumers]
    sentences = []
    if one.stale:
        sentences.append(
            f"{join(consumers) or 'any consumer'}, once deployed with the new {one.name}: "
            f"{_cannot(consumers)} read what {producers} {_retained(one)}."
        )
    if one.is_late:
        sentences.append(
            f"{join(one.late) or 'any consumer'}, until deployed with the new {one.name}: "
            f"{_cannot(one.late)} read what {producers} will write with it."
        )
    return tuple(sentences)


def describe_title(one: Impact) -> str:
    """An event and its versions, for example `OrderPlaced v3 -> v4`."""
    return f"{one.name} is new" if one.is_new else f"{one.name} {one.before} -> {one.after}"


def describe_services(one: Impact) -> tuple[str, ...]:
    """A line for each service of a changed event: what it writes or reads, and what it cannot."""
    width = max(map(len, one.services), default=0)
    lines = []
    for producer in one.producers:
        origin = f", {producer.version} until it is deployed" if producer.version else ""
        lines.append(f"{producer.service:<{width}}   writes {one.after}{origin}")
    for consumer in one.consumers:
        reason = f" ({consumer.obstacles[0]})" if consumer.obstacles else ""
        word = "cannot read" if consumer.obstacles else "reads"
        if one.rollout is Rollout.UNKNOWN and not consumer.obstacles:
            word = "nobody knows whether it reads"
        origin = f"with {consumer.version} it " if consumer.version else "until it is deployed it "
        lines.append(f"{consumer.service:<{width}}   {origin}{word} {one.after}{reason}")
    if one.stale:
        lines.append(
            f"{one.after} cannot read what {join(one.stale)} wrote: {'; '.join(one.obstacles[:3])}"
        )
    if one.problem:
        lines.append(one.problem)
    return tuple(lines)


def describe_assumptions(impacts: Iterable[Impact]) -> tuple[str, ...]:
    """What was taken for granted: services of which no lock tells what is deployed."""
    names = dict.fromkeys(name for one in impacts for name in one.assumed)
    if not names:
        return ()
    word = "is" if len(names) == 1 else "are"
    return (
        f"{join(tuple(names))} {word} assumed to run with the latest version: no lock says what "
        "was deployed.",
    )


def describe_plan(plan: Plan, today: date) -> tuple[str, ...]:
    """The steps of deploying all changed events, or why there is no order that is safe."""
    lines: list[str] = []
    for one in plan.unknown:
        lines.append(f"{one.name}: unknown. {_sentence(one.problem)}")
    for one, circle in plan.unsafe:
        lines += _describe_migration(make_migration(one), circle, today)
    planned = [one for release in plan.releases for one in release.impacts]
    for one in planned:
        if one.refusal is not None:
            lines.append(_describe_refusal(one, one.refusal))
    several = len(plan.releases) > 1
    if several:
        lines.append("No single order is safe for all. Release one after the other:")
    number = 1
    for release in plan.releases:
        if several:
            lines.append(f"{join([one.name for one in release.impacts])}:")
        for text in _describe_release(release):
            lines.append(f"{number}. {text}")
            number += 1
    for one in planned:
        lines += _describe_torn(one)
        if kept := describe_kept(one, today):
            lines.append(kept)
    return tuple(lines)


def _describe_release(release: Release) -> Iterable[str]:
    yield f"{_level_words(release)}register {join(list_registrations(release))}"
    for step in release.steps:
        yield describe_step(step)


def list_registrations(release: Release) -> list[str]:
    """What a release registers, shared types first, with the versions that they will get."""
    shared = dict.fromkeys(split_name(name)[1] for one in release.impacts for name in one.shared)
    events = [
        f"{one.name} {one.after}" if one.after.startswith("v") else one.name
        for one in release.impacts
    ]
    return [*shared, *events]


def _level_words(release: Release) -> str:
    """The levels that must be stated first, where the present ones refuse a schema."""
    levels = dict.fromkeys(
        f"state compatibility: {one.refusal.accepted.value} for topic {one.topic.name}"
        for one in release.impacts
        if one.refusal is not None
    )
    return f"{join(tuple(levels))}, and " if levels else ""


def describe_step(step: Step) -> str:
    """Services and what they wait for, for example `billing, 7 days later, when ...`."""
    order = " (any order)" if len(step.services) > 1 else ""
    return f"{', '.join(step.services)}{order}{describe_waits(step.waits)}"


def describe_waits(waits: tuple[Wait, ...]) -> str:
    """What must be gone before a step, as the end of its line; empty for none."""
    return "".join(dict.fromkeys(_describe_wait(one) for one in waits))


def _describe_wait(one: Wait) -> str:
    topic, length = one.topic, one.topic.retention_ms
    if length is None or length == -1:
        return f", when topic {topic.name} holds no old messages any more"
    if one.is_still_written:
        return (
            f", {describe_duration(length)} later, when the old messages of topic {topic.name} "
            "are gone"
        )
    return (
        f", when topic {topic.name} holds nothing that {join(one.versions)} wrote any more "
        f"({describe_duration(length)} after the last of it was written)"
    )


def _describe_refusal(one: Impact, refusal: Refusal) -> str:
    head = _refused(one, refusal)
    if refusal.accepted is Level.NONE:
        return (
            f"{head} No level but NONE takes it, and then nothing guards the topic: better mend it,"
            " or give it a topic of its own. With NONE:"
        )
    return (
        f"{head} Mend it, or make the change under {refusal.accepted.value}, the strictest level "
        "that takes it:"
    )


def _refused(one: Impact, refusal: Refusal) -> str:
    what = f"{one.name} {one.after}" if one.after.startswith("v") else f"the new {one.name}"
    return (
        f"The registry refuses {what}: {refusal.subject} has the level {refusal.level.value}, and "
        "a waiver does not change that."
    )


def _describe_torn(one: Impact) -> list[str]:
    consumers = {part.service for part in one.consumers if part.obstacles}
    both = [part.service for part in one.producers if part.service in consumers]
    return [
        f"{name} both sends and handles {one.name}: stop its old instances before the new ones "
        "start, or they meet messages that they cannot read."
        for name in both
        if not one.is_new
    ]


def describe_reason(one: Impact, circle: tuple[str, ...]) -> str:
    """Why no order is safe for an event."""
    if circle and one.rollout is not Rollout.NO_SAFE_ORDER:
        return f"{' before '.join((*circle, circle[0]))}: each would have to go first"
    if one.stale and one.topic.keeps_forever:
        return f"topic {one.topic.name} keeps for ever what {join(one.stale)} wrote: " + (
            "; ".join(one.obstacles[:3])
        )
    if one.torn and not one.late:
        return (
            f"{join(one.torn)} would have to stop sending the old before it can read the new: "
            + "; ".join(one.obstacles[:3])
        )
    words = dict.fromkeys(
        (*one.obstacles, *(words for part in one.consumers for words in part.obstacles))
    )
    return "; ".join(list(words)[:3]) or "it breaks both ways"


def _describe_migration(migration: Migration, circle: tuple[str, ...], today: date) -> list[str]:
    one = migration.impact
    lines = [f"{one.name}: no safe order. {_sentence(describe_reason(one, circle))}"]
    if one.refusal is not None:
        lines.append(_refused(one, one.refusal))
    steps = describe_migration_steps(migration, today)
    if not steps:
        lines.append(f"Release it together with {join(one.shared)} when that is safe.")
        return lines
    lines.append("Expand and contract:")
    lines += [f"{number}. {text}" for number, text in enumerate(steps, 1)]
    return lines


def describe_migration_steps(migration: Migration, today: date) -> tuple[str, ...]:
    """The steps of a change that no order makes safe, without their numbers; none if unknown."""
    one = migration.impact
    if not migration.moves:
        return ()
    producers = join([part.service for part in one.producers]) or "the producers"
    consumers = join([part.service for part in one.consumers]) or "the consumers"
    steps = [f"{'; '.join(migration.expand)}; register that"]
    reading = f"{consumers}: {'; '.join(migration.consume) or 'deploy with that'}"
    writing = f"{producers}: {'; '.join(migration.produce) or 'deploy with that'}"
    if migration.is_reading_first or migration.consume or migration.produce:
        steps += [reading, writing] if migration.is_reading_first else [writing, reading]
    else:
        steps.append(f"{_merge(producers, consumers)}: deploy with that, in any order")
    if migration.contract:
        steps += _describe_contraction(migration, consumers, today)
    return tuple(steps)


def _describe_contraction(migration: Migration, consumers: str, today: date) -> list[str]:
    one = migration.impact
    if one.topic.keeps_forever:
        return [
            f"topic {one.topic.name} keeps its messages for ever, so what was kept in step 1 stays "
            "for ever; to be rid of it, copy the topic into a new one in the new form"
        ]
    if migration.kept:
        names = join([f'"{name}"' for name in migration.kept])
        return [
            f"the level {one.level.value} never lets {names} go, since {one.before} needs "
            f"{'it' if len(migration.kept) == 1 else 'them'}: leave it there, or move to a new "
            "topic"
        ]
    words = "; ".join(migration.contract)
    begin = _describe_end(one, today)
    stop = f"{consumers}: read the old no more. " if migration.consume else ""
    return [f"{begin}: {stop}{words}; register that, and deploy in any order"]


def _describe_end(one: Impact, today: date) -> str:
    length = one.topic.retention_ms
    end = _end(one.topic, today)
    if length is None or end is None:
        return f"when topic {one.topic.name} holds nothing that was written before step 2"
    return (
        f"{describe_duration(length)} after the last of step 2, not before {end.isoformat()} "
        f"(retention of topic {one.topic.name})"
    )


def _merge(producers: str, consumers: str) -> str:
    return producers if producers == consumers else f"{producers}, {consumers}"


def _end(topic: Topic, today: date) -> date | None:
    """The day on which what is written today is surely gone; None where there is no such day."""
    if topic.keeps_forever or topic.retention_ms is None:
        return None
    try:
        return today + timedelta(milliseconds=topic.retention_ms, days=1)
    except OverflowError:
        return None


def describe_kept(one: Impact, today: date) -> str:
    """How long what was written before must stay readable; empty for an event that is new."""
    if one.is_new:
        return ""
    topic = one.topic
    versions = [version for version in one.written if version.startswith("v")]
    what = f"{join(versions)} of {one.name}" if versions else f"the old {one.name}"
    end = _end(topic, today)
    if topic.retention_ms is None and not topic.keeps_forever:
        return f"{what} must stay readable as long as topic {topic.name} holds messages of it."
    if end is None or topic.retention_ms is None:
        return f"{what} must stay readable for ever: topic {topic.name} keeps what was written."
    return (
        f"{what} must stay readable: drop no field or symbol of it before {end.isoformat()} at "
        f"the earliest ({describe_duration(topic.retention_ms)}, retention of topic {topic.name})."
    )


def kept_until(one: Impact, today: date) -> date | None:
    """The first day on which a field or symbol of what was written before may be dropped."""
    return None if one.is_new else _end(one.topic, today)


def _retained(one: Impact) -> str:
    topic = one.topic
    if topic.keeps_forever:
        return f"ever wrote (topic {topic.name} keeps it)"
    if topic.retention_ms is None:
        return f"wrote and topic {topic.name} still holds"
    length = describe_duration(topic.retention_ms)
    return f"wrote in the last {length} (retention of topic {topic.name})"


def _cannot(services: Iterable[str]) -> str:
    return "it cannot" if len(tuple(services)) == 1 else "they cannot"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
