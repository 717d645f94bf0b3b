"""The push worker: what it is made of, its background work, and how it stops.

Any number of them may work on one store. In a process that does everything it runs beside the hub.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final

from prometheus_client.core import Metric

from realtime.chat.ports import Clock
from realtime.cluster.outage import Outage
from realtime.errors import CommandRefused, StoreError
from realtime.model import Entry
from realtime.push.jobs import LARGE, Backlog, Jobs
from realtime.push.slices import patiently
from realtime.push.trail import Trail
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions
from workers.badges import Badges
from workers.bans import Bans
from workers.cases import Cases
from workers.dispatching import Dispatcher, Whereabouts
from workers.errands import Errands
from workers.forgetting import Forgetting
from workers.gate import Gate
from workers.metrics import push_metrics
from workers.ports import PushStore
from workers.providers.base import ProviderName
from workers.results import Results
from workers.sending import Sender

logger = logging.getLogger(__name__)

POLL_S: Final = 1.0
"""How often it is looked for entries that nobody has told of, in seconds."""

PAUSE_S: Final = 0.02
"""Between two rounds of dispatching when there is much to do, in seconds: what others write to the
store in between need not wait for all of it."""

PAGES_TOLD: Final = 3
"""Pages of a large channel after which the sender hears of them: it claims most when it can claim
as much as it takes at a time."""

LOOK_S: Final = 5.0
"""How often it is looked how much is due, in seconds."""

ROUND_TIMEOUT_S: Final = 60.0
"""How long one round of dispatching may take, in seconds."""

DRAIN_S: Final = 10.0
"""How long what is begun may take when the worker is told to stop, in seconds."""

CLOSE_S: Final = 3.0
"""How long letting go of the providers' connections may take, in seconds."""


