"""Ends the asyncio consumers of an event loop on SIGTERM and SIGINT, in order."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from .stopping import NUMBERS


@contextmanager
def stop_on_signals(
    stop: Callable[[], None], interrupt: Callable[[], None]
) -> Generator[None, None, None]:
    """Call `stop` on the first signal; the second one cancels the task that is in the block.

    `interrupt` is called before that, since what is in hand is done by other tasks. Every block of
    an event loop hears the signals. A thread that is not the main one hears none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    task = asyncio.current_task()
    is_asked = False

    def hear() -> None:
        nonlocal is_asked
        if is_asked and task is not None:
            # Asked twice: a handler in hand does not return.
            interrupt()
            task.cancel()
        is_asked = True
        stop()

    loop = asyncio.get_running_loop()
    signals = _signals.get(loop)
    if signals is None:
        signals = _signals[loop] = _Signals()
    try:
        signals.add(hear)
    except NotImplementedError:
        # Windows: asyncio.run cancels this task on SIGINT, which leaves in order as well.
        yield
        return
    try:
        yield
    finally:
        signals.remove(hear)


class _Signals:
    """Who hears the signals of one event loop, which knows one handler for each."""

    def __init__(self) -> None:
        self._hearers: list[Callable[[], None]] = []
        self._before: dict[signal.Signals, Any] = {}

    def add(self, hear: Callable[[], None]) -> None:
        """Raises NotImplementedError where event loops hear no signals."""
        if not self._hearers:
            self._before = {number: signal.getsignal(number) for number in NUMBERS}
            for number in NUMBERS:
                asyncio.get_running_loop().add_signal_handler(number, self._tell)
        self._hearers.append(hear)

    def remove(self, hear: Callable[[], None]) -> None:
        """The last one leaves the signals as the first has found them."""
        self._hearers.remove(hear)
        if not self._hearers:
            for number, handler in self._before.items():
                asyncio.get_running_loop().remove_signal_handler(number)
                signal.signal(number, handler)

    def _tell(self) -> None:
        for hear in tuple(self._hearers):
            hear()


_signals: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Signals]] = WeakKeyDictionary()
