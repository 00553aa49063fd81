"""The account of all changes and what they mean, as text, JSON and Markdown: the same in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from codegen.counting import count_words
from codegen.diagnostics import make_report
from codegen.difference import EventDifference
from codegen.impact.exposure import Fate, Impact, Refusal
from codegen.impact.migration import make_migration
from codegen.impact.plan import Plan, Release, Wait
from codegen.impact.wording import (
    Section,
    describe_assumptions,
    describe_migration_steps,
    describe_misreaders,
    describe_plan,
    describe_reason,
    describe_services,
    describe_title,
    describe_victims,
    kept_until,
    list_registrations,
)
from codegen.report.escaping import write_json
from codegen.report.markdown import escape, list_items
from codegen.report.text import render_report
from codegen.rules.shift import Shift
from codegen.source import Json

VERSION = 1
"""Of the JSON; rises when a program that reads it would have to change."""


@dataclass(frozen=True, slots=True)
class Account:
    """What is to be told: the changed events of `event_count`, the manifest's changes, the plan.

    `differences` are what changed in each event, by its subject; `baseline` names the past.
    """

    baseline: str
    event_count: int
    impacts: tuple[Impact, ...]
    differences: Mapping[str, EventDifference]
    topology: tuple[EventDifference, ...]
    shifts: tuple[Shift, ...]
    plan: Plan
    today: date

    @property
    def summary(self) -> str:
        """The closing line."""
        changed = sum(one.fate is Fate.CHANGED for one in self.impacts)
        parts = [f"{changed} of {count_words(self.event_count, 'event')} changed"]
        if self.topology:
            parts.append(f"{len(self.topology)} of the topics and services")
        return f"{', '.join(parts)}, against {self.baseline}"

    def changes(self, one: Impact) -> tuple[str, ...]:
        """What changed in an event, in words."""
        found = self.differences.get(one.event.subject)
        return tuple(map(str, found.differences)) if found is not None else ()

    def sections(self) -> Iterator[Section]:
        """All that is told, in paragraphs, each a title and its lines."""
        for one in self.impacts:
            yield describe_title(one), (*self.changes(one), *describe_services(one))
        for part in self.topology:
            lines = (*map(str, part.differences), *map(_effect, self.shifts_of(part)))
            yield part.title, lines or ("nobody is hurt",)
        steps = (*describe_plan(self.plan, self.today), *describe_assumptions(self.impacts))
        if steps:
            yield "Deploy", steps

    def shifts_of(self, part: EventDifference) -> tuple[Shift, ...]:
        """What hurts in the change of one topic or service."""
        return tuple(shift for shift in self.shifts if shift.part == part.name)


def _effect(shift: Shift) -> str:
    return f"{shift.message}: {shift.note}" if shift.note else shift.message


def render_text(account: Account) -> str:
    """For people at a terminal."""
    return render_report(make_report((), (), account.summary, account.sections()))


def render_markdown(account: Account) -> str:
    """For a pull request, in GitHub Flavored Markdown: each paragraph a heading and a list."""
    blocks = []
    for title, lines in account.sections():
        blocks.append(f"#### {escape(title)}")
        blocks.append("\n".join(list_items(lines)))
    blocks.append(escape(account.summary))
    return "\n\n".join(blocks) + "\n"


def render_json(account: Account) -> str:
    """For programs: everything that the other formats say, also as data; see impact.schema.json."""
    plan, today = account.plan, account.today
    value = {
        "version": VERSION,
        "against": account.baseline,
        "events": [_impact_value(one, account) for one in account.impacts],
        "manifest": [
            {
                "name": part.name,
                "state": part.state.value,
                "differences": [str(item) for item in part.differences],
                "effects": [
                    {
                        "rule": shift.rule.id,
                        "message": shift.message,
                        "note": shift.note,
                        "hint": shift.hint,
                    }
                    for shift in account.shifts_of(part)
                ],
            }
            for part in account.topology
        ],
        "releases": [_release_value(one) for one in plan.releases],
        "no_safe_order": [
            {
                "events": [one.event.name for one in deadlock.impacts],
                "subjects": [one.event.subject for one in deadlock.impacts],
                "reason": describe_reason(deadlock),
                "circle": list(deadlock.circle),
                "steps": list(describe_migration_steps(make_migration(deadlock.impacts), today)),
            }
            for deadlock in plan.unsafe
        ],
        "unknown": [{"event": one.event.name, "reason": one.problem} for one in plan.unknown],
        "lines": list(describe_plan(plan, today)),
        "assumptions": list(describe_assumptions(account.impacts)),
        "summary": account.summary,
    }
    return write_json(value) + "\n"


def _impact_value(one: Impact, account: Account) -> dict[str, Json]:
    end = kept_until(one, account.today)
    return {
        "event": one.event.name,
        "topic": one.topic.name,
        "subject": one.event.subject,
        "state": one.fate.value,
        "before": one.before,
        "after": one.after,
        "rollout": one.rollout.value,
        "changes": list(account.changes(one)),
        "shared_types": list(one.shared),
        "producers": [
            {
                "service": part.service,
                "writes": part.version,
                "from_lock": part.is_pinned,
                "is_readable_by_new": not part.is_stale,
                "is_misread_by_new": part.is_misread,
            }
            for part in one.producers
        ],
        "consumers": [
            {
                "service": part.service,
                "reads": part.version,
                "from_lock": part.is_pinned,
                "reads_new": not part.obstacles,
                "obstacles": list(part.obstacles),
                "misreadings": list(part.misreadings),
            }
            for part in one.consumers
        ],
        "unreadable_versions": list(one.stale),
        "obstacles": list(one.obstacles),
        "misread_versions": list(one.misread),
        "misreadings": list(one.misreadings),
        "who_breaks": list(describe_victims(one)),
        "who_misreads": list(describe_misreaders(one)),
        "must_stay_readable": list(one.written),
        "may_be_dropped_from": end and end.isoformat(),
        "refused": one.refusal and _refusal_value(one.refusal),
        "lines": list(describe_services(one)),
    }


def _refusal_value(one: Refusal) -> dict[str, Json]:
    return {
        "subject": one.subject,
        "level": one.level.value,
        "strictest_level_that_accepts": one.accepted.value,
    }


def _release_value(release: Release) -> dict[str, Json]:
    return {
        "events": [one.event.name for one in release.impacts],
        "register": list_registrations(release),
        "steps": [
            {
                "services": list(step.services),
                "waits": [_wait_value(wait) for wait in step.waits],
            }
            for step in release.steps
        ],
    }


def _wait_value(wait: Wait) -> dict[str, Json]:
    return {
        "topic": wait.topic.name,
        "event": wait.event,
        "versions": list(wait.versions),
        "retention_ms": wait.topic.retention_ms,
    }


FORMATS: Mapping[str, Callable[[Account], str]] = {
    "text": render_text,
    "json": render_json,
    "markdown": render_markdown,
}
"""Each format by its name."""
