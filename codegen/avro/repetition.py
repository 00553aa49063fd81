"""A type is defined again: does it say the same, and may a name stand in its place?

Files that each write out all that they use repeat the types that they share. Where two definitions
say the same, one of them and a name say it too; where they differ, only people know which is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from codegen.avro.attributes import Attributes
from codegen.avro.canonical import render_alone
from codegen.avro.schema import Enum, Field, Fixed, Named, Record, Schema, children, walk
from codegen.editing import Mend, Replace


def settle_definitions(
    roots: Iterable[Schema], types: dict[str, Named], repeated: Iterable[Named]
) -> list[Named]:
    """Choose the definition of each name that counts, and return the others, which repeat it.

    It is the one in a file of its own, else the first that does not stand inside of a repetition:
    so names can take the places of all repetitions, and nothing is lost with them. `types` holds
    the first of each name and afterwards those that count, `repeated` all further ones.
    """
    every = {id(named): named for named in (*types.values(), *repeated)}
    roots = [
        root for root in roots if not isinstance(root, Record | Enum | Fixed) or id(root) in every
    ]
    chosen: dict[str, Named] = {}
    for root in roots:
        if isinstance(root, Record | Enum | Fixed):
            chosen.setdefault(root.name, root)
    for root in roots:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Record | Enum | Fixed) and (
                id(node) not in every or chosen.setdefault(node.name, node) is not node
            ):
                continue
            waiting.extend(reversed(tuple(children(node))))
    types.update(chosen)
    return [named for named in every.values() if types[named.name] is not named]


def report_repetition(named: Named, types: Mapping[str, Named], read: Attributes) -> None:
    """Report a type that `types` defines elsewhere, and what its name in its place would change."""
    first = types[named.name]
    message = f"{named.name} is defined twice"
    where, other = named.origin.at("name"), first.origin.at("name")
    if named.origin.document is first.origin.document:
        hint = "define it once and refer to it by name"
        read.add_duplicate(where, message, other, hint)
        return
    file = first.origin.document.name
    if difference := find_difference(named, types):
        note = f"not the same as in {file}: {difference}"
        hint = "keep one and refer to it by name, or give one of them another name"
        read.add_duplicate(where, message, other, hint, note=note)
    elif not named.origin.path:
        hint = f"remove this file or {file}"
        read.add_duplicate(where, message, other, hint, note=f"the same as in {file}")
    else:
        hint = f'refer to that one: "{named.name}"'
        edit = Replace(named.origin.path, named.name)
        mends = (Mend(named.origin.document.name, hint, (edit,)),)
        note = f"the same as in {file}"
        read.add_duplicate(where, message, other, hint, note=note, mends=mends)


def find_difference(named: Named, types: Mapping[str, Named]) -> str:
    """The first thing that a definition, or one inside it, says otherwise than `types` does.

    Nothing where the name alone would mean the same.
    """
    for inner in walk(named):
        if not isinstance(inner, Record | Enum | Fixed):
            continue
        other = types[inner.name]
        if other is inner:
            return f"{inner.name} is defined in here only"
        if render_alone(inner) != render_alone(other):
            what = _tell_apart(inner, other)
            return what if inner is named else f"in {inner.name}, {what}"
    return ""


def _tell_apart(one: Named, other: Named) -> str:
    match one, other:
        case Record(), Record():
            what = _tell_fields_apart(one.fields, other.fields)
        case Enum(), Enum():
            what = _tell_lists_apart(one.symbols, other.symbols, "symbol")
            what = what or ("" if one.default == other.default else "another default")
        case Fixed(), Fixed():
            what = "" if one.size == other.size else "another size"
        case _:
            what = "another kind of type"
    if not what and one.doc != other.doc:
        what = "another doc"
    if not what and one.aliases != other.aliases:
        what = "other aliases"
    mine, theirs = one.properties or {}, other.properties or {}
    names = (name for name in (*mine, *theirs) if mine.get(name) != theirs.get(name))
    return what or next((f'another "{name}"' for name in names), "another order of properties")


def _tell_fields_apart(fields: tuple[Field, ...], others: tuple[Field, ...]) -> str:
    mine = {field.name: _write_field(field) for field in fields}
    theirs = {field.name: _write_field(field) for field in others}
    changed = (f'another field "{name}"' for name in mine if mine[name] != theirs.get(name))
    return _tell_lists_apart(tuple(mine), tuple(theirs), "field") or next(changed, "")


def _write_field(field: Field) -> str:
    return render_alone(Record("field", (field,), field.origin))


def _tell_lists_apart(mine: tuple[str, ...], theirs: tuple[str, ...], what: str) -> str:
    for name in mine:
        if name not in theirs:
            return f'the {what} "{name}" is in here only'
    for name in theirs:
        if name not in mine:
            return f'the {what} "{name}" is missing here'
    return "" if mine == theirs else f"another order of {what}s"
