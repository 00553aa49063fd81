"""Generated codecs beside what a Python service would take instead, on several shapes of messages.

Everything is timed in one process, in shuffled rounds, and each ratio is the median of the ratios
inside the rounds. Ours takes part twice: where the two differ, the machine is too noisy to tell.
"""

from __future__ import annotations

import copy
import gc
import importlib
import io
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import avro.io
import avro.schema
import fastavro
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from dataclasses_avroschema import ModelGenerator

sys.path.insert(0, str(Path(__file__).parent.parent))

from packages import write_package

from tests.bench.codec_shapes import SHAPES, Shape

ROUNDS = 80
ATTEMPTS = 6
WARM_UP = 4
NOISE = 0.03
Work = Callable[[], object]
OURS, AGAIN = "ours", "ours again"


class TooNoisy(Exception):
    """The same code took different times."""


def measure() -> Iterator[dict[str, object]]:
    """The rows of `make bench`."""
    for number, shape in enumerate(SHAPES):
        with tempfile.TemporaryDirectory() as folder:
            package = f"bench_shape_{number}"
            sys.path.insert(0, str(write_package(Path(folder), package, [dict(shape.schema)])))
            try:
                codecs = importlib.import_module(f"{package}.codecs")
                yield from measure_shape(shape, codecs)
            finally:
                sys.path.pop(0)


def measure_shape(shape: Shape, codecs: ModuleType) -> Iterator[dict[str, object]]:
    bench = Candidates(shape, codecs)
    works = {"decode": bench.decoders()} if shape.older else {
        "encode": bench.encoders(), "decode": bench.decoders(),
    }  # fmt: skip
    for what, candidates in works.items():
        times = time_quietly(candidates, shape.count)
        for other in candidates:
            if other not in (OURS, AGAIN):
                ratios = [a / b for a, b in zip(times[other], times[OURS], strict=True)]
                yield {
                    "name": f"{what} {shape.name} | {other}",
                    "ours": statistics.median(times[OURS]),
                    "other": statistics.median(times[other]),
                    "ratio": statistics.median(ratios),
                    "unit": "us a message",
                }


