"""Message keys with a schema of their own: made from the event, typed, evolved, deleted."""

from __future__ import annotations

import asyncio
import importlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from desk import generate_packages

from codegen.contract.load import load_contract
from codegen.diagnostics import Findings, KontraktError

MANIFEST = """\
version: 1
defaults: {compatibility: BACKWARD, replication: 1}
topics:
  shelves:
    doc: What stands where.
    key: {schema: store.ShelfKey}
    partitions: 3
    cleanup_policy: compact
    events: [store.ShelfFilled, store.ShelfEmptied]
  notes:
    doc: What people say of it.
    key: note_id
    partitions: 3
    events: [store.Noted]
services:
  shelf-service:
    doc: Fills shelves.
    produces: [shelves, notes]
    consumes: [shelves, notes]
    targets: {python: {STYLE}}
"""
PLACE = {"name": "place", "type": {"type": "string", "logicalType": "uuid"}}
ROW = {"name": "row", "type": "int"}
SCHEMAS: dict[str, list[Any]] = {
    "ShelfKey": [PLACE, ROW],
    "ShelfFilled": [ROW, PLACE, {"name": "article", "type": "string"}],
    "ShelfEmptied": [PLACE, ROW],
    "Noted": [{"name": "note_id", "type": "string"}, {"name": "text", "type": "string"}],
}
SHELF = UUID(int=7)


def schema_of(name: str, fields: list[Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "store", "fields": fields}


def write(root: Path, manifest: str, schemas: dict[str, list[Any]] = SCHEMAS) -> Any:
    folder = root / "schemas" / "store"
    folder.mkdir(parents=True)
    (root / "schemas" / "contracts.yaml").write_text(manifest)
    for name, fields in schemas.items():
        (folder / f"{name}.avsc").write_text(json.dumps(schema_of(name, fields)))
    findings = Findings()
    contract = load_contract(root, findings)
    assert contract is not None, [finding.message for finding in findings]
    return contract


def make(root: Path, package: str, style: str) -> ModuleType:
    manifest = MANIFEST.replace("{STYLE}", f"{{package: {package}, style: {style}}}")
    folder = generate_packages(write(root, manifest), root / "generated")["shelf-service"]
    sys.path.insert(0, str(folder))
    importlib.import_module(f"{package}.fakes")
    return importlib.import_module(package)


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return make(tmp_path_factory.mktemp("shelves"), "shelves", "sync")


@pytest.fixture(scope="module")
def async_shelves(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return make(tmp_path_factory.mktemp("async_shelves"), "async_shelves", "async")


class Handler:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, Any]] = []

    def on_shelf_filled(self, event: Any, message: Any) -> None:
        self.seen.append((event, message.typed_key))

    on_shelf_emptied = on_shelf_filled

    def on_noted(self, event: Any, message: Any) -> None:
        self.seen.append((event, message.key))

    def on_deletion_from_shelves(self, message: Any) -> None:
        self.seen.append((None, message.typed_key))


def filled(package: ModuleType, row: int = 3) -> Any:
    return package.ShelfFilled(row=row, place=SHELF, article="tea")


def test_a_key_is_made_from_its_event_and_written_as_confluent_reads_it(
    shelves: ModuleType,
) -> None:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    client = SchemaRegistryClient.new_client({"url": "mock://keys"})
    text = json.dumps(schema_of("ShelfKey", SCHEMAS["ShelfKey"]))
    fake = shelves.fakes.fakes()
    own_id = fake.registry.look_up(shelves.codecs.SHELVES_KEY)
    while client.register_schema("shelves-key", Schema(text, "AVRO")) != own_id:
        client.register_schema(
            "others", Schema(json.dumps({"type": "fixed", "name": "F", "size": own_id}), "AVRO")
        )
        own_id -= 1
    with shelves.Producer(fake.settings()) as producer:
        producer.send(filled(shelves))
    ((event, message),) = fake.sent_messages
    assert event == filled(shelves)
    assert message.typed_key == shelves.ShelfKey(place=SHELF, row=3)
    assert message.subject == f"{SHELF}/3"
    context = SerializationContext("shelves", MessageField.KEY)
    theirs = AvroSerializer(client, text)({"place": SHELF, "row": 3}, context)
    assert message.key is not None and theirs is not None
    assert message.key[5:] == theirs[5:]
    framed = theirs[:5] + message.key[5:]
    assert AvroDeserializer(client)(framed, context) == {"place": SHELF, "row": 3}
    assert shelves.codecs.SHELVES_KEY.subject == "shelves-key"


