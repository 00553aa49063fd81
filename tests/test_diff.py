"""What changed, from outside: the words for each sort of change, and `kontrakt diff`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_schemas import SchemaMaker

from codegen.avro.canonical import render
from codegen.difference import find_differences
from schemas import parse_text, record, schema

PROJECT = Path(__file__).parent.parent


def changed(before: Any, after: Any) -> list[str]:
    return [str(one) for one in find_differences(schema(after), schema(before))]


def field(kind: Any, **more: Any) -> dict[str, Any]:
    return record({"name": "f", "type": kind, **more})


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


FIELDS = [
    ({"kind": "int"}, {"kind": "long"}, ["widened f: int -> long"]),
    ({"kind": "double"}, {"kind": "int"}, ["narrowed f: double -> int"]),
    ({"kind": "bytes"}, {"kind": "string"}, ["changed f: bytes -> string"]),
    ({"kind": "int"}, {"kind": enum("A")}, ["changed f: int -> E"]),
    ({"kind": "int"}, {"kind": ["null", "int"]}, ["changed f: int -> (null or int)"]),
    ({"kind": ["int", "string"]}, {"kind": ["string", "int"]},
     ["changed f: (int or string) -> (string or int)"]),
    ({"kind": {"type": "array", "items": "int"}}, {"kind": {"type": "array", "items": "long"}},
     ["widened f: int -> long"]),
    ({"kind": ["null", decimal(9, 2)]}, {"kind": ["null", decimal(9, 3)]},
     ["changed logical type of f: decimal(9, 2) -> decimal(9, 3)"]),
    ({"kind": "int"}, {"kind": {"type": "int", "logicalType": "money"}},
     ["changed logical type of f: none -> money"]),
    ({"kind": "int", "default": 1}, {"kind": "int", "default": 2},
     ["changed default of f: 1 -> 2"]),
    ({"kind": "int"}, {"kind": "int", "default": 2}, ["added default of f: 2"]),
    ({"kind": ["null", "int"], "default": None}, {"kind": ["null", "int"]},
     ["removed default of f: null"]),
    ({"kind": "int", "doc": "A."}, {"kind": "int", "doc": "B."}, ["changed doc of f"]),
    ({"kind": "int"}, {"kind": "int", "doc": "B."}, ["added doc of f"]),
    ({"kind": "int"}, {"kind": "int", "order": "ignore"},
     ["changed sort order of f: ascending -> ignore"]),
    ({"kind": "int"}, {"kind": "int", "aliases": ["g"]}, ["added alias g of f"]),
    ({"kind": "int", "unit": "s"}, {"kind": "int", "unit": "ms"},
     ['changed property unit of f: "s" -> "ms"']),
    ({"kind": enum("A", "B")}, {"kind": enum("A", "C", "D")},
     ["added symbols C, D to E", "removed symbol B from E"]),
    ({"kind": enum("A", "B")}, {"kind": enum("B", "A")}, ["moved symbols of E, now B, A"]),
    ({"kind": enum("A")}, {"kind": enum("A", default="A")}, ['added default of E: "A"']),
    ({"kind": {"type": "fixed", "name": "F", "size": 2}},
     {"kind": {"type": "fixed", "name": "F", "size": 3}}, ["changed size of F: 2 -> 3 bytes"]),
    ({"kind": record(("a", "int"), name="n.X")}, {"kind": record(("a", "int"), name="m.X")},
     ["changed namespace of X: n -> m"]),
    ({"kind": record(("a", "int"), name="X")},
     {"kind": record(("a", "int"), ("b", ["null", "int"]), name="X")},
     ["added field X.b ((null or int))"]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "words"), FIELDS)
def test_a_change_of_a_field_in_words(before: Any, after: Any, words: list[str]) -> None:
    assert changed(field(**before), field(**after)) == words
    assert changed(field(**before), field(**before)) == []


def test_fields_come_go_and_are_renamed() -> None:
    before = record(("a", "int"), ("b", "string"), ("c", "int"))
    after = record(
        ("c", "int"),
        {"name": "bee", "type": "string", "aliases": ["b"]},
        {"name": "d", "type": "string", "default": "x"},
    )
    assert changed(before, after) == [
        "renamed field b to bee",
        "added alias b of bee",
        'added field d (string, default "x")',
        "removed field a (int)",
    ]


def test_a_renamed_type_is_looked_into() -> None:
    before = field(record(("a", "int"), name="Old"))
    after = field(record(("a", "long"), name="New", aliases=["Old"]))
    assert changed(before, after) == [
        "renamed type Old to New",
        "added alias Old of New",
        "widened New.a: int -> long",
    ]


def test_a_type_that_is_used_often_is_told_of_once() -> None:
    def uses(kind: str) -> Any:
        inner = record(("a", kind), name="X")
        return record(("one", inner), ("two", "X"), ("three", ["null", "X"]))

    assert changed(uses("int"), uses("long")) == ["widened X.a: int -> long"]


def test_it_ends_on_recursive_types_and_on_long_unions() -> None:
    def deep(count: int, kind: str) -> Any:
        node: Any = record(("value", kind), ("again", ["null", "N1"]), name="N0")
        for index in range(1, count):
            node = record(("next", ["null", node]), name=f"N{index}")
        return node

    assert changed(deep(100, "int"), deep(100, "long")) == ["widened N0.value: int -> long"]
    branches = [record(("a", "int"), name=f"B{index}") for index in range(300)]
    others = [record(("a", "long"), name=f"B{index}") for index in range(300)]
    assert len(changed(field(branches), field(others))) == 300


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(min_value=0, max_value=2**48))
def test_there_is_a_difference_exactly_where_the_registry_sees_another_schema(seed: int) -> None:
    texts = [json.dumps(value) for value in SchemaMaker(seed).pair()]
    one, other, again = (parse_text(text)[0] for text in (*texts, texts[0]))
    assume(one is not None and other is not None)
    is_same = render(one, inline=True) == render(other, inline=True)
    assert (find_differences(one, other) == ()) is is_same
    assert find_differences(one, again) == ()


MANIFEST = """version: 1
topics:
  sales:
    key: {schema: shop.Key}
    events: [shop.Sold, shop.Returned]
  prices:
    events: [shop.Priced]
