"""How do real schema registries start here: Apicurio 3 and its older line, with Confluent's API?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from real.java import java, maven_archive
from real.processes import HOST, Server, free_ports, start_on_free_ports
from real.proxy import Proxy, open_proxy


@dataclass(frozen=True, slots=True)
class Line:
    """A version of Apicurio Registry: what starts it, and where its APIs are."""

    name: str
    version: str
    java: int
    jar: str
    own_api: str
    """The path of Apicurio's own API."""

    @property
    def artifact(self) -> str:
        """The archive on Maven Central."""
        return f"io.apicurio:apicurio-registry-app:{self.version}:tar.gz:all"


LINES = (
    Line("apicurio-3", "3.3.3", 21, "quarkus-run.jar", "/apis/registry/v3"),
    Line(
        "apicurio-2",
        "2.6.13.Final",
        17,
        "apicurio-registry-app-2.6.13.Final-runner.jar",
        "/apis/registry/v2",
    ),
)


class Registry:
    """A registry that runs: reached at `url`, or at `proxied_url` through a proxy."""

    def __init__(self, line: Line, server: Server, port: int, proxy: Proxy) -> None:
        self.line = line
        self.server = server
        self.proxy = proxy
        self.url = f"http://{HOST}:{port}/apis/ccompat/v7"
        self.proxied_url = f"http://{proxy.address}/apis/ccompat/v7"
        self._own = f"http://{HOST}:{port}{line.own_api}"

    def clear(self) -> None:
        """Forget all schemas and levels."""
        for path in ("/groups/default/artifacts", "/admin/rules"):
            status = _status("DELETE", self._own + path, 30)
            assert status in (204, 404), f"DELETE {path}: {status}"


@contextmanager
def start_registry(line: Line, folder: Path, database: Path | None = None) -> Iterator[Registry]:
    """A registry for as long as this context, in memory or with its data in an H2 database.

    Raises Missing without Java or Maven, and DidNotStart.
    """
    home = maven_archive(line.artifact)
    jar = next(home.rglob(line.jar))

    def start(attempt: int) -> tuple[Server, int]:
        port, management = free_ports(2)
        server = _make_server(line, jar, (port, management), folder, database)
        server.start()
        return server, port

    server, port = start_on_free_ports(start)
    proxy = open_proxy(port)
    try:
        yield Registry(line, server, port, proxy)
    finally:
        server.stop(5)
        proxy.close()


def _make_server(
    line: Line, jar: Path, ports: tuple[int, int], folder: Path, database: Path | None
) -> Server:
    port, management = ports
    environment = {
        "QUARKUS_HTTP_HOST": HOST,
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_MANAGEMENT_HOST": HOST,
        "QUARKUS_MANAGEMENT_PORT": str(management),
        # `clear` deletes; version 3 does not allow it unless told.
        "APICURIO_REST_DELETION_ARTIFACT_ENABLED": "true",
    }
    if database is not None:
        environment["APICURIO_DATASOURCE_URL"] = f"jdbc:h2:file:{database}"
    options = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    return Server(
        f"Apicurio Registry {line.version}",
        [java(line.java), *options, "-jar", jar],
        folder / f"{line.name}.log",
        lambda: _status("GET", f"http://{HOST}:{port}/apis/ccompat/v7/subjects", 2) == 200,
        environment=environment,
    )


def _status(method: str, url: str, timeout: float) -> int:
    """The HTTP status of an answer; 0 when there is none."""
    try:
        with urlopen(Request(url, method=method), timeout=timeout) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0
