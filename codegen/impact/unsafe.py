"""What do levels let pass although no order of deployment is safe?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from codegen.compatibility import Direction, Judge, Verdict
from codegen.contract.model import Contract, History, Level
from codegen.diagnostics import Findings, Severity, rule
from codegen.impact.exposure import Impact
from codegen.impact.plan import Deadlock, make_plan
from codegen.impact.wording import describe_reason
from codegen.rules.breaking import report_breaks
from codegen.topology import join

CIRCULAR_ORDER = rule(
    "change/circular-order",
    "Each of several services would have to be deployed before the others.",
    "Levels and registries judge each subject by itself, and do not see who sends and who handles "
    "it. A change that takes its consumers first is not safe in any order where two services send "
    "it to each other, nor where they exchange events that change together, since they share the "
    "changed type. Make it in steps that are compatible both ways: kontrakt impact writes them "
    "out.",
)


def report_unsafe(
    contract: Contract,
    impacts: Iterable[Impact],
    histories: Mapping[str, History],
    judge: Judge,
    findings: Findings,
) -> None:
    """Say which of the impacts that levels let pass no order of deployment makes safe.

    At the level NONE, which asks for nothing, that is a warning.
    """
    listed = list(impacts)
    _report_unreadable(contract, listed, histories, judge, findings)
    # An event that is new changes nothing that is there; change/event-added says who comes first.
    for deadlock in make_plan(one for one in listed if not one.is_new).unsafe:
        if deadlock.circle:
            _report_circle(contract, deadlock, findings)


def _report_unreadable(
    contract: Contract,
    impacts: Iterable[Impact],
    histories: Mapping[str, History],
    judge: Judge,
    findings: Findings,
) -> None:
    directions: dict[str, dict[Direction, None]] = {}
    for one in impacts:
        if one.unreadable:
            # On several topics, under one subject, it may be unsafe in several ways.
            directions.setdefault(one.event.subject, {}).update(dict.fromkeys(one.unreadable))
    unsafe = {one.name: one for one in contract.subjects if one.name in directions}
    judged = []
    for name, subject in unsafe.items():
        verdicts = [
            judge.judge(subject.schema, histories[name], _SCOPES_OF_SERVICES[direction])
            for direction in directions[name]
        ]
        failures = tuple(failure for verdict in verdicts for failure in verdict.failures)
        judged.append((subject, Verdict(subject.level, (), failures)))
    found = Findings()
    report_breaks(judged, found)
    for item in found:
        levels = [unsafe[name].level for name in item.changes]
        level = next((one for one in levels if one is not Level.NONE), Level.NONE)
        note = f"{item.note}; {level.value} lets it pass, and no order of deployment is safe"
        severity = Severity.WARNING if level is Level.NONE else item.severity
        findings.items.append(replace(item, note=note, severity=severity))


_SCOPES_OF_SERVICES = {
    Direction.BACKWARD: Level.BACKWARD_TRANSITIVE,
    Direction.FORWARD: Level.FORWARD,
}
"""What services do whatever a level asks for: read all that is left, and run with the latest."""


def _report_circle(contract: Contract, deadlock: Deadlock, findings: Findings) -> None:
    impacts = deadlock.impacts
    users = Counter(name for one in impacts for name in one.changed_types)
    shared = tuple(sorted(name for name, count in users.items() if count > 1))
    subjects = {one.name: one for one in contract.subjects}
    subject = next((name for name in shared if name in subjects), impacts[0].event.subject)
    # The subject of a shared type stands for all that refer to it.
    standing_for = subjects[subject].events if subject in shared else ()
    names = tuple(dict.fromkeys(one.name for one in impacts))
    is_guarded = any(one.level is not Level.NONE for one in impacts)
    findings.add(
        CIRCULAR_ORDER,
        contract.types[shared[0] if shared else impacts[0].event.name].origin.at("name"),
        _describe_circle(names, shared),
        note=describe_reason(deadlock),
        hint="change it in steps that are compatible both ways: kontrakt impact writes them out",
        subject=subject,
        others=dict.fromkeys(
            one.event.subject
            for one in impacts
            if one.event.subject != subject and one.event.name not in standing_for
        ),
        severity=Severity.ERROR if is_guarded else Severity.WARNING,
    )


def _describe_circle(events: tuple[str, ...], shared: tuple[str, ...]) -> str:
    if len(events) == 1:
        return f"no order of deployment is safe for {events[0]}"
    return (
        f"{join(events)} change together, since they share {join(shared)}, and no order of "
        "deployment is safe for all"
    )
