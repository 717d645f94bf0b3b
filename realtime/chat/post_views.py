"""How often posts are seen: counted in memory, and added to their rows every other second."""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from realtime.chat.around import Around
from realtime.chat.counters import Counters
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.rows import POSTS
from realtime.stores.base import SPANS_MAX, Span, Write

logger = logging.getLogger(__name__)

ROUND_S: Final = 2.0
"""Between two rounds of writing, in seconds."""

CALL_TIMEOUT_S: Final = 10.0
"""How long one round may take."""

COUNTED_MAX: Final = 20_000
"""Posts that are counted in one round; views of others are not."""

REMEMBERED_MAX: Final = 200_000
"""Views of single users that a node remembers, so as not to count them twice."""


class PostViews:
    """Counts. `run` must be running for it.

    A user's views of a post count once for as long as this node remembers the first, an author's
    own never. Views are lost when a node dies, two seconds of them, and counted twice where a user
    comes back to another node: it is a number to look at.
    """

    def __init__(self, around: Around, counters: Counters) -> None:
        self._store = around.store
        self._counters = counters
        self._counted: dict[tuple[str, int], int] = {}
        self._remembered: OrderedDict[int, None] = OrderedDict()
        self._wanted = asyncio.Event()
        self._outage = Outage(logger, "counting views")

    def seen(self, user: str, channel: str, offset: int) -> None:
        """A user has seen a post. Never waits."""
        view = hash((user, channel, offset))
        if view in self._remembered:
            self._remembered.move_to_end(view)
            return
        spot = (channel, offset)
        if spot not in self._counted and len(self._counted) >= COUNTED_MAX:
            return
        self._remembered[view] = None
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        self._counted[spot] = self._counted.get(spot, 0) + 1
        self._wanted.set()

    async def run(self) -> None:
        """Write for ever. Hosted by a task group; may be cancelled anywhere."""
        while True:
            await self._wanted.wait()
            await asyncio.sleep(ROUND_S)
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    await self.round()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
            else:
                self._outage.ended()

    async def round(self) -> None:
        """Write what has been counted, and tell who is looking. Raises StoreError.

        What could not be written is forgotten: whether it was added cannot be told.
        """
        self._wanted.clear()
        counted, self._counted = self._counted, {}
        spots = list(counted)
        for start in range(0, len(spots), SPANS_MAX):
            spans = [Span(spot) for spot in spots[start : start + SPANS_MAX]]
            rows = await self._store.find(
                POSTS, *spans, by=("channel", "offset"), limit=2 * SPANS_MAX
            )
            await self._store.write(
                [
                    Write(
                        POSTS,
                        (row.place,),
                        add={"views": counted[row.channel, row.offset]},
                        present=True,
                    )
                    for row in rows
                ]
            )
            for row in rows:
                views = row.views + counted[row.channel, row.offset]
                self._counters.count(row.channel, f"{row.offset}:views", views)
