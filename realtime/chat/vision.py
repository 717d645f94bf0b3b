"""What a member gets to see of a room's messages."""

from collections.abc import Sequence

import msgspec

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.messages import EMOJIS_MAX, OWN_EMOJIS_MAX, MessageView
from realtime.chat.refusals import denied
from realtime.chat.restrictions import grants_members, refuse_unmade
from realtime.chat.rooms import Room, Rooms
from realtime.chat.views import summary_of, user_of, views_of
from realtime.model import Entry
from realtime.rows import BLOCKS, REACTIONS
from realtime.stores.base import Span


class Sight(msgspec.Struct, frozen=True):
    """Somebody in a room. They do not see what those whom they block in a direct channel say."""

    room: Room
    hidden: frozenset[str] = frozenset()

    def sees(self, entry: Entry) -> bool:
        """Whether the entry is there for them."""
        return not self.hidden or user_of(entry) not in self.hidden


class Vision:
    """Lets members in to read, and makes their view of what they find."""

    def __init__(self, around: Around, rooms: Rooms) -> None:
        self._store = around.store
        self._doorkeeper = around.doorkeeper
        self._rooms = rooms

    async def admit(self, caller: Caller, channel: str) -> Sight:
        """Whether the caller may read there. Raises CommandRefused (100 … 404), and StoreError."""
        await self._doorkeeper.admit(caller, channel, "member")
        options = self._doorkeeper.options(channel, "room")
        if not caller.is_admin and not grants_members(options.read_history):
            raise denied()
        room = await self._rooms.look_up(channel)
        refuse_unmade(room)
        others = [user for user in room.pair if user and user != caller.user]
        if not others:
            return Sight(room)
        blocks = await self._store.get(BLOCKS, [(caller.user, other) for other in others])
        return Sight(room, frozenset(block.blocked for block in blocks))

    async def views(
        self, caller: Caller, channel: str, entries: Sequence[Entry]
    ) -> list[MessageView]:
        """Views of entries, in their order; at most SPANS_MAX. One read where there are reactions.

        Raises StoreError.
        """
        spans = [
            Span((caller.user, channel, entry.offset))
            for entry in entries
            if summary_of(entry).reactions
        ]
        mine: dict[int, set[str]] = {}
        if spans:
            rows = await self._store.find(
                REACTIONS,
                *spans,
                by=("user", "channel", "ref"),
                limit=len(spans) * (OWN_EMOJIS_MAX + EMOJIS_MAX),
            )
            for row in rows:
                if row.shown:
                    mine.setdefault(row.ref, set()).add(row.emoji)
        return views_of(entries, mine)
