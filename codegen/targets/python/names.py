"""How Avro's names are called in Python: stable, unique, and harmless whatever they are.

A name stays as it is wherever Python lets it. One that is a keyword, would hide a name that the
generated code uses, or begins with an underscore is changed; two types of the same simple name get
as much of their namespaces before it as tells them apart.
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterable, Mapping

from codegen.avro.schema import split_name
from codegen.targets.python.runtime.avro import arrays, packing, raw, unpacking
from codegen.targets.python.service_view import RESERVED_NAMES, snake

_ANNOTATIONS = frozenset(
    (
        "Decimal",
        "Duration",
        "Symbol",
        "TypeAlias",
        "UUID",
        "Union",
        "dataclass",
        "dt",
        "field",
        "warn_deprecated",
    )
)
"""What the module of models imports."""

_BUILTIN_TYPES = frozenset(("bool", "bytes", "dict", "float", "int", "list", "str"))

_CODECS = frozenset(
    (
        "Any",
        "Codec",
        "EVENTS",
        "EventType",
        "Final",
        "Mapping",
        "PastSchema",
        "SchemaReference",
        "TYPES",
    )
)
"""What the module of codecs imports and defines."""

_TESTS = frozenset(("data", "event", "past"))
"""What the functions of the generated tests call their values."""

_MODULES = frozenset(
    (
        "codecs",
        "consumer",
        "fakes",
        "history",
        "models",
        "producer",
        "py",
        "schemas",
        "settings",
        "tests",
    )
)

RESERVED_CLASSES = frozenset(
    (
        *keyword.kwlist,
        *dir(builtins),
        *RESERVED_NAMES,
        *_ANNOTATIONS,
        *_MODULES,
        *_CODECS,
        *_TESTS,
        *vars(arrays),
        *vars(packing),
        *vars(raw),
        *vars(unpacking),
    )
)
"""Names that no class may have."""

RESERVED_ATTRIBUTES = frozenset((*keyword.kwlist, *_ANNOTATIONS, *_BUILTIN_TYPES))
"""Names that no field may have: the class around it would not see what else has that name."""

RESERVED_MEMBERS = frozenset((*keyword.kwlist, "mro", "name", "value"))
"""Names that no member of an enum may have."""


def name_classes(full_names: Iterable[str]) -> Mapping[str, str]:
    """The class of each named type; it depends on nothing but the set of names.

    Two classes differ even as names of functions: `OrderPlaced` and `Order_Placed` do not.
    """
    by_simple: dict[str, list[str]] = {}
    for full_name in sorted(full_names):
        by_simple.setdefault(split_name(full_name)[1], []).append(full_name)
    names: dict[str, str] = {}
    taken: set[str] = set()
    rest: list[str] = []
    for simple, group in by_simple.items():
        is_plain = _bare(simple) == simple and simple not in RESERVED_CLASSES
        if len(group) == 1 and is_plain and snake(simple) not in taken:
            names[group[0]] = simple
            taken.add(snake(simple))
        else:
            rest += group
    for full_name in rest:
        name = _qualified(full_name, by_simple)
        while snake(name) in taken:
            name += "_"
        taken.add(snake(name))
        names[full_name] = name
    return names


def name_attributes(field_names: Iterable[str]) -> tuple[str, ...]:
    """The attribute of each field of one record, in order."""
    return _name_all(field_names, RESERVED_ATTRIBUTES)


def name_members(symbols: Iterable[str]) -> tuple[str, ...]:
    """The member of each symbol of one enum, in order."""
    return _name_all(symbols, RESERVED_MEMBERS)


def unique(wanted: str, taken: set[str]) -> str:
    """A name that is not taken yet, which it is from now on."""
    name, number = wanted, 2
    while name in taken:
        name = f"{wanted}_{number}"
        number += 1
    taken.add(name)
    return name


def _name_all(names: Iterable[str], reserved: frozenset[str]) -> tuple[str, ...]:
    wanted = tuple(names)
    taken = {name for name in wanted if _is_plain(name, reserved)}
    return tuple(
        name if _is_plain(name, reserved) else _free(_bare(name) + "_", taken) for name in wanted
    )


def _is_plain(name: str, reserved: frozenset[str]) -> bool:
    return name not in reserved and not name.startswith("_")


def _bare(name: str) -> str:
    """The name without leading underscores, which mean something of their own in Python."""
    bare = name.lstrip("_")
    return bare if bare[:1].isalpha() else f"x{bare}"


def _free(wanted: str, taken: set[str]) -> str:
    while wanted in taken:
        wanted += "_"
    taken.add(wanted)
    return wanted


def _qualified(full_name: str, by_simple: Mapping[str, list[str]]) -> str:
    """The simple name behind as many words of the namespace as tell it from its namesakes."""
    namespace, simple = split_name(full_name)
    group = by_simple[simple]
    parts = namespace.split(".") if namespace else []
    for count in range(1, len(parts) + 1):
        tail = parts[-count:]
        if sum(split_name(other)[0].split(".")[-count:] == tail for other in group) == 1:
            break
    else:
        tail = parts
    name = "".join(part[:1].upper() + part[1:] for part in map(_bare, (*tail, simple)))
    return name + "_" if name in RESERVED_CLASSES else name
