"""Offsets of a group as part of a transaction, with the guard of KIP-447, which aiokafka lacks.

aiokafka 0.14 commits them without the generation of the group, so that a member which the group has
left behind could still commit; and it reads offsets whose transaction has not ended. Two requests
of Kafka's protocol are therefore stated here, in the versions that carry what is missing:
TxnOffsetCommit 3 and OffsetFetch 7, which brokers have since Kafka 2.5.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple

from ..errors import StubError
from .aiokafka_client import errors

_api: Final[Any] = import_module("aiokafka.protocol.api")
_client: Final[Any] = import_module("aiokafka.client")
_structs: Final[Any] = import_module("aiokafka.structs")
_transaction: Final[Any] = import_module("aiokafka.protocol.transaction")
_types: Final[Any] = import_module("aiokafka.protocol.types")

_BACKOFF: Final = 0.05
_FENCED_INSTANCE: Final = 82
_PRODUCER_FENCED: Final = 90
_UNSTABLE: Final = 88

_Array, _Int16, _Int32, _Int64 = _types.CompactArray, _types.Int16, _types.Int32, _types.Int64
_TAGS: Final = ("tags", _types.TaggedFields)
_TEXT: Final = _types.CompactString("utf-8")


def _schema(*fields: tuple[str, object]) -> Any:
    """The layout of a message in which each level ends with tags (KIP-482)."""
    return _types.Schema(*fields, _TAGS)


def _by_topic(*fields: tuple[str, object]) -> tuple[str, object]:
    partitions = ("partitions", _Array(("partition", _Int32), *fields, _TAGS))
    return "topics", _Array(("topic", _TEXT), partitions, _TAGS)


class _CommitResponse(_api.Response):  # type: ignore[misc]
    API_KEY = 28
    API_VERSION = 3
    SCHEMA = _schema(("throttle_time_ms", _Int32), _by_topic(("error_code", _Int16)))


class _CommitRequest(_api.RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 28
    API_VERSION = 3
    RESPONSE_TYPE = _CommitResponse
    SCHEMA = _schema(
        ("transactional_id", _TEXT),
        ("group_id", _TEXT),
        ("producer_id", _Int64),
        ("producer_epoch", _Int16),
        ("generation_id", _Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        _by_topic(("offset", _Int64), ("leader_epoch", _Int32), ("metadata", _TEXT)),
    )


class _FetchResponse(_api.Response):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = _schema(
        ("throttle_time_ms", _Int32),
        _by_topic(
            ("offset", _Int64),
            ("leader_epoch", _Int32),
            ("metadata", _TEXT),
            ("error_code", _Int16),
        ),
        ("error_code", _Int16),
    )


class _FetchRequest(_api.RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = _FetchResponse
    SCHEMA = _schema(
        ("group_id", _TEXT),
        ("topics", _Array(("topic", _TEXT), ("partitions", _Array(_Int32)), _TAGS)),
        ("require_stable", _types.Boolean),
    )


class _Request:
    """One of them, as aiokafka's connections take it: in this version and no other."""

    def __init__(self, kind: Any, *values: object) -> None:
        self._kind = kind
        self._values = values

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Any:
        """The request, for a broker that knows these versions. Raises IncompatibleBrokerVersion."""
        least, most = versions.get(self._kind.API_KEY, (0, -1))
        if not least <= self._kind.API_VERSION <= most:
            raise errors.IncompatibleBrokerVersion(
                "exactly_once needs brokers of Kafka 2.5 or later (KIP-447)"
            )
        return self._kind(*self._values, {})


class Member(NamedTuple):
    """Who a consumer is in its group at the moment."""

    group: str
    generation: int
    member_id: str
    instance_id: str | None

    @classmethod
    def of(cls, consumer: Any) -> Member:
        """That of one of aiokafka's consumers."""
        coordinator = consumer._coordinator
        return cls(
            coordinator.group_id,
            coordinator.generation,
            coordinator.member_id,
            coordinator._group_instance_id,
        )


