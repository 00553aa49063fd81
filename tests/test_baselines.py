"""The same history through every baseline, and what each does with a past it cannot read."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_fake import RegistryFake, serve

from codegen.avro.canonical import render
from codegen.baselines import Archive, Baseline, Repository, open_baseline, open_registry
from codegen.baselines.snapshot import save_snapshot
from codegen.contract.load import load_contract
from codegen.contract.model import Contract, Level, RegistrySettings
from codegen.diagnostics import CouldNotCheck, Findings, KontraktError
from codegen.publication import apply_plan, make_plan

MANIFEST = """\
version: 1
registry: {url: "${SCHEMA_REGISTRY_URL}", password: "${PASSWORD_THAT_NOBODY_SET}"}
topics:
  orders:
    compatibility: FULL
    events: [shop.OrderPlaced, shop.OrderCancelled]
  returns:
    events: [shop.Returned]
services: {}
"""


OLD_MANIFEST = MANIFEST.replace("  returns:\n    events: [shop.Returned]\n", "")


def record(name: str, **fields: Any) -> dict[str, Any]:
    listed = [{"name": key, "type": value} for key, value in fields.items()]
    return {"type": "record", "name": name, "namespace": "shop", "fields": listed}


OLD = {
    "Money": record("Money", units="long"),
    "OrderPlaced": record("OrderPlaced", id="string", total="shop.Money"),
    "OrderCancelled": record("OrderCancelled", id="string"),
}
NEW = {
    **OLD,
    "OrderPlaced": record("OrderPlaced", id="string", total="shop.Money", channel="string"),
    "Returned": record("Returned", id="string"),
}


def write(root: Path, schemas: dict[str, Any], manifest: str | None = MANIFEST) -> Path:
    folder = root / "schemas" / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas.items():
        text = schema if isinstance(schema, str) else json.dumps(schema, indent=2)
        (folder / f"{name}.avsc").write_text(text)
    if manifest is not None:
        (root / "schemas" / "contracts.yaml").write_text(manifest)
    return root


def load(root: Path) -> Contract:
    findings = Findings()
    contract = load_contract(root, findings)
    assert contract is not None, findings.items
    return contract


def git(root: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    command = ["git", *settings, "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def commit_all(root: Path, message: str = "change") -> str:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD").strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose past and present differ: OLD is in git, NEW in the folder."""
    root = write(tmp_path / "project", {**OLD, "Returned": NEW["Returned"]})
    git(root, "init", "-q", "-b", "main")
    write(root, {}, OLD_MANIFEST)
    commit_all(root)
    return write(root, NEW)


def fill(fake: RegistryFake, root: Path) -> None:
    """Register the old schemas as the product would: each type a subject, by reference."""
    money = [{"name": "shop.Money", "subject": "shop.Money", "version": 1}]
    fake.add("shop.Money", OLD["Money"])
    fake.add("orders-shop.OrderPlaced", OLD["OrderPlaced"], money)
    fake.add("orders-shop.OrderCancelled", OLD["OrderCancelled"])
    for subject in fake.versions:
        fake.levels[subject] = "FULL"


def publish(contract_root: Path, registry_root: Path) -> None:
    """Register a contract in the embedded registry of another folder."""
    client = open_registry(RegistrySettings(None), registry_root)
    findings = Findings()
    apply_plan(make_plan(load(contract_root), client, findings), client, findings)
    assert not findings.items


