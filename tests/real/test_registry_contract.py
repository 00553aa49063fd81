"""Our registry client and the commands that use it, against registries that teams run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from codegen.baselines import open_registry
from codegen.baselines.answers import RegistryRefusal
from codegen.baselines.capabilities import probe
from codegen.baselines.holdings import VersionReference, make_histories
from codegen.baselines.registry import RegistryClient
from codegen.contract.model import Level, RegistrySettings
from codegen.diagnostics import CouldNotCheck
from real.registries import Registry

PROJECT = Path(__file__).parent.parent.parent
PLACED = "schemas/retail/orders/OrderPlaced.avsc"
SNAPSHOT = "schemas/registry.snapshot.json"
LINE = "schemas/retail/orders/OrderLine.avsc"
SUBJECT = "orders-retail.orders.OrderPlaced"

Kontrakt = Callable[..., subprocess.CompletedProcess[str]]


def text(*fields: dict[str, Any], name: str = "Order") -> str:
    return json.dumps({"type": "record", "name": name, "namespace": "shop", "fields": list(fields)})


ID = {"name": "id", "type": "string"}
NOTE = {"name": "note", "type": "string", "default": ""}
REQUIRED = {"name": "customer", "type": "string"}


@pytest.fixture
def client(registry: Registry, tmp_path: Path) -> RegistryClient:
    """Our client; the other side of each test is Confluent's."""
    return open_registry(RegistrySettings(registry.url, timeout=5.0), tmp_path)


@pytest.fixture
def other(registry: Registry) -> SchemaRegistryClient:
    """Confluent's client, to see what is really there."""
    return SchemaRegistryClient({"url": registry.url})


def test_what_we_register_is_what_others_find(
    client: RegistryClient, other: SchemaRegistryClient
) -> None:
    stored = client.register("orders-value", text(ID))
    assert (stored.subject, stored.version) == ("orders-value", 1)
    assert client.register("orders-value", text(ID)) == stored, "once more is the same"
    found = other.get_latest_version("orders-value")
    assert found.schema_id == stored.id
    assert found.schema is not None
    assert json.loads(found.schema.schema_str or "") == json.loads(text(ID))
    assert client.lookup("orders-value", text(ID)) == stored
    assert client.lookup("orders-value", text(NOTE)) is None
    assert client.lookup("other-value", text(ID)) is None
    second = client.register("orders-value", text(ID, NOTE))
    assert second.version == 2
    assert second.id != stored.id
    assert client.versions("orders-value") == (1, 2)
    assert client.versions("other-value") == ()
    assert client.version("orders-value", -1).id == second.id
    assert json.loads(client.schema(stored.id).text) == json.loads(text(ID))


def test_what_others_register_is_read_whole(
    client: RegistryClient, other: SchemaRegistryClient
) -> None:
    names = [f"shop/{number}:a b-value" for number in range(25)]
    for name in names:
        other.register_schema(name, Schema(text(ID), "AVRO"))
    other.register_schema(names[0], Schema(text(ID, NOTE), "AVRO"))
    other.set_compatibility(names[0], "FULL")
    assert client.subjects() == tuple(sorted(names))
    assert client.subjects("shop/1") == tuple(sorted(n for n in names if n.startswith("shop/1")))
    holdings = client.fetch([*names, "absent-value"])
    histories = make_histories(holdings, [*names, "absent-value"], "registry")
    assert set(histories) == set(names)
    assert len(histories[names[0]].versions) == 2
    assert histories[names[0]].level is Level.FULL
    assert all(one.problem == "" for one in histories[names[0]].versions)


def test_references_are_kept_and_followed(
    client: RegistryClient, other: SchemaRegistryClient
) -> None:
    client.register("shop.Money", text({"name": "units", "type": "long"}, name="Money"))
    money = VersionReference("shop.Money", "shop.Money", 1)
    price = text({"name": "net", "type": "shop.Money"}, name="Price")
    client.register("shop.Price", price, [money])
    order = text(ID, {"name": "price", "type": "shop.Price"}, {"name": "fee", "type": "shop.Money"})
    references = [money, VersionReference("shop.Price", "shop.Price", 1)]
    stored = client.register("orders-value", order, references)
    assert client.register("orders-value", order, references) == stored
    seen = other.get_schema(stored.id).references or []
    assert {(one.name, one.subject, one.version) for one in seen} == {
        ("shop.Money", "shop.Money", 1),
        ("shop.Price", "shop.Price", 1),
    }
    holdings = client.fetch(["orders-value"])
    assert set(holdings.subjects) == {"orders-value", "shop.Money", "shop.Price"}
    (past,) = make_histories(holdings, ["orders-value"], "registry")["orders-value"].versions
    assert past.problem == ""
    assert past.schema is not None
    assert {"shop.Order", "shop.Price", "shop.Money"} <= set(past.schema.names)


