"""From a registry to files: a round trip changes nothing, and nobody's work is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from registry_fake import RegistryFake, serve

from codegen.registry.http import serve_in_thread
from codegen.registry.store import Store

PROJECT = Path(__file__).parent.parent
SNAPSHOT = "schemas/registry.snapshot.json"
MANIFEST = "schemas/contracts.yaml"
PLACED = "schemas/retail/orders/OrderPlaced.avsc"
CUSTOMER = "schemas/retail/orders/Customer.avsc"


@dataclass
class Desk:
    """A registry, and commands that are run in folders beside it."""

    url: str
    folder: Path

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "codegen", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "SCHEMA_REGISTRY_URL": self.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def send(self, method: str, path: str, body: Any) -> None:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        with urlopen(Request(self.url + path, data, headers, method=method)) as answer:
            assert answer.status == 200

    def register(self, subject: str, schema: Any, **body: Any) -> None:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        path = f"/subjects/{quote(subject, safe='')}/versions"
        self.send("POST", path, {"schema": text, **body})

    def make_folder(self, name: str = "new") -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def make_shop(self) -> Path:
        """The retail example, published."""
        shop = self.make_folder("shop")
        shutil.copytree(PROJECT / "schemas", shop / "schemas")
        assert self.run(shop, "register", "--apply").returncode == 0
        return shop

    def pull(self, folder: Path, *arguments: str, code: int = 0) -> str:
        done = self.run(folder, "pull", *arguments)
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = Store(":memory:")
    with serve_in_thread(store) as url:
        yield Desk(url, tmp_path)
    store.close()


def record(full_name: str, *fields: tuple[str, Any]) -> dict[str, Any]:
    namespace, _, name = full_name.rpartition(".")
    listed = [{"name": field, "type": kind} for field, kind in fields]
    return {"type": "record", "name": name, "namespace": namespace, "fields": listed}


def read(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


MONEY = record("shop.Money", ("units", "long"))
LOST = record("retail.orders.OrderLost", ("order_id", {"type": "string", "logicalType": "uuid"}))
SOLD = record("shop.Sold", ("id", "string"))


def test_what_was_published_comes_back_byte_for_byte(desk: Desk) -> None:
    shop = desk.make_shop()
    before = read(shop)
    desk.pull(shop)
    assert read(shop) == {**before, SNAPSHOT: (shop / SNAPSHOT).read_bytes()}

    new = desk.make_folder()
    desk.pull(new)
    pulled = read(new)
    manifest = pulled.pop(MANIFEST)
    assert pulled == {
        name: data for name, data in read(shop).items() if name.endswith((".avsc", "snapshot.json"))
    }
    for command in ("check", "status", "snapshot"):
        done = desk.run(new, command)
        assert done.returncode == 0, done
    assert "unchanged  9 files" in desk.pull(new)
    assert read(new) == {**pulled, MANIFEST: manifest}
    assert "services" in manifest.decode(), "what a registry cannot know is asked for"


def test_the_manifest_has_the_topics_that_the_names_tell_of(desk: Desk) -> None:
    desk.register("sales-key", record("shop.Key", ("id", "string")))
    desk.register("sales-value", SOLD)
    desk.register("returns-shop.Returned", record("shop.Returned", ("id", "string")))
    desk.register("shop.Refunded", record("shop.Refunded", ("id", "string")))
    desk.send("PUT", "/config/sales-value", {"compatibility": "FULL"})
    new = desk.make_folder()
    said = desk.pull(new)
    assert "note       shop.Refunded: its topic is not in its name" in said
    manifest = (new / MANIFEST).read_text()
    topics = manifest.partition("topics:\n")[2].partition("\n#")[0]
    assert " ".join(topics.split()) == (
        "returns: compatibility: BACKWARD subject_strategy: topic-record "
        "events: [shop.Returned] "
        "sales: key: {schema: shop.Key} compatibility: FULL events: [shop.Sold]"
    )
    assert desk.run(new, "check").returncode == 0


@pytest.mark.parametrize("topics", ["", "topics: {}\n", "topics:\n"])
def test_a_manifest_may_begin_with_the_registry_alone(desk: Desk, topics: str) -> None:
    shop = desk.make_shop()
    folder = desk.make_folder()
    (folder / "schemas").mkdir()
    begun = f"# Ours.\nversion: 1\nregistry:\n  url: {desk.url}\n  timeout: 5\n{topics}"
    (folder / MANIFEST).write_text(begun)
    desk.url = "http://127.0.0.1:1"  # the environment's would not answer
    desk.pull(folder)
    text = (folder / MANIFEST).read_text()
    assert text.startswith("# Ours.\nversion: 1\nregistry:\n  url: http")
    assert (folder / PLACED).read_bytes() == (shop / PLACED).read_bytes()
    assert "unchanged  9 files" in desk.pull(folder)
    assert desk.run(folder, "status").returncode == 0


def test_a_manifest_that_begins_wrongly_is_told(desk: Desk) -> None:
    folder = desk.make_folder()
    (folder / "schemas").mkdir()
    (folder / MANIFEST).write_text(f"version: 1\nregistry: {{uri: '{desk.url}'}}\n")
    assert 'unknown key "uri"' in desk.pull(folder, code=1)
    assert [item.name for item in (folder / "schemas").iterdir()] == ["contracts.yaml"]


def test_a_change_in_the_registry_is_shown_and_taken(desk: Desk) -> None:
    shop = desk.make_shop()
    (shop / PLACED).write_text((shop / PLACED).read_text().replace("    ", "  "))
    laid_out = read(shop)
    other = desk.make_folder("other")
    desk.pull(other)
    text = (other / CUSTOMER).read_text()
    added = '{"name": "tier", "type": ["null", "string"], "default": null, "doc": "Its tier."},\n'
    (other / CUSTOMER).write_text(text.replace('"fields": [\n', f'"fields": [\n    {added}', 1))
    assert desk.run(other, "register", "--apply").returncode == 0

    said = desk.pull(shop, "--dry-run")
    assert f"changed    {CUSTOMER}\n             added field tier" in said
    assert read(shop) == laid_out, "it was to be shown only"
    desk.pull(shop)
    pulled = read(shop)
    assert json.loads(pulled.pop(CUSTOMER)) == json.loads((other / CUSTOMER).read_text())
    del pulled[SNAPSHOT], laid_out[CUSTOMER]
    assert pulled == laid_out, "the layout of a schema that is the same is its author's"
    assert desk.run(shop, "status").returncode == 0


def test_work_that_the_registry_never_saw_is_kept_unless_forced(desk: Desk) -> None:
    shop = desk.make_shop()
    published = (shop / CUSTOMER).read_text()
    edited = published.replace('"doc": "', '"doc": "By me. ', 1)
    (shop / CUSTOMER).write_text(edited)
    before = read(shop)
    said = desk.pull(shop, code=1)
    assert f"{CUSTOMER}: error pull/local-edits" in said
    assert read(shop) == before, "nothing at all was written"
    said = desk.pull(shop, "--force")
    assert f"overwrite  {CUSTOMER}" in said
    assert (shop / CUSTOMER).read_text() == published


def test_a_file_that_is_in_the_way_is_somebodys_work(desk: Desk) -> None:
    desk.register("sales-value", SOLD)
    new = desk.make_folder()
    (new / "schemas/shop").mkdir(parents=True)
    (new / "schemas/shop/Sold.avsc").write_text("not yet finished")
    assert "schemas/shop/Sold.avsc: error pull/local-edits" in desk.pull(new, code=1)
    assert read(new) == {"schemas/shop/Sold.avsc": b"not yet finished"}


def test_new_events_are_added_to_a_manifest_with_its_comments(desk: Desk) -> None:
    shop = desk.make_shop()
    desk.register("orders-retail.orders.OrderLost", LOST)
    desk.register("sales-value", SOLD)
    before = (shop / MANIFEST).read_text()
    said = desk.pull(shop)
    assert "BACKWARD in the registry and FULL_TRANSITIVE in the manifest: orders-ret" in said
    after = (shop / MANIFEST).read_text()
    added = [line.strip() for line in after.splitlines() if line not in before.splitlines()]
    assert added == ["- retail.orders.OrderLost"], "sales is no topic of this contract"
    assert set(before.splitlines()) < set(after.splitlines())
    desk.pull(shop, "--subject", "sales-value")
    assert (shop / "schemas/shop/Sold.avsc").is_file()
    assert "8 of 9 subjects in step" in desk.run(shop, "status").stdout


def test_a_level_of_the_manifest_stays(desk: Desk) -> None:
    shop = desk.make_shop()
    before = (shop / MANIFEST).read_text()
    desk.send("PUT", "/config/order-completions-value", {"compatibility": "NONE"})
    said = desk.pull(shop)
    assert "NONE in the registry and BACKWARD_TRANSITIVE in the manifest: order-c" in said
    assert (shop / MANIFEST).read_text() == before


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (("--prefix", "sa"), ["shop/Sold"]),
        (("--subject", "bills-value"), ["shop/Bill", "shop/Money"]),
        (("--prefix", "sa", "--subject", "bills-value"), ["shop/Bill", "shop/Money", "shop/Sold"]),
    ],
)
def test_a_part_of_the_registry_brings_what_it_refers_to(
    desk: Desk, arguments: tuple[str, ...], files: list[str]
) -> None:
    desk.register("sales-value", SOLD)
    desk.register("other-value", record("shop.Other", ("id", "string")))
    desk.register("shop.Money", MONEY)
    reference = {"name": "shop.Money", "subject": "shop.Money", "version": 1}
    bill = record("shop.Bill", ("net", "shop.Money"))
    desk.register("bills-value", bill, references=[reference])
    new = desk.make_folder()
    desk.pull(new, *arguments)
    assert sorted(name for name in read(new) if name.endswith(".avsc")) == [
        f"schemas/{name}.avsc" for name in files
    ]


@pytest.mark.parametrize("arguments", [("--subject", "sale-value"), ("--prefix", "sale-")])
def test_a_subject_that_is_not_there_is_said(desk: Desk, arguments: tuple[str, str]) -> None:
    desk.register("sales-value", SOLD)
    new = desk.make_folder()
    said = desk.pull(new, *arguments, code=2)
    assert arguments[1] in said
    assert "it holds sales-value" in said
    assert read(new) == {}


def test_a_type_with_two_meanings_is_a_finding_with_both_places(desk: Desk) -> None:
    desk.register("a-value", record("shop.A", ("m", MONEY)))
    desk.register("b-value", record("shop.B", ("m", record("shop.Money", ("units", "int")))))
    new = desk.make_folder()
    said = desk.pull(new, code=1)
    assert "b-value v1:10:17: error pull/conflicting-types: " in said
    assert "define shop.Money differently: narrowed units: long -> int" in said
    assert "a-value v1:10:17" in said
    assert read(new) == {}
    desk.pull(new, "--subject", "a-value")
    assert json.loads(read(new)["schemas/shop/A.avsc"])["fields"][0]["type"]["name"] == "Money"


def test_a_type_that_is_written_out_twice_becomes_one_file(desk: Desk) -> None:
    desk.register("a-value", record("shop.A", ("m", MONEY)))
    desk.register("b-value", record("shop.B", ("m", MONEY)))
    new = desk.make_folder()
    assert "shop.Money is written out in 2 subjects" in desk.pull(new)
    assert json.loads(read(new)["schemas/shop/B.avsc"])["fields"][0]["type"] in (
        "Money",
        "shop.Money",
    )
    for command in ("check", "status"):
        assert desk.run(new, command).returncode == 0
    assert "unchanged  2 subjects" in desk.run(new, "register").stdout
    assert "unchanged  5 files" in (again := desk.pull(new)) and "note" not in again


def test_types_are_written_out_or_referred_to_as_the_manifest_says(desk: Desk) -> None:
    desk.register("a-value", record("shop.A", ("m", MONEY)))
    desk.register("b-value", record("shop.B", ("m", MONEY)))
    new = desk.make_folder()
    desk.pull(new)
    manifest = new / MANIFEST
    written_out = manifest.read_text().replace(
        "services: {}", "services:\n  shop: {produces: [a, b], targets: {python: {}}}"
    )
    assert "  references: false\n" in written_out
    packages = []
    for text in (written_out, written_out.replace("  references: false\n", "")):
        manifest.write_text(text)
        assert desk.run(new, "register", "--apply").returncode == 0
        assert desk.run(new, "generate").returncode == 0
        (schemas,) = new.glob("generated/**/schemas.py")
        packages.append(schemas.read_text())
    assert [text.count("references=(MONEY_TYPE,)") for text in packages] == [0, 2]
    manifest.write_text(written_out)
    said = desk.run(new, "status").stdout
    assert "a-value is at v2 in the registry, and the file is its v1" in said
    assert "holds shop.Money, and the contract writes it out where it is used" in said


def test_a_registry_with_references_keeps_them(desk: Desk) -> None:
    desk.register("shop.Money", MONEY)
    reference = {"name": "shop.Money", "subject": "shop.Money", "version": 1}
    desk.register("bills-value", record("shop.Bill", ("net", "shop.Money")), references=[reference])
    desk.register("a-value", record("shop.A", ("m", MONEY)))
    new = desk.make_folder()
    assert "kontrakt register would publish it as a shared type" in desk.pull(new)
    assert "references" not in (new / MANIFEST).read_text()
    assert "a-value v1 is not the schema of the file" in desk.run(new, "status").stdout


def test_an_older_version_that_somebody_refers_to_is_named(desk: Desk) -> None:
    desk.register("shop.Money", MONEY)
    reference = {"name": "shop.Money", "subject": "shop.Money", "version": 1}
    desk.register("bills-value", record("shop.Bill", ("net", "shop.Money")), references=[reference])
    desk.register("shop.Money", {**MONEY, "doc": "An amount."})
    new = desk.make_folder()
    assert "bills-value refers to shop.Money v1, and v2 was taken" in desk.pull(new)
    assert b"An amount." in read(new)["schemas/shop/Money.avsc"]


def test_what_is_no_named_avro_type_is_listed_as_left_out(desk: Desk) -> None:
    desk.register("json-value", '{"type": "object"}', schemaType="JSON")
    desk.register("proto-value", 'syntax = "proto3"; message A {}', schemaType="PROTOBUF")
    desk.register("text-value", '"string"')
    desk.register("sales-value", SOLD)
    new = desk.make_folder()
    said = desk.pull(new)
    for words in (
        "json-value: v1 is a JSON",
        "proto-value: v1 is a PROTOBUF",
        "text-value: v1 has",
    ):
        assert f"left out   {words}" in said
    assert [name for name in read(new) if name.endswith(".avsc")] == ["schemas/shop/Sold.avsc"]


def test_a_type_that_is_no_record_keeps_no_other_from_being_pulled(desk: Desk) -> None:
    way = {"type": "enum", "name": "Way", "namespace": "shop", "symbols": ["A"]}
    for name in ("way-value", "way-key", "shop.Way"):
        desk.register(name, way)
    desk.register("sales-value", SOLD)
    desk.register("sales-key", '"string"')
    new = desk.make_folder()
    said = desk.pull(new)
    assert "note       way-value: shop.Way is no record, so no event and no key" in said
    assert {"schemas/shop/Sold.avsc", "schemas/shop/Way.avsc"} <= set(read(new))
    assert "way" not in (new / MANIFEST).read_text("utf-8")
    status = desk.run(new, "status")
    assert (status.returncode, status.stdout.count(" warning ")) == (0, 2), status.stdout
    assert "unchanged  4 files" in desk.pull(new)


def test_names_of_a_registry_do_not_steer_the_terminal(desk: Desk) -> None:
    fake = RegistryFake()
    fake.add("\x1b[31m\n\u202eevil-value", SOLD)
    fake.add("\x1b]0;json-value", '{"type": "object"}', type="JSON")
    fake.add("sales-value", record("shop.Sale", ("id", "string")))
    with serve(fake) as desk.url:
        for arguments, words in (
            ((), "evil-value: it is named"),
            (("--subject", "json-value"), "it holds "),
        ):
            done = desk.run(desk.make_folder(f"new{len(arguments)}"), "pull", *arguments)
            said = done.stdout + done.stderr
            assert words in said
            assert not {"\x1b", "\u202e"} & set(said)


NAMES = ["../../up", "/etc/x", "a\\b", "c:d", "tägliches", "x" * 300, "%2e%2e", "a b", "..", "-"]


def test_no_name_of_a_registry_leads_out_of_the_folder(desk: Desk) -> None:
    for index, topic in enumerate(NAMES):
        desk.register(f"{topic}-value", record(f"shop.Type{index}", ("id", "string")))
    long = f"{'n' * 300}.{'N' * 300}"
    for topic, name in (("a", "shop.sold"), ("b", "Shop.Sold"), ("c", "shop.CON"), ("d", long)):
        desk.register(f"{topic}-value", record(name, ("id", "string")))
    new = desk.make_folder()
    desk.pull(new)
    names = read(new)
    assert set(read(desk.folder)) == {f"new/{name}" for name in names}
    assert len({name.lower() for name in names}) == len(names) == len(NAMES) + 4 + 2
    assert all(len(part) < 128 for name in names for part in name.split("/"))
    assert not any(Path(name).stem.upper() == "CON" for name in names)
    assert desk.run(new, "check").returncode == 0
    assert "unchanged" in desk.pull(new)
    assert read(new) == names


def test_a_folder_that_cannot_be_written_to_gets_nothing(desk: Desk) -> None:
    shop = desk.make_shop()
    desk.register("orders-retail.orders.OrderLost", LOST)
    (shop / SNAPSHOT).mkdir()
    before = read(shop)
    said = desk.pull(shop, code=3)
    assert "nothing was pulled" in said
    assert SNAPSHOT in said
    assert read(shop) == before


def test_a_manifest_that_cannot_be_edited_says_what_to_add(desk: Desk) -> None:
    shop = desk.make_shop()
    text = (shop / MANIFEST).read_text()
    text = text.replace("    events:\n", "    events: &all\n", 1)
    text = text.replace("events: [retail.orders.OrderCancelled]", "events: *all", 1)
    (shop / MANIFEST).write_text(text)
    assert desk.run(shop, "check").returncode == 0
    desk.register("orders-retail.orders.OrderLost", LOST)
    before = read(shop)
    said = desk.pull(shop, code=3)
    assert "retail.orders.OrderLost" in said
    assert read(shop) == before


def test_credentials_of_an_address_are_not_written(desk: Desk) -> None:
    desk.register("sales-value", SOLD)
    new = desk.make_folder()
    address = desk.url.replace("://", "://ann:secret@")
    said = desk.pull(new, "--from", address)
    assert "secret" not in said
    assert not any(b"secret" in data for data in read(new).values())
    assert desk.url.encode() in read(new)[MANIFEST]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", ""])
def test_without_a_registry_nothing_is_made(desk: Desk, address: str) -> None:
    new = desk.make_folder()
    desk.url = address
    desk.pull(new, code=3)
    assert read(new) == {}


def test_a_subject_that_no_request_can_name_is_left_out(desk: Desk) -> None:
    desk.register("..", SOLD)
    desk.register("sales-value", SOLD)
    new = desk.make_folder()
    said = desk.pull(new)
    assert 'left out   "..": no request can name this subject' in said
    assert desk.run(new, "status").returncode == 0


def test_a_snapshot_finds_offline_what_the_registry_finds(desk: Desk) -> None:
    shop = desk.make_shop()
    desk.send("PUT", "/config/order-completions-value", {"compatibility": "NONE"})
    desk.register("orders-retail.orders.OrderPaid", '{"type": "object"}', schemaType="JSON")
    for version in (1, 2, 3):
        lost = {**LOST, "doc": f"The {version}. text."}
        desk.register("orders-retail.orders.OrderLost", lost)
    desk.send("DELETE", "/subjects/orders-retail.orders.OrderLost/versions/2", None)
    assert desk.run(shop, "snapshot").returncode == 0
    held = json.loads((shop / SNAPSHOT).read_bytes())["subjects"]
    numbers = [item["version"] for item in held["orders-retail.orders.OrderLost"]["versions"]]
    assert numbers == [1, 3], "what was deleted is left out, and its number stays unused"

    manifest = (shop / MANIFEST).read_text()
    events = "      - retail.orders.OrderLost\n      - retail.orders.OrderPaid\n"
    listed = "    events:\n      - retail.orders.OrderPlaced\n"
    assert listed in manifest
    (shop / MANIFEST).write_text(manifest.replace(listed, listed + events))
    required = ("reason", "string")
    fields = (("order_id", LOST["fields"][0]["type"]), required)
    for name in ("OrderLost", "OrderPaid"):
        schema = record(f"retail.orders.{name}", *fields)
        (shop / f"schemas/retail/orders/{name}.avsc").write_text(json.dumps(schema))
    customer = json.loads((shop / CUSTOMER).read_text())
    customer["fields"].append({"name": "tier", "type": "string"})
    (shop / CUSTOMER).write_text(json.dumps(customer))

    def find(against: str) -> set[tuple[str, str, str]]:
        done = desk.run(shop, "check", "--against", against, "--format", "json")
        assert done.returncode == 1, done
        return {
            (item["rule"], item["subject"], json.dumps(item["location"], sort_keys=True))
            for item in json.loads(done.stdout)["findings"]
            if not item["rule"].startswith("compat/registry")
        }

    online = find("registry")
    desk.url = ""
    assert find("snapshot") == online
    assert {rule for rule, _, _ in online} >= {
        "compat/field-without-default",
        "compat/level-differs",
        "compat/not-judged",
    }
    said = desk.run(shop, "check", "--against", "snapshot").stdout
    assert f"against snapshot {SNAPSHOT} of http://127.0.0.1" in said


def test_a_new_version_is_a_small_change_of_the_snapshot(desk: Desk) -> None:
    shop = desk.make_shop()
    assert desk.run(shop, "snapshot").returncode == 0
    before = (shop / SNAPSHOT).read_text().splitlines()
    text = (shop / PLACED).read_text()
    added = '{"name": "tier", "type": ["null", "string"], "default": null, "doc": "Its tier."},\n'
    (shop / PLACED).write_text(text.replace('"fields": [\n', f'"fields": [\n    {added}', 1))
    assert desk.run(shop, "register", "--apply").returncode == 0
    assert "8 versions" in desk.run(shop, "snapshot").stdout
    after = (shop / SNAPSHOT).read_text().splitlines()
    changes = [line for line in unified_diff(before, after, n=0, lineterm="") if line[0] in "+-"]
    assert sum(line.startswith("-") for line in changes[2:]) <= 1
    assert '+          "version": 2,' in changes
