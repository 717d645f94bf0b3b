"""Crowds at their worst, by `python -m load` against one hub: `python -m <this module>`.

`stopped`: of 5,200 subscribers 200 stop reading; the hub is to let go of them, and the others'
99th percentile is to be at most 1.3 times what it was. `dropped`: 16,000 clients in channels of ten
lose their connections at once, come back after 12 s, and are to have what they missed within 30 s,
with one read of it for each channel. A process may have 20,000 descriptors here, of which the hub
keeps some in reserve, so it is not 20,000 clients.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from load.measured import Measured, Result
from load.report.files import read
from tests.measure import counted_reads
from tests.support.configuration import HMAC_SECRET
from tests.support.processes import HubProcess

READERS: Final = 5_000
STOPPED: Final = 200
DROPPED: Final = 16_000
A_CHANNEL: Final = 10
MEASURED: Final = ("dropped", "stopped")
RUN_MAX_S: Final = 600.0
REPORT_MAX_S: Final = 10.0
_POLL_S: Final = 0.02
_SLOW_CLOSES: Final = re.compile(r'^realtime_disconnects_total\{code="3008"\} (\S+)$', re.M)

SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "server": {"connections_max": 16_500, "connection_rate": 0},
    # Who stops reading answers no ping either, and is not to be let go for that.
    "client": {"ping_interval_s": 300.0},
    "namespaces": {
        "room": {
            "history_size": 1_000,
            "subscribe": ["user"],
            "publish": ["user"],
            "read_history": ["user"],
        },
    },
}


class Failed(Exception):
    """A run of the load did not come to its end; has what it said."""


class Crowds:
    """One hub, and the runs against it; in `folder` is all that they leave."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reads = folder / "reads"
        (folder / "secret").write_text(f"{HMAC_SECRET}\n")
        self.hub = HubProcess(folder, SETTINGS)
        self.hub.program = (counted_reads.MODULE, str(self._reads))

    def play(self, scenario: str, *words: str) -> Result:
        """Run a scenario to its end. Raises Failed."""
        out = self._folder / scenario
        command = [sys.executable, "-m", "load", scenario, *words, "--out", str(out)]
        command += ["--secret-file", str(self._folder / "secret")]
        command += ["--url", self.hub.url.replace("http", "ws", 1), "--warm-up-s", "2"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RUN_MAX_S, check=False
        )
        if done.returncode not in {0, 1, 3}:
            raise Failed((done.stdout + done.stderr)[-2_000:])
        return read(out / "result.json")

    def reads(self) -> int:
        """How often the store was read until now."""
        self._reads.unlink(missing_ok=True)
        os.kill(self.hub.pid, signal.SIGUSR1)
        until = time.monotonic() + REPORT_MAX_S
        while not self._reads.exists():
            if time.monotonic() > until:
                raise Failed("the hub does not say how often its store was read")
            time.sleep(_POLL_S)
        return int(self._reads.read_text())

    def slow_closes(self) -> int:
        """How many clients the hub has closed because they were slow, as it counts them itself: the
        close frame reaches nobody who does not read."""
        with urlopen(f"{self.hub.url}/metrics", timeout=REPORT_MAX_S) as answer:  # noqa: S310 - our own hub's
            found = _SLOW_CLOSES.search(answer.read().decode())
        return int(float(found[1])) if found else 0

    def stopped(self, scale: float) -> str:
        """Some stop reading."""
        readers, stopped = round(READERS * scale), round(STOPPED * scale)
        words = ["--clients", str(readers), "--stopped", str(stopped), "--rate", "10"]
        words += ["--payload-bytes", "8000", "--seconds", "110", "--drain-s", "30"]
        result = self.play("slow", *words, "--open-rate", "1000")
        before, beside = (_p99_ms(phase, "delivery") for phase in result.phases)
        counts = result.phases[-1].counts
        found = (
            f"{stopped} of {readers + stopped} subscribers stop reading: {counts['let_go']} let go,"
            f" closed 3008 by the hub's count {self.slow_closes()}; the others' p99 {beside:.0f} ms"
            f" against {before:.0f} without, {beside / before:.2f} x (<= 1.3)"
        )
        return told(found, result)

    def dropped(self, scale: float) -> str:
        """All lose their connections at once, and come back."""
        clients = round(DROPPED * scale)
        channels = max(1, clients // A_CHANNEL)
        words = ["--clients", str(clients), "--rooms", str(channels), "--rate", "200"]
        words += ["--cut-share", "1", "--cut-every-s", "40", "--away-s", "12", "--seconds", "60"]
        words += ["--drain-s", "30", "--processes", "2", "--open-rate", "2000"]
        before = self.reads()
        result = self.play("recovery", *words)
        each = (self.reads() - before) / channels
        (phase,) = result.phases
        waits = phase.histograms["recover"]
        found = (
            f"{phase.counts['cut']} clients dropped at once: {phase.counts['recovered']} back with"
            f" all that they had missed, the last after {waits.max / 1e6:.1f} s (<= 30), half of"
            f" them after {waits.percentile(50) / 1e6:.1f}; {each:.2f} reads of entries for each of"
            f" {channels} channels (1), beside one of where it ends"
        )
        return told(found, result)


def _p99_ms(phase: Measured, name: str) -> float:
    return phase.histograms[name].percentile(99) / 1_000


def told(found: str, result: Result) -> str:
    """With what did not hold, and whether the load was what was slow."""
    wrong = [f"{check.name}: {check.detail}" for check in result.checks if not check.passed]
    reasons = [reason for phase in result.phases for reason in phase.saturation.reasons]
    return "; ".join([found, result.verdict, *wrong, *reasons])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", choices=MEASURED, help="one of both")
    parser.add_argument("--scale", type=float, default=1.0, help="below 1: fewer, to try it out")
    options = parser.parse_args(arguments)
    for name in [options.only] if options.only else MEASURED:
        with tempfile.TemporaryDirectory() as folder:
            crowds = Crowds(Path(folder))
            crowds.hub.start()
            try:
                sys.stdout.write(f"{getattr(crowds, name)(options.scale)}\n")
                sys.stdout.flush()
            finally:
                crowds.hub.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
