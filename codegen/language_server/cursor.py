"""Where does somebody type, in a text that is not finished? The way to that place, and the word.

Only what stands before the cursor is looked at, so what follows may be as broken as it likes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[][{}:,]|[^\s\][{}:,"]+', re.DOTALL).finditer


@dataclass(slots=True)
class Frame:
    """An object or an array that is open where the cursor is.

    `members` are the keys of an object before the cursor, with those of their values that are
    texts; `key` is the one whose value comes next, and `count` says how many values came before.
    """

    is_object: bool
    members: dict[str, str] = field(default_factory=dict)
    key: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in JSON where a key or a value is being typed.

    `frames` are what is open there, from the outside in. `start` is where the word begins that the
    cursor stands in or behind, without its quote; `is_quoted` says whether it has one.
    """

    frames: tuple[Frame, ...]
    is_key: bool
    start: int
    is_quoted: bool

    def owner(self, level: int = 1) -> str:
        """The key that holds what is typed; arrays around it are passed over, so many of them."""
        frames = list(self.frames)
        while frames and not frames[-1].is_object and level:
            frames.pop()
            level -= 1
        return frames[-1].key if frames and frames[-1].is_object else ""


def find_in_json(text: str, offset: int) -> Cursor | None:
    """What is typed at an offset of a JSON text; None where nothing can be, as behind a value."""
    frames: list[Frame] = []
    is_key = expects = False
    token, start = "", offset
    for match in _TOKENS(text, 0, offset):
        token, start = match[0], match.start()
        if match.end() == offset and _is_word(token):
            break
        if token in ("{", "["):
            frames.append(Frame(token == "{"))
            is_key = expects = True
        elif token in ("}", "]"):
            if not frames:
                return None
            frames.pop()
            expects = False
        elif token == ",":
            is_key = expects = True
        elif token == ":":
            is_key, expects = False, True
        elif frames and expects:
            _take(frames[-1], token, is_key=is_key and frames[-1].is_object)
            expects = False
    else:
        token, start = "", offset
    if frames and not expects:
        return None
    in_object = bool(frames) and frames[-1].is_object
    is_quoted = token.startswith('"')
    return Cursor(tuple(frames), in_object and is_key, start + is_quoted, is_quoted)


def _is_word(token: str) -> bool:
    """Whether what ends at the cursor may still grow: a text without its end, or a bare word."""
    if token.startswith('"'):
        return len(token) == 1 or not token.endswith('"')
    return token not in ("{", "}", "[", "]", ":", ",")


def _take(frame: Frame, token: str, *, is_key: bool) -> None:
    try:
        value = json.loads(token)
    except ValueError:
        value = None
    if not frame.is_object:
        frame.count += 1
    elif is_key:
        frame.key = value if isinstance(value, str) else ""
        frame.members[frame.key] = ""
    elif isinstance(value, str):
        frame.members[frame.key] = value


@dataclass(frozen=True, slots=True)
class ManifestCursor:
    """A place in the manifest where something is being typed.

    `path` are the keys around it, those of lists without their indices, and `start` is where the
    word begins that the cursor stands in or behind.
    """

    path: tuple[str, ...]
    is_key: bool
    start: int


_KEY = re.compile(r"""(\s*)((?:-\s+)*)["']?([\w.-]+)["']?\s*:(?:\s+(.*))?$""").match
_ITEM = re.compile(r"\s*(?:-(?:\s+|$))*").match
_WORD = re.compile(r"[\w.-]*$").search
_FLOW = re.compile(r"[\[\]{},]|[\w.-]+\s*:(?=\s|$)|\"[^\"]*\"?|'[^']*'?").finditer


def find_in_yaml(text: str, offset: int) -> ManifestCursor:
    """What is typed at an offset of the manifest, told from indentation and brackets."""
    *lines, line = text[:offset].split("\n")
    word, begin = _WORD(line), _ITEM(line)
    start = offset - len(word[0] if word else "")
    margin = begin[0] if begin else ""
    is_item = "-" in margin
    inner, is_open, is_list = _find_in_flow(line[len(margin) :])
    path: list[str] = []
    # A list may stand as deep as the key that holds it.
    limit = len(line) - len(line.lstrip()) + is_item
    for other in reversed(lines):
        match = _KEY(other)
        if match is None:
            continue
        indent, dashes, key, value = match.groups()
        if len(indent) + len(dashes) >= limit:
            continue
        if not path and value and value.startswith("["):
            is_list = True
        path.append(key)
        limit = len(indent) + bool(dashes)
    is_value = is_list or (is_item and not is_open) or (bool(inner) and not is_open)
    return ManifestCursor((*reversed(path), *inner), not is_value, start)


def _find_in_flow(line: str) -> tuple[tuple[str, ...], bool, bool]:
    """What holds the end of a line that begins with no blank: its keys, and which brackets.

    Says whether a key may come, as behind `{`, and whether an item of a list may.
    """
    stack: list[tuple[str, str]] = []
    key = ""
    for match in _FLOW(line):
        token = match[0]
        if token in ("[", "{"):
            stack.append((token, key))
            key = ""
        elif token in ("]", "}", ","):
            if token != "," and stack:
                stack.pop()
            key = ""
        elif token.endswith(":"):
            key = token[:-1].strip()
    keys = [held for _, held in stack if held] + ([key] if key else [])
    bracket = stack[-1][0] if stack else ""
    return tuple(keys), bracket == "{" and not key, bracket == "[" and not key
