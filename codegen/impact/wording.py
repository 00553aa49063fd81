"""The impact of changes in words: who breaks, what each service does, and the order of deployment.

Everything said here is data in the other modules of this package; `kontrakt impact --format json`
prints both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import chain

from codegen.avro.schema import split_name
from codegen.contract.model import Level, Topic
from codegen.counting import agree
from codegen.impact.exposure import Fate, Impact, Rollout
from codegen.impact.migration import Migration, make_migration
from codegen.impact.plan import Deadlock, Plan, Release, Step, Wait
from codegen.topology import describe_duration, join

Section = tuple[str, tuple[str, ...]]
_MOST = 3
"""Reasons that one sentence gives."""


def describe(impacts: Iterable[Impact], plan: Plan, today: date) -> tuple[Section, ...]:
    """The sections of a check's report: who breaks or misreads, and the order of deployment."""
    listed = tuple(impacts)
    sections = (
        ("Who breaks", tuple(chain.from_iterable(map(describe_victims, listed)))),
        ("Who misreads", tuple(chain.from_iterable(map(describe_misreaders, listed)))),
        ("Deploy", describe_plan(plan, today)),
    )
    return tuple((title, lines) for title, lines in sections if lines)


def describe_victims(one: Impact) -> tuple[str, ...]:
    """Who breaks and when; nothing where nobody does."""
    if one.fate is not Fate.CHANGED:
        return ()
    sentences = []
    if one.stale:
        consumers = [part.service for part in one.consumers]
        who, what = _after_deployment(one)
        sentences.append(f"{who}: {_cannot(consumers)} read {what}.")
    if one.late_obstacles:
        late = [part.service for part in one.consumers if part.obstacles]
        who, what = _before_deployment(one, late)
        sentences.append(f"{who}: {_cannot(late)} read {what}.")
    return tuple(sentences)


def describe_misreaders(one: Impact) -> tuple[str, ...]:
    """Who takes messages for something else, and when; nothing where nobody does."""
    sentences = []
    if one.misread:
        who, what = _after_deployment(one)
        sentences.append(f"{who}, of {what}: {_list_some(one.misreadings)}.")
    if one.late_misreadings:
        who, what = _before_deployment(
            one, [part.service for part in one.consumers if part.misreadings]
        )
        sentences.append(f"{who}, of {what}: {_list_some(one.late_misreadings)}.")
    return tuple(sentences)


def _after_deployment(one: Impact) -> tuple[str, str]:
    """Who reads with the new schema, and which old messages."""
    who = join([part.service for part in one.consumers]) or "any consumer"
    return (
        f"{who}, once deployed with the new {one.name}",
        f"what {_writers(one)} {_retained(one)}",
    )


def _before_deployment(one: Impact, late: Sequence[str]) -> tuple[str, str]:
    """Who reads with an old schema, and which new messages."""
    return (
        f"{join(late) or 'any consumer'}, until deployed with the new {one.name}",
        f"what {_writers(one)} will write with it",
    )


def _writers(one: Impact) -> str:
    return join([part.service for part in one.producers]) or "any producer"


def _list_some(words: Sequence[str]) -> str:
    more = f"; and {len(words) - _MOST} more" if len(words) > _MOST else ""
    return "; ".join(words[:_MOST]) + more


def describe_title(one: Impact) -> str:
    """An event and its versions, for example `OrderPlaced v3 -> v4`."""
    if one.fate is not Fate.CHANGED:
        return f"{one.name} is {one.fate.value}"
    return f"{one.name} {one.before} -> {one.after}" if one.number else one.name


