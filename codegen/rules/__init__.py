"""Every rule of the tool: those of this package and those that other modules declare."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module

from codegen.diagnostics import RULES, Rule

ELSEWHERE = (
    "avro.parse",
    "avro.schema_rules",
    "baselines.snapshot",
    "contract.load",
    "contract.manifest",
    "generation",
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


def all_rules() -> Mapping[str, Rule]:
    """All rules by id, sorted; imports every module that declares some."""
    import codegen  # noqa: PLC0415

    for module in pkgutil.walk_packages(codegen.rules.__path__, "codegen.rules."):
        import_module(module.name)
    for name in ELSEWHERE:
        import_module(f"codegen.{name}")
    return dict(sorted(RULES.items()))
