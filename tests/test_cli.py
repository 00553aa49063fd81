"""The command line from outside: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from codegen.registry.entries import Content
from codegen.registry.store import Store

PROJECT = Path(__file__).parent.parent
PLACED = "schemas/retail/orders/OrderPlaced.avsc"

Kontrakt = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of the retail contracts."""
    root = tmp_path / "shop"
    shutil.copytree(PROJECT / "schemas", root / "schemas")
    return root


@pytest.fixture
def kontrakt(shop: Path) -> Kontrakt:
    """Runs kontrakt in the shop, without a registry in the environment."""

    def run(
        *arguments: str, cwd: Path = shop, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "codegen", *arguments],
            cwd=cwd,
            env={**environment, "PYTHONPATH": str(PROJECT), **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    return run


def edit(root: Path, name: str, before: str, after: str) -> None:
    path = root / name
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")


ADDED = '    {"name": "tier", "type": "string", "doc": "The tier."},\n    {"name": "currency"'


def add_field(root: Path) -> None:
    edit(root, PLACED, '    {"name": "currency"', ADDED)


def test_help_lists_every_command_with_a_summary_and_each_has_an_example(
    kontrakt: Kontrakt,
) -> None:
    done = kontrakt("--help")
    names = [path.stem for path in (PROJECT / "codegen/cli").glob("[!_]*.py")]
    assert len(names) >= 8
    for name in names:
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"  {name} "))
        assert len(line.split(maxsplit=1)[1]) > 10
        assert f"kontrakt {name}" in kontrakt(name, "--help").stdout.partition("Example:")[2]


def test_a_command_that_does_not_exist_is_wrong_usage(kontrakt: Kontrakt) -> None:
    done = kontrakt("chekc")
    assert done.returncode == 2
    assert "Did you mean check?" in done.stderr


def test_a_folder_that_is_no_repository_cannot_be_checked(
    kontrakt: Kontrakt, tmp_path: Path
) -> None:
    done = kontrakt("check", cwd=tmp_path)
    assert done.returncode == 3
    assert "schemas/contracts.yaml" in done.stderr
    assert done.stdout == ""


def test_a_new_contract_has_no_past_and_says_so(kontrakt: Kontrakt) -> None:
    done = kontrakt("check")
    assert done.returncode == 0
    assert "warning compat/no-past: nothing was compared: embedded registry" in done.stdout
    assert "7 new, with no past to break with" in done.stdout
    assert "embedded registry" in done.stdout


def test_a_registry_that_cannot_be_opened_is_no_empty_one(kontrakt: Kontrakt, shop: Path) -> None:
    (shop / ".kontrakt").write_text("a file where the folder should be")
    for command in (["check"], ["pull"], ["register", "--apply"]):
        done = kontrakt(*command)
        assert (done.returncode, done.stdout) == (3, ""), command


@pytest.mark.parametrize("kind", ["loop", "pipe", "half"])
def test_files_that_cannot_be_read_to_their_end_are_findings(
    kontrakt: Kontrakt, shop: Path, kind: str
) -> None:
    path = shop / "schemas/retail/orders/OrderLine.avsc"
    text = path.read_text()
    path.unlink()
    match kind:
        case "loop":
            path.symlink_to(path.name)
        case "pipe":
            os.mkfifo(path)
        case _:
            path.write_text(text.replace("One article", "\\ud800 article"))
    for command in ("check", "generate", "register"):
        done = kontrakt(command)
        assert done.returncode == 1
        assert "schemas/retail/orders/OrderLine.avsc" in done.stdout
        assert "syntax/unreadable" in done.stdout


