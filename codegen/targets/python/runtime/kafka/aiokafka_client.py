"""aiokafka's clients: how they are made and started, and what their errors mean."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from ..errors import SettingsError, StubError

errors: Final[Any] = import_module("aiokafka.errors")

FENCED: Final = (errors.ProducerFenced, errors.InvalidProducerEpoch)
_PASSING: Final = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.IllegalGenerationError,
    errors.RebalanceInProgressError,
    errors.UnknownMemberIdError,
)
"""A transaction that ends with one of these is rolled back, and its producer goes on."""
_log: Final = logging.getLogger(__name__)
_START_TIMEOUT: Final = 60.0
CLOSE_TIMEOUT: Final = 15.0
"""Seconds that leaving Kafka may take."""


def make_client(kind: Any, arguments: dict[str, object]) -> Any:
    """A client that has not started. Raises SettingsError for what aiokafka does not take."""
    try:
        return kind(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingsError(
            f"aiokafka does not take these options: {error}; "
            "see KAFKA_* in the environment and `options` of settings()"
        ) from error


async def start_client(make: Callable[[], Any], what: str) -> Any:
    """A client that has started. Raises StubError when Kafka stays away or refuses it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _START_TIMEOUT
    delay = 0.2
    while True:
        client = make()
        try:
            await client.start()
            return client
        except errors.KafkaError as error:
            await _drop(client)
            if loop.time() + delay > end or not _may_pass(error):
                raise StubError(f"Kafka does not let this {what} in: {error}") from error
            _log.warning("Kafka: %s; next attempt in %.1f s", error, delay)
        except BaseException:
            await _drop(client)
            raise
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))
        delay = min(delay * 2, 5.0)


async def _drop(client: Any) -> None:
    with suppress(Exception):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await client.stop()


def _may_pass(error: Any) -> bool:
    return bool(error.retriable) or isinstance(error, errors.KafkaConnectionError)


class KafkaFailure:
    """Why Kafka, or aiokafka, refused something."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def name(self) -> str:
        """The name of the error code, by librdkafka's names where services ask for it."""
        if isinstance(self._error, errors.MessageSizeTooLargeError):
            return "MSG_SIZE_TOO_LARGE"
        if isinstance(self._error, FENCED):
            return "_FENCED"
        return str(getattr(self._error, "message", "") or type(self._error).__name__)

    def str(self) -> str:
        """What happened, for people."""
        return str(getattr(self._error, "description", "") or self._error)

    def fatal(self) -> bool:
        """Whether a transactional client is of no use any more."""
        return not isinstance(self._error, _PASSING)
