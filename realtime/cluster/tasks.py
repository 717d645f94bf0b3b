"""What only one node does at a time: a task is held by a living node and falls with its lease."""

from typing import Final

from realtime.cluster.lease import LeaseKeeper
from realtime.stores.base import NodeStore

RETENTION: Final = "retention"
"""The task of freeing what retention hides."""

CHAT: Final = "chat"
"""The task of checking what chat has reckoned: done by a hub."""


def sweep_task(node: str) -> str:
    """The task of sweeping a dead node."""
    return f"sweep:{node}"


class Tasks:
    """This node's part in the tasks of all.

    To hold one is no lock: a node that was stopped for a while may believe for a moment longer
    that it holds what another has taken over. So each task is one that two may do without harm,
    and whoever does one asks again every few steps.
    """

    def __init__(self, store: NodeStore, lease: LeaseKeeper) -> None:
        self._store = store
        self._lease = lease
        self._held: set[str] = set()

    def __repr__(self) -> str:
        return f"<Tasks of {self._lease.node}: {sorted(self._held)}>"

    async def mine(self, task: str) -> bool:
        """Whether this node holds the task; takes it where it is free, or its holder dead or gone.

        Always False while the node cannot be sure of its own lease. Raises StoreError.
        """
        lease = self._lease
        if not lease.is_sure:
            return False
        if not await self._take(task, before=""):
            holder = await self._store.holder(task)
            if holder and holder not in lease.known:
                # Perhaps it registered just now; only who has no lease by a fresh read is gone.
                await lease.look()
            if holder in lease.known and holder not in lease.condemned:
                self._held.discard(task)
                return False
            if not await self._take(task, before=holder):
                self._held.discard(task)
                return False
        self._held.add(task)
        return lease.is_sure

    async def leave_to_worker(self, task: str) -> bool:
        """For hubs, which have clients to serve: whether a worker lives that can do the task.

        If so, and this node holds it, it lets go. Raises StoreError.
        """
        infos = self._lease.infos
        if not any(info.role == "worker" for info in infos.values()):
            return False
        await self.release(task)
        return True

    async def release(self, task: str) -> None:
        """Let go of the task, if this node holds it. Raises StoreError."""
        if task in self._held:
            await self._store.release(task, self._lease.node)
            self._held.discard(task)

    async def release_all(self) -> None:
        """Let go of everything, at the end. Raises StoreError."""
        for task in tuple(self._held):
            await self.release(task)

    async def _take(self, task: str, *, before: str) -> bool:
        return await self._store.take(task, self._lease.node, before=before)
