"""How large a channel is, by who is there, and what it goes without for that. Automatic.

    tier   live, at most   goes without
    S                100   nothing
    M              2,000   a receipt of its own for each reader: they are merged
    L             20,000   receipts and typing; presence is counts only
    XL                 –   sending at any speed: slow mode is on unless the channel or its namespace
                           sets one

A channel comes down a tier when it has a fifth less than the tier below may have, so that one that
is about as large as a limit does not go to and fro. Each node decides for itself by the number of
subscribers on all nodes as it knows it; two may differ for a moment, and clients hear both.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from realtime.chat.ports import Stage

Tier = Literal["S", "M", "L", "XL"]

REVIEW_S: Final = 2.0
"""How often channels above S are looked at by themselves, in seconds."""

CHANNELS_MAX: Final = 10_000
"""Channels above S that are known at once; the least recently asked about go first, and are as new
when they are asked about again."""

SLOW_MODE_S: Final = 5
"""Seconds between two messages of a member in XL, where nobody has set another number."""

DOWN_AT: Final = 0.8
"""The part of a lower tier's size at which a channel comes down to it."""


class TierRules(msgspec.Struct, frozen=True):
    """What a channel of a tier has. `live_max` is None for no limit.

    `receipts`: "each" for one per reader and second, "merged" for one per second with all readers
    in it, or "off". `presence`: whether one may see who is there, or how many.
    `slow_mode_s`: between two messages of a member where nobody has set it.
    """

    live_max: int | None
    receipts: Literal["each", "merged", "off"]
    typing: bool
    presence: Literal["members", "counts"]
    slow_mode_s: int


RULES: Final[Mapping[Tier, TierRules]] = {
    "S": TierRules(100, "each", typing=True, presence="members", slow_mode_s=0),
    "M": TierRules(2_000, "merged", typing=True, presence="members", slow_mode_s=0),
    "L": TierRules(20_000, "off", typing=False, presence="counts", slow_mode_s=0),
    "XL": TierRules(None, "off", typing=False, presence="counts", slow_mode_s=SLOW_MODE_S),
}
"""From small to large."""

_SMALL_MAX: Final = RULES["S"].live_max or 0

_SMALL: Final = RULES["S"]
_ORDER: Final[tuple[Tier, ...]] = tuple(RULES)


class TierChange(msgspec.Struct, frozen=True):
    """The data of a signal `tier`: the channel is of this tier from now on."""

    tier: Tier


def next_tier(tier: Tier, live: int) -> Tier:
    """The tier of a channel that was of `tier` and has `live` subscribers. Pure."""
    at = _ORDER.index(tier)
    while _is_above(at, live):
        at += 1
    while at > 0 and not _is_above(at - 1, live / DOWN_AT):
        at -= 1
    return _ORDER[at]


def _is_above(at: int, live: float) -> bool:
    live_max = RULES[_ORDER[at]].live_max
    return live_max is not None and live > live_max


class Tiers:
    """The tiers of the channels of one node. `run` must be running for one to come down unasked."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._above: OrderedDict[str, Tier] = OrderedDict()
        """Channels that are not of tier S."""
        self._encode = msgspec.json.Encoder().encode

    def __len__(self) -> int:
        """Channels above S."""
        return len(self._above)

    def of(self, channel: str) -> Tier:
        """The channel's tier now. Whoever is there is told where it has changed. Never waits."""
        before = self._above.get(channel, "S")
        live = self._stage.subscribers(channel)
        if before == "S" and live <= _SMALL_MAX:  # as almost always, and with every message
            return before
        tier = next_tier(before, live)
        if tier == "S":
            self._above.pop(channel, None)
        else:
            self._above[channel] = tier
            self._above.move_to_end(channel)
            if len(self._above) > CHANNELS_MAX:
                self._above.popitem(last=False)
        if tier != before and live:
            self._stage.signal(channel, "tier", self._encode(TierChange(tier)))
        return tier

    def known(self, channel: str) -> TierRules:
        """What the channel had when its tier was looked at last (`of`): for hot paths."""
        tier = self._above.get(channel)
        return RULES[tier] if tier is not None else _SMALL

    def rules(self, channel: str) -> TierRules:
        """What the channel has now. Never waits."""
        return RULES[self.of(channel)]

    def review(self) -> None:
        """Look at every channel above S; `run` calls it."""
        for channel in list(self._above):
            self.of(channel)

    async def run(self) -> None:
        """Review for ever; hosted by a task group. May be cancelled at any time."""
        while True:
            await asyncio.sleep(REVIEW_S)
            self.review()
