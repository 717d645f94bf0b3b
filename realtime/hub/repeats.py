"""Retries of entries that are stored already: see that those were delivered.

The node that stored one may have died before it told anybody. Then the retry is the first that the
others can hear of it.
"""

import msgspec

from realtime.hub.delivery import Delivery
from realtime.hub.peers import Peers


class Exists(msgspec.Struct, frozen=True):
    """What other nodes are told: the channel's log goes at least to `offset`."""

    channel: str = ""
    offset: int = 0


class Repeats:
    """Makes known, here and on the other nodes, what a retry has shown to exist."""

    def __init__(self, *, delivery: Delivery, peers: Peers) -> None:
        self._delivery = delivery
        self._peers = peers
        peers.on("exists", Exists, self._told)

    def seen(self, channel: str, offset: int) -> None:
        """A retry was answered with the entry at `offset`. Never waits."""
        self._delivery.exists(channel, offset)
        self._peers.tell("exists", Exists(channel, offset))

    async def _told(self, news: Exists) -> None:
        self._delivery.exists(news.channel, news.offset)
