"""How are the attributes of a schema read, and what is said of those that are wrong?

One attribute at a time, by the dialect; whoever reads goes on with what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codegen.avro.defaults import show_value
from codegen.avro.dialect import Dialect
from codegen.avro.schema import Broken
from codegen.avro.schema_rules import DUPLICATE, INVALID_NAME, WRONG_SHAPE
from codegen.diagnostics import Findings, Related, locate
from codegen.editing import Mend
from codegen.source import Json, Place


class Attributes:
    """A reader of attributes that reports into a collector."""

    def __init__(self, findings: Findings, dialect: Dialect) -> None:
        self._findings = findings
        self._dialect = dialect

    def broken(self, place: Place, message: str, hint: str = "") -> Broken:
        """A part that cannot be read, and the finding that says why."""
        self._findings.add(WRONG_SHAPE, place, message, hint=hint)
        return Broken(place)

    def add_duplicate(
        self,
        place: Place,
        message: str,
        first: Place,
        hint: str,
        *,
        note: str = "",
        mends: tuple[Mend, ...] = (),
    ) -> None:
        """Report that something stands twice."""
        related = (Related("first here", location=locate(first)),)
        self._findings.add(
            DUPLICATE, place, message, note=note, hint=hint, related=related, mends=mends
        )

    def text(self, value: dict[str, Json], key: str, place: Place) -> str | None:
        """The text under a key; None, and a finding, where there is something else."""
        text = value.get(key)
        if text is None or isinstance(text, str):
            return text
        if self._dialect.is_java:
            return None
        self.broken(place.at(key), f'"{key}" is a string, not {show_value(text)}')
        return None

    def names(self, value: dict[str, Json], key: str, place: Place) -> Iterator[str]:
        """The names in the array under a key; what is no name is reported and left out."""
        if key not in value:
            return
        items = value[key]
        if not isinstance(items, list):
            self.broken(place.at(key), f'"{key}" is an array of names')
            return
        for index, item in enumerate(items):
            if not isinstance(item, str):
                message = f'"{key}" holds names, not {show_value(item)}'
                self.broken(place.at(key, index), message)
                continue
            if key == "symbols":
                self.check_name(item, "a symbol", place, key, index)
            elif not self._dialect.is_java:
                for part in item.split("."):
                    self.check_name(part, "an alias", place, key, index)
            yield item

    def check_namespace(self, namespace: str, place: Place, *steps: str | int) -> None:
        """Report a namespace with a part that is no name; the steps lead from the place to it."""
        if not self._dialect.checks_namespaces or (self._dialect.is_java and not namespace):
            return
        parts = namespace.split(".")
        bad = next((part for part in parts if not self._dialect.is_name(part)), None)
        if bad is not None:
            self._report_name(bad, namespace, place.at(*steps), "a namespace")

    def check_name(self, name: str, what: str, place: Place, *steps: str | int) -> None:
        """Report what is no name; the steps lead from the place to it."""
        if not self._dialect.is_name(name):
            self._report_name(name, name, place.at(*steps), what)

    def _report_name(self, bad: str, name: str, place: Place, what: str) -> None:
        better = re.sub(r"\W", "_", bad, flags=re.ASCII)
        better = f"_{better}" if better[:1].isdigit() else better
        self._findings.add(
            INVALID_NAME,
            place,
            f"{show_value(name)} cannot be {what}",
            hint=f'use ASCII letters, digits and "_", for example "{better}"' if bad else "",
        )
