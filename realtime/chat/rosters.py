"""Who is in the channels of this node that are not too large, kept for whoever tells them news.

A member who was removed must not be told anything more: kept are only rosters of channels that are
live here, whose entries say who goes (`realtime.chat.kept`); of others they are a second old.
"""

from typing import Final

import msgspec

from realtime.chat import member_events
from realtime.chat.kept import Kept
from realtime.chat.ports import ChatStore, Clock
from realtime.chat.waiting import waiting
from realtime.rows import MEMBERS
from realtime.stores.base import Span

ROSTERS_MAX: Final = 2_000
"""Rosters that a node keeps; the least recently used go first."""

ROSTER_S: Final = 60.0
"""How long one is kept where the channel is live."""

IN_ROOMS: Final = ("owner", "moderator", "member", "reader")
"""Roles of those who are told: not of followers, nor of those who left, whose rows stay."""


class Roster(msgspec.Struct, frozen=True):
    """Members of a channel, in order; `users` is None where they are too many."""

    users: tuple[str, ...] | None


TOO_LARGE: Final = Roster(None)


class Rosters:
    """Rosters of this node. Told what happens by the memberships that it belongs to."""

    def __init__(self, store: ChatStore, clock: Clock, *, rosters_max: int = ROSTERS_MAX) -> None:
        self._store = store
        self._rosters: Kept[Roster] = Kept(clock, kept_max=rosters_max, live_s=ROSTER_S)

    async def look_up(self, channel: str, most: int) -> Roster:
        """The members, if they are at most so many; always the same number. Raises StoreError."""
        return await self._rosters.look_up(channel, "", lambda: self._read(channel, most))

    def opened(self, channel: str) -> None:
        """The channel is live here: every entry that changes who is in it passes from now on."""
        self._rosters.opened(channel)

    def closed(self, channel: str) -> None:
        """It is not, any more."""
        self._rosters.closed(channel)

    def forget(self, channel: str) -> None:
        """Somebody came or went, or something was missed: read it again when somebody asks."""
        self._rosters.forget(channel, "")

    async def _read(self, channel: str, most: int) -> Roster:
        # Who is leaving is left out at once; who is coming comes with the row.
        leaving = {
            user
            for _, event in member_events.read_all(await waiting(self._store, channel))
            if event.act in ("leave", "kick", "ban")
            for user in event.concerns
        }
        rows = await self._store.find(
            MEMBERS,
            *(Span((channel, role)) for role in IN_ROOMS),
            by=("channel", "role", "user"),
            limit=most + 1,
        )
        if len(rows) > most:
            return TOO_LARGE
        return Roster(tuple(row.user for row in rows if row.user not in leaving))