def test_a_handler_gets_the_key_typed(shelves: ModuleType) -> None:
    fake, handler = shelves.fakes.fakes(), Handler()
    consumer = shelves.Consumer(fake.settings(), handler)
    events = [filled(shelves), shelves.ShelfEmptied(place=SHELF, row=1)]
    for event in events:
        fake.deliver(event)
    noted = shelves.Noted(note_id="n1", text="x")
    fake.deliver(noted)
    fake.deliver_deletion("shelves", shelves.ShelfKey(place=SHELF, row=9))
    consumer.drain()
    assert not fake.dead_letters
    keys = [shelves.ShelfKey(place=SHELF, row=row) for row in (3, 1, 9)]
    expected = [*zip([*events, None], keys, strict=True), (noted, b"n1")]
    assert sorted(map(repr, handler.seen)) == sorted(map(repr, expected))


def test_keys_of_one_value_go_to_one_partition_and_delete_each_other(shelves: ModuleType) -> None:
    fake = shelves.fakes.fakes()
    with shelves.Producer(fake.settings()) as producer:
        producer.send(filled(shelves))
        key = shelves.ShelfKey(place=SHELF, row=3)
        producer.delete_from_shelves(key)
        with pytest.raises(TypeError, match="a key of shelves is a ShelfKey"):
            producer.delete_from_shelves("a text")
    first, second = fake.sent_records
    assert first.partition() == second.partition()
    assert first.key() == second.key() and second.value() is None


def test_a_key_that_its_schema_cannot_hold_names_the_field(shelves: ModuleType) -> None:
    fake = shelves.fakes.fakes()
    with shelves.Producer(fake.settings()) as producer:
        key = shelves.ShelfKey(place=SHELF, row=2**40)
        with pytest.raises(shelves.EncodeError) as error:
            producer.delete_from_shelves(key)
    assert error.value.path == "ShelfKey.row"
    assert fake.sent_records == []


def test_a_key_schema_that_is_not_registered_names_its_subject(shelves: ModuleType) -> None:
    fake = shelves.fakes.fakes()
    fake.registry.forget("store.ShelfKey")
    with (
        shelves.Producer(fake.settings()) as producer,
        pytest.raises(shelves.SchemaNotRegistered, match="shelves-key"),
    ):
        producer.send(filled(shelves))
    assert fake.sent_records == []


def test_a_key_that_an_older_version_wrote_is_read(shelves: ModuleType) -> None:
    fake, handler = shelves.fakes.fakes(), Handler()
    older = schema_of("ShelfKey", [{"name": "hall", "type": "long"}, ROW, PLACE])
    number = fake.registry.register(json.dumps(older))
    message = fake.deliver(filled(shelves))
    key = b"\0" + number.to_bytes(4, "big") + b"\x02\x06" + bytes([72]) + str(SHELF).encode()
    value = b"\0\0\0\0\x01" + shelves.codecs.SHELF_FILLED.encode(filled(shelves), b"")
    fake.deliver_bytes("shelves", value, key=key, headers=message.headers)
    with shelves.Consumer(fake.settings(), handler) as consumer:
        consumer.drain()
    assert not fake.dead_letters
    assert [key for _, key in handler.seen] == [shelves.ShelfKey(place=SHELF, row=3)] * 2


POISON = {
    "missing": (None, "undecodable", "has no key"),
    "empty": (b"", "no_magic_byte", "its key: it is empty"),
    "a text": (b"shelf-7", "no_magic_byte", "its key: it begins with"),
    "cut off": (b"\0\0\0", "truncated", "its key: it ends within the schema id"),
    "of no schema": (b"\0\0\0\xff\xff\x02", "unknown_schema", "its key: schema id 65535"),
    "of another schema": (None, "incompatible_schema", "cannot be read as store.ShelfKey"),
    "damaged": (b"\0\0\0\0\x04\x06", "undecodable", "its key: "),
}


