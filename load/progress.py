"""The live line: what a phase is at, once a second, on one line of a terminal.

Where the output is no terminal, a line is written every ten seconds instead, and none is rewritten:
logs of a nightly run stay short.
"""

from typing import Final, TextIO

from load.measured import Measured, Sample
from load.report.words import printable
from load.scenarios.base import Subject, count_of

PLAIN_EVERY: Final = 10
"""Of so many samples one is written where lines cannot be rewritten."""

_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Writes to `stream`; `show` for each sample, `done` when a phase has ended."""

    def __init__(self, stream: TextIO, subject: Subject) -> None:
        self._stream = stream
        self._subject = subject
        self._rewrites = stream.isatty()
        self._shown = 0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._write(f"{_CLEAR if self._rewrites else ''}{text}\n")

    def show(self, phase: str, sample: Sample) -> None:
        """What happened in a second of a phase."""
        line = f"{phase}: {sample.at + sample.seconds:.0f} s, {self._figures(sample)}"
        if self._rewrites:
            self._write(_CLEAR + line)
        elif self._shown % PLAIN_EVERY == 0:
            self._write(f"{line}\n")
        self._shown += 1

    def done(self, measured: Measured) -> None:
        """All of a phase; a line that stays."""
        self._shown = 0
        total = Sample(
            at=0.0,
            seconds=measured.seconds,
            counts=measured.counts,
            errors=measured.errors_total,
            histograms=measured.histograms,
        )
        self.say(f"{measured.phase}: {measured.seconds:.1f} s in all, {self._figures(total)}")
        for kind, count in sorted(measured.errors.items(), key=lambda item: -item[1])[:5]:
            self.say(f"  {count:,} × {printable(kind)}")

    def _figures(self, sample: Sample) -> str:
        count = count_of(sample, self._subject.counter)
        rate = count / sample.seconds if sample.seconds > 0 else 0.0
        words = [f"{rate:,.0f} {self._subject.noun}/s", f"{sample.errors:,} errors"]
        waited = [name for name, histogram in sample.histograms.items() if histogram.count]
        if waited:
            # A storm, say, has waits of its own.
            name = self._subject.histogram if self._subject.histogram in waited else waited[0]
            histogram = sample.histograms[name]
            p50, p99 = (histogram.percentile(percent) / 1_000 for percent in (50, 99))
            words.append(f"{name} p50 {p50:,.1f} ms, p99 {p99:,.1f} ms")
        return ", ".join(words)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
