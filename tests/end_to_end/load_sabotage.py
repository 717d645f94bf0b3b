"""A hub that a load must find wanting: `python -m tests.end_to_end.load_sabotage NAME serve ...`.

Each sabotage is one promise broken, a little: what fails all the time is found by anyone.
"""

import asyncio
import itertools
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Final

from realtime.channels.fanout import Audience, Fanout
from realtime.channels.live import LiveChannel
from realtime.channels.outbox import Outbox
from realtime.chat.caller import Caller
from realtime.chat.calls.markers import Marked
from realtime.chat.markers import Marker, Markers
from realtime.cli import main
from realtime.errors import CONNECTION_LIMIT, ConnectionRefused
from realtime.hub.catching_up import CatchingUp, CaughtUp
from realtime.hub.client import Client
from realtime.hub.connecting import Connecting
from realtime.model import Entry
from realtime.protocol.commands import ConnectRequest
from realtime.protocol.replies import Join, Leave

MODULE: Final = "tests.end_to_end.load_sabotage"
DELAY_S: Final = 0.5
ENOUGH: Final = 120
"""Messages a second that do not overwhelm."""


def lost_deliveries() -> None:
    """One delivery in a hundred does not happen."""
    settle = Fanout.settle
    numbers = itertools.count(1)

    def settle_most(self: Fanout, audience: Audience) -> None:
        left_out = {
            outbox: subscription
            for outbox, subscription in audience.members.items()
            if audience.frames and next(numbers) % 100 == 0
        }
        for outbox in left_out:
            del audience.members[outbox]
        settle(self, audience)
        audience.members.update(left_out)

    Fanout.settle = settle_most  # type: ignore[method-assign]


def other_deliveries() -> None:
    """Of every hundred messages one does not come, and the next one comes twice instead."""
    publish = LiveChannel.publish
    numbers = itertools.count(1)

    def publish_another(self: LiveChannel, entry: Entry, fanout: Fanout) -> None:
        number = next(numbers) % 100
        for _ in range({30: 0, 31: 2}.get(number, 1)):
            publish(self, entry, fanout)

    LiveChannel.publish = publish_another  # type: ignore[method-assign]


def late_rooms() -> None:
    """Every fiftieth message is handed out half a second after the others."""
    publish = LiveChannel.publish
    numbers = itertools.count(1)

    def publish_in_time_mostly(self: LiveChannel, entry: Entry, fanout: Fanout) -> None:
        if next(numbers) % 50:
            publish(self, entry, fanout)
        else:
            asyncio.get_running_loop().call_later(DELAY_S, publish, self, entry, fanout)

    LiveChannel.publish = publish_in_time_mostly  # type: ignore[method-assign]


def wrong_rooms() -> None:
    """Every fiftieth message is handed out in another room, of as many members."""
    publish = LiveChannel.publish
    numbers = itertools.count(1)
    others: dict[LiveChannel, None] = {}

    def publish_in_the_right_room_mostly(self: LiveChannel, entry: Entry, fanout: Fanout) -> None:
        others[self] = None
        room = self if next(numbers) % 50 else next(room for room in others if room is not self)
        publish(room, entry, fanout)

    LiveChannel.publish = publish_in_the_right_room_mostly  # type: ignore[method-assign]


def overwhelmed() -> None:
    """More than so many messages in a second are too many: the rest is late."""
    publish = LiveChannel.publish
    times: deque[float] = deque(maxlen=ENOUGH // 2)

    def publish_when_there_is_time(self: LiveChannel, entry: Entry, fanout: Fanout) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if len(times) < ENOUGH // 2 or now - times[0] > 0.5:
            publish(self, entry, fanout)
        else:
            loop.call_later(DELAY_S, publish, self, entry, fanout)
        times.append(now)

    LiveChannel.publish = publish_when_there_is_time  # type: ignore[method-assign]


def forgetful_recovery() -> None:
    """Who comes back is not given the first of what it missed, and is told that it has all."""
    proven = CatchingUp._proven

    def without_the_first(self: CatchingUp, entries: Sequence[Entry], end: int) -> CaughtUp:
        return proven(self, entries[1:], end)

    CatchingUp._proven = without_the_first  # type: ignore[method-assign]


def refused_connects() -> None:
    """One connect in twenty is refused."""
    identify = Connecting._identify
    numbers = itertools.count(1)

    def identify_most(
        self: Connecting, client: Client, id: int, request: ConnectRequest
    ) -> Coroutine[object, object, None] | None:
        if next(numbers) % 20 == 0:
            raise ConnectionRefused(CONNECTION_LIMIT)
        return identify(self, client, id, request)

    Connecting._identify = identify_most  # type: ignore[method-assign]


def untold_leaves() -> None:
    """Of one leave in five nobody is told."""
    announce = LiveChannel.announce
    numbers = itertools.count(1)

    def announce_most(self: LiveChannel, event: Join | Leave, fanout: Fanout) -> None:
        if not isinstance(event, Leave) or next(numbers) % 5:
            announce(self, event, fanout)

    LiveChannel.announce = announce_most  # type: ignore[method-assign]


def endless_patience() -> None:
    """Who does not read is never let go, and what it is not sent is forgotten."""

    def hold_nothing(self: Fanout, outbox: Outbox, frame: bytes, durable: bool) -> None:
        """Nothing."""

    def overdue(self: Fanout, now: float) -> list[Outbox]:
        return []

    Fanout._hold = hold_nothing  # type: ignore[method-assign]
    Fanout.overdue = overdue  # type: ignore[method-assign]


def short_markers() -> None:
    """Markers stay one message behind."""
    move = Markers._move

    async def move_less(
        self: Markers, caller: Caller, channel: str, marker: Marker, offset: int | None
    ) -> Marked:
        marked = await move(self, caller, channel, marker, offset)
        return Marked(marked.offset - 1)

    Markers._move = move_less  # type: ignore[method-assign]


SABOTAGES: Final[Mapping[str, Callable[[], None]]] = {
    "lost-deliveries": lost_deliveries,
    "other-deliveries": other_deliveries,
    "late-rooms": late_rooms,
    "wrong-rooms": wrong_rooms,
    "overwhelmed": overwhelmed,
    "forgetful-recovery": forgetful_recovery,
    "refused-connects": refused_connects,
    "untold-leaves": untold_leaves,
    "endless-patience": endless_patience,
    "short-markers": short_markers,
}
"""What can be broken, by the name that the command line has for it."""


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    SABOTAGES[name]()
    sys.exit(main(words))
