"""The whole way on registries that cannot be started here, by what their sources answer.

Below each lies the embedded registry; in front of it stands what Karapace (5.0) or Redpanda (24.3)
does otherwise than Confluent's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from test_publication import CANCELLED, MANIFEST, MONEY, load, with_field

from codegen.baselines.answers import Answer, AnswerTooLong
from codegen.baselines.capabilities import probe
from codegen.baselines.embedded import EmbeddedTransport
from codegen.baselines.registry import RegistryBaseline, RegistryClient
from codegen.contract.model import Level
from codegen.diagnostics import Findings
from codegen.publication import apply_plan, make_plan
from codegen.publication.drift import find_drift
from codegen.pulling import plan_pull, select_subjects
from codegen.pulling.files import State, begin_manifest
from codegen.review import review

OWNED = MANIFEST.replace("  orders:\n", "  orders:\n    doc: All about orders.\n    owner: ann\n")
ROUTES = r"/(subjects|schemas|config|mode|compatibility)(/|$)"
NOT_CONFLUENTS = r"/subjects/[^/]+/metadata|/compatibility/subjects/[^/]+/versions"


@dataclass
class Kind:
    """A registry with manners of its own; `name` is what the client shows."""

    name: str
    inner: EmbeddedTransport
    unknown: Any
    """The body of an answer about a route that does not exist."""
    missing: str
    """Routes of Confluent's that do not exist, as a pattern of the whole path."""
    ignored: tuple[str, ...]
    """Parameters of Confluent's that change nothing."""
    longest: int = 0
    """More schemas than this in one answer are too long to be read; 0 for any number."""
    asked: list[str] = field(default_factory=list)

    def send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        self.asked.append(f"{method} {path}")
        if not re.match(ROUTES, path) or re.fullmatch(self.missing, path):
            return Answer(404, self.unknown)
        if isinstance(body, dict) and "metadata" in body and self.name == "redpanda":
            return Answer(422, {"error_code": 422, "message": "Invalid schema subject"})
        known = {key: item for key, item in (query or {}).items() if key not in self.ignored}
        sent = {key: item for key, item in body.items() if key != "metadata"} if body else body
        answer = self.inner.send(method, path, known, sent)
        return self._with_manners(method, path, answer)

    def _with_manners(self, method: str, path: str, answer: Answer) -> Answer:
        if path == "/schemas" and isinstance(answer.body, list):
            if self.longest and len(answer.body) > self.longest:
                raise AnswerTooLong(f"{self.name} answered more than is read")
            for item in answer.body:
                item.setdefault("schemaType", "AVRO")
                item.setdefault("references", None)
        is_lookup = method == "POST" and re.fullmatch("/subjects/[^/]+", path)
        if is_lookup and answer.status == 200 and self.name == "karapace":
            return Answer(200, {k: v for k, v in answer.body.items() if k != "references"})
        if path.startswith("/mode/") and answer.status == 404:
            return Answer(404, {"error_code": 40401, "message": "Subject not found"})
        return answer


@pytest.fixture(params=["karapace", "redpanda"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    inner = EmbeddedTransport(tmp_path / "registry.db", request.param)
    if request.param == "karapace":
        paging = ("offset", "limit", "subjectPrefix")
        return Kind("karapace", inner, "Not Found", NOT_CONFLUENTS, paging)
    unknown = {"message": "Not found", "code": 404}
    return Kind("redpanda", inner, unknown, f"{NOT_CONFLUENTS}|/schemas", ("offset", "limit"))


def found(findings: Findings) -> list[str]:
    return [item.rule.id for item in findings]


def publish(root: Path, client: RegistryClient, *changed: dict[str, Any]) -> list[str]:
    findings = Findings()
    contract = load(root, *changed, manifest=OWNED)
    plan = make_plan(contract, client, findings)
    done = apply_plan(plan, client, findings)
    assert not findings.items
    return [f"{one.step.subject.name} v{one.stored.version}" for one in done if one.stored]


def test_from_the_first_schema_to_a_pull(kind: Kind, tmp_path: Path) -> None:
    client = RegistryClient(kind)
    assert len(publish(tmp_path, client)) == 4
    assert publish(tmp_path, client) == []
    contract, findings = load(tmp_path, manifest=OWNED), Findings()
    review(contract, RegistryBaseline(client), findings)
    find_drift(contract, client, findings)
    assert found(findings) == []
    assert client.level("orders-shop.OrderPlaced") is Level.FULL
    assert publish(tmp_path, client, with_field(MONEY, "note")) == [
        "shop.Money v2",
        "shop.Price v2",
        "orders-shop.OrderPlaced v2",
    ]
    begun = begin_manifest("")
    chosen = select_subjects(client, None, (), ())
    pull = plan_pull(tmp_path / "new", begun, client, chosen, findings)
    assert pull is not None and found(findings) == []
    assert {file.state for file in pull.files} == {State.NEW}
    assert sum(file.name.endswith(".avsc") for file in pull.files) == 4


def test_a_break_is_found_by_us_and_by_the_registry(kind: Kind, tmp_path: Path) -> None:
    client = RegistryClient(kind)
    publish(tmp_path, client)
    needed = {**CANCELLED, "fields": [*CANCELLED["fields"], {"name": "why", "type": "string"}]}
    findings = Findings()
    review(load(tmp_path, needed, manifest=OWNED), RegistryBaseline(client), findings)
    assert found(findings) == ["compat/field-without-default"]
    plan = make_plan(load(tmp_path, needed, manifest=OWNED), client, findings)
    assert found(findings)[-1] == "registry/refused"
    assert [step.subject.name for step in plan.changes] == ["orders-shop.OrderCancelled"]


def test_what_it_lacks_is_known(kind: Kind, tmp_path: Path) -> None:
    client = RegistryClient(kind)
    publish(tmp_path, client)
    lacking = {item.name for item in probe(client).items if item.is_there is False}
    both = {"all-versions", "metadata", "contexts"}
    assert lacking == (both if kind.name == "karapace" else both | {"listing"})


def test_a_context_would_be_a_part_of_each_name(kind: Kind, tmp_path: Path) -> None:
    manifest = OWNED + "registry: {url: 'http://127.0.0.1:1', context: staging}\n"
    findings = Findings()
    client = RegistryClient(kind, "staging")
    make_plan(load(tmp_path, manifest=manifest), client, findings)
    assert found(findings) == ["registry/refused"]
    assert "has no contexts" in findings.items[0].message
    assert not [one for one in kind.asked if one.startswith(("PUT", "DELETE"))]


@pytest.mark.parametrize("kind", ["karapace"], indirect=True)
def test_a_list_of_all_schemas_that_is_too_long_is_not_needed(kind: Kind) -> None:
    client = RegistryClient(kind)
    names = [f"topic-{number:02}-value" for number in range(20)]
    for name in names:
        client.register(name, '"string"')
    kind.longest = 19
    assert sorted(client.fetch(names).subjects) == names
