"""Generated codecs beside what a service would use instead: fastavro, confluent-kafka and others.

All candidates run in one process, shuffled anew in each round; a ratio is the median of the ratios
within the rounds. Ours runs twice in each round: where the two differ by over 3 percent, the
machine is too busy and the run is done again. Before anything is timed, every candidate must have
written the same bytes, or read equal values.
"""

from __future__ import annotations

import datetime as dt
import gc
import importlib
import io
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro

sys.path.insert(0, str(Path(__file__).parent.parent))

from python_packages import make_event

HEADER = b"\0\0\0\0\x01"
ROUNDS = 100
TOLERANCE = 0.03
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}


def record(name: str, /, **types: Any) -> dict[str, Any]:
    listed = [{"name": field, "type": kind} for field, kind in types.items()]
    return {"type": "record", "name": name, "namespace": "test", "fields": listed}


ORDER = record(
    "Event",
    order_id={"type": "string", "logicalType": "uuid"},
    placed_at={"type": "long", "logicalType": "timestamp-millis"},
    channel={"type": "enum", "name": "Channel", "symbols": ["UNKNOWN", "WEB", "APP", "STORE"]},
    customer=record(
        "Customer",
        customer_id="long",
        name="string",
        email="string",
        address=record("Address", street="string", city="string", postcode="string", land="string"),
    ),
    lines={"type": "array", "items": record("Line", sku="string", quantity="int", price=MONEY)},
    note=["null", "string"],
    payment=[
        record("Card", network="string", last_digits="string"),
        record("Transfer", iban="string", bic="string"),
    ],
    attributes={"type": "map", "values": "string"},
    due={"type": "int", "logicalType": "date"},
    weight="double",
    sequence="long",
    is_gift="boolean",
)
NUMBERS = record(
    "Event", **{f"n{i}": "long" if i % 2 else "double" for i in range(20)}
)  # alternating: nothing can be packed together
TEXTS = record("Event", **{f"t{i}": "string" for i in range(8)})
SERIES = record(
    "Event",
    sensor="string",
    points={"type": "array", "items": record("Point", at="long", value="double", quality="int")},
)
LONGS = record("Event", sensor="string", values={"type": "array", "items": "long"})
SMALL = record("Event", id="string", count="int", is_last="boolean")
OLD_ORDER = {**ORDER, "fields": [field for field in ORDER["fields"] if field["name"] != "weight"]}
NEW_ORDER = {
    **ORDER,
    "fields": [
        {**field, "default": 1.0} if field["name"] == "weight" else field
        for field in ORDER["fields"]
    ],
}


class Maker:
    """Random values of the shapes, as models of the package."""

    def __init__(self, types: dict[str, Any]) -> None:
        self.types = types
        self.random = random.Random(7)

    def word(self, low: int = 3, high: int = 20) -> str:
        letters = "abcdefghijklmnopqrstuvwxyz "
        return "".join(self.random.choices(letters, k=self.random.randint(low, high)))

    def order(self) -> Any:
        pick, new = self.random, self.types
        address = new["test.Address"](
            street=self.word(), city=self.word(), postcode="10115", land="DE"
        )
        card = new["test.Card"](network="VISA", last_digits="1234")
        transfer = new["test.Transfer"](iban="DE02120300000000202051", bic="BYLADEM1001")
        return new["test.Event"](
            order_id=UUID(int=pick.getrandbits(128)),
            placed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
            + dt.timedelta(milliseconds=pick.randrange(10**10)),
            channel=pick.choice(list(new["test.Channel"])),
            customer=new["test.Customer"](
                customer_id=pick.randrange(10**6),
                name=self.word(),
                email=f"{pick.randrange(10**6)}@example.com",
                address=address,
            ),
            lines=[
                new["test.Line"](
                    sku=f"SKU-{pick.randrange(10**5):05}",
                    quantity=pick.randint(1, 9),
                    price=Decimal(pick.randint(100, 99_999)).scaleb(-2),
                )
                for _ in range(3)
            ],
            note=self.word() if pick.random() < 0.5 else None,
            payment=pick.choice([card, transfer]),
            attributes={"campaign": self.word(), "device": "phone", "lang": "de"},
            due=dt.date(2026, 1, 1) + dt.timedelta(days=pick.randrange(60)),
            weight=pick.random() * 10,
            sequence=pick.randrange(10**9),
            is_gift=pick.random() < 0.5,
        )

    def numbers(self) -> Any:
        pick = self.random
        values = {
            f"n{i}": pick.randrange(10 ** pick.randint(1, 12)) if i % 2 else pick.random()
            for i in range(20)
        }
        return self.types["test.Event"](**values)

    def texts(self) -> Any:
        values = [self.word(5, 40) for _ in range(4)] + [self.word(100, 300) for _ in range(2)]
        values += ["Größe über Änderung", "東京都千代田区"]
        return self.types["test.Event"](**{f"t{i}": text for i, text in enumerate(values)})

    def series(self) -> Any:
        pick, point = self.random, self.types["test.Point"]
        points = [
            point(at=pick.randrange(10**6), value=pick.random(), quality=pick.randrange(100))
            for _ in range(1000)
        ]
        return self.types["test.Event"](sensor="a7", points=points)

    def longs(self) -> Any:
        pick = self.random
        values = [pick.getrandbits(pick.choice((6, 8, 12, 20, 30, 40))) for _ in range(1000)]
        return self.types["test.Event"](sensor="a7", values=values)

    def small(self) -> Any:
        pick = self.random
        return self.types["test.Event"](
            id=f"id-{pick.randrange(1000)}", count=pick.randrange(50), is_last=pick.random() < 0.5
        )


