"""Healing after dead nodes: their presence goes, and exactly one survivor announces each leave.

A sweep is the task `sweep:<node>`. Whoever holds it goes through the dead node's entries page by
page, and announces those that its own call has removed. Killed anywhere, it is gone on with by
another survivor: the entries that are left say what is left to do. A survivor that dies between
the removal of a page and its announcement takes those leaves along, at most `PAGE` of them; the
presence is right all the same.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

from realtime.cluster.lease import LeaseKeeper
from realtime.cluster.outage import Outage
from realtime.cluster.tasks import Tasks, sweep_task
from realtime.errors import StoreError
from realtime.stores.base import NodeStore, PresenceEntry, PresenceStore

logger = logging.getLogger(__name__)

PAGE: Final = 200
"""Entries that one step removes and announces: milliseconds of the loop, and little to lose."""

PAUSE_S: Final = 0.01
"""Between the pages of one node, so that clients hardly notice."""

SWEEPS_MAX: Final = 4
"""Nodes that are swept at once."""

STEP_TIMEOUT_S: Final = 10.0
"""How long one call to the store may take."""


def nobody() -> Collection[str]:
    """Stands in for `spared` where there is no presence to come back."""
    return ()


class Sweeper:
    """Sweeps every node that is condemned and not swept yet. `run` must be running.

    `announce` is called on the loop with each entry that was announced when it came; it must
    neither wait nor raise. `spared`: former ids of this node whose entries it is putting anew.
    """

    def __init__(
        self,
        nodes: NodeStore,
        presence: PresenceStore,
        *,
        lease: LeaseKeeper,
        tasks: Tasks,
        announce: Callable[[PresenceEntry], None],
        spared: Callable[[], Collection[str]] = nobody,
    ) -> None:
        self._nodes = nodes
        self._presence = presence
        self._lease = lease
        self._tasks = tasks
        self._announce = announce
        self._spared = spared
        self._outage = Outage(logger, "the sweep of dead nodes")
        self.swept_nodes = 0
        """Nodes that this one has swept to the end."""
        self.swept_entries = 0
        """Entries that this one has removed."""

    def __repr__(self) -> str:
        return f"<Sweeper {self.swept_nodes} nodes, {self.swept_entries} entries>"

    async def run(self) -> None:
        """Sweep for ever; what fails is tried again with the next reading of the leases."""
        while True:
            await self._lease.until_dead()
            await self.sweep_all()

    async def sweep_all(self) -> None:
        """Sweep all that are to be swept now and that no other survivor is sweeping.

        Never raises StoreError. May be cancelled anywhere.
        """
        spared = self._spared()
        turn = asyncio.Semaphore(SWEEPS_MAX)
        async with asyncio.TaskGroup() as tasks:
            for node in self._lease.dead:
                if node not in spared:
                    tasks.create_task(self._guarded(node, turn), name=f"sweep of {node}")

    async def _guarded(self, node: str, turn: asyncio.Semaphore) -> None:
        async with turn:
            try:
                await self.sweep(node)
                self._outage.ended()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)

    async def sweep(self, node: str) -> bool:
        """Sweep one dead node. Whether it is done: False where another survivor does it.

        Raises StoreError and TimeoutError; may be cancelled anywhere, and begun again.
        """
        me = self._lease.node
        task = sweep_task(node)
        count = 0
        while await self._still_mine(task, me):
            async with asyncio.timeout(STEP_TIMEOUT_S):
                page = await self._presence.of_node(node, limit=PAGE)
                if not page:
                    # First the task, or a death between the two would leave it behind for ever.
                    await self._tasks.release(task)
                    await self._nodes.depart(node)
                    self._lease.was_swept(node)
                    logger.info("swept %d entries of the dead node %s", count, node)
                    self.swept_nodes += 1
                    return True
                taken = await self._presence.take_away(page)
            count += len(taken)
            self.swept_entries += len(taken)
            for entry in taken:
                if entry.announced:
                    self._announce(entry)
            await asyncio.sleep(PAUSE_S)
        return False

    async def _still_mine(self, task: str, me: str) -> bool:
        """Whether to go on: one that was itself called dead meanwhile leaves it to the others."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            return await self._tasks.mine(task) and self._lease.node == me
