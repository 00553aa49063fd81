"""How does a text reach the disk whole? Written beside its place, it is moved there at once."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write a file in UTF-8 so that readers see all of it or what was there before.

    Line ends are written as they are. A file that exists keeps its mode, a new one gets what the
    umask leaves. Raises OSError; then what was there before is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8")
    temporary = path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
        with suppress(FileNotFoundError):
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
