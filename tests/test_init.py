"""A new repository passes every command at once, and brings what a team needs around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

PROJECT = Path(__file__).parent.parent


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
    return subprocess.run(
        [sys.executable, "-m", "codegen", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


COMMANDS = (
    "format --check", "lint --fail-on note", "check", "generate", "generate --check", "register",
    "register --apply", "check", "diff", "impact", "pull", "check --against snapshot", "status",
    "rules",
)  # fmt: skip


@pytest.mark.parametrize("example", [(), ("--example", "retail")], ids=["own", "retail"])
def test_a_new_repository_passes_every_command(tmp_path: Path, example: tuple[str, ...]) -> None:
    assert run(tmp_path, "init", *example).returncode == 0
    for command in COMMANDS:
        done = run(tmp_path, *command.split())
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_the_workflow_and_the_hooks_call_commands_that_exist(tmp_path: Path) -> None:
    run(tmp_path, "init")
    yaml = YAML(typ="safe", pure=True)
    workflow = yaml.load((tmp_path / ".github/workflows/contracts.yml").read_text())
    steps = workflow["jobs"]["contracts"]["steps"]
    commands = [step["run"] for step in steps if step.get("run", "").startswith("kontrakt")]
    hooks = yaml.load((tmp_path / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    commands += [hook["entry"] for hook in hooks]
    assert len(commands) == 8
    for command in commands:
        options = [word for word in command.split() if word.startswith("--")]
        shown = run(tmp_path, command.split()[1], "--help").stdout
        assert all(option in shown for option in options), command


def test_the_manifest_names_its_schema_for_editors(tmp_path: Path) -> None:
    run(tmp_path, "init")
    first = (tmp_path / "schemas/contracts.yaml").read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    schema = json.loads((tmp_path / "schemas" / first.partition("=")[2]).read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    undocumented = []

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for name, inner in node.get("properties", {}).items():
                if not inner.get("description", "").strip():
                    undocumented.append(f"{path}.{name}")
            for name, inner in node.items():
                walk(inner, f"{path}.{name}")
        elif isinstance(node, list):
            for inner in node:
                walk(inner, path)

    walk(schema, "")
    assert undocumented == []


def test_what_exists_is_kept_and_said(tmp_path: Path) -> None:
    hooks = tmp_path / ".pre-commit-config.yaml"
    hooks.write_text("repos: []\n")
    done = run(tmp_path, "init")
    assert done.returncode == 0
    assert "kept  .pre-commit-config.yaml" in done.stderr
    assert hooks.read_text() == "repos: []\n"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = run(tmp_path, "init")
    assert again.returncode == 2
    assert "schemas/contracts.yaml exists already" in again.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_name_that_something_else_has_is_kept_and_said(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").mkdir()
    done = run(tmp_path, "init")
    assert done.returncode == 0
    assert "kept  .gitignore, which exists already, and cannot be read" in done.stderr
    assert (tmp_path / "schemas/contracts.yaml").is_file()


def test_a_repository_that_is_there_gets_what_it_lacks(tmp_path: Path) -> None:
    manifest = tmp_path / "schemas/contracts.yaml"
    manifest.parent.mkdir()
    manifest.write_text("version: 1\n")
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    done = run(tmp_path, "init")
    assert done.returncode == 0
    assert "kept  .gitignore, which exists already; add .kontrakt/ to it" in done.stderr
    assert "$schema=contracts.schema.json" in done.stdout
    assert manifest.read_text() == "version: 1\n"
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} == {
        ".github", ".github/workflows/contracts.yml", ".gitignore", ".pre-commit-config.yaml",
        "schemas/contracts.schema.json", "schemas/contracts.yaml",
    }  # fmt: skip


def test_a_folder_of_a_git_repository_hears_where_its_workflow_belongs(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert "top of a git" not in run(tmp_path, "init").stderr
    (tmp_path / "deep").mkdir()
    done = run(tmp_path / "deep", "init", "contracts")
    assert f"move .github and .pre-commit-config.yaml to {tmp_path}" in done.stderr
    assert "--root deep/contracts" in done.stderr


def test_workflow_and_hooks_name_the_version_that_wrote_them(tmp_path: Path) -> None:
    run(tmp_path, "init")
    shown = run(tmp_path, "--version").stdout.split()[-1]
    for name in (".github/workflows/contracts.yml", ".pre-commit-config.yaml"):
        assert f"kontrakt=={shown}" in (tmp_path / name).read_text()


def test_init_writes_all_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "schemas").write_text("a file")
    done = run(tmp_path, "init")
    assert done.returncode == 2
    assert "schemas exists already; nothing was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["schemas"]


def test_the_schema_for_editors_is_told_when_it_is_old(tmp_path: Path) -> None:
    run(tmp_path, "init")
    path = tmp_path / "schemas/contracts.schema.json"
    fresh = path.read_text()
    path.write_text("{}")
    done = run(tmp_path, "lint")
    assert "manifest/old-editor-schema" in done.stdout
    assert "kontrakt init --editor-schema" in done.stdout
    assert run(tmp_path, "init", "--editor-schema").returncode == 0
    assert path.read_text() == fresh
    assert "old-editor-schema" not in run(tmp_path, "lint").stdout
    assert run(tmp_path / ".github", "init", "--editor-schema").returncode == 2


def test_schemas_that_are_there_are_seen(tmp_path: Path) -> None:
    folder = tmp_path / "schemas/shop"
    folder.mkdir(parents=True)
    for name in ("Sold", "Lost"):
        schema = {"type": "record", "name": name, "namespace": "shop", "fields": []}
        (folder / f"{name}.avsc").write_text(json.dumps(schema), "utf-8")
    done = run(tmp_path, "init")
    assert done.returncode == 0
    assert "2 schema files were there before" in done.stdout
    assert run(tmp_path, "new", "topic", "sales", "--event", "Sold").returncode == 0
    assert run(tmp_path, "lint").returncode == 0


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("topic", "a b", "--event", "Greeted"), "digits, ., - and _, at most 249"),
        (("service", "a.b", "--produces", "greetings"), "at most 100"),
    ],
    ids=["topic", "service"],
)
def test_a_name_that_cannot_be_is_told_what_may(
    tmp_path: Path, command: tuple[str, ...], hint: str
) -> None:
    run(tmp_path, "init")
    done = run(tmp_path, "new", *command)
    assert (done.returncode, hint in done.stdout) == (1, True)