@dataclass
class Candidate:
    """A function to time, what it is given, and the group it is compared within."""

    name: str
    run: Callable[[Any], Any]
    inputs: list[Any]


def datum(value: Any, uuid_as: type = UUID) -> Any:
    """A model as fastavro takes it; as avro does with UUIDs as texts."""
    if is_dataclass(value):
        return {field.name: datum(getattr(value, field.name), uuid_as) for field in fields(value)}
    if isinstance(value, list):
        return [datum(item, uuid_as) for item in value]
    if isinstance(value, dict):
        return {key: datum(item, uuid_as) for key, item in value.items()}
    if isinstance(value, UUID) and uuid_as is str:
        return str(value)
    return value.value if isinstance(value, Enum) else value


def unrolled(schema: Any, types: dict[str, Any]) -> tuple[Any, Any]:
    """to_dict and from_dict as a careful person would write them by hand for confluent-kafka."""
    space = {name.rpartition(".")[2]: cls for name, cls in types.items()}

    def to(kind: Any, value: str) -> str:
        if isinstance(kind, list):
            records = [branch for branch in kind if isinstance(branch, dict)]
            if not records:
                return value
            first, second = records
            test = f"isinstance({value}, {first['name']})"
            return f"({to(first, value)} if {test} else {to(second, value)})"
        if not isinstance(kind, dict):
            return value
        match kind["type"]:
            case "record":
                inner = ", ".join(
                    f'"{field["name"]}": {to(field["type"], value + "." + field["name"])}'
                    for field in kind["fields"]
                )
                return f"{{{inner}}}"
            case "enum":
                return f"{value}.value"
            case "array":
                return f"[{to(kind['items'], 'i')} for i in {value}]"
        return value

    def back(kind: Any, value: str) -> str:
        if isinstance(kind, list):
            records = [branch for branch in kind if isinstance(branch, dict)]
            if not records:
                return value
            first, second = records
            test = f'"{first["fields"][0]["name"]}" in {value}'
            return f"({back(first, value)} if {test} else {back(second, value)})"
        if not isinstance(kind, dict):
            return value
        match kind["type"]:
            case "record":
                inner = ", ".join(
                    f"{field['name']}={back(field['type'], value + repr([field['name']]))}"
                    for field in kind["fields"]
                )
                return f"{kind['name']}({inner})"
            case "enum":
                return f"{kind['name']}({value})"
            case "array":
                return f"[{back(kind['items'], 'i')} for i in {value}]"
        return value

    to_dict = eval(f"lambda x, context: {to(schema, 'x')}", space)
    from_dict = eval(f"lambda d, context: {back(schema, 'd')}", space)
    return to_dict, from_dict


def confluent(schema: Any, types: dict[str, Any]) -> tuple[Any, Any]:
    """AvroSerializer and AvroDeserializer, from objects to bytes and back."""
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    client = SchemaRegistryClient.new_client({"url": "mock://"})
    to_dict, from_dict = unrolled(schema, types)
    text = json.dumps(schema)
    write = AvroSerializer(client, text, to_dict)
    read = AvroDeserializer(client, None, from_dict)
    context = SerializationContext("things", MessageField.VALUE)
    return (lambda value: write(value, context)), (lambda data: read(data, context))


