"""Processes that a soak starts, breaks and ends: `Child` is one, and knows no other."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

END_S: Final = 10.0
"""How long a process that was killed may take to be gone, in seconds."""

TOLD_BYTES: Final = 2_000
"""How much of its log is told when a process does not start."""

_POLL_S: Final = 0.05
_CONNECT_S: Final = 2.0


class ChildFailed(RuntimeError):
    """A process did not start, or did not end; has its name, and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name
        self.why = why

    def __str__(self) -> str:
        return f"{self.name} {self.why}"


class Child:
    """One program, in a process group of its own, that writes into a log. `end` it at last; it ends
    with us in any case, as far as the system can have it so (`leash`).

    `env` is on top of our environment; it is given to the program `env`, so that what is secret
    belongs into files. `address` takes connections when the program is there.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        address: str,
        log: Path,
        env: Mapping[str, str],
        start_s: float,
        stop_s: float,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [*leash(), *in_environment(env), *command]
        self._address = address
        self._start_s = start_s
        self._stop_s = stop_s
        self._process: asyncio.subprocess.Process | None = None

    def __repr__(self) -> str:
        return f"<Child {self.name} pid={self.pid}>"

    @property
    def pid(self) -> int | None:
        """The process's id; None where it does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Start it, and wait until it is there. Raises ChildFailed."""
        if await reachable(self._address):
            raise ChildFailed(self.name, f"cannot start: {self._address} is somebody else's")
        try:
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ChildFailed(self.name, f"cannot start: {error.strerror}") from None
        try:
            async with asyncio.timeout(self._start_s):
                while not await reachable(self._address):
                    if self.pid is None:
                        code = self._process.returncode
                        raise ChildFailed(self.name, f"ended with {code}:\n{self._told()}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            why = f"is not at {self._address} after {self._start_s:g} s:\n{self._told()}"
            raise ChildFailed(self.name, why) from None

    async def kill(self) -> None:
        """SIGKILL to it and all that it has started; it is gone when this returns."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        async with asyncio.timeout(END_S):
            await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and wait for the end. Raises ChildFailed where it does not end in time, or not
        in good order; it is gone even then."""
        if self._process is None or self.pid is None:
            raise ChildFailed(self.name, "has ended by itself")
        self._process.terminate()
        try:
            async with asyncio.timeout(self._stop_s):
                code = await self._process.wait()
        except TimeoutError:
            await self.kill()
            raise ChildFailed(self.name, f"did not stop in {self._stop_s:g} s") from None
        # A program that does nothing about the signal is ended by it, which is no disorder.
        if code not in {0, -signal.SIGTERM}:
            raise ChildFailed(self.name, f"ended with {code} when it was told to stop")

    def freeze(self) -> None:
        """SIGSTOP: connections to it are taken, by the system, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT; also where it is not frozen."""
        self._signal(signal.SIGCONT)

    async def end(self) -> None:
        """Make sure that it does not run."""
        if self.pid is not None:
            with contextlib.suppress(TimeoutError):
                await self.kill()

    def _signal(self, number: signal.Signals) -> None:
        # Of one that has ended the number may be somebody else's by now.
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def _told(self) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - TOLD_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""


async def run(name: str, command: Sequence[str], env: Mapping[str, str], within_s: float) -> None:
    """Run a program to its end. Raises ChildFailed where that is not good, or not in time."""
    try:
        process = await asyncio.create_subprocess_exec(
            *in_environment(env),
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        raise ChildFailed(name, f"cannot start: {error.strerror}") from None
    try:
        async with asyncio.timeout(within_s):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ChildFailed(name, f"has not ended after {within_s:g} s") from None
    if process.returncode:
        told = said[-TOLD_BYTES:].decode(errors="replace").strip()
        raise ChildFailed(name, f"ended with {process.returncode}:\n{told}")


async def reachable(address: str) -> bool:
    """Whether `host:port` takes a connection now."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def leash() -> list[str]:
    """The words before a command that have it killed when this process ends, however that is; none
    where the system has no program for that: then whoever kills us must end the others, too."""
    program = shutil.which("setpriv") if sys.platform == "linux" else None
    return [program, "--pdeathsig", "KILL", "--"] if program is not None else []


def in_environment(env: Mapping[str, str]) -> list[str]:
    """The words before a command that put this into its environment, beside what is in ours."""
    return ["env", *(f"{name}={value}" for name, value in env.items())] if env else []
