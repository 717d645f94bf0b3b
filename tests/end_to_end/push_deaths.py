"""Hubs and workers that die where a test says: `python -m <this module> FOLDER COMMAND …`.

A test puts a file into the folder that is called after a place in the program. Whoever gets there
first takes the file away, and is killed at that instant (SIGKILL); or it is held there, and goes on
when the test says so. Besides, everything is in a hurry: leases aside, a test waits for nothing.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import realtime.push.jobs as jobs_module
import workers.dispatching
import workers.push
import workers.sending
import workers.worker
from realtime.cli import main
from realtime.model import Entry
from realtime.push.jobs import LARGE, SMALL, Jobs, Raise, Settled
from realtime.push.rows import TrailRow
from realtime.push.trail import TOLD, Trail
from realtime.stores.mongo import MongoStore
from realtime.stores.sqlite import SQLiteStore
from workers.dispatching import Dispatcher
from workers.errands import Errands
from workers.gate import Gate
from workers.push import PushWorker
from workers.worker import Worker

MODULE: Final = "tests.end_to_end.push_deaths"

STORED: Final = "stored"
"""A hub: the message is committed, and nobody knows."""
HALF_RAISED: Final = "half-raised"
"""Between the two writes that make jobs."""
PAGE_RAISED: Final = "page-raised"
"""A page of the members of a large room have their jobs, and the others have none yet."""
JOBS_MADE: Final = "jobs-made"
"""Everybody's jobs are made, and the message has the mark still."""
CLAIMED: Final = "claimed"
"""A job is somebody's, and nothing else has happened."""
ATTEMPTED: Final = "attempted"
"""The attempt is written down, and no provider is called yet."""
ANSWERED: Final = "answered"
"""The providers have said 200, and nothing is written of it."""
RECORDED: Final = "recorded"
"""It is written down that it was sent, and the job is not settled."""
HALF_SETTLED: Final = "half-settled"
"""Between the two writes that settle jobs."""

RAISING: Final = "raising"
"""Just before jobs are made. Whoever gets here is held, see `HELD` and `GO`."""
SETTLING: Final = "settling"
"""Just before what became of jobs is written. Whoever gets here is held."""
HELD: Final = "held"
"""Somebody is; a file of the program's."""
GO: Final = "go"
"""They may go on; a file of the test's."""
ANYBODY: Final = "anybody"
"""While there is this file, every worker takes on every message."""
SENDER: Final = "sender"
"""The process id of who has called a provider last; a file of the program's."""
RAISED: Final = "raised"
SETTLED: Final = "settled"
"""Lists of jobs that were raised and settled, see `line`; files of the program's."""
READY: Final = "ready"
"""Beginning of the name of a file of the program's, followed by the id of a process that works."""

LEFT_MS: Final = 500
"""Enough for the worker whose message it is, on a machine that is busy."""
POLL_S: Final = 0.2
IN_FLIGHT_MAX: Final = {SMALL: 6, LARGE: 50}
"""So few that there is always something that is claimed and not begun."""
WALK_PAGE: Final = 100
"""So few that not many have to be in a room for it to take several."""
HELD_S: Final = 20.0
_LOOK_S: Final = 0.02

folder = Path()


def take(name: str) -> bool:
    """Whether the file is there; then it is not any more."""
    try:
        (folder / name).unlink()
    except FileNotFoundError:
        return False
    return True


def die(place: str) -> None:
    """Here, if a test says so."""
    if take(place):
        os.kill(os.getpid(), signal.SIGKILL)


def put(owner: object, name: str, function: Callable[..., Any]) -> None:
    """Put this in the place of a method, or of a function of a module."""
    setattr(owner, name, function)


def before(owner: Any, name: str, place: str, when: Callable[..., bool] = lambda *_: True) -> None:
    """Let a coroutine's beginning be the place, where its arguments are such."""
    method = getattr(owner, name)

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when(*args):
            die(place)
        return await method(*args, **kwargs)

    put(owner, name, wrapped)


def after(owner: Any, name: str, place: str, when: Callable[..., bool] = lambda *_: True) -> None:
    """Let a coroutine's end be the place, where its arguments are such and it answers anything."""
    method = getattr(owner, name)

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        answer = await method(*args, **kwargs)
        if answer and when(*args):
            die(place)
        return answer

    put(owner, name, wrapped)


