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