class TransactionalOffsets:
    """Commits offsets in the transactions of one of aiokafka's producers."""

    def __init__(self, producer: Any) -> None:
        self._client = producer.client
        self._transactions = producer._txn_manager
        self._nodes: dict[object, int] = {}

    async def commit(self, positions: Mapping[Any, int], member: Member) -> None:
        """Add offsets to the transaction that is open.

        Raises KafkaError: IllegalGenerationError or UnknownMemberIdError when the group has gone on
        without this member, ProducerFenced when another producer has taken over.
        """
        transactions, kinds = self._transactions, _client.CoordinationType
        producer = (transactions.producer_id, transactions.producer_epoch)
        name = transactions.transactional_id
        joining = _transaction.AddOffsetsToTxnRequest(name, *producer, member.group)
        await self._ask(kinds.TRANSACTION, name, joining, lambda answer: [answer.error_code])
        transactions.consumer_group_added(member.group)
        topics: dict[str, list[tuple[object, ...]]] = defaultdict(list)
        for place, offset in sorted(positions.items()):
            topics[place.topic].append((place.partition, offset, -1, "", {}))
        listed: list[Any] = [(topic, partitions, {}) for topic, partitions in topics.items()]
        request = _Request(_CommitRequest, name, member.group, *producer, *member[1:], listed)
        await self._ask(kinds.GROUP, member.group, request, _codes)

    async def _ask(
        self, kind: Any, key: str, request: object, codes: Callable[[Any], Iterable[int]]
    ) -> None:
        """Send a request to a coordinator until it has an answer. Raises what that says."""
        while True:
            try:
                node = await self._node(kind, key)
                answer = await self._client.send(
                    node, request, group=_client.ConnectionGroup.COORDINATION
                )
                error = next((_error(code) for code in codes(answer) if code), None)
            except errors.KafkaError as raised:
                error = raised
            if error is None:
                return
            if not _may_pass(error):
                raise error
            self._nodes.pop(kind, None)
            await asyncio.sleep(_BACKOFF)

    async def _node(self, kind: Any, key: str) -> int:
        if kind not in self._nodes:
            self._nodes[kind] = await self._client.coordinator_lookup(kind, key)
        return self._nodes[kind]


def read_settled_offsets(consumer: Any) -> None:
    """Have a consumer that has not joined yet wait for transactions that hold its offsets.

    Raises StubError where aiokafka reads offsets in another way than it did.
    """
    coordinator = consumer._coordinator
    if not hasattr(coordinator, "_do_fetch_commit_offsets"):
        raise StubError(
            "this version of aiokafka is not known to read offsets safely for exactly_once; use "
            "an older one, or an inbox"
        )
    coordinator._do_fetch_commit_offsets = partial(_fetch, coordinator)


async def _fetch(coordinator: Any, places: Iterable[Any]) -> dict[Any, Any]:
    """As the method of aiokafka's coordinator that this replaces."""
    topics: dict[str, list[int]] = defaultdict(list)
    for place in places:
        topics[place.topic].append(place.partition)
    listed: list[Any] = [(topic, partitions, {}) for topic, partitions in topics.items()]
    answer = await coordinator._send_req(
        _Request(_FetchRequest, coordinator.group_id, listed, True)
    )
    codes = [answer.error_code, *_codes(answer)]
    error = next((_error(code) for code in codes if code), None)
    if error is not None:
        if isinstance(error, errors.NotCoordinatorForGroupError):
            coordinator.coordinator_dead()
        raise error
    return {
        _structs.TopicPartition(topic, partition): _structs.OffsetAndMetadata(offset, metadata)
        for topic, partitions, _ in answer.topics
        for partition, offset, _, metadata, *_ in partitions
        if offset >= 0
    }


def _codes(answer: Any) -> list[int]:
    """The error codes of all partitions: the last field before the tags."""
    return [partition[-2] for _, partitions, _ in answer.topics for partition in partitions]


def _error(code: int) -> Any:
    match code:
        case _ if code == _UNSTABLE:
            return errors.CoordinatorLoadInProgressError("a transaction has not ended yet")
        case _ if code == _PRODUCER_FENCED:
            return errors.ProducerFenced()
        case _ if code == _FENCED_INSTANCE:
            return errors.UnknownMemberIdError("another member has this group.instance.id")
        case _:
            return errors.for_code(code)()


def _may_pass(error: Any) -> bool:
    return bool(error.retriable) or isinstance(
        error, errors.KafkaConnectionError | errors.ConcurrentTransactions
    )
