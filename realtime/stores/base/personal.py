"""Where somebody's data may be that no row leads to. See `realtime.stores.base`."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

CHANNELS_LOOKED_AT_MAX: Final = 500
"""The most channels that one `channels_with` may look at."""


class Found(msgspec.Struct, frozen=True):
    """Channels that have what was looked for, in order of name, and where to go on.

    `next_channel` is the `after` of the next call, None when there are no more channels.
    """

    channels: Sequence[str]
    next_channel: str | None


class PersonalStore(Protocol):
    """Finds a user's entries in all channels, and forgets the user where only the store knows."""

    async def channels_with(self, sender: str, *, after: str, limit: int) -> Found:
        """Which of the next `limit` channels, by name, have entries of this sender. One read."""
        ...

    async def forget_user(self, user: str) -> int:
        """Take the user's name out of the revocations log; answers how many rows had it.

        The rows stay in force: `realtime.model.forgotten_name` stands in it from then on, for a
        token that was revoked is not to be good again. Idempotent.
        """
        ...
