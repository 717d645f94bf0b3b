"""What an idle connection costs the hub, by transport: `python -m <this module>`.

For each transport a hub of its own, and so many connections with a token and one subscription, each
in a channel of ten. The figure is how much the hub's resident memory grew, by connection; a few
hundred connections come and go before, so that what is made once is not counted.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import uvloop

from tests.support.processes import HubProcess
from tests.support.raw_socket import HANDSHAKE, text_frame
from tests.support.tokens import connection_token

SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "server": {"connections_max": 15_000},
    # None is pinged while it is measured.
    "client": {"ping_interval_s": 600.0},
}
BIDIRECTIONAL: Final = ("websocket", "http_stream", "sse")
TRANSPORTS: Final = (*BIDIRECTIONAL, "uni_websocket", "uni_http_stream", "uni_sse")
WARM: Final = 300
AT_ONCE: Final = 50
OPEN_S: Final = 30.0
CALM_S: Final = 3.0


class Listener(asyncio.Protocol):
    """One connection; `subscribed` is set once the hub has answered for its channel."""

    def __init__(self, request: bytes, frame: bytes, channel: str) -> None:
        self.subscribed = asyncio.get_running_loop().create_future()
        self.transport: asyncio.WriteTransport | None = None
        self._request = request
        self._frame = frame
        self._found = (b'"id":2,"subscribe":', f'"{channel}":{{'.encode())
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        # A cast: uvloop's transports are ones in all but name.
        self.transport = cast(asyncio.WriteTransport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Look for the answer."""
        if self.subscribed.done():
            return
        self._heard += data
        if self._frame and b"\r\n\r\n" in self._heard:
            assert self.transport is not None
            self.transport.write(self._frame)
            self._frame = b""
        if any(found in self._heard for found in self._found):
            self.subscribed.set_result(None)
            self._heard = b""


def listener(transport: str, channel: str) -> Listener:
    """A connection over the transport, subscribed to the channel."""
    token = connection_token("idle")
    if transport in BIDIRECTIONAL:
        commands: Sequence[object] = (
            {"id": 1, "connect": {"token": token}},
            {"id": 2, "subscribe": {"channel": channel}},
        )
    else:
        commands = ({"token": token, "subs": {channel: {}}},)
    said = "\n".join(map(json.dumps, commands))
    if transport.endswith("websocket"):
        path = f"/connection/{transport}".encode()
        head = HANDSHAKE.replace(b"/connection/websocket", path)
        return Listener(head, text_frame(said), channel)
    if transport.endswith("sse"):
        target = f"/connection/{transport}?cf_connect={quote(said)}"
        head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        return Listener(head, b"", channel)
    head = (
        f"POST /connection/{transport} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Length: {len(said.encode())}\r\n\r\n{said}"
    ).encode()
    return Listener(head, b"", channel)


async def opened(hub: HubProcess, transport: str, count: int) -> list[Listener]:
    """So many connections, all subscribed."""
    listeners: list[Listener] = []
    loop = asyncio.get_running_loop()
    for first in range(0, count, AT_ONCE):
        group = [
            listener(transport, f"live:{number // 10}")
            for number in range(first, min(first + AT_ONCE, count))
        ]
        async with asyncio.timeout(OPEN_S):
            for each in group:
                await loop.create_connection(partial(_same, each), "127.0.0.1", hub.port)
            await asyncio.gather(*(each.subscribed for each in group))
        listeners += group
    return listeners


def _same(each: Listener) -> Listener:
    return each


async def kilobytes(hub: HubProcess, transport: str, count: int) -> float:
    """What one of them costs."""
    for each in await opened(hub, transport, WARM):
        assert each.transport is not None
        each.transport.close()
    await asyncio.sleep(CALM_S)
    before = hub.rss_kb()
    listeners = await opened(hub, transport, count)
    await asyncio.sleep(CALM_S)
    grown = hub.rss_kb() - before
    for each in listeners:
        assert each.transport is not None
        each.transport.abort()
    return grown / count


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a row a transport."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--connections", type=int, default=5_000)
    parser.add_argument("transports", nargs="*", default=TRANSPORTS, metavar="TRANSPORT")
    options = parser.parse_args(arguments)
    for transport in options.transports:
        with tempfile.TemporaryDirectory() as folder:
            hub = HubProcess(Path(folder), SETTINGS)
            try:
                hub.start()
                cost = uvloop.run(kilobytes(hub, transport, options.connections))
            finally:
                hub.end()
        sys.stdout.write(f"{transport:<16} {cost:5.2f} KB a connection\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
