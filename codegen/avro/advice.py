"""What was probably meant, where a name is no type or a default does not fit? Only words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from difflib import get_close_matches

from codegen.avro.logical import bases_of
from codegen.avro.schema import PRIMITIVES, split_name
from codegen.source import Json

_COMPLEX = ("record", "error", "enum", "fixed", "array", "map")
_LIKE_ENOUGH = 0.7
"""From this ratio of difflib on, a name is taken for another one that was misspelt."""

_OTHER_LANGUAGES = {
    "bool": "boolean",
    "integer": "int",
    "short": "int",
    "byte": "int",
    "bigint": "long",
    "number": "double",
    "real": "double",
    "text": "string",
    "str": "string",
    "char": "string",
    "varchar": "string",
    "binary": "bytes",
    "blob": "bytes",
    "object": "record",
    "struct": "record",
    "list": "array",
    "datetime": "timestamp-millis",
    "timestamp": "timestamp-millis",
    "time": "time-millis",
    "guid": "uuid",
}
"""What other languages call the types of Avro."""


def suggest_type(name: str, known: Iterable[str]) -> str:
    """What to write in place of a name that no type has; `known` are the types there are."""
    known = tuple(known)
    simple = split_name(name)[1]
    if same := next((one for one in known if split_name(one)[1] == simple), ""):
        return f'did you mean "{same}"?'
    written = _write_type(_OTHER_LANGUAGES.get(simple.lower(), simple))
    if written:
        return f"write {written}"
    near = get_close_matches(name, known, 1, _LIKE_ENOUGH)
    near = near or get_close_matches(simple, PRIMITIVES, 1, _LIKE_ENOUGH)
    return f'did you mean "{near[0]}"?' if near else "define it in a file of its own"


def suggest_kind(kind: str) -> str:
    """What to write in place of an object whose "type" is none of Avro's."""
    written = _write_type(_OTHER_LANGUAGES.get(kind.lower(), kind))
    if written:
        return f"write {written}"
    return f'to refer to a type by its name write "{kind}" alone, without the object'


def _write_type(name: str) -> str:
    """How a type of Avro's own is written; nothing where it has no such type."""
    if name in PRIMITIVES:
        return f'"{name}"'
    if name in _COMPLEX:
        return f'{{"type": "{name}", ...}} with its attributes, as an object in place of the name'
    bases = bases_of(name)
    if not bases:
        return ""
    tail = ', "precision": ..., "scale": ...' if name == "decimal" else ""
    return f'{{"type": "{bases[0]}", "logicalType": "{name}"{tail}}}'


def suggest_default(value: Json, fits: Callable[[Json], bool]) -> str:
    """What to write in place of a default that does not fit; nothing where that is not known."""
    if not isinstance(value, str) or len(value) > _LONGEST_QUOTED or not value.strip():
        return ""
    try:
        meant = json.loads(value, parse_constant=_refuse)
    except ValueError:
        return ""
    is_meant = not isinstance(meant, str) and fits(meant)
    return f"write {value.strip()} without the quotes" if is_meant else ""


_LONGEST_QUOTED = 40
"""A quoted default longer than this is nothing that was typed by mistake."""


def _refuse(word: str) -> Json:
    raise ValueError(f"{word} is no JSON")
