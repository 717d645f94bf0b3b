"""What was deleted is taken off the phones that show it, in namespaces with push.

The first thousand jobs of a channel are looked at while the delete is folded: whatever dies then,
it is done. The rest of a large channel is looked at afterwards, page by page, so that nobody waits
for it: that is lost if the node dies, and then the notification is there until the app tidies up.
"""

import asyncio
import logging
from collections import deque
from typing import Final, NamedTuple

from realtime.chat.around import Around
from realtime.cluster.outage import Outage
from realtime.errors import CommandRefused, StoreError
from realtime.model import Entry
from realtime.push.jobs import Jobs

logger = logging.getLogger(__name__)

WAITING_MAX: Final = 1_000
"""Messages of large channels that may wait; of more, what is left to do is dropped."""

CALL_TIMEOUT_S: Final = 10.0
"""How long the store may take for one page."""

RETRY_S: Final = 1.0
"""Before a page is tried again."""


class _Rest(NamedTuple):
    """What is left to do for a deleted message: jobs of users after `after`."""

    channel: str
    offset: int
    after: str


class Retracting:
    """Registers itself with the ledger; `run` must be running for large channels."""

    def __init__(self, around: Around) -> None:
        self._stage = around.stage
        self._clock = around.clock
        self._jobs = Jobs(around.store)
        self._waiting: deque[_Rest] = deque()
        self._wanted = asyncio.Event()
        self._outage = Outage(logger, "taking back notifications")
        self.dropped = 0
        """Messages for which there was no room."""
        around.ledger.on("delete", self.fold)

    def __len__(self) -> int:
        """Messages that wait."""
        return len(self._waiting)

    async def fold(self, event: Entry) -> None:
        """A message was deleted. Idempotent. Raises StoreError."""
        if not self.pushes(event.channel):
            return
        await self._page(_Rest(event.channel, event.ref, ""))

    async def run(self) -> None:
        """Look at the rest of large channels for ever; channels take turns."""
        while True:
            if not self._waiting:
                self._wanted.clear()
                await self._wanted.wait()
            rest = self._waiting[0]
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    await self._page(rest)
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
                await asyncio.sleep(RETRY_S)
            else:
                self._outage.ended()
                self._waiting.popleft()

    async def _page(self, rest: _Rest) -> None:
        now_ms = self._clock.wall_ms()
        after = await self._jobs.retract(rest.channel, rest.offset, now_ms, after=rest.after)
        if not after:
            return
        if len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.append(rest._replace(after=after))
        self._wanted.set()

    def pushes(self, channel: str) -> bool:
        """Whether people are told of what is said in this channel."""
        try:
            return bool(self._stage.options(channel).push)
        except CommandRefused:
            return False  # of a namespace that is no more
