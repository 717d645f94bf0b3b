"""Watches the process that makes the load: is it the one that is slow?"""

import asyncio
import time
from typing import Final

from load.histogram import Histogram
from load.measured import SaturationFacts
from load.recording import Recorder

ROUND_S: Final = 0.02
"""How often the loop's timer is looked at, in seconds."""


class Watch:
    """Measures how late the loop is, and the CPU of the process; from `start` on, until `stop`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._lag = Histogram()
        self._due = self._began = self._cpu = 0.0

    def start(self) -> None:
        """Begin, or begin anew."""
        self.stop()
        self._lag = Histogram()
        self._began, self._cpu = time.monotonic(), time.process_time()
        self._arm()

    def stop(self) -> None:
        """Watch no longer; what was measured stays."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def facts(self, recorder: Recorder) -> SaturationFacts:
        """What was found, with what a recorder counted."""
        seconds = time.monotonic() - self._began
        return SaturationFacts(
            sends=recorder.sends,
            late=recorder.late,
            lag_ms=self._lag.percentile(99) / 1_000,
            cpu_share=(time.process_time() - self._cpu) / seconds if seconds > 0 else 0.0,
            full_cpu_is_fine=recorder.full_cpu_is_fine,
            untimed=recorder.untimed,
        )

    def _arm(self) -> None:
        self._due = time.monotonic() + ROUND_S
        self._timer = self._loop.call_later(ROUND_S, self._look)

    def _look(self) -> None:
        self._lag.record(int((time.monotonic() - self._due) * 1e6))
        self._arm()
