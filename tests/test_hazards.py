"""Dangerous changes, from outside: what the corpus of repositories cannot show."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_schemas import SchemaMaker

from codegen.avro.canonical import render
from codegen.avro.schema import SchemaGraph
from codegen.contract.model import History, Level, PastVersion, Subject
from codegen.diagnostics import Finding, Findings
from codegen.rules.evolution import report_hazards
from schemas import parse_text, record, schema


def find(after: SchemaGraph, *before: SchemaGraph, level: str = "FULL") -> list[Finding]:
    versions = tuple(
        PastVersion("s", f"registry v{number}", graph.root.origin.document, graph, number)
        for number, graph in enumerate(before, 1)
    )
    subject = Subject("s", after, (), Level(level), after.root.origin.document, ())
    findings = Findings()
    report_hazards([(subject, History("s", versions))], findings)
    return findings.items


def rules(after: Any, *before: Any, level: str = "FULL") -> list[str]:
    graphs = [schema(value) for value in (after, *before)]
    return sorted(item.rule.id.removeprefix("change/") for item in find(*graphs, level=level))


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(min_value=0, max_value=2**48))
def test_no_pair_of_schemas_brings_the_rules_down(seed: int) -> None:
    after, before = (parse_text(json.dumps(value))[0] for value in SchemaMaker(seed).pair())
    assume(after is not None and before is not None)
    for level in ("BACKWARD", "FORWARD_TRANSITIVE"):
        for item in find(after, before, before, level=level):
            assert item.message and item.note + item.hint
            assert item.location.line > 0
            assert item.related[0].location is not None
    assert find(after, after) == []


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(min_value=0, max_value=2**48))
def test_the_same_change_gives_the_same_findings(seed: int) -> None:
    texts = [json.dumps(value) for value in SchemaMaker(seed).pair()]
    assume(None not in [parse_text(text)[0] for text in texts])
    once, again = (find(*(parse_text(text)[0] for text in texts)) for _ in range(2))
    assert once == again


def web(count: int, **more: Any) -> SchemaGraph:
    """Types that all refer to each other, and a union of all of them in each."""
    names = [f"T{index}" for index in range(count)]
    types = {}
    for index, name in enumerate(names):
        fields = [("next", names[(index + 1) % count]), ("any", ["null", *names[:20]])]
        types[name] = record({"name": "n", "type": "int", **more}, *fields, name=name)
    written: set[str] = set()

    def write(name: str) -> Any:
        if name in written:
            return name
        written.add(name)
        value = json.loads(json.dumps(types[name]))
        for item in value["fields"]:
            kind = item["type"]
            if isinstance(kind, list):
                item["type"] = ["null", *(write(one) for one in kind[1:])]
            elif kind in types:
                item["type"] = write(kind)
        return value

    return schema(write("T0"))


def test_the_work_grows_with_the_text_and_not_with_the_ways_through_it() -> None:
    seconds = []
    for count in (40, 160):
        before, after = web(count, default=0), web(count, default=1)
        started = time.perf_counter()
        found = find(after, before)
        seconds.append(time.perf_counter() - started)
        assert [item.rule.id for item in found] == ["change/default-changed"] * count
    assert seconds[1] < max(seconds[0] * 20, 1.0)


def field(kind: Any, **more: Any) -> dict[str, Any]:
    return record({"name": "f", "type": kind, **more})


def logical(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, "logicalType": name}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return logical("bytes", "decimal") | {"precision": precision, "scale": scale}


@pytest.mark.parametrize("inside", ["plain", "nullable", "array", "map", "record"])
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (logical("long", "timestamp-millis"), logical("long", "timestamp-nanos"), "logical-type"),
        (logical("int", "date"), logical("long", "timestamp-millis"), "logical-type"),
        (logical("int", "time-millis"), logical("long", "time-micros"), "logical-type"),
        (logical("long", "our-own-unit"), logical("long", "another-unit"), "logical-type"),
        (decimal(9, 2), decimal(9, 3), "decimal-scale"),
        (decimal(9, 2), decimal(8, 2), "decimal-precision"),
        ("long", "double", "lossy-promotion"),
        ("string", "bytes", "lossy-promotion"),
    ],
)
def test_a_danger_is_found_wherever_it_lies(
    inside: str, before: Any, after: Any, expected: str
) -> None:
    def wrap(kind: Any) -> Any:
        match inside:
            case "nullable":
                return ["null", kind]
            case "array":
                return {"type": "array", "items": kind}
            case "map":
                return {"type": "map", "values": ["null", {"type": "array", "items": kind}]}
            case "record":
                return record(("deep", kind), name="Inner")
            case _:
                return kind

    assert rules(field(wrap(after)), field(wrap(before))) == [expected]
    assert rules(field(wrap(before)), field(wrap(before))) == []


def test_a_scale_and_a_precision_may_change_at_once() -> None:
    found = rules(field(decimal(12, 4)), field(decimal(10, 2)))
    assert found == ["decimal-precision", "decimal-scale"]


def test_a_decimal_in_a_named_type_is_told_of_once() -> None:
    def money(scale: int) -> Any:
        fixed = {"type": "fixed", "name": "M", "size": 8, "logicalType": "decimal"}
        fixed |= {"precision": 12, "scale": scale}
        return record(("a", fixed), ("b", "M"), ("c", ["null", "M"]))

    assert rules(money(3), money(2)) == ["decimal-scale"]


def test_what_a_level_asks_for_is_left_to_its_verdict() -> None:
    before = field({"type": "enum", "name": "E", "symbols": ["A"]})
    after = field({"type": "enum", "name": "E", "symbols": ["A", "B"]})
    assert rules(after, before, level="BACKWARD") == ["enum-grown-without-default"]
    assert rules(after, before, level="FULL") == []
    assert rules(field("string"), field(["null", "string"]), level="FORWARD") == ["made-required"]
    assert rules(field("string"), field(["null", "string"]), level="BACKWARD") == []


def test_a_field_may_come_back_as_what_it_was() -> None:
    empty = record(("other", "int"))
    text, number = record(("other", "int"), ("f", "string")), record(("other", "int"), ("f", "int"))
    assert rules(number, text, empty, empty, level="BACKWARD") == ["field-returned"]
    assert rules(text, text, empty, empty, level="BACKWARD") == []
    assert rules(number, text, level="BACKWARD") == []


def test_a_version_that_cannot_be_read_is_passed_over() -> None:
    graph = schema(record(("f", "int")))
    unread = PastVersion("s", "registry v1", graph.root.origin.document, None, 1, problem="?")
    subject = Subject("s", graph, (), Level.FULL, graph.root.origin.document, ())
    findings = Findings()
    report_hazards([(subject, History("s", (unread,)))], findings)
    assert findings.items == []


def test_docs_and_layout_are_no_danger() -> None:
    before = record(("a", "int"), ("b", "string"), doc="Was.")
    after = record(("b", "string"), {"name": "a", "type": "int", "doc": "A."}, doc="Is.")
    assert render(schema(before)) != render(schema(after))
    assert rules(after, before) == []