def describe_services(one: Impact) -> tuple[str, ...]:
    """A line for each service of a changed event: what it writes or reads, and what it cannot."""
    width = max(map(len, one.services), default=0)
    if one.is_removed:
        words = (("sends", one.producers), ("handles", one.consumers))
        return tuple(
            f"{part.service:<{width}}   {word} it until it is deployed"
            for word, parts in words
            for part in parts
        )
    lines = []
    for producer in one.producers:
        origin = f", {producer.version} until it is deployed" if producer.version else ""
        lines.append(f"{producer.service:<{width}}   writes {one.after}{origin}")
    for consumer in one.consumers:
        reasons = consumer.obstacles or consumer.misreadings
        reason = f" ({reasons[0]})" if reasons else ""
        word = "misreads" if consumer.misreadings else "reads"
        word = "cannot read" if consumer.obstacles else word
        when = f"with {consumer.version}" if consumer.version else "until it is deployed"
        if one.rollout is Rollout.UNKNOWN and not consumer.obstacles:
            when, word = f"{when}:", "nobody knows whether it reads"
        else:
            word = f"it {word}"
        lines.append(f"{consumer.service:<{width}}   {when} {word} {one.after}{reason}")
    if one.stale:
        lines.append(
            f"{one.after} cannot read what {join(one.stale)} wrote: {_list_some(one.obstacles)}"
        )
    if one.misread:
        lines.append(
            f"{one.after} misreads what {join(one.misread)} wrote: {_list_some(one.misreadings)}"
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
    for deadlock in plan.unsafe:
        lines += _describe_deadlock(deadlock, today)
    planned = [one for release in plan.releases for one in release.impacts]
    lines += _describe_refusals(planned)
    several = len(plan.releases) > 1
    if several:
        lines.append("No single order is safe for all. Release one after the other:")
    number = 1
    for release in plan.releases:
        names = _list_events(release.impacts)
        if several:
            lines.append(f"{names}:")
        elif plan.unsafe or plan.unknown:
            # These steps hold for this alone: not for the expansion above, nor for the unknown.
            lines.append(f"{names}, in a release of {_possessive(release)} own:")
        for text in _describe_release(release):
            lines.append(f"{number}. {text}")
            number += 1
    for one in planned:
        lines += _describe_torn(one)
    return (*lines, *_describe_kept(planned, today))


def _list_events(impacts: Iterable[Impact]) -> str:
    """The events, each once: one that travels on several topics has an impact for each."""
    return join(tuple(dict.fromkeys(one.name for one in impacts)))


def _possessive(release: Release) -> str:
    return "its" if len({one.name for one in release.impacts}) == 1 else "their"


def _describe_release(release: Release) -> Iterable[str]:
    if registrations := list_registrations(release):
        yield f"{_level_words(release)}register {join(registrations)}"
    for step in release.steps:
        yield describe_step(step)


def list_registrations(release: Release) -> list[str]:
    """What a release registers, shared types first, with the versions that they will get."""
    shared = dict.fromkeys(split_name(name)[1] for one in release.impacts for name in one.shared)
    events = dict.fromkeys(
        one.full_after for one in release.impacts if not (one.is_removed or one.older)
    )
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


def _describe_refusals(impacts: Iterable[Impact]) -> Iterator[str]:
    """A sentence for all that one level refuses and another takes; the steps follow the last."""
    groups: dict[tuple[Level, Level], list[Impact]] = {}
    for one in impacts:
        if one.refusal is not None:
            groups.setdefault((one.refusal.level, one.refusal.accepted), []).append(one)
    for number, ((_, accepted), alike) in enumerate(groups.items(), 1):
        end = ":" if number == len(groups) else "."
        it = "it" if len(alike) == 1 else "them"
        if accepted is Level.NONE:
            words = (
                f"No level but NONE takes {it}, and then nothing guards the topic: better mend "
                f"{it}, or give {it} a topic of {'its' if it == 'it' else 'their'} own. With NONE"
            )
        else:
            words = (
                f"Mend {it}, or make the change under {accepted.value}, the strictest level that "
                f"takes {it}"
            )
        yield f"{_refused(alike)} {words}{end}"


def _refused(impacts: Sequence[Impact]) -> str:
    what = join([one.full_after if one.number else f"the new {one.name}" for one in impacts])
    refusals = [one.refusal for one in impacts if one.refusal is not None]
    subjects = tuple(dict.fromkeys(one.subject for one in refusals))
    return (
        f"The registry refuses {what}: {join(subjects)} {agree(len(subjects), 'has', 'have')} the "
        f"level {refusals[0].level.value}, and a waiver does not change that."
    )


def _describe_torn(one: Impact) -> list[str]:
    consumers = {part.service for part in one.consumers if part.is_late}
    both = [part.service for part in one.producers if part.service in consumers]
    return [
        f"{name} both sends and handles {one.name}: stop its old instances before the new ones "
        "start, or they meet messages that they cannot read, or read wrongly."
        for name in both
        if not one.is_new
    ]


def describe_reason(deadlock: Deadlock) -> str:
    """Why no order is safe."""
    if deadlock.circle:
        names = " before ".join((*deadlock.circle, deadlock.circle[0]))
        return f"it would have to be {names}"
    unsafe = (one for one in deadlock.impacts if one.rollout is Rollout.NO_SAFE_ORDER)
    return "; ".join(dict.fromkeys(map(_explain, unsafe)))


def _explain(one: Impact) -> str:
    old = (*one.obstacles, *one.misreadings)
    if one.unfit and one.topic.keeps_forever:
        return (
            f"topic {one.topic.name} keeps for ever what {join(one.unfit)} wrote: {_list_some(old)}"
        )
    if one.torn and not one.late:
        return (
            f"{join(one.torn)} would have to stop sending the old {one.name} before it can be "
            f"deployed: {_list_some(old)}"
        )
    words = dict.fromkeys((*old, *one.late_obstacles, *one.late_misreadings))
    return _list_some(tuple(words))


def _describe_deadlock(deadlock: Deadlock, today: date) -> list[str]:
    impacts = deadlock.impacts
    names = _list_events(impacts)
    lines = [f"{names}: no safe order. {_sentence(describe_reason(deadlock))}"]
    refused: dict[Level, list[Impact]] = {}
    for one in impacts:
        if one.refusal is not None:
            refused.setdefault(one.refusal.level, []).append(one)
    lines += map(_refused, refused.values())
    lines.append("Expand and contract:")
    steps = describe_migration_steps(make_migration(impacts), today)
    lines += (f"{number}. {text}" for number, text in enumerate(steps, 1))
    return lines


def describe_migration_steps(migration: Migration, today: date) -> tuple[str, ...]:
    """The steps of a change that no order makes safe, without their numbers."""
    impacts = migration.impacts
    producers = _list_services(impacts, "producers")
    consumers = _list_services(impacts, "consumers")
    steps = [f"{'; '.join(migration.expand)}; register that"]
    reading = f"{consumers}: {'; '.join(migration.consume) or 'deploy with that'}"
    writing = f"{producers}: {'; '.join(migration.produce) or 'deploy with that'}"
    if migration.is_reading_first or migration.consume or migration.produce:
        steps += [reading, writing] if migration.is_reading_first else [writing, reading]
    else:
        everybody = dict.fromkeys(name for one in impacts for name in one.services)
        steps.append(f"{join(tuple(everybody)) or 'all'}: deploy with that, in any order")
    return (*steps, *_describe_contraction(migration, consumers, today))


def _list_services(impacts: Iterable[Impact], side: str) -> str:
    """The services of one side, with their events where there are several."""
    listed = tuple(impacts)
    topics = Counter(one.name for one in listed)
    lists = {
        one.name if topics[one.name] == 1 else f"{one.name} on {one.topic.name}": join(
            [part.service for part in getattr(one, side)]
        )
        or f"the {side}"
        for one in listed
    }
    if len(set(lists.values())) == 1:
        return next(iter(lists.values()))
    return ", ".join(f"{services} ({name})" for name, services in lists.items())


def _describe_contraction(migration: Migration, consumers: str, today: date) -> Iterator[str]:
    longest = max((one.topic for one in migration.impacts), key=_length)
    if migration.stays:
        yield (
            f"the level {migration.impacts[0].level.value} never lets {join(migration.stays)} go: "
            f"leave {'it' if len(migration.stays) == 1 else 'them'} there, or move to a new topic"
        )
    if not migration.contract:
        return
    if longest.keeps_forever:
        yield (
            f"topic {longest.name} keeps its messages for ever, so what was kept in step 1 stays "
            "for ever; to be rid of it, copy the topic into a new one in the new form"
        )
        return
    stop = f"{consumers}: read the old no more. " if migration.consume else ""
    yield (
        f"{_describe_end(longest, today)}: {stop}{'; '.join(migration.contract)}; register that, "
        "and deploy in any order"
    )


def _length(topic: Topic) -> tuple[bool, bool, int]:
    """How long a topic keeps messages, as it sorts: what nobody knows is longer than any time."""
    return topic.keeps_forever, topic.retention_ms is None, topic.retention_ms or 0


def _describe_end(topic: Topic, today: date) -> str:
    length = topic.retention_ms
    end = _end(topic, today)
    if length is None or end is None:
        return f"when topic {topic.name} holds nothing that was written before step 2"
    return (
        f"{describe_duration(length)} after the last of step 2, not before {end.isoformat()} "
        f"(retention of topic {topic.name})"
    )


def _end(topic: Topic, today: date) -> date | None:
    """The day on which what is written today is surely gone; None where there is no such day."""
    if topic.keeps_forever or topic.retention_ms is None:
        return None
    try:
        return today + timedelta(milliseconds=topic.retention_ms, days=1)
    except OverflowError:
        return None


def _describe_kept(impacts: Iterable[Impact], today: date) -> Iterator[str]:
    """How long what was written before must stay readable, a sentence for all of one topic."""
    groups: dict[tuple[str, str], list[Impact]] = {}
    for one in impacts:
        if not one.is_new:
            what = "Messages" if one.is_removed else f"What {join(one.written)} wrote"
            groups.setdefault((what, one.topic.name), []).append(one)
    for (what, _), alike in groups.items():
        verb = "stay" if alike[0].is_removed else "must stay readable"
        yield f"{what} of {join([one.name for one in alike])} {verb}{_how_long(alike, today)}"


def _how_long(alike: Sequence[Impact], today: date) -> str:
    """For how long messages of one topic are kept, as the end of a sentence."""
    topic, end = alike[0].topic, _end(alike[0].topic, today)
    if topic.retention_ms is None and not topic.keeps_forever:
        unknown = "the manifest does not say how long"
        return f" as long as topic {topic.name} keeps messages; {unknown}."
    if end is None or topic.retention_ms is None:
        return f" for ever: topic {topic.name} keeps what was written."
    length = describe_duration(topic.retention_ms)
    it = agree(len(alike), "it", "them")
    until = f": drop no field or symbol of {it} before {end}"
    if alike[0].is_removed:
        until = f" until {end}"
    return f"{until} at the earliest ({length}, retention of topic {topic.name})."


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
