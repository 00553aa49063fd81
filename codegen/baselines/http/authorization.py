"""What the header Authorization says: nothing, a name and password, a token, or a token that is
fetched from an authorization server and renewed before it ends.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path as FilePath
from threading import Lock
from time import monotonic
from typing import Protocol
from urllib.parse import SplitResult, quote_plus, unquote, urlencode

from codegen.baselines.answers import clean
from codegen.baselines.http.address import show_address, split_address
from codegen.baselines.http.connection import Connection
from codegen.contract.model import ClientCredentials, RegistrySettings
from codegen.diagnostics import CouldNotCheck, KontraktError
from codegen.source import Json, SourceError, read_json

EARLY = 30.0
"""Seconds before its end at which a token is renewed; sooner for one that lives shortly."""


def conceal(data: bytes, secrets: Iterable[str]) -> bytes:
    """What a server says, without the secrets that it was sent: some repeat them in their errors.

    They are found as they are, and as addresses, JSON and HTML write them. Very short ones stay, as
    they are found in any text.
    """
    for secret in secrets:
        if len(secret) > 3:
            pattern = b"".join(map(_spell, secret))
            # Hexadecimal digits come in both cases.
            data = re.sub(pattern, b"***", data, flags=re.IGNORECASE)
    return data


def _spell(character: str) -> bytes:
    """A pattern for all ways to write a character."""
    from html import escape  # noqa: PLC0415 - only for what a server refuses

    code = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    forms = {
        code,
        json.dumps(character)[1:-1].encode(),
        escape(character).encode(),
        b"".join(b"%%%02x" % byte for byte in code),
        b"".join(b"\\u%02x%02x" % (*units[at : at + 2],) for at in range(0, len(units), 2)),
        *({b"+"} if character == " " else ()),
        *({b"\\/"} if character == "/" else ()),
    }
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return b"(?:" + b"|".join(map(re.escape, longest_first)) + b")"


class Authorization(Protocol):
    """A way to be let in."""

    hint: str
    """What to look at when the registry refuses."""

    def header(self) -> str:
        """The value of the header, empty for none. May raise CouldNotCheck."""

    def renew(self, refused: str) -> bool:
        """After a 401 for this value: whether there is another one. May raise CouldNotCheck."""


class Fixed:
    """A header that stays as it is."""

    def __init__(self, value: str, hint: str) -> None:
        self._value = value
        self.hint = hint

    def header(self) -> str:
        """The value that was given."""
        return self._value

    def renew(self, refused: str) -> bool:
        """There is no other."""
        return False


class ClientCredentialsGrant:
    """A token for a client id and secret (RFC 6749, section 4.4), one for all threads."""

    hint = (
        "see registry.oauth: scope, parameters, and what the client may do; an identity pool is "
        "named in registry.headers"
    )

    def __init__(self, credentials: ClientCredentials, connection: Connection) -> None:
        self._connection = connection
        self._name = show_address(credentials.token_url)
        self._target = "/" if credentials.token_url.endswith("/") else ""
        self._headers, self._form = _write_request(credentials)
        self._secret = credentials.client_secret
        self._lock = Lock()
        self._header = ""
        self._renewal = 0.0

    def header(self) -> str:
        """The token that holds now. Raises CouldNotCheck when none can be had."""
        with self._lock:
            if not self._header or monotonic() >= self._renewal:
                self._fetch()
            return self._header

    def renew(self, refused: str) -> bool:
        """Fetch another token, unless another thread has done so meanwhile."""
        with self._lock:
            if self._header == refused:
                self._fetch()
        return True

    def _fetch(self) -> None:
        started = monotonic()
        reply = self._connection.exchange("POST", self._target, self._headers, self._form)
        sent = (self._secret, self._headers.get("Authorization", "").partition(" ")[2])
        body = _read_object(reply.data if reply.status == 200 else conceal(reply.data, sent))
        if reply.status != 200:
            error = f"{body.get('error', '')} {body.get('error_description', '')}".strip()
            said = clean(error, 200) or f"HTTP status {reply.status}"
            message = f"the token endpoint {self._name} gives no token: {said}"
            hint = "check client_id, client_secret and scope in registry.oauth"
            if reply.status == 404:
                hint = "check registry.oauth.token_url"
            raise CouldNotCheck(message, hint)
        token, kind = body.get("access_token"), body.get("token_type", "Bearer")
        is_token = isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]+", token)
        if not is_token or not isinstance(kind, str) or kind.lower() != "bearer":
            message = f"the token endpoint {self._name} answered without a bearer token"
            raise CouldNotCheck(message, "check registry.oauth.token_url")
        self._header = f"Bearer {token}"
        lifetime = body.get("expires_in")
        seconds = inf
        if isinstance(lifetime, int | float) and lifetime > 0:
            seconds = float(lifetime)
        self._renewal = started + seconds - min(EARLY, seconds / 4)


def make_authorization(
    settings: RegistrySettings, parts: SplitResult, root: FilePath
) -> Authorization:
    """The way that the settings give. Raises KontraktError when they give several."""
    username = settings.username or unquote(parts.username or "")
    password = settings.password or unquote(parts.password or "")
    ways = {
        "a user name and password": bool(username or password),
        "a bearer token": bool(settings.bearer_token),
        "OAuth": settings.oauth is not None,
    }
    given = [way for way, is_given in ways.items() if is_given]
    if len(given) > 1:
        message = f"the registry has {' and '.join(given)}: one way to log in is enough"
        raise KontraktError(message, "remove the others from the manifest, or from registry.url")
    if settings.oauth is not None:
        endpoint = split_address(settings.oauth.token_url, "a token endpoint")
        trusted = RegistrySettings(
            settings.url,
            certificate_authority=settings.certificate_authority,
            proxy=settings.proxy,
            connect_timeout=settings.connect_timeout,
            timeout=settings.timeout,
        )
        connection = Connection(endpoint, trusted, root, "registry.oauth.token_url")
        return ClientCredentialsGrant(settings.oauth, connection)
    if settings.bearer_token:
        # RFC 6750, section 2.1
        return Fixed(f"Bearer {settings.bearer_token}", "see registry.bearer_token")
    if username or password:
        # RFC 7617, in UTF-8
        pair = b64encode(f"{username}:{password}".encode()).decode()
        return Fixed(f"Basic {pair}", "see registry.username and registry.password")
    hint = "set registry.username and registry.password, registry.bearer_token or registry.oauth"
    return Fixed("", hint)


def _write_request(credentials: ClientCredentials) -> tuple[dict[str, str], bytes]:
    form = {**credentials.parameters, "grant_type": "client_credentials"}
    if credentials.scope:
        form["scope"] = credentials.scope
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "kontrakt",
    }
    if credentials.is_secret_in_body:
        form |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    else:
        # RFC 6749, section 2.3.1: both are encoded before they are joined.
        pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return headers, urlencode(form).encode()


def _read_object(data: bytes) -> Mapping[str, Json]:
    try:
        value = read_json("token", data.decode("utf-8")).value
    except (UnicodeDecodeError, SourceError):
        value = None
    return value if isinstance(value, dict) else {}
