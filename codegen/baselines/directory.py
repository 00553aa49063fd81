"""The past of a contract as files hold it: a folder beside, or whatever else can give files.

With a manifest the old contract is loaded like any other, and its subjects are the past. Where
there is none, or the old files have errors, types are matched by their full names and read as
Avro Java reads them. What cannot be matched in a past with errors is kept as unreadable: it is not
known to be new.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath

from codegen.avro.parse import STORED, parse_schemas
from codegen.avro.schema import Named, SchemaGraph, reachable
from codegen.contract.load import MANIFEST, load_documents
from codegen.contract.model import Contract, History, PastVersion, Subject
from codegen.contract.reading import leads_into, read_document
from codegen.diagnostics import CouldNotCheck, Findings, Severity
from codegen.lock import LOCK_FILE, Lock, parse_lock
from codegen.source import Document

MAX_FILES = 50_000
"""A folder with more schema files than this is refused."""

MAX_BYTES = 16_000_000
"""A longer file is refused."""


@dataclass(frozen=True, slots=True)
class PastFiles:
    """Files of the past: the manifest and the lock, if there are such, and the schemas by name.

    `prefix` goes before each name where people see it, `label` says which past it is.
    """

    label: str
    manifest: tuple[str, bytes] | None
    schemas: Mapping[str, bytes]
    prefix: str = ""
    lock: bytes | None = None


class FolderBaseline:
    """The past of a contract as a folder holds it: a contract repository, or bare .avsc files."""

    def __init__(self, folder: FilePath) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """`folder` and its path."""
        return f"folder {self._folder.as_posix()}"

    def histories(self, contract: Contract) -> Mapping[str, History]:
        """One version of each subject that the folder holds. Raises CouldNotCheck."""
        return self._past.histories(contract)

    def departed(self, contract: Contract) -> Mapping[str, History]:
        """The subjects of the folder's own manifest that the contract lacks; see Archive."""
        return self._past.departed(contract)

    def contract(self, findings: Findings) -> Contract | None:
        """The contract that the folder states; see Repository."""
        return self._past.contract(findings)

    def lock(self) -> Lock | None:
        """What the folder's services were generated from; see Repository."""
        return self._past.lock()

    @cached_property
    def _past(self) -> Past:
        return Past(self._read())

    def _read(self) -> PastFiles:
        if not self._folder.is_dir():
            message = f"{self._folder} is no folder"
            raise CouldNotCheck(message, hint="name one that holds schemas/ or .avsc files")
        prefix = f"{self._folder.as_posix()}/"
        manifest = self._folder / MANIFEST
        has_manifest = manifest.is_file()
        schemas = self._read_schemas(self._folder / "schemas" if has_manifest else self._folder)
        if not has_manifest and not schemas:
            message = f"{self._folder} holds neither {MANIFEST} nor any .avsc file"
            raise CouldNotCheck(message, hint="name the folder that holds schemas/")
        contracts = (MANIFEST, _read_bytes(manifest)) if has_manifest else None
        lock = self._folder / LOCK_FILE
        held = _read_bytes(lock) if has_manifest and lock.is_file() else None
        return PastFiles(self.name, contracts, schemas, prefix, held)

    def _read_schemas(self, folder: FilePath) -> dict[str, bytes]:
        found: dict[str, bytes] = {}

        def refuse(error: OSError) -> None:
            raise _unreadable(FilePath(error.filename), error)

        for parent, folders, files in os.walk(folder, onerror=refuse):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for path in (FilePath(parent, name) for name in folders):
                if path.is_symlink() and not leads_into(folder, path):
                    message = f"{path} is a symbolic link to a folder, whose files are not read"
                    raise CouldNotCheck(message, "put the folder itself there")
            for path in (FilePath(parent, name) for name in sorted(files)):
                if path.name.endswith(".avsc") and not leads_into(folder, path):
                    found[path.relative_to(self._folder).as_posix()] = _read_bytes(path)
                    check_count(len(found), self._folder.as_posix())
        return found


def check_count(count: int, where: str) -> None:
    """Raise CouldNotCheck when these are more files than MAX_FILES."""
    if count > MAX_FILES:
        message = f"{where} holds more than {MAX_FILES:,} schema files"
        raise CouldNotCheck(message, hint="name a folder or revision of one contract repository")


