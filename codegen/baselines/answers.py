"""What a registry says: answers, refusals, and the values in them, of which none is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from codegen.baselines.holdings import StoredVersion, VersionReference
from codegen.diagnostics import CouldNotCheck
from codegen.source import Json

T = TypeVar("T")

WRONG_ADDRESS = (
    "registry.url must be the base address of Confluent's API; Apicurio's is "
    "http://HOST:PORT/apis/ccompat/v7"
)


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

    @property
    def is_foreign(self) -> bool:
        """Whether it says, in other terms than those of the API, that there is no such route."""
        return self.status in (404, 405, 501) and self.error_code // 100 != 404

    def is_missing(self, *codes: int) -> bool:
        """Whether the registry says, by one of these codes, that something is not there."""
        return self.status == 404 and self.error_code in codes


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


class AnswerTooLong(CouldNotCheck):
    """An answer was longer than any that is read."""


class RegistryRefusal(CouldNotCheck):
    """The registry understood, and said no: 409 for an incompatible schema, 422 for a bad one."""

    def __init__(self, message: str, hint: str, status: int, reasons: tuple[str, ...]) -> None:
        super().__init__(message, hint)
        self.status = status
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Takes values out of the answers of the registry of this name, or raises CouldNotCheck."""

    name: str

    def expect(self, answer: Answer, kind: type[T]) -> T:
        """The body of an answer that is none of an error, of this type."""
        if 200 <= answer.status < 300:
            if isinstance(answer.body, kind):
                return answer.body
            raise self.misfit(f"not {'an array' if kind is list else 'an object'}")
        message = answer.message or "it gives no reason"
        said = f"{self.name} answered {answer.status}: {message}"
        if answer.status in (409, 422):
            hint = "see what would break: kontrakt check --against registry"
            raise RegistryRefusal(message, hint, answer.status, (message,))
        if answer.status == 404 and not answer.is_foreign:
            raise CouldNotCheck(said, "the registry changed meanwhile; run the command again")
        if answer.status == 501:
            raise CouldNotCheck(said, "this registry does not offer that")
        if answer.status == 429 or answer.status >= 500:
            raise CouldNotCheck(said, "try again when the registry is well")
        raise CouldNotCheck(said, WRONG_ADDRESS)

    def misfit(self, what: str) -> CouldNotCheck:
        """An answer that is none of this API."""
        return CouldNotCheck(f"{self.name} answered something else: {what}", WRONG_ADDRESS)

    def text(self, value: Json, what: str) -> str:
        """A string."""
        if not isinstance(value, str):
            raise self.misfit(f"{what} that is no text")
        return value

    def number(self, value: Json, what: str) -> int:
        """A whole number from 0."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.misfit(f"{what} that is no number")
        return value

    def version(self, body: Mapping[str, Json], subject: str) -> StoredVersion:
        """One version of a subject."""
        references = body.get("references") or []
        if not isinstance(references, list):
            raise self.misfit("references that are no array")
        metadata = body.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            raise self.misfit("metadata that is no object")
        return StoredVersion(
            subject,
            self.number(body.get("version"), "a version"),
            self.number(body.get("id"), "an id"),
            self.text(body.get("schema"), "a schema"),
            tuple(self._reference(item) for item in references),
            self.text(body.get("schemaType") or "AVRO", "a schema type"),
            metadata,
        )

    def _reference(self, value: Json) -> VersionReference:
        if not isinstance(value, dict):
            raise self.misfit("a reference that is no object")
        version = value.get("version")
        return VersionReference(
            self.text(value.get("name"), "the name of a reference"),
            self.text(value.get("subject"), "the subject of a reference"),
            -1 if version == -1 else self.number(version, "the version of a reference"),
        )


def clean(text: str, longest: int = 500) -> str:
    """Text of a registry made fit for a terminal: one line, printable, bounded."""
    line = "".join(character if character.isprintable() else " " for character in text[:longest])
    return " ".join(line.split()) + ("..." if len(text) > longest else "")
