"""What can be generated from a contract, and what each target must offer.

A target is a pure function from a service, its contract and its options to files. Targets are the
packages in this folder that have a TARGET, and those that other distributions name under the entry
point group `kontrakt.targets`; adding one changes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol

from codegen.contract.model import Contract, Service
from codegen.diagnostics import KontraktError
from codegen.source import Json

ENTRY_POINTS = "kontrakt.targets"
"""The entry point group under which other distributions name their targets."""


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A text and its path, relative to generated/<service>/<target>/, with forward slashes.

    `untested` are events by full name that the file, a test, leaves out or tests less, and why.
    """

    path: str
    text: str
    untested: tuple[tuple[str, str], ...] = ()


class Target(Protocol):
    """Something that is generated for a service, such as its Python package."""

    @property
    def name(self) -> str:
        """How the manifest calls it, and the folder of its files."""

    @property
    def summary(self) -> str:
        """What it generates, in one sentence."""

    @property
    def options_schema(self) -> Mapping[str, Json]:
        """A JSON Schema (2020-12) of the options that the manifest may give it."""

    def files(
        self, service: Service, contract: Contract, options: Mapping[str, Json]
    ) -> tuple[GeneratedFile, ...]:
        """All files of a service: a pure function, the same bytes for the same input.

        Raises KontraktError for a contract that this target has no code for.
        """


def discover_targets() -> Mapping[str, Target]:
    """All targets by name, sorted. Raises KontraktError when two have one name."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and only needed here

    found: dict[str, Target] = {}
    for module in iter_modules(__path__):
        if module.ispkg:
            _add(found, import_module(f"{__name__}.{module.name}").TARGET)
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            _add(found, entry.load())
        except (ImportError, AttributeError) as error:
            raise KontraktError(
                f"the target {entry.name} ({entry.value}) cannot be loaded: {error}",
                "repair or uninstall the distribution that brings it",
            ) from error
    return dict(sorted(found.items()))


def _add(found: dict[str, Target], target: Target) -> None:
    if target.name in found:
        raise KontraktError(
            f"two targets are called {target.name}",
            "uninstall one of the distributions that bring it",
        )
    found[target.name] = target
