"""One layout for schema files: every value stays, and what cannot be read is left as it is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.avro.parse import parse_schemas
from codegen.cli import program
from codegen.diagnostics import Findings
from codegen.formatting import format_schema
from codegen.source import Json, read_json
from tests.random_schemas import SchemaMaker

PROJECT = Path(__file__).parent.parent
RETAIL = sorted((PROJECT / "schemas").rglob("*.avsc"))
LINE = '{"type":"record","name":"Line","fields":[{"type":"int","name":"n"}]}'
FORMATTED = """\
{
  "type": "record",
  "name": "Line",
  "fields": [
    {"name": "n", "type": "int"}
  ]
}
"""


def format_text(text: str) -> str:
    return format_schema(read_json("x.avsc", text))


def exact(text: str) -> Any:
    """The value with the text of each number; keys of objects in no order."""
    return json.loads(text, parse_int=lambda t: ("int", t), parse_float=lambda t: ("float", t))


def meaning(text: str) -> object:
    """All that the parser understands, without places."""
    findings = Findings()
    parsed = parse_schemas([read_json("x.avsc", text)], findings)
    places = [(item.rule.id, item.location.path, item.message) for item in findings]
    return {name: strip(root) for name, root in parsed.roots.items()}, sorted(map(repr, places))


def strip(node: object) -> object:
    if isinstance(node, tuple):
        return tuple(strip(item) for item in node)
    if isinstance(node, dict):
        return {key: strip(item) for key, item in node.items()}
    slots = getattr(node, "__dataclass_fields__", None)
    if slots is None:
        return node
    inner = {name: strip(getattr(node, name)) for name in slots if "origin" not in name}
    return type(node).__name__, inner


@pytest.mark.parametrize("path", RETAIL, ids=lambda path: path.stem)
def test_the_repository_is_formatted(path: Path) -> None:
    text = path.read_text("utf-8")
    assert format_text(text) == text


CASES = {
    "keys in order": (
        '{"fields": [], "x": 1, "doc": "d", "namespace": "a", "name": "B", "type": "record"}',
        '{\n  "type": "record",\n  "name": "B",\n  "namespace": "a",\n  "doc": "d",\n  "x": 1,\n'
        '  "fields": []\n}\n',
    ),
    "numbers keep their text": (
        '{"type":"int","a":1.0,"b":1e400,"c":-0.0,"d":12345678901234567890,"e":1E+2}',
        '{\n  "type": "int",\n  "a": 1.0,\n  "b": 1e400,\n  "c": -0.0,\n'
        '  "d": 12345678901234567890,\n  "e": 1E+2\n}\n',
    ),
    "strings keep their escapes": (
        r'{"type":"bytes","default":"\u00ff\/ü","\u0064oc":"x, y: [{"}',
        '{\n  "type": "bytes",\n  "\\u0064oc": "x, y: [{",\n  "default": "\\u00ff\\/ü"\n}\n',
    ),
    "keys of values keep their order": (
        '{"type":{"values":"int","type":"map"},"default":{"type":1,"doc":2,"name":3}}',
        '{\n  "type": {"type": "map", "values": "int"},\n'
        '  "default": {"type": 1, "doc": 2, "name": 3}\n}\n',
    ),
    "long things are broken": (
        '{"type":"enum","name":"E","symbols":["' + "A" * 120 + '","' + "B" * 80 + '"]}',
        '{\n  "type": "enum",\n  "name": "E",\n  "symbols": [\n    "'
        + "A" * 120
        + '",\n    "'
        + "B" * 80
        + '"\n  ]\n}\n',
    ),
    "a name": ('  "string"', '"string"\n'),
    "a union": ('["null",\n"string"]\n\n', '["null", "string"]\n'),
    "other line ends": (
        '{"type": "int",\r\n"doc": ""}',
        '{\r\n  "type": "int",\r\n  "doc": ""\r\n}\r\n',
    ),
    "byte order mark": ('\ufeff["int"]', '["int"]\n'),
    "no member": ("{ }", "{}\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_layout(case: str) -> None:
    text, expected = CASES[case]
    assert format_text(text) == expected
    assert format_text(expected) == expected


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_formatting_a_schema_changes_no_meaning(
    seed: int, indent: int | str | None, is_ascii: bool
) -> None:
    text = json.dumps(SchemaMaker(seed).schema(), indent=indent, ensure_ascii=is_ascii)
    formatted = format_text(text)
    assert meaning(formatted) == meaning(text)
    assert exact(formatted) == exact(text)
    assert format_text(formatted) == formatted


words = st.sampled_from(["type", "name", "fields", "items", "doc", "default", "a", "\x00", "é"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | words,
    lambda inner: st.lists(inner) | st.dictionaries(words | st.text(), inner),
    max_leaves=30,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_formatting_any_json_keeps_every_value_and_the_order_of_arrays(value: Json) -> None:
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(value).replace("Infinity", "1e999")
    formatted = format_text(text)
    assert exact(formatted) == exact(text)
    assert format_text(formatted) == formatted
    assert formatted.endswith("\n")
    assert not formatted.endswith("\n\n")


def test_deep_and_wide_texts_take_no_longer_than_their_length() -> None:
    deep = '{"type":"array","items":' * 699 + '"int"' + "}" * 699
    assert exact(format_text(deep)) == exact(deep)
    wide = json.dumps(["int"] * 100_000)
    assert format_text(wide).count("\n") == 100_002


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two schemas, one of them formatted."""
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    (schemas / "contracts.yaml").write_text("version: 1\ntopics:   {}\n")
    (schemas / "A.avsc").write_text(LINE)
    (schemas / "B.avsc").write_text(FORMATTED)
    monkeypatch.chdir(tmp_path)
    return schemas


