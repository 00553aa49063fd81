"""A generated package for asyncio as a whole: its types, its texts, what it depends on."""

# ruff: noqa: F811

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from desk import async_folders  # noqa: F401
from test_generated_package import check_types, run_readme

SERVICE = """\
import asyncio

from async_answer_service import (
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

    async def on_asked(self, question: Asked, message: Message) -> None:
        answer = Answered(question_id=question.question_id, text="because")
        await self.producer.send(answer, caused_by=message)

    async def on_withdrawn(self, event: Withdrawn, message: Message) -> None:
        await (await self.producer.send(Refused(question_id=event.question_id, reason="gone")))

    async def on_profile_changed(self, event: ProfileChanged, message: Message) -> None:
        print(event.name, message.id, message.time)

    async def on_deletion_from_profiles(self, message: Message) -> None:
        print(message.key)


async def main() -> None:
    async with Producer(settings()) as producer:
        async with Consumer(settings(), Answers(producer)) as consumer:
            await consumer.run()


if __name__ == "__main__":
    asyncio.run(main())
"""

BATCHES = """\
from collections.abc import Sequence

from async_answer_service import (
    Asked,
    BatchConsumer,
    BatchHandler,
    Message,
    Producer,
    ProfileChanged,
    Received,
    Withdrawn,
    settings,
)


class Stores(BatchHandler):
    async def on_asked(self, batch: Sequence[Received[Asked]], /) -> None:
        print([(each.event.text, each.message.id) for each in batch])

    async def on_withdrawn(self, batch: Sequence[Received[Withdrawn]], /) -> None:
        print(len(batch))

    async def on_profile_changed(self, batch: Sequence[Received[ProfileChanged]], /) -> None: ...

    async def on_deletion_from_profiles(self, message: Message, /) -> None: ...


async def main() -> None:
    async with BatchConsumer(settings(), Stores(), batch=100) as consumer:
        await consumer.run()
        print(consumer.health().is_ready())
"""

UNIT_TEST = """\
import asyncio

from async_answer_service import Answered, Asked, Consumer, Producer
from async_answer_service.fakes import fakes

from service import Answers


def test_a_question_is_answered() -> None:
    asyncio.run(check())


async def check() -> None:
    with fakes() as fake:
        async with Producer(fake.settings()) as producer:
            async with Consumer(fake.settings(), Answers(producer)) as consumer:
                fake.deliver(Asked(question_id="q1", text="why?"))
                await consumer.drain()
                assert fake.sent == (Answered(question_id="q1", text="because"),)
"""

MISTAKES = {
    "a forgotten await": (
        "await self.producer.send(answer, caused_by=message)",
        "self.producer.send(answer, caused_by=message)",
        r"Value of type .*Coroutine\[Any, Any, Delivery\].* must be used",
    ),
    "a handler that is not async": (
        "async def on_withdrawn",
        "def on_withdrawn",
        r'"await" outside coroutine|Return type "None" of "on_withdrawn" incompatible with return '
        r'type "Coroutine',
    ),
    "a forgotten handler": (
        "    async def on_deletion_from_profiles(self, message: Message) -> None:\n"
        "        print(message.key)\n",
        "",
        r'Cannot instantiate abstract class "Answers" with abstract attribute '
        r'"on_deletion_from_profiles"',
    ),
    "an event that the service does not produce": (
        'Refused(question_id=event.question_id, reason="gone")',
        "event",
        r'Argument 1 to "send" of "EventProducer" has incompatible type "Withdrawn"; '
        r'expected "Answered \| Refused"',
    ),
}


def test_the_packages_are_clean_under_mypy_strict(async_folders: dict[str, Path]) -> None:
    for service, folder in async_folders.items():
        package = f"async_{service.replace('-', '_')}"
        assert check_types(folder, folder, "-p", package) == ""


def test_a_service_and_its_test_are_clean_and_pass(
    async_folders: dict[str, Path], tmp_path: Path
) -> None:
    files = {"service.py": SERVICE, "batches.py": BATCHES, "test_service.py": UNIT_TEST}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    packages = async_folders["answer-service"]
    assert check_types(tmp_path, packages, *files) == ""
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
    async_folders: dict[str, Path], tmp_path: Path, mistake: str
) -> None:
    right, wrong, expected = MISTAKES[mistake]
    assert SERVICE.count(right) == 1
    # A name of its own, because mypy's cache tells files by name, size and time.
    file = f"async_service{list(MISTAKES).index(mistake)}.py"
    (tmp_path / file).write_text(SERVICE.replace(right, wrong))
    told = check_types(tmp_path, async_folders["answer-service"], file)
    assert re.search(expected, told), told


@pytest.mark.parametrize("service", ["answer-service", "ask-service", "audit-service"])
def test_the_code_of_the_readme_runs(
    async_folders: dict[str, Path], tmp_path: Path, service: str
) -> None:
    assert "confluent" not in (async_folders[service] / "README.md").read_text()
    run_readme(async_folders[service], tmp_path)


def test_importing_a_package_brings_no_client_in(async_folders: dict[str, Path]) -> None:
    heavy = ("aiokafka", "asyncio", "http.client", "ssl", "sqlite3", "urllib.request", "codegen")
    code = f"import async_answer_service, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(async_folders["answer-service"])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_package_imports_the_standard_library_and_aiokafka_only(
    async_folders: dict[str, Path],
) -> None:
    importers = set()
    for path in sorted(async_folders["answer-service"].glob("async_answer_service/**/*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                is_plugin = name == "pytest" and path.name == "pytest_plugin.py"
                assert is_plugin or name.partition(".")[0] in sys.stdlib_module_names, (path, name)
        if 'import_module("aiokafka' in text:
            importers.add(path.name)
    assert {name.partition("_")[0] for name in importers} == {"aiokafka"}
    assert not list(async_folders["answer-service"].glob("*/_runtime/kafka/confluent.py"))


def test_the_pages_are_as_ruff_would_write_them(async_folders: dict[str, Path]) -> None:
    pages = [
        str(path)
        for folder in async_folders.values()
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


def test_the_project_file_says_what_the_package_needs(async_folders: dict[str, Path]) -> None:
    value = tomllib.loads((async_folders["answer-service"] / "pyproject.toml").read_text())
    (requirement,) = value["project"]["dependencies"]
    assert requirement.startswith("aiokafka[")
    assert list(value["project"]["optional-dependencies"]) == ["opentelemetry"]
