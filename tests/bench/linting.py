"""Linting repositories beside parsing the same texts with avro and fastavro, and by size."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator

import fastavro
from avro.schema import parse as parse_with_avro

from codegen.cli import GARBAGE_THRESHOLD
from codegen.contract.load import assemble
from codegen.diagnostics import Findings
from codegen.linting import lint
from codegen.source import read_json, read_yaml
from tests.bench.formatting import row
from tests.bench.histories import VERSIONS, event_name, schema_text
from tests.bench.repositories import make_manifest

SIZES = (1_000, 10_000)


def measure() -> Iterator[dict[str, object]]:
    """Reading, loading and linting, without the disk; every schema is another one.

    Garbage is collected as seldom as in the command.
    """
    gc.set_threshold(GARBAGE_THRESHOLD)
    first, last = SIZES
    texts = [schema_text(subject, VERSIONS) for subject in range(last)]
    documented = [add_docs(text) for text in texts]
    good = {size: take(lambda size=size: lint_texts(documented[:size])) for size in SIZES}
    others: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("avro parses them", parse_with_avro),
        ("fastavro parses them", lambda text: fastavro.parse_schema(json.loads(text))),
    )
    bad = take(lambda: lint_texts(texts[:first]))
    for name, parse in others:
        seconds = take(lambda parse=parse: [*map(parse, documented[:first])])
        yield row(f"lint {first} schemas, documented | {name}", good[first], seconds)
        yield row(f"lint {first} schemas, 26 findings each | {name}", bad, seconds)
    name = f"lint {last} schemas, documented | {first}, as often"
    yield row(name, good[last], good[first] * last / first)


def lint_texts(texts: list[str]) -> int:
    """The number of findings in a repository of these schemas."""
    findings = Findings()
    documents = [
        read_json(f"schemas/{event_name(subject)}.avsc", text) for subject, text in enumerate(texts)
    ]
    manifest = read_yaml("schemas/contracts.yaml", make_manifest(len(texts)))
    return len(lint(assemble(manifest, documents, findings), findings).findings)


def add_docs(text: str) -> str:
    """The schema with a doc on each type and each field that can have one."""

    def add(value: object) -> object:
        if isinstance(value, list):
            return [add(item) for item in value]
        if not isinstance(value, dict):
            return value
        inner = {key: add(item) for key, item in value.items()}
        return {**inner, "doc": "What nobody could guess."} if "name" in value else inner

    return json.dumps(add(json.loads(text)))


def take(work: Callable[[], object]) -> float:
    """The seconds of the processor, the better of two rounds."""
    best = float("inf")
    for _ in range(2):
        gc.collect()
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best
