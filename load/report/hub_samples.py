"""Memory and CPU of a hub on this machine, read from `/proc` while a load runs against it.

Where the hub is somewhere else, belongs to somebody whose `/proc` may not be read, or the machine
is no Linux, there are no samples: a run goes on without them, and its report says nothing of
memory. Several processes that serve one port (a master and its workers) are summed.
"""

import asyncio
import ipaddress
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

INTERVAL_S: Final = 1.0
"""Between two samples; one costs up to half a millisecond for each process of the hub."""

SAMPLES_MAX: Final = 100_000
"""More are not kept: a day of them, at one a second."""

_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"  # TCP_LISTEN of include/net/tcp_states.h, as /proc/net/tcp writes it
_ENDED: Final = "ZX"  # states of proc_pid_stat(5): zombie and dead
_DEFAULT_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}


class HubSample(NamedTuple):
    """One look at a hub; in JSON `[t, rss_kb, cpu_s]`."""

    t_s: float
    """Seconds since the sampling began."""
    rss_kb: int
    """Resident memory of all its processes, in KiB."""
    cpu_s: float
    """CPU seconds, of user and system, that they took since the sampling began."""


class HubSampler:
    """Samples of one process and all that it started; `run` takes one a second.

    A process that starts later counts from its first sample, one that ended keeps the CPU it had
    taken at its last. `proc` and `clock_s` are for tests.
    """

    def __init__(
        self, pid: int, *, proc: Path = _PROC, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.pid = pid
        self.samples: list[HubSample] = []
        self._proc = proc
        self._clock_s = clock_s
        self._began_s = clock_s()
        self._known_cpu_s: dict[int, float] = {}
        """CPU at the last sample, by process."""
        self._spent_cpu_s = 0.0

    def sample(self) -> bool:
        """Take one sample now; False, and no sample, when the process is gone or may not be read.

        Blocks for as long as the kernel takes to write a few lines per process of the hub.
        """
        t_s = self._clock_s() - self._began_s
        rss_kb = 0
        first = not self._known_cpu_s
        cpus_s: dict[int, float] = {}
        for pid in family(self.pid, self._proc):
            try:
                stat = _stat(self._proc / str(pid))
            except (OSError, ValueError, IndexError):
                continue  # ended between the two looks
            rss_kb += stat.rss_kb
            cpus_s[pid] = stat.cpu_s
            # A worker that came since has spent all of its CPU since; the first seen have not.
            before_s = stat.cpu_s if first else self._known_cpu_s.get(pid, 0.0)
            self._spent_cpu_s += max(0.0, stat.cpu_s - before_s)
        if self.pid not in cpus_s:
            return False
        self._known_cpu_s = cpus_s
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append(HubSample(round(t_s, 3), rss_kb, round(self._spent_cpu_s, 3)))
        return True

    async def run(self) -> None:
        """Sample each second until cancelled, or until the process is gone. Run it on a group.

        Cancelling is safe: what was sampled stays in `samples`.
        """
        due_s = self._clock_s()
        while self.sample():
            due_s += INTERVAL_S
            await asyncio.sleep(max(0.0, due_s - self._clock_s()))


def hub_pid(urls: Iterable[str], proc: Path = _PROC) -> int | None:
    """The process that listens on the port of the first of these URLs that is of this machine.

    Only addresses of 127.0.0.0/8, `::1` and `localhost` are of this machine. None when there is no
    such URL, nobody listens, or `/proc` does not tell: it shows the sockets of others to root only.
    """
    for url in urls:
        port = _local_port(url)
        if port is not None:
            inodes = set(_listening_inodes(port, proc))
            owners = {pid for pid in _pids(proc) if inodes and _holds(proc / str(pid), inodes)}
            # Of a master and its workers, which share the socket, the one that started the others.
            for pid in sorted(owners):
                if _parent(proc / str(pid)) not in owners:
                    return pid
    return None


def family(pid: int, proc: Path = _PROC) -> list[int]:
    """The process and everything that it started, directly or not, and that runs."""
    found = [pid]
    for one in found:
        found += _children(proc / str(one))
    return found


def _local_port(url: str) -> int | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return None
    return (port or _DEFAULT_PORTS.get(parts.scheme)) if is_local else None


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _pids(proc: Path) -> Iterator[int]:
    try:
        names = os.listdir(proc)
    except OSError:
        return
    yield from (int(name) for name in names if name.isdecimal())


def _children(process: Path) -> Iterator[int]:
    """Each thread has its own; a kernel without CONFIG_PROC_CHILDREN tells of none."""
    try:
        for thread in os.listdir(process / "task"):
            yield from map(int, (process / "task" / thread / "children").read_text().split())
    except OSError:
        return


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        with os.scandir(process / "fd") as descriptors:
            targets = {os.readlink(one.path) for one in descriptors}
    except OSError:
        return False  # somebody else's, or gone
    return any(f"socket:[{inode}]" in targets for inode in inodes)


class _Stat(NamedTuple):
    parent: int
    cpu_s: float
    rss_kb: int


def _stat(process: Path) -> _Stat:
    """Fields of proc_pid_stat(5), which follow the name: that may hold spaces and brackets."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    if fields[0] in _ENDED:
        raise ValueError("it has ended, and its parent does not know yet")
    ticks = int(fields[11]) + int(fields[12])
    return _Stat(
        parent=int(fields[1]),
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
        rss_kb=int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 1024,
    )


def _parent(process: Path) -> int | None:
    try:
        return _stat(process).parent
    except (OSError, ValueError, IndexError):
        return None
