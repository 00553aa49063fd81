"""Messages for handlers that take many at once: which of them one call may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from .message import KeyedMessage, Message

E = TypeVar("E")
K = TypeVar("K")


class Received(NamedTuple, Generic[E]):
    """An event and the message that it came in."""

    event: E
    message: Message


class KeyedReceived(Received[E], Generic[E, K]):
    """The same of a topic whose keys have a schema."""

    __slots__ = ()

    @property
    def typed_key(self) -> K:
        """The key of the message."""
        assert isinstance(self.message, KeyedMessage)
        key: K = self.message.typed_key
        return key


class Batched(Generic[E]):
    """A handler's method that takes a batch; called with one event, it makes a batch of it."""

    __slots__ = ("handle",)

    def __init__(self, handle: Callable[[Sequence[Received[E]]], object]) -> None:
        self.handle = handle

    def __call__(self, event: E, message: Message) -> object:
        """Hand over a batch of one."""
        return self.handle([self.receive(event, message)])

    def receive(self, event: E, message: Message) -> Received[E]:
        """An event as the method takes it."""
        return Received(event, message)


class KeyedBatched(Batched[E], Generic[E, K]):
    """The same for a topic whose keys have a schema."""

    __slots__ = ()

    def __init__(self, handle: Callable[[Sequence[KeyedReceived[E, K]]], object]) -> None:
        def hand_over(batch: Sequence[Any]) -> object:
            return handle(batch)

        super().__init__(hand_over)

    def receive(self, event: E, message: Message) -> Received[E]:
        """As that of Batched."""
        return KeyedReceived(event, message)


def split(received: Iterable[tuple[Received[Any], Any, Any]]) -> list[list[int]]:
    """Which of these belong into one call each: indexes, the calls in order.

    Each of `received` comes with its handler and with what its order is bound to, a key. A call
    holds all events of its handler, unless that would hand over two events of one key in another
    order than they came in.
    """
    calls: list[list[int]] = []
    open_calls: dict[Any, list[int]] = {}
    handler_of: dict[Any, Any] = {}
    for index, (_, handler, key) in enumerate(received):
        if handler_of.setdefault(key, handler) is not handler:
            # Another handler has an earlier event of this key: everything so far comes first.
            open_calls.clear()
            handler_of = {key: handler}
        call = open_calls.get(handler)
        if call is None:
            call = open_calls[handler] = []
            calls.append(call)
        call.append(index)
    return calls
