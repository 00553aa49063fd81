"""The subjects of a contract: what the registry holds of it, and in which order.

Each event and each key schema has a subject, and so has each file whose type another file uses:
it is registered once, under its full name, and referred to. Where files refer to each other in a
circle, no order exists in which a registry could take them; a subject that reaches such a circle
has no references and carries all it uses inline. So does every subject where the manifest wants no
references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from codegen.avro.parse import SchemaSet
from codegen.avro.schema import Enum, Fixed, Named, Record, Ref, SchemaGraph, walk
from codegen.contract.model import Level, Reference, SchemaKey, Subject, Topic
from codegen.source import Document


def derive_subjects(
    parsed: SchemaSet,
    documents: Mapping[str, Document],
    topics: Iterable[Topic],
    has_references: bool = True,
) -> tuple[Subject, ...]:
    """All subjects of the topics' events and keys; each stands after those that it references."""
    files = _Files(parsed, has_references)
    wanted: dict[str, _Wanted] = {}

    def want(name: str, type_name: str, topic: Topic, event: str, is_key: bool = False) -> None:
        entry = wanted.setdefault(name, _Wanted(type_name, is_key))
        entry.levels.append(topic.level)
        if event not in entry.events:
            entry.events.append(event)

    for topic in topics:
        for event in topic.events:
            want(event.subject, event.name, topic, event.name)
            for used in files.reach(event.name):
                want(used, used, topic, event.name)
        if isinstance(topic.key, SchemaKey):
            root = topic.key.schema.root
            if isinstance(root, Record | Enum | Fixed):
                want(topic.key.subject, root.name, topic, root.name, is_key=True)
                for used in files.reach(root.name):
                    want(used, used, topic, root.name)

    def depth(name: str) -> tuple[int, str]:
        return files.depth(wanted[name].type_name), name

    subjects = []
    for name in sorted(wanted, key=depth):
        entry = wanted[name]
        named = parsed.types[entry.type_name]
        subjects.append(
            Subject(
                name=name,
                schema=SchemaGraph(named, parsed.types),
                references=tuple(
                    Reference(used, used) for used in files.references(entry.type_name)
                ),
                level=strictest(entry.levels),
                document=documents[named.origin.document.name],
                events=tuple(entry.events),
                is_key=entry.is_key,
            )
        )
    return tuple(subjects)


def strictest(levels: Iterable[Level]) -> Level:
    """The mildest level that is at least as strict as each of these."""
    names = [level.value for level in levels]
    backward = any(name.startswith(("BACKWARD", "FULL")) for name in names)
    forward = any(name.startswith(("FORWARD", "FULL")) for name in names)
    transitive = "_TRANSITIVE" if any(name.endswith("TRANSITIVE") for name in names) else ""
    if backward or forward:
        direction = "FULL" if backward and forward else "BACKWARD" if backward else "FORWARD"
        return Level(direction + transitive)
    return Level.NONE


@dataclass(slots=True)
class _Wanted:
    type_name: str
    is_key: bool
    levels: list[Level] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


class _Files:
    """Which file's type uses which other files' types, and how deep each stands on others."""

    def __init__(self, parsed: SchemaSet, has_references: bool) -> None:
        self._types = parsed.types
        self._root_of: dict[str, str] = {}
        for root in parsed.roots.values():
            for node in walk(root):
                if isinstance(node, Record | Enum | Fixed) and isinstance(
                    root, Record | Enum | Fixed
                ):
                    self._root_of[node.name] = root.name
        self._uses = {name: self._find_uses(named) for name, named in self._types.items()}
        self._reach: dict[str, frozenset[str]] = {}
        self._depth: dict[str, int] = {}
        if has_references:
            self._peel()

    def references(self, type_name: str) -> tuple[str, ...]:
        """The types of other files that a type uses directly; none where it must carry them."""
        return tuple(sorted(self._uses[type_name])) if type_name in self._depth else ()

    def reach(self, type_name: str) -> tuple[str, ...]:
        """All that it refers to, directly or not, sorted; none where it must carry them inline."""
        return tuple(sorted(self._reach.get(type_name, ())))

    def depth(self, type_name: str) -> int:
        """0 without references, else one more than the deepest of them."""
        return self._depth.get(type_name, 0)

    def _find_uses(self, named: Named) -> frozenset[str]:
        nodes = list(walk(named))
        defined = {node.name for node in nodes if isinstance(node, Record | Enum | Fixed)}
        used = {node.name for node in nodes if isinstance(node, Ref)} - defined
        return frozenset(self._root_of[name] for name in used if name in self._root_of)

    def _peel(self) -> None:
        """Take away what uses only what was taken away; what is left reaches a circle."""
        users: dict[str, list[str]] = {name: [] for name in self._uses}
        missing = {name: len(uses) for name, uses in self._uses.items()}
        for name, uses in self._uses.items():
            for used in uses:
                users[used].append(name)
        ready = [name for name, count in missing.items() if count == 0]
        for name in ready:
            uses = self._uses[name]
            self._depth[name] = 1 + max((self._depth[used] for used in uses), default=-1)
            self._reach[name] = uses.union(*(self._reach[used] for used in uses))
            for user in users[name]:
                missing[user] -= 1
                if missing[user] == 0:
                    ready.append(user)
