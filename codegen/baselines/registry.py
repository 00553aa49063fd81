"""Confluent's schema registry API as Python methods, over any transport.

Everything that comes back is untrusted: its shape is checked, and what it says to people is made
printable. What is no answer of that API is one CouldNotCheck that names the registry; only an
answer in the API's own terms (an error code) means that a subject does not exist, so a wrong
address never looks like an empty registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import quote

from codegen.avro.canonical import render
from codegen.baselines.holdings import (
    Holdings,
    StoredSubject,
    StoredVersion,
    VersionReference,
    make_histories,
    select_departed,
)
from codegen.contract.model import Contract, History, Level, Subject
from codegen.diagnostics import CouldNotCheck
from codegen.source import Json

T = TypeVar("T")

CONNECTIONS = 32
"""How many requests are under way at once."""

PAGE = 10_000
"""How many subjects are asked for at once."""

MAX_SUBJECTS = 100_000
"""More subjects than this, references included, are not read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry answered: the HTTP status and the JSON body."""

    status: int
    body: Json

    @property
    def error_code(self) -> int:
        """Confluent's error code, 0 where there is none."""
        code = self.body.get("error_code") if isinstance(self.body, dict) else 0
        return code if isinstance(code, int) else 0

    @property
    def message(self) -> str:
        """Confluent's error message, made printable."""
        message = self.body.get("message") if isinstance(self.body, dict) else ""
        return clean(message) if isinstance(message, str) else ""


class Transport(Protocol):
    """The way to a registry."""

    @property
    def name(self) -> str:
        """The address, for people: without credentials."""

    def send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Json = None
    ) -> Answer:
        """Ask, and return whatever the registry answered in JSON.

        Raises CouldNotCheck when there is no answer, or none in JSON.
        """


class RegistryRefusal(CouldNotCheck):
    """The registry understood, and said no: 409 for an incompatible schema, 422 for a bad one."""

    def __init__(self, message: str, hint: str, status: int, reasons: tuple[str, ...]) -> None:
        super().__init__(message, hint)
        self.status = status
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class RegistryVerdict:
    """Whether a registry would take a schema, by its own check, and its words if not."""

    is_compatible: bool
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prospect:
    """What awaits the next version of a subject: its number, the mode and the own level now."""

    version: int
    mode: str
    level: Level | None


_MISSING_SUBJECT = (40401, 40404)  # never there, or deleted but not for good
_MISSING_VERSION = (40402, 40406)
_MISSING_SCHEMA = (40403,)
_MISSING_LEVEL = (40408, 40401)

_WRONG_ADDRESS = (
    "registry.url must be the base address of Confluent's API; Apicurio's is "
    "http://HOST:PORT/apis/ccompat/v7"
)


