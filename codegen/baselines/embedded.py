"""The way to the embedded registry: a function call on its SQLite file, no network.

A question never makes the file: until something is registered, the registry is simply empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from threading import Lock

from codegen.baselines.answers import Answer
from codegen.diagnostics import CouldNotCheck
from codegen.registry.api import respond
from codegen.registry.call import Request
from codegen.registry.entries import RegistryError
from codegen.registry.store import Store
from codegen.source import Json


class EmbeddedTransport:
    """The embedded registry in a file; the file is opened when something is first asked."""

    def __init__(self, file: FilePath, name: str) -> None:
        self.name = name
        self._file = file
        self._lock = Lock()
        self._store: Store | None = None
        self._is_in_memory = False

    def send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Json = None
    ) -> Answer:
        """Ask the registry in this process. Raises CouldNotCheck for a file that is none."""
        try:
            store = self._open(_is_change(method, path))
            response = respond(store, Request(method, path, query or {}, body))
        except RegistryError as error:
            hint = "see whether it is in use or damaged; kontrakt register --apply fills a new one"
            raise CouldNotCheck(f"{self.name} cannot be used: {error.message}", hint) from None
        return Answer(response.status, response.body)

    def _open(self, for_change: bool) -> Store:
        """The store; an empty one in memory as long as there is no file and none is needed."""
        with self._lock:
            # A file in place of the folder is no empty registry: opening it says so.
            is_absent = not self._file.exists() and not self._file.parent.is_file()
            in_memory = not for_change and is_absent
            if self._store is None or (self._is_in_memory and not in_memory):
                self._store = Store(":memory:" if in_memory else self._file)
                self._is_in_memory = in_memory
            return self._store


def _is_change(method: str, path: str) -> bool:
    registers = method == "POST" and path.startswith("/subjects/") and path.endswith("/versions")
    return registers or method in ("PUT", "DELETE")
