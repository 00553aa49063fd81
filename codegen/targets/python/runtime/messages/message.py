"""What stands around an event: its place on Kafka and its headers, and how they are written.

Headers follow the Kafka binding of CloudEvents 1.0 in binary mode, W3C Trace Context, and two
extension attributes, `correlationid` and `causationid`. They are read only when somebody asks, and
whatever stands in them: bytes that are no UTF-8 are replaced, of a repeated header the last counts.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from time import time_ns
from typing import Any, Final, Generic, TypeAlias, TypeVar

from ..kafka.transport import Headers, Record

K = TypeVar("K")
_Otherwise = TypeVar("_Otherwise", int, None)

CONTENT_TYPE: Final = b"application/avro"
RESERVED: Final = ("ce_", "dlq.")
"""Headers that begin so are the contract's business."""

# Seeded by the system, and asked for each id instead of it, which takes ten times as long.
_random: Final = random.Random()
if hasattr(os, "register_at_fork"):
    # Else a forked process would go on with the ids of its parent.
    os.register_at_fork(after_in_child=_random.seed)

ExtraHeaders: TypeAlias = Mapping[str, str | bytes] | Sequence[tuple[str, str | bytes]]


class _Place:
    """What a record says of itself, where there is no record."""

    __slots__ = ("_key", "_offset", "_partition", "_timestamp_ms")

    def __init__(
        self, partition: int, offset: int, key: bytes | None, timestamp_ms: int | None
    ) -> None:
        self._partition = partition
        self._offset = offset
        self._key = key
        self._timestamp_ms = timestamp_ms

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def timestamp(self) -> tuple[int, int]:
        return (0, 0) if self._timestamp_ms is None else (1, self._timestamp_ms)


class Message:
    """The message that an event came in: where it stood, its key and its headers.

    Events that are sent with `caused_by=message` carry its correlation id and its trace, and the
    message counts as handled only when they have arrived.
    """

    __slots__ = ("_record", "_values", "deliveries", "headers", "sent", "topic")

    def __init__(
        self,
        topic: str = "",
        partition: int = 0,
        offset: int = 0,
        *,
        key: bytes | None = None,
        headers: Iterable[tuple[str, str | bytes | None]] = (),
        timestamp_ms: int | None = None,
    ) -> None:
        self._record: Record | _Place = _Place(partition, offset, key, timestamp_ms)
        """What is rarely asked for is read from there when it is."""
        self.topic = topic
        self.headers: Headers = list(headers)
        """All headers as they came, also repeated ones, in order."""
        self.sent = 0
        """How many events were sent because of it so far."""
        self.deliveries: list[Any] = []
        """The deliveries of those of them that may still be on the way."""
        self._values: dict[str, str | bytes | None] | None = None

    @property
    def partition(self) -> int:
        """The partition of the topic."""
        return self._record.partition() or 0

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        return self._record.offset() or 0

    @property
    def key(self) -> bytes | None:
        """The key's bytes."""
        return self._record.key()

    @property
    def timestamp_ms(self) -> int | None:
        """When Kafka says it was made, in milliseconds since 1970."""
        kind, timestamp = self._record.timestamp()
        return timestamp if kind else None

    def header(self, name: str) -> str | None:
        """The text of a header, the last one where it is repeated; None where there is none."""
        if self._values is None:
            self._values = dict(self.headers)
        value = self._values.get(name)
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def last(self, name: str) -> str | bytes | None:
        """The last header of this name as it came, text or bytes; None where there is none."""
        for header, value in reversed(self.headers):
            if header == name:
                return value
        return None

    @property
    def place(self) -> str:
        """Topic, partition and offset, for people."""
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def id(self) -> str:
        """The event's id. Where the sender gave none: its place, which is as unique."""
        return self.header("ce_id") or self.place

    @property
    def type(self) -> str | None:
        """The full name of the event's schema, as the sender says."""
        return self.header("ce_type")

    @property
    def source(self) -> str | None:
        """The service that sent it."""
        return self.header("ce_source")

    @property
    def subject(self) -> str | None:
        """What the event is about: its key as text."""
        return self.header("ce_subject")

    @property
    def time(self) -> datetime | None:
        """When the event was sent: the sender's word, else Kafka's; None when there is neither."""
        text = self.header("ce_time")
        if text is not None:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                pass
            else:
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if self.timestamp_ms is None:
            return None
        try:
            return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)
        except (OverflowError, ValueError, OSError):
            return None

    @property
    def dataschema(self) -> str | None:
        """The address of the schema that it was written with."""
        return self.header("ce_dataschema")

    @property
    def correlation_id(self) -> str:
        """The same for all events that go back to one: the id of the first of them."""
        return self.header("ce_correlationid") or self.id

    @property
    def causation_id(self) -> str | None:
        """The id of the event that caused this one."""
        return self.header("ce_causationid")

    @property
    def traceparent(self) -> str | None:
        """The W3C trace context that it belongs to."""
        return self.header("traceparent") or self.header("ce_traceparent")

    @property
    def tracestate(self) -> str | None:
        """What vendors add to the trace context."""
        return self.header("tracestate") or self.header("ce_tracestate")

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Copies and pickles have what the record says in place of it, since it is Kafka's."""
        names = [name for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ())]
        state = {name: getattr(self, name) for name in names}
        state["_record"] = _Place(self.partition, self.offset, self.key, self.timestamp_ms)
        return None, state

    def __repr__(self) -> str:
        return f"Message({self.place}, type={self.type!r}, id={self.id!r})"


