"""A run over time: the samples of its phases, one after another, as points of lines. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgspec

from load.measured import HubSeries, Measured, Sample
from load.report.plots import Point
from load.scenarios.base import count_of

_STEP: Final = re.compile(r".+ at \w+ (?P<load>\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?)")

Figure = Callable[[Sample], float | None]
"""What a line shows of a sample; None where there is nothing to show."""


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """When a phase was, in seconds of all that was measured: its warm-up is no part of that."""

    phase: Measured
    begin_s: float
    end_s: float


def timeline(phases: Sequence[Measured]) -> list[PhaseTime]:
    """The phases one after another. Each is as long as it says, or as its samples do."""
    times = []
    begin_s = 0.0
    for phase in phases:
        sampled_s = max((sample.at + sample.seconds for sample in phase.samples), default=0.0)
        # The last sample may reach beyond the phase's end, but not by a sample's length.
        end_s = begin_s + (phase.seconds or sampled_s)
        times.append(PhaseTime(phase, begin_s, end_s))
        begin_s = end_s
    return times


def per_second(phase: Measured, name: str) -> float:
    """`rate_of`, of a whole phase."""
    return count_of(phase, name) / phase.seconds if phase.seconds > 0 else 0.0


def loads(phases: Sequence[Measured]) -> dict[float, Measured]:
    """The phases of a search for the knee by their load, from low to high; empty of other runs.

    A search names its phases `steady at rate 400`; of another run, not every phase has such a name.
    """
    found = {}
    for phase in phases:
        match = _STEP.fullmatch(phase.phase)
        if match is None:
            return {}
        found[float(match["load"].replace(",", ""))] = phase
    return dict(sorted(found.items())) if len(found) > 1 else {}


def points(times: Sequence[PhaseTime], figure: Figure) -> list[Point]:
    """A figure of every sample, at the sample's middle, with a gap between phases."""
    found: list[Point] = []
    for time in times:
        if found:
            found.append((time.begin_s, None))
        for sample in whole_samples(time.phase):
            middle_s = time.begin_s + sample.at + sample.seconds / 2
            found.append((min(middle_s, time.end_s), figure(sample)))
    return found


def whole_samples(phase: Measured) -> list[Sample]:
    """The samples of a phase, the last as long as the phase still was.

    If that is less than half of the others it is left out, unless there were errors in it: its
    rate, and waits of what was still on its way, are not what the phase was like.
    """
    samples = list(phase.samples)
    if samples and phase.seconds:
        last = samples.pop()
        left_s = phase.seconds - last.at
        if left_s >= last.seconds or last.errors or not samples:
            samples.append(last)
        elif left_s >= last.seconds / 2:
            samples.append(msgspec.structs.replace(last, seconds=left_s))
    return samples


def rate_of(name: str) -> Figure:
    """How often a second something was done, or was waited for: see `count_of`."""
    return lambda sample: count_of(sample, name) / sample.seconds if sample.seconds else None


def errors_rate(sample: Sample) -> float | None:
    """How many errors a second."""
    return sample.errors / sample.seconds if sample.seconds else None


def percentile_of(name: str, percent: float) -> Figure:
    """A percentile of the waits of a sample, in microseconds; none where nothing was waited for."""

    def figure(sample: Sample) -> float | None:
        histogram = sample.histograms.get(name)
        return float(histogram.percentile(percent)) if histogram and histogram.count else None

    return figure


def hub_memory(hub: HubSeries) -> list[Point]:
    """Resident memory in KB over the seconds of the run."""
    return [(t_s, float(rss_kb)) for t_s, rss_kb, _ in hub.samples]


def hub_cpu(hub: HubSeries) -> list[Point]:
    """CPU over the seconds of the run, as a share of one core: 1.0 is a whole one."""
    return list(_hub_cpu(hub))


def _hub_cpu(hub: HubSeries) -> Iterator[Point]:
    for (before_s, _, cpu_before_s), (t_s, _, cpu_s) in pairwise(hub.samples):
        if t_s > before_s:
            yield (t_s, max(0.0, cpu_s - cpu_before_s) / (t_s - before_s))
