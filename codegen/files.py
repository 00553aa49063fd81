"""How does a text reach the disk whole? Written beside its place, it is moved there at once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from errno import EBUSY, EEXIST, EISDIR
from os import link, strerror
from os.path import lexists
from pathlib import Path
from types import MappingProxyType

_NOTHING: Mapping[Path, str | None] = MappingProxyType({})


def write_atomically(path: Path, text: str) -> None:
    """Write a file in UTF-8 so that readers see all of it or what was there before.

    Line ends are written as they are. A file that exists keeps its mode, a new one gets what the
    umask leaves. Raises OSError; then what was there before is unchanged.
    """
    write_together({path: text})


class ChangedMeanwhileError(OSError):
    """A file holds something else than what the new text was made from; `filename` names it."""

    def __init__(self, path: Path) -> None:
        super().__init__(EBUSY, "it was changed meanwhile", str(path))


def write_together(texts: Mapping[Path, str], before: Mapping[Path, str | None] = _NOTHING) -> None:
    """Write files as `write_atomically` does, and none of them unless all could be prepared.

    `before` says what a file must still hold, or None where there must be none. Raises OSError,
    among them ChangedMeanwhileError and FileExistsError; then all are as before, unless the disk
    fails between two moves. Folders that were made stay.
    """
    prepared: dict[Path, Path] = {}
    made: list[Path] = []
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
        new = [path for path in prepared if before.get(path, "") is None]
        for path in new:
            _put_new(prepared[path], path)
            made.append(path)
        for path, old in before.items():
            if old is not None and path.read_bytes() != old.encode("utf-8"):
                raise ChangedMeanwhileError(path)
        for path, temporary in prepared.items():
            if path not in new:
                temporary.replace(path)
    except BaseException:
        for leftover in (*made, *prepared.values()):
            with suppress(OSError):
                leftover.unlink()
        raise


def _put_new(temporary: Path, path: Path) -> None:
    """Move a file to where there must be none. Raises FileExistsError, with the path."""
    if lexists(path):
        raise FileExistsError(EEXIST, strerror(EEXIST), str(path))
    try:
        link(temporary, path)
    except FileExistsError:
        raise FileExistsError(EEXIST, strerror(EEXIST), str(path)) from None
    except OSError:
        # Not all file systems have links; a move is the next best.
        temporary.rename(path)
    else:
        temporary.unlink()
