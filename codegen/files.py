"""How does a text reach the disk whole? Written beside its place, it is moved there at once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from errno import EISDIR
from os import strerror
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write a file in UTF-8 so that readers see all of it or what was there before.

    Line ends are written as they are. A file that exists keeps its mode, a new one gets what the
    umask leaves. Raises OSError; then what was there before is unchanged.
    """
    write_together({path: text})


def write_together(texts: Mapping[Path, str]) -> None:
    """Write files as `write_atomically` does, and none of them unless all could be prepared.

    Raises OSError; then all are as before, unless the disk fails between two moves. Folders that
    were made stay.
    """
    prepared: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(EISDIR, strerror(EISDIR), str(path))
            temporary = path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}"
            prepared[path] = temporary
            with temporary.open("xb") as stream:
                stream.write(text.encode("utf-8"))
            with suppress(FileNotFoundError):
                temporary.chmod(path.stat().st_mode & 0o777)
        for path, temporary in prepared.items():
            temporary.replace(path)
    except BaseException:
        for temporary in prepared.values():
            with suppress(OSError):
                temporary.unlink()
        raise
