"""The embedded registry as an HTTP server: Starlette and uvicorn around `api.respond`.

It binds the loopback interface unless told otherwise, bounds what it reads, and answers everything,
errors included, as JSON in Confluent's content type.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from codegen.diagnostics import KontraktError
from codegen.registry.api import Request, respond
from codegen.registry.store import Store

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response as HttpResponse

MAX_BODY = 10_000_000
"""A longer request body, in bytes, is refused with 413."""

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
ACCEPTED = (
    "application/vnd.schemaregistry.v1+json",
    "application/vnd.schemaregistry+json",
    "application/json",
    "application/octet-stream",
)
"""The content types that a request may have."""


def make_application(store: Store) -> Starlette:
    """The ASGI application. Raises KontraktError when the extra `server` is not installed."""
    try:
        from starlette.applications import Starlette  # noqa: PLC0415
        from starlette.concurrency import run_in_threadpool  # noqa: PLC0415
        from starlette.responses import Response as HttpResponse  # noqa: PLC0415
        from starlette.routing import Route  # noqa: PLC0415
    except ImportError:
        raise _missing_extra() from None

    def write(status: int, body: object) -> HttpResponse:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return HttpResponse(
            text.encode("utf-8", "backslashreplace"), status, media_type=CONTENT_TYPE
        )

    def refuse(status: int, message: str) -> HttpResponse:
        return write(status, {"error_code": status, "message": message})

    async def handle(request: HttpRequest) -> HttpResponse:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BODY:
                return refuse(413, f"The body is longer than {MAX_BODY} bytes")
        body = None
        if data:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind and kind not in ACCEPTED:
                return refuse(415, "HTTP 415 Unsupported Media Type")
            try:
                body = json.loads(data.decode("utf-8"))
            except (ValueError, RecursionError):
                return refuse(400, "The body is not JSON")
        path = request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
        asked = Request(request.method, path, dict(request.query_params), body)
        answer = await run_in_threadpool(respond, store, asked)
        if answer.text is not None:
            return HttpResponse(answer.text, answer.status, media_type=CONTENT_TYPE)
        return write(answer.status, answer.body)

    methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
    return Starlette(routes=[Route("/{path:path}", handle, methods=methods)])


def serve(store: Store, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `on_ready` is told the address. Port 0 takes a free one.

    Raises KontraktError when the port cannot be had or the extra `server` is missing.
    """
    listening = _listen(host, port)
    with listening:
        on_ready(_address(listening))
        _make_server(store).run([listening])


@contextmanager
def serve_in_thread(store: Store, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve beside the caller as long as the context lasts; its value is the address."""
    listening = _listen(host, port)
    server = _make_server(store)
    thread = threading.Thread(target=server.run, args=([listening],), name="registry", daemon=True)
    thread.start()
    try:
        yield _address(listening)
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def _make_server(store: Store) -> uvicorn.Server:
    application = make_application(store)
    try:
        import uvicorn  # noqa: PLC0415
    except ImportError:
        raise _missing_extra() from None
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise KontraktError(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}",
            "choose another with --port; 0 takes a free one",
        ) from None


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _missing_extra() -> KontraktError:
    return KontraktError(
        "the registry's server needs Starlette and uvicorn", "pip install 'kontrakt[server]'"
    )