def test_register_shows_the_plan_applies_it_and_can_be_repeated(kontrakt: Kontrakt) -> None:
    plan = kontrakt("register")
    assert plan.returncode == 0
    assert "register   orders-retail.orders.OrderPlaced" in plan.stdout
    assert kontrakt("register").stdout == plan.stdout, "the plan wrote something"
    done = kontrakt("register", "--apply")
    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if " registered " in line]
    assert len(lines) == 7
    places = {line.split()[1]: index for index, line in enumerate(lines)}
    assert places["retail.orders.Customer"] < places["orders-retail.orders.OrderPlaced"]
    again = kontrakt("register", "--apply")
    assert again.returncode == 0
    assert "unchanged  7 subjects" in again.stdout
    assert " registered " not in again.stdout


def test_register_says_which_schema_is_an_older_version(kontrakt: Kontrakt, shop: Path) -> None:
    kontrakt("register", "--apply")
    path = shop / PLACED
    older = path.read_text("utf-8")
    edit(shop, PLACED, "A customer placed an order.", "Somebody placed an order.")
    kontrakt("register", "--apply")
    path.write_text(older, "utf-8")
    for arguments in ([], ["--apply"]):
        done = kontrakt("register", *arguments)
        assert done.returncode == 0
        assert "older      orders-retail.orders.OrderPlaced  v1, and v2 is the new" in done.stdout
        assert "unchanged  6 subjects" in done.stdout


def test_check_finds_the_break_and_register_refuses_it(kontrakt: Kontrakt, shop: Path) -> None:
    kontrakt("register", "--apply")
    add_field(shop)
    done = kontrakt("check")
    assert done.returncode == 1
    line = (shop / PLACED).read_text().splitlines().index(ADDED.splitlines()[0]) + 1
    assert f"{PLACED}:{line}:14: error compat/field-without-default" in done.stdout
    assert f'{line} |     {{"name": "tier"' in done.stdout
    assert "^^^^^^ readers need this field; v1 never wrote it" in done.stdout
    assert "= before   orders-retail.orders.OrderPlaced, registry v1 (id" in done.stdout
    assert '"default": "unknown"' in done.stdout
    assert "inventory-service" in done.stdout.partition("Who breaks")[2]
    assert "the last 30 days" in done.stdout
    refused = kontrakt("register", "--apply")
    assert refused.returncode == 1
    assert "Nothing was registered." in refused.stdout
    edit(
        shop, PLACED, '"string", "doc": "The tier."', '"string", "default": "-", "doc": "The tier."'
    )
    assert kontrakt("check").returncode == 0
    assert "OrderPlaced  v2" in kontrakt("register", "--apply").stdout


@pytest.mark.parametrize(
    ("level", "added", "removed"),
    [
        ("NONE", 0, 0),
        ("BACKWARD", 1, 0),
        ("BACKWARD_TRANSITIVE", 1, 0),
        ("FORWARD", 0, 1),
        ("FORWARD_TRANSITIVE", 0, 1),
        ("FULL", 1, 1),
        ("FULL_TRANSITIVE", 1, 1),
    ],
)
def test_the_level_decides_what_breaks(
    kontrakt: Kontrakt, shop: Path, level: str, added: int, removed: int
) -> None:
    edit(
        shop, "schemas/contracts.yaml", "compatibility: FULL_TRANSITIVE", f"compatibility: {level}"
    )
    before = shop.parent / "before"
    shutil.copytree(shop, before)
    add_field(shop)
    assert kontrakt("check", "--against", f"folder:{before}").returncode == added
    shutil.rmtree(shop / "schemas")
    shutil.copytree(before / "schemas", shop / "schemas")
    note = '    {"name": "placed_at"'
    text = (shop / PLACED).read_text()
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith(note)]
    (shop / PLACED).write_text("".join(lines))
    assert kontrakt("check", "--against", f"folder:{before}").returncode == removed


