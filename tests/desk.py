"""A small contract of a help desk, and the Python packages that are generated from it."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from codegen.contract.load import load_contract
from codegen.contract.model import Contract
from codegen.diagnostics import Findings

MANIFEST = """\
version: 1
defaults: {compatibility: BACKWARD, replication: 1}
topics:
  questions:
    doc: What people ask.
    key: question_id
    partitions: 3
    events: [help.desk.Asked, help.desk.Withdrawn]
  answers:
    doc: What they are told.
    key: question_id
    partitions: 2
    events: [help.desk.Answered, help.desk.Refused]
  profiles:
    doc: Who they are.
    key: user_id
    partitions: 2
    cleanup_policy: compact
    events: [help.desk.ProfileChanged]
services:
  answer-service:
    doc: Answers questions.
    consumes: [questions, profiles]
    produces: [answers]
    targets: {python: {}}
  ask-service:
    doc: Asks them.
    produces: [questions, profiles]
    targets: {python: {}}
  audit-service:
    doc: Looks at what was withdrawn.
    consumes: [{topic: questions, events: [help.desk.Withdrawn]}]
    targets: {python: {}}
"""


def make_async(manifest: str = MANIFEST) -> str:
    """The manifest with stubs for asyncio, whose packages have names of their own."""
    for name in ("answer", "ask", "audit"):
        head, service, rest = manifest.partition(f"  {name}-service:")
        options = f"python: {{style: async, package: async_{name}_service}}"
        manifest = head + service + rest.replace("python: {}", options, 1)
    return manifest


def record(name: str, *fields: tuple[str, object]) -> str:
    """The text of a record schema in the namespace of the help desk."""
    listed = [
        {
            "name": field,
            "doc": f"The {field}.",
            **(kind if isinstance(kind, dict) else {"type": kind}),
        }
        for field, kind in fields
    ]
    value = {
        "type": "record",
        "name": name,
        "namespace": "help.desk",
        "doc": f"It was {name.lower()}.",
        "fields": listed,
    }
    return json.dumps(value, indent=2)


SCHEMAS = {
    "Asked": record("Asked", ("question_id", "string"), ("text", "string")),
    "Withdrawn": record("Withdrawn", ("question_id", "string")),
    "Answered": record(
        "Answered",
        ("question_id", "string"),
        ("text", "string"),
        ("score", {"type": "int", "default": 0}),
    ),
    "Refused": record("Refused", ("question_id", "string"), ("reason", "string")),
    "ProfileChanged": record("ProfileChanged", ("user_id", "string"), ("name", "string")),
}


def write_contract(
    root: Path, manifest: str = MANIFEST, schemas: dict[str, str] = SCHEMAS
) -> Contract:
    """Write the contract to a folder and load it."""
    folder = root / "schemas" / "help" / "desk"
    folder.mkdir(parents=True)
    (root / "schemas" / "contracts.yaml").write_text(manifest)
    for name, text in schemas.items():
        (folder / f"{name}.avsc").write_text(text)
    findings = Findings()
    contract = load_contract(root, findings)
    assert contract is not None, [finding.message for finding in findings]
    return contract


def generate_packages(contract: Contract, folder: Path) -> dict[str, Path]:
    """Generate every service's package; where each one lies, by the name of the service."""
    from codegen.targets import discover_targets

    target = discover_targets()["python"]
    places = {}
    for service in contract.services:
        places[service.name] = folder / service.name
        for file in target.files(service, contract, service.targets["python"]):
            path = places[service.name] / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
    return places


@pytest.fixture(scope="session")
def desk_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where the generated packages of the help desk lie, importable, by the name of the service."""
    root = tmp_path_factory.mktemp("desk")
    folders = generate_packages(write_contract(root), root / "generated")
    sys.path[:0] = [str(folder) for folder in folders.values()]
    return folders


@pytest.fixture(scope="session")
def answer_service(desk_folders: dict[str, Path]) -> ModuleType:
    """The package of the service that consumes and produces, with its submodule `fakes`."""
    importlib.import_module("answer_service.fakes")
    return importlib.import_module("answer_service")


@pytest.fixture(scope="session")
def ask_service(desk_folders: dict[str, Path]) -> ModuleType:
    """The package of the service that only produces, with its submodule `fakes`."""
    importlib.import_module("ask_service.fakes")
    return importlib.import_module("ask_service")


@pytest.fixture(scope="session")
def audit_service(desk_folders: dict[str, Path]) -> ModuleType:
    """The package of the service that only consumes, with its submodule `fakes`."""
    importlib.import_module("audit_service.fakes")
    return importlib.import_module("audit_service")


@pytest.fixture(scope="session")
def async_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """As `desk_folders`, with the packages for asyncio."""
    root = tmp_path_factory.mktemp("async")
    folders = generate_packages(write_contract(root, make_async()), root / "generated")
    sys.path[:0] = [str(folder) for folder in folders.values()]
    return folders


@pytest.fixture(scope="session")
def async_answer(async_folders: dict[str, Path]) -> ModuleType:
    """The package for asyncio of the service that consumes and produces."""
    importlib.import_module("async_answer_service.fakes")
    return importlib.import_module("async_answer_service")


@pytest.fixture(scope="session")
def async_ask(async_folders: dict[str, Path]) -> ModuleType:
    """The package for asyncio of the service that only produces."""
    importlib.import_module("async_ask_service.fakes")
    return importlib.import_module("async_ask_service")
