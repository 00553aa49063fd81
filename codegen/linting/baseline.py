"""What is there today and shall not be reported: a baseline of lint findings, kept in a file.

A finding is known by its rule, its file and the names on the way to its place, so it stays known
when lines move, fields come and go, or a message is worded anew. The file has a line for each, in
order, so that a change of it is read at a glance.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TypeAlias

from codegen.counting import agree, count_words
from codegen.diagnostics import CouldNotCheck, Finding, Findings, Location, Severity, rule
from codegen.linting import Linting, name_path
from codegen.source import Document, Json, SourceError, read_json

UNUSED_ENTRIES = rule(
    "lint/unused-baseline",
    "Entries of the baseline fit no finding any more.",
    "What they stood for was mended. As long as they stay, it can come back without being told.",
    severity=Severity.NOTE,
)

Entry: TypeAlias = tuple[str, str, str]
"""A file, a rule, and the names that lead to the place, joined by slashes."""

_VERSION = 1


def write_entries(linting: Linting) -> str:
    """The text of a baseline that accepts all findings, except those that keep files unread."""
    entries = Counter(_entry(one, linting.files) for one in linting.findings)
    lines = [json.dumps(_show(entry, count)) for entry, count in sorted(entries.items())]
    body = ",\n".join(f"    {line}" for line in lines)
    findings = f"[\n{body}\n  ]" if lines else "[]"
    return f'{{\n  "version": {_VERSION},\n  "findings": {findings}\n}}\n'


def _show(entry: Entry, count: int) -> dict[str, Json]:
    file, rule_id, at = entry
    shown: dict[str, Json] = {"file": file, "rule": rule_id, "at": at}
    return shown if count == 1 else {**shown, "count": count}


def read_entries(path: FilePath) -> Counter[Entry]:
    """The entries of a baseline. Raises CouldNotCheck when it cannot be read, or is none."""
    hint = f"write it: kontrakt lint --baseline {path} --write-baseline"
    try:
        value = read_json(str(path), path.read_bytes().decode("utf-8")).value
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CouldNotCheck(f"the baseline {path} cannot be read: {reason}", hint) from None
    except (UnicodeDecodeError, SourceError) as error:
        raise CouldNotCheck(f"the baseline {path} cannot be read: {error}", hint) from None
    try:
        if value["version"] != _VERSION:
            raise CouldNotCheck(f"{path} is a baseline of another version of kontrakt", hint)
        entries: Counter[Entry] = Counter()
        for item in value["findings"]:
            entries[str(item["file"]), str(item["rule"]), str(item["at"])] += _count(item)
    except (KeyError, TypeError, ValueError):
        raise CouldNotCheck(f"{path} is no baseline of kontrakt lint", hint) from None
    return entries


def _count(item: Mapping[str, Json]) -> int:
    count = item.get("count", 1)
    if not isinstance(count, int) or count < 1:
        raise ValueError
    return count


def accept(linting: Linting, entries: Counter[Entry], name: str, *, is_whole: bool) -> Linting:
    """What is new; entries that fit nothing become a note, if the whole repository was looked at.

    `name` is what people call the baseline.
    """
    left = Counter(entries)
    kept = []
    for item in linting.findings:
        entry = _entry(item, linting.files)
        if left[entry] > 0:
            left[entry] -= 1
        else:
            kept.append(item)
    notes = Findings()
    if (unused := left.total()) and is_whole and not linting.failures:
        count = f"{count_words(unused, 'entry')} {agree(unused, 'fits', 'fit')}"
        hint = f"take them out: kontrakt lint --baseline {name} --write-baseline"
        notes.add(UNUSED_ENTRIES, Location(name), f"{count} no finding any more", hint=hint)
    accepted = len(linting.findings) - len(kept)
    return replace(linting, findings=(*kept, *notes), accepted=accepted)


def _entry(item: Finding, files: Mapping[str, Document]) -> Entry:
    return item.location.file, item.rule.id, "/".join(name_path(item, files))