def test_a_level_that_differs_is_told_once_where_it_is_stated(
    kontrakt: Kontrakt, shop: Path
) -> None:
    kontrakt("register", "--apply")
    manifest = "schemas/contracts.yaml"
    edit(shop, manifest, "compatibility: BACKWARD_TRANSITIVE", "compatibility: NONE")
    edit(shop, manifest, "compatibility: FULL_TRANSITIVE", "compatibility: FULL")
    done = kontrakt("check")
    assert done.returncode == 0
    found = [line for line in done.stdout.splitlines() if "compat/level-differs" in line]
    assert len(found) == 2
    lines = (shop / manifest).read_text().splitlines()
    for level, former, others in (
        ("NONE", "BACKWARD_TRANSITIVE", 2),
        ("FULL", "FULL_TRANSITIVE", 3),
    ):
        number = next(i for i, line in enumerate(lines, 1) if f"compatibility: {level}" in line)
        (said,) = (line for line in found if line.startswith(f"{manifest}:{number}:"))
        assert f"and {others} other subjects have the level {former} in the registry" in said


def test_a_snapshot_makes_the_check_work_without_a_registry(kontrakt: Kontrakt, shop: Path) -> None:
    kontrakt("register", "--apply")
    assert kontrakt("snapshot").returncode == 0
    first = (shop / "schemas/registry.snapshot.json").read_bytes()
    kontrakt("snapshot")
    assert (shop / "schemas/registry.snapshot.json").read_bytes() == first
    shutil.rmtree(shop / ".kontrakt")
    add_field(shop)
    done = kontrakt("check", "--against", "snapshot")
    assert done.returncode == 1
    assert "snapshot v1 (id" in done.stdout


@pytest.mark.parametrize("past", ["registry", "snapshot"])
def test_deleted_versions_are_compared_until_they_are_gone_for_good(
    kontrakt: Kontrakt, shop: Path, past: str
) -> None:
    subject = "orders-retail.orders.OrderPlaced"
    kontrakt("register", "--apply")
    with closing(Store(shop / ".kontrakt/registry.db")) as store:
        store.delete_subject(subject)
    kontrakt("snapshot")
    same = kontrakt("check", "--against", past)
    assert same.returncode == 0
    assert f"warning compat/soft-deleted: the registry holds {subject} soft-deleted only (v1)" in (
        same.stdout
    )
    assert "new, with no past" not in same.stdout
    add_field(shop)
    broken = kontrakt("check", "--against", past)
    assert broken.returncode == 1
    assert "error compat/field-without-default" in broken.stdout
    assert f"{subject}, {past} v1 (id 7, deleted)" in broken.stdout
    assert "register OrderPlaced v2" in broken.stdout
    assert "The registry refuses" not in broken.stdout
    assert "compat/registry-differs" not in broken.stdout
    assert "compat/level-differs" not in broken.stdout
    assert "Nothing was registered." in kontrakt("register", "--apply").stdout
    with closing(Store(shop / ".kontrakt/registry.db")) as store:
        store.delete_subject(subject, permanent=True)
    kontrakt("snapshot")
    fresh = kontrakt("check", "--against", past)
    assert fresh.returncode == 0
    assert "soft-deleted" not in fresh.stdout


@pytest.mark.parametrize("level", ["FULL_TRANSITIVE", "BACKWARD"])
def test_a_subject_with_schemas_of_another_kind_is_told_from_a_damaged_one(
    kontrakt: Kontrakt, shop: Path, level: str
) -> None:
    edit(
        shop, "schemas/contracts.yaml", "compatibility: FULL_TRANSITIVE", f"compatibility: {level}"
    )
    with closing(Store(shop / ".kontrakt/registry.db")) as store:
        content = Content('syntax = "proto3"; message Order {}', "PROTOBUF")
        store.register("orders-retail.orders.OrderPlaced", content)
    done = kontrakt("check")
    assert done.returncode == 1
    assert "registry v1 (id 1) of orders-retail.orders.OrderPlaced could not be compared" in (
        done.stdout
    )
    assert "= fix      a subject holds schemas of one kind" in done.stdout


