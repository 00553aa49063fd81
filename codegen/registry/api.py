"""Confluent's REST API over a Store, without a web library: a request in, a response out.

The HTTP server and the tool itself both ask through here, so there is one place that knows paths,
queries, bodies and error codes. Routes are data; whatever they do not name is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from urllib.parse import unquote

from codegen.registry.entries import (
    DEFAULT_CONTEXT,
    MAX_NUMBER,
    SCHEMA_TYPES,
    Content,
    Reference,
    RegistryError,
    StoredSchema,
    Version,
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
class Response:
    """What is answered: the HTTP status, and a JSON value; `text` is a body that is given as is."""

    status: int
    body: Json
    text: str | None = None


def respond(store: Store, request: Request) -> Response:
    """Answer a request. What goes wrong with it is an answer too, never an exception."""
    try:
        answer = _route(store, request)
        return answer if isinstance(answer, Response) else Response(200, answer)
    except RegistryError as error:
        return _refuse(error.code, error.message, error.status)
    except UnicodeError:
        return _refuse(400, "The request holds text that is not valid Unicode")
    except RecursionError:
        return _refuse(422, "The request is nested too deeply")


def _refuse(code: int, message: str, status: int | None = None) -> Response:
    # What is quoted from a request may hold halves of characters, which no answer may.
    text = message.encode("utf-8", "backslashreplace").decode()
    return Response(status or code, {"error_code": code, "message": text})


def _route(store: Store, request: Request) -> Json:
    path, context = _split_context(request.path)
    is_known = False
    for method, pattern, handler in _ROUTES:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        is_known = True
        if method == request.method:
            found = match.groupdict().items()
            names = {key: unquote(value, errors="strict") for key, value in found}
            if "subject" in names:
                names["subject"] = qualify(names["subject"], context)
            return handler(_Call(store, request, names, context))
    if is_known:
        raise RegistryError(405, "HTTP 405 Method Not Allowed")
    raise RegistryError(404, "HTTP 404 Not Found")


@dataclass(frozen=True, slots=True)
class _Call:
    """A request on its way: the names in its path, decoded, and the context that it is about."""

    store: Store
    request: Request
    names: Mapping[str, str]
    context: str

    @property
    def history(self) -> History:
        return self.store.history

    @property
    def subject(self) -> str:
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
    def id_context(self) -> str:
        """Where an id is looked for: in the context of the subject that is named, or the path's."""
        return split_subject(qualify(self.text("subject"), self.context))[0]

    def texts(self, name: str) -> list[str]:
        value = self.request.query.get(name, [])
        return [value] if isinstance(value, str) else value

    def text(self, name: str, otherwise: str = "") -> str:
        return (self.texts(name) or [otherwise])[-1]

    def flag(self, name: str) -> bool:
        return self.text(name).lower() == "true"

    def number(self, name: str, otherwise: int) -> int:
        text = self.text(name, str(otherwise))
        if not re.fullmatch(r"-?[0-9]{1,10}", text):
            raise RegistryError(404, f"HTTP 404 Not Found: {name} must be a number")
        return int(text)

    def page(self, items: list[Json]) -> list[Json]:
        first, most = max(self.number("offset", 0), 0), self.number("limit", -1)
        return items[first:] if most < 0 else items[first : first + most]

    @property
    def version(self) -> int | None:
        """The version in the path, None for the latest."""
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
        # A number that no id can be is like one that none is.
        return min(int(self.names["id"][:12]), MAX_NUMBER + 1)

    def object(self) -> dict[str, Json]:
        if not isinstance(self.request.body, dict):
            code = 422 if self.request.body is None else 400
            raise RegistryError(code, "The body must be a JSON object")
        return self.request.body

    def content(self) -> Content:
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
        metadata = _check_shape("metadata", body.get("metadata"))
        return Content(
            text, type, references, metadata, _check_shape("ruleSet", body.get("ruleSet"))
        )

    def wanted(self, key: str) -> int | None:
        """A number that the body may give; 0 and -1 mean none."""
        value = self.object().get(key)
        if value in (None, 0, -1):
            return None
        if not _is_number(value) or not 1 <= value <= MAX_NUMBER:
            raise RegistryError(422, f'"{key}" must be a number from 1 to {MAX_NUMBER}')
        return int(value)


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


