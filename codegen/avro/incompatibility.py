"""What does Avro say about two types that meet, leaving aside the types inside them?

The law of one pair (specification 1.12, "Schema Resolution"): which primitive reads which, when
names match, which symbols, sizes and fields must be there. Messages are those of Avro Java, since
registries pass them on. Whether the inner types fit is the business of resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum as Enumeration
from typing import TypeAlias

from codegen.avro.schema import (
    Array,
    Broken,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Record,
    Schema,
    Union,
    split_name,
)
from codegen.diagnostics import CouldNotCheck
from codegen.source import Place


class Kind(Enumeration):
    """The kinds of incompatibility, by the names that Avro Java gives them.

    AMBIGUOUS_FIELD is our own: the reader's name and aliases for a field fit several fields of the
    writer. Avro Java has no kind for it, it throws.
    """

    NAME_MISMATCH = "NAME_MISMATCH"
    FIXED_SIZE_MISMATCH = "FIXED_SIZE_MISMATCH"
    MISSING_ENUM_SYMBOLS = "MISSING_ENUM_SYMBOLS"
    READER_FIELD_MISSING_DEFAULT_VALUE = "READER_FIELD_MISSING_DEFAULT_VALUE"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    MISSING_UNION_BRANCH = "MISSING_UNION_BRANCH"
    AMBIGUOUS_FIELD = "AMBIGUOUS_FIELD"


MAX_PAIRS = 500_000
"""More pairs of types than this are not compared: no work should be unbounded."""

MAX_REPORTED = 5_000
"""The most incompatibilities that one comparison lists."""


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One reason why data of the writer cannot be read.

    The paths are JSON pointers, each into its own schema with the named types written out; in
    reference mode both carry the branch numbers of the writer, as Avro Java's pointer does. The
    places lead to the text of each side. `causes` are the innermost reasons why the union branch
    that comes closest does not fit; only `compare` fills them.
    """

    kind: Kind
    message: str
    reader_path: str
    writer_path: str
    reader: Place
    writer: Place
    causes: tuple[Incompatibility, ...] = ()


class AmbiguousFieldError(Exception):
    """What Avro Java throws in place of a verdict: a reader's field fits several of the writer's.

    The text is Avro Java's; a registry reports it as an incompatibility.
    """


class TooManyPairs(CouldNotCheck):
    """Two schemas whose types meet in more pairs than MAX_PAIRS."""

    def __init__(self) -> None:
        super().__init__(
            f"these schemas make more than {MAX_PAIRS:,} pairs of types to compare",
            hint="types of one simple name in many namespaces multiply; name them apart",
        )


Target: TypeAlias = Primitive | Named | Array | Map | Union | Broken
"""A schema that is no reference."""

Steps: TypeAlias = tuple[str, ...]
"""Parts of a JSON pointer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a pair itself.

    The steps lead on from the pair's place. A place of None means the place where the pair's type
    is used.
    """

    kind: Kind
    message: str
    reader_steps: Steps = ()
    writer_steps: Steps = ()
    reader: Place | None = None
    writer: Place | None = None


READABLE_PRIMITIVES: Mapping[str, tuple[str, ...]] = {
    "null": ("null",),
    "boolean": ("boolean",),
    "int": ("int",),
    "long": ("long", "int"),
    "float": ("float", "int", "long"),
    "double": ("double", "int", "long", "float"),
    "bytes": ("bytes", "string"),
    "string": ("string", "bytes"),
}
"""What each primitive reader reads."""


def is_promotable(reader: Target, writer: Target) -> bool:
    """Whether both are primitive, and the reader reads what the writer writes."""
    return (
        isinstance(reader, Primitive)
        and isinstance(writer, Primitive)
        and writer.type in READABLE_PRIMITIVES[reader.type]
    )


def is_fitting(reader: Target, writer: Target) -> bool:
    """Whether nothing is wrong with two types that are no unions, leaving aside the inner ones."""
    if type(reader) is not type(writer):
        return False
    if type(reader) is Primitive and type(writer) is Primitive:
        return writer.type in READABLE_PRIMITIVES[reader.type]
    if type(reader) is Record and type(writer) is Record:
        return has_matching_name(reader, writer)
    if type(reader) is Enum and type(writer) is Enum:
        return has_matching_name(reader, writer) and _takes_symbols(reader, writer)
    if type(reader) is Fixed and type(writer) is Fixed:
        return has_matching_name(reader, writer) and reader.size == writer.size
    return type(reader) is Array or type(reader) is Map


def compare_heads(reader: Target, writer: Target) -> tuple[Problem, ...]:
    """What is wrong where two types are not fitting."""
    if is_fitting(reader, writer):
        return ()
    match reader, writer:
        case Record(), Record():
            return _compare_names(reader, writer)
        case Enum(), Enum():
            return _compare_names(reader, writer) + _compare_symbols(reader, writer)
        case Fixed(), Fixed():
            return _compare_names(reader, writer) + _compare_sizes(reader, writer)
        case _:
            return (type_mismatch(reader, writer),)


