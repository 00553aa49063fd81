"""The known answers of Avro Java and of the registries built on it, row by row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codegen.avro.canonical import fingerprint_crc64, parsing_canonical_form
from codegen.avro.parse import CONFLUENT, JAVA, SPECIFICATION, Dialect
from codegen.avro.resolution import compare, compare_as_reference, is_readable, judge_both
from codegen.compatibility import judge
from codegen.contract.model import History, Level, PastVersion
from codegen.source import read_json
from schemas import parse_text, schema

ROWS = Path(__file__).parent / "conformance"


def rows(name: str) -> list[dict[str, Any]]:
    text = (ROWS / name).read_text("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def complain(wrong: list[str]) -> None:
    assert not wrong, f"{len(wrong)} rows differ:\n" + "\n".join(wrong[:10])


def test_reference_mode_repeats_avro_java() -> None:
    wrong = []
    for row in rows("reader_writer.jsonl"):
        reader, writer = schema(row["reader"]), schema(row["writer"])
        found = [
            [one.kind.value, one.reader_path, one.message]
            for one in compare_as_reference(reader, writer)
        ]
        if found != row["incompatibilities"]:
            wrong.append(f"{row['id']}: {found} in place of {row['incompatibilities']}")
    complain(wrong)


def test_all_modes_agree_on_the_verdict() -> None:
    wrong = []
    for row in rows("reader_writer.jsonl"):
        reader, writer = schema(row["reader"]), schema(row["writer"])
        found, sound = judge_both(reader, writer)
        verdicts = [is_readable(reader, writer), not compare(reader, writer), not found, sound]
        if verdicts != [row["compatible"]] * 4:
            wrong.append(f"{row['id']}: {verdicts}, and {row['compatible']} is expected")
    complain(wrong)


def test_levels() -> None:
    wrong = []
    for row in rows("levels.jsonl"):
        past = tuple(
            PastVersion("s", f"v{number}", read_json("old", "null"), schema(old), number)
            for number, old in enumerate(row["previous"], 1)
        )
        verdict = judge(schema(row["new"]), History("s", past), Level(row["level"]))
        if verdict.is_compatible != row["compatible"]:
            wrong.append(f"{row['id']} at {row['level']}: {verdict.failures}")
    complain(wrong)


def test_canonical_forms_and_fingerprints() -> None:
    wrong = []
    for row in rows("canonical.jsonl"):
        graph, findings = parse_text(row["schema"])
        if graph is None:
            wrong.append(f"{row['id']} was refused: {[one.message for one in findings]}")
            continue
        expected = row.get("canonical")
        if expected is not None and parsing_canonical_form(graph) != expected:
            wrong.append(f"{row['id']}: {parsing_canonical_form(graph)}")
        if fingerprint_crc64(graph) != row.get("fingerprint", fingerprint_crc64(graph)):
            wrong.append(f"{row['id']}: {fingerprint_crc64(graph)}")
    complain(wrong)


@pytest.mark.parametrize(("dialect", "column"), [(JAVA, "java"), (CONFLUENT, "confluent")])
def test_other_dialects_accept_what_their_parsers_accept(dialect: Dialect, column: str) -> None:
    wrong = []
    for row in rows("schemas.jsonl"):
        graph, findings = parse_text(row["text"], dialect)
        if (graph is not None) != row[column]:
            wrong.append(f"{row['id']}: {[one.message for one in findings]} {row['text'][:200]}")
    complain(wrong)


def test_our_parser_is_as_strict_as_avro_java_at_least_and_says_who_is_not() -> None:
    wrong = []
    for row in rows("schemas.jsonl"):
        graph, findings = parse_text(row["text"], SPECIFICATION)
        if graph is not None and not row["java_strict"]:
            wrong.append(f"{row['id']} is accepted: {row['text'][:200]}")
        notes = {finding.note for finding in findings}
        if graph is None and row["java"] and not all("Avro Java" in note for note in notes):
            wrong.append(f"{row['id']} does not say that Avro Java accepts it: {notes}")
        if graph is None and row["confluent"] and not all("Confluent" in note for note in notes):
            wrong.append(f"{row['id']} does not say that Confluent accepts it: {notes}")
    complain(wrong)


def test_the_command_answers_all_rows_in_order() -> None:
    expected = rows("reader_writer.jsonl")
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "compare", "--jsonl"],
        input="".join(json.dumps(row) + "\n" for row in expected),
        capture_output=True,
        text=True,
        cwd=ROWS.parent.parent,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [row["id"] for row in expected]
    for row, answer in zip(expected, answers, strict=True):
        assert answer == {
            "id": row["id"],
            "compatible": row["compatible"],
            "incompatibilities": row["incompatibilities"],
            "sound": row["compatible"],
        }
