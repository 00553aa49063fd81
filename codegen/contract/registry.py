"""The manifest's section `registry`: where it is, and how to be let in.

Values come from the environment where they name it, as ${NAME}. No message here ever shows a value,
since any of them may be a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from codegen.contract.manifest import WRONG_SHAPE, hide_secrets
from codegen.contract.model import ClientCredentials, RegistrySettings
from codegen.diagnostics import Findings, Severity, rule
from codegen.source import Document, Json, Place

UNSET_VARIABLE = rule(
    "manifest/unset-variable",
    "The manifest names an environment variable that is not set.",
    "The value comes from the environment of whoever runs kontrakt. A secret that is empty by "
    "mistake ends in a refused log-in far from its cause.",
)

LITERAL_SECRET = rule(
    "manifest/literal-secret",
    "A secret stands in the manifest itself.",
    "Everybody who can read the repository, now or in its history, can read it too. Name an "
    "environment variable instead, and change the secret: it is known already.",
    severity=Severity.WARNING,
)

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TOKEN = re.compile(r"[\x21-\x7e]*")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""RFC 9110, section 5.5."""

_SECRETS = (("password",), ("bearer_token",), ("client_key_password",), ("oauth", "client_secret"))
_USER_INFORMATION = re.compile(r"://[^/]*:(?!\$\{)[^/]+@")

_OURS = (
    *("accept", "accept-encoding", "connection", "content-length", "content-type", "host"),
    *("transfer-encoding", "user-agent"),
)


def read_registry_settings(
    manifest: Document, findings: Findings, environment: Mapping[str, str] | None = None
) -> RegistrySettings:
    """The manifest's registry, its ${NAME}s replaced from the environment.

    A variable in `url` that is not set means the embedded registry, one that is set and empty an
    address that is empty, which nobody can mean; in any other setting both are a finding, unless
    there is no `url` for which it could matter. Without `url`, SCHEMA_REGISTRY_URL counts. Settings
    that contradict each other are findings as well.
    """
    variables = os.environ if environment is None else environment
    found = Findings()
    section = _Section(manifest, found, variables)
    address = section.expand_address()
    section.find_literal_secrets()
    settings = RegistrySettings(
        address,
        section.expand("username"),
        section.expand("password"),
        section.expand("bearer_token").strip(),
        section.expand("certificate_authority"),
        float(section.values.get("timeout", 10.0)),
        float(section.values.get("connect_timeout", 5.0)),
        section.expand_oauth(),
        section.expand("client_certificate"),
        section.expand("client_key"),
        section.expand("client_key_password"),
        section.expand("proxy"),
        section.expand_mapping("headers"),
        section.expand("context").strip(":").removeprefix("."),
        section.values.get("normalize", False),
    )
    if address:
        section.check(settings)
    findings.items += map(hide_secrets, found)
    return settings


def uses_references(manifest: Document) -> bool:
    """Whether shared types have subjects of their own, which other schemas refer to."""
    section = (manifest.value or {}).get("registry") or {}
    return section.get("references", True) is not False


