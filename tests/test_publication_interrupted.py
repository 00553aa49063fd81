"""Publishing that is cut off anywhere, killed, or done by two people at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from registry_fake import Handler, RegistryFake, serve
from test_publication import CANCELLED, MANIFEST, MONEY, load, with_field

from codegen.baselines import open_registry
from codegen.baselines.answers import Answer
from codegen.baselines.holdings import Holdings
from codegen.baselines.registry import RegistryBaseline, RegistryClient
from codegen.contract.model import Contract, RegistrySettings
from codegen.diagnostics import CouldNotCheck, Findings, Severity
from codegen.publication import Done, apply_plan, make_plan
from codegen.registry.api import Request, respond
from codegen.registry.store import Store
from codegen.review import review

PROJECT = Path(__file__).parent.parent
OWNED = MANIFEST.replace("  orders:\n", "  orders:\n    doc: All about orders.\n    owner: ann\n")
LOOSENED = OWNED.replace("FULL", "BACKWARD")
CHANGED = (with_field(MONEY, "currency"), with_field(CANCELLED, "why"))


@dataclass
class Registry:
    """A registry in memory. Something can happen before or after any request to it."""

    store: Store = field(default_factory=lambda: Store(":memory:"))
    name: str = "the registry"
    before: Callable[[int], None] = lambda number: None
    after: Callable[[int], None] = lambda number: None
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        with self.lock:
            number, self.count = self.count, self.count + 1
        self.before(number)
        response = respond(self.store, Request(method, path, query or {}, body))
        self.after(number)
        return Answer(response.status, response.body)

    @property
    def client(self) -> RegistryClient:
        return RegistryClient(self)

    def holdings(self) -> Holdings:
        """All that it holds, metadata and levels included."""
        client = RegistryClient(Registry(self.store, self.name))
        return client.fetch(client.subjects())


class Killed(BaseException):
    """The end of the process: nothing catches it, nothing is tidied up."""


def register(contract: Contract, client: RegistryClient) -> tuple[list[str], tuple[Done, ...]]:
    """What `kontrakt register --apply` does: the rules of the errors found, and what was done."""
    findings = Findings()
    done: tuple[Done, ...] = ()
    review(contract, RegistryBaseline(client), findings)
    if not findings.has_errors:
        plan = make_plan(contract, client, findings)
        if not findings.has_errors:
            done = apply_plan(plan, client, findings)
    return [item.rule.id for item in findings if item.rule.severity is Severity.ERROR], done


def published(root: Path) -> Registry:
    registry = Registry()
    assert register(load(root, manifest=OWNED), registry.client)[0] == []
    registry.count = 0
    return registry


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_request_and_run_again_it_ends_in_the_same_state(
    tmp_path: Path, when: str
) -> None:
    whole = published(tmp_path)
    contract = load(tmp_path, *CHANGED, manifest=LOOSENED)
    assert register(contract, whole.client)[0] == []
    expected, count = whole.holdings(), whole.count
    assert expected.version_count == 8 and count > 40
    for stop in range(count):
        registry = published(tmp_path)
        contract = load(tmp_path, *CHANGED, manifest=LOOSENED)

        def kill(number: int, stop: int = stop) -> None:
            if number >= stop:
                raise Killed

        setattr(registry, when, kill)
        with pytest.raises(Killed):
            register(contract, registry.client)
        setattr(registry, when, lambda number: None)
        assert register(contract, registry.client)[0] == []
        assert registry.holdings() == expected, stop
        assert make_plan(contract, registry.client, Findings()).changes == ()


def test_two_people_who_publish_the_same_at_once(tmp_path: Path) -> None:
    """The other one does it all between two requests of ours, whichever they are."""
    whole = published(tmp_path)
    contract = load(tmp_path, *CHANGED, manifest=LOOSENED)
    assert register(contract, whole.client)[0] == []
    expected, count = whole.holdings(), whole.count
    clean = 0
    for moment in range(count):
        registry = published(tmp_path)
        contract = load(tmp_path, *CHANGED, manifest=LOOSENED)
        _meet(registry, moment, contract)
        try:
            rules, _ = register(contract, registry.client)
        except CouldNotCheck:
            rules = ["could not check"]  # what was read before and after did not fit together
        clean += not rules
        assert registry.holdings() == expected, "it is done once"
        assert register(contract, registry.client)[0] == []
        assert registry.holdings() == expected
    assert clean > count // 2


def test_two_people_who_publish_different_things_at_once(tmp_path: Path) -> None:
    """Nothing is registered on top of a version that nobody had looked at without saying so."""
    published(tmp_path)
    other = with_field(CANCELLED, "other")
    outcomes = set()
    for moment in range(60):
        registry = published(tmp_path)
        theirs = load(tmp_path, other, manifest=OWNED)
        ours = load(tmp_path, with_field(CANCELLED, "why"), manifest=OWNED)
        _meet(registry, moment, theirs)
        rules, done = register(ours, registry.client)
        met = registry.count > moment
        versions = registry.holdings().subjects["orders-shop.OrderCancelled"].versions
        texts = [version.text for version in versions]
        assert any("other" in text for text in texts) == met
        for one in done:
            assert one.stored is not None
            before = max(item.version for item in versions if item.version < one.stored.version)
            if before != one.step.latest:
                assert rules == ["plan/out-of-date"]
                outcomes.add("on top of another")
            else:
                assert rules == []
                outcomes.add("as reviewed")
        if not done:
            assert rules == ["plan/out-of-date"]
            outcomes.add("refused")
        if not met:
            break
    assert outcomes == {"as reviewed", "refused", "on top of another"}


def _meet(registry: Registry, moment: int, theirs: Contract) -> None:
    """Let somebody else publish a contract just before that request."""

    def publish(number: int) -> None:
        if number == moment:
            assert register(theirs, Registry(registry.store, registry.name).client)[0] == []

    registry.before = publish


@pytest.mark.parametrize("is_same", [True, False])
def test_a_registry_that_refuses_who_comes_second(tmp_path: Path, is_same: bool) -> None:
    """As Apicurio does: "already exists", for a schema and for a level."""
    contract = load(tmp_path, manifest=OWNED)
    fake = RegistryFake()

    def refuse(handler: Handler) -> bool:
        path = handler.path.partition("?")[0]
        if handler.command == "GET" or not path.startswith(("/config", "/subjects/orders-")):
            return False
        if handler.command == "PUT" or path.endswith("/versions"):
            body = fake.requests[-1][3]
            if "schema" in body and not is_same:
                body = {"schema": json.dumps({**CANCELLED, "doc": "Of somebody else."})}
            fake.answer(handler.command, path, {}, body)
            handler.reply(409, b'{"error_code": 409, "message": "it already exists"}')
            return True
        return False

    with serve(fake) as url:
        client = open_registry(RegistrySettings(url), tmp_path)
        fake.behave = refuse
        rules, _ = register(contract, client)
        assert rules == ([] if is_same else ["plan/out-of-date"])
        if is_same:
            assert make_plan(contract, client, Findings()).changes == ()


@pytest.mark.parametrize("writes", [1, 4])
def test_a_process_that_is_killed_goes_on_where_it_stopped(tmp_path: Path, writes: int) -> None:
    """kill -9, from the registry's side, while it waits for the answer to a write."""
    load(tmp_path, manifest=OWNED)
    fake = RegistryFake()
    running: list[subprocess.Popen[str]] = []
    left = [writes]

    def kill(handler: Handler) -> bool:
        is_write = handler.command == "PUT" or handler.path.partition("?")[0].endswith("/versions")
        left[0] -= handler.command != "GET" and is_write
        if left[0] == 0 and running:
            os.kill(running[0].pid, signal.SIGKILL)
        return False

    def start(url: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "codegen", "register", *arguments, "--to", url],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(url: str, *arguments: str) -> tuple[int, str]:
        process = start(url, *arguments)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    with serve(fake) as url:
        assert run(url, "--plan", "plan.json")[0] == 0
        running.append(start(url, "--apply", "plan.json"))
        fake.behave = kill
        running[0].communicate(timeout=60)
        assert running[0].returncode == -signal.SIGKILL
        running.clear()
        assert 0 < len(fake.versions) < 4
        assert run(url, "--apply", "plan.json")[0] == 0
        assert run(url, "--apply", "plan.json") == (0, f"{url}\n  unchanged  4 subjects\n")
    assert [len(versions) for versions in fake.versions.values()] == [1] * 4
    assert len(fake.levels) == 4
