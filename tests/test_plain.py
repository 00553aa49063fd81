"""The first sight never says more than the exact computation does."""

from __future__ import annotations

import json

import pytest
from random_schemas import SchemaMaker

from codegen.avro import resolution
from codegen.avro.plain import is_plainly_readable
from codegen.avro.schema import SchemaGraph
from schemas import parse_text


def is_readable_exactly(
    reader: SchemaGraph, writer: SchemaGraph, monkeypatch: pytest.MonkeyPatch
) -> bool:
    with monkeypatch.context() as patch:
        patch.setattr(resolution, "is_plainly_readable", lambda *_: False)
        return resolution.is_readable(reader, writer)


def test_what_is_plain_is_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = readable = 0
    for number in range(2_000):
        pair = SchemaMaker(f"plain/{number}").pair()
        reader, writer = (parse_text(json.dumps(value))[0] for value in pair)
        if reader is None or writer is None:
            continue
        is_plain = is_plainly_readable(reader, writer, 1000)
        is_exact = is_readable_exactly(reader, writer, monkeypatch)
        assert is_exact or not is_plain, number
        plain, readable = plain + is_plain, readable + is_exact
    assert plain > 0.9 * readable > 100
