"""What users' devices have shown to have, while they were looked at: kept for push alone.

The marker (`MemberRow.seen`) says to whoever is about to notify somebody that there is no need to.
It is written soon and merged: of all that a user has seen of a channel within a second only the
end, which is all that counts. None of it is promised: a marker that is late, or lost, costs a
notification that was not needed. So there is a bound to what waits, and to how long a node that
stops goes on writing.
"""

import asyncio
import logging
from itertools import islice
from typing import Final

from realtime.chat.around import Around
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.rows import MEMBERS
from realtime.stores.base import WRITES_MAX, Value, Write

logger = logging.getLogger(__name__)

ROUND_S: Final = 1.0
"""How long markers are gathered before they are written, in seconds."""

WAITING_MAX: Final = 20_000
"""Markers that may wait, one a user and channel; more are dropped."""

CALL_TIMEOUT_S: Final = 10.0
"""How long the store may take for one write."""

LEAVE_TIMEOUT_S: Final = 2.0
"""How long it may take to write what waits when the node stops."""


class Seen:
    """Writes the markers; `run` must be running for that."""

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._outage = Outage(logger, "what users have seen")
        self._waiting: dict[tuple[str, str], tuple[int, str]] = {}
        self.dropped = 0
        """Markers for which there was no room."""

    def __len__(self) -> int:
        """Markers that wait."""
        return len(self._waiting)

    def saw(self, user: str, channel: str, offset: int, by: str) -> None:
        """A device of the user, or a connection, has what is in the channel up to `offset`.

        Never waits. Nothing comes of it for who has no row in the channel.
        """
        key = (channel, user)
        waiting = self._waiting.get(key)
        if waiting is None and len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
        elif waiting is None or waiting[0] < offset:
            self._waiting[key] = (offset, by)

    async def run(self) -> None:
        """Write once a second until cancelled, and then what is left, as far as that is quick."""
        try:
            while True:
                await asyncio.sleep(ROUND_S)
                await self.write()
        finally:
            try:
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await self.write()
            except TimeoutError:
                logger.info("it is not written what %d users have just seen", len(self._waiting))

    async def write(self) -> None:
        """Write what waits. What the store does not take waits until the next time."""
        waiting = self._waiting
        while waiting:
            taken = dict(islice(waiting.items(), WRITES_MAX))
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    await self._store.write([_write(*item) for item in taken.items()])
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
                return
            self._outage.ended()
            for key, what in taken.items():
                if waiting[key] == what:  # else more was seen meanwhile
                    del waiting[key]


def _write(key: tuple[str, str], what: tuple[int, str]) -> Write:
    offset, by = what
    # A stranger gets no row by it, and a marker does not go back. It may be given again.
    values: dict[str, Value] = {"seen": offset, "seen_by": by}
    return Write(MEMBERS, key, set=values, below=("seen", offset), present=True)