class KeyedMessage(Message, Generic[K]):
    """The message of a topic whose keys have a schema: its key is there as a value as well."""

    __slots__ = ("typed_key",)

    def __init__(
        self,
        topic: str = "",
        partition: int = 0,
        offset: int = 0,
        *,
        typed_key: K,
        key: bytes | None = None,
        headers: Iterable[tuple[str, str | bytes | None]] = (),
        timestamp_ms: int | None = None,
    ) -> None:
        super().__init__(
            topic, partition, offset, key=key, headers=headers, timestamp_ms=timestamp_ms
        )
        self.typed_key = typed_key


def with_key(message: Message, typed_key: K) -> KeyedMessage[K]:
    """The same message, its key read."""
    keyed: KeyedMessage[K] = KeyedMessage.__new__(KeyedMessage)
    for name in Message.__slots__:
        setattr(keyed, name, getattr(message, name))
    keyed.typed_key = typed_key
    return keyed


def read_message(record: Record) -> Message:
    """The message of a record."""
    # Once for each message that is consumed: what the constructor does, without its detours.
    message = Message.__new__(Message)
    message._record = record
    message.topic = record.topic() or ""
    message.headers = record.headers() or []
    message.sent = 0
    message.deliveries = []
    message._values = None
    return message


def read_dead_letter(record: Record) -> Message:
    """The message that became this dead letter, as it was on its own topic."""
    letter = read_message(record)
    return Message(
        letter.header("dlq.topic") or letter.topic,
        _number(letter.header("dlq.partition"), letter.partition),
        _number(letter.header("dlq.offset"), letter.offset),
        key=letter.key,
        headers=(pair for pair in letter.headers if not pair[0].startswith("dlq.")),
        timestamp_ms=_number(letter.header("dlq.timestamp"), None),
    )


def _number(text: str | None, otherwise: _Otherwise) -> int | _Otherwise:
    return int(text) if text and text.isdecimal() and len(text) < 20 else otherwise


def fixed_headers(name: str, source: str, registry: str, schema_id: int) -> Headers:
    """The headers that all events of one schema share.

    The type stands last, where whoever looks for the last one begins: a consumer, each time.
    """
    return [
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_dataschema", f"{registry}/schemas/ids/{schema_id}".encode()),
        ("content-type", CONTENT_TYPE),
        ("ce_type", name.encode()),
    ]


def deletion_headers(source: str) -> Headers:
    """The headers of a message without a value: there is no schema to name."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", b"deletion"),
    ]


@lru_cache(maxsize=4)
def _write_second(second: int) -> bytes:
    """A second since 1970 as RFC 3339 writes it, without its offset."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def event_headers(
    fixed: Headers,
    name: str,
    subject: bytes | None,
    value: bytes,
    cause: Message | None,
    extra: ExtraHeaders | None,
) -> Headers:
    """All headers of one event that is sent now; `subject` is its key as text.

    An event that was caused by a message gets an id that follows from that message, from how many
    were sent before it, and from what it says. So handling a message twice, which at-least-once
    delivery brings about, sends the same ids, and receivers can drop the repetition. `extra` is
    what the service adds; raises ValueError for names that belong to the contract, and TypeError
    for a cause that is none.
    """
    second, part = divmod(time_ns() // 1000, 1_000_000)
    headers: Headers = [("ce_time", b"%s.%06dZ" % (_write_second(second), part))]
    if subject is not None:
        headers.append(("ce_subject", subject))
    if cause is None:
        headers.append(("ce_id", _random.randbytes(16).hex().encode()))
    else:
        headers += _caused_headers(name, value, cause)
    if extra:
        headers += extra_headers(extra)
    headers += fixed
    return headers


def _caused_headers(name: str, value: bytes, cause: Message) -> Headers:
    if not isinstance(cause, Message):
        raise TypeError(
            f"caused_by is the message that an event came in, not {type(cause).__name__}"
        )
    seed = "\n".join((cause.source or "", cause.id, str(cause.sent), name, ""))
    cause.sent += 1
    identity = hashlib.blake2b(seed.encode() + value, digest_size=16).hexdigest()
    headers: Headers = [
        ("ce_id", identity.encode()),
        ("ce_correlationid", cause.correlation_id.encode()),
        ("ce_causationid", cause.id.encode()),
    ]
    for header, text in (("traceparent", cause.traceparent), ("tracestate", cause.tracestate)):
        if text is not None:
            headers.append((header, text.encode()))
    return headers


def extra_headers(headers: ExtraHeaders) -> Headers:
    """What a service adds of its own.

    Raises ValueError for names that belong to the contract and text that is no Unicode, TypeError
    for what are no headers.
    """
    added: Headers = []
    for pair in headers.items() if isinstance(headers, Mapping) else headers:
        match pair:
            case (str(name), str() | bytes() | None as value):
                if name.startswith(RESERVED) or name == "content-type":
                    raise ValueError(
                        f"the header {name!r} is set by the contract and cannot be given"
                    )
                try:
                    added.append((name, value.encode() if isinstance(value, str) else value))
                except UnicodeEncodeError:
                    raise ValueError(
                        f"the header {name!r} holds half of a surrogate pair"
                    ) from None
            case _:
                raise TypeError(f"a header is a name with a text or bytes, not {pair!r}")
    return added
