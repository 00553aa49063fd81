"""The registry client against a registry that behaves, and against all that do not."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_fake import Handler, RegistryFake, serve

from codegen.baselines import open_baseline, open_registry
from codegen.baselines.answers import Answer, RegistryRefusal
from codegen.baselines.holdings import VersionReference, make_histories
from codegen.baselines.http import connection
from codegen.baselines.registry import RegistryClient
from codegen.baselines.retrieval import CONNECTIONS
from codegen.contract.model import Level, RegistrySettings
from codegen.diagnostics import CouldNotCheck, KontraktError

ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
MONEY = {"type": "record", "name": "Money", "fields": [{"name": "units", "type": "long"}]}


@pytest.fixture
def fake() -> RegistryFake:
    return RegistryFake()


@pytest.fixture
def url(fake: RegistryFake) -> Iterator[str]:
    with serve(fake) as address:
        yield address


@pytest.fixture
def client(url: str, tmp_path: Path) -> RegistryClient:
    return open_registry(RegistrySettings(url, timeout=2.0), tmp_path)


def test_reads_all_versions_with_what_they_refer_to(
    fake: RegistryFake, client: RegistryClient
) -> None:
    fake.add("Money", MONEY)
    price = {"type": "record", "name": "Price", "fields": [{"name": "net", "type": "Money"}]}
    fake.add("Price", price, [{"name": "Money", "subject": "Money", "version": 1}])
    fields = [{"name": "price", "type": "Price"}, {"name": "fee", "type": "Money"}]
    order = {"type": "record", "name": "Order", "fields": fields}
    fake.add("orders-value", ORDER)
    both = [
        {"name": "Money", "subject": "Money", "version": 1},
        {"name": "Price", "subject": "Price", "version": 1},
    ]
    fake.add("orders-value", order, both)
    fake.levels["orders-value"] = "FULL_TRANSITIVE"

    holdings = client.fetch(["orders-value", "payments-value"])

    history = make_histories(holdings, ["orders-value", "payments-value"], "registry")
    assert list(history) == ["orders-value"]
    first, second = history["orders-value"].versions
    assert (first.version, first.id, first.label) == (1, 3, "registry v1 (id 3)")
    assert second.label == "registry v2 (id 4)"
    assert second.document.name == "orders-value v2"
    assert second.problem == "" and second.schema is not None
    assert {"Order", "Price", "Money"} <= set(second.schema.names)
    assert json.loads(second.document.text) == order
    assert second.document.text.count("\n") > 5
    assert history["orders-value"].level is Level.FULL_TRANSITIVE
    asked = [(path, str(query)) for _, path, query, _ in fake.requests]
    assert len(asked) == len(set(asked)), "a diamond is read once"


def test_a_subject_without_a_level_has_the_global_one(
    fake: RegistryFake, client: RegistryClient
) -> None:
    fake.add("orders-value", ORDER)
    fake.level = "FORWARD"
    histories = make_histories(client.fetch(["orders-value"]), ["orders-value"], "registry")
    assert histories["orders-value"].level is Level.FORWARD


def test_references_in_a_circle_end(fake: RegistryFake, client: RegistryClient) -> None:
    for name, other in (("A", "B"), ("B", "A")):
        fields = [{"name": "other", "type": ["null", other]}]
        schema = {"type": "record", "name": name, "fields": fields}
        fake.add(name, schema, [{"name": other, "subject": other, "version": 1}])
    (past,) = make_histories(client.fetch(["A"]), ["A"], "registry")["A"].versions
    assert past.schema is None
    assert "B v1" in past.problem


@pytest.mark.parametrize(
    ("text", "type", "problem"),
    [
        ("message Order {}", "PROTOBUF", "PROTOBUF"),
        ('{"type":"object"}', "JSON", "JSON"),
        ("{", "AVRO", "not JSON"),
        ('{"type":"record","name":"Order"}', "AVRO", "fields"),
        ('"' + "[" * 2000 + '"', "AVRO", "named"),
        ("[" * 2000 + "]" * 2000, "AVRO", "deep"),
    ],
)
def test_what_is_no_avro_stays_in_the_history(
    fake: RegistryFake, client: RegistryClient, text: str, type: str, problem: str
) -> None:
    fake.add("orders-value", text, type=type)
    histories = make_histories(client.fetch(["orders-value"]), ["orders-value"], "registry")
    (past,) = histories["orders-value"].versions
    assert past.schema is None
    assert problem in past.problem


def test_a_missing_reference_is_a_problem_of_its_version(
    fake: RegistryFake, client: RegistryClient
) -> None:
    order = {"type": "record", "name": "Order", "fields": [{"name": "fee", "type": "Money"}]}
    fake.add("orders-value", order, [{"name": "Money", "subject": "gone", "version": 4}])
    histories = make_histories(client.fetch(["orders-value"]), ["orders-value"], "registry")
    assert "Money in gone v4" in histories["orders-value"].versions[0].problem


def test_a_registry_that_contradicts_itself_is_not_believed(
    fake: RegistryFake, client: RegistryClient
) -> None:
    fake.add("orders-value", ORDER)
    stored = fake.add("refunds-value", {"type": "enum", "name": "E", "symbols": ["A"]})
    stored["id"] = 1
    with pytest.raises(CouldNotCheck, match="one id, 1, for two schemas: orders-value v1"):
        client.fetch(["orders-value", "refunds-value"])
    stored["id"] = 2
    assert client.fetch(["orders-value", "refunds-value"]).version_count == 2
    stored["version"] = 0
    with pytest.raises(CouldNotCheck, match="v0 of refunds-value for the latest"):
        client.fetch(["refunds-value"])
    fake.versions["orders-value"][0]["version"] = 7
    fake.behave = lambda it: _reply(it, 200, json.dumps(stored).encode())
    with pytest.raises(CouldNotCheck, match="v0 of orders-value for v1"):
        client.version("orders-value", 1)


@pytest.mark.parametrize("count", [1, 40])
def test_a_subject_that_is_listed_and_denied_is_not_new(
    fake: RegistryFake, client: RegistryClient, count: int
) -> None:
    names = [f"topic-{number}-value" for number in range(count)]
    assert not client.fetch_past(names).subjects
    for name in names:
        fake.add(name, ORDER)
    denied = f"topic-{count // 2}-value"

    def deny(it: Handler) -> bool:
        if denied not in it.path:
            return False
        return _reply(it, 404, b'{"error_code": 40401, "message": "not found"}')

    fake.behave = deny
    for ask in (client.fetch_past, client.fetch):
        with pytest.raises(CouldNotCheck, match=f"lists the subject {denied} and then says"):
            ask(names)


@pytest.mark.parametrize("count", [1, 40])
def test_a_subject_that_may_not_be_seen_is_not_new(
    fake: RegistryFake, client: RegistryClient, count: int
) -> None:
    names = [f"topic-{number}-value" for number in range(count)]
    for name in names[1:]:
        fake.add(name, ORDER)
    fake.behave = lambda it: (
        names[0] in it.path and _reply(it, 403, b'{"error_code": 40301, "message": "no access"}')
    )
    with pytest.raises(CouldNotCheck, match=r"does not allow .* \(403\): no access"):
        client.fetch_past(names)


def test_lists_subjects_page_by_page(fake: RegistryFake, client: RegistryClient) -> None:
    for number in range(25):
        fake.add(f"topic-{number:02}-value", ORDER)
    fake.add("other", ORDER)
    expected = ["other", *(f"topic-{number:02}-value" for number in range(25))]
    assert list(client.subjects()) == expected
    fake.page = 10
    assert list(client.subjects()) == expected
    assert "other" not in client.subjects("topic-")


def test_registers_looks_up_and_sets_levels(fake: RegistryFake, client: RegistryClient) -> None:
    text = json.dumps(ORDER)
    assert client.versions("orders-value") == ()
    assert client.lookup("orders-value", text) is None
    first = client.register("orders-value", text)
    assert (first.version, first.id) == (1, 1)
    assert client.register("orders-value", text) == first
    assert client.version("orders-value", -1) == first
    assert client.schema(1).text == text
    reference = VersionReference("Money", "Money", 1)
    second = client.register("orders-value", text, [reference])
    assert second.version == 2 and second.references == (reference,)
    assert client.level("orders-value") is None
    client.set_level(Level.FULL, "orders-value")
    assert client.level("orders-value") is Level.FULL
    client.set_level(Level.NONE)
    assert client.level() is Level.NONE


def test_subject_names_never_leave_their_place_in_the_path(
    fake: RegistryFake, client: RegistryClient
) -> None:
    name = "a/b:?#%2F ü"
    fake.add(name, ORDER)
    assert client.versions(name) == (1,)
    with pytest.raises(CouldNotCheck):
        client.versions("..")


def test_asks_for_a_verdict_with_reasons(fake: RegistryFake, client: RegistryClient) -> None:
    assert client.test("orders-value", "{}").is_compatible
    fake.refuse = lambda subject, text: (409, {"error_code": 409, "message": "no \x1b[31mway"})
    verdict = client.test("orders-value", "{}")
    assert not verdict.is_compatible
    assert verdict.messages == ("no [31mway",)
    with pytest.raises(RegistryRefusal) as caught:
        client.register("orders-value", "{}")
    assert caught.value.status == 409
    assert "way" in caught.value.message


@pytest.mark.parametrize("body", [{"is_compatible": False}, {"is_compatible": False, "reason": ""}])
def test_a_verdict_without_reasons_is_one(
    fake: RegistryFake, client: RegistryClient, body: object
) -> None:
    fake.behave = lambda handler: _reply(handler, 200, json.dumps(body).encode())
    verdict = client.test("orders-value", "{}")
    assert not verdict.is_compatible and verdict.messages == ()


def _reply(handler: Handler, status: int, data: bytes, kind: str = "application/json") -> bool:
    handler.reply(status, data, kind)
    return True


def _redirect(handler: Handler) -> bool:
    headers = {"Location": "http://user:secret@elsewhere.example/x"}
    handler.reply(302, b"", headers=headers)
    return True


def _break_off(handler: Handler) -> bool:
    handler.reply(200, b'["orders', headers={"Content-Length": "500"})
    handler.close_connection = True
    return True


def _say_nothing(handler: Handler) -> bool:
    handler.close_connection = True
    return True


FAULTS = {
    "a web page": (lambda it: _reply(it, 200, b"<html>Sign in</html>", "text/html"), "HTML"),
    "a web page as 404": (lambda it: _reply(it, 404, b"<p>no</p>", "text/html"), "404"),
    "404 of another server": (lambda it: _reply(it, 404, b'{"detail":"Not Found"}'), "404"),
    "401": (lambda it: _reply(it, 401, b'{"error_code":401,"message":"Bad"}'), "credentials"),
    "403 as text": (lambda it: _reply(it, 403, b"go away", "text/plain"), "does not allow GET /"),
    "500": (lambda it: _reply(it, 500, b'{"error_code":50001,"message":"Store"}'), "Store"),
    "503 as a page": (lambda it: _reply(it, 503, b"<html>", "text/html"), "503"),
    "429": (lambda it: _reply(it, 429, b"{}"), "429"),
    "nothing": (lambda it: _reply(it, 200, b""), "nothing"),
    "half a JSON": (lambda it: _reply(it, 200, b'[1, 2, {"a"'), "instead of JSON"),
    "bytes": (lambda it: _reply(it, 200, b"\xff\xfe\x00"), "instead of JSON"),
    "another shape": (lambda it: _reply(it, 200, b'{"a": 1}'), "something else"),
    "wrong values": (lambda it: _reply(it, 200, b'[1, "x", null]'), "something else"),
    "deep JSON": (lambda it: _reply(it, 200, b"[" * 100_000), "instead of JSON"),
    "too much": (lambda it: _reply(it, 200, b" " * 17_000_000), "more than"),
    "a redirect": (_redirect, "redirects to http://elsewhere.example/x"),
    "half an answer": (_break_off, "broke off"),
    "a closed connection": (_say_nothing, "closed the connection"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_clear_error(
    fake: RegistryFake, url: str, tmp_path: Path, name: str
) -> None:
    fake.behave, expected = FAULTS[name]
    address = url.replace("http://", "http://robot:hunter2@")
    client = open_registry(RegistrySettings(address, timeout=2.0), tmp_path)
    with pytest.raises(CouldNotCheck) as caught:
        client.fetch(["orders-value"])
    assert expected in caught.value.message
    assert url in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 3
    shown = caught.value.message + caught.value.hint
    assert "hunter2" not in shown and "secret" not in shown


def test_a_slow_registry_is_given_up(fake: RegistryFake, url: str, tmp_path: Path) -> None:
    released = threading.Event()
    fake.behave = lambda handler: not released.wait(10)
    client = open_registry(RegistrySettings(url, timeout=0.3), tmp_path)
    started = time.monotonic()
    with pytest.raises(CouldNotCheck, match=r"within 0\.3 seconds"):
        client.fetch([f"topic-{number}-value" for number in range(1000)])
    assert time.monotonic() - started < 5
    released.set()


OK = b"HTTP/1.1 200 OK\r\n"
DROPS = {
    "a body": (OK + b"Content-Length: 1000\r\n\r\n[", b" "),
    "a body in gzip": (OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"", 0)),
    "headers": (OK, b"X-More: 1\r\n"),
    "provisional answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("name", DROPS)
def test_an_answer_in_drops_is_given_up(
    fake: RegistryFake, url: str, tmp_path: Path, name: str
) -> None:
    stopped = threading.Event()
    first, drop = DROPS[name]

    def drip(handler: Handler) -> bool:
        handler.wfile.write(first)
        while not stopped.wait(0.02):
            handler.wfile.write(drop)
        return True

    fake.behave = drip
    client = open_registry(RegistrySettings(url, timeout=0.3), tmp_path)
    started = time.monotonic()
    with pytest.raises(CouldNotCheck, match=r"within 0\.3 seconds"):
        client.subjects()
    assert time.monotonic() - started < 5
    stopped.set()


def test_what_comes_before_an_answer_is_bounded(fake: RegistryFake, client: RegistryClient) -> None:
    def flood(handler: Handler) -> bool:
        while True:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000)

    fake.behave = flood
    with pytest.raises(CouldNotCheck, match="more than"):
        client.subjects()


def test_an_answer_may_be_compressed(fake: RegistryFake, client: RegistryClient) -> None:
    def compress(handler: Handler) -> bool:
        data = gzip.compress(json.dumps(["a" * 100_000]).encode())
        handler.reply(200, data, headers=GZIP)
        return True

    fake.behave = compress
    assert client.subjects() == ("a" * 100_000,)

    def explode(handler: Handler) -> bool:
        handler.reply(200, gzip.compress(b" " * 20_000_000), headers=GZIP)
        return True

    fake.behave = explode
    with pytest.raises(CouldNotCheck, match="more than"):
        client.subjects()


GZIP = {"Content-Encoding": "gzip"}


def test_a_registry_that_is_down(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = open_registry(RegistrySettings(address), tmp_path)
        with pytest.raises(CouldNotCheck, match="nothing listens there"):
            client.subjects()


def test_a_host_without_an_address(tmp_path: Path) -> None:
    client = open_registry(RegistrySettings("http://no-such-host.invalid:8081"), tmp_path)
    with pytest.raises(CouldNotCheck, match="no-such-host"):
        client.subjects()


def test_https_to_a_server_without_tls(url: str, tmp_path: Path) -> None:
    client = open_registry(RegistrySettings(url.replace("http:", "https:")), tmp_path)
    with pytest.raises(CouldNotCheck, match="TLS"):
        client.subjects()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_troubles_are_sat_out(
    fake: RegistryFake, client: RegistryClient, status: int
) -> None:
    fake.add("orders-value", ORDER)
    left = [status, status]
    fake.behave = lambda it: bool(left) and _reply(it, left.pop(), b'{"message":"busy"}')
    assert client.subjects() == ("orders-value",)
    left[:] = [status]
    assert client.register("orders-value", json.dumps(ORDER, separators=(",", ":"))).version == 1


@pytest.mark.parametrize("asked_for", ["86400", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_registry_that_wants_a_long_rest_is_given_up(
    fake: RegistryFake, client: RegistryClient, monkeypatch: pytest.MonkeyPatch, asked_for: str
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(connection, "sleep", pauses.append)

    def busy(handler: Handler) -> bool:
        handler.reply(503, b"{}", headers={"Retry-After": asked_for})
        return True

    fake.behave = busy
    with pytest.raises(CouldNotCheck, match=r"is busy \(503\)") as caught:
        client.subjects()
    assert "try again in" in caught.value.hint
    assert pauses == [] and len(fake.requests) == 1


@pytest.mark.parametrize("nonsense", ["soon", "-1", "9" * 5000, "Wed, 21 Oct 99999 07:28:00 GMT"])
def test_a_pause_that_the_registry_asks_for_is_kept(
    fake: RegistryFake, client: RegistryClient, monkeypatch: pytest.MonkeyPatch, nonsense: str
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(connection, "sleep", pauses.append)
    left = ["7", nonsense, ""]

    def busy(handler: Handler) -> bool:
        if not left:
            return False
        handler.reply(429, b"{}", headers={"Retry-After": left.pop(0)})
        return True

    fake.behave = busy
    assert client.subjects() == ()
    assert pauses[0] == 7
    assert 0.2 <= pauses[1] <= 0.4 and 0.4 <= pauses[2] <= 0.8


def test_an_answer_that_was_cut_is_asked_for_again(
    fake: RegistryFake, client: RegistryClient
) -> None:
    fake.add("orders-value", ORDER)
    left = [_break_off, _say_nothing]
    fake.behave = lambda it: bool(left) and left.pop()(it)
    assert client.subjects() == ("orders-value",)


def test_a_registration_whose_answer_was_lost_is_made_once(
    fake: RegistryFake, client: RegistryClient
) -> None:
    text = json.dumps(ORDER, separators=(",", ":"))
    left = [1]

    def register_and_vanish(handler: Handler) -> bool:
        if handler.command == "POST" and left:
            left.pop()
            fake.add("orders-value", text)
            return _say_nothing(handler)
        return False

    fake.behave = register_and_vanish
    assert client.register("orders-value", text).version == 1
    assert len(fake.versions["orders-value"]) == 1


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"username": "robot", "password": "pä:ss"}, "Basic cm9ib3Q6cMOkOnNz"),
        ({"bearer_token": "abc"}, "Bearer abc"),
        ({}, None),
    ],
)
def test_credentials_are_sent(
    fake: RegistryFake, url: str, tmp_path: Path, settings: dict[str, str], header: str | None
) -> None:
    seen: list[str | None] = []
    fake.behave = lambda it: bool(seen.append(it.headers.get("Authorization")))
    open_registry(RegistrySettings(url, **settings), tmp_path).subjects()  # type: ignore[arg-type]
    assert set(seen) == {header}


def test_credentials_go_to_the_host_of_the_manifest_only(
    fake: RegistryFake, url: str, tmp_path: Path
) -> None:
    seen: list[str | None] = []
    fake.behave = lambda it: bool(seen.append(it.headers.get("Authorization")))
    for manifest, expected in ((url, "Bearer abc"), ("https://registry.example", None)):
        settings = RegistrySettings(manifest, bearer_token="abc")
        baseline = open_baseline(f"registry:{url}", settings, tmp_path)
        assert baseline.name == url
        baseline.client.subjects()  # type: ignore[attr-defined]
        assert set(seen) == {expected}
        seen.clear()


def test_the_address_may_have_a_path(tmp_path: Path) -> None:
    fake = RegistryFake()
    fake.prefix = "/apis/ccompat/v7"
    fake.add("orders-value", ORDER)
    with serve(fake) as url:
        assert open_registry(RegistrySettings(url + "/"), tmp_path).subjects() == ("orders-value",)
        bare = url.removesuffix(fake.prefix)
        with pytest.raises(CouldNotCheck) as caught:
            open_registry(RegistrySettings(bare), tmp_path).fetch(["orders-value"])
        assert "base address" in caught.value.hint


@pytest.mark.parametrize("url", ["", "localhost:8081", "ftp://host", "http://", "http://[", "x y"])
def test_an_address_that_is_none(url: str, tmp_path: Path) -> None:
    with pytest.raises(KontraktError) as caught:
        open_registry(RegistrySettings(url), tmp_path)
    assert caught.value.exit_code == 2


def test_a_missing_certificate_file(tmp_path: Path) -> None:
    settings = RegistrySettings("https://registry.example", certificate_authority="ca.pem")
    with pytest.raises(KontraktError, match=r"ca\.pem"):
        open_registry(settings, tmp_path)


class Parrot:
    """A transport that answers anything."""

    name = "http://parrot.example"

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        status = self._data.draw(st.sampled_from([200, 200, 200, 404, 409, 422, 400, 500, 204]))
        return Answer(status, self._data.draw(BODIES))


SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "..", "FULL", "AVRO"])
)
WORDS = """
    error_code message id version schema schemaType references subject name is_compatible
    messages reason compatibilityLevel
