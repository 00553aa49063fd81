"""What the tool tells people: rules, findings and their places.

A problem in what a user wrote is a value, a Finding, and work goes on after it. A failure of the
surroundings (no network, no repository) is a KontraktError, and its exit code says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from fnmatch import fnmatchcase

from codegen.editing import Mend
from codegen.source import Path, Place, SourceError, Span


class Severity(Enum):
    """How much a finding matters; `ERROR` fails a command, the others only speak."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class KontraktError(Exception):
    """The tool cannot go on. `exit_code` is 2 for wrong usage, 3 for "could not check"."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CouldNotCheck(KontraktError):
    """Something outside (a registry, a git repository, a file) kept the answer from us."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong. The id, `category/kebab-name`, is for ever."""

    id: str
    severity: Severity
    summary: str
    rationale: str = ""


RULES: dict[str, Rule] = {}
"""Every rule of the tool by id, filled when the modules that own them are imported."""


def rule(
    id: str, summary: str, rationale: str = "", *, severity: Severity = Severity.ERROR
) -> Rule:
    """Declare a rule. Raises ValueError when the id is taken."""
    if id in RULES:
        raise ValueError(f"rule {id} is declared twice")
    RULES[id] = declared = Rule(id, severity, summary, rationale)
    return declared


@dataclass(frozen=True, slots=True)
class Location:
    """A stretch of a file for people: lines and columns counted from 1, `end` exclusive.

    `path` leads from the root of the document to the value. `excerpt` is the text of the first
    line. A location without a line (0) means the file as a whole, or something that is no file.
    """

    file: str
    path: Path = ()
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    excerpt: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def locate(place: Place) -> Location:
    """Look up where a place stands."""
    return _locate_span(place, place.span())


def _locate_span(place: Place, span: Span) -> Location:
    document = place.document
    line, column = document.line_and_column(span.start)
    end_line, end_column = document.line_and_column(max(span.end, span.start))
    return Location(
        document.name, place.path, line, column, end_line, end_column, document.line(line)
    )


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that a finding is about, with a word on what stands there.

    `label` names the version it belongs to, for example `registry v7 (id 42)`.
    """

    message: str
    label: str = ""
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The schemas before and after a change, by their fingerprints."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the tool tells a person.

    `message` says what is wrong, `hint` what to do, `note` what stands under the caret, and
    `related` shows the other side. `subject` is the contract it concerns, where there is one, and
    `change` names its schemas, so that a waiver can be bound to them; `others` are further subjects
    that it concerns in the same way, each with its change. `waived` is empty, or says
    until when people live with it, and why. Each of `mends` would do away with it, the best first.
    """

    rule: Rule
    severity: Severity
    location: Location
    message: str
    note: str = ""
    hint: str = ""
    related: tuple[Related, ...] = ()
    subject: str = ""
    change: Change | None = None
    others: Mapping[str, Change | None] = field(default_factory=dict)
    waived: str = ""
    mends: tuple[Mend, ...] = ()

    @property
    def changes(self) -> Mapping[str, Change | None]:
        """All subjects that it concerns, with their changes."""
        return {self.subject: self.change, **self.others}

    @property
    def fingerprint(self) -> str:
        """16 hex digits that stay the same when lines move."""
        path = "/".join(map(str, self.location.path))
        key = "\0".join((self.rule.id, self.subject, self.location.file, path, self.message))
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def sort_key(self) -> tuple[str, int, int, int, str, str, str]:
        """By file and place, the gravest first where several stand at one place."""
        where = self.location
        return (
            where.file,
            where.line,
            where.column,
            self.severity.rank,
            self.rule.id,
            self.subject,
            self.message,
        )