@pytest.mark.parametrize("name", POISON)
@pytest.mark.parametrize("is_deletion", [False, True])
def test_a_key_that_is_none_of_the_topic_is_poison(
    shelves: ModuleType, name: str, is_deletion: bool
) -> None:
    key, reason, problem = POISON[name]
    fake, handler = shelves.fakes.fakes(), Handler()
    if name == "of another schema":
        key = b"\0" + fake.registry.look_up(shelves.codecs.NOTED).to_bytes(4, "big") + b"\0\0"
    if name == "damaged":
        own = fake.registry.look_up(shelves.codecs.SHELVES_KEY)
        key = b"\0" + own.to_bytes(4, "big") + b"\x06"
    good = fake.deliver(filled(shelves))
    number = fake.registry.look_up(shelves.codecs.SHELF_FILLED)
    value = b"\0" + number.to_bytes(4, "big")
    value += shelves.codecs.SHELF_FILLED.encode(filled(shelves), b"")
    fake.deliver_bytes("shelves", None if is_deletion else value, key=key, headers=good.headers)
    with shelves.Consumer(fake.settings(), handler) as consumer:
        consumer.drain()
    (letter,) = fake.dead_letters
    assert letter.reason.lower().replace("-", "_") == reason
    assert problem in letter.problem
    assert letter.message.key == key
    assert len(handler.seen) == 1


def test_batches_have_typed_keys(shelves: ModuleType) -> None:
    seen: list[Any] = []

    class Batches(Handler):
        def on_shelf_filled(self, batch: Any) -> None:  # type: ignore[override]
            seen.extend((received.event, received.typed_key) for received in batch)

        on_shelf_emptied = on_noted = on_shelf_filled  # type: ignore[assignment]

    fake = shelves.fakes.fakes()
    for row in range(4):
        fake.deliver(filled(shelves, row))
    with shelves.BatchConsumer(fake.settings(), Batches()) as consumer:
        consumer.drain()
    assert sorted(key.row for _, key in seen) == [0, 1, 2, 3]
    assert all(event.row == key.row for event, key in seen)


def test_an_outbox_keeps_keys(shelves: ModuleType) -> None:
    fake, database = shelves.fakes.fakes(), sqlite3.connect(":memory:")
    with shelves.Producer(fake.settings()) as producer:
        outbox = shelves.Outbox(producer, database)
        with database:
            outbox.send(filled(shelves))
        outbox.relay()
    ((event, message),) = fake.sent_messages
    assert (event, message.typed_key.row) == (filled(shelves), 3)


def test_dead_letters_are_replayed_with_their_keys(shelves: ModuleType) -> None:
    class Broken(Handler):
        def on_shelf_filled(self, event: Any, message: Any) -> None:
            raise shelves.RejectMessage("not today")

    fake, handler = shelves.fakes.fakes(), Handler()
    fake.deliver(filled(shelves))
    with shelves.Consumer(fake.settings(), Broken()) as consumer:
        consumer.drain()
    with shelves.Consumer(fake.settings(), handler, replay=True) as consumer:
        consumer.drain()
    assert handler.seen == [(filled(shelves), shelves.ShelfKey(place=SHELF, row=3))]


def test_the_asyncio_flavour_does_the_same(async_shelves: ModuleType) -> None:
    package = async_shelves

    class Service:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        async def on_shelf_filled(self, event: Any, message: Any) -> None:
            self.seen.append((event.row, message.typed_key.row))

        on_shelf_emptied = on_shelf_filled

        async def on_noted(self, event: Any, message: Any) -> None:
            self.seen.append(message.key)

        async def on_deletion_from_shelves(self, message: Any) -> None:
            self.seen.append((None, message.typed_key.row))

    async def main() -> None:
        fake, service = package.fakes.fakes(), Service()
        async with package.Producer(fake.settings()) as producer:
            await producer.delete_from_shelves(package.ShelfKey(place=SHELF, row=9))
            await producer.send(filled(package))
            await producer.send(package.Noted(note_id="n", text=""))
        assert [message.typed_key.row for _, message in fake.sent_messages[:1]] == [3]
        async with package.Consumer(fake.settings(), service) as consumer:
            await consumer.drain()
        assert not fake.dead_letters
        assert sorted(map(str, service.seen)) == ["(3, 3)", "(None, 9)", "b'n'"]

    asyncio.run(main())


