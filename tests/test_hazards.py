"""Dangerous changes, from outside: what the corpus of repositories cannot show."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_schemas import SchemaMaker

from codegen.avro.canonical import render
from codegen.avro.schema import SchemaGraph
from codegen.contract.model import History, Level, PastVersion, Subject
from codegen.diagnostics import Finding, Findings, Severity
from codegen.rules.evolution import report_hazards
from codegen.rules.mends import find_renames
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
    calls = []
    for count in (40, 160):
        before, after = web(count, default=0), web(count, default=1)
        found, number = count_calls(lambda after=after, before=before: find(after, before))
        calls.append(number)
        assert [item.rule.id for item in found] == ["change/default-changed"] * count
    assert calls[1] < calls[0] * 8


@pytest.mark.parametrize("width", [15, 300])
def test_looking_for_renames_grows_with_the_number_of_records(width: int) -> None:
    def wide(count: int, word: str) -> SchemaGraph:
        def inner(number: int) -> Any:
            names = (f"{word}{'ab'[index % 2] * (index + 1)}" for index in range(width))
            fields = [{"name": name, "type": "int", "default": 0} for name in names]
            return record(*fields, name=f"R{number}")

        return schema(record(*((f"r{number}", inner(number)) for number in range(count))))

    calls = []
    for count in (5, 20):
        sides = [wide(count, word) for word in ("Amount", "amount_")]
        calls.append(count_calls(lambda sides=sides: find(*sides))[1])
    assert calls[1] < calls[0] * 5
    assert calls[0] < 5 * 15_000


def count_calls(work: Callable[[], list[Finding]]) -> tuple[list[Finding], int]:
    """What some work returns, and how many functions it called."""
    number = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal number
        number += event == "call"

    sys.setprofile(count)
    try:
        return work(), number
    finally:
        sys.setprofile(None)


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


def test_a_past_without_older_versions_leaves_nothing_to_the_verdict() -> None:
    after, before = (schema(field("int", **more)) for more in ({}, {"default": 0}))
    assert find(after, before, level="BACKWARD_TRANSITIVE") == []
    document = before.root.origin.document
    subject = Subject("s", after, (), Level.BACKWARD_TRANSITIVE, after.root.origin.document, ())
    findings = Findings()
    history = History("s", (PastVersion("s", "git main", document, before),))
    report_hazards([(subject, history)], findings)
    assert [item.rule.id for item in findings] == ["change/default-removed"]


def test_a_field_may_come_back_as_what_it_was() -> None:
    empty = record(("other", "int"))
    text, number = record(("other", "int"), ("f", "string")), record(("other", "int"), ("f", "int"))
    assert rules(number, text, empty, empty, level="BACKWARD") == ["field-returned"]
    assert rules(text, text, empty, empty, level="BACKWARD") == []
    assert rules(number, text, level="BACKWARD") == []


def test_the_old_name_of_a_renamed_field_is_not_for_another_one() -> None:
    first = record(("a", "int"))
    renamed = record({"name": "b", "type": "int", "aliases": ["a"]})
    plain = record(("b", "int"))
    reused = record(("b", "int"), {"name": "a", "type": "int", "default": 0})
    assert rules(reused, first, renamed, plain, level="BACKWARD") == ["field-returned"]
    assert rules(reused, first, plain, level="BACKWARD") == []


@pytest.mark.parametrize(
    ("before", "after", "is_another"),
    [
        ("Wait (ms).", "Wait (s).", True),
        ("Wait in ms.", "Wait, in milliseconds.", False),
        ("In EUR.", "In USD.", True),
        ("In \u20ac.", "In $.", True),
        ("In euros.", "In EUR.", False),
        ("In EUR.", "In USD, as converted from EUR.", False),
        (
            "In milliseconds since the start of the day.",
            "Seconds since the start of the day.",
            True,
        ),
        ("20% off", "a fraction off", True),
        ("Size [KB]", "Size [KiB]", True),
        ("A try in a row.", "The k of it, at a min.", False),
        (None, "In ms.", False),
        ("Dose in mg.", "Dose in micrograms.", True),
        ("Glucose in mg/dl.", "Glucose in mmol/l.", True),
        ("Speed (km/h).", "Speed (mph).", True),
        ("Length in km.", "Length in kilometres.", False),
    ],
)
def test_units_are_recognized_however_they_are_written(
    before: str | None, after: str, is_another: bool
) -> None:
    found = rules(field("long", doc=after), field("long", **({"doc": before} if before else {})))
    assert found == (["unit"] if is_another else [])


@pytest.mark.parametrize("key", ["unit", "units", "currency"])
def test_a_property_may_name_the_unit(key: str) -> None:
    assert rules(field("long", **{key: "b"}), field("long", **{key: "a"})) == ["unit"]
    assert rules(field("long", **{key: "a"}), field("long")) == []


@pytest.mark.parametrize(
    ("former", "name", "is_another"),
    [
        ("dose_mg", "dose_g", True),
        ("weightKg", "weight_in_pounds", True),
        ("total_eur", "total_usd", True),
        ("timeoutMs", "timeout_millis", False),
        ("dose_mg", "dose", False),
        ("ms", "s", False),
        ("plan_a", "plan_b", False),
    ],
)
def test_a_name_may_end_in_the_unit(former: str, name: str, is_another: bool) -> None:
    def named(field_name: str, **more: Any) -> dict[str, Any]:
        return record({"name": field_name, "type": "int", **more})

    found = rules(named(name, aliases=[former]), named(former))
    assert found == (["alias-rename", "unit"] if is_another else ["alias-rename"])
    renames = find_renames(named(name)["fields"], named(former)["fields"])
    assert renames == ({} if is_another else {name: former})


def test_a_branch_in_front_takes_what_later_ones_had() -> None:
    level = "FORWARD"
    assert rules(field(["null", "double", "long"]), field(["null", "long"]), level=level) == [
        "union-shifted"
    ]
    for after in (["null", "long", "double"], ["null", "int", "double", "long"]):
        assert rules(field(after), field(["null", "long"]), level=level) == []


def test_a_default_that_does_not_fit_any_more_is_not_put_back() -> None:
    before = {"name": "f", "type": ["null", "string"], "default": None}
    fitting, other = record({**before, "default": ""}), field("string")
    (lost,) = find(schema(other), schema(fitting), level="BACKWARD")
    assert (lost.rule.id, len(lost.mends)) == ("change/default-removed", 1)
    (lost,) = find(schema(other), schema(record(before)), level="BACKWARD")
    assert (lost.rule.id, len(lost.mends)) == ("change/default-removed", 0)


def test_a_level_that_looks_forward_reports_growth_itself() -> None:
    after, before = field(["null", "string"]), field("string")
    assert rules(after, before, level="BACKWARD") == ["union-grown"]
    assert rules(after, before, level="FULL") == []


def test_at_the_level_none_dangers_speak_and_fail_nothing() -> None:
    graphs = [schema(field(logical("long", name))) for name in ("time-micros", "time-nanos")]
    [found] = find(*graphs, level="NONE")
    assert (found.rule.id, found.severity) == ("change/logical-type", Severity.WARNING)
    [found] = find(*graphs, level="FULL")
    assert found.severity is Severity.ERROR


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