@pytest.fixture(params=["registry", "embedded", "snapshot", "git", "folder"])
def baseline(request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> Iterator[Baseline]:
    nowhere = RegistrySettings(None)
    fake = RegistryFake()
    fill(fake, root)
    with serve(fake) as url:
        match request.param:
            case "registry":
                yield open_baseline(f"registry:{url}", nowhere, root)
            case "embedded":
                publish(write(tmp_path / "released", OLD, OLD_MANIFEST), root)
                yield open_baseline("registry", nowhere, root)
            case "snapshot":
                names = [subject.name for subject in load(root).subjects]
                holdings = open_registry(RegistrySettings(url), root).fetch(names)
                save_snapshot(root / "schemas/registry.snapshot.json", holdings)
                yield open_baseline("snapshot", nowhere, root)
            case "git":
                yield open_baseline("git:main", nowhere, root)
            case _:
                old = tmp_path / "old"
                git(root, "worktree", "add", "-q", "--detach", str(old), "main")
                yield open_baseline(f"folder:{old}", nowhere, root)


def test_every_baseline_gives_the_same_history(baseline: Baseline, root: Path) -> None:
    contract = load(root)
    histories = baseline.histories(contract)
    expected = {"shop.Money", "orders-shop.OrderPlaced", "orders-shop.OrderCancelled"}
    assert set(histories) == expected, "returns-value is new"
    for name, history in histories.items():
        assert history.subject == name
        assert history.level is Level.FULL
        (version,) = history.versions
        assert version.subject == name and version.label and version.problem == ""
        assert version.schema is not None
        assert version.document.text.count("\n") > 3, "its places have lines of their own"
    placed = histories["orders-shop.OrderPlaced"].versions[0].schema
    assert placed is not None
    expected_schema = {**OLD["OrderPlaced"]}
    expected_schema["fields"] = [
        OLD["OrderPlaced"]["fields"][0],
        {"name": "total", "type": "Money"},
    ]
    assert json.loads(render(placed)) == expected_schema
    whole = json.loads(render(placed, inline=True))
    assert whole["fields"][1]["type"]["fields"] == OLD["Money"]["fields"]


def test_every_baseline_knows_what_the_contract_does_not_have_any_more(
    baseline: Archive, root: Path
) -> None:
    assert baseline.departed(load(root)) == {}
    renamed = {**NEW["OrderCancelled"], "name": "OrderStopped"}
    (root / "schemas/shop/OrderCancelled.avsc").unlink()
    write(root, {"OrderStopped": renamed}, MANIFEST.replace("OrderCancelled", "OrderStopped"))
    departed = baseline.departed(load(root))
    assert set(departed) == {"orders-shop.OrderCancelled"}
    (version,) = departed["orders-shop.OrderCancelled"].versions
    assert version.schema is not None
    assert json.loads(render(version.schema))["name"] == "OrderCancelled"


def test_a_shared_registry_holds_more_than_one_contract(root: Path) -> None:
    fake = RegistryFake()
    ours = ("orders-value", "orders-key", "orders-shop.Old", "orders-other.Old", "shop.Old")
    for name in (*ours, "orders-archive-value", "ordersvalue", "other.Old", "Old", "stock-value"):
        fake.add(name, OLD["OrderCancelled"])
    with serve(fake) as url:
        baseline = open_baseline(f"registry:{url}", RegistrySettings(None), root)
        assert set(baseline.departed(load(root))) == set(ours)


def test_every_baseline_answers_alike_twice(baseline: Baseline, root: Path) -> None:
    contract = load(root)
    once, again = baseline.histories(contract), baseline.histories(contract)
    assert list(once) == list(again)
    for name, history in once.items():
        texts = [version.document.text for version in history.versions]
        assert texts == [version.document.text for version in again[name].versions]


# --- git -----------------------------------------------------------------------------------------


def against(spec: str | None, root: Path) -> Baseline:
    return open_baseline(spec, RegistrySettings(None), root)


def test_a_git_baseline_names_the_commit(root: Path) -> None:
    commit = git(root, "rev-parse", "main").strip()
    assert against("git:main", root).name == f"git main@{commit[:7]}"
    assert against(f"git:{commit}", root).name == f"git {commit[:7]}"
    past = against("git:HEAD", root).histories(load(root))["orders-shop.OrderCancelled"].versions[0]
    assert past.label == f"git HEAD@{commit[:7]}"
    assert past.document.name == f"HEAD@{commit[:7]}:schemas/shop/OrderCancelled.avsc"


def fails(spec: str, root: Path) -> CouldNotCheck:
    with pytest.raises(CouldNotCheck) as caught:
        against(spec, root).histories(load(root))
    assert caught.value.message and caught.value.hint
    return caught.value


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    root = write(tmp_path, NEW)
    assert "no git repository" in fails("git:main", root).message


def test_a_repository_without_commits(tmp_path: Path) -> None:
    root = write(tmp_path, NEW)
    git(root, "init", "-q", "-b", "main")
    assert "no commit yet" in fails("git:main", root).message
    # A hook asks for HEAD before the first commit, and must not be what keeps it from being made.
    past = against("git:HEAD", root)
    assert past.name == "git HEAD (no commit yet)"
    assert past.histories(load(root)) == {}


def test_a_branch_without_a_commit_beside_others_is_not_taken_for_an_empty_past(
    root: Path,
) -> None:
    git(root, "checkout", "-q", "--orphan", "fresh")
    assert "no revision HEAD" in fails("git:HEAD", root).message


@pytest.mark.parametrize(
    "revision",
    ["nope", "--help", "-n1", "main extra", "main\nHEAD", "HEAD~9", "HEAD:schemas", "HEAD:../../x"],
)
def test_a_revision_that_is_none(root: Path, revision: str) -> None:
    assert f"no revision {revision}" in fails(f"git:{revision}", root).message


def test_a_file_name_with_a_line_break_is_told(root: Path) -> None:
    (root / "schemas/a\nb.avsc").write_text('{"type": "fixed", "name": "x.Y", "size": 1}')
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "odd")
    assert "'schemas/a\\nb.avsc'" in fails("git:HEAD", root).message
    assert "line break" in fails("git:HEAD", root).message


