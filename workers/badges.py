"""What the icons of apps show: counted for the users of many jobs together."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from realtime.chat.overview import CHANNELS_MAX, Overviews
from realtime.chat.ports import ChatStore, Clock, Rules
from realtime.chat.standing import standing_of
from realtime.chat.unread import badge, told
from realtime.errors import CommandRefused
from realtime.rows import MEMBERS, MemberRow
from realtime.stores.base import SPANS_MAX, Span

MEMBERSHIPS_MAX: Final = 5_000
"""Memberships that are looked at together. Of users who have more of them, those who come last keep
the badges they have."""


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
        """The badges of these users, or of some of them. Raises StoreError."""
        found, counted = await self._memberships(sorted(users))
        memberships = [row for row in found if self._counts(row)]
        unreads: dict[str, list[int]] = {user: [] for user in counted}
        for start in range(0, len(memberships), CHANNELS_MAX):
            some = memberships[start : start + CHANNELS_MAX]
            for state in await self._overviews.of_members(some):
                unreads[state.member.user].append(told(state).unread)
        return {user: badge(counts) for user, counts in unreads.items()}

    async def _memberships(self, users: list[str]) -> tuple[list[MemberRow], list[str]]:
        """The memberships of as many of these users as may be, and who they are."""
        found: list[MemberRow] = []
        for start in range(0, len(users), SPANS_MAX):
            spans = [Span((user,)) for user in users[start : start + SPANS_MAX]]
            limit = MEMBERSHIPS_MAX + 1 - len(found)
            found += await self._store.find(MEMBERS, *spans, by=("user", "channel"), limit=limit)
            if len(found) > MEMBERSHIPS_MAX:
                cut = found[-1].user
                counted = [user for user in users if user < cut]
                return [row for row in found if row.user < cut], counted
        return found, users

    def _counts(self, row: MemberRow) -> bool:
        if not standing_of(row).is_member or row.role == "follower":
            return False
        try:
            self._rules.options(row.channel)
        except CommandRefused:
            return False  # its namespace is configured no more
        return not self._rules.banned(row.user, row.channel)
