"""Dataclasses whose methods are made when they are first used.

`dataclasses` writes, compiles and runs the code of a class's methods where the class is defined,
which is most of what importing a package of many events takes. Here that waits until somebody
makes, compares or prints an object, or looks at one of these methods; what is found then is what
`dataclasses` makes. In all else, and to type checkers, this is `dataclasses.dataclass`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]

_LATER: Final = ("__init__", "__repr__", "__eq__", "__hash__")


class _Later:
    """A method of a class that is not made yet: whoever looks at it gets the one that is."""

    __slots__ = ("_cls", "_name")

    def __init__(self, cls: type[Any], name: str) -> None:
        self._cls = cls
        self._name = name

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        methods = _make_methods(self._cls)
        for name, method in methods.items():
            if isinstance(vars(self._cls).get(name), _Later):
                setattr(self._cls, name, method)
        return methods[self._name].__get__(instance, owner)


def _make_methods(cls: type[Any]) -> Mapping[str, Any]:
    """What `dataclasses` makes for a class with these fields."""
    fields = cls.__dataclass_fields__
    namespace: dict[str, Any] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__annotations__": {name: field.type for name, field in fields.items()},
        **fields,
    }
    if hasattr(cls, "__post_init__"):
        namespace["__post_init__"] = cls.__post_init__
    twin: type[Any] = type(cls.__name__, (), namespace)
    made: type[Any] = dataclasses.dataclass(
        frozen=cls.__dataclass_params__.frozen, match_args=False
    )(twin)
    return {name: vars(made)[name] for name in _LATER}


def _prepare(cls: Any, *, frozen: bool, slots: bool, kw_only: bool) -> Any:
    """A dataclass that has all but the methods that are made later."""
    make = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
    made: Any = make(cls)
    own = vars(cls)
    parameters = made.__dataclass_params__
    parameters.init = parameters.repr = parameters.eq = True
    parameters.frozen = frozen
    for name in _LATER:
        if name not in own:
            setattr(made, name, _Later(made, name))
    if not frozen:
        made.__hash__ = None
        return made
    made.__setattr__, made.__delattr__ = _refusals(made)
    if slots:
        made.__getstate__, made.__setstate__ = _get_state, _set_state
    return made


def _refusals(cls: type[Any]) -> tuple[Callable[..., None], Callable[..., None]]:
    names = frozenset(cls.__dataclass_fields__)

    def set_attribute(self: object, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete_attribute(self: object, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return set_attribute, delete_attribute


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        # The class itself lets nobody set an attribute.
        object.__setattr__(self, field.name, value)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, slots: bool = False, kw_only: bool = False) -> Any:
        """As `dataclasses.dataclass`, of whose options it has these."""
        return lambda cls: _prepare(cls, frozen=frozen, slots=slots, kw_only=kw_only)
