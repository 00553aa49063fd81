"""The reserved words of the languages that stubs are generated for, as far as they hurt names.

Sources: Python language reference, "Keywords"; Java language specification (JLS) 3.9; Kotlin
documentation, "Hard keywords"; Scala 3 reference, "Keywords"; ECMAScript 2024, 12.7.2 with the
words of strict mode, and the predefined types of TypeScript. Words that are reserved in some
contexts only ("soft keywords") make legal names and are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

_PYTHON = """
    False None True and as assert async await break class continue def del elif else except finally
    for from global if import in is lambda nonlocal not or pass raise return try while with yield
"""
_JAVA = """
    abstract assert boolean break byte case catch char class const continue default do double else
    enum extends final finally float for goto if implements import instanceof int interface long
    native new package private protected public return short static strictfp super switch
    synchronized this throw throws transient try void volatile while _ true false null
"""
_KOTLIN = """
    as break class continue do else false for fun if in interface is null object package return
    super this throw true try typealias typeof val var when while
"""
_SCALA = """
    abstract case catch class def do else enum export extends false final finally for given if
    implicit import lazy match new null object override package private protected return sealed
    super then throw trait true try type val var while with yield
"""
_TYPESCRIPT = """
    await break case catch class const continue debugger default delete do else enum export extends
    false finally for function if import in instanceof new null return super switch this throw true
    try typeof var void while with implements interface let package private protected public static
    yield any bigint boolean never number object string symbol undefined unknown
"""

_WORDS: Mapping[str, tuple[str, frozenset[str]]] = {
    "python": ("Python", frozenset(_PYTHON.split())),
    "java": ("Java", frozenset(_JAVA.split())),
    "kotlin": ("Kotlin", frozenset(_KOTLIN.split())),
    "scala": ("Scala", frozenset(_SCALA.split())),
    "typescript": ("TypeScript", frozenset(_TYPESCRIPT.split())),
}

_HARMLESS: Mapping[str, Collection[str]] = {
    # Members of an interface or an object may have any name.
    "field": ("typescript",),
    "symbol": ("typescript",),
    # Only languages on the JVM make packages of namespaces.
    "namespace": ("typescript", "python"),
    "type": (),
}
"""Where a word cannot hurt, by the kind of thing that has the name."""


def languages_that_reserve(word: str, kind: str, languages: Collection[str]) -> tuple[str, ...]:
    """The names of those of the languages in which the word cannot name such a thing as it is.

    The kind is `type`, `field`, `symbol` or `namespace`.
    """
    return tuple(
        name
        for language, (name, words) in _WORDS.items()
        if language in languages and language not in _HARMLESS[kind] and word in words
    )
