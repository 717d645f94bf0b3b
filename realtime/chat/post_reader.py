"""Posts as their readers get them: the rows say which, the log what is in them."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from realtime.chat.around import Around
from realtime.chat.calls.feeds import PostView
from realtime.chat.calls.messages import Reaction
from realtime.chat.pages import PAGE_MAX_BYTES
from realtime.chat.retention import retention_of
from realtime.chat.views import summary_of
from realtime.model import Entry
from realtime.rows import CHANNELS, REACTIONS, PostRow
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Span

REACTIONS_MAX: Final = 5_000
"""Rows of one user's reactions to the posts of a page."""

Spot = tuple[str, int]


class ReadPosts(msgspec.Struct, frozen=True):
    """Views of posts. `looked_at`: how many rows they are of, where not all fit on a page. `gone`
    are places of posts that are not in the log any more, or deleted."""

    views: list[PostView]
    looked_at: int
    gone: Sequence[str] = ()


class PostReader:
    """Reads posts."""

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._clock = around.clock

    def since_ms(self, options: ChannelOptions) -> int:
        """From when on posts are to be seen (ms), 0 for all."""
        ttl_ms = options.history_ttl_ms
        return max(1, self._clock.wall_ms() - ttl_ms + 1) if ttl_ms else 0

    async def read(self, user: str, rows: Sequence[PostRow], options: ChannelOptions) -> ReadPosts:
        """These posts, for a user.

        One read, and one if somebody has reacted, and one where the namespace keeps a number of
        entries. Raises StoreError.
        """
        if not rows:
            return ReadPosts([], 0)
        wanted: dict[str, set[int]] = {}
        for row in rows:
            wanted.setdefault(row.channel, set()).add(row.offset)
        found = await self._store.fetch(wanted)
        entries = {(entry.channel, entry.offset): entry for entry in found if not entry.deleted_at}
        gone = [row.place for row in rows if (row.channel, row.offset) not in entries]
        heads = await self._heads(wanted, options)
        mine = await self._mine(user, list(entries.values()))
        retention = retention_of(options)
        now_ms = self._clock.wall_ms()
        views: list[PostView] = []
        size = 0
        for number, row in enumerate(rows):
            entry = entries.get((row.channel, row.offset))
            if entry is None:
                continue
            if retention.hides(entry.offset, entry.at, heads.get(entry.channel, 0), now_ms):
                continue
            if views and size + len(entry.data) > PAGE_MAX_BYTES:
                return ReadPosts(views, number, gone)
            size += len(entry.data)
            views.append(_view(row, entry, mine.get((row.channel, row.offset), set())))
        return ReadPosts(views, len(rows), gone)

    async def _heads(
        self, channels: Mapping[str, object], options: ChannelOptions
    ) -> dict[str, int]:
        """How far the feeds are, as of a second ago, where that hides anything."""
        if options.history_size < 0:
            return {}
        rows = await self._store.get(CHANNELS, [(channel,) for channel in channels])
        return {row.channel: row.head for row in rows}

    async def _mine(self, user: str, entries: Sequence[Entry]) -> dict[Spot, set[str]]:
        """What the user has reacted with."""
        spans = [
            Span((user, entry.channel, entry.offset))
            for entry in entries
            if summary_of(entry).reactions
        ]
        if not spans:
            return {}
        rows = await self._store.find(
            REACTIONS, *spans, by=("user", "channel", "ref"), limit=REACTIONS_MAX
        )
        mine: dict[Spot, set[str]] = {}
        for row in rows:
            if row.shown:
                mine.setdefault((row.channel, row.ref), set()).add(row.emoji)
        return mine


def _view(row: PostRow, entry: Entry, mine: set[str]) -> PostView:
    return PostView(
        channel=row.channel,
        offset=row.offset,
        place=row.place,
        author=row.author,
        data=msgspec.Raw(entry.data),
        at=entry.at,
        client_id=entry.client_id,
        edited_at=entry.edited_at,
        reactions={
            emoji: Reaction(count, emoji in mine)
            for emoji, count in summary_of(entry).reactions.items()
        },
        views=row.views,
    )
