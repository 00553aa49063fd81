"""The language server, from outside: an editor's session over stdin and stdout.

A text marks the cursor with a bar; what an editor does is sent, and what it would show is asserted.
"""
# ruff: noqa: F811

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from editor import (  # noqa: F401
    LINE,
    MANIFEST,
    PLACED,
    PROJECT,
    Editor,
    Shop,
    bank,
    change,
    codes,
    editor,
    offset_of,
    shop,
)
from lsprotocol import types as lsp


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
        (words,) = shop.told()
        assert words.startswith("kontrakt did not compare with the past: ")
        assert words.endswith("is in no git repository")
    finally:
        editor.stop()


def test_uses_in_the_file_are_marked(bank: Shop) -> None:
    uri, position = bank.open(MANIFEST, "bank.Paid")
    found = bank.editor.run(
        bank.editor.client.text_document_document_highlight_async(
            lsp.DocumentHighlightParams(lsp.TextDocumentIdentifier(uri), position)
        )
    )
    text = bank.texts[MANIFEST]
    marked = [(offset_of(text, one.range.start), one.kind) for one in found or ()]
    assert marked == [(text.index("bank.Paid"), lsp.DocumentHighlightKind.Read)]


def test_nobody_who_types_waits_for_a_past_that_does_not_answer(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        editor = Editor("--against", f"registry:http://127.0.0.1:{silent.getsockname()[1]}")
        try:
            shop = Shop(editor, tmp_path)
            text = (tmp_path / LINE).read_text()
            shop.type(LINE, text)
            shop.save(LINE)
            silent.accept()
            shop.type(LINE, text.replace('"int"', '"itn"'))
            shop.wait(LINE, lambda found: "schema/unknown-type" in codes(found))
            shop.type(LINE, text)
            assert shop.wait(LINE, lambda found: not found) == []
            assert editor.told == []
        finally:
            editor.stop()


def test_files_that_are_not_saved_yet_are_there(shop: Shop) -> None:
    fresh = "schemas/retail/fresh/New.avsc"
    shop.type(fresh, '{"type": "record", "name": "New", "namespace": "retail.fresh", "fields": 1}')
    assert shop.wait(fresh, lambda found: found)
    (shop.root / MANIFEST).unlink()
    assert any("topics: " in text for text in shop.complete(MANIFEST, "version: 1\n|"))


def test_a_link_to_a_schema_is_no_second_one(shop: Shop) -> None:
    link = "schemas/retail/orders/Alias.avsc"
    (shop.root / link).symlink_to("OrderLine.avsc")
    shop.type(link, (shop.root / LINE).read_text())
    shop.type(LINE, (shop.root / LINE).read_text().replace('"int"', '"itn"'))
    assert codes(shop.wait(LINE, lambda found: found)) == {"schema/unknown-type"}


def test_other_places_that_a_finding_is_about_are_shown(shop: Shop) -> None:
    twice = "schemas/retail/orders/Twice.avsc"
    shop.type(twice, (shop.root / LINE).read_text())
    shown = [*shop.wait(twice, lambda found: found), *shop.editor.shown.get(shop.uri(LINE), [])]
    related = [other for one in shown for other in one.related_information or ()]
    assert {other.location.uri for other in related} & {shop.uri(LINE), shop.uri(twice)}


def test_only_what_is_asked_for_is_offered(shop: Shop) -> None:
    value = json.loads((shop.root / LINE).read_text())
    value["fields"].append({"name": "note", "type": ["null", "string"], "doc": "A remark."})
    shop.type(LINE, json.dumps(value))
    asked = [
        len(shop.actions(LINE, only))
        for only in (None, [lsp.CodeActionKind.QuickFix], [lsp.CodeActionKind.Refactor])
    ]
    assert asked == [1, 1, 0]


def test_a_mend_is_one_of_the_text_as_it_is(shop: Shop) -> None:
    value = json.loads((shop.root / LINE).read_text())
    note = {"name": "note", "type": ["null", "string"], "doc": "A remark."}
    value["fields"].append(note)
    shop.type(LINE, json.dumps(value, indent=2))
    shop.wait(LINE, lambda found: "shape/nullable-default" in codes(found))
    value["fields"].insert(0, value["fields"].pop())
    shop.type(LINE, json.dumps(value, indent=2))
    (action,) = shop.actions(LINE)
    assert action.edit is not None and action.edit.changes is not None
    after = json.loads(change(shop.texts[LINE], action.edit.changes[shop.uri(LINE)]))
    assert [field for field in after["fields"] if "default" in field] == [{**note, "default": None}]


def test_a_byte_order_mark_is_no_character_for_an_editor(shop: Shop) -> None:
    text = json.dumps(json.loads((shop.root / LINE).read_text()))
    (shop.root / LINE).write_text("\ufeff" + text)
    uri, position = shop.open(PLACED, '"OrderLine"')
    found: Any = shop.editor.run(
        shop.editor.client.text_document_definition_async(
            lsp.DefinitionParams(lsp.TextDocumentIdentifier(uri), position)
        )
    )
    start, end = (offset_of(text, at) for at in (found[0].range.start, found[0].range.end))
    assert text[start:end] == "OrderLine"
    assert shop.hover(LINE, "quantity").startswith("````text\nquantity")


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("retention:", "How long"),
        ("payer\n", "service payer"),
        ("doc: It pays", ""),
        ("rule:", "rule id"),
    ],
)
def test_keys_of_the_manifest_say_what_they_mean(bank: Shop, word: str, words: str) -> None:
    found = bank.hover(MANIFEST, word)
    assert words in found if words else not found


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
