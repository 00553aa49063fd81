"""What a registry can do of Confluent's API, found out with questions that change nothing.

Every registry that speaks the API leaves something out. What is left out is named here together
with what that means for a team, so that it is no surprise when it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from codegen.baselines.answers import Answer, RegistryRefusal, clean
from codegen.baselines.holdings import StoredVersion
from codegen.baselines.registry import RegistryClient
from codegen.baselines.retrieval import ask_each
from codegen.contract.model import Level
from codegen.diagnostics import CouldNotCheck

SAMPLE = 50
"""How many subjects are looked at for one that a question can be asked about."""

NOBODY = "kontrakt-probe"
"""A subject that is asked about because it does not exist."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that the API has.

    `is_there` is None where it could not be found out, and `note` says why; where it is missing,
    `note` says what follows from that.
    """

    name: str
    summary: str
    is_there: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a registry says it is, what holds in it, and what it can do.

    `product` is empty where it does not say. `level` is that of subjects without their own.
    """

    registry: str
    product: str
    milliseconds: float
    subjects: int
    level: str
    mode: str
    items: tuple[Capability, ...]


def probe(client: RegistryClient) -> Capabilities:
    """Ask a registry what it is and what it can do. Nothing is written.

    Raises CouldNotCheck for one that does not answer, refuses, or is none.
    """
    started = perf_counter()
    level = client.level()
    milliseconds = (perf_counter() - started) * 1000
    subjects = client.subjects()
    sample = [item for item in _take_sample(client, subjects) if item.type == "AVRO"]
    questions: Sequence[Callable[[], Capability]] = (
        lambda: _probe_verdict(client),
        lambda: _probe_reasons(client, sample),
        lambda: _probe_references(client, sample),
        lambda: _probe_levels(client, sample, level),
        lambda: _probe_modes(client),
        lambda: _probe_metadata(client),
        lambda: _probe_contexts(client),
        lambda: _probe_listing(client, subjects),
    )
    name = f"Probing {client.name}"
    items = ask_each(lambda question: question(), questions, name)
    return Capabilities(
        client.name,
        _find_product(client),
        milliseconds,
        len(subjects),
        level.value if level else "",
        client.mode(NOBODY),
        tuple(items),
    )


def _take_sample(client: RegistryClient, subjects: Sequence[str]) -> list[StoredVersion]:
    found = ask_each(lambda subject: client.find(subject, -1), subjects[:SAMPLE], client.name)
    return [item for item in found if item is not None]


def _find_product(client: RegistryClient) -> str:
    """What the registry says that it is; nothing is guessed but Apicurio, by its path."""
    answer = client.transport.send("GET", "/v1/metadata/version")
    version = answer.body.get("version") if isinstance(answer.body, dict) else None
    if answer.status == 200 and isinstance(version, str):
        known = version == "kontrakt"
        return "kontrakt's own" if known else f"Confluent Schema Registry {clean(version, 40)}"
    return "Apicurio Registry" if "/apis/ccompat/" in client.name else ""


def _ask_verdict(client: RegistryClient, subject: str, text: str, version: str = "") -> Answer:
    path = f"/compatibility{client.path(subject)}/versions{version}"
    return client.transport.send("POST", path, {"verbose": "true"}, {"schema": text})


def _probe_verdict(client: RegistryClient) -> Capability:
    answer = _ask_verdict(client, NOBODY, '"string"')
    return Capability(
        "all-versions",
        "judges a schema against all versions",
        not answer.is_foreign,
        "at transitive levels it is asked about the latest version only",
    )


def _probe_reasons(client: RegistryClient, sample: Sequence[StoredVersion]) -> Capability:
    name, summary = "reasons", "says why it refuses a schema"
    for stored in sample:
        # No record is read as bytes, so a registry that judges at all must refuse.
        answer = _ask_verdict(client, stored.subject, '"bytes"', "/latest")
        body = answer.body if answer.status == 200 and isinstance(answer.body, dict) else {}
        if body.get("is_compatible") is False:
            has_words = bool(body.get("messages") or body.get("reason"))
            note = "kontrakt check gives the reasons, with lines and mends"
            return Capability(name, summary, has_words, note)
    note = "none of its subjects refuses anything" if sample else "it holds no Avro schema"
    return Capability(name, summary, None, note)


def _probe_references(client: RegistryClient, sample: Sequence[StoredVersion]) -> Capability:
    name, summary = "references", "judges schemas that refer to others"
    stored = next((item for item in sample if item.references), None)
    if stored is None:
        return Capability(name, summary, None, "it holds no schema with references")
    try:
        client.test(stored.subject, stored.text, stored.references, is_transitive=False)
        is_there = True
    except RegistryRefusal:
        is_there = False
    note = "kontrakt check judges them itself; the registry's own answer is not known before"
    return Capability(name, summary, is_there, note)


def _probe_levels(
    client: RegistryClient, sample: Sequence[StoredVersion], general: Level | None
) -> Capability:
    """Apicurio says NONE of a subject without a level, and version 2 whichever way it is asked."""
    name, summary = "levels", "tells a subject without a level from one with NONE"
    if _ask_level(client, NOBODY).is_missing(40408):
        return Capability(name, summary, True)
    for stored in sample:
        body = _ask_level(client, stored.subject).body
        if isinstance(body, dict) and body.get("compatibilityLevel") == Level.NONE.value:
            if client.level(stored.subject) is None:
                return Capability(name, summary, True)
            if general is not Level.NONE:
                note = "kontrakt register --apply sets the level of each subject: then it is known"
                return Capability(name, summary, False, note)
    return Capability(name, summary, None, "none of its subjects shows it")


def _ask_level(client: RegistryClient, subject: str) -> Answer:
    path = f"/config{client.path(subject).removeprefix('/subjects')}"
    return client.transport.send("GET", path, {"defaultToGlobal": "false"})


def _probe_modes(client: RegistryClient) -> Capability:
    answer = client.transport.send("GET", "/mode")
    note = "nothing tells that it is read-only before it refuses"
    return Capability("modes", "has modes such as READONLY", answer.status == 200, note)


def _probe_metadata(client: RegistryClient) -> Capability:
    note = "the owner and the doc of an event are not kept with its schema"
    is_there = client.keeps_metadata(NOBODY)
    return Capability("metadata", "keeps metadata with a schema", is_there, note)


def _probe_contexts(client: RegistryClient) -> Capability:
    note = "a name with a context is a plain subject; Apicurio has groups (X-Registry-GroupId)"
    return Capability("contexts", "has contexts", client.has_contexts(), note)


def _probe_listing(client: RegistryClient, subjects: Sequence[str]) -> Capability:
    name, summary = "listing", "lists all its schemas"
    note = "large registries are read version by version, which takes longer"
    try:
        listing = client.lists_schemas()
    except CouldNotCheck:
        listing = False
    if listing and not subjects:
        return Capability(name, summary, None, "it holds nothing")
    return Capability(name, summary, listing, note)
