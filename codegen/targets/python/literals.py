"""What users wrote, as Python literals: the only way by which their text gets into code.

Everything is printed as `ruff format` would leave it, so that generated files need no formatter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LINE_LENGTH = 100
"""The longest line of a generated file."""


def string(text: str) -> str:
    """A string literal on one line; what cannot be seen is escaped."""
    return _quote(_escape(text), text.count('"') > text.count("'"))


def bytes_literal(data: bytes) -> str:
    """A bytes literal on one line."""
    body = "".join(
        "\\\\" if byte == 92 else chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
        for byte in data
    )
    return "b" + _quote(body, data.count(b'"') > data.count(b"'"))


def long_string(text: str, indent: int) -> list[str]:
    """A string literal as the lines between a pair of brackets, none of them too long."""
    whole = " " * indent + string(text)
    if _width(whole) <= LINE_LENGTH:
        return [whole]
    room = LINE_LENGTH - indent - 12
    parts: list[str] = []
    start = size = 0
    for index, character in enumerate(text):
        # Twice for a quote, which may have to be escaped, or may not.
        size += 2 if character in "\"'" else _width(_escape(character))
        if size > room:
            parts.append(text[start : index + 1])
            start, size = index + 1, 0
    return [" " * indent + string(part) for part in (*parts, text[start:]) if part or not parts]


def string_argument(name: str, text: str, indent: int) -> list[str]:
    """A string as the argument of a call, in brackets where it takes a line of its own."""
    margin = " " * indent
    whole = f"{margin}{name}={string(text)},"
    if _width(whole) <= LINE_LENGTH:
        return [whole]
    return [f"{margin}{name}=(", *long_string(text, indent + 4), f"{margin}),"]


def function_head(name: str, parameters: str, indent: int) -> list[str]:
    """The first lines of a function that returns nothing, as they stand at an indent."""
    line = f"{name}({parameters}) -> None:"
    if indent + len(line) <= LINE_LENGTH:
        return [line]
    return [f"{name}(", f"    {parameters}", ") -> None:"]


def definition(name: str, expression: str) -> list[str]:
    """The lines that give a name to an expression, broken at the brackets of a call."""
    function, _, arguments = expression.partition("(")
    line = f"{name} = {expression}"
    if len(line) <= LINE_LENGTH or not (function.isidentifier() and arguments.endswith(")")):
        return [line]
    return [f"{name} = {function}(", f"    {arguments.removesuffix(')')}", ")"]


def words_in(lines: Iterable[str]) -> set[str]:
    """Every name, keyword and number in lines of code; words of texts and comments too."""
    return {word for line in lines for word in re.findall(r"\w+", line)}


def docstring(text: str, indent: int) -> list[str]:
    """A docstring as indented lines; no text can end it early. None for an empty text."""
    margin = " " * indent
    paragraphs = [line.strip() for line in text.expandtabs(4).splitlines()]
    while paragraphs and not paragraphs[-1]:
        paragraphs.pop()
    while paragraphs and not paragraphs[0]:
        paragraphs.pop(0)
    has_dangerous_quotes = '"""' in text or any(line.endswith('"') for line in paragraphs[-1:])
    lines: list[str] = []
    for paragraph in paragraphs:
        body = _escape(" ".join(paragraph.split()))
        if has_dangerous_quotes:
            body = body.replace('"', '\\"')
        lines += _wrap(body, LINE_LENGTH - indent - 6) or [""]
    if not lines:
        return []
    first = f'{margin}"""{lines[0]}'
    rest = [margin + line if line else "" for line in lines[1:]]
    if rest:
        return [first, *rest, f'{margin}"""']
    return [first + '"""']


def comment(text: str) -> str:
    """A text as part of a comment on one line."""
    return _escape(" ".join(text.split()))


def _escape(text: str) -> str:
    return "".join(
        "\\\\"
        if character == "\\"
        else character
        if character == " " or character.isprintable()
        else repr(character)[1:-1]
        for character in text
    )


def _quote(body: str, is_single: bool) -> str:
    quote = "'" if is_single else '"'
    return quote + body.replace(quote, "\\" + quote) + quote


def _wrap(text: str, width: int) -> list[str]:
    lines: list[str] = []
    used = width + 1
    for word in text.split(" "):
        size = _width(word)
        if used + 1 + size > width:
            lines.append(word)
            used = size
        else:
            lines[-1] += " " + word
            used += 1 + size
    return lines


def _width(text: Iterable[str]) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
