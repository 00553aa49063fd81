"""Names, docs and defaults that were not written for Python, and what becomes of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import subprocess
import sys
import typing
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from python_packages import (
    EVENT,
    import_package,
    load,
    make_event,
    remember,
    remember_all,
    run_generated_tests,
    write_package,
)

from codegen.diagnostics import KontraktError

DOCS = [
    'ends with a "quote"',
    '"""',
    'a """ in the """" middle',
    "a backslash \\",
    '\\"""',
    "*/ {{ braces }} {% raw %} {# no #} %}",
    "lines\r\nof\rmany\n\n   kinds\x0b\x0c\x1c\u2028\u2029\x85here  \n",
    "trojan \u202e\u2066 source \ufeff\x00\x1b[31m \ud7ff",
    "tab\tand 'single' quotes",
    "wide 日本語 " * 30,
    "word" * 60 + " and more",
    " leading",
    "",
    "\n\n",
    "N" + "{N}\\N{BULLET}\\u0041",
    "'''\\'''",
    "#!shebang",
    'ends with a backslash and a quote \\"',
    "{}{0}{x!r}%s%(a)s$x`y`",
]

NAMES = [
    "class",
    "None",
    "_x",
    "__class__",
    "x_",
    "x",
    "list",
    "str",
    "dt",
    "field",
    "self",
    "data",
]
NAMES += ["p", "b", "n", "event", "header", "value", "type", "id", "len", "print", "Event", "Other"]
NAMES += ["_", "__", "_1", "async", "match", "Decimal", "UUID", "pieces", "mro", "range", "new"]
NAMES += [
    "SHORT",
    "write_text",
    "int",
    "__slots__",
    "__init__",
    "__dict__",
    "a" * 70,
    "A_b",
    "ab__",
]

SYMBOLS = ["None", "True", "mro", "name", "value", "_x", "__init__", "x_", "class", "A", "a", "_"]


def hostile() -> dict[str, Any]:
    docs = [
        {"name": f"d{index}", "type": "int", "doc": doc, "default": index}
        for index, doc in enumerate(DOCS)
    ]
    names = [{"name": name, "type": ["null", "string"], "default": None} for name in NAMES]
    enum = {"type": "enum", "name": "Kind", "symbols": SYMBOLS, "default": "None", "doc": DOCS[1]}
    inner = {"type": "record", "name": "list", "namespace": "a", "fields": [], "doc": DOCS[3]}
    texts = [
        {"name": f"t{index}", "type": "string", "default": doc, "deprecated": doc or True}
        for index, doc in enumerate(DOCS)
    ]
    fields = [*docs, *names, *texts, {"name": "kind", "type": enum, "default": "__init__"}]
    fields += [{"name": "one", "type": inner}]
    fields += [{"name": "two", "type": {**inner, "namespace": "b"}}]
    fields += [{"name": "three", "type": {**inner, "name": "Message", "namespace": "b"}}]
    fields += [{"name": "four", "type": {**inner, "name": "write_text", "namespace": "b"}}]
    return {
        "type": "record",
        "name": "Event",
        "namespace": "test",
        "doc": DOCS[2],
        "fields": fields,
    }


def hostile_past() -> dict[str, Any]:
    """An older version that holds what is gone now, in another order, under other types."""
    now = hostile()
    fields = [one for one in reversed(now["fields"]) if one["name"] not in ("x", "kind", "d3")]
    for one in fields:
        if one["type"] == ["null", "string"]:
            one["type"] = "string"
    kind = {"type": "enum", "name": "Kind", "symbols": [*reversed(SYMBOLS), "gone"]}
    tree = {"type": "record", "name": DEEP, "fields": [{"name": "n", "type": ["null", DEEP]}]}
    gone: list[Any] = ["null", "int", "bytes", {"type": "array", "items": tree}, "double", "float"]
    for _ in range(6):
        gone = ["null", {"type": "array", "items": {"type": "map", "values": gone}}, "boolean"]
    fields += [{"name": "gone", "type": gone}, {"name": "kind", "type": kind}]
    return {**now, "fields": fields}


