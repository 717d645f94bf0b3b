"""What `realtime worker` runs: the cluster's upkeep, and the push worker."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Protocol

from realtime.brokers.base import Broker
from realtime.chat.devices import Here
from realtime.chat.ports import Clock
from realtime.cluster.retention import RetentionAfter
from realtime.cluster.upkeep import ClusterStore
from realtime.errors import StoreError
from realtime.model import Entry
from realtime.settings.schema import ChannelOptions, Settings
from workers.making import make_gates
from workers.metrics import serve_metrics
from workers.ports import PushStore
from workers.push import PushWorker
from workers.upkeep import UpkeepWorker
from workers.whereabouts import ClusterWhereabouts, HubWhereabouts
from workers.words import WorkerWords

LEFT_MS: Final = 3_000
"""How old an entry is, in milliseconds, when whose it is does not count any more."""

RETRY_S: Final = 1.0
"""Before it is looked again which nodes live, in seconds."""


class WorkerStore(ClusterStore, PushStore, Protocol):
    """All that a worker asks of the store."""


class Worker:
    """One worker of a cluster. The store must be open, and is closed by who opened it.

    `node` is the id of its lease, and new; `read_epoch` as in `realtime.cluster.lease`. The other
    arguments as for `UpkeepWorker` and `PushWorker`. Raises SettingsError for keys of providers
    that cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        store: WorkerStore,
        broker: Broker,
        *,
        options: Callable[[str], ChannelOptions],
        retention: RetentionAfter,
        clock: Clock,
        name: str,
        version: str,
        node: str,
        read_epoch: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._clock = clock
        self._host, self._metrics_port = settings.server.host, settings.push.metrics_port
        self._words = WorkerWords(broker, node=node, epoch=store.epoch, wake=self._wake)
        self.upkeep = UpkeepWorker(
            store,
            broker,
            retention=retention,
            clock=clock,
            name=name,
            version=version,
            node=node,
            read_epoch=read_epoch,
            control=self._words.receive,
        )
        self._lease = self.upkeep.upkeep.lease
        gates = make_gates(
            settings,
            clock=clock,
            workers=lambda: len(self._workers()),
            tell=self._words.tell_rest,
            shared=self._words,
        )
        self._words.gates.update(gates)
        self.push = PushWorker(
            store,
            gates,
            options=options,
            whereabouts=ClusterWhereabouts(store, lambda: self._lease.living),
            settings=settings.push,
            clock=clock,
            is_mine=self._is_mine,
        )

    def __repr__(self) -> str:
        return f"<Worker {self.upkeep!r} {self.push!r}>"

    async def run(self) -> None:
        """Work until cancelled. Raises what a part died of."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.upkeep.run(), name="upkeep")
            tasks.create_task(self._push(), name="push")
            if self._metrics_port is not None:
                serving = serve_metrics(self.push.metrics, self._host, self._metrics_port)
                tasks.create_task(serving, name="metrics")

    async def _push(self) -> None:
        """Not before it is known which nodes live, or everybody would be taken to be away."""
        while True:
            try:
                await self._lease.look()
            except StoreError:
                await asyncio.sleep(RETRY_S)  # the lease has said so
            else:
                break
        await self.push.run()

    def _wake(self) -> None:
        self.push.wake()

    def _workers(self) -> list[str]:
        """Ids of the workers that live, in the same order for all of them; not empty."""
        living = [node for node, info in self._lease.infos.items() if info.role == "worker"]
        return sorted({*living, self._lease.node})

    def _is_mine(self, entry: Entry) -> bool:
        """Workers share out the channels; what is left over by one who died anybody takes."""
        if self._clock.wall_ms() - entry.at > LEFT_MS:
            return True
        workers = self._workers()
        place = zlib.crc32(entry.channel.encode("utf-8", "surrogatepass")) % len(workers)
        return workers[place] == self._lease.node


def make_inside(
    settings: Settings,
    store: PushStore,
    *,
    options: Callable[[str], ChannelOptions],
    here: Callable[[Collection[str]], Awaitable[Mapping[str, Here]]],
    clock: Clock,
) -> PushWorker:
    """The push worker of a process that does everything. Raises SettingsError."""
    gates = make_gates(settings, clock=clock, workers=lambda: 1, tell=lambda *_: None)
    return PushWorker(
        store,
        gates,
        options=options,
        whereabouts=HubWhereabouts(here),
        settings=settings.push,
        clock=clock,
    )
