"""Formatting schema files beside parsing the same texts with avro and fastavro, and by size."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import fastavro
from avro.schema import parse as parse_with_avro

from codegen.formatting import format_schema
from codegen.source import read_json
from tests.bench.histories import VERSIONS, schema_text

SIZES = (1_000, 10_000)
ROUNDS = 3


def measure() -> Iterator[dict[str, object]]:
    """Reading and formatting, without the disk; every text is another one."""
    texts = [schema_text(subject, VERSIONS) for subject in range(SIZES[-1])]
    seconds = {size: take(texts[:size], format_text) for size in SIZES}
    first, last = SIZES
    others: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("avro parses them", parse_with_avro),
        ("fastavro parses them", lambda text: fastavro.parse_schema(json.loads(text))),
    )
    for name, parse in others:
        yield row(f"format {first} schemas | {name}", seconds[first], take(texts[:first], parse))
    name = f"format {last} schemas | {first}, as often"
    yield row(name, seconds[last], seconds[first] * last / first)


def format_text(text: str) -> str:
    return format_schema(read_json("x.avsc", text))


def take(texts: list[str], work: Callable[[str], object]) -> float:
    """The seconds of the processor, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for text in texts:
            work(text)
        best = min(best, time.process_time() - started)
    return best


def row(name: str, ours: float, other: float) -> dict[str, object]:
    return {"name": name, "ours": ours, "other": other, "ratio": other / ours, "unit": "s of CPU"}
