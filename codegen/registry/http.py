"""The embedded registry as an HTTP server: uvicorn, with Starlette's requests, around `respond`.

It binds the loopback interface unless told otherwise, bounds what it reads, turns away what web
pages of other sites send through a browser, and answers everything, errors included, as JSON in
Confluent's content type.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codegen.diagnostics import KontraktError
from codegen.registry.api import Response, respond
from codegen.registry.call import Request
from codegen.registry.store import Store

if TYPE_CHECKING:
    import uvicorn
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response as HttpResponse
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY = 10_000_000
"""A longer request body, in bytes, is refused with 413."""

MAX_HEAD = 64 * 1024
"""A longer request line with its headers, in bytes, is refused with 400."""

MAX_CONNECTIONS = 500
"""More connections at once are refused with 503."""

PATIENCE = 30.0
"""Whoever takes longer, in seconds, to send a head or a body is hung up on."""

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
ACCEPTED = (
    "application/vnd.schemaregistry.v1+json",
    "application/vnd.schemaregistry+json",
    "application/json",
    "application/octet-stream",
)
"""The content types that a request may have; one without any is taken for JSON."""

_log = logging.getLogger("kontrakt.registry")


def serve(store: Store, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is under way and return.

    To be called in the main thread. Port 0 takes a free one; `on_ready` is told the address once
    it answers. Raises KontraktError when the port cannot be had or the extra `server` is missing.
    """
    stopping = threading.Event()
    # No KeyboardInterrupt: one that hits Thread.join makes it forget that the thread still runs.
    before = {
        number: signal.signal(number, lambda number, frame: stopping.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        with _run(store, host, port) as (address, thread):
            on_ready(address)
            while thread.is_alive() and not stopping.wait(1):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def serve_in_thread(store: Store, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve beside the caller as long as the context lasts; its value is the address.

    Raises KontraktError like `serve`.
    """
    with _run(store, host, port) as (address, _):
        yield address


@contextmanager
def _run(store: Store, host: str, port: int) -> Iterator[tuple[str, threading.Thread]]:
    with _listen(host, port) as listening:
        server = _make_server(store, is_local=is_loopback(listening.getsockname()[0]))
        thread = threading.Thread(target=server.run, args=([listening],), name="registry")
        thread.start()
        try:
            while thread.is_alive() and not server.started:
                time.sleep(0.005)
            yield _address(listening), thread
        finally:
            server.should_exit = True
            thread.join()


def _make_server(store: Store, is_local: bool) -> uvicorn.Server:
    try:
        import uvicorn  # noqa: PLC0415
    except ImportError:
        raise _missing_extra() from None
    config = uvicorn.Config(
        make_application(store, is_local),
        http=_make_protocol(),
        h11_max_incomplete_event_size=MAX_HEAD,
        limit_concurrency=MAX_CONNECTIONS,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def _make_protocol() -> type[asyncio.Protocol]:
    """uvicorn's protocol, which by itself waits for ever for the rest of a request's head."""
    import h11  # noqa: PLC0415
    from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415

    class ImpatientProtocol(H11Protocol):
        hanging_up: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._stop_waiting()

        def _wait_for_head(self) -> None:
            if self.conn.their_state is not h11.IDLE:
                self._stop_waiting()
            elif self.hanging_up is None:
                self.hanging_up = self.loop.call_later(PATIENCE, self.transport.close)

        def _stop_waiting(self) -> None:
            if self.hanging_up is not None:
                self.hanging_up.cancel()
                self.hanging_up = None

    return ImpatientProtocol


def make_application(store: Store, is_local: bool) -> ASGIApp:
    """The ASGI application; `is_local` is for a server that only this machine can reach.

    Raises KontraktError when the extra `server` is not installed.
    """
    try:
        from starlette.requests import ClientDisconnect  # noqa: PLC0415
        from starlette.requests import Request as HttpRequest  # noqa: PLC0415
        from starlette.responses import Response as HttpResponse  # noqa: PLC0415
    except ImportError:
        raise _missing_extra() from None

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        try:
            refusal = _check_sender(request, is_local)
            answer = refusal or await _answer(store, request)
        except ClientDisconnect:
            return
        except Exception:
            _log.exception("%s %s failed", request.method, request.url.path)
            answer = _refuse(500, "The registry failed; its log says how", 50001)
        await _write(answer, HttpResponse)(scope, receive, send)

    return application


async def _answer(store: Store, request: HttpRequest) -> Response:
    data = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_BODY:
                    return _refuse(413, f"The body is longer than {MAX_BODY} bytes")
    except TimeoutError:
        return _refuse(408, f"The body did not come within {PATIENCE:g} seconds")
    body = None
    if data:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind and kind not in ACCEPTED:
            return _refuse(415, "HTTP 415 Unsupported Media Type")
        try:
            body = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):
            return _refuse(400, "The body is not JSON")
    path = request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
    query = {name: request.query_params.getlist(name) for name in request.query_params}
    asked = Request(request.method, path, query, body)
    return await asyncio.to_thread(respond, store, asked)


def _check_sender(request: HttpRequest, is_local: bool) -> Response | None:
    """Refuse what a page of another site sends: a browser tells where it comes from.

    A page whose own name was made to mean this machine names that name as the host.
    """
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    try:
        is_own_page = origin is None or urlsplit(origin).netloc == host
        is_own_name = not is_local or is_loopback(urlsplit(f"//{host}").hostname or "localhost")
    except ValueError:
        is_own_page = is_own_name = False
    if is_own_page and is_own_name:
        return None
    return _refuse(
        403,
        f"Only this machine is served, and no pages of other sites (host {host[:100]!r}); "
        "to serve others, start with --host",
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself, reached from nowhere else."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse(status: int, message: str, code: int | None = None) -> Response:
    return Response(status, {"error_code": code or status, "message": message})


def _write(answer: Response, kind: type[HttpResponse]) -> HttpResponse:
    text = answer.text
    if text is None:
        text = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":"))
    data = text.encode("utf-8", "backslashreplace")
    # The rest of a body that came too slowly is not waited for.
    headers = {"Connection": "close"} if answer.status == 408 else None
    return kind(data, answer.status, headers, media_type=CONTENT_TYPE)


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
