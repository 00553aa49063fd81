"""The case of a rule, played through: what is found in it, and what people are shown of it.

A case is a folder tests/rules/<category.rule>, of one of three kinds:

- bad/ and good/ are contract repositories, of which only the first one breaks the rule;
- before/, bad/ and good/: the rule is about a change, so two changes of one repository, one that
  hurts and one to make instead;
- before/, bad.session and good.session: what no repository shows by itself. Commands are run one by
  one in a copy of before/, first those that end in a finding, then those that mend it. `edit X`
  puts the files of the folder X over it, `# ...` is a remark. REGISTRY_URL leads to a registry that
  is empty at first; bad.registry.json, and then good.registry.json, say what it answers to some
  paths.

Where a rule has many forms, people are shown the most common one, and a folder more/ in the case
holds a case with all others.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from registry_fake import Handler, RegistryFake, serve

from codegen.baselines import open_baseline
from codegen.cli import program
from codegen.contract.load import load_contract, load_repository
from codegen.diagnostics import Finding, Findings, KontraktError, Report, make_report
from codegen.generation import generate
from codegen.linting import lint
from codegen.report import render
from codegen.report.escaping import printable
from codegen.review import review
from codegen.rules.lint import lint_rules
from codegen.targets import discover_targets

CORPUS = Path(__file__).parent / "rules"

ABOUT_LINT = {rule.id for rule in lint_rules()} | {
    "contract/unread-file",
    "lint/unknown-rule",
    "lint/unused-ignore",
    "lint/unused-path",
    "manifest/old-editor-schema",
}

ALIKE = 0.6
"""The part of its lines that a file keeps when it gets another name."""

WIDEST = 80
"""The most characters that are shown of a line that did not change."""


class Case:
    """The case of one rule. Paths in what it finds begin in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = "/".join(folder.relative_to(CORPUS).parts)
        self.rule = self.name.removesuffix("/more").replace(".", "/", 1)
        self.is_session = (folder / "bad.session").exists()

    def find(self, side: str) -> tuple[Finding, ...]:
        """What is found in the repository, or the change, `bad` or `good`."""
        findings = Findings()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.delenv("SCHEMA_REGISTRY_URL", raising=False)
            if Path("before").exists():
                contract = load_contract(Path(side), findings)
                assert contract is not None, list(findings)
                baseline = open_baseline("folder:before", contract.registry, Path(side))
                review(contract, baseline, findings)
            elif self.rule in ABOUT_LINT:
                linting = lint(load_repository(Path(side), findings), findings)
                findings.items = [*linting.failures, *linting.findings]
            else:
                contract = load_contract(Path(side), findings)
                if contract is not None:
                    generate(contract, discover_targets(), findings)
        return make_report(findings).findings

    def run(self, workspace: Path) -> dict[str, list[str]]:
        """What the sessions `bad` and `good` print, run in this order in an empty folder."""
        shutil.copytree(self.folder / "before", workspace, dirs_exist_ok=True)
        fake = RegistryFake()
        printed: dict[str, list[str]] = {}
        with serve(fake) as url, pytest.MonkeyPatch.context() as patch:
            patch.chdir(workspace)
            patch.delenv("SCHEMA_REGISTRY_URL", raising=False)
            patch.setenv("REGISTRY_URL", url)
            for side in ("bad", "good"):
                _teach(fake, self.folder / f"{side}.registry.json")
                commands = (self.folder / f"{side}.session").read_text("utf-8").splitlines()
                lines = [line for command in commands for line in self._run(command, patch)]
                printed[side] = [line.replace(url, "http://registry.example") for line in lines]
        return printed

    def _run(self, command: str, patch: pytest.MonkeyPatch) -> Iterator[str]:
        """The command, and what it prints but for times, which differ from run to run."""
        name, _, rest = command.partition(" ")
        if name == "edit":
            edited = self.folder / rest
            files = _names(edited)
            yield f"$ edit {' '.join(sorted(files))}"
            for file in sorted(files):
                yield from _changed_lines(Path(file), edited / file)
            shutil.copytree(edited, Path(), dirs_exist_ok=True)
            return
        if name == "#":
            yield command
            return
        yield f"$ {command}"
        if name == "export":
            patch.setenv(*rest.split("="))
            return
        if name != "kontrakt":
            subprocess.run(["bash", "-c", command], capture_output=True, check=True)
            return
        done = CliRunner().invoke(program, shlex.split(os.path.expandvars(rest)))
        output = done.output
        if isinstance(done.exception, KontraktError):
            output += f"error: {done.exception.message}\n  {done.exception.hint}"
        else:
            assert done.exception is None or isinstance(done.exception, SystemExit), done
        output = re.sub(r", \d+(\.\d+)? m?s$", "", output.rstrip(), flags=re.MULTILINE)
        # Days are counted from today.
        yield from re.sub(r"\b\d{4}-\d\d-\d\d\b", "YYYY-MM-DD", output).splitlines()

    def explain(self, workspace: Path) -> str:
        """What people are shown of the case."""
        if self.is_session:
            printed = self.run(workspace)
            return _show(printed["bad"], printed["good"])
        before, bad, good = (self.folder / name for name in ("before", "bad", "good"))
        finding = next(item for item in self.find("bad") if item.rule.id == self.rule)
        found = render(Report((finding,)), "text", lambda words, style: words).splitlines()
        if before.exists():
            found = [*_difference(before, bad), "", *found]
        return _show(found, _difference(before if before.exists() else bad, good))


def _teach(fake: RegistryFake, file: Path) -> None:
    """Let a registry give these answers, by the beginning of the path; all others are its own."""
    answers = json.loads(file.read_text("utf-8")) if file.exists() else {}

    def answer(handler: Handler) -> bool:
        for path, (status, body) in answers.items():
            if handler.path.startswith(path):
                handler.reply(status, json.dumps(body).encode())
                return True
        return False

    fake.behave = answer


def _show(bad: list[str], good: list[str]) -> str:
    lines = ["Bad", *(f"  {line}" for line in bad), "", "Good", *(f"  {line}" for line in good)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _difference(before: Path, after: Path) -> list[str]:
    """The lines in which two repositories differ, under the names of their files."""
    removed, added = _names(before) - _names(after), _names(after) - _names(before)
    moved = {old: new for new in added for old in removed if _is_alike(before / old, after / new)}
    shown: list[str] = []
    for name in sorted(_names(before) | added.difference(moved.values())):
        new = moved.get(name, name)
        changed = _changed_lines(before / name, after / new)
        shown += [name if new == name else f"{name} -> {new}"] if changed or new != name else []
        shown += changed
    return shown


def _is_alike(old: Path, new: Path) -> bool:
    """Whether a file is more likely another one under a new name than a new one."""
    return difflib.SequenceMatcher(None, _lines(old), _lines(new)).ratio() > ALIKE


def _changed_lines(old: Path, new: Path) -> list[str]:
    lines = difflib.unified_diff(_lines(old), _lines(new), n=1, lineterm="")
    changed = [printable(line) for line in lines if not line.startswith(("---", "+++", "@@"))]
    return [f"  {line[0]} {_shorten(line[1:]) if line[0] == ' ' else line[1:]}" for line in changed]


def _shorten(line: str) -> str:
    """A line that only shows where another one stands."""
    return line if len(line) <= WIDEST else f"{line[:WIDEST]}..."


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
