"""Tell whether data written with one schema can be read with another."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from codegen.cli._repository import format_option, show

if TYPE_CHECKING:
    from codegen.avro.schema import SchemaGraph
    from codegen.diagnostics import Findings
    from codegen.source import Document, Json

MAX_ROW = 8_000_000
"""A longer row, in bytes, is answered with an error."""


@click.command()
@click.argument("reader", type=click.Path(path_type=Path), required=False)
@click.argument("writer", type=click.Path(path_type=Path), required=False)
@click.option("--jsonl", is_flag=True, help="Compare the rows of stdin in bulk; see below.")
@format_option
def command(reader: Path | None, writer: Path | None, jsonl: bool, format_name: str) -> None:
    """Tell whether data written with WRITER can be read with READER.

    Both are Avro schemas in files of their own; no manifest is needed. The exit code is 0 if all
    data can be read, 1 if not, 3 if a schema cannot be read.

    With --jsonl each line of stdin is {"id", "reader", "writer"}, and each line of stdout
    {"id", "compatible", "incompatibilities", "sound"}: what Avro Java, and so a registry, answers,
    as [kind, pointer into the reader, message], and whether the data can really be read. A row that
    cannot be judged gives {"id", "error"}.

    \b
    Example:
      kontrakt compare new.avsc old.avsc
      kontrakt compare --jsonl < rows.jsonl
    """
    if jsonl:
        if reader is not None:
            raise click.UsageError("--jsonl reads the schemas from stdin; name no files.")
        for line in _read_lines(sys.stdin.buffer):
            click.echo(json.dumps(_answer(line)))
        return
    if reader is None or writer is None:
        raise click.UsageError("Name two files, or use --jsonl. See: kontrakt compare --help")
    raise click.exceptions.Exit(_compare_files(reader, writer, format_name))


def _compare_files(reader: Path, writer: Path, format_name: str) -> int:
    from codegen.avro.canonical import parsing_canonical_form  # noqa: PLC0415
    from codegen.compatibility import judge  # noqa: PLC0415
    from codegen.contract.model import History, Level, PastVersion, Subject  # noqa: PLC0415
    from codegen.diagnostics import Findings, make_report  # noqa: PLC0415
    from codegen.rules.breaking import report_breaks  # noqa: PLC0415
    from codegen.rules.decoding import report_surprises  # noqa: PLC0415

    findings = Findings()
    read = [_read_schema(path, findings) for path in (reader, writer)]
    if findings.has_errors:
        show(make_report(findings, summary="Nothing was compared."), format_name)
        return 3
    (document, schema), (past_document, past) = read
    names = f"{document.name} reads {past_document.name}"
    version = PastVersion(names, past_document.name, past_document, past)
    verdict = judge(schema, History(names, (version,)), Level.BACKWARD)
    subject = Subject(names, schema, (), Level.BACKWARD, document, ())
    report_breaks([(subject, verdict)], findings)
    if not verdict.unjudged:
        report_surprises(schema, past, findings)
    if not verdict.is_compatible:
        summary = f"{document.name} cannot read all data written with {past_document.name}."
    elif findings:
        summary = f"{names} by the rules of Avro; not every consumer can, as shown above."
    elif parsing_canonical_form(schema) == parsing_canonical_form(past):
        summary = f"{names}: yes, both have the same form on the wire."
    else:
        summary = f"{names}: yes."
    show(make_report(findings, (document.name,), summary), format_name)
    return 0 if verdict.is_compatible else 1


def _read_schema(path: Path, findings: Findings) -> tuple[Document, SchemaGraph]:
    from codegen.avro.parse import JAVA, parse_schema  # noqa: PLC0415
    from codegen.contract.load import read_document  # noqa: PLC0415
    from codegen.diagnostics import CouldNotCheck  # noqa: PLC0415
    from codegen.source import Document  # noqa: PLC0415

    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CouldNotCheck(f"{path} cannot be read: {reason}", "name a file") from error
    document = read_document(str(path), data, findings)
    if document is None:
        document = Document(str(path), "null")
    return document, parse_schema(document, findings, dialect=JAVA)


def _read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines that are not blank; one that is too long is cut, and its rest skipped."""
    while line := stream.readline(MAX_ROW + 1):
        rest = line
        while len(rest) > MAX_ROW and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_ROW + 1)
        if line.strip():
            yield line


def _answer(line: bytes) -> Json:
    from codegen.source import SourceError, read_json  # noqa: PLC0415

    if len(line) > MAX_ROW:
        return {"id": None, "error": f"the row is longer than {MAX_ROW:,} bytes"}
    try:
        row = read_json("row", line.decode("utf-8")).value
    except UnicodeDecodeError as error:
        return {"id": None, "error": f"not a row of JSON: {error}"}
    except SourceError as error:
        row = error.document.value
        if row is None:
            return {"id": None, "error": f"not a row of JSON: {error}"}
        # Only a key stands twice, and Avro Java takes the last one.
    if not isinstance(row, dict):
        return {"id": None, "error": 'a row is an object with "id", "reader" and "writer"'}
    return {"id": row.get("id")} | _judge(row)


def _judge(row: dict[str, Json]) -> dict[str, Json]:
    from codegen.avro.resolution import (  # noqa: PLC0415
        AmbiguousFieldError,
        TooManyPairs,
        is_readable,
        judge_both,
    )

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
    from codegen.avro.parse import JAVA, parse_schema  # noqa: PLC0415
    from codegen.diagnostics import Findings  # noqa: PLC0415
    from codegen.source import Document  # noqa: PLC0415

    findings = Findings()
    graph = parse_schema(Document(side, "", value), findings, dialect=JAVA)
    first = next((one for one in findings), None)
    if first is None:
        return graph, ""
    pointer = "/".join(("", *map(str, first.location.path)))
    return graph, f"{side}{pointer}: {first.message}"
