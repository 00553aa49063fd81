"""`kontrakt new`: what it writes can be used at once, and it never touches what is there."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from codegen.cli import program
from codegen.diagnostics import KontraktError
from codegen.scaffolding import Addition, write_addition
from codegen.source import read_yaml

PROJECT = Path(__file__).parent.parent
MANIFEST = "schemas/contracts.yaml"
RETURNED = "schemas/retail/orders/OrderReturned.avsc"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
    return subprocess.run(
        [sys.executable, "-m", "codegen", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def contents(folder: Path) -> dict[str, str]:
    """Every file of the repository, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted((folder / "schemas").rglob("*"))
        if path.is_file()
    }


def added(before: str, after: str) -> list[str]:
    """The lines that came; none may have gone or changed."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    assert not [line for line in lines if line.startswith("- ")], after
    return [line[2:] for line in lines if line.startswith("+ ")]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    assert run(folder, "init", "--example", "retail").returncode == 0
    return folder


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    """The retail example, as `kontrakt init` makes it."""
    folder = tmp_path / "shop"
    shutil.copytree(template, folder)
    return folder


def test_an_event_has_its_file_namespace_docs_and_entry(shop: Path) -> None:
    before = contents(shop)
    done = run(
        shop, "new", "event", "OrderReturned", "--topic", "orders",
        "--doc", "A customer sent an order back.",
        "--field", "order_id:uuid Identifies the order; the message key.",
        "--field", "total:decimal(12,2) What is paid back, in the currency of the order.",
        "--field", "note:string? What the customer wrote; null where nothing was written.",
        "--field", "reason:enum(BROKEN,WRONG,OTHER)=OTHER Why the customer sent it back.",
        "--field", "lines:OrderLine[] What came back.",
        "--field", "returned_at:timestamp When it arrived (UTC).",
        "--field", "labels:string{} Free words of the warehouse, by name.",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    after = contents(shop)
    assert set(after) - set(before) == {RETURNED}
    assert added(before[MANIFEST], after[MANIFEST]) == ["      - retail.orders.OrderReturned"]
    assert all(after[name] == text for name, text in before.items() if name != MANIFEST)
    schema = json.loads(after[RETURNED])
    assert schema["namespace"] == "retail.orders"
    assert schema["doc"] == "A customer sent an order back."
    fields = {field["name"]: field for field in schema["fields"]}
    assert list(fields) == [
        "order_id", "total", "note", "reason", "lines", "returned_at", "labels",
    ]  # fmt: skip
    assert fields["order_id"]["type"] == {"type": "string", "logicalType": "uuid"}
    assert fields["total"]["type"] == {
        "type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2,
    }  # fmt: skip
    assert (fields["note"]["type"], fields["note"]["default"]) == (["null", "string"], None)
    assert fields["reason"]["type"]["symbols"] == ["BROKEN", "WRONG", "OTHER"]
    assert fields["reason"]["default"] == fields["reason"]["type"]["default"] == "OTHER"
    assert fields["lines"]["type"] == {"type": "array", "items": "retail.orders.OrderLine"}
    assert fields["returned_at"]["type"] == {"type": "long", "logicalType": "timestamp-millis"}
    assert fields["labels"]["type"] == {"type": "map", "values": "string"}
    for command in ("lint --fail-on note", "format --check", "check", "generate"):
        done = run(shop, *command.split())
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_docs_that_nobody_gave_are_marked_and_lint_tells_them(shop: Path) -> None:
    arguments = ("--field", "order_id:uuid", "--field", "total:decimal(12,2)")
    done = run(shop, "new", "event", "OrderReturned", "--topic", "orders", *arguments)
    assert "Write what 2 docs shall say" in done.stdout
    schema = json.loads(contents(shop)[RETURNED])
    docs = [one["doc"] for one in (schema, *schema["fields"])]
    assert docs[1] == "The order; the message key."
    assert docs[0].startswith("TODO: ") and docs[2].startswith("TODO: ")
    found = json.loads(run(shop, "lint", "--format", "json").stdout)["findings"]
    assert [one["rule"] for one in found] == ["docs/placeholder"] * 2


def test_a_topic_and_a_service_can_be_used_at_once(shop: Path) -> None:
    before = contents(shop)[MANIFEST]
    for arguments in (
        ("event", "returns.Arrived", "--topic", "returns", "--new-topic", "--key", "return_id",
         "--owner", "returns-service", "--field", "return_id:uuid"),
        ("topic", "refunds", "--event", "retail.orders.OrderCancelled", "--key", "order_id",
         "--retention", "7d", "--partitions", "12", "--doc", "Money that goes back."),
        ("service", "returns-service", "--produces", "returns", "--produces", "refunds",
         "--consumes", "orders:OrderPlaced", "--owner", "team-returns", "--doc", "Takes it back."),
    ):  # fmt: skip
        done = run(shop, "new", *arguments)
        assert done.returncode == 0, done.stderr
    assert added(before, contents(shop)[MANIFEST]) == [
        "  returns:",
        "    owner: returns-service",
        "    key: return_id",
        "    events:",
        "      - returns.Arrived",
        "  refunds:",
        "    doc: Money that goes back.",
        "    key: order_id",
        "    partitions: 12",
        "    retention: 7d",
        "    events:",
        "      - retail.orders.OrderCancelled",
        "  returns-service:",
        "    doc: Takes it back.",
        "    owner: team-returns",
        "    produces: [returns, refunds]",
        "    consumes:",
        "      - {topic: orders, events: [retail.orders.OrderPlaced]}",
        "    targets: {python: {}}",
    ]
    for command in ("lint", "check", "generate"):
        done = run(shop, *command.split())
        assert done.returncode == 0, (command, done.stdout, done.stderr)


REFUSED = {
    "an event that is there": (
        "event OrderPlaced --topic orders --field order_id:uuid",
        "there is",
    ),
    "its full name": ("event retail.orders.OrderPlaced --topic orders --field a:int", "there is"),
    "no topic": ("event X --topic ordres --field order_id:uuid", "did you mean orders?"),
    "no key": ("event X --topic orders --field a:int", "order_id"),
    "not a name": ("event 9X --topic orders --field order_id:uuid", "9X"),
    "a path": ("event ../../X --topic orders --field order_id:uuid", "../../X"),
    "a namespace that is a path": (
        "event X --namespace ../etc --topic orders --field order_id:uuid",
        "../etc",
    ),
    "a field twice": ("event X --topic orders --field order_id:uuid --field order_id:int", "twice"),
    "no type": ("event X --topic orders --field order_id", "colon"),
    "an array as Avro spells it": (
        "event X --topic orders --field a:array<string>",
        "a list is written TYPE[], for example string[]",
    ),
    "an unknown type": ("event X --topic orders --field a:strin", "did you mean string?"),
    "an impossible decimal": ("event X --topic orders --field a:decimal(2,5)", "precision"),
    "an enum without symbols": ("event X --topic orders --field a:enum()", "symbols"),
    "a default that does not fit": ("event X --topic orders --field a:int=many", "many"),
    "a default out of range": ("event X --topic orders --field a:int=3000000000", "3000000000"),
    "too many digits": ("event X --topic orders --field a:decimal(3,2)=12.50", "12.50"),
    "digits after the scale": ("event X --topic orders --field a:decimal(9,2)=1.005", "1.005"),
    "no UUID": ("event X --topic orders --field a:uuid=none", '"none" is no UUID'),
    "no day": ("event X --topic orders --field a:date=2026-02-30", "2026-02-30"),
    "no time of a day": ("event X --topic orders --field a:time=86400000", "no time of a day"),
    "two events, one subject": (
        "event X --topic order-completions --field order_id:uuid",
        "--subject-strategy topic-record",
    ),
    "a key of no new topic": ("event X --topic orders --key a --field a:uuid", "--new-topic"),
    "a topic that is there": ("topic orders --event OrderPlaced --key order_id", "there is"),
    "a topic of no event": ("topic returns --event Nothing --key order_id", "Nothing"),
    "no name for a topic": ("topic a/b --event OrderPlaced --key order_id", "a/b"),
    "no time": ("topic r --event OrderPlaced --key order_id --retention soon", "soon"),
    "a service that is there": ("service order-service --consumes orders", "there is"),
    "a service of no topic": ("service x-service --consumes ordres", "did you mean orders?"),
    "a service of no event": ("service x-service --consumes orders:StockReserved", "StockReserved"),
    "no target": ("service x-service --consumes orders --target cobol", "cobol"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_not_written(shop: Path, case: str) -> None:
    arguments, words = REFUSED[case]
    before = contents(shop)
    done = run(shop, "new", *arguments.split())
    assert done.returncode in (1, 2), done.stdout
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert contents(shop) == before


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("decimal(12,2)=0.00", "\x00"),
        ("decimal(12,2)=12.5", "\x04\xe2"),
        ("decimal(12,2)=-0.01", "\xff"),
        ("decimal(4,0)=200", "\x00\xc8"),
        ("decimal(12,2)?=null", None),
        ("date=1970-01-02", 1),
        ("date=-7", -7),
        ("time=86399999", 86399999),
        ("uuid=4fbf9f5e-2c6b-4c3a-9c1e-0f5d3a8b7c6d", "4fbf9f5e-2c6b-4c3a-9c1e-0f5d3a8b7c6d"),
    ],
)
def test_defaults_are_written_as_people_think_of_them(
    shop: Path, field: str, default: object
) -> None:
    arguments = ("X", "--topic", "orders", "--field", "order_id:uuid", "--field", f"a:{field}")
    done = run(shop, "new", "event", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    schema = json.loads((shop / "schemas/retail/orders/X.avsc").read_text("utf-8"))
    assert schema["fields"][1]["default"] == default


def test_a_dry_run_shows_all_and_writes_nothing(shop: Path) -> None:
    before = contents(shop)
    arguments = ("event", "X", "--topic", "orders", "--field", "order_id:uuid")
    shown = run(shop, "new", *arguments, "--dry-run")
    assert shown.returncode == 0
    assert shown.stdout.endswith("Nothing was written.\n")
    assert contents(shop) == before
    written = run(shop, "new", *arguments)
    assert written.stdout.splitlines()[:-1] == shown.stdout.splitlines()[:-1]
    assert "schemas/retail/orders/X.avsc" in contents(shop)


def test_a_file_in_the_way_is_kept(shop: Path) -> None:
    path = shop / "schemas/retail/orders/X.avsc"
    path.write_text('{"type": "fixed", "name": "other.Y", "size": 1}')
    before = contents(shop)
    done = run(shop, "new", "event", "X", "--topic", "orders", "--field", "order_id:uuid")
    assert done.returncode == 0, done.stdout + done.stderr
    after = contents(shop)
    (new,) = set(after) - set(before)
    assert new.startswith("schemas/retail/orders/X-")
    assert {name: after[name] for name in before if name != MANIFEST} == {
        name: text for name, text in before.items() if name != MANIFEST
    }


def change_manifest(shop: Path) -> str:
    (shop / MANIFEST).write_text((shop / MANIFEST).read_text("utf-8") + "# theirs\n", "utf-8")
    return "schemas/contracts.yaml was changed meanwhile; nothing was written"


def put_file(shop: Path) -> str:
    (shop / "schemas/retail/orders/X.avsc").write_text("theirs", "utf-8")
    return "schemas/retail/orders/X.avsc exists already; nothing was written"


@pytest.mark.parametrize("meddle", [change_manifest, put_file])
def test_what_others_wrote_meanwhile_is_kept(
    shop: Path, meddle: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs: dict[str, str] = {}

    def write_late(root: Path, addition: Addition) -> None:
        theirs["message"] = meddle(shop)
        theirs.update(contents(shop))
        write_addition(root, addition)

    monkeypatch.setattr("codegen.scaffolding.write_addition", write_late)
    monkeypatch.chdir(shop)
    arguments = ("new", "event", "X", "--topic", "orders", "--field", "order_id:uuid")
    done = CliRunner().invoke(program, arguments)
    assert isinstance(done.exception, KontraktError)
    assert str(done.exception) == theirs.pop("message")
    assert contents(shop) == theirs


def test_a_manifest_that_is_read_only_is_left(shop: Path) -> None:
    before = contents(shop)
    (shop / MANIFEST).chmod(0o444)
    done = run(shop, "new", "event", "X", "--topic", "orders", "--field", "order_id:uuid")
    assert done.returncode == 3
    assert "schemas/contracts.yaml cannot be written: it is read-only" in done.stderr
    assert contents(shop) == before


def test_a_manifest_that_is_json_stays_that(shop: Path) -> None:
    manifest = read_yaml(MANIFEST, (shop / MANIFEST).read_text("utf-8")).value
    (shop / MANIFEST).write_text(json.dumps(manifest, indent=2), "utf-8")
    for arguments in (
        ("event", "Y", "--topic", "orders", "--field", "order_id:uuid"),
        ("topic", "y", "--event", "Y", "--key", "order_id", "--retention", "7d"),
        ("service", "y-service", "--consumes", "orders:Y", "--owner", "team-y"),
    ):
        done = run(shop, "new", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((shop / MANIFEST).read_text("utf-8"))["services"]["y-service"]


def test_the_manifest_keeps_comments_quotes_and_line_ends(shop: Path) -> None:
    path = shop / MANIFEST
    text = """\
# Ours.\r
version: 1 # the form\r
\r
topics:\r
  "orders":   # all of them\r
    key: 'order_id'\r
    owner: order-service\r
    events: [ retail.orders.OrderPlaced, retail.orders.OrderCancelled ] # two\r
\r
# Who.\r
services:\r
  order-service: {produces: [orders]}\r
"""
    path.write_bytes(text.encode())
    done = run(shop, "new", "event", "Y", "--topic", "orders", "--field", "order_id:uuid")
    assert done.returncode == 0, done.stdout + done.stderr
    old = "retail.orders.OrderCancelled ]"
    new = "retail.orders.OrderCancelled, retail.orders.Y ]"
    assert path.read_bytes().decode() == text.replace(old, new)
