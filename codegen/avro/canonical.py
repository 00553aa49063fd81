"""What is a schema's text in standard form: for comparing, for fingerprints, for a registry?

`parsing_canonical_form` is the form of the specification 1.12, "Transforming into Parsing Canonical
Form": equal forms read and write the same bytes, and say nothing of defaults, aliases or logical
types. `render` is the text that Avro Java prints for a parsed schema, which is what Confluent's
registry stores and tells versions apart by. Same schema, same text; nothing recurses over types.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TypeAlias, assert_never

from codegen.avro.schema import (
    TYPE_WORDS,
    Array,
    Broken,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Record,
    Ref,
    Schema,
    SchemaGraph,
    Union,
    split_name,
    walk,
)
from codegen.source import Json

_Part: TypeAlias = "str | tuple[Schema, str]"
"""Finished text, or a schema that is still to be written inside a namespace."""


def parsing_canonical_form(graph: SchemaGraph) -> str:
    """The Parsing Canonical Form; each named type is written out where it is used first."""
    known: set[str] = set()

    def write(schema: Schema, namespace: str) -> Iterable[_Part]:
        target = graph.resolve(schema)
        match target:
            case Primitive():
                return (_quote(target.type),)
            case Array():
                return ('{"type":"array","items":', (target.items, ""), "}")
            case Map():
                return ('{"type":"map","values":', (target.values, ""), "}")
            case Union():
                return ("[", *_joined((branch, "") for branch in target.branches), "]")
            case Record() | Enum() | Fixed():
                name = _quote(target.name)
                if target.name in known:
                    return (name,)
                known.add(target.name)
                return _write_canonical_named(target, f'{{"name":{name},"type":')
            case Broken():
                return (_quote(schema.name) if isinstance(schema, Ref) else "null",)
            case _:
                assert_never(target)

    return _write(graph.root, write)


def _write_canonical_named(named: Named, head: str) -> Iterator[_Part]:
    match named:
        case Record():
            yield f'{head}"record","fields":['
            for index, item in enumerate(named.fields):
                yield f'{"," if index else ""}{{"name":{_quote(item.name)},"type":'
                yield (item.schema, "")
                yield "}"
            yield "]}"
        case Enum():
            yield f'{head}"enum","symbols":[{",".join(map(_quote, named.symbols))}]}}'
        case Fixed():
            yield f'{head}"fixed","size":{named.size}}}'
        case _:
            assert_never(named)


def fingerprint_crc64(graph: SchemaGraph) -> int:
    """The CRC-64-AVRO of the canonical form, as a signed 64-bit number.

    Specification 1.12, "Schema Fingerprints".
    """
    value = _CRC64_EMPTY
    for byte in parsing_canonical_form(graph).encode():
        value = (value >> 8) ^ _CRC64_TABLE[(value ^ byte) & 0xFF]
    return value - (1 << 64) if value >> 63 else value


def fingerprint_md5(graph: SchemaGraph) -> bytes:
    """The MD5 of the canonical form in UTF-8, 16 bytes."""
    text = parsing_canonical_form(graph).encode()
    return hashlib.md5(text, usedforsecurity=False).digest()


def fingerprint_sha256(graph: SchemaGraph) -> bytes:
    """The SHA-256 of the canonical form in UTF-8, 32 bytes."""
    return hashlib.sha256(parsing_canonical_form(graph).encode()).digest()


_CRC64_EMPTY = 0xC15D213AA4D7A795


def _make_crc64_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_CRC64_EMPTY if value & 1 else 0)  # noqa: PLW2901
        table.append(value)
    return tuple(table)


_CRC64_TABLE = _make_crc64_table()


def render(graph: SchemaGraph, inline: bool = False) -> str:
    """The schema as Avro Java's `Schema.toString()` prints it.

    A type that the root's own text defines is written out where it is used first. Types from
    elsewhere stay names; with `inline` they are written out too, so that the text needs no other.
    """
    own = {node.name for node in walk(graph.root) if isinstance(node, Record | Enum | Fixed)}
    return _render(graph, own, inline)


def render_alone(named: Named) -> str:
    """One type as Avro Java prints it, with all types inside it as names.

    Where a type is written out or referred to makes no difference.
    """
    return _render(SchemaGraph(named, {}), {named.name}, inline=False)


def _render(graph: SchemaGraph, own: Collection[str], inline: bool) -> str:
    known: set[str] = set()

    def write(schema: Schema, namespace: str) -> Iterable[_Part]:
        target = graph.resolve(schema)
        match target:
            case Primitive():
                name, extra = _quote(target.type), _write_properties(target.properties)
                return (f'{{"type":{name}{extra}}}' if extra else name,)
            case Array():
                extra = _write_properties(target.properties)
                return ('{"type":"array","items":', (target.items, namespace), extra + "}")
            case Map():
                extra = _write_properties(target.properties)
                return ('{"type":"map","values":', (target.values, namespace), extra + "}")
            case Union():
                return ("[", *_joined((branch, namespace) for branch in target.branches), "]")
            case Record() | Enum() | Fixed():
                is_reference = target.name in known or not (inline or target.name in own)
                if is_reference:
                    return (_quote(_qualify(target.name, namespace)),)
                known.add(target.name)
                return _write_named(target, namespace)
            case Broken():
                if not isinstance(schema, Ref):
                    return ("null",)
                return (_quote(_qualify(schema.name, namespace)),)
            case _:
                assert_never(target)

    return _write(graph.root, write)


def _write_named(named: Named, outer: str) -> Iterator[_Part]:
    namespace, name = split_name(named.name)
    own_space = f',"namespace":{_quote(namespace)}' if namespace != outer else ""
    doc = "" if named.doc is None else f',"doc":{_quote(named.doc)}'
    head = f',"name":{_quote(name)}{own_space}{doc}'
    aliases = _write_aliases([_qualify(alias, namespace) for alias in named.aliases])
    tail = _write_properties(named.properties) + aliases + "}"
    match named:
        case Record():
            kind = "error" if named.is_error else "record"
            yield f'{{"type":"{kind}"{head},"fields":['
            for index, item in enumerate(named.fields):
                yield f'{"," if index else ""}{{"name":{_quote(item.name)},"type":'
                yield (item.schema, namespace)
                yield _write_field_tail(item)
            yield "]" + tail
        case Enum():
            symbols = ",".join(map(_quote, named.symbols))
            default = "" if named.default is None else f',"default":{_quote(named.default)}'
            yield f'{{"type":"enum"{head},"symbols":[{symbols}]{default}{tail}'
        case Fixed():
            yield f'{{"type":"fixed"{head},"size":{named.size}{tail}'
        case _:
            assert_never(named)


def _write_field_tail(item: Field) -> str:
    parts = []
    if item.doc is not None:
        parts.append(f',"doc":{_quote(item.doc)}')
    if item.default is not None:
        parts.append(f',"default":{write_json(item.default.value)}')
    if item.order not in (None, "ascending"):
        parts.append(f',"order":"{item.order}"')
    parts.append(_write_aliases(dict.fromkeys(item.aliases)))
    parts.append(_write_properties(item.properties))
    return "".join(parts) + "}"


def _qualify(name: str, namespace: str) -> str:
    """The shortest name that means this type inside a namespace, as Avro Java shortens it."""
    space, simple = split_name(name)
    if not space:
        # An alias in the null namespace is kept with a dot in front, which Avro Java leaves out.
        return simple
    return simple if space == namespace and simple not in TYPE_WORDS else name


def _write_aliases(names: Iterable[str]) -> str:
    text = ",".join(map(_quote, names))
    return f',"aliases":[{text}]' if text else ""


def _write_properties(properties: Mapping[str, Json] | None) -> str:
    items = (properties or {}).items()
    return "".join(f",{_quote(key)}:{write_json(value)}" for key, value in items)


def _write(root: Schema, write: Callable[[Schema, str], Iterable[_Part]]) -> str:
    text: list[str] = []
    waiting: list[_Part] = [(root, "")]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            text.append(part)
        else:
            waiting.extend(reversed(tuple(write(*part))))
    return "".join(text)


def _joined(parts: Iterable[_Part]) -> Iterator[_Part]:
    for index, part in enumerate(parts):
        if index:
            yield ","
        yield part


def write_json(value: Json) -> str:
    """A JSON value in compact form, its keys in their order, numbers as Java writes them."""
    match value:
        case str():
            return _quote(value)
        case None | bool():
            return json.dumps(value)
        case int():
            return str(value)
        case float():
            return _write_double(value)
        case list():
            return f"[{','.join(map(write_json, value))}]"
        case dict():
            inner = (f"{_quote(key)}:{write_json(item)}" for key, item in value.items())
            return f"{{{','.join(inner)}}}"
        case _:
            raise TypeError(f"{type(value).__name__} is no JSON value")


def _quote(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _CONTROL.sub(lambda match: match[0][:2] + match[0][2:].upper(), quoted)


_CONTROL = re.compile(r"\\u00[01][0-9a-f]")


def _write_double(value: float) -> str:
    """A double as Java's Double.toString writes it, in the shortest digits that mean it."""
    if not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
    sign, digits, power = Decimal(repr(value)).as_tuple()
    assert isinstance(power, int)
    text = "".join(map(str, digits)).rstrip("0") or "0"
    exponent = len(digits) + power - 1 if value else 0
    if -3 <= exponent < 7:
        whole = text[: exponent + 1].ljust(exponent + 1, "0") if exponent >= 0 else "0"
        rest = text[exponent + 1 :] if exponent >= 0 else "0" * (-exponent - 1) + text
        body = f"{whole}.{rest or '0'}"
    else:
        body = f"{text[0]}.{text[1:] or '0'}E{exponent}"
    return "-" + body if sign else body
