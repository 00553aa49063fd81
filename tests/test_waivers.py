"""Waivers, from outside: what they cover, what they do not, and when they are findings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from codegen.baselines import open_baseline
from codegen.contract.load import load_contract
from codegen.diagnostics import Finding, Findings, Severity, make_report, override_severities
from codegen.report import FORMATS, render
from codegen.review import review

CORPUS = Path(__file__).parent / "evolution"
TODAY = date(2026, 6, 1)


def check(root: Path, today: date = TODAY) -> tuple[Finding, ...]:
    findings = Findings()
    contract = load_contract(root / "after", findings)
    assert contract is not None, [str(item) for item in findings]
    baseline = open_baseline(f"folder:{root / 'before'}", contract.registry, root / "after")
    review(contract, baseline, findings, today=today)
    return make_report(override_severities(findings, contract.severities)).findings


def load(root: Path) -> tuple[Finding, ...]:
    findings = Findings()
    load_contract(root / "after", findings)
    return make_report(findings).findings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one breaking change."""
    shutil.copytree(CORPUS / "field-added-without-default", tmp_path / "case")
    return tmp_path / "case"


def waive(root: Path, **changes: Any) -> dict[str, str]:
    """Add the waiver that covers the one finding, with some of its keys changed."""
    (finding,) = (item for item in check(root) if item.severity is Severity.ERROR)
    assert finding.change is not None
    waiver = {
        "rule": finding.rule.id,
        "subject": finding.subject,
        "from": finding.change.before,
        "to": finding.change.after,
        "reason": "No message was ever sent.",
        "until": "2026-12-31",
    } | changes
    manifest = root / "after" / "schemas" / "contracts.yaml"
    waiver = {key: value for key, value in waiver.items() if value is not None}
    manifest.write_text(f"{manifest.read_text()}waivers:\n  - {json.dumps(waiver)}\n")
    return waiver


def test_a_waived_finding_is_a_note_that_says_until_when_and_why(root: Path) -> None:
    (before,) = check(root)
    waive(root)
    (found,) = (item for item in check(root) if item.waived)
    assert before.severity is Severity.ERROR
    assert (found.rule, found.location) == (before.rule, before.location)
    assert found.severity is Severity.NOTE
    assert found.waived == "until 2026-12-31: No message was ever sent."
    assert before.message in found.message
    assert before.waived == ""


def test_every_report_lists_what_is_waived_with_its_reason(root: Path) -> None:
    waive(root)
    report = make_report(check(root))
    assert not report.has_errors
    for format_name in FORMATS:
        text = render(report, format_name)
        assert "No message was ever sent." in text, format_name
        assert "2026-12-31" in text, format_name
    sarif = json.loads(render(report, "sarif"))
    results = sarif["runs"][0]["results"]
    assert [one["suppressions"][0]["kind"] for one in results if "suppressions" in one] == [
        "external"
    ]


def test_a_waived_break_is_a_skipped_test(root: Path) -> None:
    waive(root)
    suites = ElementTree.fromstring(render(make_report(check(root), ["t-value"]), "junit"))
    (suite,) = suites
    assert (suite.get("failures"), suite.get("skipped"), suite.get("tests")) == ("0", "1", "1")
    skipped = suite.find("testcase/skipped")
    assert skipped is not None
    assert "(waived until 2026-12-31: No message was ever sent.)" in skipped.attrib["message"]


def test_a_waived_break_that_a_registry_will_refuse_is_told(root: Path) -> None:
    waive(root)
    (found,) = (item for item in check(root) if not item.waived)
    assert (found.rule.id, found.severity) == ("waiver/registry-refuses", Severity.WARNING)
    assert found.subject == "t-value"
    assert "compatibility: NONE" in found.hint and "without _TRANSITIVE" in found.hint


def test_the_registry_that_was_asked_says_why_it_refuses(root: Path) -> None:
    after = root / "after"
    manifest = after / "schemas" / "contracts.yaml"
    schema = after / "schemas" / "shop" / "Sold.avsc"
    changed = schema.read_text()
    schema.write_text((root / "before" / "schemas" / "shop" / "Sold.avsc").read_text())
    assert kontrakt(root, "register", "--apply").returncode == 0
    schema.write_text(changed)
    assert "waiver/registry-refuses" not in kontrakt(root, "check").stdout
    with manifest.open("a") as file:
        file.write(kontrakt(root, "waive", "--reason", "No message was ever sent.").stdout)
    done = kontrakt(root, "check")
    assert done.returncode == 0, done.stdout
    assert "warning waiver/registry-refuses: the break of t-value is waived" in done.stdout
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in done.stdout
    assert "oldSchemaVersion: 1" in done.stdout and "oldSchema:" not in done.stdout
    plan = kontrakt(root, "register")
    assert plan.returncode == 1
    assert "a waiver lets the check pass, not the registry" in plan.stdout
    assert "waiver/registry-refuses" not in plan.stdout, "the refusal itself is told"

    # The advice is good: once it is taken, no refusal is foretold, and there is none.
    text = manifest.read_text()
    manifest.write_text(text.replace("compatibility: BACKWARD", "compatibility: NONE", 1))
    again = kontrakt(root, "check")
    assert again.returncode == 0 and "waiver/registry-refuses" not in again.stdout
    assert kontrakt(root, "register", "--apply").returncode == 0


