"""Hubs that are broken, or slowed down, on purpose: `python -m <this module> HOW COMMAND …`.

`HubProcess.program` starts them, to show that the tests of a cluster notice.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from realtime.cli import main
from realtime.cluster import lease, sweeping
from realtime.cluster.membership import Membership
from realtime.cluster.tasks import Tasks
from realtime.stores.base import NodeLease, PresenceEntry
from realtime.stores.mongo.sharing import SharedRecords

MODULE: Final = "tests.end_to_end.cluster_sabotage"

SLOW_PAGE: Final = 2
"""Entries of a dead node that a slowed-down survivor takes away at once."""

SLOW_PAUSE_S: Final = 0.4
"""How long it then waits."""

_OVERLAP_S: Final = 4.0
"""Longer than two survivors need to find the same node dead."""


def announce_from_every_survivor() -> None:
    """Everybody sweeps, and believes that each entry is for itself to announce."""

    async def mine(self: Tasks, task: str) -> bool:
        return self._lease.is_sure

    take_away = SharedRecords.take_away

    async def take_all(
        self: SharedRecords, entries: Sequence[PresenceEntry]
    ) -> Sequence[PresenceEntry]:
        await asyncio.sleep(_OVERLAP_S)
        await take_away(self, entries)
        return entries

    Tasks.mine = mine  # type: ignore[method-assign]  # that is the sabotage
    SharedRecords.take_away = take_all  # type: ignore[method-assign]


def condemn_after_a_pause() -> None:
    """Whoever could not read the leases for a while takes the others for dead, come what may."""

    class Hasty(Membership):
        failures = 0

        def failed(self) -> None:
            self.failures += 1

        def answered(self, leases: Sequence[NodeLease], *, asked_at: float, now: float) -> None:
            super().answered(leases, asked_at=asked_at, now=now)
            for seen in self._seen.values():
                seen.silent = seen.silent or self.failures > 0
            self.failures = 0

    condemn = SharedRecords.condemn

    async def condemn_anyhow(self: SharedRecords, node: str, beat: int) -> bool:
        now = {found.node: found.beat for found in await self.nodes()}
        return await condemn(self, node, now.get(node, beat))

    SharedRecords.condemn = condemn_anyhow  # type: ignore[method-assign]
    lease.Membership = Hasty  # type: ignore[attr-defined]


def sweep_slowly() -> None:
    """Nothing wrong with it, but a sweep takes long enough to be killed in."""
    sweeping.PAGE = SLOW_PAGE  # type: ignore[misc]
    sweeping.PAUSE_S = SLOW_PAUSE_S  # type: ignore[misc]


HOW: Final[Mapping[str, Callable[[], None]]] = {
    "announce-from-every-survivor": announce_from_every_survivor,
    "condemn-after-a-pause": condemn_after_a_pause,
    "sweep-slowly": sweep_slowly,
}

if __name__ == "__main__":
    HOW[sys.argv.pop(1)]()
    sys.exit(main())
