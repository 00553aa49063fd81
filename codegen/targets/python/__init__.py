"""The target `python`: one installable, typed package for each service.

It holds the models of the service's events, their codecs, the service's producer and consumer,
fakes of both for its tests, and a copy of the runtime that they stand on.
"""

from __future__ import annotations

import keyword
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from codegen.avro.schema import Enum, Named, Record, SchemaGraph, reachable
from codegen.contract.model import Contract, Service
from codegen.diagnostics import KontraktError
from codegen.source import Json
from codegen.targets import GeneratedFile
from codegen.targets.python.codecs_view import (
    codecs_view,
    name_events,
    name_keys,
    schemas_view,
)
from codegen.targets.python.history_view import history_view
from codegen.targets.python.literals import docstring
from codegen.targets.python.models_view import exported_models, models_view
from codegen.targets.python.names import name_classes
from codegen.targets.python.runtime_modules import runtime_modules
from codegen.targets.python.samples_view import samples_view
from codegen.targets.python.service_view import Names, Page, service_pages
from codegen.targets.rendering import render

_FIRST_VERSION = "0.1.0"
_VERSION = r"^[0-9]+(\.[0-9]+)*((a|b|rc)[0-9]+)?(\.post[0-9]+)?(\.dev[0-9]+)?$"
"""A public version as PEP 440 spells it."""


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """Typed stubs in Python 3.11 and later, on confluent-kafka, or on aiokafka for asyncio."""

    name: str = "python"
    summary: str = "A typed package with the models, codecs, producer and consumer of a service."
    options_schema: Mapping[str, Json] = field(
        default_factory=lambda: {
            "type": "object",
            "properties": {
                "package": {
                    "type": "string",
                    "description": "The name of the package; that of the service, if not stated.",
                    "pattern": "^[a-z][a-z0-9_]*$",
                },
                "version": {
                    "type": "string",
                    "description": "The version of the package, for those who publish it.",
                    "pattern": _VERSION,
                },
                "style": {
                    "description": "Whether the stubs are for asyncio; sync, if not stated.",
                    "enum": ["sync", "async"],
                },
            },
            "additionalProperties": False,
        }
    )

    def files(
        self, service: Service, contract: Contract, options: Mapping[str, Json]
    ) -> tuple[GeneratedFile, ...]:
        """All files of a service's package, sorted by path.

        Raises KontraktError for what Python has no code for: an event that is no record, or a
        default that no Python value stands for.
        """
        package = str(options.get("package") or service.name.replace("-", "_"))
        if keyword.iskeyword(package) or package in sys.stdlib_module_names:
            raise KontraktError(
                f"the package of {service.name} cannot be named {package}: Python has that name",
                f"name another one in the manifest, for example package: {package}_service",
            )
        version = str(options.get("version", _FIRST_VERSION))
        is_async = options.get("style") == "async"
        pages = _pages(service, contract, package, version, is_async=is_async)
        written = [GeneratedFile(page.path, _render(page), page.untested) for page in pages]
        written.append(GeneratedFile(f"{package}/py.typed", ""))
        written += [
            GeneratedFile(f"{package}/_runtime/{path}", text)
            for path, text in runtime_modules(file.text for file in written).items()
        ]
        return tuple(sorted(written, key=lambda file: file.path))


TARGET = PythonTarget()


def _pages(
    service: Service, contract: Contract, package: str, version: str, *, is_async: bool
) -> tuple[Page, ...]:
    classes = name_classes(contract.types)
    events = name_events(service, classes)
    types: dict[str, Named] = {}
    keys = name_keys(service, contract, events)
    coded = (*keys.values(), *events)
    for one in events:
        if not isinstance(one.event.schema.resolve(one.event.schema.root), Record):
            raise KontraktError(
                f"{one.event.name} is an event of {service.name}, and it is no record",
                "let the event be a record that holds this type",
            )
    for one in coded:
        types |= reachable(one.event.schema)
    if not events:
        return ()
    graph = SchemaGraph(events[0].event.schema.root, contract.types)
    named = tuple(types.values())
    models = exported_models(named, graph, classes)
    names = Names(
        package=package,
        version=version,
        models=models,
        classes={one.name: classes[one.name] for one in named if isinstance(one, Record | Enum)},
        constants={(one.event.topic, one.event.name): one.constant for one in events},
        keys={topic: classes[one.event.name] for topic, one in keys.items()},
        is_async=is_async,
    )
    modules: tuple[tuple[str, str, Mapping[str, object]], ...] = (
        ("models", "What the events of {} hold.", models_view(named, graph, classes)),
        ("schemas", "The schemas of {}, as registered.", schemas_view(coded, contract, classes)),
        ("codecs", "How the events of {} are coded.", codecs_view(events, keys, contract, classes)),
    )
    history = history_view(coded, contract, classes)
    if history is not None:
        doc = "How other versions of the events of {} are read."
        modules = (*modules, ("history", doc, history))
    samples, untested = samples_view(coded, contract, package, names.models, classes)
    return (
        *service_pages(service, contract, names),
        *(
            Page(f"{package}/{name}.py", f"{name}.py.j2", {"doc": _head(doc, service), **view})
            for name, doc, view in modules
        ),
        Page(
            f"tests/test_{package}_contract.py",
            "test_contract.py.j2",
            {
                "doc": _head("The codecs of {}, beside bytes that fastavro wrote.", service),
                **samples,
            },
            untested,
        ),
    )


def _head(doc: str, service: Service) -> list[str]:
    return docstring(f"{doc.format(service.name)} Generated by kontrakt; do not edit.", 0)


def _render(page: Page) -> str:
    return render(__name__, page.template, page.values)
