"""Members that join, leave, freeze and are killed all the time, while messages of few keys flow.

Nothing is lost, the messages of a key keep their order as far as at-least-once allows, and in
transactions each answer is there once. KONTRAKT_MEMBERS_SEED, KONTRAKT_MEMBERS_CHANGES and
KONTRAKT_MEMBERS_MESSAGES make it another run, or a longer one.
"""

# ruff: noqa: F811

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from desk import ask_service, async_folders, desk_folders  # noqa: F401

from real.kafka import Kafka
from real.processes import Server, wait_until
from real.test_transactions import desk_kafka, settings  # noqa: F401

PROGRAM = Path(__file__).parent / "shop" / "member.py"
SEED = int(os.environ.get("KONTRAKT_MEMBERS_SEED", time.time_ns() % 1_000_000))
CHANGES = int(os.environ.get("KONTRAKT_MEMBERS_CHANGES", "8"))
MESSAGES = int(os.environ.get("KONTRAKT_MEMBERS_MESSAGES", "3000"))
KEYS = [f"q{number}" for number in range(9)]
SLOTS = 4
"""How many members there are at the most."""

Place = tuple[str, int]
"""A key, and the number of a message among those of that key."""


class Members:
    """Processes of one group; some run, in slots that each have a transactional id."""

    def __init__(self, folder: Path, kafka: Kafka, package: str, way: str, path: Path) -> None:
        self._folder = folder
        self._arguments = [package, way]
        self._environment = {
            "PYTHONPATH": str(path),
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "KAFKA_HEARTBEAT_INTERVAL_MS": "500",
        }
        self._started = 0
        self._frozen: list[Server] = []
        self.running: dict[str, Server] = {}

    def join(self) -> None:
        slot = next(f"slot-{number}" for number in range(SLOTS) if self._is_free(number))
        self._started += 1
        name = f"member-{self._started}"
        member = Server(
            name,
            [sys.executable, PROGRAM, *self._arguments, slot, self._folder / f"{name}.notes"],
            self._folder / f"{name}.log",
            lambda: True,
            environment=self._environment,
        )
        member.launch()
        self.running[slot] = member

    def _is_free(self, number: int) -> bool:
        return f"slot-{number}" not in self.running

    def change(self, chance: random.Random) -> None:
        """One joins, leaves, is killed, freezes, or wakes up."""
        if self._frozen and chance.random() < 0.2:
            self.wake()
            return
        many = len(self.running)
        if many < 2 or (many < SLOTS and chance.random() < 0.5):
            self.join()
            return
        member = self.running.pop(chance.choice([*self.running]))
        assert member.is_running, member.log_tail()
        if chance.random() < 0.4:
            member.kill()
        elif chance.random() < 0.4:
            # Its place is taken, and it will not know when it wakes up.
            member.pause()
            self._frozen.append(member)
        else:
            leave(member)

    def wake(self) -> None:
        """Let those that froze go on; who finds another in its place may end."""
        for member in self._frozen:
            member.resume()

    def end(self) -> None:
        """End all, whatever they do."""
        for member in (*self._frozen, *self.running.values()):
            member.kill()

    def notes(self) -> list[tuple[str, Place]]:
        """What all of them have noted, in the order of time: begin or end, and of what."""
        lines = [
            line.split()
            for file in self._folder.glob("*.notes")
            for line in file.read_text().splitlines()
        ]
        return [
            (what, (key, int(text)))
            for _, what, key, text in sorted(lines, key=lambda line: int(line[0]))
        ]


def leave(member: Server) -> None:
    """Ask it to end, which it does in order."""
    member.stop(40)
    assert "Traceback" not in member.log_tail(60), member.log_tail(60)


@pytest.fixture(params=["threads", "asyncio"])
def flavour(
    request: pytest.FixtureRequest, desk_folders: dict[str, Path], async_folders: dict[str, Path]
) -> tuple[str, Path]:
    """The package and where it lies."""
    if request.param == "threads":
        return "answer_service", desk_folders["answer-service"]
    return "async_answer_service", async_folders["answer-service"]


@pytest.fixture(params=["workers", "transactions"])
def members(
    request: pytest.FixtureRequest, flavour: tuple[str, Path], desk_kafka: Kafka, tmp_path: Path
) -> Iterator[Members]:
    package, path = flavour
    made = Members(tmp_path, desk_kafka, package, request.param, path)
    yield made
    made.end()


def test_members_come_and_go_and_nothing_is_lost_nor_out_of_order(
    members: Members,
    desk_kafka: Kafka,
    ask_service: ModuleType,
    request: pytest.FixtureRequest,
) -> None:
    chance = random.Random(SEED)
    print(f"KONTRAKT_MEMBERS_SEED={SEED}")
    sent: Counter[str] = Counter()
    members.join()
    with ask_service.Producer(settings(ask_service, desk_kafka)) as producer:
        for _ in range(CHANGES):
            for _ in range(MESSAGES // CHANGES):
                key = chance.choice(KEYS)
                producer.send(ask_service.Asked(question_id=key, text=str(sent[key])))
                sent[key] += 1
            time.sleep(chance.uniform(0.2, 1.5))
            members.change(chance)
    members.wake()
    wanted = {(key, number) for key, count in sent.items() for number in range(count)}
    wait_until(
        lambda: desk_kafka.lag("answer-service", "questions") == 0, 90, "everything committed"
    )
    while members.running:
        leave(members.running.popitem()[1])

    ended: defaultdict[str, int] = defaultdict(int)
    for what, (key, number) in members.notes():
        # Again is fine, before its turn is not.
        assert number <= ended[key], f"{key} {number} before {ended[key]}, seed {SEED}"
        if what == "end" and number == ended[key]:
            ended[key] += 1
    assert ended == sent, f"seed {SEED}"
    if "transactions" in request.node.callspec.params.values():
        # What a killed member has open hides what comes after it, until its time is over.
        wait_until(lambda: len(answered(desk_kafka)) >= len(wanted), 90, "all answers")
        answers = answered(desk_kafka)
        assert Counter(answers) == dict.fromkeys(wanted, 1), f"seed {SEED}"
        for key in KEYS:
            numbers = [number for one, number in answers if one == key]
            assert numbers == sorted(numbers), f"seed {SEED}"


def answered(kafka: Kafka) -> list[Place]:
    """What was answered, in the order of each partition."""
    return [
        # An answer is framed, then has the id of its question and the number as text.
        ((message.key() or b"").decode(), int(text_of(message.value() or b"")))
        for message in kafka.read("answers")
    ]


def text_of(value: bytes) -> str:
    """The second string of an Avro record with short ones."""
    start = 6 + (value[5] >> 1)
    return value[start + 1 : start + 1 + (value[start] >> 1)].decode()
