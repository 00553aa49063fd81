"""The GitHub Action and the pre-commit hooks, by running what their steps run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).parent.parent
ACTION = PROJECT / ".github/actions/check/action.yml"
PLACED = "schemas/retail/orders/OrderPlaced.avsc"


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """What the runner makes of expressions."""
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda match: values[match[1]], text)


class Runner:
    """Runs the shell steps of the action as a GitHub runner does."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self.workspace = workspace
        self.temp = folder / "runner"
        self.temp.mkdir()
        self.summary, self.output = folder / "summary.md", folder / "output.txt"
        self.action = read_yaml(ACTION)

    def run(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        [step] = [step for step in self.action["runs"]["steps"] if step["name"] == name]
        given = {key: value["default"] for key, value in self.action["inputs"].items()} | inputs
        values = {f"inputs.{key}": value for key, value in given.items()}
        values |= {
            "github.action_path": str(ACTION.parent),
            "steps.python.outputs.python-path": sys.executable,
        }
        assert "${{" not in step["run"]
        variables = {key: fill_in(value, values) for key, value in step["env"].items()}
        environment = {key: text for key, text in os.environ.items() if "REGISTRY" not in key}
        environment.pop("PYTHONPATH", None)
        self.summary.write_text("")
        self.output.write_text("")
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.workspace,
            env={
                **environment,
                "RUNNER_TEMP": str(self.temp),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "GITHUB_OUTPUT": str(self.output),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def outputs(self) -> dict[str, str]:
        lines = self.output.read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner in a checkout that has the contracts in a folder, and kontrakt where it belongs."""
    workspace = tmp_path / "work"
    for name in ("contracts", "released"):
        shutil.copytree(PROJECT / "schemas", workspace / name / "schemas")
    runner = Runner(tmp_path, workspace)
    program = runner.temp / "kontrakt/bin/kontrakt"
    program.parent.mkdir(parents=True)
    command = f'PYTHONPATH="{PROJECT}" exec "{sys.executable}" -m codegen "$@"'
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(0o755)
    return runner


def break_contract(runner: Runner) -> int:
    """Add a field without a default; its line."""
    path = runner.workspace / "contracts" / PLACED
    lines = path.read_text("utf-8").splitlines(keepends=True)
    number = next(index for index, line in enumerate(lines) if '"name": "currency"' in line)
    lines.insert(number, '    {"name": "tier", "type": "string", "doc": "The tier."},\n')
    path.write_text("".join(lines), "utf-8")
    return number + 1


def check(runner: Runner, **inputs: str) -> subprocess.CompletedProcess[str]:
    inputs = {"root": "contracts", "against": "folder:released"} | inputs
    return runner.run("Check", **inputs)


def test_what_is_good_is_green_and_says_so(runner: Runner) -> None:
    done = check(runner)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::" not in done.stdout
    assert runner.summary.read_text("utf-8").startswith("### ✅ kontrakt")
    assert runner.outputs()["exit-code"] == "0"


def test_a_break_is_annotated_where_it_stands(runner: Runner) -> None:
    line = break_contract(runner)
    done = check(runner)
    assert done.returncode == 1
    assert f"::error file=contracts/{PLACED},line={line},endLine={line},col=14," in done.stdout
    summary = runner.summary.read_text("utf-8")
    for expected in ("### ❌ kontrakt: 1 error", f"contracts/{PLACED}:{line}:14", "Who breaks"):
        assert expected in summary
    outputs = runner.outputs()
    assert outputs["exit-code"] == "1"
    assert Path(outputs["markdown"]).read_text("utf-8") == summary
    [run] = json.loads(Path(outputs["sarif"]).read_text("utf-8"))["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["compat/field-without-default"]


def test_a_contract_that_cannot_be_read_is_reported_too(runner: Runner) -> None:
    (runner.workspace / "contracts" / PLACED).write_text("{")
    done = check(runner)
    assert done.returncode == 1
    assert f"::error file=contracts/{PLACED},line=1" in done.stdout
    assert "syntax/unreadable" in runner.summary.read_text("utf-8")


@pytest.mark.parametrize(
    ("inputs", "code", "title"),
    [
        ({"against": "registry:http://127.0.0.1:9"}, 3, "title=check/could-not-check::"),
        ({"against": "git:HEAD"}, 3, "title=check/could-not-check::"),
        ({"root": "nowhere"}, 2, "title=kontrakt::The contracts could not be checked"),
        (
            {"against": "$(touch stolen)`touch stolen`; touch stolen"},
            2,
            "title=check/could-not-check::",
        ),
    ],
)
def test_what_could_not_be_checked_is_never_green(
    runner: Runner, inputs: dict[str, str], code: int, title: str
) -> None:
    check(runner)
    done = check(runner, **inputs)
    assert done.returncode == code
    assert runner.outputs()["exit-code"] == str(code)
    assert "could not check" in runner.summary.read_text("utf-8")
    commands = [line for line in done.stdout.splitlines() if line.startswith("::")]
    (command,) = commands
    assert command.startswith("::error ")
    assert title in command
    assert not list(runner.workspace.rglob("stolen"))


def test_the_readme_shows_every_input_and_names_every_output() -> None:
    """Its workflow is read as a runner would read it."""
    text = (PROJECT / "README.md").read_text("utf-8")
    [block] = re.findall(r"```yaml\n(permissions:.*?)```", text, re.S)
    steps = YAML(typ="safe", pure=True).load(block)["steps"]
    checkout, check_step, comment = steps
    action = read_yaml(ACTION)
    assert checkout["with"]["fetch-depth"] == 0
    assert check_step["with"].keys() == action["inputs"].keys()
    assert all(f"`{name}`" in text for name in action["outputs"])
    # What people type reaches a script as variables only.
    assert "${{" not in comment["run"]


def test_the_steps_are_in_order_and_the_outputs_are_those_that_are_written(
    runner: Runner,
) -> None:
    steps = runner.action["runs"]["steps"]
    assert [step["name"] for step in steps] == ["Set up Python", "Install kontrakt", "Check"]
    check(runner)
    assert set(runner.action["outputs"]) == set(runner.outputs())


def test_the_action_installs_what_it_runs(runner: Runner) -> None:
    shutil.rmtree(runner.temp / "kontrakt")
    done = runner.run("Install kontrakt")
    if done.returncode and not os.environ.get("CI"):
        pytest.skip("pip reaches no package index, so nothing can be installed")
    assert done.returncode == 0, done.stderr
    done = check(runner)
    assert done.returncode == 0, done.stdout + done.stderr


HOOKS = {hook["id"]: hook for hook in read_yaml(PROJECT / ".pre-commit-hooks.yaml")}


def run_hook(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    hook = HOOKS[name]
    scripts = sysconfig.get_path("scripts")
    environment = {key: text for key, text in os.environ.items() if "REGISTRY" not in key}
    return subprocess.run(
        [*shlex.split(hook["entry"]), *hook.get("args", ())],
        cwd=folder,
        env={
            **environment,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_check_hook_compares_with_the_last_commit(runner: Runner) -> None:
    folder = runner.workspace / "contracts"
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    assert run_hook("kontrakt-check", folder).returncode == 0
    break_contract(runner)
    done = run_hook("kontrakt-check", folder)
    assert done.returncode == 1
    assert "compat/field-without-default" in done.stdout


def test_the_generate_hook_finds_stale_stubs(runner: Runner) -> None:
    folder = runner.workspace / "contracts"
    assert run_hook("kontrakt-generate", folder).returncode == 1
    program = runner.temp / "kontrakt/bin/kontrakt"
    subprocess.run([program, "generate"], cwd=folder, check=True, capture_output=True)
    assert run_hook("kontrakt-generate", folder).returncode == 0


def test_the_lint_hook_looks_at_the_repository(runner: Runner) -> None:
    folder = runner.workspace / "contracts"
    assert run_hook("kontrakt-lint", folder).returncode == 0
    placed = folder / PLACED
    text = placed.read_text("utf-8")
    placed.write_text(text.replace("timestamp-millis", "timestamp_millis"), "utf-8")
    done = run_hook("kontrakt-lint", folder)
    assert done.returncode == 1
    assert "logical/misspelt" in done.stdout


def test_the_hooks_run_for_the_files_that_matter() -> None:
    for hook in HOOKS.values():
        assert hook["language"] == "python"
        # Layout is a matter of each file, everything else of the repository as a whole.
        is_whole = hook["id"] != "kontrakt-format"
        assert hook.get("pass_filenames", True) is not is_whole
        for name in (PLACED, f"contracts/{PLACED}"):
            assert re.search(hook["files"], name)
        assert bool(re.search(hook["files"], "schemas/contracts.yaml")) is is_whole
        for name in ("README.md", "schemas.avsc", "myschemas/a.avsc")[: 3 if is_whole else 1]:
            assert not re.search(hook["files"], name)