def has_matching_name(reader: Named, writer: Named) -> bool:
    """Whether the names of two types match: their simple names, or an alias of the reader.

    Registries leave the namespace aside, as the specification does.
    """
    return (
        reader.name == writer.name
        or split_name(reader.name)[1] == split_name(writer.name)[1]
        or writer.name in reader.aliases
    )


def match_fields(item: Field, written: Mapping[str, int]) -> list[int]:
    """The positions of the writer's fields that the reader's name and each of its aliases fit."""
    if not item.aliases:
        return [written[item.name]] if item.name in written else []
    names = (item.name, *dict.fromkeys(item.aliases))
    return [written[name] for name in names if name in written]


def type_mismatch(reader: Target, writer: Target) -> Problem:
    """Two types of which the one never reads the other."""
    message = (
        f"reader type: {type_name(reader)} not compatible with writer type: {type_name(writer)}"
    )
    return Problem(Kind.TYPE_MISMATCH, message)


def missing_branch(writer: Target) -> Problem:
    """A union none of whose branches reads the writer's type."""
    message = f"reader union lacking writer type: {type_name(writer)}"
    return Problem(Kind.MISSING_UNION_BRANCH, message)


def missing_default(item: Field, index: int, writer: Record) -> Problem:
    """A field of the reader, by its position, that the writer lacks and that has no default."""
    steps = ("fields", str(index))
    place = item.origin.at("name")
    kind = Kind.READER_FIELD_MISSING_DEFAULT_VALUE
    return Problem(kind, item.name, steps, (), place, writer.origin)


def ambiguous_field(item: Field, index: int, writer: Record, found: list[int]) -> Problem:
    """A field of the reader that fits several fields of the writer, by their positions."""
    names = ", ".join(writer.fields[one].name for one in found)
    steps = ("fields", str(index))
    place = item.origin.at("aliases")
    return Problem(
        Kind.AMBIGUOUS_FIELD, f"{item.name} fits {names}", steps, (), place, writer.origin
    )


def type_name(schema: Target) -> str:
    """The type as Avro Java's messages write it, for example `RECORD`."""
    return schema.type.upper() if isinstance(schema, Primitive) else type(schema).__name__.upper()


def _compare_names(reader: Named, writer: Named) -> tuple[Problem, ...]:
    if has_matching_name(reader, writer):
        return ()
    return (Problem(Kind.NAME_MISMATCH, f"expected: {writer.name}", ("name",), ("name",)),)


def _takes_symbols(reader: Enum, writer: Enum) -> bool:
    return (
        reader.symbols == writer.symbols
        or reader.default in reader.symbols
        or set(reader.symbols).issuperset(writer.symbols)
    )


def _compare_symbols(reader: Enum, writer: Enum) -> tuple[Problem, ...]:
    if _takes_symbols(reader, writer):
        return ()
    missing = sorted(set(writer.symbols).difference(reader.symbols))
    places = (reader.origin.at("symbols"), writer.origin.at("symbols"))
    message, steps = f"[{', '.join(missing)}]", ("symbols",)
    return (Problem(Kind.MISSING_ENUM_SYMBOLS, message, steps, steps, *places),)


def _compare_sizes(reader: Fixed, writer: Fixed) -> tuple[Problem, ...]:
    if reader.size == writer.size:
        return ()
    places = (reader.origin.at("size"), writer.origin.at("size"))
    message, steps = f"expected: {writer.size}, found: {reader.size}", ("size",)
    return (Problem(Kind.FIXED_SIZE_MISMATCH, message, steps, steps, *places),)


def escape(step: str) -> str:
    """One part of a JSON pointer as it is written (RFC 6901, section 3)."""
    return step.replace("~", "~0").replace("/", "~1")


def place_of(use: Schema, steps: Steps) -> Place:
    """The place of a problem that has none of its own: a name where it is given, else the use."""
    if steps == ("name",) and isinstance(use, Record | Enum | Fixed):
        return use.origin.at("name")
    return use.origin


Pointer: TypeAlias = "tuple[Pointer, str] | None"
"""A path from its end to the root, so that longer paths share what they have in common."""


def extend(pointer: Pointer, steps: Steps) -> Pointer:
    """The pointer, some steps further in."""
    for step in steps:
        pointer = (pointer, step)
    return pointer


def write_pointer(pointer: Pointer) -> str:
    """The pointer as text, `/` for the root, as Avro Java writes it."""
    parts: list[str] = []
    while pointer is not None:
        pointer, step = pointer
        parts.append(escape(step))
    return "/" + "/".join(reversed(parts))