def fastavro_dicts(schema: Any, reader: Any = None) -> tuple[Any, Any]:
    """fastavro without objects: from dicts to bytes and back."""
    parsed = fastavro.parse_schema(schema)
    wanted = fastavro.parse_schema(reader) if reader else None

    def encode(value: Any) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, value)
        return out.getvalue()

    def decode(data: bytes) -> Any:
        return fastavro.schemaless_reader(io.BytesIO(data), parsed, wanted)

    return encode, decode


def apache_avro(schema: Any) -> tuple[Any, Any]:
    """Apache's own package: from dicts to bytes and back."""
    from avro.io import BinaryDecoder, BinaryEncoder, DatumReader, DatumWriter
    from avro.schema import parse

    parsed = parse(json.dumps(schema))
    writer, reader = DatumWriter(parsed), DatumReader(parsed)

    def encode(value: Any) -> bytes:
        out = io.BytesIO()
        writer.write(value, BinaryEncoder(out))
        return out.getvalue()

    return encode, lambda data: reader.read(BinaryDecoder(io.BytesIO(data)))


def dataclasses_avroschema(schema: Any, samples: list[Any]) -> tuple[Any, Any, list[Any]]:
    """Its generated models."""
    from dataclasses_avroschema import ModelGenerator

    space: dict[str, Any] = {"__name__": "generated_models"}
    sys.modules.setdefault("generated_models", type(sys)("generated_models"))
    text = ModelGenerator().render(schema=schema)
    exec(compile(text, "generated_models", "exec", dont_inherit=True), space)
    model = space["Event"]
    vars(sys.modules["generated_models"]).update(space)
    objects = [model.parse_obj(datum(sample)) for sample in samples]
    return (lambda value: value.serialize()), model.deserialize, objects


def time_once(candidate: Candidate) -> float:
    run = candidate.run
    start = time.perf_counter_ns()
    for value in candidate.inputs:
        run(value)
    return (time.perf_counter_ns() - start) / len(candidate.inputs)


def compare(candidates: list[Candidate]) -> dict[str, tuple[float, float]]:
    """The median time of each, and the median of its ratios to the first, which runs twice."""
    candidates = [*candidates, Candidate("again", candidates[0].run, candidates[0].inputs)]
    shuffle = random.Random(1).shuffle
    for attempt in range(5):
        times: dict[str, list[float]] = {candidate.name: [] for candidate in candidates}
        for _ in range(ROUNDS):
            order = candidates[:]
            shuffle(order)
            for candidate in order:
                for value in candidate.inputs[:4]:
                    candidate.run(value)
                times[candidate.name].append(time_once(candidate))
        first = times[candidates[0].name]
        ratios = {
            name: statistics.median(b / a for a, b in zip(first, other, strict=True))
            for name, other in times.items()
        }
        if abs(ratios.pop("again") - 1) <= TOLERANCE:
            return {name: (statistics.median(times[name]), ratio) for name, ratio in ratios.items()}
        print(f"too noisy, attempt {attempt + 1}", file=sys.stderr)
    raise SystemExit("the machine is too noisy for a benchmark: the same code differs from itself")


def rows(name: str, candidates: list[Candidate]) -> Iterator[dict[str, object]]:
    results = compare(candidates)
    ours = results.pop("ours")[0]
    for other, (nanoseconds, ratio) in results.items():
        yield {
            "name": f"{name}: {other}",
            "ours": round(ours),
            "other": round(nanoseconds),
            "ratio": round(ratio, 2),
            "unit": "ns/message",
        }


def measure_shape(
    name: str, schema: Any, kind: str, count: int = 32, others: str = ""
) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        _, event = make_event(Path(folder), schema)
    types = event.codec.types
    maker = Maker(types)
    samples = [getattr(maker, kind)() for _ in range(count)]
    wires = [event.encode(sample, HEADER) for sample in samples]
    bare = [wire[5:] for wire in wires]
    data = [datum(sample) for sample in samples]
    encode, decode = fastavro_dicts(schema)
    write, read = confluent(schema, types)
    assert [encode(one) for one in data] == bare
    assert [write(one)[5:] for one in samples] == bare
    framed = [write(one) for one in samples]
    assert [event.decode(wire) for wire in wires] == samples
    assert [read(wire) for wire in framed] == samples
    writers = [
        Candidate("ours", lambda value: event.encode(value, HEADER), samples),
        Candidate("fastavro, dicts", encode, data),
        Candidate("confluent-kafka, objects", write, samples),
    ]
    readers = [
        Candidate("ours", event.decode, wires),
        Candidate("fastavro, dicts", decode, bare),
        Candidate("confluent-kafka, objects", read, framed),
    ]
    if "avro" in others.split():
        encode, decode = apache_avro(schema)
        plain = [datum(sample, uuid_as=str) for sample in samples]
        assert [encode(one) for one in plain] == bare
        writers.append(Candidate("avro, dicts", encode, plain))
        readers.append(Candidate("avro, dicts", decode, bare))
    if "dataclasses-avroschema" in others.split():
        encode, decode, objects = dataclasses_avroschema(schema, samples)
        # Its models reorder unions, so their bytes differ from the others', but not in number.
        own = [encode(one) for one in objects]
        assert [len(one) for one in own] == [len(one) for one in bare]
        assert [decode(one) for one in own] == objects
        writers.append(Candidate("dataclasses-avroschema, objects", encode, objects))
        readers.append(Candidate("dataclasses-avroschema, objects", decode, own))
    gc.collect()
    gc.freeze()
    yield from rows(f"encode {name}", writers)
    yield from rows(f"decode {name}", readers)


