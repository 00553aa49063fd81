"""Confluent's REST API over a Store, without a web library: a request in, a response out.

The HTTP server and the tool itself both ask through here, so there is one place that knows paths,
queries, bodies and error codes. Routes are data; whatever they do not name is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from codegen.contract.model import Level
from codegen.registry.store import (
    MAX_VERSION,
    SCHEMA_TYPES,
    Candidate,
    Entry,
    RegistryError,
    Store,
    split_subject,
)
from codegen.source import Json


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the path still percent-encoded, the body as a JSON value or None."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json = None


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered: the HTTP status, and a JSON value; `text` is a body that is given as is."""

    status: int
    body: Json
    text: str | None = None


def respond(store: Store, request: Request) -> Response:
    """Answer a request. What goes wrong with it is an answer too, never an exception."""
    try:
        path, context = _split_context(request.path)
        for method, pattern, handler in _ROUTES:
            match = pattern.fullmatch(path)
            if match is None or method != request.method:
                continue
            names = {key: unquote(value) for key, value in match.groupdict().items()}
            if "subject" in names:
                names["subject"] = _qualify(names["subject"], context)
            answer = handler(_Call(store, request, names, context))
            return answer if isinstance(answer, Response) else Response(200, answer)
        if any(pattern.fullmatch(path) for _, pattern, _ in _ROUTES):
            raise RegistryError(405, "HTTP 405 Method Not Allowed")
        raise RegistryError(404, "HTTP 404 Not Found")
    except RegistryError as error:
        return Response(error.status, {"error_code": error.code, "message": error.message})


@dataclass(frozen=True, slots=True)
class _Call:
    store: Store
    request: Request
    names: Mapping[str, str]
    context: str

    @property
    def subject(self) -> str:
        return self.names["subject"]

    def flag(self, name: str) -> bool:
        return self.request.query.get(name, "").lower() == "true"

    def number(self, name: str, otherwise: int) -> int:
        try:
            return int(self.request.query.get(name, otherwise))
        except ValueError:
            raise RegistryError(404, f"{name} is no number") from None

    def page(self, items: list[Json]) -> list[Json]:
        first, most = max(self.number("offset", 0), 0), self.number("limit", -1)
        return items[first:] if most < 0 else items[first : first + most]

    @property
    def version(self) -> int | None:
        """The version in the path, None for the latest."""
        text = self.names["version"]
        if text in ("latest", "-1"):
            return None
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= MAX_VERSION:
            raise RegistryError(
                42202,
                f"The specified version '{text[:40]}' is not a valid version id. Allowed values "
                'are between [1, 2^31-1] and the string "latest"',
            )
        return int(text)

    @property
    def id(self) -> int:
        if len(self.names["id"]) > 10:
            raise RegistryError(40403, f"Schema {self.names['id'][:20]} not found")
        return int(self.names["id"])

    def object(self) -> dict[str, Json]:
        if not isinstance(self.request.body, dict):
            raise RegistryError(422, "The body must be a JSON object")
        return self.request.body

    def candidate(self) -> Candidate:
        body = self.object()
        text = body.get("schema")
        if not isinstance(text, str):
            raise RegistryError(42201, 'Empty schema: "schema" must be a string')
        numbers = {}
        for key in ("id", "version"):
            value = body.get(key)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise RegistryError(422, f'"{key}" must be a number')
            numbers[key] = value if value is not None and value > 0 else None
        return Candidate(
            text,
            body.get("schemaType") or "AVRO",
            _read_references(body.get("references") or []),
            body.get("metadata"),
            body.get("ruleSet"),
            numbers["id"],
            numbers["version"],
        )

    @property
    def scope(self) -> str:
        """A subject, or all that the path is about."""
        if "subject" in self.names:
            return self.subject
        return "" if self.context == "" else f":{self.context}:"


def _read_references(items: Json) -> tuple[Mapping[str, Json], ...]:
    if not isinstance(items, list):
        raise RegistryError(422, '"references" must be an array')
    references = []
    for item in items:
        match item:
            case {"name": str(name), "subject": str(subject), "version": int(version)}:
                references.append({"name": name, "subject": subject, "version": version})
            case _:
                raise RegistryError(422, 'A reference needs "name", "subject" and "version"')
    return tuple(references)


def _split_context(path: str) -> tuple[str, str]:
    """Take `/contexts/.name` off the front of a path."""
    match = re.fullmatch(r"/contexts/(?::?)(\.[^/:]*)(?::?)(/.*)", path)
    return (match[2], "" if match[1] == "." else unquote(match[1])) if match else (path, "")


def _qualify(subject: str, context: str) -> str:
    if subject.startswith(":.:"):
        subject = subject[3:]
    if not context or subject.startswith(":."):
        return subject
    return f":{context}:{subject}"


