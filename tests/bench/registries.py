"""Reading a large registry far away: 1,000 subjects with 3 versions each, every answer after 20 ms.

Beside Confluent's own client, which asks one question after the other; it reads a few subjects, and
its time is multiplied.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from confluent_kafka.schema_registry import SchemaRegistryClient

from codegen.baselines import open_registry
from codegen.contract.model import RegistrySettings
from tests.bench.histories import schema_text

SUBJECTS = 1000
VERSIONS = 3
LATENCY = 0.02
FEW = 20
ROUNDS = 5


def measure() -> Iterator[dict[str, object]]:
    for lists_schemas in (True, False):
        kind = "that lists its schemas" if lists_schemas else "without that list"
        with FarRegistry(lists_schemas) as url:
            ours = min(read_all(url) for _ in range(ROUNDS))
            other = read_few(url) * SUBJECTS / FEW
        yield {
            "name": f"{SUBJECTS} subjects, {VERSIONS} versions, 20 ms, {kind} | confluent-kafka",
            "ours": ours,
            "other": other,
            "ratio": other / ours,
            "unit": "s",
        }


def read_all(url: str) -> float:
    names = [name_subject(number) for number in range(SUBJECTS)]
    started = time.perf_counter()
    holdings = open_registry(RegistrySettings(url), Path()).fetch(names)
    taken = time.perf_counter() - started
    assert holdings.version_count == SUBJECTS * VERSIONS
    return taken


def read_few(url: str) -> float:
    client = SchemaRegistryClient({"url": url})
    started = time.perf_counter()
    for number in range(FEW):
        subject = name_subject(number)
        client.get_compatibility(subject)
        for version in client.get_versions(subject):
            client.get_version(subject, version)
    return time.perf_counter() - started


def name_subject(number: int) -> str:
    return f"topic{number:04}-value"


class FarRegistry:
    """A registry in a process of its own, each of whose answers takes its time."""

    def __init__(self, lists_schemas: bool) -> None:
        ours, theirs = multiprocessing.Pipe()
        self._port = ours
        self._process = multiprocessing.Process(
            target=serve, args=(theirs, lists_schemas), daemon=True
        )

    def __enter__(self) -> str:
        self._process.start()
        return f"http://127.0.0.1:{self._port.recv()}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def serve(port: Connection, lists_schemas: bool) -> None:
    answers = make_answers()
    listed = [value for path, value in answers.items() if path.rpartition("/")[2].isdigit()]

    def answer(target: str) -> tuple[int, object]:
        parts = urlsplit(target)
        query = {key: int(values[0]) for key, values in parse_qs(parts.query).items()
                 if key in ("offset", "limit")}  # fmt: skip
        if parts.path == "/schemas" and lists_schemas:
            return 200, listed[query["offset"] : query["offset"] + query["limit"]]
        path = unquote(parts.path)
        if path in answers:
            return 200, answers[path]
        if path.startswith("/config/"):
            return 200, {"compatibilityLevel": "FULL"}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return writer.close()
            status, value = answer(head.split(b" ", 2)[1].decode())
            data = json.dumps(value).encode()
            await asyncio.sleep(LATENCY)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(data)))
            writer.write(data)

    async def listen() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(listen())


def make_answers() -> dict[str, object]:
    answers: dict[str, object] = {"/config": {"compatibilityLevel": "BACKWARD"}}
    answers["/subjects"] = [name_subject(number) for number in range(SUBJECTS)]
    for number in range(SUBJECTS):
        subject = name_subject(number)
        path = f"/subjects/{subject}/versions"
        answers[path] = list(range(1, VERSIONS + 1))
        for version in range(1, VERSIONS + 1):
            answers[f"{path}/{version}"] = {
                "subject": subject,
                "version": version,
                "id": number * VERSIONS + version,
                "schema": schema_text(number, version),
            }
        answers[f"{path}/latest"] = answers[f"{path}/{VERSIONS}"]
    return answers
