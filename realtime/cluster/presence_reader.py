"""Who is present on the other nodes, for a hub to add to its own."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import msgspec

from realtime.cluster.lease import LeaseKeeper
from realtime.cluster.shared_reads import SharedReads
from realtime.stores.base import PresenceEntry, PresenceStore

READ_TIMEOUT_S: Final = 4.0
"""How long a read may take before its askers are told to try again: less than SDKs wait (5 s)."""

READS_MAX: Final = 4096
"""Different reads that may wait at once."""


class Elsewhere(msgspec.Struct, frozen=True):
    """Subscriptions to a channel on other living nodes, hidden ones left out.

    `is_complete`: whether that is all of them; not where the channel has more entries on all nodes
    together than the reader was ready to read.
    """

    entries: Sequence[PresenceEntry]
    is_complete: bool


class PresenceReader:
    """Reads the presence of the cluster. Identical reads that come together become one.

    `spawn` hosts a coroutine in a task that has a parent.
    """

    def __init__(
        self,
        store: PresenceStore,
        *,
        lease: LeaseKeeper,
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._store = store
        self._lease = lease
        self._reads: SharedReads[Elsewhere] = SharedReads(
            "the presence", spawn=spawn, reads_max=READS_MAX, timeout_s=READ_TIMEOUT_S
        )

    def __len__(self) -> int:
        """How many different reads wait to begin."""
        return len(self._reads)

    async def elsewhere(self, channel: str, limit: int) -> Elsewhere:
        """Who is subscribed on the other nodes; up to `limit` entries of all nodes are read.

        The own entries are among those read, and are left out: the hub knows them better. Raises
        StoreError.
        """
        return await self._reads.read((channel, limit), lambda: self._read(channel, limit))

    async def _read(self, channel: str, limit: int) -> Elsewhere:
        found = await self._store.present(channel, limit=limit + 1)
        unknown = {entry.node for entry in found} - self._lease.known
        if unknown:
            # A node registers before it puts entries, so one that a read begun now does not find
            # is gone. It was swept before its last entries came; they are swept, too.
            await self._lease.look()
            for node in unknown - self._lease.known:
                self._lease.orphaned(node)
        others = self._lease.living - {self._lease.node}
        return Elsewhere(
            [entry for entry in found[:limit] if entry.node in others and not entry.hidden],
            is_complete=len(found) <= limit,
        )