def between(owner: Any, name: str, place: str) -> None:
    """Let the call of a plain function be the place: what is written second is made by it."""
    function = getattr(owner, name)

    def wrapped(*args: Any) -> Any:
        die(place)
        return function(*args)

    put(owner, name, wrapped)


def place_all() -> None:
    """Put the places into the program."""
    for store in (SQLiteStore, MongoStore):
        after(store, "append", STORED, lambda _, batch: any(entry.notify for entry in batch))
    between(jobs_module, "_revived", HALF_RAISED)
    before(Dispatcher, "_settle", JOBS_MADE, lambda _, entries: bool(entries))
    after(Jobs, "claim", CLAIMED)
    after(Errands, "begin", ATTEMPTED)
    before(Trail, "conclude", ANSWERED, _has_told)
    before(Jobs, "settle", RECORDED)
    between(jobs_module, "_over", HALF_SETTLED)


def _has_told(_: Trail, rows: Iterable[TrailRow]) -> bool:
    return any(row.reason in TOLD for row in rows)


def place_walk() -> None:
    """A room that is too large for one page."""
    walk = Dispatcher._walk

    async def walked(self: Dispatcher, name: str, way: Any) -> bool:
        is_over = await walk(self, name, way)
        if not is_over:
            die(PAGE_RAISED)
        return is_over

    put(Dispatcher, "_walk", walked)


async def hold(place: str) -> None:
    """Let whoever is here wait for the test, if it says so."""
    if take(place):
        (folder / HELD).write_text(str(os.getpid()))
        async with asyncio.timeout(HELD_S):
            while not take(GO):  # noqa: ASYNC110 - there is no event of another process
                await asyncio.sleep(_LOOK_S)


def line(user: str, channel: str, offset: int) -> str:
    """How a job is listed."""
    return f"{user} {channel} {offset}\n"


def note(name: str, lines: Iterable[str]) -> None:
    """Add lines to a list, all or none of them."""
    with (folder / name).open("a") as file:
        file.write("".join(lines))


def follow_jobs() -> None:
    """List jobs, and hold who is about to change them."""
    raise_all, conclude, settle = Jobs.raise_all, Trail.conclude, Jobs.settle

    async def raised(self: Jobs, raises: Iterable[Raise]) -> None:
        await hold(RAISING)
        every = list(raises)
        await raise_all(self, every)
        note(RAISED, (line(each.user, each.channel, each.offset) for each in every))

    async def concluded(self: Trail, rows: Sequence[TrailRow]) -> None:
        if _has_told(self, rows):
            await hold(SETTLING)
        await conclude(self, rows)

    async def settled(self: Jobs, ended: Iterable[Settled], now_ms: int) -> None:
        every = list(ended)
        await settle(self, every, now_ms)
        jobs = [each.job for each in every]
        note(SETTLED, (line(job.user, job.channel, job.offset) for job in jobs))

    put(Jobs, "raise_all", raised)
    put(Trail, "conclude", concluded)
    put(Jobs, "settle", settled)


def tell() -> None:
    """Say who works, and who calls providers."""
    send, run, is_mine = Gate.send, PushWorker.run, Worker._is_mine

    async def sent(self: Gate, *args: Any, **kwargs: Any) -> Any:
        (folder / SENDER).write_text(str(os.getpid()))
        return await send(self, *args, **kwargs)

    async def ran(self: PushWorker) -> None:
        (folder / f"{READY}-{os.getpid()}").touch()
        await run(self)

    def mine(self: Worker, entry: Entry) -> bool:
        return (folder / ANYBODY).exists() or is_mine(self, entry)

    put(Gate, "send", sent)
    put(PushWorker, "run", ran)
    put(Worker, "_is_mine", mine)


def hurry() -> None:
    """Where it makes no difference but to who waits."""
    vars(workers.worker)["LEFT_MS"] = LEFT_MS
    vars(workers.push)["POLL_S"] = POLL_S
    vars(workers.sending)["POLL_S"] = POLL_S
    vars(workers.dispatching)["WALK_PAGE"] = WALK_PAGE
    vars(workers.sending)["IN_FLIGHT_MAX"] = IN_FLIGHT_MAX


def prepare(where: str) -> None:
    """Have everything in place."""
    global folder
    folder = Path(where)
    follow_jobs()
    place_all()
    place_walk()
    tell()
    hurry()


if __name__ == "__main__":
    prepare(sys.argv.pop(1))
    sys.exit(main())
