"""Text with positions: what stands where in a JSON or YAML file.

A document is parsed by the fastest parser at hand. Where its values stand is found out only when
somebody asks, which is when a finding points into it; so a clean repository pays nothing for
positions. JSON is RFC 8259, YAML is 1.2 (its core schema).
"""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

T = TypeVar("T")

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list of Json, or dict from str to Json."""

Path: TypeAlias = tuple[str | int, ...]
"""The way from a document's root to a value: object keys and array indices."""

MAX_CHARACTERS = 4_000_000
"""A longer text is refused: nobody reviews such a contract, and no work should be unbounded."""

MAX_NESTING = 700
"""More brackets within brackets than this are refused."""

MAX_YAML_NODES = 200_000
"""The most nodes a YAML document may have, aliases expanded."""

# Since Python 3.11 a call from Python to Python takes no C stack, so this only lifts the guard
# that would stop the walk over 2,000 types that refer to each other.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 50_000))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document's text, in characters: `start` inclusive, `end` exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a text from being a document, and where it stands."""

    message: str
    offset: int
    end: int
    hint: str = ""


class SourceError(Exception):
    """A text that is no document; `document` holds the text, `problems` all that is wrong."""

    def __init__(self, document: Document, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{document.name}: {problems[0].message}")
        self.document = document
        self.problems = problems


class Document:
    """A named text and its parsed value; `name` is what people see, usually a relative path.

    Only this module makes documents; to everybody else they are constant. One with a
    layout shows its value in another text than was read, made when somebody looks at it.
    """

    __slots__ = ("_layout", "_line_starts", "_spans", "_text", "name", "value")

    def __init__(self, name: str, text: str, value: Json = None) -> None:
        self.name = name
        self.value = value
        self._text = text
        self._layout: Callable[[Json], str | None] | None = None
        self._spans: _Spans | None = None
        self._line_starts: list[int] | None = None

    def __repr__(self) -> str:
        return f"Document({self.name!r})"

    @property
    def text(self) -> str:
        """The text that lines, columns and spans are counted in."""
        if self._layout is not None:
            text = self._layout(self.value)
            self._text = self._text if text is None else text
            self._layout = None
        return self._text

    def span(self, path: Path) -> Span:
        """Where the value at `path` stands; of its nearest ancestor that exists, if it does not."""
        return self._nearest(self._found().values, path)

    def key_span(self, path: Path) -> Span:
        """Where the key that ends `path` stands; the value's own span where there is no key."""
        keys = self._found().keys
        return keys[path] if path in keys else self.span(path)

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """The line and the column of a character offset, both counted from 1."""
        starts = self._starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of the line with this number, without its line end; empty past the last."""
        starts = self._starts()
        if number > len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def _starts(self) -> list[int]:
        """The offsets at which the lines begin."""
        if self._line_starts is None:
            self._line_starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        return self._line_starts

    def _found(self) -> _Spans:
        if self._spans is None:
            self._spans = _scan_json(self.text)[0]
        return self._spans

    @staticmethod
    def _nearest(spans: Mapping[Path, Span], path: Path) -> Span:
        while path not in spans:
            if not path:
                return Span(0, 0)
            path = path[:-1]
        return spans[path]


@dataclass_transform(frozen_default=True)
def _value(cls: type[T]) -> type[T]:
    """Make a value class that is frozen to the type checker alone.

    One that is frozen at run time takes four times as long to make, and each part of each schema
    has a place.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@_value
class Place:
    """A value inside a document, not yet looked up; `on_key` means its key instead."""

    document: Document
    path: Path = ()
    on_key: bool = False

    def at(self, *steps: str | int, on_key: bool = False) -> Place:
        """The place some steps further in."""
        return Place(self.document, self.path + steps, on_key)

    def span(self) -> Span:
        """Where it stands; this is the call that makes the document find its spans."""
        if self.on_key:
            return self.document.key_span(self.path)
        return self.document.span(self.path)


@dataclass(slots=True)
class _Spans:
    values: dict[Path, Span] = field(default_factory=dict)
    keys: dict[Path, Span] = field(default_factory=dict)


def read_json(
    name: str,
    text: str,
    *,
    longest: int = MAX_CHARACTERS,
    layout: Callable[[Json], str | None] | None = None,
) -> Document:
    """Parse a JSON text. Numbers, keys and their order stay as they are.

    People are shown the value as `layout` writes it, or as it was read where that gives None.
    Raises SourceError for text that is not JSON, that repeats a key within an object, or that is
    longer than `longest` or deeper than this module's limit.
    """
    document = Document(name, text)
    if problem := _out_of_bounds(text, longest):
        raise SourceError(document, (problem,))
    duplicates = False

    def make_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        nonlocal duplicates
        value = dict(pairs)
        if len(value) != len(pairs):
            duplicates = True
        return value

    body = text.removeprefix("\ufeff")
    try:
        document.value = json.loads(
            body, object_pairs_hook=make_object, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        offset = min(error.pos + len(text) - len(body), len(text))
        raise SourceError(document, (_explain_json(error, text, offset),)) from None
    except _Constant as error:
        offset = max(text.find(str(error)), 0)
        problem = Problem(f"{error} is not a JSON value", offset, offset + len(str(error)))
        raise SourceError(document, (problem,)) from None
    except ValueError:  # Python refuses to read longer integers, which take it too long.
        raise SourceError(document, (_find_long_number(text),)) from None
    if duplicates:
        raise SourceError(document, _scan_json(text)[1])
    document._layout = layout
    return document


_YAML_TEXT = "tag:yaml.org,2002:str"
_YAML_DATE = "tag:yaml.org,2002:timestamp"


def read_yaml(name: str, text: str) -> Document:
    """Parse a YAML 1.2 text, positions included.

    Raises SourceError for text that is not YAML, repeats a key, has keys that are no strings,
    or is longer, deeper or larger (with its aliases expanded) than this module's limits.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - 80 ms that only commands with a manifest pay
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    document = Document(name, text)
    if problem := _out_of_bounds(text):
        raise SourceError(document, (problem,))
    yaml = YAML(typ="safe", pure=True)
    # YAML 1.2 has no dates: 2027-01-31 is text, as it is in JSON.
    constructors = yaml.constructor.yaml_constructors
    yaml.constructor.yaml_constructors = constructors | {_YAML_DATE: constructors[_YAML_TEXT]}
    try:
        node = yaml.compose(text.removeprefix("\ufeff"))
        if node is None:
            document._spans = _Spans({(): Span(0, 0)})
            return document
        shift = 1 if text.startswith("\ufeff") else 0
        document._spans, problems = _walk_yaml(node, shift)
        if problems:
            raise SourceError(document, problems)
        yaml.constructor.check_duplicate_keys = False
        document.value = yaml.constructor.construct_document(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        offset = min(mark.index if mark is not None else 0, len(text))
        message = " ".join(part for part in (error.context, error.problem) if part)
        # In a mapping or list with brackets, the brace of ${NAME} opens another one.
        is_variable = text[max(offset - 1, 0) : offset + 1] == "${"
        hint = 'put it in quotes: "${NAME}"' if is_variable else ""
        problem = Problem(f"not YAML: {message}", offset, offset + 1, hint)
        raise SourceError(document, (_explain_tool(text) or problem,)) from None
    except (YAMLError, ValueError, RecursionError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(document, (Problem(f"not YAML: {message}", 0, 1),)) from None
    return document


def _out_of_bounds(text: str, longest: int = MAX_CHARACTERS) -> Problem | None:
    if len(text) > longest:
        return Problem(
            f"{len(text):,} characters; the most is {longest:,}",
            0,
            1,
            hint="split it into named types in files of their own",
        )
    if text.count("[") + text.count("{") <= MAX_NESTING:
        return None
    brackets = _NO_BRACKETS("", text)
    if max(accumulate(map(_DEEPER.__getitem__, brackets)), default=0) <= MAX_NESTING:
        return None
    depth = 0
    for match in _TOKENS(text):
        depth += _DEEPER.get(match[0], 0)
        if depth > MAX_NESTING:
            return Problem(
                f"nested more than {MAX_NESTING} levels deep",
                match.start(),
                match.end(),
                hint="give the inner types names and files of their own",
            )
    return None


# A string without an end goes to the end of the text: looking for one from each of its quotes would
# take time that grows with the square of its length.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_TOKENS = re.compile(rf"{_STRING}|[][{{}}]", re.DOTALL).finditer
_NO_BRACKETS = re.compile(rf'{_STRING}|[^][{{}}"]+', re.DOTALL).sub
_DEEPER = {"[": 1, "{": 1, "]": -1, "}": -1}


class _Constant(ValueError):
    """NaN or an infinity."""


def _refuse_constant(name: str) -> Json:
    raise _Constant(name)


def _find_long_number(text: str) -> Problem:
    most = sys.get_int_max_str_digits()
    found = re.search(rf"[0-9]{{{most + 1},}}", text)
    start, end = found.span() if found else (0, 1)
    return Problem(f"a number of {end - start:,} digits; the most is {most:,}", start, end)


_CONFLICT = re.compile(r"^(<{7}|>{7}|={7}|\|{7})( .*)?$", re.MULTILINE)


def _explain_tool(text: str) -> Problem | None:
    """What another tool left in a text that cannot be read; None where that is not the reason."""
    if conflict := _CONFLICT.search(text):
        return Problem(
            "a merge that is not finished stands here",
            *conflict.span(),
            hint="choose what shall be, and take the lines with the marks out",
        )
    if text.startswith("version https://git-lfs.github.com/"):
        hint = "fetch the file: git lfs pull"
        return Problem("a pointer of Git LFS stands here instead of the file", 0, 7, hint=hint)
    return None


def _explain_json(error: json.JSONDecodeError, text: str, offset: int) -> Problem:
    if not text.strip().strip("\ufeff"):
        return Problem("the file is empty", 0, 0, hint="a schema is a JSON value")
    if problem := _explain_tool(text):
        return problem
    message, hint = error.msg, ""
    before, after = text[:offset].rstrip(), text[offset:].lstrip()
    if after.startswith(("//", "/*", "#")):
        message = "a comment"
        hint = 'say it in a "doc"; Avro Java reads comments, most other parsers refuse them'
        offset = len(text) - len(after)
    elif message.startswith("Illegal trailing comma"):  # Python 3.13 and later
        message, hint = "a comma with nothing after it", "remove the comma"
    elif before.endswith(",") and after.startswith(("]", "}")):
        message, hint = "a comma with nothing after it", "remove the comma"
        offset = len(before) - 1
    elif message.startswith("Expecting property name"):
        message, hint = "a key in double quotes is expected here", ""
    elif message.startswith("Expecting ',' delimiter"):
        message, hint = "a comma or a closing bracket is missing", "add it before this place"
    elif message.startswith("Expecting ':' delimiter"):
        message, hint = "a colon is missing after this key", "add it before this place"
    elif message.startswith("Expecting value"):
        message = "a JSON value is expected here"
    elif message.startswith("Extra data"):
        message, hint = "text after the end of the JSON value", "a file holds one schema"
    else:
        # "Unterminated string starting at" and the like are followed by a place.
        message = message[0].lower() + message[1:].removesuffix(" at").removesuffix(" starting")
    return Problem(f"not JSON: {message}", offset, offset + 1, hint)


_SKIP = re.compile(r"[ \t\r\n]*").match
_SCALAR = re.compile(r"[^\s,\]}]*").match


def _scan_json(text: str) -> tuple[_Spans, tuple[Problem, ...]]:
    """Find the span of each value and key of a text that the C parser accepted."""
    spans = _Spans()
    duplicates: list[Problem] = []

    def skip(position: int) -> int:
        match = _SKIP(text, position)
        return match.end() if match else position

    def scan(position: int, path: Path) -> int:
        start = position
        opening = text[position : position + 1]
        if opening == "{":
            position = skip(position + 1)
            while text[position] != "}":
                key, end = scanstring(text, position + 1, True)
                inner = (*path, key)
                if inner in spans.keys:
                    message = f'the key "{key}" stands twice in this object'
                    duplicates.append(
                        Problem(
                            message, position, end, hint="keep one; readers differ in which wins"
                        )
                    )
                spans.keys[inner] = Span(position, end)
                position = skip(scan(skip(skip(end) + 1), inner))
                if text[position] == ",":
                    position = skip(position + 1)
            position += 1
        elif opening == "[":
            position = skip(position + 1)
            index = 0
            while text[position] != "]":
                position = skip(scan(position, (*path, index)))
                index += 1
                if text[position] == ",":
                    position = skip(position + 1)
            position += 1
        elif opening == '"':
            position = scanstring(text, position + 1, True)[1]
        else:
            match = _SCALAR(text, position)
            position = match.end() if match else len(text)
        spans.values[path] = Span(start, position)
        return position

    scan(skip(1 if text.startswith("\ufeff") else 0), ())
    return spans, tuple(duplicates)


def _walk_yaml(root: Node, shift: int) -> tuple[_Spans, tuple[Problem, ...]]:
    from ruamel.yaml.nodes import MappingNode, SequenceNode  # noqa: PLC0415

    spans = _Spans()
    problems: list[Problem] = []
    waiting: list[tuple[Node, Path]] = [(root, ())]
    while waiting:
        node, path = waiting.pop()
        span = Span(node.start_mark.index + shift, node.end_mark.index + shift)
        if len(spans.values) >= MAX_YAML_NODES or len(path) > MAX_NESTING:
            problems.append(Problem("aliases make this document too large", span.start, span.end))
            break
        spans.values[path] = span
        if isinstance(node, MappingNode):
            for key_node, value_node in node.value:
                key = key_node.value
                at = Span(key_node.start_mark.index + shift, key_node.end_mark.index + shift)
                if not isinstance(key, str) or key_node.tag != _YAML_TEXT:
                    problems.append(
                        Problem("a key must be text", at.start, at.end, hint="put it in quotes")
                    )
                    continue
                inner = (*path, key)
                if inner in spans.keys:
                    problems.append(
                        Problem(f'the key "{key}" stands twice', at.start, at.end, hint="keep one")
                    )
                spans.keys[inner] = at
                waiting.append((value_node, inner))
        elif isinstance(node, SequenceNode):
            waiting.extend((item, (*path, index)) for index, item in enumerate(node.value))
    return spans, tuple(sorted(problems, key=lambda problem: problem.offset))
