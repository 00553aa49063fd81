"""A report for test result viewers: JUnit's XML, with a test case for each thing that was checked.

What was found good is a passing case, so that people see what green covers.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

from codegen.diagnostics import COULD_NOT_CHECK, Finding, Report, Severity
from codegen.report.escaping import printable, single_line


def render_report(report: Report) -> str:
    """One suite; a case for each checked subject, and for each file with findings of its own.

    A finding about several subjects stands in the case of each.
    Errors are failures of their case; warnings and notes are its output. A case without errors,
    some of which were waived, is skipped. What could not be checked is an error.
    """
    cases: dict[str, list[Finding]] = {name: [] for name in report.checked}
    for finding in report.findings:
        for name in finding.changes:
            cases.setdefault(name or finding.location.file, []).append(finding)
    outcomes = [_outcome(found) for found in cases.values()]
    counts = {
        "tests": str(len(cases)),
        "failures": str(outcomes.count("failure")),
        "errors": str(outcomes.count("error")),
    }
    skipped = str(outcomes.count("skipped"))
    root = ElementTree.Element("testsuites", {"name": "kontrakt", **counts})
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": "kontrakt", **counts, "skipped": skipped}
    )
    for name, found in cases.items():
        _add_case(suite, name, found)
    words = [line for title, lines in report.sections for line in (title, *lines)]
    if report.summary:
        words.append(report.summary)
    if words:
        ElementTree.SubElement(suite, "system-out").text = printable("\n".join(words))
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _outcome(found: Iterable[Finding]) -> str:
    """`error`, `failure`, `skipped` or nothing."""
    listed = list(found)
    if any(finding.rule is COULD_NOT_CHECK for finding in listed):
        return "error"
    if any(_is_failure(finding) for finding in listed):
        return "failure"
    return "skipped" if any(finding.waived for finding in listed) else ""


def _is_failure(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR


def _add_case(suite: ElementTree.Element, name: str, found: Iterable[Finding]) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": "kontrakt", "name": single_line(name)}
    )
    listed = list(found)
    outcome = _outcome(listed)
    told = {
        "error": [finding for finding in listed if finding.rule is COULD_NOT_CHECK],
        "failure": [finding for finding in listed if _is_failure(finding)],
        "skipped": [finding for finding in listed if finding.waived],
    }.get(outcome, [])
    if told:
        # Many viewers read the first failure of a case only, so all stand in one.
        first = told[0]
        element = ElementTree.SubElement(case, outcome, {"message": single_line(first.message)})
        if outcome != "skipped":
            element.set("type", first.rule.id)
        element.text = "\n\n".join(map(_describe, told))
    if others := [finding for finding in listed if finding not in told]:
        ElementTree.SubElement(case, "system-out").text = "\n\n".join(map(_describe, others))


def _describe(finding: Finding) -> str:
    head = f"{finding.location}: {finding.severity.value} {finding.rule.id}: {finding.message}"
    lines = [head, finding.note, finding.hint and f"fix: {finding.hint}"]
    for related in finding.related:
        place = str(related.location) if related.location and not related.label else ""
        lines.append("  ".join(part for part in (related.label, place, related.message) if part))
    return printable("\n".join(line for line in lines if line))
