"""A generated package as a whole: what it offers, its types, its texts, what it depends on."""

# ruff: noqa: F811

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from desk import (  # noqa: F401
    MANIFEST,
    answer_service,
    ask_service,
    audit_service,
    desk_folders,
    generate_packages,
    write_contract,
)

from codegen.diagnostics import KontraktError

SERVICE = """\
from answer_service import (
    Answered,
    Asked,
    Consumer,
    Handler,
    Message,
    Producer,
    ProfileChanged,
    Refused,
    Withdrawn,
    settings,
)


class Answers(Handler):
    def __init__(self, producer: Producer) -> None:
        self.producer = producer

    def on_asked(self, question: Asked, message: Message) -> None:
        self.producer.send(
            Answered(question_id=question.question_id, text="because"), caused_by=message
        )

    def on_withdrawn(self, event: Withdrawn, message: Message) -> None:
        self.producer.send(Refused(question_id=event.question_id, reason="gone"))

    def on_profile_changed(self, event: ProfileChanged, message: Message) -> None:
        print(event.name, message.id, message.time)

    def on_deletion_from_profiles(self, message: Message) -> None:
        print(message.key)


def main() -> None:
    with Producer(settings()) as producer:
        with Consumer(settings(), Answers(producer)) as consumer:
            consumer.run()
"""

UNIT_TEST = """\
from answer_service import Answered, Asked, Consumer, Producer
from answer_service.fakes import fakes

from service import Answers


def test_a_question_is_answered() -> None:
    with fakes() as fake, Producer(fake.settings()) as producer:
        with Consumer(fake.settings(), Answers(producer)) as consumer:
            fake.deliver(Asked(question_id="q1", text="why?"))
            consumer.drain()
            assert fake.sent == (Answered(question_id="q1", text="because"),)
"""

MISTAKES = {
    "a forgotten handler": (
        "    def on_withdrawn(self, event: Withdrawn, message: Message) -> None:\n"
        '        self.producer.send(Refused(question_id=event.question_id, reason="gone"))\n',
        "",
        r'Cannot instantiate abstract class "Answers" with abstract attribute "on_withdrawn"',
    ),
    "an event that the service does not produce": (
        'Refused(question_id=event.question_id, reason="gone")',
        "event",
        r'Argument 1 to "send" of "EventProducer" has incompatible type "Withdrawn"; '
        r'expected "Answered \| Refused"',
    ),
    "a misspelt field": (
        "event.name",
        "event.nmae",
        r'"ProfileChanged" has no attribute "nmae"',
    ),
    "a misspelt field of a new event": (
        'reason="gone"',
        'raeson="gone"',
        r'Unexpected keyword argument "raeson" for "Refused"',
    ),
    "a field that is forgotten": (
        ', reason="gone"',
        "",
        r'Missing named argument "reason" for "Refused"',
    ),
    "a handler of another event": (
        "question: Asked",
        "question: Answered",
        r'Argument 1 of "on_asked" is incompatible with supertype "answer_service\.consumer',
    ),
    "a field of another type": (
        'text="because"',
        "text=5",
        r'Argument "text" to "Answered" has incompatible type "int"; expected "str"',
    ),
}


def check_types(folder: Path, packages: Path, *targets: str) -> str:
    """What mypy --strict says about files that use the generated package."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-color-output",
         "--cache-dir", str(packages / ".mypy_cache"), *targets],
        cwd=folder,
        env={"MYPYPATH": str(packages), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_the_generated_packages_are_clean_under_mypy_strict(desk_folders: dict[str, Path]) -> None:
    for service, folder in desk_folders.items():
        package = service.replace("-", "_")
        assert check_types(folder, folder, "-p", package) == ""


def test_a_service_and_its_test_are_clean_and_pass(
    desk_folders: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "test_service.py").write_text(UNIT_TEST)
    packages = desk_folders["answer-service"]
    assert check_types(tmp_path, packages, "service.py", "test_service.py") == ""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_service.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{packages}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_type_error(
    desk_folders: dict[str, Path], tmp_path: Path, mistake: str
) -> None:
    right, wrong, expected = MISTAKES[mistake]
    assert SERVICE.count(right) == 1
    # A name of its own, because mypy's cache tells files by name, size and time.
    file = f"service{list(MISTAKES).index(mistake)}.py"
    (tmp_path / file).write_text(SERVICE.replace(right, wrong))
    told = check_types(tmp_path, desk_folders["answer-service"], file)
    assert re.search(expected, told), told


def test_a_service_gets_what_makes_sense_for_it(
    answer_service: ModuleType, ask_service: ModuleType, audit_service: ModuleType
) -> None:
    for name in ("Producer", "Consumer", "Handler", "Message", "settings", "Asked", "Answered"):
        assert name in answer_service.__all__
    assert "Producer" in ask_service.__all__ and "Consumer" not in ask_service.__all__
    assert "Consumer" in audit_service.__all__ and "Producer" not in audit_service.__all__
    for package in (answer_service, ask_service, audit_service):
        assert all(hasattr(package, name) for name in package.__all__)
        assert len(set(package.__all__)) == len(package.__all__)


def test_importing_a_package_brings_no_client_in(desk_folders: dict[str, Path]) -> None:
    heavy = ("confluent_kafka", "http.client", "ssl", "sqlite3", "urllib.request", "codegen")
    code = f"import answer_service, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(desk_folders["answer-service"])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_package_imports_the_standard_library_and_confluent_kafka_only(
    desk_folders: dict[str, Path],
) -> None:
    allowed = sys.stdlib_module_names | {"confluent_kafka"}
    importers = set()
    for path in sorted(desk_folders["answer-service"].glob("answer_service/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                if name == "pytest":
                    assert path.name == "pytest_plugin.py"
                    continue
                assert name.partition(".")[0] in allowed, (path, name)
                if name.startswith("confluent_kafka"):
                    importers.add(path.name)
    assert importers == {"confluent.py"}


def test_the_pages_are_as_ruff_would_write_them(desk_folders: dict[str, Path]) -> None:
    pages = [
        str(path)
        for folder in desk_folders.values()
        for name in ("__init__", "producer", "consumer", "fakes", "pytest_plugin")
        for path in folder.glob(f"*_service/{name}.py")
    ]
    assert len(pages) == 13
    for arguments in (["format", "--diff"], ["check", "--no-cache", "--select", "I,F,E"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, *pages],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


FIXTURE_TEST = """
import pytest
from answer_service import Asked, Consumer
from answer_service.fakes import Fakes, samples

