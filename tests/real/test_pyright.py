"""What pyright says of generated packages, and of services that make mistakes with them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from desk import desk_folders  # noqa: F401
from test_generated_package import MISTAKES, SERVICE

from real.node import npm_install
from real.processes import find_program

PYRIGHT = "pyright@1.1.414"

TOLD = {
    "a forgotten handler": r'Cannot instantiate abstract class "Answers"',
    "an event that the service does not produce": (
        r'"Withdrawn" cannot be assigned to parameter "event" .*"Withdrawn" is not assignable to '
        r'"Answered".*"Withdrawn" is not assignable to "Refused"'
    ),
    "a misspelt field": r'Cannot access attribute "nmae" for class "ProfileChanged"',
    "a misspelt field of a new event": r'No parameter named "raeson"',
    "a field that is forgotten": r'Argument missing for parameter "reason"',
    "a handler of another event": r'Method "on_asked" overrides class "Handler"',
    "a field of another type": r'"Literal\[5\]" .* parameter "text" of type "str"',
}


def run_pyright(project: Path, mode: str, *files: str) -> list[dict[str, Any]]:
    """The complaints about files of a project, in one of pyright's modes."""
    settings = {"typeCheckingMode": mode, "include": list(files)}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    program = npm_install(PYRIGHT) / "node_modules/pyright/index.js"
    done = subprocess.run(
        [find_program("node", "Node.js"), str(program), "--outputjson",
         "--pythonpath", sys.executable],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["summary"]["filesAnalyzed"] >= len(files)
    found: list[dict[str, Any]] = answer["generalDiagnostics"]
    return found


@pytest.fixture(scope="module")
def project(
    desk_folders: dict[str, Path],  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with all packages, a service, and one file for each mistake in it."""
    project = tmp_path_factory.mktemp("pyright")
    for service, folder in desk_folders.items():
        package = service.replace("-", "_")
        shutil.copytree(folder / package, project / package)
    (project / "right.py").write_text(SERVICE)
    for number, (right, wrong, _) in enumerate(MISTAKES.values()):
        assert SERVICE.count(right) == 1
        (project / f"wrong{number}.py").write_text(SERVICE.replace(right, wrong))
    return project


@pytest.fixture(scope="module")
def told(project: Path) -> dict[str, list[dict[str, Any]]]:
    """The complaints about each file, without the packages."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in run_pyright(project, "strict", "*.py"):
        found.setdefault(Path(one["file"]).name, []).append(one)
    return found


def test_the_packages_are_clean(project: Path) -> None:
    packages = sorted(path.parent.name for path in project.glob("*/py.typed"))
    assert len(packages) > 1
    assert run_pyright(project, "standard", *packages) == []


def test_a_service_is_clean(told: dict[str, list[dict[str, Any]]]) -> None:
    assert "right.py" not in told, told["right.py"]


@pytest.mark.parametrize("mistake", TOLD)
def test_a_mistake_is_told(told: dict[str, list[dict[str, Any]]], mistake: str) -> None:
    said = told.get(f"wrong{list(MISTAKES).index(mistake)}.py", [])
    assert any(re.search(TOLD[mistake], one["message"], re.DOTALL) for one in said), said
    assert all(one["severity"] == "error" for one in said)


def test_each_mistake_is_one_that_pyright_knows() -> None:
    assert TOLD.keys() == MISTAKES.keys()
