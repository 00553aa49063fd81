"""Which modules of the runtime a package carries: those that it imports, and those that they do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files as resources

_USED = re.compile(r"from \._runtime\.(\w+) import")


def runtime_modules(pages: Iterable[str]) -> Mapping[str, str]:
    """The texts of the modules that a package with these pages needs, by name, sorted."""
    texts = _texts()
    needed = {"__init__"}
    waiting = [name for page in pages for name in _USED.findall(page)]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _imports(name)
    return {name: texts[name] for name in sorted(needed)}


@cache
def _texts() -> Mapping[str, str]:
    folder = resources(__package__) / "runtime"
    return {
        entry.name.removesuffix(".py"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".py")
    }


@cache
def _imports(name: str) -> tuple[str, ...]:
    """The other modules that one imports, also those that only its types or its functions need."""
    found: list[str] = []
    for node in ast.walk(ast.parse(_texts()[name])):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found += [node.module] if node.module else [alias.name for alias in node.names]
    return tuple(found)
