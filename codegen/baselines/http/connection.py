"""One host over HTTP: TLS, a proxy, a pool of connections, and requests that are sent again.

What is sent can always be sent twice: questions, and the registration of a schema, which finds the
schema that an earlier, unanswered request registered. So connections that break and servers that
are busy are tried again, with pauses that grow. A time-out is not: it has cost its time already.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path as FilePath
from random import uniform
from time import sleep, time
from urllib.parse import SplitResult, unquote
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, exceptions

from codegen.baselines.answers import AnswerTooLong
from codegen.baselines.http.address import base_address, show_address, split_address
from codegen.baselines.http.bounds import MAX_ANSWER, POOLS
from codegen.baselines.http.failures import TooLong, Way, explain
from codegen.baselines.retrieval import CONNECTIONS
from codegen.contract.model import RegistrySettings
from codegen.diagnostics import CouldNotCheck, KontraktError

RETRIES = 3
"""How often a request is sent again."""

LONGEST_PAUSE = 30.0
"""Seconds; a server that asks for a longer one in Retry-After is given up."""

BUSY = (408, 429, 500, 502, 503, 504)
"""Statuses that may be gone a moment later."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Connection:
    """The host of an address, for all threads. Nothing is sent before the first request."""

    def __init__(
        self, parts: SplitResult, settings: RegistrySettings, root: FilePath, url_key: str
    ) -> None:
        """`url_key` is the manifest's key for the address. Raises KontraktError."""
        self.name = base_address(parts)
        proxy = _choose_proxy(parts, settings.proxy)
        is_secure = parts.scheme == "https"
        context = _make_context(settings, root) if is_secure else None
        self._way = Way(
            url_key,
            is_secure,
            show_address(proxy),
            min(settings.connect_timeout, settings.timeout),
            settings.timeout,
        )
        self._timeout = Timeout(connect=self._way.connect_timeout, read=settings.timeout)
        self._pool = _make_pool(proxy, context)

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Reply:
        """Send a request for what lies at `target` below the address, and return the answer.

        At most RETRIES times again, with a pause of at most LONGEST_PAUSE seconds before each.
        Raises CouldNotCheck when there is no answer.
        """
        for attempt in range(1, RETRIES + 2):
            asked_for = None
            try:
                reply = self._ask(method, target, headers, body)
                asked_for = reply.headers.get("Retry-After")
            except TooLong:
                message = f"{self.name} answered more than {MAX_ANSWER:,} bytes"
                hint = f"check that {self._way.url_key} is a schema registry"
                raise AnswerTooLong(message, hint) from None
            except (exceptions.HTTPError, OSError, ValueError) as error:
                failure = explain(error, self._way)
                if not failure.is_passing or attempt > RETRIES:
                    tried = f" (tried {attempt} times)" if attempt > 1 else ""
                    message = f"{self.name} {failure.message}{tried}"
                    raise CouldNotCheck(message, failure.hint) from None
            else:
                if reply.status not in BUSY or attempt > RETRIES:
                    return reply
            pause = choose_pause(attempt, asked_for)
            if pause > LONGEST_PAUSE:
                return reply
            sleep(pause)
        raise AssertionError(attempt)

    def _ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        response = self._pool.urlopen(
            method,
            self.name + target,
            body=body,
            headers=headers,
            timeout=self._timeout,
            retries=False,
            redirect=False,
            preload_content=False,
        )
        try:
            data = self._read(response)
        except BaseException:
            response.close()  # the rest of the answer would be taken for the next one
            raise
        finally:
            response.release_conn()
        return Reply(response.status, response.headers, data)

    def _read(self, response: BaseHTTPResponse) -> bytes:
        data = bytearray()
        while chunk := response.read1(65_536, decode_content=True):
            data += chunk
            if len(data) > MAX_ANSWER:
                raise TooLong
        return bytes(data)


def choose_pause(attempt: int, asked_for: str | None) -> float:
    """Seconds before a request is sent again: what the server asks for, or more each time.

    Without Retry-After (RFC 9110, section 10.2.3) 0.2 s, doubled each time, less up to a half by
    chance, so that many threads do not come back at once.
    """
    pause = _read_pause(asked_for or "")
    if pause is not None:
        return pause
    return 0.2 * 2.0 ** (attempt - 1) * uniform(0.5, 1.0)


def _read_pause(text: str) -> float | None:
    """Seconds from now that a Retry-After says, as a number or a date; None for neither."""
    if re.fullmatch(r"[0-9]{1,20}", text):
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time(), 0.0)
    except (ValueError, OverflowError, OSError):
        return None


def _choose_proxy(parts: SplitResult, named: str) -> str:
    """The proxy for an address: the named one, or that of the environment; empty for none.

    This machine itself is never asked for through a proxy of the environment.
    """
    if named:
        return named
    host = parts.hostname or ""
    if _is_loopback(host) or proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return ""
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _make_pool(proxy: str, context: ssl.SSLContext | None) -> PoolManager:
    """Connections to one host, through a proxy where there is one. Raises KontraktError."""
    pool: PoolManager
    if proxy:
        parts = split_address(proxy, "a proxy")
        headers = {}
        if parts.username or parts.password:
            # RFC 7617, in UTF-8
            pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
            headers["Proxy-Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        address = base_address(parts)
        pool = ProxyManager(
            address,
            1,
            proxy_headers=headers,
            maxsize=CONNECTIONS,
            block=True,
            ssl_context=context,
        )
    else:
        pool = PoolManager(1, maxsize=CONNECTIONS, block=True, ssl_context=context)
    pool.pool_classes_by_scheme = POOLS
    return pool


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _make_context(settings: RegistrySettings, root: FilePath) -> ssl.SSLContext:
    """TLS as Python's defaults have it: versions, host name and certificate are all checked."""
    authority = _find_file(settings.certificate_authority, "certificate_authority", root)
    try:
        context = ssl.create_default_context(cafile=authority)
    except (ssl.SSLError, OSError):
        message = f"registry.certificate_authority: {authority} holds no certificates"
        raise KontraktError(message, hint="name a PEM file") from None
    certificate = _find_file(settings.client_certificate, "client_certificate", root)
    key = _find_file(settings.client_key, "client_key", root)
    if certificate is None:
        return context
    try:
        # Without a function here OpenSSL would ask for the password on the terminal.
        context.load_cert_chain(certificate, key, lambda: settings.client_key_password)
    except (ssl.SSLError, OSError, ValueError):
        message = f"registry.client_certificate: {certificate} cannot be used with its key"
        hint = (
            "both must be PEM files that belong together; the password of the key is "
            "registry.client_key_password"
        )
        raise KontraktError(message, hint) from None
    return context


def _find_file(name: str, key: str, root: FilePath) -> FilePath | None:
    if not name:
        return None
    file = root / FilePath(name).expanduser()
    if not file.is_file():
        message = f"registry.{key}: there is no file {file}"
        raise KontraktError(message, hint="name a PEM file, relative to the repository")
    return file
