"""`python -m tests.bench FILE` runs all benchmarks and writes their rows as JSON.

A row is {"name", "ours", "other", "ratio", "unit"}; the ratio says how many times as fast ours is.
Each module beside this one with a function `measure` takes part, or those that are named.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules


def main() -> None:
    target, *names = sys.argv[1:] or ["bench.json"]
    rows = []
    for row in measure(names):
        print(f"{row['name']:<60} {row['ours']:>12,.1f} {row['other']:>12,.1f} {row['unit']:<12}"
              f" {row['ratio']:>6.2f} x", flush=True)  # fmt: skip
        rows.append(row)
    Path(target).write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


def measure(names: list[str]) -> Iterator[dict[str, object]]:
    for module in iter_modules([str(Path(__file__).parent)]):
        if module.name == "__main__" or (names and module.name not in names):
            continue
        benchmark = getattr(import_module(f"tests.bench.{module.name}"), "measure", None)
        if benchmark is not None:
            yield from benchmark()


main()