_SHAPES: Mapping[str, type] = {
    "tags": dict, "properties": dict, "sensitive": list,
    "migrationRules": list, "domainRules": list, "encodingRules": list,
}  # fmt: skip


def _check_shape(key: str, value: Json) -> dict[str, Json] | None:
    """Metadata or a set of rules, whose parts have the shape that all clients rely on."""
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


def _split_context(path: str) -> tuple[str, str]:
    """Take `/contexts/.name` off the front of a path."""
    match = re.fullmatch(r"/contexts/(?::|%3A)?(\.[^/:%]*)(?::|%3A)?(/.*)", path)
    return (match[2], match[1]) if match else (path, DEFAULT_CONTEXT)


def _describe(call: _Call, schema: StoredSchema) -> dict[str, Json]:
    """A schema as the API writes it: the type is left out for Avro, and what there is none of."""
    content = schema.content
    is_resolved = call.text("format") == "resolved"
    value: dict[str, Json] = {
        "guid": content.guid,
        "schemaType": content.type if content.type != "AVRO" else None,
        "references": [asdict(one) for one in content.references] or None,
        "metadata": content.metadata,
        "ruleSet": content.rules,
        "schema": call.store.resolve(schema) if is_resolved else content.text,
    }
    return {key: item for key, item in value.items() if item is not None}


def _describe_version(call: _Call, version: Version) -> dict[str, Json]:
    head = {"subject": version.subject, "version": version.number, "id": version.schema.id}
    deleted = {"deleted": True} if version.is_deleted else {}
    return head | _describe(call, version.schema) | deleted


def _list_subjects(call: _Call) -> Json:
    names = call.history.subjects(_prefix(call), call.flag("deleted"), call.flag("deletedOnly"))
    return call.page(names)


def _prefix(call: _Call) -> str:
    if call.context == DEFAULT_CONTEXT:
        return call.text("subjectPrefix", ":*:")
    return qualify(call.text("subjectPrefix"), call.context)


def _list_versions(call: _Call) -> Json:
    found = call.history.versions(call.subject, call.flag("deleted"), call.flag("deletedOnly"))
    return call.page([version.number for version in found])


def _register(call: _Call) -> Json:
    version = call.store.register(
        call.subject,
        call.content(),
        id=call.wanted("id"),
        number=call.wanted("version"),
        normalize=call.flag("normalize"),
    )
    return {"id": version.schema.id, "guid": version.schema.content.guid}


def _look_up(call: _Call) -> Json:
    flags = call.flag("normalize"), call.flag("deleted")
    return _describe_version(call, call.store.lookup(call.subject, call.content(), *flags))


def _show_version(call: _Call) -> Json:
    found = call.history.version(call.subject, call.version, call.flag("deleted"))
    return _describe_version(call, found)


def _show_version_text(call: _Call) -> Response:
    found = call.history.version(call.subject, call.version, call.flag("deleted"))
    return Response(200, None, str(_describe(call, found.schema)["schema"]))


def _show_metadata(call: _Call) -> Json:
    """The latest version whose metadata has these properties."""
    keys, values = call.texts("key"), call.texts("value")
    if len(keys) != len(values):
        raise RegistryError(422, "Each key needs a value")
    wanted = dict(zip(keys, values, strict=True))
    for version in reversed(call.history.versions(call.subject, call.flag("deleted"))):
        properties = (version.schema.content.metadata or {}).get("properties") or {}
        if all(properties.get(key) == value for key, value in wanted.items()):
            return _describe_version(call, version)
    raise RegistryError(40403, "Schema not found")


def _show_id(call: _Call) -> Json:
    value = _describe(call, call.history.by_id(call.id, call.id_context))
    if call.flag("fetchMaxId"):
        value["maxId"] = call.history.max_id(call.id_context)
    return value


def _show_id_text(call: _Call) -> Response:
    schema = call.history.by_id(call.id, call.id_context)
    return Response(200, None, str(_describe(call, schema)["schema"]))


def _users_of_id(call: _Call) -> list[Version]:
    found = call.history.users_of_id(call.id, call.id_context, call.flag("deleted"))
    subject = qualify(call.text("subject"), call.context)
    return [one for one in found if not call.text("subject") or one.subject == subject]