DEEP = "Tree" * 20


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hostile_texts_become_nothing_but_texts(tmp_path: Path) -> None:
    package, event = make_event(tmp_path, hostile())
    cls = package.Event
    attributes = {field.name: field for field in dataclasses.fields(cls)}
    assert [attributes[f"t{index}"].default for index in range(len(DOCS))] == DOCS
    assert [member.value for member in package.Kind] == SYMBOLS
    assert attributes["kind"].default.value == "__init__"
    assert len(attributes) == len(hostile()["fields"])
    models = package.models
    classes = [value for value in vars(models).values() if isinstance(value, type)]
    records = {one.__name__ for one in classes if one.__module__ == models.__name__}
    assert records == {"AList", "BList", "BMessage", "BWrite_text", "Event", "Kind"}
    empties = {name: getattr(models, name)() for name in records - {"Event", "Kind"}}
    value = cls(one=empties["AList"], two=empties["BList"], three=empties["BMessage"],
                four=empties["BWrite_text"])  # fmt: skip
    data = event.encode(value, b"")
    assert event.decode(data, 0) == value == event.codec.decode(data, 0)
    assert event.codec.encode(value, b"") == data
    newer = hostile()
    (kind,) = (one for one in newer["fields"] if one["name"] == "kind")
    kind["type"]["symbols"] = ["of_the_future" if one == "__init__" else one for one in SYMBOLS]
    del kind["default"]
    assert event.resolve(json.dumps(newer), {})(data, 0).kind.value == "None"


def test_generated_files_are_as_ruff_leaves_them(tmp_path: Path) -> None:
    contract = load(tmp_path, {"Event": hostile()}, [EVENT])
    contract = remember(contract, [hostile_past()])
    folder = write_package(contract, tmp_path / "generated", "thing_service")
    assert (folder / "thing_service" / "history.py").exists()
    run("ruff", "format", "--check", "--isolated", "--line-length", "100", ".", cwd=folder)
    ruff = ["ruff", "check", "--isolated", "--select", "I,F,E", "--line-length", "100"]
    run(*ruff, ".", cwd=folder)
    run("mypy", "--strict", "thing_service", cwd=folder)


def named_like_their_types() -> Any:
    """What contracts of others hold: long names, and fields that are called like their types."""
    status = {"type": "enum", "name": "Status", "symbols": ["ACTIVE", "GONE"]}
    kind = {
        "type": "enum",
        "name": "IncrementingSegmentFieldTransformerType",
        "symbols": ["A", "B"],
    }
    page: Any = {
        "type": "record",
        "name": "page",
        "fields": [
            {"name": "page", "type": ["null", "page"], "default": None},
            {"name": "bytes", "type": "long", "default": 3},
        ],
    }
    counts: Any = {
        "type": "record",
        "name": "PartitionWriteStatistics",
        "fields": [
            {"name": "numberOfInsertedRecordsInBytes", "type": "long"},
            {"name": "numberOfDeletedRecords", "type": ["null", "int"]},
            {"name": "sizesOfWrittenFilesInBytes", "type": {"type": "array", "items": "int"}},
            {"name": "pathOfTheBootstrapFile", "type": "string"},
            {"name": "kindOfTransformer", "type": kind},
            {"name": "pathsOfWrittenFiles", "type": {"type": "array", "items": "string"}},
        ],
    }
    text_or_map: Any = ["string", {"type": "map", "values": "string"}]
    for _ in range(3):
        counts = ["null", {"type": "array", "items": {"type": "map", "values": counts}}]
        text_or_map = {"type": "array", "items": {"type": "map", "values": text_or_map}}
    return {
        "type": "record",
        "name": "event",
        "namespace": "test",
        "fields": [
            {"name": "Status", "type": status, "default": "ACTIVE"},
            {"name": "previous", "type": "Status", "default": "GONE"},
            {"name": "page", "type": page, "default": {"bytes": 4}},
            {"name": "pages", "type": {"type": "array", "items": "page"}, "default": [{}]},
            {"name": "firstPageOfTheWholeResultsOfASearch", "type": "page", "default": {}},
            {"name": "statisticsOfPartitions", "type": counts},
            {"name": "headers", "type": text_or_map},
            {"name": "predictedMedianInsertSize", "type": ["int", "string", "long"]},
        ],
    }


