"""Which channels have so many members that reactions are not told one by one.

Whoever delivers asks with every reaction, and cannot wait for an answer. So what is told is what
was seen last, and the channel is looked at again behind that: at once for the first reaction, and
then every LOOK_S for as long as some come. Until then, and after a room has grown or shrunk, the
answer may be the old one: then reactions come a little earlier or later than they should.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from realtime.chat.around import Around
from realtime.chat.pacing import Pace, Paced
from realtime.chat.rooms import Rooms

LOOK_S: Final = 10.0
"""The least time between two looks at one channel, in seconds."""

CHANNELS_MAX: Final = 10_000
"""Large channels that a node knows of; the least recently asked about go first."""


class Crowds:
    """Large channels of this node: by members, or followers in feeds. `run` must be running."""

    def __init__(self, around: Around, rooms: Rooms) -> None:
        self._members_max = around.settings.reactions_members_max
        self._rooms = rooms
        self._large: OrderedDict[str, None] = OrderedDict()
        pace: Pace[str, bool] = Pace(_either, interval_s=LOOK_S)
        self._paced = Paced("how many members channels have", pace, around.clock, self._look)
        self.run = self._paced.run
        self.look_due = self._paced.send_due

    def merges_reactions(self, channel: str) -> bool:
        """Whether the channel had more than `reactions_members_max` members when it was looked at.

        Never waits.
        """
        self._paced.add(channel, True)
        if channel not in self._large:
            return False
        self._large.move_to_end(channel)
        return True

    async def _look(self, due: Sequence[tuple[str, bool]]) -> None:
        """Raises StoreError: what was seen before holds on."""
        for channel, _ in due:
            room = await self._rooms.look_up(channel)
            if room.members > self._members_max:
                self._large[channel] = None
                if len(self._large) > CHANNELS_MAX:
                    self._large.popitem(last=False)
            else:
                self._large.pop(channel, None)


def _either(one: bool, other: bool) -> bool:
    return one or other
