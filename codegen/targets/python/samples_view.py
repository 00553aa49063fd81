"""What the generated test of a package says: its codecs beside bytes that fastavro wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from codegen.contract.model import Contract
from codegen.targets.python.codecs_view import NamedEvent
from codegen.targets.python.literals import LINE_LENGTH, words_in
from codegen.targets.python.past import find_past
from codegen.targets.python.samples import read_sample, sample_events
from codegen.targets.python.service_view import import_order
from codegen.targets.python.types import Code, Defaults


def samples_view(
    events: Iterable[NamedEvent],
    contract: Contract,
    package: str,
    models: Iterable[str],
    classes: Mapping[str, str],
) -> Mapping[str, object]:
    """The values of the template `test_contract.py.j2`."""
    named = tuple(events)
    tests = [test for one in named for test in _tests(one, classes)]
    pasts = [test for one in named for test in _past_tests(one, contract, classes)]
    lines = [line for test in (*tests, *pasts) for line in test["event"]]
    words = words_in(lines)
    imports = ["import datetime as dt"] if "dt" in words else []
    if "Decimal" in words:
        imports.append("from decimal import Decimal")
    if "UUID" in words:
        imports.append("from uuid import UUID")
    return {
        "imports": imports,
        "package": package,
        "constants": import_order(str(test["constant"]) for test in tests),
        "models": import_order(name for name in models if name in words),
        "tests": tests,
        "pasts": pasts,
        "histories": import_order(str(test["constant"]) for test in pasts),
    }


def _tests(one: NamedEvent, classes: Mapping[str, str]) -> Iterable[Mapping[str, list[str] | str]]:
    graph = one.event.schema
    for number, (value, data) in enumerate(sample_events(graph), 1):
        try:
            code = Defaults(graph, classes).value(graph.root, value)
        except (ValueError, ArithmeticError):
            continue
        yield {
            "name": f"test_{one.constant.lower()}_{number}",
            "constant": one.constant,
            "event": _assignment(code),
            "data": _chunks(data.hex()),
        }


def _past_tests(
    one: NamedEvent, contract: Contract, classes: Mapping[str, str]
) -> Iterable[Mapping[str, list[str] | str]]:
    """Bytes of each other version beside what fastavro reads of them as the current one."""
    graph = one.event.schema
    for index, past in enumerate(find_past(one.event, contract)):
        samples = () if past.is_disputed else sample_events(past.schema)
        for number, (_, data) in enumerate(samples, 1):
            try:
                value = read_sample(graph, past.schema, data)
                code = Defaults(graph, classes).value(graph.root, value)
            except (ValueError, ArithmeticError):
                continue
            yield {
                "name": f"test_{one.constant.lower()}_v{past.version}_{number}",
                "constant": one.constant,
                "index": str(index),
                "event": _assignment(code),
                "data": _chunks(data.hex()),
            }


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
