"""Leases and presence in plain dictionaries that several nodes of one test share.

It keeps the contract of `realtime.stores.base.nodes`. Each node has a `MemoryNodes` of its own, and
so its own faults: calls that fail, wait or take turns of the loop, as in `faulty_store`.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from realtime.errors import StoreError, StoreUnavailable
from realtime.stores.base import (
    PRESENCE_CHANGES_MAX,
    NodeInfo,
    NodeLease,
    NodeStore,
    PresenceEntry,
    PresenceStore,
)
from tests.support.faulty_store import Hold
from tests.support.memory_store import MemoryStore

NODES_MAX = 1_000
"""As the contract of `NodeStore.nodes` says."""

NodeMethod = Literal[
    "register",
    "beat",
    "nodes",
    "condemn",
    "depart",
    "take",
    "holder",
    "release",
    "change",
    "present",
    "of_node",
    "take_away",
]

T = TypeVar("T")


class SharedStore(NodeStore, PresenceStore, Protocol):
    """What a store of several nodes adds to the contracts of every store."""

    async def open(self) -> None:
        """See `LogStore`."""
        ...

    async def close(self) -> None:
        """See `LogStore`."""
        ...


class MemoryCluster:
    """What the stores of one test share."""

    def __init__(self) -> None:
        self.leases: dict[str, NodeLease] = {}
        self.tasks: dict[str, str] = {}
        self.entries: dict[tuple[str, str], PresenceEntry] = {}
        """By channel and client."""
        self.logs = MemoryStore()

    def node(self) -> "MemoryNodes":
        """One more node's view of it."""
        return MemoryNodes(self)

    def store(self) -> "MemorySharedStore":
        """The same, with the logs that all share."""
        return MemorySharedStore(self)

    def entries_of(self, node: str) -> list[tuple[str, str]]:
        """Channels and clients of a node's entries, in order."""
        return sorted(key for key, entry in self.entries.items() if entry.node == node)