def time_quietly(candidates: Mapping[str, Work], count: int) -> dict[str, list[float]]:
    """Microseconds a message, for each round. Raises TooNoisy when no number of rounds is enough."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for work in candidates.values():
        for _ in range(WARM_UP):
            work()
    gc.collect()
    gc.freeze()
    try:
        for _ in range(ATTEMPTS):
            time_rounds(candidates, count, times)
            same = [a / b for a, b in zip(times[AGAIN], times[OURS], strict=True)]
            if abs(statistics.median(same) - 1) <= NOISE:
                return times
    finally:
        gc.unfreeze()
    raise TooNoisy(f"the same code took {statistics.median(same):.3f} of its own time")


def time_rounds(
    candidates: Mapping[str, Work], count: int, times: Mapping[str, list[float]]
) -> None:
    """Add the times of some rounds, in each of which every candidate has its turn."""
    names = list(candidates)
    chance = random.Random(len(times[OURS]))
    for _ in range(ROUNDS):
        chance.shuffle(names)
        for name in names:
            work = candidates[name]
            work()  # Whoever comes after another finds the caches full of the other's.
            started = time.perf_counter()
            work()
            times[name].append((time.perf_counter() - started) / count * 1e6)


class Candidates:
    """The ways of coding the messages of one shape, checked to give the same before any is timed."""

    def __init__(self, shape: Shape, codecs: ModuleType) -> None:
        self.kind = codecs.EVENTS[0]
        models = importlib.import_module(codecs.__name__.replace(".codecs", ".models"))
        chance = random.Random(7)
        self.events = [shape.make(models, chance) for _ in range(shape.count)]
        self.schema = json.loads(json.dumps(shape.schema))
        self.older = json.loads(json.dumps(shape.older)) if shape.older else None
        self.converters = Converters(self.schema, codecs.TYPES)
        self.dicts = [self.converters.to_dict(event) for event in self.events]
        self.reader = fastavro.parse_schema(self.schema)
        self.writer = fastavro.parse_schema(self.older) if self.older else self.reader
        self.client = SchemaRegistryClient.new_client({"url": "mock://"})
        self.topic = "topic"
        registered = json.dumps(self.older or self.schema)
        self.id = self.client.register_schema("topic-value", Schema(registered, "AVRO"))
        self.context = SerializationContext(self.topic, MessageField.VALUE)
        self.header = b"\0" + self.id.to_bytes(4, "big")
        self.wires = [self.header + self._write(one) for one in self.dicts]

    def _write(self, value: Any) -> bytes:
        out = io.BytesIO()
        if self.older:
            value = {**value, "dropped": "an old text"}
        fastavro.schemaless_writer(out, self.writer, value)
        return out.getvalue()

    def encoders(self) -> dict[str, Work]:
        encode, header = self.kind.encode, self.header
        schema, context = self.reader, self.context
        to_dict = self.converters.to_dict
        serialize = AvroSerializer(
            self.client,
            json.dumps(self.schema),
            lambda event, _: to_dict(event),
            {"auto.register.schemas": False},
        )

        def write_fastavro(value: Any) -> bytes:
            out = io.BytesIO()
            fastavro.schemaless_writer(out, schema, value)
            return out.getvalue()

        ways: dict[str, tuple[Callable[[Any], bytes], list[Any]]] = {
            OURS: (lambda event: encode(event, header), self.events),
            AGAIN: (lambda event: encode(event, header), self.events),
            "fastavro, dicts": (write_fastavro, self.dicts),
            "confluent-kafka, typed": (lambda event: serialize(event, context), self.events),
            "avro, dicts": (self._avro_writer(), self._plain()),
        }
        typed = self._typed_models()
        if typed:
            ways["dataclasses-avroschema"] = (lambda event: event.serialize(), typed)
        for name in (OURS, "fastavro, dicts", "confluent-kafka, typed"):
            way, values = ways[name]
            for value, wire in zip(values, self.wires, strict=True):
                assert wire.endswith(way(value)), name
        return {name: _all(way, values) for name, (way, values) in ways.items()}

    def decoders(self) -> dict[str, Work]:
        decode = self.kind.decode
        if self.older:
            decode = self.kind.resolve(json.dumps(self.older), {})
        writer, reader = self.writer, self.reader if self.older else None
        context, from_dict = self.context, self.converters.from_dict
        deserialize = AvroDeserializer(
            self.client,
            json.dumps(self.schema),
            lambda value, _: from_dict(value),
            return_record_name=True,
        )
        bare = [wire[5:] for wire in self.wires]

        def read_fastavro(data: bytes) -> Any:
            return fastavro.schemaless_reader(io.BytesIO(data), writer, reader)

        ways: dict[str, tuple[Callable[[bytes], Any], list[bytes]]] = {
            OURS: (lambda data: decode(data, 5), self.wires),
            AGAIN: (lambda data: decode(data, 5), self.wires),
            "fastavro, dicts": (read_fastavro, bare),
            "confluent-kafka, typed": (lambda data: deserialize(data, context), self.wires),
            "avro, dicts": (self._avro_reader(), bare),
        }
        typed = [] if self.older else self._typed_models()
        if typed:
            model = type(typed[0])
            ways["dataclasses-avroschema"] = (model.deserialize, [one.serialize() for one in typed])
        for name in (OURS, "confluent-kafka, typed"):
            way, values = ways[name]
            assert [way(value) for value in values] == self.events, name
        return {name: _all(way, values) for name, (way, values) in ways.items()}

    def _plain(self) -> list[Any]:
        return [_with_plain_ids(_without_hints(value)) for value in self.dicts]

    def _avro_writer(self) -> Callable[[Any], bytes]:
        writer = avro.io.DatumWriter(avro.schema.parse(json.dumps(self.schema)))

        def write(value: Any) -> bytes:
            out = io.BytesIO()
            writer.write(value, avro.io.BinaryEncoder(out))
            return out.getvalue()

        return write

    def _avro_reader(self) -> Callable[[bytes], Any]:
        reader = avro.io.DatumReader(
            avro.schema.parse(json.dumps(self.older or self.schema)),
            avro.schema.parse(json.dumps(self.schema)),
        )
        return lambda data: reader.read(avro.io.BinaryDecoder(io.BytesIO(data)))

    def _typed_models(self) -> list[Any]:
        """The messages as models of dataclasses-avroschema; none where it has no code for them."""
        module = ModuleType("bench_models")
        sys.modules["bench_models"] = module
        try:
            text = ModelGenerator().render(schema=copy.deepcopy(self.schema))
            # Without this module's `annotations` from __future__, which it could not read.
            exec(compile(text, "bench_models", "exec", dont_inherit=True), module.__dict__)
            model = getattr(module, self.schema["name"])
            typed = [model.parse_obj(_without_hints(value)) for value in self.dicts]
            for one, value in zip(typed, self.wires, strict=True):
                assert len(one.serialize()) == len(value) - 5
                model.deserialize(one.serialize())
        except Exception as error:
            print(f"dataclasses-avroschema cannot take part: {error!r:.100}", file=sys.stderr)
            return []
        return typed


def _all(way: Callable[[Any], Any], values: list[Any]) -> Work:
    def work() -> None:
        for value in values:
            way(value)

    return work


def _without_hints(value: Any) -> Any:
    """The value without the names of union branches, which only fastavro takes."""
    match value:
        case (str(), dict() as inner):
            return _without_hints(inner)
        case dict():
            return {key: _without_hints(item) for key, item in value.items()}
        case list():
            return [_without_hints(item) for item in value]
        case _:
            return value


def _with_plain_ids(value: dict[str, Any]) -> dict[str, Any]:
    """The value as avro takes it, to which a UUID is a text."""
    return {key: str(item) if isinstance(item, UUID) else item for key, item in value.items()}


class Converters:
    """Unrolled functions between typed events and dicts, as fast as one would write them by hand."""

    def __init__(self, schema: Any, types: Mapping[str, type]) -> None:
        self._types = types
        self._space: dict[str, Any] = {}
        self._names: dict[str, Any] = {}
        self._number = 0
        self.to_dict: Callable[[Any], Any]
        self.from_dict: Callable[[Any], Any]
        self.to_dict = self._compile(self._out(schema, "v"))
        self.from_dict = self._compile(self._in(schema, "v"))

    def _compile(self, expression: str) -> Callable[[Any], Any]:
        made: Callable[[Any], Any] = eval(f"lambda v: {expression}", self._space)
        return made

    def _class(self, schema: Any) -> str:
        name = f"C_{schema['name']}"
        full = f"bench.{schema['name']}"
        self._space[name] = self._types[full]
        return name

    def _variable(self) -> str:
        self._number += 1
        return f"x{self._number}"

    def _out(self, schema: Any, value: str) -> str:
        if isinstance(schema, str):
            return value
        if isinstance(schema, list):
            parts = value
            for branch in schema:
                if isinstance(branch, dict) and branch["type"] == "record":
                    inner = self._out(branch, value)
                    test = f"type({value}) is {self._class(branch)}"
                    parts = f'("bench.{branch["name"]}", {inner}) if {test} else {parts}'
            return f"({parts})"
        match schema["type"]:
            case "record":
                items = [
                    f'"{field["name"]}": {self._out(field["type"], value + "." + field["name"])}'
                    for field in schema["fields"]
                ]
                return "{" + ", ".join(items) + "}"
            case "array":
                one = self._variable()
                inner = self._out(schema["items"], one)
                return value if inner == one else f"[{inner} for {one} in {value}]"
            case "map":
                one = self._variable()
                inner = self._out(schema["values"], one)
                return value if inner == one else f"{{k: {inner} for k, {one} in {value}.items()}}"
            case "enum":
                return f"{value}.value"
            case _:
                return value

    def _in(self, schema: Any, value: str) -> str:
        if isinstance(schema, str):
            return value
        if isinstance(schema, list):
            parts = value
            for branch in schema:
                if isinstance(branch, dict) and branch["type"] == "record":
                    inner = self._in(branch, f"{value}[1]")
                    parts = f'{inner} if {value}[0] == "bench.{branch["name"]}" else {parts}'
            return f"({parts})"
        match schema["type"]:
            case "record":
                items = []
                for field in schema["fields"]:
                    inner = self._in(field["type"], f'{value}["{field["name"]}"]')
                    items.append(f"{field['name']}={inner}")
                return f"{self._class(schema)}({', '.join(items)})"
            case "array":
                one = self._variable()
                inner = self._in(schema["items"], one)
                return value if inner == one else f"[{inner} for {one} in {value}]"
            case "map":
                one = self._variable()
                inner = self._in(schema["values"], one)
                return value if inner == one else f"{{k: {inner} for k, {one} in {value}.items()}}"
            case "enum":
                return f"{self._class(schema)}({value})"
            case _:
                return value
