"""Which changes of an enum are legal, and alter what data says?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from codegen.avro.matching import TypePair
from codegen.avro.schema import Enum
from codegen.avro.wording import list_names, show_value, simple_name
from codegen.compatibility import Direction
from codegen.diagnostics import Severity, rule
from codegen.rules.field_changes import DEFAULT_CHANGED, DEFAULT_REMOVED
from codegen.rules.hazard import Hazard, Revision, SymbolChange
from codegen.rules.mends import default_unknown_symbols, restore_default
from codegen.rules.readers import Ability, name_lacking

ENUM_DEFAULT_SWALLOWS = rule(
    "change/enum-default-swallows",
    "An enum default takes the place of symbols that one side does not know: data is lost.",
    "The default keeps a reader going, and it cannot tell what was sent: if it writes the value "
    "on, to a table or to another topic, the symbol is gone for good. Deploy readers that know the "
    "symbol before it is sent, and keep old symbols while messages hold them. Not every reader has "
    f"that safety net: {name_lacking(Ability.ENUM_DEFAULT)} ignores the default, and stops.",
    severity=Severity.WARNING,
)

ENUM_GROWN = rule(
    "change/enum-grown-without-default",
    "An enum gained symbols, and readers with the older schema have no default for them.",
    "A level that looks backward only does not ask about older readers, and they stop at the first "
    "message with a new symbol. An enum default in the readers' schema would keep most of them "
    "going, and it must be there before the symbol is: it is the reader's own schema that counts.",
    severity=Severity.WARNING,
)

ENUM_REORDERED = rule(
    "change/enum-reordered",
    "Symbols of an enum have other positions.",
    "Avro resolves symbols by name, so decoding is safe. The position is what sorts values in Avro "
    "and in most languages, and what programs that keep ordinals store: a column of numbers in a "
    "database means something else from the day of the change. Add symbols at the end.",
    severity=Severity.WARNING,
)


def _find_enum_changes(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Enum) or not isinstance(old, Enum):
        return
    if old.default and not new.default:
        mend = restore_default(new.origin, old.default, after="symbols")
        yield Hazard(
            DEFAULT_REMOVED,
            new.origin.at("name"),
            old.origin.at("default"),
            f"{simple_name(new.name)} lost its default, {old.default}",
            "new readers stop at a symbol that they do not know",
            mend.advice,
            mends=(mend,),
        )
    elif old.default and new.default != old.default:
        yield Hazard(
            DEFAULT_CHANGED,
            new.origin.at("default"),
            old.origin.at("default"),
            f"the default of {simple_name(new.name)} was {old.default} and is {new.default}",
            f"a symbol that a reader did not know was {old.default} until now",
            f'keep "default": {show_value(old.default)}',
        )
    if new.symbols == old.symbols:
        return
    name = simple_name(new.name)
    places = (new.origin.at("symbols"), old.origin.at("symbols"))
    known, kept = set(old.symbols), set(new.symbols)
    added = [symbol for symbol in new.symbols if symbol not in known]
    removed = [symbol for symbol in old.symbols if symbol not in kept]
    if removed and new.default is not None:
        yield Hazard(
            ENUM_DEFAULT_SWALLOWS,
            *places,
            f"{name} lost {list_names(removed)}: older messages are read as {new.default}",
            f"{new.default} takes their place; {name_lacking(Ability.ENUM_DEFAULT)} ignores it, "
            "and stops",
            "put them back, and remove them when no message holds them any more",
            newer=f"{name}: {new.default} takes the place of {list_names(removed)}",
            way=SymbolChange(name, list_names(removed), is_gain=False),
        )
    if added and old.default is not None:
        yield Hazard(
            ENUM_DEFAULT_SWALLOWS,
            *places,
            f"{name} gained {list_names(added)}: older readers take them for {old.default}",
            f"{old.default} takes their place until every reader is deployed; "
            f"{name_lacking(Ability.ENUM_DEFAULT)} ignores it, and stops",
            "deploy all readers before any producer sends them",
            older=f"{name}: {old.default} takes the place of {list_names(added)}",
            way=SymbolChange(name, list_names(added), is_gain=True),
        )
    if added and old.default is None and Direction.FORWARD not in revision.directions:
        default = default_unknown_symbols(new.origin)
        more = "" if new.default else ', and give the enum a "default" for the next time'
        again = "" if new.default else ", and has no default for the next ones either"
        yield Hazard(
            ENUM_GROWN,
            *places,
            f"{name} gained {list_names(added)}, which older readers do not know{again}",
            "they have no enum default to fall back on",
            f"deploy all readers before any producer sends them{more}",
            mends=(default,) if default is not None else (),
        )


def _find_enum_reorder(pair: TypePair, revision: Revision) -> Iterator[Hazard]:
    new, old = pair.new, pair.old
    if not isinstance(new, Enum) or not isinstance(old, Enum):
        return
    positions = {symbol: index for index, symbol in enumerate(new.symbols)}
    moved = [
        (symbol, index)
        for index, symbol in enumerate(old.symbols)
        if positions.get(symbol, index) != index
    ]
    if moved:
        symbol, index = moved[0]
        yield Hazard(
            ENUM_REORDERED,
            new.origin.at("symbols"),
            old.origin.at("symbols"),
            f"symbols of {simple_name(new.name)} moved: {symbol} had the position {index} and has "
            f"{positions[symbol]}",
            f"{len(moved)} of {len(old.symbols)} have another position",
            "keep the order, and add new symbols at the end",
        )


ENUM_CHECKS: tuple[Callable[[TypePair, Revision], Iterator[Hazard]], ...] = (
    _find_enum_changes,
    _find_enum_reorder,
)
"""All of them."""
