"""The retail example, run: contracts to registry, stubs, three services, a change that is caught.

Everything is done the way a user does it, in a folder of its own: the commands of the tool, and the
services as processes on the generated packages. What is told at the end is counted from outside,
in the services' databases and in the topics. Every process that is started here is stopped here.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.diagnostics import CouldNotCheck, KontraktError

if TYPE_CHECKING:
    from confluent_kafka import Message

Say = Callable[[str], None]

TOPICS = ("orders", "inventory-updates", "order-completions")
SERVICES = {
    "inventory-service": "inventory",
    "notification-service": "notifications",
    "order-service": "orders",
}
"""Each service, and the name of its script and database. The order service starts last."""

CONSUMED = {
    "inventory-service": ("orders",),
    "notification-service": ("order-completions", "orders"),
    "order-service": ("inventory-updates",),
}
DUPLICATES = 5
"""How many messages of topic orders are sent a second time, unchanged."""

POISON = b"not an event"
"""What a stranger sends to topic orders; an order that is cut off comes after it."""

ADDED_FIELD = '{"name": "loyalty_tier", "type": "string", "doc": "The tier of the customer."},'
MENDED_FIELD = ADDED_FIELD.replace('"string"', '"string", "default": "none"')

PATIENCE = 60.0
"""Seconds without any progress after which the demo gives up."""


@dataclass(slots=True)
class Result:
    """What was counted at the end, and whether it adds up."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, fault: str) -> None:
        """Note a fault unless something holds."""
        if not holds:
            self.faults.append(fault)


