"""What is left open, or was made before a fork: told, where nothing else would say a word."""

# ruff: noqa: F811

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from types import ModuleType

import async_desk
import pytest
from desk import answer_service, async_answer, async_folders, desk_folders  # noqa: F401
from test_python_runtime import Desk

FORKED = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def in_a_fork(check: Callable[[], None]) -> int:
    """How a forked process that checks this ends."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            check()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


@FORKED
def test_a_consumer_says_that_it_gets_nothing_in_a_forked_process(
    answer_service: ModuleType,
) -> None:
    desk = Desk(answer_service)
    desk.ask(1)

    def check() -> None:
        for call in (desk.consumer.run, desk.consumer.drain):
            with pytest.raises(answer_service.StubError, match="before this process was forked"):
                call()
        desk.consumer.close()

    assert in_a_fork(check) == 0
    desk.consumer.drain()
    assert desk.consumer.statistics.handled == 1


@FORKED
def test_an_asyncio_consumer_says_that_it_gets_nothing_in_a_forked_process(
    async_answer: ModuleType,
) -> None:
    async def test() -> None:
        async with async_desk.Desk(async_answer) as desk:

            def check() -> None:
                with pytest.raises(async_answer.StubError, match="before this process was forked"):
                    desk.consumer.run().send(None)
                with pytest.raises(StopIteration):
                    desk.consumer.close().send(None)

            assert in_a_fork(check) == 0

    async_desk.run(test)


def test_what_an_asyncio_producer_has_sent_that_nobody_closed_is_told(
    async_answer: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        producer = async_answer.Producer(async_answer.fakes.fakes().settings())
        await producer.__aenter__()

        async def keep_silent(*_: object) -> asyncio.Future[object]:
            return asyncio.get_running_loop().create_future()

        producer._client.produce = keep_silent
        await producer.send(async_answer.Answered(question_id="q", text="x"))

    async_desk.run(test)
    gc.collect()
    assert "a producer was not closed, and what it has sent is not confirmed" in caplog.text
