"""Several hub processes on one port, under one parent that holds no clients.

Each worker is a whole hub, a node of its own, that binds the port with SO_REUSEPORT: the kernel
spreads new connections over those that listen (evenly on Linux; macOS prefers the newest). The
parent starts them, starts again what dies, and hands signals on: SIGTERM and SIGINT drain, SIGHUP
reads keys again, SIGUSR1 restarts the workers one after another. A worker notices that its parent
has died by the end of its standard input, and drains.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from realtime.server.logs import configure_logging
from realtime.server.parent import LISTENING, Place
from realtime.server.ports import Reservation, reserve
from realtime.server.supervision import GiveUp, Supervision
from realtime.settings.schema import Settings

logger = logging.getLogger(__name__)

STOP_MARGIN_S: Final = 45.0
"""How much longer than `server.drain_s` a hub may take to end before it is killed: 5 s for the last
commits, 10 for leaving the cluster, 11 for requests under way, 5 for the broker and 10 for the
store, and some for a busy machine. Who kills a hub from outside, Compose or Kubernetes, waits as
long."""

START_MAX_S: Final = 60.0
"""How long a successor may take to listen before a rolling restart ends."""

Command = Callable[[Place, int], Sequence[str]]
"""The command line of a worker, by its place and the port."""


def supervise(settings: Settings, command: Command) -> int:
    """Run `server.workers` workers until SIGTERM or SIGINT; the exit code for the process.

    Raises OSError where the port cannot be had.
    """
    configure_logging(settings.log)
    server = settings.server
    reserved = reserve(server.host, server.port)
    scheme = "http" if server.tls_certificate is None else "https"
    try:
        workers = Workers(
            lambda place: command(place, reserved.port),
            server.workers,
            stop_s=server.drain_s + STOP_MARGIN_S,
            listening=lambda: _say(scheme, reserved),
        )
        return asyncio.run(workers.run())
    finally:
        reserved.close()


def _say(scheme: str, reserved: Reservation) -> None:
    for host in reserved.hosts:
        shown = f"[{host}]" if ":" in host else host
        # For whoever started it, whatever the log level is.
        print(  # noqa: T201
            f"realtime: listening on {scheme}://{shown}:{reserved.port}",
            file=sys.stderr,
            flush=True,
        )


class _Worker:
    """One place among the workers, through all its lives."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.process: asyncio.subprocess.Process | None = None
        # Set once, at the very end.
        self.gone = asyncio.Event()
        # Whether the present life is to end, for a successor.
        self.asked = False
        # Told of a successor whether it came to listen.
        self.successor: asyncio.Future[bool] | None = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if there is a process to take it."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def succeeded(self, listens: bool) -> None:
        if self.successor is not None and not self.successor.done():
            self.successor.set_result(listens)


class Workers:
    """The parent's side of `count` workers; `command` says how to start each.

    A worker that was told to end and has not in `stop_s` seconds is killed. `listening` is called
    once, when all of them listen for the first time.
    """

    def __init__(
        self,
        command: Callable[[Place], Sequence[str]],
        count: int,
        *,
        stop_s: float,
        listening: Callable[[], None],
    ) -> None:
        self._command = command
        self._stop_s = stop_s
        self._listening: Callable[[], None] | None = listening
        self._supervision = Supervision(count)
        self._workers = [_Worker(Place(number, count)) for number in range(1, count + 1)]
        self._stopping = asyncio.Event()
        self._roll_wanted = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        """Keep them running until told to stop. The exit code: 0, or what they were given up with,
        or 1 where one had to be killed.

        Takes over the process's signals.
        """
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._send_all, signal.SIGHUP)
        loop.add_signal_handler(signal.SIGUSR1, self._roll_wanted.set)
        async with asyncio.TaskGroup() as tasks:
            for worker in self._workers:
                tasks.create_task(self._keep(worker), name=f"worker {worker.place}")
            rolling = tasks.create_task(self._roll_when_wanted(), name="rolling restart")
            await self._stopping.wait()
            rolling.cancel()
            await self._end_all()
        return self._code

    # One worker.

    async def _keep(self, worker: _Worker) -> None:
        """Start it, and again whenever it has ended, until all stop."""
        try:
            while not self._stopping.is_set():
                code = await self._live(worker)
                if self._stopping.is_set():
                    return
                asked, worker.asked = worker.asked, False
                if not asked:
                    worker.succeeded(False)
                verdict = self._supervision.ended(
                    worker.place.number, code, time.monotonic(), asked=asked
                )
                if isinstance(verdict, GiveUp):
                    logger.error("every worker ends with %s at its start", _told(code))
                    self._code = verdict.code
                    self._stopping.set()
                    return
                if not asked:
                    logger.error(
                        "worker %s ended with %s; starting it again in %s s",
                        worker.place,
                        _told(code),
                        verdict.after_s,
                    )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(verdict.after_s):
                        await self._stopping.wait()
        finally:
            worker.gone.set()

    async def _live(self, worker: _Worker) -> int:
        """One life: start it, hear whether it listens, and wait for its end."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._supervision.started(worker.place.number, time.monotonic())
        with ours, theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command(worker.place), stdin=theirs.fileno()
                )
            except OSError as error:
                # Too many processes, or the program is just being replaced.
                logger.error("worker %s cannot be started: %s", worker.place, error)
                return 1
            # With our copy closed, its own end is the only one: it is closed when it dies.
            theirs.close()
            worker.process = process
            logger.info("worker %s is process %s", worker.place, process.pid)
            if self._stopping.is_set():
                worker.send(signal.SIGTERM)
            await self._hear(worker, ours)
            return await process.wait()

    async def _hear(self, worker: _Worker, ours: socket.socket) -> None:
        """Until the worker closes its end, which its death does at the latest."""
        loop = asyncio.get_running_loop()
        try:
            while heard := await loop.sock_recv(ours, 1):
                if heard == LISTENING:
                    self._listens(worker)
        except ConnectionError:
            return

    def _listens(self, worker: _Worker) -> None:
        logger.info("worker %s listens", worker.place)
        self._supervision.listens(worker.place.number)
        worker.succeeded(True)
        if self._listening is not None and self._supervision.all_listen:
            self._listening()
            self._listening = None

    # All of them.

    async def _end_all(self) -> None:
        self._send_all(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._stop_s):
                for worker in self._workers:
                    await worker.gone.wait()
        except TimeoutError:
            logger.error("workers did not end within %s s and are killed", self._stop_s)
            self._code = self._code or 1
            self._send_all(signal.SIGKILL)

    def _send_all(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.send(number)

    # The rolling restart.

    async def _roll_when_wanted(self) -> None:
        while True:
            await self._roll_wanted.wait()
            self._roll_wanted.clear()
            logger.info("restarting the workers, one after another")
            for worker in self._workers:
                if not await self._replace(worker):
                    logger.error(
                        "the successor of worker %s does not listen; the others stay as they are",
                        worker.place,
                    )
                    break
            else:
                logger.info("all workers were restarted")

    async def _replace(self, worker: _Worker) -> bool:
        """Drain a worker; whether its successor came to listen."""
        worker.successor = asyncio.get_running_loop().create_future()
        process = worker.process
        if process is not None and process.returncode is None:
            worker.asked = True
            worker.send(signal.SIGTERM)
            try:
                async with asyncio.timeout(self._stop_s):
                    await process.wait()
            except TimeoutError:
                logger.error("worker %s did not drain and is killed", worker.place)
                worker.send(signal.SIGKILL)
        try:
            async with asyncio.timeout(START_MAX_S):
                return await worker.successor
        except TimeoutError:
            return False


def _told(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
