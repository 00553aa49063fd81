"""Ends an asyncio consumer on SIGTERM and SIGINT, in order."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from .stopping import NUMBERS


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Generator[None, None, None]:
    """Call `stop` on the first signal; the second one cancels the task that is in the block.

    A thread that is not the main one hears no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    is_asked = False

    def hear() -> None:
        nonlocal is_asked
        if is_asked and task is not None:
            # Asked twice: a handler in hand does not return, so interrupt it.
            task.cancel()
        is_asked = True
        stop()

    before = {number: signal.getsignal(number) for number in NUMBERS}
    try:
        for number in NUMBERS:
            loop.add_signal_handler(number, hear)
    except NotImplementedError:
        # Windows: asyncio.run cancels this task on SIGINT, which leaves in order as well.
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
