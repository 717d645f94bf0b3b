"""Phones, and who dispatches, sends, reads and deletes: what push promises, checked as it goes.

Everything is a coroutine that may be stopped for good at any await. `World.now` is the time; what
goes on is as it likes. `drain` does what was stopped half-way once more, lets leases run out, and
sends what is left; then nothing may be lost, and nothing stay visible that was read or deleted.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal

from realtime.push.jobs import Jobs, Postponed, Raise, Settled
from realtime.push.looking_again import clear_due, clear_early
from realtime.push.rows import JOBS, JobRow
from realtime.rows import MEMBERS
from realtime.stores.base import Span, TableStore, Write

LEASE_MS: Final = 10
ROUNDS_MAX: Final = 40

Ending = Literal["settle", "later", "release", "die"]
Place = tuple[str, str]
"""A user and a channel."""


async def _at_once() -> None:
    pass


async def next_due(store: TableStore) -> int | None:
    """When a job is due next, or was due; None where there is none."""
    rows = await store.find(JOBS, Span(), limit=1_000)
    return min((row.due_at for row in rows if row.state == "due"), default=None)


class World:
    """Some users, each with a phone, and channels. `pause` is awaited wherever time may pass."""

    def __init__(self, store: TableStore, pause: Callable[[], Awaitable[None]] = _at_once) -> None:
        self.store = store
        self.jobs = Jobs(store)
        self.now = 1_000
        self.screens: dict[Place, int] = defaultdict(int)
        """What phones show."""
        self.sends: list[tuple[Place, int]] = []
        """Everything that phones were sent to show."""
        self._pause = pause
        self._dispatched: set[tuple[Place, int]] = set()
        self._covered: set[tuple[Place, int]] = set()
        """What was sent, merged into what was sent, or did not have to be."""
        self._settled: dict[Place, int] = defaultdict(int)
        self._holders: dict[Place, int] = {}
        """Until when the jobs are somebody's."""
        self._reads: dict[Place, int] = defaultdict(int)
        self._deleted: set[tuple[str, int]] = set()
        self._undone: set[tuple[str, Sequence[tuple[Place, int]]]] = set()
        self._leases = 0
        self._has_swept = False

    # What people and programs do

    async def dispatch(self, told: Sequence[tuple[Place, int]]) -> None:
        """Have these users told of these entries, as often as one likes."""
        self._undone.add(("dispatch", tuple(told)))
        raises = [
            Raise(*place, offset, at=self.now, due_at=self.now + offset % 3)
            for place, offset in told
        ]
        await self.jobs.raise_all(raises)
        self._dispatched |= set(told)
        self._undone.discard(("dispatch", tuple(told)))

    async def read(self, place: Place, offset: int) -> None:
        """Move a read marker, and have taken away what is not needed any more."""
        self._undone.add(("read", ((place, offset),)))
        user, channel = place
        marker = Write(MEMBERS, (channel, user), highest={"read": offset})
        await self.store.write([marker])
        await self.store.write(
            [clear(*place, offset, self.now) for clear in (clear_due, clear_early)]
        )
        self._reads[place] = max(self._reads[place], offset)
        self._undone.discard(("read", ((place, offset),)))

    async def delete(self, channel: str, offset: int) -> None:
        """Delete an entry."""
        self._undone.add(("delete", ((("", channel), offset),)))
        self._deleted.add((channel, offset))
        after = await self.jobs.retract(channel, offset, self.now)
        assert after == ""
        self._undone.discard(("delete", ((("", channel), offset),)))

    async def sweep(self) -> None:
        """Forget what is settled much too early, so that what was told may be told again."""
        self._has_swept = True
        await self.jobs.sweep(self.now)

    async def send(self, limit: int = 10, ending: Ending = "settle") -> int:
        """Claim jobs, show and take away what has to be, and settle them; how many there were."""
        self._leases += 1
        until = self.now + LEASE_MS
        lease = f"lease {self._leases}"
        claimed = await self.jobs.claim(self.now, lease=lease, until_ms=until, limit=limit)
        for job in claimed:
            place = (job.user, job.channel)
            assert self._holders.get(place, 0) <= self.now, "two have one job"
            assert self._has_swept or job.pushed >= self._settled[place], "told again"
            self._holders[place] = until
        if not claimed:
            return 0
        rows = await self.store.get(MEMBERS, [(job.channel, job.user) for job in claimed])
        reads = {(row.user, row.channel): row.read for row in rows}
        await self._pause()
        if self.now >= until:
            return len(claimed)  # as who sends has to, who cannot have a lease for ever
        over = [self._carry_out(job, reads) for job in claimed]
        await self._pause()
        for job in claimed:
            # From here on others may have it, one by one.
            place = (job.user, job.channel)
            if self._holders[place] == until:
                self._holders[place] = until if ending == "die" else 0
        await self._end(claimed, over, ending)
        if self.now < until and ending == "settle":
            for job in claimed:
                place = (job.user, job.channel)
                self._settled[place] = max(self._settled[place], job.offset)
        return len(claimed)

    async def claim_and_die(self, limit: int) -> None:
        """Claim jobs, show what has to be, and never come to settle them."""
        await self.send(limit, "die")

    def _carry_out(self, job: JobRow, reads: Mapping[Place, int]) -> int | None:
        """What the phone shows now, as `Settled` has it."""
        place = (job.user, job.channel)
        read = max(reads.get(place, 0), job.read)
        new = range(job.pushed + 1, job.offset + 1)
        self._covered |= {(place, offset) for offset in new}
        wanted = [
            offset for offset in new if offset > read and (job.channel, offset) not in self._deleted
        ]
        if wanted:
            self.screens[place] = wanted[-1]
            self.sends.append((place, wanted[-1]))
            return wanted[-1]
        if job.shown and (job.shown <= read or (job.channel, job.shown) in self._deleted):
            self.screens[place] = 0
            return 0
        return None

    async def _end(
        self, claimed: Sequence[JobRow], over: Sequence[int | None], ending: Ending
    ) -> None:
        if ending == "settle":
            settled = [Settled(job, showing) for job, showing in zip(claimed, over, strict=True)]
            await self.jobs.settle(settled, self.now)
        elif ending == "later":
            put_off = [
                Postponed(job, self.now + 3, showing=showing)
                for job, showing in zip(claimed, over, strict=True)
            ]
            await self.jobs.later(put_off, self.now)
        elif ending == "release":
            put_off = [
                Postponed(job, self.now, tried=False, showing=showing)
                for job, showing in zip(claimed, over, strict=True)
            ]
            await self.jobs.later(put_off, self.now)

    # How it ends

    async def drain(self) -> None:
        """Finish what was begun, and send until nothing is due."""
        for what, done in sorted(self._undone):
            for place, offset in done:
                if what == "dispatch":
                    await self.dispatch(done)
                elif what == "read":
                    await self.read(place, offset)
                else:
                    await self.delete(place[1], offset)
        for _ in range(ROUNDS_MAX):
            self.now += LEASE_MS
            while await self.send():
                pass
            if await next_due(self.store) is None:
                return
        raise AssertionError("there is always something due")

    async def check(self) -> None:
        """After `drain`: nothing is lost, and nothing visible that should not be."""
        assert self._dispatched <= self._covered, "not everybody was told"
        for (user, channel), shown in self.screens.items():
            if self._has_swept:
                break
            place = (user, channel)
            assert not shown or shown > self._reads[place], "what was read is still shown"
            assert (channel, shown) not in self._deleted, "what was deleted is still shown"
        for job in await self.store.find(JOBS, Span(), limit=1_000):
            assert (job.state, job.lease, job.tries) == ("done", "", 0)
            assert job.pushed >= job.offset
            assert job.visible == int(job.shown > 0)
