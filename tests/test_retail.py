"""The retail example: this repository's own contract, its stubs, its services, the demo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
SERVICES = PROJECT / "codegen/retail/services"
STUBS = sorted((PROJECT / "generated").glob("*/python"))


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_committed_stubs_are_fresh() -> None:
    done = run("codegen", "generate", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_services_are_typed_and_written_well() -> None:
    assert len(STUBS) == 3
    path = os.pathsep.join(map(str, STUBS))
    done = run("mypy", "--strict", "--config-file=", str(SERVICES), MYPYPATH=path)
    assert done.returncode == 0, done.stdout
    done = run("ruff", "check", str(SERVICES), "--select", "E,F,I,UP,B,SIM,RUF", "--ignore=RUF012")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.parent.name)
def test_a_committed_package_is_typed_and_formatted(stub: Path) -> None:
    [package] = [path for path in stub.iterdir() if (path / "py.typed").exists()]
    done = run("mypy", "--strict", "--config-file=", str(package))
    assert done.returncode == 0, done.stdout
    assert run("ruff", "format", "--check", str(stub)).returncode == 0
    assert run("ruff", "check", str(stub), "--select", "E,F,I").returncode == 0


@pytest.mark.xdist_group("demo")
def test_the_demo_ends_with_a_table_that_adds_up() -> None:
    done = run("codegen", "demo", "--orders", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = dict(re.findall(r"^  ([a-zA-Z ]+?)  +(\d+)", done.stdout, re.MULTILINE))
    assert rows["orders in"] == rows["notifications"] == rows["event OrderPlaced"] == "60"
    assert int(rows["completed"]) + int(rows["cancelled"]) == 60
    assert int(rows["event StockReserved"]) + int(rows["event StockRejected"]) == 60
    assert int(rows["dead letters"]) == 3
    assert int(rows["duplicates suppressed"]) >= 5
    assert "error compat/field-without-default" in done.stdout


def test_the_demo_refuses_a_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = run("codegen", "demo", "--keep", str(tmp_path))
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_broker_that_is_not_there_is_told() -> None:
    done = run("codegen", "demo", "--bootstrap", "127.0.0.1:9")
    assert done.returncode in (2, 3)
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_says_what_it_needs_before_it_begins(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    script = (
        "import sys; sys.modules['confluent_kafka'] = sys.modules['uvicorn'] = None; "
        f"sys.argv = ['kontrakt', 'demo', '--keep', {str(folder)!r}]; "
        "from codegen.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the demo needs confluent-kafka and uvicorn\n")
    assert "pip install 'kontrakt[demo]'" in done.stderr
    assert not folder.exists()
