"""Who reads messages well, and takes them for something else?

A hazard is a change that every decoder takes, and that alters what the data says. It is judged as
a break is: between each version that is read and each that is written while services are deployed.
"""

from __future__ import annotations

from collections.abc import Iterable

from codegen.contract.model import Event, History, Level, PastVersion, Subject
from codegen.rules.evolution import find_hazards
from codegen.rules.hazard import Hazard, Revision


def find_misreadings(event: Event, level: Level, version: PastVersion) -> tuple[Hazard, ...]:
    """The changes since a version by which the one side misreads what the other writes."""
    schema = event.schema
    document = schema.root.origin.document
    subject = Subject(event.subject, schema, (), level, document, (event.name,))
    return select_misread(find_hazards(Revision(subject, History(event.subject, (version,)))))


def select_misread(hazards: Iterable[Hazard]) -> tuple[Hazard, ...]:
    """Those of the changes by which one side misreads the other."""
    return tuple(one for one in hazards if one.older or one.newer)


def describe_newer(hazards: Iterable[Hazard]) -> tuple[str, ...]:
    """What readers with the new schema misread of older messages, each once."""
    return tuple(dict.fromkeys(one.newer for one in hazards if one.newer))


def describe_older(hazards: Iterable[Hazard]) -> tuple[str, ...]:
    """What readers with an older schema misread of new messages, each once."""
    return tuple(dict.fromkeys(one.older for one in hazards if one.older))
