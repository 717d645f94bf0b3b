"""Reading a channel's log as retention lets it be seen: its namespace's, and a room's own."""

from collections.abc import Collection, Sequence

from realtime.chat.around import Around
from realtime.chat.refusals import not_found
from realtime.chat.retention import retention_of
from realtime.model import Entry, Retention
from realtime.stores.base import Page


class LogReader:
    """Reads logs for whoever was admitted to them. Every method raises StoreError."""

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._memberships = around.memberships

    async def page(
        self,
        channel: str,
        *,
        after: int = 0,
        before: int = 0,
        limit: int,
        newest_first: bool = False,
    ) -> Page:
        """See `realtime.stores.base.LogStore.read`. One read."""
        return await self._store.read(
            channel,
            after=after,
            before=before,
            limit=limit,
            newest_first=newest_first,
            retention=await self._retention(channel),
            now_ms=self._clock.wall_ms(),
        )

    async def message(self, channel: str, offset: int, *, field: str = "offset") -> Entry:
        """The message at an offset, which may be deleted. One read.

        Raises CallRefused (404, of the parameter `field`): no message, or retention hides it.
        """
        page = await self.page(channel, after=offset - 1, before=offset + 1, limit=1)
        if not page.entries or page.entries[0].kind != "message":
            raise not_found(field)
        return page.entries[0]

    async def messages(self, channel: str, offsets: Collection[int]) -> Sequence[Entry]:
        """Those of the messages at these offsets that are to be seen, in order. Two reads."""
        if not offsets:
            return ()
        entries = await self._store.fetch({channel: offsets})
        head = (await self.page(channel, limit=0)).head
        retention = await self._retention(channel)
        now_ms = self._clock.wall_ms()
        return [
            entry
            for entry in entries
            if entry.kind == "message" and not retention.hides(entry.offset, entry.at, head, now_ms)
        ]

    async def _retention(self, channel: str) -> Retention:
        options = self._stage.options(channel)
        if options.chat != "room":
            return retention_of(options)
        own = self._memberships.known_retention(channel)
        if own is None:
            own = await self._memberships.look_up_retention(channel)
        return retention_of(options).within(own)
