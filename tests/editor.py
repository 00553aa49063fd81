"""An editor, as the language server sees it: a session over stdin and stdout."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import BaseLanguageClient

T = TypeVar("T")

PROJECT = Path(__file__).parent.parent
PLACED = "schemas/retail/orders/OrderPlaced.avsc"
LINE = "schemas/retail/orders/OrderLine.avsc"
MANIFEST = "schemas/contracts.yaml"


class Editor:
    """An editor with one running server; its methods wait for the answers."""

    def __init__(
        self, *arguments: str, can_rename_files: bool = True, takes_snippets: bool = False
    ) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.client = BaseLanguageClient("test", "1")
        self.shown: dict[str, list[lsp.Diagnostic]] = {}
        self.told: list[str] = []

        @self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def show(parameters: lsp.PublishDiagnosticsParams) -> None:
            self.shown[parameters.uri] = list(parameters.diagnostics)

        @self.client.feature(lsp.WINDOW_SHOW_MESSAGE)
        def tell(parameters: lsp.ShowMessageParams) -> None:
            self.told.append(parameters.message)

        operations = [lsp.ResourceOperationKind.Rename] if can_rename_files else []
        item = lsp.ClientCompletionItemOptions(snippet_support=takes_snippets)
        self.run(
            self._start(
                arguments,
                lsp.ClientCapabilities(
                    workspace=lsp.WorkspaceClientCapabilities(
                        workspace_edit=lsp.WorkspaceEditClientCapabilities(
                            resource_operations=operations
                        )
                    ),
                    text_document=lsp.TextDocumentClientCapabilities(
                        completion=lsp.CompletionClientCapabilities(completion_item=item)
                    ),
                ),
            )
        )

    async def _start(
        self, arguments: tuple[str, ...], capabilities: lsp.ClientCapabilities
    ) -> None:
        await self.client.start_io(sys.executable, "-m", "codegen", "lsp", *arguments, cwd=PROJECT)
        await self.client.initialize_async(lsp.InitializeParams(capabilities))
        self.client.initialized(lsp.InitializedParams())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def stop(self) -> None:
        async def stop() -> None:
            await self.client.shutdown_async(None)
            self.client.exit(None)
            await self.client.stop()

        self.run(stop())
        self.loop.call_soon_threadsafe(self.loop.stop)


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    it = Editor("--stdio")
    yield it
    it.stop()


class Shop:
    """The retail contracts in a folder, open in an editor."""

    def __init__(self, editor: Editor, root: Path) -> None:
        self.editor = editor
        self.root = root
        self.texts: dict[str, str] = {}

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def type(self, name: str, text: str) -> tuple[str, lsp.Position]:
        """Open a file, or change its text; the place of the bar in it, if there is one."""
        offset = text.find("|")
        if offset >= 0:
            text = text[:offset] + text[offset + 1 :]
        client, uri = self.editor.client, self.uri(name)
        if name not in self.texts:
            item = lsp.TextDocumentItem(uri, "json", 1, text)
            self._do(client.text_document_did_open, lsp.DidOpenTextDocumentParams(item))
        else:
            version = lsp.VersionedTextDocumentIdentifier(2, uri)
            change = lsp.TextDocumentContentChangeWholeDocument(text)
            parameters = lsp.DidChangeTextDocumentParams(version, [change])
            self._do(client.text_document_did_change, parameters)
        self.texts[name] = text
        return uri, position_of(text, max(offset, 0))

    def open(self, name: str, needle: str = "") -> tuple[str, lsp.Position]:
        """Open a file, with the cursor in a word of it."""
        text = (self.root / name).read_text()
        offset = text.index(needle) + len(needle) // 2
        return self.type(name, f"{text[:offset]}|{text[offset:]}")

    def save(self, name: str) -> None:
        (self.root / name).write_text(self.texts[name])
        document = lsp.TextDocumentIdentifier(self.uri(name))
        self._do(self.editor.client.text_document_did_save, lsp.DidSaveTextDocumentParams(document))

    def close(self, name: str) -> None:
        del self.texts[name]
        document = lsp.TextDocumentIdentifier(self.uri(name))
        self._do(
            self.editor.client.text_document_did_close, lsp.DidCloseTextDocumentParams(document)
        )

    def _do(self, tell: Callable[[Any], None], parameters: object) -> None:
        self.editor.loop.call_soon_threadsafe(tell, parameters)

    def wait(self, name: str, holds: Callable[[list[lsp.Diagnostic]], object]) -> Any:
        """What is shown in a file as soon as it is as it should be."""
        end = time.monotonic() + 30
        while True:
            shown = self.editor.shown.get(self.uri(name))
            if shown is not None and holds(shown):
                return shown
            assert time.monotonic() < end, (name, shown, self.editor.told)
            time.sleep(0.02)

    def told(self) -> list[str]:
        """What the editor was told, when it was told something."""
        end = time.monotonic() + 30
        while not self.editor.told:
            assert time.monotonic() < end
            time.sleep(0.02)
        return self.editor.told

    def complete(self, name: str, text: str) -> list[str]:
        """The texts that the file could have, for each item."""
        uri, position = self.type(name, text)
        answer = self.editor.run(
            self.editor.client.text_document_completion_async(
                lsp.CompletionParams(lsp.TextDocumentIdentifier(uri), position)
            )
        )
        assert isinstance(answer, lsp.CompletionList)
        results = []
        for item in answer.items:
            assert isinstance(item.text_edit, lsp.TextEdit)
            results.append(change(self.texts[name], [item.text_edit]))
        return results

    def hover(self, name: str, needle: str) -> str:
        uri, position = self.open(name, needle)
        answer = self.editor.run(
            self.editor.client.text_document_hover_async(
                lsp.HoverParams(lsp.TextDocumentIdentifier(uri), position)
            )
        )
        if answer is None:
            return ""
        assert isinstance(answer.contents, lsp.MarkupContent)
        return answer.contents.value

    def actions(
        self, name: str, only: list[lsp.CodeActionKind | str] | None = None
    ) -> list[lsp.CodeAction]:
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(10_000, 0))
        document = lsp.TextDocumentIdentifier(self.uri(name))
        answer = self.editor.run(
            self.editor.client.text_document_code_action_async(
                lsp.CodeActionParams(document, whole, lsp.CodeActionContext([], only))
            )
        )
        return [one for one in answer or () if isinstance(one, lsp.CodeAction)]


def position_of(text: str, offset: int) -> lsp.Position:
    """An offset as LSP counts: lines, and UTF-16 code units."""
    start = text.rfind("\n", 0, offset) + 1
    return lsp.Position(
        text.count("\n", 0, offset), len(text[start:offset].encode("utf-16-le")) // 2
    )


def offset_of(text: str, position: lsp.Position) -> int:
    lines = text.split("\n")
    before = sum(len(line) + 1 for line in lines[: position.line])
    units = lines[position.line].encode("utf-16-le")[: 2 * position.character]
    return before + len(units.decode("utf-16-le"))


def change(text: str, edits: Any) -> str:
    """A text with edits made, as an editor makes them."""
    spans = [
        (offset_of(text, one.range.start), offset_of(text, one.range.end), one.new_text)
        for one in edits
    ]
    for start, end, new in sorted(spans, reverse=True):
        text = text[:start] + new + text[end:]
    return text


@pytest.fixture
def shop(editor: Editor, tmp_path: Path) -> Shop:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    (tmp_path / "schemas" / "registry.snapshot.json").unlink(missing_ok=True)
    return Shop(editor, tmp_path)


def codes(shown: list[lsp.Diagnostic]) -> set[Any]:
    return {one.code for one in shown}


BANK = {
    MANIFEST: """version: 1
