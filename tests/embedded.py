"""The embedded registry, asked through its API without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from codegen.registry.api import respond
from codegen.registry.call import Request
from codegen.registry.store import Store


class Registry:
    """A store, asked through its API."""

    def __init__(self, file: Path | str = ":memory:") -> None:
        self.store = Store(file)

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        answer = respond(self.store, Request(method, path, query, body))
        json.dumps(answer.body)
        return answer.status, answer.body if answer.text is None else answer.text

    def get(self, path: str, **query: str) -> Any:
        status, body = self.ask("GET", path, **query)
        assert status == 200, body
        return body

    def code(self, method: str, path: str, body: Any = None, **query: str) -> int:
        status, answer = self.ask(method, path, body, **query)
        assert status >= 400, answer
        assert isinstance(answer["message"], str)
        code: int = answer["error_code"]
        assert status == (code if code < 1000 else code // 100)
        return code

    def register(self, subject: str, schema: Any, normalize: bool = False, **more: Any) -> int:
        body = {"schema": schema if isinstance(schema, str) else json.dumps(schema), **more}
        path = f"/subjects/{quote(subject, safe='')}/versions"
        status, answer = self.ask("POST", path, body, normalize=str(normalize))
        assert status == 200, answer
        id: int = answer["id"]
        return id

    def versions(self, subject: str) -> dict[int, int]:
        """The id of each live version."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        return {n: self.get(f"{path}/{n}")["id"] for n in self.get(path)}

    def level(self, level: str, subject: str = "") -> None:
        path = f"/config/{subject}" if subject else "/config"
        assert self.ask("PUT", path, {"compatibility": level})[0] == 200
