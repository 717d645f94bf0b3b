"""What other devices of a user are told when one of them has moved a marker.

At most once a second and user, for all channels together in which markers moved. What is unread
there comes along; the badge, which takes a look at all of the user's channels, only as long as few
ask for it at once: else the app reckons it from what it knows, or asks.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from realtime.chat.around import Around
from realtime.chat.badges import Badges
from realtime.chat.overview import CHANNELS_MAX as TOGETHER_MAX
from realtime.chat.overview import Overviews
from realtime.chat.pacing import Pace, Paced
from realtime.chat.unread import State, told
from realtime.rows import MEMBERS

CHANNELS_MAX: Final = 20
"""Channels of one user and second whose markers are told; of more, `chat.sync` tells."""

BADGES_PER_S: Final = 5
"""Badges that a node reckons in a second."""


class MarkerHint(msgspec.Struct, frozen=True, omit_defaults=True):
    """The user's own markers in a channel, and what is unread there now; see `SyncedChannel`."""

    type: Literal["marker"]
    channel: str
    delivered: int
    read: int
    unread: int
    mentions: int = 0
    unread_from: int = 0
    badge: int | None = None


class MarkerHints:
    """Tells of markers that moved; `run` must be running for that."""

    def __init__(self, around: Around, overviews: Overviews, badges: Badges) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._overviews = overviews
        self._badges = badges
        self._encode = msgspec.json.Encoder().encode
        pace: Pace[str, frozenset[str]] = Pace(_merged)
        self._paced = Paced("hints of markers", pace, around.clock, self._send)
        self.run = self._paced.run
        self.send_due = self._paced.send_due
        self._second = 0
        self._reckoned = 0

    def moved(self, user: str, channel: str) -> None:
        """A marker of the user has been written. Never waits."""
        self._paced.add(user, frozenset((channel,)))

    async def _send(self, notes: Sequence[tuple[str, frozenset[str]]]) -> None:
        """Raises StoreError, CommandRefused."""
        keys = [(channel, user) for user, channels in notes for channel in channels]
        badges = {user: await self._badge(user) for user, _ in notes}
        for start in range(0, len(keys), TOGETHER_MAX):
            rows = await self._store.get(MEMBERS, keys[start : start + TOGETHER_MAX])
            for found in await self._overviews.of_members(rows):
                user = found.member.user
                hint = hint_of(told(found), badges[user])
                self._stage.hint((user,), self._encode(hint))

    async def _badge(self, user: str) -> int | None:
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._reckoned = second, 0
        if self._reckoned >= BADGES_PER_S:
            return None
        self._reckoned += 1
        return await self._badges.of(user)


def hint_of(found: State, badge: int | None) -> MarkerHint:
    """What is to be said of a channel to its member."""
    return MarkerHint(
        "marker",
        found.row.channel,
        found.delivered,
        found.read,
        found.unread,
        found.mentions,
        found.member.unread,
        badge,
    )


def _merged(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    return one | other if len(one) < CHANNELS_MAX else one