@dataclass(slots=True)
class Findings:
    """A collector that checks write into while they go on."""

    items: list[Finding] = field(default_factory=list)

    def add(
        self,
        rule: Rule,
        place: Place | Location,
        message: str,
        *,
        note: str = "",
        hint: str = "",
        related: tuple[Related, ...] = (),
        subject: str = "",
        others: Iterable[str] = (),
        severity: Severity | None = None,
        mends: tuple[Mend, ...] = (),
    ) -> None:
        """Record a finding; positions are looked up now."""
        where = locate(place) if isinstance(place, Place) else place
        severity = severity or rule.severity
        self.items.append(
            Finding(
                rule,
                severity,
                where,
                message,
                note,
                hint,
                related,
                subject,
                others=dict.fromkeys(others),
                mends=mends,
            )
        )

    def add_source_error(self, rule: Rule, error: SourceError, hint: str = "") -> None:
        """Record all problems of a text that is no document, each with its hint or with this."""
        place = Place(error.document)
        for problem in error.problems:
            span = Span(problem.offset, problem.end)
            where = _locate_span(place, span)
            self.add(rule, where, problem.message, hint=hint or problem.hint)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.items)

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return any(item.severity is Severity.ERROR for item in self.items)


@dataclass(frozen=True, slots=True)
class Severities:
    """What a repository says of rules: a severity or `off` for ids and patterns such as `docs/*`.

    An exact id goes before any pattern, and of patterns the last that fits counts. `paths` says the
    same for the files that a pattern fits, `*` standing for slashes too; it goes before what holds
    `everywhere`, and of several the last counts that says anything of a rule.
    """

    everywhere: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def judge(self, finding: Finding) -> str:
        """The severity of a finding, or `off`."""
        file, rule_id = finding.location.file, finding.rule.id
        fitting = [words for path, words in self.paths.items() if fnmatchcase(file, path)]
        said = (_look_up(words, rule_id) for words in (*fitting[::-1], self.everywhere))
        return next(filter(None, said), finding.severity.value)


def _look_up(severities: Mapping[str, str], rule_id: str) -> str:
    if rule_id in severities:
        return severities[rule_id]
    fitting = (word for name, word in severities.items() if fnmatchcase(rule_id, name))
    return next(reversed(tuple(fitting)), "")


def override_severities(findings: Iterable[Finding], severities: Severities) -> list[Finding]:
    """The findings as a repository wants them judged. What is waived stays a note."""
    kept = []
    for item in findings:
        word = severities.judge(item)
        if word != "off":
            kept.append(item if item.waived else replace(item, severity=Severity(word)))
    return kept


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a command: its findings, sorted and each once, and what was looked at.

    `checked` names everything that was examined, also where nothing was found; `summary` is the
    closing line, `sections` are further paragraphs for people (impact, rollout), each a title
    and its lines. Of a report that is not complete nobody may conclude that anything is good.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...] = ()
    summary: str = ""
    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_complete: bool = True

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return self.count(Severity.ERROR) > 0


def make_report(
    findings: Iterable[Finding],
    checked: Iterable[str] = (),
    summary: str = "",
    sections: Iterable[tuple[str, tuple[str, ...]]] = (),
) -> Report:
    """Sort findings, keep the first of those that say the same of one place, and bind it all."""
    unique: dict[tuple[str, str], Finding] = {}
    for item in findings:
        unique.setdefault((item.fingerprint, str(item.location)), item)
    ordered = sorted(unique.values(), key=lambda item: item.sort_key)
    return Report(tuple(ordered), tuple(sorted(set(checked))), summary, tuple(sections))


COULD_NOT_CHECK = rule(
    "check/could-not-check",
    "Something kept the answer from us, so nothing was checked.",
    "A registry that cannot be reached, a revision that does not exist, a clone that is too "
    "shallow: whatever the reason, nothing is known to be good then, and the exit code is 3.",
)


def report_failure(error: KontraktError, where: Location) -> Report:
    """The report of a command that could not do its work, for those who read no exit codes."""
    found = Findings()
    found.add(COULD_NOT_CHECK, where, error.message, hint=error.hint)
    return Report(tuple(found), (), "nothing was checked", is_complete=False)
