"""A report for programs: version 1 of a format of our own, which report.schema.json describes."""

from __future__ import annotations

from codegen.diagnostics import Finding, Location, Report, Severity
from codegen.report.escaping import write_json
from codegen.source import Json

VERSION = 1
"""Rises when a program that reads the format would have to change."""


def render_report(report: Report) -> str:
    """The whole report as one JSON object; report.schema.json says what it holds."""
    value = {
        "version": VERSION,
        "complete": report.is_complete,
        "findings": [_finding_value(finding) for finding in report.findings],
        "checked": list(report.checked),
        "sections": [{"title": title, "lines": list(lines)} for title, lines in report.sections],
        "summary": report.summary,
        "counts": {severity.value: report.count(severity) for severity in Severity},
    }
    return write_json(value) + "\n"


def _finding_value(finding: Finding) -> dict[str, Json]:
    change = finding.change
    return {
        "rule": finding.rule.id,
        "severity": finding.severity.value,
        "message": finding.message,
        "note": finding.note,
        "hint": finding.hint,
        "subject": finding.subject,
        "subjects": [name for name in finding.changes if name],
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
        "change": change and {"from": change.before, "to": change.after},
        "waived": finding.waived,
        "mends": [{"file": mend.file, "advice": mend.advice} for mend in finding.mends],
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
