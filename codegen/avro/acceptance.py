"""Who else would accept what our parser refuses?

A finding about a schema says so in its note: a schema that a registry takes can be in use already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from codegen.avro.dialect import CONFLUENT, JAVA, SPECIFICATION, Dialect
from codegen.diagnostics import Findings

Parsed = TypeVar("Parsed")


def note_acceptance(
    run: Callable[[Findings, Dialect], Parsed], findings: Findings, dialect: Dialect
) -> Parsed:
    """Parse, and where something was refused parse again as others do, to note who accepts it.

    `run` parses in a dialect, and reports into a collector.
    """
    start = len(findings)
    parsed = run(findings, dialect)
    if len(findings) == start or dialect is not SPECIFICATION:
        return parsed
    takers: dict[tuple[str, str], list[str]] = {}
    for other in (JAVA, CONFLUENT):
        run(refused := Findings(), other)
        places = {(one.rule.id, str(one.location)) for one in refused}
        for finding in findings.items[start:]:
            key = (finding.rule.id, str(finding.location))
            if key not in places:
                takers.setdefault(key, []).append(other.name)
    for index, finding in enumerate(findings.items[start:], start):
        names = takers.get((finding.rule.id, str(finding.location)))
        if names and not finding.note:
            verb = "accepts" if len(names) == 1 else "accept"
            note = f"{' and '.join(names)} {verb} this"
            findings.items[index] = replace(finding, note=note)
    return parsed
