"""A registry's holdings as a file in the repository, so that checks need no network.

The file is made for review: subjects sorted, versions in order, schemas as JSON and not as text in
text, two spaces, so a new version shows as added lines only. Reading it checks every value and
names the line of each that is wrong. Its format has a version of its own, in `"version"`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

from codegen.baselines.answers import clean
from codegen.baselines.holdings import (
    Holdings,
    StoredSubject,
    StoredVersion,
    VersionReference,
    make_histories,
    select_departed,
    write_json,
)
from codegen.contract.model import Contract, History, Level
from codegen.diagnostics import CouldNotCheck, Findings, rule
from codegen.files import write_atomically
from codegen.source import Document, Json, Place, SourceError, read_json

FORMAT = 1
"""The version of the file format that is written, and the only one that is read."""

MAX_CHARACTERS = 500_000_000
"""A longer snapshot is refused; it would hold some 150,000 versions, which take 5 GB of memory."""

WRONG_SHAPE = rule(
    "snapshot/wrong-shape",
    "The snapshot of the registry does not have the form that kontrakt writes.",
    "A snapshot that was mended by hand, or merged badly, would let a breaking change pass. Only "
    "kontrakt snapshot and kontrakt pull write it.",
)
UNREADABLE = rule(
    "snapshot/unreadable",
    "The snapshot of the registry is not JSON.",
    "Most often two branches changed it; take one side, then run kontrakt snapshot. Until then "
    "nothing is known of the past, so nothing is reported as good.",
)

_ANEW = "write it anew: kontrakt snapshot"


class SnapshotBaseline:
    """The past of a contract as a snapshot file holds it; `holdings` is all of that.

    The file is read when it is opened. Raises CouldNotCheck, with each line that is wrong, for a
    file that is no snapshot.
    """

    def __init__(self, file: FilePath, name: str | None = None) -> None:
        self._file = file
        self._shown = name or file.as_posix()
        self.holdings = self._load()

    @property
    def name(self) -> str:
        """`snapshot`, the file, and the registry that it was read from."""
        registry = f" of {self.holdings.registry}" if self.holdings.registry else ""
        return f"snapshot {self._shown}{registry}"

    def histories(self, contract: Contract) -> Mapping[str, History]:
        """The histories of the contract's subjects; one without versions is absent."""
        names = [subject.name for subject in contract.subjects]
        return make_histories(self.holdings, names, "snapshot")

    def departed(self, contract: Contract) -> Mapping[str, History]:
        """The histories of subjects that the contract seems to have had; see Archive."""
        names = select_departed(self.holdings.subjects, contract)
        return make_histories(self.holdings, names, "snapshot")

    def _load(self) -> Holdings:
        findings = Findings()
        holdings = read_snapshot(self._shown, self._read(), findings)
        if holdings is None:
            lines = (f"{item.location}: {item.rule.id}: {item.message}" for item in findings)
            raise CouldNotCheck("the snapshot cannot be used\n" + "\n".join(lines), hint=_ANEW)
        return holdings

    def _read(self) -> str:
        try:
            return self._file.read_text("utf-8")
        except FileNotFoundError:
            raise CouldNotCheck(f"there is no snapshot {self._shown}", hint=_ANEW) from None
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            message = f"the snapshot {self._shown} cannot be read: {reason}"
            raise CouldNotCheck(message, hint="check what it is and who may read it") from None
        except UnicodeDecodeError:
            raise CouldNotCheck(f"{self._shown} is not UTF-8", hint=_ANEW) from None


def read_snapshot(name: str, text: str, findings: Findings) -> Holdings | None:
    """Read the text of a snapshot; None, and a finding for each wrong value, when it is none."""
    try:
        document = read_json(name, text, longest=MAX_CHARACTERS)
    except SourceError as error:
        findings.add_source_error(UNREADABLE, error)
        return None
    reader = _Reader(findings, document)
    holdings = reader.read()
    return None if reader.failed else holdings


def write_snapshot(holdings: Holdings) -> str:
    """The text of a snapshot: the same holdings give the same bytes."""
    subjects = sorted(holdings.subjects.values(), key=lambda subject: subject.name)
    value: dict[str, Json] = {"version": FORMAT}
    if holdings.registry:
        value["registry"] = holdings.registry
    if holdings.level is not None:
        value["level"] = holdings.level.value
    value["subjects"] = {subject.name: _write_subject(subject) for subject in subjects}
    return write_json(value) + "\n"


def save_snapshot(file: FilePath, holdings: Holdings) -> bool:
    """Write a snapshot file, whole or not at all; False when it held the same already.

    Raises CouldNotCheck when the file cannot be written; what was there before is then unchanged.
    """
    text = write_snapshot(holdings)
    try:
        if file.is_file() and file.read_bytes() == text.encode():
            return False
        write_atomically(file, text)
    except OSError as error:
        message = f"{file} cannot be written: {(error.strerror or 'unknown error').lower()}"
        raise CouldNotCheck(message, hint="check the folder and who may write there") from None
    return True


def _write_subject(subject: StoredSubject) -> dict[str, Json]:
    value: dict[str, Json] = {}
    if subject.level is not None:
        value["level"] = subject.level.value
    if subject.is_deleted:
        value["deleted"] = True
    value["versions"] = [_write_version(version) for version in subject.versions]
    return value