@pytest.mark.parametrize("level", list(Level))
def test_levels_are_set_and_read(
    client: RegistryClient, other: SchemaRegistryClient, level: Level
) -> None:
    client.register("orders-value", text(ID))
    # Apicurio says NONE where Confluent's registry says that there is no level of its own.
    assert client.level("orders-value") in (None, Level.NONE)
    client.set_level(level, "orders-value")
    assert client.level("orders-value") is level
    assert other.get_compatibility("orders-value") == level.value
    # Apicurio 2 answers 404 when NONE is set where nothing was.
    client.set_level(Level.BACKWARD)
    client.set_level(level)
    assert client.level() is level


def test_a_subject_without_a_level_has_the_global_one(
    client: RegistryClient, registry: Registry
) -> None:
    client.register("orders-value", text(ID))
    client.set_level(Level.BACKWARD)
    with pytest.raises(RegistryRefusal):
        client.register("orders-value", text(ID, REQUIRED))
    histories = make_histories(client.fetch(["orders-value"]), ["orders-value"], "registry")
    # Apicurio 2 says NONE whichever way it is asked, so nobody can know what will hold.
    known = Level.NONE if registry.line.name == "apicurio-2" else Level.BACKWARD
    assert histories["orders-value"].level is known


def test_the_registry_is_asked_and_refuses(client: RegistryClient) -> None:
    client.register("orders-value", text(ID))
    client.set_level(Level.BACKWARD, "orders-value")
    assert client.test("orders-value", text(ID, NOTE)).is_compatible
    assert client.test("absent-value", text(ID)).is_compatible
    assert not client.test("orders-value", text(ID, REQUIRED)).is_compatible
    with pytest.raises(RegistryRefusal) as refused:
        client.register("orders-value", text(ID, REQUIRED))
    assert refused.value.status == 409
    assert refused.value.message
    assert client.versions("orders-value") == (1,)
    with pytest.raises(RegistryRefusal):
        client.register("orders-value", '{"type": "record"}')


def test_a_level_of_none_can_be_set_where_nothing_was(client: RegistryClient) -> None:
    client.set_level(Level.NONE)
    assert client.level() is Level.NONE


@pytest.mark.parametrize("names", [3, 40])
def test_many_subjects_are_read_as_one_by_one(
    client: RegistryClient, monkeypatch: pytest.MonkeyPatch, names: int
) -> None:
    subjects = [f"topic{number}-value" for number in range(names)]
    for subject in subjects:
        client.register(subject, text(ID))
    client.register(subjects[1], text(ID, NOTE))
    holdings = client.fetch([*subjects, "absent-value"])
    assert sorted(holdings.subjects) == sorted(subjects)
    assert holdings.version_count == names + 1
    monkeypatch.setattr("codegen.baselines.registry.SUBJECTS_PAGE", 7)
    assert client.subjects() == tuple(sorted(subjects))


def test_what_it_lacks_is_found_out(client: RegistryClient, registry: Registry) -> None:
    client.set_level(Level.FULL)
    client.register("shop.Money", text({"name": "units", "type": "long"}, name="Money"))
    money = VersionReference("shop.Money", "shop.Money", 1)
    client.register("orders-value", text({"name": "fee", "type": "shop.Money"}), [money])
    client.set_level(Level.BACKWARD, "shop.Money")
    before = client.fetch(client.subjects())
    found = {item.name: item.is_there for item in probe(client).items}
    is_new = registry.line.name == "apicurio-3"
    assert found == {
        "all-versions": True,
        "reasons": not is_new,
        "references": False,
        "levels": is_new,
        "modes": is_new,
        "metadata": False,
        "contexts": False,
        "listing": False,
    }
    assert client.fetch(client.subjects()) == before


def test_all_versions_are_asked_about_at_a_transitive_level(client: RegistryClient) -> None:
    client.register("orders-value", text(ID, {"name": "note", "type": "string"}))
    client.register("orders-value", text(ID))
    client.set_level(Level.BACKWARD_TRANSITIVE, "orders-value")
    number = {"name": "note", "type": "int", "default": 0}
    assert not client.test("orders-value", text(ID, number)).is_compatible
    assert client.test("orders-value", text(ID, {**number, "name": "count"})).is_compatible


