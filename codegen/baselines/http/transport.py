"""A registry behind HTTP or HTTPS: requests in JSON, and answers in JSON or in clear words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path as FilePath
from urllib.parse import unquote, urlencode

from codegen.baselines.answers import Answer, clean
from codegen.baselines.http.address import show_address, split_address
from codegen.baselines.http.authorization import conceal, make_authorization
from codegen.baselines.http.connection import LONGEST_PAUSE, Connection, Reply, choose_pause
from codegen.contract.model import RegistrySettings
from codegen.diagnostics import CouldNotCheck, KontraktError
from codegen.source import Json, SourceError, read_json

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
ACCEPT = f"{MEDIA_TYPE}, application/vnd.schemaregistry+json, application/json"


class HttpTransport:
    """A registry behind HTTP or HTTPS, with one pool of connections for all threads."""

    def __init__(self, settings: RegistrySettings, root: FilePath) -> None:
        """Nothing is sent yet. Raises KontraktError for settings that cannot be meant."""
        parts = split_address(settings.url or "")
        if settings.client_certificate and parts.scheme != "https":
            message = "registry.client_certificate needs an address that begins with https://"
            raise KontraktError(message, hint="check registry.url")
        self._connection = Connection(parts, settings, root, "registry.url")
        self._authorization = make_authorization(settings, parts, root)
        self.name = self._connection.name
        password = settings.password or unquote(parts.password or "")
        self._secrets = (password, settings.bearer_token, *settings.headers.values())
        self._headers = {
            **settings.headers,
            "Accept": ACCEPT,
            "Accept-Encoding": "gzip",
            "Content-Type": MEDIA_TYPE,
            "User-Agent": "kontrakt",
        }

    def send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Json = None
    ) -> Answer:
        """Ask over HTTP, again where that may help. Raises CouldNotCheck."""
        data = None if body is None else json.dumps(body).encode()
        target = f"{path}?{urlencode(query)}" if query else path
        header = self._authorization.header()
        reply = self._send(method, target, header, data)
        if reply.status == HTTPStatus.UNAUTHORIZED and self._authorization.renew(header):
            header = self._authorization.header()
            reply = self._send(method, target, header, data)
        answer = Answer(reply.status, self._parse(reply, header.partition(" ")[2]))
        self._refuse(f"{method} {path}", reply, answer.message or "it gives no reason")
        return answer

    def _send(self, method: str, target: str, authorization: str, data: bytes | None) -> Reply:
        headers = self._headers
        if authorization:
            headers = {**headers, "Authorization": authorization}
        return self._connection.exchange(method, target, headers, data)

    def _refuse(self, request: str, reply: Reply, said: str) -> None:
        """Raise CouldNotCheck for an answer that is about who asks, or how often."""
        match reply.status:
            case HTTPStatus.UNAUTHORIZED:
                message = f"{self.name} refused the credentials (401): {said}"
                raise CouldNotCheck(message, self._authorization.hint)
            case HTTPStatus.FORBIDDEN:
                message = f"{self.name} does not allow {clean(request, 100)} (403): {said}"
                raise CouldNotCheck(
                    message, f"ask for the right to do so; {self._authorization.hint}"
                )
            case HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                hint = "put user and password into registry.proxy: http://user:password@host:port"
                raise CouldNotCheck(f"the proxy before {self.name} wants credentials (407)", hint)
            case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
                pause = choose_pause(0, reply.headers.get("Retry-After"))
                if pause > LONGEST_PAUSE:
                    message = f"{self.name} is busy ({reply.status}): {said}"
                    raise CouldNotCheck(message, f"it asks to try again in {pause:.0f} seconds")

    def _parse(self, reply: Reply, token: str) -> Json:
        if 300 <= reply.status < 400:
            target = show_address(reply.headers.get("Location", ""))
            message = f"{self.name} redirects to {target or 'nowhere'}"
            raise CouldNotCheck(message, "if you trust that address, put it into registry.url")
        if reply.status == HTTPStatus.NO_CONTENT or (not reply.data and reply.status >= 400):
            return None
        secrets = (*self._secrets, token)
        if reply.status >= 400:
            reply = replace(reply, data=conceal(reply.data, secrets))
        try:
            return read_json(self.name, reply.data.decode("utf-8")).value
        except (UnicodeDecodeError, SourceError):
            shown = _describe(replace(reply, data=conceal(reply.data, secrets)))
            if reply.status >= 400:
                return {"message": shown}
            message = f"{self.name} answered {shown} instead of JSON"
            hint = (
                "registry.url must be the base address of Confluent's API (Apicurio's ends in "
                "/apis/ccompat/v7), and not a web page or a sign-in page before it"
            )
            raise CouldNotCheck(message, hint) from None


def _describe(reply: Reply) -> str:
    if not reply.data.strip():
        return "nothing"
    kind = clean(reply.headers.get("Content-Type", "").partition(";")[0], 60)
    if "html" in kind or reply.data.lstrip()[:1] == b"<":
        return "an HTML page"
    return f"{kind or 'text'}: {clean(reply.data.decode('utf-8', 'replace'), 80)}"