def test_what_the_snapshot_remembers_gets_readers(kontrakt: Kontrakt, shop: Path) -> None:
    kontrakt("register", "--apply")
    kontrakt("snapshot")
    assert kontrakt("generate").returncode == 0
    package = shop / "generated/inventory-service/python"
    assert not (package / "inventory_service/history.py").exists(), "only one version so far"
    with_default = ADDED.replace('"string"', '"string", "default": "none"')
    edit(shop, PLACED, '    {"name": "currency"', with_default)
    assert kontrakt("generate").returncode == 0
    history = (package / "inventory_service/history.py").read_text()
    assert "def _read_order_placed_v1(" in history
    assert kontrakt("generate", "--check").returncode == 0
    tests = [sys.executable, "-m", "pytest", "-q", "-k", "order_placed_v1", "--no-header"]
    done = subprocess.run(
        [*tests, "-p", "no:cacheprovider", str(package)],
        env={**os.environ, "PYTHONPATH": str(package)},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert kontrakt("register", "--apply").returncode == 0
    kontrakt("snapshot")
    assert kontrakt("generate", "--check").returncode == 0, "the newest version needs no reader"


def test_stubs_that_are_not_fresh_are_told_in_any_format(kontrakt: Kontrakt, shop: Path) -> None:
    kontrakt("generate")
    fresh = kontrakt("generate", "--check", "--format", "json", "--report", "junit=tests.xml")
    report = json.loads(fresh.stdout)
    assert (fresh.returncode, report["findings"]) == (0, [])
    assert "generated/order-service/python" in report["checked"]
    assert 'failures="0"' in (shop / "tests.xml").read_text("utf-8")
    edit(shop, PLACED, "Where the order was placed", "Where it was placed")
    done = kontrakt("generate", "--check", "--format", "github")
    assert done.returncode == 1
    assert "::error file=generated/order-service/python,title=generate/not-fresh::" in done.stdout
    assert kontrakt("generate", "--format", "json").returncode == 2


def test_a_folder_with_one_file_that_is_not_fresh_is_a_failed_test(
    kontrakt: Kontrakt, shop: Path
) -> None:
    kontrakt("generate")
    (shop / "generated/order-service/python/README.md").unlink()
    variables = {"GITHUB_WORKSPACE": str(shop.parent)}
    arguments = ("--format", "github", "--report", "junit=tests.xml")
    done = kontrakt("generate", "--check", *arguments, **variables)
    assert f"file={shop.name}/generated/order-service/python/README.md" in done.stdout
    suites = ElementTree.parse(shop / "tests.xml")
    failed = [
        case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None
    ]
    assert failed == ["generated/order-service/python"]


def test_a_snapshot_that_is_none_leaves_the_stubs_alone(kontrakt: Kontrakt, shop: Path) -> None:
    kontrakt("generate")
    (shop / "schemas/registry.snapshot.json").write_text('{"version": 1, "subjects": []}')
    edit(shop, PLACED, "Where the order was placed", "Where it was placed")
    for arguments in ([], ["--check"], ["--diff"]):
        done = kontrakt("generate", *arguments)
        assert done.returncode == 3
        assert "schemas/registry.snapshot.json:1:" in done.stderr
        assert "kontrakt snapshot" in done.stderr


def git(root: Path, *arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *names, *arguments], cwd=root, check=True, capture_output=True)


def test_a_git_revision_is_a_baseline(kontrakt: Kontrakt, shop: Path) -> None:
    assert kontrakt("check", "--against", "git:main").returncode == 3
    git(shop, "init")
    assert kontrakt("check", "--against", "git:main").returncode == 3
    git(shop, "add", ".")
    git(shop, "commit", "-m", "first")
    assert kontrakt("check", "--against", "git:main").returncode == 0
    add_field(shop)
    done = kontrakt("check", "--against", "git:main")
    assert done.returncode == 1
    assert "git main@" in done.stdout
    missing = kontrakt("check", "--against", "git:no-such-branch")
    assert missing.returncode == 3
    assert "no-such-branch" in missing.stderr