def test_at_the_level_none_no_registry_refuses(root: Path) -> None:
    """Hazards can be waived, and a registry does not see them."""
    shutil.rmtree(root)
    shutil.copytree(CORPUS / "decimal-scale", root)
    waive(root)
    assert [item.rule.id for item in check(root)] == ["change/decimal-scale"]


def test_the_json_report_holds_what_a_waiver_needs(root: Path) -> None:
    waiver = waive(root, subject="another")
    _, error = json.loads(render(make_report(check(root)), "json"))["findings"]
    assert error["change"] == {"from": waiver["from"], "to": waiver["to"]}
    assert error["waived"] == ""


def kontrakt(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "codegen", *arguments],
        cwd=root / "after",
        env={**environment, "PYTHONPATH": str(CORPUS.parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_waiver_can_be_printed_and_copied(root: Path) -> None:
    against = ("--against", f"folder:{root / 'before'}")
    assert kontrakt(root, "check", *against).returncode == 1
    words = 'It is "fine": #1, {really}.'
    command = ("waive", *against, "--until", "9999-12-31", "--reason", words)
    done = kontrakt(root, *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("waivers:\n  - {")
    assert kontrakt(root, *command, "compat/field-without-default").stdout == done.stdout
    assert kontrakt(root, *command, "compat/field-removed").stdout == ""
    with (root / "after" / "schemas" / "contracts.yaml").open("a") as manifest:
        manifest.write(done.stdout)
    after = kontrakt(root, "check", *against)
    assert after.returncode == 0, after.stdout
    assert f"(waived until 9999-12-31: {words})" in after.stdout
    assert kontrakt(root, *command).stdout == ""


def test_what_fails_through_the_lock_is_not_registered_and_can_be_waived(tmp_path: Path) -> None:
    schemas = tmp_path / "after" / "schemas"
    schemas.mkdir(parents=True)
    (schemas / "contracts.yaml").write_text(
        "version: 1\ntopics: {t: {events: [Sold], compatibility: FORWARD}}\n"
        "services: {till: {produces: [t]}, ledger: {consumes: [t], targets: {python: {}}}}\n"
    )

    def write(*fields: dict[str, Any]) -> None:
        value = {"type": "record", "name": "Sold", "fields": [{**UNITS, "name": "id"}, *fields]}
        (schemas / "Sold.avsc").write_text(json.dumps(value))

    write(UNITS)
    for command in (("generate",), ("register", "--apply")):
        assert kontrakt(tmp_path, *command).returncode == 0
    write({**UNITS, "default": 0})
    assert kontrakt(tmp_path, "register", "--apply").returncode == 0
    write(CENTS)
    for command in (("check",), ("register", "--apply")):
        done = kontrakt(tmp_path, *command)
        assert done.returncode == 1, "the stubs of ledger cannot read it"
        assert "compat/field-without-default" in done.stdout
    done = kontrakt(tmp_path, "waive", "--reason", "No message was ever sent.")
    with (schemas / "contracts.yaml").open("a") as manifest:
        manifest.write(done.stdout)
    for command in (("check",), ("register", "--apply")):
        assert kontrakt(tmp_path, *command).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--until", "2026-01-01"), "--reason"),
        (("--reason", "Why.", "--until", "2026-01-01"), "2026-01-01 is past: give today, "),
        (("--reason", " "), "a waiver needs a reason"),
        (("--reason", "Why.", "--until", "soon"), "soon"),
        (("--reason", "Why.", "compat/field-remove"), "field-removed?"),
    ],
)
def test_a_waiver_without_what_it_needs_is_wrong_usage(
    root: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = kontrakt(root, "waive", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rule", "compat/field-removed"),
        ("subject", "u-value"),
        ("from", "0123456789abcdef"),
        ("to", "0123456789abcdef"),
    ],
)
def test_a_waiver_is_bound_to_all_that_it_names(root: Path, key: str, value: str) -> None:
    waive(root, **{key: value})
    ids = {item.rule.id: item for item in check(root)}
    assert set(ids) == {"compat/field-without-default", "waiver/unused"}
    assert ids["compat/field-without-default"].severity is Severity.ERROR
    unused = ids["waiver/unused"]
    assert unused.severity is Severity.WARNING
    assert unused.location.file == "schemas/contracts.yaml"
    assert unused.location.path[:2] == ("waivers", 0)


def test_another_change_needs_another_waiver(root: Path) -> None:
    waive(root)
    (schema,) = (root / "after" / "schemas").rglob("*.avsc")
    value = json.loads(schema.read_text())
    value["doc"] = "Edited after the waiver was agreed on."
    schema.write_text(json.dumps(value))
    found = {item.rule.id: item for item in check(root)}
    assert found["compat/field-without-default"].severity is Severity.ERROR
    change = found["compat/field-without-default"].change
    assert change is not None
    assert change.after in found["waiver/unused"].hint


def test_a_layout_of_its_own_does_not_end_a_waiver(root: Path) -> None:
    waive(root)
    (schema,) = (root / "after" / "schemas").rglob("*.avsc")
    schema.write_text(json.dumps(json.loads(schema.read_text()), indent=7))
    assert [item.severity for item in check(root) if item.waived] == [Severity.NOTE]


@pytest.mark.parametrize(
    ("today", "is_open"), [(date(2026, 12, 31), True), (date(2027, 1, 1), False)]
)
def test_the_day_of_its_end_is_the_last_one(root: Path, today: date, is_open: bool) -> None:
    waive(root)
    found = {item.rule.id: item for item in check(root, today)}
    assert ("waiver/expired" not in found) is is_open
    assert ("waived" in found["compat/field-without-default"].message) is is_open
    assert make_report(found.values()).has_errors is not is_open
    assert "waiver/unused" not in found


def test_an_ended_waiver_that_covers_nothing_is_one_finding(root: Path) -> None:
    waive(root, subject="gone", until="2020-02-29")
    ids = [item.rule.id for item in check(root) if item.rule.id.startswith("waiver/")]
    assert ids == ["waiver/expired"]


def test_a_misspelt_rule_is_recognized(root: Path) -> None:
    waive(root, rule="compat/field-without-defaults")
    (found,) = (item for item in check(root) if item.rule.id.startswith("waiver/"))
    assert found.rule.id == "waiver/unknown-rule"
    assert found.message == "there is no rule compat/field-without-defaults"
    assert "compat/field-without-default?" in found.hint
    assert found.location.path[-1] == "rule"


def test_without_a_last_day_a_waiver_is_good_for_thirty_days(root: Path) -> None:
    before = datetime.now(UTC).date()
    done = kontrakt(root, "waive", "--against", f"folder:{root / 'before'}", "--reason", "Why.")
    days = {day + timedelta(30) for day in (before, datetime.now(UTC).date())}
    assert any(f'"until": "{day}"' in done.stdout for day in days)


def test_the_severity_of_a_rule_does_not_bring_back_what_is_waived(root: Path) -> None:
    waive(root)
    manifest = root / "after" / "schemas" / "contracts.yaml"
    manifest.write_text(f"{manifest.read_text()}lint: {{severity: {{'compat/*': error}}}}\n")
    assert [item.severity for item in check(root) if item.waived] == [Severity.NOTE]


def test_a_waiver_may_cover_a_hazard(tmp_path: Path) -> None:
    shutil.copytree(CORPUS / "decimal-scale", tmp_path / "case")
    waive(tmp_path / "case")
    assert [(item.rule.id, item.severity) for item in check(tmp_path / "case")] == [
        ("change/decimal-scale", Severity.NOTE)
    ]


def test_a_waiver_may_cover_a_change_of_the_manifest_and_no_further_one(tmp_path: Path) -> None:
    shutil.copytree(CORPUS / "key-field-changed", tmp_path / "case")
    waiver = waive(tmp_path / "case")
    assert waiver["subject"] == "sales"
    (found,) = check(tmp_path / "case")
    assert (found.rule.id, found.severity) == ("change/message-key", Severity.NOTE)
    manifest = tmp_path / "case" / "after" / "schemas" / "contracts.yaml"
    manifest.write_text(manifest.read_text().replace("    key: till\n", ""))
    ids = {item.rule.id: item for item in check(tmp_path / "case")}
    assert set(ids) == {"change/message-key", "waiver/unused"}
    change = ids["change/message-key"].change
    assert change is not None
    assert change.before == waiver["from"]
    assert change.after in ids["waiver/unused"].hint


def test_what_is_said_of_a_manifest_can_be_silenced_by_its_rule(tmp_path: Path) -> None:
    shutil.copytree(CORPUS / "topic-renamed", tmp_path / "case")
    manifest = tmp_path / "case" / "after" / "schemas" / "contracts.yaml"
    severity = "lint: {severity: {change/topic-renamed: warning}}"
    manifest.write_text(f"{manifest.read_text()}{severity}\n")
    assert [item.severity for item in check(tmp_path / "case")] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("until", "2026-02-30", ("until",)),
        ("until", "soon", ("until",)),
        ("until", None, ()),
        ("reason", None, ()),
        ("reason", "  ", ("reason",)),
        ("from", "xyz", ("from",)),
        ("from", 1234567890123456, ("from",)),
        ("rule", "compat", ("rule",)),
        ("level", "FULL", ("level",)),
    ],
)
def test_a_waiver_of_another_form_is_refused_in_its_place(
    root: Path, key: str, value: Any, path: tuple[str, ...]
) -> None:
    waive(root, **{key: value})
    (found,) = load(root)
    assert found.rule.id == "manifest/wrong-shape"
    assert found.location.path == ("waivers", 0, *path)
    assert found.location.line > 0