def test_a_branch_that_only_the_remote_has(root: Path) -> None:
    git(root, "update-ref", "refs/remotes/origin/release", "main")
    assert "git:origin/release" in fails("git:release", root).hint
    assert against("git:origin/release", root).histories(load(root))


def test_a_shallow_clone(root: Path, tmp_path: Path) -> None:
    commit_all(root)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", str(clone))
    assert "fetch-depth: 0" in fails("git:HEAD~1", clone).hint
    assert against("git:HEAD", clone).histories(load(clone))


def test_a_project_below_the_top_of_its_repository(root: Path, tmp_path: Path) -> None:
    project = tmp_path / "mono" / "teams" / "the shop"
    write(project, OLD, MANIFEST.replace("shop.Returned", "shop.Money"))
    git(tmp_path / "mono", "init", "-q", "-b", "main")
    write(tmp_path / "mono" / "teams" / "other", OLD)
    commit_all(tmp_path / "mono")
    write(project, NEW)
    histories = against("git:main", project).histories(load(project))
    assert "orders-shop.OrderPlaced" in histories


def test_contracts_that_moved_within_the_repository(root: Path) -> None:
    moved = root / "contracts"
    moved.mkdir()
    shutil.move(root / "schemas", moved / "schemas")
    histories = against("git:main", moved).histories(load(moved))
    assert histories["orders-shop.OrderPlaced"].versions[0].schema is not None


def test_contracts_that_were_in_two_other_places(root: Path) -> None:
    for name in ("a", "b"):
        write(root / name, OLD)
    shutil.move(root / "schemas", root / "kept")
    commit_all(root)
    write(root / "now", NEW)
    assert "several contracts" in fails("git:main", root / "now").message


def test_a_revision_without_any_schema(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "README").write_text("hello")
    commit_all(tmp_path)
    root = write(tmp_path, NEW)
    assert against("git:main", root).histories(load(root)) == {}


