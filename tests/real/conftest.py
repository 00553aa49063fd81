"""The real parts as fixtures, and the rule for a machine that has not got what they need.

A part that cannot be had raises `Missing`: the test is skipped with a reason that says what to
install, or fails with it where CI=true. All tests here run in one pytest worker (with --dist
loadgroup), so that each part is started once, and only when a test asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from real.kafka import Kafka, start_kafka
from real.postgres import Postgres, start_postgres
from real.processes import Missing, Server
from real.proxy import Proxy, open_proxy
from real.registries import LINES, Registry, start_registry

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("real"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    try:
        return (yield)
    except Missing as missing:
        _do_without(missing)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    try:
        return (yield)
    except Missing as missing:
        _do_without(missing)


def _do_without(missing: Missing) -> NoReturn:
    if os.environ.get("CI", "").lower() == "true":
        message = f"{missing} (CI=true: nothing may be missing)"
        raise pytest.fail.Exception(message, pytrace=False) from None
    raise pytest.skip.Exception(str(missing)) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += [(f"log of {one.name}", one.log_tail()) for one in Server.running]
    return report


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker for everyone: make topics of your own, and leave it running."""
    with start_kafka(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster
        assert cluster.count_brokers() == 1, "a test has left the shared broker down"


@pytest.fixture
def new_kafka(tmp_path: Path) -> Iterator[Kafka]:
    """A broker of this test alone."""
    with start_kafka(tmp_path / "kafka") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Three brokers with replication 3, for this module; leave all of them running."""
    with start_kafka(tmp_path_factory.mktemp("cluster"), node_count=3) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Registry]]:
    """The shared registries by the names of their lines; each is started when it is asked for."""
    running: dict[str, Registry] = {}
    with ExitStack() as stack:

        def get(name: str) -> Registry:
            if name not in running:
                line = next(line for line in LINES if line.name == name)
                started = start_registry(line, tmp_path_factory.mktemp(name))
                running[name] = stack.enter_context(started)
            return running[name]

        yield get


@pytest.fixture(params=[line.name for line in LINES])
def registry(
    request: pytest.FixtureRequest, registries: Callable[[str], Registry]
) -> Iterator[Registry]:
    """Each registry in turn, empty."""
    running = registries(request.param)
    if not running.server.is_running:
        running.server.start()
    running.clear()
    yield running
    running.proxy.restore()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for everyone: make schemas or tables of your own."""
    with start_postgres() as server:
        yield server


@pytest.fixture
def proxy_to() -> Iterator[Callable[[int], Proxy]]:
    """Opens proxies for ports of the loopback interface; they close after the test."""
    opened: list[Proxy] = []

    def make(port: int) -> Proxy:
        opened.append(open_proxy(port))
        return opened[-1]

    yield make
    for proxy in opened:
        proxy.close()
