"""Values that do not fit their schema: refused on encoding, with the path of the field."""

from __future__ import annotations

import datetime as dt
import enum
import warnings
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from python_packages import make_event


def logical(base: str, name: str, **more: int) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


FIELDS: dict[str, Any] = {
    "null": "null",
    "boolean": "boolean",
    "int": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "bytes": "bytes",
    "string": "string",
    "money": logical("bytes", "decimal", precision=5, scale=2),
    "uuid": logical("string", "uuid"),
    "date": logical("int", "date"),
    "time": logical("int", "time-millis"),
    "time_micros": logical("long", "time-micros"),
    "instant": logical("long", "timestamp-millis"),
    "instant_micros": logical("long", "timestamp-micros"),
    "instant_nanos": logical("long", "timestamp-nanos"),
    "local": logical("long", "local-timestamp-millis"),
    "fixed": {"type": "fixed", "name": "Four", "size": 4},
    "fixed_money": {"name": "M", "size": 3, **logical("fixed", "decimal", precision=6, scale=1)},
    "fixed_uuid": {"name": "U", "size": 16, **logical("fixed", "uuid")},
    "duration": {"name": "D", "size": 12, **logical("fixed", "duration")},
    "kind": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]},
    "other": {"type": "enum", "name": "Other", "symbols": ["A", "B"]},
    "inner": {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]},
    "texts": {"type": "array", "items": "string"},
    "doubles": {"type": "array", "items": "double"},
    "ints": {"type": "map", "values": "int"},
    "maybe": ["null", "string"],
    "either": ["int", "string", "Inner", "null"],
    "number": ["int", "long", "float", "double"],
    "raw": ["bytes", "Four"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, Any, Any]:
    fields = [{"name": f"a_{name}", "type": kind} for name, kind in FIELDS.items()]
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    package, event = make_event(Path(tmp_path_factory.mktemp("values")), schema)
    values: dict[str, Any] = {
        "null": None,
        "boolean": True,
        "int": 1,
        "long": 1,
        "float": 1.5,
        "double": 1.5,
        "bytes": b"x",
        "string": "x",
        "money": Decimal("1.23"),
        "uuid": UUID(int=1),
        "date": dt.date(2026, 1, 1),
        "time": dt.time(1),
        "time_micros": dt.time(1),
        "instant": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "instant_micros": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "instant_nanos": 10**18,
        "local": dt.datetime(2026, 1, 1),
        "fixed": b"1234",
        "fixed_money": Decimal("1.5"),
        "fixed_uuid": UUID(int=2),
        "duration": package.Duration(months=1),
        "kind": package.Kind.A,
        "other": package.Other.B,
        "inner": package.Inner(x=1),
        "texts": ["a"],
        "doubles": [1.0],
        "ints": {"k": 1},
        "maybe": "x",
        "either": 5,
        "number": 1,
        "raw": b"xyz",
    }
    value = package.Event(**{f"a_{name}": one for name, one in values.items()})
    return package, event, value


class Lookalike(enum.Enum):
    A = "A"


