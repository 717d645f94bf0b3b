"""What the icons of apps show: counted for the users of many jobs together."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from realtime.chat.overview import CHANNELS_MAX, Overviews
from realtime.chat.ports import ChatStore, Clock, Rules
from realtime.chat.standing import standing_of
from realtime.chat.unread import badge, told
from realtime.rows import MEMBERS, MemberRow
from realtime.stores.base import SPANS_MAX, Span

MEMBERSHIPS_MAX: Final = 5_000
"""Memberships that are counted at a time. Where there are more, badges stay as they are."""


class _Sight(msgspec.Struct, frozen=True):
    store: ChatStore
    stage: Rules
    clock: Clock


class Badges:
    """Counts channels with something unread, as `chat.badge` does."""

    def __init__(self, store: ChatStore, rules: Rules, clock: Clock) -> None:
        self._store = store
        self._rules = rules
        self._overviews = Overviews(_Sight(store, rules, clock))

    async def of(self, users: Collection[str]) -> Mapping[str, int]:
        """The badges of these users, or of none. Raises StoreError."""
        memberships = await self._memberships(sorted(users))
        unreads: dict[str, list[int]] = {user: [] for user in users} if memberships else {}
        for start in range(0, len(memberships), CHANNELS_MAX):
            some = memberships[start : start + CHANNELS_MAX]
            for found in await self._overviews.of_members(some):
                unreads[found.member.user].append(told(found).unread)
        return {user: badge(counts) for user, counts in unreads.items()}

    async def _memberships(self, users: list[str]) -> list[MemberRow]:
        found: list[MemberRow] = []
        for start in range(0, len(users), SPANS_MAX):
            spans = [Span((user,)) for user in users[start : start + SPANS_MAX]]
            limit = MEMBERSHIPS_MAX + 1 - len(found)
            found += await self._store.find(MEMBERS, *spans, by=("user", "channel"), limit=limit)
            if len(found) > MEMBERSHIPS_MAX:
                return []
        return [
            row
            for row in found
            if standing_of(row).is_member
            and row.role != "follower"
            and not self._rules.banned(row.user, row.channel)
        ]
