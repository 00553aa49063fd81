"""How is a real server started, watched and stopped?

Each one runs in a process group of its own, with its output in a log file. A keeper, one small
process for each pytest worker, ends the groups that are left when the worker dies in whatever way,
so nothing outlives a run. Nothing here ends a process that was not started here.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

HOST = "127.0.0.1"

Started = TypeVar("Started")


class Missing(Exception):
    """Something that a real part needs is not on this machine; the message says what to install."""


class DidNotStart(Exception):
    """A server ended, or never answered, while it started; the message ends with its log."""


def find_program(name: str, install: str) -> str:
    """The path of a program. Raises Missing, saying what to install."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not on the PATH; install {install}")
    return found


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def start_on_free_ports(start: Callable[[int], Started]) -> Started:
    """Start something, again on new ports should somebody else take one in between.

    `start` is called with the number of the attempt. Raises DidNotStart.
    """
    for attempt in (1, 2):
        try:
            return start(attempt)
        except DidNotStart as error:
            if "already in use" not in str(error).lower():
                raise
    return start(3)


def wait_until(is_true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something to become true. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


class Server:
    """A server process: started, killed and started again with the same command."""

    running: ClassVar[list[Server]] = []
    """All that run now, for the reports of failed tests."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        answers: Callable[[], bool],
        *,
        environment: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: str | None = None,
        patience: float = 90.0,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._answers = answers
        self._environment = {**os.environ, **(environment or {})}
        self._stop_signal = stop_signal
        self._user = user
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the process; `wait` tells when it answers."""
        assert not self.is_running, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                env=self._environment,
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
            )
        _keeper.keep(self._process.pid)
        Server.running.append(self)

    def wait(self) -> None:
        """Wait until it answers. Raises DidNotStart, and stops it then."""
        try:
            wait_until(lambda: not self.is_running or self._answers(), self._patience, self.name)
        except TimeoutError as error:
            self.stop()
            raise DidNotStart(f"{error}\n{self.log_tail()}") from None
        if not self.is_running:
            assert self._process is not None
            code = self._process.returncode
            self.stop()
            raise DidNotStart(f"{self.name} ended with {code}\n{self.log_tail()}")

    def start(self) -> None:
        """Start the process and wait until it answers. Raises DidNotStart."""
        self.launch()
        self.wait()

    def stop(self, seconds: float = 15.0) -> None:
        """Ask it to stop, and kill it when it does not. Does nothing when it is stopped."""
        self._end(self._stop_signal, seconds)

    def kill(self) -> None:
        """End it at once, as a crash of the machine would."""
        self._end(signal.SIGKILL, 15.0)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers, until `resume`."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._send(signal.SIGCONT)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it wrote."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _end(self, ending: signal.Signals, seconds: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            # Once the process was waited for, its number may be another's.
            if process.poll() is None:
                _signal_group(process.pid, ending)
                # One that is frozen hears no signal but the last.
                _signal_group(process.pid, signal.SIGCONT)
                process.wait(seconds)
        except BaseException as error:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        finally:
            _keeper.forget(process.pid)
            Server.running.remove(self)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} does not run"
        _signal_group(self._process.pid, number)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


_KEEPER = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    number = int(line)
    groups.add(number) if number > 0 else groups.discard(-number)
for ending in (signal.SIGTERM, signal.SIGCONT, signal.SIGKILL):
    for group in groups:
        try:
            os.killpg(group, ending)
        except OSError:
            pass
    if groups and ending is signal.SIGCONT:
        time.sleep(3)
"""


class _Keeper:
    """A process that ends the groups it was told of when its standard input ends: when we die."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def keep(self, group: int) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _KEEPER],
                stdin=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            atexit.register(self._close)
        self._tell(group)

    def forget(self, group: int) -> None:
        self._tell(-group)

    def _tell(self, number: int) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()

    def _close(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


_keeper = _Keeper()
