"""What nodes tell each other through the store: see base, `NodeStore` and `PresenceStore`."""

from collections.abc import Sequence

from realtime.stores.base import NodeInfo, NodeLease, PresenceEntry
from realtime.stores.mongo import nodes, presence
from realtime.stores.mongo.calling import Calling


class SharedRecords(Calling):
    """NodeStore and PresenceStore."""

    # Nodes

    async def register(self, node: str, info: NodeInfo) -> None:
        """See base."""
        await self._call(lambda database: nodes.register(database.nodes, node, info))

    async def beat(self, node: str, info: NodeInfo) -> bool:
        """See base."""
        return await self._call(lambda database: nodes.beat(database.nodes, node, info))

    async def nodes(self) -> Sequence[NodeLease]:
        """See base."""
        return await self._call(lambda database: nodes.leases(database.nodes))

    async def condemn(self, node: str, beat: int) -> bool:
        """See base."""
        return await self._call(lambda database: nodes.condemn(database.nodes, node, beat))

    async def depart(self, node: str) -> None:
        """See base."""
        await self._call(lambda database: nodes.depart(database.nodes, node))

    async def take(self, task: str, holder: str, *, before: str) -> bool:
        """See base."""
        return await self._call(
            lambda database: nodes.take(database.tasks, task, holder, before=before)
        )

    async def holder(self, task: str) -> str:
        """See base."""
        return await self._call(lambda database: nodes.held_by(database.tasks, task))

    async def release(self, task: str, holder: str) -> None:
        """See base."""
        await self._call(lambda database: nodes.release(database.tasks, task, holder))

    # Presence

    async def change_presence(
        self, *, put: Sequence[PresenceEntry], remove: Sequence[PresenceEntry]
    ) -> None:
        """See base."""
        await self._call(
            lambda database: presence.change(database.presence, put=put, remove=remove)
        )

    async def present(self, channel: str, *, limit: int) -> Sequence[PresenceEntry]:
        """See base."""
        return await self._call(
            lambda database: presence.present(database.presence, channel, limit=limit)
        )

    async def of_node(self, node: str, *, limit: int) -> Sequence[PresenceEntry]:
        """See base."""
        return await self._call(
            lambda database: presence.of_node(database.presence, node, limit=limit)
        )

    async def take_away(self, entries: Sequence[PresenceEntry]) -> Sequence[PresenceEntry]:
        """See base. Where the connection breaks over a removal it may be answered to nobody,
        unless the deployment has retryable writes, as replica sets do."""
        return await self._call(lambda database: presence.take_away(database.presence, entries))
