"""What is a change of the manifest that hurts? What the rules about topics and services share."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.contract.model import Contract, Topic
from codegen.diagnostics import Rule, Severity
from codegen.rules.hazard import has_key
from codegen.source import Json, Place


@dataclass(frozen=True, slots=True)
class Shift:
    """One change of a topic or a service that hurts somebody.

    `subject` is the name of the topic or the service. `before` and `after` are what the contract
    said and says of it, as JSON values; a waiver is bound to both. Without `severity` the rule's
    counts.
    """

    rule: Rule
    subject: str
    place: Place
    old_place: Place
    message: str
    note: str = ""
    hint: str = ""
    before: Json = None
    after: Json = None
    severity: Severity | None = None

    @property
    def part(self) -> str:
        """What it is about: `topic orders`, `service billing`."""
        kind = "service" if self.old_place.path[:1] == ("services",) else "topic"
        return f"{kind} {self.subject}"


def place_of(topic: Topic, key: str, contract: Contract) -> Place:
    """Where a setting of a topic is stated: with it, under `defaults`, or else the topic's name."""
    if has_key(topic.origin, key):
        return topic.origin.at(key)
    defaults = Place(contract.manifest, ("defaults",))
    if has_key(defaults, key):
        return defaults.at(key)
    return name_place(topic.origin)


def name_place(origin: Place) -> Place:
    """The name of what stands at a place."""
    return Place(origin.document, origin.path, on_key=True)


def section_place(contract: Contract, section: str) -> Place:
    """The word `topics` or `services` of a manifest: what is left where one was removed."""
    return Place(contract.manifest, (section,), on_key=True)
