"""Transactions of Kafka for asyncio: what is sent in one, readers see all of it or nothing.

KIP-98, and KIP-447 for the offsets of a consumer that belong to it. A client with a
`transactional.id` shuts out every earlier one with the same id when it starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from ..errors import DeliveryError, ProducerEnded, StubError, TransactionFailed
from ..kafka.async_transport import AsyncProducerClient, Refused
from ..kafka.refusals import explain_refusal, find_causes
from ..kafka.transport import Positions

_TIMEOUT: Final = 120.0
"""Seconds that the coordinator has for one step."""


class Transactions:
    """Begins, commits and rolls back the transactions of one client, one at a time."""

    def __init__(
        self,
        client: AsyncProducerClient,
        settle: Callable[[], Awaitable[object]],
        take_failures: Callable[[], Sequence[DeliveryError]],
    ) -> None:
        """`settle` waits for all that is on the way; `take_failures` gives what did not arrive."""
        self._client = client
        self._settle = settle
        self._take_failures = take_failures
        self._is_taken = False
        self.is_open = False
        """Whether one has begun and not ended."""

    @asynccontextmanager
    async def begin(self, positions: Positions | None = None) -> AsyncGenerator[None, None]:
        """A transaction around the block; it is rolled back when the block raises.

        `positions` tells, when the block is left, which offsets of which group are committed with
        it. Raises TransactionFailed when Kafka does not commit, ProducerFenced when another client
        has taken over, ProducerEnded when Kafka lets this one do nothing more, and StubError when a
        transaction is open already.
        """
        if self._is_taken:
            raise StubError("a transaction of this producer is open already; they do not nest")
        self._is_taken = True
        try:
            await self._call(self._client.begin_transaction)
            self.is_open = True
            try:
                yield
                await self._commit(positions)
            except BaseException as error:
                if not isinstance(error, ProducerEnded):
                    await self._roll_back(error)
                raise
        finally:
            self._is_taken = self.is_open = False

    async def _commit(self, positions: Positions | None) -> None:
        # Nothing may join any more: Kafka's client goes on with what the block has sent.
        self.is_open = False
        await self._settle()
        failures = self._take_failures()
        if failures:
            raise TransactionFailed("events were not delivered", failures)
        if positions is not None:
            offsets, group = positions()
            if offsets:
                commit = self._client.send_offsets_to_transaction
                await self._call(partial(commit, offsets, group))
        await self._call(self._client.commit_transaction)

    async def _roll_back(self, cause: BaseException) -> None:
        self.is_open = False
        try:
            await self._call(self._client.abort_transaction)
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

    async def _call(self, step: Callable[[], Awaitable[None]]) -> None:
        """Have the client do it; say what its refusal means for the caller."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                await step()
        except TimeoutError as error:
            raise ProducerEnded(
                f"the transaction coordinator did not answer for {_TIMEOUT:.0f} seconds, so what "
                "became of the transaction is not known; a new producer with this "
                "transactional.id ends it"
            ) from error
        except Refused as error:
            raise explain_refusal(error.failure, self._take_failures()) from error
