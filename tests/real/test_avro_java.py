"""Avro Java itself, asked about 35,000 random pairs of schemas, and our engine beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nasty_schemas import NastyMaker
from random_schemas import SchemaMaker, spoil

from codegen.avro.canonical import (
    fingerprint_crc64,
    fingerprint_md5,
    fingerprint_sha256,
    parsing_canonical_form,
    render,
)
from codegen.avro.decoding import find_decoding_errors
from codegen.avro.parse import SPECIFICATION
from codegen.avro.schema import SchemaGraph
from real.java import AVRO, compile_java, java, maven_class_path
from schemas import parse_text

PAIRS = 20_000
SPOILT = 5_000
NASTY = 10_000
SOURCE = Path(__file__).parent / "java" / "Reference.java"
ROOT = Path(__file__).parent.parent.parent

Row = dict[str, Any]


def make_rows() -> list[Row]:
    rows = []
    for number in range(PAIRS + SPOILT):
        reader, writer = SchemaMaker(f"java/{number}").pair()
        if number >= PAIRS:
            reader, writer = spoil(reader, number), spoil(writer, -number)
        rows.append({"id": number, "reader": reader, "writer": writer})
    for number in range(NASTY):
        reader, writer = NastyMaker(f"nasty/{number}", odd=0.01).pair()
        rows.append({"id": f"nasty {number}", "reader": reader, "writer": writer})
    return rows


def ask_java(rows: list[Row], class_path: str) -> list[Row]:
    texts = [{**row, "reader": text(row["reader"]), "writer": text(row["writer"])} for row in rows]
    return run([str(java(17)), "-Xmx512m", "-Xss64m", "-cp", class_path, "Reference"], texts)


def ask_the_command(rows: list[Row]) -> list[Row]:
    return run([sys.executable, "-m", "codegen", "compare", "--jsonl"], rows)


def run(command: list[str], rows: list[Row]) -> list[Row]:
    done = subprocess.run(
        command,
        input="".join(json.dumps(row) + "\n" for row in rows).encode(),
        capture_output=True,
        cwd=ROOT,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    answers = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    assert [answer["id"] for answer in answers] == [row["id"] for row in rows]
    return answers


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Row, Row, Row]]:
    """Each row, what Avro Java says of it, and what the command says."""
    classes = tmp_path_factory.mktemp("classes")
    class_path = compile_java(SOURCE, maven_class_path(AVRO), classes)
    rows = make_rows()
    with ThreadPoolExecutor(2) as pool:
        theirs = pool.submit(ask_java, rows, class_path)
        ours = pool.submit(ask_the_command, rows)
        return list(zip(rows, theirs.result(), ours.result(), strict=True))


def complain(wrong: list[Any]) -> None:
    shown = "\n\n".join(json.dumps(one, ensure_ascii=False)[:3000] for one in wrong[:3])
    assert not wrong, f"{len(wrong)} differ:\n{shown}"


def has_wrapped_name(error: str) -> bool:
    """Avro Java refuses a name in an object since 1.12.2 (AVRO-4176); this is 1.12.1."""
    return "is no kind of type" in error


def test_the_same_schemas_are_refused(asked: list[tuple[Row, Row, Row]]) -> None:
    wrong = []
    for row, theirs, ours in asked:
        refused = "error" in theirs["reader"] or "error" in theirs["writer"]
        if refused != ("error" in ours) and not has_wrapped_name(ours.get("error", "")):
            wrong.append((row, theirs, ours))
    complain(wrong)


def test_kinds_pointers_messages_and_order_are_the_same(asked: list[tuple[Row, Row, Row]]) -> None:
    wrong, seen = [], Counter[str]()
    for row, theirs, ours in asked:
        if "error" in ours or "error" in theirs["reader"] or "error" in theirs["writer"]:
            continue
        if "exception" in theirs:
            seen["exception"] += 1
            same = ours.get("exception") == theirs["exception"] and not ours["compatible"]
        else:
            seen.update(
                [str(theirs["compatible"]), *(one[0] for one in theirs["incompatibilities"])]
            )
            same = all(ours[key] == theirs[key] for key in ("compatible", "incompatibilities"))
            # The corner where the reference is unsound is too rare for chance to find.
            same = same and ours["sound"] == theirs["compatible"]
        if not same:
            wrong.append((row, theirs, ours))
    complain(wrong)
    kinds = ["NAME_MISMATCH", "FIXED_SIZE_MISMATCH", "MISSING_ENUM_SYMBOLS", "TYPE_MISMATCH"]
    kinds += ["READER_FIELD_MISSING_DEFAULT_VALUE", "MISSING_UNION_BRANCH", "exception"]
    assert all(seen[one] > 50 for one in [*kinds, "True", "False"]), seen


def test_texts_and_fingerprints_are_the_same(asked: list[tuple[Row, Row, Row]]) -> None:
    wrong = []
    for row, theirs, _ in asked:
        for side in ("reader", "writer"):
            expected = theirs[side]
            graph = None if "error" in expected else parse_text(text(row[side]))[0]
            if graph is None:
                continue
            found = {
                "canonical": parsing_canonical_form(graph),
                "crc64": fingerprint_crc64(graph),
                "md5": fingerprint_md5(graph).hex(),
                "sha256": fingerprint_sha256(graph).hex(),
                "text": render(graph),
            }
            if any(expected[key] != found[key] for key in found):
                wrong.append((row[side], expected, found))
    complain(wrong)


def test_the_decoder_stops_where_the_simulation_says(asked: list[tuple[Row, Row, Row]]) -> None:
    wrong, seen = [], Counter[bool]()
    for row, theirs, _ in asked:
        if "decodes" not in theirs:
            continue
        graphs = [parse_text(text(row[side]))[0] for side in ("reader", "writer")]
        if None in graphs:
            continue
        reader, writer = (graph for graph in graphs if isinstance(graph, SchemaGraph))
        errors = find_decoding_errors(reader, writer)
        seen[theirs["decodes"]] += 1
        if bool(errors) == theirs["decodes"]:
            wrong.append((row, [error.message for error in errors]))
    complain(wrong)
    assert min(seen.values()) > 1000


def test_our_parser_accepts_nothing_that_avro_java_refuses(
    asked: list[tuple[Row, Row, Row]],
) -> None:
    wrong = []
    for row, theirs, _ in asked:
        graph, _ = parse_text(text(row["reader"]), SPECIFICATION)
        if graph is not None and not theirs["reader"]["strict"]:
            wrong.append((row["reader"], theirs["reader"]))
    complain(wrong)
