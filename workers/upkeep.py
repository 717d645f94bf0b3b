"""What `realtime worker` runs: the cluster's upkeep, in a process that has no clients."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from realtime.brokers.base import Broker, BusMessage, ControlReceiver, ignore
from realtime.cluster.clock import Clock
from realtime.cluster.lease import new_node_id
from realtime.cluster.retention import RetentionAfter
from realtime.cluster.upkeep import ClusterStore, Upkeep
from realtime.model import Entry
from realtime.stores.base import NodeInfo, PresenceEntry

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S: Final = 5.0
"""How long the bus may take to let go at the end, in seconds."""


class UpkeepWorker:
    """One worker. The store must be open, and is closed by who opened it; the broker is run here.

    `name` and `version` are what `info` shows. `node` is the id of its lease, and new; the broker
    may need it. `read_epoch` as in `realtime.cluster.lease`. `control` hears what hubs say to all.
    """

    def __init__(
        self,
        store: ClusterStore,
        broker: Broker,
        *,
        retention: RetentionAfter,
        clock: Clock,
        name: str,
        version: str,
        node: str | None = None,
        read_epoch: Callable[[], Awaitable[str]] | None = None,
        control: ControlReceiver = ignore,
    ) -> None:
        self._broker = broker
        self._control = control
        self._clock = clock
        self._epoch = store.epoch
        self._began = clock.monotonic()
        self._still = NodeInfo(name, version, "worker", started_ms=clock.wall_ms())
        self.upkeep = Upkeep(
            store,
            node=node or new_node_id(),
            info=self._info,
            clock=clock,
            retention=retention,
            announce=self.announce,
            read_epoch=read_epoch,
        )

    def __repr__(self) -> str:
        return f"<UpkeepWorker {self.upkeep.lease.node}>"

    async def run(self) -> None:
        """Work until cancelled; then let go of the tasks, depart, and close the broker.

        Raises what a part died of, after the same farewell: then the process must not go on. The
        farewell is bounded by `CLOSE_TIMEOUT_S` and what `Upkeep.depart` may take.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._broker.run(ignore, control=self._control), name="broker")
                tasks.create_task(self.upkeep.run(), name="upkeep")
        finally:
            await self.upkeep.depart()
            await self._close()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._broker.close()
        except TimeoutError:
            logger.warning("the bus did not let go in time")

    def announce(self, entry: PresenceEntry) -> None:
        """Tell every hub that a dead node's client has left its channel. Never waits."""
        now_ms = self._clock.wall_ms()
        leave = Entry(entry.channel, 0, b"", now_ms, "leave", info=entry.info)
        self._broker.publish(
            BusMessage(self.upkeep.lease.node, leave, epoch=self._epoch, sent_ms=now_ms)
        )

    def _info(self) -> NodeInfo:
        uptime = int(self._clock.monotonic() - self._began)
        return msgspec.structs.replace(self._still, uptime=uptime)