@dataclass(slots=True)
class Demo:
    """One run in one folder, against one broker and one registry."""

    folder: Path
    orders: int
    bootstrap: str
    registry: str
    say: Say
    progress: Callable[[str, bool], None]
    """Shows a line that the next one replaces; the second argument tells the last of its kind."""
    is_mock: bool

    def run(self) -> Result:
        """Run it all. Raises KontraktError when a part of it does not start or does not end."""
        self._make_topics()
        self._step("Register", "what was reviewed goes to the registry first")
        self._kontrakt("register", "--apply")
        self._step("Generate", "typed producers and consumers for each service")
        self._kontrakt("generate")
        self._step("Run", f"three services, {self.orders} orders; some messages come twice,")
        self.say(f"{'':<12}and a stranger sends two that nobody can read")
        with self._services() as running:
            self._wait_for_orders(running)
            self._wait_until_done(running)
            # Not before: orders that are placed reach the topic a moment later, by the outbox.
            self._disturb()
            self._wait_until_read(running)
            statistics = self._stop(running)
        self._step("Change", "somebody adds a field without a default, and CI runs the check")
        is_caught = self._break_the_contract()
        return self._count(statistics, is_caught)

    def _step(self, title: str, text: str) -> None:
        self.say(f"\n{title:<12}{text}")

    def _environment(self) -> dict[str, str]:
        folders = [str(self.folder / "generated" / name / "python") for name in SERVICES]
        return {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "SCHEMA_REGISTRY_URL": self.registry,
            "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")]),
        }

    def _kontrakt(self, *arguments: str, expected: int = 0) -> str:
        self.say(f"$ kontrakt {' '.join(arguments)}")
        done = subprocess.run(
            [sys.executable, "-m", "codegen", *arguments],
            cwd=self.folder,
            env={**self._environment(), "PYTHONPATH": _own_path()},
            capture_output=True,
            text=True,
            check=False,
        )
        for line in (done.stdout + done.stderr).rstrip().splitlines():
            self.say(f"  {line}")
        if done.returncode != expected:
            raise KontraktError(f"kontrakt {arguments[0]} ended with {done.returncode}")
        return done.stdout

    def _make_topics(self) -> None:
        """Make the topics and their dead-letter topics where they are missing."""
        from confluent_kafka import KafkaException, Producer  # noqa: PLC0415

        names = [*TOPICS]
        for service, consumed in CONSUMED.items():
            names += [f"{topic}.{service}.dlq" for topic in consumed]
        if self.is_mock:
            # Asking the mock cluster for a topic makes it; it has no admin interface.
            producer = Producer({"bootstrap.servers": self.bootstrap})
            for name in names:
                producer.list_topics(name, timeout=10)
            return
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415
        from confluent_kafka.cimpl import NewTopic  # noqa: PLC0415

        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            present = client.list_topics(timeout=15).topics
            wanted = [NewTopic(name, 6, -1) for name in names if name not in present]
            for made in client.create_topics(wanted).values() if wanted else ():
                made.result()
        except KafkaException as error:
            raise CouldNotCheck(
                f"Kafka at {self.bootstrap} cannot be used: {error.args[0].str()}",
                "see that it runs there, and give its address with --bootstrap HOST:PORT",
            ) from None

    @contextmanager
    def _services(self) -> Iterator[dict[str, subprocess.Popen[str]]]:
        running: dict[str, subprocess.Popen[str]] = {}
        options = {
            "inventory-service": ["--pieces", str(_pieces(self.orders))],
            "order-service": ["--place", str(self.orders)],
        }
        with ExitStack() as files:
            try:
                for name, database in SERVICES.items():
                    log = files.enter_context((self.folder / f"{name}.log").open("w"))
                    running[name] = subprocess.Popen(
                        [sys.executable, f"services/{database}.py", *options.get(name, [])],
                        cwd=self.folder,
                        env={**self._environment(), "DATABASE": f"{database}.db"},
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                    )
                    self.say(f"{'':<12}{name} started (process {running[name].pid})")
                yield running
            finally:
                for process in running.values():
                    _end(process)

    def _wait_for_orders(self, running: Mapping[str, subprocess.Popen[str]]) -> None:
        self._wait(running, lambda: sum(self._statuses().values()), self.orders, "orders placed")

    def _wait_until_done(self, running: Mapping[str, subprocess.Popen[str]]) -> None:
        def finished() -> int:
            return self.orders - self._statuses()["placed"]

        def notified() -> int:
            return self._number("notifications", "SELECT count(*) FROM notifications")

        self._wait(running, finished, self.orders, "orders done")
        self._wait(running, notified, self.orders, "notifications")

    def _wait_until_read(self, running: Mapping[str, subprocess.Popen[str]]) -> None:
        lags = self._lags()
        self._wait(running, lambda: -next(lags), 0, "messages left")

    def _wait(
        self,
        running: Mapping[str, subprocess.Popen[str]],
        measure: Callable[[], int],
        wanted: int,
        what: str,
    ) -> None:
        """Wait until a number reaches another, saying where it stands; it must keep moving."""
        last, since = None, time.monotonic()
        while True:
            for name, process in running.items():
                if process.poll() is not None:
                    raise KontraktError(f"{name} stopped by itself:\n{self._log_tail(name)}")
            number = measure()
            if number != last:
                last, since = number, time.monotonic()
                amount = f"{abs(number):>6} of {self.orders}" if wanted else f"{abs(number):>6}"
                self.progress(f"{'':<12}{amount} {what}", number >= wanted)
            if number >= wanted:
                return
            if time.monotonic() - since > PATIENCE:
                logs = "\n".join(f"{name}:\n{self._log_tail(name)}" for name in running)
                raise KontraktError(f"no progress for {PATIENCE:.0f} s at: {what}\n{logs}")
            time.sleep(0.2)

    def _statuses(self) -> Counter[str]:
        rows = self._rows("orders", "SELECT status, count(*) FROM orders GROUP BY status")
        return Counter({str(status): int(number) for status, number in rows})

    def _number(self, database: str, query: str) -> int:
        rows = self._rows(database, query)
        return int(rows[0][0] or 0) if rows else 0

    def _rows(self, database: str, query: str) -> list[tuple[str | int, ...]]:
        path = self.folder / f"{database}.db"
        if not path.exists():
            return []
        with closing(
            sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)
        ) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError:
                return []  # the service has not made its tables yet

    def _log_tail(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text().splitlines()[-20:])

    def _disturb(self) -> None:
        """Send some orders a second time, as a producer does that crashed, and some nonsense."""
        from confluent_kafka import Producer  # noqa: PLC0415

        copies = [
            message for _, message in zip(range(DUPLICATES), self._read("orders"), strict=False)
        ]
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for message in copies:
            producer.produce(
                "orders",
                message.value(),
                message.key(),
                partition=message.partition() or 0,
                headers=message.headers() or [],
            )
        cut_off = next(copy.value() or b"" for copy in copies)[:20]
        for value in (POISON, cut_off):
            producer.produce("orders", value, b"stranger")
        producer.flush(30)

    def _read(self, *topics: str) -> Iterator[Message]:
        """Every message that the topics hold now."""
        from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415

        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "kontrakt-demo"})
        try:
            ends: dict[tuple[str, int], int] = {}
            known = consumer.list_topics(timeout=15).topics
            starts = []
            for topic in topics:
                for number in known[topic].partitions if topic in known else ():
                    low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), 15)
                    if high > low:
                        ends[topic, number] = high
                        starts.append(TopicPartition(topic, number, low))
            consumer.assign(starts)
            while ends:
                message = consumer.poll(15)
                if message is None:
                    raise KontraktError(f"Kafka does not give back what {topics} hold")
                if message.error() is None:
                    yield message
                    place = (message.topic() or "", message.partition() or 0)
                    if (message.offset() or 0) + 1 >= ends.get(place, 0):
                        ends.pop(place, None)
        finally:
            consumer.close()

    def _lags(self) -> Iterator[int]:
        """How many messages the services have not committed yet, again and again."""
        from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415

        with ExitStack() as closing_them:
            clients = {}
            for service in CONSUMED:
                client = Consumer({"bootstrap.servers": self.bootstrap, "group.id": service})
                closing_them.callback(client.close)
                clients[service] = client
            while True:
                total = 0
                for service, topics in CONSUMED.items():
                    client = clients[service]
                    known = client.list_topics(timeout=15).topics
                    places = [
                        TopicPartition(topic, number)
                        for topic in topics
                        for number in known[topic].partitions
                    ]
                    for place in client.committed(places, timeout=15):
                        _, high = client.get_watermark_offsets(place, 15)
                        total += high - max(place.offset, 0)
                yield total

    def _stop(self, running: Mapping[str, subprocess.Popen[str]]) -> dict[str, Counter[str]]:
        """Ask the services to stop, and take what each says of its work."""
        statistics = {}
        for process in running.values():
            process.terminate()
        for name, process in running.items():
            try:
                said, _ = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                raise KontraktError(f"{name} does not stop:\n{self._log_tail(name)}") from None
            if process.returncode != 0:
                raise KontraktError(f"{name} failed:\n{self._log_tail(name)}")
            statistics[name] = Counter(json.loads(said.splitlines()[-1]))
        return statistics

    def _break_the_contract(self) -> bool:
        path = self.folder / "schemas/retail/orders/OrderPlaced.avsc"
        before = path.read_text("utf-8")
        after = before.replace('{"name": "currency"', f'{ADDED_FIELD}\n    {{"name": "currency"', 1)
        mended = after.replace(ADDED_FIELD, MENDED_FIELD)
        path.write_text(after, encoding="utf-8")
        self._kontrakt("check", expected=1)
        self._step("Mend", "with a default, older orders can still be read")
        path.write_text(mended, encoding="utf-8")
        self._kontrakt("check")
        return len({before, after, mended}) == 3

    def _count(self, statistics: Mapping[str, Counter[str]], is_caught: bool) -> Result:
        statuses = self._statuses()
        total: Counter[str] = sum(statistics.values(), Counter())
        sent = {_event_of(message) for message in self._read(*TOPICS)} - {("", "")}
        events = Counter(name for name, _ in sent)
        letters = [f"{topic}.{name}.dlq" for name, topics in CONSUMED.items() for topic in topics]
        reasons = Counter(_header(message, "dlq.reason") for message in self._read(*letters))
        dead = reasons.total()
        notified = self._number("notifications", "SELECT count(*) FROM notifications")
        told = self._number("notifications", "SELECT count(DISTINCT order_id) FROM notifications")
        reserved = self._number("inventory", "SELECT sum(pieces) FROM reserved")
        left = self._number("inventory", "SELECT sum(pieces) FROM stock")
        result = Result()
        result.rows = [
            ("orders in", f"{sum(statuses.values())}"),
            ("completed", f"{statuses['completed']}"),
            ("cancelled", f"{statuses['cancelled']}"),
            *((f"event {name}", f"{number}") for name, number in sorted(events.items())),
            ("pieces left", f"{left} (and {reserved} set aside)"),
            ("notifications", f"{notified}"),
            ("duplicates suppressed", f"{total['duplicates']}"),
            (
                "dead letters",
                f"{dead} ({', '.join(f'{n} {why}' for why, n in sorted(reasons.items()))})",
            ),
            ("breaking change", "caught before it was registered" if is_caught else "missed"),
        ]
        pieces = 4 * _pieces(self.orders)
        result.expect(sum(statuses.values()) == self.orders, "orders were lost")
        result.expect(statuses["placed"] == 0, "orders are not done")
        result.expect(notified == told == self.orders, "not one notification for each order")
        result.expect(left + reserved == pieces, "pieces were lost or counted twice")
        result.expect(total["duplicates"] >= min(DUPLICATES, self.orders), "duplicates had effects")
        result.expect(dead == total["dead_lettered"] > 0, "dead letters do not add up")
        return result


