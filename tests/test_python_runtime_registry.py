"""The generated package and a registry over HTTP: look-ups, references, faults, hostile answers."""

# ruff: noqa: F811

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from desk import answer_service, desk_folders  # noqa: F401

from codegen.registry.pytest_plugin import schema_registry  # noqa: F401

Answer = tuple[int, Any]


class Server:
    """An HTTP server that gives the answers of a test and remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[SimpleNamespace] = []
        self.answer: Callable[[SimpleNamespace], Answer] = lambda request: (404, {})
        self.headers: dict[str, str] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                request = SimpleNamespace(
                    method=self.command, path=self.path, headers=self.headers, body=body
                )
                outer.requests.append(request)
                status, answer = outer.answer(request)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, *args: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/apis/ccompat/v7"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def connect(package: ModuleType, server: Server, **options: Any) -> Any:
    """The registry as the package's own producer and consumer use it."""
    import importlib

    registry = importlib.import_module(f"{package.__name__}._runtime.kafka.registry")
    made = package.settings(
        bootstrap_servers="unused", registry_url=server.url, environment={}, **options
    )
    return registry.HttpRegistry(made.registry)


def event(package: ModuleType, subject: str = "answers/ü", **parts: Any) -> Any:
    """An event type as far as a registry looks at it."""
    return SimpleNamespace(
        name="help.desk.Answered", subject=subject, schema='"string"', references=(), **parts
    )


def reference(name: str, *others: Any) -> Any:
    return SimpleNamespace(
        name=name, subject=f"{name}-subject", schema=json.dumps(name), references=others
    )


def test_a_schema_is_looked_up_and_never_registered(
    answer_service: ModuleType, server: Server
) -> None:
    server.answer = lambda request: (200, {"id": 7, "version": 3, "unknown": []})
    registry = connect(answer_service, server)
    assert [registry.look_up(event(answer_service)) for _ in range(3)] == [7, 7, 7]
    (request,) = server.requests
    assert request.method == "POST"
    assert request.path == "/apis/ccompat/v7/subjects/answers%2F%C3%BC"
    assert request.body == {"schema": '"string"'}
    assert request.headers["Content-Type"] == "application/vnd.schemaregistry.v1+json"


def test_references_are_looked_up_first(answer_service: ModuleType, server: Server) -> None:
    kind = event(answer_service)
    kind.references = (reference("a.Top", reference("a.Deep")), reference("a.Deep"))

    def answer(request: SimpleNamespace) -> Answer:
        version = {"a.Deep-subject": 5, "a.Top-subject": 2}.get(request.path.rsplit("/")[-1], 1)
        return 200, {"id": 9, "version": version}

    server.answer = answer
    assert connect(answer_service, server).look_up(kind) == 9
    top = {"name": "a.Top", "subject": "a.Top-subject", "version": 2}
    deep = {"name": "a.Deep", "subject": "a.Deep-subject", "version": 5}
    assert [request.body.get("references") for request in server.requests] == [
        None,
        [deep],
        [top, deep],
    ]


@pytest.mark.parametrize("code", [40401, 40403])
def test_a_schema_that_is_not_registered_names_the_command(
    answer_service: ModuleType, server: Server, code: int
) -> None:
    server.answer = lambda request: (404, {"error_code": code, "message": "not found"})
    expected = f"help.desk.Answered.*answers/ü.*{server.url}.*kontrakt register --apply"
    with pytest.raises(answer_service.SchemaNotRegistered, match=expected):
        connect(answer_service, server).look_up(event(answer_service))


def test_a_writers_schema_comes_with_all_that_it_refers_to(
    answer_service: ModuleType, server: Server
) -> None:
    deep = {"name": "a.Deep", "subject": "deep", "version": 1}
    answers = {
        "/schemas/ids/12": {
            "schema": "S",
            "references": [{"name": "a.Top", "subject": "top s", "version": 4}, deep],
        },
        "/subjects/top%20s/versions/4": {"schema": "T", "id": 3, "references": [deep]},
        "/subjects/deep/versions/1": {"schema": "D", "id": 2},
    }
    server.answer = lambda request: (200, answers[request.path.removeprefix("/apis/ccompat/v7")])
    registry = connect(answer_service, server)
    for _ in range(2):
        schema = registry.fetch(12)
        assert (schema.text, schema.references) == ("S", {"a.Top": "T", "a.Deep": "D"})
    assert len(server.requests) == 3


def test_an_unknown_id_is_asked_for_once_in_a_while(
    answer_service: ModuleType, server: Server
) -> None:
    errors = answer_service.RegistryError
    server.answer = lambda request: (404, {"error_code": 40403, "message": "Schema 5 not found"})
    registry = connect(answer_service, server)
    for _ in range(5):
        with pytest.raises(errors, match=r"schema id 5: the registry at .* has no schema"):
            registry.fetch(5)
    assert len(server.requests) == 1


def test_a_schema_of_another_kind_is_no_avro(answer_service: ModuleType, server: Server) -> None:
    server.answer = lambda request: (200, {"schema": "{}", "schemaType": "JSON"})
    with pytest.raises(answer_service.RegistryError, match="'JSON', not Avro"):
        connect(answer_service, server).fetch(5)


