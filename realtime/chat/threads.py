"""The replies to a message."""

from collections.abc import Mapping

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.messages import Thread, ThreadPage
from realtime.chat.log_reader import LogReader
from realtime.chat.operations import Perform
from realtime.chat.refusals import invalid, not_found
from realtime.chat.rooms import Rooms
from realtime.chat.vision import Vision
from realtime.rows import REFERENCES, ReferenceRow
from realtime.stores.base import Span


class Threads:
    """Performs `chat.thread`."""

    def __init__(self, around: Around, rooms: Rooms) -> None:
        self._store = around.store
        self._vision = Vision(around, rooms)
        self._reader = LogReader(around)
        self.operations: Mapping[str, Perform] = {"chat.thread": self.thread}

    async def thread(self, caller: Caller, params: Thread) -> ThreadPage:
        """A page of a thread, in a bounded number of reads: six, however long it is.

        Raises CommandRefused: 404, 422, and StoreError.
        """
        if params.before is not None and params.after is not None:
            raise invalid("after")
        channel = params.channel
        sight = await self._vision.admit(caller, channel)
        message = await self._reader.message(channel, params.offset)
        if not sight.sees(message):
            raise not_found("offset")
        root = message.ref or message.offset
        rows = await self._references(params, root)
        replies = [row.offset for row in rows if row.kind == "message"][: params.limit]
        wanted = {root, *replies} if message.ref else set(replies)
        found = {
            entry.offset: entry
            for entry in (message, *await self._reader.messages(channel, wanted))
            if sight.sees(entry)
        }
        entries = [found[offset] for offset in sorted(replies) if offset in found]
        first = [found[root]] if root in found else []
        views = await self._vision.views(caller, channel, [*first, *entries])
        older, newer = _edges(params, rows, replies)
        return ThreadPage(
            replies=views[len(first) :],
            root=views[0] if first else None,
            older=older,
            newer=newer,
        )

    async def _references(self, params: Thread, root: int) -> list[ReferenceRow]:
        """Rows in the order of the walk; edits of the root, and deleted replies, among them."""
        span = Span((params.channel, root), after=params.after, before=params.before)
        # Twice as many, so that a page is full where the root was not edited very often.
        limit = params.limit * 2
        backwards = params.after is None
        rows = await self._store.find(REFERENCES, span, limit=limit, backwards=backwards)
        return list(rows)


def _edges(params: Thread, rows: list[ReferenceRow], replies: list[int]) -> tuple[int, int | None]:
    """Before and after which offset there may be more replies; 0 and None for nothing."""
    others = [row.offset for row in rows if row.kind == "message"]
    if len(others) > params.limit:
        edge = replies[-1]
    elif len(rows) == params.limit * 2:
        edge = rows[-1].offset
    else:
        edge = 0
    if params.after is None:
        return edge, params.before - 1 if params.before else None
    return params.after + 1 if params.after else 0, edge or None
