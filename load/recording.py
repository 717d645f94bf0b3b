"""Where a scenario writes down what it measures, as it happens."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from load.histogram import Histogram
from load.measured import (
    ERROR_KINDS_MAX,
    NOTES_MAX,
    OTHER_ERRORS,
    SAMPLES_MAX,
    Measured,
    Sample,
    SaturationFacts,
    bounded_sums,
    merge_histograms,
    thin,
)

SAMPLE_S: Final = 1.0
"""How long a sample is at first, in seconds."""

FOLD_S: Final = 0.02
"""How often waits are counted, in seconds. To count those of a second would keep a busy process
from reading for tens of milliseconds, which would be found in the waits of the next."""


class Recorder:
    """What one process measures in one phase: counts, waits and errors, second by second.

    Counting is a call on a `Counter`, and a wait an append to a list, which is all that the hot
    path pays. Whoever runs the phase calls `fold` every `FOLD_S`, and `tick`, which closes a
    sample, every `SAMPLE_S`.
    """

    def __init__(self, phase: str, *, now: float | None = None) -> None:
        self.phase = phase
        self.counts: Counter[str] = Counter()
        """What happened since the last tick: `recorder.counts["published"] += 1`. See `total`."""
        self.facts: dict[str, float] = {}
        """See `Measured.facts`."""
        self.mark_sums: Counter[str] = Counter()
        """See `Measured.mark_sums`; however large."""
        self.notes: list[str] = []
        """See `Measured.notes`; what is beyond `NOTES_MAX` is dropped."""
        self.sends = 0
        """How many messages had a time at which they were to leave; a `Pacer` counts them."""
        self.late = 0
        """How many of them left too late, see `SaturationFacts`."""
        self.full_cpu_is_fine = False
        """See `SaturationFacts`; a scenario says so before the phase ends."""
        self.untimed = False
        """See `SaturationFacts`; a scenario says so before the phase ends."""
        self.on_restart: Callable[[], None] | None = None
        """Called by `restart`; for whoever runs the phase."""
        self._waits: dict[str, list[int]] = {}
        self._counted_waits: dict[str, dict[int, int]] = {}
        self._unfinished: dict[str, Histogram] = {}
        """Those waits of the sample that runs which are counted already."""
        self._errors: Counter[str] = Counter()
        self._errors_before = 0
        self._totals: Counter[str] = Counter()
        self._histograms: dict[str, Histogram] = {}
        self._samples: list[Sample] = []
        self._open: list[Sample] = []
        self._per_sample = 1
        self._ticks = 0
        self._began = time.monotonic() if now is None else now
        self._began_at = datetime.now(UTC)
        self._ticked = self._began

    def waits(self, name: str) -> list[int]:
        """The list to append waits to, in microseconds. It stays the same list for the phase."""
        return self._waits.setdefault(name, [])

    def counted_waits(self, name: str) -> dict[int, int]:
        """`waits`, for who hears of several that are as long: by each, how many there were."""
        return self._counted_waits.setdefault(name, {})

    def total(self, name: str) -> int:
        """How often something was counted in the whole phase, up to now."""
        return self._totals[name] + self.counts[name]

    def error(self, kind: str, count: int = 1) -> None:
        """Count an error by words that hold neither ids nor secrets: kinds are few."""
        if kind not in self._errors and len(self._errors) >= ERROR_KINDS_MAX - 1:
            kind = OTHER_ERRORS
        self._errors[kind] += count

    @property
    def next_tick(self) -> float:
        """When `tick` is to be called next, in seconds of the monotonic clock."""
        return self._began + (self._ticks + 1) * SAMPLE_S

    def restart(self, now: float | None = None) -> None:
        """Forget all that was recorded, and begin now: the warm-up is over."""
        now = time.monotonic() if now is None else now
        for waits in self._waits.values():
            waits.clear()
        for counted in self._counted_waits.values():
            counted.clear()
        self._unfinished.clear()
        self.counts.clear()
        self._errors.clear()
        self._errors_before = 0
        self._totals.clear()
        self._histograms.clear()
        self._samples.clear()
        self._open.clear()
        self._per_sample, self._ticks = 1, 0
        self.mark_sums.clear()
        self.notes.clear()
        self.sends = self.late = 0
        self._began = self._ticked = now
        self._began_at = datetime.now(UTC)
        if self.on_restart is not None:
            self.on_restart()

    def fold(self) -> None:
        """Count the waits that have come since the last time."""
        for name, waits in self._waits.items():
            if waits:
                self._unfinished.setdefault(name, Histogram()).record_all(waits)
                waits.clear()
        for name, counted in self._counted_waits.items():
            if counted:
                self._unfinished.setdefault(name, Histogram()).record_counted(counted)
                counted.clear()

    def tick(self, now: float | None = None) -> Sample:
        """Close the sample that runs, and give it."""
        now = time.monotonic() if now is None else now
        self.fold()
        histograms, self._unfinished = self._unfinished, {}
        errors = self._errors.total()
        sample = Sample(
            at=self._ticks * SAMPLE_S,
            seconds=SAMPLE_S,
            counts=dict(self.counts),
            errors=errors - self._errors_before,
            histograms=histograms,
        )
        self._ticks += 1
        self._ticked = now
        self._errors_before = errors
        self._totals.update(self.counts)
        self.counts.clear()
        for name, histogram in histograms.items():
            self._histograms.setdefault(name, Histogram()).merge(histogram)
        self._keep(sample)
        return sample

    def measured(self, saturation: SaturationFacts, now: float | None = None) -> Measured:
        """All of the phase, up to now."""
        now = time.monotonic() if now is None else now
        self.fold()
        if self.counts or self._unfinished or now - self._ticked > SAMPLE_S / 2:
            self.tick(now)
        return Measured(
            phase=self.phase,
            seconds=now - self._began,
            counts=dict(self._totals),
            histograms=merge_histograms([self._histograms]),
            errors=dict(self._errors),
            samples=self._samples + _closed(self._open),
            saturation=saturation,
            facts=dict(self.facts),
            notes=self.notes[:NOTES_MAX],
            mark_sums=bounded_sums(self.mark_sums),
            began_at=self._began_at.isoformat(timespec="milliseconds"),
        )

    def _keep(self, sample: Sample) -> None:
        self._open.append(sample)
        if len(self._open) < self._per_sample:
            return
        self._samples += _closed(self._open)
        self._open = []
        if len(self._samples) >= SAMPLES_MAX:
            self._samples = thin(self._samples)
            self._per_sample *= 2


def _closed(samples: list[Sample]) -> list[Sample]:
    """These samples as one, as long as they are together."""
    while len(samples) > 1:
        samples = thin(samples)
    return samples
