"""Tell whether data written with one schema can be read with another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from codegen.cli._repository import format_option, show

if TYPE_CHECKING:
    from codegen.avro.schema import SchemaGraph
    from codegen.compatibility import Verdict
    from codegen.contract.model import Level
    from codegen.diagnostics import Findings
    from codegen.source import Document


@click.command()
@click.argument("reader", type=click.Path(path_type=Path), required=False)
@click.argument("writer", type=click.Path(path_type=Path), required=False)
@click.option("--both", is_flag=True, help="Ask too whether WRITER can read data of READER.")
@click.option(
    "--with",
    "others",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file or a folder with types that the schemas use; may be given several times. Files "
    "below the folder of each schema are looked at without it.",
)
@click.option(
    "--engine",
    type=click.Choice(["precise", "reference"]),
    default="precise",
    show_default=True,
    help="precise: what is true of the data. reference: what a registry answers, word for word.",
)
@click.option("--jsonl", is_flag=True, help="Compare the rows of stdin in bulk; see below.")
@format_option
def command(
    reader: Path | None,
    writer: Path | None,
    both: bool,
    others: tuple[Path, ...],
    engine: str,
    jsonl: bool,
    format_name: str,
) -> None:
    """Tell whether data written with WRITER can be read with READER, and still says the same.

    Both are Avro schemas in files; no manifest is needed. The exit code is 0 if all data can be
    read, 1 if not, or if it is read as something else, and 3 if a schema cannot be read.

    With --jsonl each line of stdin is {"id", "reader", "writer"}, and each line of stdout
    {"id", "compatible", "incompatibilities", "sound"}: what Avro Java, and so a registry, answers,
    as [kind, pointer into the reader, message], and whether the data can be read by Avro's rules.
    Where decoders fail all the same, only the comparison of two files tells. A row that cannot be
    judged gives {"id", "error"}.

    \b
    Example:
      kontrakt compare new.avsc old.avsc
      kontrakt compare --both --engine reference new.avsc old.avsc
      kontrakt compare --jsonl < rows.jsonl
    """
    if jsonl:
        from codegen.cli._rows import answer_rows  # noqa: PLC0415

        if reader is not None or both or others:
            raise click.UsageError("--jsonl reads the schemas from stdin; name nothing else.")
        for line in answer_rows(sys.stdin.buffer):
            click.echo(line)
        return
    if reader is None or writer is None:
        raise click.UsageError("Name two files, or use --jsonl. See: kontrakt compare --help")
    raise click.exceptions.Exit(_compare_files(reader, writer, others, both, engine, format_name))


class _Compared(NamedTuple):
    """Two schemas with the files that they stand in, and how they are compared."""

    document: Document
    schema: SchemaGraph
    past_document: Document
    past: SchemaGraph
    level: Level


def _compare_files(
    reader: Path,
    writer: Path,
    others: tuple[Path, ...],
    both: bool,
    engine: str,
    format_name: str,
) -> int:
    from codegen.contract.model import Level  # noqa: PLC0415
    from codegen.contract.standalone import read_standalone  # noqa: PLC0415
    from codegen.diagnostics import Findings, make_report  # noqa: PLC0415

    findings = Findings()
    read = [read_standalone(path, others, findings) for path in (reader, writer)]
    if findings.has_errors:
        show(make_report(findings, summary="Nothing was compared."), format_name)
        return 3
    compared = _Compared(*read[0], *read[1], Level.FULL if both else Level.BACKWARD)
    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    if engine == "reference":
        objections = _ask_reference(compared, findings)
        code = 1 if objections else 0
        level = compared.level.value
        answer = "refuses" if objections else "takes"
        summary = f"At the level {level} a registry {answer} {compared.document.name}."
        sections = (("Registry", objections),) if objections else ()
    else:
        summary, code = _judge(compared, findings)
    report = make_report(findings, (compared.document.name,), summary, sections)
    show(report, format_name)
    return code or int(report.has_errors)


def _ask_reference(compared: _Compared, findings: Findings) -> tuple[str, ...]:
    """What a registry answers, and a finding where that is not what data will meet."""
    from codegen.registry.judgement import (  # noqa: PLC0415
        LiveVersion,
        find_objections,
        write_schema,
    )

    past = LiveVersion(1, write_schema(compared.past), compared.past)
    _report_surprises(compared, findings)
    return tuple(find_objections(compared.schema, (past,), compared.level))


def _report_surprises(compared: _Compared, findings: Findings) -> None:
    """Where the answer of a registry is not what data will meet, in each direction."""
    from codegen.compatibility import SCOPES, Direction  # noqa: PLC0415
    from codegen.rules.decoding import report_surprises  # noqa: PLC0415

    for direction in SCOPES[compared.level].directions:
        is_forward = direction is Direction.FORWARD
        pair = (compared.past, compared.schema) if is_forward else (compared.schema, compared.past)
        report_surprises(*pair, findings, is_writer_new=is_forward)


def _judge(compared: _Compared, findings: Findings) -> tuple[str, int]:
    """The verdict in words, and the exit code for it; what is wrong goes to the findings."""
    from codegen.compatibility import judge  # noqa: PLC0415
    from codegen.contract.model import History, PastVersion, Subject  # noqa: PLC0415
    from codegen.rules.breaking import report_breaks  # noqa: PLC0415
    from codegen.rules.evolution import report_hazards  # noqa: PLC0415

    document, schema, past_document, past, level = compared
    names = f"{document.name} reads {past_document.name}"
    version = PastVersion(names, past_document.name, past_document, past)
    history = History(names, (version,))
    subject = Subject(names, schema, (), level, document, ())
    verdict = judge(schema, history, level)
    report_breaks([(subject, verdict)], findings)
    if not verdict.unjudged:
        _report_surprises(compared, findings)
    report_hazards([(subject, history)], findings)
    code = 3 if verdict.unjudged else 1 if verdict.failures else 0
    return _summarize(compared, verdict, findings), code


def _summarize(compared: _Compared, verdict: Verdict, findings: Findings) -> str:
    from codegen.avro.canonical import parsing_canonical_form  # noqa: PLC0415
    from codegen.compatibility import SCOPES, Direction  # noqa: PLC0415

    names = (compared.document.name, compared.past_document.name)
    if verdict.unjudged:
        return f"{names[0]} and {names[1]} could not be compared."
    failed = {failure.direction for failure in verdict.failures}
    sentences = []
    for direction in reversed(SCOPES[compared.level].directions):
        reader, writer = names if direction is Direction.BACKWARD else reversed(names)
        if direction in failed:
            sentences.append(f"{reader} cannot read all data written with {writer}.")
        else:
            sentences.append(f"{reader} reads {writer}")
    if failed:
        return " ".join(one if one.endswith(".") else f"{one}." for one in sentences)
    what = " and ".join(sentences)
    if findings:
        return f"{what} by the rules of Avro, with the dangers shown above."
    if parsing_canonical_form(compared.schema) == parsing_canonical_form(compared.past):
        return f"{what}: yes, both have the same form on the wire."
    return f"{what}: yes."