def run(*arguments: str, data: bytes = b"") -> tuple[int, str, str]:
    done = CliRunner().invoke(program, ["format", *arguments], input=data)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_format_writes_check_lists_and_diff_shows(folder: Path) -> None:
    code, out, err = run("--check")
    assert (code, out) == (1, "not formatted: schemas/A.avsc\n")
    assert "1 of 2 files not formatted. Write them with: kontrakt format" in err
    code, out, _ = run("--diff")
    assert code == 1
    assert '+    {"name": "n", "type": "int"}\n' in out
    assert (folder / "A.avsc").read_text() == LINE
    assert run() == (0, "formatted schemas/A.avsc\n", "1 formatted, 1 unchanged\n")
    assert (folder / "A.avsc").read_text() == FORMATTED
    assert run("--check") == (0, "", "2 files formatted already\n")
    assert (folder / "contracts.yaml").read_text() == "version: 1\ntopics:   {}\n"


def test_files_and_folders_without_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("one.json", "deep/two.avsc", "deep/three.json"):
        (tmp_path / name).write_text(LINE)
    monkeypatch.chdir(tmp_path / "deep")
    assert run("../one.json", str(tmp_path / "deep"), "two.avsc")[:2] == (
        0,
        "formatted ../one.json\nformatted two.avsc\n",
    )
    assert (tmp_path / "deep/three.json").read_text() == LINE


def test_stdin_to_stdout(folder: Path) -> None:
    assert run("-", data=LINE.encode())[:2] == (0, FORMATTED)
    code, out, err = run("-", data=b"{")
    assert (code, out) == (1, "")
    assert "<stdin>:1:" in err


@pytest.mark.parametrize("name", ["schemas/contracts.yaml", "missing.avsc", "schemas/empty"])
def test_what_is_no_schema_is_wrong_usage_and_nothing_is_written(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "format", "schemas/A.avsc", name],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert name in done.stderr
    assert (folder / "A.avsc").read_text() == LINE


