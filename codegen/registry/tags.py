"""Which records and fields of an Avro schema carry tags, as `findTags` asks?

Confluent's tags stand in the schema itself, under the property `confluent:tags`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codegen.avro.schema import Field, Record, SchemaGraph, reachable
from codegen.source import Json

_PROPERTY = "confluent:tags"


def find_tags(graph: SchemaGraph, wanted: Sequence[str]) -> list[Json]:
    """What carries one of the wanted tags, `*` for any, in the order of the schema."""
    return [
        {"schemaEntity": {"entityPath": path, "entityType": kind}, "tags": tags}
        for path, kind, tags in _all_tags(graph)
        if (tags if "*" in wanted else set(tags).intersection(wanted))
    ]


def _all_tags(graph: SchemaGraph) -> Iterator[tuple[str, str, list[str]]]:
    for record in reachable(graph).values():
        if isinstance(record, Record):
            yield record.name, "sr_record", _tags_of(record)
            for field in record.fields:
                yield f"{record.name}.{field.name}", "sr_field", _tags_of(field)


def _tags_of(node: Record | Field) -> list[str]:
    tags = (node.properties or {}).get(_PROPERTY)
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
