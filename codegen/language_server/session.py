"""One editor, in the terms of the protocol: what it has open, and where things stand in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from codegen.contract.load import MANIFEST, find_root
from codegen.diagnostics import CouldNotCheck, Finding, KontraktError, Location, Severity
from codegen.language_server.changes import TextChange
from codegen.language_server.symbols import Index, Occurrence
from codegen.language_server.workspace import Workspace
from codegen.source import Document, Span

T = TypeVar("T")

DELAY = 0.3
"""Seconds that nobody types before what was typed is looked at."""

_SEVERITIES = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
    Severity.NOTE: lsp.DiagnosticSeverity.Information,
}


class OpenRepository:
    """One contract repository, and what was last said of it."""

    def __init__(self, root: Path, against: str | None) -> None:
        self.workspace = Workspace(root)
        self.findings: tuple[Finding, ...] = ()
        self.published: set[str] = set()
        self.timer: asyncio.Task[None] | None = None
        self.is_saved = True
        """Whether the past is to be asked again, which may take long: only when a file is saved."""
        self._against = against
        self._checked: tuple[Finding, ...] = ()
        self._documents: Mapping[str, Document] = {}
        self._index: Index | None = None
        self._lock = threading.Lock()

    def index(self) -> Index:
        """The names in the repository as it is now."""
        state = self.workspace.state()
        if self._index is None or self._index.state is not state:
            self._index = Index(state)
        return self._index

    def file_of(self, finding: Finding) -> str:
        """The file in which to show a finding: the manifest for what stands in no file here."""
        name = finding.location.file
        return name if (self.workspace.root / name).is_file() else MANIFEST

    def examine(self) -> str:
        """Find what is wrong now; says why the past could not be asked."""
        with self._lock:
            return self._examine()

    def _examine(self) -> str:
        problem = ""
        if self.is_saved:
            self.is_saved = False
            self._documents = self.workspace.state().documents
            try:
                self._checked = self.workspace.check(self._against)
            except KontraktError as error:
                self._checked, problem = (), error.message
        state, found = self.workspace.lint()
        # What a check said of a text holds for that text only.
        kept = [
            one
            for one in self._checked
            if self._documents.get(one.location.file) is state.documents.get(one.location.file)
        ]
        self.findings = (*found, *kept)
        return problem


class Session:
    """One editor: the repositories whose files it has open."""

    def __init__(self, server: LanguageServer, against: str | None) -> None:
        self.server = server
        self._against = against
        self._repositories: dict[Path, OpenRepository] = {}
        self._told: set[str] = set()

    def find(self, uri: str) -> tuple[OpenRepository, str] | None:
        """The repository of a file, and the file's name in it; None where it is in none."""
        path = Path(to_fs_path(uri) or "").absolute()
        try:
            root = find_root(path.parent)
        except CouldNotCheck:
            return None
        if root not in self._repositories:
            self._repositories[root] = OpenRepository(root, self._against)
        repository = self._repositories[root]
        name = repository.workspace.name_of(path)
        return None if name is None else (repository, name)

    async def ask(self, uri: str, work: Callable[[OpenRepository, str], T]) -> T | None:
        """What a thread finds out about a file of a repository; None for other files."""
        found = self.find(uri)
        return None if found is None else await asyncio.to_thread(work, *found)

    def uri(self, repository: OpenRepository, name: str) -> str:
        """The address of a file of a repository."""
        return from_fs_path(str(repository.workspace.root / name)) or ""

    def repositories(self) -> tuple[OpenRepository, ...]:
        """The repositories that are known by now."""
        return tuple(self._repositories.values())

    def touch(self, repository: OpenRepository, *, is_saved: bool = False) -> None:
        """Say anew what is found, when nobody has typed for a moment."""
        repository.is_saved = repository.is_saved or is_saved
        if repository.timer is not None:
            repository.timer.cancel()
        delay = 0.0 if is_saved else DELAY
        repository.timer = asyncio.get_running_loop().create_task(self._examine(repository, delay))

    async def _examine(self, repository: OpenRepository, delay: float) -> None:
        await asyncio.sleep(delay)
        problem = await asyncio.to_thread(repository.examine)
        if problem and problem not in self._told:
            self._told.add(problem)
            message = f"kontrakt did not compare with the past: {problem}"
            self.server.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Warning, message))
        by_file: dict[str, list[Finding]] = {name: [] for name in repository.published}
        for finding in repository.findings:
            by_file.setdefault(repository.file_of(finding), []).append(finding)
        repository.published = {name for name, found in by_file.items() if found}
        for name, found in by_file.items():
            diagnostics = [self.diagnostic(repository, one) for one in found]
            self.server.text_document_publish_diagnostics(
                lsp.PublishDiagnosticsParams(self.uri(repository, name), diagnostics)
            )

    def diagnostic(self, repository: OpenRepository, finding: Finding) -> lsp.Diagnostic:
        """A finding as editors show it."""
        parts = (finding.message, finding.note, finding.hint and f"fix: {finding.hint}")
        return lsp.Diagnostic(
            range=self._location_range(repository, finding.location),
            message="\n".join(part for part in parts if part),
            severity=_SEVERITIES[finding.severity],
            code=finding.rule.id,
            source="kontrakt",
        )

    def _location_range(self, repository: OpenRepository, where: Location) -> lsp.Range:
        lines = repository.workspace.text(where.file).split("\n")

        def position(line: int, column: int) -> lsp.Position:
            text = lines[line - 1] if 0 < line <= len(lines) else ""
            return lsp.Position(max(line - 1, 0), self._units(text[: max(column - 1, 0)]))

        return lsp.Range(
            position(where.line, where.column), position(where.end_line, where.end_column)
        )

    def range(self, text: str, span: Span) -> lsp.Range:
        """Where a stretch of a text stands, counted as the editor counts."""
        return lsp.Range(self._position(text, span.start), self._position(text, span.end))

    def _position(self, text: str, offset: int) -> lsp.Position:
        start = text.rfind("\n", 0, offset) + 1
        return lsp.Position(text.count("\n", 0, offset), self._units(text[start:offset]))

    def offset(self, text: str, position: lsp.Position) -> int:
        """The character of a text at an editor's position; the nearest one for one past its end."""
        start = 0
        for _ in range(position.line):
            end = text.find("\n", start)
            if end < 0:
                return len(text)
            start = end + 1
        end = text.find("\n", start)
        line = text[start : len(text) if end < 0 else end]
        units = 0
        for index, character in enumerate(line):
            if units >= position.character:
                return start + index
            units += self._units(character)
        return start + len(line)

    def _units(self, text: str) -> int:
        encoding = self.server.workspace.position_encoding
        if encoding == lsp.PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "surrogatepass"))
        if encoding == lsp.PositionEncodingKind.Utf32:
            return len(text)
        return len(text) + sum(character > "\uffff" for character in text)

    def place(self, repository: OpenRepository, one: Occurrence) -> lsp.Location:
        """Where a name stands."""
        span = self.range(one.place.document.text, one.span())
        return lsp.Location(self.uri(repository, one.file), span)

    def edits(
        self,
        repository: OpenRepository,
        changes: Mapping[str, Iterable[TextChange]],
        moves: Mapping[str, str] | None = None,
    ) -> lsp.WorkspaceEdit:
        """Changes of texts, by file, and then files that get other names, if the editor can."""
        edits = {
            self.uri(repository, name): self.text_edits(repository, name, found)
            for name, found in changes.items()
        }
        if not moves or not self._can_rename_files():
            return lsp.WorkspaceEdit(changes=edits)
        texts = [
            lsp.TextDocumentEdit(lsp.OptionalVersionedTextDocumentIdentifier(uri), found)
            for uri, found in edits.items()
        ]
        renames = [
            lsp.RenameFile(self.uri(repository, old), self.uri(repository, new))
            for old, new in moves.items()
        ]
        return lsp.WorkspaceEdit(document_changes=[*texts, *renames])

    def takes_snippets(self) -> bool:
        """Whether the editor can put its cursor into what it completes."""
        texts = self.server.client_capabilities.text_document
        completion = texts.completion if texts is not None else None
        item = completion.completion_item if completion is not None else None
        return item is not None and bool(item.snippet_support)

    def _can_rename_files(self) -> bool:
        workspace = self.server.client_capabilities.workspace
        edit = workspace.workspace_edit if workspace is not None else None
        operations = edit.resource_operations if edit is not None else None
        return lsp.ResourceOperationKind.Rename in (operations or ())

    def text_edits(
        self, repository: OpenRepository, name: str, changes: Iterable[TextChange]
    ) -> list[lsp.TextEdit]:
        """Changes of one text."""
        text = repository.workspace.text(name)
        return [lsp.TextEdit(self.range(text, one.span), one.text) for one in changes]
