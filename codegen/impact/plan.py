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
    safe: list[_Batch] = []
    for group in _group(one for one in listed if one.rollout is not Rollout.UNKNOWN):
        orders = {order for one in group for order in one.orders()}
        is_unsafe = any(one.rollout is Rollout.NO_SAFE_ORDER for one in group)
        circle = () if is_unsafe else _find_circle(orders)
        if is_unsafe or circle:
            unsafe.append(Deadlock(tuple(group), circle))
        else:
            safe.append(_Batch(group, orders))
    return Plan(
        tuple(Release(tuple(one), _find_steps(one)) for one in _join(safe)),
        tuple(unsafe),
        tuple(one for one in listed if one.rollout is Rollout.UNKNOWN),
    )


def _group(impacts: Iterable[Impact]) -> list[list[Impact]]:
    """Events that change through one shared type together: neither can be released alone."""
    listed = list(impacts)
    users: dict[str, list[int]] = {}
    for number, one in enumerate(listed):
        for name in one.changed_types:
            users.setdefault(name, []).append(number)
    groups: list[list[Impact]] = []
    seen: set[int] = set()
    for start in range(len(listed)):
        members: list[int] = []
        waiting = [start]
        while waiting:
            number = waiting.pop()
            if number not in seen:
                seen.add(number)
                members.append(number)
                for name in listed[number].changed_types:
                    waiting += users.pop(name, ())
        if members:
            groups.append([listed[number] for number in sorted(members)])
    return groups


@dataclass(slots=True)
class _Batch:
    """Events that can be released together, and which service must go before which for them."""

    impacts: list[Impact]
    orders: set[tuple[str, str]]

    def take(self, other: _Batch) -> bool:
        """Take the events of another, unless its orders and ours go round in a circle."""
        if not other.orders <= self.orders and _find_circle(self.orders | other.orders):
            return False
        self.impacts += other.impacts
        self.orders |= other.orders
        return True


def _join(groups: Sequence[_Batch]) -> list[list[Impact]]:
    """The events of each release: one holds all, unless their orders go round in a circle."""
    if groups and not _find_circle({order for group in groups for order in group.orders}):
        # Nearly always, and it takes no longer for many.
        return [[one for group in groups for one in group.impacts]]
    batches: list[_Batch] = []
    for group in groups:
        if not any(batch.take(group) for batch in batches):
            batches.append(group)
    return [batch.impacts for batch in batches]


def _sort(services: Iterable[str], orders: Iterable[tuple[str, str]]) -> TopologicalSorter[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in services:
        sorter.add(name)
    for first, then in orders:
        sorter.add(then, first)
    return sorter


def _find_circle(orders: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Services of which each would have to go before the next, and the last before the first."""
    try:
        _sort((), sorted(orders)).prepare()
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
    services = dict.fromkeys(name for one in impacts for name in one.services)
    sorter = _sort(services, dict.fromkeys(order for one in impacts for order in one.orders()))
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
