"""Seeing to it that what was taken back is not left in files of the store.

An edit or a delete overwrites what was there before, but a database keeps copies in places that
nobody reads any more. To look for them takes the longer the larger it is, so it is done a while
after something was taken back, for all that was, and never most of the time.
"""

import asyncio
import logging
from typing import Final

from realtime.chat.ledger import Ledger
from realtime.chat.ports import Clock
from realtime.chat.walking import LawStore
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.model import Entry

logger = logging.getLogger(__name__)

AFTER_S: Final = 5.0
"""How long after something was taken back the files are gone through, in seconds."""

REST: Final = 50
"""How many times as long as that took nothing is done: of a large database it is a fiftieth."""

REST_MAX_S: Final = 3_600.0
"""But never longer than this."""


class Scrubs:
    """Scrubs the store after edits and deletes, and once at the start: whoever died may have been
    about to. Make it after everything else that folds; `run` must be running."""

    def __init__(self, store: LawStore, ledger: Ledger, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._outage = Outage(logger, "removing what was taken back from the database's files")
        self._wanted = asyncio.Event()
        self._wanted.set()
        ledger.on("edit", self._folded)
        ledger.on("delete", self._folded)

    async def _folded(self, entry: Entry) -> None:
        self._wanted.set()

    async def run(self) -> None:
        """Scrub for ever. Hosted by a task group."""
        while True:
            await self._wanted.wait()
            await asyncio.sleep(AFTER_S)
            await asyncio.sleep(min(REST * await self.scrub(), REST_MAX_S))

    async def scrub(self) -> float:
        """Scrub once; how many seconds it took. Where it cannot be done it stays wanted."""
        began_at = self._clock.monotonic()
        self._wanted.clear()
        try:
            await self._store.scrub()
        except StoreError as error:
            self._outage.failed(error)
            self._wanted.set()
        else:
            self._outage.ended()
        return self._clock.monotonic() - began_at
