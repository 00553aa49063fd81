"""What the generated test of a package says: its codecs beside bytes that fastavro wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from codegen.contract.model import Contract
from codegen.targets.python.codecs_view import NamedEvent
from codegen.targets.python.literals import LINE_LENGTH, words_in
from codegen.targets.python.past import Past, find_past
from codegen.targets.python.samples import read_sample, sample_events
from codegen.targets.python.service_view import import_order
from codegen.targets.python.types import Code, Defaults


def samples_view(
    events: Iterable[NamedEvent],
    contract: Contract,
    package: str,
    models: Iterable[str],
    classes: Mapping[str, str],
) -> tuple[Mapping[str, object], tuple[tuple[str, str], ...]]:
    """The values of the template `test_contract.py.j2`, and which events it lacks, and why."""
    named = tuple(events)
    tests: list[_Test] = []
    pasts: list[_Test] = []
    lacking = []
    for one in named:
        found, problem = _tests(one, classes)
        tests += found
        if problem:
            lacking.append((one.event.name, problem))
        for index, past in enumerate(find_past(one.event, contract)):
            found, problem = _past_tests(one, index, past, classes)
            pasts += found
            if problem:
                lacking.append((one.event.name, problem))
    words = words_in(line for test in (*tests, *pasts) for line in test["event"])
    values = {
        "imports": _imports(words),
        "package": package,
        "constants": import_order(str(test["constant"]) for test in tests),
        "models": import_order(name for name in models if name in words),
        "tests": tests,
        "pasts": pasts,
        "histories": import_order(str(test["constant"]) for test in pasts),
    }
    return values, tuple(lacking)


def _imports(words: set[str]) -> list[str]:
    """What code with these words needs of the standard library."""
    imports = ["import datetime as dt"] if "dt" in words else []
    if "Decimal" in words:
        imports.append("from decimal import Decimal")
    if "UUID" in words:
        imports.append("from uuid import UUID")
    return imports


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


def _past_tests(
    one: NamedEvent, index: int, past: Past, classes: Mapping[str, str]
) -> tuple[list[_Test], str]:
    """Bytes of another version beside what fastavro reads of them as the current one.

    And why there are none, where it is no judge or reads nothing.
    """
    if past.is_disputed:
        return [], f"implementations of Avro read what version {past.version} wrote as other values"
    graph = one.event.schema
    tests: list[_Test] = []
    for number, (_, data) in enumerate(sample_events(past.schema).events, 1):
        try:
            value = read_sample(graph, past.schema, data)
            code = Defaults(graph, classes).value(graph.root, value)
        except (ValueError, ArithmeticError):
            continue
        tests.append(
            {
                "name": f"test_{one.constant.lower()}_v{past.version}_{number}",
                "constant": one.constant,
                "index": str(index),
                "event": _assignment(code),
                "data": _chunks(data.hex()),
            }
        )
    problem = "" if tests else f"fastavro reads no sample that version {past.version} wrote"
    return tests, problem


def _assignment(code: Code) -> list[str]:
    lines = code.opened or (code.text,)
    return [f"    event = {lines[0]}", *(f"    {line}" for line in lines[1:])]


def _chunks(text: str) -> list[str]:
    whole = f'    data = bytes.fromhex("{text}")'
    if len(whole) <= LINE_LENGTH:
        return [whole]
    room = LINE_LENGTH - 10
    parts = [text[start : start + room] for start in range(0, len(text), room)]
    return ["    data = bytes.fromhex(", *(f'        "{part}"' for part in parts), "    )"]