def test_fields_that_are_called_like_their_types(tmp_path: Path) -> None:
    event = named_like_their_types()
    counted = {"type": "record", "name": "Counted", "namespace": "test"}
    now, before = (
        {**counted, "fields": [{"name": "count", "type": kind}]} for kind in ("long", "int")
    )
    headers = {"name": "headers", "type": {"type": "array", "items": "string"}}
    older = {**event, "fields": [headers, *event["fields"][:6]]}
    contract = load(tmp_path, {"event": event, "Counted": now}, ["test.event", "test.Counted"])
    contract = remember_all(contract, {"test.event": [older], "test.Counted": [before]})
    folder = tmp_path / "generated"
    package = import_package(contract, folder)
    run("ruff", "format", "--check", "--isolated", "--line-length", "100", ".", cwd=folder)
    run("mypy", "--strict", package.__name__, "tests", cwd=folder)
    assert len(run_generated_tests(tmp_path)) > 3
    hints = typing.get_type_hints(package.TestEvent)
    assert hints["pages"] == list[package.page]
    assert hints["previous"] is package.Status
    value = package.TestEvent(statisticsOfPartitions=None, headers=[], predictedMedianInsertSize=1)
    assert (value.previous, value.pages) == (package.Status.GONE, [package.page()])


def test_the_same_contract_gives_the_same_bytes(tmp_path: Path) -> None:
    contract = load(tmp_path, {"Event": hostile()}, [EVENT])
    texts = []
    for seed in ("1", "2"):
        program = (
            "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
            "from codegen.contract.load import load_contract\n"
            "from codegen.diagnostics import Findings\n"
            "from codegen.targets import discover_targets\n"
            "contract = load_contract(Path(sys.argv[1]), Findings())\n"
            "target = discover_targets()['python']\n"
            "print(target.files(contract.services[0], contract, {}))\n"
        )
        texts.append(
            subprocess.run(
                [sys.executable, "-c", program, str(tmp_path), str(Path(__file__).parent.parent)],
                capture_output=True,
                check=True,
                env={"PYTHONHASHSEED": seed},
            ).stdout
        )
    assert texts[0] == texts[1] and b"class Event" in texts[0]
    assert contract.services


DEFAULTS: dict[str, tuple[Any, Any, Any]] = {
    "null": ("null", None, None),
    "boolean": ("boolean", True, True),
    "long": ("long", -(2**63), -(2**63)),
    "float": ("float", 1, 1.0),
    "double": ("double", 1e300, 1e300),
    "tiny": ("double", -1.5e-7, -1.5e-7),
    "zero": ("double", -0.0, -0.0),
    "bytes": ("bytes", "\x00ÿ\"'\\", b"\x00\xff\"'\\"),
    "text": ("string", "x" * 150 + "\"'\n", "x" * 150 + "\"'\n"),
    "money": (
        {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2},
        "\xff\x85",
        Decimal("-1.23"),
    ),
    "uuid": (
        {"type": "string", "logicalType": "uuid"},
        "12345678-1234-5678-1234-567812345678",
        UUID("12345678-1234-5678-1234-567812345678"),
    ),
    "date": ({"type": "int", "logicalType": "date"}, -1, dt.date(1969, 12, 31)),
    "time": ({"type": "int", "logicalType": "time-millis"}, 3_723_004, dt.time(1, 2, 3, 4000)),
    "instant": (
        {"type": "long", "logicalType": "timestamp-micros"},
        -1,
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
    ),
    "local": (
        {"type": "long", "logicalType": "local-timestamp-millis"},
        1,
        dt.datetime(1970, 1, 1, 0, 0, 0, 1000),
    ),
    "list": ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
    "empty": ({"type": "map", "values": "int"}, {}, {}),
    "map": (
        {"type": "map", "values": {"type": "array", "items": ["null", "string"]}},
        {'a"': [None, "b"], "c": []},
        {'a"': [None, "b"], "c": []},
    ),
    "union": (["string", "null"], None, None),
    "fixed": ({"type": "fixed", "name": "Two", "size": 2}, "ab", b"ab"),
}


