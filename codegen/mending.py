"""Which edits mend what a check found, and do they? Every one is tried before a file is touched.

The files are edited in memory and the whole check is made again on them. An edit is kept only if
its finding is gone and no other one came in its place; what is left is written, each file whole or
not at all, and only where the file is still what was checked.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path as FilePath
from typing import TypeAlias

from codegen.baselines import Baseline
from codegen.contract.load import load_documents
from codegen.contract.model import Contract, History
from codegen.diagnostics import Finding, Findings, Severity, override_severities
from codegen.editing import Edit, Insert, Mend, Replace, apply
from codegen.files import write_atomically
from codegen.lock import Lock
from codegen.report.escaping import printable
from codegen.review import review
from codegen.source import Document, SourceError, read_json

Documents: TypeAlias = Mapping[str, Document]
"""Schema files by name."""

Examine: TypeAlias = Callable[[Documents], Sequence[Finding]]
"""Makes the check on schema files, and asks nobody outside for anything."""

MAX_MENDS = 500
"""After so many mends the rest is left for another run: no work should be unbounded."""

SHOWN_WIDTH = 160
"""A changed line longer than this, in characters, is shown in part."""

_CAUTIONS = {
    "default": "Review each default: readers of older messages will see it.",
    "aliases": "Review each alias: readers will take what has the old name for it.",
}
"""What people must look at, by the key that was added."""

_STOPPED = "That was as much as is mended at once: run it again for the rest."


@dataclass(frozen=True, slots=True)
class Change:
    """A schema file before and after it was mended."""

    before: Document
    after: Document

    @property
    def name(self) -> str:
        """The file's name, relative to the root of the repository."""
        return self.before.name


@dataclass(slots=True)
class Mending:
    """What came of an attempt to mend: the mends that help, one a finding, and the files."""

    mends: list[Mend] = field(default_factory=list)
    changes: tuple[Change, ...] = ()

    def without(self, names: Collection[str]) -> Mending:
        """The mends of all files but those."""
        kept = [mend for mend in self.mends if mend.file not in names]
        return Mending(kept, tuple(one for one in self.changes if one.name not in names))

    def cautions(self) -> tuple[str, ...]:
        """What people should look at before they believe in what was done, and what to do next."""
        keys = {
            edit.path[-1] if isinstance(edit.path[-1], str) else edit.path[-2]
            for mend in self.mends
            for edit in mend.edits
            if isinstance(edit, Insert)
        }
        stopped = [_STOPPED] if len(self.mends) >= MAX_MENDS else []
        return (*(text for key, text in _CAUTIONS.items() if key in keys), *stopped)


def mend(contract: Contract, baseline: Baseline, lock: Lock) -> Mending:
    """Try the mends of all findings, and keep those that help.

    Nothing is written. Raises CouldNotCheck.
    """
    past = _Remembered(baseline.name, baseline.histories(contract))

    def examine(documents: Documents) -> list[Finding]:
        findings = Findings()
        edited = load_documents(contract.manifest, documents.values(), findings)
        if edited is not None:
            review(edited, past, findings, lock)
        return override_severities(findings, contract.severities)

    return mend_documents(contract.documents, examine)


