"""Apicurio's Java serializers in their Confluent mode, beside the stubs that kontrakt generates.

On the embedded registry schemas are found through Confluent's API, on Apicurio Registry 2.6.13
through Apicurio's own, as the library comes; there the stubs go through its Confluent API.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from real.java import compile_java, java, maven_class_path
from real.registries import Registry

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
SERDES = (
    "io.apicurio:apicurio-registry-serdes-avro-serde:2.6.13.Final",
    "org.slf4j:slf4j-nop:2.0.13",
)
SOLD = '{"type":"record","name":"Sold","namespace":"shop","fields":[%s]}'
ONE = SOLD % '{"name":"a","type":"int"}'
BREAKING = SOLD % '{"name":"a","type":"int"},{"name":"b","type":"string"}'

Ask = Callable[..., list[dict[str, str]]]


@pytest.fixture(scope="module")
def ask_java(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Sends rows to Apicurio's serializers (see Serdes.java); the arguments say which registry."""
    folder = tmp_path_factory.mktemp("serdes")
    class_path = compile_java(HERE / "java/Serdes.java", maven_class_path(*SERDES), folder)

    def ask(*arguments: str, rows: list[dict[str, object]]) -> list[dict[str, str]]:
        done = subprocess.run(
            [java(17), "-Xmx256m", "-cp", class_path, "Serdes", *arguments],
            input="".join(f"{json.dumps(row)}\n" for row in rows),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package that is generated for the inventory service."""
    monkeypatch.syspath_prepend(PROJECT / "generated/inventory-service/python")
    return importlib.import_module("inventory_service")


def connect(stubs: ModuleType, url: str) -> Any:
    """The registry as the package's own producer and consumer use it."""
    module = importlib.import_module(f"{stubs.__name__}._runtime.kafka.registry")
    made = stubs.settings(bootstrap_servers="unused", registry_url=url, environment={})
    return module.HttpRegistry(made.registry)


def make_order(stubs: ModuleType) -> Any:
    return stubs.OrderPlaced(
        order_id=UUID("12345678-9abc-4def-8123-456789abcdef"),
        placed_at=dt.datetime(2026, 11, 26, 3, 0, tzinfo=dt.UTC),
        customer=stubs.Customer(
            customer_id=UUID("ffffffff-ffff-ffff-ffff-ffffffffffff"),
            name="größer als ASCII: 東京",
            email="a@example.org",
        ),
        lines=[stubs.OrderLine(sku="s", quantity=3, unit_price=Decimal("-0.01"))],
        total=Decimal("9999999999.99"),
        currency="EUR",
        channel=stubs.Channel.WEB,
        payment=stubs.InvoicePayment(due=dt.date(1969, 12, 31)),
        attributes={"a": "b"},
        note=None,
    )


def read(registry: Any, kind: Any, data: bytes) -> Any:
    """An event as the stub's consumer reads it, with the schema that the bytes name."""
    assert data[0] == 0
    writer = registry.fetch(int.from_bytes(data[1:5], "big"))
    return kind.resolve(writer.text, writer.references)(data, 5)


def test_they_exchange_events_through_the_embedded_registry(
    schema_registry: str, ask_java: Ask, stubs: ModuleType, tmp_path: Path
) -> None:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    environment = {**os.environ, "SCHEMA_REGISTRY_URL": schema_registry}
    command = [sys.executable, "-m", "codegen", "register", "--apply", "--root", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True)
    registry = connect(stubs, schema_registry)
    kind = importlib.import_module("inventory_service.codecs").ORDER_PLACED
    id = registry.look_up(kind)
    sent = kind.encode(make_order(stubs), b"\0" + id.to_bytes(4, "big"))
    order, first, refused, again = ask_java(
        schema_registry,
        "confluent",
        rows=[
            {"topic": "orders", "bytes": sent.hex()},
            {"topic": "sold", "schema": ONE, "value": {"a": 7}},
            {"topic": "sold", "schema": BREAKING, "value": {"a": 7, "b": "x"}},
            {"topic": "sold", "schema": ONE, "value": {"a": 8}},
        ],
    )
    assert order == {"bytes": sent.hex(), "value": order["value"]}
    assert "größer als ASCII: 東京" in order["value"]
    assert read(registry, kind, bytes.fromhex(order["bytes"])) == make_order(stubs)
    assert first["bytes"].endswith("0e")
    assert "409" in refused["error"]
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in refused["error"]
    assert again["bytes"] == first["bytes"][:-2] + "10"


def test_they_exchange_events_through_apicurio(
    registries: Callable[[str], Registry], ask_java: Ask, stubs: ModuleType
) -> None:
    apicurio = registries("apicurio-2")
    apicurio.clear()
    registry = connect(stubs, apicurio.url)
    kind = importlib.import_module("inventory_service.codecs").STOCK_REJECTED
    event = stubs.StockRejected(
        order_id=UUID("12345678-9abc-4def-8123-456789abcdef"),
        rejected_at=dt.datetime(2026, 11, 26, 3, 0, tzinfo=dt.UTC),
        reason=stubs.RejectionReason.OUT_OF_STOCK,
        missing_skus=["s", "東京"],
    )
    value = {
        "order_id": str(event.order_id),
        "rejected_at": int(event.rejected_at.timestamp() * 1000),
        "reason": "OUT_OF_STOCK",
        "missing_skus": event.missing_skus,
    }
    own_api = apicurio.url.replace("/apis/ccompat/v7", apicurio.line.own_api)
    row = {"topic": "inventory-updates", "schema": kind.schema, "value": value}
    [made] = ask_java(own_api, rows=[row])
    data = bytes.fromhex(made["bytes"])
    assert read(registry, kind, data) == event
    assert kind.encode(event, data[:5]) == data
