"""Readiness: what an event needs to change later without hurting anyone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codegen.avro.schema import (
    Enum,
    Field,
    Fixed,
    LogicalType,
    Named,
    Primitive,
    Record,
    Schema,
    SchemaGraph,
    Union,
    split_name,
)
from codegen.avro.size import ITEMS, TEXT, least_size, typical_size
from codegen.contract.model import FieldKey, Level
from codegen.diagnostics import Severity
from codegen.editing import Edit, Insert, Remove
from codegen.rules.lint import Event, Here, Problem, Survey, Topic, check, raw
from codegen.rules.mends import CATCH_ALL
from codegen.rules.words import split_words
from codegen.source import Place


@check("readiness/enum-default", "An enum has no default.", Enum)
def check_enum_default(enum: Enum, here: Here) -> Iterator[Problem]:
    """A reader that meets a symbol it does not know takes the default of its own enum, and stops
    where there is none. So the default has to be there before the first new symbol: added together
    with one it comes too late."""
    if enum.default is not None or not enum.symbols:
        return
    catch_all = next((one for one in enum.symbols if CATCH_ALL.fullmatch(one)), None)
    hint = 'add a symbol for what is not known, such as UNKNOWN, and "default": "UNKNOWN"'
    edits: tuple[Edit, ...] = ()
    if catch_all is not None:
        hint = f'add "default": "{catch_all}"'
        edits = (Insert((*enum.origin.path, "default"), catch_all, ("symbols",)),)
    message = f"{split_name(enum.name)[1]} has no default"
    yield Problem(enum.origin.at("name"), message, hint, edits=edits)


@check("readiness/self-alias", "A type is its own alias.", Record, Enum, Fixed)
def check_self_alias(named: Named, here: Here) -> Iterator[Problem]:
    """An alias is a name that the type had before. Its present name does nothing there; most often
    the name was changed in both places, and the old one, which readers need, is lost."""
    if named.name not in named.aliases:
        return
    values = raw(named.origin)["aliases"]
    namespace, simple = split_name(named.name)
    own = {named.name, simple} if namespace else {simple, f".{simple}"}
    for index, value in enumerate(values):
        if value in own:
            whole = (*named.origin.path, "aliases")
            edits: tuple[Edit, ...] = (Remove((*whole, index) if len(values) > 1 else whole),)
            message = f"{simple} is its own alias"
            hint = "remove it; if the type had another name, write that one"
            yield Problem(named.origin.at("aliases", index), message, hint, edits=edits)
            return


@check("readiness/crossed-alias", "An alias is the name, or an alias, of another type.", Survey)
def check_crossed_alias(survey: Survey, here: Here) -> Iterator[Problem]:
    """An alias says that what was called so is this type now. Where another type has that name, a
    reader takes messages of one for the other."""
    owners: dict[str, Named] = {}
    for named in survey.types.values():
        for alias in named.aliases:
            if alias == named.name:
                continue
            other = survey.types.get(alias) or owners.setdefault(alias, named)
            if other is not named:
                what = "the name" if alias == other.name else "an alias"
                message = f"{alias}, an alias of {named.name}, is {what} of {other.name}"
                see = (("the other type", other.origin.at("name")),)
                place = named.origin.at("aliases")
                yield Problem(place, message, "remove it from one", see=see, about=named.name)


@check("readiness/shared-field-alias", "Two fields of a record have one alias.", Record)
def check_shared_field_alias(record: Record, here: Here) -> Iterator[Problem]:
    """A reader finds two fields for one value of an older message; which of them gets it depends on
    the library, and Avro Java refuses to read."""
    owners: dict[str, Field] = {}
    for field in record.fields:
        for alias in field.aliases:
            first = owners.setdefault(alias, field)
            if first is not field:
                message = f"{alias} is an alias of {first.name} and of {field.name}"
                see = (("the other field", first.origin.at("aliases")),)
                yield Problem(field.origin.at("aliases"), message, "remove it from one", see=see)


@check(
    "readiness/missing-metadata",
    "An event has neither an id nor a time.",
    Event,
    severity=Severity.NOTE,
)
def check_missing_metadata(event: Event, here: Here) -> Iterator[Problem]:
    """Generated producers put the id and the time of an event into headers (CloudEvents), and those
    are gone where events are kept: in a table, a lake, an archive. Without either in the event, one
    that was sent twice cannot be told from two, nor yesterday's from today's."""
    root = event.schema.root
    if isinstance(root, Record) and root.fields and not _has_metadata(root, event.schema, 2):
        topic = here.contract.topic(event.topic)
        if isinstance(topic.key, FieldKey):
            return
        message = f"{split_name(event.name)[1]} has neither an id nor a time"
        hint = "add for example event_id (uuid) or occurred_at (timestamp-millis)"
        yield Problem(root.origin.at("name"), message, hint)


_IDS = ("id", "uuid", "guid", "key", "number", "code", "identifier")
_TIMES = ("at", "time", "timestamp", "date", "datetime", "ts", "when", "on", "millis", "ms")


def _has_metadata(record: Record, graph: SchemaGraph, depth: int) -> bool:
    for field in record.fields:
        words = split_words(field.name)
        if words and words[-1] in (*_IDS, *_TIMES):
            return True
        for branch in _branches(field.schema):
            target = graph.resolve(branch)
            match target:
                case Primitive(logical=LogicalType(name=name)) if name == "uuid" or "time" in name:
                    return True
                case Record() if depth > 1 and _has_metadata(target, graph, depth - 1):
                    return True
    return False


def _branches(schema: Schema) -> Iterable[Schema]:
    return schema.branches if isinstance(schema, Union) else (schema,)


@check("readiness/unguarded-topic", "The compatibility level of a topic is NONE.", Topic)
def check_unguarded_topic(topic: Topic, here: Here) -> Iterator[Problem]:
    """Any change of its events is accepted, by this tool and by the registry; the first to notice a
    break are the consumers."""
    if topic.level is Level.NONE:
        message = f"nothing guards the events of {topic.name}: its level is NONE"
        hint = "write compatibility: BACKWARD_TRANSITIVE, or ignore this with the reason"
        path = topic.origin.path
        place = Place(topic.origin.document, (*path, "compatibility"))
        stated = raw(topic.origin).get("compatibility")
        where = place if stated else Place(topic.origin.document, path, on_key=True)
        yield Problem(where, message, hint)


@check("readiness/payload-budget", "A message is larger than its topic allows.", Topic)
def check_payload_budget(topic: Topic, here: Here) -> Iterator[Problem]:
    """Large messages fill caches and networks, and beyond the broker's limit (max.message.bytes)
    they are refused. The size is estimated from the schema: texts of 20 bytes, bytes of 100,
    arrays and maps of 10 items, the largest branch of each union, and 5 bytes of frame; a message
    with the shortest values, empty arrays and the smallest branches is the least."""
    if topic.max_payload_bytes is None:
        return
    for event in topic.events:
        typical = typical_size(event.schema)
        if typical <= topic.max_payload_bytes:
            continue
        least = least_size(event.schema)
        message = (
            f"{event.name} takes about {typical:,} bytes, at least {least:,}, and {topic.name} "
            f"allows {topic.max_payload_bytes:,}"
        )
        note = f"with texts of {TEXT} bytes, arrays of {ITEMS} items"
        hint = "send less: refer to large parts by an id, or raise max_payload_bytes"
        yield Problem(event.origin, message, hint, note, about=event.name)
