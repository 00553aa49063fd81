"""Fetch what the real parts need before the tests ask for it: `python -m real` in tests/.

Needs nothing but the standard library. Says what is missing and ends with 1 then.
"""

from __future__ import annotations

import sys

from real.java import AVRO, KAFKA, java, maven_archive, maven_class_path
from real.processes import Missing
from real.registries import LINES


def fetch() -> int:
    """Fetch everything; the exit code."""
    try:
        maven_class_path(*KAFKA)
        maven_class_path(AVRO)
        for line in LINES:
            maven_archive(line.artifact)
        print("Java:", *sorted({str(java(version)) for version in (17, 21)}))
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(fetch())
