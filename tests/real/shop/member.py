"""A member of the answer service that notes what it handles, in a file of its own.

    python member.py PACKAGE WAY NAME FILE

WAY is `workers`, with effects in that file only, or `transactions`, with answers as well; NAME is
the transactional id. The package says whether it is for threads or for asyncio.
"""

import asyncio
import dataclasses
import importlib
import os
import random
import sys
import time
from typing import Any

package_name, way, name, path = sys.argv[1:]
package = importlib.import_module(package_name)
codecs = importlib.import_module(f"{package_name}.codecs")
runtime = f"{package_name}._runtime"
is_async = package_name.startswith("async_")
file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(what: str, event: Any) -> None:
    """One line, at once: a process that is killed keeps nothing back."""
    line = f"{time.monotonic_ns()} {what} {event.question_id} {event.text}\n"
    os.write(file, line.encode())


def delay() -> float:
    """How long a message takes: now and then, longer."""
    return random.choice((0, 0, 0, 0.001, 0.004))


def settings() -> Any:
    """Settings with a registry in memory that numbers schemas as those of the test."""
    kafka = importlib.import_module(f"{runtime}.kafka.{'aiokafka' if is_async else 'confluent'}")
    made = package.settings(registry_url="http://unused")
    transport = kafka.KafkaTransport(made.bootstrap_servers, made.registry)
    transport._registry = importlib.import_module(f"{runtime}.fakes.service").FakeRegistry(
        codecs.EVENTS
    )
    return dataclasses.replace(made, transport=transport)


class Threads(package.Handler):
    """Notes when it begins and when it ends, and answers."""

    def __init__(self, producer: Any) -> None:
        self.producer = producer

    def on_asked(self, event: Any, message: Any) -> None:
        """The order of these is what the test looks at."""
        note("begin", event)
        time.sleep(delay())
        if self.producer is not None:
            answer = package.Answered(question_id=event.question_id, text=event.text)
            self.producer.send(answer, caused_by=message)
        note("end", event)

    def on_withdrawn(self, event: Any, message: Any) -> None: ...
    def on_profile_changed(self, event: Any, message: Any) -> None: ...
    def on_deletion_from_profiles(self, message: Any) -> None: ...


class Tasks(package.Handler):
    """The same for asyncio."""

    def __init__(self, producer: Any) -> None:
        self.producer = producer

    async def on_asked(self, event: Any, message: Any) -> None:
        """As that of Threads."""
        note("begin", event)
        await asyncio.sleep(delay())
        if self.producer is not None:
            answer = package.Answered(question_id=event.question_id, text=event.text)
            await self.producer.send(answer, caused_by=message)
        note("end", event)

    async def on_withdrawn(self, event: Any, message: Any) -> None: ...
    async def on_profile_changed(self, event: Any, message: Any) -> None: ...
    async def on_deletion_from_profiles(self, message: Any) -> None: ...


def run_threads() -> None:
    """Until SIGTERM."""
    made = settings()
    if way == "workers":
        with package.Consumer(made, Threads(None), concurrency=4) as consumer:
            consumer.run()
        return
    with (
        package.Producer(made, transactional_id=name) as producer,
        package.Consumer(made, Threads(producer), exactly_once=producer) as consumer,
    ):
        consumer.run()


async def run_tasks() -> None:
    """Until SIGTERM."""
    made = settings()
    if way == "workers":
        async with package.Consumer(made, Tasks(None), concurrency=4) as consumer:
            await consumer.run()
        return
    async with (
        package.Producer(made, transactional_id=name) as producer,
        package.Consumer(made, Tasks(producer), exactly_once=producer) as consumer,
    ):
        await consumer.run()


if __name__ == "__main__":
    if is_async:
        asyncio.run(run_tasks())
    else:
        run_threads()
