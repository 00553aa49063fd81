"""Answers that end: what a server sends is bounded in time and size from its first byte on.

The time-out of a socket starts anew with each byte, so a server could send its headers, or one
provisional answer after the other, in drops and for ever. Here all that it sends counts.
"""

from __future__ import annotations

import io
from http.client import HTTPResponse
from socket import socket
from time import monotonic
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from codegen.baselines.http.failures import TooLong, TooSlow

MAX_ANSWER = 16_000_000
"""A longer answer, in bytes after decompression, is refused."""

SLOWEST = 50_000
"""Bytes a second that an answer must come at, once the time-out has passed."""

_MAX_SENT = MAX_ANSWER + 1_000_000
"""Bytes of one answer on the wire, headers and the frames of chunks included."""


class _Incoming(io.RawIOBase):
    """What comes in through a socket, up to the bounds."""

    def __init__(self, source: io.RawIOBase, timeout: float) -> None:
        self._source = source
        self._timeout = timeout
        self._started: float | None = None
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._source.readinto(buffer)
        now = monotonic()
        self._started = self._started or now
        self._received += count or 0
        if self._received > _MAX_SENT:
            raise TooLong
        if now - self._started > self._timeout + self._received / SLOWEST:
            raise TooSlow
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        incoming = _Incoming(self.fp.detach(), sock.gettimeout() or 0.0)
        self.fp = io.BufferedReader(incoming, 65_536)


class _PlainConnection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS = {"http": _PlainPool, "https": _SecurePool}
"""What a pool manager of urllib3 makes for each scheme."""
