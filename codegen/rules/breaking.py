"""A verdict in words: each break once, with the new place, the old one, the versions and a mend.

Avro's law says that two schemas do not fit; these rules say what that means for the people who
change a schema: what was changed, since which version it matters, and what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from codegen.avro.resolution import Kind, TooManyPairs
from codegen.avro.schema import SchemaGraph
from codegen.compatibility import SCOPES, Direction, Verdict
from codegen.contract.model import Level, PastVersion, Subject
from codegen.diagnostics import Findings, Related, Rule, locate, rule
from codegen.editing import Mend
from codegen.rules.breaks import Break, collect_breaks, describe_type, is_definition
from codegen.rules.hazard import name_others
from codegen.rules.mends import (
    definition_of,
    find_renames,
    propose_mends,
    restore_lost_default,
    value_at,
)
from codegen.source import Json, Place

FIELD_WITHOUT_DEFAULT = rule(
    "compat/field-without-default",
    "A new field has no default, so readers cannot read what was written before it existed.",
    "A reader fills a field that the writer did not know with the default. Without one it stops at "
    "the first older message, and with it the whole partition. Give the field a default that says "
    "what older messages meant.",
)
FIELD_REMOVED = rule(
    "compat/field-removed",
    "A field was removed that readers need, because it has no default in their schema.",
    "A service that still runs with the older schema looks for the field in each new message, and "
    "has nothing to put in its place: it stops. Go on writing the field until no such service is "
    "left. What has a default in the readers' schema can be removed at any time; a level that ends "
    "in _TRANSITIVE counts the readers of every version, also of those that nobody runs any more.",
)
TYPE_CHANGED = rule(
    "compat/type-changed",
    "A type was replaced by one that it cannot be read as.",
    "Avro widens int to long, float and double, long to float and double, float to double, and "
    "takes string and bytes for each other. With anything else a reader stops at the first message "
    "of the other type. Add a field with the new type beside the old one, write both, and drop the "
    "old one when nobody reads it any more.",
)
NAME_CHANGED = rule(
    "compat/name-changed",
    "A record, enum or fixed has another name.",
    "Readers match named types by name. A reader that lists the old full name under aliases reads "
    "older data; a reader that was built before the change cannot know the new name. Keep it: what "
    "people call the type now can stand in its doc.",
)
SIZE_CHANGED = rule(
    "compat/size-changed",
    "A fixed has another size.",
    "A fixed is written without its length, so reader and writer must agree on it: with another "
    "size all that follows would be read at the wrong place. Add a field with a new fixed beside "
    "the old one.",
)
SYMBOL_REMOVED = rule(
    "compat/symbol-removed",
    "An enum lost symbols that older messages hold, and has no default for them.",
    "A reader that meets a symbol it does not know takes the default of the enum, and stops where "
    "there is none, and with it the whole partition. Stop writing the symbol, and leave it in the "
    "schema while messages hold it.",
)
SYMBOL_ADDED = rule(
    "compat/symbol-added",
    "An enum gained symbols that older readers do not know, and have no default for.",
    "A reader that meets a symbol it does not know takes the default of its own enum, and stops "
    "where there is none. The default that counts is the one in the reader's schema, so it must be "
    "there before the first new symbol is sent: add it, deploy the readers, then add the symbol. A "
    "level that ends in _TRANSITIVE counts the readers of every version, also of those that nobody "
    "runs any more: there the new symbols need a field of their own.",
)
BRANCH_REMOVED = rule(
    "compat/branch-removed",
    "A union lost a branch that older messages hold.",
    "Each message says which branch it holds. A reader without that branch stops there, and with "
    "it the whole partition. Stop writing the branch, and take it out when no message holds it any "
    "more.",
)
BRANCH_ADDED = rule(
    "compat/branch-added",
    "A union gained a branch, or a type became a union, and older readers cannot read it.",
    "Services that run with the older schema stop at the first message that holds the branch, and "
    "with them the whole partition. Add a field for the new kind of value beside the old one: "
    "older readers pass over it.",
)
AMBIGUOUS_FIELD = rule(
    "compat/ambiguous-alias",
    "A field's name and aliases fit several fields of the other schema.",
    "A reader finds its field in a message by name or by alias. Where the message has both, nobody "
    "can say which is meant: Avro Java refuses to read at all then, and a registry reports it as "
    "an incompatibility.",
)
NOT_JUDGED = rule(
    "compat/not-judged",
    "A version of the history could not be compared.",
    "A version that is damaged, or that refers to a type which is gone, cannot be compared, so "
    "nobody knows whether its messages can still be read. What could not be checked is never "
    "reported as good.",
)


def report_breaks(judged: Iterable[tuple[Subject, Verdict]], findings: Findings) -> None:
    """A finding for each break, and for each version that could not be judged."""
    pairs = list(judged)
    by_name = {subject.name: (subject, verdict) for subject, verdict in pairs}
    for one in collect_breaks(pairs):
        _report(one, [by_name[name] for name in one.subjects], findings)
    for subject, verdict in pairs:
        for missed in verdict.unjudged:
            findings.add(
                NOT_JUDGED,
                Place(subject.document),
                f"{missed.version.label} of {subject.name} could not be compared: {missed.reason}",
                hint=advise_unread(missed.version),
                subject=subject.name,
            )


def advise_unread(version: PastVersion) -> str:
    """What to do about a version that could not be compared."""
    if version.type != "AVRO":
        return (
            "a subject holds schemas of one kind: give the event another topic, or its topic "
            "another subject_strategy"
        )
    if version.schema is not None:
        return TooManyPairs().hint
    # Only a registry numbers its versions, and forgets one; a revision or a folder stays as it is.
    if version.version:
        return (
            "delete that version from the registry for good, or mend what keeps it from being read"
        )
    return "name a state without errors, for example the last release"


def summarize(one: Break, schema: SchemaGraph) -> str:
    """One break in a few words, for example `"lines[].quantity" was int and is long`.

    `schema` is the new schema that it was found in; the words name the way from its root.
    """
    path = one.path(schema)
    facts = _Facts(one)
    facts.field = facts.member = path
    words = _WORDINGS[facts.kind, one.direction].message(facts)
    return words if path in words else f'{words} in "{path}"'


def _report(one: Break, judged: Sequence[tuple[Subject, Verdict]], findings: Findings) -> None:
    subject, verdict = judged[0]
    related = _befores(one)
    if one.new_union is not None:
        context = f"inside the union of {_quoted_field(one.new_union)}, no other branch fits either"
        related = (*related, Related(context, "", locate(one.new_union)))
    facts = _Facts(one, subject.schema, verdict.checked, [verdict.level for _, verdict in judged])
    wording = _WORDINGS[facts.kind, one.direction]
    findings.add(
        wording.rule,
        _name_place(one.new),
        wording.message(facts),
        note=wording.note(facts),
        hint=wording.hint(facts),
        related=related,
        subject=subject.name,
        others=name_others(subject, one.new, [other for other, _ in judged[1:]]),
        mends=facts.mends,
    )


def _name_place(place: Place) -> Place:
    """The name of a type that is meant as a whole: it shows more than a brace does."""
    value = _value_at(place)
    return place.at("name") if isinstance(value, dict) and is_definition(value) else place


def _befores(one: Break) -> tuple[Related, ...]:
    befores = []
    for index, (subject, versions) in enumerate(one.subjects.items()):
        latest = versions[-1]
        location = locate(one.old) if index == 0 and one.old.document is latest.document else None
        way = one.ways.get(subject)
        message = f"through {way}" if way else ""
        befores.append(Related(message, f"{subject}, {latest.label}", location))
    return tuple(befores)


_DEFAULTED = (Kind.READER_FIELD_MISSING_DEFAULT_VALUE, Kind.MISSING_ENUM_SYMBOLS)
"""Kinds that a default would have kept from arising."""


class _Facts:
    """What the wordings speak of."""

    def __init__(
        self,
        one: Break,
        schema: SchemaGraph | None = None,
        past: Sequence[PastVersion] = (),
        levels: Sequence[Level] = (),
    ) -> None:
        self.reason = one.reason
        self.kind = one.kind
        self._one = one
        self._schema = schema
        self._past = past
        self.new = _value_at(one.new)
        self.old = _value_at(one.old)
        self.field = _field_name(one.new) or _field_name(one.old)
        self.member = one.reason.message
        """The field that one side lacks."""
        self.versions = _list_versions(
            version for versions in one.subjects.values() for version in versions
        )
        self.symbols = one.reason.message.strip("[]")
        self.them = "them" if "," in self.symbols else "it"
        self.lasting = next((level for level in levels if SCOPES[level].is_transitive), None)
        """A level that counts every version, and so never lets older readers go."""

    @cached_property
    def mends(self) -> tuple[Mend, ...]:
        one, new = self._one, self._one.new
        if self.kind is Kind.NAME_MISMATCH and self._schema is not None:
            new = definition_of(new, self._schema)
        proposed = propose_mends(self.kind, one.direction, new, one.old, self.reason.message)
        former = self._former_default if self.kind in _DEFAULTED else None
        return (former, *proposed) if former is not None else proposed

    @property
    def _former_default(self) -> Mend | None:
        """The default back that the new field had in a later version than the broken ones."""
        if self._schema is None or self._one.direction is not Direction.BACKWARD:
            return None
        pasts = (version.schema for version in reversed(self._past))
        return restore_lost_default(
            self._one.new, self._schema, [schema for schema in pasts if schema is not None]
        )

    @property
    def successor(self) -> str:
        """The field that a removed one seems to have become; empty where none does."""
        past = Place(self._one.old.document, self._one.old.path[:-2])
        now = self.new.get("fields") if isinstance(self.new, dict) else None
        renames = find_renames(now, value_at(past))
        name = self.reason.message
        return next((new for new, former in renames.items() if former == name), "")

    @property
    def old_type(self) -> str:
        return describe_type(self.old)

    @property
    def new_type(self) -> str:
        return describe_type(self.new)

    @property
    def what(self) -> str:
        return f'"{self.field}"' if self.field else "the schema"

    @property
    def branch(self) -> str:
        """The branch of the writer that a reader lacks."""
        return describe_type(_value_at(self.reason.writer))


Words = Callable[[_Facts], str]


@dataclass(frozen=True, slots=True)
class _Wording:
    rule: Rule
    message: Words
    note: Words
    hint: Words


_NEW, _OLD = Direction.BACKWARD, Direction.FORWARD

_WORDINGS: Mapping[tuple[Kind, Direction], _Wording] = {
    (Kind.READER_FIELD_MISSING_DEFAULT_VALUE, _NEW): _Wording(
        FIELD_WITHOUT_DEFAULT,
        lambda facts: f'the new field "{facts.member}" has no default',
        lambda facts: f"readers need this field; {facts.versions} never wrote it",
        lambda facts: facts.mends[0].advice if facts.mends else "give it a default",
    ),
    (Kind.READER_FIELD_MISSING_DEFAULT_VALUE, _OLD): _Wording(
        FIELD_REMOVED,
        lambda facts: f'the field "{facts.member}" was removed',
        lambda facts: f'readers of {facts.versions} need "{facts.reason.message}"',
        lambda facts: (
            f'it looks like it became "{facts.successor}", and an alias does not help readers from '
            "before that: keep both until they are gone"
            if facts.successor
            else f"put the field back: {facts.lasting.value} counts the readers of every version, "
            "so a field without a default stays, or goes with a new topic"
            if facts.lasting
            else "put the field back with a default, and deploy all readers; then it can be removed"
        ),
    ),
    (Kind.TYPE_MISMATCH, _NEW): _Wording(
        TYPE_CHANGED,
        lambda facts: f"{facts.what} was {facts.old_type} and is {facts.new_type}",
        lambda facts: f"{facts.versions} wrote {facts.old_type}",
        lambda facts: "keep the type, and add a field with the new one beside it",
    ),
    (Kind.TYPE_MISMATCH, _OLD): _Wording(
        TYPE_CHANGED,
        lambda facts: f"{facts.what} was {facts.old_type} and is {facts.new_type}",
        lambda facts: f"readers of {facts.versions} expect {facts.old_type}",
        lambda facts: "keep the type, and add a field with the new one beside it",
    ),
    (Kind.NAME_MISMATCH, _NEW): _Wording(
        NAME_CHANGED,
        lambda facts: f"the type was named {_name(facts.old)} and is {_name(facts.new)}",
        lambda facts: f"{facts.versions} wrote {_name(facts.old)}",
        lambda facts: (
            facts.mends[0].advice
            if facts.mends
            else f'keep the name, or add "aliases": ["{_name(facts.old)}"]'
        ),
    ),
    (Kind.NAME_MISMATCH, _OLD): _Wording(
        NAME_CHANGED,
        lambda facts: f"the type was named {_name(facts.old)} and is {_name(facts.new)}",
        lambda facts: f"readers of {facts.versions} know only {_name(facts.old)}",
        lambda facts: "keep the name; an alias here does not help readers built before it",
    ),
    (Kind.FIXED_SIZE_MISMATCH, _NEW): _Wording(
        SIZE_CHANGED,
        lambda facts: f"the size was {facts.old} bytes and is {facts.new}",
        lambda facts: f"{facts.versions} wrote {facts.old} bytes",
        lambda facts: "keep the size, and add a field with a new fixed beside it",
    ),
    (Kind.FIXED_SIZE_MISMATCH, _OLD): _Wording(
        SIZE_CHANGED,
        lambda facts: f"the size was {facts.old} bytes and is {facts.new}",
        lambda facts: f"readers of {facts.versions} expect {facts.old} bytes",
        lambda facts: "keep the size, and add a field with a new fixed beside it",
    ),
    (Kind.MISSING_ENUM_SYMBOLS, _NEW): _Wording(
        SYMBOL_REMOVED,
        lambda facts: f"the enum lost {facts.symbols}",
        lambda facts: f"{facts.versions} may have written {facts.them}",
        lambda facts: (
            facts.mends[0].advice
            if facts.mends
            else f'put {facts.them} back, or give the enum a "default" for symbols it does not know'
        ),
    ),
    (Kind.MISSING_ENUM_SYMBOLS, _OLD): _Wording(
        SYMBOL_ADDED,
        lambda facts: f"the enum gained {facts.symbols}",
        lambda facts: (
            f"readers of {facts.versions} do not know {facts.them}, and have no enum default"
        ),
        lambda facts: (
            f"keep the symbols, and add a field with the new ones beside it: {facts.lasting.value} "
            "counts the readers of every version"
            if facts.lasting
            else 'first give the enum a "default" and deploy all readers, then add what is new'
        ),
    ),
    (Kind.MISSING_UNION_BRANCH, _NEW): _Wording(
        BRANCH_REMOVED,
        lambda facts: f"{facts.what} no longer takes {facts.branch}",
        lambda facts: f"{facts.versions} may have written {facts.branch}",
        lambda facts: "put the branch back",
    ),
    (Kind.MISSING_UNION_BRANCH, _OLD): _Wording(
        BRANCH_ADDED,
        lambda facts: f"{facts.what} may hold {facts.branch} now",
        lambda facts: f"readers of {facts.versions} cannot read it",
        lambda facts: (
            f"add a field beside it that takes {facts.branch}, which older readers pass over; the "
            "level BACKWARD would take it here, and then all readers go first"
        ),
    ),
    (Kind.AMBIGUOUS_FIELD, _NEW): _Wording(
        AMBIGUOUS_FIELD,
        lambda facts: f"the name and the aliases of a field fit several: {facts.reason.message}",
        lambda facts: f"more than one of them is in {facts.versions}",
        lambda facts: "remove the alias that is not needed",
    ),
    (Kind.AMBIGUOUS_FIELD, _OLD): _Wording(
        AMBIGUOUS_FIELD,
        lambda facts: f"a field fits several of an older reader: {facts.reason.message}",
        lambda facts: f"readers of {facts.versions} cannot tell them apart",
        lambda facts: "give the new field another name",
    ),
}


def _is_field(value: Json) -> bool:
    return isinstance(value, dict) and "name" in value and not is_definition(value)


def _name(value: Json) -> str:
    return str(value.get("name", value)) if isinstance(value, dict) else str(value)


def _quoted_field(place: Place) -> str:
    name = _field_name(place)
    return f'"{name}"' if name else "the schema"


def _value_at(place: Place) -> Json:
    value = place.document.value
    path = place.path
    if path and path[-1] == "name":
        path = path[:-1]
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
    return value if value is not None else "null"


def _field_name(place: Place) -> str:
    """The name of the innermost field around a place; empty where there is none."""
    value, name = place.document.value, ""
    is_list_of_fields = False
    for step in place.path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
        if is_list_of_fields and isinstance(value, dict):
            name = str(value.get("name", ""))
        is_list_of_fields = step == "fields"
    return name


def _list_versions(versions: Iterable[PastVersion]) -> str:
    numbers = sorted({version.version for version in versions})
    if numbers == [0] or not numbers:
        return "the version before"
    names = [f"v{number}" for number in numbers]
    if len(names) > 3:
        return f"{names[0]} to {names[-1]}" if _is_run(numbers) else f"{len(names)} older versions"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is_run(numbers: list[int]) -> bool:
    return numbers[-1] - numbers[0] == len(numbers) - 1
