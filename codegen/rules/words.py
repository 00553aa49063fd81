"""Names taken apart into words, and the cases that names are written in."""

from __future__ import annotations

import re

PASCAL_CASE = re.compile(r"[A-Z][A-Za-z0-9]*")
CAMEL_CASE = re.compile(r"[a-z][A-Za-z0-9]*")
SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
UPPER_CASE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")

_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")


def is_name(text: str) -> bool:
    """Whether a text can be a name at all (specification 1.12, "Names")."""
    return text.isascii() and text.isidentifier()


def split_words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: `HTTPStatus_code` is http, status, code."""
    return tuple(word.lower() for word in _WORD.findall(name))


def fold(name: str) -> str:
    """What a name has in common with all that differ from it in case and the like only."""
    return name.replace("_", "").replace("-", "").lower()


def to_pascal(name: str) -> str:
    """The name in PascalCase; a word that has capitals inside keeps them."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def to_snake(name: str) -> str:
    """The name in snake_case."""
    return "_".join(split_words(name))
