"""Dataclasses of generated packages beside those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import threading
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from python_packages import make_event

from codegen.targets.python.runtime import late_dataclass

OPTIONS: list[dict[str, bool]] = [
    {"frozen": True, "slots": True, "kw_only": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "kw_only": True},
    {"slots": True},
    {},
]
every = pytest.mark.parametrize("options", OPTIONS, ids=[" ".join(one) for one in OPTIONS])
Make = Callable[..., Callable[[type[Any]], Any]]
LATE: Make = late_dataclass.dataclass


def point(make: Make, options: dict[str, bool]) -> Any:
    """The same class, made by one of the two; pickle finds the last one."""

    class Point:
        """A place."""

        x: int
        y: int | None = None
        tags: list[str] = dataclasses.field(default_factory=list[str])

        @property
        def has_y(self) -> bool:
            return self.y is not None

    Point.__qualname__ = "Point"
    made = make(**options)(Point)
    globals()["Point"] = made
    return made


def sealed(make: Make, options: dict[str, bool]) -> Any:
    """A class that checks its values."""

    class Sealed:
        """A number."""

        number: int
        made: ClassVar[list[int]] = []

        def __post_init__(self) -> None:
            self.made.append(self.number)

        def __repr__(self) -> str:
            return "?"

    return make(**options)(Sealed)


def told(act: Callable[[], object]) -> object:
    """What came of it, or the error as text."""
    try:
        return act()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def behaviour(cls: Any) -> dict[str, object]:
    """What can be seen of a class and its objects."""
    one, same, other = (cls(x=1, y=2), cls(x=1, y=2), cls(x=1, tags=["a"]))

    class Sub(cls):  # type: ignore[misc]
        """Adds nothing, but is another class."""

    sub = Sub(x=1, y=2)
    return {
        "repr": [repr(one), repr(other), repr(sub)[-24:]],
        "equal": [one == same, one == other, one == sub, one == 1, one != same],
        "hash": told(lambda: hash(cls(x=1, tags=())) == hash(cls(x=1, tags=()))),
        "hash of a list": told(lambda: hash(one)),
        "fields": [(f.name, f.type, f.kw_only, f.default) for f in dataclasses.fields(cls)],
        "is a dataclass": [dataclasses.is_dataclass(cls), dataclasses.is_dataclass(one)],
        "replace": repr(dataclasses.replace(one, y=5)),
        "asdict": [dataclasses.asdict(other), dataclasses.astuple(other)],
        "match": cls.__match_args__,
        "slots": getattr(cls, "__slots__", None),
        "dict": hasattr(one, "__dict__"),
        "set": told(lambda: setattr(one, "x", 1)),
        "set of a subclass": told(lambda: setattr(sub, "x", 1)),
        "delete": told(lambda: delattr(copy.copy(one), "x")),
        "copies": [copy.copy(other) == other, copy.deepcopy(other) == other],
        "pickles": [pickle.loads(pickle.dumps(other, number)) == other for number in range(2, 6)],
        "state": told(lambda: one.__reduce_ex__(4)[2:]),
        "signature": str(inspect.signature(cls)),
        "hints": typing.get_type_hints(cls.__init__),
        "names": [
            (name, getattr(cls, name).__qualname__, getattr(cls, name).__module__)
            for name in ("__init__", "__repr__", "__eq__")
        ],
        "wrong arguments": [
            told(cls),
            told(lambda: repr(cls(1, 2))),
            told(lambda: cls(x=1, z=2)),
        ],
        "doc": cls.__doc__,
        "factories": cls(x=1).tags is not cls(x=1).tags,
        "own": one.has_y,
    }


@every
def test_nobody_sees_a_difference(options: dict[str, bool]) -> None:
    expected = behaviour(point(dataclasses.dataclass, options))
    assert behaviour(point(LATE, options)) == expected


def test_no_attribute_is_set_that_is_no_field() -> None:
    # With slots, dataclasses of Python 3.11 raise a TypeError of their own making here.
    cls = point(LATE, OPTIONS[0])

    class Sub(cls):  # type: ignore[misc]
        """May have attributes of its own."""

    event, sub = cls(x=1), Sub(x=1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'z'"):
        event.z = 1
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'z'"):
        del event.z
    sub.z = 1
    del sub.z
    assert not hasattr(sub, "z")


@every
def test_what_a_class_defines_itself_is_kept(options: dict[str, bool]) -> None:
    for make in (dataclasses.dataclass, LATE):
        cls = sealed(make, options)
        assert repr(cls(number=3)) == "?" and cls.made == [3]


@every
def test_a_dataclass_can_be_derived_from_one(options: dict[str, bool]) -> None:
    def derive(make: Make) -> list[object]:
        base = point(make, options)

        class More(base):  # type: ignore[misc]
            """A place with a height."""

            z: int = 0

        made: Any = dataclasses.dataclass(**options)(More)
        return [
            str(inspect.signature(made)),
            repr(made(x=1, z=3)).rpartition(".")[2],
            made(x=1) == made(x=1),
        ]

    assert derive(LATE) == derive(dataclasses.dataclass)


@pytest.mark.parametrize(
    "first",
    [
        lambda cls: cls(x=1),
        lambda cls: cls.__init__,
        inspect.signature,
        lambda cls: cls.__repr__,
        lambda cls: cls.__hash__,
        lambda cls: object.__new__(cls) == object.__new__(cls),
    ],
)
def test_whatever_is_looked_at_first(first: Callable[[Any], object]) -> None:
    cls = point(LATE, OPTIONS[0])
    told(lambda: first(cls))
    assert repr(cls(x=1)) == "Point(x=1, y=None, tags=[])"
    assert cls(x=1) == cls(x=1)


def test_several_threads_may_be_the_first() -> None:
    for _ in range(20):
        cls = point(LATE, OPTIONS[0])
        start, seen = threading.Barrier(4), list[object]()

        def use(cls: Any = cls, start: Any = start, seen: Any = seen) -> None:
            start.wait()
            seen.append(cls(x=1) == cls(x=1))

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [True] * 4


def test_importing_a_package_compiles_no_methods(tmp_path: Path) -> None:
    schema = {
        "type": "record",
        "name": "Event",
        "namespace": "test",
        "fields": [{"name": "id", "type": "string"}],
    }
    package, _ = make_event(tmp_path, schema)
    program = (
        "import builtins, decimal, enum, uuid, datetime, struct, dataclasses\n"
        "compiled = []\n"
        "run = builtins.exec\n"
        "builtins.exec = lambda *args, **more: (compiled.append(args), run(*args, **more))[1]\n"
        f"import {package.__name__}.codecs\n"
        "print(sum(isinstance(args[0], str) and 'Event' in str(args) for args in compiled))\n"
        f"assert {package.__name__}.models.Event(id='a').id == 'a'\n"
        "print(sum(isinstance(args[0], str) for args in compiled) > 0)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "generated",
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["0", "True"]
