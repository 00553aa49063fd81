"""What does a request ask? Its names, flags, numbers and body, each refused where it is none.

All readings raise RegistryError with Confluent's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from codegen.registry.entries import (
    DEFAULT_CONTEXT,
    MAX_NUMBER,
    Content,
    Reference,
    RegistryError,
    qualify,
    split_subject,
)
from codegen.registry.history import History
from codegen.registry.store import Store
from codegen.source import Json


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the path still percent-encoded, the body as a JSON value or None.

    A name that the query repeats has all its values in order.
    """

    method: str
    path: str
    query: Mapping[str, str | list[str]] = field(default_factory=dict)
    body: Json = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way: the names in its path, decoded, and the context that it is about."""

    store: Store
    request: Request
    names: Mapping[str, str]
    context: str

    @property
    def history(self) -> History:
        """What the registry holds."""
        return self.store.history

    # --- the path

    @property
    def subject(self) -> str:
        """The subject in the path, with its context."""
        return self.names["subject"]

    @property
    def scope(self) -> str:
        """What a setting is for: a subject, a context, or "" for all."""
        scope = self.names.get("subject", "")
        if scope == ":.__GLOBAL:":
            return ""
        if not scope and self.context != DEFAULT_CONTEXT:
            return f":{self.context}:"
        return scope

    @property
    def version(self) -> int | None:
        """The version in the path, None for the latest. Raises RegistryError (42202)."""
        text = self.names["version"]
        if text in ("latest", "-1"):
            return None
        if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= MAX_NUMBER:
            raise RegistryError(
                42202,
                f"The specified version '{text[:40]}' is not a valid version id. Allowed values "
                'are between [1, 2^31-1] and the string "latest"',
            )
        return int(text)

    @property
    def id(self) -> int:
        """The id in the path; a number that no id can be is like one that none is."""
        return min(int(self.names["id"][:12]), MAX_NUMBER + 1)

    @property
    def id_context(self) -> str:
        """Where an id is looked for: in the context of the subject that is named, or the path's."""
        return split_subject(qualify(self.text("subject"), self.context))[0]

    # --- the query

    def texts(self, name: str) -> list[str]:
        """All values that the query gives to a name, in order."""
        value = self.request.query.get(name, [])
        return [value] if isinstance(value, str) else value

    def text(self, name: str, otherwise: str = "") -> str:
        """The last value that the query gives to a name."""
        return (self.texts(name) or [otherwise])[-1]

    def flag(self, name: str) -> bool:
        """Whether the query says true, in any case of letters."""
        return self.text(name).lower() == "true"

    def number(self, name: str, otherwise: int) -> int:
        """A number in the query. Raises RegistryError (404, as Confluent does) for none."""
        text = self.text(name, str(otherwise))
        if not re.fullmatch(r"-?[0-9]{1,10}", text):
            raise RegistryError(404, f"HTTP 404 Not Found: {name} must be a number")
        return int(text)

    def page(self, items: Sequence[Json]) -> list[Json]:
        """Those of the items that `offset` and `limit` ask for; a limit of 0 or less is none."""
        first, most = max(self.number("offset", 0), 0), self.number("limit", -1)
        return list(items[first:] if most < 1 else items[first : first + most])

    # --- the body

    def object(self) -> dict[str, Json]:
        """The body. Raises RegistryError (400; 422 without any) for one that is no object."""
        if not isinstance(self.request.body, dict):
            code = 422 if self.request.body is None else 400
            raise RegistryError(code, "The body must be a JSON object")
        return self.request.body

    def content(self) -> Content:
        """The schema in the body with all that comes with it.

        Raises RegistryError: 42201 without a schema, 42210 for rules that are none, 422.
        """
        body = self.object()
        text, type = body.get("schema"), body.get("schemaType")
        if not isinstance(text, str):
            raise RegistryError(42201, 'Empty schema: "schema" must be a string')
        if type is None:
            type = "AVRO"
        if not isinstance(type, str):
            raise RegistryError(422, '"schemaType" must be a string')
        text.encode()  # raises UnicodeError for halves of characters, which cannot be kept
        references = _read_references(body.get("references") or [])
        return Content(text, type, references, self.shaped("metadata"), self.shaped("ruleSet"))

    def shaped(self, key: str) -> dict[str, Json] | None:
        """Metadata or a set of rules in the body, with parts of the shape that clients rely on.

        Raises RegistryError (42210 for rules, 422).
        """
        value = self.object().get(key)
        if value is None:
            return None
        code = 42210 if "rule" in key.lower() else 422
        if not isinstance(value, dict):
            raise RegistryError(code, f'"{key}" must be an object')
        for part, shape in _SHAPES.items():
            item = value.get(part)
            if item is not None and not isinstance(item, shape):
                word = "an object" if shape is dict else "an array"
                raise RegistryError(code, f'"{part}" in "{key}" must be {word}')
        return value

    def wanted(self, key: str) -> int | None:
        """A number that the body may give; 0 and -1 mean none. Raises RegistryError (422)."""
        value = self.object().get(key)
        if value in (None, 0, -1):
            return None
        if not _is_number(value) or not 1 <= value <= MAX_NUMBER:
            raise RegistryError(422, f'"{key}" must be a number from 1 to {MAX_NUMBER}')
        return int(value)


_SHAPES: Mapping[str, type] = {
    "tags": dict, "properties": dict, "sensitive": list,
    "migrationRules": list, "domainRules": list, "encodingRules": list,
}  # fmt: skip


def _is_number(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_references(items: Json) -> tuple[Reference, ...]:
    if not isinstance(items, list):
        raise RegistryError(422, '"references" must be an array')
    references = []
    for item in items:
        match item:
            case {"name": str(name), "subject": str(subject), "version": version} if _is_number(
                version
            ) and (version == -1 or 1 <= version <= MAX_NUMBER):
                references.append(Reference(name, subject, version))
            case _:
                raise RegistryError(422, 'A reference needs "name", "subject" and "version"')
    return tuple(references)
