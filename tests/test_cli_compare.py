"""kontrakt compare, from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas import record

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "codegen", "compare"]


def run(*arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], input=data, capture_output=True, cwd=ROOT, check=False
    )


def files(folder: Path, reader: Any, writer: Any) -> tuple[Path, Path]:
    paths = (folder / "reader.avsc", folder / "writer.avsc")
    for path, value in zip(paths, (reader, writer), strict=True):
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=2))
    return paths


@pytest.mark.parametrize(
    ("reader", "writer", "code"),
    [
        ('"long"', '"int"', 0),
        ('"int"', '"long"', 1),
        (record(("a", "int")), record(), 1),
        ('"int"', '{"type": "record"', 3),
        ('"int"', '"nope"', 3),
        ("", '"int"', 3),
        ("[" * 5000, '"int"', 3),
    ],
)
def test_exit_codes(tmp_path: Path, reader: Any, writer: Any, code: int) -> None:
    done = run(*files(tmp_path, reader, writer))
    assert done.returncode == code
    assert b"Traceback" not in done.stdout + done.stderr
    assert done.stdout


def test_wrong_usage_and_missing_files(tmp_path: Path) -> None:
    assert run().returncode == 2
    assert run("one.avsc").returncode == 2
    assert run("--jsonl", "one.avsc").returncode == 2
    missing = run(tmp_path / "no.avsc", tmp_path / "no.avsc")
    assert missing.returncode == 3
    assert b"no.avsc" in missing.stderr
    assert run(tmp_path, tmp_path).returncode == 3


def test_both_places_are_shown(tmp_path: Path) -> None:
    reader, writer = files(tmp_path, record(("a", "int")), record(("a", "string")))
    text = run(reader, writer).stdout.decode()
    assert f"{reader}:7:15: error compat/type-changed" in text
    assert f"{writer}:7:15" in text
    assert "cannot read" in text


def test_the_report_as_json(tmp_path: Path) -> None:
    paths = files(tmp_path, record(("a", "int")), record())
    done = run(*paths, "--format", "json")
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["rule"] == "compat/field-without-default"


def test_the_registry_accepts_what_a_consumer_cannot_read(tmp_path: Path) -> None:
    def enum(name: str, **more: Any) -> Any:
        return {"type": "enum", "name": name, "symbols": ["A"], **more}

    done = run(*files(tmp_path, ["null", enum("b.E")], enum("a.E")))
    assert done.returncode == 1
    assert b"error compat/accepted-but-fails" in done.stdout
    assert b'or add the old one to "aliases"' in done.stdout
    done = run(*files(tmp_path, ["null", enum("b.E", aliases=["a.E"])], enum("a.E")))
    assert done.returncode == 0
    assert b"accepted-but-fails" not in done.stdout


def test_a_danger_that_no_registry_sees_is_a_finding(tmp_path: Path) -> None:
    def stamp(unit: str) -> Any:
        return record(("at", {"type": "long", "logicalType": f"timestamp-{unit}"}))

    done = run(*files(tmp_path, stamp("micros"), stamp("millis")))
    assert done.returncode == 1
    assert b"error change/logical-type" in done.stdout
    reordered = ({"type": "enum", "name": "E", "symbols": list(text)} for text in ("AB", "BA"))
    done = run(*files(tmp_path, *reordered))
    assert done.returncode == 0
    assert b"warning change/enum-reordered" in done.stdout


def test_both_directions(tmp_path: Path) -> None:
    paths = files(tmp_path, record(), record(("a", "int")))
    assert run(*paths).returncode == 0
    done = run("--both", *paths)
    assert done.returncode == 1
    assert b"compat/field-removed" in done.stdout
    reader, writer = map(str, paths)
    assert done.stdout.decode().endswith(
        f"{reader} reads {writer}. {writer} cannot read all data written with {reader}.\n"
    )


def test_the_answer_of_a_registry_word_for_word(tmp_path: Path) -> None:
    paths = files(tmp_path, record(("a", "int")), record())
    done = run("--engine", "reference", "--format", "json", *paths)
    assert done.returncode == 1
    (section,) = json.loads(done.stdout)["sections"]
    assert section["lines"][0] == (
        "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'a' at path "
        "'/fields/0' in the new schema has no default value and is missing in the old schema', "
        "additionalInfo:'a'}"
    )
    assert section["lines"][-1] == "{validateFields: 'false', compatibility: 'BACKWARD'}"
    done = run("--engine", "reference", *reversed(paths))
    assert done.returncode == 0
    assert b"a registry takes" in done.stdout


def test_types_of_files_beside_the_schema(tmp_path: Path) -> None:
    reader, writer = files(tmp_path, record(("a", "x.Line")), record(("a", "x.Line")))
    missing = run(reader, writer)
    assert missing.returncode == 3
    assert b"schema/unknown-type" in missing.stdout
    line = tmp_path / "x" / "Line.avsc"
    line.parent.mkdir()
    line.write_text(json.dumps(record(("code", "Code"), name="Line", namespace="x")))
    code = {"type": "fixed", "name": "Code", "namespace": "x", "size": 2}
    elsewhere = tmp_path.parent / f"{tmp_path.name}-code.avsc"
    elsewhere.write_text(json.dumps(code))
    (tmp_path / "junk.avsc").write_text("{")
    assert run(reader, writer).returncode == 3
    done = run(reader, writer, "--with", elsewhere)
    assert done.returncode == 0, done.stdout
    assert run(reader, writer, "--with", tmp_path / "no").returncode == 2


def answers(data: bytes) -> list[Any]:
    done = run("--jsonl", data=data)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_garbage_gets_an_answer_and_the_rest_goes_on() -> None:
    good = b'{"id": "last", "reader": "long", "writer": "int"}'
    garbage = [
        b"nonsense",
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"id": NaN}',
        b"[" * 100_000,
        b'{"id": 1' + b"0" * 5000 + b"}",
        b'{"id": [1, "reader": "int"}',
        b'{"id": "a',
        b'{"id" 3}',
        b'{"reader": "int", "writer": "int", "id": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ]
    found = answers(b"\n".join([*garbage, b"", b"   ", good]))
    assert len(found) == len(garbage) + 1
    for answer in found[:-1]:
        assert answer.keys() == {"id", "error"}
        assert answer["id"] is None
    assert found[-1] == {"id": "last", "compatible": True, "incompatibilities": [], "sound": True}


@pytest.mark.parametrize(
    ("given", "row"),
    [
        ("1e400", b'{"id": 1e400, "reader": "int", "writer": "int"}'),
        ("-0.0", b'{"writer": {"id": 3}, "id" :-0.0 , "reader": ["id", 4]}'),
        ("7", b'{"id": 7, "reader": ' + b"[" * 5000 + b"]" * 5000 + b', "writer": "int"}'),
        ('"a,b}\\""', b'{"id": "a,b}\\"", "reader": '),
        ('{"a": [1.0, 1e999]}', b'{"id": {"a": [1.0, 1e999]}, "reader": 3, "writer": nonsense}'),
        ("2", b'{"id": 1, "id": 2, "reader": "int"}'),
        ("9", b'{"id": 9, "reader": "\xff"}'),
    ],
)
def test_the_id_is_given_back_as_it_was_written(given: str, row: bytes) -> None:
    done = run("--jsonl", data=row)
    assert done.stdout.decode().startswith(f'{{"id": {given}, ')
    assert done.returncode == 0


@pytest.mark.parametrize(
    "row",
    [
        {"reader": "int"},
        {"writer": "int"},
        {"reader": "nope", "writer": "int"},
        {"reader": None, "writer": "int"},
        {"reader": "int", "writer": {"type": "record", "name": "R"}},
        {"reader": "int", "writer": {"type": "record", "name": "R", "fields": {"a": 1}}},
        {"reader": "int", "writer": [["int"]]},
        {"reader": {"type": ["int"]}, "writer": "int"},
        {"reader": {"type": "fixed", "name": "F", "size": 2**40}, "writer": "int"},
        {"reader": {"type": "enum", "name": "E", "symbols": [None]}, "writer": "int"},
    ],
)
def test_a_schema_that_cannot_be_parsed_names_its_side(row: dict[str, Any]) -> None:
    (answer,) = answers(json.dumps({"id": {"any": 1}, **row}).encode())
    assert answer.keys() == {"id", "error"}
    assert answer["id"] == {"any": 1}
    assert "reader" in answer["error"] or "writer" in answer["error"]


def test_what_avro_java_throws_is_no_yes() -> None:
    same = record({"name": "t", "aliases": ["t"], "type": "int"})
    (answer,) = answers(json.dumps({"id": 1, "reader": same, "writer": same}).encode())
    assert not answer["compatible"]
    assert answer["sound"]
    assert "matches multiple fields" in answer["exception"]


def test_a_row_is_answered_before_the_next_is_sent() -> None:
    with subprocess.Popen(
        [*COMMAND, "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            row = {"id": number, "reader": "int", "writer": "long"}
            process.stdin.write(json.dumps(row).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(30) == 0
