"""What every process of the cluster does beside its own work: it lives, heals and cleans up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

from realtime.cluster.clock import Clock
from realtime.cluster.lease import LeaseKeeper, nothing
from realtime.cluster.retention import RetentionAfter, RetentionRounds, shared_by
from realtime.cluster.sweeping import Sweeper, nobody
from realtime.cluster.tasks import Tasks
from realtime.errors import StoreError
from realtime.stores.base import LogStore, NodeInfo, NodeStore, PresenceEntry, PresenceStore

logger = logging.getLogger(__name__)

RELEASE_TIMEOUT_S: Final = 2.0
"""How long letting go of the tasks may take at the end, in seconds."""


class ClusterStore(LogStore, NodeStore, PresenceStore, Protocol):
    """All that upkeep asks of a store that several processes share."""


class Upkeep:
    """A lease, the sweep of dead nodes, and retention where this process is the one to do it.

    `node` is the first id of the lease, and new. `info` says what this process is; a "worker" is
    preferred for retention. `announce` is told each leave of a dead node's client that this process
    is to announce. The other arguments are those of `LeaseKeeper`, `RetentionRounds` and `Sweeper`.
    """

    def __init__(
        self,
        store: ClusterStore,
        *,
        node: str,
        info: Callable[[], NodeInfo],
        clock: Clock,
        retention: RetentionAfter,
        announce: Callable[[PresenceEntry], None],
        reborn: Callable[[str], None] = nothing,
        spared: Callable[[], Collection[str]] = nobody,
        read_epoch: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self.lease = LeaseKeeper(
            store,
            store,
            node=node,
            info=info,
            clock=clock,
            reborn=reborn,
            epoch=store.epoch,
            read_epoch=read_epoch,
        )
        self.tasks = Tasks(store, self.lease)
        self.sweeper = Sweeper(
            store, store, lease=self.lease, tasks=self.tasks, announce=announce, spared=spared
        )
        self.retention = RetentionRounds(
            store,
            retention=retention,
            clock=clock,
            may=shared_by(self.tasks, is_worker=info().role == "worker"),
        )

    def __repr__(self) -> str:
        return f"<Upkeep of {self.lease.node}>"

    async def run(self) -> None:
        """Host it all until cancelled. Raises what a part died of: StoreReplaced, or a defect."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.lease.run(), name="lease")
            tasks.create_task(self.sweeper.run(), name="sweeper")
            tasks.create_task(self.retention.run(), name="retention")

    async def depart(self) -> None:
        """Let go of the tasks, of what is left of the own presence, and of the lease.

        To be called at the end, `run` or not. Bounded by `RELEASE_TIMEOUT_S` and
        `DEPART_TIMEOUT_S`; never raises: what it could not do the survivors do.
        """
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await self.tasks.release_all()
        except (StoreError, TimeoutError) as error:
            logger.warning("tasks are left to the survivors: %s", str(error) or "no answer")
        await self.lease.depart()
