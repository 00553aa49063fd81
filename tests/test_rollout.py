"""The order of deployment against an oracle: every order is played through on real messages.

A made-up world has a few services, one or two events, old versions, stubs of different ages and
topics that keep messages for a while or for ever. fastavro writes messages of every version and
reads them with every other; with that each state of a rollout can be looked at.
"""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from itertools import permutations, product
from types import FrameType
from typing import Any

import fastavro
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from codegen.contract.load import load_documents
from codegen.contract.model import Contract, History, PastVersion
from codegen.diagnostics import Findings
from codegen.impact.exposure import Impact, Rollout
from codegen.impact.plan import Plan, Step, make_plan
from codegen.lock import Lock
from codegen.review import review
from codegen.source import read_json, read_yaml
from schemas import schema

AB = {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}
ABC = {"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"]}
FIELDS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"type": "string"},
    {"type": "string", "default": "x"},
    {"type": ["null", "string"], "default": None},
    {"type": "int"},
    {"type": AB},
    {"type": ABC},
    {"type": {**ABC, "default": "A"}},
    {"type": {**AB, "default": "B"}},
)
"""What a field may be; the first is no field."""

POLICIES = ({"retention": "7d"}, {"retention": "forever"}, {"cleanup_policy": "compact"}, {})


def record(name: str, kind: dict[str, Any] | None, *more: dict[str, Any]) -> dict[str, Any]:
    fields = [{"name": "id", "type": "string"}, *more]
    if kind is not None:
        text = json.dumps({"name": "f", **kind})
        fields.append(json.loads(text.replace('"Kind"', f'"{name}Kind"')))
    return {"type": "record", "name": name, "namespace": "shop", "fields": fields}


@dataclass
class World:
    """Everything about a change: the contract after it, the past, and what runs where.

    `old` is what a service runs with for an event, as a text; `now` is the new schema of each.
    """

    contract: Contract
    histories: dict[str, History] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    now: dict[str, str] = field(default_factory=dict)
    old: dict[tuple[str, str], str] = field(default_factory=dict)
    name: str = "the past"

    def changed(self) -> tuple[Impact, ...]:
        pins = {
            (service, event.subject): json.loads(self.old[service, event.name])
            for event in self.contract.events
            for service in self.services(event.name)
        }
        return review(self.contract, self._past(), Findings(), Lock(pins=pins)).impacts

    def _past(self) -> Any:
        histories = self.histories

        class Past:
            name = "the past"

            def histories(self, contract: Contract) -> Mapping[str, History]:
                return histories

        return Past()

    def services(self, event: str) -> list[str]:
        (found,) = (one for one in self.contract.events if one.name == event)
        sides = (*self.contract.producers(found), *self.contract.consumers(found))
        return list(dict.fromkeys(service.name for service in sides))


def make_world(seed: int) -> World:
    chance = random.Random(seed)
    events = ["One", "Two"][: chance.randint(1, 2)]
    is_shared = chance.random() < 0.4
    part_now = record("Part", chance.choice(FIELDS[:4]))
    names = ["a", "b", "c", "d"][: chance.randint(2, 4)]
    services: dict[str, dict[str, list[str]]] = {
        name: {"produces": [], "consumes": []} for name in names
    }
    topics: dict[str, Any] = {}
    for event in events:
        topics[event.lower()] = {
            "events": [f"shop.{event}"],
            "compatibility": "NONE",
            **chance.choice(POLICIES),
        }
        for side in ("produces", "consumes"):
            for name in chance.sample(names, chance.randint(1, 2)):
                services[name][side].append(event.lower())
    manifest = json.dumps({"version": 1, "topics": topics, "services": services})

    def version(event: str, part: Any) -> dict[str, Any]:
        more = [{"name": "part", "type": part}] if is_shared else []
        return record(event, chance.choice(FIELDS), *more)

    files = {event: version(event, "Part") for event in events}
    documents = [
        read_json(f"schemas/{name}.avsc", json.dumps(value))
        for name, value in (*files.items(), *([("Part", part_now)] if is_shared else []))
    ]
    findings = Findings()
    contract = load_documents(read_yaml("schemas/contracts.yaml", manifest), documents, findings)
    assert contract is not None, [item.message for item in findings]
    world = World(contract)
    parts = [record("Part", chance.choice(FIELDS[:4])) for _ in range(2)]
    for number, event in enumerate(contract.events):
        count = chance.randint(1, 2)
        texts = [json.dumps(version(events[number], parts[index])) for index in range(count)]
        if chance.random() < 0.3:
            texts[-1] = json.dumps(_inline(files[events[number]], part_now))
        versions = tuple(
            PastVersion(event.subject, f"v{index}", read_json(f"v{index}", text),
                        schema(json.loads(text)), index)
            for index, text in enumerate(texts, 1)
        )  # fmt: skip
        world.histories[event.subject] = History(event.subject, versions)
        world.texts[event.name] = texts
        world.now[event.name] = json.dumps(_inline(files[events[number]], part_now))
        for service in world.services(event.name):
            world.old[service, event.name] = chance.choice(texts)
    if is_shared:
        text = json.dumps(parts[0])
        past = PastVersion("shop.Part", "v1", read_json("p", text), schema(parts[0]), 1)
        world.histories["shop.Part"] = History("shop.Part", (past,))
    return world


