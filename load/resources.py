"""What a hub on this machine holds over time: memory that must stay flat, and descriptors."""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from load.report.hub_samples import HubSampler, family

WARM_UP_S: Final = 60.0
WARM_UP_SHARE: Final = 0.1
"""How long a process may fill its caches, in seconds and as a share of its life, the longer of
both, before its memory is looked at."""

LIFE_S: Final = 240.0
"""How long a process must have lived, in seconds, for its memory to be judged: over less, an
allocator's steps look like a slope."""

GROWTH_SHARE_MAX: Final = 0.1
GROWTH_KB_MAX: Final = 16 * 1024
"""By how much memory may grow from the first quarter to the last one, the larger of both."""

DESCRIPTORS_SLACK: Final = 80
"""More descriptors than before that are no leak: keep-alives stay, and pools, of which a hub's to
MongoDB alone may have 64 connections (`MongoStore`)."""

SAMPLES_MAX: Final = 4_000
"""Of one process; when there are more, every other one is dropped, again and again."""

_PROC: Final = Path("/proc")


class Held(NamedTuple):
    """What a process and all that it started held at a time."""

    at_s: float
    rss_kb: int
    descriptors: int
    cpu_s: float


class Life:
    """One process, from when it is first looked at to its end. `times` are seconds of the run."""

    def __init__(self, name: str, pid: int, *, proc: Path = _PROC) -> None:
        self.name = name
        self.pid = pid
        self.samples: list[Held] = []
        self._proc = proc
        self._sampler = HubSampler(pid, proc=proc)
        self._every = 1
        self._looks = 0

    def look(self, at_s: float) -> Held | None:
        """Take a sample; None when the process is gone."""
        if not self._sampler.sample():
            return None
        taken = self._sampler.samples.pop()
        held = Held(at_s, taken.rss_kb, descriptors(self.pid, self._proc), taken.cpu_s)
        if self._looks % self._every == 0:
            self.samples.append(held)
            if len(self.samples) > SAMPLES_MAX:
                self.samples = self.samples[::2]
                self._every *= 2
        self._looks += 1
        return held


def descriptors(pid: int, proc: Path = _PROC) -> int:
    """Open descriptors of a process and all that it started; of one that may not be read, 0."""
    count = 0
    for one in family(pid, proc):
        try:
            count += len(os.listdir(proc / str(one) / "fd"))
        except OSError:
            continue
    return count


class Trend(NamedTuple):
    """How memory went, after the warm-up."""

    first_kb: float
    """The median of the first quarter of the time."""
    last_kb: float
    """The median of the last one."""
    kb_per_min: float
    """The slope of the line of least squares."""
    seconds: float

    @property
    def grows(self) -> bool:
        """Whether that is more than noise."""
        return self.last_kb - self.first_kb > max(GROWTH_KB_MAX, GROWTH_SHARE_MAX * self.first_kb)

    def __str__(self) -> str:
        mib = 1024
        return (
            f"{self.first_kb / mib:.1f} MiB, then {self.last_kb / mib:.1f} MiB"
            f" ({self.kb_per_min:+,.0f} KiB/min over {self.seconds:,.0f} s)"
        )


def trend(samples: Sequence[tuple[float, int]]) -> Trend | None:
    """How memory went, of (seconds, KiB) of one process; None of one that did not live long."""
    lived_s = samples[-1][0] - samples[0][0] if samples else 0.0
    if lived_s < LIFE_S:
        return None
    begin_s = samples[0][0] + max(WARM_UP_S, WARM_UP_SHARE * lived_s)
    settled = [(at_s, kb) for at_s, kb in samples if at_s >= begin_s]
    quarter = (settled[-1][0] - settled[0][0]) / 4
    first = [kb for at_s, kb in settled if at_s <= settled[0][0] + quarter]
    last = [kb for at_s, kb in settled if at_s >= settled[-1][0] - quarter]
    slope, _ = statistics.linear_regression(*zip(*settled, strict=True))
    return Trend(
        statistics.median(first),
        statistics.median(last),
        slope * 60,
        settled[-1][0] - settled[0][0],
    )


def leaked(before: int, after: int) -> bool:
    """Whether so many descriptors are too many, when all clients have gone, as before they came."""
    return after > before + DESCRIPTORS_SLACK