"""


def write(root: Path, **schemas: Any) -> None:
    folder = root / "schemas" / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "schemas" / "contracts.yaml").write_text(MANIFEST)
    for name, value in schemas.items():
        named = {**value, "name": name, "namespace": "shop"}
        (folder / f"{name}.avsc").write_text(json.dumps(named))


Diff = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files as they are now; beside them, in `before`, a folder as they were."""
    plain = record(("id", "string"))
    shared = record(("cents", "int"))
    uses = record(("id", "string"), ("price", "shop.Money"))
    write(tmp_path / "before", Sold=uses, Returned=plain, Priced=uses, Key=plain, Money=shared)
    wider = record(("cents", "long"))
    more = record(("id", "string"), ("price", "shop.Money"), {"name": "n", "type": "int"})
    write(tmp_path / "now", Sold=more, Returned=plain, Priced=uses, Key=plain, Money=wider)
    return tmp_path / "now"


@pytest.fixture
def diff(root: Path) -> Diff:
    """Runs kontrakt diff on the files, without a registry in the environment."""

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "codegen", "diff", *arguments],
            cwd=root,
            env={**environment, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def test_events_are_told_of_with_the_types_they_share(diff: Diff) -> None:
    lines = diff("--from", "folder:../before").stdout.splitlines()
    assert lines == [
        "Sold",
        "  widened   Money.cents: int -> long",
        "  added     field n (int)",
        "",
        "Priced",
        "  widened   Money.cents: int -> long",
        "",
        "2 changed, 2 unchanged, from folder ../before to the files here",
    ]


def test_from_any_baseline_to_any_other(diff: Diff) -> None:
    there = diff("--from", "folder:.", "--to", "folder:../before").stdout
    assert "  narrowed  Money.cents: long -> int" in there
    assert "  removed   field n (int)" in there
    same = diff("--from", "folder:../before", "--to", "folder:../before").stdout
    assert same == "4 unchanged, from folder ../before to folder ../before\n"


def test_versions_have_numbers_where_the_baseline_has_them(diff: Diff, root: Path) -> None:
    texts = [record(("id", "string"), name="Returned", namespace="shop", doc=doc) for doc in "ab"]
    versions = [
        {"version": number, "id": number, "schema": text} for number, text in enumerate(texts, 1)
    ]
    value = {"version": 1, "subjects": {"sales-shop.Returned": {"versions": versions}}}
    (root / "schemas" / "registry.snapshot.json").write_text(json.dumps(value))
    text = diff("--from", "snapshot").stdout
    assert "Returned v2 -> v3\n  removed   doc of the event\n" in text
    assert "Sold is new\n" in text
    assert "key of sales is new\n" in text
    back = diff("--from", "folder:.", "--to", "snapshot").stdout
    assert "Sold was removed\n" in back


def test_the_json_says_where(diff: Diff) -> None:
    value = json.loads(diff("--from", "folder:../before", "--format", "json").stdout)
    assert value["version"] == 1
    assert value["to"] == "the files here"
    states = {one["name"]: one["state"] for one in value["events"]}
    assert states == {
        "Sold": "changed",
        "Returned": "unchanged",
        "Priced": "changed",
        "key of sales": "unchanged",
    }
    widened, added = value["events"][0]["differences"]
    assert (widened["kind"], added["kind"]) == ("widened", "added")
    assert widened["new"]["file"] == "schemas/shop/Money.avsc"
    assert widened["new"]["path"] == ["fields", 0, "type"]
    assert widened["old"]["file"] == "../before/schemas/shop/Money.avsc"


def test_the_markdown_makes_no_markup_of_what_schemas_say(diff: Diff, root: Path) -> None:
    path = root / "schemas" / "shop" / "Sold.avsc"
    value = json.loads(path.read_text())
    value["fields"].append({"name": "t", "type": "string", "default": "<b>|`[x](y)\n@all"})
    path.write_text(json.dumps(value))
    text = diff("--from", "folder:../before", "--format", "markdown").stdout
    line = next(line for line in text.splitlines() if "field t" in line)
    assert line.startswith("- added field t (string")
    for mark in ("<b>", "|", "`", "[x]", "@all"):
        assert mark not in line


def test_an_event_that_is_gone_is_listed_by_its_subject(diff: Diff, root: Path) -> None:
    (root / "schemas" / "shop" / "Priced.avsc").unlink()
    manifest = MANIFEST.partition("  prices:")[0]
    (root / "schemas" / "contracts.yaml").write_text(manifest)
    assert "prices-value was removed\n" in diff("--from", "folder:../before").stdout
    back = diff("--from", "folder:.", "--to", "folder:../before").stdout
    assert "prices-value is new\n" in back


def test_topics_and_services_are_told_of_where_both_sides_have_a_manifest(
    diff: Diff, root: Path
) -> None:
    manifest = root / "schemas" / "contracts.yaml"
    text = manifest.read_text().replace("  prices:", "  tariffs:")
    manifest.write_text(text + "services:\n  till:\n    produces: [sales]\n")
    text = diff("--from", "folder:../before").stdout
    assert "topic tariffs\n  renamed   topic prices to tariffs\n" in text
    assert "service till is new\n" in text
    assert text.endswith("1 topic, 1 service, from folder ../before to the files here\n")
    back = diff("--from", "folder:.", "--to", "folder:../before", "--format", "markdown").stdout
    assert "#### topic prices\n\n- renamed topic tariffs to prices\n" in back
    value = json.loads(diff("--from", "folder:../before", "--format", "json").stdout)
    topic, service = value["manifest"]
    assert (topic["name"], topic["state"]) == ("topic tariffs", "changed")
    assert topic["differences"][0]["new"]["path"] == ["topics", "tariffs"]
    assert (service["name"], service["state"]) == ("service till", "new")


def test_a_manifest_that_cannot_be_read_is_no_answer(diff: Diff, root: Path) -> None:
    before = root.parent / "before" / "schemas" / "contracts.yaml"
    before.write_text("topics: 3\n")
    text = diff("--from", "folder:../before", code=3).stdout
    assert "the manifest of folder ../before cannot be compared\n" in text


def test_what_cannot_be_read_is_no_answer(diff: Diff, root: Path) -> None:
    value = {
        "version": 1,
        "subjects": {
            "sales-shop.Sold": {"versions": [{"version": 1, "id": 1, "schema": {"type": "no"}}]}
        },
    }
    (root / "schemas" / "registry.snapshot.json").write_text(json.dumps(value))
    text = diff("--from", "snapshot", code=3).stdout
    assert "Sold cannot be compared\n  snapshot v1 (id 1): " in text


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_baseline_that_is_not_there(diff: Diff, option: str) -> None:
    done = diff(option, "folder:../nowhere", code=3)
    assert done.stdout == ""
    assert "nowhere" in done.stderr
    assert diff(option, "what", code=2).stdout == ""


def test_a_contract_with_errors_is_not_compared(diff: Diff, root: Path) -> None:
    (root / "schemas" / "shop" / "Sold.avsc").write_text("{")
    value = json.loads(diff("--from", "folder:../before", "--format", "json", code=1).stdout)
    assert value["findings"]
