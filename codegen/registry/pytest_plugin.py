"""A schema registry for the tests of a service: two fixtures.

Installing kontrakt makes them known to pytest. `schema_registry` is one test's own, with nothing in
it; `session_schema_registry` is for all tests of a run, each worker of pytest-xdist having one.
Both live in memory, on a free port of this machine, and need the extra `server`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@pytest.fixture
def schema_registry() -> Iterator[str]:
    """The URL of an empty schema registry that lives as long as the test."""
    with _serve() as url:
        yield url


@pytest.fixture(scope="session")
def session_schema_registry() -> Iterator[str]:
    """The URL of a schema registry that keeps what tests and fixtures register in it."""
    with _serve() as url:
        yield url


@contextmanager
def _serve() -> Iterator[str]:
    # Only tests that use a fixture pay for the server's libraries.
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.registry.http import serve_in_thread  # noqa: PLC0415
    from codegen.registry.store import Store  # noqa: PLC0415

    store = Store(":memory:")
    try:
        with serve_in_thread(store) as url:
            yield url
    except KontraktError as error:
        pytest.fail(f"{error.message}: {error.hint}", pytrace=False)
    finally:
        store.close()
