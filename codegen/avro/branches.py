"""Which branches of a union may read a type, without a look at all of them?"""

from __future__ import annotations

from codegen.avro.incompatibility import Target, is_fitting
from codegen.avro.schema import Enum, Fixed, Record, SchemaGraph, Union, split_name


class Branches:
    """The branches of one union by kind and name, so that of many only the likely are looked at."""

    def __init__(self, union: Union, graph: SchemaGraph) -> None:
        self.union = union
        self._targets = [graph.resolve(branch) for branch in union.branches]
        self._positions: dict[tuple[type, str], list[int]] = {}
        for position, target in enumerate(self._targets):
            for name in _names_read(target):
                self._positions.setdefault((type(target), name), []).append(position)

    def find_fitting(self, writer: Target) -> list[int]:
        """The positions of all that fit a type that is no union, leaving aside the inner types.

        The namesake of the type comes first: it is the one most likely to fit inside too.
        """
        kind = type(writer)
        found = dict.fromkeys(
            position
            for name in _names_written(writer)
            for position in self._positions.get((kind, name), ())
        )
        return [position for position in found if is_fitting(self._targets[position], writer)]


def _names_read(target: Target) -> tuple[str, ...]:
    """What a type may be called where this one reads it: its names, and those of its aliases."""
    if isinstance(target, Record | Enum | Fixed):
        simple = split_name(target.name)[1]
        return tuple(dict.fromkeys((target.name, simple, *target.aliases)))
    return ("",)


def _names_written(target: Target) -> tuple[str, ...]:
    if isinstance(target, Record | Enum | Fixed):
        return target.name, split_name(target.name)[1]
    return ("",)