SERVICE = """\
from shelves import Handler, KeyedMessage, Message, Noted, Producer, ShelfEmptied, ShelfFilled
from shelves import BatchHandler, KeyedReceived, Received, ShelfKey
from collections.abc import Sequence


class Service(Handler):
    def on_shelf_filled(self, event: ShelfFilled, message: KeyedMessage[ShelfKey]) -> None:
        print(message.typed_key.row + 1)

    def on_shelf_emptied(self, event: ShelfEmptied, message: KeyedMessage[ShelfKey]) -> None:
        print(message.typed_key.place.hex)

    def on_noted(self, event: Noted, message: Message) -> None:
        print(message.key)

    def on_deletion_from_shelves(self, message: KeyedMessage[ShelfKey]) -> None:
        print(message.typed_key.row)


class Batches(BatchHandler):
    def on_shelf_filled(self, batch: Sequence[KeyedReceived[ShelfFilled, ShelfKey]]) -> None:
        print([one.typed_key.row + one.event.row for one in batch])

    def on_shelf_emptied(self, batch: Sequence[KeyedReceived[ShelfEmptied, ShelfKey]]) -> None:
        pass

    def on_noted(self, batch: Sequence[Received[Noted]]) -> None:
        pass

    def on_deletion_from_shelves(self, message: KeyedMessage[ShelfKey]) -> None:
        pass


def forget(producer: Producer, key: ShelfKey) -> None:
    producer.delete_from_shelves(key)


Service(), Batches()
"""


def test_keys_are_typed(shelves: ModuleType, tmp_path: Path) -> None:
    folder = Path(str(shelves.__file__)).parent.parent
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "wrong.py").write_text(
        SERVICE.replace("row + 1", "shelf").replace("_shelves(key)", "_shelves('key')")
    )
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = true\nmypy_path = {folder}\n")
    for name, expected in (("service.py", 0), ("wrong.py", 1)):
        run = subprocess.run(
            [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", name],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == expected, run.stdout
    assert '"ShelfKey" has no attribute "shelf"' in run.stdout
    assert 'has incompatible type "str"; expected "ShelfKey"' in run.stdout


def test_the_package_is_clean_and_its_tests_pass(
    shelves: ModuleType, async_shelves: ModuleType
) -> None:
    for package in (shelves, async_shelves):
        folder = Path(str(package.__file__)).parent.parent
        commands = (
            ("mypy", "--strict", package.__name__, "tests"),
            ("ruff", "format", "--check", "--line-length=100", package.__name__, "tests"),
            ("pytest", "-q", "-p", "no:cacheprovider", "tests"),
        )
        for command in commands:
            run = subprocess.run(
                [sys.executable, "-m", *command],
                cwd=folder, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert run.returncode == 0, run.stdout + run.stderr
        assert "shelves_key" in "".join(
            path.read_text() for path in (folder / "tests").glob("*.py")
        )


REFUSED = {
    "a field that is missing": ([PLACE], [PLACE, ROW], "its field row is missing"),
    "a field of another type": (
        [PLACE, {"name": "row", "type": "string"}],
        [PLACE, ROW],
        "its field row is str, where the key has int",
    ),
    "a field that may be null": (
        [PLACE, {"name": "row", "type": ["null", "int"]}],
        [PLACE, ROW],
        "its field row is int | None, where the key has int",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_event_that_makes_no_key_is_refused(name: str, tmp_path: Path) -> None:
    event, key, problem = REFUSED[name]
    schemas = {**SCHEMAS, "ShelfEmptied": event, "ShelfKey": key}
    contract = write(tmp_path, MANIFEST.replace("{STYLE}", "{}"), schemas)
    with pytest.raises(KontraktError) as error:
        generate_packages(contract, tmp_path / "generated")
    assert "store.ShelfEmptied cannot make one" in str(error.value)
    assert problem in str(error.value)
