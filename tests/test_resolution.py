"""What the resolution engine tells people, and where it knows better than the registry."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from codegen.avro.canonical import parsing_canonical_form, render
from codegen.avro.decoding import Outcome, find_decoding_errors, simulate
from codegen.avro.resolution import (
    AmbiguousFieldError,
    Incompatibility,
    Kind,
    compare,
    compare_as_reference,
    is_readable,
    judge_both,
)
from codegen.avro.schema import SchemaGraph
from codegen.diagnostics import locate
from schemas import record, schema


def precise(reader: Any, writer: Any) -> tuple[Incompatibility, ...]:
    return compare(schema(reader, name="reader"), schema(writer, name="writer"))


def enum(name: str, *symbols: str) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols)}


def test_each_side_keeps_its_own_path_and_place() -> None:
    reader = record(("new", ["null", "int"]), ("moved", "int"))
    reader["fields"][0]["default"] = None
    writer = record(("moved", "string"), ("gone", "int"))
    (one,) = precise(reader, writer)
    assert (one.kind, one.reader_path, one.writer_path) == (
        Kind.TYPE_MISMATCH,
        "/fields/1/type",
        "/fields/0/type",
    )
    assert one.reader.document.name == "reader"
    assert one.reader.path == ("fields", 1, "type")
    assert one.writer.document.name == "writer"
    assert one.writer.path == ("fields", 0, "type")
    assert locate(one.writer).excerpt[locate(one.writer).column - 1 :].startswith('"string"')


def test_a_type_used_twice_is_reported_at_each_of_its_paths_once() -> None:
    def twice(inner: str) -> Any:
        return record(("a", record(("x", inner), name="S")), ("b", "S"))

    reader, writer = twice("int"), twice("string")
    paths = [one.reader_path for one in precise(reader, writer)]
    assert paths == ["/fields/0/type/fields/0/type", "/fields/1/type/fields/0/type"]
    reference = compare_as_reference(schema(reader), schema(writer))
    assert [one.reader_path for one in reference] == ["/fields/0/type/fields/0/type"] * 2


def test_a_failed_union_tells_why_the_nearest_branch_does_not_fit() -> None:
    reader = record(("u", ["null", record(("x", "int"), name="S"), record(("y", "int"), name="T")]))
    writer = record(("u", record(("x", "string"), name="S")))
    (one,) = precise(reader, writer)
    assert (one.kind, one.reader_path) == (Kind.MISSING_UNION_BRANCH, "/fields/0/type")
    (cause,) = one.causes
    assert (cause.kind, cause.reader_path, cause.writer_path) == (
        Kind.TYPE_MISMATCH,
        "/fields/0/type/1/fields/0/type",
        "/fields/0/type/fields/0/type",
    )


def test_the_causes_of_unions_in_unions_are_the_innermost() -> None:
    def nest(inner: Any) -> Any:
        for name in ("C", "B", "A"):
            inner = ["null", record(("f", inner), name=name)]
        return inner

    (one,) = precise(nest("int"), nest("string"))
    (cause,) = one.causes
    assert cause.kind is Kind.TYPE_MISMATCH
    assert cause.reader_path == "/1/fields/0/type/1/fields/0/type/1/fields/0/type"
    assert cause.causes == ()


def test_a_renamed_branch_is_told_from_a_missing_one() -> None:
    (renamed,) = precise(["null", enum("New", "A")], enum("Old", "A"))
    assert [cause.kind for cause in renamed.causes] == [Kind.NAME_MISMATCH]
    (missing,) = precise(["null", "int"], enum("Old", "A"))
    assert missing.causes == ()


def test_the_enum_default_does_not_stand_in_for_a_missing_field() -> None:
    reader = record(("e", {**enum("E", "A"), "default": "A"}))
    writer = record()
    (one,) = precise(reader, writer)
    assert one.kind is Kind.READER_FIELD_MISSING_DEFAULT_VALUE
    (reference,) = compare_as_reference(schema(reader), schema(writer))
    assert (reference.kind, reference.reader_path) == (Kind.TYPE_MISMATCH, "/fields/0/type")
    assert reference.message == "reader type: ENUM not compatible with writer type: RECORD"


HIDING = (
    record(
        (
            "a",
            [
                record(
                    ("q", record(("p", ["null", "P"]), name="Q")),
                    ("bad", "int"),
                    name="P",
                    namespace="n1",
                ),
                record(("bad", "string"), name="P", namespace="n2"),
            ],
        ),
        ("b", "n1.Q"),
        name="Top",
    ),
    record(
        ("a", record(("q", record(("p", ["null", "P"]), name="Q")), ("bad", "string"), name="P")),
        ("b", "Q"),
        name="Top",
    ),
)
"""A pair that Avro Java's checker accepts, and whose data Avro Java cannot decode."""