def _inline(value: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    fields = [
        {**item, "type": part} if item["type"] == "Part" else item for item in value["fields"]
    ]
    return {**value, "fields": fields}


class Reading(Enum):
    """What a reader makes of all that a writer may write."""

    RIGHT = "it is read"
    WRONG = "a symbol is read as another one"
    NONE = "some of it cannot be read"


@cache
def read(reader: str, writer: str) -> Reading:
    """What fastavro makes of it."""
    parsed = [fastavro.parse_schema(json.loads(text)) for text in (writer, reader)]
    reading = Reading.RIGHT
    for value in samples(json.loads(writer)):
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, parsed[0], value)
        buffer.seek(0)
        try:
            found = fastavro.schemaless_reader(buffer, *parsed)
        except Exception:
            return Reading.NONE
        if "f" in value and found.get("f", value["f"]) != value["f"]:
            reading = Reading.WRONG
    return reading


def samples(kind: Any) -> list[Any]:
    """Values of a type that take every branch and every symbol."""
    match kind:
        case "string":
            return ["s"]
        case "int":
            return [1]
        case "null":
            return [None]
        case list():
            return [value for branch in kind for value in samples(branch)]
        case {"type": "enum", "symbols": symbols}:
            return list(symbols)
        case {"type": "record", "fields": fields}:
            columns = [samples(item["type"]) for item in fields]
            names = [item["name"] for item in fields]
            return [dict(zip(names, row, strict=True)) for row in product(*columns)]
    raise AssertionError(kind)


class Play:
    """A rollout of some events, service by service, and what is on their topics meanwhile."""

    def __init__(self, world: World, impacts: Iterable[Impact]) -> None:
        self.world = world
        self.impacts = tuple(impacts)
        self.deployed: set[str] = set()
        self.held: dict[str, set[str]] = {
            one.event.name: set(world.texts[one.event.name]) for one in self.impacts
        }
        self.in_use = {
            one.event.name: {*self._written(one), world.now[one.event.name]} for one in self.impacts
        }
        self.is_safe = True
        self._look()

    def deploy(self, service: str) -> None:
        self.deployed.add(service)
        self._look()

    def wait(self, events: Iterable[str]) -> None:
        """Until retention took what nobody writes any more."""
        for one in self.impacts:
            if one.name in events and not one.topic.keeps_forever:
                self.held[one.event.name] = self._written(one)

    def _written(self, one: Impact) -> set[str]:
        return {self._runs(part.service, one) for part in one.producers}

    def _runs(self, service: str, one: Impact) -> str:
        name = one.event.name
        return self.world.now[name] if service in self.deployed else self.world.old[service, name]

    def _look(self) -> None:
        """What is unreadable or misread since the change; what was so before is not its fault.

        Nor is what only older versions wrote, where it is read and not understood: that was lost
        with the version that stopped writing it.
        """
        for one in self.impacts:
            name = one.event.name
            self.held[name] |= self._written(one)
            now = self.world.now[name]
            is_sent = any(part.service in self.deployed for part in one.producers)
            for part in one.consumers:
                reader = self._runs(part.service, one)
                for writer in self.held[name]:
                    is_new = part.service in self.deployed or (writer == now and is_sent)
                    reading = read(reader, writer)
                    is_wrong = reading is Reading.WRONG and writer in self.in_use[name]
                    if is_new and (is_wrong or reading is Reading.NONE):
                        self.is_safe = False


