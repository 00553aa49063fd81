"""What the specification refuses, who would take it, and how old schemas are read."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from codegen.avro.parse import CONFLUENT, JAVA, SPECIFICATION, STORED, parse_schemas
from codegen.avro.schema import Record, SchemaGraph
from codegen.diagnostics import Findings
from codegen.source import read_json
from schemas import parse_text, record, schema


def notes(value: Any) -> list[tuple[str, str]]:
    graph, findings = parse_text(json.dumps(value), SPECIFICATION)
    assert graph is None
    return [(finding.rule.id, finding.note) for finding in findings]


BOTH = "Avro Java and Confluent's registry accept this"


@pytest.mark.parametrize(
    ("value", "rule", "note"),
    [
        (record(name="Übung"), "schema/invalid-name", BOTH),
        (record(name="a.int"), "schema/invalid-name", BOTH),
        (record(("f", "int"), name="a b"), "schema/invalid-name", ""),
        (record({"name": "f", "type": "int", "default": "x"}), "schema/invalid-default",
         "Confluent's registry accepts this"),
        (record({"name": "f", "type": "bytes", "default": "\u1234"}), "schema/invalid-default",
         BOTH),
        (record(name="R", namespace="a-b"), "schema/invalid-name",
         "Confluent's registry accepts this"),
        (record(doc=1), "schema/wrong-shape", BOTH),
        (record(aliases=None), "schema/wrong-shape", ""),
        (record(("f", {"type": "R"})), "schema/wrong-shape", ""),
        (record({"name": "f", "type": "int", "order": "ASCENDING"}), "schema/wrong-shape", BOTH),
        (["int", "int"], "schema/duplicate", ""),
        ([record(name="A"), {"type": "array", "items": record(name="A")}], "schema/duplicate",
         BOTH),
    ],
)  # fmt: skip
def test_a_finding_says_which_registries_accept_it(value: Any, rule: str, note: str) -> None:
    assert notes(value) == [(rule, note)]


def test_old_schemas_are_read_whatever_their_names_and_defaults() -> None:
    value = record(
        {"name": "f g", "type": "int", "default": "x"}, ("next", {"type": "a-b.R"}), name="a-b.R"
    )
    assert parse_text(json.dumps(value), STORED)[0] is not None
    for dialect in (SPECIFICATION, JAVA, CONFLUENT):
        assert parse_text(json.dumps(value), dialect)[0] is None


def test_java_finds_a_short_name_outside_its_namespace() -> None:
    value = [record(("own", "string"), name="C"), record(("f", "C"), name="n.C")]
    meant = []
    for dialect in (SPECIFICATION, JAVA):
        graph = schema(value, dialect)
        inner = graph.names["n.C"]
        assert isinstance(inner, Record)
        target = graph.resolve(inner.fields[0].schema)
        assert isinstance(target, Record)
        meant.append(target.name)
    assert meant == ["n.C", "C"]


def test_two_definitions_that_are_alike_are_two_places_of_one_type() -> None:
    twice = record(("a", record(("x", "int"), name="S")), ("b", record(("x", "int"), name="S")))
    assert parse_text(json.dumps(twice), SPECIFICATION)[0] is None
    assert parse_text(json.dumps(twice), JAVA)[0] is not None
    twice["fields"][1]["type"]["fields"][0]["type"] = "long"
    assert parse_text(json.dumps(twice), JAVA)[0] is None


def test_files_name_each_other_in_any_order() -> None:
    documents = [
        read_json("a.avsc", json.dumps(record(("b", "n.B"), name="n.A"))),
        read_json("b.avsc", json.dumps(record(("a", ["null", "A"]), name="n.B"))),
    ]
    for one in (documents, documents[::-1]):
        findings = Findings()
        parsed = parse_schemas(one, findings)
        assert not findings.has_errors
        assert set(parsed.types) == {"n.A", "n.B"}


ENDLESS = [
    record({"name": "n", "type": "R", "default": {}}),
    record({"name": "n", "type": ["null", "R"], "default": {}}),
    record(
        ("a", {"type": "array", "items": "R"}),
        {"name": "n", "type": {"type": "array", "items": "R"}, "default": [{"a": []}]},
    ),
]


@pytest.mark.parametrize("value", ENDLESS)
def test_a_default_that_holds_itself_is_refused(value: Any) -> None:
    graph, findings = parse_text(json.dumps(value), SPECIFICATION)
    assert graph is None
    assert {finding.rule.id for finding in findings} == {"schema/invalid-default"}


def test_a_default_is_looked_at_once_for_each_type() -> None:
    default: Any = {"f": 1}
    for _ in range(200):
        default = {"f": default}
    value = record(
        {
            "name": "x",
            "type": [record(("f", ["A", record(("f", ["A", "B"]), name="B")]), name="A"), "B"],
            "default": default,
        }
    )
    start = time.monotonic()
    for dialect in (SPECIFICATION, JAVA):
        assert parse_text(json.dumps(value), dialect)[0] is None
    # The other way takes 2 to the 200: the clock only tells the two apart.
    assert time.monotonic() - start < 30


def test_all_problems_are_found_in_one_run() -> None:
    value = record(
        ("a", "nope"),
        ("b", ["int", "int"]),
        {"name": "c"},
        {"name": "d", "type": "int", "default": ""},
    )
    _, findings = parse_text(json.dumps(value), SPECIFICATION)
    assert sorted(finding.rule.id for finding in findings) == [
        "schema/duplicate",
        "schema/invalid-default",
        "schema/unknown-type",
        "schema/wrong-shape",
    ]


def test_a_name_may_be_a_word_of_avro() -> None:
    value = record(("next", ["null", "record"]), name="record")
    graph = schema(value, SPECIFICATION)
    assert isinstance(graph, SchemaGraph)
    _, findings = parse_text('{"type": "array", "items": "map"}', SPECIFICATION)
    assert 'write {"type": "map", ...}' in findings.items[0].hint


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("uuid", 'write {"type": "string", "logicalType": "uuid"}'),
        ("shop.date", 'write {"type": "int", "logicalType": "date"}'),
        ("Timestamp", 'write {"type": "long", "logicalType": "timestamp-millis"}'),
        ({"type": "decimal", "precision": 4}, 'write {"type": "bytes", "logicalType": "decimal", '),
        ({"type": "integer"}, 'write "int"'),
        ("varchar", 'write "string"'),
        ("list", 'write {"type": "array", ...} with its attributes'),
        ("Strng", 'did you mean "string"?'),
        ("other.Inner", 'did you mean "Inner"?'),
        ({"type": "Inner"}, 'write "Inner" alone'),
        ("Missing", "define it in a file of its own"),
    ],
    ids=str,
)
def test_what_is_no_type_is_told_as_avro_writes_it(written: Any, hint: str) -> None:
    _, findings = parse_text(json.dumps(record(("a", record(name="Inner")), ("b", written))))
    assert [hint in one.hint for one in findings] == [True], findings.items[0].hint


@pytest.mark.parametrize(
    ("type_", "default", "hint"),
    [
        ("boolean", "false", "write false without the quotes"),
        ("int", "0", "write 0 without the quotes"),
        (["null", "int"], "null", "write null without the quotes"),
        ({"type": "array", "items": "int"}, "[]", "write [] without the quotes"),
        ("int", "zero", "change the default, or the type"),
        ("int", "1.5", "change the default, or the type"),
        ("int", "NaN", "change the default, or the type"),
        ("int", "[" * 100_000, "change the default, or the type"),
        ("int", False, "change the default, or the type"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_default_in_quotes_is_told(type_: Any, default: Any, hint: str) -> None:
    field = {"name": "a", "type": type_, "default": default}
    _, findings = parse_text(json.dumps(record(field)), SPECIFICATION)
    assert [one.hint for one in findings] == [hint]
