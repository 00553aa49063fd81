"""Messages for handlers that take many at once: which of them one call may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from ..messages.message import KeyedMessage, Message
from ..metrics import MessageOutcome
from .progress import Outcome, Step

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

    def __init__(self, handle: Callable[[Sequence[Received[E]]], Any]) -> None:
        self.handle = handle

    def __call__(self, event: E, message: Message) -> Any:
        """Hand over a batch of one; for asyncio, to be awaited."""
        return self.handle([self.receive(event, message)])

    def receive(self, event: E, message: Message) -> Received[E]:
        """An event as the method takes it."""
        return Received(event, message)


class KeyedBatched(Batched[E], Generic[E, K]):
    """The same for a topic whose keys have a schema."""

    __slots__ = ()

    def __init__(self, handle: Callable[[Sequence[KeyedReceived[E, K]]], Any]) -> None:
        super().__init__(cast("Callable[[Sequence[Received[E]]], Any]", handle))

    def receive(self, event: E, message: Message) -> Received[E]:
        """As that of Batched."""
        return KeyedReceived(event, message)


class Call(NamedTuple):
    """What one call of a handler gets."""

    handle: Batched[Any]
    steps: list[Step]
    received: list[Received[Any]]

    def without_lost(self) -> Call:
        """The same without what another member handles meanwhile."""
        kept = [index for index, step in enumerate(self.steps) if not step.is_lost]
        steps = [self.steps[index] for index in kept]
        return Call(self.handle, steps, [self.received[index] for index in kept])

    def end(self) -> list[Outcome]:
        """It was handled: what each message caused is on the way."""
        for step, received in zip(self.steps, self.received, strict=True):
            step.deliveries = received.message.deliveries
        return [(step.partition[0], MessageOutcome.HANDLED) for step in self.steps]


class Batch:
    """Messages that were read and are handed over together, in as few calls as their order allows.

    A call holds all events of its handler, unless that would hand over two events of one key in
    another order than they came in.
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._open_calls: dict[Batched[Any], Call] = {}
        self._handler_of: dict[object, Batched[Any]] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def add(self, step: Step, event: object, message: Message, handle: Batched[Any]) -> None:
        """Put a message behind the others."""
        key = step.record.key()
        place = step.partition if key is None else key
        if self._handler_of.setdefault(place, handle) is not handle:
            # Another handler has an earlier event of this key: everything so far comes first.
            self._open_calls.clear()
            self._handler_of = {place: handle}
        call = self._open_calls.get(handle)
        if call is None:
            call = self._open_calls[handle] = Call(handle, [], [])
            self._calls.append(call)
        call.steps.append(step)
        call.received.append(handle.receive(event, message))
