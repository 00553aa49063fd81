"""A contract repository as an editor has it: its files, and over them what is being typed.

A file that is half typed stands for what it was when it could be read last, so that the others
still know its types. Files that nobody has open are read again only when they have changed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from codegen.baselines import SNAPSHOT, open_baseline
from codegen.contract.load import MANIFEST, Repository, assemble
from codegen.contract.model import Contract
from codegen.contract.reading import SYNTAX, find_schema_files, leads_into, read_document, read_file
from codegen.diagnostics import Finding, Findings, override_severities
from codegen.linting import lint
from codegen.lock import LOCK_FILE, read_lock
from codegen.review import review
from codegen.source import Document

SCHEMAS = "schemas"


@dataclass(frozen=True, slots=True)
class State:
    """The repository at one moment.

    `documents` are its files by name, the manifest among them. Those in `stale` cannot be read as
    they are, and are here as they were. `contract` is the last one that could be made. `loading` is
    what was found when they were read.
    """

    repository: Repository
    documents: Mapping[str, Document]
    stale: frozenset[str]
    contract: Contract | None
    loading: tuple[Finding, ...]


@dataclass(slots=True)
class _Read:
    """What came of reading a file, and what that depended on: its text, or its state on disk."""

    reason: object
    document: Document | None
    findings: tuple[Finding, ...]


class Workspace:
    """The repository in a folder. Safe to read from several threads, while one of them edits."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._texts: dict[str, str] = {}
        self._read: dict[str, _Read] = {}
        self._last: dict[str, Document] = {}
        self._contract: Contract | None = None
        self._state: State | None = None
        # Counted without the lock: whoever types does not wait until all files are read.
        self._changes = 0
        self._seen = 0
        self._lock = threading.RLock()

    def name_of(self, path: Path) -> str | None:
        """How findings call a file; None for one that is no part of the contracts."""
        if not path.is_relative_to(self.root):
            return None
        name = path.relative_to(self.root).as_posix()
        is_schema = name.startswith(f"{SCHEMAS}/") and name.endswith(".avsc")
        is_read = is_schema and not leads_into(self.root / SCHEMAS, path)
        return name if is_read or name == MANIFEST else None

    def holds(self, name: str) -> bool:
        """Whether there is such a file, on disk or as somebody types it."""
        return name in self._texts or (self.root / name).is_file()

    def edit(self, name: str, text: str) -> None:
        """Take what somebody types in place of what the file holds."""
        self._texts[name] = text
        self._changes += 1

    def close(self, name: str) -> None:
        """The file on disk counts again."""
        self._texts.pop(name, None)
        self._changes += 1

    def refresh(self) -> None:
        """Files may have changed on disk."""
        self._changes += 1

    def text(self, name: str) -> str:
        """What a file holds now, as it is typed; empty where it cannot be read."""
        text = self._texts.get(name)
        if text is None:
            document = self.state().documents.get(name)
            text = "" if document is None else document.text
        return text

    def state(self) -> State:
        """The repository now."""
        with self._lock:
            changes = self._changes
            if self._state is None or self._seen != changes:
                self._state = self._load(dict(self._texts))
                self._seen = changes
            return self._state

    def recent(self) -> State:
        """The repository as it was looked at last, perhaps before the latest edits: at once."""
        return self._state or self.state()

    def lint(self) -> tuple[State, tuple[Finding, ...]]:
        """The repository now, and what lint finds in it."""
        state = self.state()
        linting = lint(state.repository, state.loading)
        return state, _without_stale((*linting.failures, *linting.findings), state.stale)

    def check(self, state: State, against: str | None) -> tuple[Finding, ...]:
        """What a check of the contract, as it is in a state, against a baseline finds.

        Without one the committed snapshot is taken. Nothing is found where there is neither, and
        while there are errors in the files. Raises CouldNotCheck.
        """
        contract = state.repository.contract
        if against is None and (self.root / SNAPSHOT).is_file():
            against = "snapshot"
        if contract is None or state.stale or against is None:
            return ()
        findings = Findings()
        lock = read_lock(self.root / LOCK_FILE)
        review(contract, open_baseline(against, contract.registry, self.root), findings, lock)
        return tuple(override_severities(findings, contract.severities))

    def _load(self, texts: Mapping[str, str]) -> State:
        reading = Findings()
        paths = find_schema_files(self.root / SCHEMAS, self.root, reading)
        names = {MANIFEST, *(path.relative_to(self.root).as_posix() for path in paths)}
        documents: dict[str, Document] = {}
        stale = set()
        for name in sorted(names | texts.keys()):
            read = self._read[name] = self._read_one(name, texts.get(name))
            reading.items += read.findings
            if read.document is None:
                stale.add(name)
            # What nobody has looked at before it was half typed is still as it was on disk.
            last = read.document or self._last.get(name)
            if last is None and name in texts:
                last = read_file(self.root, self.root / name, Findings())
            if last is not None:
                self._last[name] = documents[name] = last
        found = Findings()
        schemas = [document for name, document in documents.items() if name != MANIFEST]
        repository = assemble(documents.get(MANIFEST), schemas, found)
        self._contract = repository.contract or self._contract
        loading = (*reading, *_without_stale(found, stale))
        return State(repository, documents, frozenset(stale), self._contract, loading)

    def _read_one(self, name: str, text: str | None) -> _Read:
        path = self.root / name
        reason: object = text
        if text is None:
            try:
                stat = os.stat(path)
                reason = stat.st_mtime_ns, stat.st_size, stat.st_ino
            except OSError:
                reason = None
        known = self._read.get(name)
        if known is not None and known.reason == reason and reason is not None:
            return known
        found = Findings()
        if text is None:
            document = read_file(self.root, path, found)
        else:
            document = read_document(name, text.encode("utf-8", "surrogatepass"), found)
        return _Read(reason, document, tuple(found))


def _without_stale(findings: Iterable[Finding], stale: Collection[str]) -> tuple[Finding, ...]:
    """All but what is said of a text that is not there any more: it may be mended already."""
    return tuple(one for one in findings if one.location.file not in stale or one.rule is SYNTAX)
