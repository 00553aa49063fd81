"""The embedded registry from outside: Confluent's own client, concurrent clients, and kill -9."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from codegen.registry import http
from codegen.registry.api import respond
from codegen.registry.call import Request
from codegen.registry.http import MAX_BODY, serve_in_thread
from codegen.registry.store import Store

PROJECT = Path(__file__).parent.parent


def record(*fields: str, name: str = "Sold", **more: Any) -> str:
    parsed = [json.loads(field) for field in fields]
    return json.dumps({"type": "record", "name": name, "fields": parsed, **more})


ONE = record('{"name": "a", "type": "int"}')
TWO = record('{"name": "a", "type": "int"}', '{"name": "b", "type": "int"}')
TWO_DEFAULT = record('{"name": "a", "type": "int"}', '{"name": "b", "type": "int", "default": 0}')


@pytest.fixture
def url() -> Iterator[str]:
    store = Store(":memory:")
    with serve_in_thread(store) as address:
        yield address
    store.close()


@pytest.fixture
def client(url: str) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": url})


def ask(url: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    kind = {"Content-Type": "application/vnd.schemaregistry.v1+json", **headers}
    request = urllib.request.Request(url + path, data, kind, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_confluents_client_works_unchanged(client: SchemaRegistryClient) -> None:
    first = client.register_schema("t-value", Schema(ONE, "AVRO"))
    assert client.register_schema("t-value", Schema(ONE, "AVRO")) == first
    assert client.register_schema("u-value", Schema(ONE, "AVRO")) == first
    assert json.loads(client.get_schema(first).schema_str) == json.loads(ONE)
    assert client.get_latest_version("t-value").version == 1
    assert client.test_compatibility("t-value", Schema(TWO_DEFAULT, "AVRO"))
    assert not client.test_compatibility("t-value", Schema(TWO, "AVRO"))
    with pytest.raises(SchemaRegistryError) as caught:
        client.register_schema("t-value", Schema(TWO, "AVRO"))
    assert caught.value.http_status_code == 409
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in caught.value.error_message
    client.set_compatibility("t-value", "NONE")
    assert client.get_compatibility("t-value") == "NONE"
    second = client.register_schema("t-value", Schema(TWO, "AVRO"))
    assert client.get_versions("t-value") == [1, 2]
    assert client.lookup_schema("t-value", Schema(TWO, "AVRO")).schema_id == second
    assert client.get_subjects() == ["t-value", "u-value"]
    assert client.delete_version("t-value", 1) == 1
    assert client.delete_subject("t-value") == [2]
    assert client.get_subjects() == ["u-value"]
    with pytest.raises(SchemaRegistryError) as caught:
        client.get_versions("t-value")
    assert caught.value.error_code == 40401


def test_confluents_serializers_work_unchanged(client: SchemaRegistryClient) -> None:
    context = SerializationContext("t", MessageField.VALUE)
    data = AvroSerializer(client, ONE)({"a": 7}, context)
    assert data is not None
    assert data[0] == 0
    later = AvroDeserializer(client, TWO_DEFAULT)
    assert later(data, context) == {"a": 7, "b": 0}


def test_confluents_serializers_use_the_latest_version_with_its_references(
    client: SchemaRegistryClient,
) -> None:
    line = record('{"name": "sku", "type": "string"}', name="shop.Line")
    client.register_schema("shop.Line", Schema(line, "AVRO"))
    reference = SchemaReference("shop.Line", "shop.Line", 1)
    order = record('{"name": "line", "type": "shop.Line"}', name="shop.Order")
    latest = client.register_schema("orders-value", Schema(order, "AVRO", [reference]))
    context = SerializationContext("orders", MessageField.VALUE)
    options = {"auto.register.schemas": False, "use.latest.version": True}
    data = AvroSerializer(client, None, conf=options)({"line": {"sku": "s"}}, context)
    assert data is not None
    assert int.from_bytes(data[1:5], "big") == latest
    assert AvroDeserializer(client)(data, context) == {"line": {"sku": "s"}}
    with pytest.raises(SchemaRegistryError) as caught:
        AvroSerializer(client, ONE, conf={"auto.register.schemas": False})({"a": 1}, context)
    assert caught.value.error_code == 40403


def test_confluents_serializers_register_normalized_schemas(client: SchemaRegistryClient) -> None:
    mixed = record('{"name": "a", "type": "int"}', owner="me", colour="red")
    sorted_ = record('{"name": "a", "type": "int"}', colour="red", owner="me")
    context = SerializationContext("t", MessageField.VALUE)
    options = {"normalize.schemas": True}
    sent = [AvroSerializer(client, text, conf=options)({"a": 7}, context)
            for text in (mixed, sorted_)]  # fmt: skip
    assert sent[0] == sent[1]
    assert client.get_versions("t-value") == [1]


def test_references_are_resolved_and_guarded(client: SchemaRegistryClient, url: str) -> None:
    line = record('{"name": "sku", "type": "string"}', name="shop.Line")
    client.register_schema("shop.Line", Schema(line, "AVRO"))
    reference = SchemaReference("shop.Line", "shop.Line", 1)
    order = record('{"name": "line", "type": "shop.Line"}', name="shop.Order")
    id = client.register_schema("orders-value", Schema(order, "AVRO", [reference]))
    assert client.get_schema(id).references == [reference]
    assert ask(url, "GET", "/subjects/shop.Line/versions/1/referencedby") == (200, [id])
    assert ask(url, "DELETE", "/subjects/shop.Line")[1]["error_code"] == 42206
    status, body = ask(url, "POST", "/subjects/x/versions", {"schema": order})
    assert (status, body["error_code"]) == (422, 42201)
    missing = [{"name": "shop.Line", "subject": "nobody", "version": 1}]
    body = ask(url, "POST", "/subjects/x/versions", {"schema": order, "references": missing})[1]
    assert body["error_code"] == 42201


FULL = [
    ("the field that old readers need is named first", TWO, ONE, "old", "new", "b"),
    ("then what new readers need", ONE, TWO, "new", "old", "b"),
]


@pytest.mark.parametrize(("what", "before", "after", "reader", "writer", "field"), FULL)
def test_verbose_answers_are_confluents(
    url: str, what: str, before: str, after: str, reader: str, writer: str, field: str
) -> None:
    ask(url, "PUT", "/config", {"compatibility": "FULL"})
    ask(url, "POST", "/subjects/s/versions", {"schema": before})
    path = "/compatibility/subjects/s/versions/latest?verbose=true"
    _, body = ask(url, "POST", path, {"schema": after})
    assert body["is_compatible"] is False
    assert body["messages"][0] == (
        "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path "
        f"'/fields/1' in the {reader} schema has no default value and is missing in the {writer} "
        "schema', additionalInfo:'b'}"
    )
    assert "{oldSchemaVersion: 1}" in body["messages"]
    assert body["messages"][-1] == "{validateFields: 'false', compatibility: 'FULL'}"


def test_a_transitive_level_names_the_newest_version_that_breaks(url: str) -> None:
    ask(url, "PUT", "/config/s", {"compatibility": "NONE"})
    for text in (ONE, record('{"name": "c", "type": "int"}'), TWO_DEFAULT):
        ask(url, "POST", "/subjects/s/versions", {"schema": text})
    ask(url, "PUT", "/config/s", {"compatibility": "BACKWARD_TRANSITIVE"})
    path = "/compatibility/subjects/s/versions?verbose=true"
    new = record('{"name": "a", "type": "long"}', '{"name": "b", "type": "long"}')
    messages = ask(url, "POST", path, {"schema": new})[1]["messages"]
    assert [one for one in messages if "Version" in one] == ["{oldSchemaVersion: 2}"]


REFUSALS: list[tuple[str, str, Any, int, int]] = [
    ("GET", "/subjects/none/versions", None, 404, 40401),
    ("GET", "/subjects/s/versions/9", None, 404, 40402),
    ("GET", "/subjects/s/versions/x", None, 422, 42202),
    ("GET", "/subjects/s/versions/0", None, 422, 42202),
    ("GET", "/schemas/ids/99", None, 404, 40403),
    ("POST", "/subjects/s", {"schema": TWO}, 404, 40403),
    ("POST", "/subjects/none", {"schema": TWO}, 404, 40401),
    ("POST", "/subjects/s/versions", {"schema": "{"}, 422, 42201),
    ("POST", "/subjects/s/versions", {"schema": 7}, 422, 42201),
    ("POST", "/subjects/s/versions", {}, 422, 42201),
    ("POST", "/subjects/s/versions", [], 400, 400),
    ("POST", "/subjects/s/versions", {"schema": ONE, "schemaType": "X"}, 422, 42201),
    ("POST", "/subjects/s/versions", {"schema": ONE, "references": 1}, 422, 422),
    ("POST", "/subjects/s/versions", {"schema": ONE, "id": 5}, 422, 42205),
    ("POST", "/compatibility/subjects/s/versions/9", {"schema": ONE}, 404, 40402),
    ("DELETE", "/subjects/s?permanent=true", None, 404, 40405),
    ("DELETE", "/subjects/s/versions/1?permanent=true", None, 404, 40407),
    ("PUT", "/config", {"compatibility": "LOOSE"}, 422, 42203),
    ("GET", "/config/s", None, 404, 40408),
    ("DELETE", "/config/s", None, 404, 40401),
    ("GET", "/mode/s", None, 404, 40409),
    ("PUT", "/mode", {"mode": "SLEEP"}, 422, 42204),
    ("PUT", "/mode", {"mode": "IMPORT"}, 422, 42205),
    ("PATCH", "/subjects", None, 405, 405),
    ("GET", "/nothing/here", None, 404, 404),
    ("GET", "/subjects?offset=x", None, 404, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSALS)
def test_what_is_refused_has_confluents_codes(
    url: str, method: str, path: str, body: Any, status: int, code: int
) -> None:
    assert ask(url, "POST", "/subjects/s/versions", {"schema": ONE})[0] == 200
    answer = ask(url, method, path, body)
    assert (answer[0], answer[1]["error_code"]) == (status, code)
    assert isinstance(answer[1]["message"], str)


def test_what_is_no_good_http_is_refused(url: str) -> None:
    assert ask(url, "POST", "/subjects/s/versions", b"{not json")[0] == 400
    assert ask(url, "POST", "/subjects/s/versions", b"\xff\xfe")[0] == 400
    assert ask(url, "POST", "/subjects/s/versions", b" " * (MAX_BODY + 1))[0] == 413
    kind = {"Content-Type": "text/html"}
    assert ask(url, "POST", "/subjects/s/versions", b"<html>", **kind)[0] == 415
    assert ask(url, "GET", "/subjects") == (200, [])


HEAD = b"POST /subjects/s/versions HTTP/1.1\r\nHost: localhost\r\n"


def send_raw(url: str, *parts: bytes) -> bytes:
    """All that the server answers until it hangs up; each part is sent after an answer."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        found = b""
        for part in parts:
            found += connection.recv(65536) if part is not parts[0] else b""
            connection.sendall(part)
        return found + b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ((b"GET /sub",), b""),
        ((HEAD,), b""),
        ((b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /sub"), b"HTTP/1.1 200 "),
        ((HEAD + b"Content-Length: 10\r\n\r\n{",), b"HTTP/1.1 408 "),
    ],
)
def test_who_is_too_slow_is_hung_up_on(
    url: str, monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...], answer: bytes
) -> None:
    monkeypatch.setattr(http, "PATIENCE", 0.2)
    found = send_raw(url, *parts)
    assert found.startswith(answer)
    assert bool(found) == bool(answer)
    assert ask(url, "GET", "/subjects") == (200, [])


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * http.MAX_HEAD,
        HEAD + b"X: " + b"a" * http.MAX_HEAD,
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_a_head_that_is_none_or_too_long_is_refused(url: str, head: bytes) -> None:
    assert send_raw(url, head).startswith(b"HTTP/1.1 400 ")
    assert ask(url, "GET", "/subjects") == (200, [])


