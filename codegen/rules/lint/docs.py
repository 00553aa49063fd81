"""Docs: what a name alone does not tell, where readers and libraries look for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codegen.avro.schema import Array, Enum, Field, Fixed, Map, Named, Primitive, Record, split_name
from codegen.diagnostics import Severity
from codegen.editing import Edit, Insert, Remove
from codegen.rules.lint import Here, Problem, Service, Topic, check, raw
from codegen.rules.words import split_words


@check("docs/type", "A type has no doc.", Record, Enum, Fixed)
def check_type_doc(named: Named, here: Here) -> Iterator[Problem]:
    """The schema is what the teams on both sides share. Without a sentence on what the type stands
    for, and when it is sent, each side guesses; stubs and catalogues show the doc."""
    if named.doc is None:
        simple = split_name(named.name)[1]
        what = {Record: "what it stands for", Enum: "what is chosen here", Fixed: "what it holds"}
        hint = f'add "doc": {what[type(named)]}, in a sentence'
        yield Problem(named.origin.at("name"), f"{simple} has no doc", hint)


@check("docs/field", "A field has no doc.", Field, severity=Severity.NOTE)
def check_field_doc(field: Field, here: Here) -> Iterator[Problem]:
    """A name says what a value is called, seldom its unit, its bounds, what an absent one means, or
    who decides it. Those who read the events next year cannot ask."""
    if field.doc is None:
        hint = 'add "doc": its unit, its bounds, what null means: what the name does not say'
        yield Problem(field.origin.at("name"), f"{field.name} has no doc", hint)


_PLACEHOLDER = re.compile(
    r"(tba|xxx|none|null|n/?a|docs?|documentation|description|comment|lorem ipsum)\b.{0,3}"
    r"|[^\w]*|(todo|tbd|fixme)\b.*",
    re.IGNORECASE | re.DOTALL,
)


@check("docs/placeholder", "A doc says nothing.", Record, Enum, Fixed, Field)
def check_placeholder(thing: Named | Field, here: Here) -> Iterator[Problem]:
    """An empty doc, or one that promises to be written later, silences every tool that asks for
    docs, and tells nobody anything."""
    if thing.doc is not None and _PLACEHOLDER.fullmatch(thing.doc.strip()):
        shown = (
            f"the doc is {thing.doc.strip()[:40]!r}" if thing.doc.strip() else "the doc is empty"
        )
        yield Problem(thing.origin.at("doc"), shown, "say what it is in a sentence, or remove it")


_FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "for",
        "to",
        "in",
        "on",
        "this",
        "that",
        "it",
        "its",
        "is",
        "are",
        "as",
        "and",
        "or",
        "with",
        "contains",
        "contain",
        "holds",
        "hold",
        "represents",
        "represent",
        "describes",
        "describe",
        "stores",
        "store",
        "field",
        "record",
        "type",
        "enum",
        "enumeration",
        "event",
        "value",
        "attribute",
        "property",
        "object",
        "schema",
        "message",
        "data",
        "class",
        "name",
    ]
)
"""Words that add nothing to a name."""


@check(
    "docs/repeats-name",
    "A doc only repeats the name.",
    Record,
    Enum,
    Fixed,
    Field,
    severity=Severity.NOTE,
)
def check_repeats_name(thing: Named | Field, here: Here) -> Iterator[Problem]:
    """An "order id" for order_id costs a reader time and tells nothing. Say what the name leaves
    open: who gives the id, for how long it is unique, where else it is used."""
    if not thing.doc or _PLACEHOLDER.fullmatch(thing.doc.strip()):
        return
    around = split_words(split_name(here.owner.name)[1]) if here.owner is not None else ()
    simple = split_name(thing.name)[1]
    known = {*split_words(simple), *around}
    known |= {f"{word}s" for word in known}
    words = re.findall(r"[^\W_]+", thing.doc)
    # Words of other alphabets are no part of any name.
    said = {part.lower() for word in words for part in (split_words(word) or (word,))}
    if said - _FILLERS <= known:
        message = f'the doc of {simple} only repeats its name: "{thing.doc.strip()[:60]}"'
        hint = "say what the name does not: a unit, bounds, an example, who decides it"
        yield Problem(thing.origin.at("doc"), message, hint)


@check("docs/misplaced", "A doc stands where Avro has none.", Primitive, Array, Map)
def check_misplaced_doc(schema: Primitive | Array | Map, here: Here) -> Iterator[Problem]:
    """Avro knows docs of records, enums, fixed types and fields. One on another type is kept as a
    property that no library, stub or catalogue shows."""
    value, field = raw(schema.origin), here.field
    if not isinstance(value, dict) or not isinstance(value.get("doc"), str):
        return
    message = f"a doc on the type {value['type']} is shown by nobody"
    hint = f"move it to the field {field.name}" if field is not None else "move it to a field"
    edits: tuple[Edit, ...] = ()
    if field is not None and field.doc is None and field.schema is schema:
        edits = (
            Insert((*field.origin.path, "doc"), value["doc"]),
            Remove((*schema.origin.path, "doc")),
        )
    yield Problem(schema.origin.at("doc", on_key=True), message, hint, edits=edits)


@check("docs/topic", "A topic has no doc.", Topic, severity=Severity.NOTE)
def check_topic_doc(topic: Topic, here: Here) -> Iterator[Problem]:
    """A topic is an interface between teams: its doc says which story its events tell together, and
    whoever looks for data reads that first."""
    if not topic.doc:
        hint = "add doc: which story its events tell"
        place = topic.origin.at(on_key=True)
        yield Problem(place, f"the topic {topic.name} has no doc", hint)


@check("docs/service", "A service has no doc.", Service, severity=Severity.NOTE)
def check_service_doc(service: Service, here: Here) -> Iterator[Problem]:
    """Who is asked when the events of a service look wrong, and what is it there for? The report of
    a breaking change names services to people who may never have heard of them."""
    if not service.doc:
        hint = "add doc: what the service does"
        place = service.origin.at(on_key=True)
        yield Problem(place, f"the service {service.name} has no doc", hint)
