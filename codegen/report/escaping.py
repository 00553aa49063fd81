"""How is text that nobody vouches for made harmless, for a terminal and for JSON?

What a reader cannot see (control characters, marks that change the direction of text, half
surrogate pairs) is written as an escape, so that no report can hide or forge anything.
"""

from __future__ import annotations

import json
import unicodedata

from codegen.source import Json


def printable(text: str) -> str:
    """The text with everything invisible as a Python escape; blanks and line feeds stay."""
    return "".join(
        character
        if character in "\n " or is_visible(character)
        else character.encode("unicode_escape").decode()
        for character in text
    )


def single_line(text: str) -> str:
    """The text as `printable` makes it, with its lines joined by blanks."""
    return " ".join(printable(text).split())


def write_json(value: Json) -> str:
    """JSON for people and programs: indented by two, and everything invisible escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(
        character
        if character in "\n " or is_visible(character)
        else json.dumps(character).strip('"')
        for character in text
    )


def is_visible(character: str) -> bool:
    """Whether people see it: neither a control, nor a format mark, nor a blank, nor unassigned."""
    if character.isascii():
        return character.isprintable()
    return unicodedata.category(character)[0] not in "CZ"
