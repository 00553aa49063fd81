"""Which modules of the runtime a package carries: those that it imports, and those that they do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files as resources
from importlib.resources.abc import Traversable

_USED = re.compile(r"from \._runtime\.([\w.]+) import")
_PACKAGE = "__init__"


def runtime_modules(pages: Iterable[str]) -> Mapping[str, str]:
    """The texts of the files that a package with these pages needs, by their path in the runtime.

    Sorted by path; the separator is "/".
    """
    texts = _texts()
    needed: set[str] = set()
    waiting = [
        _PACKAGE,
        *(name.replace(".", "/") for page in pages for name in _USED.findall(page)),
    ]
    while waiting:
        path = waiting.pop()
        if path not in needed:
            needed.add(path)
            waiting += _imports(path)
    return {f"{path}.py": texts[path] for path in sorted(needed)}


@cache
def _texts() -> Mapping[str, str]:
    return dict(_walk(resources(__package__) / "runtime", ""))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield prefix + entry.name.removesuffix(".py"), entry.read_text(encoding="utf-8")


@cache
def _imports(path: str) -> tuple[str, ...]:
    """The other files that one imports, also those that only its types or its functions need."""
    folders = path.split("/")[:-1]
    found = ["/".join((*folders, _PACKAGE))]
    for node in ast.walk(ast.parse(_texts()[path])):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*folders[: len(folders) + 1 - node.level], *(node.module or "").split(".")]
            place = "/".join(filter(None, base))
            names = [f"{place}/{alias.name}".lstrip("/") for alias in node.names]
            found += [name for name in (place, *names) if name in _texts()]
    return tuple(found)
