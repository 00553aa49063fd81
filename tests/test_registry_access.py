"""How a registry lets us in: credentials, OAuth, TLS with certificates, proxies; and no secret that
is ever shown.
"""

from __future__ import annotations

import datetime
import html
import json
import os
import shutil
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from registry_fake import Handler, RegistryFake, serve
from registry_hosts import AuthorizationServer, Proxy, serve_tls
from urllib3.exceptions import ProtocolError

from codegen.baselines import open_registry
from codegen.baselines.http import authorization
from codegen.baselines.http.failures import Way, explain
from codegen.contract.model import ClientCredentials, RegistrySettings
from codegen.contract.registry import read_registry_settings
from codegen.diagnostics import CouldNotCheck, Findings, KontraktError
from codegen.source import read_yaml

PROJECT = Path(__file__).parent.parent
SECRET = "hunter2-correct-horse"
LEVELS = '{"compatibilityLevel": "BACKWARD"}'


@pytest.fixture
def fake() -> RegistryFake:
    return RegistryFake()


@pytest.fixture
def url(fake: RegistryFake) -> Iterator[str]:
    with serve(fake) as address:
        yield address


@pytest.fixture(autouse=True)
def _no_proxy_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def ask(tmp_path: Path, url: str, **settings: Any) -> None:
    open_registry(RegistrySettings(url, **{"timeout": 5.0, **settings}), tmp_path).subjects()


# OAuth 2.0 client credentials


@pytest.fixture
def issuer() -> AuthorizationServer:
    return AuthorizationServer()


@pytest.fixture
def token_url(issuer: AuthorizationServer) -> Iterator[str]:
    with issuer.serve() as address:
        yield address


def credentials(token_url: str, **more: Any) -> ClientCredentials:
    return ClientCredentials(token_url, "kon:trakt", SECRET + "&=", **more)


def note_tokens(fake: RegistryFake, valid: Callable[[str], bool] = lambda token: True) -> list[str]:
    """The tokens that the registry sees; those that are not valid it refuses."""
    seen: list[str] = []

    def guard(handler: Handler) -> bool:
        seen.append(handler.headers.get("Authorization", ""))
        if valid(seen[-1]):
            return False
        handler.reply(401, b'{"error_code": 401, "message": "Unauthorized"}')
        return True

    fake.behave = guard
    return seen


def test_a_token_is_fetched_once_and_sent(
    fake: RegistryFake, url: str, issuer: AuthorizationServer, token_url: str, tmp_path: Path
) -> None:
    seen = note_tokens(fake)
    oauth = credentials(token_url, scope="registry read", parameters={"audience": "sr"})
    client = open_registry(RegistrySettings(url, oauth=oauth), tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.subjects(), range(24)))
    assert set(seen) == {"Bearer token-1"}
    ((form, header),) = issuer.requests
    expected = {"grant_type": "client_credentials", "scope": "registry read", "audience": "sr"}
    assert form == expected
    # RFC 6749, section 2.3.1: kon%3Atrakt:hunter2-correct-horse%26%3D
    assert header == "Basic a29uJTNBdHJha3Q6aHVudGVyMi1jb3JyZWN0LWhvcnNlJTI2JTNE"


def test_the_secret_may_go_into_the_form(
    url: str, issuer: AuthorizationServer, token_url: str, tmp_path: Path
) -> None:
    ask(tmp_path, url, oauth=credentials(token_url, is_secret_in_body=True))
    ((form, header),) = issuer.requests
    assert header is None
    assert (form["client_id"], form["client_secret"]) == ("kon:trakt", SECRET + "&=")


