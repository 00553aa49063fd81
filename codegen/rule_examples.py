"""What does a rule look like in a repository? A case that breaks it, and one that does not.

The cases are those that the tests run, shipped with the tool, and what is shown is found in them at
that moment: an example cannot be wrong about its rule.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codegen.baselines import open_baseline
from codegen.contract.load import load_contract, load_repository
from codegen.diagnostics import Finding, Findings, make_report
from codegen.generation import generate
from codegen.linting import lint
from codegen.review import review
from codegen.targets import discover_targets

_SHIPPED = Path(__file__).parent / "corpus"
_SOURCES = Path(__file__).parent.parent / "tests"
_SNAPSHOT = Path("schemas", "registry.snapshot.json")


@dataclass(frozen=True, slots=True)
class Example:
    """A repository with what a rule is about, and one without.

    `bad` breaks the rule, and `good` does not; it is None where there is no such case. A rule about
    a change has `before`, the repository that `bad` is a change of.
    """

    rule: str
    bad: Path
    good: Path | None = None
    before: Path | None = None

    def find(self) -> Finding | None:
        """What the rule finds in the bad one."""
        findings = Findings()
        found = self._review(findings) if self.before is not None else self._examine(findings)
        return next((item for item in found if item.rule.id == self.rule), None)

    def _examine(self, findings: Findings) -> tuple[Finding, ...]:
        repository = load_repository(self.bad, findings)
        if repository.manifest is not None:
            linting = lint(repository, findings)
            findings.items += (*linting.failures, *linting.findings)
        if repository.contract is not None:
            generate(repository.contract, discover_targets(), findings)
        return make_report(findings).findings

    def _review(self, findings: Findings) -> tuple[Finding, ...]:
        contract = load_contract(self.bad, findings)
        if contract is None or self.before is None:
            return ()
        snapshot = self.before / _SNAPSHOT
        past = f"snapshot:{snapshot}" if snapshot.exists() else f"folder:{self.before}"
        review(contract, open_baseline(past, contract.registry, self.bad), findings)
        return make_report(findings).findings


def find_example(rule: str) -> Example | None:
    """The example of a rule; None for rules about what no repository alone can show."""
    case = _folder("rules") / rule.replace("/", ".", 1)
    if (case / "bad").is_dir():
        good = case / "good"
        return Example(rule, case / "bad", good if good.is_dir() else None)
    changes = _folder("evolution")
    cases = sorted(path for path in changes.iterdir() if path.is_dir()) if changes.exists() else []
    fitting = [(_count_findings(path, rule), path.name, path) for path in cases]
    fitting = [one for one in fitting if one[0]]
    # The case that is named after the rule, or the one that tells of little else.
    named = [one for one in fitting if one[1] == rule.partition("/")[2]]
    if not fitting:
        return None
    case = min(named or fitting)[2]
    return Example(rule, case / "after", None, case / "before")


def show_difference(before: Path, after: Path) -> Iterator[str]:
    """The lines in which two repositories differ, under the names of their files."""
    for name in sorted(_names(before) | _names(after)):
        old, new = (_lines(folder / name) for folder in (before, after))
        lines = difflib.unified_diff(old, new, n=1, lineterm="")
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        if changed:
            yield name
            yield from (f"  {line[:1]} {line[1:]}".rstrip() for line in changed)


def _folder(name: str) -> Path:
    return (_SHIPPED if _SHIPPED.is_dir() else _SOURCES) / name


def _count_findings(case: Path, rule: str) -> int:
    """How much is found in a case in which the rule is broken; 0 for another case."""
    try:
        lines = (case / "expect.txt").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return len(lines) if any(line.endswith(f" {rule}") for line in lines) else 0


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
