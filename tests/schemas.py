"""What tests of schemas share: from a JSON value to a schema in one call."""

from __future__ import annotations

import json
from typing import Any

from codegen.avro.parse import JAVA, Dialect, parse_schema
from codegen.avro.schema import SchemaGraph
from codegen.diagnostics import Findings
from codegen.source import SourceError, read_json


def parse_text(
    text: str, dialect: Dialect = JAVA, name: str = "schema.avsc"
) -> tuple[SchemaGraph | None, Findings]:
    """The schema, None where it is refused, and what was found."""
    findings = Findings()
    try:
        document = read_json(name, text)
    except SourceError:
        return None, findings
    graph = parse_schema(document, findings, dialect=dialect)
    return (None if findings.has_errors else graph), findings


def schema(value: Any, dialect: Dialect = JAVA, name: str = "schema.avsc") -> SchemaGraph:
    """The schema that a JSON value is; fails where it is none."""
    graph, findings = parse_text(json.dumps(value), dialect, name)
    assert graph is not None, [finding.message for finding in findings]
    return graph


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    """A record in JSON; a field is an object, or a pair of name and type."""
    items = [
        item if isinstance(item, dict) else {"name": item[0], "type": item[1]} for item in fields
    ]
    return {"type": "record", "name": name, "fields": items} | more