from service import Service


@pytest.mark.parametrize("turn", range(2))
def test_each_test_has_its_own(answer_service_fakes: Fakes, turn: int) -> None:
    assert not answer_service_fakes.sent
    with Consumer(answer_service_fakes.settings(), Service()) as consumer:
        answer_service_fakes.deliver(samples.valid(Asked))
        consumer.drain()
        assert consumer.statistics.handled == 1
"""


def test_pytest_has_the_fakes_of_an_installed_package(
    desk_folders: dict[str, Path], tmp_path: Path
) -> None:
    packages = desk_folders["answer-service"]
    (blocks,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", (packages / "README.md").read_text(), re.S)
        if "class Service(" in block
    )
    (tmp_path / "service.py").write_text(blocks)
    (tmp_path / "test_service.py").write_text(FIXTURE_TEST)
    assert check_types(tmp_path, packages, "service.py", "test_service.py") == ""
    # What installing the package tells pytest.
    project = tomllib.loads((packages / "pyproject.toml").read_text())["project"]
    about = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    name, version = project["name"], project["version"]
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = project["entry-points"]["pytest11"]
    lines = ["[pytest11]", *(f"{key} = {value}" for key, value in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_service.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{packages}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_project_file_says_what_the_package_needs(desk_folders: dict[str, Path]) -> None:
    value = tomllib.loads((desk_folders["answer-service"] / "pyproject.toml").read_text())
    assert value["project"]["requires-python"] == ">=3.11"
    (requirement,) = value["project"]["dependencies"]
    assert requirement.startswith("confluent-kafka>=")
    assert value["project"]["description"] == "Answers questions."


@pytest.mark.parametrize("service", ["answer-service", "ask-service", "audit-service"])
def test_the_code_of_the_readme_runs(
    desk_folders: dict[str, Path], tmp_path: Path, service: str
) -> None:
    run_readme(desk_folders[service], tmp_path)


def run_readme(package: Path, folder: Path) -> None:
    """Check the types of the code in a package's README, and run the test there."""
    blocks = re.findall(r"```python\n(.*?)```", (package / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    (name,) = (each.name for each in package.glob("*_service"))
    files = []
    for number, block in enumerate(blocks):
        is_test = "def test_" in block
        is_service = "class Service(" in block
        files.append("service.py" if is_service else f"{'test_' * is_test}{name}_{number}.py")
        (folder / files[-1]).write_text(block)
        names = {
            node.module for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)
        }
        assert any(each and each.startswith(name) for each in names)
    assert check_types(folder, package, *files) == ""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={"PYTHONPATH": f"{package}:{folder}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


HOSTILE = 'Quotes """ \\ \' */ {{ x }} {% raw %} <b> | `code` \\u2028 \u2028 \x7f end'


def test_hostile_docs_stay_text(tmp_path: Path) -> None:
    import json

    manifest = MANIFEST.replace("doc: Answers questions.", f"doc: {json.dumps(HOSTILE)}")
    folders = generate_packages(write_contract(tmp_path, manifest), tmp_path / "generated")
    folder = folders["answer-service"]
    for path in folder.glob("answer_service/*.py"):
        compile(path.read_text(encoding="utf-8"), str(path), "exec")
    description = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["description"]
    assert description == " ".join(HOSTILE.split())
    readme = (folder / "README.md").read_text()
    assert "<b>" not in readme.replace("\\<b\\>", "")


def test_one_event_on_two_topics_of_a_producer_is_refused(tmp_path: Path) -> None:
    manifest = MANIFEST.replace(
        "events: [help.desk.Answered, help.desk.Refused]",
        "events: [help.desk.Answered, help.desk.Refused, help.desk.Asked]",
    ).replace("produces: [questions, profiles]", "produces: [questions, profiles, answers]")
    contract = write_contract(tmp_path, manifest)
    with pytest.raises(KontraktError, match=r"ask-service produces help\.desk\.Asked on questions"):
        generate_packages(contract, tmp_path / "generated")


def test_the_same_contract_gives_the_same_bytes(
    desk_folders: dict[str, Path], tmp_path: Path
) -> None:
    again = generate_packages(write_contract(tmp_path), tmp_path / "generated")
    for service, folder in desk_folders.items():
        first = {
            p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.[pmt]*") if p.is_file()
        }
        for path, data in first.items():
            if "__pycache__" not in path.parts and ".mypy_cache" not in path.parts:
                assert (again[service] / path).read_bytes() == data, path