def test_recursion_hides_no_error_from_the_sound_verdict() -> None:
    reader, writer = map(schema, HIDING)
    assert judge_both(reader, writer) == ((), False)
    (one,) = compare(reader, writer)
    assert one.reader_path == "/fields/1/type/fields/0/type"
    assert any(
        error.reader_path == one.reader_path for error in find_decoding_errors(reader, writer)
    )


def test_the_reference_sees_it_when_the_fields_stand_the_other_way_about() -> None:
    reader = {**HIDING[0], "fields": HIDING[0]["fields"][::-1]}
    reader["fields"] = [
        {"name": "b", "type": HIDING[0]["fields"][0]["type"][0]["fields"][0]["type"]},
        HIDING[0]["fields"][0],
    ]
    # The definition moves to where it is used first; what it refers to comes later.
    reader["fields"][0]["type"] = {
        **reader["fields"][0]["type"],
        "namespace": "n1",
    }
    reader["fields"][1] = {
        "name": "a",
        "type": [
            record(("q", "Q"), ("bad", "int"), name="P", namespace="n1"),
            HIDING[0]["fields"][0]["type"][1],
        ],
    }
    (one,) = compare_as_reference(schema(reader), schema(HIDING[1]))
    assert (one.kind, one.reader_path) == (
        Kind.MISSING_UNION_BRANCH,
        "/fields/0/type/fields/0/type/1",
    )


def test_an_alias_that_fits_several_fields_is_no_match() -> None:
    reader = record({"name": "a", "aliases": ["b"], "type": "int"})
    writer = record(("a", "int"), ("b", "int"))
    (one,) = precise(reader, writer)
    assert one.kind is Kind.AMBIGUOUS_FIELD
    with pytest.raises(AmbiguousFieldError, match="field a type:INT pos:0 matches multiple fields"):
        compare_as_reference(schema(reader), schema(writer))


def test_a_field_that_is_its_own_alias_is_read_and_the_registry_refuses_it() -> None:
    same = schema(record({"name": "t", "aliases": ["t"], "type": "int"}))
    assert is_readable(same, same)
    with pytest.raises(AmbiguousFieldError):
        judge_both(same, same)


def surprises(reader: Any, writer: Any) -> list[tuple[Outcome, str]]:
    found = simulate(schema(reader), schema(writer))
    return [(one.outcome, one.reader_path) for one in found]


def test_the_registry_accepts_what_a_consumer_cannot_choose() -> None:
    fails = Outcome.ACCEPTED_BUT_FAILS
    assert surprises(["null", enum("b.E", "A")], enum("a.E", "A")) == [(fails, "/")]
    # Two unions that are alike are read on without a choice.
    assert surprises(["null", enum("b.E", "A")], ["null", enum("a.E", "A")]) == []


def test_the_registry_accepts_a_default_that_cannot_be_used() -> None:
    reader = record(("e", enum("E", "A")))
    reader["fields"][0]["default"] = "B"
    assert surprises(reader, record()) == [(Outcome.ACCEPTED_BUT_FAILS, "/fields/0")]


def test_the_registry_rejects_a_record_that_is_only_renamed() -> None:
    works = Outcome.REJECTED_BUT_WORKS
    assert surprises(record(("a", "int"), name="New"), record(("a", "int"), name="Old")) == [
        (works, "/name")
    ]
    assert surprises("int", "string") == []


