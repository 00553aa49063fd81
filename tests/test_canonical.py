"""The texts and fingerprints of schemas, as other tools make them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from random_schemas import SchemaMaker

from codegen.avro.canonical import (
    fingerprint_crc64,
    fingerprint_md5,
    fingerprint_sha256,
    parsing_canonical_form,
    render,
    write_json,
)
from codegen.avro.normalization import normalize
from codegen.avro.parse import CONFLUENT, parse_schema
from codegen.diagnostics import Findings
from codegen.source import read_json
from schemas import parse_text, record, schema


def test_fingerprints_of_the_specification() -> None:
    graph = schema("int")
    assert fingerprint_crc64(graph) == 0x7275D51A3F395C8F
    assert fingerprint_md5(graph).hex() == "ef524ea1b91e73173d938ade36c1db32"
    assert (
        fingerprint_sha256(graph).hex()
        == "3f2b87a9fe7cc9b13835598c3981cd45e3e355309e5090aa0933d7becb6fba45"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"type": "string"}, '"string"'),
        ({"x": 1, "type": "string"}, '{"type":"string","x":1}'),
        (
            {"logicalType": "decimal", "scale": 2, "precision": 4, "type": "bytes"},
            '{"type":"bytes","logicalType":"decimal","scale":2,"precision":4}',
        ),
        (
            {"aliases": ["Old"], "symbols": ["A"], "default": "A", "doc": "d", "x": [1.0],
             "namespace": "n", "name": "E", "type": "enum"},
            '{"type":"enum","name":"E","namespace":"n","doc":"d","symbols":["A"],"default":"A",'
            '"x":[1.0],"aliases":["Old"]}',
        ),
        (
            record({"order": "ascending", "x": None, "aliases": ["b"], "default": 1, "doc": "d",
                    "type": "int", "name": "a"}, name="n.R"),
            '{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int",'
            '"doc":"d","default":1,"aliases":["b"],"x":null}]}',
        ),
        (
            record(("a", {"type": "fixed", "name": "F", "size": 2}), ("b", "n.F"), name="n.R"),
            '{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":'
            '"fixed","name":"F","size":2}},{"name":"b","type":"F"}]}',
        ),
        (
            record(("a", record(name="S", namespace="")), name="n.R"),
            '{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":'
            '"record","name":"S","namespace":"","fields":[]}}]}',
        ),
    ],
)  # fmt: skip
def test_the_text_that_a_registry_stores(value: Any, text: str) -> None:
    assert render(schema(value)) == text


def test_a_forward_reference_is_written_out_where_it_is_used_first() -> None:
    value = record(("a", "S"), ("b", record(name="S")))
    expected = record(("a", record(name="S")), ("b", "S"))
    assert json.loads(render(schema(value))) == expected


def test_types_of_other_files_stay_names_unless_they_are_asked_for() -> None:
    findings = Findings()
    other = schema(record(("x", "int"), name="n.S"))
    document = read_json("r.avsc", json.dumps(record(("a", "n.S"), ("b", "S"), name="n.R")))
    graph = parse_schema(document, findings, names=other.names)
    assert not findings.has_errors
    assert json.loads(render(graph))["fields"] == [
        {"name": "a", "type": "S"},
        {"name": "b", "type": "S"},
    ]
    alone = render(graph, inline=True)
    assert json.loads(alone)["fields"][0]["type"]["fields"] == [{"name": "x", "type": "int"}]
    again, _ = parse_text(alone)
    assert again is not None
    assert parsing_canonical_form(again) == parsing_canonical_form(graph)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"), (-0.0, "-0.0"), (0.1, "0.1"), (0.001, "0.001"), (0.0001, "1.0E-4"),
        (9999999.0, "9999999.0"), (1e7, "1.0E7"), (1.5e300, "1.5E300"), (-123.25, "-123.25"),
        (2**70, "1180591620717411303424"), (True, "true"), (None, "null"),
        ("\x01\t\"\\/é\u2028", '"\\u0001\\t\\"\\\\/é\u2028"'), ("\x1f", '"\\u001F"'),
        ({"b": [], "a": {}}, '{"b":[],"a":{}}'), (float("inf"), '"Infinity"'),
    ],
)  # fmt: skip
def test_values_are_written_as_java_writes_them(value: Any, text: str) -> None:
    assert write_json(value) == text


def test_a_name_that_is_a_word_of_avro_is_never_shortened() -> None:
    inner = {"type": "fixed", "name": "record", "size": 1}
    text = render(schema(record(("a", inner), ("b", "n.record"), name="n.R")))
    assert json.loads(text)["fields"][1]["type"] == "n.record"


def test_normalize_sorts_what_has_no_order() -> None:
    value = record(
        {"name": "a", "type": "int", "z": {"b": 1, "a": [{"d": 1, "c": 2}]}, "y": 1,
         "aliases": ["y", "x"]},
        type="error", doc="", aliases=["Z", "Y"],
    )  # fmt: skip
    text = render(normalize(schema(value)))
    assert text == (
        '{"type":"record","name":"R","fields":[{"name":"a","type":"int","aliases":["x","y"],"y":1,'
        '"z":{"a":[{"c":2,"d":1}],"b":1}}],"aliases":["Y","Z"]}'
    )


@pytest.mark.parametrize(
    ("kind", "default", "kept"),
    [
        ("float", 1, "1.0"), ("double", 1, "1.0"), ("float", 16777217, "1.6777216E7"),
        ("float", 0.1, "0.1"), ("long", 1, "1"), (["null", "int"], None, "null"),
        (["null", "int"], 2, None), ({"type": "array", "items": "float"}, [1], "[1.0]"),
        ({"type": "map", "values": "int"}, {"b": 1, "a": 2}, '{"b":1,"a":2}'),
    ],
)  # fmt: skip
def test_normalize_writes_defaults_by_their_types(kind: Any, default: Any, kept: Any) -> None:
    value = record({"name": "a", "type": kind, "default": default})
    text = render(normalize(schema(value, CONFLUENT)))
    assert (f'"default":{kept}' in text) if kept else ("default" not in text)


def test_what_is_normalized_is_normalized() -> None:
    for seed in range(200):
        graph = schema(SchemaMaker(seed, plain=True).schema())
        once = normalize(graph)
        assert render(normalize(once)) == render(once)
        assert parsing_canonical_form(once) == parsing_canonical_form(graph)