def test_the_server_binds_loopback_unless_told_otherwise(tmp_path: Path) -> None:
    assert "127.0.0.1" in run_command("--help").stdout
    done = run_command("--host", "192.0.2.1", "--port", "0", "--database", str(tmp_path / "r.db"))
    assert done.returncode == 2
    assert "cannot listen on 192.0.2.1" in done.stderr


def test_without_a_repository_the_file_must_be_named(tmp_path: Path) -> None:
    program = f"import os; os.chdir({str(tmp_path)!r}); from codegen.cli import main; main()"
    done = run_command("--port", "0", first=("-c", program))
    assert done.returncode == 3
    assert "with --database" in done.stderr


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Host": "rebound.example.org:8081"},
        {"Host": "[", "Content-Type": ""},
    ],
)
def test_pages_of_other_sites_are_refused(url: str, headers: dict[str, str]) -> None:
    status, body = ask(url, "POST", "/subjects/s/versions", {"schema": ONE}, **headers)
    assert (status, body["error_code"]) == (403, 403)
    assert ask(url, "GET", "/subjects") == (200, [])


def test_pages_of_the_server_itself_are_not(url: str) -> None:
    assert ask(url, "GET", "/subjects", Origin=url) == (200, [])
    local = url.replace("127.0.0.1", "localhost")
    assert ask(local, "GET", "/subjects", Origin=local) == (200, [])


