"""Python packages generated from schemas, and random values of them beside what fastavro takes.

The values are made from the schema alone, so that neither the codecs nor their own idea of a schema
is asked what is right.
"""

from __future__ import annotations

import importlib
import io
import json
import random
import struct
import sys
import uuid
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro

from codegen.contract.load import load_contract
from codegen.diagnostics import Findings
from codegen.targets import discover_targets

HEADER = b"\x00\x00\x00\x00\x07"


def write_package(root: Path, package: str, schemas: Iterable[dict[str, Any]]) -> Path:
    """Generate the package of a service that handles each schema as an event of its own topic."""
    topics, lines = [], []
    for number, schema in enumerate(schemas):
        path = root / "schemas" / f"case{number}.avsc"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(schema), "utf-8")
        space = schema.get("namespace")
        name = f"{space}.{schema['name']}" if space else schema["name"]
        topics.append(f"topic{number}")
        lines.append(f"  topic{number}: {{doc: A topic., events: [{json.dumps(name)}]}}")
    manifest = [
        "version: 1",
        "defaults: {compatibility: NONE, partitions: 1, replication: 1}",
        "topics:",
        *lines,
        "services:",
        f"  {package.replace('_', '-')}:",
        "    doc: A service.",
        f"    consumes: [{', '.join(topics)}]",
        f"    targets: {{python: {{package: {package}}}}}",
    ]
    (root / "schemas" / "contracts.yaml").write_text("\n".join(manifest) + "\n", "utf-8")
    findings = Findings()
    contract = load_contract(root, findings)
    problems = [str(finding) for finding in findings if finding.severity.value == "error"]
    assert contract is not None and not problems, problems
    (service,) = contract.services
    for file in discover_targets()["python"].files(service, contract, service.targets["python"]):
        path = root / "generated" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")
    return root / "generated"


def import_package(root: Path, package: str, schemas: Iterable[dict[str, Any]]) -> ModuleType:
    """Generate a package and import its module `codecs`."""
    sys.path.insert(0, str(write_package(root, package, schemas)))
    try:
        return importlib.import_module(f"{package}.codecs")
    finally:
        sys.path.pop(0)


