"""The schema registry over HTTP, with Confluent's paths: look schemas up, never register them.

Ids never change their meaning, so what was learnt is kept for as long as the process runs. Answers
are untrusted: their size, their references and their shape are bounded and checked.
"""

from __future__ import annotations

import base64
import json
import random
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
)

from ..avro.codec import EventType
from ..avro.versions import SchemaReference
from ..errors import (
    RegistryError,
    RegistryUnavailable,
    SchemaNotRegistered,
    SettingsError,
    UnknownSchema,
)
from .settings import RegistrySettings
from .transport import WriterSchema

_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_ANSWER_LIMIT: Final = 16 * 1024 * 1024
_REFERENCE_LIMIT: Final = 1000
_UNKNOWN_FOR: Final = 30.0
"""How long, in seconds, an id that the registry does not know is not asked for again."""
_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class _NoRedirect(HTTPRedirectHandler):
    # A redirect could carry the credentials to another host.
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class HttpRegistry:
    """A registry with Confluent's REST interface. Safe to use from several threads."""

    def __init__(self, settings: RegistrySettings) -> None:
        self.url = settings.urls[0]
        self._settings = settings
        self._opener = _make_opener(settings)
        self._headers = {"Accept": f"{_CONTENT_TYPE}, application/json", **_authorize(settings)}
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, WriterSchema] = {}
        self._unknown: dict[int, tuple[float, str]] = {}

    def look_up(self, event: EventType[Any]) -> int:
        """The id of an event's schema. Raises SchemaNotRegistered, RegistryUnavailable."""
        known = (event.subject, event.schema)
        with self._lock:
            if known not in self._ids:
                answer = self._find(event.name, event.subject, event.schema, event.references, {})
                self._ids[known] = _integer(answer, "id")
            return self._ids[known]

    def fetch(self, schema_id: int) -> WriterSchema:
        """The schema of this id. Raises UnknownSchema, RegistryUnavailable."""
        with self._lock:
            if schema_id in self._schemas:
                return self._schemas[schema_id]
            until, problem = self._unknown.get(schema_id, (0.0, ""))
            if time.monotonic() < until:
                raise UnknownSchema(schema_id, problem)
            try:
                schema = self._read(schema_id)
            except UnknownSchema as error:
                # A bounded memory of what does not exist: poison can name any of 2^32 ids.
                if len(self._unknown) >= 1000:
                    self._unknown.clear()
                problem = str(error).partition(": ")[2]
                self._unknown[schema_id] = (time.monotonic() + _UNKNOWN_FOR, problem)
                raise
            self._schemas[schema_id] = schema
            return schema

    def _find(
        self,
        name: str,
        subject: str,
        schema: str,
        references: tuple[SchemaReference, ...],
        found: dict[str, int],
    ) -> Mapping[str, object]:
        """Look a schema up after those that it refers to, which are named by their versions."""
        named: list[dict[str, object]] = []
        for reference in references:
            if reference.subject not in found:
                answer = self._find(
                    reference.name,
                    reference.subject,
                    reference.schema,
                    reference.references,
                    found,
                )
                found[reference.subject] = _integer(answer, "version")
            version = found[reference.subject]
            named.append({"name": reference.name, "subject": reference.subject, "version": version})
        body: dict[str, object] = {"schema": schema}
        if named:
            body["references"] = named
        registered = self._ask(f"/subjects/{quote(subject, safe='')}", body)
        if registered is None:
            raise SchemaNotRegistered(name, subject, self.url)
        return registered

    def _read(self, schema_id: int) -> WriterSchema:
        answer = self._ask(f"/schemas/ids/{schema_id}")
        if answer is None:
            raise UnknownSchema(schema_id, f"the registry at {self.url} has no schema of this id")
        kind = answer.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise UnknownSchema(schema_id, f"it is a schema of type {str(kind)[:40]!r}, not Avro")
        references: dict[str, str] = {}
        waiting = list(_references(answer))
        while waiting:
            name, subject, version = waiting.pop()
            if name in references:
                continue
            if len(references) >= _REFERENCE_LIMIT:
                raise UnknownSchema(schema_id, f"it needs more than {_REFERENCE_LIMIT} others")
            other = self._ask(f"/subjects/{quote(subject, safe='')}/versions/{version}")
            if other is None:
                raise UnknownSchema(schema_id, f"it refers to {subject} v{version}, which is gone")
            references[name] = _text(other, "schema")
            waiting.extend(_references(other))
        return WriterSchema(_text(answer, "schema"), references)

    def _ask(
        self, path: str, body: Mapping[str, object] | None = None
    ) -> Mapping[str, object] | None:
        """The registry's answer, or None where it says that it has no such thing.

        Only a producer's look-up is tried again here: a consumer must serve its group meanwhile.
        """
        problem = ""
        for attempt in range(self._settings.attempts if body else 1):
            if attempt:
                time.sleep(random.uniform(0.5, 1.0) * 0.2 * 2**attempt)
            for url in self._settings.urls:
                try:
                    return self._ask_once(url, path, body)
                except RegistryUnavailable as error:
                    problem = str(error)
        raise RegistryUnavailable(problem)

    def _ask_once(
        self, url: str, path: str, body: Mapping[str, object] | None
    ) -> Mapping[str, object] | None:
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = _CONTENT_TYPE
        try:
            request = Request(url + path, data, headers)
            with self._opener.open(request, timeout=self._settings.timeout) as response:
                status, text = response.status, response.read(_ANSWER_LIMIT + 1)
        except HTTPError as error:
            with error:
                status, text = error.code, _read_error(error)
        except ssl.SSLCertVerificationError as error:
            raise RegistryError(f"the certificate of {url} is not trusted: {error}") from error
        except (OSError, URLError, ValueError) as error:
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise RegistryError(f"the certificate of {url} is not trusted: {error}") from error
            raise RegistryUnavailable(f"the registry at {url} does not answer: {error}") from error
        except Exception as error:
            # http.client raises what is no OSError for answers that are not HTTP.
            raise RegistryUnavailable(f"{url} does not talk HTTP: {error!r}") from error
        return _judge(url, path, status, text)