class Past:
    """What files of the past say of a contract. They are parsed once, when it is first asked."""

    def __init__(self, files: PastFiles) -> None:
        self._files = files
        self._findings = Findings()
        self._documents = _read_schemas(files, self._findings)
        self._contract = _load(files, self._documents, self._findings)

    def histories(self, contract: Contract) -> dict[str, History]:
        """The history of the contract's subjects: at most one version each."""
        label = self._files.label
        if self._contract is not None:
            return _match_subjects(self._contract, contract, label)
        found = self._findings
        if self._files.manifest is None:
            found = Findings([item for item in found if item.rule.id.startswith("syntax/")])
        return _match_types(self._documents, contract, label, found)

    def departed(self, contract: Contract) -> dict[str, History]:
        """The subjects of the files' own manifest that the contract lacks; none without one."""
        past = self._contract
        if past is None:
            return {}
        known = {subject.name for subject in contract.subjects}
        known |= {event.name for event in contract.events}
        moved = {event.subject for event in past.events if event.name in known}
        label = self._files.label
        return {
            old.name: History(
                old.name, (PastVersion(old.name, label, old.document, old.schema),), old.level
            )
            for old in past.subjects
            if old.name not in known | moved
        }

    def contract(self, findings: Findings) -> Contract | None:
        """The contract of the files' own manifest; None without one, or with errors."""
        if self._contract is None and self._files.manifest is not None:
            findings.items += self._findings
        return self._contract

    def lock(self) -> Lock | None:
        """What the files' own lock says; None without one, and where it cannot be read."""
        if self._files.lock is None:
            return None
        try:
            return parse_lock(FilePath(LOCK_FILE), self._files.lock.decode("utf-8"))
        except (CouldNotCheck, UnicodeDecodeError):
            return None


def _read_schemas(files: PastFiles, findings: Findings) -> list[Document]:
    documents = []
    for name, data in sorted(files.schemas.items()):
        # A file's name may be any bytes; what is shown must be text.
        shown = f"{files.prefix}{name}".encode("utf-8", "replace").decode()
        document = read_document(shown, data, findings)
        if document is not None:
            documents.append(document)
    return documents


def _load(files: PastFiles, documents: list[Document], findings: Findings) -> Contract | None:
    if files.manifest is None:
        return None
    name, data = files.manifest
    manifest = read_document(files.prefix + name, data, findings)
    if manifest is None or findings.has_errors:
        return None
    # Where the past had its registry is of no interest, nor whether its variables are set.
    return load_documents(manifest, documents, findings, with_registry=False)


def _match_subjects(past: Contract, contract: Contract, label: str) -> dict[str, History]:
    """Match by name; where the naming changed, by the event and its topic."""
    by_name = {subject.name: subject for subject in past.subjects}
    by_event = {(event.topic, event.name): event.subject for event in past.events}
    renamed = {
        event.subject: by_event[event.topic, event.name]
        for event in contract.events
        if (event.topic, event.name) in by_event
    }
    histories: dict[str, History] = {}
    for subject in contract.subjects:
        old = by_name.get(subject.name) or by_name.get(renamed.get(subject.name, ""))
        if old is not None:
            version = PastVersion(subject.name, label, old.document, old.schema)
            histories[subject.name] = History(subject.name, (version,), old.level)
    return histories


def _match_types(
    documents: list[Document], contract: Contract, label: str, earlier: Findings
) -> dict[str, History]:
    """Match by the full name of the type; with findings from before, an absent type is unknown."""
    types = _Types(documents)
    trouble = f"{earlier.items[0].location}: {earlier.items[0].message}" if earlier.items else ""
    histories: dict[str, History] = {}
    for subject in contract.subjects:
        version = types.find(subject, label)
        if version is None and trouble:
            problem = f"the past has errors, so it is not known whether this is new: {trouble}"
            version = PastVersion(subject.name, label, subject.document, None, problem=problem)
        if version is not None:
            histories[subject.name] = History(subject.name, (version,))
    return histories


class _Types:
    """The types of a set of files, read as Avro Java reads them; errors spoil whole files."""

    def __init__(self, documents: list[Document]) -> None:
        findings = Findings()
        self._types = parse_schemas(documents, findings, dialect=STORED).types
        self._spoilt: dict[str, str] = {}
        for item in findings:
            related = (other.location for other in item.related)
            for location in (item.location, *related):
                if location is not None and item.severity is Severity.ERROR:
                    self._spoilt.setdefault(location.file, f"{item.location}: {item.message}")

    def find(self, subject: Subject, label: str) -> PastVersion | None:
        """The version of a subject that these files hold; None where they lack its type."""
        wanted = subject.schema.root
        named = self._types.get(wanted.name) if isinstance(wanted, Named) else None
        if named is None:
            return None
        graph = SchemaGraph(named, self._types)
        used = (item.origin.document.name for item in (named, *reachable(graph).values()))
        problem = next((self._spoilt[file] for file in used if file in self._spoilt), "")
        schema = None if problem else graph
        return PastVersion(subject.name, label, named.origin.document, schema, problem=problem)


def _read_bytes(path: FilePath) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    return check_size(data, path.as_posix())


def check_size(data: bytes, name: str) -> bytes:
    """The data. Raises CouldNotCheck when it is longer than MAX_BYTES."""
    if len(data) > MAX_BYTES:
        message = f"{name} is longer than {MAX_BYTES:,} bytes"
        raise CouldNotCheck(message, hint="no contract is that long; check what the file is")
    return data


def _unreadable(path: FilePath, error: OSError) -> CouldNotCheck:
    reason = (error.strerror or "unknown error").lower()
    message = f"{path.as_posix()} cannot be read: {reason}"
    return CouldNotCheck(message, hint="check that it exists and who may read it")
