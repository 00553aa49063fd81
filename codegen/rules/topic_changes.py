"""Which changes of a topic hurt: of its name, key, partitions, retention, level and subjects?

No registry sees any of this. The manifest is compared with the one before it, and each function
takes a topic and what it was, and yields what one sort of change means for those who use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from codegen.compatibility import SCOPES, Direction
from codegen.contract.model import Level, Topic
from codegen.diagnostics import Severity, rule
from codegen.rules.event_changes import describe_kept, find_event_changes, list_users
from codegen.rules.shift import Shift, name_place, place_of, section_place
from codegen.topology import (
    Pair,
    Succession,
    describe_key,
    describe_retention,
    join,
    simple_names,
)

KEY_FIELD_CHANGED = rule(
    "change/message-key",
    "The key of a topic's messages changed, and with it the partition that each goes to.",
    "Kafka keeps order within a partition only, and the key chooses the partition. With another "
    "key the new messages of an entity land elsewhere than its old ones: a consumer may see them "
    "in the wrong order, compaction keeps both as if they were two things, and streams that are "
    "joined by key find nothing. Messages that were sent stay where they are. Make a new topic "
    "with the new key, let producers write both, move the consumers over, then drop the old one.",
)
PARTITIONS_CHANGED = rule(
    "change/partitions",
    "The number of partitions changed, so keys are spread over them in another way.",
    "The partition of a message is the hash of its key, modulo the number of partitions. Kafka "
    "moves nothing when partitions are added: old messages of a key stay in the old partition, new "
    "ones go to another, and their order is lost until the old ones are gone. Joined topics must "
    "have the same number. Partitions can never be taken away: that is a new topic.",
    severity=Severity.WARNING,
)
RETENTION_SHORTENED = rule(
    "change/retention-shortened",
    "Messages are kept for a shorter time, and older ones are deleted as soon as that is set.",
    "A consumer that stood still for longer than the retention loses what it has not read, and a "
    "new one can start only from what is left. What is deleted cannot be brought back, so see "
    "first that nobody needs it.",
    severity=Severity.WARNING,
)
RETENTION_LENGTHENED = rule(
    "change/retention-lengthened",
    "Messages are kept for a longer time, and must stay readable for as long.",
    "How long a field or symbol must be kept follows from the retention. A date that was worked "
    "out with the shorter one is too early now: ask kontrakt impact before anything is dropped.",
    severity=Severity.NOTE,
)
CLEANUP_POLICY_CHANGED = rule(
    "change/cleanup-policy",
    "What becomes of old messages changed between deletion by age and compaction.",
    "Compaction keeps the last message of each key for ever and drops all before it: right for a "
    "state, wrong for events of several kinds, where the last one wipes out the others. Deletion "
    "keeps everything, and only for a while: whoever builds a state from the start of the topic "
    "finds a part of it. Kafka refuses messages without a key on a compacted topic.",
    severity=Severity.WARNING,
)
LEVEL_LOWERED = rule(
    "change/level-lowered",
    "The compatibility level of a topic asks for less than it did.",
    "The level is the guard at the registry's door, also for those who register past this tool. "
    "It is often lowered to get one change through, and stays that way. A waiver is bound to one "
    "change, and says so in every report.",
    severity=Severity.WARNING,
)
SUBJECT_CHANGED = rule(
    "change/subject-name",
    "An event has another subject, so its history in the registry begins anew.",
    "The registry judges a schema against earlier versions of its subject, and a new subject has "
    "none: whatever comes first is taken. Without subject_strategy the name also depends on how "
    "many events a topic has: the second event changes the subject of the first. State the "
    "strategy, and register the old versions under the new subject before the first change.",
    severity=Severity.WARNING,
)
TOPIC_REMOVED = rule(
    "change/topic-removed",
    "A topic that services produce to or consume from is gone from the manifest.",
    "The topic, its messages and its subjects live on in Kafka and in the registry, and services "
    "that were deployed before go on using it. Nothing checks its schemas any more. First let its "
    "consumers and producers leave it; take it out when its messages are gone.",
)
TOPIC_RENAMED = rule(
    "change/topic-renamed",
    "A topic with the same events has another name, and to Kafka that is another topic.",
    "Nothing moves along: the retained messages stay in the old topic, the committed offsets of "
    "its consumers belong to the old name, and subjects that are named after the topic begin a new "
    "history. Producers and consumers that are deployed at different times do not meet. Add the "
    "new topic beside the old one, let producers write both, move consumers over when they have "
    "read the old one to its end, then drop it.",
)


def find_topic_changes(pair: Pair[Topic], succession: Succession) -> Iterator[Shift]:
    """Everything that hurts in what became of one topic."""
    if pair.old is None:
        return
    if pair.new is None:
        yield from _find_removal(pair.old, succession)
        return
    if pair.is_renamed:
        yield _rename(pair.new, pair.old, succession)
    for check in TOPIC_CHECKS:
        yield from check(pair.new, pair.old, succession)


def _find_removal(old: Topic, succession: Succession) -> Iterator[Shift]:
    producers, consumers = list_users(old, succession, is_old=True)
    if not producers and not consumers:
        return
    did = [f"{producers} produced to it"] if producers else []
    did += [f"{consumers} consumed it"] if consumers else []
    yield Shift(
        TOPIC_REMOVED,
        old.name,
        section_place(succession.new, "topics"),
        name_place(old.origin),
        f"the topic {old.name} is gone",
        " and ".join(did),
        "keep it until nobody produces to it any more and its messages are gone "
        f"({describe_kept(old)})",
        before=sorted(event.name for event in old.events),
        after=None,
        severity=None if producers and consumers else Severity.WARNING,
    )


def _rename(new: Topic, old: Topic, succession: Succession) -> Shift:
    _, consumers = list_users(old, succession, is_old=True)
    renamed = [
        event.subject
        for event in old.events
        if (now := succession.successor(event)) is not None and now.subject != event.subject
    ]
    lost = [f"the messages that {old.name} still holds ({describe_kept(old)})"]
    lost += [f"the offsets of {consumers}"] if consumers else []
    lost += [f"the history of {simple_names(renamed)}"] if renamed else []
    return Shift(
        TOPIC_RENAMED,
        new.name,
        name_place(new.origin),
        name_place(old.origin),
        f"the topic {old.name} is named {new.name} now",
        f"not moved along: {join(tuple(lost))}",
        f"keep {old.name} beside {new.name}, write both, and drop {old.name} when its consumers "
        "have read it to the end",
        before=old.name,
        after=new.name,
    )


def _find_key_change(new: Topic, old: Topic, succession: Succession) -> Iterator[Shift]:
    after, before = describe_key(new.key), describe_key(old.key)
    if after == before:
        return
    message = (
        f"the messages of topic {new.name} had no key and have {after} now"
        if not before
        else f"the messages of topic {new.name} had the key {before} and have {after or 'none'} now"
    )
    note = (
        "they are spread over the partitions in any order until now"
        if not before
        else "new messages of one entity go to another partition than its old ones"
        if after
        else "messages of one entity go to any partition now"
    )
    if "compact" in new.cleanup_policy and not after:
        note = "Kafka refuses messages without a key on a compacted topic"
    yield Shift(
        KEY_FIELD_CHANGED,
        new.name,
        place_of(new, "key", succession.new),
        place_of(old, "key", succession.old),
        message,
        note,
        "order by key holds from the first message with a key on"
        if not before
        else f"keep the key {before}, or make a new topic and move over to it",
        before=before,
        after=after,
        severity=None if before else Severity.WARNING,
    )


def _find_partitions(new: Topic, old: Topic, succession: Succession) -> Iterator[Shift]:
    if new.partitions == old.partitions:
        return
    is_less = new.partitions < old.partitions
    if is_less:
        note, severity = "Kafka cannot take partitions away", Severity.ERROR
        hint = f"keep {old.partitions}, or make a new topic and move over to it"
    elif new.key is None:
        note, severity = "without a key there is no order that could be lost", Severity.NOTE
        hint = "topics that are joined with it must have as many"
    else:
        note = f"new messages of one {describe_key(new.key)} may go to another partition"
        severity = Severity.ERROR if "compact" in new.cleanup_policy else Severity.WARNING
        hint = (
            "the old message of each key stays in its old partition, where compaction keeps it: "
            "make a new topic and copy it over"
            if severity is Severity.ERROR
            else "add them when consumers are at the end of the topic, or make a new topic"
        )
    yield Shift(
        PARTITIONS_CHANGED,
        new.name,
        place_of(new, "partitions", succession.new),
        place_of(old, "partitions", succession.old),
        f"topic {new.name} had {old.partitions} partitions and has {new.partitions}",
        note,
        hint,
        before=old.partitions,
        after=new.partitions,
        severity=severity,
    )


def _find_retention(new: Topic, old: Topic, succession: Succession) -> Iterator[Shift]:
    after, before = new.retention_ms, old.retention_ms
    if "delete" not in new.cleanup_policy or before == after:
        return
    if before is None or (after is None and before != -1):
        return  # whether the broker's own setting is more or less, nobody can tell
    is_shorter = after != -1 and (before == -1 or after is None or after < before)
    _, consumers = list_users(new, succession, is_old=False)
    shown = describe_retention(after) or "as the broker decides"
    message = f"topic {new.name} kept messages {_for(before)} and keeps them " + (
        f"for {shown}" if after is not None and after != -1 else shown
    )
    yield Shift(
        RETENTION_SHORTENED if is_shorter else RETENTION_LENGTHENED,
        new.name,
        place_of(new, "retention", succession.new),
        place_of(old, "retention", succession.old),
        message,
        f"what {consumers or 'a consumer'} did not read by then is lost"
        if is_shorter
        else "what was written must stay readable for longer",
        "see first that no consumer lags behind that far, and that nobody reads from the start"
        if is_shorter
        else "work out anew when fields and symbols may be dropped: kontrakt impact",
        before=before,
        after=after,
    )


def _find_cleanup(new: Topic, old: Topic, succession: Succession) -> Iterator[Shift]:
    after, before = new.cleanup_policy, old.cleanup_policy
    if after == before:
        return
    note, severity = "whoever builds a state from the start finds a part of it", Severity.WARNING
    hint = f"keep {before}, or see that nobody reads the topic from its start"
    if "compact" in after and "compact" not in before:
        note = "of each key only the last message is kept"
        hint = f"keep {before}; a state belongs on a topic of its own"
        if new.key is None:
            severity, note = Severity.ERROR, "Kafka refuses messages without a key here"
            hint = "state the key"
        elif len(new.events) > 1:
            severity = Severity.ERROR
            names = [event.name for event in new.events]
            note = f"of {simple_names(names)} only the last one of each key is kept"
    elif "compact" in before and "compact" in after:
        note = (
            "keys that are not written again for long enough disappear now"
            if "delete" in after
            else "the last message of each key is kept for ever now"
        )
    yield Shift(
        CLEANUP_POLICY_CHANGED,
        new.name,
        place_of(new, "cleanup_policy", succession.new),
        place_of(old, "cleanup_policy", succession.old),
        f"the cleanup policy of topic {new.name} was {before} and is {after}",
        note,
        hint,
        before=before,
        after=after,
        severity=severity,
    )


def _find_lowered_level(new: Topic, old: Topic, succession: Succession) -> Iterator[Shift]:
    passing = describe_weakening(new.level, old.level)
    if not passing:
        return
    yield Shift(
        LEVEL_LOWERED,
        new.name,
        place_of(new, "compatibility", succession.new),
        place_of(old, "compatibility", succession.old),
        f"topic {new.name} had the level {old.level.value} and has {new.level.value}",
        f"would pass now: {passing}",
        f"keep {old.level.value}, or state it again once what must pass is registered",
        before=old.level.value,
        after=new.level.value,
    )


_PASSES = {
    Direction.BACKWARD: "a new field without a default",
    Direction.FORWARD: "a removed field or a new symbol that older readers stop at",
}


def describe_weakening(new: Level, old: Level) -> str:
    """What a level lets pass that another one stopped, as examples; empty where it asks as much."""
    after, before = SCOPES[new], SCOPES[old]
    lost = [one for one in Direction if one in before.directions and one not in after.directions]
    words = [_PASSES[one] for one in lost]
    kept = set(after.directions) & set(before.directions)
    if kept and before.is_transitive and not after.is_transitive:
        words.append("a schema that fits the latest version and none before it")
    return "; ".join(words)


def _find_subjects(new: Topic, old: Topic, succession: Succession) -> Iterator[Shift]:
    if new.name != old.name:
        return  # that they are named after the topic is said with its new name
    moved = [
        (event.subject, now.subject)
        for event in old.events
        if (now := succession.successor(event)) is not None and now.subject != event.subject
    ]
    if not moved:
        return
    (before, after), *more = moved
    rest = f" (and {len(more)} more)" if more else ""
    is_stated = place_of(new, "subject_strategy", succession.new).path[-1] == "subject_strategy"
    yield Shift(
        SUBJECT_CHANGED,
        new.name,
        place_of(new, "subject_strategy" if is_stated else "events", succession.new),
        place_of(old, "subject_strategy", succession.old),
        f"the subject {before} is named {after} now{rest}",
        "the new subject has no versions to be checked against",
        "register the versions of the old subject under the new one, in their order, before "
        "anything changes"
        + ("" if is_stated else "; and state subject_strategy: a further event changed it"),
        before=[name for name, _ in moved],
        after=[name for _, name in moved],
    )


TOPIC_CHECKS: tuple[Callable[[Topic, Topic, Succession], Iterator[Shift]], ...] = (
    _find_key_change,
    _find_partitions,
    _find_retention,
    _find_cleanup,
    _find_lowered_level,
    _find_subjects,
    find_event_changes,
)
"""All of them, for a topic that there was before."""


def _for(milliseconds: int | None) -> str:
    shown = describe_retention(milliseconds)
    return shown if milliseconds == -1 else f"for {shown}"
