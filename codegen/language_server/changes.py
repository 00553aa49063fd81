"""Changes of texts that an editor can make: one layout, what mends a finding, another name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from codegen.avro.schema import TYPE_WORDS, reachable, split_name
from codegen.contract.load import MANIFEST
from codegen.contract.model import SchemaKey
from codegen.diagnostics import Finding, KontraktError
from codegen.editing import Edit, Insert, Mend, Replace, apply
from codegen.formatting import format_schema
from codegen.language_server.symbols import Index, Kind, Occurrence, Symbol
from codegen.language_server.workspace import State
from codegen.source import Document, Span


@dataclass(frozen=True, slots=True)
class TextChange:
    """Other characters in the place of some."""

    span: Span
    text: str


def layout(name: str, state: State) -> TextChange | None:
    """What gives a schema file the one layout; None where it has it, or cannot be read."""
    document = state.documents.get(name)
    if document is None or name == MANIFEST or name in state.stale:
        return None
    return narrow(document.text, format_schema(document))


def narrow(old: str, new: str) -> TextChange | None:
    """The smallest stretch to change so that a text becomes the other one; None for equal ones."""
    if old == new:
        return None
    start = 0
    most = min(len(old), len(new))
    while start < most and old[start] == new[start]:
        start += 1
    end = 0
    while end < most - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return TextChange(Span(start, len(old) - end), new[start : len(new) - end])


def mends_of(
    findings: Iterable[Finding], state: State
) -> Iterator[tuple[Finding, Mend, TextChange]]:
    """Each change that would mend one of the findings, the best of a finding first."""
    for finding in findings:
        for mend in finding.mends:
            document = state.documents.get(mend.file)
            if document is None or mend.file in state.stale:
                continue
            try:
                change = narrow(document.text, apply(document, mend.edits))
            except ValueError:
                continue  # The text is another one than the finding is about.
            if change is not None:
                yield finding, mend, change


_OTHER_WAYS = {
    Kind.FIELD: "give the field the old name as an alias, or add a new one beside it",
    Kind.TOPIC: "a topic with another name lacks the messages of this one; add the new one beside "
    "it, and let services move over: kontrakt new topic",
    Kind.SERVICE: "a service with another name is another consumer group, and another package; add "
    "the new one beside it: kontrakt new service",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch


@dataclass(frozen=True, slots=True)
class Renaming:
    """Changes of texts by file, and files that get another name when these are made."""

    changes: Mapping[str, list[TextChange]]
    moves: Mapping[str, str]


def rename(symbol: Symbol, new: str, index: Index) -> Renaming:
    """Give a type another name, everywhere, and the file that is called like it.

    The old name becomes an alias, so that new readers still read what was written under it. `new`
    is a simple name, or a full one with the same namespace: the type stays there. Raises
    KontraktError where that cannot be done.
    """
    refuse_rename(symbol, index)
    namespace, old = split_name(symbol.name)
    simple = new.removeprefix(f"{namespace}.") if namespace else new
    full = f"{namespace}.{simple}" if namespace else simple
    if not _NAME(simple):
        raise KontraktError(
            f"{new} is no name for a type" + (f" of {namespace}" if namespace else ""),
            "Avro takes letters, digits and _, and the namespace stays as it is",
        )
    if full == symbol.name:
        return Renaming({}, {})
    if simple in TYPE_WORDS or simple == "error":
        raise KontraktError(f"{simple} is a word of Avro's own", "choose another name")
    documents = index.state.documents
    if full in index.state.repository.schemas.types:
        raise KontraktError(f"there is a type {full} already", "choose another name")
    changes: dict[str, list[TextChange]] = {}
    moves: dict[str, str] = {}
    for one in index.of(symbol):
        document, span = one.place.document, one.span()
        written = document.text[span.start : span.end]
        edits = changes.setdefault(one.file, [])
        edits.append(TextChange(span, full if "." in written else simple))
        if one.is_definition:
            edits += _keep_alias(document, one, symbol.name, full)
            path = PurePosixPath(one.file)
            moved = str(path.with_name(f"{simple}{path.suffix}"))
            if path.stem == old and moved not in documents:
                moves[one.file] = moved
    return Renaming(changes, moves)


def refuse_rename(symbol: Symbol, index: Index) -> None:
    """Raise KontraktError, with what to do instead, for what is not to get another name here."""
    hint = _OTHER_WAYS.get(symbol.kind)
    if hint is not None:
        raise KontraktError(f"a {symbol.kind.value} is not renamed here", hint)
    stale, contract = index.state.stale, index.state.contract
    if stale:
        problem = f"{min(stale)} cannot be read as it is, and may use the name"
        raise KontraktError(problem, "mend it first")
    for topic in contract.topics if contract is not None else ():
        if isinstance(topic.key, SchemaKey) and symbol.name in reachable(topic.key.schema):
            raise KontraktError(
                f"{symbol.name} makes the key of topic {topic.name}, and the same key with another "
                "name goes to another partition",
                "keep the name, or make a new topic and move over to it",
            )


def _keep_alias(document: Document, definition: Occurrence, old: str, new: str) -> list[TextChange]:
    path = definition.place.path[:-1]
    value = document.value
    for step in path:
        value = value[step]
    aliases = value.get("aliases")
    edit: Edit
    if isinstance(aliases, list):
        namespace = split_name(new)[0]
        full = [
            f"{namespace}.{one}" if namespace and "." not in str(one) else one for one in aliases
        ]
        # A type that gets an old name back is no alias of itself.
        edit = (
            Replace((*path, "aliases", full.index(new)), old)
            if new in full
            else Insert((*path, "aliases", len(aliases)), old)
        )
    else:
        edit = Insert((*path, "aliases"), [old], ("namespace", "name"))
    change = narrow(document.text, apply(document, (edit,)))
    return [] if change is None else [change]
