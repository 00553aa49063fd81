"""Publishing a contract: the plan, the order, the levels, and what happens when it fails."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_fake import Handler, RegistryFake, serve

from codegen.baselines import open_registry
from codegen.baselines.registry import RegistryBaseline, RegistryClient
from codegen.contract.load import load_contract
from codegen.contract.model import Contract, Level, RegistrySettings
from codegen.diagnostics import CouldNotCheck, Findings
from codegen.publication import Action, Plan, apply_plan, make_plan
from codegen.review import review

MANIFEST = """\
version: 1
topics:
  orders:
    compatibility: FULL
    events: [shop.OrderPlaced, shop.OrderCancelled]
services: {}
"""

MONEY = {
    "type": "record",
    "name": "Money",
    "namespace": "shop",
    "fields": [{"name": "units", "type": "long"}],
}
PRICE = {
    "type": "record",
    "name": "Price",
    "namespace": "shop",
    "fields": [{"name": "net", "type": "Money"}, {"name": "tax", "type": "Money"}],
}
PLACED = {
    "type": "record",
    "name": "OrderPlaced",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "price", "type": "Price"},
        {"name": "fee", "type": "Money"},
    ],
}
CANCELLED = {
    "type": "record",
    "name": "OrderCancelled",
    "namespace": "shop",
    "fields": [{"name": "id", "type": "string"}],
}


def load(root: Path, *changed: dict[str, Any], manifest: str = MANIFEST) -> Contract:
    schemas = {item["name"]: item for item in (MONEY, PRICE, PLACED, CANCELLED, *changed)}
    (root / "schemas").mkdir(exist_ok=True)
    (root / "schemas/contracts.yaml").write_text(manifest)
    for name, schema in schemas.items():
        (root / f"schemas/{name}.avsc").write_text(json.dumps(schema, indent=2))
    findings = Findings()
    contract = load_contract(root, findings)
    assert contract is not None, findings.items
    return contract


def with_field(schema: dict[str, Any], name: str, default: Any = None) -> dict[str, Any]:
    added = {"name": name, "type": ["null", "string"], "default": default}
    return {**schema, "fields": [*schema["fields"], added]}


@pytest.fixture
def fake() -> RegistryFake:
    return RegistryFake()


@pytest.fixture
def client(fake: RegistryFake, tmp_path: Path) -> Iterator[RegistryClient]:
    with serve(fake) as url:
        yield open_registry(RegistrySettings(url, timeout=2.0), tmp_path)


def plan(contract: Contract, client: RegistryClient) -> Plan:
    findings = Findings()
    made = make_plan(contract, client, findings)
    assert not findings.items
    return made


def publish(contract: Contract, client: RegistryClient) -> list[str]:
    findings = Findings()
    done = apply_plan(plan(contract, client), client, findings)
    assert not findings.items
    return [item.step.subject.name for item in done]


def actions(made: Plan) -> dict[str, tuple[str, int]]:
    return {step.subject.name: (step.action.value, step.version) for step in made.steps}


def test_a_new_contract_is_registered_in_dependency_order(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    contract = load(tmp_path)
    made = plan(contract, client)
    assert all(step.action is Action.REGISTER and step.version == 1 for step in made.steps)
    assert not fake.versions, "a plan writes nothing"
    names = publish(contract, client)
    assert names.index("shop.Money") < names.index("shop.Price")
    assert names.index("shop.Price") < names.index("orders-shop.OrderPlaced")
    (placed,) = fake.versions["orders-shop.OrderPlaced"]
    assert placed["references"] == [
        {"name": "shop.Money", "subject": "shop.Money", "version": 1},
        {"name": "shop.Price", "subject": "shop.Price", "version": 1},
    ]
    assert json.loads(placed["schema"])["fields"][1]["type"] == "Price"
    assert set(fake.levels.values()) == {"FULL"} and len(fake.levels) == 4


def test_publishing_again_changes_nothing(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    contract = load(tmp_path)
    publish(contract, client)
    fake.requests.clear()
    assert plan(contract, client).changes == ()
    assert publish(contract, client) == []
    assert {method for method, *_ in fake.requests} == {"GET"}


def test_a_changed_shared_type_takes_all_who_use_it_along(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    publish(load(tmp_path), client)
    contract = load(tmp_path, with_field(MONEY, "currency"))
    assert actions(plan(contract, client)) == {
        "shop.Money": ("register", 2),
        "shop.Price": ("register", 2),
        "orders-shop.OrderPlaced": ("register", 2),
        "orders-shop.OrderCancelled": ("unchanged", 1),
    }
    publish(contract, client)
    placed = fake.versions["orders-shop.OrderPlaced"][-1]
    assert [item["version"] for item in placed["references"]] == [2, 2]
    assert plan(contract, client).changes == ()


def test_the_registry_is_asked_with_shared_types_written_out(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    publish(load(tmp_path), client)
    asked: dict[str, Any] = {}

    def note(subject: str, text: str) -> None:
        asked[subject] = json.loads(text)

    fake.refuse = note
    plan(load(tmp_path, with_field(MONEY, "currency")), client)
    assert set(asked) == {"shop.Money", "shop.Price", "orders-shop.OrderPlaced"}
    price = asked["orders-shop.OrderPlaced"]["fields"][1]["type"]
    assert price["fields"][0]["type"]["fields"][1]["name"] == "currency"


def test_what_the_registry_refuses_is_a_finding_of_the_plan(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    publish(load(tmp_path), client)
    fake.refuse = lambda subject, text: (409, {"error_code": 409, "message": "not that"})
    findings = Findings()
    make_plan(load(tmp_path, with_field(CANCELLED, "why")), client, findings)
    (finding,) = findings.items
    assert finding.rule.id == "registry/refused"
    assert finding.location.file == "schemas/OrderCancelled.avsc"
    assert "not that" in finding.message
    assert finding.subject == "orders-shop.OrderCancelled"


def test_a_registry_that_cannot_judge_references_is_not_believed(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    publish(load(tmp_path), client)

    def fail(handler: Handler) -> bool:
        if not handler.path.startswith("/compatibility"):
            return False
        handler.reply(422, b'{"error_code": 42201, "message": "Syntax violation"}')
        return True

    fake.behave = fail
    findings = Findings()
    changed = (with_field(MONEY, "currency"), with_field(PLACED, "note"))
    made = make_plan(load(tmp_path, *changed), client, findings)
    assert len(made.changes) == 3
    assert [item.subject for item in findings] == ["shop.Money"]


@pytest.mark.parametrize("status", [409, 422])
def test_a_refusal_stops_what_depends_on_it(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path, status: int
) -> None:
    contract = load(tmp_path)
    made = plan(contract, client)

    def refuse(subject: str, text: str) -> tuple[int, Any] | None:
        return (status, {"message": "no"}) if subject == "shop.Price" else None

    fake.refuse = refuse
    findings = Findings()
    done = apply_plan(made, client, findings)
    assert [item.rule.id for item in findings] == ["registry/refused"]
    assert "orders-shop.OrderPlaced" not in fake.versions
    assert {item.step.subject.name for item in done} == set(fake.versions)


LEVEL, SCHEMA = "PUT", "POST"


@pytest.mark.parametrize(
    ("before", "order"),
    [
        ("NONE", [SCHEMA, SCHEMA, LEVEL]),
        ("BACKWARD", [SCHEMA, SCHEMA, LEVEL]),
        ("FULL_TRANSITIVE", [LEVEL, SCHEMA, SCHEMA]),
        ("BACKWARD_TRANSITIVE", [SCHEMA, SCHEMA, LEVEL]),
    ],
)
def test_a_level_is_loosened_before_and_tightened_after_the_schema(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path, before: str, order: list[str]
) -> None:
    publish(load(tmp_path), client)
    fake.levels["orders-shop.OrderCancelled"] = before
    contract = load(tmp_path, with_field(CANCELLED, "why"))
    if before == "BACKWARD_TRANSITIVE":
        stated = MANIFEST.replace("FULL", "FULL_TRANSITIVE")
        fake.levels = {name: "FULL_TRANSITIVE" for name in fake.levels}
        fake.levels["orders-shop.OrderCancelled"] = before
        contract = load(tmp_path, with_field(CANCELLED, "why"), manifest=stated)
    fake.requests.clear()
    made = plan(contract, client)
    # Under a level that will not hold any more, the registry's answer would mean nothing.
    asked = [path for _, path, *_ in fake.requests if path.startswith("/compatibility")]
    assert bool(asked) == (order[0] is SCHEMA)
    (step,) = made.changes
    assert step.level is Level(before) and step.changes_level
    fake.requests.clear()
    apply_plan(made, client, Findings())
    assert [method for method, *_ in fake.requests if method in (LEVEL, SCHEMA)] == order
    assert fake.levels["orders-shop.OrderCancelled"] == step.subject.level.value


def test_a_level_alone_is_a_change(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    publish(load(tmp_path), client)
    contract = load(tmp_path, manifest=MANIFEST.replace("FULL", "BACKWARD"))
    made = plan(contract, client)
    assert len(made.changes) == 4
    assert all(step.action is Action.UNCHANGED for step in made.changes)
    assert not any(step.changes for step in made.changes)
    publish(contract, client)
    assert set(fake.levels.values()) == {"BACKWARD"}


def test_going_back_to_an_old_schema_registers_nothing(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    publish(load(tmp_path), client)
    publish(load(tmp_path, with_field(CANCELLED, "why")), client)
    made = plan(load(tmp_path), client)
    step = next(step for step in made.steps if step.subject.name == "orders-shop.OrderCancelled")
    assert (step.action, step.version, step.latest) == (Action.UNCHANGED, 1, 2)


def test_the_way_a_registry_keeps_a_text_does_not_matter(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    contract = load(tmp_path)
    publish(contract, client)
    for versions in fake.versions.values():
        for version in versions:
            held = json.loads(version["schema"])
            version["schema"] = json.dumps(held, indent=3, sort_keys=True)
    assert plan(contract, client).changes == ()


def test_types_in_a_circle_are_written_out(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    circle = {**MONEY, "fields": [{"name": "price", "type": ["null", "shop.Price"]}]}
    contract = load(tmp_path, circle)
    publish(contract, client)
    placed = fake.versions["orders-shop.OrderPlaced"][0]
    assert "references" not in placed
    assert '"units"' not in placed["schema"] and '"tax"' in placed["schema"]
    assert plan(contract, client).changes == ()


def test_the_embedded_registry_says_why_it_refuses(tmp_path: Path) -> None:
    client = open_registry(RegistrySettings(None), tmp_path)
    publish(load(tmp_path), client)
    required = {**PRICE, "fields": [*PRICE["fields"], {"name": "vat", "type": "long"}]}
    contract = load(tmp_path, required)
    findings = Findings()
    made = make_plan(contract, client, findings)
    assert [item.subject for item in findings] == ["shop.Price", "orders-shop.OrderPlaced"]
    assert all("READER_FIELD_MISSING_DEFAULT_VALUE" in item.message for item in findings)
    findings = Findings()
    assert apply_plan(made, client, findings) == ()
    assert [item.subject for item in findings] == ["shop.Price"]
    assert client.versions("shop.Price") == (1,)


def test_a_lost_registry_says_how_far_it_came(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    made = plan(load(tmp_path), client)
    left = [3]

    def cut(handler: Handler) -> bool:
        left[0] -= handler.command == "PUT"
        if left[0] > 0:
            return False
        handler.reply(400, b"{}")
        return True

    fake.behave = cut
    with pytest.raises(CouldNotCheck, match=r"2 of 4 steps were done") as caught:
        apply_plan(made, client, Findings())
    assert "again" in caught.value.hint


def test_many_verdicts_are_asked_for_at_once(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path
) -> None:
    names = [f"Event{number}" for number in range(12)]
    events = ", ".join(f"shop.{name}" for name in names)
    manifest = f"version: 1\ntopics:\n  many:\n    events: [{events}]\nservices: {{}}\n"
    schemas = [{**CANCELLED, "name": name} for name in names]
    publish(load(tmp_path, *schemas, manifest=manifest), client)
    changed = [with_field(schema, "why") for schema in schemas]
    contract = load(tmp_path, *changed, manifest=manifest)
    # Nobody is answered before all have asked.
    together = threading.Barrier(len(names), timeout=10)

    def wait(handler: Handler) -> bool:
        if handler.path.startswith("/compatibility"):
            together.wait()
        return False

    fake.behave = wait
    findings = Findings()
    review(contract, RegistryBaseline(client), findings)
    make_plan(contract, client, findings)
    assert not findings.items
    asked = Counter(path for _, path, _, _ in fake.requests if path.startswith("/compatibility"))
    assert sorted(asked.values()) == [2] * len(names)
