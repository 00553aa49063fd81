"""Expand and contract: the steps that a check writes out are followed by hand, and played on bytes.

Each case has the schema that runs today, the one that somebody wanted, and the two that the steps
ask for instead. The steps must say so, each of the two must be taken by the level and by kontrakt
without a complaint, and whoever reads meanwhile must read everything rightly.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import fastavro
import pytest

from codegen.contract.load import load_documents
from codegen.contract.model import Contract, History, PastVersion
from codegen.diagnostics import Findings
from codegen.impact.plan import Plan, make_plan
from codegen.impact.wording import describe_plan
from codegen.review import review
from codegen.source import read_json, read_yaml
from schemas import schema

TODAY = date(2026, 1, 31)


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Kind", "symbols": list(symbols), **more}


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    fields = ({"name": "id", "type": "string"}, *fields)
    return {"type": "record", "name": "Sold", "namespace": "shop", "fields": list(fields)}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def part(name: str, key: str = "n") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": "long"}]}


MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


@dataclass(frozen=True)
class Case:
    """A change that no order makes safe, and what the steps make of it.

    `says` are parts of the steps. `expanded` and `contracted` are written as the steps ask;
    `contracted` is None where the level never lets the old go. `sent` is what a producer writes
    with the expanded schema, `order` the order in which it is deployed.
    """

    level: str
    before: dict[str, Any]
    wanted: dict[str, Any]
    says: tuple[str, ...]
    expanded: dict[str, Any]
    contracted: dict[str, Any] | None
    sent: dict[str, Any]
    order: str = "any order"


CASES = {
    "type": Case(
        "FULL",
        record(field("n", "string", default="")),
        record(field("n", "long", default=0)),
        ('keep "n" as string; add a field beside it for long, for example "n_2", with a default',
         'write both "n" and "n_2"', 'remove "n"'),
        record(field("n", "string", default=""), field("n_2", "long", default=0)),
        record(field("n_2", "long", default=0)),
        {"n": "7", "n_2": 7},
    ),
    "type-forever": Case(
        "FULL_TRANSITIVE",
        record(field("n", "string")),
        record(field("n", "long")),
        ('keep "n" as string and give it a default; add a field beside it for long',
         'never lets "n" go'),
        record(field("n", "string", default=""), field("n_2", "long", default=0)),
        None,
        {"n": "7", "n_2": 7},
    ),
    "unit-of-time": Case(
        "BACKWARD_TRANSITIVE",
        record(field("at", MILLIS)),
        record(field("at", MICROS)),
        ('keep "at" as timestamp-millis and give it a default; add a field beside it for '
         'timestamp-micros, for example "at_2", with a default', 'remove "at"'),
        record(field("at", MILLIS, default=0), field("at_2", MICROS, default=0)),
        record(field("at_2", MICROS, default=0)),
        {"at": 1, "at_2": 1000},
    ),
    "type-and-unit-of-time": Case(
        "BACKWARD",
        record(field("n", {"type": "int", "logicalType": "time-millis"})),
        record(field("n", {"type": "long", "logicalType": "time-micros"})),
        ('keep "n" as time-millis (int) and give it a default; add a field beside it for '
         'time-micros (long), for example "n_2", with a default; register that', 'remove "n"'),
        record(field("n", {"type": "int", "logicalType": "time-millis"}, default=0),
               field("n_2", {"type": "long", "logicalType": "time-micros"}, default=0)),
        record(field("n_2", {"type": "long", "logicalType": "time-micros"}, default=0)),
        {"n": time(0, 0, 1), "n_2": time(0, 0, 1)},
    ),
    "unit-in-a-name": Case(
        "FULL",
        record(field("dose_mg", "int", default=0)),
        record(field("dose_g", "int", default=0, aliases=["dose_mg"])),
        ('keep "dose_mg"; add "dose_g", with a default; register that', 'remove "dose_mg"'),
        record(field("dose_mg", "int", default=0), field("dose_g", "int", default=0)),
        record(field("dose_g", "int", default=0)),
        {"dose_mg": 7000, "dose_g": 7},
    ),
    "renamed": Case(
        "FULL",
        record(field("client_name", "string")),
        record(field("customer_name", "string")),
        ('keep "client_name" with a default, and add "customer_name" beside it with one',
         'write both "client_name" and "customer_name"', 'remove "client_name"'),
        record(field("client_name", "string", default=""),
               field("customer_name", "string", default="")),
        record(field("customer_name", "string", default="")),
        {"client_name": "Ada", "customer_name": "Ada"},
    ),
    "renamed-with-defaults": Case(
        "FULL_TRANSITIVE",
        record(field("note", ["null", "string"], default=None)),
        record(field("notes", ["null", "string"], default=None)),
        ('keep "note"; add "notes", with a default', 'write both "note" and "notes"',
         'remove "note"'),
        record(field("note", ["null", "string"], default=None),
               field("notes", ["null", "string"], default=None)),
        record(field("notes", ["null", "string"], default=None)),
        {"note": "x", "notes": "x"},
    ),
    "symbols-with-a-default": Case(
        "FULL_TRANSITIVE",
        record(field("kind", enum("A", "B", default="A"))),
        record(field("kind", enum("A", "C", default="A"))),
        ("keep B in Kind; add C to Kind", "stop writing B; write C from now on",
         "remove B from Kind"),
        record(field("kind", enum("A", "B", "C", default="A"))),
        record(field("kind", enum("A", "C", default="A"))),
        {"kind": "C"},
        "consumers first",
    ),
    "symbols-without-one": Case(
        "BACKWARD",
        record(field("kind", enum("A", "B"))),
        record(field("kind", enum("A", "C"))),
        ('keep B in Kind, and give Kind a "default"', "add C", "remove B from Kind"),
        record(field("kind", enum("A", "B", "C", default="A"))),
        record(field("kind", enum("A", "C", default="A"))),
        {"kind": "C"},
        "consumers first",
    ),
    "branches": Case(
        "FORWARD",
        record(field("n", ["null", "string"])),
        record(field("n", ["null", "long"])),
        ('keep string in "n"', 'add a field beside it that takes long too', 'remove "n"'),
        record(field("n", ["null", "string"], default=None),
               field("n_2", ["null", "string", "long"], default=None)),
        record(field("n_2", ["null", "string", "long"], default=None)),
        {"n": None, "n_2": 7},
    ),
    "in-a-map": Case(
        "BACKWARD",
        record(field("n", {"type": "map", "values": "string"})),
        record(field("n", {"type": "map", "values": "long"})),
        ('keep "n" as a map of string and give it a default; add a field beside it for a map of '
         'long, for example "n_2"', 'remove "n"'),
        record(field("n", {"type": "map", "values": "string"}, default={}),
               field("n_2", {"type": "map", "values": "long"}, default={})),
        record(field("n_2", {"type": "map", "values": "long"}, default={})),
        {"n": {"a": "7"}, "n_2": {"a": 7}},
    ),
    "text-becomes-a-record": Case(
        "FULL",
        record(field("n", "string", default="")),
        record(field("n", part("Price"))),
        ('keep "n" as string; add a field beside it for the record Price, for example "n_2"',
         'remove "n"'),
        record(field("n", "string", default=""),
               field("n_2", ["null", part("Price")], default=None)),
        record(field("n_2", ["null", part("Price")], default=None)),
        {"n": "7", "n_2": {"n": 7}},
    ),
    "record-branch-renamed": Case(
        "FULL",
        record(field("n", ["null", part("Price"), part("Tax", "t")], default=None)),
        record(field("n", ["null", part("Sum"), part("Tax", "t")], default=None)),
        ('keep "n" as a union of null, the record Price, the record Tax; add a field beside it for '
         'a union of null, the record Sum, the record Tax, for example "n_2"', 'remove "n"'),
        record(field("n", ["null", part("Price"), part("Tax", "t")], default=None),
               field("n_2", ["null", part("Sum"), "Tax"], default=None)),
        record(field("n_2", ["null", part("Sum"), part("Tax", "t")], default=None)),
        {"n": {"n": 7}, "n_2": {"n": 7}},
    ),
    "record-branch-replaced": Case(
        "NONE",
        record(field("n", ["null", part("Price"), part("Tax", "t")], default=None)),
        record(field("n", ["null", "long", part("Tax", "t")], default=None)),
        ('keep the record Price in "n"; add long to "n"',
         'stop writing the record Price in "n"; write long in "n" from now on',
         'take the record Price out of "n"'),
        record(field("n", ["null", part("Price"), part("Tax", "t"), "long"], default=None)),
        record(field("n", ["null", part("Tax", "t"), "long"], default=None)),
        {"n": 7},
        "consumers first",
    ),
}  # fmt: skip


def judge(level: str, now: dict[str, Any], *past: dict[str, Any]) -> tuple[Plan, Findings]:
    manifest = {
        "version": 1,
        "topics": {"sales": {"events": ["shop.Sold"], "compatibility": level, "retention": "7d"}},
        "services": {"till": {"produces": ["sales"]}, "books": {"consumes": ["sales"]}},
    }
    text = json.dumps(now)
    findings = Findings()
    contract = load_documents(
        read_yaml("schemas/contracts.yaml", json.dumps(manifest)),
        [read_json("schemas/shop/Sold.avsc", text)],
        findings,
    )
    assert contract is not None, [item.message for item in findings]
    (event,) = contract.events
    versions = tuple(
        PastVersion(event.subject, f"v{number}", read_json(f"v{number}", json.dumps(value)),
                    schema(value), number)
        for number, value in enumerate(past, 1)
    )  # fmt: skip
    history = History(event.subject, versions)

    class Past:
        name = "the past"

        def histories(self, contract: Contract) -> Mapping[str, History]:
            return {event.subject: history}

    findings = Findings()
    return make_plan(review(contract, Past(), findings).impacts), findings


def read(reader: dict[str, Any], writer: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    parsed = [fastavro.parse_schema(side) for side in (writer, reader)]
    names = {item["name"] for item in writer["fields"]}
    value = {name: item for name, item in {"id": "1", **sent}.items() if name in names}
    fastavro.schemaless_writer(buffer, parsed[0], value)
    buffer.seek(0)
    found: dict[str, Any] = fastavro.schemaless_reader(buffer, *parsed)  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_steps_are_what_they_say_and_can_be_followed(case: Case) -> None:
    plan, _ = judge(case.level, case.wanted, case.before)
    assert len(plan.unsafe) == 1
    said = "\n".join(describe_plan(plan, TODAY))
    for words in case.says:
        assert words in said, said

    plan, findings = judge(case.level, case.expanded, case.before)
    assert not findings.has_errors, [item.message for item in findings]
    assert [one.rollout.value for release in plan.releases for one in release.impacts] == [
        case.order
    ]
    if case.contracted is None:
        assert "remove" not in said
        return
    plan, findings = judge(case.level, case.contracted, case.before, case.expanded)
    assert not findings.has_errors, [item.message for item in findings]
    assert not plan.unsafe


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_everything_is_read_rightly_meanwhile(case: Case) -> None:
    """Consumers that were not deployed yet find the old form, those that were find the new one."""
    known = {item["name"] for item in case.before["fields"]}
    if case.order == "any order":
        found = read(case.before, case.expanded, case.sent)
        assert {name: item for name, item in case.sent.items() if name in known}.items() <= (
            plain(found).items()
        )
    assert case.sent.items() <= plain(read(case.expanded, case.expanded, case.sent)).items()
    if case.contracted is not None:
        names = {item["name"] for item in case.contracted["fields"]}
        for reader, writer in (
            (case.contracted, case.expanded),
            (case.expanded, case.contracted),
            (case.contracted, case.contracted),
        ):
            sent = {name: item for name, item in case.sent.items() if name in names}
            assert sent.items() <= plain(read(reader, writer, case.sent)).items()


def plain(value: dict[str, Any]) -> dict[str, Any]:
    """Times as the numbers that were written."""
    units = {"at": 1_000, "at_2": 1_000_000}
    return {
        name: round(item.timestamp() * units[name]) if isinstance(item, datetime) else item
        for name, item in value.items()
    }
