"""The part of the store that finds and changes single entries: see base, `ChangeStore`."""

from collections.abc import Collection, Mapping, Sequence

from realtime.model import Change, Entry
from realtime.stores.mongo import changing, fetching
from realtime.stores.mongo.calling import Calling


class EntryChanges(Calling):
    """ChangeStore. What writes tries again for `write_for_s`."""

    async def fetch(
        self, wanted: Mapping[str, Collection[int]], *, stubs: bool = False
    ) -> Sequence[Entry]:
        """See base."""
        asked = dict(wanted)
        return await self._call(lambda database: fetching.fetch(database, asked, stubs=stubs))

    async def find_sent(self, channel: str, sender: str, client_id: str) -> Entry | None:
        """See base."""
        return await self._call(
            lambda database: fetching.find_sent(database, channel, sender, client_id)
        )

    async def sent_by(
        self, channel: str, sender: str, *, after: int, limit: int, stubs: bool = False
    ) -> Sequence[Entry]:
        """See base."""
        return await self._call(
            lambda database: fetching.sent_by(
                database, channel, sender, after=after, limit=limit, stubs=stubs
            )
        )

    async def pending(
        self, *, channel: str | None = None, before_ms: int, limit: int
    ) -> Sequence[Entry]:
        """See base."""
        return await self._call(
            lambda database: fetching.pending(
                database, channel=channel, before_ms=before_ms, limit=limit
            )
        )

    async def change(self, changes: Sequence[Change]) -> Sequence[bool]:
        """See base, `ChangeStore.change`."""
        return await self._call(
            lambda database: changing.change(database, changes, for_s=self._write_for_s)
        )

    async def rewrite(
        self,
        channel: str,
        offset: int,
        *,
        data: bytes,
        tags: dict[str, str] | None,
        changed: int,
    ) -> bool:
        """See base."""
        return await self._call(
            lambda database: changing.rewrite(
                database, channel, offset, data, tags, changed, for_s=self._write_for_s
            )
        )

    async def summarise(self, channel: str, offset: int, summary: bytes, *, by: int) -> bool:
        """See base."""
        return await self._call(
            lambda database: changing.summarise(
                database, channel, offset, summary, by=by, for_s=self._write_for_s
            )
        )

    async def blank(self, channel: str, offsets: Collection[int]) -> None:
        """See base."""
        await self._call(
            lambda database: changing.blank(database, channel, offsets, for_s=self._write_for_s)
        )

    async def disown(self, channel: str, offsets: Collection[int]) -> None:
        """See base."""
        await self._call(
            lambda database: changing.disown(database, channel, offsets, for_s=self._write_for_s)
        )

    async def settle(self, channel: str, offsets: Collection[int]) -> None:
        """See base."""
        await self._call(
            lambda database: changing.settle(database, channel, offsets, for_s=self._write_for_s)
        )

    async def notifiable(
        self, *, after_ms: int = 0, before_ms: int = 0, limit: int
    ) -> Sequence[Entry]:
        """See base."""
        return await self._call(
            lambda database: fetching.notifiable(
                database, after_ms=after_ms, before_ms=before_ms, limit=limit
            )
        )

    async def notified(self, marks: Mapping[str, Collection[int]]) -> None:
        """See base."""
        asked = dict(marks)
        await self._call(
            lambda database: changing.notified(database, asked, for_s=self._write_for_s)
        )

    async def scrub(self) -> None:
        """See base: the server's business."""
