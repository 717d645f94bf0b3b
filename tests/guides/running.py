"""A program of a guide while it runs: what it prints, and how it is stopped, paused and ended."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_END_S: Final = 5.0


class ProgramFailed(Exception):
    """The program did not print in time what was expected; has all that it printed."""


class Program:
    """A child in a process group of its own. Who makes one calls `end` at last."""

    def __init__(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._child = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        with self._changed:
            return "".join(self._lines)

    def count(self, text: str) -> int:
        """In how many lines of the output the text is."""
        return sum(text in line for line in self.output.splitlines())

    def wait_for(self, text: str, timeout_s: float = 15.0) -> None:
        """Wait until the text is in a line of the output. Raises ProgramFailed."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not any(text in line for line in self._lines):
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self._ended:
                    printed = "".join(self._lines)
                    raise ProgramFailed(f"no {text!r} in {timeout_s} s; it printed:\n{printed}")
                self._changed.wait(remaining)

    def suspend(self) -> None:
        """Let it do nothing any more, as a phone does with an app in the background."""
        os.killpg(self._child.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `suspend`."""
        os.killpg(self._child.pid, signal.SIGCONT)

    def wait(self, timeout_s: float = _END_S) -> int:
        """Wait for its end and for the last of its output; the exit code."""
        code = self._child.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def end(self) -> None:
        """Make sure that nothing is left running. Idempotent."""
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
        self.wait()

    def _read(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as stdout:
            for line in stdout:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
