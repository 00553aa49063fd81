"""Servers before and beside a registry, for tests: TLS, a forward proxy, a token endpoint."""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from registry_fake import Handler, RegistryFake


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake belongs to the thread of the connection, where it may fail alone.
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with request.dup() as plain:
            try:
                secure = self.context.wrap_socket(request, server_side=True)
            except ssl.SSLError:
                # Closed with something unread, TCP would take back the alert that was sent.
                plain.settimeout(5)
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(65_536):
                    pass
                raise
        super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are refused are what the tests are about."""


@contextmanager
def run(
    handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve on a free port of loopback, whose number it gives."""
    server = _QuietServer(("127.0.0.1", 0), handler)
    server.context = context
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve_tls(fake: RegistryFake, context: ssl.SSLContext) -> Iterator[int]:
    """Serve a registry over TLS."""
    with run(type("BoundHandler", (Handler,), {"fake": fake}), context) as port:
        yield port


class Proxy:
    """A forward proxy that leads every host to 127.0.0.1, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.password = ""

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Gives its address."""
        with run(type("BoundProxy", (_ProxyHandler,), {"proxy": self})) as port:
            yield f"http://127.0.0.1:{port}"


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def do_CONNECT(self) -> None:
        if self._admit():
            port = int(self.path.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as far:
                self.send_response(200)
                self.end_headers()
                self._pass(far)
        self.close_connection = True

    def do_GET(self) -> None:
        if not self._admit():
            return
        parts = urlsplit(self.path)
        target = f"{parts.path}?{parts.query}"
        with socket.create_connection(("127.0.0.1", parts.port or 80)) as far:
            lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
            far.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            while data := far.recv(65_536):
                self.wfile.write(data)
        self.close_connection = True

    def _admit(self) -> bool:
        header = self.headers.get("Proxy-Authorization")
        self.proxy.asked.append((self.command, self.path, header))
        given = b64decode(header.removeprefix("Basic ")).decode() if header else ""
        if self.proxy.password and given != self.proxy.password:
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        return True

    def _pass(self, far: socket.socket) -> None:
        pairs = {self.connection: far, far: self.connection}
        with suppress(OSError):
            while True:
                for ready in select.select(list(pairs), [], [])[0]:
                    data = ready.recv(65_536)
                    if not data:
                        return
                    pairs[ready].sendall(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class AuthorizationServer:
    """An OAuth 2.0 token endpoint. `answer` makes the reply to each request."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], str | None]] = []
        self.lifetime: float | None = 3600
        self.answer: Callable[[], tuple[int, Any]] = self._grant

    def _grant(self) -> tuple[int, Any]:
        body = {"access_token": f"token-{len(self.requests)}", "token_type": "Bearer"}
        return 200, body if self.lifetime is None else {**body, "expires_in": self.lifetime}

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Gives the address of the endpoint."""
        with run(type("BoundEndpoint", (_TokenHandler,), {"server_state": self})) as port:
            yield f"http://127.0.0.1:{port}/oauth2/token"


class _TokenHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: AuthorizationServer

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        values = {key: value[0] for key, value in form.items()}
        self.server_state.requests.append((values, self.headers.get("Authorization")))
        status, body = self.server_state.answer()
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status if self.path == "/oauth2/token" else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
