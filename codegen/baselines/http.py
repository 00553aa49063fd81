"""The way to a registry over HTTP.

Nothing is trusted: answers are bounded in size and time, no redirect is followed (so
credentials go to the named host only), TLS is verified, and every failure is one CouldNotCheck
that names the address without its credentials. This is the one module that imports requests.
"""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry, exceptions

from codegen.baselines.registry import CONNECTIONS, Answer, clean
from codegen.contract.model import RegistrySettings
from codegen.diagnostics import CouldNotCheck, KontraktError
from codegen.source import Json, SourceError, read_json

if TYPE_CHECKING:
    from urllib3.connectionpool import ConnectionPool
    from urllib3.response import BaseHTTPResponse

MAX_ANSWER = 16_000_000
"""A longer answer, in bytes, is refused."""

RETRIES = 3
"""How often a request is sent again after 429, a status of 5xx, or a refused connection."""

LONGEST_PAUSE = 5.0
"""Seconds between two attempts, whatever the registry asks for in Retry-After."""

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
ACCEPT = f"{MEDIA_TYPE}, application/vnd.schemaregistry+json, application/json"


def choose_address(url: str, settings: RegistrySettings) -> RegistrySettings:
    """The settings for another address; the credentials go along to the same host only."""
    wanted = _split_address(url)
    if settings.url:
        known = _split_address(settings.url)
        if (known.scheme, known.hostname, known.port) == (
            wanted.scheme,
            wanted.hostname,
            wanted.port,
        ):
            return replace(settings, url=url)
    return RegistrySettings(
        url, certificate_authority=settings.certificate_authority, timeout=settings.timeout
    )


class HttpTransport:
    """A registry behind HTTP or HTTPS, with one pool of connections for all threads."""

    def __init__(self, settings: RegistrySettings, root: FilePath) -> None:
        parts = _split_address(settings.url or "")
        self.name = _without_credentials(parts)
        self._timeout = settings.timeout
        verify: str | bool = True
        if settings.certificate_authority:
            file = root / settings.certificate_authority
            if not file.is_file():
                message = f"registry.certificate_authority: there is no file {file}"
                raise KontraktError(message, hint="name a PEM file, relative to the repository")
            verify = str(file)
        self._headers = {"Accept": ACCEPT, "Content-Type": MEDIA_TYPE, "User-Agent": "kontrakt"}
        if authorization := _write_authorization(settings, parts):
            self._headers["Authorization"] = authorization
        self._session = _open_session()
        # Proxies and certificates of the environment: asked for once, it is slow.
        self._surroundings = self._session.merge_environment_settings(
            self.name, {}, True, verify, None
        )

    def send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Json = None
    ) -> Answer:
        """Ask over HTTP, again where that is safe and may help. Raises CouldNotCheck."""
        data = None if body is None else json.dumps(body).encode()
        try:
            request = requests.Request(
                method, self.name + path, self._headers, data=data, params=query
            ).prepare()
            response = self._session.send(
                request,
                timeout=(self._timeout, self._timeout),
                allow_redirects=False,
                **self._surroundings,
            )
            with response:
                content = self._read(response)
        except (requests.RequestException, exceptions.HTTPError, OSError, ValueError) as error:
            message, hint = _explain(error, self._timeout)
            raise CouldNotCheck(f"{self.name} {message}", hint) from None
        return Answer(response.status_code, self._parse(response, content))

    def _read(self, response: requests.Response) -> bytes:
        """The body, whole. A server that sends it in drops is as slow as one that sends none."""
        read = getattr(response.raw, "read1", response.raw.read)
        deadline = monotonic() + self._timeout
        data = bytearray()
        while chunk := read(65_536, decode_content=True):
            data += chunk
            if len(data) > MAX_ANSWER:
                message = f"{self.name} answered more than {MAX_ANSWER:,} bytes"
                raise CouldNotCheck(message, "check that registry.url is a schema registry")
            if monotonic() > deadline:
                raise requests.Timeout
        return bytes(data)

    def _parse(self, response: requests.Response, data: bytes) -> Json:
        status = response.status_code
        if 300 <= status < 400:
            target = _printable_address(response.headers.get("Location", ""))
            message = f"{self.name} redirects to {target or 'nowhere'}"
            raise CouldNotCheck(message, "if you trust that address, put it into registry.url")
        if status == 204 or (not data and status >= 400):
            return None
        try:
            return read_json(self.name, data.decode("utf-8")).value
        except (UnicodeDecodeError, SourceError):
            if status >= 400:
                return {"message": f"HTTP status {status}, {_describe(response, data)}"}
            message = f"{self.name} answered {_describe(response, data)} instead of JSON"
            hint = (
                "registry.url must be the base address of Confluent's API (Apicurio's ends in "
                "/apis/ccompat/v7), and not a web page or a sign-in page before it"
            )
            raise CouldNotCheck(message, hint) from None


