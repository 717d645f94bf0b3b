"""What the rooms of this node are set to keep of their logs, at hand for every read.

Where no room of the whole store keeps less than its namespace, one small read a second says so for
all of them, made only while somebody asks. Where one does, what each is set to is kept as
`realtime.chat.kept` keeps things: right from the entry that changes it where the node follows the
room, and a second old at most where it does not.
"""

from collections.abc import Callable
from typing import Final

from realtime.chat import channel_events
from realtime.chat.channel_events import own_retention
from realtime.chat.kept import Kept
from realtime.chat.ports import ChatStore, Clock
from realtime.chat.waiting import waiting
from realtime.cluster.retention import RetentionAfter
from realtime.model import EVERYTHING, Entry, Retention
from realtime.rows import CHANNELS, ChannelRow
from realtime.stores.base import Span, TableStore

ROOMS_MAX: Final = 50_000
"""Rooms of which a node keeps it; the least recently used go first."""

ROWS: Final = 512
"""Rooms that a part of a sweep is told of: more than there are channels in one slice."""

_BY: Final = ("keeps_less", "channel")


class OwnRetentions:
    """What rooms are set to. Told what happens by the memberships that it belongs to.

    Answers are of the settings alone: what may be seen is that `within` what the namespace says.
    """

    def __init__(self, store: ChatStore, clock: Clock, *, rooms_max: int = ROOMS_MAX) -> None:
        self._store = store
        self._kept: Kept[Retention] = Kept(clock, kept_max=rooms_max)
        self._any: Kept[bool] = Kept(clock, kept_max=1)
        # An entry has said so here: from then on there are some, whatever rows say of it yet.
        self._is_sure = False

    def known(self, channel: str) -> Retention | None:
        """What the room is set to, if it is at hand; never waits."""
        if self._is_sure:
            return self._kept.get(channel, "")
        kept = self._any.get("", "")
        return EVERYTHING if kept is False else self._kept.get(channel, "")

    async def look_up(self, channel: str) -> Retention:
        """The same, read from the store if need be: one read where no room has any, else two more.

        No entry that passed before this returned is missing in it. Raises StoreError.
        """
        known = self.known(channel)
        if known is not None:
            return known
        # Whether an entry came meanwhile is asked last: no row may say yet what it does.
        if not (self._is_sure or await self._any.look_up("", "", self._read_any) or self._is_sure):
            return EVERYTHING
        return await self._kept.look_up(channel, "", lambda: self._read(channel))

    def opened(self, channel: str) -> None:
        """The channel is live here: every entry that changes it passes from now on."""
        self._kept.opened(channel)

    def closed(self, channel: str) -> None:
        """It is not, any more."""
        self._kept.closed(channel)

    def changed(self, entry: Entry) -> None:
        """There is an entry about the channel itself, which has passed or is going to."""
        self._kept.forget(entry.channel, "")
        if channel_events.changes_retention(entry):
            self._is_sure = True

    def forget(self, channel: str) -> None:
        """Something was missed: read it again when somebody asks."""
        self._any.forget("", "")
        self._kept.forget(channel, "")

    async def _read_any(self) -> bool:
        return bool(await self._store.find(CHANNELS, Span((1,)), by=_BY, limit=1))

    async def _read(self, channel: str) -> Retention:
        # What waits is read first: what is folded between the two reads is then in the row.
        entries = await waiting(self._store, channel)
        rows = await self._store.get(CHANNELS, [(channel,)])
        row = rows[0] if rows else ChannelRow(channel)
        for entry in entries:
            row = channel_events.apply(entry, row)
        return own_retention(row)


def narrowed(store: TableStore, retention: Callable[[str], Retention]) -> RetentionAfter:
    """What may be seen of channels for whoever frees the rest, in parts.

    `retention` says what namespaces let be seen.
    """

    async def after(channel: str) -> Callable[[str], Retention]:
        rows = await store.find(CHANNELS, Span((1,), after=channel), by=_BY, limit=ROWS)
        own = {row.channel: own_retention(row) for row in rows}

        def within_both(name: str) -> Retention:
            # Of a room beyond those rows too little is taken, and the rest in a later part.
            return retention(name).within(own.get(name, EVERYTHING))

        return within_both

    return after
