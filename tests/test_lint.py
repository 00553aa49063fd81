"""`kontrakt lint` from outside: what it says, what it leaves out and why, and what it mends.

Each rule has its cases in tests/rules; tests/lint holds what is found in schemas that nobody wrote
for this project, and in some as Debezium, Confluent, LinkedIn and others shape theirs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from codegen.cli import program
from codegen.contract.load import assemble
from codegen.contract.reading import read_document
from codegen.diagnostics import Findings
from codegen.linting import lint

PROJECT = Path(__file__).parent.parent
CONFORMANCE = PROJECT / "tests/conformance/schemas.jsonl"
FOREIGN = PROJECT / "tests/lint/foreign.jsonl"
FOUND = {
    CONFORMANCE: PROJECT / "tests/lint/conformance.txt",
    FOREIGN: PROJECT / "tests/lint/foreign.txt",
}

MANIFEST = """\
version: 1
topics:
  sales: {doc: Sales., key: sale_id, events: [shop.Sold]}
services:
  till: {doc: Sells., produces: [sales]}
  books: {doc: Counts., consumes: [sales]}
"""
GOOD = {"name": "sale_id", "type": "string", "doc": "Printed on the receipt."}


def write(root: Path, *fields: object, lint: object = None, name: str = "Sold") -> Path:
    """A repository with one event; `lint` is what its manifest says under that key."""
    folder = root / "schemas/shop"
    folder.mkdir(parents=True, exist_ok=True)
    settings = f"lint: {json.dumps(lint)}\n" if lint else ""
    (root / "schemas/contracts.yaml").write_text(MANIFEST + settings, "utf-8")
    lines = ",\n".join(f"    {json.dumps(field)}" for field in (GOOD, *fields))
    (folder / f"{name}.avsc").write_text(
        f'{{\n  "type": "record",\n  "name": "{name}",\n  "namespace": "shop",\n'
        f'  "doc": "A receipt was printed.",\n  "fields": [\n{lines}\n  ]\n}}\n',
        "utf-8",
    )
    return root


def run(root: Path, *arguments: str) -> tuple[int, str, str]:
    """The exit code, what was found (a line `file:line:column severity rule` each), and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "lint", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def find(root: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code, and each finding as `severity rule`, in the order of the report."""
    code, output, errors = run(root, *arguments, "--format", "json")
    assert output, errors
    found = json.loads(output)["findings"]
    return code, [f"{one['severity']} {one['rule']}" for one in found]


NO_DOC = {"name": "note", "type": "string"}


@pytest.mark.parametrize("schemas", [CONFORMANCE, FOREIGN], ids=lambda path: path.parent.name)
def test_schemas_of_others_are_linted_without_a_crash(schemas: Path, update_golden: bool) -> None:
    lines = []
    for row in map(json.loads, schemas.read_text("utf-8").splitlines()):
        findings = Findings()
        data = row["text"].encode("utf-8", "surrogatepass")
        document = read_document(f"schemas/{row['id']}.avsc", data, findings)
        if document is None:
            continue
        found = lint(assemble(None, [document], findings), findings).findings
        lines.append(" ".join((row["id"], *sorted({one.rule.id for one in found}))))
    expected = FOUND[schemas]
    if update_golden:
        expected.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    assert lines == expected.read_text("utf-8").splitlines()


def test_what_is_good_is_said_to_be_good(tmp_path: Path) -> None:
    assert run(write(tmp_path)) == (0, "2 files are good\n", "")


def test_this_repository_and_what_init_writes_are_good(tmp_path: Path) -> None:
    assert find(PROJECT) == (0, [])
    for arguments in (["plain"], ["retail", "--example", "retail"]):
        command = [sys.executable, "-m", "codegen", "init", *arguments]
        subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            check=True,
            capture_output=True,
        )
        assert find(tmp_path / arguments[0]) == (0, [])


@pytest.mark.parametrize(
    ("threshold", "code"), [("error", 0), ("warning", 0), ("note", 1)], ids=str
)
def test_the_threshold_decides_the_exit_code(tmp_path: Path, threshold: str, code: int) -> None:
    write(tmp_path, NO_DOC)
    assert find(tmp_path, "--fail-on", threshold) == (code, ["note docs/field"])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"severity": {"docs/*": "error"}}, ["error docs/field"]),
        ({"severity": {"docs/field": "warning", "docs/*": "off"}}, ["warning docs/field"]),
        ({"severity": {"docs/*": "off"}}, []),
        ({"paths": {"schemas/shop/*": {"docs/*": "off"}}}, []),
        ({"paths": {"schemas/*": {"docs/*": "error"}}}, ["error docs/field"]),
        (
            {"paths": {"schemas/old/*": {"docs/*": "off"}}},
            ["warning lint/unused-path", "note docs/field"],
        ),
        (
            {"severity": {"docs/field": "error"}, "paths": {"schemas/*": {"docs/*": "warning"}}},
            ["warning docs/field"],
        ),
        (
            {"paths": {"schemas/*": {"docs/*": "off"}, "schemas/shop/*": {"docs/*": "error"}}},
            ["error docs/field"],
        ),
    ],
)
def test_severities_stand_in_the_manifest(
    tmp_path: Path, settings: object, expected: list[str]
) -> None:
    assert find(write(tmp_path, NO_DOC, lint=settings))[1] == expected


@pytest.mark.parametrize(
    ("ignore", "expected"),
    [
        ({"rule": "docs/field"}, []),
        ({"rule": "docs/*", "field": "note"}, []),
        ({"rule": "*", "name": "shop.*", "path": "schemas/shop/Sold.avsc"}, []),
        ({"rule": "docs/field", "field": "sale_id"}, ["lint/unused-ignore", "docs/field"]),
        ({"rule": "docs/field", "name": "shop.Bought"}, ["lint/unused-ignore", "docs/field"]),
        ({"rule": "docs/field", "path": "schemas/old/*"}, ["lint/unused-ignore", "docs/field"]),
    ],
)
def test_an_ignore_takes_away_what_it_fits(
    tmp_path: Path, ignore: dict[str, str], expected: list[str]
) -> None:
    write(tmp_path, NO_DOC, lint={"ignore": [{**ignore, "reason": "Said on the receipt."}]})
    found = [line.split()[1] for line in find(tmp_path)[1]]
    assert found == expected
    if not expected:
        assert "1 ignored by the manifest" in run(tmp_path)[1]


def test_an_ignore_needs_a_reason(tmp_path: Path) -> None:
    write(tmp_path, NO_DOC, lint={"ignore": [{"rule": "docs/field"}]})
    code, found = find(tmp_path)
    assert code == 1
    assert found == ["error manifest/wrong-shape", "note docs/field"]


def test_paths_narrow_the_report_and_not_what_is_known(tmp_path: Path) -> None:
    write(tmp_path, NO_DOC, {"name": "goods", "type": "Goods", "doc": "What was sold."})
    write(tmp_path, {"name": "size", "type": "string"}, name="Goods")
    assert find(tmp_path)[1] == ["note docs/field"] * 2
    assert find(tmp_path, "schemas/shop/Goods.avsc")[1] == ["note docs/field"]
    assert find(tmp_path, "schemas/shop")[1] == ["note docs/field"] * 2
    assert find(tmp_path / "schemas/shop", "Sold.avsc")[1] == ["note docs/field"]
    assert find(tmp_path, "schemas/contracts.yaml")[1] == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("schemas/Lost.avsc", "does not exist"),
        ("README.md", "no part"),
        ("empty", "no part"),
    ],
)
def test_a_path_that_leads_to_nothing_is_refused(tmp_path: Path, path: str, words: str) -> None:
    write(tmp_path)
    (tmp_path / "README.md").write_text("A shop.\n", "utf-8")
    (tmp_path / "empty").mkdir()
    code, output, errors = run(tmp_path, path)
    assert (code, output) == (2, "")
    assert words in errors


def test_a_path_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    code, output, errors = run(tmp_path / "one", "schemas", "../two/schemas")
    assert (code, output) == (2, "")
    assert "lies outside" in errors


# Bad input: an error for that file, and the others go on.

BAD_FILES = {
    "half typed": b'{"type": "record", "name": "Bad", "fields": [',
    "not UTF-8": b'{"type": "record", "name": "Bad", "doc": "\xff", "fields": []}',
    "empty": b"",
    "of 5 MB": b'{"type": "record", "name": "Bad", "doc": "' + b"x" * 5_000_000 + b'"}',
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_keeps_no_other_from_being_linted(tmp_path: Path, kind: str) -> None:
    write(tmp_path, NO_DOC)
    (tmp_path / "schemas/shop/Bad.avsc").write_bytes(BAD_FILES[kind])
    assert find(tmp_path) == (1, ["error syntax/unreadable", "note docs/field"])
    assert "2 of 3 files" in run(tmp_path)[1]


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "repository", NO_DOC)
    (tmp_path / "Bad.avsc").write_text('"string"', "utf-8")
    (tmp_path / "repository/schemas/shop/Bad.avsc").symlink_to(tmp_path / "Bad.avsc")
    found = find(tmp_path / "repository")
    assert found == (1, ["error syntax/unreadable", "note docs/field"])


def test_a_link_to_a_file_of_the_repository_is_that_file(tmp_path: Path) -> None:
    write(tmp_path, NO_DOC)
    (tmp_path / "schemas/shop/Other.avsc").symlink_to("Sold.avsc")
    (tmp_path / "schemas/other").symlink_to("shop")
    assert find(tmp_path) == (0, ["note docs/field"])


@pytest.mark.parametrize(
    ("manifest", "rule"),
    [
        ("version: 1\ntopics: [", "syntax/unreadable"),
        ("", "manifest/wrong-shape"),
        ("version: 2\ntopics: {sales: {events: [shop.Sold]}}\n", "manifest/wrong-shape"),
        ("version: 1\ntopics: {sales: {events: [shop.Lost]}}\n", "contract/unknown-name"),
    ],
)
def test_schemas_are_linted_under_a_broken_manifest(
    tmp_path: Path, manifest: str, rule: str
) -> None:
    write(tmp_path, NO_DOC)
    (tmp_path / "schemas/contracts.yaml").write_text(manifest, "utf-8")
    assert find(tmp_path) == (1, [f"error {rule}", "note docs/field"])


def test_no_setting_hides_what_could_not_be_read(tmp_path: Path) -> None:
    write(tmp_path, {"name": "note", "type": "text", "doc": "A wish."})
    everything = {"severity": {"*": "off"}, "ignore": [{"rule": "*", "reason": "Silence."}]}
    write(tmp_path, {"name": "note", "type": "text", "doc": "A wish."}, lint=everything)
    assert find(tmp_path) == (1, ["error schema/unknown-type"])


# The baseline.

LIST = "lint-baseline.json"


def accept(root: Path) -> None:
    assert run(root, "--baseline", LIST, "--write-baseline")[0] == 0


def test_a_baseline_accepts_what_is_there_and_nothing_new(tmp_path: Path) -> None:
    write(tmp_path, NO_DOC)
    accept(tmp_path)
    assert run(tmp_path, "--baseline", LIST, "--fail-on", "note") == (
        0,
        f"2 files are good, 1 accepted by {LIST}\n",
        "",
    )
    # Another field before it moves its place; it is the same finding.
    new = {"name": "wish", "type": "string"}
    write(tmp_path, new, NO_DOC)
    code, output, _ = run(tmp_path, "--baseline", LIST, "--fail-on", "note")
    assert code == 1
    assert "wish has no doc" in output
    assert "note has no doc" not in output


def test_a_baseline_has_a_line_for_each_finding_in_order(tmp_path: Path) -> None:
    write(tmp_path, NO_DOC, {"name": "again", "type": "string"})
    accept(tmp_path)
    text = (tmp_path / LIST).read_text("utf-8")
    entry = '    {"file": "schemas/shop/Sold.avsc", "rule": "docs/field", "at": "fields/%s/name"}'
    expected = [entry % "again" + ",", entry % "note"]
    assert text.splitlines() == ["{", '  "version": 1,', '  "findings": [', *expected, "  ]", "}"]
    write(tmp_path, {"name": "again", "type": "string"}, NO_DOC)
    accept(tmp_path)
    assert (tmp_path / LIST).read_text("utf-8") == text


def test_entries_of_what_was_mended_are_told(tmp_path: Path) -> None:
    write(tmp_path, NO_DOC)
    accept(tmp_path)
    write(tmp_path)
    assert find(tmp_path, "--baseline", LIST) == (0, ["note lint/unused-baseline"])
    # The entry may belong to a file that was not looked at.
    assert find(tmp_path, "--baseline", LIST, "schemas/contracts.yaml") == (0, [])
    accept(tmp_path)
    assert json.loads((tmp_path / LIST).read_text("utf-8"))["findings"] == []
    assert find(tmp_path, "--baseline", LIST) == (0, [])


def test_a_baseline_never_accepts_what_could_not_be_read(tmp_path: Path) -> None:
    write(tmp_path, NO_DOC)
    bad = tmp_path / "schemas/shop/Bad.avsc"
    bad.write_text("{", "utf-8")
    assert run(tmp_path, "--baseline", LIST, "--write-baseline")[0] == 1
    assert find(tmp_path, "--baseline", LIST) == (1, ["error syntax/unreadable"])


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (None, ""),
        (b"", ":1:1"),
        (b"{", ":1:2"),
        (b'{"version": 1,\n "findings": \xff}', ":2:14"),
        (b"[]", ":1:1"),
        (b"7", ":1:1"),
        (b'{"version": 2, "findings": []}', ":1:13"),
        (b'{"version": 1}', ":1:1"),
        (b'{"version": 1,\n "findings": {}}', ":2:14"),
        (b'{"version": 1, "findings": [7]}', ":1:29"),
        (b'{"version": 1, "findings": [{"rule": "docs/field"}]}', ":1:29"),
        (b'{"version": 1, "findings": [{"file": "a", "rule": "b", "at": 1}]}', ":1:62"),
        (
            b'{"version": 1, "findings": [{"file": "a", "rule": "b", "at": "c", "count": -1}]}',
            ":1:76",
        ),
    ],
)
def test_a_baseline_that_is_none_is_told(tmp_path: Path, text: bytes | None, where: str) -> None:
    write(tmp_path, NO_DOC)
    if text is not None:
        (tmp_path / LIST).write_bytes(text)
    code, output, errors = run(tmp_path, "--baseline", LIST)
    assert (code, output) == (3, "")
    assert f"{LIST}{where}" in errors
    assert "--write-baseline" in errors


@pytest.mark.parametrize("arguments", [(), ("--fix",), ("schemas",)])
def test_a_baseline_is_written_of_the_whole_repository(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    write(tmp_path)
    given = ("--baseline", LIST) if arguments else ()
    assert run(tmp_path, "--write-baseline", *given, *arguments)[0] == 2
    assert not (tmp_path / LIST).exists()


# What has one right answer is mended.

STATE = {"type": "enum", "name": "State", "doc": "How.", "symbols": ["PAID", "UNKNOWN"]}
MENDS = {
    "enum default": (
        {"name": "state", "type": STATE, "doc": "Why."},
        {"name": "state", "type": {**STATE, "default": "UNKNOWN"}, "doc": "Why."},
    ),
    "null default": (
        {"name": "note", "type": ["null", "string"], "doc": "A wish."},
        {"name": "note", "type": ["null", "string"], "default": None, "doc": "A wish."},
    ),
    "logical type beside the type": (
        {"name": "due", "type": "int", "logicalType": "date", "doc": "The last day."},
        {"name": "due", "type": {"type": "int", "logicalType": "date"}, "doc": "The last day."},
    ),
    "misspelt logical type": (
        {"name": "due", "type": {"type": "int", "logicalType": "Date"}, "doc": "The last day."},
        {"name": "due", "type": {"type": "int", "logicalType": "date"}, "doc": "The last day."},
    ),
    "misspelt attribute": (
        {"name": "note", "type": "string", "defualt": "", "doc": "A wish."},
        {"name": "note", "type": "string", "default": "", "doc": "A wish."},
    ),
    "default in the type": (
        {"name": "note", "type": {"type": "string", "default": ""}, "doc": "A wish."},
        {"name": "note", "type": {"type": "string"}, "default": "", "doc": "A wish."},
    ),
    "default in the type and beside it": (
        {
            "name": "parts",
            "type": {"type": "array", "items": "int", "default": None},
            "default": [],
            "doc": "A wish.",
        },
        {
            "name": "parts",
            "type": {"type": "array", "items": "int"},
            "default": [],
            "doc": "A wish.",
        },
    ),
    "doc in the type": (
        {"name": "note", "type": {"type": "string", "doc": "A wish."}},
        {"name": "note", "type": {"type": "string"}, "doc": "A wish."},
    ),
    "decimal forgotten": (
        {"name": "sum", "type": {"type": "bytes", "precision": 9, "scale": 2}, "doc": "Paid."},
        {
            "name": "sum",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
            "doc": "Paid.",
        },
    ),
}


@pytest.mark.parametrize("what", MENDS)
def test_what_has_one_right_answer_is_mended(tmp_path: Path, what: str) -> None:
    before, after = MENDS[what]
    write(tmp_path / "good", after)
    good = (tmp_path / "good/schemas/shop/Sold.avsc").read_text("utf-8")
    write(tmp_path / "bad", before)
    assert "try kontrakt lint --fix" in run(tmp_path / "bad")[1]
    code, output, _ = run(tmp_path / "bad", "--fix", "--fail-on", "note")
    assert (tmp_path / "bad/schemas/shop/Sold.avsc").read_text("utf-8") == good
    assert code == 0
    assert "1 fixed, 0 left." in output
    assert f"  + {json.dumps(after)}" in output
    assert "0 fixed, 0 left." in run(tmp_path / "bad", "--fix")[1]


def test_what_is_wrong_in_a_type_is_not_said_again_of_its_copies(tmp_path: Path) -> None:
    place = {"type": "record", "name": "Place", "fields": [{"name": "street", "type": "string"}]}
    other = {**place, "fields": [*place["fields"], {"name": "door", "type": "string"}]}
    for name, inside in (("Sold", place), ("Sent", place), ("Used", other)):
        write(tmp_path, {"name": "place", "type": inside, "doc": "Where."}, name=name)
    _, output, _ = run(tmp_path)
    lines = [
        line for line in output.splitlines() if line.startswith("schemas/") and "docs/" in line
    ]
    about = [" ".join(line.split()[2:]) for line in lines]
    assert sorted(about) == [
        "docs/field: door has no doc",
        "docs/field: street has no doc",
        "docs/field: street has no doc",
        "docs/type: Place has no doc",
        "docs/type: Place has no doc",
    ]
    assert not any(line.startswith("schemas/shop/Sold.avsc") for line in lines)


def test_a_decimal_is_not_told_to_state_what_it_states(tmp_path: Path) -> None:
    total = {"type": "bytes", "logicalType": "decimal", "scale": 3}
    write(tmp_path, {"name": "total", "type": total, "doc": "Paid."})
    output = run(tmp_path)[1]
    assert 'write for example "precision": 12\n' in output
    assert '"scale": 2' not in output


def test_an_own_alias_is_removed(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "schemas/shop/Sold.avsc"
    good = path.read_text("utf-8")
    for aliases in ('["Sold"]', '["shop.Sold"]'):
        path.write_text(good.replace('  "doc"', f'  "aliases": {aliases},\n  "doc"', 1), "utf-8")
        run(tmp_path, "--fix")
        assert path.read_text("utf-8") == good


def test_a_mend_that_does_not_help_is_not_made(tmp_path: Path) -> None:
    # Moved to the field the default would not fit.
    bad = {"name": "note", "type": {"type": "int", "default": "none"}, "doc": "A wish."}
    path = write(tmp_path, bad) / "schemas/shop/Sold.avsc"
    before = path.read_bytes()
    code, output, _ = run(tmp_path, "--fix")
    assert code == 1
    assert "0 fixed, 1 left." in output
    assert path.read_bytes() == before


def test_more_than_is_mended_at_once_is_left_for_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, MENDS["null default"][0])
    monkeypatch.setattr("codegen.mending.MAX_MENDS", 1)
    done = CliRunner().invoke(program, ["lint", "--fix", "--root", str(tmp_path)])
    assert "1 fixed" in done.stdout and "run it again for the rest" in done.stdout


def test_a_read_only_file_is_left_and_told(tmp_path: Path) -> None:
    path = write(tmp_path, MENDS["null default"][0]) / "schemas/shop/Sold.avsc"
    before = path.read_bytes()
    path.chmod(0o444)
    code, output, errors = run(tmp_path, "--fix")
    assert code == 3
    assert "read-only" in errors
    assert "0 fixed, 1 left." in output
    assert path.read_bytes() == before


def test_only_what_is_named_and_not_accepted_is_mended(tmp_path: Path) -> None:
    bad = MENDS["null default"][0]
    write(tmp_path, bad, {"name": "goods", "type": "Goods", "doc": "What was sold."})
    write(tmp_path, bad, name="Goods")
    sold, goods = (tmp_path / f"schemas/shop/{name}.avsc" for name in ("Sold", "Goods"))
    before = sold.read_bytes(), goods.read_bytes()
    accept(tmp_path)
    run(tmp_path, "--fix", "--baseline", LIST)
    assert (sold.read_bytes(), goods.read_bytes()) == before
    run(tmp_path, "--fix", "schemas/shop/Goods.avsc")
    assert sold.read_bytes() == before[0]
    assert goods.read_bytes() != before[1]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            [{"type": "record", "name": "A", "fields": []}, "A", "null"],
            "this file is a union of types, and a file defines one",
        ),
        (["null", "string"], "this file defines no record, enum or fixed"),
        ({"protocol": "Mail", "types": []}, "this is a protocol, not a schema"),
    ],
    ids=["union", "nameless", "protocol"],
)
def test_a_file_that_is_no_type_is_told_for_what_it_is(
    tmp_path: Path, schema: object, words: str
) -> None:
    write(tmp_path)
    (tmp_path / "schemas/Odd.avsc").write_text(json.dumps(schema), "utf-8")
    code, output, _ = run(tmp_path)
    assert (code, words in output) == (1, True)


def test_a_branch_of_a_union_that_fits_many_others_is_told_once(tmp_path: Path) -> None:
    branches = [{"type": "record", "name": f"Kind{place}", "fields": []} for place in range(12)]
    write(tmp_path, {"name": "kind", "type": branches, "doc": "Of 12 kinds."})
    _, output, _ = run(tmp_path)
    found = [line for line in output.splitlines() if "shape/ambiguous-union" in line]
    assert len(found) == 11
    assert found[-1].endswith("the same object fits both Kind0 and Kind11, and 10 more")
