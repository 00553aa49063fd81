"""Random schemas that meet each other: few names, so that they clash, recur and shadow."""

from __future__ import annotations

import copy
import random
from typing import Any

NAMES = ["A", "B", "C", "D", "record", "é"]
NAMESPACES = ["", "n1", "n2", "n1.deep"]
FIELDS = ["a", "b", "c", "d", "e"]
SYMBOLS = ["X", "Y", "Z", "W"]
PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = [
    {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
    {"type": "string", "logicalType": "uuid"},
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "int", "logicalType": "no-such-type", "zeta": 1, "alpha": 2.5},
]
TEXTS = [
    "",
    "plain",
    'a "quoted" word',
    "tab\tand\x01control",
    "naïve é \U0001f600 \u2028",
    "/a~b\\",
]
NUMBERS = [0, -1, 1.0, 0.1, 1e21, 1e-7, 123456.789, -2.5, 2**31, 2**62, 1.5e300, 10000000.0]


class SchemaMaker:
    """Makes schemas from a seed: the same seed, the same schemas."""

    def __init__(self, seed: object, *, plain: bool = False) -> None:
        self._random = random.Random(str(seed))
        self._plain = plain
        """Plain schemas are valid for every parser of Avro, and hold no curiosities."""
        self._defined: list[str] = []

    def pair(self) -> tuple[Any, Any]:
        """A reader and a writer; most are two versions of one schema."""
        reader = self.schema()
        if self._chance(0.2):
            return reader, self.schema()
        writer = reader
        for _ in range(self._random.randint(0, 4)):
            writer = self.mutate(writer)
        return (reader, writer) if self._chance(0.5) else (writer, reader)

    def schema(self) -> Any:
        self._defined = []
        if self._chance(0.75):
            return self._record(0, "")
        return self._type(0, "")

    def mutate(self, schema: Any) -> Any:
        """The schema with one thing in it changed."""
        changed = copy.deepcopy(schema)
        places = list(_places(changed))
        if not places:
            return self._random.choice(PRIMITIVES)
        node = self._random.choice(places)
        self._defined = _names(changed)
        if isinstance(node, list):
            self._mutate_union(node)
        elif "name" in node and "size" in node:
            node["size"] = self._random.choice([1, 2, 16])
        elif "symbols" in node:
            node["symbols"] = self._some(SYMBOLS)
            if node.get("default") not in node["symbols"]:
                node.pop("default", None)
        elif "fields" in node:
            self._mutate_record(node)
        else:
            for key in ("items", "values"):
                if key in node:
                    node[key] = self._type(2, "")
            if node["type"] in PRIMITIVES:
                node["type"] = self._random.choice(PRIMITIVES)
        if "name" in node and "fields" not in node and self._chance(0.3):
            self._rename(node)
        return changed

    def _mutate_union(self, node: list[Any]) -> None:
        choice = self._random.random()
        if choice < 0.4 and node:
            node.pop(self._random.randrange(len(node)))
        elif choice < 0.6:
            self._random.shuffle(node)
        else:
            extra = self._random.choice(PRIMITIVES)
            if extra not in node:
                node.append(extra)

    def _mutate_record(self, node: dict[str, Any]) -> None:
        fields = node["fields"]
        choice = self._random.random()
        if choice < 0.25 and fields:
            fields.pop(self._random.randrange(len(fields)))
        elif choice < 0.5:
            free = [name for name in FIELDS if name not in {one["name"] for one in fields}]
            if free:
                fields.append(self._field(self._random.choice(free), 2, node.get("namespace", "")))
        elif choice < 0.65 and fields:
            one = self._random.choice(fields)
            one["type"] = self._type(2, node.get("namespace", ""))
            one.pop("default", None)
        elif choice < 0.75 and fields:
            self._random.choice(fields).pop("default", None)
        elif choice < 0.85 and fields:
            one = self._random.choice(fields)
            free = [name for name in FIELDS if name not in {two["name"] for two in fields}]
            if free:
                old, one["name"] = one["name"], self._random.choice(free)
                if self._chance(0.6):
                    one["aliases"] = [old]
        elif choice < 0.92:
            self._random.shuffle(fields)
        else:
            self._rename(node)

    def _rename(self, node: dict[str, Any]) -> None:
        space = node.get("namespace", "")
        old = f"{space}.{node['name']}" if space else node["name"]
        node["name"] = self._random.choice(NAMES[:4])
        if self._chance(0.5):
            node["aliases"] = [old]

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _odd(self, probability: float) -> bool:
        return not self._plain and self._chance(probability)

    def _some(self, items: list[Any]) -> list[Any]:
        return self._random.sample(items, self._random.randint(1, len(items)))

    def _type(self, depth: int, namespace: str) -> Any:
        weights = [8, 1, 1, 2, 3] if depth < 4 else [10, 0, 0, 1, 0]
        kind = self._random.choices(["simple", "array", "map", "named", "union"], weights)[0]
        if kind == "simple":
            return self._simple()
        if kind in ("array", "map"):
            inner = "items" if kind == "array" else "values"
            return self._extra({"type": kind, inner: self._type(depth + 1, namespace)})
        if kind == "union":
            return self._union(depth, namespace)
        return self._named(depth, namespace)

    def _simple(self) -> Any:
        if self._chance(0.15):
            return copy.deepcopy(self._random.choice(LOGICAL))
        primitive = self._random.choice(PRIMITIVES)
        return self._extra({"type": primitive}) if self._odd(0.1) else primitive

    def _union(self, depth: int, namespace: str) -> list[Any]:
        branches: list[Any] = []
        seen: set[str] = set()
        for _ in range(self._random.choice([0, 1, 2, 2, 3, 3, 4])):
            before = list(self._defined)
            branch = self._type(depth + 1, namespace)
            key = _key(branch, namespace)
            if isinstance(branch, list) or (key in seen and not self._odd(0.02)):
                self._defined = before
                continue
            seen.add(key)
            branches.append(branch)
        return branches or ["null", "int"]

    def _named(self, depth: int, namespace: str) -> Any:
        known = self._defined
        if self._plain and namespace:
            # A name without a namespace has no spelling inside one.
            known = [name for name in known if "." in name]
        if known and self._chance(0.55):
            return self._reference(known, namespace)
        if self._odd(0.03):
            return self._random.choice(NAMES)
        kind = self._random.choice(["record", "record", "enum", "fixed"])
        if kind == "record":
            return self._record(depth, namespace)
        head = self._head(kind, namespace)
        if head is None:
            return self._simple()
        if kind == "fixed":
            head["size"] = self._random.choice([1, 2, 16])
            if self._chance(0.2):
                head |= {"logicalType": "decimal", "precision": 2}
        else:
            head["symbols"] = self._some(SYMBOLS)
            if self._chance(0.4):
                head["default"] = self._random.choice(head["symbols"])
        return self._extra(head)

    def _reference(self, known: list[str], namespace: str) -> str:
        full_name = self._random.choice(known)
        space, _, simple = full_name.rpartition(".")
        return simple if space == namespace or self._odd(0.15) else full_name

    def _head(self, kind: str, namespace: str) -> dict[str, Any] | None:
        name = self._random.choice(NAMES[:4] if self._plain else NAMES)
        head: dict[str, Any] = {"type": kind, "name": name}
        space = namespace
        if self._chance(0.4):
            space = self._random.choice(NAMESPACES)
            if space and self._chance(0.3):
                head["name"] = f"{space}.{name}"
            else:
                head["namespace"] = space
        full_name = f"{space}.{name}" if space else name
        if full_name in self._defined and not self._odd(0.02):
            return None
        self._defined.append(full_name)
        if self._chance(0.2):
            head["aliases"] = [
                self._random.choice(
                    [*NAMES[:4], "n1.A", "n2.B", *([".C"] if self._odd(0.1) else [])]
                )
            ]
        if self._chance(0.2):
            head["doc"] = self._random.choice(TEXTS)
        return head

    def _record(self, depth: int, namespace: str) -> Any:
        head = self._head("error" if self._odd(0.05) else "record", namespace)
        if head is None:
            return self._simple()
        full_name = self._defined[-1]
        space = full_name.rpartition(".")[0]
        names = self._random.sample(FIELDS, self._random.choice([0, 1, 2, 2, 3, 3, 4]))
        head["fields"] = [self._field(name, depth + 1, space) for name in names]
        return self._extra(head)

    def _field(self, name: str, depth: int, namespace: str) -> dict[str, Any]:
        field: dict[str, Any] = {"name": name, "type": self._type(depth, namespace)}
        if self._chance(0.15):
            field["aliases"] = self._random.sample(FIELDS, 1)
            if not self._odd(0.1) and field["aliases"] == [name]:
                del field["aliases"]
        if self._chance(0.4):
            default = self._default(field["type"])
            if default is not None:
                field["default"] = default[0]
        if self._chance(0.1):
            field["doc"] = self._random.choice(TEXTS)
        if self._chance(0.1):
            field["order"] = self._random.choice(["ascending", "descending", "ignore"])
        return self._extra(field)

    def _default(self, schema: Any) -> list[Any] | None:
        if self._odd(0.05):
            return [self._random.choice([None, 1, 1.0, "X", {}, [], True, "1.5"])]
        if isinstance(schema, list):
            return self._default(schema[0]) if schema else None
        kind = schema["type"] if isinstance(schema, dict) else schema
        simple: dict[str, list[Any]] = {
            "null": [None],
            "boolean": [True],
            "int": [7],
            "long": [2**40],
            "float": [self._random.choice([1.5, 1, 0.1, 1e21])],
            "double": [self._random.choice(NUMBERS[:8])],
            "bytes": ["\u00ff\u0001"],
            "string": [self._random.choice(TEXTS)],
            "array": [[]],
            "map": [{}],
        }
        if kind == "enum":
            return [schema["symbols"][0]]
        if kind == "fixed":
            return ["\u0001" * schema["size"]]
        return simple.get(kind)

    def _extra(self, node: dict[str, Any]) -> dict[str, Any]:
        if self._odd(0.06):
            node["x-note"] = self._random.choice(
                [*TEXTS, *NUMBERS, None, True, {"b": 1, "a": [1.0, None]}, []]
            )
        return node


