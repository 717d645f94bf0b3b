"""What becomes of an entry for those who have not seen it: heads, markers, unread, hints, receipts.

One object for the service: it performs the operations of `calls.markers`, is shown what the node
appends, and has background work to run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from realtime.chat.around import Around
from realtime.chat.badges import Badges
from realtime.chat.drift import DriftCheck
from realtime.chat.heads import Heads
from realtime.chat.hints import Hints
from realtime.chat.marker_hints import MarkerHints
from realtime.chat.markers import Markers, Seer, nobody
from realtime.chat.operations import Perform
from realtime.chat.overview import Overviews
from realtime.chat.previews import Preview, preview_of
from realtime.chat.receipts import Receipts
from realtime.chat.rooms import Rooms
from realtime.chat.rosters import Rosters
from realtime.chat.sync import Syncing
from realtime.chat.tiers import Tiers
from realtime.cluster.retention import always
from realtime.errors import CommandRefused
from realtime.model import Entry

GATHER_S: Final = 0.2
"""How long messages are gathered before their channels are looked at, in seconds."""

GATHERED_MAX: Final = 50_000
"""Senders and their channels that are gathered; with one more they are looked at at once."""

FLUSH_TIMEOUT_S: Final = 10.0
"""How long the last write may take when the hub stops; what is then left is found in the log."""


class Inbox:
    """Made once per node. `namespaces` are those with rooms; `may` see `DriftCheck`."""

    def __init__(
        self,
        around: Around,
        *,
        rooms: Rooms,
        rosters: Rosters,
        tiers: Tiers,
        namespaces: Collection[str] = (),
        may: Callable[[], Awaitable[bool]] = always,
        seer: Seer = nobody,
    ) -> None:
        self._stage = around.stage
        self._tiers = tiers
        # The newest messages of each channel, and of each sender there, since the last look.
        self._newest: dict[str, Entry] = {}
        self._own: dict[tuple[str, str], Entry] = {}
        self._gathered = asyncio.Event()
        self.heads = Heads(around)
        self.overviews = Overviews(around, namespaces, overdue=self._found)
        self.hints = Hints(around, rosters)
        self.receipts = Receipts(around, rooms, tiers)
        badges = Badges(self.overviews)
        self.marker_hints = MarkerHints(around, self.overviews, badges)
        self.markers = Markers(around, self.receipts, self.marker_hints, seer)
        self.check = DriftCheck(around, self.overviews, self.heads, may=may)
        sync = Syncing(around, self.overviews)
        self.operations: Mapping[str, Perform] = {
            **self.markers.operations,
            **self.receipts.operations,
            **badges.operations,
            **sync.operations,
        }

    def committed(self, entry: Entry) -> None:
        """This node has appended an entry to a chat channel. Never waits.

        Of messages that change nothing else only the newest of each channel, and of each sender
        there, is looked at, a moment later: there may be thousands a second.
        """
        if entry.kind == "message" and entry.counts and not entry.pending:
            channel = entry.channel
            newest = self._newest.get(channel)
            if newest is None or newest.offset < entry.offset:
                self._newest[channel] = entry
            self._own[channel, entry.sender] = entry
            if len(self._own) >= GATHERED_MAX:
                self.gather()
            self._gathered.set()
            return
        self._committed(entry)

    def gather(self) -> None:
        """Look at what was gathered until now."""
        newest, self._newest = self._newest, {}
        own, self._own = self._own, {}
        for entry in own.values():
            self.heads.sent(entry)
        for entry in newest.values():
            self._committed(entry)

    async def _gather(self) -> None:
        while True:
            await self._gathered.wait()
            await asyncio.sleep(GATHER_S)
            self._gathered.clear()
            self.gather()

    def _committed(self, entry: Entry) -> None:
        self._tiers.of(entry.channel)
        last = self._note(entry)
        try:
            is_room = self._stage.options(entry.channel).chat == "room"
        except CommandRefused:
            return
        if is_room:
            self.hints.committed(entry, last)

    def _found(self, entry: Entry) -> None:
        """A node has died, and left this: it is written here, with its sender's marker."""
        self._note(entry)

    def _note(self, entry: Entry) -> Preview | None:
        """Have the rows written that an entry changes; answers its preview, if it counts."""
        last = preview_of(entry) if entry.kind == "message" and entry.counts else None
        self.heads.committed(entry, last)
        return last

    async def truncated(self, channel: str) -> None:
        """A channel's log was emptied. Raises StoreError."""
        self.gather()
        await self.heads.truncated(channel)

    async def run(self) -> None:
        """Do the background work for ever. Hosted by a task group.

        When it is cancelled, what was noted is written, if the store takes it in time.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._gather(), name="gathering")
                tasks.create_task(self.heads.run(), name="heads")
                tasks.create_task(self.markers.run(), name="markers")
                tasks.create_task(self.hints.run(), name="hints")
                tasks.create_task(self.marker_hints.run(), name="marker hints")
                tasks.create_task(self.receipts.run(), name="receipts")
                tasks.create_task(self.check.run(), name="drift check")
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted. Never raises for the store's sake."""
        self.gather()
        await self.heads.finish(FLUSH_TIMEOUT_S)