def mend_documents(documents: Documents, examine: Examine) -> Mending:
    """Try the mends of what `examine` finds, and keep those that help. Nothing is written."""
    mender = _Mender(examine, documents, examine(documents))
    mender.run()
    changes = (
        Change(before, mender.documents[name])
        for name, before in documents.items()
        if mender.documents[name] is not before
    )
    return Mending(mender.mends, tuple(changes))


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What a baseline answered, so that no attempt asks again."""

    name: str
    answer: Mapping[str, History]

    def histories(self, contract: Contract) -> Mapping[str, History]:
        return self.answer


@dataclass(slots=True)
class _Mender:
    """The files as they are mended so far, what is found in them, and what was tried in vain."""

    examine: Examine
    documents: Documents
    found: Sequence[Finding]
    mends: list[Mend] = field(default_factory=list)
    hopeless: set[_Key] = field(default_factory=set)

    def run(self) -> None:
        """Mend until nothing is left to try."""
        while len(self.mends) < MAX_MENDS and (batch := self._choose()):
            self._mend(batch)

    def _choose(self) -> list[Finding]:
        """Findings of which no mend moves what another one points at."""
        chosen: list[Finding] = []
        taken: dict[str, list[Edit]] = {}
        for one in self.found:
            if one.mends and not one.waived and _key(one) not in self.hopeless:
                edits = taken.setdefault(one.mends[0].file, [])
                if not edits or _is_apart(one.mends[0].edits, edits):
                    chosen.append(one)
                    edits += one.mends[0].edits
        return chosen[: MAX_MENDS - len(self.mends)]

    def _mend(self, batch: list[Finding]) -> None:
        """Mend all at once, which costs one check; where that does not help, half by half."""
        if len(batch) > 1:
            if not self._keep([(target, target.mends[0]) for target in batch]):
                middle = len(batch) // 2
                self._mend(batch[:middle])
                self._mend(batch[middle:])
        elif not any(self._keep([(batch[0], candidate)]) for candidate in batch[0].mends):
            self.hopeless.add(_key(batch[0]))

    def _keep(self, attempt: list[tuple[Finding, Mend]]) -> bool:
        """Make the edits and check again; they are kept if they help, every one of them."""
        edited = _edit(self.documents, [candidate for _, candidate in attempt])
        if edited is None:
            return False
        after = self.examine(edited)
        if not _is_better(self.found, after, [target for target, _ in attempt]):
            return False
        self.documents, self.found = edited, after
        self.mends += (candidate for _, candidate in attempt)
        return True


def write_change(root: FilePath, change: Change) -> str:
    """Write a mended file; the reason where it was left as it is, else nothing.

    A symbolic link stays one: what it leads to is written. The file is left where a link leads out
    of the repository, where its mode says that it is not to be written, and where it is not any
    more what was checked.
    """
    try:
        path = FilePath(os.path.realpath(root / change.name))
        if not path.is_relative_to(os.path.realpath(root)):
            return "a symbolic link leads out of the repository"
        if not path.stat().st_mode & 0o222:
            return "it is read-only"
        if path.read_bytes() != change.before.text.encode("utf-8"):
            return "it was changed meanwhile: run the command again"
        write_atomically(path, change.after.text)
    except OSError as error:
        return (error.strerror or "unknown error").lower()
    return ""


def describe_change(change: Change) -> Iterator[str]:
    """The lines that a file lost and gained, under its name."""
    yield printable(change.name)
    before, after = change.before.text.split("\n"), change.after.text.split("\n")
    for lost, gained in _compare(before, after):
        indent = min(
            (len(line) - len(line.lstrip()) for line in (*lost, *gained) if line.strip()), default=0
        )
        first = _first_difference("\n".join(lost), "\n".join(gained))
        for sign, lines in (("-", lost), ("+", gained)):
            yield from (f"  {sign} {_clip(line, indent, first)}" for line in lines)


def _compare(before: list[str], after: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    for tag, start, end, new_start, new_end in SequenceMatcher(None, before, after).get_opcodes():
        if tag != "equal":
            yield before[start:end], after[new_start:new_end]


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), len(one))


def _clip(line: str, indent: int, first: int) -> str:
    """The part of a line around the character where it begins to differ."""
    line = line.rstrip("\r")
    if len(line) - indent <= SHOWN_WIDTH:
        return printable(line[indent:])
    start = max(indent, min(first - SHOWN_WIDTH // 4, len(line) - SHOWN_WIDTH))
    shown = printable(line[start : start + SHOWN_WIDTH])
    is_cut = start + SHOWN_WIDTH < len(line)
    return f"{'...' if start > indent else ''}{shown}{'...' if is_cut else ''}"


_Key: TypeAlias = tuple[str, str, str, str]


def _is_apart(edits: Iterable[Edit], others: Iterable[Edit]) -> bool:
    """Whether edits of a file put other values in place only, and none inside of another's."""
    paths = [edit.path for edit in edits]
    return all(isinstance(edit, Replace) for edit in (*edits, *others)) and not any(
        path[: len(other.path)] == other.path or other.path[: len(path)] == path
        for path in paths
        for other in others
    )


def _key(finding: Finding) -> _Key:
    """What a finding says of which file; its path may move when others are mended."""
    # A waiver holds for one pair of schemas and adds its words; the edited schema has none.
    message = finding.message.removesuffix(f" (waived {finding.waived})")
    return finding.rule.id, finding.subject, finding.location.file, message


def _is_better(
    before: Sequence[Finding], after: Sequence[Finding], targets: Iterable[Finding]
) -> bool:
    """Whether each target is gone, and nothing that would fail a command has come.

    A waiver holds for one pair of schemas, so what it covers counts on both sides.
    """
    earlier, later, mended = (Counter(map(_key, found)) for found in (before, after, targets))
    if any(later[key] > earlier[key] - count for key, count in mended.items()):
        return False
    return _grave(after) <= _grave(before)


def _grave(findings: Iterable[Finding]) -> Counter[_Key]:
    return Counter(_key(one) for one in findings if one.severity is Severity.ERROR or one.waived)


def _edit(documents: Documents, mends: Iterable[Mend]) -> dict[str, Document] | None:
    """The documents with mends made, each file written once; None where one does not fit."""
    edits: dict[str, tuple[Edit, ...]] = {}
    for one in mends:
        edits[one.file] = edits.get(one.file, ()) + one.edits
    edited = dict(documents)
    for name, wanted in edits.items():
        if name not in documents:
            return None
        try:
            edited[name] = read_json(name, apply(documents[name], wanted))
        except (ValueError, SourceError):
            return None
    return edited
