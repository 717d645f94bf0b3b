"""Processes of one cluster inside a test, on a clock that the test moves, step by step."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from realtime.cluster.lease import LeaseKeeper, nothing
from realtime.cluster.membership import BEAT_S, LEASE_S
from realtime.cluster.tasks import Tasks
from realtime.model import ClientInfo
from realtime.stores.base import NodeInfo, PresenceEntry
from tests.support.memory_nodes import MemoryCluster, MemoryNodes


class FakeClock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        """See Clock."""
        return self.seconds

    def wall_ms(self) -> int:
        """See Clock."""
        return round(self.seconds * 1000)


class Process:
    """One node's lease and tasks, on a store of its own in front of what all share."""

    def __init__(
        self,
        cluster: MemoryCluster,
        clock: FakeClock,
        name: str,
        *,
        role: str = "hub",
        reborn: Callable[[str], None] = nothing,
        epoch: str = "",
        read_epoch: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self.name = name
        self.role = role
        self.clock = clock
        self.store: MemoryNodes = cluster.node()
        self.lease = LeaseKeeper(
            self.store,
            self.store,
            node=name,
            info=self.info,
            clock=clock,
            reborn=reborn,
            epoch=epoch,
            read_epoch=read_epoch,
        )
        self.tasks = Tasks(self.store, self.lease)

    def info(self) -> NodeInfo:
        """What it says of itself."""
        return NodeInfo(self.name, "1", self.role)


class Processes:
    """All of them; time passes for those that are told to live."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.clock = FakeClock()

    def add(
        self,
        name: str,
        *,
        role: str = "hub",
        reborn: Callable[[str], None] = nothing,
        epoch: str = "",
        read_epoch: Callable[[], Awaitable[str]] | None = None,
    ) -> Process:
        """One more, which has not lived yet."""
        return Process(
            self.cluster,
            self.clock,
            name,
            role=role,
            reborn=reborn,
            epoch=epoch,
            read_epoch=read_epoch,
        )

    async def live(self, *living: Process, seconds: float = BEAT_S) -> None:
        """Let these live for so long, with a round each beat; the others are stopped."""
        end = self.clock.seconds + seconds
        while True:
            for process in living:
                await process.lease.round()
            if self.clock.seconds + BEAT_S > end:
                self.clock.seconds = end
                return
            self.clock.seconds += BEAT_S

    async def bury(self, dead: Process, *survivors: Process) -> None:
        """Have the survivors, who live on, find that one dead."""
        await self.live(*survivors, seconds=LEASE_S + 2 * BEAT_S)
        for process in survivors:
            await process.lease.round()
        assert dead.lease.node in survivors[0].lease.condemned


def entry(
    node: str, channel: str, client: str, *, hidden: bool = False, announced: bool = True
) -> PresenceEntry:
    """One subscription of a user with the client's name."""
    return PresenceEntry(node, channel, ClientInfo(client, client), hidden, announced)


def put(cluster: MemoryCluster, entries: Iterable[PresenceEntry]) -> Sequence[PresenceEntry]:
    """Have entries in the store, as if their node had put them."""
    entries = list(entries)
    for item in entries:
        cluster.entries[item.channel, item.info.client] = item
    return entries


async def settled(turns: int = 30) -> None:
    """Let everything that waits for nothing but its turn of the loop happen."""
    for _ in range(turns):
        await asyncio.sleep(0)
