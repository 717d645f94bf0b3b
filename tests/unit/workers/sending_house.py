"""A sender over a store in memory, and a provider that does what the test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime.push.jobs import Jobs, Raise
from realtime.push.rows import JobRow
from realtime.push.trail import Trail
from realtime.settings.push_schema import PushSettings
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ManualClock
from tests.unit.workers.worker_house import (
    ROOM,
    Failing,
    add_device,
    jobs_of,
    make_room,
    opened,
    options,
    say,
)
from workers.badges import Badges
from workers.bans import Bans
from workers.cases import Cases
from workers.errands import Errands
from workers.gate import Gate
from workers.providers.base import Delivered, Notice, Outcome, ProviderName, Target
from workers.results import Results
from workers.sending import Sender

WAIT_S = 5.0
"""The longest that anything may take in a test."""


class Phones:
    """A provider of which a test says what it answers, by address; it delivers, else."""

    def __init__(self, name: ProviderName = "fcm") -> None:
        self.name = name
        self.sent: list[tuple[str, Notice]] = []
        self.answers: dict[str, Outcome | BaseException] = {}
        self.hold: asyncio.Event | None = None
        """What is to happen before anything is answered."""
        self.came = asyncio.Event()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def send(self, target: Target, notice: Notice) -> Outcome:
        self.sent.append((target.address, notice))
        self.came.set()
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.get(target.address, Delivered("id"))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def close(self) -> None:
        """Nothing is open."""

    def addresses(self) -> list[str]:
        """Whom something was sent to."""
        return sorted(address for address, _ in self.sent)


class Unbanned:
    """What settings say where nobody is banned."""

    def options(self, channel: str) -> Any:
        return options(channel) or ROOM

    def banned(self, user: str, channel: str) -> bool:
        return False


@dataclass
class Desk:
    """All that sending needs."""

    store: SQLiteStore
    failing: Failing
    clock: ManualClock
    settings: PushSettings
    phones: Phones
    gate: Gate
    cases: Cases
    errands: Errands
    results: Results
    sender: Sender
    told: list[Any] = field(default_factory=list)

    async def due(self, channel: str, *users: str, lane: int = 0) -> int:
        """A message for these users, each of whom has a phone; answers its offset."""
        offset = await say(self.store, channel, at=self.clock.now_ms)
        await self.raise_(channel, offset, *users, lane=lane)
        return offset

    async def raise_(self, channel: str, offset: int, *users: str, lane: int = 0) -> None:
        """Jobs of these users."""
        now_ms = self.clock.now_ms
        raises = [Raise(user, channel, offset, now_ms, now_ms, lane) for user in users]
        await Jobs(self.store).raise_all(raises)

    async def room(self, channel: str, *users: str) -> None:
        """A room with these users, each of whom has a phone."""
        await make_room(self.store, channel, *users)
        for user in users:
            await add_device(self.store, user, "phone")

    async def jobs(self) -> Mapping[tuple[str, str], JobRow]:
        return await jobs_of(self.store)

    async def states(self) -> dict[str, str]:
        """The states of jobs by user; "leased" for those that are somebody's."""
        return {
            user: "leased" if job.lease else job.state
            for (user, _), job in (await self.jobs()).items()
        }

    async def claim(self, lane: int = 0) -> Sequence[JobRow]:
        """What is due, as the sender claims it."""
        now_ms = self.clock.now_ms
        until_ms = now_ms + self.settings.lease.ms
        return await Jobs(self.store).claim(
            now_ms, lease=f"lease-{now_ms}", until_ms=until_ms, limit=1_000, lane=lane
        )

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.TaskGroup]:
        """As the worker runs it."""
        async with asyncio.timeout(2 * WAIT_S), asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self.sender.run(), name="sender"),
                tasks.create_task(self.results.run(), name="results"),
            ]
            yield tasks
            for task in running:
                task.cancel()


@contextlib.asynccontextmanager
async def desk(
    *,
    settings: PushSettings | None = None,
    places: int = 100,
    gates: Callable[[Gate], Mapping[ProviderName, Gate]] = lambda gate: {"fcm": gate},
) -> AsyncIterator[Desk]:
    """An open store and what works on it. Nothing runs yet."""
    async with opened() as store:
        failing, clock, phones = Failing(store), ManualClock(), Phones()
        settings = settings or PushSettings()
        gate = Gate(phones, per_s=0, pause_s=60, places=places, clock=clock, random=lambda: 0.5)
        jobs = Jobs(failing)
        results = Results(failing, jobs, clock)
        cases = Cases(
            failing, options=options, bans=Bans(store, clock), settings=settings, clock=clock
        )
        errands = Errands(
            gates(gate),
            trail=Trail(failing),
            badges=Badges(failing, Unbanned(), clock),
            results=results,
            settings=settings,
            clock=clock,
            random=lambda: 0.5,
        )
        sender = Sender(
            jobs, cases=cases, errands=errands, results=results, settings=settings, clock=clock
        )
        yield Desk(store, failing, clock, settings, phones, gate, cases, errands, results, sender)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what no event tells of."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():  # noqa: ASYNC110 - the store has no events
            await asyncio.sleep(0.01)
