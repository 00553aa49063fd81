"""Transactions of Kafka: what is sent in one, readers see all of it or nothing.

KIP-98, and KIP-447 for the offsets of a consumer that belong to it. A client with a
`transactional.id` shuts out every earlier one with the same id, so that a process that was thought
dead cannot finish what its successor has begun again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from ..errors import (
    DeliveryError,
    ProducerEnded,
    StubError,
    TransactionFailed,
)
from ..kafka.bounded import call_within
from ..kafka.refusals import explain_refusal, find_causes
from ..kafka.transport import Positions, ProducerClient

_TIMEOUT: Final = 30.0
"""Seconds that one call waits for the coordinator before it is made again."""
_ATTEMPTS: Final = 4
_GRACE: Final = 5.0
"""Seconds after which a call that has its own timeout must have returned."""


class Transactions:
    """Begins, commits and rolls back the transactions of one client, one at a time."""

    def __init__(
        self,
        client: ProducerClient,
        failure: type[Exception],
        take_failures: Callable[[], Sequence[DeliveryError]],
    ) -> None:
        """`failure` is what the client raises; `take_failures` gives what was not delivered."""
        self._client = client
        self._failure = failure
        self._take_failures = take_failures
        self._lock = threading.Lock()
        self._is_ready = False
        self.is_open = False
        """Whether one has begun and not ended."""

    @contextmanager
    def begin(self, positions: Positions | None = None) -> Generator[None, None, None]:
        """A transaction around the block; it is rolled back when the block raises.

        `positions` tells, when the block is left, which offsets of which group are committed with
        it. Raises TransactionFailed when Kafka does not commit, ProducerFenced when another client
        has taken over, ProducerEnded when Kafka lets this one do nothing more, and StubError when a
        transaction is open already.
        """
        if not self._lock.acquire(blocking=False):
            raise StubError("a transaction of this producer is open already; they do not nest")
        try:
            self.take_over()
            self._call(self._client.begin_transaction)
            self.is_open = True
            try:
                yield
                if positions is not None:
                    self._call(self._send_offsets, *positions())
                self._call(self._client.commit_transaction, _TIMEOUT)
            except BaseException as error:
                if not isinstance(error, ProducerEnded):
                    self._roll_back(error)
                raise
        finally:
            self.is_open = False
            self._lock.release()

    def take_over(self) -> None:
        """Shut out earlier clients with the same id and end what they have open, once.

        Raises as `begin` does.
        """
        if not self._is_ready:
            self._call(self._client.init_transactions, _TIMEOUT)
            self._is_ready = True

    def _send_offsets(self, offsets: object, group: object) -> None:
        """Add offsets to the transaction. Raises ProducerEnded when the client does not return.

        librdkafka 2.16 heeds no timeout here, and may wait for ever for a coordinator that was lost
        (its issues 5456 and 5511). A thread that waits for another one can at least be told.
        """
        send = partial(self._client.send_offsets_to_transaction, offsets, group, _TIMEOUT)
        try:
            call_within(_TIMEOUT + _GRACE, send, "offsets")
        except TimeoutError:
            raise ProducerEnded(
                f"Kafka's client did not return for {_TIMEOUT + _GRACE:.0f} seconds; a new "
                "producer with this transactional.id rolls the transaction back"
            ) from None

    def _roll_back(self, cause: BaseException) -> None:
        try:
            self._call(self._client.abort_transaction, _TIMEOUT)
        except ProducerEnded:
            # Also the cause of what made the block fail; nobody is to try again with this client.
            if isinstance(cause, Exception):
                raise
        except TransactionFailed as error:
            # What made the block fail matters more, and the coordinator rolls back in the end.
            cause.add_note(f"the transaction could not be rolled back at once: {error}")
        finally:
            # Nobody waits for these any more: rolling back is what made the last of them fail.
            failures = find_causes(self._take_failures())
            if isinstance(cause, TransactionFailed) and not cause.failures:
                cause.failures = tuple(failures)

    def _call(self, call: Callable[..., object], *arguments: object) -> None:
        """Call the client until it answers; say what its refusal means for the caller."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                call(*arguments)
                return
            except self._failure as error:
                failure: Any = error.args[0]
                told = explain_refusal(failure)
                if isinstance(told, ProducerEnded):
                    raise told from error
                if not failure.retriable() or failure.txn_requires_abort() or attempt == _ATTEMPTS:
                    raise explain_refusal(failure, self._take_failures()) from error
