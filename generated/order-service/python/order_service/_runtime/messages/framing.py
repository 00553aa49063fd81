"""Confluent's wire format: byte 0, the id of a schema in four bytes, then what it describes."""

from __future__ import annotations

from ..policy import Reason


class Unreadable(Exception):
    """The bytes of a message are no event of its topic."""

    def __init__(self, reason: Reason, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


def read_schema_id(data: bytes) -> int:
    """The id of the schema that these bytes were written with. Raises Unreadable."""
    if data[:1] != b"\0":
        start = data[:16]
        raise Unreadable(
            Reason.NO_MAGIC_BYTE,
            f"it begins with {start!r}, not with byte 0 and a schema id (Confluent wire format)"
            if data
            else "it is empty",
        )
    if len(data) < 5:
        raise Unreadable(Reason.TRUNCATED, f"it ends within the schema id, after {data!r}")
    return int.from_bytes(data[1:5], "big")


def schema_prefix(schema_id: int) -> bytes:
    """What stands before a value that was written with the schema of this id."""
    return b"\0" + schema_id.to_bytes(4, "big")
