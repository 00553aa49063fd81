"""Random schemas that dwell on the corners of Avro, which real histories hold seldom.

Where `random_schemas` makes versions of likely schemas, this puts odd things side by side: empty
namespaces, names of primitives, huge numbers, aliases that clash, defaults that do not fit, unions
of unions, types that recur at several depths and mean another type at each.
"""

from __future__ import annotations

import copy
import random
from typing import Any

SIMPLE = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
NAMES = ["R", "S", "E", "F", "int", "string", "array", "union", "error", "Null", "_", "R1"]
ODD_NAMES = [
    "a-b",
    "1a",
    "",
    "é",
    "名",
    "a.b",
    ".R",
    "R.",
    "n..R",
    "a b",
    "\u0661x",
    "x\u0661",
    "µ",
    "ª",
]
SPACES = ["", "n", "n.m", "n.int", "int", "m"]
ODD_SPACES = [".", "n.", ".n", "n..m", "1n", "é", None, 5, "n m", {}]
FIELDS = ["x", "y", "z", "w", "type", "X"]
SYMBOLS = ["A", "B", "C", "a", "null", "_"]
ODD_SYMBOLS = ["", "1", "a-b", "é", None, 3, "A B", True]
NUMBERS: list[Any] = [
    0, -0.0, 1, 1.0, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, 2**63, -(2**63),
    -(2**63) - 1, 2**53 + 1, 10**20, 10**40, 1e308, 1e-320, 3.4028236e38, 16777217, 0.5, 1e3, 5e0,
]  # fmt: skip
TEXTS = [
    "",
    "A",
    "x",
    "\u00ff",
    "\u0100",
    "ab",
    "NaN",
    "Infinity",
    "-Infinity",
    "1",
    "1.5",
    "\U0001f600",
]
DEFAULTS: list[Any] = [
    None, True, False, [], {}, [None], [1], {"x": 1}, {"x": None}, {"x": {}}, [[]], {"y": "A"},
    *NUMBERS, *TEXTS,
]  # fmt: skip
LOGICAL: list[Any] = [
    ("bytes", {"logicalType": "decimal", "precision": 4, "scale": 2}),
    ("bytes", {"logicalType": "decimal", "precision": 4, "scale": 9}),
    ("bytes", {"logicalType": "decimal", "precision": "4"}),
    ("bytes", {"logicalType": "decimal", "precision": 2**40}),
    ("bytes", {"logicalType": "decimal"}),
    ("string", {"logicalType": "uuid"}),
    ("int", {"logicalType": "uuid"}),
    ("int", {"logicalType": "date"}),
    ("int", {"logicalType": "time-millis"}),
    ("long", {"logicalType": "timestamp-micros"}),
    ("long", {"logicalType": "local-timestamp-nanos"}),
    ("string", {"logicalType": "big-decimal"}),
    ("bytes", {"logicalType": "big-decimal"}),
    ("long", {"logicalType": 5}),
    ("long", {"logicalType": None}),
    ("int", {"avro.java.string": "String"}),
    ("string", {"avro.java.string": "String"}),
]