def test_a_registry_that_fails_on_the_way_is_never_taken_for_an_answer(
    registry: Registry, client: RegistryClient, tmp_path: Path
) -> None:
    client.register("orders-value", text(ID))
    far = open_registry(RegistrySettings(registry.proxied_url, timeout=1.0), tmp_path)
    assert far.versions("orders-value") == (1,)
    proxy = registry.proxy
    for fault in (proxy.stall, proxy.cut, lambda: proxy.cut_after(60)):
        fault()
        with pytest.raises(CouldNotCheck) as failed:
            far.fetch(["orders-value"])
        assert proxy.address in failed.value.message
        assert failed.value.exit_code == 3
        proxy.restore()
    # Connections that died meanwhile are no reason to fail.
    proxy.drop_connections()
    assert far.versions("orders-value") == (1,)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of the retail contracts."""
    root = tmp_path / "shop"
    shutil.copytree(PROJECT / "schemas", root / "schemas")
    return root


@pytest.fixture
def kontrakt(shop: Path, registry: Registry) -> Kontrakt:
    """Runs kontrakt in the shop against the registry."""

    def run(*arguments: str, url: str = registry.url) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "codegen", *arguments],
            cwd=shop,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "SCHEMA_REGISTRY_URL": url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    return run


def edit(root: Path, name: str, before: str, after: str) -> None:
    path = root / name
    whole = path.read_text("utf-8")
    assert before in whole
    path.write_text(whole.replace(before, after, 1), "utf-8")


def references(other: SchemaRegistryClient) -> dict[str | None, int | None]:
    """The versions of the types that the latest OrderPlaced refers to, by name."""
    schema = other.get_latest_version(SUBJECT).schema
    assert schema is not None
    return {one.name: one.version for one in schema.references or []}


def test_a_contract_is_published_checked_and_changed(
    kontrakt: Kontrakt, shop: Path, other: SchemaRegistryClient
) -> None:
    assert "7 new" in kontrakt("check").stdout
    assert kontrakt("register").returncode == 0
    assert other.get_subjects() == [], "a plan writes nothing"
    done = kontrakt("register", "--apply")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(other.get_subjects()) == 7
    assert other.get_compatibility(SUBJECT) == "FULL_TRANSITIVE"
    assert set(references(other)) == {"retail.orders.Customer", "retail.orders.OrderLine"}
    again = kontrakt("register", "--apply")
    assert "unchanged  7 subjects" in again.stdout
    assert other.get_versions(SUBJECT) == [1]
    same = kontrakt("check")
    assert same.returncode == 0, same.stdout
    assert "7 versions" in same.stdout
    assert "registry-differs" not in same.stdout

    required = '    {"name": "tier", "type": "string", "doc": "The tier."},\n'
    edit(shop, PLACED, '    {"name": "currency"', f'{required}    {{"name": "currency"')
    broken = kontrakt("check")
    assert broken.returncode == 1
    line = (shop / PLACED).read_text("utf-8").splitlines().index(required.rstrip()) + 1
    assert f"{PLACED}:{line}:14: error compat/field-without-default" in broken.stdout
    assert "registry-differs" not in broken.stdout
    refused = kontrakt("register", "--apply")
    assert refused.returncode == 1
    assert other.get_versions(SUBJECT) == [1]

    mended = required.replace('"doc"', '"default": "-", "doc"')
    edit(shop, PLACED, required, mended)
    good = kontrakt("check")
    assert good.returncode == 0, good.stdout
    assert f"{SUBJECT}  v2" in kontrakt("register", "--apply").stdout
    assert other.get_versions(SUBJECT) == [1, 2]
    assert kontrakt("check").returncode == 0


def test_a_changed_shared_type_takes_those_who_use_it_along(
    kontrakt: Kontrakt, shop: Path, other: SchemaRegistryClient
) -> None:
    kontrakt("register", "--apply")
    whole = json.loads((shop / LINE).read_text("utf-8"))
    added = {"name": "gift", "type": "boolean", "default": False, "doc": "Whether to wrap it."}
    whole["fields"].append(added)
    (shop / LINE).write_text(json.dumps(whole, indent=2), "utf-8")
    checked = kontrakt("check")
    assert checked.returncode == 0, checked.stdout
    assert "registry-differs" not in checked.stdout
    done = kontrakt("register", "--apply")
    assert done.returncode == 0, done.stdout + done.stderr
    assert other.get_versions("retail.orders.OrderLine") == [1, 2]
    assert other.get_latest_version(SUBJECT).version == 2
    assert references(other) == {"retail.orders.Customer": 1, "retail.orders.OrderLine": 2}
    assert kontrakt("register", "--apply").returncode == 0
    assert other.get_versions(SUBJECT) == [1, 2]
    assert kontrakt("check").returncode == 0


def test_a_snapshot_of_a_real_registry_judges_as_the_registry_did(
    kontrakt: Kontrakt, shop: Path
) -> None:
    kontrakt("register", "--apply")
    assert kontrakt("snapshot").returncode == 0
    snapshot = shop / SNAPSHOT
    first = snapshot.read_bytes()
    assert "nothing changed" in kontrakt("snapshot").stdout
    assert snapshot.read_bytes() == first
    edit(
        shop, PLACED, '{"name": "currency", "type": "string"', '{"name": "currency", "type": "int"'
    )
    edit(shop, PLACED, '"default": "EUR"', '"default": 0')
    for baseline in ("registry", "snapshot"):
        done = kontrakt("check", "--against", baseline)
        assert done.returncode == 1
        assert "error compat/type-changed" in done.stdout, done.stdout


def test_a_level_that_is_not_transitive_is_about_the_latest_version(
    kontrakt: Kontrakt, shop: Path, other: SchemaRegistryClient
) -> None:
    edit(shop, "schemas/contracts.yaml", "BACKWARD_TRANSITIVE", "BACKWARD")
    path = shop / "schemas/retail/inventory/StockRejected.avsc"
    schema = json.loads(path.read_text("utf-8"))
    notes: tuple[Any, ...] = ("string", None, "int")
    for version, type in enumerate(notes, 1):
        default = 0 if type == "int" else ""
        added = {"name": "reference", "type": type, "default": default, "doc": "What it is about."}
        fields = [*schema["fields"], *([added] if type else [])]
        path.write_text(json.dumps({**schema, "fields": fields}, indent=2), "utf-8")
        done = kontrakt("register", "--apply")
        assert done.returncode == 0, done.stdout + done.stderr
        subject = "inventory-updates-retail.inventory.StockRejected"
        assert len(other.get_versions(subject)) == version


def test_a_registry_lost_in_the_middle_is_finished_later(
    kontrakt: Kontrakt, registry: Registry, other: SchemaRegistryClient
) -> None:
    counts = []
    # How much is answered before the first schema is written differs between registries.
    for answered in range(1_000, 100_000, 3_000):
        registry.proxy.cut_after(answered)
        done = kontrakt("register", "--apply", url=registry.proxied_url)
        registry.proxy.restore()
        assert done.returncode == 3, done.stdout + done.stderr
        assert registry.proxy.address in done.stderr
        counts.append(len(other.get_subjects()))
        if counts[-1]:
            break
    assert counts[0] == 0
    assert 0 < counts[-1] < 7, "it was not lost in the middle"
    done = kontrakt("register", "--apply")
    assert done.returncode == 0, done.stdout + done.stderr
    subjects = other.get_subjects()
    assert len(subjects) == 7
    assert [other.get_versions(subject) for subject in subjects] == [[1]] * 7
    assert other.get_compatibility(SUBJECT) == "FULL_TRANSITIVE"
    assert "unchanged" in kontrakt("register", "--apply").stdout


def test_what_was_published_is_in_step_and_comes_back(
    kontrakt: Kontrakt, shop: Path, other: SchemaRegistryClient, tmp_path: Path
) -> None:
    assert kontrakt("register", "--plan", "plan.json").returncode == 0
    assert other.get_subjects() == [], "a plan writes nothing"
    assert "drift/missing" in kontrakt("status").stdout
    done = kontrakt("register", "--apply", "plan.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 of 7 subjects in step" in kontrakt("status").stdout
    assert "unchanged  7 subjects" in kontrakt("register", "--apply", "plan.json").stdout
    before = {path: path.read_bytes() for path in shop.rglob("schemas/**/*.*")}
    done = kontrakt("pull")
    assert done.returncode == 0, done.stdout + done.stderr
    snapshot = (shop / SNAPSHOT).read_bytes()
    assert {path: path.read_bytes() for path in before} == before

    new = tmp_path / "new"
    new.mkdir()
    done = kontrakt("pull", "--root", str(new))
    assert done.returncode == 0, done.stdout + done.stderr
    pulled = [path.relative_to(new) for path in new.rglob("*.avsc")]
    assert len(pulled) == 7
    assert all((new / path).read_bytes() == (shop / path).read_bytes() for path in pulled)
    assert (new / SNAPSHOT).read_bytes() == snapshot
    for command in ("check", "status", "pull"):
        done = kontrakt(command, "--root", str(new))
        assert done.returncode == 0, done.stdout + done.stderr
    assert (new / SNAPSHOT).read_bytes() == snapshot


def test_docs_alone_come_into_step_too(kontrakt: Kontrakt, shop: Path) -> None:
    kontrakt("register", "--apply")
    edit(shop, PLACED, '"doc": "', '"doc": "Here. ')
    done = kontrakt("register", "--apply")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was expected" not in done.stdout
    assert "unchanged  7 subjects" in kontrakt("register").stdout
    assert kontrakt("status").returncode == 0


def test_three_people_may_publish_the_same_at_once(
    kontrakt: Kontrakt, shop: Path, other: SchemaRegistryClient
) -> None:
    fields = '"fields": [\n'
    for version in (1, 2):
        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(lambda _: kontrakt("register", "--apply"), range(3)))
        # Who read while another wrote may have seen parts that do not fit, and says so.
        assert {one.returncode for one in done} <= {0, 1, 3}
        again = kontrakt("register", "--apply")
        assert again.returncode == 0, again.stdout + again.stderr
        assert other.get_compatibility(SUBJECT) == "FULL_TRANSITIVE"
        assert kontrakt("status").returncode == 0
        more = f'    {{"name": "n{version}", "type": "int", "default": 0, "doc": "More."}},\n'
        for name in (PLACED, LINE):
            edit(shop, name, fields, fields + more)


def test_what_somebody_else_registered_is_drift_and_can_be_taken(
    kontrakt: Kontrakt, shop: Path, other: SchemaRegistryClient
) -> None:
    kontrakt("register", "--apply")
    ours = '    {"name": "ours", "type": "string", "default": "", "doc": "Ours."},\n'
    edit(shop, PLACED, '    {"name": "currency"', f'{ours}    {{"name": "currency"')
    assert kontrakt("register", "--plan", "plan.json").returncode == 0
    latest = other.get_latest_version(SUBJECT).schema
    assert latest is not None
    theirs = json.loads(latest.schema_str or "")
    theirs["fields"].append({"name": "theirs", "type": "string", "default": "", "doc": "New."})
    other.register_schema(SUBJECT, Schema(json.dumps(theirs), "AVRO", latest.references))
    drift = kontrakt("status")
    assert drift.returncode == 1
    assert f"{SUBJECT} v2 is not the schema" in drift.stdout, drift.stdout
    late = kontrakt("register", "--apply", "plan.json")
    assert (late.returncode, "plan/out-of-date" in late.stdout) == (1, True)
    assert other.get_versions(SUBJECT) == [1, 2]
    kept = kontrakt("pull")
    assert (kept.returncode, "pull/local-edits" in kept.stdout) == (1, True)
    assert kontrakt("pull", "--force").returncode == 0
    assert json.loads((shop / PLACED).read_text("utf-8")) == theirs
    assert kontrakt("status").returncode == 0


def test_a_subject_that_was_deleted_softly(
    client: RegistryClient, other: SchemaRegistryClient
) -> None:
    for fields in ([ID], [ID, NOTE]):
        other.register_schema("orders-value", Schema(text(*fields), "AVRO"))
    other.delete_subject("orders-value")
    assert client.subjects() == client.versions("orders-value") == ()
    holdings = client.fetch_past(["orders-value", "absent-value"])
    assert set(holdings.subjects) == {"orders-value"}
    assert holdings.subjects["orders-value"].is_deleted
    (history,) = make_histories(holdings, ["orders-value"], "registry").values()
    # Apicurio lists them and gives none, so nothing can be compared; and nothing is taken for new.
    assert [(one.version, one.schema) for one in history.versions] == [(1, None), (2, None)]
    assert all("does not give it" in one.problem for one in history.versions)
    assert client.find_prospects(["orders-value"])["orders-value"].version == 3
    other.delete_subject("orders-value", permanent=True)
    assert client.versions("orders-value", deleted=True) == ()
    assert not client.fetch_past(["orders-value"]).subjects
    assert client.register("orders-value", text(ID)).version == 1
