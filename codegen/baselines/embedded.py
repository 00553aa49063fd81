"""The way to the embedded registry: a function call on its SQLite file, no network.

A question never makes the file: a registry that nothing was registered in is simply empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from threading import Lock
from typing import TYPE_CHECKING

from codegen.baselines.registry import Answer
from codegen.diagnostics import CouldNotCheck
from codegen.source import Json

if TYPE_CHECKING:
    from codegen.registry.store import Store


class EmbeddedTransport:
    """The embedded registry in a file, which is opened when it is first needed."""

    def __init__(self, file: FilePath, name: str) -> None:
        self.name = name
        self._file = file
        self._lock = Lock()
        self._store: Store | None = None

    def send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Json = None
    ) -> Answer:
        """Ask the registry in this process. Raises CouldNotCheck for a file that is none."""
        if not self._file.exists() and not _is_change(method, path):
            return _EMPTY.get(path, Answer(404, _NO_SUBJECT))
        from codegen.registry.api import Request, respond  # noqa: PLC0415

        response = respond(self._open(), Request(method, path, query or {}, body))
        return Answer(response.status, response.body)

    def _open(self) -> Store:
        from codegen.registry.store import RegistryError, Store  # noqa: PLC0415

        with self._lock:
            if self._store is None:
                try:
                    self._store = Store(self._file)
                except RegistryError as error:
                    hint = "restore it, or move it away to begin with an empty registry"
                    raise CouldNotCheck(error.message, hint) from None
            return self._store


_NO_SUBJECT = {"error_code": 40401, "message": "Subject not found."}
_EMPTY = {
    "/subjects": Answer(200, []),
    "/config": Answer(200, {"compatibilityLevel": "BACKWARD"}),
}


def _is_change(method: str, path: str) -> bool:
    registers = method == "POST" and path.startswith("/subjects/") and path.endswith("/versions")
    return registers or method in ("PUT", "DELETE")
