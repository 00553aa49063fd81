"""One fixed report in every format, with text in it that would harm each of them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import codegen.report
from codegen.cli import program
from codegen.diagnostics import (
    Change,
    CouldNotCheck,
    Finding,
    Location,
    Related,
    Report,
    Rule,
    Severity,
    make_report,
)
from codegen.editing import Mend
from codegen.report import FORMATS, render

GOLDEN = Path(__file__).parent / "report"
PROJECT = Path(__file__).parent.parent
SUFFIXES = {
    "text": "txt",
    "json": "json",
    "sarif": "sarif",
    "junit": "xml",
    "github": "log",
    "gitlab": "gitlab.json",
    "markdown": "md",
}

NASTY = (
    "50% off\r\n::error::forged | <b>&amp;</b> `code` [a](http://evil.example) @everyone #1 "
    "{{x}} {0} \\n ]]> \x00\x1b[31m\x85\ud800\ufffe\u202e\u2028 snow\u2603 \U0001f600, a: b"
)
"""Text that means something to a terminal, to JSON, XML, Markdown, SARIF or a runner."""

NO_DEFAULT = Rule(
    "compat/field-without-default",
    Severity.ERROR,
    "A new field has no default.",
    "A reader fills a field that the writer did not know with the default.",
)
SURPRISE = Rule("compat/surprise", Severity.WARNING, "Something surprises.")
REMARK = Rule("docs/remark", Severity.NOTE, "Something could be better.")

SCHEMA_FILE = "schemas/retail/orders/OrderPlaced.avsc"
EXCERPT = '    {"name": "channel", "type": "string", "doc": "Where it was placed."}'
PLACE = Location(SCHEMA_FILE, ("fields", 3, "name"), 14, 14, 14, 23, EXCERPT)


def nasty_report() -> Report:
    """Findings of each severity, with and without a place, on files with nasty names."""
    before = Location("registry v3 (id 12)", ("fields",), 1, 40, 1, 90, "{...}")
    findings = [
        Finding(
            NO_DEFAULT,
            Severity.ERROR,
            PLACE,
            'the new field "channel" has no default',
            note="readers need this field; v1, v2 and v3 never wrote it",
            hint='give it a default, for example "default": "unknown"',
            related=(Related("", "orders-value, registry v3 (id 12)", before),),
            subject="orders-value",
            mends=(Mend(SCHEMA_FILE, "give it a default", ()),),
        ),
        Finding(
            SURPRISE,
            Severity.WARNING,
            Location(f"schemas/a b,c:d%|{NASTY[-30:]}.avsc", ("~/",), 2, 1, 4, 2, NASTY),
            NASTY,
            note=NASTY,
            hint=NASTY,
            related=(Related(NASTY, "", PLACE),),
            subject=NASTY,
        ),
        Finding(REMARK, Severity.NOTE, Location("schemas/contracts.yaml"), "a remark on it all"),
        Finding(
            NO_DEFAULT,
            Severity.NOTE,
            PLACE,
            "a waived break (waived until 2027-01-31: nobody reads it [yet])",
            subject="payments-value",
            change=Change("0123456789abcdef", "fedcba9876543210"),
            waived="until 2027-01-31: nobody reads it [yet]",
        ),
        Finding(
            REMARK,
            Severity.ERROR,
            Location("schemas/contracts.yaml", ("topics", "a"), 3, 1, 9, 4, "topics:"),
            "a remark on the topic",
        ),
    ]
    return make_report(
        findings,
        ("orders-value", "payments-value", NASTY),
        f"2 errors, {NASTY}",
        (("Who breaks", ("billing-service does.", NASTY)), ("Rollout", ("no safe order",))),
    )


REPORTS = {"nasty": nasty_report(), "good": make_report((), ("orders-value",), "1 event is good")}
CASES = [(name, format_name) for name in REPORTS for format_name in FORMATS]


@pytest.mark.parametrize(("name", "format_name"), CASES)
def test_the_report_in_each_format(name: str, format_name: str, update_golden: bool) -> None:
    found = render(REPORTS[name], format_name)
    golden = GOLDEN / f"{name}.{SUFFIXES[format_name]}"
    if update_golden:
        golden.write_bytes(found.encode())
    assert found.encode() == golden.read_bytes()


@pytest.mark.parametrize("format_name", FORMATS)
def test_nothing_invisible_reaches_any_reader(format_name: str) -> None:
    text = render(REPORTS["nasty"], format_name)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff\ufffe]", text)
    assert text.endswith("\n")
    assert "\u2603" in text


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_holds_every_finding(format_name: str) -> None:
    text = render(REPORTS["nasty"], format_name)
    for finding in REPORTS["nasty"].findings:
        assert finding.rule.id in text
        assert str(finding.location.line or "") in text
    for message in ("a remark on it all", "a remark on the topic", "a waived break"):
        assert message in text


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(KeyError):
        render(REPORTS["good"], "escaping")


def test_the_json_fits_its_schema() -> None:
    path = Path(codegen.report.__file__).parent / "report.schema.json"
    schema = json.loads(path.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    for report in REPORTS.values():
        value = json.loads(render(report, "json"))
        Draft202012Validator(schema).validate(value)
        described = schema["$defs"]["finding"]["properties"]
        assert set(value) == set(schema["properties"])
        for finding in value["findings"]:
            assert set(finding) == set(described)
    finding = json.loads(render(REPORTS["nasty"], "json"))["findings"][0]
    assert (finding["message"], finding["hint"]) == (NASTY, NASTY)


def test_the_sarif_fits_the_official_schema() -> None:
    schema = json.loads((GOLDEN / "sarif-2.1.0.schema.json").read_text("utf-8-sig"))
    validator = Draft202012Validator(schema)
    for report in REPORTS.values():
        validator.validate(json.loads(render(report, "sarif")))
    broken = json.loads(render(REPORTS["nasty"], "sarif"))
    del broken["runs"][0]["tool"]
    assert not validator.is_valid(broken), "the schema sees nothing"


def test_the_sarif_points_where_the_findings_do() -> None:
    [run] = json.loads(render(REPORTS["nasty"], "sarif"))["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9/._~%-]+", uri)
    placed, waived = (one for one in run["results"] if one["ruleId"] == NO_DEFAULT.id)
    assert "suppressions" not in placed
    assert waived["suppressions"][0]["justification"] == "until 2027-01-31: nobody reads it [yet]"
    [location] = placed["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == SCHEMA_FILE
    assert location["physicalLocation"]["region"] == {
        "startLine": 14,
        "startColumn": 14,
        "endLine": 14,
        "endColumn": 23,
    }
    assert location["logicalLocations"] == [{"fullyQualifiedName": "/fields/3/name"}]


def test_the_junit_shows_what_is_good_and_what_is_not() -> None:
    root = ElementTree.fromstring(render(REPORTS["nasty"], "junit").encode())
    cases = {case.get("name", ""): case for case in root.iter("testcase")}
    assert root.get("tests") == str(len(cases)) == "4"
    assert root.get("failures") == str(len(list(root.iter("failure")))) == "2"
    assert cases["payments-value"].find("failure") is None
    failure = cases["orders-value"].find("failure")
    assert failure is not None
    assert failure.get("type") == NO_DEFAULT.id
    assert f"{SCHEMA_FILE}:14:14" in (failure.text or "")


def test_what_concerns_several_subjects_is_a_failure_of_each() -> None:
    finding = Finding(
        NO_DEFAULT, Severity.ERROR, PLACE, "m", subject="a-value", others={"b-value": None}
    )
    report = make_report([finding], ["a-value", "b-value", "c-value"])
    root = ElementTree.fromstring(render(report, "junit").encode())
    assert (root.get("tests"), root.get("failures")) == ("3", "2")
    (good,) = (one.get("name") for one in root.iter("testcase") if one.find("failure") is None)
    assert good == "c-value"


def test_an_annotation_says_what_the_runner_reads() -> None:
    lines = render(REPORTS["nasty"], "github").split("\n")
    commands = [line for line in lines if line.startswith("::")]
    assert len(commands) == 5
    for line in commands:
        head, _, message = line[2:].partition("::")
        command, _, properties = head.partition(" ")
        assert command in ("error", "warning", "notice")
        names = [one.partition("=")[0] for one in properties.split(",")]
        assert names[0] == "file"
        assert set(names) <= {"file", "line", "endLine", "col", "endColumn", "title"}
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", message)
    [line] = [line for line in commands if line.startswith("::error") and NO_DEFAULT.id in line]
    assert line.startswith(
        f"::error file={SCHEMA_FILE},line=14,endLine=14,col=14,endColumn=23,"
        "title=compat/field-without-default::the new field"
    )


def test_the_issues_of_gitlab_have_fingerprints_of_their_own() -> None:
    twice = [
        Finding(REMARK, Severity.NOTE, Location("a.avsc", (), line, 1, line, 2), "the same")
        for line in (1, 2)
    ]
    issues = json.loads(render(make_report(twice), "gitlab"))
    assert len({issue["fingerprint"] for issue in issues}) == 2
    for issue in json.loads(render(REPORTS["nasty"], "gitlab")):
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["lines"]["begin"] >= 1


def test_markdown_makes_no_markup_of_text() -> None:
    text = render(REPORTS["nasty"], "markdown")
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len(rows) == 2 + 5
    assert {row.count("|") for row in rows} == {5}
    tags = {tag.partition(" ")[0] for tag in re.findall(r"<(/?\w+)", text)}
    assert tags <= {"br", "sub", "/sub", "code", "/code", "details", "/details"} | {
        "summary",
        "/summary",
    }
    for mark in ("@everyone", "://", "[a]", "`code`", " #1"):
        assert mark not in text


def test_steps_are_a_numbered_list_in_markdown() -> None:
    lines = ("Expand and contract:", "1. add a field", "2. shop", "One is torn:", "3. till")
    text = render(make_report([], [], "", [("Deploy", lines)]), "markdown")
    assert text.partition("#### Deploy\n\n")[2] == (
        "- Expand and contract:\n\n1. add a field\n2. shop\n\n- One is torn:\n\n3. till\n"
    )


def test_markdown_stays_within_what_a_comment_may_hold() -> None:
    many = [
        Finding(REMARK, Severity.NOTE, Location("a.avsc", (), line, 1, line, 2), f"{line} " * 50)
        for line in range(1, 2001)
    ]
    grave = Finding(NO_DEFAULT, Severity.ERROR, Location("z.avsc"), "x" * 100_000)
    names = [f"subject-{number}" for number in range(10_000)]
    sections = [("Who breaks", tuple(f"{name} does" for name in names))]
    text = render(make_report([*many, grave], names, "all", sections), "markdown")
    assert len(text) < 65_536
    assert "z.avsc" in text
    shown = sum(line.startswith("| ") for line in text.split("\n")) - 1
    assert f"\n{2001 - shown:,} more" in text
    assert text.endswith("</details>\n")


def test_a_report_is_written_to_files_in_other_formats(tmp_path: Path) -> None:
    for name, kind in (("old", "int"), ("new", "string")):
        (tmp_path / f"{name}.avsc").write_text(f'"{kind}"')
    files = {name: tmp_path / f"report.{suffix}" for name, suffix in SUFFIXES.items()}
    reports = [part for name, file in files.items() for part in ("--report", f"{name}={file}")]
    schemas = [str(tmp_path / "new.avsc"), str(tmp_path / "old.avsc")]
    done = CliRunner().invoke(program, ["compare", *schemas, *reports, "--format", "gitlab"])
    assert done.exit_code == 1
    assert files["gitlab"].read_text("utf-8") == done.output
    for file in files.values():
        assert "compat/type-changed" in file.read_text("utf-8")


@pytest.mark.parametrize("value", ["sarif", "sarif=", "pdf=x.pdf"])
def test_a_report_that_is_asked_for_wrongly_is_wrong_usage(value: str) -> None:
    done = CliRunner().invoke(program, ["compare", "a", "b", "--report", value])
    assert done.exit_code == 2
    assert "FORMAT=FILE" in done.output


def test_a_report_that_cannot_be_written_is_no_good_answer(tmp_path: Path) -> None:
    (tmp_path / "a.avsc").write_text('"int"')
    schema = str(tmp_path / "a.avsc")
    done = CliRunner().invoke(program, ["compare", schema, schema, "--report", f"json={tmp_path}"])
    assert isinstance(done.exception, CouldNotCheck)


def invoke(*arguments: str) -> tuple[str, BaseException | None]:
    done = CliRunner().invoke(program, [*arguments])
    return done.stdout, done.exception


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    "against", ["git:main", "snapshot:gone.json", "folder:gone", "registry:http://127.0.0.1:9"]
)
def test_what_could_not_be_checked_is_told_in_each_format(
    tmp_path: Path, against: str, format_name: str
) -> None:
    root = tmp_path / "shop"
    shutil.copytree(PROJECT / "schemas", root / "schemas")
    written = tmp_path / "written"
    arguments = ("--root", str(root), "--against", against, "--format", format_name)
    shown, error = invoke("check", *arguments, "--report", f"{format_name}={written}")
    assert isinstance(error, CouldNotCheck)
    assert "check/could-not-check" in written.read_text("utf-8")
    assert shown == ("" if format_name == "text" else written.read_text("utf-8"))


def test_what_could_not_be_checked_is_never_taken_for_good(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    arguments = ("check", "--root", str(tmp_path), "--against", "folder:gone", "--format")
    report = json.loads(invoke(*arguments, "json")[0])
    assert report["complete"] is False
    Draft202012Validator(
        json.loads((Path(codegen.report.__file__).parent / "report.schema.json").read_text())
    ).validate(report)
    (run,) = json.loads(invoke(*arguments, "sarif")[0])["runs"]
    assert run["invocations"] == [{"executionSuccessful": False}]
    schema = json.loads((GOLDEN / "sarif-2.1.0.schema.json").read_text("utf-8-sig"))
    Draft202012Validator(schema).validate({"version": "2.1.0", "runs": [run]})
    (suite,) = ElementTree.fromstring(invoke(*arguments, "junit")[0])
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    assert suite.find("testcase/error") is not None
    assert invoke(*arguments, "markdown")[0].startswith("### \u274c kontrakt: could not check")


def test_a_report_that_was_shown_is_not_followed_by_another(tmp_path: Path) -> None:
    (tmp_path / "a.avsc").write_text('"int"')
    schema = str(tmp_path / "a.avsc")
    wanted = ("--format", "json", "--report", f"json={tmp_path}")
    shown, error = invoke("compare", schema, schema, *wanted)
    assert isinstance(error, CouldNotCheck)
    assert json.loads(shown)["complete"] is True
