"""In which order can all services of all changed events be deployed?

Each event says which service must go before which, and who must wait until old messages are gone.
What events say is laid together: where it goes round in a circle, the events are released one
after the other, unless they change through a type that they share and cannot be parted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from codegen.contract.model import Topic
from codegen.impact.exposure import Impact, Rollout


@dataclass(frozen=True, slots=True)
class Wait:
    """What must be gone from a topic first: messages of these versions of an event.

    `is_still_written` says that somebody writes them until the steps before are done; else the
    last of them was written some time ago.
    """

    topic: Topic
    event: str
    versions: tuple[str, ...]
    is_still_written: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Services that may be deployed at once, in any order, when all steps before are done."""

    services: tuple[str, ...]
    waits: tuple[Wait, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """Changes that are registered and deployed together, and their steps."""

    impacts: tuple[Impact, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Deadlock:
    """Changes that belong together and for which there is no safe order.

    `circle` are services of which each would have to go before the next, and the last before the
    first; empty where one of the changes alone is the reason.
    """

    impacts: tuple[Impact, ...]
    circle: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about all changed events.

    `releases` are made one after the other, `unsafe` are the changes for which there is no safe
    order, and `unknown` those of which nothing can be said.
    """

    releases: tuple[Release, ...]
    unsafe: tuple[Deadlock, ...]
    unknown: tuple[Impact, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.releases or self.unsafe or self.unknown)


def make_plan(impacts: Iterable[Impact]) -> Plan:
    """One plan for all changed events."""
    listed = list(impacts)
    unsafe: list[Deadlock] = []
    batches: list[list[Impact]] = []
    for group in _group(one for one in listed if one.rollout is not Rollout.UNKNOWN):
        is_unsafe = any(one.rollout is Rollout.NO_SAFE_ORDER for one in group)
        circle = () if is_unsafe else _find_circle(group)
        if is_unsafe or circle:
            unsafe.append(Deadlock(tuple(group), circle))
            continue
        for batch in batches:
            if not _find_circle([*batch, *group]):
                batch.extend(group)
                break
        else:
            batches.append(list(group))
    return Plan(
        tuple(Release(tuple(batch), _find_steps(batch)) for batch in batches),
        tuple(unsafe),
        tuple(one for one in listed if one.rollout is Rollout.UNKNOWN),
    )


def _group(impacts: Iterable[Impact]) -> list[list[Impact]]:
    """Events that change through one shared type together: neither can be released alone."""
    groups: list[list[Impact]] = []
    for one in impacts:
        related = [
            group
            for group in groups
            if any(not set(one.shared).isdisjoint(other.shared) for other in group)
        ]
        joined = [*(other for group in related for other in group), one]
        groups = [*(group for group in groups if group not in related), joined]
    return groups


def _sort(impacts: Sequence[Impact]) -> TopologicalSorter[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for one in impacts:
        for name in one.services:
            sorter.add(name)
        for first, then in one.orders():
            sorter.add(then, first)
    return sorter


def _find_circle(impacts: Sequence[Impact]) -> tuple[str, ...]:
    """Services of which each would have to go before the next, and the last before the first."""
    try:
        _sort(impacts).prepare()
    except CycleError as error:
        return tuple(error.args[1][:-1])
    return ()


def _find_steps(impacts: Sequence[Impact]) -> tuple[Step, ...]:
    waits: dict[str, list[Wait]] = {}
    for one in impacts:
        if one.unfit:
            is_still_written = any(producer.is_unfit for producer in one.producers)
            wait = Wait(one.topic, one.name, one.unfit, is_still_written)
            for consumer in one.consumers:
                waits.setdefault(consumer.service, []).append(wait)
    sorter = _sort(impacts)
    sorter.prepare()
    steps: list[Step] = []
    ready = set(sorter.get_ready())
    while ready:
        free = sorted(name for name in ready if name not in waits)
        if free:
            step = Step(tuple(free))
        else:
            awaited = tuple(waits[min(ready)])
            step = Step(
                tuple(sorted(name for name in ready if tuple(waits[name]) == awaited)), awaited
            )
        steps.append(step)
        sorter.done(*step.services)
        ready = (ready - set(step.services)) | set(sorter.get_ready())
    return tuple(steps)
