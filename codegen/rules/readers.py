"""Which libraries read Avro otherwise than a registry expects? Facts that advice draws upon.

A registry judges as Avro Java does. What other readers cannot do was measured on the libraries
named here: `avro` 1.12 and `fastavro` 1.13 for Python and `avsc` 5.7 for JavaScript by tests, and
read in the source of `hamba/avro` 2 for Go.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from codegen.avro.wording import list_names


class Ability(Enum):
    """What Avro Java does when it reads, and others may not."""

    ALIASES = "find fields and types by alias"
    ENUM_DEFAULT = "take the enum default for an unknown symbol"
    SIMPLE_NAMES = "read types of another namespace"
    TEXT_AS_BYTES = "read string as bytes and bytes as string"
    READER_LOGICAL_TYPE = "take the logical type of the reader's schema"


_AVRO_PYTHON, _AVSC, _FASTAVRO, _HAMBA = "avro for Python", "avsc", "fastavro", "hamba/avro"

LACKING: Mapping[Ability, tuple[str, ...]] = {
    Ability.ALIASES: (_AVRO_PYTHON,),
    Ability.ENUM_DEFAULT: (_AVRO_PYTHON,),
    Ability.SIMPLE_NAMES: (_AVRO_PYTHON, _AVSC, _HAMBA),
    Ability.TEXT_AS_BYTES: (_AVRO_PYTHON,),
    Ability.READER_LOGICAL_TYPE: (_AVRO_PYTHON, _FASTAVRO),
}
"""The libraries that do not have an ability."""


def name_lacking(ability: Ability) -> str:
    """The libraries without an ability, as a sentence names them."""
    return list_names(LACKING[ability])