def _write_version(version: StoredVersion) -> dict[str, Json]:
    value: dict[str, Json] = {"version": version.version, "id": version.id}
    if version.type != "AVRO":
        value["type"] = version.type
    if version.references:
        value["references"] = [
            {"name": item.name, "subject": item.subject, "version": item.version}
            for item in version.references
        ]
    schema = _read_schema(version.text)
    value["text" if schema is None else "schema"] = version.text if schema is None else schema
    return value


def _read_schema(text: str) -> Json:
    """A schema as a JSON value; None when it is none, or cannot be written as one again."""
    try:
        value = read_json("", text).value
        _write_compact(value)
    except (SourceError, ValueError):
        return None
    return value


def _write_compact(value: Json) -> str:
    """As registries on Avro Java keep a schema: no blanks, letters beyond ASCII as they are.

    Raises ValueError for a number beyond all doubles, which JSON can hold and Python cannot print.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(slots=True)
class _Reader:
    findings: Findings
    document: Document
    failed: bool = False

    def read(self) -> Holdings | None:
        place = Place(self.document)
        known = {"version", "registry", "level", "subjects"}
        value = self._object(self.document.value, place, known)
        found = value.get("version")
        if found != FORMAT or isinstance(found, bool):
            newer = isinstance(found, int) and found > FORMAT
            hint = "a newer kontrakt wrote it: update this one" if newer else _ANEW
            self._fail(place.at("version"), f"the format version is not {FORMAT}", hint)
            return None
        inside = place.at("subjects")
        subjects = {
            name: self._subject(name, item, inside.at(name))
            for name, item in self._object(value.get("subjects"), inside, None).items()
        }
        registry = self._text(value, "registry", place) if "registry" in value else ""
        return Holdings(subjects, self._level(value, place), clean(registry))

    def _subject(self, name: str, value: Json, place: Place) -> StoredSubject:
        fields = self._object(value, place, {"level", "deleted", "versions"})
        is_deleted = fields.get("deleted", False)
        if not isinstance(is_deleted, bool):
            self._fail(place.at("deleted"), '"deleted" is true or false', _ANEW)
        versions: list[StoredVersion] = []
        listed = place.at("versions")
        for index, item in enumerate(self._array(fields.get("versions"), listed)):
            at = listed.at(index)
            version = self._version(name, item, at)
            if versions and version.version <= versions[-1].version:
                message = f"version {version.version} does not come after the one before it"
                self._fail(at.at("version"), message, _ANEW)
            versions.append(version)
        return StoredSubject(name, tuple(versions), self._level(fields, place), bool(is_deleted))

    def _version(self, subject: str, value: Json, place: Place) -> StoredVersion:
        known = {"version", "id", "type", "references", "schema", "text"}
        fields = self._object(value, place, known)
        if ("schema" in fields) == ("text" in fields):
            self._fail(place, 'a version has either a "schema" or a "text"', _ANEW)
        inside = place.at("references")
        references = self._array(fields.get("references", []), inside)
        text = (
            self._text(fields, "text", place)
            if "text" in fields
            else _write_compact(fields.get("schema"))
        )
        return StoredVersion(
            subject,
            self._number(fields, "version", place),
            self._number(fields, "id", place),
            text,
            tuple(self._reference(item, inside.at(at)) for at, item in enumerate(references)),
            self._text(fields, "type", place) if "type" in fields else "AVRO",
        )

    def _reference(self, value: Json, place: Place) -> VersionReference:
        fields = self._object(value, place, {"name", "subject", "version"})
        name, subject = self._text(fields, "name", place), self._text(fields, "subject", place)
        is_latest = fields.get("version") == -1
        return VersionReference(
            name, subject, -1 if is_latest else self._number(fields, "version", place)
        )

    def _level(self, fields: Mapping[str, Json], place: Place) -> Level | None:
        if "level" not in fields:
            return None
        try:
            return Level(fields["level"])
        except ValueError:
            levels = ", ".join(level.value for level in Level)
            self._fail(place.at("level"), "this is no compatibility level", f"one of {levels}")
            return None

    def _object(self, value: Json, place: Place, known: set[str] | None) -> dict[str, Json]:
        if not isinstance(value, dict):
            self._fail(place, "an object is expected here", _ANEW)
            return {}
        for key in value:
            if known is not None and key not in known:
                unknown = Place(place.document, (*place.path, key), on_key=True)
                self._fail(unknown, f'the key "{key}" means nothing here', _ANEW)
        return value

    def _array(self, value: Json, place: Place) -> list[Json]:
        if isinstance(value, list):
            return value
        self._fail(place, "an array is expected here", _ANEW)
        return []

    def _text(self, fields: Mapping[str, Json], key: str, place: Place) -> str:
        value = fields.get(key)
        if isinstance(value, str):
            return value
        self._fail(place.at(key), f'"{key}" is a text', _ANEW)
        return ""

    def _number(self, fields: Mapping[str, Json], key: str, place: Place) -> int:
        value = fields.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self._fail(place.at(key), f'"{key}" is a number', _ANEW)
        return 0

    def _fail(self, place: Place, message: str, hint: str) -> None:
        self.failed = True
        self.findings.add(WRONG_SHAPE, place, message, hint=hint)
