"""What the modules `schemas` and `codecs` of a package say: each event's schema and coding.

The schema's text is the one that is registered, with the types of other files as references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codegen.avro.canonical import render
from codegen.avro.schema import Enum, Record, Schema, SchemaGraph, reachable
from codegen.contract.model import Contract, Event, FieldKey, SchemaKey, Service, Subject
from codegen.diagnostics import KontraktError
from codegen.targets.python.decoders import write_decoder
from codegen.targets.python.encoders import write_encoder
from codegen.targets.python.literals import definition, string, string_argument, words_in
from codegen.targets.python.names import RESERVED_CLASSES, name_attributes, unique
from codegen.targets.python.past import find_past
from codegen.targets.python.service_view import import_order, snake
from codegen.targets.python.straight_line import Module, has_weightless_items
from codegen.targets.python.types import annotation


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
        if stem in RESERVED_CLASSES or stem in classes.values():
            stem += "_EVENT"
        if not is_alone:
            stem += "_ON_" + "".join(one if one.isalnum() else "_" for one in event.topic).upper()
        named.append(NamedEvent(event, unique(stem, taken)))
    return tuple(named)


def name_keys(
    service: Service, contract: Contract, events: Iterable[NamedEvent]
) -> Mapping[str, NamedEvent]:
    """The keys of each topic whose keys have a schema, described as an event is.

    Raises KontraktError for keys that are no records.
    """
    named = tuple(events)
    taken = {one.constant for one in named}
    keys: dict[str, NamedEvent] = {}
    for name in dict.fromkeys(one.event.topic for one in named):
        key = contract.topic(name).key
        if not isinstance(key, SchemaKey):
            continue
        root = key.schema.resolve(key.schema.root)
        if not isinstance(root, Record):
            raise KontraktError(
                f"the keys of {name} have a schema that is no record, which the Python target of "
                f"{service.name} cannot write",
                "let the key be a record, or a field that every event of the topic has",
            )
        stem = "".join(one if one.isalnum() else "_" for one in name).upper()
        event = Event(root.name, name, key.subject, key.schema, key.origin)
        keys[name] = NamedEvent(event, unique(f"{stem.lstrip('_')}_KEY", taken))
    return keys


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
        "schema": string_argument("schema", text, 4),
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
    events: Iterable[NamedEvent],
    keys: Mapping[str, NamedEvent],
    contract: Contract,
    classes: Mapping[str, str],
) -> Mapping[str, object]:
    """The values of the template `codecs.py.j2`; `keys` are those that `name_keys` names."""
    # What events refer to comes first.
    named = (*keys.values(), *events)
    types: dict[str, str] = {}
    for one in named:
        for name, type_ in reachable(one.event.schema).items():
            if isinstance(type_, Record | Enum):
                types[name] = classes[name]
    graph = SchemaGraph(named[0].event.schema.root, contract.types)
    module = Module(graph, {name: classes[name] for name in types})
    coders = [_write_coders(module, one) for one in named]
    with_past = {one.constant for one in named if find_past(one.event, contract)}
    makers = ["" for _ in keys]
    makers += [_write_key(module, one, contract, classes) for one in events]
    code = [line for function in module.functions for line in function]
    needed = {"avro.codec": ["Codec", "EventType"]}
    if with_past:
        needed["avro.versions"] = ["PastSchema"]
    return {
        "imports": library_imports(code, module, "from collections.abc import Mapping"),
        "classes": import_order(types.values()),
        "runtime": runtime_imports(code, module, needed),
        "types": [{"name": string(name), "class": types[name]} for name in sorted(types)],
        "exports": sorted(["EVENTS", "TYPES", *(one.constant for one in named)]),
        "constants": [
            definition(f"{name}: Final", text) for text, name in module.constants.items()
        ],
        "functions": module.functions,
        "codecs": [
            {
                "constant": f"_{one.constant}",
                "class": classes[one.event.name],
                "schema": one.constant,
                "past": f"_past_of_{one.constant.lower()}" if one.constant in with_past else "",
            }
            for one in named
        ],
        "all_events": tuple_lines("EVENTS: Final = ", [one.constant for one in events]),
        "events": [
            {
                "constant": one.constant,
                "class": classes[one.event.name],
                "name": string(one.event.name),
                "topic": string(one.event.topic),
                "codec": f"_{one.constant}",
                "key": make_key,
                "key_type": _key_type(one, keys),
                **coder,
            }
            for one, coder, make_key in zip(named, coders, makers, strict=True)
        ],
    }


def _key_type(one: NamedEvent, keys: Mapping[str, NamedEvent]) -> str:
    key = keys.get(one.event.topic)
    return "" if key is None or key is one else key.constant


def _write_coders(module: Module, one: NamedEvent) -> Mapping[str, str]:
    """The functions that encode and decode an event; several topics share them."""
    record = module.graph.names[one.event.name]
    assert isinstance(record, Record)
    known = f"_{one.constant}"
    coders = module.coders.get(record.name)
    if coders is None:
        decode = f"{known}.decode"
        if not has_weightless_items(module.graph, record):
            decode = write_decoder(module, record, known)
        coders = module.coders[record.name] = {
            "encode": write_encoder(module, record, known),
            "decode": decode,
        }
    return coders


def _write_key(
    module: Module, one: NamedEvent, contract: Contract, classes: Mapping[str, str]
) -> str:
    """The function that makes the message key of an event; empty where its topic has none."""
    function = f"_key_of_{one.constant.lower()}"
    head = f"def {function}(event: {classes[one.event.name]}) -> "
    match contract.topic(one.event.topic).key:
        case None:
            return ""
        case SchemaKey() as key:
            module.functions.append(
                [f"{head}{classes[_record(key).name]}:", *_fill(module, one, key)]
            )
            return function
        case FieldKey(path=path):
            schema: Schema = module.graph.names[one.event.name]
            value = "event"
            for name in path:
                record = module.graph.resolve(schema)
                assert isinstance(record, Record), "the contract was loaded without errors"
                names = [field.name for field in record.fields]
                value += f".{name_attributes(names)[names.index(name)]}"
                schema = record.fields[names.index(name)].schema
            kind = annotation(module.graph, schema, module.classes)
            text = f"{value}.encode()" if kind == "str" else f"str({value}).encode()"
            if kind == "UUID":
                module.runtime.setdefault("avro.values", set()).add("uuid_key")
                text = f"uuid_key({value})"
            module.functions.append([f"{head}bytes:", f"    return {text}"])
            return function


def _fill(module: Module, one: NamedEvent, key: SchemaKey) -> list[str]:
    """The body of a function that makes a key from the fields of an event with the same names.

    Raises KontraktError where the event has no field of that name, or of another type.
    """
    record, event = _record(key), module.graph.names[one.event.name]
    assert isinstance(event, Record)
    attributes = name_attributes(item.name for item in event.fields)
    given = dict(zip((item.name for item in event.fields), attributes, strict=True))
    types = {item.name: item.schema for item in event.fields}
    scope = module.scope()
    arguments = []
    for attribute, item in zip(
        name_attributes(field.name for field in record.fields), record.fields, strict=True
    ):
        problem = _unlike(module, item.schema, types.get(item.name))
        if problem:
            raise KontraktError(
                f"the topic {one.event.topic} has keys with a schema, {record.name}, and "
                f"{one.event.name} cannot make one: its field {item.name} {problem}",
                "give the event a field of that name and type: the key of a message is made of it",
            )
        arguments.append(f"{attribute}=event.{given[item.name]}")
    text = f"return {module.classes[record.name]}({', '.join(arguments)})"
    if scope.fits(text):
        scope.line(text)
    else:
        scope.items(f"return {module.classes[record.name]}(", arguments, ")")
    return scope.lines


def _unlike(module: Module, wanted: Schema, given: Schema | None) -> str:
    """Why a field of an event does not give one of its key; empty where it does."""
    if given is None:
        return "is missing"
    wanted_type, given_type = (
        annotation(module.graph, schema, module.classes) for schema in (wanted, given)
    )
    if set(given_type.split(" | ")) <= set(wanted_type.split(" | ")):
        return ""
    return f"is {given_type}, where the key has {wanted_type}"


def _record(key: SchemaKey) -> Record:
    record = key.schema.resolve(key.schema.root)
    assert isinstance(record, Record), "name_keys has refused others"
    return record


def runtime_imports(
    code: Iterable[str], module: Module, more: Mapping[str, Iterable[str]]
) -> list[Mapping[str, object]]:
    """What the functions of a module need of the runtime, and what its template needs."""
    needed: dict[str, Iterable[str]] = {**module.runtime, **more}
    if "Duration" in words_in(code):
        needed["avro.values"] = {*needed.get("avro.values", ()), "Duration"}
    return [
        {"module": name, "names": import_order(names)} for name, names in sorted(needed.items())
    ]


def library_imports(code: Iterable[str], module: Module, *more: str) -> list[str]:
    """What the functions of a module need of Python's library, and what its template needs."""
    words = words_in(code)
    lines = ["import datetime as dt"] if "dt" in words else []
    if module.needs_struct:
        lines.append("import struct")
    lines += more
    if "Decimal" in words:
        lines.append("from decimal import Decimal")
    lines.append("from typing import Any, Final")
    if "UUID" in words:
        lines.append("from uuid import UUID")
    return lines
