"""Where does somebody type, in a text that is not finished? The way to that place, and the word.

What stands before the cursor tells the place; what follows it may be as broken as it likes, and
tells which keys are there already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

# No text goes over the end of its line, so what follows an unclosed quote is told apart again.
_TOKENS = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"?|[][{}:,]|[^\s\][{}:,"]+').finditer

REACH = 20_000
"""Characters behind the cursor in which other keys of its object are looked for."""


@dataclass(slots=True)
class Frame:
    """An object or an array that is open where the cursor is.

    `members` are the keys of an object, with those of their values that are texts; `key` is the one
    whose value comes next, and `count` says how many values came before.
    """

    is_object: bool
    members: dict[str, str] = field(default_factory=dict)
    key: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in JSON where a key or a value is being typed.

    `frames` are what is open there, from the outside in. `start` and `end` enclose the word that
    the cursor stands in, without its quotes; `is_quoted` says whether one stands before it, and
    `is_closed` whether one stands behind. `follower` is what comes next: a `:`, `}`, `]` or `,`,
    the quote of a `"key":`, any other character of a `value`, or nothing.
    """

    frames: tuple[Frame, ...]
    is_key: bool
    start: int
    end: int
    is_quoted: bool
    is_closed: bool
    follower: str

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
    is_key, expects = False, True
    token, start, skipped = "", offset, ""
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
            if frames and skipped:  # The comma before this key is missing.
                _take(frames[-1], skipped, is_key=True)
            is_key, expects = False, True
        elif expects:
            if frames:
                _take(frames[-1], token, is_key=is_key and frames[-1].is_object)
            expects = False
            skipped = ""
            continue
        skipped = token if token.startswith('"') else ""
    else:
        token, start = "", offset
    if not expects:
        return None
    return _at(text, offset, frames, is_key=is_key, start=start, is_quoted=token.startswith('"'))


_REST = re.compile(r'[\w.-]*"').match
_NEXT = re.compile(r'\s*(?:(?P<key>"(?:[^"\\\n]|\\.)*"\s*:)|(?P<other>\S))?').match


def _at(
    text: str, offset: int, frames: list[Frame], *, is_key: bool, start: int, is_quoted: bool
) -> Cursor:
    # What is left of the word goes with it, up to a quote that is there already.
    rest = _REST(text, offset) if is_quoted else None
    end = offset if rest is None else rest.end() - 1
    after = offset if rest is None else rest.end()
    following = _NEXT(text, after)
    follower = ""
    if following is not None and following["key"]:
        follower = "key"
    elif following is not None and following["other"]:
        follower = following["other"] if following["other"] in ":}]," else "value"
    _read_rest(text, after, frames)
    in_object = bool(frames) and frames[-1].is_object
    begin = start + is_quoted
    is_closed = rest is not None
    return Cursor(tuple(frames), in_object and is_key, begin, end, is_quoted, is_closed, follower)


def _read_rest(text: str, offset: int, frames: Sequence[Frame]) -> None:
    """Add the members behind the cursor to what is open there."""
    still_open = list(frames)
    depth = 0
    key, before = "", ""
    for match in _TOKENS(text, offset, offset + REACH):
        token = match[0]
        if token in ("{", "["):
            depth += 1
        elif token in ("}", "]"):
            if depth:
                depth -= 1
            elif still_open:
                still_open.pop()
        elif depth == 0 and still_open and still_open[-1].is_object:
            members = still_open[-1].members
            if token == ":" and before.startswith('"'):
                key = _text(before)
                members.setdefault(key, "")
            elif before == ":" and key and token.startswith('"'):
                members[key] = members.get(key) or _text(token)
        before = token


def _is_word(token: str) -> bool:
    """Whether what ends at the cursor may still grow: a text without its end, or a bare word."""
    if token.startswith('"'):
        return len(token) == 1 or not token.endswith('"')
    return token not in ("{", "}", "[", "]", ":", ",")


def _take(frame: Frame, token: str, *, is_key: bool) -> None:
    if not frame.is_object:
        frame.count += 1
    elif is_key:
        frame.key = _text(token)
        frame.members[frame.key] = ""
    elif token.startswith('"'):
        frame.members[frame.key] = _text(token)


def _text(token: str) -> str:
    try:
        value = json.loads(token)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class ManifestCursor:
    """A place in the manifest where something is being typed.

    `path` are the keys around it, those of lists without their indices, and `start` and `end`
    enclose the word that the cursor stands in; `has_colon` says whether it is a key already.
    `members` are the other keys of the block, and `is_item` says whether an item of a list begins
    here, which may be an object. `gap` is the blank that is missing in front of the word.
    """

    path: tuple[str, ...]
    is_key: bool
    start: int
    end: int
    has_colon: bool
    members: frozenset[str]
    is_item: bool
    gap: str


