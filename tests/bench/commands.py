"""How long a command takes, as a whole process, beside a bare Python."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
ROUNDS = 21


def seconds(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def measure() -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(PROJECT / "schemas", folder / "schemas")
        kontrakt = [str(Path(sys.executable).with_name("kontrakt"))]
        commands = {
            "kontrakt --help": [*kontrakt, "--help"],
            "kontrakt check, the retail contracts": [*kontrakt, "check"],
            "kontrakt generate, the retail contracts": [*kontrakt, "generate"],
        }
        bare = [sys.executable, "-c", "pass"]
        times: dict[str, list[float]] = {name: [] for name in (*commands, "bare")}
        for _ in range(ROUNDS):
            times["bare"].append(seconds(bare, folder))
            for what, command in commands.items():
                times[what].append(seconds(command, folder))
        other = statistics.median(times["bare"]) * 1000
        for what in commands:
            ours = statistics.median(times[what]) * 1000
            yield {
                "name": f"{what} | python -c pass",
                "ours": ours,
                "other": other,
                "ratio": other / ours,
                "unit": "ms",
            }