def test_a_connection_is_kept_and_answers_in_confluents_type(url: str) -> None:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.connect()
    first = connection.sock
    for method, path, status in (
        ("GET", "/subjects", 200),
        ("GET", "/nothing", 404),
        ("TRACE", "/subjects", 405),
        ("DELETE", "/subjects/none", 404),
    ):
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status == status
        assert answer.getheader("content-type") == "application/vnd.schemaregistry.v1+json"
        json.loads(answer.read())
        assert connection.sock is first
    connection.close()


def test_soft_deleted_versions_come_back_with_their_id(url: str) -> None:
    first = ask(url, "POST", "/subjects/s/versions", {"schema": ONE})[1]["id"]
    ask(url, "DELETE", "/subjects/s")
    assert ask(url, "GET", "/subjects?deleted=true") == (200, ["s"])
    assert ask(url, "GET", f"/schemas/ids/{first}")[0] == 200
    assert ask(url, "POST", "/subjects/s/versions", {"schema": ONE})[1]["id"] == first
    assert ask(url, "GET", "/subjects/s/versions") == (200, [2])
    assert ask(url, "GET", "/subjects/s/versions?deletedOnly=True") == (200, [1])


def test_contexts_have_ids_of_their_own(url: str) -> None:
    ask(url, "POST", "/subjects/s/versions", {"schema": ONE})
    ask(url, "POST", "/contexts/.dev/subjects/s/versions", {"schema": TWO})
    assert ask(url, "GET", "/subjects") == (200, [":.dev:s", "s"])
    assert ask(url, "GET", "/subjects/%3A.dev%3As/versions/1")[1]["id"] == 1
    assert (
        ask(url, "GET", "/schemas/ids/1?subject=:.dev:s")[1]["schema"]
        != (ask(url, "GET", "/schemas/ids/1")[1]["schema"])
    )
    assert ask(url, "GET", "/contexts") == (200, [".", ".dev"])


