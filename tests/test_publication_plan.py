"""A plan in a file: the same bytes for the same state, applied only as it was reviewed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from registry_fake import Handler, RegistryFake, serve
from test_publication import CANCELLED, MANIFEST, MONEY, load, with_field

from codegen.baselines import open_registry
from codegen.contract.model import RegistrySettings
from codegen.diagnostics import Findings
from codegen.publication import apply_plan, make_plan
from codegen.publication.document import compare_plan, read_plan, save_plan, write_plan
from codegen.registry.http import serve_in_thread
from codegen.registry.store import Store

REFUSED = "registry/refused"
SCHEMA = Path(__file__).parent.parent / "codegen/publication/plan.schema.json"
OWNED = MANIFEST.replace("  orders:\n", "  orders:\n    doc: All about orders.\n    owner: ann\n")


@pytest.fixture
def url() -> Iterator[str]:
    store = Store(":memory:")
    with serve_in_thread(store) as address:
        yield address
    store.close()


def kontrakt(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "codegen", *arguments],
        cwd=root,
        env={"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def client(url: str, root: Path) -> Any:
    return open_registry(RegistrySettings(url), root)


def state(url: str, root: Path) -> Any:
    """All that a registry holds, metadata and levels included."""
    return client(url, root).fetch(client(url, root).subjects())


def make(root: Path, url: str, *changed: dict[str, Any], manifest: str = OWNED) -> Any:
    return make_plan(load(root, *changed, manifest=manifest), client(url, root), Findings())


def refusals(file: Path, plan: Any) -> list[tuple[str, str]]:
    findings = Findings()
    document = read_plan(file, findings)
    assert document is not None, findings.items
    compare_plan(document, plan, findings)
    return [(item.rule.id, item.message) for item in findings]


def publish(root: Path, url: str, *changed: dict[str, Any], manifest: str = OWNED) -> None:
    findings = Findings()
    plan = make(root, url, *changed, manifest=manifest)
    apply_plan(plan, client(url, root), findings)
    assert not findings.items


def test_a_plan_is_the_same_bytes_and_has_the_form_of_its_schema(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    plan = make(tmp_path, url, with_field(MONEY, "currency"))
    text = write_plan(plan)
    assert text == write_plan(make(tmp_path, url, with_field(MONEY, "currency")))
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    value = json.loads(text)
    Draft202012Validator(schema).validate(value)
    money, price, placed = value["steps"]
    assert money["subject"] == "shop.Money"
    assert money["after"] == {"version": 1, "id": 2} and money["version"] == 2
    assert money["changes"] == ["added field currency ((null or string), default null)"]
    assert {"name": "shop.Money", "subject": "shop.Money", "version": 2} in price["references"]
    assert "refers to shop.Price v2 (was v1)" in placed["changes"]
    assert value["unchanged"] == {"orders-shop.OrderCancelled": {"version": 1, "id": 1}}


def test_credentials_are_not_in_a_plan(tmp_path: Path, url: str) -> None:
    named = url.replace("http://", "http://ann:secret@")
    load(tmp_path)
    done = kontrakt(tmp_path, "register", "--plan", "plan.json", "--to", named)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "secret" not in (tmp_path / "plan.json").read_text() + done.stdout + done.stderr


def test_what_was_reviewed_is_applied(tmp_path: Path, url: str) -> None:
    load(tmp_path, manifest=OWNED)
    done = kontrakt(tmp_path, "register", "--plan", "plan.json", "--to", url)
    assert (done.returncode, state(url, tmp_path).subjects) == (0, {})
    assert "kontrakt register --apply plan.json" in done.stdout
    done = kontrakt(tmp_path, "register", "--apply", "plan.json", "--to", url)
    assert done.returncode == 0, done.stdout + done.stderr
    held = state(url, tmp_path)
    (placed,) = held.subjects["orders-shop.OrderPlaced"].versions
    assert placed.metadata == {"properties": {"doc": "All about orders.", "owner": "ann"}}
    done = kontrakt(tmp_path, "register", "--apply", "plan.json", "--to", url)
    assert done.returncode == 0 and "unchanged  4 subjects" in done.stdout
    assert state(url, tmp_path) == held


MOVES: dict[str, Callable[[Path, str], Any]] = {
    "another schema": lambda root, url: make(root, url, with_field(CANCELLED, "other")),
    "the manifest has the level NONE": lambda root, url: make(
        root, url, with_field(CANCELLED, "why"), manifest=OWNED.replace("FULL", "NONE")
    ),
    "metadata": lambda root, url: make(
        root, url, with_field(CANCELLED, "why"), manifest=OWNED.replace("ann", "bob")
    ),
    "do not have this subject": lambda root, url: make(
        root, url, manifest=OWNED.replace(", shop.OrderCancelled", "")
    ),
    "at v2 in the registry now; it was at v1": lambda root, url: (
        publish(root, url, with_field(CANCELLED, "other")),
        make(root, url, with_field(CANCELLED, "why")),
    )[1],
}


@pytest.mark.parametrize("words", MOVES)
def test_a_plan_that_is_out_of_date_is_refused(tmp_path: Path, url: str, words: str) -> None:
    publish(tmp_path, url)
    file = tmp_path / "plan.json"
    save_plan(file, make(tmp_path, url, with_field(CANCELLED, "why")))
    assert refusals(file, make(tmp_path, url, with_field(CANCELLED, "why"))) == []
    problems = refusals(file, MOVES[words](tmp_path, url))
    assert {rule for rule, _ in problems} == {"plan/out-of-date"}
    assert any(words in message for _, message in problems), problems


def test_a_plan_is_for_one_registry(tmp_path: Path, url: str) -> None:
    file = tmp_path / "plan.json"
    save_plan(file, make(tmp_path, url))
    store = Store(":memory:")
    with serve_in_thread(store) as other:
        (problem,) = refusals(file, make(tmp_path, other))
    store.close()
    assert problem[0] == "plan/other-registry" and url in problem[1]


def edit(text: str, **changes: Any) -> str:
    return json.dumps({**json.loads(text), **changes})


DAMAGES: dict[str, Callable[[str], str]] = {
    "plan/unreadable": lambda text: text[: len(text) // 2],
    "plan/wrong-shape": lambda text: text.replace("OrderPlaced", "OrderPlaces"),
    "plan/wrong-shape ": lambda text: edit(text, version=2),
    "plan/wrong-shape  ": lambda text: edit(text, digest="0" * 64),
    "plan/wrong-shape   ": lambda text: "[]",
    "plan/unreadable ": lambda text: "",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_plan_is_refused_and_nothing_is_written(
    tmp_path: Path, url: str, damage: str
) -> None:
    file = tmp_path / "plan.json"
    save_plan(file, make(tmp_path, url))
    file.write_text(DAMAGES[damage](file.read_text()))
    done = kontrakt(tmp_path, "register", "--apply", "plan.json", "--to", url)
    assert (done.returncode, done.stderr) == (1, "")
    assert f" error {damage.strip()}: " in done.stdout and "Nothing was registered" in done.stdout
    assert state(url, tmp_path).subjects == {}


def test_a_plan_that_is_not_there_cannot_be_applied(tmp_path: Path, url: str) -> None:
    load(tmp_path)
    done = kontrakt(tmp_path, "register", "--apply", "plan.json", "--to", url)
    assert done.returncode == 3 and "plan.json" in done.stderr
    done = kontrakt(tmp_path, "register", "--plan", "a", "--apply", "b", "--to", url)
    assert done.returncode == 2
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o500)
    done = kontrakt(tmp_path, "register", "--plan", "schemas/Money.avsc/plan.json", "--to", url)
    assert done.returncode == 3 and "cannot be written" in done.stderr


REQUIRED = {**CANCELLED, "fields": [*CANCELLED["fields"], {"name": "why", "type": "string"}]}
FREE = {**CANCELLED, "fields": [{**CANCELLED["fields"][0], "default": "-"}]}
BREAK, HAZARD = "compat/field-without-default", "change/default-removed"


@pytest.mark.parametrize(
    ("before", "after", "manifest", "refused_by_check", "rule"),
    [
        (CANCELLED, REQUIRED, OWNED, True, BREAK),
        (CANCELLED, REQUIRED, OWNED.replace("FULL", "NONE"), False, ""),
        (FREE, CANCELLED, f"{OWNED}lint: {{severity: {{{HAZARD}: error}}}}\n", True, HAZARD),
        (CANCELLED, REQUIRED, f"{OWNED}lint: {{severity: {{{BREAK}: off}}}}\n", False, REFUSED),
    ],
    ids=["break", "no level", "severity", "the registry alone"],
)
def test_what_a_check_refuses_is_neither_planned_nor_done(
    tmp_path: Path,
    url: str,
    before: Any,
    after: Any,
    manifest: str,
    refused_by_check: bool,
    rule: str,
) -> None:
    publish(tmp_path, url, before)
    held = state(url, tmp_path)
    load(tmp_path, after, manifest=manifest)
    checked = kontrakt(tmp_path, "check", "--against", url)
    assert checked.returncode == refused_by_check, checked.stdout
    for options in (["--plan", "plan.json"], ["--apply"]):
        done = kontrakt(tmp_path, "register", *options, "--to", url)
        assert done.returncode == bool(rule), done
        assert rule in done.stdout
    assert (tmp_path / "plan.json").exists() == (not rule)
    assert (state(url, tmp_path) == held) == bool(rule)


def test_cut_after_any_request_it_ends_in_the_same_state(tmp_path: Path) -> None:
    """The connection is lost before and after each single write; the plan is applied again."""
    loosened = OWNED.replace("FULL", "BACKWARD")

    def run(fake: RegistryFake, stop: int, *, is_answered_late: bool) -> bool:
        left = [stop]

        def interrupt(handler: Handler) -> bool:
            if handler.command in ("PUT", "POST"):
                left[0] -= 1
            if left[0] >= 0 or handler.command == "GET":
                return False
            if is_answered_late and left[0] == -1:
                body = fake.requests[-1][3]
                fake.answer(handler.command, handler.path, {}, body)
            handler.reply(400, b'{"message": "cut"}')
            return True

        with serve(fake) as url:
            publish(tmp_path, url)
            file = tmp_path / "plan.json"
            changed = (with_field(MONEY, "currency"), with_field(CANCELLED, "why"))
            plan = make(tmp_path, url, *changed, manifest=loosened)
            save_plan(file, plan)
            fake.behave = interrupt
            is_cut = False
            try:
                apply_plan(plan, client(url, tmp_path), Findings())
            except Exception as error:
                assert "cut" in str(error)
                is_cut = True
            fake.behave = None
            again = make(tmp_path, url, *changed, manifest=loosened)
            assert refusals(file, again) == []
            findings = Findings()
            apply_plan(again, client(url, tmp_path), findings)
            assert not findings.items
            assert make(tmp_path, url, *changed, manifest=loosened).changes == ()
        return is_cut

    whole = RegistryFake()
    assert not run(whole, 1000, is_answered_late=False)
    for is_answered_late in (False, True):
        stop = 0
        while True:
            fake = RegistryFake()
            is_cut = run(fake, stop, is_answered_late=is_answered_late)
            assert (fake.versions, fake.levels) == (whole.versions, whole.levels)
            if not is_cut:
                break
            stop += 1
        assert stop > 10


def test_two_people_may_apply_the_same_plan_at_once(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    changed = with_field(MONEY, "currency")
    mine, theirs = make(tmp_path, url, changed), make(tmp_path, url, changed)
    for plan in (mine, theirs):
        findings = Findings()
        apply_plan(plan, client(url, tmp_path), findings)
        assert not findings.items
    assert {len(one.versions) for one in state(url, tmp_path).subjects.values()} == {1, 2}


def test_somebody_elses_version_in_between_stops_it(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    mine = make(tmp_path, url, with_field(CANCELLED, "why"))
    publish(tmp_path, url, with_field(CANCELLED, "other"))
    findings = Findings()
    assert apply_plan(mine, client(url, tmp_path), findings) == ()
    assert [item.rule.id for item in findings] == ["plan/out-of-date"]
    assert "is at v2 now; it was at v1" in findings.items[0].message


def send(url: str, method: str, path: str, body: Any = None) -> None:
    import urllib.request

    data = json.dumps(body).encode() if body is not None else None
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    request = urllib.request.Request(url + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        answer.read()


@pytest.mark.parametrize("mode", ["READONLY", "IMPORT"])
def test_a_registry_that_takes_nothing_now_is_a_finding_of_the_plan(
    tmp_path: Path, url: str, mode: str
) -> None:
    send(url, "PUT", "/mode", {"mode": mode})
    load(tmp_path)
    done = kontrakt(tmp_path, "register", "--to", url)
    assert done.returncode == 1
    assert f"error registry/refused: {url} is in the mode {mode}" in done.stdout


def test_a_deleted_subject_goes_on_with_its_numbers(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    send(url, "DELETE", "/subjects/orders-shop.OrderCancelled")
    (step,) = make(tmp_path, url).changes
    assert (step.subject.name, step.version) == ("orders-shop.OrderCancelled", 2)
    publish(tmp_path, url)
    assert make(tmp_path, url).changes == ()
    held = state(url, tmp_path).subjects["orders-shop.OrderCancelled"]
    assert [item.version for item in held.versions] == [2]


def test_a_type_may_move_into_the_file_of_another_event(tmp_path: Path, url: str) -> None:
    carrier = {"type": "record", "name": "Carrier", "fields": [{"name": "code", "type": "string"}]}

    def cancelled(kind: object) -> dict[str, Any]:
        fields = [{"name": "fee", "type": "Money"}, {"name": "carrier", "type": kind}]
        return {**CANCELLED, "fields": [*CANCELLED["fields"], *fields]}

    publish(tmp_path, url, cancelled(carrier))
    sent = {**CANCELLED, "name": "OrderSent", "fields": [{"name": "carrier", "type": carrier}]}
    manifest = OWNED.replace("shop.OrderCancelled]", "shop.OrderCancelled, shop.OrderSent]")
    publish(tmp_path, url, cancelled("Carrier"), sent, manifest=manifest)
    assert make(tmp_path, url, cancelled("Carrier"), sent, manifest=manifest).changes == ()
    held = state(url, tmp_path).subjects["orders-shop.OrderCancelled"].versions
    assert [sorted(one.name for one in version.references) for version in held] == [
        ["shop.Money"],
        ["shop.Money", "shop.OrderSent"],
    ]


def test_a_registry_that_normalizes_holds_the_same(tmp_path: Path, url: str) -> None:
    send(url, "PUT", "/config", {"compatibility": "BACKWARD", "normalize": True})
    odd = {"a.z": 1, **CANCELLED, "a.b": {"y": 1, "b": 2}}
    publish(tmp_path, url, odd)
    (held,) = state(url, tmp_path).subjects["orders-shop.OrderCancelled"].versions
    assert held.text.index("a.b") < held.text.index("a.z")
    assert make(tmp_path, url, odd).changes == ()


def test_other_metadata_of_the_registry_is_kept(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    registry = client(url, tmp_path)
    held = registry.version("orders-shop.OrderCancelled", -1)
    more = {"tags": {"x": ["PII"]}, "properties": {"major": "1", "owner": "ann"}}
    registry.register(held.subject, held.text, (), more)
    publish(tmp_path, url, manifest=OWNED.replace("ann", "bob"))
    found = registry.version(held.subject, -1).metadata
    properties = {"major": "1", "owner": "bob", "doc": "All about orders."}
    assert found["tags"] == more["tags"] and found["properties"] == properties
