"""Reading many subjects of a registry: whole, whichever way it allows, and with few questions."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_fake import Handler, RegistryFake, serve

from codegen import progress
from codegen.baselines import open_registry, registry, retrieval
from codegen.baselines.answers import Answer
from codegen.baselines.embedded import EmbeddedTransport
from codegen.baselines.holdings import Holdings, VersionReference, make_histories
from codegen.baselines.registry import RegistryBaseline, RegistryClient
from codegen.baselines.snapshot import read_snapshot, save_snapshot
from codegen.contract.model import Level, RegistrySettings
from codegen.diagnostics import CouldNotCheck, Findings

PROJECT = Path(__file__).parent.parent
MONEY = {"type": "record", "name": "Money", "fields": [{"name": "units", "type": "long"}]}
NAMES = [f"topic{number:02}-value" for number in range(24)]


def order(version: int) -> dict[str, Any]:
    fields = [{"name": f"f{n}", "type": "int", "default": 0} for n in range(version)]
    fee = {"name": "fee", "type": "Money"}
    return {"type": "record", "name": "Order", "fields": [fee, *fields]}


@pytest.fixture
def fake() -> RegistryFake:
    """24 subjects with 3 versions each that refer to a shared type, and one stranger."""
    fake = RegistryFake()
    fake.add("Money", MONEY)
    fake.add("stranger", MONEY)
    for name in NAMES:
        for version in range(3):
            fake.add(name, order(version), [{"name": "Money", "subject": "Money", "version": 1}])
    fake.levels[NAMES[3]] = "FULL"
    return fake


@pytest.fixture
def url(fake: RegistryFake) -> Iterator[str]:
    with serve(fake) as address:
        yield address


@pytest.fixture
def client(url: str, tmp_path: Path) -> RegistryClient:
    return open_registry(RegistrySettings(url, timeout=5.0), tmp_path)


def fetch(client: RegistryClient) -> Holdings:
    return client.fetch([*NAMES, "absent-value"])


def count(fake: RegistryFake) -> Counter[str]:
    """The requests by kind, and none was made twice."""
    made = [(method, path, str(query)) for method, path, query, _ in fake.requests]
    assert max(Counter(made).values()) == 1
    return Counter(
        "version" if "/versions/" in path else "list" if path.endswith("/versions") else path[:8]
        for _, path, _ in made
    )


@pytest.fixture
def expected(fake: RegistryFake, client: RegistryClient) -> Holdings:
    """What is there, read one by one."""
    holdings = fetch(client)
    assert set(holdings.subjects) == {*NAMES, "Money"}
    assert [len(holdings.subjects[name].versions) for name in NAMES] == [3] * 24
    fake.requests.clear()
    return holdings


@pytest.mark.parametrize("page", [0, 7, 500])
def test_the_list_of_schemas_is_read_where_there_is_one(
    fake: RegistryFake, client: RegistryClient, expected: Holdings, page: int
) -> None:
    fake.lists_schemas, fake.page = True, page
    assert fetch(client) == expected
    kinds = count(fake)
    assert kinds["version"] == kinds["list"] == 0
    assert kinds["/config/"] == 25
    assert kinds["/schemas"] == {0: 3, 500: 3, 7: 15}[page]


def test_short_histories_are_asked_for_without_their_numbers(
    fake: RegistryFake, client: RegistryClient, expected: Holdings
) -> None:
    assert fetch(client) == expected
    assert count(fake) == {
        **{"/subject": 2, "/schemas": 1, "version": 24 * 3 + 1},
        **{"/config/": 25, "/config": 1},
    }


def test_a_list_with_a_gap_is_not_believed(
    fake: RegistryFake, client: RegistryClient, expected: Holdings
) -> None:
    fake.lists_schemas = True

    def leave_out(handler: Handler) -> bool:
        if not handler.path.startswith("/schemas"):
            return False
        every = [item for items in fake.versions.values() for item in items]
        kept = [item for item in every if (item["subject"], item["version"]) != (NAMES[5], 2)]
        kept = [item for item in kept if item["subject"] != NAMES[6]]
        handler.reply(200, json.dumps(kept).encode())
        return True

    fake.behave = leave_out
    assert fetch(client) == expected


def test_a_list_that_changes_between_two_pages_loses_nothing(
    fake: RegistryFake, client: RegistryClient, expected: Holdings
) -> None:
    fake.lists_schemas, fake.page = True, 7

    def remove(handler: Handler) -> bool:
        # The stranger stands before all others, so each later one moves by one place.
        if handler.path.startswith("/schemas") and "offset=6&" in handler.path:
            fake.versions["Money"].append({**fake.versions["Money"][0], "version": 2})
        return False

    fake.behave = remove
    holdings = fetch(client)
    assert {name: holdings.subjects[name] for name in NAMES} == {
        name: expected.subjects[name] for name in NAMES
    }


def test_the_subjects_are_listed_again_when_they_moved(
    fake: RegistryFake, client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.page = 7
    left = [1]

    def remove(handler: Handler) -> bool:
        if "offset=6&" in handler.path and left:
            left.pop()
            del fake.versions["Money"]
        return False

    fake.behave = remove
    assert set(client.subjects()) == {*NAMES, "stranger"}

    def always(handler: Handler) -> bool:
        if "offset=6&" in handler.path:
            del fake.versions[min(fake.versions)]
        return False

    fake.behave = always
    with pytest.raises(CouldNotCheck, match="changed each time"):
        client.subjects()


@pytest.mark.parametrize("answer", [{"schemas": []}, [{"schema": '"int"'}], [5], "no"])
def test_a_list_of_another_kind_is_none(
    fake: RegistryFake, client: RegistryClient, expected: Holdings, answer: object
) -> None:
    def reply(handler: Handler) -> bool:
        if handler.path.startswith("/schemas"):
            handler.reply(200, json.dumps(answer).encode())
            return True
        return False

    fake.behave = reply
    assert fetch(client) == expected


def test_a_page_may_be_sorted_on_its_own(fake: RegistryFake, client: RegistryClient) -> None:
    every = [*reversed(NAMES), "Money", "stranger"]

    def reply(handler: Handler) -> bool:
        _, _, query, _ = fake.requests[-1]
        start = int(query["offset"])
        handler.reply(200, json.dumps(sorted(every[start : start + 7])).encode())
        return True

    fake.behave = reply
    assert set(client.subjects()) == set(every)


def test_deleted_versions_leave_no_trace(
    fake: RegistryFake, client: RegistryClient, expected: Holdings
) -> None:
    for lists_schemas in (True, False):
        fake.lists_schemas = lists_schemas
        fake.versions[NAMES[0]] = [item for item in fake.versions[NAMES[0]] if item["version"] != 2]
        numbers = [item.version for item in fetch(client).subjects[NAMES[0]].versions]
        assert numbers == [1, 3]


def test_a_long_history_is_read_by_its_numbers(fake: RegistryFake, client: RegistryClient) -> None:
    for version in range(3, 40):
        fake.add(NAMES[0], order(version))
    del fake.versions[NAMES[0]][5:35]
    history = client.fetch(NAMES[:1]).subjects[NAMES[0]].versions
    assert [item.version for item in history] == [1, 2, 3, 4, 5, 36, 37, 38, 39, 40]
    assert count(fake)["list"] == 1


@pytest.mark.parametrize("count_wanted", [2, 24])
@pytest.mark.parametrize("lists_schemas", [True, False])
def test_a_subject_that_is_listed_and_denied_is_not_new(
    fake: RegistryFake, client: RegistryClient, count_wanted: int, lists_schemas: bool
) -> None:
    fake.lists_schemas = lists_schemas

    def deny(handler: Handler) -> bool:
        if handler.path.startswith("/schemas"):
            every = [item for items in fake.versions.values() for item in items]
            kept = [item for item in every if item["subject"] != NAMES[1]]
            handler.reply(200, json.dumps(kept).encode())
            return True
        if f"/subjects/{NAMES[1]}/" not in handler.path:
            return False
        handler.reply(404, json.dumps({"error_code": 40401, "message": "not found"}).encode())
        return True

    fake.behave = deny
    with pytest.raises(CouldNotCheck, match=f"lists the subject {NAMES[1]} and then") as caught:
        client.fetch(NAMES[:count_wanted])
    assert "run the command again" in caught.value.hint


@pytest.mark.parametrize("latest", [3, 9])
@pytest.mark.parametrize("denied", ["/versions/1", "/versions"])
def test_versions_that_are_listed_and_denied_are_not_deleted(
    fake: RegistryFake, client: RegistryClient, latest: int, denied: str
) -> None:
    for version in range(3, latest):
        fake.add(NAMES[0], order(version))
    if denied == "/versions":
        del fake.versions[NAMES[0]][1]

    def deny(handler: Handler) -> bool:
        if not handler.path.endswith(NAMES[0] + denied):
            return False
        handler.reply(404, json.dumps({"error_code": 40401, "message": "not found"}).encode())
        return True

    fake.behave = deny
    with pytest.raises(CouldNotCheck, match=f"does not give the versions of {NAMES[0]} that"):
        client.fetch(NAMES[:2])


@pytest.mark.parametrize("numbers", [[1], [1, 3], [2, 9]])
def test_deleted_versions_that_are_listed_and_not_given_are_not_taken_for_none(
    fake: RegistryFake, client: RegistryClient, tmp_path: Path, numbers: list[int]
) -> None:
    def behave(handler: Handler) -> bool:
        if "/subjects/gone/" not in handler.path:
            return False
        if handler.path.endswith("/versions?deleted=true"):
            handler.reply(200, json.dumps(numbers).encode())
        else:
            handler.reply(404, b'{"error_code": 40401, "message": "not found"}')
        return True

    fake.behave = behave
    holdings = client.fetch_past(["gone", NAMES[0], "never-there"])
    assert set(holdings.subjects) == {"gone", NAMES[0], "Money"}
    file = tmp_path / "snapshot.json"
    save_snapshot(file, holdings)
    again = read_snapshot("snapshot.json", file.read_text("utf-8"), Findings())
    assert again is not None
    for held in (holdings, again):
        history = make_histories(held, ["gone"], "registry")["gone"]
        assert history.is_deleted
        assert [version.version for version in history.versions] == numbers
        assert {version.schema for version in history.versions} == {None}
        assert "does not give it" in history.versions[0].problem
        assert history.versions[0].label == f"registry v{numbers[0]} (deleted)"


@pytest.mark.parametrize(
    ("module", "limit", "value"),
    [
        (registry, "MAX_SUBJECTS", 10),
        (retrieval, "MAX_SUBJECTS", 10),
        (retrieval, "MAX_CHARACTERS", 1000),
        (retrieval, "MAX_VERSIONS", 5),
        (registry, "MAX_LISTED", 20),
    ],
)
def test_what_is_too_much_is_not_read(
    fake: RegistryFake,
    client: RegistryClient,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    limit: str,
    value: int,
) -> None:
    fake.lists_schemas = limit == "MAX_LISTED"
    for version in range(3, 9):
        fake.add(NAMES[0], order(version))
    monkeypatch.setattr(module, limit, value)
    with pytest.raises(CouldNotCheck, match="more than") as caught:
        fetch(client)
    assert f"{value:,}" in caught.value.message


def test_work_is_told_to_who_listens(
    client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[int, int]] = []
    monkeypatch.setattr(progress, "_listeners", [])
    progress.listen(lambda name, done, known: heard.append((done, known)))
    fetch(client)
    assert heard[-1] == (0, 0)
    assert heard[-2] == (24 * 3 + 1 + 25,) * 2


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_person_sees_how_far_it_is(fake: RegistryFake, url: str, tmp_path: Path, ci: str) -> None:
    def delay(handler: Handler) -> bool:
        time.sleep(0.6)
        return False

    fake.behave = delay
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), "CI": ci, "TERM": "xterm"}
    terminal, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "check"],
        cwd=tmp_path,
        env={**variables, "SCHEMA_REGISTRY_URL": url},
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(terminal, 65_536):
            shown += data
    except OSError:
        pass  # the other end is closed
    os.close(terminal)
    assert done.returncode == 0, done.stdout
    if ci:
        assert shown == b""
    else:
        assert f"Reading {url} [".encode() in shown
        assert shown.endswith(b"\r\x1b[K")


# Contexts, on the embedded registry


class Recorder:
    """A transport that notes what it passes on."""

    def __init__(self, file: Path) -> None:
        self.inner = EmbeddedTransport(file, "embedded registry")
        self.name = self.inner.name
        self.asked: list[tuple[str, str, Any]] = []

    def send(self, method: str, path: str, query: Any = None, body: Any = None) -> Answer:
        self.asked.append((method, path, dict(query or {})))
        return self.inner.send(method, path, query, body)


def test_a_context_is_a_registry_of_its_own(tmp_path: Path) -> None:
    transport = Recorder(tmp_path / "registry.db")
    plain = RegistryClient(transport)
    staging = RegistryClient(transport, "staging")
    plain.register("orders-value", json.dumps(MONEY))
    staging.register("Money", json.dumps(MONEY))
    money = VersionReference("Money", "Money", 1)
    stored = staging.register("orders-value", json.dumps(order(1)), [money])
    assert staging.register("orders-value", json.dumps(order(1)), [money]) == stored
    assert stored.references == (money,)
    assert plain.subjects() == ("orders-value",)
    assert staging.subjects() == ("Money", "orders-value")
    assert staging.subjects("ord") == ("orders-value",)
    assert plain.subjects("ord") == ("orders-value",)
    staging.set_level(Level.FULL)
    assert (plain.level(), staging.level()) == (Level.BACKWARD, Level.FULL)
    staging.set_level(Level.NONE, "orders-value")
    assert staging.level("orders-value") is Level.NONE
    assert plain.level("orders-value") is None
    holdings = staging.fetch(["orders-value"])
    (past,) = make_histories(holdings, ["orders-value"], "registry")["orders-value"].versions
    assert past.problem == "" and past.schema is not None
    assert staging.lookup("orders-value", json.dumps(order(1)), [money]) == stored
    assert plain.versions("Money") == ()
    assert staging.schema(stored.id).references == (money,)
    assert staging.versions("orders-value") == (1,)
    assert staging.name == "embedded registry (context .staging)"
    assert RegistryBaseline(staging).name == staging.name
    assert list(staging.listing() or {}) == ["Money", "orders-value"]
    assert list(plain.listing() or {}) == ["orders-value"]


def test_the_manifests_context_and_normalize_are_used(url: str, tmp_path: Path) -> None:
    settings = RegistrySettings(None, context="staging", normalize=True)
    client = open_registry(settings, tmp_path)
    text = '{"type": "record", "name": "A", "fields": [], "doc": "d"}'
    assert client.register("a", text) == client.register("a", text.replace('": ', '":  '))
    assert open_registry(RegistrySettings(None), tmp_path).subjects() == ()
    transport = Recorder(tmp_path / "other.db")
    normal = RegistryClient(transport, normalize=True)
    normal.register("a", text)
    normal.test("a", text)
    assert {query.get("normalize") for method, _, query in transport.asked} == {"true"}
