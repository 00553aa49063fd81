"""How does a search go as deep as a schema does, without the stack of the interpreter?

A depth-first search whose steps are tasks on a list. It remembers the result of each request, and
answers a request that is still in progress with what is assumed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import TypeAlias, TypeVar

from codegen.avro.incompatibility import MAX_PAIRS, TooManyPairs

Request = TypeVar("Request")
Result = TypeVar("Result")

Task: TypeAlias = Generator[Request, Result, Result]
"""What answers one request: it yields the requests that it needs the results of."""


def search(
    request: Request,
    key_of: Callable[[Request], Hashable],
    start: Callable[[Request], Task[Request, Result]],
    assumed: Result,
    memory: dict[Hashable, Result],
) -> Result:
    """The result of a request. `memory` takes in all results on the way, and may be used again.

    Raises TooManyPairs when the memory grows beyond MAX_PAIRS.
    """
    pending: Request | None = request
    tasks: list[tuple[Hashable, Task[Request, Result]]] = []
    answer: Result | None = None
    while True:
        if pending is not None:
            key = key_of(pending)
            answer = memory.get(key)
            if answer is None:
                if len(memory) >= MAX_PAIRS:
                    raise TooManyPairs
                memory[key] = assumed
                tasks.append((key, start(pending)))
            elif not tasks:
                return answer
        key, task = tasks[-1]
        try:
            pending = task.send(answer)  # type: ignore[arg-type]  # None starts a task
        except StopIteration as done:
            tasks.pop()
            pending, answer = None, done.value
            memory[key] = done.value
            if not tasks:
                result: Result = done.value
                return result
