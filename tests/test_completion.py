"""Completion as a real shell asks for it: the printed script, sourced, and its own function."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def complete(line: str, folder: Path) -> list[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
        eval "$(kontrakt completion bash)"
        [[ $COMP_WORDBREAKS != *:* ]] || exit 9
        COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
        _kontrakt_completion kontrakt
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not done.stderr
    return done.stdout.split()


def test_bash_completes_commands_options_rules_and_formats(tmp_path: Path) -> None:
    assert complete("kontrakt gen", tmp_path) == ["generate"]
    assert complete("kontrakt generate --d", tmp_path) == ["--diff"]
    assert complete("kontrakt rules compat/field-w", tmp_path) == ["compat/field-without-default"]
    assert complete("kontrakt check --format ju", tmp_path) == ["junit"]


def test_bash_completes_baselines_and_revisions(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main", tmp_path], check=True)
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    commit = ["git", *names, "commit", "-q", "--allow-empty", "-m", "first"]
    subprocess.run(commit, cwd=tmp_path, check=True)
    subprocess.run(["git", "tag", "v1.0"], cwd=tmp_path, check=True)
    assert complete("kontrakt check --against sn", tmp_path) == ["snapshot", "snapshot:"]
    assert complete("kontrakt check --against git:", tmp_path) == [
        "git:HEAD",
        "git:main",
        "git:v1.0",
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_one_that_its_shell_reads(shell: str) -> None:
    done = subprocess.run(
        ["kontrakt", "completion", shell],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"kontrakt completion {shell}" in done.stdout.splitlines()[0]
    assert f"_KONTRAKT_COMPLETE={shell}_complete" in done.stdout
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=done.stdout, text=True, check=False)
        assert checked.returncode == 0


MANIFEST = """\
version: 1
topics:
  orders:
    events: [retail.orders.OrderPlaced, retail.orders.OrderCancelled]
  returns: {events: [retail.returns.Returned]}
services:
  order-service: {produces: [orders]}
  returns-service: {consumes: [orders]}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One whose schemas cannot be read: who opens one waits for ever."""
    folder = tmp_path / "schemas" / "retail"
    folder.mkdir(parents=True)
    (tmp_path / "schemas" / "contracts.yaml").write_text(MANIFEST)
    for name in ("OrderPlaced", "OrderCancelled", "Returned"):
        os.mkfifo(folder / f"{name}.avsc")
    return tmp_path


NAMES = {
    "kontrakt new event X --topic o": ["orders"],
    "kontrakt new event X --topic ": ["orders", "returns"],
    "kontrakt new topic x --event retail.o": [
        "retail.orders.OrderCancelled",
        "retail.orders.OrderPlaced",
    ],
    "kontrakt new topic x --event Ret": ["Returned"],
    "kontrakt new topic x --owner r": ["returns-service"],
    "kontrakt new topic x --compatibility FULL": ["FULL", "FULL_TRANSITIVE"],
    "kontrakt new service x --consumes r": ["returns"],
    "kontrakt rules naming/file": ["naming/file-folder", "naming/file-name"],
}


@pytest.mark.parametrize("line", NAMES)
def test_bash_completes_names_of_the_repository(repository: Path, line: str) -> None:
    assert complete(line, repository) == NAMES[line]
    assert complete(line, repository / "schemas" / "retail") == NAMES[line]


@pytest.mark.parametrize("text", ["", "topics: [", "topics: 1", "\x00", "topics: {a: 1, b: {}}"])
def test_a_manifest_that_cannot_be_read_completes_nothing_and_says_nothing(
    repository: Path, text: str
) -> None:
    (repository / "schemas" / "contracts.yaml").write_text(text)
    assert complete("kontrakt new topic x --event r", repository) == []


@pytest.mark.parametrize(("shell", "expected"), [("zsh", "orders"), ("fish", "plain,orders")])
def test_the_other_shells_are_answered_in_their_own_form(
    repository: Path, shell: str, expected: str
) -> None:
    """What the scripts of zsh and fish ask, and split again; see click's shell_completion."""
    words = {
        "zsh": {"COMP_WORDS": "kontrakt new event X --topic o", "COMP_CWORD": "5"},
        "fish": {"COMP_WORDS": "kontrakt new event X --topic o", "COMP_CWORD": "o"},
    }[shell]
    done = subprocess.run(
        ["kontrakt"],
        cwd=repository,
        env={**environment(), **words, "_KONTRAKT_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert expected in done.stdout.splitlines()
    assert not done.stderr
