"""Checking a change against its history: for each pair beside avro-py's checker, and by size."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse as parse_with_avro

from codegen.avro.parse import JAVA, parse_schema
from codegen.avro.schema import SchemaGraph
from codegen.compatibility import Judge
from codegen.contract.model import History, Level, PastVersion
from codegen.diagnostics import Findings
from codegen.source import read_json

VERSIONS = 10


def schema_text(subject: int, version: int) -> str:
    """A record of ten fields and more with each version, with the usual types among them."""
    status = {"type": "enum", "name": "Status", "symbols": ["NEW", "PAID"], "default": "NEW"}
    line = {
        "type": "record",
        "name": "Line",
        "fields": [{"name": "sku", "type": "string"}, {"name": "quantity", "type": "int"}],
    }
    fields = [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "status", "type": status},
        {"name": "lines", "type": {"type": "array", "items": line}},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "note", "type": ["null", "string"], "default": None},
        *({"name": f"number{n}", "type": "long"} for n in range(4)),
        *({"name": f"added{n}", "type": ["null", "string"], "default": None}
          for n in range(version)),
    ]  # fmt: skip
    return json.dumps({"type": "record", "name": event_name(subject), "fields": fields})


def event_name(subject: int) -> str:
    """Each in a namespace of its own, so that they can stand in one repository."""
    return f"shop.part{subject}.Event"


def read(text: str) -> SchemaGraph:
    return parse_schema(read_json("s", text), Findings(), dialect=JAVA)


def measure() -> Iterator[dict[str, object]]:
    yield beside_avro()
    yield from by_size()


def beside_avro() -> dict[str, object]:
    texts = [schema_text(0, version) for version in range(VERSIONS + 1)]
    ours = [read(text) for text in texts]
    theirs = [parse_with_avro(text) for text in texts]

    def check_ours() -> None:
        judge = Judge()
        for past in ours[:-1]:
            assert not judge.compare(ours[-1], past)

    def check_theirs() -> None:
        for past in theirs[:-1]:
            found = ReaderWriterCompatibilityChecker().get_compatibility(theirs[-1], past)
            assert found.compatibility is SchemaCompatibilityType.compatible

    mine, other = rounds(check_ours, check_theirs)
    return {
        "name": "a pair of schemas checked | avro (Python)",
        "ours": mine / VERSIONS * 1e6,
        "other": other / VERSIONS * 1e6,
        "ratio": other / mine,
        "unit": "us a pair",
    }


def by_size() -> Iterator[dict[str, object]]:
    """The time for each subject must not grow with the number of subjects."""
    smallest = 0.0
    for count in (100, 1000, 10_000):
        taken = check_subjects(count)
        smallest = smallest or taken
        yield {
            "name": f"{count} subjects with {VERSIONS} versions, parsed and checked | 100 subjects",
            "ours": taken * 1e6,
            "other": smallest * 1e6,
            "ratio": smallest / taken,
            "unit": "us a subject",
        }


def check_subjects(count: int) -> float:
    started = time.perf_counter()
    for subject in range(count):
        graphs = [read(schema_text(subject, version)) for version in range(VERSIONS + 1)]
        document = read_json("s", "{}")
        past = tuple(
            PastVersion("s", f"v{number}", document, graph, number)
            for number, graph in enumerate(graphs[:-1], 1)
        )
        verdict = Judge().judge(graphs[-1], History("s", past), Level.FULL_TRANSITIVE)
        assert verdict.is_compatible
    return (time.perf_counter() - started) / count


def rounds(first: Callable[[], None], second: Callable[[], None]) -> tuple[float, float]:
    """The median times of two things in seconds, measured in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(15):
        for work, found in zip((first, second), times, strict=True):
            started = time.perf_counter()
            work()
            found.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])