class RegistryClient:
    """Confluent's REST API as Python methods. Safe to use from several threads.

    Each method raises CouldNotCheck when the registry gives no usable answer.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def name(self) -> str:
        """The registry's address, without credentials."""
        return self._transport.name

    def subjects(self, prefix: str = "") -> tuple[str, ...]:
        """The live subjects, sorted; all pages of them."""
        found: dict[str, None] = {}
        while len(found) < MAX_SUBJECTS:
            query = {"offset": str(len(found)), "limit": str(PAGE)}
            if prefix:
                query["subjectPrefix"] = prefix
            page = self._expect(self._transport.send("GET", "/subjects", query), list)
            before = len(found)
            found.update(dict.fromkeys(self._text(item, "a subject") for item in page))
            # Servers that know no paging answer everything again.
            if len(found) == before:
                break
        return tuple(sorted(name for name in found if name.startswith(prefix)))

    def versions(self, subject: str) -> tuple[int, ...]:
        """The numbers of the live versions, ascending; none where there is no such subject."""
        return self._versions(subject, {})

    def _versions(self, subject: str, query: Mapping[str, str]) -> tuple[int, ...]:
        answer = self._transport.send("GET", f"{_path(subject)}/versions", query)
        if _is_missing(answer, _MISSING_SUBJECT):
            return ()
        items = self._expect(answer, list)
        return tuple(sorted({self._number(item, "a version") for item in items}))

    def version(self, subject: str, version: int) -> StoredVersion:
        """One version of a subject, -1 for the latest."""
        number = "latest" if version < 0 else str(version)
        answer = self._transport.send("GET", f"{_path(subject)}/versions/{number}")
        return self._stored(self._expect(answer, dict), subject)

    def schema(self, id: int) -> StoredVersion:
        """The schema with an id; of no subject in particular, so subject and version are empty."""
        body = self._expect(self._transport.send("GET", f"/schemas/ids/{id}"), dict)
        return self._stored({"id": id, "version": 0, **body}, "")

    def lookup(
        self,
        subject: str,
        text: str,
        references: Sequence[VersionReference] = (),
        metadata: Mapping[str, Json] | None = None,
    ) -> StoredVersion | None:
        """The live version of a subject that has this schema; None when none has."""
        body = _schema_body(text, references, metadata)
        answer = self._transport.send("POST", _path(subject), None, body)
        if _is_missing(answer, (*_MISSING_SUBJECT, *_MISSING_SCHEMA)):
            return None
        return self._stored(self._expect(answer, dict), subject)

    def register(
        self,
        subject: str,
        text: str,
        references: Sequence[VersionReference] = (),
        metadata: Mapping[str, Json] | None = None,
    ) -> StoredVersion:
        """Add a version to a subject, or find the one that has this schema already.

        Without metadata a new version keeps those of the version before it. Sent again after a
        lost answer it does the same, so it is retried like a question. Raises RegistryRefusal for a
        schema that the registry does not take.
        """
        body = _schema_body(text, references, metadata)
        answer = self._transport.send("POST", f"{_path(subject)}/versions", None, body)
        id = self._number(self._expect(answer, dict).get("id"), "an id")
        stored = self.lookup(subject, text, references, metadata)
        if stored is None or stored.id != id:
            message = f"{self.name} registered {subject} as id {id} and does not find it again"
            raise CouldNotCheck(message, hint="run the same command again")
        return stored

    def level(self, subject: str | None = None) -> Level | None:
        """The level of a subject, None where it has none of its own; without one, the global."""
        if subject is None:
            return self._read_level(self._transport.send("GET", _level_path(None)))
        own = self._ask_level(subject, is_inherited=False)
        # Apicurio says NONE for a subject without a level of its own; Confluent's says that it
        # has none. What holds for the subject tells the one NONE from the other.
        if own is Level.NONE and self._ask_level(subject, is_inherited=True) is not Level.NONE:
            return None
        return own

    def _ask_level(self, subject: str, *, is_inherited: bool) -> Level | None:
        query = {"defaultToGlobal": str(is_inherited).lower()}
        answer = self._transport.send("GET", _level_path(subject), query)
        return None if _is_missing(answer, _MISSING_LEVEL) else self._read_level(answer)

    def _read_level(self, answer: Answer) -> Level:
        body = self._expect(answer, dict)
        name = body.get("compatibilityLevel", body.get("compatibility"))
        try:
            return Level(name)
        except ValueError:
            raise self._misfit(f"{clean(str(name))} is no compatibility level") from None

    def set_level(self, level: Level, subject: str | None = None) -> None:
        """Set the level of a subject, or without one the global."""
        body = {"compatibility": level.value}
        self._expect(self._transport.send("PUT", _level_path(subject), None, body), dict)

    def test(
        self,
        subject: str,
        text: str,
        references: Sequence[VersionReference] = (),
        *,
        is_transitive: bool = True,
    ) -> RegistryVerdict:
        """Ask the registry whether it would take a schema, under the level it has now.

        `is_transitive` tells whether that level is about all versions, which not every registry
        keeps apart. One that cannot be asked about all is asked about the latest. Some give no
        reasons. A subject that does not exist takes everything.
        """
        body = _schema_body(text, references)
        path = f"/compatibility{_path(subject)}/versions"
        answer = self._transport.send(
            "POST", path if is_transitive else f"{path}/latest", {"verbose": "true"}, body
        )
        if is_transitive and answer.status in (404, 405) and answer.error_code // 100 != 404:
            answer = self._transport.send("POST", f"{path}/latest", {"verbose": "true"}, body)
        if _is_missing(answer, (*_MISSING_SUBJECT, *_MISSING_VERSION)):
            return RegistryVerdict(True)
        verdict = self._expect(answer, dict)
        is_compatible = verdict.get("is_compatible")
        if not isinstance(is_compatible, bool):
            raise self._misfit("no is_compatible in the answer to a compatibility check")
        messages = verdict.get("messages") or verdict.get("reason") or []
        listed = [messages] if isinstance(messages, str) else messages
        reasons = listed if isinstance(listed, list) else []
        return RegistryVerdict(is_compatible, tuple(clean(str(item)) for item in reasons[:100]))

    def judge(self, subject: Subject, level: Level) -> RegistryVerdict | None:
        """Ask the registry, whose level this is, about a schema; None where it cannot say.

        Shared types are written out, so that the answer holds for their new versions too.
        Apicurio (2.6 and 3.3) answers 422 to any question about a subject with references.
        """
        try:
            return self.test(
                subject.name,
                render(subject.schema, inline=True),
                is_transitive=level.value.endswith("_TRANSITIVE"),
            )
        except RegistryRefusal as refusal:
            return None if subject.references else RegistryVerdict(False, refusal.reasons)

    def find_prospects(self, names: Iterable[str]) -> Mapping[str, Prospect]:
        """What awaits the next version of each subject, whether the subject exists or not."""
        ordered = sorted(set(names))
        pool = ThreadPoolExecutor(CONNECTIONS, "registry")
        try:
            return dict(zip(ordered, pool.map(self._find_prospect, ordered), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)

    def _find_prospect(self, subject: str) -> Prospect:
        # Numbers are never used again, those of deleted versions neither.
        numbers = self._versions(subject, {"deleted": "true"})
        level = self.level(subject) if numbers else None
        return Prospect(max(numbers, default=0) + 1, self.mode(subject), level)

    def mode(self, subject: str) -> str:
        """The mode that holds for a subject; READWRITE where the registry knows no modes."""
        query = {"defaultToGlobal": "true"}
        answer = self._transport.send("GET", f"/mode/{_segment(subject)}", query)
        if answer.status in (404, 405):
            return "READWRITE"
        return self._text(self._expect(answer, dict).get("mode"), "a mode")

    def keeps_metadata(self, subject: str) -> bool:
        """Whether the registry knows metadata of schemas; asked with any subject's name.

        Confluent's does since 7.4. Others have no such route, which is told from a subject that
        does not exist by the error code.
        """
        answer = self._transport.send("GET", f"{_path(subject)}/metadata")
        known = (*_MISSING_SUBJECT, *_MISSING_VERSION, *_MISSING_SCHEMA)
        return 200 <= answer.status < 300 or _is_missing(answer, known)

    def fetch(self, names: Iterable[str]) -> Holdings:
        """All live versions of subjects, and of those that they refer to; absent ones left out."""
        found: dict[str, StoredSubject] = {}
        asked: set[str] = set()
        waiting = sorted(set(names))
        pool = ThreadPoolExecutor(CONNECTIONS, "registry")
        try:
            level = pool.submit(self.level)
            while waiting:
                asked.update(waiting)
                if len(asked) > MAX_SUBJECTS:
                    raise self._misfit(f"more than {MAX_SUBJECTS:,} subjects to read")
                subjects = self._fetch_subjects(waiting, pool)
                found.update((subject.name, subject) for subject in subjects)
                versions = (version for subject in subjects for version in subject.versions)
                used = {item.subject for version in versions for item in version.references}
                waiting = sorted(used - asked)
            return Holdings(dict(sorted(found.items())), level.result())
        finally:
            # After a failure, a thousand more requests would wait for their time-outs.
            pool.shutdown(cancel_futures=True)

    def _fetch_subjects(self, names: list[str], pool: ThreadPoolExecutor) -> list[StoredSubject]:
        latest = [item for item in pool.map(self._latest, names) if item is not None]
        held = {item.subject: [item] for item in latest}
        levels = pool.map(self.level, held)
        # A first version has none before it; only later ones need the list.
        long = [item for item in latest if item.version > 1]
        numbers = pool.map(lambda item: self.versions(item.subject), long)
        wanted = [
            (item.subject, number)
            for item, listed in zip(long, numbers, strict=True)
            for number in listed
            if number != item.version
        ]
        for version in pool.map(lambda pair: self.version(*pair), wanted):
            held[version.subject].append(version)
        return [
            StoredSubject(name, tuple(sorted(held[name], key=lambda item: item.version)), level)
            for name, level in zip(held, levels, strict=True)
        ]

    def _latest(self, subject: str) -> StoredVersion | None:
        answer = self._transport.send("GET", f"{_path(subject)}/versions/latest")
        if _is_missing(answer, (*_MISSING_SUBJECT, *_MISSING_VERSION)):
            return None
        return self._stored(self._expect(answer, dict), subject)

    def _expect(self, answer: Answer, kind: type[T]) -> T:
        if 200 <= answer.status < 300:
            if isinstance(answer.body, kind):
                return answer.body
            raise self._misfit(f"not {'an array' if kind is list else 'an object'}")
        message = answer.message or f"HTTP status {answer.status}"
        said = f"{self.name} answered: {message}"
        if answer.status in (401, 403):
            hint = "set registry.username and registry.password, or registry.bearer_token"
            raise CouldNotCheck(f"{self.name} refused the credentials: {message}", hint)
        if answer.status in (409, 422):
            hint = "see what would break: kontrakt check --against registry"
            raise RegistryRefusal(message, hint, answer.status, (message,))
        if answer.status == 404 and answer.error_code // 100 != 404:
            raise CouldNotCheck(said, _WRONG_ADDRESS)
        if answer.status == 404:
            raise CouldNotCheck(said, "the registry changed meanwhile; run the command again")
        if answer.status == 429 or answer.status >= 500:
            raise CouldNotCheck(said, "try again when the registry is well")
        raise CouldNotCheck(said, _WRONG_ADDRESS)

    def _misfit(self, what: str) -> CouldNotCheck:
        return CouldNotCheck(f"{self.name} answered something else: {what}", _WRONG_ADDRESS)

    def _text(self, value: Json, what: str) -> str:
        if not isinstance(value, str):
            raise self._misfit(f"{what} that is no text")
        return value

    def _number(self, value: Json, what: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._misfit(f"{what} that is no number")
        return value

    def _stored(self, body: Mapping[str, Json], subject: str) -> StoredVersion:
        references = body.get("references") or []
        if not isinstance(references, list):
            raise self._misfit("references that are no array")
        metadata = body.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            raise self._misfit("metadata that is no object")
        return StoredVersion(
            subject,
            self._number(body.get("version"), "a version"),
            self._number(body.get("id"), "an id"),
            self._text(body.get("schema"), "a schema"),
            tuple(self._reference(item) for item in references),
            self._text(body.get("schemaType") or "AVRO", "a schema type"),
            metadata,
        )

    def _reference(self, value: Json) -> VersionReference:
        if not isinstance(value, dict):
            raise self._misfit("a reference that is no object")
        version = value.get("version")
        return VersionReference(
            self._text(value.get("name"), "the name of a reference"),
            self._text(value.get("subject"), "the subject of a reference"),
            -1 if version == -1 else self._number(version, "the version of a reference"),
        )


class RegistryBaseline:
    """The past of a contract as a registry holds it."""

    def __init__(self, client: RegistryClient) -> None:
        self.client = client

    @property
    def name(self) -> str:
        """The registry's address."""
        return self.client.name

    def histories(self, contract: Contract) -> Mapping[str, History]:
        """The histories of the contract's subjects; one without versions is absent."""
        names = [subject.name for subject in contract.subjects]
        return make_histories(self.client.fetch(names), names, "registry")

    def departed(self, contract: Contract) -> Mapping[str, History]:
        """The histories of subjects that the contract seems to have had; see Archive."""
        names = select_departed(self.client.subjects(), contract)
        return make_histories(self.client.fetch(names), names, "registry") if names else {}


def clean(text: str, longest: int = 500) -> str:
    """Text of a registry made fit for a terminal: one line, printable, bounded."""
    line = "".join(character if character.isprintable() else " " for character in text[:longest])
    return " ".join(line.split()) + ("..." if len(text) > longest else "")


def _path(subject: str) -> str:
    return f"/subjects/{_segment(subject)}"


def _level_path(subject: str | None) -> str:
    return "/config" if subject is None else f"/config/{_segment(subject)}"


def _segment(subject: str) -> str:
    """A subject as one segment of a path; dots alone would lead to another one."""
    if subject in ("", ".", ".."):
        raise CouldNotCheck(f'"{subject}" cannot be a subject', "see who registered it")
    return quote(subject, safe="")


def _schema_body(
    text: str,
    references: Sequence[VersionReference],
    metadata: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    body: dict[str, Json] = {"schema": text}
    if references:
        body["references"] = [
            {"name": item.name, "subject": item.subject, "version": item.version}
            for item in references
        ]
    if metadata is not None:
        body["metadata"] = dict(metadata)
    return body


def _is_missing(answer: Answer, codes: Sequence[int]) -> bool:
    return answer.status == 404 and answer.error_code in codes
