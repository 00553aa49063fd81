"""The answer service of the help desk for asyncio, on fakes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any


class Answers:
    """Answers each question once it has failed as often as it was told to."""

    def __init__(self, package: ModuleType, producer: Any, failures: int = 0) -> None:
        self.package, self.producer, self.failures = package, producer, failures
        self.asked: list[Any] = []
        self.deleted: list[bytes | None] = []
        self.hook: Callable[[Any], Awaitable[object]] | None = None

    async def on_asked(self, event: Any, message: Any) -> None:
        self.asked.append(event.question_id)
        if self.hook is not None:
            await self.hook(event)
        if len(self.asked) <= self.failures:
            raise ConnectionError("the database is away")
        answer = self.package.Answered(question_id=event.question_id, text=event.text.upper())
        await self.producer.send(answer, caused_by=message)

    async def on_withdrawn(self, event: Any, message: Any) -> None:
        raise self.package.RejectMessage("nobody asked")

    async def on_profile_changed(self, event: Any, message: Any) -> None: ...

    async def on_deletion_from_profiles(self, message: Any) -> None:
        self.deleted.append(message.key)


class Desk:
    """The answer service on fakes, as a context."""

    def __init__(self, package: ModuleType, failures: int = 0, **options: Any) -> None:
        self.package = package
        self.fake = package.fakes.fakes()
        self.producer = package.Producer(self.fake.settings())
        self.handler = Answers(package, self.producer, failures)
        self.options = options
        self.consumer = self.open()

    def open(self) -> Any:
        return self.package.Consumer(self.fake.settings(), self.handler, **self.options)

    def ask(self, *numbers: int, **options: Any) -> None:
        for number in numbers:
            event = self.package.Asked(question_id=f"q{number}", text=f"why {number}?")
            self.fake.deliver(event, **options)

    async def __aenter__(self) -> Desk:
        await self.producer.__aenter__()
        await self.consumer.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.consumer.__aexit__(*error)
        await self.producer.__aexit__(*error)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test in an event loop of its own, for half a minute at most."""

    async def limited() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(limited())
