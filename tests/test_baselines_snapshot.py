"""A snapshot is the same bytes for the same holdings, small in a diff, and never half written."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.baselines.holdings import (
    Holdings,
    StoredSubject,
    StoredVersion,
    VersionReference,
    make_histories,
)
from codegen.baselines.snapshot import (
    SnapshotBaseline,
    read_snapshot,
    save_snapshot,
    write_snapshot,
)
from codegen.contract.model import Level
from codegen.diagnostics import CouldNotCheck, Findings

ORDER = (
    '{"type":"record","name":"Order","doc":"Größe \\"x\\"","fields":[{"name":"id",'
    '"type":"string","default":"1.0"},{"name":"rate","type":"double","default":1.0}]}'
)


def subject(name: str, *texts: str, level: Level | None = None) -> StoredSubject:
    versions = (StoredVersion(name, at, at + 10, text) for at, text in enumerate(texts, 1))
    return StoredSubject(name, tuple(versions), level)


def holdings(*subjects: StoredSubject) -> Holdings:
    return Holdings({item.name: item for item in subjects}, Level.BACKWARD)


def read(text: str) -> Holdings:
    findings = Findings()
    found = read_snapshot("snapshot.json", text, findings)
    assert found is not None, findings.items
    return found


def test_what_is_written_is_read_again() -> None:
    reference = VersionReference("shop.Money", "shop.Money", 3)
    order = StoredVersion("orders-value", 2, 7, ORDER, (reference,))
    protobuf = StoredVersion("orders-value", 5, 9, 'syntax = "proto3";', type="PROTOBUF")
    broken = StoredVersion("orders-value", 6, 10, '{"type": "record"')
    infinite = StoredVersion("orders-value", 7, 11, '{"type":"double","x":1e999}')
    versions = (order, protobuf, broken, infinite)
    whole = holdings(StoredSubject("orders-value", versions, Level.FULL), subject("b", '"string"'))
    assert read(write_snapshot(whole)) == Holdings(
        dict(sorted(whole.subjects.items())), Level.BACKWARD
    )


def test_the_order_of_arrival_does_not_matter() -> None:
    one, two = subject("a", '"int"'), subject("b", ORDER)
    assert write_snapshot(holdings(one, two)) == write_snapshot(holdings(two, one))


def test_a_new_version_only_adds_lines() -> None:
    before = write_snapshot(holdings(subject("a", ORDER), subject("b", ORDER)))
    after = write_snapshot(holdings(subject("a", ORDER, '"string"'), subject("b", ORDER)))
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    removed = [line for line in lines if line.startswith("- ")]
    assert len([line for line in lines if line.startswith("+ ")]) - len(removed) == 5
    assert [line.strip() for line in removed] in ([], ["-       }"], ["-         }"])


def test_schemas_are_readable_and_blanks_do_not_matter() -> None:
    spaced = json.dumps(json.loads(ORDER), indent=4)
    text = write_snapshot(holdings(subject("a", ORDER)))
    assert write_snapshot(holdings(subject("a", spaced))) == text
    assert '"doc": "Größe \\"x\\"",' in text


def test_a_large_registry_fits() -> None:
    long = json.dumps({"type": "string", "doc": "x" * 2_000_000})
    whole = holdings(*(subject(name, long) for name in "abcd"))
    assert read(write_snapshot(whole)).version_count == 4


def test_half_a_surrogate_pair_survives() -> None:
    text = '{"type":"string","doc":"\\ud83d"}'
    written = write_snapshot(holdings(subject("a", text)))
    written.encode()
    assert json.loads(read(written).subjects["a"].versions[0].text) == json.loads(text)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(max_size=20) | JSON_VALUES.map(json.dumps)


@given(
    st.dictionaries(st.text(min_size=1), st.lists(texts, max_size=3), max_size=3),
    st.sampled_from([None, *Level]),
)
def test_any_holdings_survive(subjects: dict[str, list[str]], level: Level | None) -> None:
    whole = Holdings({name: subject(name, *texts) for name, texts in subjects.items()}, level)
    written = write_snapshot(whole)
    written.encode()
    again = read(written)
    assert write_snapshot(again) == written
    assert again.level is level
    for name, texts in subjects.items():
        for text, version in zip(texts, again.subjects[name].versions, strict=True):
            assert version.text == text or json.loads(version.text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", ["1:1"]),
        ("<<<<<<< HEAD\n{}", ["1:1"]),
        ('{"version": 1, "version": 1, "subjects": {}}', ["1:16"]),
        ("[]", ["1:1"]),
        ("{}", ["1:1"]),
        ('{"version": 2, "subjects": {}}', ["1:13"]),
        ('{"version": true, "subjects": {}}', ["1:13"]),
        ('{"version": 1}', ["1:1"]),
        ('{"version": 1, "subjects": []}', ["1:28"]),
        ('{"version": 1, "levle": "FULL", "subjects": {}}', ["1:16"]),
        ('{"version": 1, "level": "FUL", "subjects": {}}', ["1:25"]),
        ('{"version": 1, "subjects": {"a": {"versions": 3}}}', ["1:47"]),
        (
            '{"version": 1, "subjects": {"a": {"versions": [\n'
            '{"version": "1", "id": true, "schema": "int"},\n'
            '{"version": 2, "id": 2},\n'
            '{"version": 2, "id": 2, "text": 4},\n'
            '{"version": 3, "id": 2, "schema": "int", "references": [{"name": 1}]}]}}}',
            ["2:13", "2:24", "3:1", "4:13", "4:33", "5:57", "5:66"],
        ),
    ],
)
def test_each_wrong_value_is_reported_at_its_place(text: str, places: list[str]) -> None:
    findings = Findings()
    assert read_snapshot("snapshot.json", text, findings) is None
    found = {f"{item.location.line}:{item.location.column}" for item in findings}
    assert set(places) <= found
    assert all(item.hint or item.rule.id == "snapshot/unreadable" for item in findings)


@pytest.mark.parametrize("data", [None, b"", b"\xff", b"{", b'{"version": 1}'])
def test_a_snapshot_that_cannot_be_used(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "snapshot.json"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(CouldNotCheck) as caught:
        SnapshotBaseline(file, "snapshot.json")
    assert "snapshot.json" in caught.value.message
    assert "kontrakt snapshot" in caught.value.hint


def test_saving_the_same_again_touches_nothing(tmp_path: Path) -> None:
    file = tmp_path / "schemas" / "snapshot.json"
    whole = holdings(subject("a", ORDER))
    assert save_snapshot(file, whole)
    before = file.stat().st_mtime_ns
    assert not save_snapshot(file, whole)
    assert file.stat().st_mtime_ns == before
    assert [item.name for item in file.parent.iterdir()] == ["snapshot.json"]


def test_a_failed_write_leaves_the_old_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "snapshot.json"
    save_snapshot(file, holdings(subject("a", ORDER)))
    before = file.read_bytes()

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(CouldNotCheck, match="no space left"):
        save_snapshot(file, holdings(subject("b", ORDER)))
    assert file.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["snapshot.json"]


def test_a_folder_where_the_snapshot_should_be(tmp_path: Path) -> None:
    with pytest.raises(CouldNotCheck, match="cannot be written"):
        save_snapshot(tmp_path, holdings())
    with pytest.raises(CouldNotCheck, match="cannot be read"):
        SnapshotBaseline(tmp_path)


def test_labels_name_version_and_id() -> None:
    whole = read(write_snapshot(holdings(subject("a", ORDER))))
    (past,) = make_histories(whole, ["a"], "snapshot")["a"].versions
    assert past.label == "snapshot v1 (id 11)"
