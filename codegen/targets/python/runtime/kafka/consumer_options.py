"""The options that a consumer runs with: what its promises rest on, and what the service gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from ..errors import SettingsError
from .option_names import OF_PRODUCERS
from .settings import Settings

_DEFAULTS: Final[dict[str, object]] = {
    # A group that is new has missed nothing yet.
    "auto.offset.reset": "earliest",
    "auto.commit.interval.ms": 1000,
}


def consumer_options(
    settings: Settings,
    service: str,
    group: str,
    *,
    defaults: Mapping[str, object],
    fixed: Mapping[str, object],
) -> dict[str, object]:
    """Kafka's options of a service's consumer, by librdkafka's names.

    `defaults` and `fixed` are those of the client: the service may change the former only.
    """
    given = {**_DEFAULTS, **defaults, "client.id": service, **settings.options}
    options = {**given, **fixed, "group.id": group}
    return {name: value for name, value in options.items() if name not in OF_PRODUCERS}


class Transactional(Protocol):
    """A producer, with or without asyncio."""

    @property
    def is_transactional(self) -> bool:
        """Whether it has a transactional id."""
        ...


def check_choices(
    service: str,
    inbox: object | None,
    exactly_once: Transactional | None,
    concurrency: int,
    batch: int | None,
) -> None:
    """Raises SettingsError for what does not go together, and says what does."""
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
