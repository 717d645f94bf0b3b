"""What the icon of an app shows: how many channels have something unread, or how much it is."""

from collections.abc import Mapping
from typing import Final

from realtime.chat.caller import Caller
from realtime.chat.calls.markers import AskBadge, BadgeCount
from realtime.chat.operations import Perform
from realtime.chat.overview import Overviews
from realtime.chat.unread import BADGE_MAX, badge

RUNS_MAX: Final = 20
"""Runs of 500 channels that are counted for one badge; what is in others is not."""


class Badges:
    """Performs `chat.badge`."""

    def __init__(self, overviews: Overviews) -> None:
        self._overviews = overviews
        self.operations: Mapping[str, Perform] = {"chat.badge": self._badge}

    async def of(self, user: str, *, of_messages: bool = False) -> int:
        """The user's badge, at most 999. Raises StoreError."""
        count = 0
        after = ""
        for _ in range(RUNS_MAX):
            run = await self._overviews.of_user(user, after=after, peers=False)
            count += badge((found.unread for found in run.states), of_messages=of_messages)
            if run.is_last or count >= BADGE_MAX:
                break
            after = run.upto
        return min(count, BADGE_MAX)

    async def _badge(self, caller: Caller, params: AskBadge) -> BadgeCount:
        return BadgeCount(await self.of(caller.user, of_messages=params.by == "messages"))
