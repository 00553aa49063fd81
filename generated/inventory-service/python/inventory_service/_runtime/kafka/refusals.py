"""What it means for a service when Kafka refuses a step of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..errors import DeliveryError, ProducerEnded, ProducerFenced, StubError, TransactionFailed

_FENCED: Final = frozenset({"_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"})


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
    return TransactionFailed(failure.str(), failures)