class MemoryNodes:
    """NodeStore and PresenceStore. See base. `calls` counts each method."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
        self.calls: Counter[NodeMethod] = Counter()
        self.turns: Callable[[], int] = lambda: 0
        """Turns of the loop that a call takes before it acts, and again before it answers."""
        self.is_away = False
        """Whether every call fails, as if nobody could reach the store."""
        self._failures: dict[NodeMethod, deque[tuple[StoreError, bool]]] = defaultdict(deque)
        self._holds: dict[NodeMethod, Hold] = {}

    def fail(self, method: NodeMethod, times: int = 1, *, acted: bool = False) -> None:
        """Have the next calls raise; `acted`: only after the store has done what was asked."""
        error = StoreUnavailable("made to fail by a test")
        self._failures[method] += [(error, acted)] * times

    def hold(self, method: NodeMethod, *, asked: bool = True) -> Hold:
        """Have calls wait from now on, until the hold is released. See `Hold` for `asked`."""
        hold = self._holds[method] = Hold(asked=asked)
        return hold

    async def open(self) -> None:
        """See base."""

    async def close(self) -> None:
        """See base."""

    # Leases.

    async def register(self, node: str, info: NodeInfo) -> None:
        """See base."""

        def act() -> None:
            if node in self.cluster.leases:
                raise StoreError("a node's id was used twice")
            self.cluster.leases[node] = NodeLease(node, 1, info)

        await self._through("register", act)

    async def beat(self, node: str, info: NodeInfo) -> bool:
        """See base."""

        def act() -> bool:
            lease = self.cluster.leases.get(node)
            if lease is None or lease.condemned:
                return False
            self.cluster.leases[node] = NodeLease(node, lease.beat + 1, info)
            return True

        return await self._through("beat", act)

    async def nodes(self) -> Sequence[NodeLease]:
        """See base."""
        return await self._through(
            "nodes", lambda: [lease for _, lease in sorted(self.cluster.leases.items())][:NODES_MAX]
        )

    async def condemn(self, node: str, beat: int) -> bool:
        """See base."""

        def act() -> bool:
            lease = self.cluster.leases.get(node)
            if lease is None or lease.beat != beat:
                return False
            self.cluster.leases[node] = msgspec.structs.replace(lease, condemned=True)
            return True

        return await self._through("condemn", act)

    async def depart(self, node: str) -> None:
        """See base."""

        def act() -> None:
            self.cluster.leases.pop(node, None)

        await self._through("depart", act)

    # Tasks.

    async def take(self, task: str, holder: str, *, before: str) -> bool:
        """See base."""

        def act() -> bool:
            if self.cluster.tasks.get(task, "") not in (before, holder):
                return False
            self.cluster.tasks[task] = holder
            return True

        return await self._through("take", act)

    async def holder(self, task: str) -> str:
        """See base."""
        return await self._through("holder", lambda: self.cluster.tasks.get(task, ""))

    async def release(self, task: str, holder: str) -> None:
        """See base."""

        def act() -> None:
            if self.cluster.tasks.get(task) == holder:
                del self.cluster.tasks[task]

        await self._through("release", act)

    # Presence.

    async def change_presence(
        self, *, put: Sequence[PresenceEntry], remove: Sequence[PresenceEntry]
    ) -> None:
        """See base."""
        if len(put) + len(remove) > PRESENCE_CHANGES_MAX:
            raise ValueError(f"{len(put)} and {len(remove)} changes of presence at once")
        keys = [(entry.channel, entry.info.client) for entry in (*put, *remove)]
        if len(set(keys)) < len(keys):
            raise ValueError("an entry is changed twice at once")

        def act() -> None:
            for entry in put:
                self.cluster.entries[entry.channel, entry.info.client] = entry
            for entry in remove:
                self._remove(entry)

        await self._through("change", act)

    async def present(self, channel: str, *, limit: int) -> Sequence[PresenceEntry]:
        """See base."""
        entries = self.cluster.entries
        return await self._through(
            "present",
            lambda: [entry for entry in entries.values() if entry.channel == channel][:limit],
        )

    async def of_node(self, node: str, *, limit: int) -> Sequence[PresenceEntry]:
        """See base."""
        entries = self.cluster.entries
        return await self._through(
            "of_node", lambda: [entry for entry in entries.values() if entry.node == node][:limit]
        )

    async def take_away(self, entries: Sequence[PresenceEntry]) -> Sequence[PresenceEntry]:
        """See base."""
        return await self._through(
            "take_away", lambda: [entry for entry in entries if self._remove(entry)]
        )

    def _remove(self, entry: PresenceEntry) -> bool:
        key = entry.channel, entry.info.client
        found = self.cluster.entries.get(key)
        if found is None or found.node != entry.node:
            return False
        del self.cluster.entries[key]
        return True

    # Faults.

    async def _through(self, method: NodeMethod, act: Callable[[], T]) -> T:
        self.calls[method] += 1
        failures = self._failures[method]
        error, acted = failures.popleft() if failures else (None, False)
        if self.is_away:
            raise StoreUnavailable("away, says a test")
        if error is not None and not acted:
            raise error
        hold = self._holds.get(method)
        await _turns(self.turns())
        if hold is not None and not hold.asked:
            await hold.wait()
        answer = act()
        if error is not None:
            raise error
        if hold is not None and hold.asked:
            await hold.wait()
        await _turns(self.turns())
        return answer


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class MemorySharedStore(MemoryNodes, MemoryStore):
    """Everything that several hubs ask of a store: leases and presence, and the logs. See base.

    The faults are those of leases and presence; a `FaultyStore` puts some around the logs.
    """

    def __init__(self, cluster: MemoryCluster) -> None:
        MemoryNodes.__init__(self, cluster)
        MemoryStore.__init__(self, cluster.logs.epoch)
        self._logs = cluster.logs._logs
        self._revocations = cluster.logs._revocations
        self._claims = cluster.logs._claims


SharedStoreFactory = Callable[[], Awaitable[SharedStore]]
"""Makes and opens one more node's store on what the others of the test are on."""
