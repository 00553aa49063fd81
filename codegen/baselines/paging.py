"""Long lists are read page by page, and nothing is missed that comes or goes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from codegen.source import Json

Key = TypeVar("Key", bound=Hashable)


class TooManyItems(Exception):
    """A list goes on and on."""


def read_pages(
    ask: Callable[[Mapping[str, str]], Sequence[Json]],
    limit: int,
    most: int,
    key: Callable[[Json], Key],
) -> dict[Key, Json] | None:
    """All items of a list by what tells them apart; None for one that changed meanwhile.

    `ask` fetches the page of an `offset` and a `limit`. Each page begins with the last item of the
    one before, so that an item that comes or goes meanwhile is noticed: it would push another one
    over the edge of a page, unseen. Within a page items may stand in any order (Apicurio sorts each
    page on its own). Raises TooManyItems for more than `most`.
    """
    found: dict[Key, Json] = {}
    while True:
        items = ask({"offset": str(max(len(found) - 1, 0)), "limit": str(limit)})
        page = {key(item): item for item in items}
        if len(found | page) > most:
            raise TooManyItems
        # Servers that know no paging answer everything at once, each time.
        if len(page) > limit or (page.keys() == found.keys() and len(page) < limit):
            return found | page
        known = len(found.keys() & page.keys())
        if known != min(len(found), 1):
            return None
        found |= page
        if len(page) == known:
            return found
