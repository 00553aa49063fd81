"""A schema registry for the tests of a service: the fixture `schema_registry`.

Installing kontrakt makes it known to pytest. Each test that asks for it gets a registry of its own,
in memory, with nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def schema_registry() -> Iterator[str]:
    """The URL of an empty schema registry that lives as long as the test.

    Needs the extra `server`: pip install 'kontrakt[server]'.
    """
    # Only tests that use the fixture pay for the server's libraries.
    from codegen.registry.http import serve_in_thread  # noqa: PLC0415
    from codegen.registry.store import Store  # noqa: PLC0415

    store = Store(":memory:")
    with serve_in_thread(store) as url:
        yield url
    store.close()
