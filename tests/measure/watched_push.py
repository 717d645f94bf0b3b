"""A hub, or a worker, that counts what its push worker asks of the store, and how long its event
loop was busy with one thing.

The first word is a file, the others are those of `realtime`. At SIGUSR1 it is written what was
counted since the start, and what the loop's longest pauses were since the last time.
"""

import asyncio
import inspect
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from realtime.cli import main
from workers.push import PushWorker

MODULE: Final = "tests.measure.watched_push"

TICK_S: Final = 0.002
"""How often it is looked whether the loop is free."""

PAUSES_KEPT: Final = 20

ATTRIBUTES: Final = ("_store",)
"""Where what tells of users' whereabouts has a store of its own, if it has one."""


class Watched(msgspec.Struct):
    """What was counted: calls of the store by caller, all of them, and pauses of the loop in ms,
    the longest first."""

    calls: dict[str, int]
    total: int
    pauses_ms: list[float]


class CountedStore:
    """A store whose calls are counted by who makes them."""

    def __init__(self, store: object, counts: Counter[str]) -> None:
        self._store = store
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            caller = sys._getframe(1).f_code
            self._counts[f"{Path(caller.co_filename).stem}.{caller.co_name} {name}"] += 1
            return found(*arguments, **named)

        return call


class Watch:
    """Counts for the push worker of this process."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._counts: Counter[str] = Counter()
        self._pauses_ms: list[float] = []

    def install(self) -> None:
        """Have the push worker that is made next watched."""
        made, run = PushWorker.__init__, PushWorker.run

        def init(worker: PushWorker, store: Any, *arguments: Any, **named: Any) -> None:
            whereabouts = named["whereabouts"]
            for name in ATTRIBUTES:
                if hasattr(whereabouts, name):
                    counted = CountedStore(getattr(whereabouts, name), self._counts)
                    setattr(whereabouts, name, counted)
            made(worker, CountedStore(store, self._counts), *arguments, **named)

        async def run_watched(worker: PushWorker) -> None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, self._write)
            self._tick(loop, loop.time())
            await run(worker)

        setattr(PushWorker, "__init__", init)  # noqa: B010 - a type checker sees no method there
        setattr(PushWorker, "run", run_watched)  # noqa: B010

    def _tick(self, loop: asyncio.AbstractEventLoop, due_at: float) -> None:
        now = loop.time()
        self._pauses_ms.append(1_000 * (now - due_at))
        if len(self._pauses_ms) > 1_000:
            self._keep_longest()
        loop.call_at(now + TICK_S, self._tick, loop, now + TICK_S)

    def _keep_longest(self) -> None:
        self._pauses_ms.sort(reverse=True)
        del self._pauses_ms[PAUSES_KEPT:]

    def _write(self) -> None:
        self._keep_longest()
        watched = Watched(dict(self._counts), self._counts.total(), self._pauses_ms)
        beside = self._report.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(watched))
        os.replace(beside, self._report)
        self._pauses_ms = []


if __name__ == "__main__":
    Watch(Path(sys.argv[1])).install()
    sys.exit(main(sys.argv[2:]))