def test_defaults_of_every_type(tmp_path: Path) -> None:
    point = {
        "type": "record",
        "name": "Point",
        "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "int", "default": 7}],
    }
    fields = [
        {"name": f"f_{name}", "type": kind, "default": value}
        for name, (kind, value, _) in DEFAULTS.items()
    ]
    fields.append({"name": "point", "type": point, "default": {"x": 1}})
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    package, event = make_event(tmp_path, schema)
    value = package.Event()
    for name, (_, _, expected) in DEFAULTS.items():
        assert getattr(value, f"f_{name}") == expected
    assert value.point == package.Point(x=1, y=7)
    assert value.f_list is not package.Event().f_list
    assert event.decode(event.encode(value, b""), 0) == value
    bare = '{"type": "record", "name": "Event", "namespace": "test", "fields": []}'
    assert event.resolve(bare, {})(b"", 0) == value
    folder = next(Path(one).parent for one in package.__path__)
    run("ruff", "format", "--check", "--isolated", "--line-length", "100", ".", cwd=folder)
    run("mypy", "--strict", package.__name__, cwd=folder)


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ({"type": "string", "logicalType": "uuid"}, "no uuid"),
        ({"type": "int", "logicalType": "date"}, 2**31 - 1),
        ({"type": "int", "logicalType": "time-millis"}, -1),
        ({"type": "bytes", "logicalType": "decimal", "precision": 1, "scale": 0}, "\x7f"),
    ],
)
def test_a_default_that_python_has_no_value_for_is_refused(
    tmp_path: Path, kind: Any, default: Any
) -> None:
    fields = [{"name": "odd", "type": kind, "default": default}]
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    contract = load(tmp_path, {"Event": schema}, [EVENT])
    with pytest.raises(KontraktError, match=r"test\.Event\.odd"):
        write_package(contract, tmp_path / "generated", "thing_service")


def test_types_of_one_name_in_two_namespaces(tmp_path: Path) -> None:
    def line(namespace: str) -> dict[str, Any]:
        fields = [{"name": "n", "type": "int"}]
        return {"type": "record", "name": "Line", "namespace": namespace, "fields": fields}

    fields = [
        {"name": "a", "type": line("shop.orders")},
        {"name": "b", "type": line("shop.stock.orders")},
        {"name": "c", "type": line("deep.stock.orders")},
    ]
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    package, event = make_event(tmp_path, schema)
    one = package.ShopOrdersLine(n=1)
    two, three = package.ShopStockOrdersLine(n=2), package.DeepStockOrdersLine(n=3)
    value = package.Event(a=one, b=two, c=three)
    assert event.decode(event.encode(value, b""), 0) == value
    with pytest.raises(package.EncodeError, match=r"Event\.a: .*ShopStockOrdersLine"):
        event.encode(package.Event(a=two, b=two, c=three), b"")


def tree(tmp_path: Path) -> tuple[ModuleType, Any]:
    fields = [
        {"name": "label", "type": "string"},
        {"name": "next", "type": ["null", "Event"], "default": None},
        {"name": "children", "type": {"type": "array", "items": "Event"}, "default": []},
    ]
    return make_event(
        tmp_path, {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    )


@pytest.fixture
def usual_recursion() -> Iterator[None]:
    """The limit that a service has; the tool has raised its own."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(limit)


def test_recursion_that_is_too_deep_is_an_error_of_its_own(
    tmp_path: Path, usual_recursion: None
) -> None:
    package, event = tree(tmp_path)
    value = package.Event(label="0")
    for number in range(50):
        value = package.Event(label=str(number), next=value, children=[value] * (number < 3))
    assert event.decode(event.encode(value, b""), 0) == value
    for number in range(5000):
        value = package.Event(label=str(number), next=value)
    with pytest.raises(package.EncodeError, match="nested too deeply"):
        event.encode(value, b"")
    with pytest.raises(package.DecodeError, match="nested too deeply"):
        event.decode(b"\x00\x02" * 100_000, 0)


def test_several_events_of_one_package(tmp_path: Path) -> None:
    schemas = {
        name: {"type": "record", "name": name, "namespace": "test", "fields": [
            {"name": "key", "type": {"type": "string", "logicalType": "uuid"}}]}
        for name in ("One", "Two")
    }  # fmt: skip
    contract = load(tmp_path, schemas, ["test.One", "test.Two"], key="key")
    package = import_package(contract, tmp_path / "generated")
    one, two = package.codecs.ONE, package.codecs.TWO
    key = UUID("12345678-1234-5678-1234-567812345678")
    assert one.key(package.One(key=key)) == str(key).encode()
    assert (one.name, one.topic, one.subject) == ("test.One", "things", "things-test.One")
    with pytest.raises(package.EncodeError, match="One"):
        two.encode(package.One(key=key), b"")