"""
KEYS = st.sampled_from(WORDS.split())
BODIES = st.recursive(
    SCALARS | st.just({"error_code": 40401}) | st.just({"id": 1, "version": 1, "schema": '"int"'}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=6,
)


@given(st.data())
def test_no_answer_is_a_traceback(data: st.DataObject) -> None:
    client = RegistryClient(Parrot(data))
    calls: list[Callable[[], object]] = [
        client.subjects,
        lambda: client.versions("a"),
        lambda: client.version("a", 1),
        lambda: client.schema(1),
        lambda: client.lookup("a", "{}"),
        lambda: client.register("a", "{}"),
        lambda: client.level("a"),
        lambda: client.test("a", "{}"),
        lambda: client.set_level(Level.FULL, "a"),
    ]
    with suppress(KontraktError):
        data.draw(st.sampled_from(calls))()


def test_many_subjects_are_read_side_by_side(fake: RegistryFake, client: RegistryClient) -> None:
    for number in range(64):
        fake.add(f"topic-{number}-value", ORDER)
    lock = threading.Lock()
    busy = [0, 0]

    def count(handler: Handler) -> bool:
        with lock:
            busy[0] += 1
            busy[1] = max(busy)
        time.sleep(0.005)
        with lock:
            busy[0] -= 1
        return False

    fake.behave = count
    holdings = client.fetch(list(fake.versions))
    assert holdings.version_count == 64
    assert 4 < busy[1] <= CONNECTIONS
