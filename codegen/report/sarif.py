"""A report for code scanning: SARIF 2.1.0, the OASIS Static Analysis Results Interchange Format."""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import quote

from codegen.diagnostics import Finding, Location, Related, Report, Rule, Severity
from codegen.report.escaping import printable, write_json
from codegen.source import Json

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render_report(report: Report) -> str:
    """One run with the findings as results, and the rules that they are about.

    Files are relative to `%SRCROOT%`, the root of the contract repository. A version of the past is
    no file of it, so it has a logical location only.
    """
    rules = {finding.rule.id: finding.rule for finding in report.findings}
    order = {name: index for index, name in enumerate(sorted(rules))}
    driver = {"name": "kontrakt", "rules": [_rule_value(rules[name]) for name in order]}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": report.is_complete}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, order[finding.rule.id]) for finding in report.findings],
        "properties": {
            "checked": list(report.checked),
            "summary": report.summary,
            "sections": [
                {"title": title, "lines": list(lines)} for title, lines in report.sections
            ],
        },
    }
    return write_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}) + "\n"


def _rule_value(rule: Rule) -> dict[str, Json]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.rationale or rule.summary},
        "help": {"text": f"kontrakt rules {rule.id}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, index: int) -> dict[str, Json]:
    parts = (finding.message, finding.note, finding.hint and f"Fix: {finding.hint}")
    text = "\n".join(part for part in parts if part)
    value: dict[str, Json] = {
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(text)},
        "locations": [_location(finding.location)],
        "partialFingerprints": {"kontrakt/v1": finding.fingerprint},
    }
    if finding.related:
        value["relatedLocations"] = [
            _related(related, number) for number, related in enumerate(finding.related)
        ]
    if finding.subject:
        value["properties"] = {"subject": finding.subject}
    if finding.waived:
        justification = printable(finding.waived)
        value["suppressions"] = [{"kind": "external", "justification": justification}]
    return value


def _message(text: str) -> str:
    """The text as SARIF shows it: brackets would make links, braces placeholders (3.11)."""
    escaped = printable(text).replace("\\", "\\\\")
    for bracket in "[]":
        escaped = escaped.replace(bracket, f"\\{bracket}")
    return escaped.replace("{", "{{").replace("}", "}}")


def _location(where: Location) -> dict[str, Json]:
    physical: dict[str, Json] = {"artifactLocation": _artifact(where.file)}
    if where.line:
        physical["region"] = {
            "startLine": where.line,
            "startColumn": where.column,
            "endLine": where.end_line,
            "endColumn": where.end_column,
        }
    value: dict[str, Json] = {"physicalLocation": physical}
    if where.path:
        value["logicalLocations"] = [_logical(where)]
    return value


def _artifact(file: str) -> dict[str, Json]:
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": "file://" + quote(path.as_posix(), errors="surrogatepass")}
    # A first part with a colon would be taken for the scheme of the URI.
    return {"uri": quote(path.as_posix(), errors="surrogatepass"), "uriBaseId": "%SRCROOT%"}


def _logical(where: Location) -> dict[str, Json]:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in where.path)
    return {"fullyQualifiedName": "".join(f"/{step}" for step in steps)}


def _related(related: Related, number: int) -> dict[str, Json]:
    words = "  ".join(part for part in (related.label, related.message) if part)
    value: dict[str, Json] = {"id": number, "message": {"text": _message(words or "see")}}
    if related.location is None:
        return value
    if related.label:
        if related.location.path:
            value["logicalLocations"] = [_logical(related.location)]
        return value
    return value | _location(related.location)