def _describe(entry: Entry) -> dict[str, Json]:
    """An entry as the API writes it: the type is left out for Avro, and what there is none of."""
    value: dict[str, Json] = {
        "subject": entry.subject,
        "version": entry.version,
        "id": entry.id,
        "guid": entry.guid,
        "schemaType": entry.type if entry.type != "AVRO" else None,
        "references": list(entry.references) or None,
        "metadata": entry.metadata,
        "ruleSet": entry.rules,
        "schema": entry.text,
    }
    return {key: item for key, item in value.items() if item is not None}


def _describe_schema(entry: Entry) -> dict[str, Json]:
    value = _describe(entry)
    return {key: value[key] for key in value if key not in ("subject", "version", "id")}


def _list_subjects(call: _Call) -> Json:
    prefix = call.request.query.get("subjectPrefix", ":*:" if not call.context else "")
    if call.context:
        prefix = _qualify(prefix, call.context)
    return call.page(call.store.subjects(prefix, call.flag("deleted"), call.flag("deletedOnly")))


def _list_versions(call: _Call) -> Json:
    store, query = call.store, call
    return call.page(store.versions(call.subject, query.flag("deleted"), query.flag("deletedOnly")))


def _register(call: _Call) -> Json:
    candidate = call.candidate()
    entry = call.store.register(call.subject, candidate, call.flag("normalize"))
    return {"id": entry.id, "guid": entry.guid}


def _look_up(call: _Call) -> Json:
    normalize, deleted = call.flag("normalize"), call.flag("deleted")
    return _describe(call.store.lookup(call.subject, call.candidate(), normalize, deleted))


def _show_version(call: _Call) -> Json:
    return _describe(call.store.version(call.subject, call.version, call.flag("deleted")))


def _show_text(call: _Call) -> Response:
    entry = call.store.version(call.subject, call.version, call.flag("deleted"))
    return Response(200, None, entry.text)


def _show_metadata(call: _Call) -> Json:
    keys, values = call.request.query.get("key"), call.request.query.get("value")
    wanted = {keys: values} if keys and values is not None else {}
    return _describe(call.store.latest_with_metadata(call.subject, wanted, call.flag("deleted")))


def _show_id(call: _Call) -> Json:
    entry = call.store.by_id(call.id, _id_scope(call))
    value = _describe_schema(entry)
    if call.flag("fetchMaxId"):
        value["maxId"] = call.store.max_id(split_subject(_id_scope(call))[0])
    return value


def _id_scope(call: _Call) -> str:
    subject = call.request.query.get("subject", "")
    return _qualify(subject, call.context) if subject or call.context else ""


def _users_of_id(call: _Call) -> list[Entry]:
    return call.store.users_of_id(call.id, _id_scope(call), call.flag("deleted"))


def _show_guid(call: _Call) -> Json:
    return _describe_schema(call.store.by_guid(call.names["guid"])[0][2])


def _list_schemas(call: _Call) -> Json:
    prefix = call.request.query.get("subjectPrefix", ":*:")
    deleted = call.flag("deleted")
    found = []
    for subject in call.store.subjects(prefix, deleted):
        numbers = call.store.versions(subject, deleted)
        for number in numbers[-1:] if call.flag("latestOnly") else numbers:
            found.append(_describe(call.store.version(subject, number, deleted)))
    return call.page(found)


def _test_all(call: _Call) -> Json:
    return _verdict(call, call.store.objections(
        call.subject, call.candidate(), normalize=call.flag("normalize")
    ))  # fmt: skip


def _test_one(call: _Call) -> Json:
    return _verdict(call, call.store.objections(
        call.subject, call.candidate(), call.version, only_one=True,
        normalize=call.flag("normalize"),
    ))  # fmt: skip


def _verdict(call: _Call, objections: list[str]) -> Json:
    verdict: dict[str, Json] = {"is_compatible": not objections}
    return verdict | {"messages": objections} if call.flag("verbose") else verdict


_CONFIGURATION = (
    "alias", "normalize", "validateFields", "validateRules", "compatibilityGroup",
    "compatibilityPolicy", "defaultMetadata", "overrideMetadata", "defaultRuleSet",
    "overrideRuleSet",
)  # fmt: skip


def _show_config(call: _Call) -> Json:
    own = call.store.setting("config", call.scope)
    if call.scope and own is None and not call.flag("defaultToGlobal"):
        message = f"Subject '{call.scope}' does not have subject-level compatibility configured"
        raise RegistryError(40408, message)
    return call.store.configuration(call.scope)


def _set_config(call: _Call) -> Json:
    body = call.object()
    level = body.get("compatibility")
    if level is not None and level not in [one.value for one in Level]:
        raise RegistryError(
            42203,
            "Invalid compatibility level. Valid values are none, backward, forward, full, "
            "backward_transitive, forward_transitive, and full_transitive",
        )
    value = dict(call.store.setting("config", call.scope) or {})
    value |= {key: body[key] for key in _CONFIGURATION if key in body}
    if level is not None:
        value["compatibilityLevel"] = level
    call.store.set_setting("config", call.scope, value)
    return body


