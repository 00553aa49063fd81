"""From the bytes of a message to the event and the handler that it is for.

Which event it is says the header `ce_type`, and without one that this service knows, the full name
of the schema that it was written with; an event that was renamed is known by its aliases too, and
the only event of a topic in any namespace. Bytes that are no event of the topic raise Unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Generic, TypeVar, cast

from ..avro.codec import EventType
from ..errors import DecodeError, SymbolError, UnknownSchema
from ..kafka.transport import Record, Registry
from ..late_dataclass import dataclass
from ..policy import Reason
from .framing import Unreadable, read_schema_id
from .keys import KeyReader
from .message import Message

E = TypeVar("E")
Decoder = Callable[[bytes, int], Any]
_KNOWN_LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Route(Generic[E]):
    """An event that a service consumes and the method that handles it."""

    type: EventType[E]
    handle: Callable[[E, Any], Any]
    """Called with a KeyedMessage where the keys of the topic have a schema, else a Message."""


class NotConsumed(Exception):
    """An event of the topic that the contract says this service does not consume."""


class _Plan:
    """How to read messages of one topic, type and schema id: a decoder, or why there is none."""

    __slots__ = ("decode", "handle", "problem")

    def __init__(
        self,
        decode: Decoder | None,
        handle: Callable[[Any, Message], Any] | None,
        problem: Exception | None = None,
    ) -> None:
        self.decode = decode
        self.handle = handle
        self.problem = problem


class Reader:
    """Finds out, once for each schema, how its messages are read."""

    def __init__(
        self,
        registry: Registry,
        routes: Collection[Route[Any]],
        ignored: Mapping[str, Collection[str]],
        deletions: Mapping[str, Callable[[Any], Any]],
        read_message: Callable[[Record], Message],
    ) -> None:
        """`ignored` has, for each topic, the events that this service does not consume.

        `deletions` has, for each compacted topic, what is called for a key that was deleted.
        `read_message` makes the message of a record: as it stands there, or as it was once.
        """
        self._registry = registry
        self._deletions = dict(deletions)
        self._keys = KeyReader(registry, (route.type.key_type for route in routes))
        self._has_keys = bool(self._keys)
        self.read_message = self._with_key(read_message) if self._has_keys else read_message
        self._routes = {(route.type.topic, route.type.name): route for route in routes}
        self._ignored = ignored
        self._plans: dict[tuple[str, str | bytes | None, bytes], _Plan] = {}

    def open(self, record: Record, message: Message) -> tuple[Any, Callable[[Any, Message], Any]]:
        """The event of a record and what handles it.

        Raises Unreadable, NotConsumed, RegistryUnavailable, and RegistryError where the registry
        is not one.
        """
        value = record.value()
        if value is None:
            handle = self._deletions.get(message.topic)
            if handle is None:
                problem = "it has no value, and the topic is not compacted"
                raise Unreadable(Reason.TOMBSTONE, problem)
            if self._has_keys:
                self._keys.read(message)
            return None, lambda _, message: handle(message)
        headers = message.headers
        # Producers of kontrakt write the type last.
        is_last = headers and headers[-1][0] == "ce_type"
        name = headers[-1][1] if is_last else message.last("ce_type")
        plan = self._plans.get((message.topic, name, value[:5]))
        if plan is None:
            plan = self._find_plan(message, value)
        if plan.problem is not None:
            # One error for many messages: without this its traceback would grow with each.
            raise plan.problem.with_traceback(None)
        if self._has_keys:
            self._keys.read(message)
        assert plan.decode is not None and plan.handle is not None
        try:
            return plan.decode(value, 5), plan.handle
        except DecodeError as error:
            is_symbol = isinstance(error, SymbolError)
            reason = Reason.UNKNOWN_SYMBOL if is_symbol else Reason.UNDECODABLE
            raise Unreadable(reason, str(error)) from error

    def asks(self, record: Record, message: Message) -> bool:
        """Whether `open` will ask the registry, which may take a while."""
        value = record.value()
        plan = (message.topic, message.last("ce_type"), (value or b"")[:5])
        return (value is not None and plan not in self._plans) or self._keys.asks(message)

    def _with_key(self, read_message: Callable[[Record], Message]) -> Callable[[Record], Message]:
        return lambda record: self._keys.prepare(read_message(record))

    def _find_plan(self, message: Message, value: bytes) -> _Plan:
        schema_id = read_schema_id(value)
        try:
            plan = self._make_plan(message.topic, message.type, schema_id)
        except UnknownSchema as error:
            # Not kept: the schema may be registered later.
            raise Unreadable(Reason.UNKNOWN_SCHEMA, str(error)) from error
        # Headers are the sender's, so their number is not: forget rather than grow.
        if len(self._plans) >= _KNOWN_LIMIT:
            self._plans.clear()
        self._plans[message.topic, message.last("ce_type"), value[:5]] = plan
        return plan

    def _make_plan(self, topic: str, type_name: str | None, schema_id: int) -> _Plan:
        ignored = self._ignored.get(topic, ())
        if type_name in ignored:
            return _Plan(None, None, NotConsumed(type_name))
        route = self._routes.get((topic, type_name or ""))
        writer = self._registry.fetch(schema_id)
        if route is None:
            name = full_name(writer.text)
            if name in ignored:
                return _Plan(None, None, NotConsumed(name))
            route = self._find_route(topic, name)
            if route is None:
                problem = f"{name or 'a schema without a name'} (schema id {schema_id}) is new here"
                return _Plan(None, None, Unreadable(Reason.UNKNOWN_EVENT, problem))
        try:
            decode = route.type.resolve(writer.text, writer.references)
        except DecodeError as error:
            problem = f"schema id {schema_id} cannot be read as {route.type.name}: {error}"
            return _Plan(None, None, Unreadable(Reason.INCOMPATIBLE_SCHEMA, problem))
        return _Plan(decode, route.handle)

    def _find_route(self, topic: str, name: str) -> Route[Any] | None:
        """The event of a topic with this name, or else the one that Avro takes it for."""
        others = (one for one in self._routes.values() if one.type.topic == topic)
        return self._routes.get((topic, name)) or next(
            (one for one in others if _was_named(one.type, name)), None
        )


def full_name(schema: str) -> str:
    """The full name of the type that a schema defines; empty where it defines none."""
    parts = _parse(schema)
    name = parts.get("name")
    return _qualify(name, parts.get("namespace")) if isinstance(name, str) else ""


def _was_named(event: EventType[Any], name: str) -> bool:
    """Whether something of this name is an event under a name that it has no more, or not yet."""
    parts = _parse(event.schema)
    namespace, aliases = event.name.rpartition(".")[0], parts.get("aliases")
    known = cast("list[object]", aliases) if isinstance(aliases, list) else []
    if name in [_qualify(alias, namespace) for alias in known if isinstance(alias, str)]:
        return True
    # Where a topic has several events, their full names are what tells them apart.
    is_alone = event.subject == f"{event.topic}-value"
    return is_alone and name.rpartition(".")[2] == event.name.rpartition(".")[2]


def _qualify(name: str, namespace: object) -> str:
    if "." in name or not isinstance(namespace, str) or not namespace:
        return name
    return f"{namespace}.{name}"


def _parse(schema: str) -> Mapping[str, object]:
    """A schema that is an object; empty for any other."""
    try:
        node = json.loads(schema)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", node) if isinstance(node, dict) else {}
