"""How far long work has come. Whoever does it says so here; whoever shows it, listens here.

Without a listener, which is the rule, nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int], None]
"""Gets the name of the work, how many parts of it are done, and how many are known; and when the
work has ended, 0 of 0."""

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Tell this listener, and no other, of all work from now on."""
    _listeners[:] = [listener]


class Work:
    """Something in parts, of which more may turn up while it goes on. For one thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.done = 0
        self.known = 0

    def expect(self, parts: int) -> None:
        """There is more to do."""
        self.known += parts
        self._tell()

    def advance(self) -> None:
        """One part is done."""
        self.done += 1
        self._tell()

    def _tell(self) -> None:
        for listener in _listeners:
            listener(self.name, self.done, self.known)


@contextmanager
def work(name: str) -> Iterator[Work]:
    """Some work with a name for people, which ends with the block."""
    try:
        yield Work(name)
    finally:
        for listener in _listeners:
            listener(name, 0, 0)
