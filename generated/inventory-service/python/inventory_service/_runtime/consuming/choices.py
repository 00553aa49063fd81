"""What a service makes its consumer with: whether it is what it should be, and goes together."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ..errors import SettingsError, StubError
from ..policy import Policy
from .batching import Batched


class Transactional(Protocol):
    """A producer, with or without asyncio."""

    @property
    def is_transactional(self) -> bool:
        """Whether it has a transactional id."""
        ...


def check_choices(
    service: str,
    policy: object | None,
    inbox: object | None,
    exactly_once: Transactional | None,
    concurrency: int,
    batch: int | None,
) -> None:
    """Raises SettingsError for what is no such thing or does not go together; says what is."""
    if policy is not None and not isinstance(policy, Policy):
        raise SettingsError(f"the policy is of type {type(policy).__name__}, not Policy")
    if inbox is not None and (isinstance(inbox, type) or not hasattr(inbox, "once")):
        raise SettingsError(
            f"{inbox!r} is no inbox; give MemoryInbox(), SqliteInbox(connection), "
            "PostgresInbox(connection), or an object of yours with the method `once`"
        )
    if exactly_once is not None and not hasattr(exactly_once, "is_transactional"):
        raise SettingsError("exactly_once takes the producer that the handler sends with")
    for name, number in (("concurrency", concurrency), ("batch", 1 if batch is None else batch)):
        if type(number) is not int:
            raise SettingsError(f"{name} is {number!r}, not a whole number")
    if exactly_once is not None and inbox is not None:
        raise SettingsError(
            "give an inbox, for effects in a database, or a producer for exactly_once, not both"
        )
    if exactly_once is not None and not exactly_once.is_transactional:
        raise SettingsError(
            "the producer for exactly_once needs a transactional id: "
            f'Producer(settings(), transactional_id="{service}-1")'
        )
    if concurrency < 1:
        raise SettingsError(f"concurrency is {concurrency}; at least 1 handler must run")
    if batch is not None and batch < 1:
        raise SettingsError(f"a batch of {batch} holds nothing; give at least 1")
    if concurrency > 1 and inbox is not None:
        raise SettingsError(
            "an inbox has one connection, so one handler at a time: leave concurrency at 1, "
            "and run more processes"
        )
    if concurrency > 1 and exactly_once is not None:
        raise SettingsError(
            "a producer has one transaction at a time, so one handler: leave concurrency at 1, "
            "and run more processes"
        )


def check_process(made_in: int) -> None:
    """Raises StubError in a forked process, where Kafka's client has no thread and gets nothing."""
    if made_in != os.getpid():
        raise StubError(
            "this consumer was made before this process was forked, and works only in the process "
            "that made it: make another one here"
        )


def check_handlers(
    handlers: Iterable[Callable[..., Any]], deletions: Iterable[Callable[..., Any]], *, awaits: bool
) -> None:
    """Raises SettingsError for a method that cannot be called, or that nobody would await.

    Without this every message would become a dead letter, or count as handled.
    """
    for handle in handlers:
        if isinstance(handle, Batched):
            _check_method(handle.handle, "a batch", 1, awaits)
        else:
            _check_method(handle, "an event and its message", 2, awaits)
    for handle in deletions:
        _check_method(handle, "a message", 1, awaits)


def _check_method(method: Callable[..., Any], what: str, count: int, awaits: bool) -> None:
    name = getattr(method, "__qualname__", repr(method))
    try:
        inspect.signature(method).bind(*range(count))
    except TypeError as error:
        raise SettingsError(f"{name} does not take {what}: {error}") from None
    except ValueError:
        # It does not tell what it takes.
        pass
    if not awaits and inspect.iscoroutinefunction(method):
        raise SettingsError(
            f"{name} is `async`, and nobody would await it: write it without, or generate with "
            "`style: async` in the manifest"
        )
