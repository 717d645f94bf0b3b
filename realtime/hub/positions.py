"""Positions compared with the store: what the bus has lost is found, read and delivered."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Final

from realtime.channels.live import LiveChannel
from realtime.errors import StoreError
from realtime.model import Entry
from realtime.stores.base import MISSED_CHANNELS_MAX, LogStore

logger = logging.getLogger(__name__)

MISSED_MAX: Final = 1000
"""Entries read by one comparison with the store; more are read by further ones."""

SUSPECT_RETRY_S: Final = 0.5
"""How long after a failed comparison of suspect channels it is made again."""


class Positions:
    """Compares the positions of open channels with the store.

    `channels` are those that are open here. `fill` delivers what follows a channel's position.
    `spawn` hosts a coroutine in a task that has a parent.
    """

    def __init__(
        self,
        store: LogStore,
        channels: Mapping[str, LiveChannel],
        *,
        fill: Callable[[str, list[Entry]], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._store = store
        self._channels = channels
        self._fill = fill
        self._spawn = spawn
        self._suspects: dict[str, None] = {}
        self._examines = False

    async def check_all(self) -> None:
        """Compare every position. Raises StoreError; the rest is then checked next time."""
        await self.check(self._channels)

    async def check(self, names: Iterable[str]) -> None:
        """Compare these, as far as they are open. Raises StoreError."""
        positions = {
            name: live.cursor.position
            for name in names
            if (live := self._channels.get(name)) is not None and live.cursor is not None
        }
        compared = list(positions)
        for start in range(0, len(compared), MISSED_CHANNELS_MAX):
            part = compared[start : start + MISSED_CHANNELS_MAX]
            await self.compare({name: positions[name] for name in part})

    async def compare(self, positions: dict[str, int]) -> None:
        """Read what follows the positions, in as many slices as it takes, and deliver it.

        At most MISSED_CHANNELS_MAX channels. Raises StoreError.
        """
        while positions:
            truncations = {name: self._truncations(name) for name in positions}
            entries = await self._store.missed(positions, limit=MISSED_MAX)
            by_channel: dict[str, list[Entry]] = {}
            for entry in entries:
                by_channel.setdefault(entry.channel, []).append(entry)
            for name, missed in by_channel.items():
                self._fill(name, missed)
                live = self._channels.get(name)
                if live is not None and live.cursor and live.truncations != truncations[name]:
                    # Read before something was removed: it is delivered, and not kept.
                    live.cursor.forget_tail()
            if len(entries) < MISSED_MAX:
                return
            # Sorted by channel: those before the last one are complete, those after it untouched.
            last = entries[-1]
            positions = {name: at for name, at in positions.items() if name >= last.channel}
            positions[last.channel] = last.offset

    def _truncations(self, name: str) -> int:
        """See `LiveChannel`; of channels that are not open that is no matter: what was read before
        they are opened is not above their position."""
        live = self._channels.get(name)
        return 0 if live is None else live.truncations

    async def compare_one(self, live: LiveChannel) -> None:
        """Compare one channel that is still open; a failure is left to the next comparison."""
        if self._channels.get(live.name) is live and live.cursor is not None:
            try:
                await self.compare({live.name: live.cursor.position})
            except (StoreError, TimeoutError) as error:
                logger.warning("cannot compare a position with the store: %s", error)

    def suspect(self, name: str) -> None:
        """The channel's log goes on, whatever the bus says: compare soon, until it succeeds."""
        if name not in self._channels:
            return
        self._suspects[name] = None
        if not self._examines:
            self._examines = True
            self._spawn(self._examine())

    async def _examine(self) -> None:
        try:
            while self._suspects:
                # Who becomes suspect during the reading is read once more.
                names, self._suspects = self._suspects, {}
                try:
                    await self.check(names)
                except (StoreError, TimeoutError) as error:
                    logger.warning("cannot read on in channels: %s", error)
                    self._suspects = names | self._suspects
                    await asyncio.sleep(SUSPECT_RETRY_S)
        finally:
            self._examines = False