def _delete_config(call: _Call) -> Json:
    before = call.store.delete_setting("config", call.scope)
    if before is None and call.scope:
        raise RegistryError(40401, f"Subject '{call.scope}' not found.")
    return before or call.store.configuration("")


def _show_mode(call: _Call) -> Json:
    own = call.store.setting("mode", call.scope)
    if call.scope and own is None and not call.flag("defaultToGlobal"):
        message = f"Subject '{call.scope}' does not have subject-level mode configured"
        raise RegistryError(40409, message)
    return {"mode": call.store.mode(call.scope)}


def _set_mode(call: _Call) -> Json:
    mode = call.object().get("mode")
    call.store.set_mode(call.scope, mode if isinstance(mode, str) else "", call.flag("force"))
    return {"mode": mode}


def _delete_mode(call: _Call) -> Json:
    before = call.store.delete_setting("mode", call.scope)
    if before is None and call.scope:
        raise RegistryError(40401, f"Subject '{call.scope}' not found.")
    return {"mode": before or "READWRITE"}


_SUBJECT = "/subjects/{subject}"
_VERSION = _SUBJECT + "/versions/{version}"
_TABLE: tuple[tuple[str, str, Callable[[_Call], Json]], ...] = (
    ("GET", "/", lambda call: {}),
    ("GET", "/v1/metadata/id", lambda call: {"scope": {"path": [], "clusters": {}}, "id": ""}),
    ("GET", "/v1/metadata/version", lambda call: {"version": "kontrakt", "commitId": ""}),
    ("GET", "/contexts", lambda call: call.page(call.store.contexts())),
    ("GET", "/subjects", _list_subjects),
    ("POST", _SUBJECT, _look_up),
    ("DELETE", _SUBJECT,
     lambda call: call.store.delete_subject(call.subject, call.flag("permanent"))),
    ("GET", _SUBJECT + "/versions", _list_versions),
    ("POST", _SUBJECT + "/versions", _register),
    ("GET", _SUBJECT + "/metadata", _show_metadata),
    ("GET", _VERSION, _show_version),
    ("DELETE", _VERSION,
     lambda call: call.store.delete_version(call.subject, call.version, call.flag("permanent"))),
    ("GET", _VERSION + "/schema", _show_text),
    ("GET", _VERSION + "/referencedby",
     lambda call: call.store.referenced_by(call.subject, call.version, call.flag("deleted"))),
    ("GET", "/schemas", _list_schemas),
    ("GET", "/schemas/types", lambda call: list(SCHEMA_TYPES)),
    ("GET", "/schemas/ids/{id}", _show_id),
    ("GET", "/schemas/ids/{id}/schema",
     lambda call: Response(200, None, call.store.by_id(call.id, _id_scope(call)).text)),
    ("GET", "/schemas/ids/{id}/subjects",
     lambda call: call.page(list(dict.fromkeys(one.subject for one in _users_of_id(call))))),
    ("GET", "/schemas/ids/{id}/versions",
     lambda call: [{"subject": one.subject, "version": one.version} for one in _users_of_id(call)]),
    ("GET", "/schemas/guids/{guid}", _show_guid),
    ("GET", "/schemas/guids/{guid}/ids",
     lambda call: [{"context": context, "id": id}
                   for context, id, _ in call.store.by_guid(call.names["guid"])]),
    ("POST", "/compatibility" + _SUBJECT + "/versions", _test_all),
    ("POST", "/compatibility" + _VERSION, _test_one),
    ("GET", "/config", _show_config),
    ("PUT", "/config", _set_config),
    ("DELETE", "/config", _delete_config),
    ("GET", "/config/{subject}", _show_config),
    ("PUT", "/config/{subject}", _set_config),
    ("DELETE", "/config/{subject}", _delete_config),
    ("GET", "/mode", _show_mode),
    ("PUT", "/mode", _set_mode),
    ("DELETE", "/mode", _delete_mode),
    ("GET", "/mode/{subject}", _show_mode),
    ("PUT", "/mode/{subject}", _set_mode),
    ("DELETE", "/mode/{subject}", _delete_mode),
)  # fmt: skip

_PARTS = {"{id}": r"(?P<id>[0-9]+)"}


def _compile(path: str) -> re.Pattern[str]:
    for part in re.findall(r"{\w+}", path):
        path = path.replace(part, _PARTS.get(part, f"(?P<{part[1:-1]}>[^/]+)"))
    return re.compile(path + ("" if path == "/" else "/?"))


_ROUTES = tuple((method, _compile(path), handler) for method, path, handler in _TABLE)
