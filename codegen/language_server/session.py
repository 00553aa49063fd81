"""One editor, in the terms of the protocol: what it has open, and where things stand in it."""

from __future__ import annotations

import asyncio
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from codegen.contract.load import MANIFEST, find_root
from codegen.diagnostics import CouldNotCheck, Finding, KontraktError, Location, Severity
from codegen.language_server.changes import TextChange
from codegen.language_server.symbols import Index, Occurrence
from codegen.language_server.workspace import State, Workspace
from codegen.source import Document, Span

T = TypeVar("T")

DELAY = 0.3
"""Seconds that nobody types before what was typed is looked at."""

BYTE_ORDER_MARK = "\ufeff"
"""What may begin a file, and is no character of the text that an editor has of it."""

_SEVERITIES = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
    Severity.NOTE: lsp.DiagnosticSeverity.Information,
}


@lru_cache(maxsize=64)
def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


class OpenRepository:
    """One contract repository, and what was last said of it."""

    def __init__(self, root: Path, against: str | None) -> None:
        self.workspace = Workspace(root)
        self.published: set[str] = set()
        self.linting = Turns()
        self.checking = Turns()
        self._against = against
        self._linted: tuple[State, tuple[Finding, ...]] | None = None
        self._checked: tuple[Mapping[str, Document], tuple[Finding, ...]] = ({}, ())
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
        return name if self.workspace.holds(name) else MANIFEST

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong now, with what the last check found, which may be some time ago."""
        with self._lock:
            if self._linted is None or self._linted[0] is not self.workspace.state():
                self._linted = self.workspace.lint()
            state, found = self._linted
        # What a check said of a text holds for that text only.
        documents, checked = self._checked
        kept = (
            one
            for one in checked
            if documents.get(one.location.file) is state.documents.get(one.location.file)
        )
        return (*found, *kept)

    def check(self) -> str:
        """Compare with the past, which may take long; says why that could not be asked."""
        state = self.workspace.state()
        try:
            self._checked = state.documents, self.workspace.check(state, self._against)
        except KontraktError as error:
            self._checked = state.documents, ()
            return error.message
        return ""


class Turns:
    """Work that is done anew after each call, but never twice at once: the last call counts."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Task[None] | None = None
        self._working: asyncio.Task[None] | None = None

    def ask(self, work: Callable[[], Coroutine[Any, Any, None]], delay: float = 0.0) -> None:
        """Work after a delay, in which no other call comes, and after what is under way."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = asyncio.get_running_loop().create_task(self._wait(work, delay))

    async def _wait(self, work: Callable[[], Coroutine[Any, Any, None]], delay: float) -> None:
        await asyncio.sleep(delay)
        await self._turn.acquire()
        # A task of its own: what has begun is not cancelled by the next call.
        self._working = asyncio.get_running_loop().create_task(self._work(work))

    async def _work(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        finally:
            self._turn.release()


async def _ask_apart(work: Callable[[], T]) -> T:
    """What a thread finds out for which nobody waits when the server ends."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            tell(answer.set_result, work())
        except Exception as error:
            tell(answer.set_exception, error)

    def tell(how: Callable[[Any], None], what: object) -> None:
        with suppress(RuntimeError):  # The loop has ended.
            loop.call_soon_threadsafe(lambda: None if answer.done() else how(what))

    threading.Thread(target=run, daemon=True).start()
    return await answer


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
            # A new manifest is one before it is saved.
            is_manifest = path.as_posix().endswith(f"/{MANIFEST}")
            root = path.parents[1] if is_manifest else find_root(path.parent)
        except CouldNotCheck:
            return None
        repository = self._repositories.get(root) or OpenRepository(root, self._against)
        name = repository.workspace.name_of(path)
        if name is None:
            return None
        if root not in self._repositories:
            self._repositories[root] = repository
            # What is there already may break someone, before anything is saved.
            self.touch(repository, is_saved=True)
        return repository, name

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
        """Say anew what is found, when nobody has typed for a moment.

        The past is asked only when a file is saved, and nobody who types waits for its answer.
        """
        delay = 0.0 if is_saved else DELAY
        repository.linting.ask(lambda: self._publish(repository), delay)
        if is_saved:
            repository.checking.ask(lambda: self._check(repository))

    async def _check(self, repository: OpenRepository) -> None:
        problem = await _ask_apart(repository.check)
        repository.linting.ask(lambda: self._publish(repository))
        if problem and problem not in self._told:
            self._told.add(problem)
            message = f"kontrakt did not compare with the past: {problem}"
            self.server.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Warning, message))

    async def _publish(self, repository: OpenRepository) -> None:
        findings = await asyncio.to_thread(repository.findings)
        by_file: dict[str, list[Finding]] = {name: [] for name in repository.published}
        for finding in findings:
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
            related_information=[
                lsp.DiagnosticRelatedInformation(
                    lsp.Location(
                        self.uri(repository, other.location.file),
                        self._location_range(repository, other.location),
                    ),
                    other.message,
                )
                for other in finding.related
                # What has a label stands in an older version, which no editor can open.
                if other.location is not None and not other.label
            ]
            or None,
        )

    def _location_range(self, repository: OpenRepository, where: Location) -> lsp.Range:
        text = repository.workspace.text(where.file)
        starts = _line_starts(text)

        def position(line: int, column: int) -> lsp.Position:
            if not 0 < line <= len(starts):
                return lsp.Position(max(line - 1, 0), 0)
            end = starts[line] if line < len(starts) else len(text)
            return self._position(text, min(starts[line - 1] + max(column - 1, 0), end))

        return lsp.Range(
            position(where.line, where.column), position(where.end_line, where.end_column)
        )

    def range(self, text: str, span: Span) -> lsp.Range:
        """Where a stretch of a text stands, counted as the editor counts."""
        return lsp.Range(self._position(text, span.start), self._position(text, span.end))

    def _position(self, text: str, offset: int) -> lsp.Position:
        starts = _line_starts(text)
        line = bisect_right(starts, offset) - 1
        before = text[starts[line] : offset].removeprefix(BYTE_ORDER_MARK)
        return lsp.Position(line, self._units(before))

    def offset(self, text: str, position: lsp.Position) -> int:
        """The character of a text at an editor's position; the nearest one for one past its end."""
        starts = _line_starts(text)
        if position.line >= len(starts):
            return len(text)
        start = starts[position.line]
        line = text[start : text.find("\n", start) if position.line + 1 < len(starts) else None]
        if line.startswith(BYTE_ORDER_MARK):
            start, line = start + 1, line[1:]
        if line.isascii():
            return start + min(position.character, len(line))
        units = 0
        for index, character in enumerate(line):
            if units >= position.character:
                return start + index
            units += self._units(character)
        return start + len(line)

    def _units(self, text: str) -> int:
        encoding = self.server.workspace.position_encoding
        if encoding == lsp.PositionEncodingKind.Utf32 or text.isascii():
            return len(text)
        if encoding == lsp.PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text.encode("utf-16-le", "surrogatepass")) // 2

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