def _list_schemas(call: _Call) -> Json:
    found = call.history.all_versions(_prefix(call), call.flag("deleted"))
    if call.flag("latestOnly"):
        found = list({version.subject: version for version in found}.values())
    return [_describe_version(call, version) for version in call.page(found)]


def _test_all(call: _Call) -> Json:
    normalize = call.flag("normalize")
    return _verdict(call, call.store.objections(call.subject, call.content(), normalize=normalize))


def _test_one(call: _Call) -> Json:
    normalize, number = call.flag("normalize"), call.version
    return _verdict(call, call.store.objections(
        call.subject, call.content(), number, only_one=True, normalize=normalize
    ))  # fmt: skip


def _verdict(call: _Call, objections: list[str]) -> Json:
    verdict: dict[str, Json] = {"is_compatible": not objections}
    return verdict | {"messages": objections} if call.flag("verbose") else verdict


def _show_config(call: _Call) -> Json:
    own = call.store.settings.own_configuration(call.scope)
    if call.scope and own is None and not call.flag("defaultToGlobal"):
        message = f"Subject '{call.scope}' does not have subject-level compatibility configured"
        raise RegistryError(40408, message)
    return call.store.settings.configuration(call.scope)


def _set_config(call: _Call) -> Json:
    body = call.object()
    for key in ("defaultMetadata", "overrideMetadata", "defaultRuleSet", "overrideRuleSet"):
        _check_shape(key, body.get(key))
    call.store.settings.configure(call.scope, body)
    return body


def _show_mode(call: _Call) -> Json:
    own = call.store.settings.own_mode(call.scope)
    if call.scope and own is None and not call.flag("defaultToGlobal"):
        message = f"Subject '{call.scope}' does not have subject-level mode configured"
        raise RegistryError(40409, message)
    return {"mode": call.store.settings.mode(call.scope)}


def _set_mode(call: _Call) -> Json:
    mode = str(call.object().get("mode")).upper()
    call.store.settings.set_mode(call.scope, mode, call.flag("force"))
    return {"mode": mode}


def _delete_mode(call: _Call) -> Json:
    return {"mode": call.store.settings.forget_mode(call.scope, call.flag("recursive"))}


_SUBJECT = "/subjects/{subject}"
_VERSION = _SUBJECT + "/versions/{version}"
_TABLE: tuple[tuple[str, str, Callable[[_Call], Json]], ...] = (
    ("GET", "/", lambda call: {}),
    ("GET", "/v1/metadata/id", lambda call: {"scope": {"path": [], "clusters": {}}, "id": ""}),
    ("GET", "/v1/metadata/version", lambda call: {"version": "kontrakt", "commitId": ""}),
    ("GET", "/contexts", lambda call: call.page(call.history.contexts())),
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
    ("GET", _VERSION + "/schema", _show_version_text),
    ("GET", _VERSION + "/referencedby",
     lambda call: call.history.referenced_by(call.subject, call.version, call.flag("deleted"))),
    ("GET", "/schemas", _list_schemas),
    ("GET", "/schemas/types", lambda call: list(SCHEMA_TYPES)),
    ("GET", "/schemas/ids/{id}", _show_id),
    ("GET", "/schemas/ids/{id}/schema", _show_id_text),
    ("GET", "/schemas/ids/{id}/subjects",
     lambda call: call.page(list(dict.fromkeys(one.subject for one in _users_of_id(call))))),
    ("GET", "/schemas/ids/{id}/versions",
     lambda call: [{"subject": one.subject, "version": one.number} for one in _users_of_id(call)]),
    ("GET", "/schemas/guids/{guid}",
     lambda call: _describe(call, call.history.by_guid(call.names["guid"])[0])),
    ("GET", "/schemas/guids/{guid}/ids",
     lambda call: [{"context": one.context, "id": one.id}
                   for one in call.history.by_guid(call.names["guid"])]),
    ("POST", "/compatibility" + _SUBJECT + "/versions", _test_all),
    ("POST", "/compatibility" + _VERSION, _test_one),
    ("GET", "/config", _show_config),
    ("PUT", "/config", _set_config),
    ("DELETE", "/config",
     lambda call: call.store.settings.forget_configuration(call.scope)),
    ("GET", "/config/{subject}", _show_config),
    ("PUT", "/config/{subject}", _set_config),
    ("DELETE", "/config/{subject}",
     lambda call: call.store.settings.forget_configuration(call.scope)),
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
