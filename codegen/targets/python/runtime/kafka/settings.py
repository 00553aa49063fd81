"""Where Kafka and the registry are, read from the environment and from code; code wins.

`settings()` reads KAFKA_BOOTSTRAP_SERVERS, SCHEMA_REGISTRY_URL and, as KAFKA_<OPTION>, every option
of librdkafka (KAFKA_SASL_MECHANISM is `sasl.mechanism`). What is missing is told all at once, and
no secret is ever printed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from ..errors import SettingsError
from ..late_dataclass import dataclass
from ..metrics import MessagingMetrics

_PREFIX: Final = "KAFKA_"
# What images and orchestrators put there on their own: no options of librdkafka.
_FOREIGN: Final = frozenset({"HOME", "OPTS", "HEAP_OPTS", "LOG4J_OPTS", "PORT", "HOST", "VERSION"})
_FOREIGN_PREFIXES: Final = ("SERVICE_", "PORT_", "JMX_", "JVM_", "GC_")
# The consumer's promise, to commit after the handler, rests on these.
_RESERVED: Final = ("enable.auto.commit", "enable.auto.offset.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Where the schema registry is and how to show who asks. Several addresses: tried in turn."""

    urls: tuple[str, ...]
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    certificate_authority: str = ""
    timeout: float = 10.0
    attempts: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a producer or a consumer needs to know of its surroundings.

    `options` are librdkafka's. `transport` replaces Kafka and the registry, as the fakes do.
    `metrics` is told what is sent and what is handled.
    """

    bootstrap_servers: str
    registry: RegistrySettings
    options: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    transport: object | None = field(default=None, repr=False)
    metrics: MessagingMetrics | None = field(default=None, repr=False)


def settings(
    *,
    bootstrap_servers: str | None = None,
    registry_url: str | None = None,
    registry_username: str | None = None,
    registry_password: str | None = None,
    registry_bearer_token: str | None = None,
    registry_certificate_authority: str | None = None,
    registry_timeout: float | None = None,
    options: Mapping[str, object] | None = None,
    metrics: MessagingMetrics | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings; what is given here goes before the environment.

    | in code | in the environment |
    |---|---|
    | bootstrap_servers | KAFKA_BOOTSTRAP_SERVERS |
    | registry_url (several: with commas) | SCHEMA_REGISTRY_URL |
    | registry_username, registry_password | SCHEMA_REGISTRY_USERNAME, SCHEMA_REGISTRY_PASSWORD |
    | registry_bearer_token | SCHEMA_REGISTRY_BEARER_TOKEN |
    | registry_certificate_authority (a file) | SCHEMA_REGISTRY_CERTIFICATE_AUTHORITY |
    | registry_timeout (seconds) | SCHEMA_REGISTRY_TIMEOUT |
    | options={"sasl.mechanism": "PLAIN"} | KAFKA_SASL_MECHANISM=PLAIN, and so any option |

    Raises SettingsError, which names everything that is missing or wrong.
    """
    variables = os.environ if environment is None else environment
    problems: list[str] = []

    kafka = {**read_kafka_options(variables), **(options or {})}
    servers = bootstrap_servers or str(kafka.pop("bootstrap.servers", ""))
    kafka.pop("bootstrap.servers", None)
    if not servers:
        problems.append(
            "no Kafka: set KAFKA_BOOTSTRAP_SERVERS, for example to localhost:9092, "
            "or pass bootstrap_servers"
        )
    if any(part.strip().startswith(("http://", "https://")) for part in servers.split(",")):
        # It may hold a password, so it is not repeated.
        problems.append(
            "KAFKA_BOOTSTRAP_SERVERS is a URL; brokers are HOST:PORT, several with commas"
        )
    problems.extend(
        f"the option {option} cannot be set: the consumer commits after the handler"
        for option in _RESERVED
        if option in kafka
    )
    given = {
        "URL": registry_url,
        "USERNAME": registry_username,
        "PASSWORD": registry_password,
        "BEARER_TOKEN": registry_bearer_token,
        "CERTIFICATE_AUTHORITY": registry_certificate_authority,
        "TIMEOUT": None if registry_timeout is None else str(registry_timeout),
    }
    registry = _read_registry(
        {
            name: variables.get(f"SCHEMA_REGISTRY_{name}", "") if value is None else value
            for name, value in given.items()
        },
        problems,
    )
    if problems:
        raise SettingsError("; ".join(problems))
    return Settings(bootstrap_servers=servers, registry=registry, options=kafka, metrics=metrics)


def check_settings(given: object) -> None:
    """Raises SettingsError for what are no settings, as from code without a type checker."""
    if not isinstance(given, Settings):
        raise SettingsError(
            f"the settings are of type {type(given).__name__}; make them with settings(), and in a "
            "test with fake.settings()"
        )


def read_kafka_options(variables: Mapping[str, str]) -> dict[str, object]:
    """librdkafka's options by their own names, from environment variables KAFKA_<OPTION>."""
    options: dict[str, object] = {}
    for name in sorted(variables):
        rest = name.removeprefix(_PREFIX)
        if rest == name or not rest or rest in _FOREIGN or rest.startswith(_FOREIGN_PREFIXES):
            continue
        options[rest.lower().replace("_", ".")] = variables[name]
    return options


def read_seconds(options: Mapping[str, object], name: str) -> float:
    """An option of librdkafka in milliseconds, as seconds. Raises SettingsError."""
    try:
        milliseconds = float(str(options[name]))
    except ValueError:
        milliseconds = 0.0
    if not milliseconds > 0:
        raise SettingsError(f"{name} is {options[name]!r}, not a number of milliseconds above 0")
    return milliseconds / 1000


def _read_registry(values: Mapping[str, str], problems: list[str]) -> RegistrySettings:
    username, password = values["USERNAME"], values["PASSWORD"]
    addresses: list[str] = []
    for url in filter(None, (part.strip() for part in values["URL"].split(","))):
        try:
            address, user, secret = _read_address(url)
        except ValueError:
            # The address may hold a password, so it is not repeated.
            problems.append("the registry's address must be http://HOST[:PORT][/PATH] or https://…")
            continue
        addresses.append(address)
        username, password = username or user, password or secret
    if not values["URL"].strip():
        problems.append(
            "no schema registry: set SCHEMA_REGISTRY_URL, for example to http://localhost:8081, "
            "or pass registry_url"
        )
    if password and not username:
        problems.append("the registry has a password and no user name: SCHEMA_REGISTRY_USERNAME")
    if values["BEARER_TOKEN"] and username:
        problems.append("the registry takes a user name or a bearer token, not both")
    try:
        timeout = float(values["TIMEOUT"] or 10)
    except ValueError:
        timeout = 0.0
    if not 0 < timeout < 3600:
        problems.append(f"SCHEMA_REGISTRY_TIMEOUT is {values['TIMEOUT']!r}, not a time in seconds")
    return RegistrySettings(
        urls=tuple(addresses),
        username=username,
        password=password,
        bearer_token=values["BEARER_TOKEN"],
        certificate_authority=values["CERTIFICATE_AUTHORITY"],
        timeout=timeout,
    )


def _read_address(url: str) -> tuple[str, str, str]:
    """An address without its secrets, the user and the password. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = f"{host}:{parts.port}" if parts.port else host
    address = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
    return address, unquote(parts.username or ""), unquote(parts.password or "")
