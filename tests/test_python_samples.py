"""The samples of a generated package: events that its codecs take, plain, at the edges, random."""

# ruff: noqa: F811

from __future__ import annotations

import importlib
import random
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from desk import answer_service, desk_folders  # noqa: F401
from python_packages import LOGICAL, SIMPLE, make_event


def samples_of(package: ModuleType) -> Any:
    return importlib.import_module(f"{package.__name__}.fakes").samples


def fields(*kinds: Any) -> list[dict[str, Any]]:
    return [{"name": f"f{number}", "type": kind} for number, kind in enumerate(kinds)]


TREE = {
    "type": "record",
    "name": "Event",
    "namespace": "test",
    "fields": [
        *fields(
            {"type": "enum", "name": "Colour", "symbols": [f"C{number}" for number in range(20)]},
            ["null", "string", {"type": "map", "values": "Event"}, "Event"],
            {"type": "array", "items": "Event"},
            {"type": "fixed", "name": "Hash", "size": 5},
        ),
        {"name": "old", "type": "int", "default": 7, "deprecated": "use f0"},
    ],
}


def made(samples: Any, model: type) -> list[Any]:
    drawn = [samples.random(model, seed=seed) for seed in range(30)]
    return [samples.valid(model), *samples.edges(model), *drawn]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record", "name": "Event", "namespace": "test", "fields": fields(*SIMPLE)},
        {"type": "record", "name": "Event", "namespace": "test", "fields": fields(*LOGICAL)},
        TREE,
        {"type": "record", "name": "Event", "namespace": "test", "fields": []},
    ],
)
def test_every_sample_comes_back_as_it_was(tmp_path: Path, schema: Any) -> None:
    package, event = make_event(tmp_path, schema)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        events = made(samples_of(package), package.Event)
    for one in events:
        assert event.decode(event.encode(one, b""), 0) == one


def test_edges_have_every_symbol_and_every_branch(tmp_path: Path) -> None:
    package, _ = make_event(tmp_path, TREE)
    edges = samples_of(package).edges(package.Event)
    assert {one.f0 for one in edges} == set(package.Colour)
    assert {type(one.f1) for one in edges} == {type(None), str, dict, package.Event}
    assert {bool(one.f2) for one in edges} == {True, False}


def test_edges_reach_what_is_inside_of_unions_and_arrays(tmp_path: Path) -> None:
    def enum(name: str, count: int) -> dict[str, Any]:
        symbols = [f"{name}{number}" for number in range(count)]
        return {"type": "enum", "name": name, "symbols": symbols}

    inner = {"type": "record", "name": "Line", "fields": fields(["null", enum("Deep", 6)])}
    kinds = (
        ["null", enum("Two", 2)],
        {"type": "array", "items": enum("Three", 3)},
        ["null", {"type": "map", "values": [enum("Four", 4), "boolean"]}],
        {"type": "array", "items": inner},
        enum("Many", 100),
        ["null", "long"],
    )
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields(*kinds)}
    package, _ = make_event(tmp_path, schema)
    edges = samples_of(package).edges(package.Event)
    assert {one.f0 for one in edges} == {None, *package.Two}
    assert {item for one in edges for item in one.f1} == set(package.Three)
    values = {item for one in edges for item in (one.f2 or {}).values()}
    assert values == {*package.Four, True, False}
    assert {line.f0 for one in edges for line in one.f3} == {None, *package.Deep}
    assert {one.f4 for one in edges} == set(package.Many)
    assert {-(2**63), 2**63 - 1, None} < {one.f5 for one in edges}
    edges[0].f1.append(next(iter(package.Three)))
    assert [one.f1 for one in edges].count([]) == len(edges) - 3


def test_a_plain_sample_leaves_defaults_alone(tmp_path: Path) -> None:
    package, _ = make_event(tmp_path, TREE)
    plain = samples_of(package).valid(package.Event)
    assert (plain.old, plain.f1, plain.f3) == (7, "text", b"xxxxx")


def test_a_random_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    package, _ = make_event(tmp_path, TREE)
    samples = samples_of(package)
    state = random.getstate()
    first = [samples.random(package.Event, seed=seed) for seed in range(10)]
    assert first == [samples.random(package.Event, seed=seed) for seed in range(10)]
    assert any(one != first[0] for one in first)
    assert random.getstate() == state


def test_only_events_of_the_service_have_samples(answer_service: ModuleType) -> None:
    for wrong in (answer_service.Message, "Asked"):
        with pytest.raises(TypeError, match="is no event of this service; it has Answered, Asked"):
            samples_of(answer_service).valid(wrong)


def test_a_type_that_never_ends_is_told(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields("Event")}
    package, _ = make_event(tmp_path, schema)
    with pytest.raises(ValueError, match="Event has a type that no value ends"):
        samples_of(package).valid(package.Event)


def test_a_handler_takes_every_edge(answer_service: ModuleType) -> None:
    handled: list[Any] = []

    class Handler:
        def on_asked(self, event: Any, message: Any) -> None:
            handled.append(event)

        on_withdrawn = on_profile_changed = on_asked

        def on_deletion_from_profiles(self, message: Any) -> None: ...

    edges = samples_of(answer_service).edges(answer_service.Asked)
    with answer_service.fakes.fakes() as fake:
        for event in edges:
            fake.deliver(event)
        with answer_service.Consumer(fake.settings(), Handler()) as consumer:
            consumer.drain()
    assert sorted(map(repr, handled)) == sorted(map(repr, edges))