def test_a_revision_with_schemas_and_no_manifest(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    write(tmp_path / "avro", OLD, None)
    commit_all(tmp_path)
    root = write(tmp_path, NEW)
    histories = against("git:main", root).histories(load(root))
    assert "returns-value" not in histories
    assert histories["orders-shop.OrderPlaced"].versions[0].schema is not None


def test_schemas_in_a_submodule(root: Path, tmp_path: Path) -> None:
    git(root, "rm", "-rqf", "schemas")
    shutil.rmtree(root / "schemas", ignore_errors=True)
    inner = write(tmp_path / "inner", OLD)
    git(inner, "init", "-q", "-b", "main")
    commit_all(inner)
    address = str(inner)
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", address, "schemas")
    commit_all(root)
    shutil.rmtree(root / "schemas")
    write(root, NEW)
    assert "submodule" in fails("git:main", root).message


def test_a_schema_behind_a_symbolic_link(root: Path) -> None:
    shared = root / "shared"
    shared.mkdir()
    file = root / "schemas/shop/Money.avsc"
    shutil.move(file, shared / "Money.avsc")
    file.symlink_to("../../shared/Money.avsc")
    commit_all(root)
    histories = against("git:HEAD", root).histories(load(root))
    assert histories["shop.Money"].versions[0].schema is not None
    file.unlink()
    file.symlink_to("../../shared/Gone.avsc")
    commit_all(root)
    write(root, {}, None)
    file.unlink()
    write(root, NEW)
    assert "symbolic link" in fails("git:HEAD", root).message


@pytest.mark.parametrize("spec", ["git:HEAD", "folder:."])
def test_a_link_to_another_schema_is_no_second_one(root: Path, spec: str) -> None:
    (root / "schemas/Link.avsc").symlink_to("shop/Money.avsc")
    commit_all(root)
    histories = against(spec.replace(".", str(root)), root).histories(load(root))
    assert histories["shop.Money"].versions[0].schema is not None
    findings = Findings()
    assert against(spec.replace(".", str(root)), root).contract(findings) is not None
    assert not findings


def test_a_linked_folder_of_the_past_is_not_left_out_in_silence(root: Path, tmp_path: Path) -> None:
    contract = load(root)
    (root / "schemas/linked").symlink_to(tmp_path)
    with pytest.raises(CouldNotCheck, match="symbolic link to a folder"):
        against(f"folder:{root}", root).histories(contract)


def test_a_file_name_that_is_no_text(root: Path) -> None:
    odd = os.fsencode(root / "schemas") + b"/\xff.avsc"
    shutil.move(root / "schemas/shop/Money.avsc", odd)
    commit_all(root)
    os.unlink(odd)
    write(root, NEW)
    (past,) = against("git:HEAD", root).histories(load(root))["shop.Money"].versions
    past.document.name.encode()


def test_inside_a_hook(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    below = root / "below"
    write(below, NEW)
    assert against("git:main", below).histories(load(below))


def test_without_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    assert "not installed" in fails("git:main", root).message


# --- a past with errors --------------------------------------------------------------------------


def test_a_past_with_errors_is_read_as_far_as_it_goes(root: Path) -> None:
    write(root, {"OrderCancelled": '{"type": "record", "name": "OrderCancelled"'})
    write(root, {"Money": {**OLD["Money"], "aliases": ["not a name"]}})
    commit_all(root)
    write(root, NEW)
    histories = against("git:HEAD", root).histories(load(root))
    assert histories["orders-shop.OrderPlaced"].versions[0].schema is not None
    for name in ("orders-shop.OrderCancelled",):
        (past,) = histories[name].versions
        assert past.schema is None
        assert "schemas/shop/OrderCancelled.avsc" in past.problem


def test_two_past_meanings_of_a_type_are_none(tmp_path: Path) -> None:
    old = tmp_path / "old"
    write(old / "a", {"Money": OLD["Money"], "OrderPlaced": OLD["OrderPlaced"]}, None)
    write(old / "b", {"Money": record("Money", units="string")}, None)
    root = write(tmp_path / "new", NEW)
    histories = against(f"folder:{old}", root).histories(load(root))
    for name in ("shop.Money", "orders-shop.OrderPlaced"):
        (past,) = histories[name].versions
        assert past.schema is None and "Money" in past.problem


# --- folder --------------------------------------------------------------------------------------


def test_where_the_past_had_its_registry_is_of_no_interest(tmp_path: Path) -> None:
    elsewhere = OLD_MANIFEST.replace("${SCHEMA_REGISTRY_URL}", "http://127.0.0.1:9")
    old = write(tmp_path / "old", OLD, elsewhere)
    baseline = against(f"folder:{old}", write(tmp_path / "new", NEW))
    findings = Findings()
    assert isinstance(baseline, Repository)
    assert baseline.contract(findings) is not None
    assert list(findings) == []


def test_a_folder_of_bare_schemas(tmp_path: Path) -> None:
    root = write(tmp_path / "new", NEW)
    old = write(tmp_path / "old", OLD, None) / "schemas" / "shop"
    histories = against(str(old), root).histories(load(root))
    past = histories["orders-shop.OrderPlaced"].versions[0]
    assert past.schema is not None
    assert past.document.name == f"{old}/OrderPlaced.avsc"
    assert "returns-value" not in histories


@pytest.mark.parametrize("make", [None, Path.mkdir])
def test_a_folder_with_nothing_in_it(tmp_path: Path, make: Callable[[Path], None] | None) -> None:
    root = write(tmp_path / "new", NEW)
    if make is not None:
        make(tmp_path / "old")
    fails(f"folder:{tmp_path / 'old'}", root)


def test_an_event_keeps_its_past_when_its_subject_is_renamed(tmp_path: Path) -> None:
    old = write(tmp_path / "old", NEW)
    manifest = MANIFEST.replace("[shop.Returned]", "[shop.Returned, shop.Money]")
    root = write(tmp_path / "new", NEW, manifest)
    histories = against(str(old), root).histories(load(root))
    assert histories["returns-shop.Returned"].versions[0].schema is not None


# --- embedded ------------------------------------------------------------------------------------


def test_a_question_does_not_make_the_embedded_registry(root: Path) -> None:
    assert against("registry", root).histories(load(root)) == {}
    client = open_registry(RegistrySettings(None), root)
    assert make_plan(load(root), client, Findings()).changes
    assert not (root / ".kontrakt").exists()
    publish(root, root)
    assert client.subjects(), "a client sees what came after its first question"
    assert (root / ".kontrakt/registry.db").is_file()
    assert make_plan(load(root), client, Findings()).changes == ()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None])
