"""A hub in a process of its own, as an operator starts it; killed, drained and started again.

Everything here blocks: asynchronous tests call it through `asyncio.to_thread`.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.configuration import Sections, sections, to_toml

_ROOT: Final = Path(__file__).resolve().parents[2]
_LISTENING: Final = re.compile(
    r"^realtime: listening on (?P<url>https?://\S+:(?P<port>\d+))$", re.M
)
_POLL_S: Final = 0.01
_START_S: Final = 20.0
_STOP_S: Final = 40.0

# What no log of a healthy hub contains (targets.md, G).
_COMPLAINTS: Final = re.compile(
    r"Traceback \(most recent call last\)|was never (?:retrieved|awaited)"
    r"|Exception in callback|Task was destroyed|ResourceWarning|Fatal Python error"
)


class HubFailed(Exception):
    """The hub did not do in time what it was asked; has the end of its log."""


class HubProcess:
    """`realtime serve` as a child, in a process group of its own; its log is a file.

    The port is any free one at the first start and the same at every later one. `changes` are
    settings on top of `tests.support.configuration.sections`. The database and the log are in
    `directory` and stay from one start to the next. Who makes one calls `end` at last.
    """

    def __init__(self, directory: Path, changes: Sections | None = None) -> None:
        self.directory = directory
        self.port = 0
        self.url = ""
        self.program: Sequence[str] = ("realtime",)
        """The module that is the command, and words before the command's own: another build."""
        self._settings = directory / "hub.toml"
        self._log = directory / "hub.log"
        self._log.touch()
        self._child: subprocess.Popen[bytes] | None = None
        self.configure(changes or {})

    def __repr__(self) -> str:
        return f"<HubProcess pid={self._child and self._child.pid} {self.url or 'not started'}>"

    @property
    def websocket_url(self) -> str:
        """Where clients connect."""
        return f"{self.url.replace('http', 'ws', 1)}/connection/websocket"

    @property
    def api_url(self) -> str:
        """Base of the server API's methods, without a slash at the end."""
        return f"{self.url}/api"

    @property
    def pid(self) -> int:
        """Process id of the running hub."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._child is not None and self._child.poll() is None

    def workers(self) -> list[int]:
        """Process ids of the workers that it has started, where it is the parent of several; the
        order is the kernel's."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    @property
    def log(self) -> str:
        """All that the hub has written to stdout and stderr, over every start."""
        return self._log.read_text(errors="replace")

    @property
    def log_bytes(self) -> int:
        """Length of the log so far."""
        return self._log.stat().st_size

    def wait_for_log(self, text: str, offset: int, timeout_s: float = 5.0) -> None:
        """Wait until `text` is in the log after its first `offset` bytes. Raises HubFailed."""
        deadline = time.monotonic() + timeout_s
        while text not in self._log_after(offset):
            if time.monotonic() > deadline:
                raise HubFailed(f"no {text!r} after {timeout_s} s:\n{self._log_after(offset)}")
            time.sleep(_POLL_S)

    def complaints(self) -> list[str]:
        """Lines of the log that a healthy hub never writes, with what follows them."""
        log = self.log
        return [log[match.start() : match.start() + 2000] for match in _COMPLAINTS.finditer(log)]

    def configure(self, changes: Sections) -> None:
        """Write the settings anew; in force at the next start, or where a SIGHUP reads them."""
        self._settings.write_text(to_toml(sections(self.directory, changes)))

    def start(self) -> None:
        """Start, and wait until the hub says that it listens. Raises HubFailed."""
        offset = self.log_bytes
        self.launch()
        deadline = time.monotonic() + _START_S
        while (found := _LISTENING.search(self._log_after(offset))) is None:
            if self._running().poll() is not None:
                raise HubFailed(f"exit {self._running().returncode} at start:\n{self.log[-3000:]}")
            if time.monotonic() > deadline:
                raise HubFailed(f"not listening after {_START_S} s:\n{self.log[-3000:]}")
            time.sleep(_POLL_S)
        self.url = found["url"]
        self.port = int(found["port"])

    def command(self, *words: str, timeout_s: float = _STOP_S) -> subprocess.CompletedProcess[str]:
        """Run another command with the hub's settings, "store", "init", to its end."""
        return subprocess.run(
            [sys.executable, "-m", "realtime", *words, "--config", str(self._settings)],
            cwd=_ROOT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def launch(self) -> None:
        """Start without waiting; for hubs that are expected to refuse. `wait` follows."""
        self.launch_command("serve", "--port", str(self.port))

    def launch_command(self, *words: str) -> None:
        """The same for another command that runs until it is stopped, "worker"."""
        arguments = [sys.executable, "-m", *self.program, *words, "--config", str(self._settings)]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                arguments,
                cwd=_ROOT,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, timeout_s: float = _STOP_S) -> int:
        """Wait for the end; the exit code, negative for a signal. Raises HubFailed."""
        try:
            return self._running().wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise HubFailed(f"still running after {timeout_s} s:\n{self.log[-3000:]}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._running().send_signal(number)

    def terminate(self, timeout_s: float = _STOP_S) -> int:
        """SIGTERM, then `wait`."""
        self.send(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill9(self) -> None:
        """SIGKILL to the whole group, workers included; the hub is gone when this returns."""
        os.killpg(self._running().pid, signal.SIGKILL)
        self.wait()

    def restart(self) -> None:
        """`kill9`, then `start` on the same port and database."""
        self.kill9()
        self.start()

    def rss_kb(self) -> int:
        """Resident memory in KB (proc(5), VmRSS)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)[1])  # type: ignore[index]

    def descriptors(self) -> int:
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def sockets(self) -> int:
        """Open sockets: descriptors that no file of the database is behind."""
        count = 0
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += os.readlink(entry).startswith("socket:")
        return count

    def end(self) -> None:
        """Make sure that nothing is left running. Idempotent."""
        if self._child is not None and self._child.poll() is None:
            self.kill9()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise HubFailed("never started")
        return self._child

    def _log_after(self, offset: int) -> str:
        with self._log.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")


def _environment() -> dict[str, str]:
    """Ours without what the hub would take for settings."""
    names = {"PORT", "REDIS_URL", "MONGODB_URI"}
    return {
        name: value
        for name, value in os.environ.items()
        if name not in names and not name.startswith("REALTIME_")
    }