def orders(steps: tuple[Step, ...]) -> Iterator[list[tuple[str, tuple[str, ...]]]]:
    """Every order that the steps allow: services, and the events that are waited for before."""
    for rows in product(*(list(permutations(step.services)) for step in steps)):
        yield [
            (service, tuple(wait.event for wait in step.waits) if index == 0 else ())
            for step, row in zip(steps, rows, strict=True)
            for index, service in enumerate(row)
        ]


def has_safe_order(world: World, impacts: tuple[Impact, ...]) -> bool:
    """Whether any order at all is safe, with all the waiting in the world between two services."""
    services = dict.fromkeys(name for one in impacts for name in one.services)
    for order in permutations(services):
        play = Play(world, impacts)
        for service in order:
            play.wait([one.name for one in impacts])
            play.deploy(service)
            if not play.is_safe:
                break
        if play.is_safe:
            return True
    return False


def check_plan(world: World, plan: Plan) -> None:
    for release in plan.releases:
        for order in orders(release.steps):
            play = Play(world, release.impacts)
            for service, waits in order:
                play.wait(waits)
                play.deploy(service)
            assert play.is_safe, (order, [one.rollout for one in release.impacts])
            assert play.deployed == {name for one in release.impacts for name in one.services}
    for deadlock in plan.unsafe:
        rollouts = [one.rollout for one in deadlock.impacts]
        assert not has_safe_order(world, deadlock.impacts), rollouts
    planned = tuple(one for release in plan.releases for one in release.impacts)
    if len(plan.releases) > 1:
        assert not has_safe_order(world, planned)


@settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@example(seed=0)
@given(seed=st.integers(0, 2**32))
def test_a_plan_has_every_message_read_rightly_and_despairs_only_where_all_orders_fail(
    seed: int,
) -> None:
    world = make_world(seed)
    check_plan(world, make_plan(world.changed()))


def test_planning_grows_with_the_number_of_events() -> None:
    """Each event has services of its own, of which one must go before the other."""
    found = (one for seed in range(400) for one in make_world(seed).changed())
    model = next(one for one in found if one.rollout is Rollout.CONSUMERS_FIRST and not one.shared)

    def count(size: int) -> int:
        many = [
            replace(
                model,
                producers=tuple(
                    replace(part, service=f"{part.service}{index}") for part in model.producers
                ),
                consumers=tuple(
                    replace(part, service=f"{part.service}{index}") for part in model.consumers
                ),
            )
            for index in range(size)
        ]
        calls = 0

        def note(frame: FrameType, event: str, argument: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(note)
        try:
            plan = make_plan(many)
        finally:
            sys.setprofile(None)
        assert len(plan.releases) == 1
        return calls

    few, many = count(100), count(400)
    assert many < 6 * few


def test_the_worlds_hold_every_sort_of_rollout() -> None:
    seen: set[Rollout] = set()
    shapes: set[str] = set()
    for seed in range(400):
        plan = make_plan(make_world(seed).changed())
        seen |= {one.rollout for release in plan.releases for one in release.impacts}
        seen |= {one.rollout for deadlock in plan.unsafe for one in deadlock.impacts}
        shapes |= {"several"} if len(plan.releases) > 1 else set()
        shapes |= {"circle" for deadlock in plan.unsafe if deadlock.circle}
        shapes |= {"wait" for release in plan.releases for step in release.steps if step.waits}
        changed = make_world(seed).changed()
        shapes |= {"old misread" for one in changed if one.misread and not one.stale}
        shapes |= {
            "new misread" for one in changed if one.late_misreadings and not one.late_obstacles
        }
    assert seen == set(Rollout) - {Rollout.UNKNOWN}
    assert shapes >= {"circle", "wait", "old misread", "new misread"}
