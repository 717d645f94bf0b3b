"""Programs that a test starts from a deployment's commands, and ends.

Everything here blocks; asynchronous tests call it through `asyncio.to_thread`.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

START_S: Final = 30.0
"""How long a program may take until it is well."""

STOP_S: Final = 30.0
"""How long a program may take to end after SIGTERM."""

_POLL_S: Final = 0.1
_SHOWN: Final = 3000


class ChildFailed(Exception):
    """A program ended, or did not do in time what it should; has the end of its log."""


class Child:
    """One program in the background; its log is a file in its directory."""

    def __init__(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        self.name = name
        self._log = directory / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # With children of its own, which outlive it if it is killed: nginx has some.
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds, for as long as the program runs. Raises ChildFailed."""
        deadline = time.monotonic() + START_S
        while not holds():
            if (code := self._process.poll()) is not None:
                raise ChildFailed(f"{self.name} ended with {code}:\n{self.log[-_SHOWN:]}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name}: not {what} in time:\n{self.log[-_SHOWN:]}")
            time.sleep(_POLL_S)

    def ended_within(self, seconds: float) -> int:
        """Wait for the end; the exit code. Raises TimeoutError where it goes on running."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs") from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def terminate(self, within_s: float = STOP_S) -> int:
        """SIGTERM; the exit code. Raises ChildFailed where it does not end."""
        self._process.terminate()
        try:
            return self.ended_within(within_s)
        except TimeoutError:
            raise ChildFailed(
                f"{self.name} runs {within_s} s after SIGTERM:\n{self.log[-_SHOWN:]}"
            ) from None

    def end(self) -> None:
        """Make sure that nothing of it runs. Idempotent."""
        # The group is there for as long as anything in it is, and its number is not used again.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Children:
    """Starts programs; `started` ends them all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._children: list[Child] = []

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start one in the background."""
        child = Child(name, argv, environment, self.directory)
        self._children.append(child)
        return child

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str], within_s: float = START_S
    ) -> subprocess.CompletedProcess[str]:
        """Run one to its end, whatever its exit code; stdout and stderr are in `stdout`."""
        return subprocess.run(
            argv,
            env=environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
        )

    def end(self) -> None:
        """End all, the newest first."""
        for child in reversed(self._children):
            child.end()


@contextlib.contextmanager
def started(directory: Path) -> Iterator[Children]:
    """Children that do not outlive the block."""
    directory.mkdir(parents=True, exist_ok=True)
    children = Children(directory)
    try:
        yield children
    finally:
        children.end()
