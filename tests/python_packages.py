"""Python packages generated from schemas that a test makes up, and random schemas and values."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import itertools
import json
import random
import struct
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from codegen.baselines.holdings import Holdings, StoredSubject, StoredVersion, make_histories
from codegen.contract.load import load_contract
from codegen.contract.model import Contract
from codegen.diagnostics import Findings
from codegen.targets import discover_targets

EVENT = "test.Event"


def load(root: Path, schemas: Mapping[str, Any], events: list[str], key: str = "") -> Contract:
    """A contract with one topic for all the events, and one service that consumes and produces."""
    folder = root / "schemas"
    folder.mkdir(parents=True)
    for name, schema in schemas.items():
        (folder / f"{name}.avsc").write_text(json.dumps(schema), encoding="utf-8")
    manifest = {
        "version": 1,
        "topics": {"things": {"doc": "x", "events": events, **({"key": key} if key else {})}},
        "services": {
            "thing-service": {
                "doc": "x",
                "produces": ["things"],
                "consumes": ["things"],
                "targets": {"python": {}},
            }
        },
    }
    (folder / "contracts.yaml").write_text(json.dumps(manifest))
    findings = Findings()
    contract = load_contract(root, findings)
    assert contract is not None, [finding.message for finding in findings]
    assert not findings.has_errors, [finding.message for finding in findings]
    return contract


def write_package(contract: Contract, root: Path, package: str) -> Path:
    """Write the package of the only service; the folder that holds it."""
    (service,) = contract.services
    for file in discover_targets()["python"].files(service, contract, {"package": package}):
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")
    return root


_number = 0


def import_package(contract: Contract, root: Path) -> ModuleType:
    """Write the package under a name of its own and import it, its codecs included."""
    global _number  # noqa: PLW0603 - modules are global, too
    _number += 1
    package = f"generated_{_number}"
    folder = write_package(contract, root, package)
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(package)
        importlib.import_module(f"{package}.codecs")
    finally:
        sys.path.remove(str(folder))
    return module


def remember(contract: Contract, past: Iterable[Any]) -> Contract:
    """The contract with these older versions of its only event."""
    (event,) = contract.events
    return remember_all(contract, {event.name: past})


def remember_all(contract: Contract, pasts: Mapping[str, Iterable[Any]]) -> Contract:
    """The contract with these older versions of its events, by their names."""
    numbers = itertools.count(1)
    subjects = {event.subject: pasts[event.name] for event in contract.events}
    holdings = Holdings(
        {
            subject: StoredSubject(
                subject,
                tuple(
                    StoredVersion(subject, number, next(numbers), json.dumps(one))
                    for number, one in enumerate(past, 1)
                ),
            )
            for subject, past in subjects.items()
        }
    )
    histories = make_histories(holdings, list(subjects), "snapshot")
    assert all(one.schema for history in histories.values() for one in history.versions)
    return dataclasses.replace(contract, histories=histories)


def make_event(root: Path, schema: Any, past: Iterable[Any] = ()) -> tuple[ModuleType, Any]:
    """The package and the EventType of one event schema called test.Event."""
    contract = remember(load(root, {"Event": schema}, [EVENT]), past)
    package = import_package(contract, root / "generated")
    (event,) = package.codecs.EVENTS
    return package, event


def run_generated_tests(root: Path) -> list[str]:
    """Run the tests of the package that make_event wrote; their names."""
    (path,) = (root / "generated" / "tests").glob("*.py")
    space: dict[str, Any] = {"__name__": "contract"}
    exec(compile(path.read_text("utf-8"), str(path), "exec", dont_inherit=True), space)
    tests = {name: value for name, value in space.items() if name.startswith("test_")}
    for test in tests.values():
        test()
    return list(tests)


SIMPLE: list[Any] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL: list[Any] = [
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 0},
    {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 12},
    {"type": "string", "logicalType": "uuid"},
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "int", "logicalType": "of-the-future"},
]


class Schemas:
    """Random schemas of one record test.Event, from a seed."""

    def __init__(self, seed: object, *, for_fastavro: bool = False) -> None:
        """fastavro finds no branch for a container of unions, so they can be left out."""
        self.random = random.Random(str(seed))
        self._for_fastavro = for_fastavro
        self._count = 0
        self._open: list[str] = []
        self._known: list[str] = []

    def event(self, fewest: int = 0) -> Any:
        """The schema of test.Event, with so many fields at least."""
        self._open = ["Event"]
        fields = [
            {"name": f"f{index}", "type": self.type(0)}
            for index in range(self.random.randint(fewest, 9))
        ]
        return {"type": "record", "name": "Event", "namespace": "test", "fields": fields}

    def type(self, depth: int) -> Any:
        """Any type."""
        choice = self.random.random() + depth / 12
        if choice < 0.1:
            return self._record(depth)
        if choice < 0.2:
            return {"type": "array", "items": self.type(depth + 1)}
        if choice < 0.28:
            return {"type": "map", "values": self.type(depth + 1)}
        if choice < 0.45:
            return self._union(depth)
        if choice < 0.55:
            return self._named()
        if choice < 0.6 and self._known:
            return self.random.choice(self._known)
        return self.random.choice(SIMPLE * 2 + LOGICAL)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _record(self, depth: int) -> Any:
        name = self._name("Record")
        self._open.append(name)
        fields = [
            {"name": f"f{index}", "type": self.type(depth + 1)}
            for index in range(self.random.randint(0, 5))
        ]
        self._open.pop()
        self._known.append(name)
        return {"type": "record", "name": name, "fields": fields}

    def _named(self) -> Any:
        kind = self.random.choice(["enum", "enum", "fixed", "fixed", "decimal", "uuid", "duration"])
        name = self._name(kind.capitalize())
        self._known.append(name)
        if kind == "enum":
            count = self.random.choice([1, 2, 3, 64, 65, 200])
            return {"type": "enum", "name": name, "symbols": [f"S{i}" for i in range(count)]}
        if kind == "fixed":
            return {"type": "fixed", "name": name, "size": self.random.choice([0, 1, 3, 16, 70])}
        size = {"decimal": 6, "uuid": 16, "duration": 12}[kind]
        schema = {"type": "fixed", "name": name, "size": size, "logicalType": kind}
        return {**schema, "precision": 11, "scale": 3} if kind == "decimal" else schema

    def _union(self, depth: int) -> Any:
        before = list(self._known)
        branches: list[Any] = ["null"] if self.random.random() < 0.7 else []
        if self.random.random() < 0.2:
            branches = ["null", self.random.choice(self._open)]  # null ends the recursion
        for _ in range(self.random.randint(1, 4)):
            branch = self.type(depth + 1)
            is_container = isinstance(branch, dict) and branch["type"] in ("array", "map")
            if is_container and self._for_fastavro:
                inner = "items" if branch["type"] == "array" else "values"
                branch[inner] = self.random.choice(SIMPLE + LOGICAL)
            branches.append(branch)
        unique: dict[str, Any] = {}
        for branch in branches:
            if not isinstance(branch, list):
                unique.setdefault(self._python_type(branch), branch)
        listed = list(unique.values()) or ["string"]
        self.random.shuffle(listed)
        # A branch that was left out has taken the types that it defines with it.
        text = json.dumps(listed)
        fresh = [name for name in self._known if name not in before]
        self._known = before + [name for name in fresh if f'"name": "{name}"' in text]
        listed.sort(key=lambda branch: not isinstance(branch, dict))
        if "null" in listed:
            listed.remove("null")
            listed.insert(self.random.choice([0, 0, len(listed)]), "null")
        return listed

    def _python_type(self, schema: Any) -> str:
        """What no two branches may share, so that it is clear which one a value is of.

        It is the same for branches that Avro does not allow beside each other.
        """
        if isinstance(schema, str) and schema in self._known:
            return schema if schema.startswith(("Record", "Enum")) else "bytes"
        if schema == "bytes" and self._for_fastavro:
            return "string"  # which it promotes bytes to, where both are branches
        if isinstance(schema, str):
            return {"int": "int", "long": "int", "float": "float", "double": "float"}.get(
                schema, schema
            )
        kind = schema["type"]
        if kind in ("record", "enum"):
            return str(schema["name"])
        if kind == "fixed":
            return "bytes"
        return self._python_type(kind)


_TEXTS = [
    "".join(random.Random(7).choices(letters, k=5000))
    for letters in ("abc XYZ09", "äöß", "日本語", "\U0001f600x", "\x00\x7f\x80ÿ")
]


class Values:
    """Random values of a schema: as the models that a package has, and as fastavro takes them."""

    def __init__(self, seed: object, package: ModuleType, event: Any, parsed: Any) -> None:
        self.random = random.Random(str(seed))
        self._types = event.codec.types
        self._named: dict[str, Any] = {}
        self._package = package
        self._collect(parsed)
        self.depth = 0

    def _collect(self, schema: Any) -> None:
        if isinstance(schema, list):
            for branch in schema:
                self._collect(branch)
        elif isinstance(schema, dict):
            if "name" in schema:
                self._named[schema["name"]] = schema
            for field in schema.get("fields", []):
                self._collect(field["type"])
            for key in ("items", "values"):
                if key in schema:
                    self._collect(schema[key])

    def pair(self, schema: Any) -> tuple[Any, Any]:
        """The model and the datum for fastavro."""
        self.depth += 1
        try:
            return self._pair(schema)
        finally:
            self.depth -= 1

    def _pair(self, schema: Any) -> tuple[Any, Any]:
        if isinstance(schema, str) and schema in self._named:
            return self._pair(self._named[schema])
        if isinstance(schema, list):
            return self._branch(schema)
        kind = schema if isinstance(schema, str) else schema["type"]
        logical = schema.get("logicalType") if isinstance(schema, dict) else None
        if kind == "record":
            pairs = [self.pair(field["type"]) for field in schema["fields"]]
            cls = self._types[schema["name"]]
            names = [field.name for field in dataclasses.fields(cls)]
            model = cls(**{name: pair[0] for name, pair in zip(names, pairs, strict=True)})
            fields = [field["name"] for field in schema["fields"]]
            return model, {name: pair[1] for name, pair in zip(fields, pairs, strict=True)}
        if kind == "enum":
            index = self.random.randrange(len(schema["symbols"]))
            return list(self._types[schema["name"]])[index], schema["symbols"][index]
        if kind == "array":
            pairs = [self.pair(schema["items"]) for _ in range(self._size())]
            return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        if kind == "map":
            named = {self._text(): self.pair(schema["values"]) for _ in range(self._size())}
            return {k: v[0] for k, v in named.items()}, {k: v[1] for k, v in named.items()}
        value = self._simple(kind, schema, logical)
        if logical == "duration":
            return value, struct.pack("<III", value.months, value.days, value.milliseconds)
        if kind == "fixed" and logical == "uuid":
            return value, value.bytes
        return value, value

    def _branch(self, schema: list[Any]) -> tuple[Any, Any]:
        choices = schema
        if self.depth > 6:
            choices = [one for one in schema if one == "null"] or schema
        branch = self.random.choice(choices)
        model, datum = self.pair(branch)
        known = self._named.get(branch, branch) if isinstance(branch, str) else branch
        name = known["name"] if isinstance(known, dict) and "name" in known else known
        # fastavro takes a name for a branch that has one, and finds the others by their values.
        return model, (name, datum) if isinstance(name, str) else datum

    def _size(self) -> int:
        if self.depth > 4:
            return self.random.choice([0, 0, 1])
        return self.random.choice([0, 1, 1, 2, 3, 70 if self.depth < 3 else 2])

    def _text(self) -> str:
        length = self.random.choice([0, 1, 5, 20, 63, 64, 65, 200, 1023, 1024, 3000])
        pool = self.random.choice(_TEXTS)
        start = self.random.randrange(len(pool) - length)
        return pool[start : start + length]

    def _integer(self, bits: int) -> int:
        size = self.random.randint(0, bits - 1)
        edge = self.random.choice([-1, 0, 1])
        number = self.random.choice([1 << size, -(1 << size), self.random.getrandbits(size or 1)])
        return max(-(1 << bits - 1), min((1 << bits - 1) - 1, number + edge))

    def _simple(self, kind: str, schema: Any, logical: str | None) -> Any:
        pick = self.random
        if logical == "decimal":
            digits = pick.randint(0, schema["precision"])
            edge = pick.choice([2**7, 2**15, pick.randint(0, 10**digits - 1)])
            number = pick.choice([-1, 1]) * min(edge, 10**digits - 1)
            return Decimal((number < 0, tuple(map(int, str(abs(number)))), -schema["scale"]))
        if logical == "uuid":
            return UUID(int=pick.choice([0, 2**128 - 1, pick.getrandbits(128)]))
        if logical == "duration":
            values = importlib.import_module(f"{self._package.__name__}._runtime.avro.values")
            return values.Duration(*(pick.choice([0, 1, 2**32 - 1]) for _ in range(3)))
        if logical == "date":
            return dt.date.fromordinal(pick.randint(1, dt.date.max.toordinal()))
        if logical in ("time-millis", "time-micros"):
            unit = 1000 if logical == "time-millis" else 1
            number = pick.randrange(86_400_000_000) // unit * unit
            return (dt.datetime.min + dt.timedelta(microseconds=number)).time()
        if logical and "timestamp" in logical and not logical.endswith("nanos"):
            unit = 1000 if logical.endswith("millis") else 1
            span = pick.choice([10**6, 4 * 10**15, 6 * 10**16])
            number = pick.randint(-span, span) // unit * unit
            zone = None if logical.startswith("local") else dt.UTC
            epoch = dt.datetime(1970, 1, 1, tzinfo=zone)
            return epoch + dt.timedelta(microseconds=number)
        match kind:
            case "null":
                return None
            case "boolean":
                return pick.random() < 0.5
            case "int":
                return self._integer(32)
            case "long":
                return self._integer(64)
            case "float":
                return struct.unpack(
                    "<f",
                    struct.pack("<f", pick.choice([0.0, -0.0, 1.5, pick.random(), float("inf")])),
                )[0]
            case "double":
                return pick.choice([0.0, -0.0, 1.5, pick.random() * 1e300, float("-inf")])
            case "bytes":
                return pick.randbytes(pick.choice([0, 1, 63, 64, 1023, 1024]))
            case "fixed":
                return pick.randbytes(schema["size"])
            case _:
                return self._text()