WRONG: dict[str, list[Any]] = {
    "null": [0, False, ""],
    "boolean": [1, 0, None, "true"],
    "int": [2**31, -(2**31) - 1, True, 1.0, "1", None, Decimal(1)],
    "long": [2**63, -(2**63) - 1, False, 1.0, "1", None, 2**100],
    "float": [1e300, "1.5", None, True, Decimal("1.5"), 10**400, 2**24 + 1],
    "double": ["1.5", None, False, Decimal("1.5"), 10**400, 2**53 + 1],
    "bytes": ["x", None, bytearray(b"x"), memoryview(b"x"), [1], 1],
    "string": [b"x", None, 1, ["x"], "\ud800", ("x",)],
    "money": [
        Decimal("1.234"), Decimal("1000.00"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"),
        1.5, 1, "1.5", None, Decimal("1E+999999"), Decimal("1E-999999"),
    ],
    "uuid": ["00000000-0000-0000-0000-000000000001", None, 1, b"x" * 16],
    "date": [dt.datetime(2026, 1, 1), "2026-01-01", None, 1],
    "time": [dt.time(1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1), 1, None, "01:00"],
    "time_micros": [dt.time(1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1), 1, None],
    "instant": [dt.datetime(2026, 1, 1), dt.date(2026, 1, 1), 1, 1.5, None, "2026-01-01T00:00Z"],
    "instant_micros": [dt.datetime(2026, 1, 1), dt.date(2026, 1, 1), 1, None],
    "instant_nanos": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 2**63, 1.0, None],
    "local": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.date(2026, 1, 1), 1, None],
    "fixed": [b"123", b"12345", "1234", None, bytearray(4)],
    "fixed_money": [Decimal("1.55"), Decimal("100000.0"), 1, 1.5, None, Decimal("NaN")],
    "fixed_uuid": [b"x" * 16, str(UUID(int=1)), None],
    "duration": [(1, 2, 3), dt.timedelta(days=1), None],
    "kind": ["A", Lookalike.A, None, 0],
    "inner": [{"x": 1}, None, 1],
    "texts": ["abc", ("a",), None, [b"a"], [None], {"a"}, ["a", 1]],
    "doubles": [[None], ["1"], [True], (1.0,)],
    "ints": [{1: 1}, {"k": "v"}, {"k": 2**31}, [("k", 1)], None, {None: 1}],
    "maybe": [1, b"x", ["x"]],
    "either": [1.5, b"x", 2**31, [], Decimal(1)],
    "number": ["1", None, True, Decimal(1), 2**63 + 1],
    "raw": ["x", None, bytearray(b"x")],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_with_its_path(made: Any, name: str) -> None:
    package, event, value = made
    for wrong in WRONG[name]:
        for encode in (event.encode, event.codec.encode):
            with pytest.raises(package.EncodeError) as caught:
                encode(replace(value, **{f"a_{name}": wrong}), b"")
            assert caught.value.path.startswith(f"Event.a_{name}")
            assert str(caught.value).startswith(f"Event.a_{name}")


def test_the_path_leads_to_the_value(made: Any) -> None:
    package, event, value = made
    cases = {
        "Event.a_texts[1]": {"a_texts": ["x", 5]},
        "Event.a_ints['k']": {"a_ints": {"k": "v"}},
        "Event.a_inner.x": {"a_inner": package.Inner(x="1")},
        "Event.a_either.x": {"a_either": package.Inner(x=None)},
        "Event.a_kind": {"a_kind": package.Other.A},
    }
    for path, change in cases.items():
        with pytest.raises(package.EncodeError) as caught:
            event.encode(replace(value, **change), b"")
        assert caught.value.path == path


@pytest.mark.parametrize(
    ("name", "wrong", "problem"),
    [
        ("maybe", 5, "5 is of type int, not str or None"),
        ("maybe_money", Decimal("1.234"), "Decimal('1.234') does not fit 5 digits, 2 of them"),
        ("maybe_money", 1.5, "1.5 is of type float, not Decimal or None"),
        ("maybe_instant", dt.datetime(2026, 1, 1), "has no time zone; give it one"),
        ("maybe_int", 2**31, "2147483648 is outside the range of 32 bits"),
        ("either", 1.5, "1.5 is of type float, not int, str, Inner or None"),
        ("nothing", None, "a union without branches holds no value"),
    ],
)
def test_a_union_says_what_it_takes_or_what_is_wrong_with_the_value(
    tmp_path: Path, name: str, wrong: object, problem: str
) -> None:
    kinds: dict[str, Any] = {
        "maybe": FIELDS["maybe"],
        "maybe_money": ["null", FIELDS["money"]],
        "maybe_instant": ["null", FIELDS["instant"]],
        "maybe_int": ["null", "int"],
        "either": ["int", "string", FIELDS["inner"], "null"],
        "nothing": [],
    }
    fields = [{"name": "it", "type": kinds[name]}]
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    package, event = make_event(tmp_path, schema)
    for encode in (event.encode, event.codec.encode):
        with pytest.raises(package.EncodeError) as caught:
            encode(package.Event(it=wrong), b"")
        assert caught.value.path == "Event.it" and problem in str(caught.value)


def test_any_other_object_is_refused(made: Any) -> None:
    package, event, _ = made
    for wrong in (None, {}, object(), package.Inner(x=1), package.Event):
        with pytest.raises(package.EncodeError):
            event.encode(wrong, b"")


FITTING: dict[str, list[Any]] = {
    "money": [Decimal("5"), Decimal("5.000"), Decimal("-0"), Decimal("1E+2"), Decimal("-999.99")],
    "double": [3, -0.0, float("inf")],
    "float": [3, 1e-50],
    "doubles": [[], [1, 2.5]],
    "instant": [
        dt.datetime(2026, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC),
    ],
    "number": [2**31, 2**40, 1.5, float("inf")],
    "raw": [b"1234", b""],
    "maybe": [None, "ä" * 2000],
}


