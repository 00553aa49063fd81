"""A report for GitHub Actions: workflow commands that become annotations on the changed lines."""

from __future__ import annotations

from codegen.diagnostics import Finding, Report, Severity
from codegen.report.escaping import printable, single_line

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_report(report: Report) -> str:
    """A workflow command for each finding, and the closing line for the log of the step."""
    lines = [_annotation(finding) for finding in report.findings]
    if report.summary:
        # Whatever the summary says, a line with this before it is no workflow command.
        lines.append(f"kontrakt: {single_line(report.summary)}")
    return "".join(f"{line}\n" for line in lines)


def _annotation(finding: Finding) -> str:
    where = finding.location
    properties = {"file": where.file}
    if where.line:
        properties["line"] = str(where.line)
        properties["endLine"] = str(where.end_line)
        # GitHub takes columns only where both are on one line.
        if where.end_line == where.line:
            properties["col"] = str(where.column)
            properties["endColumn"] = str(where.end_column)
    properties["title"] = finding.rule.id
    written = ",".join(f"{name}={_escape_property(text)}" for name, text in properties.items())
    parts = [finding.message, finding.note, finding.hint and f"Fix: {finding.hint}"]
    message = "\n".join(part for part in parts if part)
    return f"::{_COMMANDS[finding.severity]} {written}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    """As the toolkit of GitHub Actions does for messages; a carriage return is invisible."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
