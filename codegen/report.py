"""A Report as text for a terminal or as data: the same findings in each format.

All text that came from a schema, a manifest or a registry is made harmless for the format that it
is printed in.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from textwrap import fill

from codegen.diagnostics import Finding, Location, Related, Report, Severity
from codegen.source import Json

Paint = Callable[[str, str], str]
"""Styles a text; the second argument is `error`, `warning`, `note`, `place` or `faint`."""

EXCERPT_WIDTH = 100
"""A source line longer than this, in characters, is shown in part."""


def render(report: Report, format_name: str, paint: Paint | None = None) -> str:
    """The report in one of FORMATS; it ends with a line feed unless it is empty.

    `paint` is used by the text format only. Raises KeyError for a name that is no format.
    """
    if format_name == "text":
        return render_text(report, paint or _plain)
    return FORMATS[format_name](report)


def render_text(report: Report, paint: Paint) -> str:
    """For people: each finding with its source line, then the sections, then the closing line."""
    blocks = [_finding_text(finding, paint) for finding in report.findings]
    blocks.extend(_section_text(title, lines) for title, lines in report.sections)
    if report.summary:
        blocks.append(printable(report.summary))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def render_json(report: Report) -> str:
    """For programs: version 1 of the report format."""
    value = {
        "version": 1,
        "findings": [_finding_value(finding) for finding in report.findings],
        "checked": list(report.checked),
        "sections": [{"title": title, "lines": list(lines)} for title, lines in report.sections],
        "summary": report.summary,
        "counts": {severity.value: report.count(severity) for severity in Severity},
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "text": lambda report: render_text(report, _plain),
    "json": render_json,
}
"""Every format by the name that `--format` takes."""


def printable(text: str) -> str:
    """The text with control characters and invisible direction marks written as escapes."""
    return "".join(
        character
        if character in "\n " or unicodedata.category(character)[0] not in "CZ"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def _plain(text: str, style: str) -> str:
    return text


def _finding_text(finding: Finding, paint: Paint) -> str:
    severity = finding.severity.value
    place = paint(printable(str(finding.location)), "place")
    head = f"{place}: {paint(severity, severity)} {finding.rule.id}: {printable(finding.message)}"
    lines = [head]
    lines.extend(_excerpt(finding.location, finding.note, severity, paint))
    gutter = " " * len(str(finding.location.line or ""))
    for related in finding.related:
        word = "before" if related.label else "see"
        lines.append(f"{gutter} {paint('=', 'faint')} {word:<8} {_related_text(related)}")
        if related.location is not None and len(related.location.excerpt.strip()) > 1:
            shown, _, _ = _clip(related.location)
            lines.append(f"{gutter} {paint('|', 'faint')}          {shown.strip()}")
    if finding.hint:
        lines.append(f"{gutter} {paint('=', 'faint')} fix      {printable(finding.hint)}")
    return "\n".join(lines)


def _excerpt(where: Location, note: str, severity: str, paint: Paint) -> list[str]:
    if not where.line or not where.excerpt.strip():
        return []
    shown, start, length = _clip(where)
    number = str(where.line)
    bar = paint("|", "faint")
    gutter = " " * len(number)
    caret = paint("^" * max(length, 1), severity)
    tail = f" {printable(note)}" if note else ""
    return [
        f"{gutter} {bar}",
        f"{paint(number, 'faint')} {bar} {shown}",
        f"{gutter} {bar} {' ' * start}{caret}{tail}",
    ]


def _clip(where: Location) -> tuple[str, int, int]:
    """The part of the line to show, and where in it the place begins and how long it is."""
    line = where.excerpt
    begin = where.column - 1
    end = where.end_column - 1 if where.end_line == where.line else len(line)
    first = 0 if len(line) <= EXCERPT_WIDTH else max(0, min(begin - 20, len(line) - EXCERPT_WIDTH))
    last = min(len(line), first + EXCERPT_WIDTH)
    before, inside = printable(line[first:begin]), printable(line[begin : min(end, last)])
    shown = before + inside + printable(line[min(end, last) : last])
    start, ellipsis = len(before), "..."
    if first:
        shown, start = ellipsis + shown, start + len(ellipsis)
    return shown + (ellipsis if last < len(line) else ""), start, len(inside)


def _related_text(related: Related) -> str:
    place = str(related.location) if related.location is not None else ""
    # The versions of a registry are no files: their label says it all.
    if place and related.label.startswith(place.partition(" ")[0]):
        place = ""
    parts = [part for part in (related.label, place, related.message) if part]
    return printable("  ".join(dict.fromkeys(parts)))


def _section_text(title: str, lines: tuple[str, ...]) -> str:
    indent = " " * 13
    text = "\n".join(
        fill(
            printable(line),
            100,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        for line in lines
    )
    return f"{title:<12} {text.removeprefix(indent)}"


def _finding_value(finding: Finding) -> dict[str, Json]:
    return {
        "rule": finding.rule.id,
        "severity": finding.severity.value,
        "message": finding.message,
        "note": finding.note,
        "hint": finding.hint,
        "subject": finding.subject,
        "location": _location_value(finding.location),
        "related": [
            {
                "label": related.label,
                "message": related.message,
                "location": related.location and _location_value(related.location),
            }
            for related in finding.related
        ],
        "fingerprint": finding.fingerprint,
    }


def _location_value(where: Location) -> dict[str, Json]:
    return {
        "file": where.file,
        "path": list(where.path),
        "line": where.line,
        "column": where.column,
        "end_line": where.end_line,
        "end_column": where.end_column,
    }
