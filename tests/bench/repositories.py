"""`kontrakt check` on whole repositories, made in a temporary folder: time and memory by size."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.histories import VERSIONS, event_name, schema_text

SIZES = (100, 1_000, 10_000)
"""The last one takes a minute and a half, and 3 GB of memory."""

TOPICS_OF_A_SERVICE = 10
ROOT = Path(__file__).parent.parent.parent


def measure() -> Iterator[dict[str, object]]:
    """The time for each subject must not grow with the number of subjects."""
    found = [(size, *check_repository(size)) for size in SIZES]
    _, smallest, least = found[0]
    for size, seconds, megabytes in found:
        name = f"check of {size} subjects with {VERSIONS} versions"
        yield {
            "name": f"{name} | {SIZES[0]} subjects, as often",
            "ours": seconds,
            "other": smallest * size / SIZES[0],
            "ratio": smallest * size / SIZES[0] / seconds,
            "unit": "s of CPU",
        }
        yield {
            "name": f"{name}, peak memory | {SIZES[0]} subjects",
            "ours": megabytes,
            "other": least,
            "ratio": least / megabytes,
            "unit": "MB",
        }


def check_repository(size: int) -> tuple[float, float]:
    """The seconds of a processor and the peak memory in megabytes of one `kontrakt check`."""
    with TemporaryDirectory() as folder:
        make_repository(Path(folder), size)
        output = Path(folder, "output.txt")
        command = [sys.executable, "-m", "codegen", "check", "--against", "snapshot"]
        status, seconds, megabytes = run([*command, "--root", folder], output)
        assert status == 0, output.read_text("utf-8")[-2000:]
        assert f"({size * VERSIONS} versions)" in output.read_text("utf-8")
    return seconds, megabytes


def run(command: list[str], output: Path) -> tuple[int, float, float]:
    """The exit code of a command, the seconds of a processor, the peak memory in megabytes."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    streams = [
        (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = os.posix_spawn(command[0], command, variables, file_actions=streams)
    _, status, usage = os.wait4(process, 0)
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1_000_000 if sys.platform == "darwin" else 1_000
    seconds = usage.ru_utime + usage.ru_stime
    return os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss / unit


def make_repository(folder: Path, size: int) -> None:
    """One event a topic, each with its history in the snapshot and one more field by now."""
    schemas = folder / "schemas"
    schemas.mkdir()
    for subject in range(size):
        text = schema_text(subject, VERSIONS)
        (schemas / f"{event_name(subject)}.avsc").write_text(text, "utf-8")
    (schemas / "contracts.yaml").write_text(make_manifest(size), "utf-8")
    (schemas / "registry.snapshot.json").write_text(make_snapshot(size), "utf-8")


def make_manifest(size: int) -> str:
    lines = ["version: 1", "defaults: {compatibility: FULL_TRANSITIVE}", "topics:"]
    for subject in range(size):
        lines += [
            f"  topic{subject}:",
            f"    doc: What happens to part {subject}.",
            "    owner: a-team",
            "    key: id",
            "    partitions: 6",
            "    retention: 30d",
            f"    events: [{event_name(subject)}]",
        ]
    lines.append("services:")
    for first in range(0, size, TOPICS_OF_A_SERVICE):
        topics = range(first, min(first + TOPICS_OF_A_SERVICE, size))
        lines += [
            f"  service{first}:",
            "    doc: Takes parts and announces them.",
            f"    produces: [{', '.join(f'topic{topic}' for topic in topics)}]",
            f"    consumes: [{', '.join(f'topic{(topic + 5) % size}' for topic in topics)}]",
        ]
    return "\n".join(lines) + "\n"


def make_snapshot(size: int) -> str:
    subjects = {}
    for subject in range(size):
        versions = [
            {
                "version": version + 1,
                "id": subject * VERSIONS + version + 1,
                "schema": json.loads(schema_text(subject, version)),
            }
            for version in range(VERSIONS)
        ]
        subjects[f"topic{subject}-value"] = {"versions": versions}
    return json.dumps({"version": 1, "subjects": subjects}, indent=2)
