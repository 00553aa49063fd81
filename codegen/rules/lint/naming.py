"""Names: one style, no surprises in any language, and a file that is found by its type's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from codegen.avro.schema import Enum, Field, Fixed, Named, Record, split_name
from codegen.diagnostics import Severity
from codegen.rules.lint import Here, Problem, SchemaFile, Survey, check, raw
from codegen.rules.reserved import languages_that_reserve
from codegen.rules.words import (
    CAMEL_CASE,
    PASCAL_CASE,
    SNAKE_CASE,
    UPPER_CASE,
    fold,
    is_name,
    to_pascal,
    to_snake,
)
from codegen.source import Place

_BEFORE_PUBLISHING = "; once messages exist, an alias must keep the old name"


@check("naming/file-name", "A schema file is not called like the type it defines.", SchemaFile)
def check_file_name(file: SchemaFile, here: Here) -> Iterator[Problem]:
    """People look for a type by its name. A type in a file with another name is found late, or
    defined once more. The case may differ: order_placed.avsc and order-placed.avsc are names for
    OrderPlaced too, and so is its full name."""
    if not isinstance(file.root, Record | Enum | Fixed):
        return
    simple, name = split_name(file.root.name)[1], PurePosixPath(file.name).name
    stem = name.removesuffix(".avsc")
    if stem != file.root.name and fold(stem) != fold(simple):
        message = f"{name} defines {simple}"
        yield Problem(_name(file.root), message, f"call the file {simple}.avsc")


@check("naming/file-folder", "A schema file lies in a folder of another namespace.", SchemaFile)
def check_file_folder(file: SchemaFile, here: Here) -> Iterator[Problem]:
    """Folders that repeat the namespace make a large repository easy to search and to own. A file
    may lie in the schemas folder itself, or in folders named like the end of its namespace."""
    if not isinstance(file.root, Record | Enum | Fixed):
        return
    folders = PurePosixPath(file.name).parent.parts[1:]
    namespace = split_name(file.root.name)[0].split(".")
    # A folder may hold several parts: com.shop/orders.
    parts = [part for folder in folders for part in folder.split(".")]
    if parts and namespace[-len(parts) :] != parts:
        where = "/".join(folders)
        right = "/".join(("schemas", *filter(None, namespace)))
        message = f"{file.root.name} lies in the folder {where}"
        yield Problem(_name(file.root), message, f"move the file to {right}/")


@check(
    "naming/type-case",
    "The name of a type is not in PascalCase.",
    Record,
    Enum,
    Fixed,
    severity=Severity.NOTE,
)
def check_type_case(named: Named, here: Here) -> Iterator[Problem]:
    """Types become classes, and classes are written so in all languages that stubs are generated
    for. A type that is written otherwise looks like a mistake wherever it is used."""
    simple = split_name(named.name)[1]
    if is_name(simple) and not PASCAL_CASE.fullmatch(simple.lstrip("_")):
        hint = f"call it {to_pascal(simple)}{_BEFORE_PUBLISHING}"
        yield Problem(_name(named), f"{simple} is not in PascalCase", hint)


@check(
    "naming/field-case",
    "The name of a field is neither in snake_case nor in camelCase.",
    Field,
    severity=Severity.NOTE,
)
def check_field_case(field: Field, here: Here) -> Iterator[Problem]:
    """Fields become attributes. Names that begin with a capital, or that mix capitals and
    underscores, look like types or constants in the code that is generated from them."""
    name = field.name.lstrip("_")
    # What is no name at all is the parser's business.
    if is_name(name) and not SNAKE_CASE.fullmatch(name) and not CAMEL_CASE.fullmatch(name):
        message = f"{field.name} is neither in snake_case nor in camelCase"
        hint = f"call it {to_snake(field.name)}{_BEFORE_PUBLISHING}"
        yield Problem(field.origin.at("name"), message, hint)


@check(
    "naming/mixed-field-case",
    "The fields of one record are written in two ways.",
    Record,
    severity=Severity.NOTE,
)
def check_mixed_field_case(record: Record, here: Here) -> Iterator[Problem]:
    """Whoever writes code against the record has to look up each name, because neither way can be
    relied on."""
    snakes = [one for one in record.fields if "_" in one.name.strip("_") and one.name.islower()]
    camels = [
        one
        for one in record.fields
        if CAMEL_CASE.fullmatch(one.name) and not SNAKE_CASE.fullmatch(one.name)
    ]
    if snakes and camels:
        fewer, more = sorted((camels, snakes), key=len)
        message = f"{fewer[0].name} is written otherwise than {more[0].name}"
        hint = f"write all fields of {split_name(record.name)[1]} in one way"
        see = (("the other way", more[0].origin.at("name")),)
        yield Problem(fewer[0].origin.at("name"), message, hint, see=see)


@check(
    "naming/symbol-case",
    "Symbols of an enum are not in UPPER_CASE.",
    Enum,
    severity=Severity.NOTE,
)
def check_symbol_case(enum: Enum, here: Here) -> Iterator[Problem]:
    """Symbols are constants, and most languages write those in capitals. A symbol that messages
    hold already must stay as it is: to rename it is to break every reader."""
    odd = [one for one in enum.symbols if is_name(one) and not UPPER_CASE.fullmatch(one)]
    if odd:
        shown = ", ".join(odd[:3]) + (", ..." if len(odd) > 3 else "")
        message = f"{shown} of {split_name(enum.name)[1]}: not in UPPER_CASE"
        hint = f"in a new enum write {to_snake(odd[0]).upper()}; leave one that is in use"
        place = enum.origin.at("symbols", raw(enum.origin)["symbols"].index(odd[0]))
        yield Problem(place, message, hint)


@check(
    "naming/namespace-case",
    "A part of a namespace is not in lower case.",
    Record,
    Enum,
    Fixed,
    severity=Severity.NOTE,
)
def check_namespace_case(named: Named, here: Here) -> Iterator[Problem]:
    """Namespaces become packages and folders. Packages are written in small letters in Java,
    Kotlin, Scala and Python, and folders that differ in case only are one on some systems."""
    namespace = split_name(named.name)[0]
    if (place := _stated_namespace(named)) and namespace != namespace.lower():
        hint = f"write {namespace.lower()}, if no message has the name yet"
        yield Problem(place, f"{namespace} has capitals", hint)


@check("naming/no-namespace", "A type has no namespace.", SchemaFile)
def check_no_namespace(file: SchemaFile, here: Here) -> Iterator[Problem]:
    """Two types of one name cannot be told from each other without it, and Java forbids to import
    a class that lies in no package (JLS 7.5)."""
    if isinstance(file.root, Record | Enum | Fixed) and not split_name(file.root.name)[0]:
        hint = 'add "namespace", for example "com.example.orders"'
        yield Problem(_name(file.root), f"{file.root.name} has no namespace", hint)


@check(
    "naming/version-in-name",
    "The name of a type ends in a version.",
    Record,
    Enum,
    Fixed,
    severity=Severity.NOTE,
)
def check_version_in_name(named: Named, here: Here) -> Iterator[Problem]:
    """The registry counts the versions of a schema. A version in the name makes a new type of each
    one, whose history begins anew, so that nothing guards the step from one to the next."""
    simple = split_name(named.name)[1]
    if found := re.fullmatch(r"([A-Za-z0-9]*[a-z])_?[Vv][0-9]+", simple):
        hint = f"call it {found[1]} and let the registry count its versions"
        yield Problem(_name(named), f"{simple} has a version in its name", hint)


@check(
    "naming/reserved-word",
    "A name is a reserved word of a language that stubs are generated for.",
    Record,
    Enum,
    Fixed,
    Field,
    severity=Severity.NOTE,
)
def check_reserved_word(thing: Named | Field, here: Here) -> Iterator[Problem]:
    """Generators have to change such a name, each in its own way: class becomes class_ in Python,
    class$ in Java and `class` in Kotlin. The manifest names the languages that count under
    lint.languages."""
    if isinstance(thing, Field):
        yield from _judge_words([(thing.name, thing.origin.at("name"))], "field", here)
        return
    namespace, simple = split_name(thing.name)
    yield from _judge_words([(simple, _name(thing))], "type", here)
    if place := _stated_namespace(thing):
        yield from _judge_words([(part, place) for part in namespace.split(".")], "namespace", here)
    if isinstance(thing, Enum):
        symbols = raw(thing.origin)["symbols"]
        places = [
            (one, thing.origin.at("symbols", index))
            for index, one in enumerate(symbols)
            if isinstance(one, str)
        ]
        yield from _judge_words(places, "symbol", here)


def _judge_words(places: Iterable[tuple[str, Place]], kind: str, here: Here) -> Iterator[Problem]:
    for word, place in places:
        languages = languages_that_reserve(word, kind, here.survey.repository.lint.languages)
        if languages:
            message = f"{word} is a reserved word of {' and '.join(languages)}"
            yield Problem(place, message, "choose another word, if no message has this name yet")


@check(
    "naming/field-collision", "Two fields of a record differ in case and underscores only.", Record
)
def check_field_collision(record: Record, here: Here) -> Iterator[Problem]:
    """Generators write names in the case of their language, and then two fields have one name:
    orderId and order_id are both getOrderId in Java."""
    yield from _find_collisions(
        {one.name: one.origin.at("name") for one in record.fields},
        f"of {split_name(record.name)[1]}",
    )


@check(
    "naming/symbol-collision", "Two symbols of an enum differ in case and underscores only.", Enum
)
def check_symbol_collision(enum: Enum, here: Here) -> Iterator[Problem]:
    """Generators write symbols in the case of their language, and then two have one name; people
    take one for the other before that."""
    symbols = raw(enum.origin)["symbols"]
    places = {
        one: enum.origin.at("symbols", index)
        for index, one in enumerate(symbols)
        if isinstance(one, str)
    }
    yield from _find_collisions(places, f"of {split_name(enum.name)[1]}")


@check(
    "naming/type-collision",
    "Two types of a namespace differ in case and underscores only.",
    Survey,
)
def check_type_collision(survey: Survey, here: Here) -> Iterator[Problem]:
    """Generators write each type to a file of its own, and on systems that do not tell capitals
    from small letters the second overwrites the first."""
    namespaces: dict[str, dict[str, Place]] = {}
    for full_name, named in survey.types.items():
        namespace, simple = split_name(full_name)
        namespaces.setdefault(namespace, {})[simple] = _name(named)
    for namespace, places in namespaces.items():
        prefix = f"{namespace}." if namespace else ""

        def about(simple: str, prefix: str = prefix) -> str:
            return f"{prefix}{simple}"

        yield from _find_collisions(places, f"in {namespace or 'no namespace'}", about)


def _find_collisions(
    places: Mapping[str, Place], where: str, about: Callable[[str], str] = lambda name: ""
) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, place in places.items():
        first = seen.setdefault(fold(name), name)
        if first != name:
            message = f"{name} and {first} {where} differ in case and underscores only"
            see = (("the other", places[first]),)
            hint = "name them apart by a word"
            yield Problem(place, message, hint, see=see, about=about(name))


def _name(named: Named) -> Place:
    return named.origin.at("name")


def _stated_namespace(named: Named) -> Place | None:
    """Where a type states a namespace; None where it takes that of the type around it."""
    value = raw(named.origin)
    if "." in value["name"]:
        return _name(named)
    return named.origin.at("namespace") if value.get("namespace") else None
