"""A report as the comment of a pull request: verdict, what was found, who breaks, the rollout.

GitHub Flavored Markdown. Text of schemas shows as text: it makes no markup and no link, pings
nobody, and refers to no issue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from codegen.counting import count_words
from codegen.diagnostics import Finding, Report, Severity
from codegen.report.escaping import single_line

LONGEST = 60_000
"""The most characters of a report; GitHub refuses a comment of more than 65,536."""

LONGEST_TEXT = 1_000
"""The most characters of one message, hint or line; the rest of it is left out."""

_SIGNS = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.NOTE: "💡"}


def render_report(report: Report) -> str:
    """The verdict as a heading, a table of findings, the sections, and what was checked.

    The gravest findings come first. What has no room is counted.
    """
    room = _Room(LONGEST)
    blocks = [f"### {_verdict(report)}"]
    if report.summary:
        blocks.append(escape(report.summary))
    if report.findings:
        gravest_first = sorted(report.findings, key=lambda finding: finding.severity.rank)
        rows = room.take(_row(finding) for finding in gravest_first)
        blocks.append(
            "\n".join(("| | Where | What | How to mend it |", "|---|---|---|---|", *rows))
        )
        blocks.extend(_left(len(report.findings) - len(rows)))
    for title, lines in report.sections:
        kept = room.take(list_items(lines))
        blocks.append("\n".join((f"#### {escape(title)}\n", *kept)))
        blocks.extend(_left(len(lines) - len(kept)))
    if report.checked:
        words = f"<details><summary>{len(report.checked)} checked</summary>"
        kept = room.take(f"- {_code(name)}" for name in report.checked)
        left = _left(len(report.checked) - len(kept))
        blocks.append("\n\n".join((words, "\n".join(kept), *left, "</details>")))
    return "\n\n".join(blocks) + "\n"


@dataclass(slots=True)
class _Room:
    """How many characters there is room for."""

    left: int

    def take(self, lines: Iterable[str]) -> list[str]:
        """The lines that there is room for, from the first on."""
        kept = []
        for line in lines:
            self.left -= len(line) + 1
            if self.left < 0:
                break
            kept.append(line)
        return kept


def list_items(lines: Iterable[str]) -> Iterator[str]:
    """A point for each line; numbered steps are a list of their own, set off by a blank line."""
    was_step: bool | None = None
    for line in lines:
        is_step = _STEP.match(line) is not None
        gap = "\n" if was_step not in (None, is_step) else ""
        yield f"{gap}{escape(line)}" if is_step else f"{gap}- {escape(line)}"
        was_step = is_step


def _left(count: int) -> tuple[str, ...]:
    return (f"{count:,} more have no room here; `--format text` shows them all.",) if count else ()


def _verdict(report: Report) -> str:
    if not report.is_complete:
        return "❌ kontrakt: could not check"
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    if errors:
        return f"❌ kontrakt: {count_words(errors, 'error')}"
    if warnings:
        return f"⚠️ kontrakt: {count_words(warnings, 'warning')}"
    return "✅ kontrakt: good"


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


_STEP = re.compile(r"\d+\. ")
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~&$]")
_REFERENCE = re.compile(r"@|:(?=//)|www(?=\.)|&#35;")


def escape(text: str) -> str:
    """The text as Markdown that shows as that text, on one line.

    Every mark that may mean something is written as a character reference, which neither Markdown,
    HTML nor a table cell takes for markup. What GitHub finds in the finished text (mentions,
    issues, addresses) is broken by an empty comment.
    """
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}..."
    shown = _MARKUP.sub(lambda match: f"&#{ord(match[0])};", single_line(text))
    return _REFERENCE.sub(lambda match: f"{match[0]}<!-- -->", shown)


def _code(text: str) -> str:
    """The text as code, in HTML, since a table cell and a backtick are no friends."""
    return f"<code>{escape(text)}</code>"
