"""Files that each write out what they share: told, mended by names, and nothing lost with it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from codegen.avro.canonical import render
from codegen.avro.parse import SchemaSet, parse_schemas
from codegen.avro.schema import SchemaGraph
from codegen.diagnostics import Findings
from codegen.mending import mend_documents
from codegen.source import Document, read_json
from tests.test_lint import MANIFEST, run


def record(name: str, /, **fields: Any) -> dict[str, Any]:
    """A record of the namespace `shop` whose fields have these types."""
    parts = [{"name": field, "type": schema} for field, schema in fields.items()]
    return {"type": "record", "name": name, "namespace": "shop", "fields": parts}


MONEY = record("Money", amount="long", currency="string")
GOODS = record("Goods", name="string", price=MONEY)


def read(**files: Any) -> list[Document]:
    """The documents of files by name, as someone typed them."""
    return [
        read_json(f"schemas/{name}.avsc", json.dumps(value, indent=1))
        for name, value in files.items()
    ]


def find(documents: Iterable[Document]) -> Findings:
    """What the parser says of them."""
    parse_schemas(documents, findings := Findings())
    return findings


def mend(documents: list[Document]) -> dict[str, Any]:
    """The mended files by name."""
    mending = mend_documents(
        {one.name: one for one in documents}, lambda edited: find(edited.values()).items
    )
    changed = {change.name: change.after for change in mending.changes}
    return {Path(one.name).stem: changed.get(one.name, one).value for one in documents}


def notes(documents: list[Document]) -> list[str]:
    """Where something stands twice, and what is said of it."""
    return [f"{Path(one.location.file).stem}: {one.note}" for one in find(documents)]


def test_a_name_takes_the_place_of_what_is_the_same() -> None:
    documents = read(Sold=record("Sold", goods=GOODS), Lost=record("Lost", what=GOODS, cost=MONEY))
    assert mend(documents) == {
        "Sold": record("Sold", goods=GOODS),
        "Lost": record("Lost", what="shop.Goods", cost="shop.Money"),
    }


def test_the_file_of_its_own_is_the_definition_that_counts() -> None:
    documents = read(Alike=record("Alike", price=MONEY), Goods=GOODS, Money=MONEY)
    assert notes(documents) == [
        "Alike: the same as in schemas/Money.avsc",
        "Goods: the same as in schemas/Money.avsc",
    ]
    assert mend(documents) == {
        "Alike": record("Alike", price="shop.Money"),
        "Goods": record("Goods", name="string", price="shop.Money"),
        "Money": MONEY,
    }


def test_what_differs_inside_is_never_replaced() -> None:
    other = record("Goods", name="string", price=record("Money", amount="double"))
    documents = read(Sold=record("Sold", goods=GOODS), Lost=record("Lost", goods=other))
    assert notes(documents) == [
        'Lost: not the same as in schemas/Sold.avsc: the field "currency" is missing here',
        "Lost: not the same as in schemas/Sold.avsc: "
        'in shop.Money, the field "currency" is missing here',
    ]
    assert mend(documents) == {one.name[8:-5]: one.value for one in documents}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"doc": "What it costs."}, "another doc"),
        ({"aliases": ["Price"]}, "other aliases"),
        ({"java-class": "x.Money"}, 'another "java-class"'),
        ({"fields": MONEY["fields"][::-1]}, "another order of fields"),
        (
            {"fields": [*MONEY["fields"], {"name": "name", "type": "int"}]},
            'the field "name" is in here only',
        ),
        (
            {"fields": [{**MONEY["fields"][0], "default": 0}, MONEY["fields"][1]]},
            'another field "amount"',
        ),
        ({"type": "enum", "symbols": ["A"]}, "another kind of type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_first_difference_is_told(change: dict[str, Any], words: str) -> None:
    documents = read(Money=MONEY, Sold=record("Sold", cost={**MONEY, **change}))
    assert notes(documents) == [f"Sold: not the same as in schemas/Money.avsc: {words}"]


def test_two_files_of_one_type_are_left_to_people() -> None:
    documents = read(A=MONEY, B=MONEY)
    (found,) = find(documents)
    assert (found.hint, found.mends) == ("remove this file or schemas/A.avsc", ())


def test_lint_mends_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "contracts.yaml").write_text(MANIFEST.replace("key: sale_id, ", ""), "utf-8")
    for name in ("Sold", "Lost", "Found"):
        text = json.dumps(record(name, goods=GOODS), indent=2)
        (folder / f"{name}.avsc").write_text(text, "utf-8")
    code, output, _ = run(tmp_path)
    assert code == 1
    assert "the same as in schemas/Found.avsc" in output
    assert "shape/shared-inline-type" not in output
    code, output, _ = run(tmp_path, "--fix")
    assert (code, "schema/duplicate" in output) == (0, False)
    lost = json.loads((folder / "Lost.avsc").read_text("utf-8"))
    assert lost == record("Lost", goods="shop.Goods")


def write_out(name: str, types: dict[str, dict[str, Any]], known: set[str]) -> Any:
    """A type with all that it uses written out where it stands first."""
    if name not in types or name in known:
        return f"shop.{name}" if name in types else name
    known.add(name)
    fields = [
        {**one, "type": write_out(one["type"], types, known)} for one in types[name]["fields"]
    ]
    return {**types[name], "fields": fields}


def meaning(schemas: SchemaSet, name: str) -> str:
    """All that a file's type says, written out."""
    return render(SchemaGraph(schemas.roots[name], schemas.types), inline=True)


def test_random_files_mean_the_same_with_names_in_them() -> None:
    for seed in range(40):
        chance = random.Random(seed)
        names = [f"T{index}" for index in range(6)]
        types = {}
        for index, name in enumerate(names):
            inner = chance.choices(["int", "string", *names[:index]], k=3)
            types[name] = record(name, **{f"f{place}": one for place, one in enumerate(inner)})
        files = chance.sample(names, 4)
        documents = read(**{name: write_out(name, types, set()) for name in files})
        before = parse_schemas(documents, Findings())
        mended = read(**mend(documents))
        after = parse_schemas(mended, findings := Findings())
        assert not findings.items, seed
        for document in documents:
            assert meaning(after, document.name) == meaning(before, document.name), seed
