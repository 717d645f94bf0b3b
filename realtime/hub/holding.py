"""Reactions in big rooms: told together, a few times a second.

A reaction is an entry of the room's log, in a big room as in any other, and every subscriber gets
every entry, in order and without a hole. So none is left out or replaced by a number: what a phone
recovers after a tunnel is what it would have got outside. But none is in a hurry either. After one
has been delivered, those of the next INTERVAL_S wait, and go out as one frame. Whatever else is
appended meanwhile goes out at once, behind those that wait for it: so nothing but reactions is ever
late, and order is as it was.

What it saves is what broadcasting costs most: a frame, a system call and a phone that wakes up, for
each of them. 1,000 reactions a second are five frames for each subscriber. What it does not save is
their bytes. Live counters in the place of entries would, and would cost more than that: a client
could not tell what it has missed, a retry would find no entry that answers it, and whenever a room
grows past the bound, or shrinks, what was said last would have to be told from two ways of saying.

Positions: an entry that waits has passed the cursor, so a recovery here answers it, and so does one
on another node, from the store. Whoever subscribes meanwhile had it in the reply, and is served
from behind it (`LiveChannel.join`). A node that dies takes nothing along: its clients come back
with the position of what they were given.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from realtime.channels.fanout import Fanout
from realtime.channels.live import LiveChannel
from realtime.model import Entry

INTERVAL_S: Final = 0.2
"""The least time between two frames of nothing but reactions in one channel, in seconds; and so the
longest that a reaction waits."""


class Holding:
    """Holds back what may wait. For the thread of the loop; nothing here waits or raises.

    `merges` says whether a channel's reactions are told together now; it may say otherwise with
    every entry. None, as it is without chat: nothing is held.
    """

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._intervals: dict[LiveChannel, asyncio.TimerHandle] = {}
        self.merges: Callable[[str], bool] | None = None

    def __len__(self) -> int:
        """Channels in which a reaction would wait."""
        return len(self._intervals)

    def keeps(self, live: LiveChannel, entry: Entry) -> bool:
        """Hold back a reaction that the cursor let through; False: deliver it, now."""
        if self.merges is None or not self.merges(live.name):
            return False
        if live not in self._intervals:
            self._begin(live)
            return False
        if not live.hold(entry):
            live.release(self._fanout)
        return True

    def closed(self, live: LiveChannel) -> None:
        """The channel has no subscribers any more: nobody is to be given anything."""
        interval = self._intervals.pop(live, None)
        if interval is not None:
            interval.cancel()

    def _begin(self, live: LiveChannel) -> None:
        loop = asyncio.get_running_loop()
        self._intervals[live] = loop.call_later(INTERVAL_S, self._end, live)

    def _end(self, live: LiveChannel) -> None:
        if live.held is not None and live.held.entries:
            live.release(self._fanout)
            self._begin(live)
        else:
            del self._intervals[live]