def _judge(url: str, path: str, status: int, text: bytes) -> Mapping[str, object] | None:
    if status in _RETRIED:
        raise RegistryUnavailable(f"the registry at {url} answers HTTP {status}")
    if len(text) > _ANSWER_LIMIT:
        raise RegistryError(f"the answer of {url}{path} is larger than {_ANSWER_LIMIT} bytes")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RegistryError(
            f"{url}{path} answers HTTP {status} with something that is no answer of a schema "
            "registry; is SCHEMA_REGISTRY_URL right, with its path (such as /apis/ccompat/v7)?"
        )
    answer = cast("dict[str, object]", value)
    if status == 404 and answer.get("error_code") in (40401, 40402, 40403):
        return None
    if status in (401, 403):
        raise RegistryError(
            f"the registry at {url} refuses this service (HTTP {status}); check "
            "SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD or SCHEMA_REGISTRY_BEARER_TOKEN"
        )
    if status != 200:
        said = str(answer.get("message", ""))[:500]
        raise RegistryError(f"{url}{path} answers HTTP {status}: {said}")
    return answer


def _read_error(error: HTTPError) -> bytes:
    try:
        return error.read(_ANSWER_LIMIT + 1)
    except OSError:
        return b""


def _make_opener(settings: RegistrySettings) -> OpenerDirector:
    handlers: list[HTTPRedirectHandler | HTTPSHandler] = [_NoRedirect()]
    if any(url.startswith("https:") for url in settings.urls):
        try:
            context = ssl.create_default_context(cafile=settings.certificate_authority or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"SCHEMA_REGISTRY_CERTIFICATE_AUTHORITY: {settings.certificate_authority} "
                f"cannot be read as certificates: {error}"
            ) from error
        handlers.append(HTTPSHandler(context=context))
    return build_opener(*handlers)


def _authorize(settings: RegistrySettings) -> dict[str, str]:
    if settings.bearer_token:
        return {"Authorization": f"Bearer {settings.bearer_token}"}
    if settings.username:
        pair = f"{settings.username}:{settings.password}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    return {}


def _references(answer: Mapping[str, object]) -> list[tuple[str, str, int]]:
    references: object = answer.get("references") or []
    if not isinstance(references, list):
        raise RegistryError("the registry's answer has references that are no list")
    return [
        (_text(item, "name"), _text(item, "subject"), _integer(item, "version"))
        for item in cast("list[object]", references)
    ]


def _field(answer: object, name: str) -> object:
    return cast("dict[str, object]", answer).get(name) if isinstance(answer, dict) else None


def _text(answer: object, name: str) -> str:
    value = _field(answer, name)
    if not isinstance(value, str):
        raise RegistryError(f"the registry's answer has no text {name!r}")
    return value


def _integer(answer: object, name: str) -> int:
    value = _field(answer, name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise RegistryError(f"the registry's answer has no number {name!r}")
    return value
