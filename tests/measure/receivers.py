"""Subscribers in a process of their own: `python -m <this module> PORT NAMESPACE CHANNELS EACH`.

Says "ready" once all are subscribed. For each line on its stdin it then answers, in one line of
JSON, what came since the last: how many deliveries, and how long after they were sent, in ms.
"""

import asyncio
import gc
import json
import sys
import time
from typing import Final

import uvloop

from tests.measure.lean_client import STAMP, LeanClient, percentile
from tests.support.tokens import connection_token

STORM: Final = 64
"""Connections that are opened at once."""


class Receivers:
    """Connections that only listen; each is subscribed to one channel."""

    def __init__(self) -> None:
        self.clients: list[LeanClient] = []
        self._late_ms: list[float] = []

    async def open(self, port: int, namespace: str, channels: int, each: int) -> None:
        """Open them all: `each` to every channel."""
        token = {"connect": {"token": connection_token("receiver")}}
        names = [f"{namespace}:r{number}" for number in range(channels)] * each
        for start in range(0, len(names), STORM):
            async with asyncio.TaskGroup() as group:
                for name in names[start : start + STORM]:
                    client = LeanClient(self._heard)
                    self.clients.append(client)
                    subscribe = {"subscribe": {"channel": name}}
                    group.create_task(client.open(port, [token, subscribe]))

    def report(self) -> str:
        """What came since the last report."""
        late, self._late_ms = self._late_ms, []
        return json.dumps(
            {
                "open": sum(client.is_open for client in self.clients),
                "count": len(late),
                "p50": percentile(late, 50),
                "p99": percentile(late, 99),
                "max": max(late, default=0.0),
            }
        )

    def _heard(self, text: bytes) -> None:
        now = time.monotonic_ns()
        for found in STAMP.findall(text):
            self._late_ms.append((now - int(found)) / 1e6)


async def serve(port: int, namespace: str, channels: int, each: int) -> None:
    """Open, say so, and report until stdin ends."""
    receivers = Receivers()
    await receivers.open(port, namespace, channels, each)
    # A pause of this process is not the hub's.
    gc.freeze()
    gc.disable()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while await lines.readline():
        sys.stdout.write(receivers.report() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
