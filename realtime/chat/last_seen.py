"""When users were last here, written when they are gone, once a minute at most.

Only for users who have a row (`Users` makes one for whoever comes), so that who has been erased in
the meantime is not brought back.
"""

from typing import Final

from realtime.chat.pacing import Pace
from realtime.chat.ports import ChatStore, Clock
from realtime.errors import StoreError
from realtime.rows import USERS
from realtime.stores.base import Write

EVERY_S: Final = 60.0
"""The least time between two writes for one user, in seconds. The last one is made up for."""

USERS_MAX: Final = 100_000
"""Users who went within that time; of more, nothing is written."""

WRITTEN_MAX: Final = 500
"""Writes of one call to the store."""


class LastSeen:
    """What is to be written of when users were last here. Times are in ms since 1970."""

    def __init__(self, store: ChatStore, clock: Clock) -> None:
        self._store = store
        self._now = clock.monotonic
        self._pace: Pace[str, int] = Pace(max, interval_s=EVERY_S, keys_max=USERS_MAX)

    def seen(self, user: str, at: int) -> None:
        """The user was here then. Never waits."""
        self._pace.add(user, at, self._now())

    async def write(self) -> None:
        """Write what is due. Raises StoreError and TimeoutError; it is then due a minute later."""
        while due := self._pace.due(self._now(), WRITTEN_MAX):
            try:
                await self._store.write([seen_at(user, at) for user, at in due])
            except (StoreError, TimeoutError):
                for user, at in due:
                    self.seen(user, at)
                raise


def seen_at(user: str, at: int) -> Write:
    """What is written of a user who was here then (ms)."""
    return Write(USERS, (user,), highest={"last_seen": at}, present=True)