def test_levels_are_inherited(url: str) -> None:
    ask(url, "PUT", "/config", {"compatibility": "FORWARD"})
    path = "/config/s?defaultToGlobal=true"
    assert ask(url, "GET", path) == (200, {"compatibilityLevel": "FORWARD"})
    ask(url, "PUT", "/config/s", {"compatibility": "FULL", "normalize": True})
    assert ask(url, "GET", "/config/s")[1] == {"compatibilityLevel": "FULL", "normalize": True}
    assert ask(url, "DELETE", "/config/s")[1]["compatibilityLevel"] == "FULL"
    assert ask(url, "GET", path) == (200, {"compatibilityLevel": "FORWARD"})


def test_the_import_mode_takes_ids_as_given(url: str) -> None:
    ask(url, "PUT", "/mode", {"mode": "IMPORT"})
    body = {"schema": ONE, "id": 42, "version": 7}
    assert ask(url, "POST", "/subjects/s/versions", body)[1]["id"] == 42
    assert ask(url, "GET", "/subjects/s/versions") == (200, [7])
    clash = {"schema": TWO, "id": 42, "version": 8}
    assert ask(url, "POST", "/subjects/s/versions", clash)[1]["error_code"] == 42205


def test_other_kinds_of_schemas_are_kept_as_given(url: str) -> None:
    body = {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}
    assert ask(url, "POST", "/subjects/p/versions", body)[0] == 200
    version = ask(url, "GET", "/subjects/p/versions/1")[1]
    assert (version["schema"], version["schemaType"]) == (body["schema"], "PROTOBUF")
    assert "schemaType" not in (
        ask(url, "POST", "/subjects/s/versions", {"schema": ONE})
        and ask(url, "GET", "/subjects/s/versions/1")[1]
    )
    assert ask(url, "POST", "/subjects/p/versions", {"schema": ONE})[0] == 409


