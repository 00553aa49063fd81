"""A report for people at a terminal: findings with their source lines, then what they mean."""

from __future__ import annotations

from textwrap import fill

from codegen.diagnostics import Finding, Location, Related, Report
from codegen.report import Paint
from codegen.report.escaping import printable, single_line

EXCERPT_WIDTH = 100
"""A source line longer than this, in characters, is shown in part."""


def render_report(report: Report, paint: Paint | None = None) -> str:
    """For people: each finding with its source line, then the sections, then the closing line."""
    paint = paint or _plain
    blocks = [_finding_text(finding, paint) for finding in report.findings]
    blocks.extend(_section_text(title, lines) for title, lines in report.sections)
    if report.summary:
        blocks.append(printable(report.summary))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _plain(text: str, style: str) -> str:
    return text


def _finding_text(finding: Finding, paint: Paint) -> str:
    severity = finding.severity.value
    place = paint(single_line(str(finding.location)), "place")
    head = f"{place}: {paint(severity, severity)} {finding.rule.id}: {single_line(finding.message)}"
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
        lines.append(f"{gutter} {paint('=', 'faint')} fix      {single_line(finding.hint)}")
    return "\n".join(lines)


def _excerpt(where: Location, note: str, severity: str, paint: Paint) -> list[str]:
    if not where.line or not where.excerpt.strip():
        return []
    shown, start, length = _clip(where)
    number = str(where.line)
    bar = paint("|", "faint")
    gutter = " " * len(number)
    caret = paint("^" * max(length, 1), severity)
    tail = f" {single_line(note)}" if note else ""
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
    return "  ".join(single_line(part) for part in dict.fromkeys(parts))


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
    if len(title) > len(indent) - 1:
        return f"{title}\n{text}"
    return f"{title:<12} {text.removeprefix(indent)}"
