"""Which file holds a type? Its namespace gives the folders, its name the file's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from codegen.avro.schema import split_name

_LONGEST = 100
"""A name of more characters is cut, and told from others by a hash."""

_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9])", re.ASCII | re.IGNORECASE)
"""What Windows takes for a device, with any extension."""


def choose_path(name: str, taken: Collection[str]) -> str:
    """The file for a type, under schemas/: its namespace as folders, its name as the file's.

    `taken` are the paths in use, in lower case: file systems may not tell upper from lower case.
    """
    namespace, simple = split_name(name)
    folders = [_shorten(part) for part in namespace.split(".") if part]
    stem = "/".join(("schemas", *folders, _shorten(simple)))
    if f"{stem}.avsc".lower() in taken:
        stem += f"-{_hash(name)}"
    return f"{stem}.avsc"


def _shorten(part: str) -> str:
    is_usable = len(part) <= _LONGEST and not _DEVICE.fullmatch(part)
    return part if is_usable else f"{part[:_LONGEST]}-{_hash(part)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
