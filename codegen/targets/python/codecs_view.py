"""What the modules `schemas` and `codecs` of a package say: each event's schema and coding.

The schema's text is the one that is registered, with the types of other files as references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codegen.avro.canonical import render
from codegen.avro.schema import Enum, Record, reachable
from codegen.contract.model import Contract, Event, FieldKey, Service, Subject
from codegen.targets.python.literals import long_string, string
from codegen.targets.python.names import snake, unique
from codegen.targets.python.service_view import import_order


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """An event of a service and the constant of its EventType."""

    event: Event
    constant: str


def name_events(service: Service, classes: Mapping[str, str]) -> tuple[NamedEvent, ...]:
    """The events that a service consumes or produces, each once, with their constants."""
    events = tuple(dict.fromkeys((*service.produces, *service.consumes)))
    taken: set[str] = set()
    named = []
    for event in events:
        is_alone = sum(other.name == event.name for other in events) == 1
        stem = snake(classes[event.name]).upper()
        if not is_alone:
            stem += "_ON_" + "".join(one if one.isalnum() else "_" for one in event.topic).upper()
        named.append(NamedEvent(event, unique(stem, taken)))
    return tuple(named)


def schemas_view(
    events: Iterable[NamedEvent], contract: Contract, classes: Mapping[str, str]
) -> Mapping[str, object]:
    """The values of the template `schemas.py.j2`: what is referred to comes first."""
    subjects = {subject.name: subject for subject in contract.subjects}
    named = tuple(events)
    constants = {one.event.subject: one.constant for one in named}
    taken = set(constants.values())
    needed: dict[str, Subject] = {}

    def need(name: str) -> None:
        if name in needed:
            return
        for reference in subjects[name].references:
            need(reference.subject)
        needed[name] = subjects[name]
        if name not in constants:
            stem = classes.get(name, name.rpartition(".")[2])
            constants[name] = unique(snake(stem).upper() + "_TYPE", taken)

    for one in named:
        need(one.event.subject)
    return {
        "exports": sorted(constants.values()),
        "schemas": [_schema_view(subject, constants) for subject in needed.values()],
    }


def _schema_view(subject: Subject, constants: Mapping[str, str]) -> Mapping[str, object]:
    root = subject.schema.root
    referred = [constants[reference.subject] for reference in subject.references]
    text = render(subject.schema, inline=not subject.references)
    return {
        "constant": constants[subject.name],
        "name": string(getattr(root, "name", subject.name)),
        "subject": string(subject.name),
        "lines": long_string(text, 8),
        "references": tuple_lines("    references=", referred, ","),
    }


def tuple_lines(head: str, items: Iterable[str], tail: str = "") -> list[str]:
    """A tuple as `ruff format` leaves it: one item to a line, but one item alone on one line."""
    listed = list(items)
    margin = " " * (len(head) - len(head.lstrip()))
    if len(listed) < 2:
        return [f"{head}({listed[0]},){tail}" if listed else f"{head}(){tail}"]
    return [f"{head}(", *(f"{margin}    {item}," for item in listed), f"{margin}){tail}"]


def codecs_view(
    events: Iterable[NamedEvent], contract: Contract, classes: Mapping[str, str]
) -> Mapping[str, object]:
    """The values of the template `codecs.py.j2`."""
    named = tuple(events)
    types: dict[str, str] = {}
    for one in named:
        for name, type_ in reachable(one.event.schema).items():
            if isinstance(type_, Record | Enum):
                types[name] = classes[name]
    return {
        "classes": import_order(types.values()),
        "types": [{"name": string(name), "class": types[name]} for name in sorted(types)],
        "exports": sorted(["EVENTS", "TYPES", *(one.constant for one in named)]),
        "codecs": [
            {
                "constant": f"_{one.constant}",
                "class": classes[one.event.name],
                "schema": one.constant,
            }
            for one in named
        ],
        "all_events": tuple_lines("EVENTS: Final = ", [one.constant for one in named]),
        "events": [_event_view(one, contract, classes) for one in named],
    }


def _event_view(
    one: NamedEvent, contract: Contract, classes: Mapping[str, str]
) -> Mapping[str, object]:
    key = contract.topic(one.event.topic).key
    return {
        "constant": one.constant,
        "class": classes[one.event.name],
        "name": string(one.event.name),
        "topic": string(one.event.topic),
        "codec": f"_{one.constant}",
        "encode": f"_{one.constant}.encode",
        "decode": f"_{one.constant}.decode",
        "key": f"lambda event: str(event.{'.'.join(key.path)}).encode()"
        if isinstance(key, FieldKey)
        else "",
    }
