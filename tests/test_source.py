"""Positions in JSON and YAML, against what the standard parsers make of the same text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.source import Document, Path, SourceError, read_json, read_yaml

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def paths(value: object, path: Path = ()) -> list[Path]:
    found = [path]
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += paths(item, (*path, index))
    return found


def value_at(value: object, path: Path) -> object:
    for step in path:
        value = value[step]  # type: ignore[index]
    return value


@given(JSON, st.sampled_from([None, 1, 4]), st.booleans(), st.sampled_from(["", "\ufeff"]))
def test_each_span_holds_the_text_of_its_value(
    value: object, indent: int | None, ascii_only: bool, mark: str
) -> None:
    text = mark + json.dumps(value, indent=indent, ensure_ascii=ascii_only).replace("\n", "\r\n")
    document = read_json("a.json", text)
    for path in paths(document.value):
        span = document.span(path)
        assert json.loads(text[span.start : span.end]) == value_at(document.value, path)
        if path and isinstance(path[-1], str):
            key = document.key_span(path)
            assert json.loads(text[key.start : key.end]) == path[-1]


def test_a_place_that_does_not_exist_is_its_nearest_ancestor() -> None:
    document = read_json("a.json", '{"a": {"b": 1}}')
    assert document.span(("a", "x", 3)) == document.span(("a",))


def test_lines_and_columns_count_from_one() -> None:
    document = Document("a", "ab\ncd\n")
    assert [document.line_and_column(offset) for offset in (0, 2, 3, 6)] == [
        (1, 1), (1, 3), (2, 1), (3, 1),
    ]  # fmt: skip
    assert [document.line(number) for number in (1, 2, 3, 9)] == ["ab", "cd", "", ""]


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("[1,]", 2),
        ('{"a": 1,}', 7),
        ('{"a" 1}', 5),
        ('{"a": 1 "b": 2}', 8),
        ("[1] x", 4),
        ("[1] // x", 4),
        ("[1, /* x */ 2]", 4),
        ("NaN", 0),
        ('{"a": 1, "a": 2}', 9),
        ("[" * 701 + "]" * 701, 700),
        ("9" * 5000, 0),
        ('{"a": ' + "9" * 5000 + "}", 6),
        ("[\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> other\n]", 2),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 0),
    ],
)
def test_what_is_not_json_is_told_where(text: str, offset: int) -> None:
    with pytest.raises(SourceError) as caught:
        read_json("a.json", text)
    assert [problem.offset for problem in caught.value.problems] == [offset]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("9" * 5000, "a number of 5,000 digits; the most is 4,300"),
        ("[NaN]", "NaN is not a JSON value"),
        ("[\n=======\n]", "a merge that is not finished stands here"),
        (
            "version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS stands here instead of the file",
        ),
    ],
)
def test_what_is_not_json_is_told_in_words(text: str, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_json("a.json", text)
    assert [problem.message for problem in caught.value.problems] == [words]


def test_a_manifest_in_the_middle_of_a_merge_says_so() -> None:
    text = "version: 1\n<<<<<<< HEAD\ntopics: {}\n=======\nservices: {}\n>>>>>>> other\n"
    with pytest.raises(SourceError, match="a merge that is not finished stands here"):
        read_yaml("a.yaml", text)


def test_all_duplicate_keys_are_told() -> None:
    with pytest.raises(SourceError) as caught:
        read_json("a.json", '{"a": 1, "a": {"b": 1, "b": 2}, "c": 1, "c": 2}')
    assert [problem.offset for problem in caught.value.problems] == [9, 23, 40]


def test_yaml_has_no_dates_and_no_octal_surprises() -> None:
    value = read_yaml("a.yaml", "until: 2027-01-31\non: yes\nmode: 010\n").value
    assert value == {"until": "2027-01-31", "on": "yes", "mode": 10}


@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2\n", "a: [\n", "1: 2\n", "a: &x [*x]\n", "a: !!python/object:os.system x\n", "\tx"],
)
def test_what_is_not_good_yaml_is_told(text: str) -> None:
    with pytest.raises(SourceError):
        read_yaml("a.yaml", text)


def test_a_variable_in_braces_wants_quotes() -> None:
    with pytest.raises(SourceError) as caught:
        read_yaml("contracts.yaml", "oauth: {client_id: a, client_secret: ${SECRET}}\n")
    (problem,) = caught.value.problems
    assert (problem.offset, problem.hint) == (38, 'put it in quotes: "${NAME}"')


def test_yaml_aliases_cannot_make_a_document_huge() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(SourceError, match="too large"):
        read_yaml("a.yaml", "\n".join(lines))


def test_brackets_in_strings_are_no_nesting() -> None:
    text = json.dumps("[" * 2_000)
    assert read_json("a", text).value == "[" * 2_000


def test_a_string_without_end_takes_no_time_to_refuse() -> None:
    text = "[" * 701 + '"' + '\\"' * 200_000
    with pytest.raises(SourceError, match="nested"):
        read_json("a", text)
    with pytest.raises(SourceError, match="not JSON"):
        read_json("a", "[]" * 701 + '"' + '\\"' * 200_000)