@pytest.mark.parametrize("name", FITTING)
def test_what_fits_comes_back(made: Any, name: str) -> None:
    _, event, value = made
    for fitting in FITTING[name]:
        changed = replace(value, **{f"a_{name}": fitting})
        data = event.encode(changed, b"")
        assert data == event.codec.encode(changed, b"")
        result = getattr(event.decode(data, 0), f"a_{name}")
        assert fitting in (result, 1e-50)


def test_digits_below_the_unit_are_cut_off(made: Any) -> None:
    _, event, value = made
    fine = dt.datetime(2026, 1, 1, 0, 0, 0, 123_999, tzinfo=dt.UTC)
    old = dt.datetime(1960, 1, 1, 0, 0, 0, 123_999, tzinfo=dt.UTC)
    for moment in (fine, old):
        changed = replace(value, a_instant=moment)
        result = event.decode(event.encode(changed, b""), 0).a_instant
        assert result == moment.replace(microsecond=123_000)


def test_the_ambient_decimal_context_changes_nothing(made: Any) -> None:
    import decimal

    _, event, value = made
    changed = replace(value, a_money=Decimal("999.99"))
    with decimal.localcontext(decimal.Context(prec=2, rounding=decimal.ROUND_UP)):
        data = event.encode(changed, b"")
        assert event.decode(data, 0).a_money == Decimal("999.99")
        assert event.codec.decode(data, 0).a_money == Decimal("999.99")


def test_decimals_of_every_size_are_written_fast_as_with_care(tmp_path: Path) -> None:
    money = logical("bytes", "decimal", precision=5000, scale=2)
    fields = [{"name": "money", "type": money}]
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    _, event = make_event(tmp_path, schema)
    careful = type(event.codec)(event.codec.schema, event.codec.types)
    event.codec.encode = None  # nothing may be left to it
    digits = [str(2**bits + edge) for bits in range(2, 70) for edge in (-1, 0, 1)]
    digits += [one * size for one in "19" for size in (1, 2, 3, 2466, 2467, 4932, 4997)]
    for whole in digits:
        for text in (f"{whole[:-2]}.{whole[-2:]}", whole, f"{whole}0", f"{whole}.5", f"{whole}E-1"):
            for sign in ("", "-"):
                model = event.model(money=Decimal(sign + text))
                assert event.encode(model, b"") == careful.encode(model, b"")


def test_a_deprecated_field_warns_who_sets_it(tmp_path: Path) -> None:
    fields = [
        {"name": "id", "type": "string", "deprecated": "it has no default, so all must set it"},
        {"name": "note", "type": ["null", "string"], "default": None, "deprecated": "use remarks"},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": [],
         "doc": "Words.", "deprecated": True},
        {"name": "size", "type": "int", "default": 1, "deprecated": False},
    ]  # fmt: skip
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    package, event = make_event(tmp_path, schema)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = package.Event(id="1", size=2)
        assert event.decode(event.encode(plain, b""), 0) == plain
    with pytest.warns(DeprecationWarning) as caught:
        full = package.Event(id="1", note="x", tags=["a"])
    assert [str(one.message) for one in caught] == [
        "Event.note is deprecated: use remarks",
        "Event.tags is deprecated: it will go",
    ]
    assert {one.filename for one in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert event.decode(event.encode(full, b""), 0) == full
    text = Path(package.models.__file__).read_text("utf-8")
    assert '"""Deprecated: use remarks"""' in text
    assert "Words.\n\n    Deprecated: it will go\n" in text


def test_a_mistyped_symbol_is_no_default(tmp_path: Path) -> None:
    """The default of an enum is for what newer versions write, not for a slip of this one."""
    kind = {"type": "enum", "name": "Kind", "symbols": ["UNKNOWN", "LATE"], "default": "UNKNOWN"}
    fields = [{"name": "kind", "type": kind}]
    schema = {"type": "record", "name": "Event", "namespace": "test", "fields": fields}
    package, _ = make_event(tmp_path, schema)
    assert package.Kind("LATE") is package.Kind.LATE
    with pytest.raises(ValueError, match="LAET"):
        package.Kind("LAET")
    assert "is read as UNKNOWN." in package.Kind.__doc__
