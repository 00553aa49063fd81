"""Confluent's schema registry API as Python methods, over any transport.

Everything that comes back is untrusted: its shape is checked, and what it says to people is made
printable. What is no answer of that API is one CouldNotCheck that names the registry; only an
answer in the API's own terms (an error code) means that a subject does not exist, so a wrong
address never looks like an empty registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from codegen.avro.canonical import render
from codegen.baselines.answers import (
    Answer,
    AnswerReader,
    AnswerTooLong,
    RegistryRefusal,
    Transport,
    clean,
)
from codegen.baselines.holdings import (
    Holdings,
    StoredVersion,
    VersionReference,
    make_histories,
    select_departed,
)
from codegen.baselines.paging import Key, TooManyItems, read_pages
from codegen.baselines.retrieval import (
    MAX_SUBJECTS,
    ask_each,
    retrieve,
    retrieve_past,
)
from codegen.contract.model import Contract, History, Level, Subject
from codegen.diagnostics import CouldNotCheck
from codegen.source import Json

SUBJECTS_PAGE = 10_000
"""How many subjects are asked for at once."""

SCHEMAS_PAGE = 500
"""How many schemas are asked for at once; Confluent's registry gives 1,000 at most."""

MAX_LISTED = 500_000
"""A longer list of schemas is not read."""

UNASKABLE = ("", ".", "..")
"""Subjects that a registry may list and that no path leads to: RFC 3986 resolves such segments."""

_MISSING_SUBJECT = (40401, 40404)  # never there, or deleted but not for good
_MISSING_VERSION = (40402, 40406)
_MISSING_SCHEMA = (40403,)
_MISSING_LEVEL = (40408, 40401)


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


