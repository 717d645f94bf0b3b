"""Many processes that make one load: started together, in step, and measured as one."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

import msgspec

from load.descriptors import allow_descriptors
from load.measured import Measured, Sample, merge, merge_samples
from load.orders import LINE_BYTES_MAX, Order, Word, line, read_word
from load.share import Share

SILENCE_MAX_S: Final = 60.0
"""How long nothing may be heard of a process, in seconds, before the run is given up."""

END_S: Final = 5.0
"""How long processes may take to end, in seconds, before they are killed."""

_START_NS: Final = 200_000_000
"""How long before a phase all processes are told of it, in ns."""


class FleetFailed(RuntimeError):
    """A process failed or died, and the run cannot go on; says which and how."""


class Interrupted(RuntimeError):
    """The run was interrupted: there is no next phase."""


class PhaseOrder(Protocol):
    """What a fleet needs to know of a phase."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def changes(self) -> Mapping[str, Any]:
        """Parameters that are other than the run's in it."""


class Fleet:
    """Processes, one for each share. A context manager, which starts and ends them.

    `clients` is how many connections one process opens at most. `report` is told what happens in
    each second of a phase, in all processes together. Methods raise FleetFailed; entering it
    raises LimitError where the system does not allow the load.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        *,
        clients: int = 0,
        report: Callable[[str, Sample], None] = lambda phase, sample: None,
    ) -> None:
        self.interrupted = False
        """Whether `interrupt` was called."""
        self._shares = shares
        self._clients = clients
        self._report = report
        self._crew: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        # Set here, it holds for all that are started.
        allow_descriptors(self._clients)
        try:
            for share in self._shares:
                self._crew.append(await _start())
                self._tell(self._crew[-1], line(share))
        except BaseException:
            # Cancellation, too: those that were started must end.
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def setup(self) -> None:
        """Have all processes open what they need."""
        await self._step(Order(do="setup"), "setup")

    async def phase(self, phase: PhaseOrder) -> Measured:
        """Play a phase in all processes at once, and give what they measured together.

        When the fleet is interrupted meanwhile, it is what was measured until then. Raises
        Interrupted where that was before.
        """
        if self.interrupted:
            raise Interrupted
        order = Order(
            do="phase",
            phase=phase.name,
            changes=dict(phase.changes),
            at_ns=time.monotonic_ns() + _START_NS,
        )
        words = await self._step(order, phase.name)
        parts = [word.measured for word in words if word.measured is not None]
        if len(parts) != len(self._crew):
            raise Interrupted
        return merge(parts)

    async def cleanup(self) -> None:
        """Have all processes take away what the run has left in the hub; after `interrupt`, too."""
        await self._step(Order(do="cleanup"), "cleanup")

    def interrupt(self) -> None:
        """End the step that runs, soon. For a signal handler of the loop."""
        self.interrupted = True
        self._stop()

    def pids(self) -> list[int]:
        """The processes' ids, in the order of the shares."""
        return [process.pid for process in self._crew]

    async def _step(self, order: Order, name: str) -> list[Word]:
        """Do one thing in all processes; the last word of each that has something to say."""
        live = _Live(len(self._crew), lambda sample: self._report(name, sample))
        for process in self._crew:
            self._tell(process, line(order))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._hear(number, process, live))
                    for number, process in enumerate(self._crew)
                ]
        except* FleetFailed as failures:
            # One is enough to know: the others often failed for the same reason.
            raise failures.exceptions[0] from None
        words = [task.result() for task in tasks]
        if failed := next((word.failed for word in words if word.failed), ""):
            raise FleetFailed(failed)
        return words

    async def _hear(self, number: int, process: asyncio.subprocess.Process, live: "_Live") -> Word:
        """Listen to a process until its step has ended. When it failed, the others need not go on
        with it, and all of them can still clean up."""
        assert process.stdout is not None  # a pipe
        measured: Measured | None = None
        while True:
            try:
                async with asyncio.timeout(SILENCE_MAX_S):
                    text = await process.stdout.readline()
            except TimeoutError:
                raise FleetFailed(
                    f"process {number} has not been heard of for {SILENCE_MAX_S:.0f} s"
                ) from None
            if not text.endswith(b"\n"):
                status = await process.wait()
                raise FleetFailed(f"process {number} has died with status {status}")
            try:
                word = read_word(text)
            except msgspec.DecodeError as error:
                raise FleetFailed(f"process {number} is of another version: {error}") from None
            if word.failed:
                self._stop(others_than=process)
                return Word(failed=f"process {number}: {word.failed}")
            measured = word.measured or measured
            if word.sample is not None:
                live.add(word.sample)
            if word.done:
                return Word(done=True, measured=measured)

    def _stop(self, others_than: asyncio.subprocess.Process | None = None) -> None:
        for process in self._crew:
            if process is not others_than:
                self._tell(process, line(Order(do="stop")))

    def _tell(self, process: asyncio.subprocess.Process, text: bytes) -> None:
        assert process.stdin is not None  # a pipe
        if not process.stdin.is_closing():
            process.stdin.write(text)

    async def _end(self) -> None:
        for process in self._crew:
            assert process.stdin is not None  # a pipe
            process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await _all_ended(self._crew)
        except TimeoutError:
            for process in self._crew:
                if process.returncode is None:
                    process.kill()
            await _all_ended(self._crew)
        self._crew = []


class _Live:
    """Puts samples of the same second together, and tells of each when all have given theirs."""

    def __init__(self, processes: int, report: Callable[[Sample], None]) -> None:
        self._processes = processes
        self._report = report
        self._open: dict[float, list[Sample]] = {}

    def add(self, sample: Sample) -> None:
        """Take one process's sample."""
        found = self._open.setdefault(sample.at, [])
        found.append(sample)
        if len(found) == self._processes:
            del self._open[sample.at]
            self._report(merge_samples([[one] for one in found])[0])


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "load.process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
        # Ctrl-C is for the fleet, which asks its processes for what they have measured.
        start_new_session=True,
    )


async def _all_ended(crew: Iterable[asyncio.subprocess.Process]) -> None:
    for process in crew:
        await process.wait()
