"""Levels over histories."""

from __future__ import annotations

from typing import Any

import pytest

from codegen.avro.schema import SchemaGraph
from codegen.compatibility import SCOPES, Direction, Judge, judge
from codegen.contract.model import History, Level, PastVersion
from codegen.source import read_json
from schemas import record, schema

FIELD_A = {"name": "a", "type": "int", "default": 0}
FIELD_B = {"name": "b", "type": "int"}


def history(*values: Any) -> History:
    versions = tuple(
        PastVersion("s", f"v{number}", read_json(f"v{number}", "null"), graph, number)
        for number, graph in enumerate(map(make, values), 1)
    )
    return History("s", versions)


def make(value: Any) -> SchemaGraph | None:
    return None if value is None else schema(value)


def test_every_level_has_a_scope() -> None:
    assert SCOPES.keys() == set(Level)
    for level in Level:
        assert SCOPES[level].is_transitive == level.name.endswith("_TRANSITIVE")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Level.NONE, []),
        (Level.BACKWARD, []),
        (Level.FORWARD, [(2, Direction.FORWARD)]),
        (Level.FULL, [(2, Direction.FORWARD)]),
        (Level.BACKWARD_TRANSITIVE, [(1, Direction.BACKWARD)]),
        (Level.FORWARD_TRANSITIVE, [(2, Direction.FORWARD)]),
        (Level.FULL_TRANSITIVE, [(1, Direction.BACKWARD), (2, Direction.FORWARD)]),
    ],
)
def test_what_each_level_looks_at(level: Level, expected: list[tuple[int, Direction]]) -> None:
    past = history(
        record(),
        record(FIELD_A, FIELD_B),
    )
    new = schema(record({"name": "a", "type": "int"}))
    failures = judge(new, past, level).failures
    assert [(one.version.version, one.direction) for one in failures] == expected


def test_a_default_that_is_taken_back_passes_only_the_latest_version() -> None:
    past = history(record(), record(FIELD_A))
    new = schema(record({"name": "a", "type": "int"}))
    assert judge(new, past, Level.BACKWARD).is_compatible
    assert not judge(new, past, Level.BACKWARD_TRANSITIVE).is_compatible


def test_all_versions_are_checked_and_the_one_the_registry_names_is_known() -> None:
    past = history(record(), record(FIELD_A), record(), record(FIELD_A))
    verdict = judge(schema(record({"name": "a", "type": "int"})), past, Level.BACKWARD_TRANSITIVE)
    assert [one.version.version for one in verdict.failures] == [1, 3]
    assert verdict.named_by_registry is not None
    assert verdict.named_by_registry.version == 3


def test_what_cannot_be_read_is_never_compatible() -> None:
    past = history(record(), None)
    new = schema(record())
    for level in Level:
        verdict = judge(new, past, level)
        assert verdict.is_compatible == (level is Level.NONE)
        assert [one.version.version for one in verdict.unjudged] == (
            [] if level is Level.NONE else [2]
        )
    assert judge(new, history(None, record()), Level.FULL).is_compatible
    assert not judge(new, history(None, record()), Level.FULL_TRANSITIVE).is_compatible


def test_a_comparison_beyond_all_bounds_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen.avro import resolution

    monkeypatch.setattr(resolution, "MAX_PAIRS", 1)
    past = history(record(("x", record(name="S")), FIELD_A))
    verdict = judge(schema(record(("x", record(name="S")))), past, Level.BACKWARD)
    assert not verdict.is_compatible
    assert verdict.failures == ()
    assert "pairs" in verdict.unjudged[0].reason


def test_an_empty_history_is_compatible_with_everything() -> None:
    assert all(judge(schema("int"), history(), level).is_compatible for level in Level)


def test_a_pair_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import codegen.compatibility as module

    pairs = []
    compare = module.compare

    def count(reader: SchemaGraph, writer: SchemaGraph) -> Any:
        pairs.append((id(reader), id(writer)))
        return compare(reader, writer)

    monkeypatch.setattr(module, "compare", count)
    past, new, one = history(record(), record(FIELD_A)), schema(record()), Judge()
    for level in Level:
        one.judge(new, past, level)
    assert len(pairs) == len(set(pairs)) == 4