class RegistryClient:
    """Confluent's REST API as Python methods. Safe to use from several threads.

    Subjects are those of one context, and named without it; one of another context keeps its whole
    name (`:.context:subject`). Each method raises CouldNotCheck when the registry gives no usable
    answer.
    """

    def __init__(self, transport: Transport, context: str = "", *, normalize: bool = False) -> None:
        """`context` is the name of one without dot and colons, empty for the default context.

        With `normalize` the registry compares and keeps schemas in its normalized form.
        """
        self.transport = transport
        """The way to the registry."""
        self._prefix = f":.{context}:" if context else ""
        self._normalize = {"normalize": "true"} if normalize else {}
        self._read = AnswerReader(transport.name)

    @property
    def name(self) -> str:
        """The registry's address, without credentials, and the context if it is not the default."""
        context = f" (context {self._prefix.strip(':')})" if self._prefix else ""
        return f"{self.transport.name}{context}"

    def subjects(self, prefix: str = "") -> tuple[str, ...]:
        """The live subjects of the context, sorted; all pages of them."""
        query = {"subjectPrefix": self._prefix + prefix} if self._prefix + prefix else {}
        for _ in range(3):
            names = self._list("/subjects", query, SUBJECTS_PAGE, MAX_SUBJECTS, self._read_name)
            if names is not None:
                local = {here for name in names if (here := self._localize(name)) is not None}
                return tuple(sorted(name for name in local if name.startswith(prefix)))
        message = f"{self.name} changed each time while its subjects were listed"
        raise CouldNotCheck(message, "run the command again")

    def _list(
        self,
        path: str,
        query: Mapping[str, str],
        limit: int,
        most: int,
        key: Callable[[Json], Key],
    ) -> dict[Key, Json] | None:
        def ask(window: Mapping[str, str]) -> Sequence[Json]:
            answer = self.transport.send("GET", path, {**query, **window})
            items: Sequence[Json] = self._read.expect(answer, list)
            return items

        try:
            return read_pages(ask, limit, most, key)
        except TooManyItems:
            raise self._read.misfit(f"more than {most:,} items in {path}") from None

    def _read_name(self, item: Json) -> str:
        return self._read.text(item, "a subject")

    def listing(self) -> Mapping[str, Sequence[StoredVersion]] | None:
        """All live versions of the context by subject; None where the registry has no such list."""
        if not self.lists_schemas():
            return None
        prefix = {"subjectPrefix": self._prefix} if self._prefix else {}
        query = {"latestOnly": "false", "deleted": "false", **prefix}
        try:
            items = self._list("/schemas", query, SCHEMAS_PAGE, MAX_LISTED, self._read_place)
        except AnswerTooLong:
            return None
        found: dict[str, list[StoredVersion]] = {}
        for (name, _), item in sorted((items or {}).items(), key=lambda pair: pair[0]):
            subject = self._localize(name)
            if subject is not None:
                found.setdefault(subject, []).append(self._stored(item, subject))
        return found

    def lists_schemas(self) -> bool:
        """Whether the registry lists all its schemas, in answers that can be read.

        Apicurio's list does not say which subject a schema is of, so it is none. Karapace gives
        the whole list at once, however short a page is asked for.
        """
        try:
            answer = self.transport.send("GET", "/schemas", {"offset": "0", "limit": "1"})
        except AnswerTooLong:
            return False
        if not 200 <= answer.status < 300 or not isinstance(answer.body, list):
            return False
        return all(isinstance(item, dict) and "subject" in item for item in answer.body)

    def _read_place(self, item: Json) -> tuple[str, int]:
        if not isinstance(item, dict):
            raise self._read.misfit("a schema that is no object")
        name = self._read.text(item.get("subject"), "a subject")
        return name, self._read.number(item.get("version"), "a version")

    def versions(self, subject: str, *, deleted: bool = False) -> tuple[int, ...]:
        """The numbers of the live versions, ascending; none where there is no such subject.

        With `deleted` those that are soft-deleted too.
        """
        path = f"{self.path(subject)}/versions"
        answer = self.transport.send("GET", path, _and_deleted(deleted))
        if answer.is_missing(*_MISSING_SUBJECT):
            return ()
        items = self._read.expect(answer, list)
        return tuple(sorted({self._read.number(item, "a version") for item in items}))

    def version(self, subject: str, version: int) -> StoredVersion:
        """One version of a subject, -1 for the latest."""
        return self._read_version(self._ask_version(subject, version), subject, version)

    def find(self, subject: str, version: int, *, deleted: bool = False) -> StoredVersion | None:
        """One version of a subject, -1 for the latest; None where it is not there.

        With `deleted` one of a number is found where it is soft-deleted too.
        """
        answer = self._ask_version(subject, version, _and_deleted(deleted))
        if answer.is_missing(*_MISSING_SUBJECT, *_MISSING_VERSION):
            return None
        return self._read_version(answer, subject, version)

    def _read_version(self, answer: Answer, subject: str, asked: int) -> StoredVersion:
        stored = self._stored(self._read.expect(answer, dict), subject)
        if stored.version < 1 or asked not in (-1, stored.version):
            number = "the latest" if asked < 0 else f"v{asked}"
            raise self._read.misfit(f"v{stored.version} of {subject} for {number}")
        return stored

    def _ask_version(
        self, subject: str, version: int, query: Mapping[str, str] | None = None
    ) -> Answer:
        number = "latest" if version < 0 else str(version)
        return self.transport.send("GET", f"{self.path(subject)}/versions/{number}", query)

    def schema(self, id: int) -> StoredVersion:
        """The schema with an id; of no subject in particular, so subject and version are empty."""
        query = {"subject": self._prefix} if self._prefix else None
        answer = self.transport.send("GET", f"/schemas/ids/{id}", query)
        return self._stored({"id": id, "version": 0, **self._read.expect(answer, dict)}, "")

    def lookup(
        self,
        subject: str,
        text: str,
        references: Sequence[VersionReference] = (),
        metadata: Mapping[str, Json] | None = None,
    ) -> StoredVersion | None:
        """The live version of a subject that has this schema; None when none has."""
        body = self._body(text, references, metadata)
        answer = self.transport.send("POST", self.path(subject), self._normalize, body)
        if answer.is_missing(*_MISSING_SUBJECT, *_MISSING_SCHEMA):
            return None
        return self._stored(self._read.expect(answer, dict), subject)

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
        body = self._body(text, references, metadata)
        path = f"{self.path(subject)}/versions"
        answer = self.transport.send("POST", path, self._normalize, body)
        id = self._read.number(self._read.expect(answer, dict).get("id"), "an id")
        stored = self.lookup(subject, text, references, metadata)
        if stored is None or stored.id != id:
            message = f"{self.name} registered {subject} as id {id} and does not find it again"
            raise CouldNotCheck(message, hint="run the same command again")
        return stored

    def level(self, subject: str | None = None) -> Level | None:
        """The level of a subject, None where it has none of its own; without one, the context's."""
        if subject is None:
            query = {"defaultToGlobal": "true"} if self._prefix else None
            answer = self.transport.send("GET", self._level_path(None), query)
            if self._prefix and answer.is_missing(*_MISSING_LEVEL):
                answer = self.transport.send("GET", "/config")
            return self._read_level(answer)
        own = self._ask_level(subject, is_inherited=False)
        # Apicurio says NONE for a subject without a level of its own; Confluent's says that it
        # has none. What holds for the subject tells the one NONE from the other.
        if own is Level.NONE and self._ask_level(subject, is_inherited=True) is not Level.NONE:
            return None
        return own

    def _ask_level(self, subject: str, *, is_inherited: bool) -> Level | None:
        query = {"defaultToGlobal": str(is_inherited).lower()}
        answer = self.transport.send("GET", self._level_path(subject), query)
        return None if answer.is_missing(*_MISSING_LEVEL) else self._read_level(answer)

    def _read_level(self, answer: Answer) -> Level:
        body = self._read.expect(answer, dict)
        name = body.get("compatibilityLevel", body.get("compatibility"))
        try:
            return Level(name)
        except ValueError:
            raise self._read.misfit(f"{clean(str(name))} is no compatibility level") from None

    def set_level(self, level: Level, subject: str | None = None) -> None:
        """Set the level of a subject, or without one that of the context."""
        body = {"compatibility": level.value}
        answer = self.transport.send("PUT", self._level_path(subject), None, body)
        # Apicurio refuses who comes second when two set a level at once, and its version 2 answers
        # 404 when NONE is to be set where nothing was.
        meant = (level, None) if level is Level.NONE else (level,)
        if answer.status != 200 and self.level(subject) in meant:
            return
        self._read.expect(answer, dict)

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
        body = self._body(text, references)
        path = f"/compatibility{self.path(subject)}/versions"
        query = {"verbose": "true", **self._normalize}
        answer = self.transport.send(
            "POST", path if is_transitive else f"{path}/latest", query, body
        )
        if is_transitive and answer.is_foreign:
            answer = self.transport.send("POST", f"{path}/latest", query, body)
        if answer.is_missing(*_MISSING_SUBJECT, *_MISSING_VERSION):
            return RegistryVerdict(True)
        verdict = self._read.expect(answer, dict)
        is_compatible = verdict.get("is_compatible")
        if not isinstance(is_compatible, bool):
            raise self._read.misfit("no is_compatible in the answer to a compatibility check")
        messages = verdict.get("messages") or verdict.get("reason") or []
        listed = [messages] if isinstance(messages, str) else messages
        words = [str(item) for item in listed[:100]] if isinstance(listed, list) else []
        # Among its reasons is the whole old schema, which is no reason, and drowns them.
        reasons = [item for item in words if not item.startswith("{oldSchema:")]
        return RegistryVerdict(is_compatible, tuple(map(clean, reasons)))

    def judge(self, asked: Iterable[tuple[Subject, Level]]) -> list[RegistryVerdict | None]:
        """Ask the registry about schemas, many at once, at the levels that it has for them.

        None stands where it cannot say. Shared types are written out, so that the answer holds for
        their new versions too. Apicurio (2.6 and 3.3) answers 422 to any question about a subject
        with references.
        """
        return ask_each(self._judge, list(asked), f"Asking {self.name}")

    def _judge(self, question: tuple[Subject, Level]) -> RegistryVerdict | None:
        subject, level = question
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
        found = ask_each(self._find_prospect, ordered, f"Reading {self.name}")
        return dict(zip(ordered, found, strict=True))

    def _find_prospect(self, subject: str) -> Prospect:
        # Numbers are never used again, those of deleted versions neither.
        numbers = self.versions(subject, deleted=True)
        level = self.level(subject) if numbers else None
        return Prospect(max(numbers, default=0) + 1, self.mode(subject), level)

    def mode(self, subject: str) -> str:
        """The mode that holds for a subject; READWRITE where the registry knows no modes."""
        path = f"/mode{self.path(subject).removeprefix('/subjects')}"
        answer = self.transport.send("GET", path, {"defaultToGlobal": "true"})
        if answer.status in (404, 405):
            return "READWRITE"
        return self._read.text(self._read.expect(answer, dict).get("mode"), "a mode")

    def keeps_metadata(self, subject: str) -> bool:
        """Whether the registry knows metadata of schemas; asked with any subject's name.

        Confluent's does since 7.4. Others have no such route, which is told from a subject that
        does not exist by the error code, or answer it with nothing (Apicurio 3: 204).
        """
        answer = self.transport.send("GET", f"{self.path(subject)}/metadata")
        known = (*_MISSING_SUBJECT, *_MISSING_VERSION, *_MISSING_SCHEMA)
        return answer.status == 200 or answer.is_missing(*known)

    def has_contexts(self) -> bool:
        """Whether the registry knows contexts; to one that does not, they are part of the name.

        Confluent's does since 7.0. Apicurio lists the default one, as `:.:`, and knows no other.
        """
        answer = self.transport.send("GET", "/contexts")
        return answer.status == 200 and isinstance(answer.body, list) and "." in answer.body

    def fetch(self, names: Iterable[str]) -> Holdings:
        """All live versions of subjects, and of those that they refer to; absent ones left out."""
        return retrieve(self, names)

    def fetch_past(self, names: Iterable[str]) -> Holdings:
        """As `fetch`, and of subjects without a live version those that are soft-deleted."""
        return retrieve_past(self, names)

    def _stored(self, body: Mapping[str, Json], subject: str) -> StoredVersion:
        """A version from an answer, the subjects of its references named as this client does."""
        stored = self._read.version(body, subject)
        if not any(item.subject.startswith(":.") for item in stored.references):
            return stored
        references = tuple(
            replace(item, subject=self._localize(item.subject) or item.subject)
            for item in stored.references
        )
        return replace(stored, references=references)

    def _localize(self, name: str) -> str | None:
        """A subject's name in this context; None when it lies in another one."""
        prefix = self._prefix or ":.:"
        if name.startswith(prefix):
            return name.removeprefix(prefix)
        is_local = not self._prefix and not name.startswith(":.")
        return name if is_local else None

    def _qualify(self, subject: str) -> str:
        return subject if subject.startswith(":.") else self._prefix + subject

    def path(self, subject: str) -> str:
        """Where a subject lies: one segment of a path; dots alone would lead to another one."""
        if subject in UNASKABLE:
            raise CouldNotCheck(f'"{subject}" cannot be a subject', "see who registered it")
        return f"/subjects/{quote(self._qualify(subject), safe='')}"

    def _level_path(self, subject: str | None) -> str:
        if subject is not None:
            return f"/config{self.path(subject).removeprefix('/subjects')}"
        return f"/config/{quote(self._prefix, safe='')}" if self._prefix else "/config"

    def _body(
        self,
        text: str,
        references: Sequence[VersionReference],
        metadata: Mapping[str, Json] | None = None,
    ) -> dict[str, Json]:
        body: dict[str, Json] = {"schema": text}
        if references:
            body["references"] = [
                {
                    "name": item.name,
                    "subject": self._qualify(item.subject),
                    "version": item.version,
                }
                for item in references
            ]
        if metadata is not None:
            body["metadata"] = dict(metadata)
        return body


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
        return make_histories(self.client.fetch_past(names), names, "registry")

    def departed(self, contract: Contract) -> Mapping[str, History]:
        """The histories of subjects that the contract seems to have had; see Archive."""
        names = select_departed(self.client.subjects(), contract)
        return make_histories(self.client.fetch(names), names, "registry") if names else {}


def _and_deleted(deleted: bool) -> dict[str, str]:
    return {"deleted": "true"} if deleted else {}