@pytest.mark.parametrize(
    ("format_name", "variable"), [("github", "GITHUB_WORKSPACE"), ("gitlab", "CI_PROJECT_DIR")]
)
def test_annotations_name_files_from_the_folder_of_the_checkout(
    kontrakt: Kontrakt, shop: Path, format_name: str, variable: str
) -> None:
    edit(shop, PLACED, '"logicalType": "uuid"', '"logicalType": "uuids"')
    variables = {variable: str(shop.parent)}
    done = kontrakt("lint", "--format", format_name, "--report", "text=words", **variables)
    assert f"{shop.name}/{PLACED}" in done.stdout
    assert (shop / "words").read_text("utf-8").startswith(f"{PLACED}:7:")
    elsewhere = {variable: str(shop / "schemas")}
    assert f"{shop.name}/" not in kontrakt("lint", "--format", format_name, **elsewhere).stdout


def test_a_branch_by_itself_is_told_how_it_is_named(kontrakt: Kontrakt) -> None:
    assert "a revision is named git:main" in kontrakt("check", "--against", "main").stderr


@pytest.mark.parametrize("against", ["nonsense", "folder:missing", "snapshot:missing.json"])
def test_a_baseline_that_is_not_there_is_never_good(kontrakt: Kontrakt, against: str) -> None:
    done = kontrakt("check", "--against", against)
    assert done.returncode in (2, 3)
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


def test_a_registry_that_is_down_could_not_be_checked(kontrakt: Kontrakt) -> None:
    for command in (["check"], ["register"], ["register", "--apply"], ["pull"]):
        done = kontrakt(*command, SCHEMA_REGISTRY_URL="http://127.0.0.1:9")
        assert done.returncode == 3
        assert "127.0.0.1:9" in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("command", ["check", "status", "register --apply", "snapshot", "pull"])
def test_an_address_that_is_empty_by_mistake_is_not_the_embedded_registry(
    kontrakt: Kontrakt, shop: Path, command: str
) -> None:
    done = kontrakt(*command.split(), SCHEMA_REGISTRY_URL="")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the registry's address is empty" in done.stderr
    option = {"check": "--against=registry:", "register --apply": "--to="}.get(command, "--from=")
    named = kontrakt(*command.split(), option)
    assert (named.returncode, named.stdout) == (2, "")
    assert "empty" in named.stderr or "names no address" in named.stderr
    assert not (shop / ".kontrakt").exists()
    assert kontrakt("check", "--against", f"folder:{shop}", SCHEMA_REGISTRY_URL="").returncode == 0