UNITS = {"name": "units", "type": "long"}
CENTS = {"name": "cents", "type": "int"}
MOMENT = {"name": "units", "type": {"type": "long", "logicalType": "timestamp-millis"}}


@pytest.mark.parametrize(
    ("fields", "subjects"),
    [
        ([UNITS, CENTS], ["a-value", "c-value"]),  # the level of b asks for nothing
        ([MOMENT], ["a-value", "b-value", "c-value"]),
    ],
)
def test_what_concerns_several_subjects_takes_a_waiver_for_each(
    tmp_path: Path, fields: list[Any], subjects: list[str]
) -> None:
    def write(side: str, money: list[Any]) -> Path:
        schemas = tmp_path / side / "schemas"
        schemas.mkdir(parents=True)
        uses = [{"name": "price", "type": "Money"}]
        for name, held in (("Money", money), ("A", uses), ("B", uses)):
            value = {"type": "record", "name": name, "fields": held}
            (schemas / f"{name}.avsc").write_text(json.dumps(value))
        (schemas / "contracts.yaml").write_text(
            "version: 1\nregistry: {references: false}\n"
            "topics: {a: {events: [A]}, b: {events: [B], compatibility: NONE}, c: {events: [A]}}\n"
            "services: {s: {produces: [a, b, c]}}\n"
        )
        return schemas / "contracts.yaml"

    write("before", [UNITS])
    manifest = write("after", fields)
    (finding,) = (item for item in check(tmp_path) if item.severity is Severity.ERROR)
    assert sorted(finding.changes) == subjects
    text = f"{manifest.read_text()}waivers:\n"
    for day, (subject, change) in enumerate(finding.changes.items(), 11):
        assert any(item.severity is Severity.ERROR for item in check(tmp_path))
        assert change is not None
        waiver = {
            "rule": finding.rule.id,
            "subject": subject,
            "from": change.before,
            "to": change.after,
            "reason": "No message was ever sent.",
            "until": f"2026-12-{day}",
        }
        text += f"  - {json.dumps(waiver)}\n"
        manifest.write_text(text)
    assert not any(item.severity is Severity.ERROR for item in check(tmp_path))
    (waived,) = (item for item in check(tmp_path) if item.waived)
    assert waived.waived == "until 2026-12-11: No message was ever sent."


def test_what_is_unsafe_for_several_subjects_is_as_grave_as_for_the_gravest(
    tmp_path: Path,
) -> None:
    for side, fields in (("before", [UNITS]), ("after", [UNITS, CENTS])):
        schemas = tmp_path / side / "schemas"
        schemas.mkdir(parents=True)
        uses = [{"name": "price", "type": "Money"}]
        for name, held in (("Money", fields), ("A", uses), ("B", uses)):
            value = {"type": "record", "name": name, "fields": held}
            (schemas / f"{name}.avsc").write_text(json.dumps(value))
        (schemas / "contracts.yaml").write_text(
            "version: 1\nregistry: {references: false}\n"
            "topics:\n"
            "  a: {events: [A], compatibility: NONE}\n"
            "  b: {events: [B], compatibility: FORWARD}\n"
            "services: {s: {produces: [a, b], consumes: [a, b]}}\n"
        )
    (finding,) = (item for item in check(tmp_path) if item.rule.id.startswith("compat/"))
    assert list(finding.changes) == ["a-value", "b-value"]
    assert finding.severity is Severity.ERROR
    assert "FORWARD lets it pass" in finding.note
