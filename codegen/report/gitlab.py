"""A report for GitLab's merge requests: the Code Quality format, a subset of Code Climate's."""

from __future__ import annotations

import hashlib

from codegen.diagnostics import Finding, Report, Severity
from codegen.report.escaping import printable, write_json
from codegen.source import Json

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}


def render_report(report: Report) -> str:
    """An array of issues. GitLab drops issues of one fingerprint, so no two share one."""
    seen: dict[str, int] = {}
    issues = []
    for finding in report.findings:
        number = seen[finding.fingerprint] = seen.get(finding.fingerprint, 0) + 1
        issues.append(_issue(finding, number))
    return write_json(issues) + "\n"


def _issue(finding: Finding, number: int) -> dict[str, Json]:
    parts = (finding.message, finding.note, finding.hint and f"Fix: {finding.hint}")
    key = f"{finding.fingerprint}\0{number}"
    return {
        "description": printable("\n".join(part for part in parts if part)),
        "check_name": finding.rule.id,
        "fingerprint": hashlib.sha256(key.encode()).hexdigest()[:32],
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": finding.location.file,
            # A file as a whole is shown at its first line: GitLab knows no other way.
            "lines": {"begin": max(finding.location.line, 1)},
        },
    }
