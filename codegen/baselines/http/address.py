"""Addresses: what they must look like, and how they are shown, which is without credentials."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import SplitResult, urlsplit, urlunsplit

from codegen.baselines.answers import clean
from codegen.contract.model import RegistrySettings
from codegen.diagnostics import KontraktError


def split_address(url: str, what: str = "a registry") -> SplitResult:
    """The parts of an http or https address without query. Raises KontraktError for another."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except (ValueError, UnicodeError):
        host = None
    hosts = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    is_list = url.count("://") > 1 or "," in hosts
    is_plain = host and parts.scheme in ("http", "https") and not (parts.query or parts.fragment)
    if not url:
        message = f"the address of {what} is empty"
        raise KontraktError(message, hint="if it comes from a variable, see that this is set")
    if not is_plain or is_list:
        hint = "an example: http://127.0.0.1:8081"
        if is_list:
            hint = "give one address; lists of them are not supported"
        raise KontraktError(f"{show_address(url)} is no address of {what}", hint=hint)
    return parts


def base_address(parts: SplitResult) -> str:
    """An address without credentials and without a slash at its end."""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def show_address(url: str) -> str:
    """An address for people; when it is not understood, without all before the last `@`."""
    scheme, separator, rest = url.rpartition("://")
    if not separator:
        return clean(url.rpartition("@")[2], 200)
    host, slash, path = rest.partition("/")
    path = path.partition("?")[0].rpartition("@")[2]
    scheme = scheme.rpartition("@")[2].rpartition(",")[2]
    return clean(scheme + separator + host.rpartition("@")[2] + slash + path, 200)


def choose_address(url: str, settings: RegistrySettings) -> RegistrySettings:
    """The settings for another address; the credentials go along to the same host only."""
    wanted = split_address(url)
    if settings.url:
        known = split_address(settings.url)
        if (known.scheme, known.hostname, known.port) == (
            wanted.scheme,
            wanted.hostname,
            wanted.port,
        ):
            return replace(settings, url=url)
    return RegistrySettings(
        url,
        certificate_authority=settings.certificate_authority,
        proxy=settings.proxy,
        connect_timeout=settings.connect_timeout,
        timeout=settings.timeout,
        context=settings.context,
        normalize=settings.normalize,
    )
