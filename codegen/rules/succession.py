"""What changed in the manifest, and whom does it hurt? Findings about topics and services.

A baseline that holds a manifest is compared with the present one. What was removed is reported at
the nearest place that is left, with the old place beside it. The subject of such a finding is the
topic or the service, and its fingerprints are those of what the manifest said and says of it, so
that a waiver can be bound to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from codegen.diagnostics import Change, Findings, Location, Related, locate, rule
from codegen.lock import fingerprint
from codegen.rules.service_changes import find_service_changes
from codegen.rules.shift import Shift
from codegen.rules.topic_changes import find_topic_changes
from codegen.source import Json
from codegen.topology import Succession

NOT_COMPARED = rule(
    "change/not-compared",
    "The manifest of the baseline has errors, so topics and services were not compared.",
    "A key, a retention or an event that was taken away would go unseen. What could not be checked "
    "is never reported as good: name a past without errors, or mend that one.",
)


def find_shifts(succession: Succession) -> tuple[Shift, ...]:
    """Each change of a topic or a service that hurts somebody."""
    topics = (find_topic_changes(pair, succession) for pair in succession.topics)
    services = (find_service_changes(pair, succession) for pair in succession.services)
    return tuple(chain(*topics, *services))


def report_shifts(shifts: Iterable[Shift], label: str, findings: Findings) -> None:
    """A finding for each of these changes; `label` names the baseline."""
    for shift in shifts:
        _report(shift, label, findings)


def report_not_compared(manifest: str, label: str, trouble: Findings, findings: Findings) -> None:
    """Say that the baseline's manifest could not be compared, and which error kept it from that."""
    first = next(iter(trouble))
    findings.add(
        NOT_COMPARED,
        Location(manifest),
        f"topics and services were not compared: {label} has errors, "
        f"{first.location}: {first.message}",
        hint="name a state without errors, for example the last release",
    )


def _report(shift: Shift, label: str, findings: Findings) -> None:
    findings.add(
        shift.rule,
        shift.place,
        shift.message,
        note=shift.note,
        hint=shift.hint,
        related=(Related("", label, locate(shift.old_place)),),
        subject=shift.subject,
        severity=shift.severity,
    )
    change = Change(_fingerprint(shift.before), _fingerprint(shift.after))
    findings.items[-1] = replace(findings.items[-1], change=change)


def _fingerprint(value: Json) -> str:
    return fingerprint(json.dumps(value, sort_keys=True))
