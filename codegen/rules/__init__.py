"""Every rule of the tool: those of this package and those that other modules declare."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from codegen.diagnostics import RULES, Rule

ELSEWHERE = (
    "avro.parse",
    "avro.schema_rules",
    "baselines.snapshot",
    "contract.load",
    "contract.manifest",
    "contract.reading",
    "generation",
    "impact.unsafe",
    "linting",
    "linting.baseline",
    "publication.application",
    "publication.document",
    "publication.drift",
    "publication.planning",
    "pulling.files",
    "pulling.types",
    "review",
)
"""The modules outside of this package that declare rules."""

EXAMPLES = Path(__file__).parent / "examples"
"""What people see of each rule's case under tests/rules; tests/test_rules.py writes them."""


def all_rules() -> Mapping[str, Rule]:
    """All rules by id, sorted; imports every module that declares some."""
    import codegen  # noqa: PLC0415

    for module in pkgutil.walk_packages(codegen.rules.__path__, "codegen.rules."):
        import_module(module.name)
    for name in ELSEWHERE:
        import_module(f"codegen.{name}")
    return dict(sorted(RULES.items()))


def read_example(rule: Rule) -> str:
    """A bad and a good way, and what is found in the bad one; empty for a rule of a plugin."""
    file = EXAMPLES / f"{rule.id.replace('/', '.')}.txt"
    return file.read_text("utf-8") if file.is_file() else ""
