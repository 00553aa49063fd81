"""The other versions of an event's schema that a package has readers for."""

from __future__ import annotations

import json
from dataclasses import dataclass

from codegen.avro.canonical import render
from codegen.avro.reading import Fields, Unreadable, plan_reading, writes_the_same
from codegen.avro.schema import SchemaGraph
from codegen.contract.model import Contract, Event
from codegen.source import Json
from codegen.targets.python.straight_line import has_weightless_items


@dataclass(frozen=True, slots=True)
class Past:
    """A version of a subject, and how what it wrote is read as the event is now.

    Where `is_disputed`, other implementations of Avro read other values.
    """

    version: int
    schema: SchemaGraph
    plan: Fields
    is_disputed: bool


def find_past(event: Event, contract: Contract) -> tuple[Past, ...]:
    """The versions of an event, oldest first, that write other bytes than the current one.

    Left out are such as cannot be read, and such as the stubs read with care only.
    """
    history = contract.histories.get(event.subject)
    found: list[Past] = []
    for version in history.versions if history else ():
        schema = version.schema
        if schema is None or has_weightless_items(schema, schema.root):
            continue
        known = [event.schema, *(past.schema for past in found)]
        if any(writes_the_same(schema, one) for one in known):
            continue
        try:
            reading = plan_reading(event.schema, schema)
        except Unreadable:
            continue
        if isinstance(reading.plan, Fields):
            found.append(Past(version.version, schema, reading.plan, reading.is_disputed))
    return tuple(found)


def write_plainly(schema: SchemaGraph) -> str:
    """The JSON of a schema with what decides about the bytes, and nothing else."""
    plain = _strip(json.loads(render(schema, inline=True)))
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


_KEPT = ("name", "namespace", "type", "size", "logicalType", "precision", "scale")


def _strip(node: Json) -> Json:
    if isinstance(node, list):
        return [_strip(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    plain = {key: node[key] for key in _KEPT if key in node}
    for key in ("type", "items", "values"):
        if key in node:
            plain[key] = _strip(node[key])
    if "symbols" in node:
        plain["symbols"] = node["symbols"]
    if "fields" in node:
        plain["fields"] = [_strip(item) for item in node["fields"]]
    return plain
