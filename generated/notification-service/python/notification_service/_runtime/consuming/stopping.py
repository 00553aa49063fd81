"""Ends a consumer on SIGTERM and SIGINT, in order and within a bound."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """Raised in the handler in hand, which did not return within the bound."""


@contextmanager
def stop_on_signals(
    stop: Callable[[], None], interrupt_after: float | None
) -> Generator[None, None, None]:
    """Call `stop` on the first signal; the second one raises KeyboardInterrupt.

    So many seconds after the first one, Interrupted is raised in the block, unless that is None. A
    thread that is not the main one hears no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timer: threading.Timer | None = None
    is_late = False

    def end() -> None:
        nonlocal is_late
        is_late = True
        # A signal also ends a system call that a handler waits in.
        if os.name == "nt":
            signal.raise_signal(signal.SIGINT)
        else:
            signal.pthread_kill(main, signal.SIGTERM)

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal timer
        if is_late:
            raise Interrupted
        if timer is not None:
            # Asked twice: the handler in hand does not return, so interrupt it.
            raise KeyboardInterrupt
        stop()
        timer = threading.Timer(interrupt_after or 0.0, end)
        timer.daemon = True
        if interrupt_after is not None:
            timer.start()

    main = threading.get_ident()
    before = {number: signal.signal(number, hear) for number in NUMBERS}
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
