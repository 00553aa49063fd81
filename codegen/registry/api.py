"""Confluent's REST API over a Store, without a web library: a request in, a response out.

The HTTP server and the tool itself both ask through here, so there is one place that knows paths,
queries, bodies and error codes. Routes are data; whatever they do not name is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import unquote

from codegen.registry.call import Call, Request
from codegen.registry.entries import (
    DEFAULT_CONTEXT,
    SCHEMA_TYPES,
    RegistryError,
    StoredSchema,
    Version,
    qualify,
)
from codegen.registry.store import Store
from codegen.source import Json


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
            return handler(Call(store, request, names, context))
    if is_known:
        raise RegistryError(405, "HTTP 405 Method Not Allowed")
    raise RegistryError(404, "HTTP 404 Not Found")


def _split_context(path: str) -> tuple[str, str]:
    """Take `/contexts/.name` off the front of a path."""
    match = re.fullmatch(r"/contexts/(?::|%3A)?(\.[^/:%]*)(?::|%3A)?(/.*)", path)
    return (match[2], match[1]) if match else (path, DEFAULT_CONTEXT)


def _describe(call: Call, schema: StoredSchema) -> dict[str, Json]:
    """A schema as the API writes it: the type is left out for Avro, and what there is none of."""
    content, tags = schema.content, call.texts("findTags")
    value: dict[str, Json] = {
        "guid": content.guid,
        "schemaType": content.type if content.type != "AVRO" else None,
        "references": _describe_references(call, schema) or None,
        "metadata": content.metadata,
        "ruleSet": content.rules,
        "schema": _write_text(call, schema),
        "schemaTags": call.store.find_tags(schema, tags) if tags else None,
    }
    return {key: item for key, item in value.items() if item is not None}


def _describe_references(call: Call, schema: StoredSchema) -> list[Json]:
    context = schema.context if call.text("referenceFormat").lower() == "qualified" else ""
    return [
        asdict(one) | ({"subject": qualify(one.subject, context)} if context else {})
        for one in schema.content.references
    ]


def _write_text(call: Call, schema: StoredSchema) -> str:
    is_resolved = call.text("format") == "resolved"
    return call.store.resolve(schema) if is_resolved else schema.content.text


def _describe_version(call: Call, version: Version) -> dict[str, Json]:
    head = {"subject": version.subject, "version": version.number, "id": version.schema.id}
    deleted = {"deleted": True} if version.is_deleted else {}
    return head | _describe(call, version.schema) | deleted


def _list_subjects(call: Call) -> Json:
    names = call.history.subjects(_prefix(call), call.flag("deleted"), call.flag("deletedOnly"))
    return call.page(names)


def _prefix(call: Call) -> str:
    if call.context == DEFAULT_CONTEXT:
        return call.text("subjectPrefix", ":*:")
    return qualify(call.text("subjectPrefix"), call.context)


def _list_versions(call: Call) -> Json:
    found = call.history.versions(call.subject, call.flag("deleted"), call.flag("deletedOnly"))
    return call.page([version.number for version in found])


def _register(call: Call) -> Json:
    sent = call.content()
    version = call.store.register(
        call.subject,
        sent,
        id=call.wanted("id"),
        number=call.wanted("version"),
        normalize=call.flag("normalize"),
    )
    kept = version.schema.content
    if (kept.metadata, kept.rules) != (sent.metadata, sent.rules):
        # The settings or the version before gave more than was sent: the client is told all.
        return _describe_version(call, version)
    return {"id": version.schema.id, "guid": kept.guid}


def _look_up(call: Call) -> Json:
    flags = call.flag("normalize"), call.flag("deleted")
    return _describe_version(call, call.store.lookup(call.subject, call.content(), *flags))


def _show_version(call: Call) -> Json:
    found = call.history.version(call.subject, call.version, call.flag("deleted"))
    return _describe_version(call, found)


def _show_version_text(call: Call) -> Response:
    found = call.history.version(call.subject, call.version, call.flag("deleted"))
    return Response(200, None, _write_text(call, found.schema))


def _show_metadata(call: Call) -> Json:
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


def _show_id(call: Call) -> Json:
    value = _describe(call, call.history.by_id(call.id, call.id_context))
    if call.flag("fetchMaxId"):
        value["maxId"] = call.history.max_id(call.id_context)
    return value


def _show_id_text(call: Call) -> Response:
    return Response(200, None, _write_text(call, call.history.by_id(call.id, call.id_context)))


def _list_contexts(call: Call) -> Json:
    prefix = call.text("contextPrefix").lstrip(":")
    return call.page([name for name in call.history.contexts() if name.startswith(prefix)])


def _delete_context(call: Call) -> Response:
    call.store.delete_context(call.names["context"].strip(":"))
    return Response(204, None, "")


def _users_of_id(call: Call) -> list[Version]:
    found = call.history.users_of_id(call.id, call.id_context, call.flag("deleted"))
    subject = qualify(call.text("subject"), call.context)
    return [one for one in found if not call.text("subject") or one.subject == subject]


def _list_schemas(call: Call) -> Json:
    found = call.history.all_versions(_prefix(call), call.flag("deleted"))
    if call.flag("latestOnly"):
        found = list({version.subject: version for version in found}.values())
    return [_describe_version(call, version) for version in call.page(found)]


def _test_all(call: Call) -> Json:
    normalize = call.flag("normalize")
    return _verdict(call, call.store.objections(call.subject, call.content(), normalize=normalize))


def _test_one(call: Call) -> Json:
    normalize, number = call.flag("normalize"), call.version
    return _verdict(call, call.store.objections(
        call.subject, call.content(), number, only_one=True, normalize=normalize
    ))  # fmt: skip


def _verdict(call: Call, objections: list[str]) -> Json:
    verdict: dict[str, Json] = {"is_compatible": not objections}
    return verdict | {"messages": objections} if call.flag("verbose") else verdict


def _show_config(call: Call) -> Json:
    own = call.store.settings.own_configuration(call.scope)
    if call.scope and own is None and not call.flag("defaultToGlobal"):
        message = f"Subject '{call.scope}' does not have subject-level compatibility configured"
        raise RegistryError(40408, message)
    return call.store.settings.configuration(call.scope)


def _set_config(call: Call) -> Json:
    body = call.object()
    for key in ("defaultMetadata", "overrideMetadata", "defaultRuleSet", "overrideRuleSet"):
        call.shaped(key)
    call.store.settings.configure(call.scope, body)
    return body


def _show_mode(call: Call) -> Json:
    own = call.store.settings.own_mode(call.scope)
    if call.scope and own is None and not call.flag("defaultToGlobal"):
        message = f"Subject '{call.scope}' does not have subject-level mode configured"
        raise RegistryError(40409, message)
    return {"mode": call.store.settings.mode(call.scope)}


def _set_mode(call: Call) -> Json:
    mode = str(call.object().get("mode")).upper()
    call.store.settings.set_mode(call.scope, mode, call.flag("force"))
    return {"mode": mode}


def _delete_mode(call: Call) -> Json:
    return {"mode": call.store.settings.forget_mode(call.scope, call.flag("recursive"))}


_SUBJECT = "/subjects/{subject}"
_VERSION = _SUBJECT + "/versions/{version}"
_TABLE: tuple[tuple[str, str, Callable[[Call], Json]], ...] = (
    ("GET", "/", lambda call: {}),
    ("GET", "/v1/metadata/id", lambda call: {"scope": {"path": [], "clusters": {}}, "id": ""}),
    ("GET", "/v1/metadata/version", lambda call: {"version": "kontrakt", "commitId": ""}),
    ("GET", "/contexts", _list_contexts),
    ("DELETE", "/contexts/{context}", _delete_context),
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
