"""A registry over HTTP for tests: small, in memory, and able to misbehave on demand.

It is written from Confluent's documentation of the API and shares no code with the product.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Reply = tuple[int, Any]


class RegistryFake:
    """What the fake holds. `versions[subject]` is a list of the API's own version objects."""

    def __init__(self) -> None:
        self.versions: dict[str, list[dict[str, Any]]] = {}
        self.levels: dict[str, str] = {}
        self.level = "BACKWARD"
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.behave: Callable[[Handler], bool] | None = None
        """Answers a request itself and returns True, or lets the fake answer."""
        self.refuse: Callable[[str, str], Reply | None] = lambda subject, text: None
        """What the compatibility check says against a text; None when nothing."""
        self.prefix = ""
        self.page = 0
        """The most subjects or schemas in one page; 0 for a server without paging."""
        self.lists_schemas = False
        """Whether it has the list of all schemas (Confluent 6 and later)."""

    def add(
        self,
        subject: str,
        schema: Any,
        references: list[dict[str, Any]] | None = None,
        type: str = "AVRO",
    ) -> dict[str, Any]:
        text = schema if isinstance(schema, str) else json.dumps(schema, separators=(",", ":"))
        for held in self.versions.get(subject, []):
            if held["schema"] == text and held.get("references", []) == (references or []):
                return held
        every = [item for items in self.versions.values() for item in items]
        known = [item["id"] for item in every if item["schema"] == text]
        version = {
            "subject": subject,
            "version": len(self.versions.get(subject, [])) + 1,
            "id": known[0] if known else max((item["id"] for item in every), default=0) + 1,
            "schema": text,
        }
        if references:
            version["references"] = references
        if type != "AVRO":
            version["schemaType"] = type
        self.versions.setdefault(subject, []).append(version)
        return version

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match (method, *parts):
            case ("GET", "subjects"):
                return 200, self._cut(sorted(self.versions), query)
            case ("GET", "schemas") if self.lists_schemas:
                every = [item for _, items in sorted(self.versions.items()) for item in items]
                return 200, self._cut(every, query)
            case ("GET", "subjects", subject, "versions"):
                if subject not in self.versions:
                    return _no_subject(subject)
                return 200, [item["version"] for item in self.versions[subject]]
            case ("GET", "subjects", subject, "versions", number):
                return self._version(subject, number)
            case ("POST", "subjects", subject):
                if subject not in self.versions:
                    return _no_subject(subject)
                for item in self.versions[subject]:
                    if item["schema"] == body["schema"] and item.get("references", []) == body.get(
                        "references", []
                    ):
                        return 200, item
                return 404, {"error_code": 40403, "message": "Schema not found"}
            case ("POST", "subjects", subject, "versions"):
                refused = self.refuse(subject, body["schema"])
                if refused is not None:
                    return refused
                return 200, {"id": self.add(subject, body["schema"], body.get("references"))["id"]}
            case ("GET", "schemas", "ids", number):
                for items in self.versions.values():
                    for item in items:
                        if item["id"] == int(number):
                            return 200, {"schema": item["schema"]}
                return 404, {"error_code": 40403, "message": "Schema not found"}
            case ("GET", "config"):
                return 200, {"compatibilityLevel": self.level}
            case ("PUT", "config"):
                self.level = body["compatibility"]
                return 200, body
            case ("GET", "config", subject):
                if subject not in self.levels:
                    return 404, {"error_code": 40408, "message": "no level configured"}
                return 200, {"compatibilityLevel": self.levels[subject]}
            case ("PUT", "config", subject):
                self.levels[subject] = body["compatibility"]
                return 200, body
            case ("POST", "compatibility", "subjects", subject, "versions", *_):
                refused = self.refuse(subject, body["schema"])
                if refused is None:
                    return 200, {"is_compatible": True, "messages": []}
                return 200, {"is_compatible": False, "messages": [refused[1]["message"]]}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _cut(self, items: list[Any], query: dict[str, str]) -> list[Any]:
        start = int(query.get("offset", "0"))
        return items[start:][: min(self.page, int(query["limit"]))] if self.page else items

    def _version(self, subject: str, number: str) -> Reply:
        if subject not in self.versions:
            return _no_subject(subject)
        items = self.versions[subject]
        if number == "latest":
            return 200, items[-1]
        found = [item for item in items if item["version"] == int(number)]
        if not found:
            return 404, {"error_code": 40402, "message": f"Version {number} not found."}
        return 200, found[0]


def _no_subject(subject: str) -> Reply:
    return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: RegistryFake
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.fake.requests.append((self.command, parts.path, query, body))
        if self.fake.behave is not None and self.fake.behave(self):
            return
        if not parts.path.startswith(self.fake.prefix):
            self.reply(404, b"<html>Not found</html>", "text/html")
            return
        path = parts.path.removeprefix(self.fake.prefix)
        status, value = self.fake.answer(self.command, path, query, body)
        self.reply(status, json.dumps(value).encode())

    do_GET = do_POST = do_PUT = do_DELETE = _handle

    def reply(
        self,
        status: int,
        data: bytes,
        kind: str = "application/vnd.schemaregistry.v1+json",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class _QuietServer(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what several tests are about."""


@contextmanager
def serve(fake: RegistryFake) -> Iterator[str]:
    """Serve the fake on a free port of loopback; gives its base address."""
    handler = type("BoundHandler", (Handler,), {"fake": fake})
    server = _QuietServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{fake.prefix}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
