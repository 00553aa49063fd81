"""What the generated test of a package says: its codecs beside bytes that fastavro wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from codegen.targets.python.codecs_view import NamedEvent
from codegen.targets.python.literals import LINE_LENGTH
from codegen.targets.python.samples import sample_events
from codegen.targets.python.service_view import import_order
from codegen.targets.python.types import Code, Defaults


def samples_view(
    events: Iterable[NamedEvent], package: str, models: Iterable[str], classes: Mapping[str, str]
) -> tuple[Mapping[str, object], tuple[tuple[str, str], ...]]:
    """The values of the template `test_contract.py.j2`, and which events it lacks, and why."""
    tests: list[_Test] = []
    lacking = []
    for one in events:
        found, problem = _tests(one, classes)
        tests += found
        if problem:
            lacking.append((one.event.name, problem))
    words = {word for test in tests for line in test["event"] for word in re.findall(r"\w+", line)}
    imports = ["import datetime as dt"] if "dt" in words else []
    if "Decimal" in words:
        imports.append("from decimal import Decimal")
    if "UUID" in words:
        imports.append("from uuid import UUID")
    values = {
        "imports": imports,
        "package": package,
        "constants": import_order(str(test["constant"]) for test in tests),
        "models": import_order(name for name in models if name in words),
        "tests": tests,
    }
    return values, tuple(lacking)


_Test: TypeAlias = Mapping[str, list[str] | str]


def _tests(one: NamedEvent, classes: Mapping[str, str]) -> tuple[list[_Test], str]:
    """The tests of one event; and why there are none, or not all."""
    graph = one.event.schema
    samples = sample_events(graph)
    tests: list[_Test] = []
    for number, (value, data) in enumerate(samples.events, 1):
        try:
            code = Defaults(graph, classes).value(graph.root, value)
        except (ValueError, ArithmeticError):
            continue  # a date, for example, that Python has no value for
        tests.append(
            {
                "name": f"test_{one.constant.lower()}_{number}",
                "constant": one.constant,
                "event": _assignment(code),
                "data": _chunks(data.hex()),
            }
        )
    problem = samples.problem or ("" if tests else "Python has no value for any sample of it")
    return tests, problem


def _assignment(code: Code) -> list[str]:
    lines = code.opened or (code.text,)
    return [f"    event = {lines[0]}", *(f"    {line}" for line in lines[1:])]


def _chunks(text: str) -> list[str]:
    room = LINE_LENGTH - 14
    if len(text) <= 60:
        return [f'    data = bytes.fromhex("{text}")']
    parts = [text[start : start + room] for start in range(0, len(text), room)]
    return ["    data = bytes.fromhex(", *(f'        "{part}"' for part in parts), "    )"]
