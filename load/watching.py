"""Hubs of this machine over a run: every process that was one, and what they hold at the end."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from load.measured import HubSeries
from load.resources import Held, Life, leaked, trend

GONE_S: Final = 20.0
"""How long a hub may take to let go of clients that have gone, in seconds."""

SERIES_MAX: Final = 100_000
"""More samples are not kept for the plot: a day of them, at one a second."""

GROWTH: Final = "hub_growth_kb_per_min"
LONGEST_S: Final = "longest_lived_hub_s"
LONGEST_GROWTH: Final = "longest_lived_hub_growth_kb_per_min"
"""Names of facts: see `Watching.facts`."""

_POLL_S: Final = 0.5


class Watching:
    """`look` at each hub once a second; `leaks` at the end."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lives: list[Life] = []
        self._now: dict[str, tuple[Life, Held]] = {}
        self._first: dict[str, int] = {}
        """Descriptors of each hub when nobody had come yet."""
        self._spent_cpu_s = 0.0
        """By processes that have ended."""
        self._samples: list[tuple[float, int, float]] = []

    @property
    def names(self) -> list[str]:
        """Of hubs that were looked at."""
        return [*self._first]

    @property
    def series(self) -> HubSeries:
        """What all of them took together."""
        return HubSeries(samples=self._samples)

    def look(self, pids: Mapping[str, int]) -> None:
        """Take a sample of those that run, by their names and process ids."""
        at_s = round(time.monotonic() - self._began, 3)
        for name, pid in pids.items():
            life = self._life(name, pid)
            held = life.look(at_s)
            if held is None:
                continue
            self._now[name] = life, held
            self._first.setdefault(name, held.descriptors)
        held_now = [held for name, (_, held) in self._now.items() if name in pids]
        if held_now and len(self._samples) < SERIES_MAX:
            rss_kb = sum(held.rss_kb for held in held_now)
            cpu_s = self._spent_cpu_s + sum(held.cpu_s for _, held in self._now.values())
            self._samples.append((at_s, rss_kb, round(cpu_s, 3)))

    async def leaks(self, pids: Callable[[], Mapping[str, int]]) -> list[str]:
        """What is held too much of, now that all clients have gone; waits for that for a while."""
        until = time.monotonic() + GONE_S
        while True:
            running = pids()
            self.look(running)
            held = [name for name in running if self._holds_too_much(name)]
            if not held or time.monotonic() > until:
                break
            await asyncio.sleep(_POLL_S)
        found = [
            f"{name} has {self._now[name][1].descriptors} descriptors,"
            f" and had {self._first[name]} before clients came"
            for name in held
        ]
        for life in self._lives:
            memory = trend([(sample.at_s, sample.rss_kb) for sample in life.samples])
            if memory is not None and memory.grows:
                found.append(f"{life.name}, process {life.pid}: {memory}")
        return found

    def facts(self) -> dict[str, float]:
        """The steepest slope of memory of those that lived long enough, and for how long."""
        trends = [
            found
            for life in self._lives
            if (found := trend([(one.at_s, one.rss_kb) for one in life.samples])) is not None
        ]
        if not trends:
            return {}
        longest = max(trends, key=lambda one: one.seconds)
        return {
            GROWTH: max(one.kb_per_min for one in trends),
            LONGEST_S: longest.seconds,
            LONGEST_GROWTH: longest.kb_per_min,
        }

    def _life(self, name: str, pid: int) -> Life:
        found = self._now.get(name)
        if found is not None and found[0].pid == pid:
            return found[0]
        if found is not None:
            self._spent_cpu_s += found[1].cpu_s
            del self._now[name]
        self._lives.append(Life(name, pid))
        return self._lives[-1]

    def _holds_too_much(self, name: str) -> bool:
        found = self._now.get(name)
        return found is not None and leaked(self._first[name], found[1].descriptors)
