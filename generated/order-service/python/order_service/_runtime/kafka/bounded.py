"""Calls of Kafka's client that may take for ever, and how long they are waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue


def call_within(seconds: float, call: Callable[[], object], name: str) -> None:
    """Call in a thread of this name, and wait for so long.

    Raises what it raises, and TimeoutError when it has not returned; the thread is left alone then,
    and holds up no end of the process. Where no thread can be made any more, as the process ends,
    it is called here, and waited for as long as it takes.
    """
    outcome: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            outcome.put(error)
        else:
            outcome.put(None)

    try:
        threading.Thread(target=run, daemon=True, name=name).start()
    except RuntimeError:
        call()
        return
    try:
        error = outcome.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
