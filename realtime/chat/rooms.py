"""What a channel is to whoever writes to it, kept at hand: archived, slow, for announcements."""

from typing import Final, Literal

import msgspec

from realtime.chat import channel_events
from realtime.chat.channel_events import Invites
from realtime.chat.kept import Kept, KeptCopy
from realtime.chat.ports import ChatStore, Clock
from realtime.chat.refusals import denied, not_found
from realtime.chat.waiting import waiting
from realtime.rows import CHANNELS, ChannelRow
from realtime.settings.schema import ChannelOptions

ROOMS_MAX: Final = 20_000
"""Rooms that a node keeps; the least recently used go first."""

ROOM_S: Final = 10.0
"""How long a room is kept where it is live, for no entry tells how many members there are."""


class Room(msgspec.Struct, frozen=True, gc=False):
    """A channel as its row and its entries have it. `kind` "": nobody has made it.

    `members` is how many there are, roughly, and as of at most ten seconds ago. `pair` are the two
    users of a direct channel. The other fields are `ChannelSettings`.
    """

    kind: Literal["room", "direct", "feed", ""] = ""
    archived: bool = False
    members: int = 0
    slow_mode_s: int | None = None
    receipts: bool = True
    announce: bool = False
    invites: Invites = "members"
    accept: bool = False
    closed: bool = False
    pair: tuple[str, ...] = ()

    def slow_mode_ms(self, options: ChannelOptions) -> int:
        """Least time between two messages of a member, in milliseconds; 0 is none."""
        return options.slow_mode.ms if self.slow_mode_s is None else self.slow_mode_s * 1000

    def has_receipts(self, options: ChannelOptions) -> bool:
        """Whether members are told what others have read."""
        return self.receipts and options.receipts


NOWHERE: Final = Room()
"""A channel that nobody has made."""


class Rooms:
    """Rooms of this node. Told what happens by the memberships that it belongs to."""

    def __init__(self, store: ChatStore, clock: Clock, *, rooms_max: int = ROOMS_MAX) -> None:
        self._store = store
        self._rooms: Kept[Room] = Kept(clock, kept_max=rooms_max, live_s=ROOM_S)

    def known(self, channel: str) -> Room | None:
        """The room if it is at hand; never waits."""
        return self._rooms.get(channel, "")

    def copy(self, channel: str) -> KeptCopy[Room] | None:
        """The same, with what tells how long it is so."""
        return self._rooms.copy(channel, "")

    async def look_up(self, channel: str) -> Room:
        """The room, read from the store if need be; NOWHERE where there is none.

        No entry that passed before this returned is missing in it. Raises StoreError.
        """
        return await self._rooms.look_up(channel, "", lambda: self._read(channel))

    async def made(self, channel: str, *, direct: bool = False) -> Room:
        """The channel, if somebody has made it; `direct`: it may be one of two users, too.

        Raises CommandRefused: 103 (why=direct), 404. Raises StoreError.
        """
        room = self.known(channel) or await self.look_up(channel)
        if room.kind not in ("room", "direct"):
            raise not_found("channel")
        if room.kind == "direct" and not direct:
            raise denied("direct")
        return room

    def opened(self, channel: str) -> None:
        """The channel is live here: every entry that changes it passes from now on."""
        self._rooms.opened(channel)

    def closed(self, channel: str) -> None:
        """It is not, any more."""
        self._rooms.closed(channel)

    def forget(self, channel: str) -> None:
        """Something has changed, or was missed: read it again when somebody asks."""
        self._rooms.forget(channel, "")

    async def _read(self, channel: str) -> Room:
        # What waits is read first: what is folded between the two reads is then in the row.
        entries = await waiting(self._store, channel)
        rows = await self._store.get(CHANNELS, [(channel,)])
        row = rows[0] if rows else ChannelRow(channel)
        for entry in entries:
            row = channel_events.apply(entry, row)
        return room_of(row)


def room_of(row: ChannelRow) -> Room:
    """What a row says; NOWHERE for a kind of a later version."""
    if row.kind not in ("room", "direct", "feed"):
        return NOWHERE
    settings = channel_events.settings_of(row)
    return Room(
        row.kind,  # type: ignore[arg-type]  # checked above
        row.archived_at != 0,
        row.members,
        settings.slow_mode_s,
        settings.receipts,
        settings.announce,
        settings.invites,
        settings.accept,
        settings.closed,
        (row.created_by, row.peer) if row.kind == "direct" else (),
    )
