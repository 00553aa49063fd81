"""Edits of JSON texts: what is asked for changes, and not a byte beside it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.editing import Edit, Enclose, Insert, Remove, apply
from codegen.source import Json, read_json

CASES: list[tuple[str, Edit, str]] = [
    ('{"a": 1, "b": 2}', Insert(("c",), 3, ("a",)), '{"a": 1, "c": 3, "b": 2}'),
    ('{"a": 1, "b": 2}', Insert(("c",), 3, ("b",)), '{"a": 1, "b": 2, "c": 3}'),
    ('{"a": 1, "b": 2}', Insert(("c",), 3, ("x",)), '{"a": 1, "b": 2, "c": 3}'),
    ('{"a":1,"b":2}', Insert(("c",), [3, 4], ("a",)), '{"a":1,"c":[3,4],"b":2}'),
    ('{"a":1}', Insert(("c",), 3), '{"a":1,"c":3}'),
    ("{}", Insert(("c",), 3), '{"c": 3}'),
    ('{"a" : 1}', Insert(("c",), 3), '{"a" : 1, "c" : 3}'),
    (
        '{\r\n\t"a": {\r\n\t\t"x": 1\r\n\t}\r\n}\r\n',
        Insert(("a", "c"), None),
        '{\r\n\t"a": {\r\n\t\t"x": 1,\r\n\t\t"c": null\r\n\t}\r\n}\r\n',
    ),
    (
        '{ "a"   : "x"\n, "long": 1\n}',
        Insert(("c",), 3, ("a",)),
        '{ "a"   : "x"\n, "c"   : 3\n, "long": 1\n}',
    ),
    ('["x", "y"]', Insert((0,), "w"), '["w", "x", "y"]'),
    ('["x", "y"]', Insert((1,), "w"), '["x", "w", "y"]'),
    ('["x", "y"]', Insert((2,), "w"), '["x", "y", "w"]'),
    ("[ ]", Insert((0,), "w"), '["w" ]'),
    ('[\n  "x"\n]', Insert((1,), "w"), '[\n  "x",\n  "w"\n]'),
    ('[\n  "x"\n]', Insert((0,), "w"), '[\n  "w",\n  "x"\n]'),
    ('["x" , "null"]', Remove((1,)), '["x"]'),
    ('["null", "x"]', Remove((0,)), '["x"]'),
    ('{"type": "x"}', Enclose(("type",), before=("null",)), '{"type": ["null", "x"]}'),
    ('{"type":{"a":1}}', Enclose(("type",), after=("null",)), '{"type":[{"a":1},"null"]}'),
]


@pytest.mark.parametrize(("text", "edit", "expected"), CASES, ids=range(len(CASES)))
def test_an_edit_takes_the_style_of_its_neighbours(text: str, edit: Edit, expected: str) -> None:
    assert apply(read_json("x", text), (edit,)) == expected


def test_several_edits_are_made_in_their_order() -> None:
    document = read_json("x", '\ufeff{"type": ["string", "null"], "doc": "\u2603"}')
    edits = (
        Remove(("type", 1)),
        Insert(("type", 0), "null"),
        Insert(("default",), None, ("type",)),
    )
    assert apply(document, edits) == (
        '\ufeff{"type": ["null", "string"], "default": null, "doc": "\u2603"}'
    )


@pytest.mark.parametrize(
    "edit",
    [
        Insert(("a",), 1),
        Insert(("list", 3), 1),
        Insert(("list", "x"), 1),
        Insert(("gone", "x"), 1),
        Remove(("list", 2)),
        Remove(("gone",)),
        Enclose(("gone",)),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(edit: Edit) -> None:
    with pytest.raises(ValueError, match="at"):
        apply(read_json("x", '{"a": 1, "list": [1, 2]}'), (edit,))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


def paths(value: Json, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    steps: list[str | int] = []
    if isinstance(value, dict):
        steps = list(value)
    elif isinstance(value, list):
        steps = list(range(len(value)))
    return [path, *(found for step in steps for found in paths(value[step], (*path, step)))]


@given(values, values, st.data(), st.sampled_from([None, 0, 2, "\t"]), st.booleans())
def test_an_edited_text_means_what_was_asked_for(
    value: Json, new: Json, data: st.DataObject, indent: int | str | None, is_compact: bool
) -> None:
    text = json.dumps(value, indent=indent, separators=(",", ":") if is_compact else None)
    path = data.draw(st.sampled_from(paths(value)))
    expected = json.loads(text)
    target = expected
    for step in path:
        target = target[step]
    if isinstance(target, dict):
        key = data.draw(st.text(max_size=4).filter(lambda name: name not in target))
        after = tuple(data.draw(st.lists(st.sampled_from([*target, "x"]), max_size=2)))
        found = apply(read_json("x", text), (Insert((*path, key), new, after),))
        target[key] = new
    elif isinstance(target, list):
        index = data.draw(st.integers(0, len(target)))
        found = apply(read_json("x", text), (Insert((*path, index), new),))
        target.insert(index, new)
    else:
        found = apply(read_json("x", text), (Enclose(path, before=(new,)),))
        if not path:
            expected = [new, target]
        else:
            outer = expected
            for step in path[:-1]:
                outer = outer[step]
            outer[path[-1]] = [new, target]
    assert json.loads(found) == expected
    assert len(found) > len(text)
