"""Generated files on disk: what differs is named for what it is, and nothing is lost."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from codegen.contract.load import load_contract
from codegen.contract.model import Contract, Service
from codegen.diagnostics import CouldNotCheck, Findings, KontraktError
from codegen.generation import Comparison, State, compare, generate, report_states, write
from codegen.source import Json
from codegen.targets import GeneratedFile
from codegen.targets.python import TARGET
from codegen.targets.python.samples import sample_events
from schemas import record, schema

PROJECT = Path(__file__).parent.parent


@dataclass
class Pages:
    """A target that writes the pages it is told to, for each service."""

    pages: dict[str, str]
    name: str = "python"
    summary: str = "Writes pages."
    options_schema: Mapping[str, Json] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.options_schema = {"type": "object", "additionalProperties": False}

    def files(
        self, service: Service, contract: Contract, options: Mapping[str, Json]
    ) -> tuple[GeneratedFile, ...]:
        return tuple(GeneratedFile(path, text) for path, text in self.pages.items())


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    loaded = load_contract(tmp_path, Findings())
    assert loaded is not None
    return loaded


def look(contract: Contract, folder: Path, pages: dict[str, str]) -> Comparison:
    findings = Findings()
    outputs = generate(contract, {"python": Pages(pages)}, findings)
    assert not len(findings)
    return compare(contract, outputs, folder)


def states(comparison: Comparison, service: str = "order-service") -> dict[str, State]:
    prefix = f"{service}/python/"
    return {
        one.path.removeprefix(prefix): one.state
        for one in comparison.states
        if one.path.startswith(prefix)
    }


PAGES = {"a.py": "a\n", "deep/b.py": "b\n"}


def test_what_was_written_is_unchanged_and_the_lock_is_deterministic(
    contract: Contract, tmp_path: Path
) -> None:
    folder = tmp_path / "generated"
    first = look(contract, folder, PAGES)
    assert states(first) == {"a.py": State.MISSING, "deep/b.py": State.MISSING}
    write(first)
    again = look(contract, folder, PAGES)
    assert again.is_fresh
    assert set(states(again).values()) == {State.UNCHANGED}
    assert (folder / "kontrakt.lock").read_text() == first.lock_text
    lock = json.loads(first.lock_text)
    assert lock["services"]["order-service"]["python"]["files"].keys() == {
        "order-service/python/a.py", "order-service/python/deep/b.py",
    }  # fmt: skip


def test_each_state_is_told_from_the_others(contract: Contract, tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    write(look(contract, folder, {**PAGES, "old.py": "old\n", "gone.py": "gone\n"}))
    mine = folder / "order-service/python"
    (mine / "deep/b.py").write_text("edited\n")
    (mine / "stranger.py").write_text("mine\n")
    (mine / "gone.py").unlink()
    (mine / "__pycache__").mkdir()
    (mine / "__pycache__/a.pyc").write_text("x")
    found = look(contract, folder, {"a.py": "new\n", "deep/b.py": "b\n", "gone.py": "gone\n"})
    assert states(found) == {
        "a.py": State.CHANGED,
        "deep/b.py": State.EDITED,
        "gone.py": State.MISSING,
        "old.py": State.STALE,
        "stranger.py": State.ORPHAN,
    }
    assert not found.is_fresh


def test_an_edited_file_is_not_overwritten_and_nothing_else_is_written(
    contract: Contract, tmp_path: Path
) -> None:
    folder = tmp_path / "generated"
    write(look(contract, folder, PAGES))
    edited = folder / "order-service/python/a.py"
    edited.write_text("my change\n")
    later = look(contract, folder, {"a.py": "new\n", "deep/b.py": "new\n"})
    with pytest.raises(KontraktError, match=r"order-service/python/a\.py"):
        write(later)
    assert edited.read_text() == "my change\n"
    assert (folder / "order-service/python/deep/b.py").read_text() == "b\n"
    write(later, force=True)
    assert edited.read_text() == "new\n"


def test_a_file_that_was_there_before_is_not_taken_for_ours(
    contract: Contract, tmp_path: Path
) -> None:
    folder = tmp_path / "generated"
    mine = folder / "order-service/python/a.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious\n")
    with pytest.raises(KontraktError):
        write(look(contract, folder, PAGES))
    assert mine.read_text() == "precious\n"


def test_stale_files_and_their_folders_go_and_orphans_stay(
    contract: Contract, tmp_path: Path
) -> None:
    folder = tmp_path / "generated"
    write(look(contract, folder, PAGES))
    (folder / "order-service/python/mine.txt").write_text("mine")
    write(look(contract, folder, {"a.py": "a\n"}))
    assert not (folder / "inventory-service/python/deep").exists()
    assert (folder / "order-service/python/mine.txt").read_text() == "mine"
    assert states(look(contract, folder, {"a.py": "a\n"})) == {
        "a.py": State.UNCHANGED,
        "mine.txt": State.ORPHAN,
    }


def test_files_of_a_service_that_is_gone_are_stale(contract: Contract, tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    write(look(contract, folder, PAGES))
    outputs = tuple(
        one for one in generate(contract, {"python": Pages(PAGES)}, Findings())
        if one.service != "order-service"
    )  # fmt: skip
    found = compare(contract, outputs, folder)
    assert set(states(found).values()) == {State.STALE}
    assert list(found.by_folder())[-1] == "order-service/python"
    write(found)
    assert not (folder / "order-service").exists()


def test_many_files_in_one_state_are_one_finding(contract: Contract, tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    many = {f"{number}.py": "text\n" for number in range(9)}
    write(look(contract, folder, {**many, "old.py": "old\n"}))
    (folder / "order-service/python/0.py").unlink()
    found = look(contract, folder, {name: "new\n" for name in many})
    findings = Findings()
    report_states(found, findings, "generated")
    told = {str(one.location): one.message for one in findings if "order-" in one.location.file}
    assert told == {
        "generated/order-service/python": (
            "changed: 8 files are out of date: 1.py, 2.py, 3.py, 4.py, 5.py, 3 more"
        ),
        "generated/order-service/python/0.py": "missing: this file is missing",
        "generated/order-service/python/old.py": "stale: this file is not generated any more",
    }
    assert found.count_not_fresh() == 10 * len({one.service for one in found.outputs}) + 1


@pytest.mark.parametrize(
    ("version", "problems"),
    [("2.1.0rc1", []), ("1", []), ("v2", ["version"]), ("1-2", ["version"]), (1.5, ["version"])],
)
def test_a_package_has_the_version_that_the_manifest_states(
    contract: Contract, version: Json, problems: list[str]
) -> None:
    service = replace(contract.services[0], targets={"python": {"version": version}})
    findings = Findings()
    outputs = generate(replace(contract, services=(service,)), {"python": TARGET}, findings)
    assert [one.location.path[-1] for one in findings] == problems
    assert [one.hint for one in findings] == ["put it in quotes"] or isinstance(version, str)
    for output in outputs:
        project = tomllib.loads(output.files[f"{output.folder}/pyproject.toml"])["project"]
        assert project["version"] == version


@pytest.mark.parametrize("path", ["../out.py", "/etc/out.py", "a/../../../out.py", ""])
def test_a_target_cannot_write_outside_its_folder(contract: Contract, path: str) -> None:
    with pytest.raises(ValueError, match="outside its folder"):
        generate(contract, {"python": Pages({path: "x"})}, Findings())


def test_a_link_is_never_followed(contract: Contract, tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "order-service").mkdir(parents=True)
    (folder / "order-service/python").symlink_to(elsewhere)
    with pytest.raises(KontraktError, match="symbolic link"):
        write(look(contract, folder, PAGES))
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 1}', '{"version": 99, "services": {}}', "\0"]
)
def test_a_damaged_lock_is_told(contract: Contract, tmp_path: Path, text: str) -> None:
    folder = tmp_path / "generated"
    write(look(contract, folder, PAGES))
    (folder / "kontrakt.lock").write_text(text)
    with pytest.raises(CouldNotCheck, match=r"kontrakt\.lock"):
        look(contract, folder, PAGES)


def test_a_lock_cannot_lead_outside(contract: Contract, tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    write(look(contract, folder, PAGES))
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    lock = json.loads((folder / "kontrakt.lock").read_text())
    files = lock["services"]["order-service"]["python"]["files"]
    files["../victim.txt"] = files["order-service/python/../../../victim.txt"] = "0" * 64
    (folder / "kontrakt.lock").write_text(json.dumps(lock))
    write(look(contract, folder, PAGES), force=True)
    assert victim.read_text() == "precious"


def test_a_folder_that_cannot_be_written_is_told_and_left_as_it_was(
    contract: Contract, tmp_path: Path
) -> None:
    folder = tmp_path / "generated"
    folder.write_text("a file where the folder should be")
    with pytest.raises((KontraktError, CouldNotCheck)):
        write(look(contract, folder, PAGES))
    assert folder.read_text() == "a file where the folder should be"


def test_an_event_that_fastavro_refuses_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("no such thing\nas this")

    graph = schema(record(("a", "int")))
    assert sample_events(graph).problem == ""
    monkeypatch.setattr("fastavro.schemaless_writer", refuse)
    found = sample_events(graph)
    assert found.events == ()
    assert found.problem == "fastavro does not take it (ValueError: no such thing)"
