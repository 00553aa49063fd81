"""What an exception on the way to a registry means, and what to do about it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from urllib3 import exceptions

from codegen.baselines.answers import clean


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there was no answer. `is_passing` says that the same may work when sent again."""

    message: str
    hint: str
    is_passing: bool = False


class Way(NamedTuple):
    """How a host was asked: by which keys of the manifest it is named, and through what."""

    url_key: str
    is_secure: bool
    proxy: str
    connect_timeout: float
    timeout: float


class TooSlow(exceptions.ReadTimeoutError):
    """An answer began in time and did not end in time."""

    def __init__(self) -> None:
        super().__init__(None, "", "the answer comes in drops")  # type: ignore[arg-type]


class TooLong(exceptions.HTTPError):
    """An answer is longer than any that is read."""


def explain(error: Exception, way: Way) -> Failure:
    """Put an exception of urllib3 or of the operating system into words."""
    causes = [one for one in _chain(error) if type(one) is not exceptions.NewConnectionError]

    def is_caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_caused_by(exceptions.ProxyError):
        return _explain_proxy(causes, way)
    if is_caused_by(exceptions.NameResolutionError):
        hint = f"check the host in {way.url_key}, and the network (DNS, VPN)"
        return Failure("cannot be found: no such host", hint)
    if is_caused_by(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return _explain_closure(way)
    tls = next((one for one in causes if isinstance(one, ssl.SSLError)), None)
    if tls is not None:
        return _explain_tls(tls, way)
    if is_caused_by(ConnectionRefusedError):
        hint = f"start it, or check {way.url_key}"
        return Failure("cannot be reached: nothing listens there", hint, is_passing=True)
    if is_caused_by(exceptions.ConnectTimeoutError):
        message = f"cannot be reached: no connection within {way.connect_timeout:g} seconds"
        hint = f"check {way.url_key} and the firewall, or raise registry.connect_timeout"
        return Failure(message, hint)
    if is_caused_by(exceptions.TimeoutError, TimeoutError):
        hint = "try again, or raise registry.timeout"
        return Failure(f"did not answer within {way.timeout:g} seconds", hint)
    if is_caused_by(exceptions.DecodeError):
        return Failure("answered with damaged data", "try again; look for a proxy on the way")
    if is_caused_by(exceptions.IncompleteRead, exceptions.InvalidChunkLength):
        return Failure("broke off in the middle of its answer", "try again", is_passing=True)
    if is_caused_by(exceptions.ProtocolError, ConnectionResetError, BrokenPipeError):
        return _explain_closure(way)
    said = _last_words(causes)
    return Failure(f"cannot be reached: {said}", f"check {way.url_key} and the network")


def _explain_closure(way: Way) -> Failure:
    # A server that misses a client certificate may hang up before it could be heard to say so.
    mistake = (
        "wants a client certificate, it is named in registry.client_certificate"
        if way.is_secure
        else f"speaks TLS, {way.url_key} must begin with https://"
    )
    hint = f"try again, and look into its log; if it {mistake}"
    return Failure("closed the connection without an answer", hint, is_passing=True)


def _explain_proxy(causes: list[BaseException], way: Way) -> Failure:
    said = _last_words(causes)
    where = f"cannot be reached through the proxy {way.proxy}"
    key = "registry.proxy (or HTTPS_PROXY, HTTP_PROXY)"
    if " 407 " in f"{said} ":
        hint = f"put user and password into {key}: http://user:password@host:port"
        return Failure(f"{where}: the proxy wants credentials (407)", hint)
    return Failure(f"{where}: {said}", f"check {key} and NO_PROXY")


_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
_WRONG_TIME = (9, 10)
_WRONG_HOST = (62, 64)
"""Codes of X509_V_ERR_*, openssl/x509_vfy.h."""


def _explain_tls(error: ssl.SSLError, way: Way) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"has a certificate that is not trusted: {clean(error.verify_message, 200)}"
        if error.verify_code in _UNKNOWN_AUTHORITY:
            hint = "name the PEM file of its authority in registry.certificate_authority"
        elif error.verify_code in _WRONG_TIME:
            hint = "it must be renewed there; check the clock here"
        elif error.verify_code in _WRONG_HOST:
            hint = f"use the name that the certificate is for in {way.url_key}"
        else:
            hint = "see registry.certificate_authority"
        return Failure(message, hint)
    reason = error.reason or ""
    if "CERTIFICATE_REQUIRED" in reason:
        hint = "name yours in registry.client_certificate and registry.client_key"
        return Failure("wants a client certificate (mTLS)", hint)
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        hint = "see whether registry.client_certificate is from an authority that it knows"
        return Failure(f"does not accept the client certificate: {_words(reason)}", hint)
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return Failure("does not speak TLS", f"begin {way.url_key} with http:// if that is meant")
    said = _words(reason) or _last_words([error])
    hint = f"check https or http in {way.url_key}, and registry.client_certificate"
    return Failure(f"and we do not agree on TLS: {said}", hint)


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it wraps, in all the ways in which urllib3 wraps."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [getattr(current, "reason", None), *current.args, current.__cause__]
        waiting.append(getattr(current, "original_error", None))


def _last_words(causes: list[BaseException]) -> str:
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return clean(cause.strerror, 200)
    return clean(str(causes[-1]) or type(causes[-1]).__name__, 200)
