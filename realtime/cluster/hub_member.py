"""A hub's place among others, put together: upkeep, presence both ways, and surveys."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Final

from realtime.cluster.clock import Clock
from realtime.cluster.control import Tell
from realtime.cluster.lease import nothing
from realtime.cluster.presence_reader import PresenceReader
from realtime.cluster.presence_writer import PresenceWriter
from realtime.cluster.retention import RetentionAfter
from realtime.cluster.survey import Surveys
from realtime.cluster.upkeep import ClusterStore, Upkeep
from realtime.stores.base import NodeInfo, PresenceEntry

logger = logging.getLogger(__name__)

FLUSH_TIMEOUT_S: Final = 3.0
"""How long a departure waits for the presence to be written, in seconds."""


class HubMember:
    """What a hub is to the others. The store must be open; `run` must be running.

    `node` is the hub's id on the bus, which stays, and the first id of its lease, which changes
    when others have called the hub dead: then `reborn` is called, once the presence is being put
    anew. The others were told by then that its clients had left, so it may announce them again.

    `tell` sends a word to the others. `present` answers the hub's subscriptions that presence
    knows, as they are. `announce` is told each leave of a dead node's client that this hub is to
    announce, to its own subscribers and to the bus. `spawn` hosts a coroutine in a task that has a
    parent.
    """

    def __init__(
        self,
        store: ClusterStore,
        tell: Tell,
        *,
        node: str,
        info: Callable[[], NodeInfo],
        clock: Clock,
        retention: RetentionAfter,
        present: Callable[[], Iterable[PresenceEntry]],
        announce: Callable[[PresenceEntry], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
        reborn: Callable[[str], None] = nothing,
        read_epoch: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        def back(former: str) -> None:
            self.presence.reborn(former)
            reborn(former)

        self.upkeep = Upkeep(
            store,
            node=node,
            info=info,
            clock=clock,
            retention=retention,
            announce=announce,
            reborn=back,
            spared=lambda: self.presence.former,
            read_epoch=read_epoch,
        )
        self.lease = self.upkeep.lease
        self.presence = PresenceWriter(store, lease=self.lease, present=present)
        self.others = PresenceReader(store, lease=self.lease, spawn=spawn)
        self.surveys = Surveys(tell, lease=self.lease, address=node)

    def __repr__(self) -> str:
        return f"<HubMember {self.lease!r} {self.presence!r}>"

    async def run(self) -> None:
        """Host it all until cancelled. Raises what a part died of: StoreReplaced, or a defect."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.upkeep.run(), name="upkeep")
            tasks.create_task(self.presence.run(), name="presence")

    async def depart(self) -> None:
        """Leave the cluster, after the last client has; `run` must still be running.

        Takes at most `FLUSH_TIMEOUT_S` and what `Upkeep.depart` may; never raises.
        """
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await self.presence.flushed()
        except TimeoutError:
            logger.warning("%d changes of presence are not written", len(self.presence))
        await self.upkeep.depart()
