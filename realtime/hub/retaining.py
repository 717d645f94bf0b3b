"""How much of a channel's log may be seen: by its namespace, and of a room by its own settings."""

from realtime.channels.rules import ChannelRules
from realtime.chat.ports import Memberships
from realtime.model import Retention


class Retaining:
    """Answers for reads of logs. `memberships` are None for a hub without chat."""

    def __init__(self, memberships: Memberships | None) -> None:
        self._memberships = memberships

    def known(self, channel: str, rules: ChannelRules) -> Retention | None:
        """What may be seen of a channel with these rules; None where that must be looked up."""
        if rules.chat != "room" or self._memberships is None:
            return rules.retention
        own = self._memberships.known_retention(channel)
        return None if own is None else rules.retention.within(own)

    async def look_up(self, channel: str, rules: ChannelRules) -> Retention:
        """The same, read from the store if need be. Raises StoreError."""
        if rules.chat != "room" or self._memberships is None:
            return rules.retention
        return rules.retention.within(await self._memberships.look_up_retention(channel))