def number(value: int) -> str:
    return record(f'{{"name": "a", "type": "int", "default": {value}}}')


def test_concurrent_registers_never_give_two_ids_to_one_schema(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    Store(file).close()
    stores = [Store(file) for _ in range(4)]
    barrier = threading.Barrier(8)

    def work(worker: int) -> list[tuple[str, int]]:
        barrier.wait()
        answers = []
        for value in range(25):
            request = Request("POST", "/subjects/s/versions", {}, {"schema": number(value)})
            answer = respond(stores[worker % 4], request)
            assert answer.status == 200, answer.body
            answers.append((number(value), answer.body["id"]))
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = {pair for found in pool.map(work, range(8)) for pair in found}
    assert len(answers) == 25
    assert len({id for _, id in answers}) == 25
    versions = respond(stores[0], Request("GET", "/subjects/s/versions")).body
    assert versions == list(range(1, 26))
    for store in stores:
        store.close()


def run_command(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *more.pop("first", ("-m", "codegen")), "registry", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_file_that_is_no_registry_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    file.write_text("this is not a database, and it is long enough to be seen as none" * 20)
    done = run_command("--port", "0", "--database", str(file))
    assert done.returncode == 2
    assert "no registry that can be opened" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(url: str, tmp_path: Path) -> None:
    port = url.rpartition(":")[2]
    done = run_command("--port", port, "--database", str(tmp_path / "registry.db"))
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_missing_extra_is_named(tmp_path: Path, missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from codegen.cli import main; sys.argv[0] = 'kontrakt'; main()"
    )
    done = run_command("--port", "0", "--database", str(tmp_path / "r.db"), first=("-c", program))
    assert done.returncode == 2
    assert "pip install 'kontrakt[server]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(
    tmp_path: Path, ending: signal.Signals
) -> None:
    file = tmp_path / "registry.db"
    command = [sys.executable, "-m", "codegen", "registry", "--port", "0", "--database", str(file)]
    for expected in ([], ["s"]):
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
            assert ask(url, "GET", "/subjects") == (200, expected)
            assert ask(url, "POST", "/subjects/s/versions", {"schema": ONE})[0] == 200
        finally:
            process.send_signal(ending)
            _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
