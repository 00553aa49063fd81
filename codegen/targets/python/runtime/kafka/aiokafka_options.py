"""librdkafka's options, which the settings have, in aiokafka's words.

Both flavours of a service read the same environment; what aiokafka has no word for is refused
rather than left out, since a service that runs without an option it was given surprises at night.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from ..errors import SettingsError

_Reader = Callable[[str], object]


def _flag(text: str) -> bool:
    if text.lower() in ("true", "1", "t"):
        return True
    if text.lower() in ("false", "0", "f"):
        return False
    raise ValueError("not true or false")


def _acks(text: str) -> object:
    return "all" if text in ("all", "-1") else int(text)


def _offset_reset(text: str) -> str:
    words = {"smallest": "earliest", "beginning": "earliest", "largest": "latest", "end": "latest"}
    words |= {"earliest": "earliest", "latest": "latest", "error": "none"}
    if text not in words:
        raise ValueError("neither earliest nor latest nor error")
    return words[text]


def _compression(text: str) -> str | None:
    return None if text == "none" else text


def _assignors(text: str) -> tuple[object, ...]:
    module: Any = import_module("aiokafka.coordinator.assignors")
    known = {
        "range": "range.RangePartitionAssignor",
        "roundrobin": "roundrobin.RoundRobinPartitionAssignor",
        "sticky": "sticky.sticky_assignor.StickyPartitionAssignor",
    }
    found: list[object] = []
    for name in (part.strip() for part in text.split(",")):
        if name not in known:
            raise ValueError(f"aiokafka has {', '.join(known)}")
        place, _, kind = known[name].rpartition(".")
        found.append(getattr(import_module(f"{module.__name__}.{place}"), kind))
    return tuple(found)


_SHARED: Final[Mapping[str, tuple[str, _Reader]]] = {
    "client.id": ("client_id", str),
    "connections.max.idle.ms": ("connections_max_idle_ms", int),
    "metadata.max.age.ms": ("metadata_max_age_ms", int),
    "request.timeout.ms": ("request_timeout_ms", int),
    "retry.backoff.ms": ("retry_backoff_ms", int),
    "sasl.kerberos.service.name": ("sasl_kerberos_service_name", str),
    "sasl.mechanism": ("sasl_mechanism", str),
    "sasl.mechanisms": ("sasl_mechanism", str),
    "sasl.password": ("sasl_plain_password", str),
    "sasl.username": ("sasl_plain_username", str),
    "security.protocol": ("security_protocol", str.upper),
}
_PRODUCER: Final[Mapping[str, tuple[str, _Reader]]] = {
    "acks": ("acks", _acks),
    "batch.size": ("max_batch_size", int),
    "compression.codec": ("compression_type", _compression),
    "compression.type": ("compression_type", _compression),
    "enable.idempotence": ("enable_idempotence", _flag),
    "linger.ms": ("linger_ms", int),
    "message.max.bytes": ("max_request_size", int),
    "request.required.acks": ("acks", _acks),
    "transaction.timeout.ms": ("transaction_timeout_ms", int),
    "transactional.id": ("transactional_id", str),
}
_CONSUMER: Final[Mapping[str, tuple[str, _Reader]]] = {
    "auto.offset.reset": ("auto_offset_reset", _offset_reset),
    "check.crcs": ("check_crcs", _flag),
    "client.rack": ("client_rack", str),
    "fetch.max.bytes": ("fetch_max_bytes", int),
    "fetch.min.bytes": ("fetch_min_bytes", int),
    "fetch.wait.max.ms": ("fetch_max_wait_ms", int),
    "group.id": ("group_id", str),
    "group.instance.id": ("group_instance_id", str),
    "heartbeat.interval.ms": ("heartbeat_interval_ms", int),
    "isolation.level": ("isolation_level", str),
    "max.partition.fetch.bytes": ("max_partition_fetch_bytes", int),
    "max.poll.interval.ms": ("max_poll_interval_ms", int),
    "partition.assignment.strategy": ("partition_assignment_strategy", _assignors),
    "session.timeout.ms": ("session_timeout_ms", int),
}
_FILES: Final = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")
_SSL: Final = (*_FILES, "ssl.key.password")
_OURS: Final = ("delivery.timeout.ms", "message.timeout.ms", "auto.commit.interval.ms")
"""What the producer and the consumer of this package see to themselves."""

_PRODUCER_DEFAULTS: Final[Mapping[str, object]] = {
    # As librdkafka's: many small events go in few requests. A broker takes 1 MiB by default.
    "max_batch_size": 262_144,
    "max_request_size": 1_000_000,
}
_CONSUMER_DEFAULTS: Final[Mapping[str, object]] = {
    "isolation_level": "read_committed",
    "session_timeout_ms": 45_000,
    "rebalance_timeout_ms": 60_000,
}


def producer_arguments(options: Mapping[str, object]) -> dict[str, object]:
    """What AIOKafkaProducer takes for these options. Raises SettingsError, which names all."""
    partitioner = str(options.get("partitioner", "murmur2_random"))
    if partitioner not in ("murmur2", "murmur2_random"):
        raise SettingsError(
            f"the option partitioner is {partitioner!r}; aiokafka has murmur2_random, as all "
            "generated producers and the Java client do by default"
        )
    return {**_PRODUCER_DEFAULTS, **_translate(options, _PRODUCER, _CONSUMER)}


def consumer_arguments(options: Mapping[str, object]) -> dict[str, object]:
    """What AIOKafkaConsumer takes for these options. Raises SettingsError, which names all."""
    return {**_CONSUMER_DEFAULTS, **_translate(options, _CONSUMER, _PRODUCER)}


def _translate(
    options: Mapping[str, object],
    own: Mapping[str, tuple[str, _Reader]],
    others: Mapping[str, tuple[str, _Reader]],
) -> dict[str, object]:
    words = {**_SHARED, **own}
    arguments: dict[str, object] = {}
    problems: list[str] = []
    for name, option in options.items():
        if name in _OURS or name in _SSL or name in others or name == "partitioner":
            # One environment is for the producer and the consumer of a service.
            continue
        if name not in words:
            problems.append(f"{name} (unknown)")
            continue
        argument, read = words[name]
        try:
            arguments[argument] = read(str(option))
        except ValueError as error:
            problems.append(f"{name} ({error})")
    if problems:
        raise SettingsError(
            f"aiokafka does not take these options: {', '.join(problems)}; it knows "
            f"{', '.join(sorted({*words, *_SSL}))}; see KAFKA_* in the environment and `options` "
            "of settings()"
        )
    if str(arguments.get("security_protocol", "")).endswith("SSL"):
        arguments["ssl_context"] = _ssl_context(options)
    return arguments


def _ssl_context(options: Mapping[str, object]) -> ssl.SSLContext:
    authority, certificate, key = (
        str(options[name]) if name in options else None for name in _FILES
    )
    try:
        context = ssl.create_default_context(cafile=authority)
        if certificate is not None:
            password = options.get("ssl.key.password")
            context.load_cert_chain(certificate, key, None if password is None else str(password))
    except OSError as error:
        raise SettingsError(
            f"the certificates of {', '.join(name for name in _FILES if name in options)} cannot "
            f"be read: {error}"
        ) from error
    return context
