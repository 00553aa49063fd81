"""Messages as handlers get them, and what is stored when a handler ends its consumer."""

# ruff: noqa: F811

from __future__ import annotations

import copy
import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import confluent_kafka
import pytest
from desk import answer_service, desk_folders  # noqa: F401
from python_packages import EVENT, import_package, load

ASKED, WITHDRAWN = ("ce_type", b"help.desk.Asked"), ("ce_type", b"help.desk.Withdrawn")


class Asked:
    """Notes what it was asked; does what the test says."""

    def __init__(self, act: Callable[[Any], object] = lambda event: None) -> None:
        self.act = act
        self.texts: list[str] = []

    def on_asked(self, event: Any, message: Any) -> None:
        self.act(event)
        self.texts.append(event.text)

    def on_withdrawn(self, event: Any, message: Any) -> None: ...

    def on_profile_changed(self, event: Any, message: Any) -> None: ...

    def on_deletion_from_profiles(self, message: Any) -> None: ...


def read(package: ModuleType, **parts: Any) -> Any:
    """The message of a record of Kafka's own client, as a consumer reads it."""
    module = importlib.import_module(f"{package.__name__}._runtime.messages.message")
    return module.read_message(confluent_kafka.Message(**parts))


def parts_of(message: Any) -> tuple[Any, ...]:
    return (
        message.topic,
        message.partition,
        message.offset,
        message.key,
        message.headers,
        message.timestamp_ms,
    )


def test_a_message_says_what_its_record_says(answer_service: ModuleType) -> None:
    headers = [("a", b"1"), ("a", None), ("ce_id", b"7")]
    message = read(
        answer_service,
        topic="questions",
        partition=3,
        offset=12,
        key=b"q1",
        headers=headers,
        timestamp=(1, 1_700_000_000_123),
    )
    made = answer_service.Message(
        "questions", 3, 12, key=b"q1", headers=headers, timestamp_ms=1_700_000_000_123
    )
    expected = ("questions", 3, 12, b"q1", headers, 1_700_000_000_123)
    assert parts_of(message) == parts_of(made) == expected
    assert repr(message) == repr(made) == "Message(questions[3]@12, type=None, id='7')"
    bare = read(answer_service, topic="questions", partition=0, offset=0)
    assert parts_of(bare) == parts_of(answer_service.Message("questions"))
    assert bare.time is None and bare.id == "questions[0]@0"


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, *(
        lambda message, protocol=protocol: pickle.loads(pickle.dumps(message, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    )],
)  # fmt: skip
def test_copies_of_a_message_need_no_client_of_kafka(
    answer_service: ModuleType, again: Callable[[Any], Any]
) -> None:
    message = read(
        answer_service,
        topic="questions",
        partition=3,
        offset=12,
        key=b"q1",
        headers=[("ce_type", b"x")],
        timestamp=(1, 5),
    )
    message.sent = 2
    copied = again(message)
    assert type(copied) is type(message) and copied is not message
    assert parts_of(copied) == parts_of(message)
    assert (copied.sent, copied.deliveries, copied.type) == (2, [], "x")


@pytest.mark.parametrize(
    "headers, is_asked",
    [
        ([ASKED], True),
        ([ASKED, ("tenant", b"blue")], True),
        ([WITHDRAWN, ("tenant", b"blue"), ASKED], True),
        ([WITHDRAWN, ASKED, ("tenant", b"blue")], True),
        ([WITHDRAWN], False),
        ([WITHDRAWN, ("tenant", b"blue")], False),
        ([ASKED, ("tenant", b"blue"), WITHDRAWN], False),
        ([ASKED, WITHDRAWN, ("tenant", b"blue")], False),
    ],
)
def test_of_a_repeated_type_the_last_counts_wherever_it_stands(
    answer_service: ModuleType, headers: list[tuple[str, bytes]], is_asked: bool
) -> None:
    fake = answer_service.fakes.fakes()
    delivered = fake.deliver(answer_service.Asked(question_id="q1", text="why?"))
    value = fake.kafka.partitions("questions")[delivered.partition][delivered.offset].value()
    fake.deliver_bytes("questions", value, key=b"q1", headers=headers)
    handler = Asked()
    with answer_service.Consumer(fake.settings(), handler) as consumer:
        consumer.drain()
    assert handler.texts == ["why?"] * (1 + is_asked)
    assert len(fake.dead_letters) == 1 - is_asked


def test_nothing_is_stored_behind_a_record_that_ended_its_consumer(
    answer_service: ModuleType,
) -> None:
    fake = answer_service.fakes.fakes()
    for text in "abcd":
        fake.deliver(answer_service.Asked(question_id="q1", text=text))

    def end(event: Any) -> None:
        if event.text == "b":
            raise KeyboardInterrupt

    handler = Asked(end)
    consumer = answer_service.Consumer(fake.settings(), handler)
    with pytest.raises(KeyboardInterrupt):
        consumer.drain()
    assert handler.texts == ["a"]
    with pytest.raises(answer_service.StubError, match="has failed: close it, and make a new one"):
        consumer.drain()
    assert handler.texts == ["a"]
    consumer.close()
    assert sum(fake.kafka.groups["answer-service"].committed.values()) == 1
    again = Asked()
    with answer_service.Consumer(fake.settings(), again) as other:
        other.drain()
    assert again.texts == ["b", "c", "d"]


def test_a_uuid_is_a_key_as_its_text(tmp_path: Path) -> None:
    id_type = {"type": "string", "logicalType": "uuid"}
    schema = {
        "type": "record",
        "name": "Event",
        "namespace": "test",
        "fields": [{"name": "id", "type": id_type, "doc": "Whose it is."}],
    }
    contract = load(tmp_path, {"Event": schema}, [EVENT], key="id")
    package = import_package(contract, tmp_path / "generated")
    (event,) = package.codecs.EVENTS
    for number in (0, 1, 1 << 127, (1 << 128) - 1, 0x0123456789ABCDEF << 40):
        value = UUID(int=number)
        assert event.key(event.model(id=value)) == str(value).encode()