class NastyMaker:
    """Makes pairs of schemas from a seed: the same seed, the same pairs."""

    def __init__(self, seed: object, *, odd: float = 0.03) -> None:
        self._random = random.Random(str(seed))
        self._odd_share = odd
        self._known: list[tuple[str, str]] = []

    def pair(self) -> tuple[Any, Any]:
        """A reader and a writer, mostly related; either may be no valid schema."""
        reader = self._schema()
        if self._chance(0.15):
            return reader, self._schema()
        writer = copy.deepcopy(reader)
        for _ in range(self._random.choice([0, 1, 1, 2, 3])):
            writer = self._change(writer)
        return (reader, writer) if self._chance(0.5) else (writer, reader)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _odd(self) -> bool:
        return self._chance(self._odd_share)

    def _pick(self, usual: list[Any], odd: list[Any]) -> Any:
        return self._random.choice(odd if self._odd() else usual)

    def _schema(self) -> Any:
        self._known = []
        if self._chance(0.1):
            return self._union(0, "")
        return self._record(0, "") if self._chance(0.8) else self._type(0, "")

    def _type(self, depth: int, space: str) -> Any:
        weights = [5, 2, 2, 3, 3, 3] if depth < 4 else [9, 0, 0, 0, 1, 4]
        kinds = ["simple", "array", "map", "union", "named", "known"]
        match self._random.choices(kinds, weights)[0]:
            case "array":
                return {"type": "array", "items": self._type(depth + 1, space)}
            case "map":
                return {"type": "map", "values": self._type(depth + 1, space)}
            case "union":
                return self._union(depth, space)
            case "named":
                return self._named(depth, space)
            case "known" if self._known:
                return self._reference(space)
            case _:
                return self._simple()

    def _simple(self) -> Any:
        if self._chance(0.2):
            base, more = self._random.choice(LOGICAL)
            return {"type": base, **more}
        if self._odd():
            return {"type": {"type": self._random.choice(SIMPLE)}, "extra": 1}
        kind = self._random.choice(SIMPLE)
        return {"type": kind} if self._chance(0.1) else kind

    def _reference(self, space: str) -> Any:
        name, its_space = self._random.choice(self._known)
        choice = self._random.random()
        if choice < 0.5:
            return f"{its_space}.{name}" if its_space else name
        if choice < 0.8:
            return name
        if choice < 0.98:
            return f".{name}" if its_space == "" else f"{its_space}.{name}"
        return {"type": f"{its_space}.{name}" if its_space else name}

    def _union(self, depth: int, space: str) -> list[Any]:
        branches: list[Any] = []
        seen = set()
        for _ in range(self._random.choice([0, 1, 2, 2, 3, 4, 6])):
            branch = self._type(depth + 1, space)
            if isinstance(branch, list) and not self._odd():
                continue
            key = repr(
                branch.get("type") if isinstance(branch, dict) and "name" not in branch else branch
            )
            if key in seen and not self._odd():
                continue
            seen.add(key)
            branches.append(branch)
        return branches

    def _head(self, kind: str, space: str) -> tuple[dict[str, Any], str]:
        name = self._pick(NAMES, ODD_NAMES)
        head: dict[str, Any] = {"type": kind, "name": name}
        inner = space
        if self._chance(0.45):
            inner = head["namespace"] = self._pick(SPACES, ODD_SPACES)
        if self._chance(0.15):
            inner = self._random.choice(SPACES[1:])
            head["name"] = f"{inner}.{name}"
        if self._chance(0.2):
            usual = ["R", "S", "E", "n.R", "m.S", ".R", "n.m.E", "int"]
            head["aliases"] = self._random.sample(usual, self._random.choice([0, 1, 2]))
            if self._odd():
                head["aliases"] = self._random.choice([["a-b"], "R", [1], None, ["R", "R"], [""]])
        if self._odd():
            head["doc"] = self._random.choice([5, None, "", "text"])
        inner = inner if isinstance(inner, str) else ""
        self._known.append((name, inner))
        return head, inner

    def _named(self, depth: int, space: str) -> Any:
        kind = self._random.choice(["record", "record", "enum", "fixed"])
        if kind == "record":
            return self._record(depth, space)
        head, _ = self._head(kind, space)
        if kind == "fixed":
            head["size"] = self._pick([1, 2, 12, 16], [0, -1, 2**31, 1.0, "1", None, 2**62])
            if self._chance(0.3):
                head |= {"logicalType": self._random.choice(["decimal", "uuid", "duration"])}
                if self._chance(0.7):
                    head["precision"] = self._random.choice([1, 4, 40])
            return head
        symbols: list[Any] = self._random.sample(SYMBOLS, self._random.choice([1, 2, 3, 5]))
        if self._odd():
            symbols.append(self._random.choice([*ODD_SYMBOLS, symbols[0]]))
        if self._odd():
            symbols = []
        head["symbols"] = symbols
        if self._chance(0.4):
            head["default"] = self._pick(symbols or ["A"], ["Z", "", None, 1])
        return head

    def _record(self, depth: int, space: str) -> Any:
        kind = "error" if self._chance(0.08) else "record"
        head, inner = self._head(kind, space)
        fields: list[Any] = []
        names = self._random.sample(FIELDS, self._random.choice([0, 1, 2, 2, 3, 4]))
        for name in names:
            fields.append(self._field(name, depth, inner))
        if self._odd() and fields:
            fields.append(copy.deepcopy(fields[0]))
        if self._odd():
            self._random.shuffle(names)
            return {"fields": fields, **head}
        return {**head, "fields": fields}

    def _field(self, name: str, depth: int, space: str) -> Any:
        field: dict[str, Any] = {"name": name, "type": self._type(depth + 1, space)}
        if self._odd():
            field["name"] = self._random.choice(ODD_NAMES)
        if self._chance(0.4):
            if self._chance(0.25):
                field["default"] = self._random.choice(DEFAULTS)
            elif (found := self._fitting(field["type"])) is not None:
                field["default"] = found[0]
        if self._chance(0.15):
            field["aliases"] = self._random.sample(FIELDS, self._random.choice([0, 1, 1, 2]))
            if self._odd():
                field["aliases"] = self._random.choice([None, "x", [1], ["a-b"], ["x", "x"], [""]])
        if self._chance(0.1):
            field["order"] = self._pick(["ascending", "descending", "ignore"], ["up", "Ignore", 1])
        return field

    def _fitting(self, schema: Any) -> list[Any] | None:
        if isinstance(schema, list):
            return self._fitting(self._random.choice(schema)) if schema else None
        if not isinstance(schema, dict):
            schema = {"type": schema if schema in SIMPLE else "?"}
        match schema.get("type"):
            case "null":
                return [None]
            case "boolean":
                return [self._chance(0.5)]
            case "int":
                return [self._random.choice([0, -1, 2**31 - 1, -(2**31), 1.0, 2**31])]
            case "long":
                return [self._random.choice([0, 2**63 - 1, -(2**63), 2**63, 1.0, 1e3])]
            case "float" | "double":
                return [self._random.choice([*NUMBERS, "NaN", "INF", "-Infinity"])]
            case "string" | "bytes":
                return [self._random.choice(TEXTS)]
            case "array":
                inner = self._fitting(schema.get("items"))
                return [[] if inner is None or self._chance(0.5) else inner * 2]
            case "map":
                inner = self._fitting(schema.get("values"))
                return [{} if inner is None or self._chance(0.5) else {"k": inner[0]}]
            case "enum":
                return [self._random.choice(schema.get("symbols") or ["A"])]
            case "fixed":
                size = schema.get("size")
                return ["\u0001" * (size if isinstance(size, int) and 0 <= size < 40 else 1)]
            case "record" | "error":
                value = {}
                for item in schema.get("fields", []):
                    found = self._fitting(item.get("type")) if isinstance(item, dict) else None
                    if found and ("default" not in item or self._chance(0.5)):
                        value[item["name"]] = found[0]
                return [value]
            case _:
                return [self._random.choice(DEFAULTS)] if self._chance(0.3) else None

    def _change(self, schema: Any) -> Any:
        holders = [one for one in _containers(schema) if one]
        if not holders:
            return self._type(3, "")
        node = self._random.choice(holders)
        if isinstance(node, list):
            self._change_list(node)
        else:
            self._change_object(node)
        return schema

    def _change_list(self, node: list[Any]) -> None:
        choice = self._random.random()
        if choice < 0.3:
            node.pop(self._random.randrange(len(node)))
        elif choice < 0.5:
            self._random.shuffle(node)
        elif all(isinstance(one, dict) and "name" in one and "fields" not in one for one in node):
            node.append(self._field(self._random.choice(FIELDS), 3, ""))
        elif all(isinstance(one, str) and one in SYMBOLS for one in node):
            node.append(self._random.choice(SYMBOLS))
        else:
            node.append(self._type(3, ""))

    def _change_object(self, node: dict[str, Any]) -> None:
        key = self._random.choice(list(node))
        match key:
            case "type" if node[key] in SIMPLE:
                node[key] = self._random.choice(SIMPLE)
            case "type" if isinstance(node[key], dict | list):
                node[key] = self._random.choice(
                    [self._type(3, ""), [node[key]], ["null", node[key]]]
                )
            case "items" | "values":
                node[key] = self._type(3, "")
            case "name":
                old = node["name"]
                node["name"] = self._random.choice(FIELDS if old in FIELDS else NAMES)
                if self._chance(0.5):
                    node["aliases"] = [old]
            case "namespace":
                node[key] = self._random.choice(SPACES)
            case "size":
                node[key] = self._random.choice([1, 2, 12, 16])
            case "default" | "aliases" | "order" | "logicalType" | "precision" | "scale":
                del node[key]
            case _:
                pass


def _containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict | list) else []
    for item in inner:
        found += _containers(item)
    return found
