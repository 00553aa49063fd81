"""The language server, from outside: an editor's session over stdin and stdout.

A text marks the cursor with a bar; what an editor does is sent, and what it would show is asserted.
"""

from __future__ import annotations

import asyncio
import json
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

    def __init__(self, *arguments: str, can_rename_files: bool = True) -> None:
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

        self.run(self._start(arguments, can_rename_files))

    async def _start(self, arguments: tuple[str, ...], can_rename_files: bool) -> None:
        await self.client.start_io(sys.executable, "-m", "codegen", "lsp", *arguments, cwd=PROJECT)
        operations = [lsp.ResourceOperationKind.Rename] if can_rename_files else []
        workspace = lsp.WorkspaceClientCapabilities(
            workspace_edit=lsp.WorkspaceEditClientCapabilities(resource_operations=operations)
        )
        capabilities = lsp.ClientCapabilities(workspace=workspace)
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

    def actions(self, name: str) -> list[lsp.CodeAction]:
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(10_000, 0))
        document = lsp.TextDocumentIdentifier(self.uri(name))
        answer = self.editor.run(
            self.editor.client.text_document_code_action_async(
                lsp.CodeActionParams(document, whole, lsp.CodeActionContext([]))
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


def test_what_lint_finds_is_shown_where_it_stands_and_gone_when_it_is_mended(shop: Shop) -> None:
    text = (shop.root / LINE).read_text()
    shop.type(LINE, text.replace('"quantity"', '"quantity😀é"').replace('"int"', '"itn"'))
    shown = shop.wait(LINE, lambda found: "schema/unknown-type" in codes(found))
    (unknown,) = (one for one in shown if one.code == "schema/unknown-type")
    assert unknown.severity == lsp.DiagnosticSeverity.Error
    assert "itn" in unknown.message and "fix: " in unknown.message
    typed = shop.texts[LINE]
    start, end = (offset_of(typed, at) for at in (unknown.range.start, unknown.range.end))
    assert typed[start:end] == '"itn"'
    shop.type(LINE, text)
    assert shop.wait(LINE, lambda found: not found) == []
    assert (shop.root / LINE).read_text() == text


def test_a_file_that_is_half_typed_keeps_its_types_for_the_others(shop: Shop) -> None:
    shop.open(PLACED)
    text = (shop.root / LINE).read_text()
    shop.type(LINE, text[: len(text) // 2])
    shown = shop.wait(LINE, lambda found: found)
    assert codes(shown) == {"syntax/unreadable"}
    assert not shop.editor.shown.get(shop.uri(PLACED))
    assert "record retail.orders.OrderLine" in shop.hover(PLACED, '"OrderLine"')
    shop.close(LINE)
    assert shop.wait(LINE, lambda found: not found) == []


@pytest.mark.parametrize(
    ("name", "needle", "words"),
    [
        (PLACED, '"OrderLine"', ["  quantity: int\n", "Used by OrderPlaced, StockReserved"]),
        (PLACED, '"currency"', ['currency: string = "EUR"', "ISO 4217"]),
        (PLACED, '"OrderPlaced"', ["topic `orders`", "from order-service to inventory-service"]),
        (MANIFEST, "retail.orders.OrderCompleted", ["record retail.orders.OrderCompleted"]),
        (MANIFEST, "inventory-updates:", ["key: order_id", "StockReserved and StockRejected"]),
        (MANIFEST, "notification-service:", ["owner: team-customers", "OrderCancelled"]),
        (PLACED, '"doc"', []),
    ],
)
def test_a_name_says_what_it_is_and_whom_it_concerns(
    shop: Shop, name: str, needle: str, words: list[str]
) -> None:
    said = shop.hover(name, needle)
    assert [word for word in words if word not in said] == []
    assert bool(said) == bool(words)


def test_what_authors_write_is_no_markup(shop: Shop) -> None:
    text = (shop.root / LINE).read_text()
    value = json.loads(text)
    value["doc"] = "````\n# <img src=x> [a](http://evil.example) `b`\u202e"
    (shop.root / LINE).write_text(json.dumps(value))
    said = shop.hover(LINE, '"OrderLine"')
    body = said.split("````", 2)[2]
    assert "\\<img src=x\\> \\[a\\]\\(http://evil.example\\) \\`b\\`" in body
    assert "\u202e" not in body and "\\`\\`\\`\\`" in body


def test_definitions_and_uses_are_found_across_files(shop: Shop) -> None:
    uri, position = shop.open(PLACED, '"OrderLine"')
    document = lsp.TextDocumentIdentifier(uri)
    client = shop.editor.client
    defined = shop.editor.run(
        client.text_document_definition_async(lsp.DefinitionParams(document, position))
    )
    assert isinstance(defined, list | tuple)
    text = (shop.root / LINE).read_text()
    (where,) = defined
    assert isinstance(where, lsp.Location) and where.uri == shop.uri(LINE)
    assert change(text, [lsp.TextEdit(where.range, "X")]) == text.replace("OrderLine", "X", 1)
    uri, position = shop.open(MANIFEST, "retail.orders.OrderCancelled")
    context = lsp.ReferenceContext(include_declaration=True)
    used = shop.editor.run(
        client.text_document_references_async(
            lsp.ReferenceParams(context, lsp.TextDocumentIdentifier(uri), position)
        )
    )
    files = [one.uri.rpartition("/")[2] for one in used or ()]
    assert files == ["OrderCancelled.avsc", "contracts.yaml", "contracts.yaml"]


def test_the_outline_of_a_file_and_the_names_of_all(shop: Shop) -> None:
    uri, _ = shop.open(PLACED)
    client = shop.editor.client
    outline = shop.editor.run(
        client.text_document_document_symbol_async(
            lsp.DocumentSymbolParams(lsp.TextDocumentIdentifier(uri))
        )
    )
    tree = {
        one.name: [child.name for child in one.children or ()]
        for one in outline or ()
        if isinstance(one, lsp.DocumentSymbol)
    }
    assert list(tree) == ["OrderPlaced", "Channel", "CardPayment", "InvoicePayment"]
    assert tree["CardPayment"] == ["network", "last_digits"]
    found = shop.editor.run(client.workspace_symbol_async(lsp.WorkspaceSymbolParams("stockres")))
    assert {one.name for one in found or ()} == {"retail.inventory.StockReserved"}


RECORD = '{"type": "record", "name": "A", "namespace": "retail.orders", "fields": ['


@pytest.mark.parametrize(
    ("before", "results"),
    [
        ('{"name": "x", "type": |', ['{"name": "x", "type": "OrderLine"', '"type": "long"']),
        ('{"name": "x", "type": "Ord|', ['"type": "OrderLine"', "retail.inventory.StockReserved"]),
        ('{"name": "x", "type": "st|ring"', ['{"name": "x", "type": "OrderLine"']),
        ('{"name": "x", "type": ["null", "|', ['["null", "OrderLine"', '["null", "string"']),
        ('{"name": "x", "type": {"type": "|', ['{"type": "array"', '{"type": "record"']),
        ('{"name": "x", "type": {"type": "array", "items": "|', ['"items": "OrderLine"']),
        ('{"name": "x", "type": {"type": "array", |', ['"array", "items": ']),
        ('{"name": "x", "type": {"type": "enum", "|', ['"enum", "symbols": []']),
        ('{"name": "x", "type": {"type": "bytes", "logicalType": "|', ['"logicalType": "decimal"']),
        (
            '{"name": "x", "type": {"type": "bytes", "logicalType": "decimal", "|',
            ['"decimal", "precision": 12', '"decimal", "scale": 2'],
        ),
        ('{"name": "x", "type": "Channel", "default": "|', ['"default": "WEB"']),
        ('{"name": "x", "type": "boolean", "default": |', ['"default": false']),
        ('{"name": "x", "|', ['{"name": "x", "type": ', '{"name": "x", "doc": ""']),
        ('{"name": "x", "order": "|', ['"order": "ignore"']),
        ("|", ['{"name": "", "type": "", "doc": ""}']),
        # An editor closes a quote at once, and a comma may be missing in front of what follows.
        ('{"name": "x", "|"}', ['{"name": "x", "type": }']),
        ('{"|"\n "name": "x"}', ['{"type": "", \n "name": "x"}']),
        ('{|"name": "x"}', ['{"type": "", "name": "x"}']),
        ('{"name": "x", "ty|pe": "int"}', ['{"name": "x", "type": "int"}']),
        ('|{"name": "x"}', ['{"name": "", "type": "", "doc": ""}, {"name": "x"}']),
        ('{"name": "x", "type": [|"int"]', ['"type": ["null", "int"]']),
        # What is written behind the cursor counts as well.
        ('{"default": "|", "type": "Channel"}', ['{"default": "WEB", "type": "Channel"}']),
        # A forgotten quote or comma above does not confuse what stands below.
        ('{"name": "x,\n "type": "Ord|', ['"type": "OrderLine"']),
        ('{"name": "x"\n "type": "Ord|', ['"type": "OrderLine"']),
    ],
)
def test_schemas_are_completed_while_they_are_typed(
    shop: Shop, before: str, results: list[str]
) -> None:
    found = shop.complete("schemas/retail/orders/A.avsc", RECORD + before)
    for result in results:
        assert any(result in text for text in found), (result, found)


@pytest.mark.parametrize(
    "before",
    [
        '{"name": "x"|',
        '{"name": "x", "type": "string"}|',
        '{"name": "x", "type": {"type": "enum", "symbols": ["|',
        '{"name": "x", "doc": "a type: |',
        '{"name": "x", "type": {"type": "long", "logicalType": "decim|"',
        ']}}}}}} "|',
    ],
)
def test_nothing_is_offered_that_cannot_stand_there(shop: Shop, before: str) -> None:
    found = shop.complete("schemas/retail/orders/A.avsc", RECORD + before)
    assert not any('"decimal"' in text or '"string"|' in text for text in found)
    assert found == [] or "logicalType" in before


@pytest.mark.parametrize(
    "text", ['|{"type": "record"}', '{"type": "record"}|', '{"type": |"record"}', '{"doc": |1}']
)
def test_nothing_is_offered_that_would_run_into_what_is_there(shop: Shop, text: str) -> None:
    assert shop.complete("schemas/retail/orders/A.avsc", text) == []


def test_no_key_is_offered_twice(shop: Shop) -> None:
    name = "schemas/retail/orders/A.avsc"
    text = RECORD + '{"name": "x", | "type": ["null", "int"], "default": null}, {"doc": "y"}]}'
    keys = {"doc", "aliases", "order"}
    added = {
        next(iter(set(json.loads(one)["fields"][0]) - {"name", "type", "default"}))
        for one in shop.complete(name, text)
    }
    assert added == keys
    shop.open(MANIFEST)
    found = shop.complete(
        MANIFEST, "topics:\n  t:\n    doc: x\n    |\n    owner: y\n  u:\n    key: z\n"
    )
    assert not any(text.count(key) > 1 for text in found for key in ("doc: ", "owner: "))
    assert any(text.count("    key: ") == 2 for text in found)


@pytest.mark.parametrize(
    "text",
    [
        "# versi|",
        "version: 1 # to|",
        "topics:\n  t:\n    doc: All of it, or |",
        "topics:\n  t:\n    doc: 'it is' # comp|",
        "|  topics:\n",
        "ver|sion 1\n",
    ],
)
def test_nothing_is_offered_in_words_and_comments_of_the_manifest(shop: Shop, text: str) -> None:
    shop.open(MANIFEST)
    assert shop.complete(MANIFEST, text) == []


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("ver|sion: 1\n", "version: 1\n"),
        ("services:\n  a:\n    produces: [or|der]\n", "services:\n  a:\n    produces: [orders]\n"),
        ("topics:\n  t:\n    events: # all\n      - |x\n", "retail.orders.OrderPlaced\n"),
    ],
)
def test_a_word_of_the_manifest_is_replaced_as_a_whole(shop: Shop, text: str, result: str) -> None:
    before = (shop.root / MANIFEST).read_text()
    before = before[: before.index("services:")] if "services" in text else ""
    shop.open(MANIFEST)
    found = shop.complete(MANIFEST, before + text)
    assert any(one.endswith(result) for one in found), found


def test_a_new_file_is_named_after_itself_and_its_folder(shop: Shop) -> None:
    name = "schemas/retail/orders/OrderLost.avsc"
    named = shop.complete(name, '{"type": "record", "name": "|')
    assert named == ['{"type": "record", "name": "OrderLost"']
    assert shop.complete(name, '{"namespace": "|')[0] == '{"namespace": "retail.orders"'


@pytest.mark.parametrize(
    ("tail", "result"),
    [
        ("services:\n  a:\n    produces: [|", "    produces: [orders"),
        ("services:\n  a:\n    produces: [orders, inv|", "[orders, inventory-updates"),
        ("services:\n  a:\n    consumes:\n      - |", "      - order-completions"),
        ("services:\n  a:\n    consumes:\n    - |", "    - order-completions"),
        ("services:\n  a:\n    consumes:\n      - {topic: |", "{topic: orders"),
        (
            "services:\n  a:\n    consumes:\n      - {topic: orders, events: [|",
            "events: [retail.orders.OrderPlaced",
        ),
        ("services:\n  a:\n    con|", "    consumes: "),
        ("topics:\n  t:\n    compat|", "    compatibility: "),
        ("topics:\n  t:\n    compatibility: FULL|", "    compatibility: FULL_TRANSITIVE"),
        ("topics:\n  t:\n    events:\n      - ret|", "      - retail.orders.OrderPlaced"),
        ("topics:\n  t: {events: [|", "  t: {events: [retail.orders.OrderPlaced"),
        ("registry:\n  norm|", "  normalize: "),
        ("registry:\n  normalize: |", "  normalize: true"),
        ("regi|", "registry: "),
    ],
)
def test_the_manifest_is_completed(shop: Shop, tail: str, result: str) -> None:
    text = (shop.root / MANIFEST).read_text()
    shop.open(MANIFEST)
    before = text[: text.index("services:")] if tail.startswith("services:") else "version: 1\n"
    found = shop.complete(MANIFEST, f"{before}{tail}")
    assert any(text.endswith(result) for text in found), found


def test_the_key_of_a_topic_is_a_field_of_all_its_events(shop: Shop) -> None:
    text = (shop.root / MANIFEST).read_text()
    at = text.index("key: order_id") + len("key: ")
    shop.open(MANIFEST)
    rest = text[at + len("order_id") :]
    assert shop.complete(MANIFEST, f"{text[:at]}|{rest}") == [text]


def test_a_file_is_formatted_as_the_command_formats_it(shop: Shop) -> None:
    text = json.dumps(json.loads((shop.root / LINE).read_text()))
    uri, _ = shop.type(LINE, text)
    options = lsp.FormattingOptions(tab_size=4, insert_spaces=True)
    edits = shop.editor.run(
        shop.editor.client.text_document_formatting_async(
            lsp.DocumentFormattingParams(lsp.TextDocumentIdentifier(uri), options)
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "format", "-"],
        input=text,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=True,
    )
    assert change(text, edits or ()) == done.stdout


def test_what_mends_a_finding_is_offered(shop: Shop) -> None:
    value = json.loads((shop.root / LINE).read_text())
    value["fields"].append({"name": "note", "type": ["null", "string"], "doc": "A remark."})
    shop.type(LINE, json.dumps(value, indent=2))
    shop.wait(LINE, lambda found: "shape/nullable-default" in codes(found))
    (action,) = (
        one for one in shop.actions(LINE) if one.diagnostics[0].code == "shape/nullable-default"
    )
    assert action.edit is not None and action.edit.changes is not None
    after = json.loads(change(shop.texts[LINE], action.edit.changes[shop.uri(LINE)]))
    assert after["fields"][-1] == {
        "name": "note",
        "type": ["null", "string"],
        "default": None,
        "doc": "A remark.",
    }


def test_a_save_is_compared_with_the_past(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    editor = Editor("--against", "git:HEAD")
    try:
        shop = Shop(editor, tmp_path)
        text = (tmp_path / LINE).read_text()
        shop.type(LINE, text.replace('"quantity", "type": "int"', '"quantity", "type": "string"'))
        shop.save(LINE)
        shown = shop.wait(LINE, lambda found: "compat/type-changed" in codes(found))
        (broken,) = (one for one in shown if one.code == "compat/type-changed")
        assert "quantity" in broken.message
        # What was said of a text is not said of another one.
        shop.type(LINE, text)
        shop.wait(LINE, lambda found: "compat/type-changed" not in codes(found))
        shop.save(LINE)
        assert shop.wait(LINE, lambda found: not found) == []
    finally:
        editor.stop()


def test_a_past_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    editor = Editor("--against", "git:nowhere")
    try:
        shop = Shop(editor, tmp_path)
        shop.type(LINE, (tmp_path / LINE).read_text().replace('"int"', '"itn"'))
        shop.wait(LINE, lambda found: "schema/unknown-type" in codes(found))
        shop.type(LINE, (tmp_path / LINE).read_text())
        shop.save(LINE)
        shop.wait(LINE, lambda found: not found)
        (words,) = editor.told
        assert words.startswith("kontrakt did not compare with the past: ")
        assert words.endswith("is in no git repository")
    finally:
        editor.stop()


@pytest.mark.parametrize("can_rename_files", [True, False])
def test_a_type_is_renamed_everywhere_and_keeps_its_old_name_as_an_alias(
    tmp_path: Path, can_rename_files: bool
) -> None:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    editor = Editor(can_rename_files=can_rename_files)
    try:
        shop = Shop(editor, tmp_path)
        uri, position = shop.open(PLACED, '"OrderPlaced"')
        document = lsp.TextDocumentIdentifier(uri)

        def rename(new: str) -> Any:
            return editor.run(
                editor.client.text_document_rename_async(lsp.RenameParams(document, position, new))
            )

        for bad, problem in (("9x", "9x is no name"), ("Customer", "retail.orders.Customer")):
            with pytest.raises(Exception, match=problem):
                rename(bad)
        edit = rename("Ordered")
        changes = edit.changes or {
            one.text_document.uri: one.edits
            for one in edit.document_changes
            if isinstance(one, lsp.TextDocumentEdit)
        }
        for where, edits in changes.items():
            path = tmp_path / Path(where).relative_to(tmp_path.as_uri())
            path.write_text(change(path.read_text(), edits))
        moves = [one for one in edit.document_changes or () if isinstance(one, lsp.RenameFile)]
        assert len(moves) == can_rename_files
        for move in moves:
            assert move.new_uri == shop.uri("schemas/retail/orders/Ordered.avsc")
            (tmp_path / PLACED).rename(tmp_path / "schemas/retail/orders/Ordered.avsc")
        name = "schemas/retail/orders/Ordered.avsc" if can_rename_files else PLACED
        value = json.loads((tmp_path / name).read_text())
        assert (value["name"], value["aliases"]) == ("Ordered", ["retail.orders.OrderPlaced"])
        assert "- retail.orders.Ordered\n" in (tmp_path / MANIFEST).read_text()
    finally:
        editor.stop()


def test_files_that_are_no_contracts_are_left_alone(shop: Shop, tmp_path_factory: Any) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "A.avsc"
    elsewhere.write_text("{")
    other = Shop(shop.editor, elsewhere.parent)
    uri, position = other.type("A.avsc", "{|")
    answer = shop.editor.run(
        shop.editor.client.text_document_hover_async(
            lsp.HoverParams(lsp.TextDocumentIdentifier(uri), position)
        )
    )
    assert answer is None
    shop.type(LINE, "{")
    shop.wait(LINE, lambda found: found)
    assert uri not in shop.editor.shown


@pytest.mark.parametrize("missing", ["pygls", "lsprotocol"])
def test_a_missing_extra_is_named(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from codegen.cli import main; sys.argv[:] = ['kontrakt', 'lsp']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'kontrakt[lsp]'" in done.stderr and "Traceback" not in done.stderr


def test_the_server_ends_with_its_editor() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "lsp"],
        stdin=subprocess.DEVNULL,
        cwd=PROJECT,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
