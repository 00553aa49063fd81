"""`check --fix`: what one edit mends is mended, and nothing else changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codegen.baselines.directory import FolderBaseline
from codegen.contract.load import load_contract
from codegen.contract.model import Contract, History, PastVersion
from codegen.diagnostics import Finding, Findings, Rule, Severity
from codegen.editing import Mend, Replace
from codegen.lock import Lock
from codegen.mending import (
    Change,
    Documents,
    Mending,
    describe_change,
    mend,
    mend_documents,
    write_change,
)
from codegen.review import review
from codegen.source import Place, read_json
from schemas import parse_text

PROJECT = Path(__file__).parent.parent
FILE = "schemas/shop/Sold.avsc"


def manifest(level: str) -> str:
    return (
        f"version: 1\ndefaults: {{compatibility: {level}}}\n"
        "topics:\n  sales: {doc: Sales., partitions: 1, events: [shop.Sold]}\n"
        "services:\n  till: {doc: Sells., produces: [sales]}\n"
    )


def record(fields: str) -> str:
    return f'{{"type": "record", "name": "Sold", "namespace": "shop", "fields": [{fields}]}}'


def write_repository(root: Path, text: str, level: str) -> Path:
    (root / FILE).parent.mkdir(parents=True)
    (root / "schemas/contracts.yaml").write_text(manifest(level), "utf-8")
    (root / FILE).write_bytes(text.encode("utf-8"))
    return root


def load(root: Path) -> Contract:
    findings = Findings()
    contract = load_contract(root, findings)
    assert contract is not None, [finding.message for finding in findings]
    return contract


def mend_text(tmp_path: Path, before: str, after: str, level: str = "BACKWARD") -> Mending:
    past = write_repository(tmp_path / "before", before, level)
    now = write_repository(tmp_path / "after", after, level)
    return mend(load(now), FolderBaseline(past), Lock())


@dataclass(frozen=True)
class Past:
    """A registry that holds these texts as the versions of the one subject, oldest first."""

    texts: Sequence[str]
    name: str = "a registry"

    def histories(self, contract: Contract) -> dict[str, History]:
        [subject] = contract.subjects
        parsed = [parse_text(text)[0] for text in self.texts]
        versions = [
            PastVersion(subject.name, f"v{number}", graph.root.origin.document, graph, number)
            for number, graph in enumerate(parsed, 1)
            if graph is not None
        ]
        return {subject.name: History(subject.name, tuple(versions))}


ID = '{"name": "id", "type": "string"}'
STATE = '{"type": "enum", "name": "State", "symbols": ['

CASES = {
    "a default": (
        ID,
        ID + ', {"name": "n", "type": "long"}',
        ID + ', {"name": "n", "type": "long", "default": 0}',
    ),
    "a default for a list": (
        ID,
        ID + ', {"name": "n", "doc": "N.", "type": {"type": "array", "items": "int"}, "x": 1}',
        ID + ', {"name": "n", "doc": "N.", "type": {"type": "array", "items": "int"}'
        ', "default": [], "x": 1}',
    ),
    "null for a date": (
        ID,
        ID + ', {"name": "on", "type": {"type": "int", "logicalType": "date"}, "doc": "On."}',
        ID + ', {"name": "on", "type": ["null", {"type": "int", "logicalType": "date"}], '
        '"default": null, "doc": "On."}',
    ),
    "null for a record": (
        ID,
        ID + ', {"name": "r", "type": {"type": "record", "name": "R", "fields": []}}',
        ID + ', {"name": "r", "type": ["null", {"type": "record", "name": "R", "fields": []}], '
        '"default": null}',
    ),
    "null for its own record": (
        ID,
        ID + ', {"name": "r", "type": "Sold"}',
        ID + ', {"name": "r", "type": ["null", "Sold"], "default": null}',
    ),
    "null first": (
        ID,
        ID + ', {"name": "n", "type": ["string", "null"]}',
        ID + ', {"name": "n", "type": ["null", "string"], "default": null}',
    ),
    "null, which is first already": (
        ID,
        ID + ', {"name": "n", "type": [ "null" , "string"]}',
        ID + ', {"name": "n", "type": [ "null" , "string"], "default": null}',
    ),
    "null back in a union": (
        '{"name": "n", "type": ["null", "string", "int"]}',
        '{"name": "n", "type": ["string", "int"]}',
        '{"name": "n", "type": ["null", "string", "int"], "default": null}',
    ),
    "null back where there is no union any more": (
        '{"name": "n", "type": ["null", "string"]}',
        '{"name": "n", "type": "string"}',
        '{"name": "n", "type": ["null", "string"], "default": null}',
    ),
    "null back in a list": (
        '{"name": "n", "type": {"type": "array", "items": ["null", "string"]}}',
        '{"name": "n", "type": {"type": "array", "items": "string"}}',
        '{"name": "n", "type": {"type": "array", "items": ["null", "string"]}}',
    ),
    "a default that was removed": (
        '{"name": "n", "type": "long", "default": 7, "doc": "N."}',
        '{"name": "n", "type": "long", "doc": "N."}',
        '{"name": "n", "type": "long", "default": 7, "doc": "N."}',
    ),
    "null, which was the default": (
        '{"name": "n", "type": ["null", "long"], "default": null}',
        '{"name": "n", "type": ["null", "long"]}',
        '{"name": "n", "type": ["null", "long"], "default": null}',
    ),
    "an enum default that was removed": (
        f'{{"name": "s", "type": {STATE}"A", "B"], "default": "A"}}}}',
        f'{{"name": "s", "type": {STATE}"A", "B"]}}}}',
        f'{{"name": "s", "type": {STATE}"A", "B"], "default": "A"}}}}',
    ),
    "an enum default that was removed with a symbol": (
        f'{{"name": "s", "type": {STATE}"A", "B"], "default": "A"}}}}',
        f'{{"name": "s", "type": {STATE}"A"]}}}}',
        f'{{"name": "s", "type": {STATE}"A"], "default": "A"}}}}',
    ),
    "an enum default for the symbols after those that were added": (
        f'{{"name": "s", "type": {STATE}"A", "OTHER"]}}}}',
        f'{{"name": "s", "type": {STATE}"A", "OTHER", "B"]}}}}',
        f'{{"name": "s", "type": {STATE}"A", "OTHER", "B"], "default": "OTHER"}}}}',
    ),
    "an alias for a reworded name that has a default": (
        ID + ', {"name": "total_amount", "type": "long"}',
        ID + ', {"name": "totalAmount", "type": "long", "default": 0}',
        ID + ', {"name": "totalAmount", "aliases": ["total_amount"], "type": "long", "default": 0}',
    ),
    "null back behind a default": (
        '{"name": "n", "type": ["string", "null"], "default": "x"}',
        '{"name": "n", "type": "string", "default": "x"}',
        '{"name": "n", "type": ["string", "null"], "default": "x"}',
    ),
    "a symbol": (
        f'{{"name": "s", "type": {STATE}"A", "B", "C"]}}}}',
        f'{{"name": "s", "type": {STATE}"A", "C", "D"]}}}}',
        f'{{"name": "s", "type": {STATE}"A", "B", "C", "D"]}}}}',
    ),
    "symbols at both ends": (
        f'{{"name": "s", "type": {STATE}"A", "B", "C", "D"]}}}}',
        f'{{"name": "s", "type": {STATE}"C"]}}}}',
        f'{{"name": "s", "type": {STATE}"A", "B", "C", "D"]}}}}',
    ),
    "an enum default": (
        f'{{"name": "s", "type": {STATE}"A", "UNKNOWN", "C"]}}}}',
        f'{{"name": "s", "type": {STATE}"A", "UNKNOWN"]}}}}',
        f'{{"name": "s", "type": {STATE}"A", "UNKNOWN"], "default": "UNKNOWN"}}}}',
    ),
    "an alias for a reworded name": (
        ID + ', {"name": "total_amount", "type": "long"}, {"name": "x", "type": "long"}',
        ID + ', {"name": "x", "type": "long"}, {"name": "totalAmount", "type": "long"}',
        ID + ', {"name": "x", "type": "long"}, '
        '{"name": "totalAmount", "aliases": ["total_amount"], "type": "long"}',
    ),
    "an alias for the only one at its place": (
        ID + ', {"name": "note", "type": "string"}',
        ID + ', {"name": "remark", "type": "string", "aliases": ["comment"]}',
        ID + ', {"name": "remark", "type": "string", "aliases": ["comment", "note"]}',
    ),
    "a default, since the type is another": (
        ID + ', {"name": "note", "type": "string"}',
        ID + ', {"name": "notes", "type": "long"}',
        ID + ', {"name": "notes", "type": "long", "default": 0}',
    ),
    "a default, since two could be the one": (
        '{"name": "line_one", "type": "long"}, {"name": "line_two", "type": "long"}',
        '{"name": "a", "type": "int"}, {"name": "b", "type": "int"}, '
        '{"name": "line", "type": "long"}',
        '{"name": "a", "type": "int", "default": 0}, {"name": "b", "type": "int", "default": 0}, '
        '{"name": "line", "type": "long", "default": 0}',
    ),
    "the name of a type": (
        '{"name": "s", "type": {"type": "fixed", "name": "Hash", "size": 4}}',
        '{"name": "s", "type": {"type": "fixed", "name": "Digest", "size": 4}}',
        '{"name": "s", "type": {"type": "fixed", "name": "Digest", "aliases": ["shop.Hash"], '
        '"size": 4}}',
    ),
    "what is deep inside": (
        '{"name": "r", "type": ["null", {"type": "array", "items": '
        '{"type": "record", "name": "R", "fields": []}}], "default": null}',
        '{"name": "r", "type": ["null", {"type": "array", "items": '
        '{"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]}}], '
        '"default": null}',
        '{"name": "r", "type": ["null", {"type": "array", "items": '
        '{"type": "record", "name": "R", "fields": [{"name": "n", "type": "int", "default": 0}]}}'
        '], "default": null}',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_edit_mends(tmp_path: Path, case: str) -> None:
    before, after, expected = CASES[case]
    mending = mend_text(tmp_path, record(before), record(after))
    [change] = mending.changes
    assert change.after.text == record(expected)
    assert (tmp_path / "after" / FILE).read_text("utf-8") == record(after), "it wrote something"


def test_a_default_comes_back_that_only_older_versions_miss(tmp_path: Path) -> None:
    """v1 lacks the field, v2 has it with a default, the new schema without one."""
    versions = [ID, ID + ', {"name": "n", "type": "long", "default": 7}']
    after = ID + ', {"name": "n", "type": "long"}'
    now = write_repository(tmp_path, record(after), "BACKWARD_TRANSITIVE")
    [change] = mend(load(now), Past([record(one) for one in versions]), Lock()).changes
    assert change.after.text == record(ID + ', {"name": "n", "type": "long", "default": 7}')


HOPELESS = {
    "a type that is another": ('{"name": "n", "type": "string"}', '{"name": "n", "type": "int"}'),
    "a lost branch": (
        '{"name": "n", "type": ["int", "string"]}',
        '{"name": "n", "type": ["int"]}',
    ),
    "the size of a fixed": (
        '{"name": "s", "type": {"type": "fixed", "name": "H", "size": 4}}',
        '{"name": "s", "type": {"type": "fixed", "name": "H", "size": 8}}',
    ),
    "names that are not alike, with a default": (
        ID + ', {"name": "note", "type": "string"}',
        ID + ', {"name": "coupon", "type": "string", "default": ""}',
    ),
    "a name that fits two old ones, with a default": (
        '{"name": "line_one", "type": "long"}, {"name": "line_two", "type": "long"}',
        '{"name": "line", "type": "long", "default": 0}',
    ),
    "nothing": (ID, ID),
}


@pytest.mark.parametrize("case", HOPELESS)
def test_what_no_edit_mends_is_left_alone(tmp_path: Path, case: str) -> None:
    before, after = map(record, HOPELESS[case])
    mending = mend_text(tmp_path, before, after)
    assert mending.changes == ()
    assert mending.mends == []


@pytest.mark.parametrize("level", ["FORWARD", "FORWARD_TRANSITIVE"])
def test_readers_of_the_past_take_no_advice(tmp_path: Path, level: str) -> None:
    symbols = (f'{{"name": "s", "type": {STATE}{inner}]}}}}' for inner in ('"A"', '"A", "B"'))
    assert mend_text(tmp_path, *map(record, symbols), level).changes == ()


def test_an_edit_that_would_break_something_else_is_not_made(tmp_path: Path) -> None:
    """A symbol put back mends what reads old data, and breaks what old readers know."""
    past = write_repository(tmp_path / "before", record(ID), "FULL")
    before = f'{{"name": "s", "type": {STATE}"A", "B"]}}}}'
    (past / FILE).write_text(record(before), "utf-8")
    after = '{"name": "s", "type": "int"}, {"name": "t", "type": "string"}'
    now = write_repository(tmp_path / "after", record(after), "FULL")
    mending = mend(load(now), FolderBaseline(past), Lock())
    [change] = mending.changes
    assert change.after.text == record(
        after.replace('"string"}', '"string", "default": "unknown"}')
    )


def test_several_breaks_of_one_file_are_all_mended(tmp_path: Path) -> None:
    names = [f"field{number}" for number in range(12)]
    added = "".join(f', {{"name": "{name}", "type": ["int", "null"]}}' for name in names)
    mending = mend_text(tmp_path, record(ID), record(ID + added))
    [change] = mending.changes
    assert len(mending.mends) == 12
    for field in json.loads(change.after.text)["fields"][1:]:
        assert field["type"] == ["null", "int"]
        assert field["default"] is None
    assert "".join(change.after.text.split()).startswith("".join(record(ID).split())[:-2])


def test_a_mend_that_does_not_help_is_not_kept_beside_one_that_does() -> None:
    wrong = Rule("test/wrong", Severity.ERROR, "Something is wrong.")
    text = json.dumps({"first": "wrong", "second": "wrong"})

    def examine(documents: Documents) -> Sequence[Finding]:
        findings = Findings()
        for name, document in documents.items():
            for key, value in document.value.items():
                if value == "wrong":
                    better = "right" if key == "first" else value
                    mends = (Mend(name, "write another", (Replace((key,), better),)),)
                    findings.add(wrong, Place(document, (key,)), "it is wrong", mends=mends)
        return findings.items

    mending = mend_documents({"a.avsc": read_json("a.avsc", text)}, examine)
    assert [[edit.path for edit in one.edits] for one in mending.mends] == [[("first",)]]


def test_one_hopeless_file_does_not_keep_others_from_being_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And forty files cost a few checks, not forty."""
    names = [f"Event{number}" for number in range(40)]
    # An alias cannot say that the former name had no namespace.
    former = '{"type": "fixed", "name": "Hash", "namespace": "", "size": 4}'
    for side in ("before", "after"):
        folder = tmp_path / side / "schemas/shop"
        folder.mkdir(parents=True)
        topics = "".join(
            f"  {name.lower()}: {{doc: Some., partitions: 1, events: [shop.{name}]}}\n"
            for name in names
        )
        text = f"version: 1\ndefaults: {{compatibility: BACKWARD}}\ntopics:\n{topics}"
        (folder.parent / "contracts.yaml").write_text(f"{text}services: {{}}\n")
        for name in names:
            fields = ID + (', {"name": "n", "type": "long"}' if side == "after" else "")
            if name == "Event17":
                now = former.replace("Hash", "Digest").replace('"namespace": "", ', "")
                fields = f'{{"name": "f", "type": {former if side == "before" else now}}}'
            (folder / f"{name}.avsc").write_text(record(fields).replace("Sold", name))
    count = 0

    def review_and_count(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return review(*arguments, **options)

    monkeypatch.setattr("codegen.mending.review", review_and_count)
    past = FolderBaseline(tmp_path / "before")
    mending = mend(load(tmp_path / "after"), past, Lock())
    assert len(mending.changes) == len(mending.mends) == 39
    for change in mending.changes:
        assert change.after.text == change.before.text.replace('"long"', '"long", "default": 0')
    assert count < 20


STYLES = {
    "four blanks": json.dumps(json.loads(record(ID)), indent=4),
    "tabs": json.dumps(json.loads(record(ID)), indent="\t"),
    "nothing": json.dumps(json.loads(record(ID)), separators=(",", ":")),
    "windows": json.dumps(json.loads(record(ID)), indent=2).replace("\n", "\r\n") + "\r\n",
}


@pytest.mark.parametrize("style", STYLES)
def test_the_style_of_the_file_is_kept(tmp_path: Path, style: str) -> None:
    old = STYLES[style]
    added = {"name": "caf\u00e9", "type": "int", "doc": "Two  blanks, \u00e9."}
    value = json.loads(old)
    value["fields"].append({**added, "name": "cafe"})
    with_default = {**value, "fields": [*value["fields"]]}
    with_default["fields"][1] = {
        "name": "cafe",
        "type": "int",
        "default": 0,
        "doc": added["doc"],
    }

    def write(item: object) -> str:
        options: dict[str, object] = {"ensure_ascii": False}
        if style == "nothing":
            options["separators"] = (",", ":")
        else:
            options["indent"] = {"four blanks": 4, "tabs": "\t", "windows": 2}[style]
        text = json.dumps(item, **options)  # type: ignore[arg-type]
        return text.replace("\n", "\r\n") + "\r\n" if style == "windows" else text

    value["fields"][1] = {**added, "name": "cafe"}
    mending = mend_text(tmp_path, old, write(value))
    value["fields"][1] = {"name": "cafe", "type": "int", "default": 0, "doc": added["doc"]}
    [change] = mending.changes
    assert change.after.text == write(value)


def change_of(tmp_path: Path) -> tuple[Path, Change]:
    before, after, _ = CASES["a default"]
    [change] = mend_text(tmp_path, record(before), record(after)).changes
    return tmp_path / "after", change


def test_a_link_inside_the_repository_stays_one(tmp_path: Path) -> None:
    root, change = change_of(tmp_path)
    file, target = root / FILE, root / "shared.avsc"
    file.rename(target)
    file.symlink_to(target)
    assert write_change(root, change) == ""
    assert file.is_symlink()
    assert target.read_bytes() == change.after.text.encode("utf-8")


def test_a_change_is_written_whole_and_keeps_the_mode(tmp_path: Path) -> None:
    root, change = change_of(tmp_path)
    (root / FILE).chmod(0o640)
    assert write_change(root, change) == ""
    assert (root / FILE).read_bytes() == change.after.text.encode("utf-8")
    assert (root / FILE).stat().st_mode & 0o777 == 0o640
    assert os.listdir((root / FILE).parent) == ["Sold.avsc"]


def spoil_by_edit(path: Path) -> None:
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")


def spoil_by_mode(path: Path) -> None:
    path.chmod(0o444)


def spoil_by_link(path: Path) -> None:
    outside = path.parents[3] / "outside.avsc"
    path.rename(outside)
    path.symlink_to(outside)


def spoil_by_linked_folder(path: Path) -> None:
    outside = path.parents[3] / "outside"
    path.parent.rename(outside)
    path.parent.symlink_to(outside)


def spoil_by_removal(path: Path) -> None:
    path.unlink()


SPOILERS: dict[str, Callable[[Path], None]] = {
    "changed meanwhile": spoil_by_edit,
    "read-only": spoil_by_mode,
    "a symbolic link leads out": spoil_by_link,
    "symbolic link leads out of the repository": spoil_by_linked_folder,
    "no such file": spoil_by_removal,
}


@pytest.mark.parametrize("reason", SPOILERS)
def test_a_file_that_is_not_ours_to_write_is_left_as_it_is(tmp_path: Path, reason: str) -> None:
    root, change = change_of(tmp_path)
    SPOILERS[reason](root / FILE)
    is_there = (root / FILE).exists()
    before = (root / FILE).read_bytes() if is_there else b""
    assert reason in write_change(root, change)
    assert (root / FILE).exists() == is_there
    assert not is_there or (root / FILE).read_bytes() == before


def test_a_long_line_is_shown_where_it_differs(tmp_path: Path) -> None:
    doc = "d" * 5000
    after = f'{{"name": "a", "type": "int", "doc": "{doc}"}}, {{"name": "b", "type": "int"}}'
    before = after.partition("}, ")[0] + "}"
    [change] = mend_text(tmp_path, record(before), record(after + ", " + ID)).changes
    lines = list(describe_change(change))
    assert lines[0] == FILE
    assert all(len(line) < 200 for line in lines)
    assert any('"default"' in line for line in lines if line.startswith("  + "))


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The retail contracts, with what they were beside them."""
    for name in ("shop", "released"):
        shutil.copytree(PROJECT / "schemas", tmp_path / name / "schemas")
    return tmp_path / "shop"


@pytest.fixture
def check(shop: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "codegen", "check", *arguments],
            cwd=shop,
            env={**environment, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


PLACED = "schemas/retail/orders/OrderPlaced.avsc"
TIER = '    {"name": "tier", "type": "string", "doc": "The tier."},\n'


def add_tier(shop: Path) -> str:
    path = shop / PLACED
    text = path.read_text("utf-8").replace(
        '    {"name": "currency"', TIER + '    {"name": "currency"'
    )
    path.write_text(text, "utf-8")
    return text


def test_fix_edits_the_file_shows_how_and_checks_again(check: Run, shop: Path) -> None:
    text = add_tier(shop)
    found = check("--against", "folder:../released")
    assert found.returncode == 1
    assert "try it with --fix" in found.stdout
    others = {path: path.read_bytes() for path in shop.rglob("*.*") if path != shop / PLACED}
    done = check("--fix", "--against", "folder:../released")
    assert done.returncode == 0, done.stdout + done.stderr
    mended = TIER.replace('"string",', '"string", "default": "unknown",')
    assert f"{PLACED}\n  - {TIER.strip()}\n  + {mended.strip()}\n" in done.stdout
    assert "1 fixed, 0 left. Review each default" in done.stdout
    assert (shop / PLACED).read_text("utf-8") == text.replace(TIER, mended)
    now = {path: path.read_bytes() for path in shop.rglob("*.*") if path != shop / PLACED}
    assert now == others
    again = check("--fix", "--against", "folder:../released")
    assert (again.returncode, "0 fixed, 0 left." in again.stdout) == (0, True)


def test_fix_reports_what_is_left(check: Run, shop: Path) -> None:
    add_tier(shop)
    path = shop / PLACED
    text = path.read_text("utf-8")
    path.write_text(
        text.replace(
            '"currency", "type": "string", "default": "EUR"',
            '"currency", "type": "int", "default": 1',
        ),
        "utf-8",
    )
    done = check("--fix", "--against", "folder:../released", "--format", "json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    left = len(report["findings"])
    assert {one["rule"] for one in report["findings"]} >= {"compat/type-changed"}
    assert f"1 fixed, {left} left." in report["sections"][0]["lines"][0]
    assert f"{PLACED}\n  - " in done.stderr


def test_a_file_that_cannot_be_mended_is_an_error_and_stays(check: Run, shop: Path) -> None:
    text = add_tier(shop)
    (shop / PLACED).chmod(0o444)
    done = check("--fix", "--against", "folder:../released")
    assert done.returncode == 1
    assert f"error: {PLACED} was left as it is: it is read-only" in done.stderr
    assert "0 fixed, 1 left." in done.stdout
    assert (shop / PLACED).read_text("utf-8") == text


def test_a_rename_is_told_and_its_alias_added(check: Run, shop: Path) -> None:
    path = shop / PLACED
    path.write_text(path.read_text("utf-8").replace('"name": "placed_at"', '"name": "placedAt"'))
    manifest = shop / "schemas/contracts.yaml"
    manifest.write_text(manifest.read_text().replace("FULL_TRANSITIVE", "BACKWARD"))
    found = check("--against", "folder:../released")
    assert 'it looks like "placed_at" under a new name' in found.stdout
    done = check("--fix", "--against", "folder:../released")
    assert done.returncode == 0, done.stdout
    assert '"name": "placedAt", "aliases": ["placed_at"], "type"' in path.read_text("utf-8")
    assert "Review each alias" in done.stdout


def test_a_type_that_two_events_share_is_mended_in_its_own_file(check: Run, shop: Path) -> None:
    path = shop / "schemas/retail/orders/OrderLine.avsc"
    text = path.read_text("utf-8")
    where = text.index('{"name"', text.index('"fields"'))
    added = '{"name": "gift", "type": "boolean", "doc": "A gift?"}, '
    path.write_text(text[:where] + added + text[where:], "utf-8")
    done = check("--fix", "--against", "folder:../released")
    assert done.returncode == 0, done.stdout
    mended = added.replace('"boolean"', '"boolean", "default": false')
    assert path.read_text("utf-8") == text[:where] + mended + text[where:]
    assert "1 fixed, 0 left." in done.stdout


def test_what_is_waived_is_not_mended(check: Run, shop: Path) -> None:
    text = add_tier(shop)
    found = check("--against", "folder:../released", "--format", "json")
    [finding] = json.loads(found.stdout)["findings"]
    manifest = shop / "schemas/contracts.yaml"
    waiver = {"rule": finding["rule"], "subject": finding["subject"], **finding["change"]}
    waiver |= {"reason": "nobody reads it", "until": "2999-01-31"}
    manifest.write_text(f"{manifest.read_text('utf-8')}\nwaivers:\n  - {json.dumps(waiver)}\n")
    done = check("--fix", "--against", "folder:../released")
    assert done.returncode == 0, done.stdout
    assert "0 fixed, 1 left." in done.stdout
    assert "waiver/registry-refuses" in done.stdout
    assert (shop / PLACED).read_text("utf-8") == text


def test_a_waiver_of_one_finding_does_not_keep_another_from_being_mended(
    check: Run, shop: Path
) -> None:
    text = add_tier(shop)
    both = text.replace('"type": "string", "default": "EUR"', '"type": "int", "default": 1')
    (shop / PLACED).write_text(both, "utf-8")
    found = check("--against", "folder:../released", "--format", "json")
    findings = json.loads(found.stdout)["findings"]
    [finding] = [one for one in findings if one["rule"] == "compat/type-changed"][:1]
    manifest = shop / "schemas/contracts.yaml"
    waiver = {"rule": finding["rule"], "subject": finding["subject"], **finding["change"]}
    waiver |= {"reason": "nobody reads it", "until": "2999-01-31"}
    manifest.write_text(f"{manifest.read_text('utf-8')}\nwaivers:\n  - {json.dumps(waiver)}\n")
    done = check("--fix", "--against", "folder:../released")
    assert "1 fixed, " in done.stdout
    mended = TIER.replace('"string",', '"string", "default": "unknown",')
    assert (shop / PLACED).read_text("utf-8") == both.replace(TIER, mended)


def test_a_renamed_type_gets_its_alias_where_it_is_defined(check: Run, shop: Path) -> None:
    for path in (shop / "schemas/retail/orders").iterdir():
        text = path.read_text("utf-8").replace('"name": "Customer"', '"name": "Client"')
        path.write_text(text.replace('"type": "Customer"', '"type": "Client"'), "utf-8")
    manifest = shop / "schemas/contracts.yaml"
    manifest.write_text(manifest.read_text().replace("FULL_TRANSITIVE", "BACKWARD"))
    before = {path: path.read_text("utf-8") for path in shop.rglob("*.avsc")}
    done = check("--fix", "--against", "folder:../released")
    assert done.returncode == 0, done.stdout
    path = shop / "schemas/retail/orders/Customer.avsc"
    line = '"namespace": "retail.orders",\n'
    before[path] = before[path].replace(line, f'{line}  "aliases": ["retail.orders.Customer"],\n')
    assert {path: path.read_text("utf-8") for path in shop.rglob("*.avsc")} == before
