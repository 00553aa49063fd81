"""Which findings did people decide to live with, and does that decision still hold?

A waiver in the manifest is bound to one rule, one subject and one pair of schemas, both named by
their fingerprints, so it says nothing of the next change. What it covers is listed with its reason
and fails no command. A waiver that has ended, or that covers nothing, is itself a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from functools import cache

from codegen.avro.canonical import render
from codegen.contract.model import Contract, History, Waiver
from codegen.diagnostics import Change, Finding, Findings, Rule, Severity, rule
from codegen.lock import fingerprint
from codegen.source import Place

EXPIRED = rule(
    "waiver/expired",
    "A waiver has ended.",
    "A waiver puts a decision off, and its end is when the decision is due. What it covered counts "
    "again. Mend it, or give the waiver a new end for a reason that is still good.",
    severity=Severity.WARNING,
)
UNUSED = rule(
    "waiver/unused",
    "A waiver covers nothing.",
    "It is bound to one rule, one subject and one pair of schemas. When the change is made, or "
    "mended, or another schema takes its place, the waiver has no meaning any more, and would only "
    "make readers of the manifest think that something is being tolerated.",
    severity=Severity.WARNING,
)


UNKNOWN_RULE = rule(
    "waiver/unknown-rule",
    "A waiver names a rule that does not exist.",
    "It covers nothing, whatever was meant. Ids of rules are for ever, so it is a misspelling, or "
    "the rule of a newer kontrakt.",
    severity=Severity.WARNING,
)
REGISTRY_REFUSES = rule(
    "waiver/registry-refuses",
    "A break is waived, and the registry will refuse the schema all the same.",
    "A waiver speaks to this check only. A registry judges by the level of the subject when a "
    "schema is registered, and knows nothing of reasons and days; so what passes here may be "
    "stopped at the very last step, when it is published.",
    severity=Severity.WARNING,
)
PAST_THE_REGISTRY = (
    "a waiver lets the check pass, not the registry: state a level for the topic that takes it (at "
    "worst compatibility: NONE), register, and state the old one again, without _TRANSITIVE, which "
    "counts the older versions for ever"
)
"""What to do when a schema that breaks its past shall be registered."""


def name_changes(
    findings: Iterable[Finding], contract: Contract, histories: Mapping[str, History]
) -> list[Finding]:
    """The findings, those about a subject with a past with the fingerprints of both schemas.

    One that names its change itself keeps it.
    """
    subjects = {subject.name: subject for subject in contract.subjects}

    @cache
    def find_change(name: str) -> Change | None:
        subject, history = subjects.get(name), histories.get(name)
        before = history.versions[-1].schema if history and history.versions else None
        if subject is None or before is None:
            return None
        return Change(
            fingerprint(render(before, inline=True)),
            fingerprint(render(subject.schema, inline=True)),
        )

    return [
        item
        if item.change is not None
        else replace(
            item,
            change=find_change(item.subject),
            others={name: find_change(name) for name in item.others},
        )
        for item in findings
    ]


def apply_waivers(
    waivers: Iterable[Waiver], findings: Iterable[Finding], today: date
) -> list[Finding]:
    """The findings, those that waivers cover as notes, and one for each waiver that is no good.

    What concerns several subjects is covered when a waiver of each covers it.

    The last day of a waiver is the one that it names.
    """
    listed = list(waivers)
    open_waivers = {_key(waiver): waiver for waiver in listed if waiver.until >= today}
    outcome = Findings()
    matched = set()
    for item in findings:
        keys = list(_finding_keys(item))
        matched.update(keys)
        found_waivers = [open_waivers[key] for key in keys if key in open_waivers]
        is_covered = keys and len(found_waivers) == len(item.changes)
        outcome.items.append(_waive(item, found_waivers) if is_covered else item)
    found = tuple(outcome.items)
    rules = _all_rules() if listed else {}
    for waiver in listed:
        is_used = _key(waiver) in matched
        if waiver.rule not in rules:
            _report_unknown(waiver, rules, outcome)
        elif waiver.until < today:
            _report_expired(waiver, is_used, outcome)
        elif not is_used:
            _report_unused(waiver, found, outcome)
    return outcome.items


def _all_rules() -> Mapping[str, Rule]:
    from codegen.rules import all_rules  # noqa: PLC0415 - it imports this module

    return all_rules()


def report_refusals(
    contract: Contract, refused: Mapping[str, str], findings: Findings, registry: str = ""
) -> None:
    """A finding for each subject that the registry will refuse, and whose breaks are all waived.

    `refused` says why, by subject. What is not waived fails the check anyway. Without the name of
    a registry that was asked, it is said of whichever guards the subject with the level.
    """
    open_breaks: set[str] = set()
    waived: set[str] = set()
    for item in findings:
        if item.waived:
            waived.update(item.changes)
        elif item.severity is Severity.ERROR:
            open_breaks.update(item.changes)
    for subject in contract.subjects:
        name = subject.name
        if name not in refused or name not in waived or name in open_breaks:
            continue
        who = f"{registry} refuses" if registry else "a registry with this level refuses"
        findings.add(
            REGISTRY_REFUSES,
            Place(subject.document),
            f"the break of {name} is waived, and {who} it all the same: {refused[name]}",
            hint=PAST_THE_REGISTRY,
            subject=name,
        )


def _key(waiver: Waiver) -> tuple[str, str, str, str]:
    return waiver.rule, waiver.subject, waiver.before, waiver.after


def _finding_keys(item: Finding) -> Iterator[tuple[str, str, str, str]]:
    for subject, change in item.changes.items():
        if change is not None:
            yield item.rule.id, subject, change.before, change.after


def _waive(item: Finding, waivers: Iterable[Waiver]) -> Finding:
    waiver = min(waivers, key=lambda one: one.until)
    words = f"until {waiver.until.isoformat()}: {waiver.reason}"
    return replace(
        item,
        severity=Severity.NOTE,
        message=f"{item.message} (waived {words})",
        waived=words,
    )


def _report_expired(waiver: Waiver, is_used: bool, findings: Findings) -> None:
    end = waiver.until.isoformat()
    findings.add(
        EXPIRED,
        waiver.origin.at("until"),
        f"the waiver of {waiver.rule} for {waiver.subject} ended on {end}",
        note="what it covered counts again" if is_used else "and it covers nothing",
        hint="mend what it covered, or give it a new end" if is_used else "remove it",
        subject=waiver.subject,
    )


def _report_unused(waiver: Waiver, found: Iterable[Finding], findings: Findings) -> None:
    hint = "remove it"
    for item in found:
        change = item.changes.get(waiver.subject)
        if item.rule.id == waiver.rule and change is not None:
            hint = (
                "the change is another one now; if the reason still holds, write "
                f"from: {change.before}, to: {change.after}"
            )
    findings.add(
        UNUSED,
        waiver.origin,
        f"the waiver of {waiver.rule} for {waiver.subject} covers nothing",
        hint=hint,
        subject=waiver.subject,
    )


def _report_unknown(waiver: Waiver, rules: Iterable[str], findings: Findings) -> None:
    near = get_close_matches(waiver.rule, rules, 1)
    findings.add(
        UNKNOWN_RULE,
        waiver.origin.at("rule"),
        f"there is no rule {waiver.rule}",
        note="the waiver covers nothing",
        hint=f"did you mean {near[0]}?" if near else "kontrakt rules lists all rules",
        subject=waiver.subject,
    )