def test_endless_references_end(answer_service: ModuleType, server: Server) -> None:
    count = iter(range(10**6))

    def answer(request: SimpleNamespace) -> Answer:
        number = next(count)
        more = [{"name": f"n{number}", "subject": f"s{number}", "version": 1}]
        return 200, {"schema": "S", "references": more}

    server.answer = answer
    with pytest.raises(answer_service.RegistryError, match="needs more than 1000 others"):
        connect(answer_service, server).fetch(5)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_producer_tries_again_while_the_registry_is_busy(
    answer_service: ModuleType, server: Server, status: int
) -> None:
    answers = iter([(status, b"<html>busy</html>"), (200, {"id": 7})])
    server.answer = lambda request: next(answers)
    assert connect(answer_service, server).look_up(event(answer_service)) == 7


def test_a_busy_registry_is_unavailable_to_a_consumer_at_once(
    answer_service: ModuleType, server: Server
) -> None:
    server.answer = lambda request: (503, b"")
    with pytest.raises(answer_service.RegistryUnavailable, match="HTTP 503"):
        connect(answer_service, server).fetch(1)
    assert len(server.requests) == 1


def test_nothing_behind_the_address_is_unavailable(
    answer_service: ModuleType, server: Server
) -> None:
    registry = connect(answer_service, server)
    server.http.socket.close()
    with pytest.raises(answer_service.RegistryUnavailable, match="does not answer"):
        registry.fetch(1)


def test_a_slow_registry_is_unavailable(answer_service: ModuleType, server: Server) -> None:
    release = threading.Event()

    def answer(request: SimpleNamespace) -> Answer:
        release.wait(5)
        return 200, {}

    server.answer = answer
    try:
        with pytest.raises(answer_service.RegistryUnavailable, match="timed out"):
            connect(answer_service, server, registry_timeout=0.1).fetch(1)
    finally:
        release.set()


HOSTILE: dict[str, Answer] = {
    "html": (200, b"<html>login</html>"),
    "no json": (200, b"\xff\xfe"),
    "a list": (200, []),
    "deep": (200, b"[" * 100_000),
    "no id": (200, {"version": 1}),
    "id is text": (200, {"id": "7"}),
    "id is huge": (200, {"id": 2**40}),
    "id is true": (200, {"id": True}),
    "404 of another server": (404, b"<html>not found</html>"),
    "422": (422, {"error_code": 42201, "message": "bad schema"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_answer_is_a_clear_error(
    answer_service: ModuleType, server: Server, name: str
) -> None:
    server.answer = lambda request: HOSTILE[name]
    with pytest.raises(answer_service.RegistryError) as caught:
        connect(answer_service, server).look_up(event(answer_service))
    assert not isinstance(caught.value, answer_service.RegistryUnavailable)


@pytest.mark.parametrize("references", [5, [5], [{"name": "a"}], [{"name": 1, "subject": 2}]])
def test_references_of_another_shape_are_a_clear_error(
    answer_service: ModuleType, server: Server, references: Any
) -> None:
    server.answer = lambda request: (200, {"schema": "S", "references": references})
    with pytest.raises(answer_service.RegistryError, match="registry's answer has"):
        connect(answer_service, server).fetch(1)


def test_a_redirect_is_not_followed_with_the_password(
    answer_service: ModuleType, server: Server
) -> None:
    server.headers = {"Location": f"{server.url}/elsewhere"}
    server.answer = lambda request: (302, b"")
    registry = connect(answer_service, server, registry_username="me", registry_password="pw")
    with pytest.raises(answer_service.RegistryError):
        registry.fetch(1)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        (
            {"registry_username": "me", "registry_password": "p:w"},
            "Basic " + base64.b64encode(b"me:p:w").decode(),
        ),
        ({"registry_bearer_token": "token"}, "Bearer token"),
    ],
)
def test_who_asks_is_shown(
    answer_service: ModuleType, server: Server, options: dict[str, str], expected: str | None
) -> None:
    server.answer = lambda request: (200, {"id": 1})
    connect(answer_service, server, **options).look_up(event(answer_service))
    assert server.requests[0].headers.get("Authorization") == expected


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_settings(
    answer_service: ModuleType, server: Server, status: int
) -> None:
    server.answer = lambda request: (status, {"error_code": status, "message": "no"})
    with pytest.raises(answer_service.RegistryError, match="SCHEMA_REGISTRY_USERNAME"):
        connect(answer_service, server).fetch(1)


def test_the_next_address_is_asked_when_one_is_down(
    answer_service: ModuleType, server: Server
) -> None:
    dead = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    gone = dead.server_port
    dead.server_close()
    server.answer = lambda request: (200, {"schema": "S"})
    urls = SimpleNamespace(url=f"http://127.0.0.1:{gone},{server.url}")
    assert connect(answer_service, urls).fetch(1).text == "S"  # type: ignore[arg-type]


def test_the_embedded_registry_answers_producer_and_consumer(
    answer_service: ModuleType, schema_registry: str
) -> None:
    import importlib
    from urllib.request import Request, urlopen

    kind = importlib.import_module("answer_service.codecs").ANSWERED
    registry = connect(answer_service, SimpleNamespace(url=schema_registry))  # type: ignore[arg-type]
    with pytest.raises(answer_service.SchemaNotRegistered, match="kontrakt register --apply"):
        registry.look_up(kind)
    body = json.dumps({"schema": kind.schema}).encode()
    address = f"{schema_registry}/subjects/{kind.subject}/versions"
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    with urlopen(Request(address, body, headers), timeout=10) as response:
        schema_id = json.load(response)["id"]
    assert registry.look_up(kind) == schema_id
    writer = registry.fetch(schema_id)
    event = answer_service.Answered(question_id="q1", text="because")
    assert kind.resolve(writer.text, writer.references)(kind.encode(event, b"12345"), 5) == event
    with pytest.raises(answer_service.RegistryError, match="no schema of this id"):
        registry.fetch(schema_id + 1000)