def measure_evolution() -> Iterator[dict[str, object]]:
    """Reading what an older version wrote: one that the package knows, and one that it does not.

    Beside fastavro, and beside reading what today's version wrote.
    """
    with tempfile.TemporaryDirectory() as folder:
        _, event = make_event(Path(folder), NEW_ORDER, [OLD_ORDER])
        maker = Maker(event.codec.types)
        orders = [maker.order() for _ in range(32)]
        encode, decode = fastavro_dicts(OLD_ORDER, NEW_ORDER)
        wires = [encode(datum(order)) for order in orders]
        unaware = type(event.codec)(event.codec.schema, event.codec.types)
        read = {
            "a known older version": event.resolve(json.dumps(OLD_ORDER), {}),
            "an unknown older version": unaware.resolve(json.dumps(OLD_ORDER), {}),
        }
        for name, resolve in read.items():
            assert [datum(resolve(wire, 0)) for wire in wires] == [decode(wire) for wire in wires]
            candidates = [
                Candidate("ours", partial(_from_start, resolve), wires),
                Candidate("fastavro, dicts", decode, wires),
                Candidate(
                    "ours, today's version",
                    partial(_from_start, event.decode),
                    [event.encode(order, b"") for order in orders],
                ),
            ]
            yield from rows(f"decode an order of {name}", candidates)


def _from_start(decode: Any, data: bytes) -> Any:
    return decode(data, 0)


LIBRARIES = """
    array dataclasses decimal enum uuid datetime struct binascii functools hashlib importlib json
    threading typing http.client urllib.request ssl sqlite3 logging concurrent.futures random
    traceback signal
"""


def measure_import() -> Iterator[dict[str, object]]:
    """Importing a generated package, without the libraries that it uses."""
    import subprocess

    with tempfile.TemporaryDirectory() as folder:
        package, _ = make_event(Path(folder), ORDER)
        name = package.__name__
        wanted = {
            "a package": f"import {name}",
            "the events of a package, and how they are coded": f"import {name}.codecs",
            "all of a package": f"from {name} import *",
        }
        for what, statement in wanted.items():
            program = (
                "import time, importlib, sys\n"
                f"for one in {LIBRARIES.split()!r}: importlib.import_module(one)\n"
                f"sys.path.insert(0, {str(Path(folder) / 'generated')!r})\n"
                f"start = time.perf_counter(); {statement}\n"
                "print(time.perf_counter() - start)"
            )
            run = [sys.executable, "-c", program]
            environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
            once = [float(subprocess.check_output(run, env=environment)) * 1000 for _ in range(15)]
            ours = statistics.median(once[1:])
            yield {
                "name": f"import {what}: 5 ms",
                "ours": round(ours, 2),
                "other": 5.0,
                "ratio": round(5.0 / ours, 2),
                "unit": "ms",
            }


def measure() -> Iterator[dict[str, object]]:
    """All rows; the ratio says how many times as fast ours is."""
    importlib.invalidate_caches()
    yield from measure_shape("an order", ORDER, "order", others="avro dataclasses-avroschema")
    yield from measure_shape("20 numbers", NUMBERS, "numbers")
    yield from measure_shape("8 texts", TEXTS, "texts")
    yield from measure_shape("1,000 points", SERIES, "series", count=3)
    yield from measure_shape("1,000 longs", LONGS, "longs", count=3)
    yield from measure_shape("3 fields", SMALL, "small", others="avro dataclasses-avroschema")
    yield from measure_evolution()
    yield from measure_import()
