"""Stubs with and without asyncio offer the same: names, parameters, what the contract decides."""

# ruff: noqa: F811

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from desk import (  # noqa: F401
    answer_service,
    ask_service,
    async_answer,
    async_ask,
    async_folders,
    desk_folders,
)

DIFFERENCES = {
    # An event loop has no thread to block, so waiting is awaiting, and a time limit is asyncio's.
    "Delivery.result": "sync only: await the delivery",
    "Delivery.wait(timeout)": "sync only: asyncio.timeout",
    "Delivery.exception(timeout)": "sync only: await wait() before it",
    "Delivery.fail": "asyncio only: the producer itself gives up what takes too long",
    # aiokafka takes a transactional id over when it connects, librdkafka with the first call.
    "Producer.take_over": "sync only: entering the producer does it",
    "Producer.is_connected": "asyncio only: entering the producer connects",
    # A constructor cannot await.
    "Outbox.prepare": "asyncio only: the constructor makes the table where there is no asyncio",
}
"""Every public difference of the two flavours, and why it is one."""

CLASSES = (
    "BatchConsumer",
    "BatchHandler",
    "Consumer",
    "Delivery",
    "Handler",
    "Inbox",
    "MemoryInbox",
    "Outbox",
    "PostgresInbox",
    "Producer",
    "SqliteInbox",
)


INTERNAL = {"Delivery.__init__", "Delivery.settle"}
"""What only the producer and Kafka's client call."""


def members(kind: type) -> dict[str, inspect.Signature | None]:
    """The public methods and properties of a class, and what each method takes."""
    found: dict[str, inspect.Signature | None] = {}
    for name, member in inspect.getmembers(kind):
        if name == "__init__" or not name.startswith("_"):
            found[name] = inspect.signature(member) if callable(member) else None
    return found


def parameters(signature: inspect.Signature | None) -> dict[str, tuple[Any, Any]]:
    if signature is None:
        return {}
    return {name: (one.kind, one.default) for name, one in signature.parameters.items()}


def differences(sync: ModuleType, other: ModuleType) -> Iterator[str]:
    for name in CLASSES:
        ours, theirs = members(getattr(sync, name)), members(getattr(other, name))
        for member in ours.keys() | theirs.keys():
            if f"{name}.{member}" in INTERNAL:
                continue
            if (member in ours) != (member in theirs):
                yield f"{name}.{member}"
                continue
            mine, its = parameters(ours[member]), parameters(theirs[member])
            for parameter in mine.keys() | its.keys():
                if mine.get(parameter) != its.get(parameter):
                    yield f"{name}.{member}({parameter})"


def test_both_flavours_export_the_same_names(
    answer_service: ModuleType,
    async_answer: ModuleType,
    ask_service: ModuleType,
    async_ask: ModuleType,
) -> None:
    assert sorted(answer_service.__all__) == sorted(async_answer.__all__)
    assert sorted(ask_service.__all__) == sorted(async_ask.__all__)
    for name in ("fakes", "producer", "consumer", "models", "codecs"):
        ours = importlib.import_module(f"answer_service.{name}")
        theirs = importlib.import_module(f"async_answer_service.{name}")
        assert ours.__all__ == theirs.__all__, name


def test_classes_have_the_same_methods_and_parameters(
    answer_service: ModuleType, async_answer: ModuleType
) -> None:
    assert set(differences(answer_service, async_answer)) == set(DIFFERENCES)


def test_the_fakes_have_the_same_methods(
    answer_service: ModuleType, async_answer: ModuleType
) -> None:
    ours, theirs = (
        members(importlib.import_module(f"{package.__name__}.fakes").Fakes)
        for package in (answer_service, async_answer)
    )
    assert ours.keys() == theirs.keys()
    assert {name: parameters(ours[name]) for name in ours} == {
        name: parameters(theirs[name]) for name in theirs
    }


@pytest.mark.parametrize("name", ["Policy", "Statistics", "ConsumerHealth", "Message", "Settings"])
def test_what_is_not_about_waiting_is_the_same_text(
    answer_service: ModuleType, async_answer: ModuleType, name: str
) -> None:
    ours, theirs = getattr(answer_service, name), getattr(async_answer, name)
    assert inspect.getsource(ours) == inspect.getsource(theirs)
    assert ours.__module__.rpartition(".")[2] == theirs.__module__.rpartition(".")[2]
