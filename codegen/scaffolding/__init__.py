"""New events, topics and services, written as somebody who knows the house would write them.

What is new is worked out in memory first, together with all that is there: a schema file or an
entry that could not be used is never written, and nothing that exists is overwritten.

    fields     what `--field order_id:uuid` means, as Avro
    entries    the entries of the manifest, and the file of an event
"""

from codegen.scaffolding.entries import (
    Addition,
    EventDraft,
    ServiceDraft,
    TopicDraft,
    add_event,
    add_service,
    add_topic,
    write_addition,
)
from codegen.scaffolding.fields import FieldError, parse_field

__all__ = [
    "Addition",
    "EventDraft",
    "FieldError",
    "ServiceDraft",
    "TopicDraft",
    "add_event",
    "add_service",
    "add_topic",
    "parse_field",
    "write_addition",
]
