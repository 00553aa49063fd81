"""The fixtures for a service's tests, as a project that has installed kontrakt uses them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent

TESTS = """
import json
import urllib.request

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

SOLD = Schema(json.dumps({"type": "record", "name": "Sold", "fields": []}), "AVRO")


@pytest.mark.parametrize("turn", range(3))
def test_each_test_has_an_empty_registry(schema_registry, turn):
    client = SchemaRegistryClient({"url": schema_registry})
    assert client.get_subjects() == []
    assert client.register_schema("sold-value", SOLD) == 1


def test_two_registries_are_two(schema_registry, contracts):
    SchemaRegistryClient({"url": schema_registry}).register_schema("sold-value", SOLD)
    assert "sold-value" not in SchemaRegistryClient({"url": contracts}).get_subjects()


@pytest.mark.parametrize("turn", range(3))
def test_the_contracts_are_there(contracts, turn):
    client = SchemaRegistryClient({"url": contracts})
    assert "orders-retail.orders.OrderPlaced" in client.get_subjects()
    with urllib.request.urlopen(contracts + "/schemas/types", timeout=10) as answer:
        assert json.load(answer) == ["JSON", "PROTOBUF", "AVRO"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the retail contracts, and the conftest.py of the README."""
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    readme = (PROJECT / "README.md").read_text("utf-8")
    [conftest] = re.findall(r"```python\n(# conftest\.py\n.*?)```", readme, re.DOTALL)
    (tmp_path / "conftest.py").write_text(conftest, "utf-8")
    (tmp_path / "test_service.py").write_text(TESTS, "utf-8")
    return tmp_path


def run_pytest(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=project,
        env={**kept, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_project_uses_the_fixtures(project: Path, workers: str) -> None:
    done = run_pytest(project, "-n", workers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout


def test_the_fixtures_are_listed_with_what_they_are(project: Path) -> None:
    listed = run_pytest(project, "--fixtures").stdout
    assert "schema_registry -- " in listed
    assert "session_schema_registry [session scope] -- " in listed
    assert "The URL of an empty schema registry that lives as long as the test." in listed


def test_without_the_server_s_libraries_the_test_says_what_to_install(project: Path) -> None:
    hide = "import sys; sys.modules['uvicorn'] = None"
    (project / "conftest.py").write_text(hide, "utf-8")
    done = run_pytest(project, "-n", "0", "-k", "empty")
    assert done.returncode == 1
    assert "pip install 'kontrakt[server]'" in done.stdout
    assert "Traceback" not in done.stdout
