"""From an event to the message that carries it: topic, key, bytes and headers of the contract."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .codec import EventType
from .errors import MessageTooLarge
from .message import ExtraHeaders, Message, deletion_headers, event_headers, extra_headers
from .message import fixed_headers as headers_of_schema
from .transport import Headers, Registry


class Composed(NamedTuple):
    """A message that is ready to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class _Route:
    """How the events of one type are sent. The schema's id is looked up with the first of them."""

    __slots__ = ("budget", "fixed", "prefix", "type")

    def __init__(self, type: EventType[Any], budget: int | None) -> None:
        self.type = type
        self.budget = budget
        self.prefix = b""
        self.fixed: Headers = []


class Composer:
    """Makes the messages of one service. Safe to use from several threads."""

    def __init__(
        self,
        registry: Registry,
        service: str,
        events: Iterable[EventType[Any]],
        budgets: Mapping[str, int],
    ) -> None:
        """`budgets` has how many bytes the contract allows for a message's value, by topic."""
        self._registry = registry
        self._service = service
        self._routes = {event.model: _Route(event, budgets.get(event.topic)) for event in events}
        self._lock = threading.Lock()

    def is_prepared(self, event: object) -> bool:
        """Whether composing this event needs no answer of the registry."""
        route = self._routes.get(type(event))
        return route is None or bool(route.prefix)

    def prepare(self, event: object) -> None:
        """Ask the registry for the id of the event's schema, once.

        Raises SchemaNotRegistered and RegistryUnavailable.
        """
        route = self._find(event)
        with self._lock:
            if not route.prefix:
                number = self._registry.look_up(route.type)
                url = self._registry.url
                route.fixed = headers_of_schema(route.type.name, self._service, url, number)
                route.prefix = b"\0" + number.to_bytes(4, "big")

    def compose(
        self, event: object, caused_by: Message | None, headers: ExtraHeaders | None
    ) -> Composed:
        """The message of an event that is sent now.

        Raises TypeError for an event that this service does not produce, EncodeError for a value
        that its schema cannot hold, MessageTooLarge for one that is larger than the contract
        allows, ValueError for headers that belong to the contract, and what `prepare` raises.
        """
        route = self._find(event)
        if not route.prefix:
            self.prepare(event)
        kind = route.type
        value = kind.encode(event, route.prefix)
        if route.budget is not None and len(value) > route.budget:
            raise MessageTooLarge(event, kind.topic, len(value), route.budget)
        key = kind.key(event)
        every = event_headers(route.fixed, kind.name, key, value, caused_by)
        if headers:
            every += extra_headers(headers)
        return Composed(kind.topic, key, value, every)

    def compose_deletion(
        self, topic: str, key: object, caused_by: Message | None, headers: ExtraHeaders | None
    ) -> Composed:
        """A message without a value, which removes its key when the topic is compacted."""
        text = str(key).encode()
        every = event_headers(deletion_headers(self._service), topic, text, b"", caused_by)
        if headers:
            every += extra_headers(headers)
        return Composed(topic, text, None, every)

    def _find(self, event: object) -> _Route:
        route = self._routes.get(type(event))
        if route is None:
            produced = ", ".join(sorted(model.__name__ for model in self._routes)) or "nothing"
            raise TypeError(
                f"{self._service} does not produce {type(event).__name__}; it produces {produced}"
            )
        return route