defaults: {partitions: 1, replication: 1, retention: 7d}
topics:
  payments:
    doc: "Payments, of all kinds"
    owner: payer
    key: {schema: bank.Key}
    events: &events [bank.Paid, "Loose"]
services:
  payer: {doc: It pays, owner: team, produces: [payments]}
  reader:
    doc: It reads
    owner: team
    consumes:
      - {topic: payments, events: *events}
lint:
  ignore: [{rule: docs/type, name: bank.Money, reason: it is money}]
""",
    "schemas/bank/Key.avsc": '{"type": "record", "name": "bank.Key", "fields": ['
    '{"name": "id", "type": {"type": "enum", "name": "Region", "symbols": ["EU"]}}]}\n',
    "schemas/bank/Money.avsc": '{\r\n\t"type": "record",\r\n\t"name": "Money",\r\n'
    '\t"namespace": "bank", "aliases": ["Cash"],\r\n\t"fields": []\r\n}\r\n',
    "schemas/bank/Paid.avsc": '{"type": "record", "doc": "\U0001f4b0 \u2028", "name": "bank.Paid", '
    '"fields": [{"name": "a", "type": "Money"}, {"name": "b", "type": {"type": "map", "values": '
    '["null", "bank.Money"]}}, {"name": "c", "type": {"type": "fixed", "name": "in.Hash", '
    '"size": 2}}]}\n',
    "schemas/bank/Taken.avsc": '{"type": "enum", "name": "bank.Else", "symbols": ["A"]}\n',
    "schemas/Loose.avsc": '{"type": "record", "name": "Loose", "fields": [{"name": "a", "type": '
    '{"type": "array", "items": "bank.Money"}}, {"name": "b", "type": ["null", "in.Hash"]}]}\n',
}


@pytest.fixture
def bank(editor: Editor, tmp_path: Path) -> Shop:
    for name, text in BANK.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    return Shop(editor, tmp_path)
