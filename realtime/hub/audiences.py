"""How many are subscribed to chat channels, on all nodes: roughly, and without asking anybody.

Every node says now and then how many it has in those of its channels where there are some. What
follows from it (how much of a big room is merged or left out) needs no better number.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec

from realtime.channels.live import LiveChannel
from realtime.hub.clock import Clock
from realtime.hub.delivery import Delivery
from realtime.hub.peers import Peers

AUDIENCES: Final = "audiences"

TELL_S: Final = 5.0
"""How often a node says how many it has."""

EXPIRES_S: Final = 3 * TELL_S
"""How long what a node has said counts; after that it is taken to be gone."""

TOLD_FROM: Final = 20
"""Subscriptions on one node from which others are told of a channel."""

WORD_CHANNELS_MAX: Final = 2_000
"""Channels in one word; more make further words of the same round."""


class AudienceWord(msgspec.Struct, frozen=True, gc=False):
    """What other nodes are told: `node` has so many subscriptions to each of these channels.

    Words of one `round` belong together; a new one replaces those of the last.
    """

    node: str
    round: int
    counts: dict[str, int]


class _Told:
    """What a node has said in its last round, and until when it counts (monotonic seconds)."""

    __slots__ = ("counts", "round", "until")

    def __init__(self, word: AudienceWord, until: float) -> None:
        self.round = word.round
        self.counts = word.counts
        self.until = until


class Audiences:
    """Counts this node's subscriptions and adds what the others have said."""

    def __init__(self, node: str, *, delivery: Delivery, peers: Peers, clock: Clock) -> None:
        self._node = node
        self._delivery = delivery
        self._peers = peers
        self._clock = clock
        self._round = 0
        self._has_told = False
        self._others: dict[str, _Told] = {}
        peers.on(AUDIENCES, AudienceWord, self._heard)

    def count(self, channel: str) -> int:
        """Subscriptions on all nodes, as far as is known. Never waits."""
        live = self._delivery.find(channel)
        here = live.count() if live is not None else 0
        if not self._others:
            return here
        now = self._clock.monotonic()
        return here + sum(
            told.counts.get(channel, 0) for told in self._others.values() if now < told.until
        )

    async def run(self) -> None:
        """Tell the others for ever. Hosted by the hub's task group."""
        while True:
            await asyncio.sleep(TELL_S)
            self.tell()

    def tell(self) -> None:
        """Tell the others how many are here, and forget who has said nothing for long."""
        now = self._clock.monotonic()
        for node in [node for node, told in self._others.items() if told.until <= now]:
            del self._others[node]
        counts = _large(self._delivery)
        if not counts and not self._has_told:
            return
        self._has_told = bool(counts)
        self._round += 1
        items = list(counts.items())
        for start in range(0, max(1, len(items)), WORD_CHANNELS_MAX):
            part = dict(items[start : start + WORD_CHANNELS_MAX])
            self._peers.tell(AUDIENCES, AudienceWord(self._node, self._round, part))

    async def _heard(self, word: AudienceWord) -> None:
        told = self._others.get(word.node)
        until = self._clock.monotonic() + EXPIRES_S
        if told is not None and told.round == word.round:
            told.counts |= word.counts
            told.until = until
        else:
            self._others[word.node] = _Told(word, until)


def _large(channels: Iterable[LiveChannel]) -> dict[str, int]:
    found = {}
    for live in channels:
        if live.rules.chat and (count := live.count()) >= TOLD_FROM:
            found[live.name] = count
    return found
