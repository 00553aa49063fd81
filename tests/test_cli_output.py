"""What the command line writes, whatever reads it: any locale, any terminal, and nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The retail contracts with an error, on a line that few encodings can write."""
    root = tmp_path / "shop"
    shutil.copytree(PROJECT / "schemas", root / "schemas")
    path = root / "schemas/retail/orders/OrderPlaced.avsc"
    text = path.read_text("utf-8")
    text = text.replace('"uuid"}, "doc": "Identifies', '"uuids"}, "doc": "„Größe“ ✓ identifies', 1)
    path.write_text(text, "utf-8")
    return root


def run(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
    return subprocess.run(
        [sys.executable, "-m", "codegen", *arguments],
        cwd=root,
        env={**environment, "PYTHONPATH": str(PROJECT), "NO_COLOR": "", **variables},
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
@pytest.mark.parametrize("format_name", ["text", "markdown"])
def test_an_encoding_that_lacks_characters_changes_no_byte_of_a_report(
    shop: Path, format_name: str, encoding: str
) -> None:
    expected = run(shop, "lint", "--format", format_name)
    assert "„Größe“ ✓" in expected.stdout.decode() or "❌" in expected.stdout.decode()

    done = run(shop, "lint", "--format", format_name, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout) == (1, expected.stdout)


@pytest.mark.parametrize(
    ("variables", "is_painted"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False),
    ],
)
def test_the_environment_says_whether_there_are_colours(
    shop: Path, variables: dict[str, str], is_painted: bool
) -> None:
    variables = {"TERM": "xterm", "FORCE_COLOR": "", **variables}
    done = run(shop, "lint", **variables)
    assert (done.returncode, b"\x1b[" in done.stdout) == (1, is_painted)
    failed = run(shop, "check", "--against", "git:", **variables)
    assert (failed.returncode, b"\x1b[" in failed.stderr) == (2, is_painted)


@pytest.mark.parametrize("argument", ["rules", "--help", "--version"])
def test_output_that_nobody_reads_is_no_finding(shop: Path, argument: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "codegen", argument],
            cwd=shop,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_interrupt_while_the_command_is_loaded_shows_no_traceback(shop: Path) -> None:
    script = """
import runpy, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "click":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
runpy.run_module("codegen", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=shop,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
