"""Edits of YAML texts: what is asked for is there, every other line and comment is as it was."""

from __future__ import annotations

import json
from pathlib import Path as FilePath

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from codegen.editing import Edit, EditRefused, Insert, Remove, apply
from codegen.source import Json, SourceError, read_yaml

RETAIL = (FilePath(__file__).parent.parent / "schemas/contracts.yaml").read_text("utf-8")
TOPIC = {"doc": "What comes back: all.", "owner": "a-team", "events": ["shop.Returned"]}

CASES: dict[str, tuple[str, Edit, str]] = {
    "item in flow": ("a: [x, y]\n", Insert(("a", 2), "z"), "a: [x, y, z]\n"),
    "first item in flow": ("a: [x, y]\n", Insert(("a", 0), "w"), "a: [w, x, y]\n"),
    "item of its kind of quotes": ("a: ['x', 'y']", Insert(("a", 2), "z"), "a: ['x', 'y', 'z']"),
    "comma at the end": ("a: [x, y,]\n", Insert(("a", 2), "z"), "a: [x, y, z,]\n"),
    "flow with comments": (
        "a: [\n  x, # one\n  y # two\n]\n",
        Insert(("a", 2), "z"),
        "a: [\n  x, # one\n  y, # two\n  z\n]\n",
    ),
    "item with a comment": (
        "a:\n  - x\n  - y # two\nb: 1\n",
        Insert(("a", 2), "z"),
        "a:\n  - x\n  - y # two\n  - z\nb: 1\n",
    ),
    "item without indentation": (
        "a:\n- x\n\n# of b\nb: 1\n",
        Insert(("a", 1), "z"),
        "a:\n- x\n- z\n\n# of b\nb: 1\n",
    ),
    "first item": ("a:\n  - x\n", Insert(("a", 0), "w"), "a:\n  - w\n  - x\n"),
    "mapping as an item": (
        "a:\n  - topic: x\n    events: [e]\n",
        Insert(("a", 1), {"topic": "w", "events": ["f"]}),
        "a:\n  - topic: x\n    events: [e]\n  - topic: w\n    events: [f]\n",
    ),
    "key behind another": (
        "t:\n    a: 1 # one\n    # of b\n    b: 2\n",
        Insert(("t", "c"), "3", ("a",)),
        't:\n    a: 1 # one\n    c: "3"\n    # of b\n    b: 2\n',
    ),
    "comment inside the member before": (
        "topics:\n  a:\n    events: [x]\n    # retention: 30d\n  # the end\nservices:\n",
        Insert(("topics", "b"), {"events": ["w"]}),
        "topics:\n  a:\n    events: [x]\n    # retention: 30d\n  b:\n    events: [w]\n"
        "  # the end\nservices:\n",
    ),
    "blank lines between": ("a: 1\n\nb: 2", Insert(("c",), 3), "a: 1\n\nb: 2\n\nc: 3"),
    "nothing there yet": (
        "a:\n    x: 1\ns: # none yet\n# end",
        Insert(("s", "w"), "some text that is too long for a line"),
        "a:\n    x: 1\ns: # none yet\n    w: some text that is too long for a line\n# end",
    ),
    "null": ("s: null # none\n", Insert(("s", "w"), 1), "s: {w: 1} # none\n"),
    "empty in flow": ("s: {t: {}, u: 1}\n", Insert(("s", "t", "w"), 1), "s: {t: {w: 1}, u: 1}\n"),
    "flow that was wrapped": (
        "{a: {b: 1},\nc: 2, d: 3}\n",
        Insert(("e",), 4),
        "{a: {b: 1},\nc: 2, d: 3,\n e: 4}\n",
    ),
    "other line ends": (
        "a:\r\n  b: 1\r\n",
        Insert(("a", "c"), ["x" * 50, "no"]),
        "a:\r\n  b: 1\r\n  c:\r\n    - " + "x" * 50 + '\r\n    - "no"\r\n',
    ),
    "block text": (
        "a:\n  b: |\n    t\n\nc: 1\n",
        Insert(("a", "d"), 2),
        "a:\n  b: |\n    t\n  d: 2\n\nc: 1\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_new_member_looks_like_its_neighbours(case: str) -> None:
    text, edit, expected = CASES[case]
    assert apply(read_yaml("x.yaml", text), (edit,)) == expected


def test_a_manifest_keeps_every_line() -> None:
    edits = (
        Insert(("topics", "returns"), TOPIC),
        Insert(("topics", "orders", "events", 2), "shop.Lost"),
        Insert(("topics", "orders", "subject_strategy"), "topic-record", ("compatibility",)),
        Insert(("services", "order-service", "produces", 2), "returns"),
    )
    text = apply(read_yaml("contracts.yaml", RETAIL), edits)
    before, after = RETAIL.splitlines(), text.splitlines()
    added = [line for line in after if line not in before]
    assert added == [
        "    subject_strategy: topic-record",
        "      - shop.Lost",
        "  returns:",
        '    doc: "What comes back: all."',
        "    owner: a-team",
        "      - shop.Returned",
        "    produces: [orders, order-completions, returns]",
    ]
    assert [line for line in before if line not in after] == [
        "    produces: [orders, order-completions]"
    ]


@pytest.mark.parametrize(
    ("text", "edit", "snippet"),
    [
        ("a: 1\n", Insert(("a",), 2), "a: 2"),
        ("a: 1\n", Insert(("b", "c"), 2), "b:\n  c: 2"),
        ("a: &x\n  k: 1\nb: *x\n", Insert(("b", "new"), 2), "b:\n  new: 2"),
        ("a: [1]\n", Insert(("a", 2), "no"), 'a:\n  - "no"'),
    ],
)
def test_what_has_no_safe_place_is_refused_with_a_snippet(
    text: str, edit: Insert, snippet: str
) -> None:
    with pytest.raises(EditRefused) as refused:
        apply(read_yaml("x.yaml", text), (edit,))
    assert refused.value.snippet == snippet


def test_only_inserts_are_for_yaml() -> None:
    with pytest.raises(TypeError):
        apply(read_yaml("x.yaml", "a: [1, 2]\n"), (Remove(("a", 0)),))


WORDS = [
    "no",
    "1",
    "1.0",
    "null",
    "~",
    "{a}",
    "2027-01-31",
    "=",
    "0x1f",
    "<<",
    "a:b",
    "&a",
    "*a",
    "!a",
    "'a",
    "1:30",
]
texts = st.text(max_size=8) | st.sampled_from(
    [*WORDS, "", "a: b", "a #b", "- x", "x, y", "a:", " a"]
)
keys = st.sampled_from([*WORDS, *"abcd"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
Layout = tuple[int, int, int, bool | None]
layouts = st.sampled_from([(2, 2, 0, None), (4, 4, 2, None), (2, 2, 0, True), (2, 4, 2, False)])


def dump(value: Json, layout: Layout) -> str:
    from io import StringIO

    yaml = YAML(typ="safe", pure=True)
    yaml.map_indent, yaml.sequence_indent, yaml.sequence_dash_offset = layout[:3]
    yaml.default_flow_style = layout[3]
    stream = StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), values, min_size=1), values, layouts, st.data())
def test_the_new_text_holds_what_is_meant(
    value: dict[str, Json], new: Json, layout: Layout, data: st.DataObject
) -> None:
    try:
        document = read_yaml("x.yaml", dump(value, layout))
    except SourceError:
        # What the library writes in brackets (`:0` without quotes) it does not always read.
        reject()
    assume(json.dumps(document.value, sort_keys=True) == json.dumps(value, sort_keys=True))
    name = data.draw(st.sampled_from([*value, None]))
    inner = value[name] if name else value
    if isinstance(inner, list):
        index = data.draw(st.integers(0, len(inner)))
        edit = Insert((name, index), new)
        meant = {**value, name: [*inner[:index], new, *inner[index:]]}
    elif isinstance(inner, dict):
        path = (name, "new") if name else ("new",)
        edit = Insert(path, new)
        meant = {**value, name: {**inner, "new": new}} if name else {**value, "new": new}
    else:
        return
    text = apply(document, (edit,))
    again = read_yaml("x.yaml", text).value
    assert json.dumps(again, sort_keys=True) == json.dumps(meant, sort_keys=True)
