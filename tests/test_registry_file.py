"""The file of the embedded registry: what is answered stays, whoever kills, copies or shares it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result
from embedded import Registry

from codegen.cli import program
from codegen.registry.entries import RegistryError
from codegen.registry.store import Store
from schemas import record

PROJECT = Path(__file__).parent.parent

A = record(("a", "int"))
B = record(("a", "int"), {"name": "b", "type": "int", "default": 0})
OWNED = {"properties": {"owner": "me"}}


def test_what_is_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "made/registry.db"
    registry = Registry(file)
    registry.register("s", A, metadata=OWNED)
    registry.level("FULL", "s")
    before = registry.get("/schemas"), registry.get("/config/s")
    registry.store.close()
    again = Registry(file)
    assert (again.get("/schemas"), again.get("/config/s")) == before
    assert again.register("t", B) == 2


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "inventory.db"
    with sqlite3.connect(file) as base:
        base.execute("CREATE TABLE versions (a)")
    base.close()
    before = file.read_bytes()
    with pytest.raises(RegistryError, match="database of something else"):
        Store(file)
    assert file.read_bytes() == before
    newer = tmp_path / "newer.db"
    Store(newer).close()
    with sqlite3.connect(newer) as base:
        base.execute("PRAGMA user_version = 99")
    base.close()
    with pytest.raises(RegistryError, match="another version of kontrakt"):
        Store(newer)


@pytest.mark.parametrize("where", [0, 4096, 8192])
def test_a_damaged_file_is_an_error_and_not_an_empty_registry(tmp_path: Path, where: int) -> None:
    file = tmp_path / "registry.db"
    registry = Registry(file)
    for size in range(50):
        registry.register(f"s{size}", {"type": "fixed", "name": "F", "size": size})
    registry.store.close()
    data = bytearray(file.read_bytes())
    data[where : where + 4096] = b"\xff" * 4096
    file.write_bytes(data)
    try:
        damaged = Registry(file)
    except RegistryError as error:
        assert "no registry that can be opened" in error.message
    else:
        answers = [damaged.ask("GET", path) for path in ("/subjects", "/schemas")]
        answers.append(damaged.ask("POST", "/subjects/s/versions", {"schema": json.dumps(A)}))
        failed = [body for status, body in answers if status == 500]
        assert failed
        assert all("file cannot be used" in body["message"] for body in failed)
        damaged.store.close()


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """As somebody who may read the folder and its files, and write neither."""
    is_root = os.geteuid() == 0
    files = list(folder.iterdir())
    for file in files:
        file.chmod(0o444)
    folder.chmod(0o555)
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        for file in files:
            file.chmod(0o644)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may look into, unlike those of pytest."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.name != "posix", reason="the rights are those of POSIX")
def test_what_may_only_be_read_is_read(folder: Path) -> None:
    file = folder / "registry.db"
    registry = Registry(file)
    registry.register("s", A)
    registry.level("FULL", "s")
    registry.store.close()
    before = file.read_bytes()
    with without_rights(folder):
        reader = Registry(file)
        assert reader.get("/subjects/s/versions") == [1]
        assert reader.get("/config/s") == {"compatibilityLevel": "FULL"}
        path = "/compatibility/subjects/s/versions/latest"
        assert reader.ask("POST", path, {"schema": json.dumps(B)})[0] == 200
        status, body = reader.ask("POST", "/subjects/s/versions", {"schema": json.dumps(B)})
        assert (status, body["error_code"]) == (500, 50001)
        assert "readonly" in body["message"]
        reader.store.close()
    assert file.read_bytes() == before
    assert [one.name for one in folder.iterdir()] == ["registry.db"]


@pytest.mark.skipif(os.name != "posix", reason="the rights are those of POSIX")
def test_what_is_written_just_now_is_read_or_refused(folder: Path) -> None:
    file = folder / "registry.db"
    writer = Registry(file)
    writer.register("s", A)
    with without_rights(folder):
        reader = Registry(file)
        assert reader.get("/subjects") == ["s"]
        reader.store.close()
    # A copy with the log, but without what SQLite needs to read it, is not read without it.
    copy = folder / "copy"
    copy.mkdir()
    for name in ("registry.db", "registry.db-wal"):
        shutil.copy(folder / name, copy)
    writer.store.close()
    with without_rights(copy), pytest.raises(RegistryError, match="unable to open"):
        Store(copy / "registry.db")


@pytest.mark.skipif(os.name != "posix", reason="the rights are those of POSIX")
def test_a_checkout_that_may_only_be_read_is_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PROJECT / "schemas", folder / "schemas")
    monkeypatch.delenv("SCHEMA_REGISTRY_URL", raising=False)

    def run(*arguments: str) -> Result:
        command = [*arguments, "--root", str(folder)]
        return CliRunner().invoke(program, command, standalone_mode=False)

    assert "registered" in run("register", "--apply").stdout
    before = run("check", "--format", "json")
    with without_rights(folder / ".kontrakt"):
        after = run("check", "--format", "json")
    assert (after.exception, after.return_value) == (None, 0)
    checked = json.loads(after.stdout)["checked"]
    assert checked == json.loads(before.stdout)["checked"] != []


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    def open_and_ask(file: Path, barrier: threading.Barrier) -> int:
        barrier.wait()
        registry = Registry(file)
        id = registry.register("s", A)
        registry.store.close()
        return id

    with ThreadPoolExecutor(6) as pool:
        for round in range(15):
            barrier = threading.Barrier(6)
            file = tmp_path / f"{round}.db"
            asked = [pool.submit(open_and_ask, file, barrier) for _ in range(6)]
            assert [one.result(60) for one in asked] == [1] * 6


WORKER = """
import json, sys
from codegen.registry.api import respond
from codegen.registry.call import Request
from codegen.registry.store import Store
sys.stdin.readline()
store = Store(sys.argv[1])
for size in range(30):
    text = json.dumps({"type": "fixed", "name": f"F{size}", "size": 1})
    answer = respond(store, Request("POST", f"/subjects/s{size}/versions", {}, {"schema": text}))
    print(size, answer.status, answer.body.get("id"))