def test_an_embedded_registry_that_is_none(root: Path, content: bytes | None) -> None:
    file = root / ".kontrakt/registry.db"
    file.parent.mkdir()
    file.mkdir() if content is None else file.write_bytes(content)
    assert "embedded registry" in fails("registry", root).message


def test_a_damaged_embedded_registry(root: Path) -> None:
    publish(root, root)
    gc.collect()  # closes the file, so that all of it is in one place
    file = root / ".kontrakt/registry.db"
    data = file.read_bytes()
    file.write_bytes(data[:8192] + b"A" * (len(data) - 8192))
    assert fails("registry", root).exit_code == 3


# --- which baseline ------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["", "nope", "git:", "folder:", "svn:trunk", "registry:x"])
def test_a_baseline_that_is_none(spec: str, root: Path) -> None:
    with pytest.raises(KontraktError) as caught:
        against(spec, root)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_the_default_is_the_registry_then_the_snapshot(root: Path) -> None:
    assert "embedded" in against(None, root).name
    (root / "schemas/registry.snapshot.json").write_text('{"version": 1, "subjects": {}}')
    assert against(None, root).name == "snapshot schemas/registry.snapshot.json"
    named = open_baseline(None, RegistrySettings("http://127.0.0.1:1"), root)
    assert named.name == "http://127.0.0.1:1"


@pytest.mark.parametrize("spec", ["folder:../before", "git:HEAD"])
def test_what_runs_until_the_change_comes_is_what_the_lock_of_the_past_says(
    tmp_path: Path, spec: str
) -> None:
    manifest = (
        "version: 1\ntopics: {returns: {events: [shop.Returned]}}\n"
        "services:\n  shop: {produces: [returns], targets: {python: {}}}\n"
    )
    shop = write(tmp_path / "shop", {"Returned": record("Returned", id="string")}, manifest)

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "codegen", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(
            command, cwd=shop, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    run("generate")
    shutil.copytree(shop, tmp_path / "before")
    git(shop, "init", "-q")
    commit_all(shop)
    grown = {"name": "why", "type": "string", "default": "unknown"}
    schema = record("Returned", id="string")
    schema["fields"].append(grown)
    write(shop, {"Returned": schema}, None)
    run("generate")
    told = run("impact", "--against", spec)
    assert "added field why" in told and "assumed" not in told
    for lock in (tmp_path / "before", shop):
        (lock / "generated" / "kontrakt.lock").write_text("{}")
    commit_all(shop)
    (shop / "schemas" / "shop" / "Returned.avsc").write_text(json.dumps({**schema, "doc": "A."}))
    shutil.rmtree(shop / "generated")
    run("generate")
    assert "assumed" in run("impact", "--against", spec)
