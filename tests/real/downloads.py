"""Where do downloads go, and who fetches each of them once?

A folder of the user's cache holds one folder for each thing that was fetched. It is made beside its
place and renamed into it, so it is whole or absent; a lock keeps parallel workers from fetching the
same thing twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from real.processes import Missing


def cache_folder() -> Path:
    """The folder of the user's cache that keeps what these tests download."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "kontrakt-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetch_once(kind: str, names: Sequence[str], fill: Callable[[Path], None]) -> Path:
    """The folder that holds what `names` stand for; `fill` is called for the first who asks."""
    key = hashlib.sha256("\n".join([kind, *names]).encode()).hexdigest()[:16]
    first = "".join(letter if letter.isalnum() else "-" for letter in names[0].rpartition("/")[2])
    folder = cache_folder() / f"{kind}-{first}-{key}"
    with _locked(folder.with_suffix(".lock")):
        if not folder.exists():
            made = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
            try:
                fill(made)
                made.rename(folder)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
    return folder


def run_downloader(command: Sequence[str | Path], folder: Path) -> None:
    """Run a program that downloads into a folder. Raises Missing with its last words."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        program = Path(command[0]).name
        raise Missing(f"{program} could not download; see that the network lets it:\n{tail}")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:
        raise Missing("the real parts are started on Linux and macOS only") from None
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
