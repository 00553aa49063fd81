"""The language server, from outside: what it offers to whoever types.

A text marks the cursor with a bar; what an editor does is sent, and what it would show is asserted.
"""
# ruff: noqa: F811

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from editor import (  # noqa: F401
    MANIFEST,
    PROJECT,
    Editor,
    Shop,
    editor,
    shop,
)

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
    for before, after in (("{", ", owner: y, doc: x}"), ("{doc: x, ", ", owner: y}")):
        found = shop.complete(MANIFEST, f"topics:\n  t: {before}|{after}\n")
        assert found and not any(text.count(key) > 1 for text in found for key in ("doc", "owner"))
    item = "services:\n  s:\n    consumes:\n      - topic: orders\n        |\n"
    (found,) = shop.complete(MANIFEST, item)
    assert "        events: \n" in found


@pytest.mark.parametrize(
    "text",
    [
        "# versi|",
        "version: 1 # to|",
        "topics:\n  t:\n    doc: All of it, or |",
        "topics:\n  t:\n    doc: 'it is' # comp|",
        "|  topics:\n",
        "topics:\n  t:\n    compatibility: | FULL\n",
        "topics:\n  t:\n    events: ['a.B'|]\n",
        "topics:\n  t:\n    events: |[a.B]\n",
        "topics:\n  t: {events: []|}\n",
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
        ("topics:\n  t:\n    compatibility:|\n", "    compatibility: FULL\n"),
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
        ("lint:\n  ignore:\n    - |", "    - rule: "),
        ("lint:\n  ignore:\n    - rule: docs/ty|", "rule: docs/type"),
        ("waivers:\n  - rule: |", "rule: compat/field-without-default"),
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


def test_the_cursor_goes_where_typing_goes_on(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    editor = Editor(takes_snippets=True)
    try:
        found = Shop(editor, tmp_path).complete(
            "schemas/retail/orders/A.avsc", '{"type": "record", |"name": "A"}'
        )
        assert '{"type": "record", "doc": "$0", "name": "A"}' in found
        assert '{"type": "record", "fields": [$0], "name": "A"}' in found
    finally:
        editor.stop()
