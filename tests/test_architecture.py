"""The shape of the house: where each library is imported, and what a start costs.

The layers themselves are import-linter's business (`make lint`).
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "codegen"

HOMES = {
    "click": "cli/",
    "urllib3": "baselines/http/",
    "jinja2": "targets/",
    "fastavro": "targets/",
    "jsonschema": ("contract/manifest.py", "generation.py", "publication/document.py"),
    "ruamel": "source.py",
    "h11": "registry/http.py",
    "starlette": "registry/http.py",
    "uvicorn": "registry/http.py",
    "sqlite3": ("registry/database.py", "retail/", "targets/python/runtime/"),
    "confluent_kafka": (
        "cluster.py",
        "retail/demo.py",
        "targets/python/runtime/kafka/",
    ),
    "pytest": "registry/pytest_plugin.py",
    "pygls": ("language_server/server.py", "language_server/session.py"),
    "lsprotocol": ("language_server/server.py", "language_server/session.py"),
}
"""The only places that import each library."""


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "retail/services" not in path.as_posix())


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_in_one_place(library: str) -> None:
    homes = HOMES[library]
    users = [path.relative_to(PACKAGE).as_posix() for path in SOURCES if library in imports(path)]
    assert users, "nobody uses it"
    assert [user for user in users if not user.startswith(homes)] == []


def test_no_other_library_is_imported() -> None:
    known = set(sys.stdlib_module_names) | {"codegen"} | HOMES.keys()
    strangers = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in SOURCES
        for name in imports(path) - known
    }
    assert strangers == set()


def test_the_help_loads_nothing_but_click() -> None:
    program = (
        "import sys; from codegen.cli import main; sys.argv = ['kontrakt', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    heavy = {
        "jinja2",
        "urllib3",
        "jsonschema",
        "ruamel",
        "fastavro",
        "confluent_kafka",
        "sqlite3",
    }
    assert loaded & (heavy | {"dataclasses", "codegen.source", "codegen.diagnostics"}) == set()


def test_no_plural_is_made_by_hand() -> None:
    """`codegen.counting` knows when a word takes its plural; generated code has no such room."""
    by_hand = re.compile(r"""['"]s['"] if|else ['"]s['"]""")
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in SOURCES
        if by_hand.search(path.read_text("utf-8")) and "runtime" not in path.parts
    }
    assert found == set()
