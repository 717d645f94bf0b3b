"""What must be done now and then: retention in the store, revocations that have had their time."""

import asyncio
import logging
from typing import Final

from realtime.auth.revocations import Revocations
from realtime.channels.rules import RuleBook
from realtime.errors import StoreError
from realtime.hub.clock import Clock
from realtime.model import Revocation
from realtime.stores.base import LogStore, RevocationStore

logger = logging.getLogger(__name__)

SLICE_ROWS: Final = 1000
"""Rows that one slice of retention changes: milliseconds, so that appends hardly wait."""

PAUSE_S: Final = 0.05
"""Between slices of one round."""

ROUND_S: Final = 30.0
"""Between rounds. Reads hide what is expired at once, so this only frees space."""

REVOCATIONS_PAGE: Final = 1000


class Housekeeping:
    """Runs beside the hub for as long as it does."""

    def __init__(
        self, *, store: LogStore, rules: RuleBook, revocations: Revocations, clock: Clock
    ) -> None:
        self._store = store
        self._rules = rules
        self._revocations = revocations
        self._clock = clock

    async def run(self) -> None:
        """Sweep for ever. Hosted by the process's task group."""
        while True:
            await asyncio.sleep(ROUND_S)
            self._revocations.sweep(self._clock.wall_ms())
            try:
                await self.sweep()
            except StoreError as error:
                logger.warning("retention has to wait: %s", error)

    async def sweep(self) -> int:
        """One round of retention over all channels; answers how many rows it changed.

        Raises StoreError; the next round does what this one did not.
        """
        changed = 0
        after = ""
        while True:
            swept = await self._store.sweep(
                self._rules.retention,
                now_ms=self._clock.wall_ms(),
                after=after,
                limit=SLICE_ROWS,
            )
            changed += swept.changed
            if swept.next_channel is None:
                return changed
            after = swept.next_channel
            await asyncio.sleep(PAUSE_S)


async def load_revocations(store: RevocationStore, clock: Clock) -> Revocations:
    """Everything that is revoked, to be known before the first client connects."""
    revocations = Revocations()
    after = 0
    while True:
        page: list[Revocation] = list(
            await store.revocations(after=after, limit=REVOCATIONS_PAGE, now_ms=clock.wall_ms())
        )
        for revocation in page:
            revocations.add(revocation)
        if len(page) < REVOCATIONS_PAGE:
            return revocations
        after = page[-1].seq
