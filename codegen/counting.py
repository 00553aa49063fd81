"""Numbers in sentences: one place that knows when a word takes its plural."""

from __future__ import annotations


def count_words(number: int, noun: str) -> str:
    """`1 file`, `2 files`, `0 entries`."""
    return f"{number} {agree(number, noun)}"


def count_done(done: int, all_of_them: int, noun: str) -> str:
    """`1 of 7 steps was done`, `2 of 7 steps were done`."""
    return f"{done} of {count_words(all_of_them, noun)} {agree(done, 'was', 'were')} done"


def agree(number: int, one: str, many: str = "") -> str:
    """The word for so many: `one` for a single thing, else `many`, by default its plural."""
    if number == 1:
        return one
    return many or (f"{one[:-1]}ies" if one.endswith("ry") else f"{one}s")
