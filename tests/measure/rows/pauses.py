"""A hub that notes how long Python's collector held it up: `python -m <this module> FILE WORDS…`.

The words are those of `realtime`. Each time that the collector has run, a line is added to the
file: the generation, milliseconds, and milliseconds of CPU time.
"""

import gc
import os
import sys
import time
from typing import Any, Final, NamedTuple

from realtime.cli import main

MODULE: Final = "tests.measure.rows.pauses"


class Pauses(NamedTuple):
    """What was noted: how many, the longest of them in milliseconds, and its CPU time."""

    runs: int
    longest_ms: float
    its_cpu_ms: float


def longest(text: str, offset: int = 0) -> Pauses:
    """Read what was noted after so many characters; a line that is not whole yet is left out."""
    whole = text[offset : text.rfind("\n") + 1].splitlines()
    found = [tuple(map(float, line.split()[1:])) for line in whole]
    took_ms, cpu_ms = max(found, default=(0.0, 0.0))
    return Pauses(len(found), took_ms, cpu_ms)


class Noting:
    """Adds a line to a file for each run of the collector."""

    def __init__(self, path: str) -> None:
        # Written at once and without a buffer: whoever reads the file sees all there was.
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._began_ns = self._cpu_ns = 0

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        """What the collector calls before and after."""
        if phase == "start":
            self._began_ns, self._cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
            return
        took_ms = (time.perf_counter_ns() - self._began_ns) / 1e6
        cpu_ms = (time.thread_time_ns() - self._cpu_ns) / 1e6
        os.write(self._file, f"{info['generation']} {took_ms:.3f} {cpu_ms:.3f}\n".encode())

    def close(self) -> None:
        """Close the file; nothing may call this any more."""
        os.close(self._file)


if __name__ == "__main__":
    gc.callbacks.append(Noting(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
