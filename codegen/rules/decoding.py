"""Where the registry's answer and what happens to data part: said before anybody finds out.

A registry compares schemas by rules of its own. Mostly they foretell what a consumer can read; in
a few corners they do not, and there a green check is no promise, and a red one no obstacle.
"""

from __future__ import annotations

from collections.abc import Iterable

from codegen.avro.decoding import simulate
from codegen.avro.resolution import AmbiguousFieldError, Incompatibility, compare, judge_both
from codegen.avro.schema import SchemaGraph
from codegen.compatibility import Direction
from codegen.diagnostics import Findings, Related, Rule, Severity, locate, rule
from codegen.rules.breaking import summarize
from codegen.rules.breaks import find_breaks
from codegen.rules.mends import value_at
from codegen.source import Place

ACCEPTED_BUT_FAILS = rule(
    "compat/accepted-but-fails",
    "The registry accepts a schema with which consumers cannot read all data.",
    "Registries compare the simple names of types. Avro Java's decoder compares full names where a "
    "union has to choose, and uses a default only when data needs it; so it can stop at a message "
    "that the registry let pass. A green answer of the registry is no promise then.",
)
REJECTED_BUT_WORKS = rule(
    "compat/rejected-but-works",
    "The registry rejects a schema with which Avro Java reads all data.",
    "Avro Java reads records by their fields and does not look at their names, so its consumers "
    "would work. Decoders of other languages do look, and the registry will not take the schema. "
    "Keep the name, or add a field of the new type.",
    severity=Severity.NOTE,
)
UNSOUND_VERDICT = rule(
    "compat/unsound-verdict",
    "The registry overlooks an error that recursive types hide.",
    "Avro Java's checker assumes that a type it is still comparing fits, and keeps what it "
    "concluded from that when it turns out not to. The order of fields decides whether it notices. "
    "A consumer that meets such a message stops.",
)


def report_surprises(
    reader: SchemaGraph,
    writer: SchemaGraph,
    findings: Findings,
    *,
    subject: str = "",
    is_writer_new: bool = False,
) -> None:
    """A finding for each place where the registry's verdict is not what data will meet.

    It stands in the reader, or in the writer where that is the schema people edit. Raises
    TooManyPairs.
    """

    direction = Direction.FORWARD if is_writer_new else Direction.BACKWARD
    new = writer if is_writer_new else reader

    def add(found: Rule, message: str, read: Place, written: Place, hint: str = "") -> None:
        here, there = (written, read) if is_writer_new else (read, written)
        what = "what reads it" if is_writer_new else "what was written"
        related = (Related(what, location=locate(there)),)
        findings.add(found, here, message, hint=hint, related=related, subject=subject)

    def add_breaks(found: Rule, words: str, reasons: Iterable[Incompatibility]) -> None:
        for one in find_breaks(direction, reasons):
            message = f"{words}: {summarize(one, new)}"
            add(found, message, one.reason.reader, one.reason.writer)

    for surprise in simulate(reader, writer):
        if surprise.reason is not None:
            add_breaks(REJECTED_BUT_WORKS, surprise.outcome.value, (surprise.reason,))
        else:
            message = f"{surprise.outcome.value}: {surprise.message}"
            # What no branch takes goes by another full name there.
            is_choice = isinstance(value_at(surprise.reader), list)
            hint = _KEEP_NAME[direction] if is_choice else ""
            add(ACCEPTED_BUT_FAILS, message, surprise.reader, surprise.writer, hint)
    try:
        reasons, is_sound = judge_both(reader, writer)
    except AmbiguousFieldError:
        return
    if not reasons and not is_sound:
        words = "the registry does not see that this cannot be read"
        add_breaks(UNSOUND_VERDICT, words, compare(reader, writer))


_KEEP_NAME = {
    Direction.BACKWARD: 'keep the full name, namespace included, or add the old one to "aliases"',
    Direction.FORWARD: "keep the full name, namespace included: an alias helps no older reader",
}
