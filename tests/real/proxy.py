"""What does a client do when the network is slow, cut or dead? A TCP proxy to find out.

It passes bytes between clients and one port of the loopback interface, and can delay them, cut the
connections, refuse new ones, or stall: keep everything open and pass nothing.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

from real.processes import HOST

_PIECE = 65_536


class Proxy:
    """A proxy that runs. Its methods take effect at once, for open connections too."""

    def __init__(self, target: int, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self.address = f"{HOST}:{self.port}"
        self.delay = 0.0
        """Seconds that each piece of data waits, each way."""
        self.accepted = 0
        """How many connections clients have made."""
        self._target = target
        self._listener = listener
        self._flows = threading.Event()
        self._flows.set()
        self._refuses = False
        self._left: int | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """Pass nothing from now on; connections stay open, and new ones are taken."""
        self._flows.clear()

    def cut(self) -> None:
        """Break all connections, with a reset, and each new one at once, until `restore`."""
        self._refuses = True
        self._break_all()

    def cut_after(self, answered: int) -> None:
        """Cut, as `cut` does, when so many more bytes of answers have passed."""
        self._left = answered

    def drop_connections(self) -> None:
        """Break the connections that are open now; new ones are served."""
        self._break_all()

    def restore(self) -> None:
        """Pass everything again, without delay."""
        self.delay = 0.0
        self._left = None
        self._refuses = False
        self._flows.set()

    def close(self) -> None:
        """Stop listening and break all connections."""
        self._refuses = True
        # A thread that waits in accept() hears of a shutdown, not of a close.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flows.set()
        self._break_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                server = socket.create_connection((HOST, self._target), 5)
                server.settimeout(None)
            except OSError:
                _reset(client)
                continue
            with self._lock:
                self._pairs.append((client, server))
            # Asked after the pair is listed, so that no cut can miss it.
            if self._refuses:
                self._break_all()
                continue
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there = threading.Thread(target=self._pass, args=(client, server, False), daemon=True)
        there.start()
        self._pass(server, client, True)
        there.join()
        with self._lock:
            if (client, server) in self._pairs:
                self._pairs.remove((client, server))
        client.close()
        server.close()

    def _pass(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if self.delay:
                    time.sleep(self.delay)
                self._flows.wait()
                if is_answer and self._left is not None:
                    piece = piece[: self._left]
                    self._left -= len(piece)
                sink.sendall(piece)
                if self._left == 0:
                    self.cut()
            sink.shutdown(socket.SHUT_WR)

    def _break_all(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                _reset(one)


def open_proxy(target: int) -> Proxy:
    """A proxy on a free port for a port of the loopback interface."""
    return Proxy(target, socket.create_server((HOST, 0)))


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Lingering for no time makes the end a reset: what a dead host's neighbour sends.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
    connection.close()
