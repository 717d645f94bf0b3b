"""Who is typing: said while it lasts, never stored, and over by itself.

A signal says until when it is to be believed, so nobody types for ever whose phone has died. Its
end is told by the node that told of its beginning; of a message sent by way of another node readers
conclude the same themselves.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.presence import SetTyping
from realtime.chat.operations import DONE, Done, Perform
from realtime.chat.rooms import Room
from realtime.chat.tiers import Tiers
from realtime.model import Entry
from realtime.settings.schema import ChannelOptions

EVERY_S: Final = 3.0
"""The least time between two signals of one user in one channel, in seconds."""

LASTS_MS: Final = 6_000
"""How long one is believed: two intervals, so that one may get lost."""

TYPISTS_MAX: Final = 50_000
"""Users in channels that are known to type; those whose signal is oldest go first."""

Check = Callable[[Caller, str, ChannelOptions], Awaitable[Room]]


class TypingChange(msgspec.Struct, frozen=True):
    """The data of a signal `typing`: `user` types until then (ms); 0: not any more."""

    user: str
    until: int


class _Told:
    __slots__ = ("at", "until")

    def __init__(self, at: float) -> None:
        self.at = at
        self.until = 0


class Typing:
    """Performs `chat.typing`.

    `check` answers the room if the caller may write to it now, and refuses otherwise
    (`Sending.check`). `committed` is to be called with messages that this node stored.
    """

    def __init__(self, around: Around, tiers: Tiers, *, check: Check) -> None:
        self._stage = around.stage
        self._clock = around.clock
        self._doorkeeper = around.doorkeeper
        self._members_max = around.settings.typing_members_max
        self._tiers = tiers
        self._check = check
        self._encode = msgspec.json.Encoder().encode
        self._told: OrderedDict[tuple[str, str], _Told] = OrderedDict()
        self.operations: Mapping[str, Perform] = {"chat.typing": self.set}

    def __len__(self) -> int:
        """Users in channels that were told of and may be still."""
        return len(self._told)

    async def set(self, caller: Caller, params: SetTyping) -> Done:
        """Say that the caller types, or does not any more. Where it is off, nothing happens.

        Raises CommandRefused: 100, 102, 103, 107, 404, 423. Raises StoreError.
        """
        channel = params.channel
        room = await self._check(caller, channel, self._doorkeeper.options(channel, "room"))
        if not params.typing:
            self._end(channel, caller.user)
        elif room.members <= self._members_max and self._tiers.rules(channel).typing:
            self._begin(channel, caller.user)
        return DONE

    def committed(self, entry: Entry) -> None:
        """A message of this user is stored: they do not type any more. Never waits."""
        if self._told and entry.kind == "message" and entry.info is not None:
            self._end(entry.channel, entry.info.user)

    def _begin(self, channel: str, user: str) -> None:
        now = self._clock.monotonic()
        told = self._told.get((channel, user))
        if told is not None and now - told.at < EVERY_S:
            return
        told = self._told[channel, user] = _Told(now)
        told.until = self._clock.wall_ms() + LASTS_MS
        self._told.move_to_end((channel, user))
        self._make_room(now)
        self._signal(channel, TypingChange(user, told.until))

    def _end(self, channel: str, user: str) -> None:
        told = self._told.get((channel, user))
        if told is None or told.until <= self._clock.wall_ms():
            return
        # Kept: whoever stops and begins again is not told of more often for it.
        told.until = 0
        self._signal(channel, TypingChange(user, 0))

    def _make_room(self, now: float) -> None:
        """Forget whose signal is over, two for each that comes, and the oldest of too many."""
        for _ in range(2):
            oldest = next(iter(self._told.values()))
            if now - oldest.at > LASTS_MS / 1000:
                self._told.popitem(last=False)
        if len(self._told) > TYPISTS_MAX:
            self._told.popitem(last=False)

    def _signal(self, channel: str, change: TypingChange) -> None:
        self._stage.signal(channel, "typing", self._encode(change))
