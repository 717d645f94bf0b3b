"""Counting the members of a channel again, whose number is kept roughly while they come and go."""

from typing import Final

from realtime.chat.members import BY_ROLE, ROLES
from realtime.rows import CHANNELS, MEMBERS
from realtime.stores.base import Span, TableStore, Write

PAGE: Final = 1_000
"""Rows of one read."""


async def recount(store: TableStore, channel: str) -> int:
    """Put right how many members a channel has; answers by how many it was wrong.

    Where somebody came or went meanwhile nothing is changed, and the next time will do. For the
    background: it reads a row for each member. Raises StoreError.
    """
    rows = await store.get(CHANNELS, [(channel,)])
    if not rows or rows[0].kind not in ("room", "direct"):
        return 0
    told = rows[0].members
    counted = 0
    for role in ROLES:
        after: str | None = None
        while True:
            span = Span((channel, role), after=after)
            page = await store.find(MEMBERS, span, by=BY_ROLE, limit=PAGE)
            counted += len(page)
            if len(page) < PAGE:
                break
            after = page[-1].user
    if counted == told:
        return 0
    put_right = Write(CHANNELS, (channel,), set={"members": counted}, equals={"members": told})
    return counted - told if await store.decide(put_right) else 0
