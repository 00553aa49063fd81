"""How things of a contract are called in Python: always the same way, and never like something else.

A name that Python or the package needs for itself gets an underscore behind it. Leading underscores
go behind as well, because Python gives them a meaning. Two types of one name in two namespaces are
both led by their namespace's last words.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from codegen.avro.schema import split_name
from codegen.contract.model import Event
from codegen.diagnostics import KontraktError
from codegen.targets.python.service_view import RESERVED_NAMES

K = TypeVar("K")

_RESERVED_CLASSES = RESERVED_NAMES | {
    # What the module `models` uses, and the submodules of the package.
    *("Decimal", "Duration", "Symbol", "UUID", "UTC", "TypeAlias", "annotations", "dataclass"),
    *("date", "datetime", "field", "time", "timedelta"),
    *("bool", "bytes", "dict", "float", "int", "list", "str"),
    *("codecs", "consumer", "fakes", "models", "producer", "schemas", "abstractmethod"),
}
_RESERVED_MEMBERS = frozenset({"mro", "name", "value"})


def attribute_names(names: Iterable[str]) -> Mapping[str, str]:
    """The attribute for each field of a record."""
    return _assign(names, (), "field")


def member_names(symbols: Iterable[str]) -> Mapping[str, str]:
    """The enum member for each symbol."""
    return _assign(symbols, _RESERVED_MEMBERS, "symbol")


def class_names(full_names: Iterable[str]) -> Mapping[str, str]:
    """The class for each named type, by full name."""
    twins: dict[str, list[str]] = {}
    for full_name in full_names:
        twins.setdefault(split_name(full_name)[1], []).append(full_name)
    chosen = {name: text for group in twins.values() for name, text in _lead(group).items()}
    safe = _assign(chosen.values(), _RESERVED_CLASSES, "Type")
    return _separate({name: safe[text] for name, text in chosen.items()})


def _lead(full_names: list[str]) -> Mapping[str, str]:
    """Types of one simple name, each led by as few words of its namespace as tell them apart."""
    words = {name: name.split(".") for name in full_names}
    for count in range(1, max(map(len, words.values())) + 1):
        found = {name: "".join(map(_capital, parts[-count:-1])) for name, parts in words.items()}
        if len(set(found.values())) == len(found):
            break
    return {name: lead + words[name][-1] for name, lead in found.items()}


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def constant_names(
    events: Iterable[Event], classes: Mapping[str, str]
) -> Mapping[tuple[str, str], str]:
    """The constant for each event, by topic and full name."""
    unique = list(dict.fromkeys((event.topic, event.name) for event in events))
    topics: dict[str, set[str]] = {}
    for topic, name in unique:
        topics.setdefault(name, set()).add(topic)
    wanted = {}
    for topic, name in unique:
        text = upper_snake(classes[name])
        if len(topics[name]) > 1:
            text += "_ON_" + re.sub(r"\W", "_", topic, flags=re.ASCII).upper()
        wanted[topic, name] = text + "_" if text in {"EVENTS"} else text
    return _separate(wanted)


def upper_snake(name: str) -> str:
    """`OrderPlaced` as the name of a constant: `ORDER_PLACED`."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).upper()


def _assign(names: Iterable[str], reserved: Collection[str], stem: str) -> dict[str, str]:
    """Give each name an identifier of its own; names that can stay as they are come first."""
    unique = list(dict.fromkeys(names))
    for name in unique:
        if not (name.isascii() and name.isidentifier()):
            raise KontraktError(
                f"{name!r} is no name that Python code can have",
                "use the letters A to Z, digits and underscores",
            )
    given = {name: _safe(name, reserved, stem) for name in unique}
    taken = {name for name in unique if given[name] == name}
    for name in unique:
        if given[name] != name:
            while given[name] in taken or given[name] in reserved:
                given[name] += "_"
            taken.add(given[name])
    return given


def _safe(name: str, reserved: Collection[str], stem: str) -> str:
    bare = name.lstrip("_")
    if bare != name:
        name = f"{bare}{'_' * (len(name) - len(bare))}" if bare[:1].isalpha() else f"{stem}{name}"
    return f"{name}_" if name in reserved or keyword.iskeyword(name) else name


def _separate(wanted: Mapping[K, str]) -> dict[K, str]:
    """Number those that would be called the same."""
    taken: set[str] = set()
    given = {}
    for key, text in wanted.items():
        name, number = text, 2
        while name in taken:
            name, number = f"{text}_{number}", number + 1
        taken.add(name)
        given[key] = name
    return given