def test_pointers_are_escaped() -> None:
    lenient = record(("a", "int"))
    lenient["fields"][0]["type"] = enum("E", "A")
    (one,) = precise(lenient, record(("a", enum("E", "A", "B"))))
    assert (one.reader_path, one.message) == ("/fields/0/type/symbols", "[B]")


# How much work it is: calls of functions, so that no clock decides.


def count_calls(work: Callable[[], object]) -> int:
    calls = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def chain(length: int, last: str, width: int = 1) -> Any:
    """A record whose fields are of the next record's type, and so on to the last."""
    records = [
        record(
            *((f"f{k}", f"T{i + 1}" if i + 1 < length else last) for k in range(width)),
            name=f"T{i}",
        )
        for i in range(length)
    ]
    return [*records]


def optional_chain(length: int, last: str, width: int = 1) -> Any:
    return [
        record(("f", ["null", f"T{i + 1}"] if i + 1 < length else last), name=f"T{i}")
        for i in range(length)
    ]


def mesh(length: int, last: str, width: int = 6) -> Any:
    """Records that refer to each other in circles of many lengths."""
    return [
        record(
            *((f"f{k}", ["null", f"T{(i * 7 + k * 13) % length}"]) for k in range(width)),
            ("z", last),
            name=f"T{i}",
        )
        for i in range(length)
    ]


def union_of_records(length: int, last: str, width: int = 1) -> Any:
    return [record(("x", "int"), ("y", last), name=f"T{i}") for i in range(length)]


def first_type(value: Any) -> SchemaGraph:
    graph = schema(value)
    first = graph.root.branches[0]  # type: ignore[union-attr]
    return SchemaGraph(first, graph.names)


WORK: dict[str, Callable[[SchemaGraph, SchemaGraph], object]] = {
    "is_readable": is_readable,
    "compare": compare,
    "compare_as_reference": compare_as_reference,
    "simulate": simulate,
    "render": lambda reader, writer: render(reader, inline=True),
    "parsing_canonical_form": lambda reader, writer: parsing_canonical_form(reader),
}


@pytest.mark.parametrize("shape", [chain, optional_chain, mesh])
@pytest.mark.parametrize("work", WORK)
def test_work_grows_with_the_number_of_types_not_of_paths(work: str, shape: Any) -> None:
    counts = []
    for length in (100, 400):
        reader, writer = first_type(shape(length, "int")), first_type(shape(length, "string"))
        counts.append(count_calls(lambda: WORK[work](reader, writer)))  # noqa: B023
    assert counts[1] < 5 * counts[0]


@pytest.mark.parametrize("work", WORK)
def test_two_ways_to_each_of_2000_types_are_not_2_to_the_2000(work: str) -> None:
    reader, writer = first_type(chain(2000, "int", 2)), first_type(chain(2000, "string", 2))
    assert count_calls(lambda: WORK[work](reader, writer)) < 2_000_000


@pytest.mark.parametrize("work", WORK)
def test_unions_of_100_records(work: str) -> None:
    reader, writer = schema(union_of_records(100, "int")), schema(union_of_records(100, "string"))
    assert count_calls(lambda: WORK[work](reader, writer)) < 1_000_000


@pytest.mark.parametrize("work", WORK)
def test_depth_costs_no_stack(work: str) -> None:
    reader, writer = first_type(chain(3000, "int")), first_type(chain(3000, "string"))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        WORK[work](reader, writer)
    finally:
        sys.setrecursionlimit(limit)


def test_types_of_one_name_in_many_namespaces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen.avro import incompatibility, resolution

    monkeypatch.setattr(resolution, "MAX_PAIRS", 1000)

    def circle(length: int) -> Any:
        names = [f"n{i}.T" for i in range(length)]
        return [record(("f", names[(i + 1) % length]), name=name) for i, name in enumerate(names)]

    with pytest.raises(incompatibility.TooManyPairs):
        is_readable(first_type(circle(50)), first_type(circle(49)))