_KEY = re.compile(r"""(\s*)((?:-\s+)*)["']?([\w.-]+)["']?\s*:(?:\s+(.*))?$""").match
_ITEM = re.compile(r"\s*(?:-(?:\s+|$))*").match
_WORD = re.compile(r"(?:[\w./][\w./-]*)?$").search
_WORD_REST = re.compile(r"[\w./-]*").match
_MORE = re.compile(r"[^\S\n]*[^\s#]").match
_QUOTED = re.compile(r"\"[^\"]*\"?|(?<!\w)'[^']*'?")
_COLON = re.compile(r"""["']?\s*:(?=\s|$)""").match
_FLOW = re.compile(r"[\[\]{},]|[\w.-]+\s*:(?=\s|$)|\"[^\"]*\"?|'[^']*'?|[^\s\[\]{},]+").finditer


def find_in_yaml(text: str, offset: int) -> ManifestCursor | None:
    """What is typed at an offset of the manifest, told from indentation and brackets.

    None where nothing can be: in a comment, and before what stands on the line already.
    """
    *lines, line = text[:offset].split("\n")
    if re.search(r"(?:^|\s)#", _QUOTED.sub("", line)):
        return None
    word, begin = _WORD(line), _ITEM(line)
    start = offset - len(word[0] if word else "")
    margin = begin[0] if begin else ""
    is_item = "-" in margin
    flow = _find_in_flow(line[len(margin) :])
    is_list = flow.bracket == "[" and not flow.has_key
    is_open = flow.bracket == "{" and not flow.has_key
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
    word_rest = _WORD_REST(text, offset)
    end = word_rest.end() if word_rest else offset
    has_colon = _COLON(text, end) is not None
    is_item = is_item and not has_colon
    is_value = is_list or ((is_item or bool(flow.keys)) and not is_open)
    behind = text[start - 1 : start] if start else ""
    if _ends_value(line[: len(line) - offset + start]) or (
        not has_colon and _runs_into(text, end, behind, flow, is_list)
    ):
        return None
    members = flow.members | frozenset(_list_flow_keys(text, end)) if is_open else frozenset()
    if not is_value and not is_open:
        depth = len(margin)
        after = text[end:].split("\n")[1:]
        before = _list_keys(reversed(lines), depth, is_upwards=True)
        members = frozenset((*before, *_list_keys(after, depth)))
    return ManifestCursor(
        (*reversed(path), *flow.keys),
        not is_value,
        start,
        end,
        has_colon,
        members,
        is_item=is_item and not flow.keys and not is_open,
        gap=" " if behind in (":", "-", ",") else "",
    )


def _ends_value(line: str) -> bool:
    """Whether a value ends with a line, by a bracket or a quote."""
    quoted = list(_QUOTED.finditer(line))
    last = quoted[-1] if quoted and quoted[-1].end() == len(line.rstrip()) else None
    is_closed = last is not None and len(last[0]) > 1 and last[0][0] == last[0][-1]
    return is_closed or line.endswith(("]", "}"))


def _runs_into(text: str, end: int, behind: str, flow: _Flow, is_list: bool) -> bool:
    """Whether what stands behind the word would run into what is put there."""
    if flow.bracket or is_list:
        return text[end:].lstrip()[:1] in ("[", "{")
    return behind not in ("'", '"') and _MORE(text, end) is not None


def _list_keys(lines: Iterable[str], depth: int, *, is_upwards: bool = False) -> Iterator[str]:
    """The keys that stand this deep in lines, up to the end of their block."""
    for line in lines:
        margin = len(line) - len(line.lstrip())
        if margin > depth or line[margin : margin + 1] in ("", "#"):
            continue
        match = _KEY(line)
        if margin < depth:
            # The first key of a list's item stands behind its dash.
            if is_upwards and match and margin + len(match[2]) == depth:
                yield match[3]
            return
        if match and not match[2]:
            yield match[3]


@dataclass(frozen=True, slots=True)
class _Flow:
    """What holds the end of a line: keys, and the innermost bracket, with the keys in it.

    `has_key` says whether the value of a key comes next.
    """

    keys: tuple[str, ...]
    bracket: str
    has_key: bool
    members: frozenset[str]


def _find_in_flow(line: str) -> _Flow:
    """What holds the end of a line that begins with no blank."""
    stack: list[tuple[str, str, set[str]]] = []
    key = ""
    is_plain = False
    for match in _FLOW(line):
        token = match[0]
        # In words outside of brackets these are letters like others.
        if is_plain and not stack:
            break
        if token in ("[", "{"):
            stack.append((token, key, set()))
            key = ""
        elif token in ("]", "}", ","):
            if token != "," and stack:
                stack.pop()
            key = ""
        elif token.endswith(":"):
            key = token[:-1].strip()
            if stack:
                stack[-1][2].add(key)
        else:
            is_plain = not stack
    keys = [held for _, held, _ in stack if held] + ([key] if key else [])
    bracket, _, members = stack[-1] if stack else ("", "", set())
    return _Flow(tuple(keys), bracket, bool(key), frozenset(members))


def _list_flow_keys(text: str, offset: int) -> Iterator[str]:
    """The keys behind an offset, up to the end of the brackets around it, or of the line."""
    end = text.find("\n", offset)
    depth = 0
    for match in _FLOW(text, offset, len(text) if end < 0 else end):
        token = match[0]
        if token in ("[", "{"):
            depth += 1
        elif token in ("]", "}"):
            depth -= 1
            if depth < 0:
                return
        elif token.endswith(":") and depth == 0:
            yield token[:-1].strip()
