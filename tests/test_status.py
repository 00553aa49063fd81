"""Drift: what differs between a registry and a repository, and the exit code that says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_publication import CANCELLED, MANIFEST, MONEY, load, with_field
from test_publication_plan import OWNED, client, kontrakt, publish, send, url

from codegen.diagnostics import Findings
from codegen.publication.drift import find_drift

__all__ = ["url"]


def drift(
    root: Path, address: str, *changed: dict[str, object], manifest: str = OWNED, **options: str
) -> list[tuple[str, str]]:
    findings = Findings()
    contract = load(root, *changed, manifest=manifest)
    find_drift(contract, client(address, root), findings, **options)
    return sorted((item.rule.id, item.subject) for item in findings)


def test_what_was_published_is_in_step(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    assert drift(tmp_path, url) == []


def test_what_was_never_published_is_missing(tmp_path: Path, url: str) -> None:
    found = drift(tmp_path, url)
    assert {rule for rule, _ in found} == {"drift/missing"} and len(found) == 4


def test_a_level_of_the_whole_registry_counts_as_the_subjects(tmp_path: Path, url: str) -> None:
    send(url, "PUT", "/config", {"compatibility": "FULL"})
    publish(tmp_path, url)
    assert drift(tmp_path, url) == []
    send(url, "PUT", "/config", {"compatibility": "NONE"})
    assert {rule for rule, _ in drift(tmp_path, url)} == {"drift/level"}


def test_each_kind_of_difference_has_a_rule(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    cancelled = "orders-shop.OrderCancelled"
    changed = with_field(CANCELLED, "why")
    assert drift(tmp_path, url, changed) == [("drift/schema", cancelled)]
    assert drift(tmp_path, url, changed, manifest=OWNED.replace("ann", "bob")) == [
        ("drift/metadata", cancelled),
        ("drift/metadata", "orders-shop.OrderPlaced"),
        ("drift/schema", cancelled),
    ]
    publish(tmp_path, url, changed)
    assert drift(tmp_path, url) == [("drift/schema", cancelled)], "the file is v1 of two"
    with_currency = with_field(MONEY, "currency")
    text = json.dumps(with_currency)
    client(url, tmp_path).register("shop.Money", text)
    assert drift(tmp_path, url, changed, with_currency) == [
        ("drift/references", "orders-shop.OrderPlaced"),
        ("drift/references", "shop.Price"),
    ]


@pytest.mark.parametrize(
    ("name", "options", "is_extra"),
    [
        ("orders-shop.OrderLost", {}, True),
        ("shop.Weight", {}, True),
        ("payments-value", {}, False),
        ("payments-value", {"prefix": "payments"}, True),
        ("payments-value", {"prefix": ""}, True),
        ("orders-shop.OrderLost", {"prefix": "payments"}, False),
    ],
)
def test_a_subject_too_many(
    tmp_path: Path, url: str, name: str, options: dict[str, str], is_extra: bool
) -> None:
    publish(tmp_path, url)
    client(url, tmp_path).register(name, '"string"')
    expected = [("drift/extra", name)] if is_extra else []
    assert drift(tmp_path, url, **options) == expected


def test_the_exit_code_and_every_format_say_so(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    load(tmp_path, manifest=OWNED)
    assert kontrakt(tmp_path, "status", "--from", url).returncode == 0
    lost = {**CANCELLED, "name": "OrderLost"}
    client(url, tmp_path).register("orders-shop.OrderLost", json.dumps(lost))
    done = kontrakt(tmp_path, "status", "--from", url, "--format", "json")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, finding["rule"]) == (1, "drift/extra")
    for name in ("text", "markdown", "junit", "sarif"):
        done = kontrakt(tmp_path, "status", "--from", url, "--format", name)
        assert done.returncode == 1 and "orders-shop.OrderLost" in done.stdout, name


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("orders-key", {"schema": '"string"'}, "no contract can: it has no name"),
        ("orders-key", {"schema": "{}", "schemaType": "JSON"}, "no contract can: it is a JSON"),
        ("shop.Way", {"schema": '{"type":"enum","name":"shop.Way","symbols":["A"]}'}, "Way.avsc"),
    ],
    ids=["nameless", "json", "unused"],
)
def test_what_pull_cannot_take_is_a_warning(
    tmp_path: Path, url: str, name: str, body: dict[str, str], words: str
) -> None:
    publish(tmp_path, url)
    way = tmp_path / "schemas/Way.avsc"
    way.write_text('{"type":"enum","name":"shop.Way","symbols":["A"]}', "utf-8")
    send(url, "POST", f"/subjects/{name}/versions", body)
    done = kontrakt(tmp_path, "status", "--from", url)
    assert (done.returncode, words in done.stdout) == (0, True), done.stdout
    assert "warning drift/extra" in done.stdout


@pytest.mark.parametrize(("name", "code"), [("Money", 0), ("OrderLost", 1)])
def test_without_references_only_what_is_written_out_may_stay_in_the_registry(
    tmp_path: Path, url: str, name: str, code: int
) -> None:
    """Nothing uses OrderLost: it may be an event that travels no more."""
    publish(tmp_path, url, manifest=f"registry: {{references: false}}\n{OWNED}")
    schema = {**CANCELLED, "name": name} if name == "OrderLost" else MONEY
    (tmp_path / f"schemas/{name}.avsc").write_text(json.dumps(schema), "utf-8")
    client(url, tmp_path).register(f"shop.{name}", json.dumps(schema))
    done = kontrakt(tmp_path, "status", "--from", url)
    assert (done.returncode, "drift/extra" in done.stdout) == (code, True), done.stdout


def test_a_prefix_that_nothing_has_is_no_good_news(tmp_path: Path, url: str) -> None:
    publish(tmp_path, url)
    done = kontrakt(tmp_path, "status", "--from", url, "--prefix", "orderz-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has a subject that begins with orderz-" in done.stderr


def test_what_cannot_be_reached_is_not_in_step(tmp_path: Path) -> None:
    load(tmp_path, manifest=MANIFEST)
    done = kontrakt(tmp_path, "status", "--from", "http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (3, "")