def _places(schema: Any) -> list[Any]:
    """Every union and every type that is an object."""
    found = []
    if isinstance(schema, list):
        found.append(schema)
        for branch in schema:
            found += _places(branch)
    elif isinstance(schema, dict):
        found.append(schema)
        for one in schema.get("fields", []):
            found += _places(one["type"])
        for key in ("items", "values"):
            if key in schema:
                found += _places(schema[key])
    return found


def _names(schema: Any) -> list[str]:
    names = []
    for node in _places(schema):
        if isinstance(node, dict) and "name" in node:
            space, name = node.get("namespace", ""), node["name"]
            names.append(f"{space}.{name}" if space and "." not in name else name)
    return names


def _key(branch: Any, namespace: str) -> str:
    if isinstance(branch, str):
        return (
            branch
            if branch in PRIMITIVES or "." in branch or not namespace
            else f"{namespace}.{branch}"
        )
    if isinstance(branch, list):
        return "union"
    if "name" not in branch:
        return str(branch["type"])
    name, space = branch["name"], branch.get("namespace", namespace)
    return name if "." in name or not space else f"{space}.{name}"


JUNK = [None, True, 0, -1, 2.5, "", "int", "A", "n1.A", "a b", [], {}, ["null"], {"type": "int"}]
JUNK += ["record", "1", ".A", "n1..A", "descending", "ASCENDING", [1], ["A", "A"]]


def spoil(schema: Any, seed: object) -> Any:
    """The schema with one JSON value in it replaced or removed."""
    source = random.Random(str(seed))
    spoiled = copy.deepcopy(schema)
    places = [(holder, key) for holder in _holders(spoiled) for key in _keys(holder)]
    if not places:
        return source.choice(JUNK)
    holder, key = source.choice(places)
    if isinstance(holder, dict) and source.random() < 0.2:
        del holder[key]
    elif isinstance(holder, dict) and source.random() < 0.2:
        holder[source.choice(["doc", "aliases", "namespace", "default", "order", "size"])] = (
            source.choice(JUNK)
        )
    else:
        holder[key] = source.choice(JUNK)
    return spoiled


def _holders(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict | list) else []
    for item in inner:
        found += _holders(item)
    return found


def _keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))
