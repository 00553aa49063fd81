"""What is shown of a name under the pointer, as Markdown: what it is, and whom it concerns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codegen.avro.schema import Enum, Field, Fixed, Named, Record, split_name
from codegen.avro.wording import describe_logical, describe_type, list_names, show_value
from codegen.contract.load import MANIFEST
from codegen.contract.model import Contract, FieldKey, SchemaKey, Service, Topic
from codegen.language_server.completion import find_in_manifest_schema
from codegen.language_server.cursor import find_in_yaml
from codegen.language_server.symbols import Index, Kind, Symbol
from codegen.report.escaping import single_line
from codegen.source import Span
from codegen.topology import describe_retention, join


@dataclass(frozen=True, slots=True)
class Description:
    """Markdown about a stretch of a text."""

    text: str
    span: Span


MOST_FIELDS = 40
"""More fields or symbols of a type are not listed."""


def describe(symbol: Symbol, index: Index) -> str:
    """Markdown about a symbol; empty where nothing is known of it."""
    state = index.state
    contract = state.contract
    match symbol.kind:
        case Kind.TYPE:
            named = state.repository.schemas.types.get(symbol.name)
            return "" if named is None else _describe_type(named, contract, index)
        case Kind.FIELD:
            owner, name = split_name(symbol.name)
            record = state.repository.schemas.types.get(owner)
            fields = record.fields if isinstance(record, Record) else ()
            return "".join(_describe_field(one) for one in fields if one.name == name)
        case Kind.TOPIC:
            topics = [] if contract is None else contract.topics
            found = next((one for one in topics if one.name == symbol.name), None)
            return "" if found is None or contract is None else _describe_topic(found, contract)
        case Kind.SERVICE:
            services = [] if contract is None else contract.services
            return "".join(_describe_service(one) for one in services if one.name == symbol.name)


def describe_key(name: str, text: str, offset: int) -> Description | None:
    """What a key of the manifest means; None for what is none, and in other files."""
    cursor = find_in_yaml(text, offset) if name == MANIFEST else None
    if cursor is None or not (cursor.is_key and cursor.has_colon):
        return None
    span = Span(cursor.start, cursor.end)
    schema = find_in_manifest_schema(cursor.path).get("properties", {})
    held = schema.get(text[span.start : span.end], {})
    lines = [_text(held.get("description", ""))]
    if "enum" in held:
        lines.append(f"One of {join([f'`{one}`' for one in held['enum']], 'or')}.")
    return Description(_paragraphs(*lines), span) if held else None


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)


def _code(lines: list[str]) -> str:
    indented = (f"{line[: len(line) - len(line.lstrip())]}{single_line(line)}" for line in lines)
    # A fence that nothing inside can close.
    return "\n".join(["````text", *indented, "````"])


_MARKS = re.compile(r"[\\`*_{}\[\]<>()#+!|~&]").sub


def _text(doc: str | None) -> str:
    """Words of an author, in which nothing is Markdown or HTML."""
    escaped = (
        f"\\{one}" if one in r"\`*_{}[]<>()#+!|~&" else one for one in single_line(doc or "")
    )
    return "".join(escaped)


def _describe_type(named: Named, contract: Contract | None, index: Index) -> str:
    return _paragraphs(
        _code(list(_write_type(named))),
        _text(named.doc),
        *_describe_travel(named.name, contract),
        _describe_use(named.name, index),
    )


def _write_type(named: Named) -> Iterator[str]:
    match named:
        case Record():
            yield f"record {named.name}"
            for field in named.fields[:MOST_FIELDS]:
                yield f"  {_write_field(field)}"
            yield from _write_rest(len(named.fields))
        case Enum():
            yield f"enum {named.name}"
            for symbol in named.symbols[:MOST_FIELDS]:
                yield f"  {symbol}{'  (default)' if symbol == named.default else ''}"
            yield from _write_rest(len(named.symbols))
        case Fixed():
            logical = describe_logical(named)
            yield f"fixed {named.name}, {named.size} bytes{f': {logical}' if logical else ''}"


def _write_rest(count: int) -> Iterator[str]:
    if count > MOST_FIELDS:
        yield f"  ... and {count - MOST_FIELDS} more"


def _write_field(field: Field) -> str:
    default = "" if field.default is None else f" = {show_value(field.default.value)}"
    return f"{field.name}: {describe_type(field.schema)}{default}"


def _describe_field(field: Field) -> str:
    aliases = f"Also read as {join([f'`{one}`' for one in field.aliases], 'or')}."
    return _paragraphs(
        _code([_write_field(field)]), _text(field.doc), aliases if field.aliases else ""
    )


def _describe_travel(name: str, contract: Contract | None) -> Iterator[str]:
    if contract is None:
        return
    for event in contract.events:
        if event.name == name:
            topic = contract.topic(event.topic)
            producers = [one.name for one in contract.producers(event)]
            consumers = [one.name for one in contract.consumers(event)]
            yield (
                f"Event of topic `{topic.name}` ({topic.level.value}, subject `{event.subject}`), "
                f"from {join(producers) or 'nobody'} to {join(consumers) or 'nobody'}."
            )


def _describe_use(name: str, index: Index) -> str:
    files = {
        one.file
        for one in index.of(Symbol(Kind.TYPE, name))
        if not one.is_definition and one.file.endswith(".avsc")
    }
    users = sorted(
        {
            split_name(one.symbol.name)[1]
            for file in files
            for one in index.definitions(file)[:1]
            if one.symbol.name != name
        }
    )
    return f"Used by {list_names(users)}." if users else ""


def _describe_topic(topic: Topic, contract: Contract) -> str:
    key = topic.key
    words = {
        "key": "" if key is None else _describe_key(key),
        "compatibility": topic.level.value,
        "retention": describe_retention(topic.retention_ms),
        "partitions": str(topic.partitions),
        "owner": topic.owner,
    }
    names = [split_name(event.name)[1] for event in topic.events]
    producers = {one.name for event in topic.events for one in contract.producers(event)}
    consumers = {one.name for event in topic.events for one in contract.consumers(event)}
    return _paragraphs(
        _code(
            [
                f"topic {topic.name}",
                *(f"  {name}: {value}" for name, value in words.items() if value),
            ]
        ),
        _text(topic.doc),
        f"{join(names)}, from {join(sorted(producers)) or 'nobody'} "
        f"to {join(sorted(consumers)) or 'nobody'}.",
    )


def _describe_key(key: FieldKey | SchemaKey) -> str:
    return ".".join(key.path) if isinstance(key, FieldKey) else describe_type(key.schema.root)


def _describe_service(service: Service) -> str:
    owner = [f"  owner: {service.owner}"] if service.owner else []
    sent = sorted({split_name(event.name)[1] for event in service.produces})
    handled = sorted({split_name(event.name)[1] for event in service.consumes})
    return _paragraphs(
        _code([f"service {service.name}", *owner]),
        _text(service.doc),
        f"Sends {list_names(sent) or 'nothing'}; handles {list_names(handled) or 'nothing'}.",
    )