def encode_with_fastavro(schema: Any, datum: Any) -> bytes:
    """What fastavro writes, without a header."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, datum)
    return out.getvalue()


TEXTS = ["", "a", "ASCII only", "naïve é", "\U0001f600 and \u4e2d", "\x7f\x80\x00", "x" * 63, "y" * 64,
         "é" * 40, "z" * 5000, "0\u2028"]  # fmt: skip
INTEGERS = [
    0,
    1,
    -1,
    63,
    64,
    -64,
    -65,
    127,
    128,
    1023,
    1024,
    -1024,
    -1025,
    8191,
    8192,
    -8192,
    -8193,
]
LONGS = [2**31, 2**34 - 1, 2**41, -(2**41), 2**55, 2**62, 2**63 - 1, -(2**63), 1_700_000_000_123]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MOMENT = 253402300799999


class ValueMaker:
    """Random values of a schema: ours, and what fastavro takes for the same."""

    def __init__(self, schema: Any, types: Any, seed: object) -> None:
        self._types = types
        self._named: dict[str, Any] = {}
        self._schema = self._learn(schema, "")
        self._random = random.Random(str(seed))
        self._depth = 0
        self._left = 0
        """How many more values one value may hold, or nearly so: recursive types grow fast."""

    def make(self) -> tuple[Any, Any]:
        """One value of the whole schema."""
        self._left = 400
        return self._make(self._schema)

    def _learn(self, schema: Any, space: str) -> Any:
        """The schema with full names, each named type written out once in `_named`."""
        if isinstance(schema, list):
            return [self._learn(branch, space) for branch in schema]
        if isinstance(schema, str):
            if schema in ("null boolean int long float double bytes string").split():
                return {"type": schema}
            return {"ref": schema if "." in schema or not space else f"{space}.{schema}"}
        kind = schema["type"]
        if kind in ("record", "enum", "fixed"):
            name = schema["name"]
            inner = name.rpartition(".")[0] if "." in name else schema.get("namespace", space)
            full = name if "." in name or not inner else f"{inner}.{name}"
            known = self._named[full] = {**schema, "name": full}
            if kind == "record":
                known["fields"] = [
                    {**one, "type": self._learn(one["type"], inner)} for one in schema["fields"]
                ]
            return {"ref": full}
        if kind == "array":
            return {**schema, "items": self._learn(schema["items"], space)}
        if kind == "map":
            return {**schema, "values": self._learn(schema["values"], space)}
        return schema if isinstance(kind, str) else self._learn(kind, space)

    def _make(self, schema: Any) -> tuple[Any, Any]:
        self._depth += 1
        self._left -= 1
        try:
            if isinstance(schema, list):
                return self._union(schema)
            if "ref" in schema:
                schema = self._named[schema["ref"]]
            make = getattr(self, "_" + schema["type"])
            value: tuple[Any, Any] = make(schema)
            return value
        finally:
            self._depth -= 1

    def _union(self, branches: list[Any]) -> tuple[Any, Any]:
        flat = [one for one in branches if one == {"type": "null"}]
        is_full = self._depth > 8 or self._left < 0
        branch = self._random.choice(flat if is_full and flat else branches)
        ours, theirs = self._make(branch)
        named = self._named.get(branch.get("ref", ""), {})
        return ours, (named["name"], theirs) if named.get("type") == "record" else theirs

    def _record(self, schema: Any) -> tuple[Any, Any]:
        made = [self._make(one["type"]) for one in schema["fields"]]
        model = self._types[schema["name"]]
        names = [one.name for one in fields(model)]
        ours = model(**{name: one for name, (one, _) in zip(names, made, strict=True)})
        theirs = {one["name"]: made[number][1] for number, one in enumerate(schema["fields"])}
        return ours, theirs

    def _enum(self, schema: Any) -> tuple[Any, Any]:
        symbol = self._random.choice(schema["symbols"])
        return self._types[schema["name"]](symbol), symbol

    def _size(self) -> int:
        if self._left < 0 or self._depth > 8:
            return 0
        return self._random.choice([0, 1, 2, 3, 7, 70])

    def _array(self, schema: Any) -> tuple[Any, Any]:
        made = [self._make(schema["items"]) for _ in range(self._size())]
        return [one for one, _ in made], [one for _, one in made]

    def _map(self, schema: Any) -> tuple[Any, Any]:
        keys = dict.fromkeys(self._text() + str(number) for number in range(self._size()))
        made = {key: self._make(schema["values"]) for key in keys}
        return {key: one for key, (one, _) in made.items()}, {
            key: two[1] for key, two in made.items()
        }

    def _null(self, _: Any) -> tuple[Any, Any]:
        return None, None

    def _boolean(self, _: Any) -> tuple[Any, Any]:
        value = self._random.random() < 0.5
        return value, value

    def _integer(self, bits: int) -> int:
        choices = [*INTEGERS, *(LONGS if bits == 64 else [2**31 - 1, -(2**31)])]
        if self._random.random() < 0.5:
            return self._random.choice(choices)
        return self._random.getrandbits(self._random.randint(1, bits - 1)) * self._random.choice(
            [1, -1]
        )

    def _int(self, schema: Any) -> tuple[Any, Any]:
        match schema.get("logicalType"):
            case "date":
                value = date.fromordinal(self._random.choice([1, 719163, 738000, 3652059]))
            case "time-millis":
                value = self._time(1000)
            case _:
                value = self._integer(32)
        return value, value

    def _time(self, step: int) -> time:
        micros = self._random.choice(
            [0, 1000, 86_399_999_000, self._random.randrange(86_400_000_000)]
        )
        return (EPOCH + timedelta(microseconds=micros // step * step)).time()

    def _long(self, schema: Any) -> tuple[Any, Any]:
        kind = schema.get("logicalType", "")
        if kind == "time-micros":
            return (self._time(1),) * 2
        if kind.endswith(("-millis", "-micros")):
            millis = self._random.choice(
                [0, -1, 1_700_000_000_123, LAST_MOMENT, -62135596800000,
                 self._random.randrange(-62135596800000, LAST_MOMENT)]
            )  # fmt: skip
            value = EPOCH + timedelta(milliseconds=millis)
            if kind.endswith("micros"):
                value = value.replace(microsecond=self._random.randrange(1_000_000))
            if kind.startswith("local"):
                value = value.replace(tzinfo=None)
            return value, value
        number = self._integer(64)
        return number, number

    def _float(self, _: Any) -> tuple[Any, Any]:
        value = struct.unpack("<f", struct.pack("<f", self._real(1e30)))[0]
        return value, value

    def _double(self, _: Any) -> tuple[Any, Any]:
        value = self._real(1e300)
        return value, value

    def _real(self, most: float) -> float:
        edges = [0.0, -0.0, 1.0, -1.5, float("inf"), -float("inf"), most, 1e-30]
        return self._random.choice([*edges, self._random.uniform(-1e6, 1e6)])

    def _bytes(self, schema: Any) -> tuple[Any, Any]:
        if schema.get("logicalType") == "decimal":
            value = self._decimal(schema)
        else:
            value = self._random.randbytes(self._random.choice([0, 1, 20, 63, 64, 300]))
        return value, value

    def _decimal(self, schema: Any) -> Any:
        digits = self._random.randint(1, schema["precision"])
        number = self._random.choice([0, 1, -1, 127, 128, -127, -129, 10**digits - 1, -(10**digits) + 1,
                                      self._random.randrange(10**digits)])  # fmt: skip
        if abs(number) >= 10 ** schema["precision"]:
            number = 1
        return Decimal((number < 0, tuple(map(int, str(abs(number)))), -schema.get("scale", 0)))

    def _fixed(self, schema: Any) -> tuple[Any, Any]:
        if schema.get("logicalType") == "decimal":
            value = self._decimal(schema)
            return value, value
        raw = self._random.randbytes(schema["size"])
        if schema.get("logicalType") == "uuid":
            return uuid.UUID(bytes=raw), raw
        if schema.get("logicalType") == "duration":
            parts = struct.unpack("<III", raw)
            values = importlib.import_module(self._runtime() + ".values")
            return values.Duration(
                **dict(zip(("months", "days", "milliseconds"), parts, strict=True))
            ), raw
        return raw, raw

    def _runtime(self) -> str:
        """The name of the package's runtime, by one of its models."""
        model = next(iter(self._types.values()))
        return f"{model.__module__.rpartition('.')[0]}._runtime"

    def _text(self) -> str:
        return self._random.choice(TEXTS)

    def _string(self, schema: Any) -> tuple[Any, Any]:
        if schema.get("logicalType") == "uuid":
            value = uuid.UUID(int=self._random.getrandbits(128))
            return value, value
        text = self._text()
        return text, text