def make_link(path: Path) -> None:
    outside = path.parents[2] / f"outside-{path.parents[1].name}.avsc"
    outside.write_text(LINE)
    path.symlink_to(outside)


def make_readonly(path: Path) -> None:
    path.write_text(LINE)
    path.chmod(stat.S_IRUSR)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "half typed": (lambda path: path.write_text('{"type": "record", "na'), "Bad.avsc:1:"),
    "not UTF-8": (lambda path: path.write_bytes(b'{"doc": "\xff"}'), "not UTF-8"),
    "empty": (lambda path: path.write_text(""), "the file is empty"),
    "5 MB": (lambda path: path.write_text(f'["{"a" * 5_000_000}"]'), "characters; the most is"),
    "a key twice": (lambda path: path.write_text('{"a": 1, "a": 2}'), "stands twice"),
    "a link out of the folder": (make_link, "leads out of the repository"),
    "a link to itself": (lambda path: path.symlink_to("Bad.avsc"), "leads to no file"),
    "read-only": (make_readonly, "read-only"),
    "half a character": (lambda path: path.write_text(r'{"doc": "\ud800"}'), "half of a character"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_an_error_is_left_as_it_is_and_the_others_go_on(
    folder: Path, kind: str
) -> None:
    make, expected = BAD[kind]
    path = folder / "Bad.avsc"
    make(path)
    before = path.read_bytes() if path.exists() else None
    code, out, err = run()
    assert code == 1
    assert expected in out + err
    assert "schemas/Bad.avsc" in out + err
    assert "1 file could not be formatted" in err
    assert (path.read_bytes() if path.exists() else None) == before
    assert (folder / "A.avsc").read_text() == FORMATTED
    assert sorted(one.name for one in folder.iterdir()) == [
        "A.avsc", "B.avsc", "Bad.avsc", "contracts.yaml",
    ]  # fmt: skip


def test_a_file_is_formatted_once_whatever_links_lead_to_it(folder: Path) -> None:
    (folder / "Link.avsc").symlink_to("A.avsc")
    (folder.parent / "Shared.avsc").write_text(LINE)
    (folder / "Shared.avsc").symlink_to("../Shared.avsc")
    (folder / "inner").symlink_to(".")
    code, out, _ = run()
    assert code == 0
    assert out.splitlines() == ["formatted schemas/A.avsc", "formatted schemas/Shared.avsc"]
    assert (folder / "Shared.avsc").is_symlink()
    assert (folder.parent / "Shared.avsc").read_text() == FORMATTED
    (folder / "A.avsc").write_text(LINE)
    code, out, _ = run("schemas/Link.avsc", "schemas/A.avsc")
    assert (code, out) == (0, "formatted schemas/Link.avsc\n")
    assert (folder / "A.avsc").read_text() == FORMATTED
    assert (folder / "Link.avsc").is_symlink()


def test_a_linked_folder_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    code, out, _ = run()
    assert code == 1
    assert "schemas/linked: error syntax/unreadable: a symbolic link to a folder" in out
    assert (folder / "A.avsc").read_text() == FORMATTED


def test_a_file_that_was_changed_meanwhile_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_first(document: Any) -> str:
        (folder / "A.avsc").write_text('["theirs"]')
        return format_schema(document)

    monkeypatch.setattr("codegen.formatting.format_schema", change_first)
    code, _, err = run("schemas/A.avsc")
    assert code == 1
    assert "schemas/A.avsc was left as it is: it was changed meanwhile" in err
    assert (folder / "A.avsc").read_text() == '["theirs"]'


def test_a_folder_that_cannot_be_listed_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    # The mode of a folder keeps nobody out who runs this as root.
    monkeypatch.setattr(os, "scandir", refuse)
    code, out, _ = run()
    assert code == 1
    assert "schemas/closed: error syntax/unreadable: cannot be read: permission denied" in out
    assert (folder / "A.avsc").read_text() == FORMATTED