"""


def test_processes_never_give_two_ids_to_one_schema(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    command = [sys.executable, "-c", WORKER, str(file)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                         cwd=PROJECT)
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    answers = {tuple(line.split()) for output in outputs for line in output.splitlines()}
    assert all(process.returncode == 0 for process in processes)
    assert len(answers) == 30, "all processes heard the same"
    assert {status for _, status, _ in answers} == {"200"}
    assert {int(id) for _, _, id in answers} == set(range(1, 31))


class Client(threading.Thread):
    """Registers versions of one subject over HTTP, one after the other, until the server is gone.

    Every other schema is one that all clients register.
    """

    def __init__(self, address: str, name: str, first: int) -> None:
        super().__init__()
        self.answered: dict[str, int] = {}
        self._address = address
        self._subject = name
        self._first = first

    def run(self) -> None:
        connection = HTTPConnection(self._address, timeout=30)
        for number in range(self._first, 1_000_000):
            name = f"{self._subject}{number}" if number % 2 else f"Shared{number}"
            text = json.dumps({"type": "fixed", "name": name, "size": 1})
            body = json.dumps({"schema": text})
            try:
                connection.request("POST", f"/subjects/{self._subject}/versions", body)
                answer = connection.getresponse()
                value = json.loads(answer.read())
            except (OSError, HTTPException, ValueError):
                return
            assert answer.status == 200, value
            self.answered[text.replace(" ", "")] = value["id"]


def test_a_server_that_is_killed_at_any_instant_keeps_what_it_answered(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    registry = Registry(file)
    registry.level("NONE")
    registry.store.close()
    command = [sys.executable, "-m", "codegen", "registry", "--port", "0", "--database", str(file)]
    chance = random.Random(9)
    answered: dict[str, dict[str, int]] = {name: {} for name in ("a", "b", "c")}
    for round in range(8):
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        address = next(word for word in line.split() if "//" in word).partition("//")[2]
        clients = {name: Client(address, name, round * 1000) for name in answered}
        for client in clients.values():
            client.start()
        wanted = chance.randrange(1, 40)
        while sum(len(client.answered) for client in clients.values()) < wanted:
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(chance.random() / 100)  # any instant of what comes next
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for name, client in clients.items():
            client.join(30)
            answered[name] |= client.answered
        hold_to(file, answered)


def hold_to(file: Path, answered: dict[str, dict[str, int]]) -> None:
    """What was answered is in the file, no id has two schemas, and no number is left out."""
    registry = Registry(file)
    texts: dict[int, str] = {}
    for subject, ids in answered.items():
        versions = [one for one in registry.get("/schemas") if one["subject"] == subject]
        held = {one["schema"]: one["id"] for one in versions}
        assert ids.items() <= held.items()
        assert [one["version"] for one in versions] == list(range(1, len(versions) + 1))
        for text, id in held.items():
            assert texts.setdefault(id, text) == text
    assert len(set(texts.values())) == len(texts), "one schema has two ids"
    registry.store.close()