def test_the_report_as_json_says_the_same(kontrakt: Kontrakt, shop: Path) -> None:
    before = shop.parent / "before"
    shutil.copytree(shop, before)
    add_field(shop)
    done = kontrakt("check", "--against", f"folder:{before}", "--format", "json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["version"] == 1
    [finding] = report["findings"]
    assert finding["rule"] == "compat/field-without-default"
    assert finding["location"]["file"] == PLACED
    assert finding["subject"] == "orders-retail.orders.OrderPlaced"
    assert report["counts"] == {"error": 1, "warning": 0, "note": 0}
    assert "orders-retail.orders.OrderPlaced" in report["checked"]


def test_the_manifest_can_say_how_a_rule_is_judged(kontrakt: Kontrakt, shop: Path) -> None:
    before = shop.parent / "before"
    shutil.copytree(shop, before)
    add_field(shop)
    with (shop / "schemas/contracts.yaml").open("a") as manifest:
        manifest.write("lint:\n  severity: {compat/*: warning}\n")
    done = kontrakt("check", "--against", f"folder:{before}")
    assert done.returncode == 0
    assert "warning compat/field-without-default" in done.stdout


BROKEN = [
    ("{", "syntax/unreadable"),
    ("", "syntax/unreadable"),
    ('{"type": "record", "type": "enum"}', "syntax/unreadable"),
    ("[" * 1000, "syntax/unreadable"),
    (" " * 5_000_000, "syntax/unreadable"),
    ('"string"', "contract/file-without-type"),
    (
        '{"type": "record", "name": "X", "fields": [{"name": "a", "type": "Y"}]}',
        "schema/unknown-type",
    ),
]


@pytest.mark.parametrize(("text", "rule"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_schema_is_a_finding_and_harms_nothing(
    kontrakt: Kontrakt, shop: Path, text: str, rule: str
) -> None:
    assert kontrakt("generate").returncode == 0
    before = {path: path.read_bytes() for path in (shop / "generated").rglob("*") if path.is_file()}
    assert before
    (shop / "schemas/retail/Broken.avsc").write_text(text)
    for command in ("check", "generate", "register"):
        done = kontrakt(command)
        assert done.returncode == 1
        assert "schemas/retail/Broken.avsc:1:" in done.stdout
        assert rule in done.stdout
    after = {path: path.read_bytes() for path in (shop / "generated").rglob("*") if path.is_file()}
    assert after == before


def test_a_schema_200_records_deep_is_handled_or_refused(kontrakt: Kontrakt, shop: Path) -> None:
    schema: object = "int"
    for number in range(200):
        schema = {
            "type": "record",
            "name": f"Level{number}",
            "namespace": "deep",
            "fields": [{"name": "inner", "type": schema}],
        }
    (shop / "schemas/retail/Deep.avsc").write_text(json.dumps(schema))
    done = kontrakt("check")
    assert done.returncode in (0, 1)


def test_every_problem_of_every_file_is_told_at_once(kontrakt: Kontrakt, shop: Path) -> None:
    edit(shop, PLACED, '"items": "OrderLine"', '"items": "OrderLin"')
    edit(shop, "schemas/retail/inventory/StockRejected.avsc", '"default": []', '"default": {}')
    edit(shop, "schemas/contracts.yaml", "partitions: 6", "partition: 6")
    done = kontrakt("check")
    assert done.returncode == 1
    for expected in ("schema/unknown-type", "schema/invalid-default", 'did you mean "partitions"?'):
        assert expected in done.stdout
    assert 'did you mean "retail.orders.OrderLine"?' in done.stdout


def test_rules_are_listed_and_explained(kontrakt: Kontrakt) -> None:
    listed = kontrakt("rules")
    assert "compat/field-without-default" in listed.stdout
    explained = kontrakt("rules", "compat/field-without-default")
    assert "A reader fills a field that the writer did not know" in explained.stdout
    _, _, example = explained.stdout.partition("\nBad\n")
    bad, _, good = example.partition("\nGood\n")
    assert "error compat/field-without-default" in bad
    assert '"default": "unknown"' in good
    (row,) = json.loads(kontrakt("rules", "change/unit", "--format", "json").stdout)
    assert row["id"] == "change/unit" and row["example"].startswith("Bad\n")
    unknown = kontrakt("rules", "compat/field-with-default")
    assert unknown.returncode == 2
    assert 'did you mean "compat/field-without-default"?' in unknown.stderr


def test_a_named_folder_without_a_manifest_could_not_be_checked(
    kontrakt: Kontrakt, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for command in ("check", "lint", "format", "generate", "register", "status", "diff"):
        done = kontrakt(command, "--root", str(tmp_path / "empty"))
        assert (done.returncode, done.stdout) == (3, ""), command
        assert f"no schemas/contracts.yaml in {tmp_path / 'empty'}" in done.stderr


def test_a_half_typed_schema_is_one_finding(kontrakt: Kontrakt, shop: Path) -> None:
    path = shop / PLACED
    path.write_text(path.read_text("utf-8")[:200], "utf-8")
    done = kontrakt("lint", "--format", "json")
    assert [one["rule"] for one in json.loads(done.stdout)["findings"]] == ["syntax/unreadable"]
