"""The retail example: three services that talk through Kafka topics only.

There is one copy of it. Its contracts are this repository's own schemas/, its services lie beside
this module; `kontrakt init` and `kontrakt demo` write both into a folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from errno import EEXIST
from os import strerror
from pathlib import Path

from codegen.files import write_together

_HERE = Path(__file__).parent


def example_files() -> dict[str, str]:
    """The files of a contract repository with the retail example, by path: schemas and services."""
    files: dict[str, str] = {}
    for folder, prefix in ((_schemas(), "schemas"), (_HERE / "services", "services")):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".avsc", ".yaml", ".py"):
                name = f"{prefix}/{path.relative_to(folder).as_posix()}"
                files[name] = path.read_text("utf-8")
    # Editors find the schema of the manifest elsewhere than in this project.
    comment, _, rest = files["schemas/contracts.yaml"].partition("\n")
    assert comment.startswith("# yaml-language-server:")
    files["schemas/contracts.yaml"] = rest
    return files


def write_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write files, by path, under a folder and return the paths; nothing is overwritten.

    Either all are written or none. Raises FileExistsError, with the path, for what is there already
    or is a file where a folder has to be, and OSError.
    """
    for name in files:
        path = folder / name
        for place in (path, *path.parents):
            if (place == path and os.path.lexists(path)) or place.is_file():
                raise FileExistsError(EEXIST, strerror(EEXIST), str(place))
    write_together({folder / name: text for name, text in files.items()})
    return sorted(files)


def _schemas() -> Path:
    # An installed kontrakt carries the schemas inside the package, a checkout beside it.
    packaged = _HERE / "schemas"
    return packaged if packaged.is_dir() else _HERE.parent.parent / "schemas"
