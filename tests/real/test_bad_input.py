"""What other producers write: each bad message is where the policy says, and nothing else is lost.

One table of messages on a real broker, for both flavours and each action of a policy.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from desk import MANIFEST, SCHEMAS, generate_packages, make_async, record, write_contract

from real.kafka import Kafka
from real.processes import wait_until

FLAVOURS = ("threads", "asyncio")
DEAD_LETTERS = "questions.answer-service.dlq"
LARGE = {"max.message.bytes": "12000000"}
UNKNOWN_ID = 9_999_999
ODD_HEADERS: list[tuple[str, bytes | None]] = [
    ("not-utf-8", b"\xff\xfe\x00"),
    ("twice", b"1"),
    ("twice", b"2"),
    ("nothing", None),
]


def mood(*symbols: str) -> tuple[str, object]:
    return "mood", {"type": {"type": "enum", "name": "Mood", "symbols": [*symbols]}}


ASKED = record("Asked", ("question_id", "string"), ("text", "string"), mood("CALM", "CROSS"))
GROWN = record("Asked", ("question_id", "string"), ("text", "string"), mood("CALM", "ANGRY"))
LATE = record("Asked", ("question_id", "string"), ("text", "string"), mood("CALM", "WEARY"))
WRITERS = {
    "Asked": ASKED,
    "Grown": GROWN,
    "Answered": SCHEMAS["Answered"],
    "Exploded": record("Exploded", ("question_id", "string")),
}
"""What others write with, by the names that the table has for it."""


def text(value: str) -> bytes:
    """An Avro string."""
    raw = value.encode()
    length, prefix = len(raw) << 1, b""
    while length > 127:
        prefix += bytes([length & 127 | 128])
        length >>= 7
    return prefix + bytes([length]) + raw


def asked(key: str, symbol: int = 0, words: str = "why?") -> bytes:
    """An Asked without the id of its schema."""
    return text(key) + text(words) + bytes([symbol << 1])


class Case(NamedTuple):
    """A message that somebody writes to topic questions."""

    key: str
    schema: str | None
    """Whose id stands before the value; None: the value is all."""
    value: bytes | None
    type: bytes | None = None
    """Its header ce_type."""
    reason: str | None = None
    """Why it cannot be handled; None: it can be."""


CASES = [
    Case("no magic byte", None, b"\x01\x02\x03", reason="no-magic-byte"),
    Case("json", None, b'{"question_id": "q1"}', reason="no-magic-byte"),
    Case("empty", None, b"", reason="no-magic-byte"),
    Case("10 MB of json", None, b"[" * 10_000_000, reason="no-magic-byte"),
    Case("a cut id", None, b"\0\0\0", reason="truncated"),
    Case("tombstone", None, None, reason="tombstone"),
    Case("cut off", "Asked", asked("cut off")[:-3], reason="undecodable"),
    Case("10 MB", "Asked", asked("10 MB", words="x" * 10_000_000)),
    Case("another subject", "Answered", text("a") + text("b") + b"\0", reason="unknown-event"),
    Case(
        "another subject that lies",
        "Answered",
        text("a") + text("b") + b"\0",
        type=b"help.desk.Asked",
        reason="incompatible-schema",
    ),
    Case("unknown id", "?", asked("unknown id"), reason="unknown-schema"),
    Case("late", "Late", asked("late"), reason="unknown-schema"),
    Case("new event", "Exploded", text("a"), type=b"help.desk.Exploded", reason="unknown-event"),
    Case("unknown type", "Asked", asked("unknown type"), type=b"help.desk.Nothing"),
    Case("a type that is no text", "Asked", asked("a type that is no text"), type=b"\xff\xfe"),
    Case("unknown symbol", "Grown", asked("unknown symbol", 1), reason="unknown-symbol"),
    Case("known symbol", "Grown", asked("known symbol", 0)),
]
BAD = [case for case in CASES if case.reason is not None]
GOOD = {case.key for case in CASES if case.reason is None} | {
    f"good {number}" for number in range(len(CASES) + 1)
}
ALL = len(BAD) + len(GOOD) + 1
"""How many messages there are, with the one that deletes a profile."""


@dataclass
class Shop:
    """The service in one flavour, with the parts that it runs on and what it has seen."""

    package: ModuleType
    kafka: Kafka
    registry: str
    ids: dict[str, int]
    flavour: str

    def __post_init__(self) -> None:
        self.seen: list[str] = []
        self.deleted: list[bytes | None] = []

    def register(self, name: str, schema: str) -> int:
        """Register a schema that the contract does not have; its id."""
        client = SchemaRegistryClient.new_client({"url": self.registry})
        return client.register_schema(f"{name}-value", Schema(schema, "AVRO"))

    def settings(self) -> Any:
        return self.package.settings(
            bootstrap_servers=self.kafka.bootstrap, registry_url=self.registry, environment={}
        )

    def note(self, event: Any, message: Any) -> None:
        self.seen.append(event.question_id)
        assert message.headers[: len(ODD_HEADERS)] == ODD_HEADERS
        assert message.header("twice") == "2" and message.header("nothing") is None
        assert message.header("not-utf-8") == "\ufffd\ufffd\0"

    def handler(self) -> Any:
        note, deleted = self.note, self.deleted

        class Threads:
            def on_asked(self, event: Any, message: Any) -> None:
                note(event, message)

            def on_withdrawn(self, event: Any, message: Any) -> None: ...

            def on_profile_changed(self, event: Any, message: Any) -> None: ...

            def on_deletion_from_profiles(self, message: Any) -> None:
                deleted.append(message.key)

        class Tasks:
            async def on_asked(self, event: Any, message: Any) -> None:
                note(event, message)

            async def on_withdrawn(self, event: Any, message: Any) -> None: ...

            async def on_profile_changed(self, event: Any, message: Any) -> None: ...

            async def on_deletion_from_profiles(self, message: Any) -> None:
                deleted.append(message.key)

        return Threads() if self.flavour == "threads" else Tasks()

    def run(self, action: str, until: float, *, replay: bool = False) -> Any:
        """Run the consumer until so many messages are done with; the statistics.

        Raises what the consumer raises.
        """
        chosen = self.package.Action(action)
        policy = self.package.Policy(
            on_poison=chosen,
            on_unknown_schema=chosen,
            on_unknown_event=chosen,
            on_unknown_symbol=chosen,
            on_tombstone=chosen,
        )
        consumer = self.package.Consumer(
            self.settings(), self.handler(), policy=policy, replay=replay
        )

        def is_done() -> bool:
            told = consumer.statistics
            return bool(told.handled + told.skipped + told.dead_lettered >= until)

        if self.flavour == "asyncio":
            asyncio.run(run_until(consumer, is_done))
        else:
            with consumer, ThreadPoolExecutor(1) as pool:
                running = pool.submit(consumer.run)
                try:
                    wait_until(lambda: is_done() or running.done(), 60, "all messages")
                finally:
                    consumer.stop()
                running.result()
        return consumer.statistics

    def write(self) -> dict[str, tuple[int, int]]:
        """Write all messages, each between two good ones; where each of them stands."""
        places: dict[str, tuple[int, int]] = {}

        def note(key: str, error: object, message: Message) -> None:
            assert error is None, error
            places[key] = message.partition() or 0, message.offset() or 0

        producer = Producer(
            # Idempotent, so that nothing overtakes the large ones.
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "message.max.bytes": 11_000_000,
                "enable.idempotence": True,
            }
        )
        good = [Case(f"good {n}", "Asked", asked(f"good {n}")) for n in range(len(CASES) + 1)]
        for case in [good[0], *(one for pair in zip(CASES, good[1:], strict=True) for one in pair)]:
            producer.produce(
                "questions",
                self.value_of(case),
                case.key.encode(),
                headers=headers_of(case),  # type: ignore[arg-type]
                on_delivery=partial(note, case.key),
            )
        producer.produce("profiles", None, b"u1")
        assert producer.flush(60) == 0
        return places

    def value_of(self, case: Case) -> bytes | None:
        if case.schema is None or case.value is None:
            return case.value
        return b"\0" + self.ids[case.schema].to_bytes(4, "big") + case.value

    def pass_over(self, partition: int, offset: int) -> None:
        """Commit a message that nobody can handle, as a person would by hand."""
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.bootstrap, "group.id": "answer-service"}
        )
        try:
            place = TopicPartition("questions", partition, offset + 1)
            consumer.commit(offsets=[place], asynchronous=False)
        finally:
            consumer.close()


async def run_until(consumer: Any, is_done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60), consumer:
        running = asyncio.create_task(consumer.run())
        while not (is_done() or running.done()):
            await asyncio.sleep(0.05)
        consumer.stop()
        await running


def headers_of(case: Case) -> list[tuple[str, bytes | None]]:
    return [*ODD_HEADERS, *([] if case.type is None else [("ce_type", case.type)])]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    """The package of each flavour."""
    made = {}
    schemas = SCHEMAS | {"Asked": ASKED}
    own = MANIFEST.replace("python: {}", "python: {package: strict_service}", 1)
    tasks = make_async(MANIFEST).replace("package: async_answer_service", "package: strict_tasks")
    for flavour, manifest, name in (
        ("threads", own, "strict_service"),
        ("asyncio", tasks, "strict_tasks"),
    ):
        root = tmp_path_factory.mktemp(flavour)
        contract = write_contract(root, manifest, schemas)
        folder = generate_packages(contract, root / "generated")["answer-service"]
        sys.path.insert(0, str(folder))
        made[flavour] = importlib.import_module(name)
    return made


@pytest.fixture(params=FLAVOURS)
def shop(
    request: pytest.FixtureRequest,
    packages: dict[str, ModuleType],
    kafka: Kafka,
    schema_registry: str,
) -> Iterator[Shop]:
    ids = {"?": UNKNOWN_ID}
    made = Shop(packages[request.param], kafka, schema_registry, ids, request.param)
    for name, schema in WRITERS.items():
        ids[name] = made.register(name, schema)
    # The next one.
    ids["Late"] = max(ids[name] for name in WRITERS) + 1
    admin = kafka.admin()
    topics = [
        NewTopic("questions", 1, 1, config=LARGE),
        NewTopic("profiles", 1, 1, config={"cleanup.policy": "compact"}),
        NewTopic(DEAD_LETTERS, 1, 1, config=LARGE),
        NewTopic("profiles.answer-service.dlq", 1, 1),
    ]
    names = {topic.topic for topic in topics}
    for created in admin.create_topics(topics).values():
        created.result(30)
    wait_until(lambda: names <= set(admin.list_topics(timeout=10).topics), 30, "topics")
    yield made
    for deleted in admin.delete_topics([*names]).values():
        deleted.result(30)
    wait_until(lambda: not names & set(admin.list_topics(timeout=10).topics), 30, "no topics")


def test_skipped_messages_are_counted_and_the_others_handled(shop: Shop) -> None:
    shop.write()
    statistics = shop.run("skip", ALL)
    assert Counter(shop.seen) == dict.fromkeys(GOOD, 1)
    assert shop.deleted == [b"u1"]
    assert statistics.skipped == len(BAD) and statistics.handled == len(GOOD) + 1
    assert shop.kafka.read(DEAD_LETTERS) == []
    assert shop.kafka.lag("answer-service", "questions") == 0


def test_dead_letters_hold_all_of_the_message_and_are_replayed(shop: Shop) -> None:
    places = shop.write()
    statistics = shop.run("dead-letter", ALL)
    assert Counter(shop.seen) == dict.fromkeys(GOOD, 1)
    assert statistics.dead_lettered == len(BAD) and statistics.skipped == 0
    letters = shop.kafka.read(DEAD_LETTERS)
    check_letters(shop, letters, BAD, places)

    # What is missing is there when they are replayed; the others become dead letters again.
    assert shop.register("Late", LATE) == shop.ids["Late"]
    shop.seen.clear()
    replayed = shop.run("dead-letter", len(BAD), replay=True)
    assert shop.seen == ["late"] and replayed.dead_lettered == len(BAD) - 1
    still = [case for case in BAD if case.key != "late"]
    check_letters(shop, shop.kafka.read(DEAD_LETTERS)[len(BAD) :], still, places)


def check_letters(
    shop: Shop, letters: list[Message], cases: list[Case], places: dict[str, tuple[int, int]]
) -> None:
    """Each letter is the message as it was, and tells why it is there and where it stood."""
    by_key = {case.key: case for case in cases}
    assert [(letter.key() or b"").decode() for letter in letters] == [*by_key]
    for letter in letters:
        case = by_key[(letter.key() or b"").decode()]
        assert letter.value() == shop.value_of(case), case.key
        headers = letter.headers() or []
        own = headers_of(case)
        assert headers[: len(own)] == own, case.key
        told: list[tuple[str, Any]] = headers[len(own) :]
        facts = dict(told)
        assert len(facts) == len(told) and all(name.startswith("dlq.") for name in facts)
        partition, offset = places[case.key]
        assert facts["dlq.reason"].decode() == case.reason, case.key
        assert facts["dlq.topic"] == b"questions"
        assert facts["dlq.partition"] == str(partition).encode()
        assert facts["dlq.offset"] == str(offset).encode()
        assert facts["dlq.group"] == b"answer-service" and facts["dlq.stack"]


def test_where_the_policy_says_fail_each_bad_message_ends_the_consumer(shop: Shop) -> None:
    places = shop.write()
    for case in BAD:
        for _ in range(2 if case is BAD[0] else 1):
            with pytest.raises(shop.package.MessageFailed) as caught:
                shop.run("fail", math.inf)
            partition, offset = places[case.key]
            assert f"questions[{partition}]@{offset}" in str(caught.value)
            assert case.reason in str(caught.value)
        shop.pass_over(*places[case.key])
    left = {key for key in GOOD if key not in shop.seen}
    shop.run("fail", len(left) + (not shop.deleted))
    assert (
        shop.kafka.lag("answer-service", "questions") == 0 and shop.kafka.read(DEAD_LETTERS) == []
    )
    assert Counter(shop.seen) == dict.fromkeys(GOOD, 1)