class PushWorker:
    """One worker. The store must be open, and is closed by who opened it.

    `options` answers a channel's options. Raises CommandRefused where its namespace is not
    configured. `is_mine` as for `Dispatcher`.
    """

    def __init__(
        self,
        store: PushStore,
        gates: Mapping[ProviderName, Gate],
        *,
        options: Callable[[str], ChannelOptions],
        whereabouts: Whereabouts,
        settings: PushSettings,
        clock: Clock,
        is_mine: Callable[[Entry], bool] = lambda _: True,
    ) -> None:
        self.gates = gates
        self._store = store
        self.jobs = Jobs(store)
        self._bans = Bans(store, clock)
        rules = _Rules(options, self._bans)
        self.dispatcher = Dispatcher(
            store,
            self.jobs,
            options=rules.known,
            whereabouts=whereabouts,
            settings=settings,
            clock=clock,
            is_mine=is_mine,
        )
        self.results = Results(store, self.jobs, clock)
        trail = Trail(store)
        self.errands = Errands(
            gates,
            trail=trail,
            badges=Badges(store, rules, clock),
            results=self.results,
            settings=settings,
            clock=clock,
            random=random.random,
        )
        self.sender = Sender(
            self.jobs,
            cases=Cases(
                store, options=rules.known, bans=self._bans, settings=settings, clock=clock
            ),
            errands=self.errands,
            results=self.results,
            settings=settings,
            clock=clock,
        )
        self._forgetting = Forgetting(store, self.jobs, trail, settings=settings, clock=clock)
        self._clock = clock
        self._backlog = Backlog(0, 0)
        self._oldest_entry_at: int | None = None
        self._wanted = asyncio.Event()
        self._walks = asyncio.Event()
        self._outage = Outage(logger, "messages that phones are to be told of")

    def __repr__(self) -> str:
        return f"<PushWorker {', '.join(self.gates) or 'without providers'}>"

    def metrics(self) -> Iterator[Metric]:
        """What was counted until now, for Prometheus."""
        backlog = self._backlog
        now_ms = self._clock.wall_ms()
        age_ms = now_ms - backlog.oldest_at if backlog.due else 0
        entry_ms = now_ms - self._oldest_entry_at if self._oldest_entry_at is not None else 0
        return push_metrics(
            dispatched=self.dispatcher.dispatched,
            raised=self.dispatcher.raised,
            decided=self.results.decided,
            due=backlog.due,
            oldest_due_s=max(0, age_ms) / 1_000,
            oldest_entry_s=max(0, entry_ms) / 1_000,
            gates=self.gates.items(),
        )

    def wake(self) -> None:
        """There may be something to do: a hint. Never waits."""
        self._wanted.set()

    async def run(self) -> None:
        """Work until cancelled; then finish what is begun, for DRAIN_S at most, and let go.

        Raises what a part died of.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                for gate in self.gates.values():
                    tasks.create_task(gate.provider.run(), name=gate.provider.name)
                tasks.create_task(self._write_for_ever(), name="results")
                tasks.create_task(self.sender.run(), name="sender")
                tasks.create_task(self._forgetting.run(), name="forgetting")
                tasks.create_task(self._look_for_ever(), name="backlog")
                tasks.create_task(self._walk_for_ever(), name="large channels")
                try:
                    await self._dispatch_for_ever()
                except asyncio.CancelledError:
                    await self._drain()
                    raise
        finally:
            await self._close()

    async def _dispatch_for_ever(self) -> None:
        while True:
            is_woken = self._wanted.is_set()
            self._wanted.clear()
            before = self.dispatcher.raised
            with self.sender.pace.urgently():
                pause_s = await self._dispatch(self.dispatcher.round)
            self._note_walks()
            if is_woken or self.dispatcher.raised > before:
                # Woken: what was read, or deleted, makes jobs due as well.
                self.sender.wake()
            if pause_s:
                await asyncio.sleep(pause_s)
            else:
                await self._until_wanted()

    async def _until_wanted(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _write_for_ever(self) -> None:
        """What became of notifications. Who was told hears nothing sooner by it, so it has time."""
        with patiently(self.sender.pace.calm):
            await self.results.run()

    async def _walk_for_ever(self) -> None:
        """Large channels, beside all others."""
        pages = 0
        while True:
            await self._walks.wait()
            with patiently(self.sender.pace.calm):
                pause_s = await self._dispatch(self.dispatcher.walk)
            pages += 1
            self._note_walks()
            if not self.dispatcher.is_walking or pages % PAGES_TOLD == 0:
                self.sender.wake((LARGE,))
            await asyncio.sleep(pause_s)

    def _note_walks(self) -> None:
        self.sender.is_filling = self.dispatcher.is_walking
        if self.dispatcher.is_walking:
            self._walks.set()
        else:
            self._walks.clear()

    async def _dispatch(self, some: Callable[[], Awaitable[bool]]) -> float:
        """In how many seconds to do so again; 0 is when there is something to do."""
        try:
            async with asyncio.timeout(ROUND_TIMEOUT_S):
                is_more = await some()
        except (StoreError, TimeoutError) as error:
            # However often it is woken.
            self._outage.failed(error)
            return POLL_S
        self._outage.ended()
        return PAUSE_S if is_more else 0.0

    async def _look_for_ever(self) -> None:
        """How much is due, and what waits for its recipients to be found, for the metrics."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                async with asyncio.timeout(ROUND_TIMEOUT_S):
                    self._backlog = await self.jobs.backlog(self._clock.wall_ms())
                    entries = await self._store.notifiable(limit=1)
            except (StoreError, TimeoutError):
                continue  # those who work on them say so
            self._oldest_entry_at = entries[0].at if entries else None

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await self.sender.drain()
        except TimeoutError:
            logger.warning("notifications that were begun are left to others")
        except StoreError as error:
            logger.warning("what became of notifications is not written: %s", error)

    async def _close(self) -> None:
        for gate in self.gates.values():
            await _bounded(gate.provider.close(), gate.provider.name)


async def _bounded(closing: Awaitable[None], what: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await closing
    except TimeoutError:
        logger.warning("%s did not let go in time", what)


class _Rules:
    """What the settings and the app's bans say. See `realtime.chat.ports.Rules`."""

    def __init__(self, options: Callable[[str], ChannelOptions], bans: Bans) -> None:
        self.options = options
        self.banned = bans.banned

    def known(self, channel: str) -> ChannelOptions | None:
        """The channel's options, None where its namespace is configured no more."""
        try:
            return self.options(channel)
        except CommandRefused:
            return None