def _split_address(url: str) -> SplitResult:
    example = "an example: http://127.0.0.1:8081"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except (ValueError, UnicodeError):
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        shown = _printable_address(url)
        raise KontraktError(f"{shown} is no address of a registry", hint=example)
    return parts


def _without_credentials(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def _printable_address(url: str) -> str:
    """An address for people; when it is not understood, without all before the last `@`."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if not separator:
        return clean(url.rpartition("@")[2], 200)
    return clean(scheme + separator + host.rpartition("@")[2] + slash + path, 200)


def _open_session() -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(
        pool_connections=1, pool_maxsize=CONNECTIONS, pool_block=True, max_retries=_make_retry()
    )
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _write_authorization(settings: RegistrySettings, parts: SplitResult) -> str:
    """The header Authorization: RFC 6750 for a token, RFC 7617 in UTF-8 for a name."""
    if settings.bearer_token:
        return f"Bearer {settings.bearer_token}"
    username = settings.username or unquote(parts.username or "")
    password = settings.password or unquote(parts.password or "")
    if not username and not password:
        return ""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


class _Patience(Retry):
    """Retries that neither wait for as long as they are told nor repeat a time-out."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        pause = super().get_retry_after(response)
        return None if pause is None else min(pause, LONGEST_PAUSE)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> _Patience:
        if isinstance(error, exceptions.TimeoutError) and not isinstance(
            error, exceptions.NewConnectionError
        ):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def _make_retry() -> Retry:
    return _Patience(
        total=RETRIES,
        backoff_factor=0.2,
        backoff_max=LONGEST_PAUSE,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,  # all that is sent can be sent twice, registering included
        raise_on_status=False,
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it wraps, in all the ways in which requests and urllib3 wrap."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [getattr(current, "reason", None), *current.args, current.__cause__]


def _explain(error: Exception, timeout: float) -> tuple[str, str]:
    """What went wrong on the way, and what to do."""
    # A plain NewConnectionError is a time-out to urllib3, whatever stopped the connection.
    causes = [one for one in _chain(error) if type(one) is not exceptions.NewConnectionError]

    def is_caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_caused_by(requests.exceptions.ProxyError, exceptions.ProxyError):
        return "cannot be reached through the proxy", "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    if is_caused_by(exceptions.NameResolutionError):
        return "cannot be found: no such host", "check the address in registry.url"
    if is_caused_by(ssl.SSLCertVerificationError):
        hint = "name the certificates to trust in registry.certificate_authority"
        return f"has a certificate that is not trusted: {_last_words(causes)}", hint
    if is_caused_by(requests.exceptions.SSLError, ssl.SSLError):
        hint = "check https or http in registry.url, and registry.certificate_authority"
        return f"and we do not agree on TLS: {_last_words(causes)}", hint
    if is_caused_by(ConnectionRefusedError):
        return "cannot be reached: nothing listens there", "start it, or check registry.url"
    if is_caused_by(requests.exceptions.Timeout, exceptions.TimeoutError):
        hint = "try again, or raise registry.timeout"
        return f"did not answer within {timeout:g} seconds", hint
    if is_caused_by(exceptions.IncompleteRead, requests.exceptions.ChunkedEncodingError):
        return "broke off in the middle of its answer", "try again"
    if is_caused_by(exceptions.ProtocolError, ConnectionResetError):
        return "closed the connection without an answer", "try again, and look into its log"
    return f"cannot be reached: {_last_words(causes)}", "check registry.url and the network"


def _last_words(causes: list[BaseException]) -> str:
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return clean(cause.strerror, 200)
    return clean(str(causes[-1]) or type(causes[-1]).__name__, 200)


def _describe(response: requests.Response, data: bytes) -> str:
    if not data.strip():
        return "nothing"
    kind = clean(response.headers.get("Content-Type", "").partition(";")[0], 60)
    if "html" in kind or data.lstrip()[:1] == b"<":
        return "an HTML page"
    return f"{kind or 'text'}: {clean(data.decode('utf-8', 'replace'), 80)}"
