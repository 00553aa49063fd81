"""From an event to the message that carries it: topic, key, bytes and headers of the contract."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..avro.codec import EventType
from ..errors import MessageTooLarge
from ..kafka.transport import Headers, Registry
from .framing import schema_prefix
from .keys import name_key, write_key, write_text_key
from .message import ExtraHeaders, Message, deletion_headers, event_headers
from .message import fixed_headers as headers_of_schema


class Composed(NamedTuple):
    """A message that is ready to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class _Route:
    """How the events of one type are sent. The schema's id is looked up with the first of them."""

    __slots__ = ("budget", "fixed", "key", "prefix", "type")

    def __init__(self, type: EventType[Any], budget: int | None, key: _Key | None) -> None:
        self.type = type
        self.budget = budget
        self.key = key
        self.prefix = b""
        self.fixed: Headers = []


class _Key:
    """How the keys of one topic are written, where they have a schema."""

    __slots__ = ("prefix", "type")

    def __init__(self, type: EventType[Any]) -> None:
        self.type = type
        self.prefix = b""


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
        self._keys: dict[str, _Key] = {}
        self._routes: dict[type, _Route] = {}
        for event in events:
            if event.key_type is not None and event.topic not in self._keys:
                self._keys[event.topic] = _Key(event.key_type)
            budget = budgets.get(event.topic)
            self._routes[event.model] = _Route(event, budget, self._keys.get(event.topic))
        self._lock = threading.Lock()

    def is_prepared(self, event: object) -> bool:
        """Whether composing this event needs no answer of the registry."""
        route = self._routes.get(type(event))
        return route is None or bool(route.prefix)

    def prepare(self, event: object) -> None:
        """Ask the registry for the ids of the event's schema and of its key's, once.

        Raises SchemaNotRegistered and RegistryUnavailable.
        """
        route = self._find(event)
        with self._lock:
            if route.key is not None:
                self._look_up_key(route.key)
            if not route.prefix:
                number = self._registry.look_up(route.type)
                url = self._registry.url
                route.fixed = headers_of_schema(route.type.name, self._service, url, number)
                route.prefix = schema_prefix(number)

    def can_delete(self, topic: str) -> bool:
        """Whether composing a deletion needs no answer of the registry."""
        key = self._keys.get(topic)
        return key is None or bool(key.prefix)

    def prepare_deletion(self, topic: str) -> None:
        """As `prepare`, for the keys of a topic."""
        with self._lock:
            if topic in self._keys:
                self._look_up_key(self._keys[topic])

    def _look_up_key(self, key: _Key) -> None:
        if not key.prefix:
            key.prefix = schema_prefix(self._registry.look_up(key.type))

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
        key = subject = kind.key(event)
        if route.key is not None:
            subject = name_key(key)
            key = write_key(route.key.type, key, route.key.prefix)
        every = event_headers(route.fixed, kind.name, subject, value, caused_by, headers)
        return Composed(kind.topic, key, value, every)

    def compose_deletion(
        self, topic: str, key: object, caused_by: Message | None, headers: ExtraHeaders | None
    ) -> Composed:
        """A message without a value, which removes its key when the topic is compacted.

        Raises EncodeError for a key that its schema cannot hold, TypeError for what is no key of
        the topic, and what `prepare` raises.
        """
        typed = self._keys.get(topic)
        if typed is None:
            data = subject = write_text_key(topic, key)
        else:
            self.prepare_deletion(topic)
            data = write_key(typed.type, key, typed.prefix)
            subject = name_key(key)
        fixed = deletion_headers(self._service)
        every = event_headers(fixed, topic, subject, b"", caused_by, headers)
        return Composed(topic, data, None, every)

    def _find(self, event: object) -> _Route:
        route = self._routes.get(type(event))
        if route is None:
            produced = ", ".join(sorted(model.__name__ for model in self._routes)) or "nothing"
            raise TypeError(
                f"{self._service} does not produce {type(event).__name__}; it produces {produced}"
            )
        return route
