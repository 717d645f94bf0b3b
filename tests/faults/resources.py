"""What a hub holds of its machine: descriptors and memory, before and after (targets.md, F)."""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.support.processes import HubProcess

DESCRIPTORS_SLACK: Final = 6
"""More descriptors than before that are no leak: a keep-alive, a second socket to Redis."""

RSS_SLACK_KB: Final = 64 * 1024
"""More memory than before that is no leak: the tails of the channels, the allocator's arenas."""

WITHIN_S: Final = 10.0
"""How long it may take until connections that are gone are let go of."""

_POLL_S: Final = 0.1


class Held(NamedTuple):
    """What one process holds; `pid` tells whether it is still the same one."""

    pid: int
    descriptors: int
    rss_kb: int


def held(hub: HubProcess, pool_port: int) -> Held:
    """What a hub holds now, but for connections to `pool_port`: a pool keeps those it has."""
    pooled = _sockets_to(hub.pid, pool_port)
    descriptors = 0
    for name in os.listdir(f"/proc/{hub.pid}/fd"):
        try:
            target = os.readlink(f"/proc/{hub.pid}/fd/{name}")
        except FileNotFoundError:  # closed meanwhile
            continue
        descriptors += target not in pooled
    return Held(hub.pid, descriptors, hub.rss_kb())


async def leaks(hubs: Sequence[HubProcess], pool_port: int, before: Sequence[Held]) -> list[str]:
    """What hubs that are the same processes as before still hold too much of, after a while."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        now = [held(hub, pool_port) for hub in hubs]
        found = [
            f"F: hub{number} has {after.descriptors} descriptors and {after.rss_kb} KB,"
            f" before it was {first.descriptors} and {first.rss_kb}"
            for number, (first, after) in enumerate(zip(before, now, strict=True))
            if first.pid == after.pid
            and (
                after.descriptors > first.descriptors + DESCRIPTORS_SLACK
                or after.rss_kb > first.rss_kb + RSS_SLACK_KB
            )
        ]
        if not found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(_POLL_S)


def _sockets_to(pid: int, port: int) -> set[str]:
    """The process's connections to a port on this machine, as /proc/<pid>/fd names them."""
    sockets = set()
    with open(f"/proc/{pid}/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if int(fields[2].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    return sockets