class _Section:
    def __init__(
        self, manifest: Document, findings: Findings, variables: Mapping[str, str]
    ) -> None:
        self.values: Mapping[str, Json] = (manifest.value or {}).get("registry") or {}
        self._place = Place(manifest, ("registry",))
        self._findings = findings
        self._variables = variables
        self._has_address = False

    def expand_address(self) -> str | None:
        stated = self.values["url"] or "" if "url" in self.values else "${SCHEMA_REGISTRY_URL}"
        text = _VARIABLE.sub(lambda match: self._variables.get(match[1], ""), stated)
        address = text.strip().rstrip("/")
        self._has_address = address != ""
        is_meant = any(name in self._variables for name in _VARIABLE.findall(stated))
        return address if self._has_address or is_meant else None

    def expand(self, *path: str) -> str:
        """The text at a path of keys, empty where there is none."""
        text = self._value(path)
        for name in _VARIABLE.findall(text):
            if not self._variables.get(name) and self._has_address:
                state = "is empty" if name in self._variables else "is not set"
                self._findings.add(
                    UNSET_VARIABLE,
                    self._place.at(*path),
                    f"the environment variable {name} {state}",
                    hint=f"set {name}, or remove {path[-1]}",
                )
        return _VARIABLE.sub(lambda match: self._variables.get(match[1], ""), text)

    def expand_mapping(self, *path: str) -> dict[str, str]:
        return {key: self.expand(*path, key).strip() for key in self._value(path) or {}}

    def expand_oauth(self) -> ClientCredentials | None:
        if "oauth" not in self.values:
            return None
        method = self.values["oauth"].get("token_endpoint_auth_method")
        return ClientCredentials(
            self.expand("oauth", "token_url").strip(),
            self.expand("oauth", "client_id").strip(),
            self.expand("oauth", "client_secret").strip(),
            self.expand("oauth", "scope"),
            self.expand_mapping("oauth", "parameters"),
            method == "client_secret_post",
        )

    def find_literal_secrets(self) -> None:
        """Report secrets that are written out, whether there is a registry to use them or not."""
        secrets = {path: _VARIABLE.search(self._value(path)) is None for path in _SECRETS}
        for key in ("url", "proxy"):
            secrets[(key,)] = _USER_INFORMATION.search(self._value((key,))) is not None
        for path, is_literal in secrets.items():
            if is_literal and self._value(path):
                self._findings.add(
                    LITERAL_SECRET,
                    self._place.at(*path, on_key=True),
                    f"{path[-1]} holds a secret that everybody can read here",
                    hint="put it into an environment variable, and name that here: ${NAME}",
                )

    def _value(self, path: Sequence[str]) -> Json:
        """What stands at a path of keys, an empty text where nothing does."""
        value: Json = self.values
        for key in path:
            value = (value or {}).get(key)
        return value or ""

    def check(self, settings: RegistrySettings) -> None:
        """Report what cannot be meant, of settings that are for a server."""
        self._check_ways(settings)
        if settings.password and not settings.username:
            self._report("password", "there is a password and no username", "add one")
        if settings.client_key and not settings.client_certificate:
            message = "there is a client_key and no client_certificate"
            self._report("client_key", message, "add the certificate")
        if not _TOKEN.fullmatch(settings.bearer_token):
            message = "bearer_token has a space, a line break or characters that cannot be sent"
            self._report("bearer_token", message, "give the token alone, without the word Bearer")
        for name, value in settings.headers.items():
            if name.lower() in _OURS:
                self._report_header(name, f"the header {name} is set by kontrakt itself")
            elif name.lower() in ("authorization", "proxy-authorization"):
                hint = "use username and password, bearer_token, oauth, or proxy"
                self._report_header(name, f"the header {name} has keys of its own", hint)
            elif not _HEADER_VALUE.fullmatch(value):
                message = f"the header {name} has a line break or characters that cannot be sent"
                self._report_header(name, message)

    def _check_ways(self, settings: RegistrySettings) -> None:
        ways = {
            "url": "@" in (settings.url or "").partition("://")[2].partition("/")[0],
            "username": bool(settings.username or settings.password),
            "bearer_token": bool(settings.bearer_token),
            "oauth": settings.oauth is not None,
        }
        given = [key for key, is_given in ways.items() if is_given]
        if len(given) > 1:
            words = ["the user in url" if key == "url" else key for key in given]
            message = f"{' and '.join(words)} are {len(given)} ways to log in"
            self._report(given[-1], message, "keep one of them")

    def _report(self, key: str, message: str, hint: str) -> None:
        self._findings.add(WRONG_SHAPE, self._place.at(key, on_key=True), message, hint=hint)

    def _report_header(self, name: str, message: str, hint: str = "remove it") -> None:
        place = self._place.at("headers").at(name, on_key=True)
        self._findings.add(WRONG_SHAPE, place, message, hint=hint)
