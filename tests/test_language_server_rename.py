"""The language server, from outside: other names for what is there.

A text marks the cursor with a bar; what an editor does is sent, and what it would show is asserted.
"""
# ruff: noqa: F811

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from editor import (  # noqa: F401
    MANIFEST,
    PLACED,
    PROJECT,
    Editor,
    Shop,
    bank,
    change,
    editor,
    shop,
)
from lsprotocol import types as lsp


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


def rename(shop: Shop, name: str, word: str, new: str) -> None:
    """Rename what a word of a file names, on disk, as an editor does that asks first."""
    text = (shop.root / name).read_bytes().decode()
    uri, position = shop.type(name, text.replace(word, word[0] + "|" + word[1:], 1))
    document = lsp.TextDocumentIdentifier(uri)
    run, client = shop.editor.run, shop.editor.client
    asked = run(
        client.text_document_prepare_rename_async(lsp.PrepareRenameParams(document, position))
    )
    assert isinstance(asked, lsp.PrepareRenamePlaceholder)
    assert change(text, [lsp.TextEdit(asked.range, asked.placeholder)]) == text
    edit = run(client.text_document_rename_async(lsp.RenameParams(document, position, new)))
    assert edit is not None
    changes = dict(edit.changes or {})
    for one in edit.document_changes or ():
        if isinstance(one, lsp.TextDocumentEdit):
            changes[one.text_document.uri] = list(one.edits)
    for where, edits in changes.items():
        path = shop.root / Path(where).relative_to(shop.root.as_uri())
        path.write_bytes(change(path.read_bytes().decode(), edits).encode())
    for one in edit.document_changes or ():
        if isinstance(one, lsp.RenameFile):
            moved = [
                Path(uri).relative_to(shop.root.as_uri()) for uri in (one.old_uri, one.new_uri)
            ]
            (shop.root / moved[0]).rename(shop.root / moved[1])


@pytest.mark.parametrize(
    ("name", "word", "new", "file"),
    [
        ("schemas/bank/Money.avsc", "Money", "Coins", "schemas/bank/Coins.avsc"),
        ("schemas/bank/Paid.avsc", "Money", "Cash", "schemas/bank/Cash.avsc"),
        ("schemas/Loose.avsc", "bank.Money", "bank.Coins", "schemas/bank/Coins.avsc"),
        ("schemas/bank/Money.avsc", "Money", "Taken", "schemas/bank/Money.avsc"),
        ("schemas/bank/Paid.avsc", "in.Hash", "Digest", "schemas/bank/Paid.avsc"),
        ("schemas/Loose.avsc", "Loose", "Free", "schemas/Free.avsc"),
        (MANIFEST, "bank.Paid", "Payed", "schemas/bank/Payed.avsc"),
    ],
)
def test_what_is_renamed_is_another_version_of_what_it_was(
    bank: Shop, name: str, word: str, new: str, file: str
) -> None:
    rename(bank, name, word, new)
    assert (bank.root / file).is_file()
    contract = [sys.executable, "-m", "codegen", "check", "--root", str(bank.root)]
    checked = subprocess.run(
        [*contract, "--against", "git:HEAD"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    linted = subprocess.run(
        [*contract[:3], "lint", *contract[4:]], capture_output=True, text=True, check=False
    )
    assert "unused-ignore" not in linted.stdout
    assert "self-alias" not in linted.stdout


@pytest.mark.parametrize(
    ("name", "word", "new", "problem"),
    [
        ("schemas/bank/Money.avsc", "Money", "string", "string is a word of Avro's own"),
        ("schemas/bank/Money.avsc", "Money", "cash.Money", "cash.Money is no name for a type of b"),
        ("schemas/bank/Key.avsc", "bank.Key", "K", "bank.Key makes the key of topic payments"),
        ("schemas/bank/Key.avsc", "Region", "K", "bank.Region makes the key of topic payments"),
        ("schemas/bank/Key.avsc", "id", "K", "a field is not renamed here"),
        (MANIFEST, "payments", "K", "a topic is not renamed here"),
        (MANIFEST, "payer", "K", "a service is not renamed here"),
    ],
)
def test_what_would_break_is_not_renamed(
    bank: Shop, name: str, word: str, new: str, problem: str
) -> None:
    with pytest.raises(Exception, match=problem):
        rename(bank, name, word, new)
