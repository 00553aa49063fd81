"""Does a change make messages larger than the contract allows?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from codegen.avro.schema import split_name
from codegen.avro.size import ITEMS, TEXT, typical_size
from codegen.contract.model import Event, History, Topic
from codegen.diagnostics import Findings, Severity, rule

PAYLOAD_GROWN = rule(
    "change/payload-grown",
    "A change makes the messages of an event larger than their topic allows.",
    "How large a message may be is part of the contract: consumers reckon with it, and beyond the "
    "broker's limit (max.message.bytes) a producer cannot send at all. The size is estimated from "
    "the schema, as kontrakt rules readiness/payload-budget says; lint tells by that rule also of "
    "events that were too large before.",
    severity=Severity.WARNING,
)


def report_growth(
    topics: Iterable[Topic], histories: Mapping[str, History], findings: Findings
) -> None:
    """A finding for each event that is larger than its topic allows, and was not before."""
    for topic in topics:
        most = topic.max_payload_bytes
        if most is None:
            continue
        for event in topic.events:
            size = typical_size(event.schema)
            before = _latest_size(event, histories)
            if size <= most or (before is not None and before > most):
                continue
            was = "" if before is None else f", {before:,} before"
            findings.add(
                PAYLOAD_GROWN,
                event.origin,
                f"{split_name(event.name)[1]} takes about {size:,} bytes now{was}, and "
                f"{topic.name} allows {most:,}",
                note=f"with texts of {TEXT} bytes, arrays of {ITEMS} items",
                hint="send less: refer to large parts by an id, or raise max_payload_bytes",
                subject=event.subject,
            )


def _latest_size(event: Event, histories: Mapping[str, History]) -> int | None:
    history = histories.get(event.subject)
    latest = history.versions[-1].schema if history and history.versions else None
    return None if latest is None else typical_size(latest)