def _event_of(message: Message) -> tuple[str, str]:
    """The simple name of a message's event, and its id: two empty texts for a stranger's."""
    return _header(message, "ce_type").rpartition(".")[2], _header(message, "ce_id")


def _header(message: Message, name: str) -> str:
    value = dict(message.headers() or []).get(name)
    return value.decode() if isinstance(value, bytes) else ""


def _pieces(orders: int) -> int:
    """How many pieces of each article are in stock: not quite enough for all orders."""
    return max(orders * 7 // 10, 1)


def _own_path() -> str:
    return str(Path(__file__).parent.parent.parent)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def require_parts() -> None:
    """Raise KontraktError where what the demo runs on is not installed."""
    parts = ("confluent_kafka", "starlette", "uvicorn")
    missing = [name.replace("_", "-") for name in parts if find_spec(name) is None]
    if missing:
        message = f"the demo needs {' and '.join(missing)}"
        raise KontraktError(message, "pip install 'kontrakt[demo]'")


@contextmanager
def mock_cluster() -> Iterator[str]:
    """librdkafka's mock cluster on a free port of the loopback interface; its address.

    It lives in memory, as long as this context.
    """
    from confluent_kafka import Producer  # noqa: PLC0415

    producer = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 4})
    brokers = producer.list_topics(timeout=15).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    del producer


@contextmanager
def embedded_registry(folder: Path) -> Iterator[str]:
    """The embedded registry of a repository, served on a free port of loopback; its address.

    Raises KontraktError when it does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "codegen", "registry", "--port", "0", "--root", str(folder)],
        env={**os.environ, "PYTHONPATH": _own_path()},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        address = next((word for word in line.split() if word.startswith("http://")), "")
        if not address:
            process.wait(10)
            raise KontraktError("the embedded registry did not start")
        yield address.rstrip(".,")
    finally:
        _end(process)
