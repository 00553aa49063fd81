"""Rows of schemas in bulk: each line of JSON gets one answer, whatever is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from codegen.avro.parse import JAVA, parse_schema
from codegen.avro.resolution import AmbiguousFieldError, TooManyPairs, is_readable, judge_both
from codegen.avro.schema import SchemaGraph
from codegen.diagnostics import Findings
from codegen.source import Document, Json, SourceError, read_json

MAX_ROW = 8_000_000
"""A longer row, in bytes, is answered with an error."""

MAX_ID = 1_000
"""An id that takes more characters is not given back: it may be no number to who reads it."""


def answer_rows(stream: BinaryIO) -> Iterator[str]:
    """One line of JSON for each line of the stream that is not blank."""
    for line in _read_lines(stream):
        body = json.dumps(_answer(line))
        # The id is given back as it was written: a number may be greater than any float.
        yield f'{{"id": {_find_id(line[:MAX_ROW])}, {body[1:]}'


def _read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines that are not blank; one that is too long is cut, and its rest skipped."""
    while line := stream.readline(MAX_ROW + 1):
        rest = line
        while len(rest) > MAX_ROW and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_ROW + 1)
        if line.strip():
            yield line


_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[][{},:]|[^][{},:"\s]+', re.DOTALL).finditer
_DEPTHS = {"{": 1, "[": 1, "}": -1, "]": -1}


def _find_id(line: bytes) -> str:
    """The text of the row's id, also where the rest of the row is broken; `null` without one.

    Where several stand in the row the last one counts, as everywhere in JSON.
    """
    if b'"id"' not in line:
        return "null"
    text = line.decode("utf-8", "replace")
    depth, key, found = 0, "", "null"
    start: int | None = None
    for token in _TOKENS(text):
        word = token[0]
        if depth == 1 and word in (",", "}"):
            if key == '"id"' and start is not None:
                found = _check_id(text[start : token.start()])
            key, start = "", None
        elif depth == 1 and word == ":" and start is None:
            start = token.end()
        elif depth == 1 and start is None:
            key = word
        depth += _DEPTHS.get(word, 0)
    return found


def _check_id(text: str) -> str:
    """The text where it is a JSON value of reasonable size, else `null`."""
    shown = text.strip().replace("\r", " ")
    if len(shown) > MAX_ID:
        return "null"
    try:
        read_json("id", shown)
    except SourceError:
        return "null"
    return shown


def _answer(line: bytes) -> dict[str, Json]:
    if len(line) > MAX_ROW:
        return {"error": f"the row is longer than {MAX_ROW:,} bytes"}
    try:
        row = read_json("row", line.decode("utf-8")).value
    except UnicodeDecodeError as error:
        return {"error": f"not a row of JSON: {error}"}
    except SourceError as error:
        row = error.document.value
        if row is None:
            return {"error": f"not a row of JSON: {error}"}
        # Only a key stands twice, and Avro Java takes the last one.
    if not isinstance(row, dict):
        return {"error": 'a row is an object with "id", "reader" and "writer"'}
    return _judge(row)


def _judge(row: dict[str, Json]) -> dict[str, Json]:
    graphs: list[SchemaGraph] = []
    for side in ("reader", "writer"):
        if side not in row:
            return {"error": f'the row has no "{side}"'}
        graph, problem = _parse_value(side, row[side])
        if problem:
            return {"error": problem}
        graphs.append(graph)
    exception = {}
    try:
        try:
            found, sound = judge_both(*graphs)
            compatible = not found
        except AmbiguousFieldError as error:
            found, sound, compatible = (), is_readable(*graphs), False
            exception = {"exception": str(error)}
    except TooManyPairs as error:
        return {"error": error.message}
    return {
        "compatible": compatible,
        "incompatibilities": [[one.kind.value, one.reader_path, one.message] for one in found],
        "sound": sound,
    } | exception


def _parse_value(side: str, value: Json) -> tuple[SchemaGraph, str]:
    findings = Findings()
    graph = parse_schema(Document(side, "", value), findings, dialect=JAVA)
    first = next((one for one in findings), None)
    if first is None:
        return graph, ""
    pointer = "/".join(("", *map(str, first.location.path)))
    return graph, f"{side}{pointer}: {first.message}"
