"""A report as the comment of a pull request: verdict, what was found, who breaks, the rollout.

GitHub Flavored Markdown. Text of schemas shows as text: it makes no markup and no link, pings
nobody, and refers to no issue.
"""

from __future__ import annotations

import re

from codegen.diagnostics import Finding, Report, Severity
from codegen.report.escaping import single_line

LONGEST = 60_000
"""The most characters of findings; GitHub refuses a comment of more than 65,536 in all."""

_SIGNS = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.NOTE: "💡"}


def render_report(report: Report) -> str:
    """The verdict as a heading, a table of findings, the sections, and what was checked."""
    blocks = [f"### {_verdict(report)}"]
    if report.summary:
        blocks.append(escape(report.summary))
    if report.findings:
        blocks.append(_table(report))
    for title, lines in report.sections:
        listed = "\n".join(f"- {escape(line)}" for line in lines)
        blocks.append(f"#### {escape(title)}\n\n{listed}")
    if report.checked:
        listed = "\n".join(f"- {_code(name)}" for name in report.checked)
        words = f"<summary>{len(report.checked)} checked</summary>"
        blocks.append(f"<details>{words}\n\n{listed}\n\n</details>")
    return "\n\n".join(blocks) + "\n"


def _verdict(report: Report) -> str:
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    if errors:
        return f"❌ kontrakt: {errors} error{'s' if errors != 1 else ''}"
    if warnings:
        return f"⚠️ kontrakt: {warnings} warning{'s' if warnings != 1 else ''}"
    return "✅ kontrakt: good"


def _table(report: Report) -> str:
    rows = ["| | Where | What | How to mend it |", "|---|---|---|---|"]
    room = LONGEST
    for index, finding in enumerate(report.findings):
        row = _row(finding)
        room -= len(row)
        if room < 0:
            left = len(report.findings) - index
            return "\n".join(rows) + f"\n\n{left} more: run `kontrakt check` to see them."
        rows.append(row)
    return "\n".join(rows)


def _row(finding: Finding) -> str:
    what = f"{escape(finding.message)}<br>{_code(finding.rule.id)}"
    if finding.note:
        what += f": {escape(finding.note)}"
    for related in finding.related:
        place = str(related.location) if related.location and not related.label else ""
        words = "  ".join(part for part in (related.label, place, related.message) if part)
        what += f"<br><sub>{escape(words)}</sub>"
    cells = (
        _SIGNS[finding.severity],
        _code(str(finding.location)),
        what,
        escape(finding.hint),
    )
    return f"| {' | '.join(cells)} |"


_MARKUP = re.compile(r"[\\`*_\[\]<>#|~&$]")
_REFERENCE = re.compile(r"@|:(?=//)|www(?=\.)|&#35;")


def escape(text: str) -> str:
    """The text as Markdown that shows as that text, on one line.

    Every mark that may mean something is written as a character reference, which neither Markdown,
    HTML nor a table cell takes for markup. What GitHub finds in the finished text (mentions,
    issues, addresses) is broken by an empty comment.
    """
    shown = _MARKUP.sub(lambda match: f"&#{ord(match[0])};", single_line(text))
    return _REFERENCE.sub(lambda match: f"{match[0]}<!-- -->", shown)


def _code(text: str) -> str:
    """The text as code, in HTML, since a table cell and a backtick are no friends."""
    return f"<code>{escape(text)}</code>"