def test_a_token_is_renewed_before_it_ends(
    fake: RegistryFake,
    url: str,
    issuer: AuthorizationServer,
    token_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(authorization, "monotonic", lambda: now[0])
    issuer.lifetime = 300
    seen = note_tokens(fake)
    client = open_registry(RegistrySettings(url, oauth=credentials(token_url)), tmp_path)
    for moment in (1000.0, 1269.0, 1271.0, 1300.0):
        now[0] = moment
        client.subjects()
    tokens = list(dict.fromkeys(seen))
    assert tokens == ["Bearer token-1", "Bearer token-2"]
    assert len(issuer.requests) == 2


def test_a_refused_token_is_renewed_once(
    fake: RegistryFake, url: str, issuer: AuthorizationServer, token_url: str, tmp_path: Path
) -> None:
    issuer.lifetime = None
    note_tokens(fake, lambda token: token != "Bearer token-1")
    ask(tmp_path, url, oauth=credentials(token_url))
    assert len(issuer.requests) == 2
    note_tokens(fake, lambda token: False)
    with pytest.raises(CouldNotCheck, match="refused the credentials") as caught:
        ask(tmp_path, url, oauth=credentials(token_url))
    assert "registry.oauth" in caught.value.hint
    assert len(issuer.requests) == 4


BAD_TOKENS: dict[str, tuple[tuple[int, Any], str]] = {
    "refused": (
        (401, {"error": "invalid_client", "error_description": "no \x1b[1m"}),
        "invalid_client",
    ),
    "web page": ((200, b"<html>"), "without a bearer token"),
    "busy": ((500, b""), "HTTP status 500"),
    "another kind": ((200, {"access_token": "x", "token_type": "mac"}), "without a bearer token"),
    "no text": ((200, {"access_token": 5}), "without a bearer token"),
    "a line break": ((200, {"access_token": "x\r\nHost: evil"}), "without a bearer token"),
    "a list": ((200, [1]), "without a bearer token"),
    "too long": ((200, b" " * 17_000_000), "more than"),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_no_token_is_a_clear_error(
    url: str,
    issuer: AuthorizationServer,
    token_url: str,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("codegen.baselines.http.connection.sleep", lambda seconds: None)
    answer, expected = BAD_TOKENS[name]
    issuer.answer = lambda: answer
    with pytest.raises(CouldNotCheck, match=expected) as caught:
        ask(tmp_path, url, oauth=credentials(token_url))
    assert token_url.partition("/oauth2")[0] in caught.value.message
    assert SECRET not in caught.value.message + caught.value.hint
    assert caught.value.hint
    with pytest.raises(CouldNotCheck) as missing:
        ask(tmp_path, url, oauth=credentials(token_url + "/typo"))
    assert caught.value.exit_code == missing.value.exit_code == 3


STRANGE = 'p/a "ß"&<s>\\w%ö rd+é'
"""A secret of which each character is written in another way somewhere."""


def _plain(text: str) -> bytes:
    return json.dumps({"error": text}, ensure_ascii=False).encode()


ECHOES: dict[str, Callable[[str], bytes]] = {
    "JSON": _plain,
    "JSON in ASCII": lambda text: json.dumps({"error_description": text}).encode(),
    "JSON as Go writes it": lambda text: (
        _plain(text).replace(b"&", b"\\u0026").replace(b"<", b"\\u003c").replace(b">", b"\\u003E")
    ),
    "JSON with slashes escaped": lambda text: _plain(text).replace(b"/", b"\\/"),
    "a form": lambda text: _plain(urlencode({"client_secret": text})),
    "an address": lambda text: _plain(quote(text, safe="").lower()),
    "HTML in JSON": lambda text: _plain(html.escape(text)),
    "HTML": lambda text: f"<html>{html.escape(text)}".encode(),
    "text": lambda text: text.encode(),
}


@pytest.mark.parametrize("secret", [SECRET, STRANGE], ids=["plain", "strange"])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("way", ECHOES)
def test_what_repeats_the_secret_is_shown_without_it(
    fake: RegistryFake,
    url: str,
    tmp_path: Path,
    way: str,
    status: int,
    secret: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First the token endpoint repeats it, then the registry itself."""
    monkeypatch.setattr("codegen.baselines.http.connection.sleep", lambda seconds: None)

    def repeat(it: Handler) -> bool:
        sent = it.headers.get("Authorization", "").partition(" ")[2]
        it.reply(status, ECHOES[way](f"no {secret} nor {sent} is known here"))
        return True

    fake.behave = repeat
    token_url = f"{url}/token"
    ways: tuple[dict[str, Any], ...] = (
        {"oauth": ClientCredentials(token_url, "me", secret)},
        {"oauth": ClientCredentials(token_url, "me", secret, is_secret_in_body=True)},
        {"username": "me", "password": secret},
    )
    for settings in ways:
        with pytest.raises(KontraktError) as caught:
            ask(tmp_path, url, **settings)
        shown = caught.value.message + caught.value.hint
        for spelt in (secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret)):
            assert spelt not in shown
            assert b64encode(f"me:{spelt}".encode()).decode() not in shown


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(
    authority: trustme.CA, name: str = "localhost", **certificate: Any
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **certificate).configure_cert(context)
    return context


def save(file: Path, *parts: trustme.Blob) -> str:
    file.write_bytes(b"".join(part.bytes() for part in parts))
    return file.name


def test_a_private_authority_is_trusted_when_named(
    fake: RegistryFake, authority: trustme.CA, tmp_path: Path
) -> None:
    ca = save(tmp_path / "ca.pem", authority.cert_pem)
    with serve_tls(fake, server_context(authority)) as port:
        ask(tmp_path, f"https://localhost:{port}", certificate_authority=ca)
        with pytest.raises(CouldNotCheck, match="not trusted") as unknown:
            ask(tmp_path, f"https://localhost:{port}")
        assert "registry.certificate_authority" in unknown.value.hint
        with pytest.raises(CouldNotCheck, match="not trusted") as other:
            ask(tmp_path, f"https://127.0.0.1:{port}", certificate_authority=ca)
        assert "name that the certificate is for" in other.value.hint
        with pytest.raises(CouldNotCheck) as plain:
            ask(tmp_path, f"http://localhost:{port}")
        assert "https://" in plain.value.hint


def test_an_expired_certificate(fake: RegistryFake, authority: trustme.CA, tmp_path: Path) -> None:
    ca = save(tmp_path / "ca.pem", authority.cert_pem)
    past = datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)
    context = server_context(authority, not_before=past, not_after=past)
    with serve_tls(fake, context) as port, pytest.raises(CouldNotCheck, match="expired") as caught:
        ask(tmp_path, f"https://localhost:{port}", certificate_authority=ca)
    assert "renewed" in caught.value.hint


@pytest.fixture
def guarded(fake: RegistryFake, authority: trustme.CA) -> Iterator[str]:
    """A registry that wants a client certificate."""
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with serve_tls(fake, context) as port:
        yield f"https://localhost:{port}"


@pytest.mark.parametrize("form", ["one file", "two files", "an encrypted key"])
def test_a_client_certificate_is_shown(
    guarded: str, authority: trustme.CA, tmp_path: Path, form: str
) -> None:
    save(tmp_path / "ca.pem", authority.cert_pem)
    mine = authority.issue_cert("robot@example.org")
    settings = {"certificate_authority": "ca.pem", "client_certificate": "me.pem"}
    if form == "one file":
        save(tmp_path / "me.pem", mine.private_key_and_cert_chain_pem)
    else:
        save(tmp_path / "me.pem", *mine.cert_chain_pems)
        key = mine.private_key_pem.bytes()
        if form == "an encrypted key":
            form = PrivateFormat.PKCS8
            lock = BestAvailableEncryption(SECRET.encode())
            key = load_pem_private_key(key, None).private_bytes(Encoding.PEM, form, lock)
            settings["client_key_password"] = SECRET
        (tmp_path / "me.key").write_bytes(key)
        settings["client_key"] = "me.key"
    ask(tmp_path, guarded, **settings)
    if "client_key_password" in settings:
        for password in ("", "wrong"):
            with pytest.raises(KontraktError, match="cannot be used with its key") as caught:
                ask(tmp_path, guarded, **{**settings, "client_key_password": password})
            assert "client_key_password" in caught.value.hint


def test_a_missing_and_a_strange_client_certificate(
    guarded: str, authority: trustme.CA, tmp_path: Path
) -> None:
    ca = save(tmp_path / "ca.pem", authority.cert_pem)
    with pytest.raises(CouldNotCheck, match="wants a client certificate") as missing:
        ask(tmp_path, guarded, certificate_authority=ca)
    assert "registry.client_certificate" in missing.value.hint
    stranger = trustme.CA().issue_cert("robot@example.org")
    mine = save(tmp_path / "me.pem", stranger.private_key_and_cert_chain_pem)
    with pytest.raises(CouldNotCheck, match="does not accept the client certificate"):
        ask(tmp_path, guarded, certificate_authority=ca, client_certificate=mine)


def test_a_server_that_hangs_up_may_want_a_client_certificate() -> None:
    way = Way("registry.url", True, "", 5.0, 10.0)
    closures = (ssl.SSLEOFError(8, "EOF"), ConnectionResetError(104, "reset"), BrokenPipeError())
    for error in (*closures, ProtocolError("Connection aborted.", closures[1])):
        failure = explain(error, way)
        assert "closed the connection" in failure.message and failure.is_passing
        assert "registry.client_certificate" in failure.hint
        assert "https://" in explain(error, way._replace(is_secure=False)).hint


@pytest.mark.parametrize("key", ["certificate_authority", "client_certificate", "client_key"])
def test_files_that_are_not_there_or_no_pem(tmp_path: Path, key: str) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    pair = {"client_certificate": "junk.pem"} if key == "client_key" else {}
    for name, expected in (("absent.pem", "there is no file"), ("junk.pem", "registry.c")):
        with pytest.raises(KontraktError, match=expected) as caught:
            ask(tmp_path, "https://registry.example", **{**pair, key: name})
        assert caught.value.exit_code == 2 and caught.value.hint
    with pytest.raises(KontraktError, match="https"):
        ask(tmp_path, "http://registry.example", client_certificate="junk.pem")


# Proxies


def test_the_manifests_proxy_is_used(fake: RegistryFake, url: str, tmp_path: Path) -> None:
    proxy = Proxy()
    port = url.rpartition(":")[2]
    with proxy.serve() as address:
        ask(tmp_path, f"http://registry.test:{port}", proxy=address)
        (asked, *_) = proxy.asked
        assert asked[:2] == ("GET", asked[1]) and asked[1].startswith("http://registry.test")
        proxy.password = f"me:{SECRET}"
        with_user = address.replace("//", f"//me:{SECRET}@")
        ask(tmp_path, f"http://registry.test:{port}", proxy=with_user)
        with pytest.raises(CouldNotCheck, match="407") as caught:
            ask(tmp_path, f"http://registry.test:{port}", proxy=address)
        assert "registry.proxy" in caught.value.hint
    with pytest.raises(CouldNotCheck, match="through the proxy http://127") as gone:
        ask(tmp_path, f"http://registry.test:{port}", proxy=with_user)
    assert SECRET not in gone.value.message + gone.value.hint


def test_the_proxy_of_the_environment_leads_to_tls(
    fake: RegistryFake,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ca = save(tmp_path / "ca.pem", authority.cert_pem)
    proxy = Proxy()
    context = server_context(authority, "registry.test")
    with serve_tls(fake, context) as port, proxy.serve() as address:
        monkeypatch.setenv("HTTPS_PROXY", address)
        target = f"https://registry.test:{port}"
        ask(tmp_path, target, certificate_authority=ca)
        assert proxy.asked == [("CONNECT", f"registry.test:{port}", None)]
        proxy.password = f"me:{SECRET}"
        with pytest.raises(CouldNotCheck, match="407"):
            ask(tmp_path, target, certificate_authority=ca)
        monkeypatch.setenv("NO_PROXY", "registry.test")
        with pytest.raises(CouldNotCheck, match="no such host"):
            ask(tmp_path, target, certificate_authority=ca)


def test_this_machine_is_not_asked_through_the_proxy_of_the_environment(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    ask(tmp_path, url)
    ask(tmp_path, url.replace("127.0.0.1", "localhost"))


# What the manifest says, and what is never said


def test_several_ways_to_log_in_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(KontraktError, match="one way to log in"):
        ask(tmp_path, url.replace("//", "//me:pw@"), bearer_token="abc")


def test_further_headers_are_sent(fake: RegistryFake, url: str, tmp_path: Path) -> None:
    seen: list[str | None] = []
    fake.behave = lambda it: bool(seen.append(it.headers.get("target-sr-cluster")))
    ask(tmp_path, url, headers={"target-sr-cluster": "lsrc-1"})
    assert set(seen) == {"lsrc-1"}


MANIFESTS = {
    "basic": "username: robot\n  password: ${KONTRAKT_SECRET}",
    "bearer": "bearer_token: ${KONTRAKT_SECRET}",
    "headers": "headers: {x-api-key: '${KONTRAKT_SECRET}'}",
    "oauth": "oauth: {token_url: '${ISSUER}', client_id: me, client_secret: '${KONTRAKT_SECRET}'}",
    "proxy": "proxy: http://me:${KONTRAKT_SECRET}@127.0.0.1:1",
    "two ways": "bearer_token: ${KONTRAKT_SECRET}\n  username: me\n  password: ${KONTRAKT_SECRET}",
    "literal": f"password: {SECRET}",
    "literal, misspelt": f"pasword: {SECRET}",
    "literal, wrong type": f"headers: {{x-api-key: [{SECRET}]}}",
    "broken header": 'headers: {x-api-key: "${KONTRAKT_SECRET}\\n\\u20ac"}',
}


BAD_ADDRESSES = ("http://me:SECRET@127.0.0.1:1", "http://me:SECRET@", "me:SECRET@host:1,http://x")


@pytest.mark.parametrize(
    ("name", "address"),
    [*((name, "URL") for name in MANIFESTS), *(("proxy", one) for one in BAD_ADDRESSES)],
)
def test_no_output_ever_shows_a_secret(
    fake: RegistryFake, url: str, tmp_path: Path, name: str, address: str
) -> None:
    fake.behave = lambda it: it.reply(401, b'{"message": "who are you"}') or True
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    manifest = tmp_path / "schemas/contracts.yaml"
    text = manifest.read_text("utf-8")
    before = "  url: ${SCHEMA_REGISTRY_URL}"
    assert before in text
    manifest.write_text(text.replace(before, f"  {MANIFESTS[name]}\n{before}"), "utf-8")
    variables = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "KONTRAKT_SECRET": SECRET,
        "ISSUER": f"{url}/token",
        "SCHEMA_REGISTRY_URL": address.replace("URL", url).replace("SECRET", SECRET),
    }
    for command in (["check", "--format", "json"], ["register", "--apply"], ["pull"]):
        done = subprocess.run(
            [sys.executable, "-m", "codegen", *command],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (1, 2, 3), done
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


WAYS: dict[str, dict[str, Any]] = {
    "basic": {"username": "me", "password": SECRET},
    "address": {},
    "bearer": {"bearer_token": SECRET},
    "header": {"headers": {"X-Key": SECRET}},
}


@pytest.mark.parametrize("status", [200, 401, 403, 404, 422, 500])
@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_repeats_what_it_was_sent(
    fake: RegistryFake, url: str, tmp_path: Path, way: str, status: int
) -> None:
    def repeat(it: Handler) -> bool:
        said = f"no: {it.headers.get('Authorization')}, {it.headers.get('X-Key')}"
        body = said if status == 200 else json.dumps({"message": said})
        it.reply(status, body.encode())
        return True

    fake.behave = repeat
    address = url.replace("//", f"//me:{SECRET}@") if way == "address" else url
    with pytest.raises(CouldNotCheck) as caught:
        ask(tmp_path, address, **WAYS[way])
    shown = caught.value.message + caught.value.hint
    assert "***" in shown
    assert SECRET not in shown and b64encode(f"me:{SECRET}".encode()).decode() not in shown


@pytest.mark.parametrize("url", ["http://[", "http://me:pw@[::1", "https://", "://", "x@y"])
def test_an_address_that_is_none_in_the_manifest(tmp_path: Path, url: str) -> None:
    manifest = read_yaml(
        "contracts.yaml", f'registry: {{url: "{url}", username: a, password: "$"}}'
    )
    settings = read_registry_settings(manifest, Findings(), {})
    with pytest.raises(KontraktError, match="no address of a registry") as caught:
        open_registry(settings, tmp_path)
    assert "pw" not in caught.value.message


@pytest.mark.parametrize("url", ["http://a,http://b", "http://a:8081,b:8081", "https://a,b/api"])
def test_a_list_of_addresses_is_told_from_one(tmp_path: Path, url: str) -> None:
    with pytest.raises(KontraktError, match="no address of a registry") as caught:
        open_registry(RegistrySettings(url), tmp_path)
    assert caught.value.hint == "give one address; lists of them are not supported"


def test_settings_do_not_show_secrets() -> None:
    oauth = ClientCredentials("https://issuer.example", SECRET, SECRET, parameters={"a": SECRET})
    settings = RegistrySettings(
        f"https://me:{SECRET}@registry.example",
        password=SECRET,
        bearer_token=SECRET,
        oauth=oauth,
        proxy=SECRET,
        headers={"a": SECRET},
        client_key_password=SECRET,
    )
    assert SECRET not in repr(settings) + repr(oauth) + str([settings])
    assert "registry.example" in repr(settings)
