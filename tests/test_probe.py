"""What kontrakt finds out about a registry, and says when there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from registry_fake import Handler, RegistryFake, serve

from codegen.baselines import open_registry
from codegen.baselines.capabilities import probe
from codegen.cli import program
from codegen.contract.model import Level, RegistrySettings
from codegen.diagnostics import CouldNotCheck

PROJECT = Path(__file__).parent.parent
RECORD = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
WRITES = ("PUT", "DELETE")


@pytest.fixture
def fake() -> RegistryFake:
    return RegistryFake()


@pytest.fixture
def url(fake: RegistryFake) -> Iterator[str]:
    with serve(fake) as address:
        yield address


def find(settings: RegistrySettings, folder: Path) -> dict[str, bool | None]:
    found = probe(open_registry(settings, folder))
    assert all(item.note for item in found.items if item.is_there is not True)
    return {item.name: item.is_there for item in found.items}


def test_the_embedded_registry_can_do_everything(tmp_path: Path) -> None:
    settings = RegistrySettings(None)
    empty = find(settings, tmp_path)
    assert False not in empty.values()
    assert not (tmp_path / ".kontrakt").exists(), "a probe writes nothing"
    client = open_registry(settings, tmp_path)
    client.register("Order", json.dumps(RECORD))
    user = {"type": "record", "name": "User", "fields": [{"name": "order", "type": "Order"}]}
    order = client.version("Order", 1)
    references = [{"name": "Order", "subject": "Order", "version": order.version}]
    body = {"schema": json.dumps(user), "references": references}
    assert client.transport.send("POST", "/subjects/User/versions", None, body).status == 200
    assert set(find(settings, tmp_path).values()) == {True}


def test_what_a_registry_lacks_is_found_out_and_nothing_is_written(
    fake: RegistryFake, url: str, tmp_path: Path
) -> None:
    fake.add("orders-value", RECORD)
    fake.refuse = lambda subject, text: (409, {"error_code": 409, "message": ""})
    before = json.dumps(fake.versions)
    assert find(RegistrySettings(url), tmp_path) == {
        "all-versions": True,
        "reasons": True,
        "references": None,
        "levels": True,
        "modes": False,
        "metadata": False,
        "contexts": False,
        "listing": False,
    }
    assert json.dumps(fake.versions) == before
    assert not [method for method, *_ in fake.requests if method in WRITES]
    posts = [path for method, path, *_ in fake.requests if method == "POST"]
    assert all(path.startswith("/compatibility/") for path in posts)


def test_a_level_that_nobody_set_may_look_like_one(
    fake: RegistryFake, url: str, tmp_path: Path
) -> None:
    fake.add("orders-value", RECORD)
    fake.levels["orders-value"] = "NONE"
    fake.level = "FULL"

    def know_nobody(handler: Handler) -> bool:
        if "kontrakt-probe" not in handler.path:
            return False
        handler.reply(404, b'{"error_code": 40401, "message": "Subject not found."}')
        return True

    assert find(RegistrySettings(url), tmp_path)["levels"] is True
    fake.behave = know_nobody
    assert find(RegistrySettings(url), tmp_path)["levels"] is False
    fake.level = "NONE"
    assert find(RegistrySettings(url), tmp_path)["levels"] is None


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCHEMA_REGISTRY_URL", raising=False)
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(program, ["probe", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_says_it_to_people_and_to_programs(
    fake: RegistryFake, url: str, repository: Path
) -> None:
    code, shown, _ = run("--registry", url)
    assert code == 0
    assert url in shown and "0 subjects, level BACKWARD, mode READWRITE" in shown
    assert "no   has contexts" in shown
    code, shown, _ = run("--registry", url, "--format", "json")
    value = json.loads(shown)
    assert (value["version"], value["registry"], value["level"]) == (1, url, Level.BACKWARD.value)
    assert {"name", "summary", "is_there", "note"} == set(value["items"][0])


def test_it_needs_no_repository(
    fake: RegistryFake, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCHEMA_REGISTRY_URL", raising=False)
    refused = CliRunner().invoke(program, ["probe"]).exception
    assert isinstance(refused, CouldNotCheck), "nothing names a registry"
    code, shown, _ = run("--registry", url)
    assert (code, url in shown) == (0, True)
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", url)
    assert run()[0] == 0
    monkeypatch.delenv("SCHEMA_REGISTRY_URL")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/contracts.yaml").write_text(f"version: 1\nregistry: {{url: '{url}'}}\n")
    (tmp_path / "schemas/Broken.avsc").write_text("{")
    assert run()[0] == 0


def test_a_context_that_the_registry_has_not_got(
    fake: RegistryFake, url: str, repository: Path
) -> None:
    manifest = repository / "schemas/contracts.yaml"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace("registry:", "registry:\n  context: staging"), "utf-8")
    code, _, said = run("--registry", url)
    assert code == 1
    assert "names a context" in said
