"""What it means for a service when Kafka refuses a step of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..errors import DeliveryError, ProducerEnded, ProducerFenced, StubError, TransactionFailed

_FENCED: Final = frozenset({"_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"})


_ROLLED_BACK: Final = ("_PURGE_QUEUE", "_PURGE_INFLIGHT")
"""How librdkafka reports events that were still on the way when their transaction ended."""


def find_causes(failures: Sequence[DeliveryError]) -> list[DeliveryError]:
    """Those that may have made a transaction fail, not those that its end made fail."""
    return [failure for failure in failures if not failure.reason.startswith(_ROLLED_BACK)]


def explain_refusal(failure: Any, failures: Sequence[DeliveryError] = ()) -> StubError:
    """The error for a failure that is not tried again; `failures` are events that did not arrive.

    ProducerFenced and ProducerEnded: this client is of no use any more. TransactionFailed: the
    transaction must be rolled back, and can be tried again.
    """
    if failure.name() in _FENCED:
        return ProducerFenced(
            f"another producer has taken over this transactional.id: {failure.str()}"
        )
    if failure.fatal():
        return ProducerEnded(f"Kafka ended this producer: {failure.str()}")
    return TransactionFailed(failure.str(), find_causes(failures))
