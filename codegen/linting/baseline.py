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
from typing import TypeAlias, TypeVar

from codegen.avro.logical import is_integer
from codegen.contract.reading import read_document
from codegen.counting import agree, count_words
from codegen.diagnostics import (
    CouldNotCheck,
    Finding,
    Findings,
    Location,
    Severity,
    locate,
    rule,
)
from codegen.linting import Linting, name_path
from codegen.source import Document, Json, Place

T = TypeVar("T")

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
    """The entries of a baseline.

    Raises CouldNotCheck when it cannot be read or is none; where something in it is wrong, the
    message says where.
    """
    hint = f"write it anew: kontrakt lint --baseline {path} --write-baseline"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        hint = f"write it: kontrakt lint --baseline {path} --write-baseline"
        raise CouldNotCheck(f"there is no baseline {path}", hint) from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CouldNotCheck(f"the baseline {path} cannot be read: {reason}", hint) from None
    problems = Findings()
    # Whatever it is called, it is read as the JSON that was written.
    document = read_document(str(path), data, problems, is_yaml=False)
    if document is None:
        problem = next(iter(problems))
        raise CouldNotCheck(f"{problem.location}: {problem.message}", hint)
    try:
        return _read_entries(document)
    except _WrongShape as error:
        message = f"{locate(error.place)}: this is no baseline of kontrakt lint: {error}"
        raise CouldNotCheck(message, hint) from None


class _WrongShape(Exception):
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def _read_entries(document: Document) -> Counter[Entry]:
    place = Place(document, ())
    value = _expect(document.value, dict, place, "an object")
    version = value.get("version")
    if version != _VERSION:
        raise _WrongShape(_find(place, value, "version"), f"its version is not {_VERSION}")
    place = _find(place, value, "findings")
    listed = _expect(value.get("findings"), list, place, 'an array under "findings"')
    entries: Counter[Entry] = Counter()
    for index, item in enumerate(listed):
        here = place.at(index)
        _expect(item, dict, here, "an object")
        words = [
            _expect(item.get(key), str, _find(here, item, key), f'a text under "{key}"')
            for key in ("file", "rule", "at")
        ]
        count = item.get("count", 1)
        if not is_integer(count) or count < 1:
            raise _WrongShape(here.at("count"), 'expected a number from 1 under "count"')
        file, rule_id, at = words
        entries[file, rule_id, at] += count
    return entries


def _find(place: Place, value: Mapping[str, Json], key: str) -> Place:
    """Where a key's value stands, or the object that should have it."""
    return place.at(key) if key in value else place


def _expect(value: Json, kind: type[T], place: Place, what: str) -> T:
    if not isinstance(value, kind):
        raise _WrongShape(place, f"expected {what}")
    return value


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
