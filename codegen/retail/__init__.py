"""The retail example: three services that talk through Kafka topics only.

There is one copy of it. Its contracts are this repository's own schemas/, its services lie beside
this module; `kontrakt init` and `kontrakt demo` write both into a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_HERE = Path(__file__).parent


def example_files() -> dict[str, str]:
    """The files of a contract repository with the retail example, by path: schemas and services."""
    files: dict[str, str] = {}
    for folder, prefix in ((_schemas(), "schemas"), (_HERE / "services", "services")):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".avsc", ".yaml", ".py"):
                name = f"{prefix}/{path.relative_to(folder).as_posix()}"
                files[name] = path.read_text("utf-8")
    return files


def write_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write files, by path, under a folder and return the paths; nothing is overwritten.

    Raises FileExistsError, before anything is written, for a file that is there already.
    """
    for name in files:
        if (folder / name).exists():
            raise FileExistsError(str(folder / name))
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return sorted(files)


def _schemas() -> Path:
    # An installed kontrakt carries the schemas inside the package, a checkout beside it.
    packaged = _HERE / "schemas"
    return packaged if packaged.is_dir() else _HERE.parent.parent / "schemas"
